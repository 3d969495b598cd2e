//! `[[data_list]]`: the organisation's own records, words and documents, as files that `tidegate list` makes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Reading;
use crate::config::document::{At, Section};
use crate::config::value;
use crate::detect::{DataLists, ListFile, ListKey, ListKind, Use};
use crate::ledger::{KeySource, Keys};
use crate::transfer::Category;

/// More lists than anybody keeps.
const MOST: usize = 32;

/// Passages of one document that make a copy, unless the list says otherwise.
const PASSAGES: usize = 8;

/// Every list of the file, under the key people are digested with.
pub(super) fn lists<'d>(top: &Section<'d>, reading: &Reading<'d>, state: &Path, source: &KeySource) -> DataLists {
    let sections = top.sections("data_list", "[[data_list]]");
    let Some(first) = sections.first() else { return DataLists::default() };
    let key = Keys::find(state, source).map(|keys| ListKey::of(&keys.first()));
    let key = key.map_err(|error| {
        let help = "lists are made and read under the key of the state directory, or of [ledger]";
        first.document().advise(first.span(), format!("there is no key to read lists with: {error}"), help);
    });
    let mut lists = key.as_ref().map_or_else(|()| DataLists::default(), |key| DataLists::new(key.clone()));
    let mut names: Vec<Arc<str>> = Vec::new();
    for section in sections {
        let name = section.need("name", value::label);
        if let Some(name) = name.as_ref().filter(|name| names.contains(&name.value)) {
            section.document().error(&name.span, format!("there is a second data list `{}`", name.value));
        }
        if names.len() == MOST {
            section.document().error(section.span(), format!("there are at most {MOST} data lists"));
        }
        names.extend(name.as_ref().map(|name| Arc::clone(&name.value)));
        if let Some((told, file)) = list(&section, reading, name, key.as_ref().ok()) {
            lists.add(told, file);
        }
        section.finish();
    }
    lists
}

fn list<'d>(
    section: &Section<'d>,
    reading: &Reading<'d>,
    name: Option<At<Arc<str>>>,
    key: Option<&ListKey>,
) -> Option<(Use, ListFile)> {
    let category = section.need("category", value::category);
    let person = section.at("person", value::flag);
    let together = section.at("together", value::number);
    let passages = section.at("passages", value::number);
    let path: At<PathBuf> = section.need("file", value::path)?;
    let path = At { value: reading.file(&path)?, span: path.span };
    let file = ListFile::read(&path.value, key?)
        .map_err(|wrong| section.document().error(&path.span, format!("{} {wrong}", path.value.display())))
        .ok()?;
    let category = category?;
    let document = section.document();
    let only = |setting: Option<&At<u64>>, kind: ListKind, what: &str| {
        if let Some(setting) = setting.filter(|_| file.kind != kind) {
            document.error(&setting.span, format!("this has no effect: it is for lists of {what}"));
        }
    };
    only(together.as_ref(), ListKind::Records, "records");
    only(passages.as_ref(), ListKind::Documents, "documents");
    if let Some(person) = person.as_ref().filter(|person| person.value) {
        people(section, person, file.kind, category.value);
    }
    if let Some(together) = together.as_ref().filter(|n| !(1..=file.columns as u64).contains(&n.value)) {
        let message = format!("the list has {} of columns: write a number from 1 to that", file.columns);
        document.error(&together.span, message);
    }
    if let Some(passages) = passages.as_ref().filter(|passages| passages.value == 0) {
        document.error(&passages.span, "a copy has at least one passage");
    }
    let number = |setting: Option<At<u64>>, otherwise: usize| {
        setting.map_or(otherwise, |setting| usize::try_from(setting.value).unwrap_or(usize::MAX))
    };
    let told = Use {
        name: name?.value,
        category: category.value,
        person: person.is_some_and(|person| person.value),
        together: number(together, 1),
        passages: number(passages, PASSAGES),
    };
    Some((told, file))
}

/// Whether the rows of a list can be people.
fn people(section: &Section<'_>, person: &At<bool>, kind: ListKind, category: Category) {
    if kind != ListKind::Records {
        section.document().error(&person.span, "only rows of records are people");
    } else if !category.as_str().starts_with("personal") {
        let help = "take a category below `personal`, or leave `person` away";
        section.document().advise(&person.span, "people are counted under personal categories only", help);
    }
}
