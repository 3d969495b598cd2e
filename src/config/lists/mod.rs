//! Importer lists: who takes part in a framework, who is restricted. `[[importer_list]]` names a file of entries and the
//! answers they stand for; a transfer to an importer on a list is decided with these answers.
//!
//! An importer is on a list by its host, or by the name `[[importer]]` declares for it. Names are compared after case,
//! width, spaces and full stops are made alike ([`normalised`]); nothing is guessed beyond that, since a near miss on a list
//! of restricted recipients is a question for a person. Look-ups hash the host's suffixes and the declared names, so they
//! cost the same for ten entries and for a hundred thousand.

mod sheet;

mod table;

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::Importer;
use crate::diagnostic::{Diagnostic, Source};
use crate::policy::{FactSet, Packs};
use crate::transfer::{HostPattern, Listed, ListedBy};

pub(super) use self::sheet::{Columns, NAMES};

/// Entries of one list at most.
pub(super) const MOST: usize = 100_000;

/// Hosts, and aliases, of one entry at most.
const PARTS: usize = 64;

/// Problems shown of one file: nobody reads more.
const MOST_PROBLEMS: usize = 50;

/// The largest file: five times what the entries should need.
pub(super) const LARGEST: u64 = 64 << 20;

/// Every importer list, compiled. Immutable.
#[derive(Debug, Default)]
pub struct ImporterLists {
    lists: Vec<List>,
    names: HashMap<Box<str>, Vec<Spot>>,
    hosts: HashMap<Box<str>, Vec<Spot>>,
    /// Hosts written `*.name`, by `name`.
    below: HashMap<Box<str>, Vec<Spot>>,
    hash: Arc<str>,
}

/// One list.
#[derive(Debug)]
pub struct List {
    /// Its name in decisions.
    pub name: Arc<str>,
    /// The answers its entries stand for.
    pub facts: FactSet,
    entries: Vec<Entry>,
}

/// Where an entry is: list, entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Spot(u32, u32);

#[derive(Debug)]
struct Entry {
    name: Arc<str>,
    from: Option<Date>,
    until: Option<Date>,
    /// Answers of its own with those of the list, where it has any.
    facts: Option<Box<FactSet>>,
}

/// An entry as a file says it.
#[derive(Debug, Default)]
pub(super) struct Written {
    names: Vec<String>,
    hosts: Vec<HostPattern>,
    from: Option<Date>,
    until: Option<Date>,
    facts: FactSet,
}

impl Written {
    /// Whether it has no answers of its own.
    pub(super) fn answers_nothing(&self) -> bool {
        self.facts.is_empty()
    }
}

/// A list an importer is on.
#[derive(Debug)]
pub struct OnList<'s> {
    /// Which list, which entry, and how it was found.
    pub listed: Listed,
    /// The answers that follow.
    pub facts: &'s FactSet,
}

impl ImporterLists {
    /// The lists, for counting and for knowing what they answer.
    pub fn iter(&self) -> impl Iterator<Item = &List> {
        self.lists.iter()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.lists.is_empty()
    }

    /// Hash over everything that was read.
    pub(super) fn hash(&self) -> &Arc<str> {
        &self.hash
    }

    /// The lists an importer is on at a time, one entry each, in the order of the configuration. The day is UTC's.
    pub fn find(&self, host: Option<&str>, declared: Option<&Importer>, now: Timestamp) -> Vec<OnList<'_>> {
        if self.lists.is_empty() {
            return Vec::new();
        }
        let day = TimeZone::UTC.to_datetime(now).date();
        let mut found: Vec<(Spot, ListedBy)> = Vec::new();
        let by_host = host.into_iter().flat_map(|host| self.of_host(host)).map(|spot| (spot, ListedBy::Host));
        let names = declared.into_iter().flat_map(|importer| &importer.names);
        let by_name = names.filter_map(|name| self.names.get(&**name)).flatten().map(|spot| (*spot, ListedBy::Name));
        for (spot, by) in by_host.chain(by_name) {
            let known = found.iter().any(|(other, _)| other.0 == spot.0);
            if !known && self.entry(spot).is_some_and(|entry| entry.holds(day)) {
                found.push((spot, by));
            }
        }
        found.sort_by_key(|(spot, _)| spot.0);
        found.into_iter().filter_map(|(spot, by)| self.on_list(spot, by)).collect()
    }

    fn of_host<'a>(&'a self, host: &'a str) -> impl Iterator<Item = Spot> {
        let exact = self.hosts.get(host).into_iter().flatten();
        let above = std::iter::successors(host.split_once('.'), |(_, above)| above.split_once('.'));
        let below = above.filter_map(|(_, above)| self.below.get(above)).flatten();
        exact.chain(below).copied()
    }

    fn entry(&self, spot: Spot) -> Option<&Entry> {
        self.lists.get(spot.0 as usize)?.entries.get(spot.1 as usize)
    }

    fn on_list(&self, spot: Spot, by: ListedBy) -> Option<OnList<'_>> {
        let list = self.lists.get(spot.0 as usize)?;
        let entry = list.entries.get(spot.1 as usize)?;
        let listed = Listed { list: list.name.clone(), entry: entry.name.clone(), by };
        Some(OnList { listed, facts: entry.facts.as_deref().unwrap_or(&list.facts) })
    }

    /// Reads the entries of a file: CSV, or TOML by its ending.
    pub(super) fn read(source: &Source, columns: &Columns, packs: Option<&Packs>) -> (Vec<Written>, Vec<Diagnostic>) {
        if source.name.ends_with(".toml") { table::read(source, packs) } else { sheet::read(source, columns, packs) }
    }

    /// Adds a list.
    pub(super) fn add(&mut self, name: Arc<str>, facts: FactSet, written: Vec<Written>) {
        let at = u32::try_from(self.lists.len()).unwrap_or(u32::MAX);
        let mut entries = Vec::with_capacity(written.len());
        for (index, Written { names, hosts, from, until, facts: own }) in written.into_iter().enumerate() {
            let spot = Spot(at, u32::try_from(index).unwrap_or(u32::MAX));
            names.iter().for_each(|name| self.names.entry(normalised(name)).or_default().push(spot));
            for host in &hosts {
                let (table, key) = match host.as_str().strip_prefix("*.") {
                    Some(above) => (&mut self.below, above),
                    None => (&mut self.hosts, host.as_str()),
                };
                table.entry(key.into()).or_default().push(spot);
            }
            let shown = names.first().map_or_else(|| hosts.first().map_or("", HostPattern::as_str), String::as_str);
            let facts = (!own.is_empty()).then(|| {
                let mut all = facts.clone();
                all.merge(&own);
                Box::new(all)
            });
            entries.push(Entry { name: shown.into(), from, until, facts });
        }
        self.lists.push(List { name, facts, entries });
    }

    /// Closes the lists: `read` is the text of everything that was read.
    pub(super) fn finish<'t>(&mut self, read: impl IntoIterator<Item = &'t str>) {
        let mut context = ring::digest::Context::new(&ring::digest::SHA256);
        for text in read {
            context.update(&(text.len() as u64).to_be_bytes());
            context.update(text.as_bytes());
        }
        self.hash = context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<String>().into();
    }
}

impl List {
    /// How many entries it has.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Every set of answers it gives.
    pub fn answers(&self) -> impl Iterator<Item = &FactSet> {
        std::iter::once(&self.facts).chain(self.entries.iter().filter_map(|entry| entry.facts.as_deref()))
    }
}

impl Entry {
    fn holds(&self, day: Date) -> bool {
        self.from.is_none_or(|from| from <= day) && self.until.is_none_or(|until| day <= until)
    }
}

/// A name as names are compared: full-width forms as ASCII, lower case, spaces as one, without commas and full stops, so
/// that `ＥＸＡＭＰＬＥ Co., Ltd.` is `example co ltd`. Legal forms stay: `Example GmbH` and `Example AG` are two companies.
pub(super) fn normalised(name: &str) -> Box<str> {
    let mut text = String::with_capacity(name.len());
    for c in name.chars() {
        let c = match c {
            '\u{ff01}'..='\u{ff5e}' => char::from_u32(c as u32 - 0xfee0).unwrap_or(c),
            '\u{3000}' => ' ',
            '\u{2019}' | '\u{2018}' => '\'',
            '\u{2010}'..='\u{2015}' => '-',
            c => c,
        };
        match c {
            ',' | '.' => {}
            c if c.is_whitespace() => {
                if !text.is_empty() && !text.ends_with(' ') {
                    text.push(' ');
                }
            }
            c => text.extend(c.to_lowercase()),
        }
    }
    text.trim_end().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_alike_in_case_width_and_stops_and_differ_in_legal_form() {
        for (written, alike) in [
            ("Example, Inc.", "EXAMPLE  INC"),
            ("ＥＸＡＭＰＬＥ　Ｃｏ．，Ｌｔｄ．", "Example Co.,Ltd"),
            ("L’Exemple S.A.", "l'exemple sa"),
        ] {
            assert_eq!(normalised(written), normalised(alike));
        }
        assert_ne!(normalised("Example GmbH"), normalised("Example AG"));
    }
}
