//! `tidegate scan`: what data is in these files, and about how many people?

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::content::{Input, Labels, walk};
use super::{Answer, Failure, Outcome, counted, json_line, load};
use crate::config::Snapshot;
use crate::decode::{self, Hints};
use crate::detect::{Finding, Keep};
use crate::transfer::{Content, DigestKey};

/// Options of the command.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  tidegate scan customers.csv\n  tidegate scan --json exports/ | jq .content.people\n  \
                        cat body | tidegate scan --content-type application/json -"
)]
pub(super) struct Scan {
    /// Files or directories; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Print one JSON object a line and file
    #[arg(long)]
    json: bool,
    /// Show the values that were found
    #[arg(long)]
    show: bool,
    #[command(flatten)]
    labels: Labels,
    /// Charset of text, such as gb18030
    #[arg(long, value_name = "CHARSET")]
    charset: Option<String>,
}

/// What was found in one file.
#[derive(Debug, Serialize)]
struct Scanned {
    file: String,
    content: Content,
    findings: Vec<Finding>,
    /// Only there when a bound was reached.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    truncated: bool,
}

/// Runs the command. A file that cannot be read is told and passed over; the others are still scanned.
pub(super) fn run(scan: &Scan, config: Option<&Path>, out: &mut dyn Write) -> Outcome {
    let snapshot = load(config, None)?;
    let mut inputs = Vec::new();
    for path in &scan.files {
        walk(path, &mut inputs)?;
    }
    // One key for all files of a run, so that nothing depends on their order.
    let key = DigestKey::ephemeral();
    let mut unread = 0;
    for input in &inputs {
        match scanned(scan, input, &snapshot, &key) {
            Ok(found) if scan.json => json_line(out, &found)?,
            Ok(found) => summary(&found, scan.show, out)?,
            Err(failure) => {
                out.flush()?;
                super::complain(&failure, &mut std::io::stderr().lock())?;
                unread += 1;
            }
        }
    }
    match unread {
        0 => Ok(Answer::Yes),
        number => Err(Failure::unable(format!("{} could not be read", counted(number, "file")))),
    }
}

fn scanned(scan: &Scan, input: &Input, snapshot: &Snapshot, key: &DigestKey) -> Result<Scanned, Failure> {
    let named = |error: std::io::Error| Failure::unable(format!("{}: {error}", input.name()));
    let labels = input.labels(&scan.labels)?;
    let hints = Hints {
        content_type: labels.content_type.as_deref(),
        content_encoding: labels.content_encoding.as_deref(),
        charset: scan.charset.as_deref(),
        file_name: input.file_name(),
    };
    let keep = if scan.show { Keep::Values } else { Keep::Findings };
    let mut collector = snapshot.detectors.collector(key, keep);
    let mut body = input.open().map_err(named)?;
    let limits = &snapshot.settings.limits.decode;
    let account = decode::body(&hints, &mut *body, limits, &mut collector).map_err(named)?;
    let found = collector.finish();
    let content = Content {
        bytes: account.bytes,
        inspected: account.inspected,
        opaque: account.opaque,
        skipped: 0,
        formats: account.formats,
        categories: found.categories,
        found: found.found,
        people: found.people,
    };
    Ok(Scanned { file: input.name(), content, findings: found.findings, truncated: found.truncated })
}

fn summary(scanned: &Scanned, show: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let content = &scanned.content;
    let formats: Vec<&str> = content.formats.iter().copied().collect();
    let formats = if formats.is_empty() { "empty".to_owned() } else { formats.join(" in ") };
    let people = match content.people.len() {
        1 => "1 person".to_owned(),
        number => format!("{number} people"),
    };
    writeln!(out, "{}: {formats}, {} bytes, {people}", scanned.file, content.bytes)?;
    if content.categories.is_empty() && content.opaque.is_empty() {
        writeln!(out, "  nothing found")?;
    }
    let names = content.categories.keys().chain(content.opaque.keys()).map(|category| category.as_str().len());
    let width = names.max().unwrap_or(0);
    for (category, tally) in &content.categories {
        let place = content.found.iter().find(|found| found.category == *category);
        let places = place.map(|found| found.locations.join("  ")).unwrap_or_default();
        writeln!(
            out,
            "  {:<width$}  {:>7} found  {:>7} people  {places}",
            category.as_str(),
            tally.count,
            tally.people
        )?;
    }
    for (reason, bytes) in &content.opaque {
        writeln!(out, "  {:<width$}  {bytes:>7} bytes  {}", reason.as_str(), reason.title())?;
    }
    for finding in scanned.findings.iter().filter(|_| show) {
        let value = finding.value.as_deref().unwrap_or("");
        let Finding { category, r#where, start, confidence, .. } = finding;
        writeln!(out, "    {:<width$}  {value}  ({where} byte {start}, {confidence:.2})", category.as_str())?;
    }
    if scanned.truncated {
        writeln!(out, "  there is more than is listed here")?;
    }
    Ok(())
}
