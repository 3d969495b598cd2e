//! `tidegate scan`: what data is in these files, and about how many people?
//!
//! Files are scanned on all processors and reported in their order. What cannot be read is told and passed over; the
//! others are still scanned, and the exit code says that something is missing.

mod crew;

mod progress;

mod report;

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::content::{Input, Labels, Walk};
use super::{Answer, Failure, Outcome, counted, json_line, load};
use crate::config::Snapshot;
use crate::decode::{self, Hints};
use crate::detect::{Finding, Keep};
use crate::transfer::{Content, DigestKey};

use progress::Progress;
use report::Report;

/// Options of the command.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  tidegate scan customers.csv\n  tidegate scan --json exports/ | jq .content.people\n  \
                        cat body | tidegate scan --content-type application/json -\n\n\
                  Exit codes: 0 everything was scanned, 2 something could not be read or the command is wrong"
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
    /// Files scanned at the same time [default: as many as there are processors]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,
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

/// Runs the command.
pub(super) fn run(scan: &Scan, config: Option<&Path>, out: &mut dyn Write) -> Outcome {
    let snapshot = load(config, None)?;
    let mut walk = Walk::default();
    scan.files.iter().for_each(|path| walk.take(path));
    let progress = Progress::new(&walk);
    let mut report = Report::new(&walk);
    let mut unread = walk.unreadable.len();
    for failure in &walk.unreadable {
        super::complain(failure, &mut std::io::stderr().lock())?;
    }
    // One key for all files of a run, so that nothing depends on their order.
    let key = DigestKey::ephemeral();
    let look = |input: &Input| {
        let found = scanned(scan, input, &snapshot, &key, &progress);
        progress.next_file();
        found
    };
    let threads = scan.threads.map_or_else(crew::processors, usize::from);
    crew::each(&walk.inputs, threads, look, |outcome| match outcome {
        Ok(found) => progress.aside(out, |out| {
            report.add(&found);
            if scan.json { json_line(out, &found) } else { report.file(&found, scan.show, out) }
        }),
        Err(failure) => progress.aside(out, |_| {
            unread += 1;
            Ok(super::complain(&failure, &mut std::io::stderr().lock())?)
        }),
    })?;
    progress.end();
    if !scan.json {
        report.end(unread, out)?;
    }
    match unread {
        0 => Ok(Answer::Yes),
        number => Err(Failure::unable(format!("{} could not be read", counted(number, "file")))),
    }
}

fn scanned(
    scan: &Scan,
    input: &Input,
    snapshot: &Snapshot,
    key: &DigestKey,
    progress: &Progress,
) -> Result<Scanned, Failure> {
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
    let mut body = progress.watch(input.open().map_err(named)?);
    let limits = &snapshot.settings.limits.decode;
    let account = decode::body(&hints, &mut body, limits, &mut collector).map_err(named)?;
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
