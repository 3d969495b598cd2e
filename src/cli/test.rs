//! `tidegate test`: do packs and detectors do what their own scenarios and examples say?

use std::io::Write;
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use serde_json::json;

use super::content::{Input, Walk};
use super::{Answer, Failure, Outcome, counted, json_line, load};
use crate::config::{Snapshot, read_text};
use crate::detect::Examples;
use crate::diagnostic::Source;
use crate::policy::scenario::{self, Coverage, Ran, Report};

/// Scenario files are written by people; anything larger is the wrong file.
const LARGEST: u64 = 16 << 20;

/// Options of the command.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  tidegate test\n  tidegate test --config tidegate.toml my-scenarios/ --json")]
pub(super) struct Test {
    /// Scenario files or directories [default: those of the rules]
    #[arg(value_name = "FILE/DIR")]
    files: Vec<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Run every scenario on this day instead of its own: would it still come out so?
    #[arg(long, value_name = "YYYY-MM-DD")]
    date: Option<Date>,
}

/// Runs the command. The answer is no if anything came out otherwise than expected.
pub(super) fn run(test: &Test, config: Option<&Path>, out: &mut dyn Write) -> Outcome {
    let snapshot = load(config, None)?;
    let sources = sources(&test.files, &snapshot)?;
    let report = scenario::run(&snapshot.packs, &sources, test.date);
    let examples = snapshot.detectors.check_examples();
    let good = report.failed == 0 && examples.failed.is_empty();
    if test.json {
        let value = json!({
            "passed": report.passed,
            "failed": report.failed,
            "scenarios": report.scenarios,
            "problems": report.problems,
            "examples": { "passed": examples.passed, "failed": examples.failed.len(), "problems": examples.failed },
            "coverage": report.coverage,
            "untested": report.untested,
        });
        json_line(out, &value)?;
    } else {
        tell(&report, &examples, out)?;
    }
    Ok(if good { Answer::Yes } else { Answer::No })
}

fn sources(files: &[PathBuf], snapshot: &Snapshot) -> Result<Vec<Source>, Failure> {
    if files.is_empty() {
        return Ok(snapshot.rules.scenarios.clone());
    }
    let mut inputs = Vec::new();
    for file in files {
        if !file.exists() {
            return Err(Failure::unable(format!("{}: there is no such file", file.display())));
        }
        let below = Walk::all(std::slice::from_ref(file))?;
        let named = file.is_file();
        inputs.extend(below.into_iter().filter(|input| named || input.name().ends_with(".toml")));
    }
    let read = |input: &Input| match input {
        Input::File(path) => read_text(path, LARGEST).map_err(Failure::Unsound),
        Input::Standard => Err(Failure::unable("scenarios are read from files")),
    };
    inputs.iter().map(read).collect()
}

fn tell(report: &Report, examples: &Examples, out: &mut dyn Write) -> Result<(), Failure> {
    for problem in report.problems.iter().chain(&examples.failed) {
        writeln!(out, "{problem}\n")?;
    }
    for ran in report.scenarios.iter().filter(|ran| !ran.ok) {
        differs(ran, out)?;
    }
    for pack in &report.coverage {
        covered(pack, out)?;
    }
    if !report.untested.is_empty() {
        writeln!(out, "no scenario at all: {}", report.untested.join(", "))?;
    }
    let (spoken, all) = report.coverage.iter().fold((0, 0), |(s, a), pack| (s + pack.fired, a + pack.rules));
    writeln!(out, "coverage:  {spoken} of {all} rules and exemptions, {}", counted(report.coverage.len(), "pack"))?;
    writeln!(out, "scenarios: {} passed, {} failed", report.passed, report.failed)?;
    Ok(writeln!(out, "examples:  {} passed, {} failed", examples.passed, examples.failed.len())?)
}

fn differs(ran: &Ran, out: &mut dyn Write) -> Result<(), Failure> {
    writeln!(out, "FAILED {} ({})", ran.id, ran.pack)?;
    ran.differs.iter().try_for_each(|difference| writeln!(out, "  {difference}"))?;
    let got = &ran.got;
    let words = |words: &[std::sync::Arc<str>]| if words.is_empty() { "-".to_owned() } else { words.join(", ") };
    writeln!(out, "  got {}; needs {}; rules {}\n", got.action, words(&got.needs), words(&got.rules))?;
    Ok(())
}

/// A pack some part of which no scenario makes speak, or none makes silent.
fn covered(pack: &Coverage, out: &mut dyn Write) -> Result<(), Failure> {
    for (what, names) in [("speak", &pack.never_fired), ("silent", &pack.never_silent)] {
        let names: Vec<&str> = names.iter().map(|name| &**name).collect();
        if !names.is_empty() {
            writeln!(out, "{:<12} no scenario makes {what}: {}", pack.pack, scenario::shortened(&names))?;
        }
    }
    Ok(())
}
