//! `tidegate ledger import`: people whose data left before the gateway counted.
//!
//! Three kinds of files. **Digests**: what `export` writes. **Numbers**: so many people on a basis one can name; they count
//! as that many people nobody has ever seen, until their window ends. **Raw data** (`--raw`): any content the gateway can
//! read, such as the file that was sent; the detectors find the people as they would in a transfer, their digests are
//! counted, and nothing else of it is kept.
//!
//! Whatever comes in twice counts once: a digest is a digest, and the unknown people of a basis are always the same ones.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;

use super::{Access, Counters, grouped};
use crate::admin::seed::{Seed, Seeded};
use crate::audit::Audit;
use crate::cli::content::{Input, Labels};
use crate::cli::{Answer, Failure, Outcome, json_line};
use crate::decode::{self, Hints};
use crate::detect::Keep;
use crate::ledger::Keys;
use crate::policy::Standing;
use crate::transfer::{Content, DigestKey};

/// People in one request to a gateway.
const PORTION: usize = 20_000;

/// The largest list; a million digests are 80 MiB.
const LARGEST: u64 = 512 << 20;

/// Options of the command.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    tidegate ledger import people.csv --basis \"export of the old gateway\"\n  \
    tidegate ledger import numbers.csv\n  \
    tidegate ledger import --raw sent-2026-03.json --pack cn --counter plain --day 2026-03-31 --basis \"CRM sync of March\"\n\n\
    A list begins with its columns: pack,counter,party,day,digest,generation or pack,counter,party,day,people,basis\n\
    (party, day, generation may be left out). Each import is an entry of the audit log")]
pub(in crate::cli) struct Import {
    /// A list, or with --raw the data itself; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// What is known from: kept in the audit log. Lists of numbers name it in each line
    #[arg(long, value_name = "TEXT")]
    basis: Option<String>,
    /// The file is data about people, in any format the gateway reads
    #[arg(long, requires = "pack", requires = "counter", requires = "basis")]
    raw: bool,
    /// With --raw: the pack of the counter
    #[arg(long, value_name = "ID")]
    pack: Option<String>,
    /// With --raw: the counter
    #[arg(long, value_name = "ID")]
    counter: Option<String>,
    /// With --raw: the importer, where the statute counts for each
    #[arg(long, value_name = "HOST")]
    party: Option<String>,
    /// The day data left, where the list does not say it [default: today, which counts longest]
    #[arg(long, value_name = "DATE")]
    day: Option<Date>,
    #[command(flatten)]
    labels: Labels,
    /// Print one JSON object a counter
    #[arg(long)]
    json: bool,
}

/// People of one counter with one basis and generation of the key.
type Groups = BTreeMap<(Arc<str>, Arc<str>, Option<Arc<str>>, String, usize), Vec<(String, Date)>>;

/// Runs the command.
pub(super) fn run(import: &Import, config: Option<&Path>, out: &mut dyn Write) -> Outcome {
    let counters = Counters::open_or_make(config)?;
    let bytes = read(&import.file)?;
    let groups = if import.raw { raw(import, &counters, &bytes)? } else { listed(import, &counters, &bytes)? };
    let sha256: String = ring::digest::digest(&ring::digest::SHA256, &bytes)
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let audit = counters.audit()?;
    let source = import.file.file_name().map_or_else(|| "-".to_owned(), |name| name.to_string_lossy().into_owned());
    for ((pack, counter, party, basis, generation), people) in groups {
        let mut total: Option<Seeded> = None;
        for portion in people.chunks(PORTION) {
            let seed = Seed {
                pack: pack.clone(),
                counter: counter.clone(),
                party: party.clone(),
                generation,
                people: portion.to_vec(),
                basis: basis.clone(),
                source: source.clone(),
                sha256: sha256.clone(),
            };
            let seeded = counters.take_in(&seed, audit.as_ref())?;
            let before = total.map_or(seeded.before, |total| total.before);
            let people = total.map_or(0, |total| total.people) + seeded.people;
            total = Some(Seeded { people, before, after: seeded.after });
        }
        if let Some(total) = total {
            tell(import.json, &format!("{pack}/{counter}"), party.as_deref(), total, out)?;
        }
    }
    Ok(Answer::Yes)
}

fn tell(json: bool, counter: &str, party: Option<&str>, done: Seeded, out: &mut dyn Write) -> Result<(), Failure> {
    if json {
        let Seeded { people, before, after } = done;
        let line = serde_json::json!({ "counter": counter, "party": party, "people": people, "before": before, "after": after });
        return json_line(out, &line);
    }
    let party = party.map(|party| format!(" for {party}")).unwrap_or_default();
    let (people, before, after) = (grouped(done.people), grouped(done.before), grouped(done.after));
    Ok(writeln!(out, "{counter}{party}: {people} people brought in; it showed {before} and shows {after}")?)
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let unreadable = |error: std::io::Error| Failure::unable(format!("{}: {error}", file.display()));
    let from: Box<dyn Read> = if file == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        Box::new(File::open(file).map_err(unreadable)?)
    };
    let mut bytes = Vec::new();
    from.take(LARGEST + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > LARGEST {
        return Err(Failure::unable(format!("{}: larger than {} MiB; split it", file.display(), LARGEST >> 20)));
    }
    Ok(bytes)
}

/// The people the detectors find in some content, as far as the counter counts them.
fn raw(import: &Import, counters: &Counters, bytes: &[u8]) -> Result<Groups, Failure> {
    let (Some(pack), Some(counter), Some(basis)) = (&import.pack, &import.counter, &import.basis) else {
        return Err(Failure::unable("--raw needs --pack, --counter and --basis"));
    };
    let standing = counters.standing(pack, counter)?;
    let input = Input::new(&import.file);
    let labels = input.labels(&import.labels)?;
    let hints = Hints {
        content_type: labels.content_type.as_deref(),
        content_encoding: labels.content_encoding.as_deref(),
        charset: None,
        file_name: input.file_name(),
    };
    let key = counters.key()?;
    let mut collector = counters.snapshot.detectors.collector(&key, Keep::Counts);
    let limits = &counters.snapshot.settings.limits.decode;
    let account = decode::body(&hints, &mut &*bytes, limits, &mut collector)?;
    if !account.opaque.is_empty() {
        return Err(Failure::unable(format!(
            "{}: part of it cannot be read, so people would be missing",
            input.name()
        )));
    }
    let content = Content { people: collector.finish().people, ..Content::default() };
    let day = import.day.unwrap_or(standing.day);
    let people: Vec<_> = standing.counted(&content).map(|person| (format!("{:?}", person.digest), day)).collect();
    if people.is_empty() {
        let found = content.people.len();
        return Err(Failure::unable(format!(
            "{}: {found} people found, none of whom {pack}/{counter} counts",
            input.name()
        )));
    }
    let party = import.party.as_deref().map(Arc::from);
    Ok(BTreeMap::from([((pack.as_str().into(), counter.as_str().into(), party, basis.clone(), 0), people)]))
}

/// A list of digests or of numbers.
fn listed(import: &Import, counters: &Counters, bytes: &[u8]) -> Result<Groups, Failure> {
    let name = import.file.display();
    let text = std::str::from_utf8(bytes).map_err(|_| Failure::unable(format!("{name}: not UTF-8")))?;
    let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
    let columns: Vec<&str> =
        lines.next().map(|(_, head)| head.split(',').map(str::trim).collect()).unwrap_or_default();
    let known = ["pack", "counter", "party", "day", "digest", "generation", "people", "basis"];
    let list = columns.contains(&"digest") != columns.contains(&"people");
    if !list || !columns.contains(&"pack") || !columns.contains(&"counter") {
        let help =
            "a list begins with its columns, pack,counter and one of digest and people; --raw takes data itself";
        return Err(Failure::unable(format!("{name}: {help}")));
    }
    if let Some(unknown) = columns.iter().find(|column| !known.contains(column)) {
        return Err(Failure::unable(format!(
            "{name}: nobody knows the column `{unknown}`; known are {}",
            known.join(", ")
        )));
    }
    let mut groups = Groups::new();
    for (number, line) in lines {
        let row = Row { columns: &columns, cells: cells(line) };
        let wrong = |what: String| Failure::unable(format!("{name}:{}: {what}", number + 1));
        row.take(import, counters, &mut groups).map_err(wrong)?;
    }
    Ok(groups)
}

/// The cells of a line; a quoted one may hold commas and doubled quotes.
fn cells(line: &str) -> Vec<String> {
    let (mut cells, mut cell, mut quoted) = (Vec::new(), String::new(), false);
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => cell.extend(characters.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(std::mem::take(&mut cell)),
            other => cell.push(other),
        }
    }
    cells.push(cell);
    cells
}

/// One line of a list.
struct Row<'a> {
    columns: &'a [&'a str],
    cells: Vec<String>,
}

impl Row<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        let index = self.columns.iter().position(|column| *column == name)?;
        self.cells.get(index).map(|cell| cell.trim()).filter(|cell| !cell.is_empty())
    }

    fn take(&self, import: &Import, counters: &Counters, groups: &mut Groups) -> Result<(), String> {
        let need = |name: &str| self.get(name).ok_or_else(|| format!("no `{name}`"));
        let (pack, counter) = (need("pack")?, need("counter")?);
        let standing =
            counters.standing(pack, counter).map_err(|_| format!("no pack has the counter `{pack}/{counter}`"))?;
        let written =
            self.get("day").map(|day| day.parse().map_err(|_| format!("`{day}` is no date"))).transpose()?;
        let day = written.or(import.day).unwrap_or(standing.day);
        let party: Option<Arc<str>> = self.get("party").map(Arc::from);
        let basis = self.get("basis").or(import.basis.as_deref());
        let basis = basis.ok_or("no `basis`: say what it is known from, here or with --basis")?.to_owned();
        let generation = self
            .get("generation")
            .map_or(Ok(0), |text| text.parse().map_err(|_| format!("`{text}` is no generation")))?;
        let people = match self.get("people") {
            Some(number) => {
                let number = number.parse().map_err(|_| format!("`{number}` is no number of people"))?;
                let key = counters.key().map_err(|_| "there is no key".to_owned())?;
                unknown(&key, (pack, counter, party.as_deref().unwrap_or_default(), &basis), number, day)
            }
            None => vec![(need("digest")?.to_owned(), day)],
        };
        groups.entry((pack.into(), counter.into(), party, basis, generation)).or_default().extend(people);
        Ok(())
    }
}

/// So many people nobody has ever seen; the same ones whenever the same number is brought in again.
fn unknown(key: &DigestKey, of: (&str, &str, &str, &str), number: u64, day: Date) -> Vec<(String, Date)> {
    let (pack, counter, party, basis) = of;
    let one = |index: u64| key.digest("unknown", format!("{pack}\0{counter}\0{party}\0{basis}\0{index}").as_bytes());
    (0..number).map(|index| (format!("{:?}", one(index)), day)).collect()
}

impl Counters {
    /// The same as [`Counters::open`], where nobody was counted yet.
    fn open_or_make(config: Option<&Path>) -> Result<Counters, Failure> {
        Counters::access(config, true)
    }

    fn standing(&self, pack: &str, counter: &str) -> Result<Standing<'_>, Failure> {
        let standing = self.snapshot.packs.standing(pack, counter, Timestamp::now());
        standing.ok_or_else(|| Failure::unable(format!("no pack has the counter `{pack}/{counter}`")))
    }

    /// The key that detection digests with.
    fn key(&self) -> Result<DigestKey, Failure> {
        match &self.access {
            Access::Mine(store) => Ok(store.key()),
            Access::Running(_) => {
                let settings = &self.snapshot.settings;
                let keys = Keys::load(&settings.state, &settings.ledger.key);
                Ok(keys.map_err(|error| Failure::unable(error.to_string()))?.first())
            }
        }
    }

    /// The audit log, unless the gateway that runs writes it.
    fn audit(&self) -> Result<Option<Audit>, Failure> {
        match &self.access {
            Access::Running(_) => Ok(None),
            Access::Mine(_) => Ok(Some(Audit::open(&self.snapshot.settings.audit_directory)?)),
        }
    }

    fn take_in(&self, seed: &Seed, audit: Option<&Audit>) -> Result<Seeded, Failure> {
        match (&self.access, audit) {
            (Access::Running(door), _) => door.post("/api/v1/ledger/people", seed),
            (Access::Mine(store), Some(audit)) => {
                let taken = seed.take_in(&self.snapshot, store, audit, Timestamp::now());
                self.runtime.block_on(taken).map_err(|error| Failure::unable(error.to_string()))
            }
            (Access::Mine(_), None) => Err(Failure::unable("there is no audit log")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_cell_holds_commas_and_quotes() {
        assert_eq!(cells("a,\"b, c\",\"d \"\"e\"\"\","), ["a", "b, c", "d \"e\"", ""]);
    }
}
