//! What a message carries: kinds, counts, places and people by digest. Never a value.

use std::collections::{BTreeMap, BTreeSet};

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{Category, CategorySet, Digest};

/// One person a message is about, and the kinds of data it carries about them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Person {
    /// Who, under the gateway's key.
    pub digest: Digest,
    /// What the message says about them.
    pub categories: CategorySet,
}

/// How often a category was found, and about how many people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Tally {
    /// Findings.
    pub count: u64,
    /// Distinct people they are about.
    pub people: u64,
}

/// Where a category was found: a few locations as patterns (`/users/*/email`), for the person who has to mend it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Found {
    /// The kind.
    pub category: Category,
    /// Findings.
    pub count: u64,
    /// Distinct people.
    pub people: u64,
    /// JSON pointers with `*` for indexes, part names, header names, lines. At most eight.
    #[serde(rename = "where")]
    pub locations: Vec<String>,
}

/// People about whom a message says the same kinds of things.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Group {
    /// The kinds.
    pub categories: CategorySet,
    /// How many people.
    pub people: u64,
}

/// Groups listed at most. A message has few; one that was made to have many costs no more than this.
const GROUPS: usize = 64;

/// Everything later stages may know of a message's content.
///
/// INVARIANT: `bytes == inspected + opaque (all reasons) + skipped`, counted on the decoded bytes of the innermost layer
/// that could be opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Content {
    /// Size.
    pub bytes: u64,
    /// Bytes detectors have seen.
    pub inspected: u64,
    /// Bytes nobody could read, by reason (`opaque.*`).
    pub opaque: BTreeMap<Category, u64>,
    /// Bytes not looked at because no rule could ask about them.
    pub skipped: u64,
    /// Names of the formats met (`json`, `form`, `gzip`).
    pub formats: BTreeSet<&'static str>,
    /// Findings by kind.
    pub categories: BTreeMap<Category, Tally>,
    /// Locations by kind.
    pub found: Vec<Found>,
    /// Distinct people, each once.
    pub people: Vec<Person>,
}

impl Content {
    /// Content that was not looked at because no rule could ask.
    pub fn skipped(bytes: u64) -> Content {
        Content { bytes, skipped: bytes, ..Content::default() }
    }

    /// Content that nobody can read, for one reason (`opaque.encrypted`).
    pub fn opaque(bytes: u64, reason: Category) -> Content {
        Content { bytes, opaque: BTreeMap::from([(reason, bytes)]), ..Content::default() }
    }

    /// Bytes nobody could read.
    pub fn opaque_bytes(&self) -> u64 {
        self.opaque.values().sum()
    }

    /// People by what is said about them. Beyond 64 different groups the last one takes in everybody else and has all of
    /// their kinds, so that it is rather too strict than too mild.
    pub fn groups(&self) -> Vec<Group> {
        let mut groups: Vec<Group> = Vec::new();
        let mut last = 0;
        for Person { categories, .. } in &self.people {
            // Neighbours are mostly alike: rows of one table, items of one list.
            if groups.get(last).is_none_or(|group| group.categories != *categories) {
                last = match groups.iter().position(|group| group.categories == *categories) {
                    Some(known) => known,
                    None if groups.len() < GROUPS => {
                        groups.push(Group { categories: *categories, people: 0 });
                        groups.len() - 1
                    }
                    None => GROUPS - 1,
                };
            }
            if let Some(group) = groups.get_mut(last) {
                group.categories = group.categories.union(*categories);
                group.people += 1;
            }
        }
        groups
    }

    /// Every kind present, `opaque.*` among them.
    pub fn kinds(&self) -> CategorySet {
        CategorySet::of(self.categories.keys().chain(self.opaque.keys()).copied())
    }
}

impl Serialize for Content {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("bytes", &self.bytes)?;
        map.serialize_entry("inspected", &self.inspected)?;
        map.serialize_entry("opaque", &self.opaque_bytes())?;
        if !self.opaque.is_empty() {
            map.serialize_entry("opaque_reasons", &self.opaque)?;
        }
        if self.skipped > 0 {
            map.serialize_entry("skipped", &self.skipped)?;
        }
        map.serialize_entry("formats", &self.formats)?;
        map.serialize_entry("categories", &self.categories)?;
        map.serialize_entry("people", &self.people.len())?;
        if !self.people.is_empty() {
            map.serialize_entry("groups", &self.groups())?;
        }
        map.end()
    }
}
