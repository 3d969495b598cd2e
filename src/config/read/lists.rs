//! `[[importer_list]]`: files of recipients, and the answers that being on one gives.

use std::sync::Arc;

use super::Reading;
use crate::config::document::Section;
use crate::config::lists::{Columns, ImporterLists, LARGEST, NAMES, Written};
use crate::config::{Importer, value};
use crate::diagnostic::Source;
use crate::policy::FactSet;

/// More lists than anybody keeps.
const MOST_LISTS: usize = 64;

/// Every list of the file. Problems of the files they name go beside those of the configuration.
pub(super) fn lists<'d>(top: &Section<'d>, reading: &Reading<'d>) -> ImporterLists {
    let mut lists = ImporterLists::default();
    let mut names: Vec<Arc<str>> = Vec::new();
    let mut sources: Vec<Source> = Vec::new();
    for section in top.sections("importer_list", "[[importer_list]]") {
        let name = section.need("name", value::label);
        if let Some(name) = name.as_ref().filter(|name| names.contains(&name.value)) {
            section.document().error(&name.span, format!("there is a second importer list `{}`", name.value));
        }
        if names.len() == MOST_LISTS {
            section.document().error(section.span(), format!("there are at most {MOST_LISTS} importer lists"));
        }
        let name: Arc<str> = name.map_or_else(|| "".into(), |name| name.value);
        names.push(name.clone());
        let facts = reading.facts(&section);
        let columns = columns(&section);
        if let Some(source) = source(&section, reading) {
            let (written, problems) = ImporterLists::read(&source, &columns, reading.packs);
            let sound = problems.is_empty();
            problems.into_iter().for_each(|problem| reading.foreign(problem));
            if sound && facts.is_empty() && written.iter().all(Written::answers_nothing) {
                let help = "say what follows: `facts = { importer-listed = true }`";
                section.document().advise(section.span(), "this list has no effect: it answers nothing", help);
            }
            lists.add(name, facts, written);
            sources.push(source);
        }
        section.finish();
    }
    let told = format!("{names:?} {:?}", lists.iter().map(|list| &list.facts).collect::<Vec<&FactSet>>());
    lists.finish(sources.iter().map(|source| source.text.as_str()).chain([told.as_str()]));
    lists
}

fn source<'d>(section: &Section<'d>, reading: &Reading<'d>) -> Option<Source> {
    let path = reading.file(&section.need("file", value::path)?)?;
    crate::config::read_text(&path, LARGEST)
        .map_err(|problems| problems.into_iter().for_each(|problem| reading.foreign(problem)))
        .ok()
}

/// `columns = { name = "Organization", aliases = "Also known as" }`.
fn columns(section: &Section<'_>) -> Columns {
    let columns = section.section("columns", "a table of column names");
    let mut chosen = Columns::new();
    for (column, header) in columns.entries(value::text) {
        let known = NAMES.contains(&column.value) || column.value.starts_with("fact.");
        if !known {
            section.document().unknown("column", column.value, &column.span, &NAMES);
        }
        chosen.insert(column.value.to_owned(), header.value);
    }
    columns.finish();
    chosen
}

/// Warns where an importer's own answer contradicts a list it is on. Its own answer counts.
pub(super) fn warn_of_contradictions(lists: &ImporterLists, importers: &[Importer], reading: &Reading<'_>) {
    for importer in importers.iter().filter(|importer| !importer.facts.is_empty()) {
        for on in lists.find(None, Some(importer), jiff::Timestamp::now()) {
            for (name, value) in on.facts.iter() {
                let own = importer.facts.get(name).filter(|own| *own != value);
                if let (Some(own), Some(host)) = (own, importer.hosts.first()) {
                    let message = format!(
                        "[[importer]] `{host}` says {name} = {own}, and `{}` of list `{}` says {value}: its own answer counts",
                        on.listed.entry, on.listed.list
                    );
                    reading.remark(message);
                }
            }
        }
    }
}
