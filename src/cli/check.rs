//! `tidegate check`: is everything sound, and what is still to be answered?

use std::io::Write;
use std::path::Path;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Serialize;
use serde_json::json;

use super::{Answer, Failure, Outcome, counted, json_line, origin};
use crate::config::{Interception, Question, Settings, Snapshot};
use crate::diagnostic::Diagnostic;
use crate::policy::scenario;
use crate::policy::{Pack, Unsettled};
use crate::proxy::authority;
use crate::transfer::Country;

/// Options of the command.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  tidegate check\n  tidegate check --config /etc/tidegate/tidegate.toml --json\n\n\
                          Mistakes are the answer of this command: it ends with 1 where every other one ends with 2"
)]
pub(super) struct Check {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Country of the exporter, whatever the file says
    #[arg(long, value_name = "CC", value_parser = super::country)]
    from: Option<Country>,
    /// Look at everything as of this day [default: today]
    #[arg(long, value_name = "YYYY-MM-DD")]
    date: Option<Date>,
}

/// Runs the command. Mistakes are its answer: they go to standard output, and the answer is no.
pub(super) fn run(check: &Check, config: Option<&Path>, out: &mut dyn Write) -> Outcome {
    let origin = origin(config, check.from);
    if let Some(file) = origin.file.as_deref().filter(|file| !file.exists()) {
        return Err(Failure::unable(format!("{}: there is no such file", file.display())));
    }
    let now = check.date.map_or_else(|| Ok(Timestamp::now()), noon)?;
    let loaded = Snapshot::load_as_of(&origin, now).and_then(proven);
    if check.json {
        json_line(out, &as_json(&loaded))?;
    } else {
        match &loaded {
            Ok(snapshot) => sound(snapshot, origin.file.as_deref(), out)?,
            Err(problems) => unsound(problems, out)?,
        }
    }
    Ok(if loaded.is_ok() { Answer::Yes } else { Answer::No })
}

fn noon(day: Date) -> Result<Timestamp, Failure> {
    let noon = day.at(12, 0, 0, 0).to_zoned_datetime(TimeZone::UTC);
    noon.map(|noon| noon.timestamp()).map_err(|error| Failure::unable(error.to_string()))
}

/// What a start does not look at: the CA it will use, and whether scenarios speak of packs there are and reach their rules.
fn proven(mut snapshot: Snapshot) -> Result<Snapshot, Vec<Diagnostic>> {
    let report = scenario::run(&snapshot.packs, &snapshot.rules.scenarios, None);
    let untested = scenario::untested(&snapshot.packs, &snapshot.rules.packs, &report);
    let problems: Vec<Diagnostic> =
        unusable_authority(&snapshot.settings).into_iter().chain(report.problems).collect();
    snapshot.warnings.extend(untested);
    if problems.is_empty() { Ok(snapshot) } else { Err(problems) }
}

/// What is wrong with the CA that interception signs with. One that is not there is no problem where the first start
/// makes it.
fn unusable_authority(settings: &Settings) -> Option<Diagnostic> {
    let Interception { ca_certificate, ca_key, .. } = &settings.interception;
    let in_use = settings.listeners.iter().any(|listener| listener.intercept);
    let chosen = *ca_certificate != settings.state.join("ca.pem");
    let there = ca_certificate.exists() || ca_key.exists();
    let problem = (in_use && (chosen || there)).then(|| authority::check(ca_certificate, ca_key).err())??;
    let help = "`tidegate ca init` makes a CA";
    Some(Diagnostic::file(ca_certificate.display().to_string(), problem.to_string()).help(help))
}

fn as_json(loaded: &Result<Snapshot, Vec<Diagnostic>>) -> serde_json::Value {
    match loaded {
        Err(problems) => {
            let (errors, warnings): (Vec<_>, Vec<_>) = problems.iter().partition(|problem| problem.is_error());
            json!({ "ok": false, "errors": errors, "warnings": warnings, "unanswered": [] })
        }
        Ok(snapshot) => json!({
            "ok": true,
            "errors": [],
            "warnings": snapshot.warnings,
            "unanswered": snapshot.unanswered(),
            "packs": {
                "enabled": snapshot.enabled.enforce,
                "observe": snapshot.enabled.observe,
                "off": off(snapshot),
            },
            "detectors": snapshot.detectors.len(),
            "mechanisms": snapshot.mechanisms.len(),
            "upcoming": upcoming(snapshot),
            "unsettled": unsettled(snapshot),
            "rules": snapshot.rules_hash,
        }),
    }
}

/// A rule that does not bind yet.
#[derive(Serialize)]
struct Upcoming<'s> {
    pack: &'s str,
    rule: &'s str,
    cite: &'s str,
    from: Date,
}

/// Parts of a pack whose reading is not settled.
#[derive(Serialize)]
struct Doubts<'s> {
    pack: &'s str,
    parts: Vec<Unsettled>,
}

fn on(snapshot: &Snapshot) -> impl Iterator<Item = &Pack> {
    let ids = snapshot.enabled.enforce.iter().chain(&snapshot.enabled.observe);
    ids.filter_map(|id| snapshot.packs.get(id))
}

/// The rules of the packs that are on that will bind from a later day. Until then they are decided and recorded.
fn upcoming(snapshot: &Snapshot) -> Vec<Upcoming<'_>> {
    let today = snapshot.loaded.to_zoned_datetime(TimeZone::UTC).date();
    let rules = on(snapshot).flat_map(|pack| pack.rules.iter().map(move |rule| (pack, rule)));
    let later = rules.filter_map(|(pack, rule)| {
        let from = rule.valid_from.filter(|from| *from > today)?;
        Some(Upcoming { pack: &pack.id, rule: &rule.id, cite: &rule.cite, from })
    });
    later.collect()
}

fn unsettled(snapshot: &Snapshot) -> Vec<Doubts<'_>> {
    let packs = on(snapshot).map(|pack| Doubts { pack: &pack.id, parts: pack.unsettled() });
    packs.filter(|doubts| !doubts.parts.is_empty()).collect()
}

fn off(snapshot: &Snapshot) -> Vec<&str> {
    let on =
        |id: &std::sync::Arc<str>| snapshot.enabled.enforce.contains(id) || snapshot.enabled.observe.contains(id);
    snapshot.packs.iter().filter(|pack| !on(&pack.id)).map(|pack| &*pack.id).collect()
}

fn unsound(problems: &[Diagnostic], out: &mut dyn Write) -> Result<(), Failure> {
    problems.iter().try_for_each(|problem| writeln!(out, "{problem}\n"))?;
    let errors = problems.iter().filter(|problem| problem.is_error()).count();
    let warnings = problems.len() - errors;
    let more = if warnings > 0 { format!(", {}", counted(warnings, "warning")) } else { String::new() };
    Ok(writeln!(out, "{}{more}", counted(errors, "error"))?)
}

fn sound(snapshot: &Snapshot, file: Option<&Path>, out: &mut dyn Write) -> Result<(), Failure> {
    snapshot.warnings.iter().try_for_each(|warning| writeln!(out, "{warning}\n"))?;
    let file = file.map_or_else(|| "built-in defaults".to_owned(), |file| file.display().to_string());
    let listed = |ids: &[std::sync::Arc<str>]| if ids.is_empty() { "none".to_owned() } else { ids.join(", ") };
    let off = off(snapshot);
    writeln!(out, "{file}: sound, {}", counted(snapshot.warnings.len(), "warning"))?;
    writeln!(out, "  packs enforced  {}", listed(&snapshot.enabled.enforce))?;
    writeln!(out, "  packs observed  {}", listed(&snapshot.enabled.observe))?;
    writeln!(out, "  packs off       {}", if off.is_empty() { "none".to_owned() } else { off.join(", ") })?;
    writeln!(out, "  detectors       {}", snapshot.detectors.len())?;
    writeln!(out, "  mechanisms      {}", snapshot.mechanisms.len())?;
    readings(snapshot, out)?;
    questions(&snapshot.unanswered(), out)
}

/// What is not law yet, and what is not settled.
fn readings(snapshot: &Snapshot, out: &mut dyn Write) -> Result<(), Failure> {
    let upcoming = upcoming(snapshot);
    if !upcoming.is_empty() {
        writeln!(out, "\nThese rules bind from a later day; until then they are decided and recorded:\n")?;
    }
    for Upcoming { pack, rule, cite, from } in upcoming {
        writeln!(out, "  {from}  {pack}/{rule}  {cite}")?;
    }
    let unsettled = unsettled(snapshot);
    if !unsettled.is_empty() {
        writeln!(out, "\nThe reading of these parts is not settled; a decision that rests on one says so:\n")?;
    }
    for Doubts { pack, parts } in unsettled {
        let named: Vec<String> =
            parts.iter().map(|one| format!("{} ({})", one.name, one.confidence.as_str())).collect();
        writeln!(out, "  {pack:<10}  {}", named.join(", "))?;
    }
    Ok(())
}

fn questions(open: &[Question], out: &mut dyn Write) -> Result<(), Failure> {
    if open.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nThe packs ask this, and nobody has answered; the default holds until somebody does:")?;
    let width = open.iter().map(|question| question.fact.len()).max().unwrap_or(0);
    let mut pack = "";
    for question in open {
        if *question.pack != *pack {
            pack = &question.pack;
            writeln!(out, "\n  {pack}")?;
        }
        let place = match question.about {
            crate::policy::About::Exporter => "exporter",
            crate::policy::About::Importer => "importer",
            crate::policy::About::Transfer => "application",
        };
        writeln!(out, "    {:<width$}  {place:<11}  {} [{}]", question.fact, question.ask, question.default)?;
    }
    Ok(())
}
