//! `tidegate laws`: what the law packs say, as a document for people who check it against the texts.
//!
//! `docs/laws.md` is what this prints for the packs of the build, and a test holds it so.

mod markdown;

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use jiff::civil::Date;
use serde::Serialize;

use super::{Answer, Failure, Outcome, json_line, load};
use crate::policy::words::Words;
use crate::policy::{Authority, Confidence, Pack};
use crate::transfer::{Action, Country};

/// Options of the command.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  tidegate laws > docs/laws.md\n  tidegate laws cn eu --json")]
pub(super) struct Laws {
    /// Packs by id [default: every law pack]
    #[arg(value_name = "PACK")]
    packs: Vec<String>,
    /// Print one JSON object a pack and line
    #[arg(long)]
    json: bool,
}

/// A pack as the document shows it.
#[derive(Debug, Serialize)]
struct Law<'p> {
    pack: &'p str,
    title: &'p str,
    jurisdiction: &'p [Country],
    updated: Date,
    scope: String,
    rules: Vec<Row<'p>>,
    exemptions: Vec<Row<'p>>,
    terms: Vec<(String, String)>,
    needs: Vec<(&'p str, &'p str)>,
    lists: Vec<(String, String)>,
    sources: Vec<Text<'p>>,
}

/// A rule or an exemption.
#[derive(Debug, Serialize)]
struct Row<'p> {
    id: &'p str,
    article: &'p str,
    why: &'p str,
    when: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    threshold: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<Action>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    needs: &'p [Arc<str>],
    confidence: Confidence,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<Date>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Date>,
}

/// A text the pack rests on.
#[derive(Debug, Serialize)]
struct Text<'p> {
    #[serde(flatten)]
    source: &'p Authority,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
}

/// Runs the command.
pub(super) fn run(laws: &Laws, config: Option<&Path>, out: &mut dyn Write) -> Outcome {
    let snapshot = load(config, None)?;
    let mut chosen: Vec<&Pack> = Vec::new();
    for id in &laws.packs {
        let known = || snapshot.packs.iter().map(|pack| &*pack.id);
        let near = || crate::diagnostic::nearest(id, known()).map(|near| format!(", did you mean `{near}`?"));
        let pack = snapshot.packs.get(id);
        chosen.push(
            pack.ok_or_else(|| Failure::unable(format!("there is no pack `{id}`{}", near().unwrap_or_default())))?,
        );
    }
    if chosen.is_empty() {
        chosen.extend(snapshot.packs.iter().filter(|pack| pack.is_law()));
    }
    chosen.sort_by(|a, b| a.id.cmp(&b.id));
    let text = |pack: &Pack| snapshot.rules.packs.iter().find(|source| *source.name == *pack.file);
    let all: Vec<Law<'_>> = chosen
        .into_iter()
        .map(|pack| Law::of(pack, &Words::of(text(pack).map_or("", |source| &source.text))))
        .collect();
    if laws.json {
        all.iter().try_for_each(|law| json_line(out, law))?;
    } else {
        markdown::print(&all, out)?;
    }
    Ok(Answer::Yes)
}

impl<'p> Law<'p> {
    fn of(pack: &'p Pack, words: &Words) -> Law<'p> {
        let rules = pack.rules.iter().map(|rule| Row {
            id: &rule.id,
            article: &rule.cite,
            why: &rule.why,
            when: words.when("rule", &rule.id),
            threshold: words.thresholds(&rule.id),
            outcome: Some(rule.action),
            needs: &rule.needs,
            confidence: rule.confidence,
            from: rule.valid_from,
            until: rule.valid_until,
        });
        let exemptions = pack.exemptions.iter().map(|exemption| Row {
            id: &exemption.id,
            article: &exemption.cite,
            why: &exemption.why,
            when: words.when("exemption", &exemption.id),
            threshold: Vec::new(),
            outcome: None,
            needs: &[],
            confidence: exemption.confidence,
            from: exemption.in_force().0,
            until: exemption.in_force().1,
        });
        let text = |source: &'p Authority| Text { source, url: words.url(&source.id).map(str::to_owned) };
        Law {
            pack: &pack.id,
            title: &pack.title,
            jurisdiction: &pack.jurisdiction,
            updated: pack.updated,
            scope: words.scope(),
            rules: rules.collect(),
            exemptions: exemptions.collect(),
            terms: words.terms().into_iter().collect(),
            needs: pack.needs.iter().map(|need| (&*need.id, &*need.title)).collect(),
            lists: words.lists().into_iter().collect(),
            sources: pack.sources.iter().map(text).collect(),
        }
    }
}
