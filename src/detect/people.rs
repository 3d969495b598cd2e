//! Distinct people of one message, each with the kinds of data the message holds about them.
//!
//! A person is 16 bytes of digest and the number of their set of categories, because a message repeats a few sets for
//! very many people. Beyond a bound no more people are kept and the result says so.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};

use crate::transfer::{Category, CategorySet, Digest, Person};

/// Most people kept.
const MOST: usize = 5_000_000;

/// Digests are keyed and evenly spread: their first bytes are hash enough.
#[derive(Debug, Default)]
struct FirstBytes(u64);

impl Hasher for FirstBytes {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk::<8>() {
            self.0 = u64::from_le_bytes(*first);
        }
    }
}

/// The people met so far.
#[derive(Debug, Default)]
pub(super) struct People {
    known: HashMap<[u8; 16], u16, BuildHasherDefault<FirstBytes>>,
    sets: Vec<CategorySet>,
    numbers: HashMap<CategorySet, u16>,
    truncated: bool,
}

impl People {
    pub(super) fn add(&mut self, person: Digest, categories: CategorySet) {
        let before = self.known.get(&person.0).copied();
        if before.is_none() && self.known.len() >= MOST {
            self.truncated = true;
            return;
        }
        let held = before.and_then(|number| self.sets.get(usize::from(number))).copied().unwrap_or_default();
        let all = held.union(categories);
        if before.is_none() || all != held {
            let number = self.number(all);
            self.known.insert(person.0, number);
        }
    }

    /// The number of a set. When there are too many different sets, a person gets everything personal: too much, never
    /// too little.
    fn number(&mut self, set: CategorySet) -> u16 {
        if let Some(&number) = self.numbers.get(&set) {
            return number;
        }
        let next = match u16::try_from(self.sets.len()) {
            Ok(next) if next < u16::MAX => (next, set),
            _ => (u16::MAX, Category::parse("personal").map(Category::subtree).unwrap_or(set)),
        };
        if self.sets.len() <= usize::from(next.0) {
            self.sets.push(next.1);
        }
        if next.0 < u16::MAX {
            self.numbers.insert(set, next.0);
        }
        next.0
    }

    pub(super) fn is_truncated(&self) -> bool {
        self.truncated
    }

    /// How many people each category is about.
    pub(super) fn by_category(&self) -> BTreeMap<Category, u64> {
        let mut by_set = vec![0u64; self.sets.len()];
        for number in self.known.values() {
            if let Some(count) = by_set.get_mut(usize::from(*number)) {
                *count += 1;
            }
        }
        let mut totals = BTreeMap::new();
        for (set, count) in self.sets.iter().zip(by_set) {
            set.iter().for_each(|category| *totals.entry(category).or_default() += count);
        }
        totals
    }

    /// Everyone, in the order of their digests.
    pub(super) fn into_list(self) -> Vec<Person> {
        let set = |number: u16| self.sets.get(usize::from(number)).copied().unwrap_or_default();
        let person = |(digest, number)| Person { digest: Digest(digest), categories: set(number) };
        let mut people: Vec<Person> = self.known.into_iter().map(person).collect();
        people.sort_unstable_by_key(|person| person.digest);
        people
    }
}
