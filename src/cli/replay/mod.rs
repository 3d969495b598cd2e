//! `tidegate replay`: decide recorded transfers again under candidate rules, and show what changes.
//!
//! Records are read one at a time, so files may be of any size. A transfer is decided with what its record holds: parties
//! and their places, kinds, people by group, answers, mechanisms, what the counters showed. The configuration says which
//! packs are on. What a record of an earlier version lacks is made up for as well as can be, on the strict side, and the
//! summary says for how many. Nothing is sent, counted or recorded.

mod again;

mod counts;

mod summary;

use std::io::Write;
use std::path::{Path, PathBuf};

use super::{Answer, Failure, Outcome, json_line, origin};
use crate::audit::record;
use crate::config::{Origin, Snapshot};
use again::Replay;
use summary::Summary;

/// Options of the command.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  tidegate replay --rules candidate/rules tidegate-state/audit\n  \
                        tidegate replay --rules rules --fail-on any --json audit-2026-11-*.jsonl\n\n\
                        Exit code 1 when something changes for the stricter; `--fail-on` chooses")]
pub(super) struct Options {
    /// Directory of the candidate rules
    #[arg(long, value_name = "DIR")]
    rules: PathBuf,
    /// Directories or files of the audit log
    #[arg(value_name = "AUDIT", required = true)]
    audit: Vec<PathBuf>,
    /// Which changes end with exit code 1
    #[arg(long, value_enum, default_value_t = FailOn::Stricter, value_name = "WHICH")]
    fail_on: FailOn,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Which changes are a no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum FailOn {
    /// Something that left would be stopped, or recorded
    Stricter,
    /// Something that was stopped would leave
    Milder,
    /// Any other outcome or rule
    Any,
    /// None
    Never,
}

/// Runs the command.
pub(super) fn run(options: &Options, config: Option<&Path>, out: &mut dyn Write) -> Outcome {
    let origin = Origin { rules: Some(options.rules.clone()), ..origin(config, None) };
    let snapshot = Snapshot::load(&origin)?;
    let mut replay = Replay::new(&snapshot);
    let mut summary = Summary::default();
    for path in &options.audit {
        let named = |error: std::io::Error| Failure::unable(format!("{}: {error}", path.display()));
        for file in record::files(path).map_err(named)? {
            record::read(&file, |record, _| {
                match record {
                    Some(record) => summary.add(&snapshot, &record, replay.decide(&record)),
                    None => summary.unreadable += 1,
                }
                true
            })
            .map_err(named)?;
        }
    }
    if options.json {
        json_line(out, &summary.as_json(&snapshot.rules_hash))?;
    } else {
        summary.print(out)?;
    }
    let no = match options.fail_on {
        FailOn::Stricter => summary.stricter > 0,
        FailOn::Milder => summary.milder > 0,
        FailOn::Any => summary.stricter + summary.milder + summary.rules > 0,
        FailOn::Never => false,
    };
    Ok(if no { Answer::No } else { Answer::Yes })
}
