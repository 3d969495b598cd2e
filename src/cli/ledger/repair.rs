//! `tidegate ledger repair`: what can be saved of a damaged ledger, and what is lost.

use std::io::Write;
use std::path::Path;

use serde_json::{Value, json};

use super::grouped;
use crate::cli::{Answer, Failure, Outcome, json_line, load};
use crate::ledger::{self, Choice, Salvage};

/// Options of the command.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  tidegate ledger repair\n  tidegate ledger repair --config /etc/tidegate/tidegate.toml --json\n\n\
                        The damaged file is kept beside the new one. No gateway may run on the ledger"
)]
pub(in crate::cli) struct Repair {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the command. The answer is no when people were lost.
pub(super) fn run(repair: &Repair, config: Option<&Path>, out: &mut dyn Write) -> Outcome {
    let settings = load(config, None)?.settings;
    if settings.ledger.store != Choice::Embedded {
        return Err(Failure::unable("the ledger is in a store that gateways share: repair it there"));
    }
    if !settings.state.join("ledger.redb").exists() {
        return Err(Failure::unable(format!("there is no ledger in `{}`", settings.state.display())));
    }
    let done =
        ledger::repair(&settings.state, &settings.ledger.key).map_err(|error| Failure::unable(error.to_string()))?;
    if repair.json {
        json_line(out, &as_json(&done))?;
    } else {
        words(&done, out)?;
    }
    let lost = done.counters.iter().any(|salvage| salvage.lost != Some(0));
    Ok(if lost { Answer::No } else { Answer::Yes })
}

fn as_json(done: &ledger::Repair) -> Value {
    let counter = |salvage: &Salvage| {
        json!({
            "pack": salvage.key.pack,
            "counter": salvage.key.counter,
            "party": salvage.key.party,
            "read": salvage.read,
            "lost": salvage.lost,
        })
    };
    json!({
        "repaired": done.kept.is_some(),
        "kept": done.kept,
        "doubtful": done.doubtful,
        "other_key": done.other_key,
        "counters": done.counters.iter().map(counter).collect::<Vec<Value>>(),
    })
}

fn words(done: &ledger::Repair, out: &mut dyn Write) -> Result<(), Failure> {
    match &done.kept {
        None => writeln!(out, "nothing is wrong with the ledger; nothing was done")?,
        Some(kept) => writeln!(out, "repaired; the damaged file is kept as {}", kept.display())?,
    }
    for Salvage { key, read, lost } in &done.counters {
        let party = key.party.as_deref().map(|party| format!(" for {party}")).unwrap_or_default();
        let lost = match lost {
            Some(0) => "nobody lost".to_owned(),
            Some(lost) => format!("{} lost, counted as that many unknown people", grouped(*lost)),
            None => "nobody knows how many are lost: it stands above every bound until its window ends".to_owned(),
        };
        writeln!(out, "  {}/{}{party}: {} people read, {lost}", key.pack, key.counter, grouped(*read))?;
    }
    if done.doubtful {
        writeln!(out, "checksums did not hold: everybody counts as seen today")?;
    }
    if done.other_key {
        writeln!(
            out,
            "the file was counted under another key: everybody in it stays, and counts once more when seen"
        )?;
    }
    Ok(())
}
