//! A list as TOML: `[[entry]]` with the same keys as the columns of a sheet, and `facts`.

use toml::de::DeTable;

use super::{MOST, MOST_PROBLEMS, PARTS, Written};
use crate::config::document::{Document, Section};
use crate::config::value;
use crate::diagnostic::{Diagnostic, Source};
use crate::policy::{FactSet, Packs};

/// Reads a table; `packs` check the answers.
pub(super) fn read(source: &Source, packs: Option<&Packs>) -> (Vec<Written>, Vec<Diagnostic>) {
    let (table, errors) = DeTable::parse_recoverable(&source.text);
    let document = Document::new(source);
    document.syntax(errors.get(..MOST_PROBLEMS).unwrap_or(&errors));
    let mut entries = Vec::new();
    if errors.is_empty() {
        let top = document.top(table.get_ref());
        for section in top.sections("entry", "[[entry]]") {
            if document.count() > MOST_PROBLEMS {
                break;
            }
            if entries.len() == MOST {
                document.error(section.span(), format!("a list has at most {MOST} entries"));
                break;
            }
            entries.push(entry(&section, packs));
            section.finish();
        }
        top.finish();
    }
    (entries, document.into_problems().0)
}

fn entry(section: &Section<'_>, packs: Option<&Packs>) -> Written {
    let mut names: Vec<String> = section.get("name", value::text).into_iter().collect();
    names.extend(section.all("aliases", value::text).into_iter().take(PARTS));
    let hosts = section.all("hosts", value::hosts);
    if names.is_empty() && hosts.is_empty() {
        section.document().error(section.span(), "an entry has a name or a host");
    }
    if hosts.iter().any(|host| host.as_str() == "*") {
        section.document().error(section.span(), "`*` is every importer");
    }
    let (from, until) = (section.get("from", value::date), section.at("until", value::date));
    if let (Some(from), Some(until)) = (from, &until)
        && until.value < from
    {
        section.document().error(&until.span, format!("it ends on {} before it begins on {from}", until.value));
    }
    Written { names, hosts, from, until: until.map(|at| at.value), facts: facts(section, packs) }
}

fn facts(section: &Section<'_>, packs: Option<&Packs>) -> FactSet {
    let facts = section.section("facts", "a table of facts");
    let mut set = FactSet::default();
    for (name, answer) in facts.entries(value::fact) {
        match packs.map_or(Ok(()), |packs| packs.check_fact(name.value, &answer.value)) {
            Ok(()) => set.insert(name.value, answer.value),
            Err(error) => match error.help {
                Some(help) => section.document().advise(&answer.span, error.message, help),
                None => section.document().error(&answer.span, error.message),
            },
        }
    }
    facts.finish();
    set
}
