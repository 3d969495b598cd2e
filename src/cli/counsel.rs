//! A decision as a page for people: the outcome first, then each rule with its article and why, what is held and until
//! when, the counters, the questions nobody has answered, and what would let it pass.
//!
//! Everything on the page is a member of the decision, so a page and `--json` never say different things.

use std::io::{self, Write};

use crate::transfer::{Action, Confidence, Counted, Decision, Met, Open, Place, Reason};

/// Where the text of a line begins.
const LEFT: usize = 13;

/// Writes the page.
pub(super) fn page(decision: &Decision, out: &mut dyn Write) -> io::Result<()> {
    head(decision, out)?;
    decision.reasons.iter().filter(|reason| reason.binds_from.is_none()).try_for_each(|reason| rule(reason, out))?;
    if !decision.mechanisms.is_empty() {
        line(out, "relies on", &decision.mechanisms.join(", "))?;
    }
    decision.warnings.iter().try_for_each(|warning| line(out, "warning", warning))?;
    decision.counters.iter().enumerate().try_for_each(|(index, counted)| counter(index, counted, out))?;
    shadow(decision, out)?;
    decision.unanswered.iter().enumerate().try_for_each(|(index, open)| question(index, open, out))?;
    for (index, change) in decision.passes_if.iter().enumerate() {
        line(out, if index == 0 { "passes if" } else { "or if" }, change)?;
    }
    Ok(())
}

fn head(decision: &Decision, out: &mut dyn Write) -> io::Result<()> {
    let importer = decision.importer.host.as_deref().map(|host| format!(" ({host})")).unwrap_or_default();
    let (from, to) = (countries(&decision.exporter.place), countries(&decision.importer.place));
    writeln!(out, "{}: {from} to {to}{importer}", decision.action.as_str())?;
    let content = &decision.content;
    let kinds: Vec<String> =
        content.categories.iter().map(|(kind, tally)| format!("{kind} {}", tally.count)).collect();
    let kinds = if kinds.is_empty() { "nothing found".to_owned() } else { kinds.join(", ") };
    line(out, "content", &format!("{} bytes, {}: {kinds}", content.bytes, people(content.people.len() as u64)))?;
    for (reason, bytes) in &content.opaque {
        line(out, "", &format!("{bytes} bytes {reason}"))?;
    }
    decision.lists.iter().try_for_each(|on| {
        let by = if on.by == crate::transfer::ListedBy::Host { "its host" } else { "its name" };
        line(out, "on list", &format!("{}, by {by}: {}", on.list, on.entry))
    })
}

fn rule(reason: &Reason, out: &mut dyn Write) -> io::Result<()> {
    let observed = if reason.enforced { "" } else { ", not enforced" };
    let cite = if reason.cite.is_empty() { String::new() } else { format!(", {}", reason.cite) };
    line(out, reason.action.as_str(), &format!("{}/{}{cite}{observed}", reason.pack, reason.rule))?;
    line(out, "", &reason.why)?;
    if let Some(counter) = &reason.counter {
        let text = format!("{} people before, {} more now, limit {}", counter.before, counter.adding, counter.limit);
        line(out, "", &text)?;
    }
    match &reason.met {
        Some(met) => line(out, "", &held(met))?,
        None if reason.needs.is_empty() => {}
        None => line(out, "", &format!("needs {}", reason.needs.join(" or ")))?,
    }
    match reason.confidence {
        Confidence::High => Ok(()),
        Confidence::Medium => line(out, "", "reading: most read it so, the text does not say it (confidence medium)"),
        Confidence::Low => line(out, "", "reading: not settled; ask counsel (confidence low)"),
    }
}

/// `met by standard-contract SC-1, valid until 2029-01-14, filed 2026-01-20 (due 2026-02-02)`.
fn held(met: &Met) -> String {
    let mut text = format!("met by {}", met.need);
    match &met.mechanism {
        Some(id) => text.push_str(&format!(": {id}")),
        None => text.push_str(", as the answers say"),
    }
    if let Some(until) = met.until {
        text.push_str(&format!(", valid until {until}"));
    }
    match (met.filed, met.file_by) {
        (Some(filed), Some(due)) => text.push_str(&format!(", filed {filed} (due {due})")),
        (None, Some(due)) => text.push_str(&format!(", to be filed by {due}")),
        (Some(filed), None) => text.push_str(&format!(", filed {filed}")),
        (None, None) => {}
    }
    text
}

fn counter(index: usize, counted: &Counted, out: &mut dyn Write) -> io::Result<()> {
    let since =
        if counted.since == jiff::civil::Date::MIN { String::new() } else { format!(" since {}", counted.since) };
    let limit = counted.limit.map_or_else(|| "past every bound".to_owned(), |limit| format!("next bound {limit}"));
    let party = counted.party.as_deref().map(|party| format!(" to {party}")).unwrap_or_default();
    let text = format!(
        "{}/{}: {}{party}{since}: {} before, {} after, {limit}",
        counted.pack, counted.counter, counted.title, counted.before, counted.after
    );
    line(out, if index == 0 { "counted" } else { "" }, &text)
}

/// Rules that will bind from a day that lies ahead.
fn shadow(decision: &Decision, out: &mut dyn Write) -> io::Result<()> {
    for reason in &decision.reasons {
        let Some(from) = reason.binds_from else { continue };
        let would = if reason.action == Action::Block { "would block" } else { "would log" };
        let text = format!("{}/{}, {}: {would} from {from} on", reason.pack, reason.rule, reason.cite);
        line(out, "ahead", &text)?;
        line(out, "", &reason.why)?;
    }
    Ok(())
}

fn question(index: usize, open: &Open, out: &mut dyn Write) -> io::Result<()> {
    line(out, if index == 0 { "unanswered" } else { "" }, &format!("{} ({}): {}", open.fact, open.about, open.ask))?;
    let mut ends: Vec<String> = Vec::new();
    for action in [Action::Block, Action::Redact, Action::Log, Action::Permit] {
        let values = open.otherwise.iter().filter(|other| other.action == action);
        let values: Vec<String> = values.map(|other| other.value.to_string()).collect();
        if !values.is_empty() {
            ends.push(format!("with {} it is {}", values.join(" or "), action.as_str()));
        }
    }
    line(out, "", &format!("taken to be {}; {}", open.default, ends.join(", ")))
}

fn line(out: &mut dyn Write, label: &str, text: &str) -> io::Result<()> {
    let width = LEFT - 3;
    writeln!(out, "  {label:<width$} {text}")
}

fn people(number: u64) -> String {
    if number == 1 { "1 person".to_owned() } else { format!("{number} people") }
}

fn countries(place: &Place) -> String {
    place.countries.iter().map(|country| country.as_str().to_owned()).collect::<Vec<_>>().join("|")
}
