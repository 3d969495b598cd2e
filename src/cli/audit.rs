//! `tidegate audit`: is the log whole, and what is in it.

use std::collections::VecDeque;
use std::io::Write;
use std::path::PathBuf;

use super::{Answer, Failure, Outcome, counted, json_line};
use crate::audit::record::{self, Record};
use crate::audit::{Verification, verify};
use crate::transfer::Party;

/// The commands of the log.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = "Examples:\n  tidegate audit verify tidegate-state/audit\n  \
                        tidegate audit show --last 5 tidegate-state/audit")]
pub(super) enum Audit {
    /// Follow the chain through every record; the answer is no where a record does not follow from the one before it
    Verify(Verify),
    /// List the latest records, or show one
    Show(Show),
}

/// Options of `audit verify`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  tidegate audit verify --json tidegate-state/audit")]
pub(super) struct Verify {
    /// Directory of the log
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// The last chain value somebody kept elsewhere: records cut off at the end are missed without it
    #[arg(long, value_name = "CHAIN")]
    last: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Options of `audit show`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  tidegate audit show --last 5 tidegate-state/audit")]
pub(super) struct Show {
    /// Directory of the log, or one file of it
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// How many records, the latest
    #[arg(long, default_value_t = 20, value_name = "NUMBER")]
    last: usize,
    /// The record of one decision
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// Print the records as they are, one JSON object a line
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(super) fn run(audit: &Audit, out: &mut dyn Write) -> Outcome {
    match audit {
        Audit::Verify(options) => verified(options, out),
        Audit::Show(options) => show(options, out),
    }
}

fn verified(options: &Verify, out: &mut dyn Write) -> Outcome {
    let named = |error: std::io::Error| Failure::unable(format!("{}: {error}", options.directory.display()));
    let found = verify(&options.directory).map_err(named)?;
    let cut = options.last.as_deref().is_some_and(|last| last != found.last);
    let holds = found.holds() && !cut;
    if options.json {
        let mut value = serde_json::to_value(&found).map_err(|error| Failure::unable(error.to_string()))?;
        if let Some(members) = value.as_object_mut() {
            members.insert("holds".to_owned(), holds.into());
        }
        json_line(out, &value)?;
    } else {
        print(&found, cut, out)?;
    }
    Ok(if holds { Answer::Yes } else { Answer::No })
}

fn print(found: &Verification, cut: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let number = |number: u64, what: &str| counted(usize::try_from(number).unwrap_or(usize::MAX), what);
    let holds = if found.holds() && !cut { "the chain holds" } else { "the chain is broken" };
    writeln!(out, "{holds}: {} in {}", number(found.records, "record"), number(found.files, "file"))?;
    for at in &found.breaks {
        writeln!(out, "  {}:{}: does not follow from the record before it", at.file, at.line)?;
    }
    if found.torn > 0 {
        writeln!(out, "  {} no record: a write cut short, or a change", number(found.torn, "line is"))?;
    }
    if found.continues {
        writeln!(out, "  the first record continues one that is not here")?;
    }
    if cut {
        writeln!(out, "  the last record is another than the one that was kept: records were cut off or added")?;
    }
    Ok(writeln!(out, "  last chain value: {}", found.last)?)
}

fn show(options: &Show, out: &mut dyn Write) -> Outcome {
    let named = |error: std::io::Error| Failure::unable(format!("{}: {error}", options.directory.display()));
    let mut kept: VecDeque<(Record, String)> = VecDeque::new();
    for file in record::files(&options.directory).map_err(named)? {
        record::read(&file, |record, line| {
            let wanted = record.filter(|record| options.id.as_deref().is_none_or(|id| *record.id == *id));
            kept.extend(wanted.map(|record| (record, line.to_owned())));
            while kept.len() > options.last.max(1) {
                kept.pop_front();
            }
            true
        })
        .map_err(named)?;
    }
    for (record, line) in &kept {
        match (options.json, &options.id) {
            (true, _) => writeln!(out, "{line}")?,
            (false, Some(_)) => whole(line, out)?,
            (false, None) => writeln!(out, "{}", in_a_line(record))?,
        }
    }
    Ok(if kept.is_empty() && options.id.is_some() { Answer::No } else { Answer::Yes })
}

fn whole(line: &str, out: &mut dyn Write) -> Result<(), Failure> {
    let value: serde_json::Value = serde_json::from_str(line).map_err(|error| Failure::unable(error.to_string()))?;
    let text = serde_json::to_string_pretty(&value).map_err(|error| Failure::unable(error.to_string()))?;
    Ok(writeln!(out, "{text}")?)
}

fn in_a_line(record: &Record) -> String {
    let kinds: Vec<&str> = record.content.categories.keys().map(|kind| kind.as_str()).collect();
    let kinds = if kinds.is_empty() { "nothing found".to_owned() } else { kinds.join(", ") };
    let rule = record.reasons.first().map(|first| format!("  {}/{}", first.pack, first.rule)).unwrap_or_default();
    let application = record.application.as_deref().unwrap_or("-");
    format!(
        "{}  {:<6}  {application}  {} -> {}  {kinds} of {} people{rule}  {}",
        record.time.strftime("%Y-%m-%dT%H:%M:%SZ"),
        record.action.as_str(),
        party(&record.exporter),
        party(&record.importer),
        record.content.people,
        record.id
    )
}

fn party(party: &Party) -> String {
    let countries: Vec<&str> = party.place.countries.iter().map(|country| country.as_str()).collect();
    let host = party.host.as_deref().map(|host| format!(" {host}")).unwrap_or_default();
    format!("{}{host}", countries.join("|"))
}
