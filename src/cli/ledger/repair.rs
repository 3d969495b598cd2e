//! `tidegate ledger repair`: what can be saved of a damaged ledger, and what is lost. Of a fleet's ledger that is the spool:
//! the people who wait on this machine.

use std::io::Write;
use std::path::Path;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::grouped;
use crate::cli::{Answer, Failure, Outcome, counted, json_line, load};
use crate::config::Snapshot;
use crate::ledger::{self, Choice, Salvage, SpoolRepair};
use crate::transfer::{CounterKey, Touch};

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
    let snapshot = load(config, None)?;
    let settings = &snapshot.settings;
    if settings.ledger.store != Choice::Embedded {
        return spool(repair, &snapshot, out);
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

/// The part of a fleet's ledger that is on this machine.
fn spool(repair: &Repair, snapshot: &Snapshot, out: &mut dyn Write) -> Outcome {
    let settings = &snapshot.settings;
    if !settings.state.join("ledger.spool").exists() {
        return Err(Failure::unable(format!(
            "nobody waits in `{}`, and the ledger itself is in a store that gateways share: repair it there",
            settings.state.display()
        )));
    }
    let standings = snapshot.packs.standings(&snapshot.enabled, Timestamp::now());
    let counting = standings.filter(|standing| !standing.is_per_importer()).map(|standing| Touch {
        key: CounterKey { pack: standing.pack.id.clone(), counter: standing.counter.id.clone(), party: None },
        since: standing.since,
        day: standing.day,
        people: Vec::new(),
        bounds: standing.turns(),
    });
    let counting: Vec<Touch> = counting.collect();
    let done = ledger::repair_spool(&settings.state, &settings.ledger.key, &counting)
        .map_err(|error| Failure::unable(error.to_string()))?;
    if repair.json {
        let counters: Vec<Value> = done.counters.iter().map(named).collect();
        let (lost, unreadable) = (done.lost, done.unreadable);
        json_line(
            out,
            &json!({
                "repaired": done.kept.is_some(),
                "kept": done.kept,
                "records": done.records,
                "unreadable_bytes": unreadable,
                "lost_at_most": lost,
                "counters": counters,
            }),
        )?;
    } else {
        spool_in_words(&done, out)?;
    }
    Ok(if done.lost > 0 { Answer::No } else { Answer::Yes })
}

fn spool_in_words(done: &SpoolRepair, out: &mut dyn Write) -> Result<(), Failure> {
    let records = counted(done.records as usize, "transfer");
    let Some(kept) = &done.kept else {
        return Ok(writeln!(out, "nothing is wrong with the people of {records} who wait here; nothing was done")?);
    };
    writeln!(out, "repaired; the damaged file is kept as {}", kept.display())?;
    writeln!(
        out,
        "  {records} read; {} bytes cannot be read, in which at most {} people stood",
        grouped(done.unreadable),
        grouped(done.lost)
    )?;
    if done.records == 0 {
        writeln!(out, "  nothing could be opened: if the key was replaced, put back the old one and that file")?;
    }
    for key in &done.counters {
        let party = key.party.as_deref().map(|party| format!(" for {party}")).unwrap_or_default();
        writeln!(out, "  {}/{}{party}: counts {} unknown people more", key.pack, key.counter, grouped(done.lost))?;
    }
    Ok(writeln!(out, "  counters for importers nobody else waits for may show that many too few")?)
}

fn named(key: &CounterKey) -> Value {
    json!({ "pack": key.pack, "counter": key.counter, "party": key.party })
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
