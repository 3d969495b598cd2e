//! What the name of a field says: which detectors it speaks for, and whether it speaks against weak numbers.
//!
//! A name is taken apart once (`customerIdCard`, `customer_id_card`, `CUSTOMER-ID-CARD` are the same three words) and the
//! answer is kept by the collector, because a message repeats its names. A listed name stands for a run of words
//! anywhere in a field name; written with a leading `=` it stands for the whole name only. Names in scripts that write
//! without spaces are looked for anywhere inside.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::set::Set;
use super::shape::is_unspaced;
use crate::transfer::is_plain_name;

/// Longest part of a field name that is looked at, from its end.
const LONGEST: usize = 96;
/// Most words of a field name that are looked at, and most of them in one listed name.
const WORDS: usize = 12;
const RUN: usize = 5;

/// Every listed name.
#[derive(Debug, Default)]
pub(super) struct KeyTable {
    whole: HashMap<String, Vec<usize>>,
    runs: HashMap<String, Vec<usize>>,
    inside: Vec<(String, usize)>,
    vetoes: HashMap<String, Vec<usize>>,
    negative_whole: HashSet<String>,
    negative: HashSet<String>,
    parts: HashSet<String>,
    credentials: HashSet<String>,
}

/// What one field name says.
#[derive(Debug, Default, Clone)]
pub(super) struct KeyInfo {
    /// Scanned detectors it speaks for.
    pub(super) scanned: Set,
    /// Detectors whose evidence is the name alone.
    pub(super) fields: Vec<usize>,
    /// It names something that only looks like a number of a person.
    pub(super) negative: bool,
    /// In the head of a message it carries what the sender proves itself with.
    pub(super) credential: bool,
}

impl KeyTable {
    pub(super) fn add(&mut self, name: &str, detector: usize) {
        if let Some(whole) = name.strip_prefix('=') {
            self.whole.entry(joined(whole)).or_default().push(detector);
        } else if name.chars().any(is_unspaced) {
            self.inside.push((joined(name), detector));
        } else {
            self.runs.entry(joined(name)).or_default().push(detector);
        }
    }

    pub(super) fn add_veto(&mut self, word: &str, detector: usize) {
        self.vetoes.entry(joined(word)).or_default().push(detector);
    }

    pub(super) fn add_negative(&mut self, name: &str) {
        match name.strip_prefix('=') {
            Some(whole) => self.negative_whole.insert(joined(whole)),
            None => self.negative.insert(joined(name)),
        };
    }

    pub(super) fn add_part(&mut self, name: &str) {
        self.parts.insert(joined(name));
    }

    pub(super) fn add_credential(&mut self, name: &str) {
        self.credentials.insert(joined(name));
    }

    /// Whether a container of this name holds a part of what its parent is about.
    pub(super) fn is_part(&self, name: &str) -> bool {
        self.parts.contains(&joined(name))
    }

    /// Takes a field name apart. `scanned` says how many detectors have a bit.
    pub(super) fn read(&self, name: &str, scanned: usize) -> KeyInfo {
        let name = tail(name);
        let words = words(name);
        let all = words.concat();
        let mut found: Vec<usize> = self.whole.get(&all).into_iter().flatten().copied().collect();
        let runs =
            || (0..words.len()).flat_map(|from| (from + 1..=words.len().min(from + RUN)).map(move |to| (from, to)));
        let run = |(from, to): (usize, usize)| words.get(from..to).map(|run| run.concat()).unwrap_or_default();
        let mut negative = self.negative_whole.contains(&all) || self.is_inside_negative(&all);
        for text in runs().map(run) {
            found.extend(self.runs.get(&text).into_iter().flatten());
            negative |= self.negative.contains(&text);
        }
        if !name.is_ascii() {
            found.extend(self.inside.iter().filter(|(text, _)| all.contains(text)).map(|(_, detector)| detector));
        }
        let vetoed = |detector: &usize| {
            words.iter().any(|word| self.vetoes.get(word).is_some_and(|detectors| detectors.contains(detector)))
        };
        found.retain(|detector| !vetoed(detector));
        found.sort_unstable();
        found.dedup();
        let mut info = KeyInfo { negative, credential: self.credentials.contains(&all), ..KeyInfo::default() };
        for detector in found {
            if detector < scanned { info.scanned.insert(detector) } else { info.fields.push(detector) }
        }
        info
    }

    fn is_inside_negative(&self, all: &str) -> bool {
        !all.is_ascii() && self.negative.iter().any(|name| !name.is_ascii() && all.contains(name.as_str()))
    }
}

/// Field names already read, by hash: a bounded table in which a newer name replaces an older one. It goes on from
/// message to message, so names that could be values are forgotten with theirs.
#[derive(Debug)]
pub(super) struct KeyCache {
    slots: Vec<(Box<str>, Arc<KeyInfo>)>,
    none: Arc<KeyInfo>,
    /// Places of names that could be values.
    private: Vec<usize>,
}

const SLOTS: usize = 256;

impl KeyCache {
    pub(super) fn new() -> KeyCache {
        KeyCache { slots: Vec::new(), none: Arc::default(), private: Vec::new() }
    }

    /// The message ends.
    pub(super) fn forget(&mut self) {
        for first in self.private.drain(..) {
            let none = &self.none;
            self.slots.iter_mut().skip(first).take(2).for_each(|slot| *slot = (Box::default(), Arc::clone(none)));
        }
    }

    /// What `name` says.
    pub(super) fn look_up(&mut self, table: &KeyTable, name: Option<&str>, scanned: usize) -> &Arc<KeyInfo> {
        let Some(name) = name.filter(|name| !name.is_empty()) else {
            return &self.none;
        };
        if self.slots.is_empty() {
            self.slots.resize_with(SLOTS, || (Box::default(), Arc::clone(&self.none)));
        }
        let name = tail(name);
        // Two places for each name: the newer is in the first, the older moves to the second.
        let first = (hash(name.as_bytes()) as usize % SLOTS) & !1;
        let holds = |slot: usize| self.slots.get(slot).is_some_and(|entry| *entry.0 == *name);
        let slot = if holds(first) || !holds(first + 1) { first } else { first + 1 };
        if !holds(slot) {
            self.slots.swap(first, first + 1);
            if !is_plain_name(name) {
                self.private.push(first);
            }
            if let Some(entry) = self.slots.get_mut(first) {
                *entry = (Box::from(name), Arc::new(table.read(name, scanned)));
            }
        }
        self.slots.get(slot).map_or(&self.none, |entry| &entry.1)
    }
}

fn hash(bytes: &[u8]) -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let (chunks, rest) = bytes.as_chunks::<8>();
    let mix = |state: u64, word: u64| (state.rotate_left(5) ^ word).wrapping_mul(FACTOR);
    let state = chunks.iter().fold(bytes.len() as u64, |state, chunk| mix(state, u64::from_le_bytes(*chunk)));
    let last = rest.iter().fold(0, |word, &byte| word << 8 | u64::from(byte));
    mix(state, last) >> 32
}

fn tail(name: &str) -> &str {
    let from = (name.len().saturating_sub(LONGEST)..).find(|&from| name.is_char_boundary(from)).unwrap_or(0);
    name.get(from..).unwrap_or(name)
}

fn joined(name: &str) -> String {
    words(name).concat()
}

/// The words of a name in lower case, without the digits that number them.
fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut open = false;
    let mut characters = name.chars().peekable();
    let mut before = ' ';
    while let Some(c) = characters.next() {
        let camel = c.is_uppercase()
            && (before.is_lowercase()
                || (before.is_uppercase() && characters.peek().is_some_and(|next| next.is_lowercase())));
        before = c;
        if !c.is_alphabetic() && !is_mark(c) {
            open = false;
            continue;
        }
        if !open || camel {
            words.push(String::new());
            open = true;
        }
        if let Some(word) = words.last_mut() {
            word.extend(c.to_lowercase());
        }
    }
    words.truncate(WORDS);
    words
}

/// Combining marks belong to the letter before them.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{0300}'..='\u{036f}' | '\u{0900}'..='\u{0eff}') && !c.is_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_name_are_the_same_words() {
        for name in ["customerIdCard", "customer_id_card", "CUSTOMER-ID-CARD", "customer[id].card2", "CustomerIDCard"]
        {
            assert_eq!(words(name), ["customer", "id", "card"], "{name}");
        }
        assert_eq!(words("客户身份证号"), ["客户身份证号"]);
    }
}
