//! The document: one section a regime, a table of its rules, then what the table refers to.

use std::io::{self, Write};

use jiff::civil::Date;

use super::{Law, Row};
use crate::transfer::Action;

/// Countries of a jurisdiction named before they are counted.
const NAMED: usize = 6;

const HEAD: &str = "\
# Laws

What the law packs in `rules/laws` say. `tidegate laws > docs/laws.md` writes this page; do not edit it. It is not legal
advice. Confidence says how settled a reading is: high (the text says so), medium (most read it so), low (unsettled).
Words in *italics* are terms of the regime, `code` is a fact the organisation answers or a kind of data. A rule fires
where its condition and its threshold hold; the outcome follows unless something that is needed is held.
";

/// Writes the document.
pub(super) fn print(laws: &[Law<'_>], out: &mut dyn Write) -> io::Result<()> {
    out.write_all(HEAD.as_bytes())?;
    writeln!(out, "\n| regime | law of | rules | checked |\n|---|---|---|---|")?;
    for law in laws {
        let anchor = law.pack;
        let place = jurisdiction(law);
        writeln!(
            out,
            "| [{anchor}](#{anchor}) {} | {place} | {} | {} |",
            cell(law.title),
            law.rules.len(),
            law.updated
        )?;
    }
    laws.iter().try_for_each(|law| section(law, out))
}

fn jurisdiction(law: &Law<'_>) -> String {
    let names: Vec<&str> = law.jurisdiction.iter().take(NAMED).map(|country| country.name()).collect();
    match law.jurisdiction.len() {
        0 => "none".to_owned(),
        all if all > NAMED => format!("{all} countries"),
        _ => names.join(", "),
    }
}

fn section(law: &Law<'_>, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\n## {}\n\n{}. Speaks about: {}.\n", law.pack, law.title, law.scope)?;
    writeln!(out, "| rule | article | condition | threshold | outcome | confidence | in force |")?;
    writeln!(out, "|---|---|---|---|---|---|---|")?;
    for rule in &law.rules {
        let when = if rule.when.is_empty() { "always" } else { &rule.when };
        writeln!(
            out,
            "| `{}` | {} | {} | {} | {} | {} | {} |",
            rule.id,
            cell(rule.article),
            cell(when),
            cell(&rule.threshold.join("; ")),
            outcome(rule),
            rule.confidence.as_str(),
            in_force(rule.from, rule.until)
        )?;
    }
    exemptions(law, out)?;
    list("Terms", law.terms.iter().map(|(name, words)| format!("*{name}*: {words}")), out)?;
    list("What can be held or done", law.needs.iter().map(|(id, title)| format!("`{id}`: {title}")), out)?;
    list("Lists of countries", law.lists.iter().map(|(name, words)| format!("{name}: {words}")), out)?;
    list("Sources", law.sources.iter().map(source), out)
}

fn exemptions(law: &Law<'_>, out: &mut dyn Write) -> io::Result<()> {
    if law.exemptions.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "\n| exemption | article | condition | what for | confidence | in force |\n|---|---|---|---|---|---|"
    )?;
    for exemption in &law.exemptions {
        writeln!(
            out,
            "| `{}` | {} | {} | {} | {} | {} |",
            exemption.id,
            cell(exemption.article),
            cell(&exemption.when),
            cell(exemption.why),
            exemption.confidence.as_str(),
            in_force(exemption.from, exemption.until)
        )?;
    }
    Ok(())
}

fn list(heading: &str, entries: impl Iterator<Item = String>, out: &mut dyn Write) -> io::Result<()> {
    let entries: Vec<String> = entries.collect();
    if entries.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{heading}:\n")?;
    entries.iter().try_for_each(|entry| writeln!(out, "- {entry}"))
}

fn source(text: &super::Text<'_>) -> String {
    let source = text.source;
    let short = if source.short == source.title { String::new() } else { format!("{}: ", source.short) };
    let from = source.in_force.map(|from| format!(", in force {from}")).unwrap_or_default();
    let until = source.until.map(|until| format!(", until {until}")).unwrap_or_default();
    let url = text.url.as_deref().map(|url| format!(", <{url}>")).unwrap_or_default();
    format!("{short}{}{from}{until}{url}", source.title)
}

fn outcome(rule: &Row<'_>) -> String {
    let action = rule.outcome.unwrap_or(Action::Log).as_str();
    if rule.needs.is_empty() {
        return action.to_owned();
    }
    let needs: Vec<String> = rule.needs.iter().map(|need| format!("`{need}`")).collect();
    format!("{action}, unless {}", needs.join(" or "))
}

fn in_force(from: Option<Date>, until: Option<Date>) -> String {
    match (from, until) {
        (None, None) => String::new(),
        (Some(from), None) => format!("from {from}"),
        (None, Some(until)) => format!("until {until}"),
        (Some(from), Some(until)) => format!("{from} to {until}"),
    }
}

/// A text as the cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
