//! `tidegate decide`: what would become of this content? Nothing is sent, counted or recorded.
//!
//! If the state directory has counters and no gateway is running on it, the decision is made with what they show;
//! otherwise with what this content alone would count. Which of the two it was is said on standard error.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;

use super::content::{Input, Labels};
use super::{Answer, Failure, Outcome, json_line, load, lookup, note};
use crate::admin::Question;
use crate::config::{Settings, Snapshot};
use crate::gate::{self, Body, Stored};
use crate::ledger::{self, Ledger};
use crate::metrics::Metrics;
use crate::transfer::{Category, Country, DigestKey};

/// Options of the command.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  tidegate decide --from CN --to SG customers.csv\n  \
                        tidegate decide --to api.partner.example --as crm --fact purpose=hr-management --json body.json")]
pub(super) struct Decide {
    /// The content; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Host, address or country of the importer
    #[arg(long, value_name = "HOST_OR_CC")]
    to: String,
    /// Country of the exporter [default: the application's, else the configured one]
    #[arg(long, value_name = "CC", value_parser = super::country)]
    from: Option<Country>,
    /// Application that would send it
    #[arg(long = "as", value_name = "APPLICATION")]
    application: Option<String>,
    #[command(flatten)]
    labels: Labels,
    /// Day to decide on [default: today]
    #[arg(long, value_name = "YYYY-MM-DD")]
    date: Option<String>,
    /// An answer for this transfer alone
    #[arg(long = "fact", value_name = "NAME=VALUE")]
    facts: Vec<String>,
    /// Print the decision as JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command. The answer is no if the transfer would be blocked.
pub(super) fn run(decide: &Decide, config: Option<&Path>, out: &mut dyn Write) -> Outcome {
    let mut snapshot = load(config, decide.from)?;
    resolve(&decide.to, &mut snapshot);
    let snapshot = Arc::new(snapshot);
    let input = Input::new(&decide.file);
    let labels = input.labels(&decide.labels)?;
    let question = Question {
        from: decide.from.map(|country| country.as_str().to_owned()),
        to: Some(decide.to.clone()),
        application: decide.application.clone(),
        content_type: labels.content_type,
        content_encoding: labels.content_encoding,
        date: decide.date.clone(),
        facts: decide.facts.clone(),
    };
    let imagined = question.imagine(Arc::clone(&snapshot), "decide").map_err(|unclear| Failure::Unable(unclear.0))?;
    let body = body(&input, snapshot.settings.limits.body)?;
    let metrics = Metrics::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (ledger, key) = runtime.block_on(counters(&snapshot.settings));
    let envelope = imagined.envelope();
    let rehearsal = gate::rehearse(&key, &metrics, ledger.as_ref(), &envelope, &body, imagined.now);
    let decision = runtime.block_on(rehearsal)?;
    if decide.json {
        let mut answer = serde_json::to_value(&decision).map_err(|error| Failure::unable(error.to_string()))?;
        if let Some(members) = answer.as_object_mut() {
            members.insert("found".to_owned(), json!(decision.found));
        }
        json_line(out, &answer)?;
    } else {
        super::counsel::page(&decision, out)?;
    }
    Ok(if decision.lets_go() { Answer::Yes } else { Answer::No })
}

/// Looks the importer up in DNS as the gateway would, and keeps the answer with the static names.
fn resolve(to: &str, snapshot: &mut Snapshot) {
    let host = to.trim_end_matches('.').to_ascii_lowercase();
    if !host.contains('.') || host.parse::<std::net::IpAddr>().is_ok() {
        return;
    }
    match lookup::addresses(&host, &snapshot.settings) {
        Ok(addresses) => drop(snapshot.settings.names.insert(host, addresses)),
        Err(why) => note(&format!("{host} has no address ({why}); it is judged by its name alone")),
    }
}

/// The counters and the key people are counted under, if they can be had.
async fn counters(settings: &Settings) -> (Option<Ledger>, DigestKey) {
    let never_counted =
        settings.ledger == ledger::Settings::default() && !settings.state.join("digest.key").is_file();
    if never_counted {
        return (None, DigestKey::ephemeral());
    }
    match Ledger::visit(&settings.ledger, &settings.state).await {
        Ok(ledger) => {
            let key = ledger.key();
            (Some(ledger), key)
        }
        Err(error) => {
            note(&format!("the counters cannot be asked ({error}); people are counted from zero"));
            (None, DigestKey::ephemeral())
        }
    }
}

fn body(input: &Input, most: u64) -> Result<Body, Failure> {
    let named = |error: io::Error| Failure::unable(format!("{}: {error}", input.name()));
    let bytes = match input {
        Input::File(path) => {
            let bytes = std::fs::metadata(path).map_err(named)?.len();
            if bytes <= most {
                File::open(path).map_err(named)?;
                return Ok(Body::Stored(Arc::new(OnDisk { path: path.clone(), bytes })));
            }
            bytes
        }
        Input::Standard => {
            let mut bytes = Vec::new();
            io::stdin().lock().take(most.saturating_add(1)).read_to_end(&mut bytes).map_err(named)?;
            if bytes.len() as u64 <= most {
                return Ok(Body::Memory(bytes.into()));
            }
            bytes.len() as u64
        }
    };
    Ok(Body::Opaque(Category::oversize(), bytes))
}

/// A file as a body that can be read again.
struct OnDisk {
    path: PathBuf,
    bytes: u64,
}

impl Stored for OnDisk {
    fn len(&self) -> u64 {
        self.bytes
    }

    fn reader(&self) -> Box<dyn BufRead + Send + '_> {
        match File::open(&self.path) {
            Ok(file) => Box::new(BufReader::with_capacity(256 * 1024, file)),
            Err(error) => Box::new(BufReader::new(Unreadable(error.kind()))),
        }
    }
}

/// A file that went away between two readings.
struct Unreadable(io::ErrorKind);

impl io::Read for Unreadable {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(self.0.into())
    }
}
