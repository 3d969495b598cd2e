//! `tidegate check`: is everything sound, and what is still to be answered?

use std::io::Write;
use std::path::Path;

use serde_json::json;

use super::{Answer, Failure, Outcome, counted, json_line, origin};
use crate::config::{Interception, Question, Settings, Snapshot};
use crate::diagnostic::Diagnostic;
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
}

/// Runs the command. Mistakes are its answer: they go to standard output, and the answer is no.
pub(super) fn run(check: &Check, config: Option<&Path>, out: &mut dyn Write) -> Outcome {
    let origin = origin(config, check.from);
    if let Some(file) = origin.file.as_deref().filter(|file| !file.exists()) {
        return Err(Failure::unable(format!("{}: there is no such file", file.display())));
    }
    let loaded = Snapshot::load(&origin).and_then(|snapshot| match unusable_authority(&snapshot.settings) {
        Some(problem) => Err(vec![problem]),
        None => Ok(snapshot),
    });
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
            "rules": snapshot.rules_hash,
        }),
    }
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
    questions(&snapshot.unanswered(), out)
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
