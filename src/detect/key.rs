//! What the name of a field says: which detectors it speaks for, and whether it speaks against weak numbers.
//!
//! A name is taken apart once (`customerIdCard`, `customer_id_card`, `CUSTOMER-ID-CARD` are the same three words) and the
//! answer is kept by the collector, because a message repeats its names. A listed name stands for a run of words
//! anywhere in a field name; written with a leading `=` it stands for the whole name only. Names in scripts that write
//! without spaces are looked for anywhere inside.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use foldhash::fast::RandomState;

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
    whole: HashMap<String, Vec<usize>, RandomState>,
    runs: HashMap<String, Vec<usize>, RandomState>,
    inside: Vec<(String, usize)>,
    vetoes: HashMap<String, Vec<usize>, RandomState>,
    negative_whole: HashSet<String, RandomState>,
    negative: HashSet<String, RandomState>,
    parts: HashSet<String, RandomState>,
    credentials: HashSet<String, RandomState>,
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
    slots: Vec<Slot>,
    none: Arc<KeyInfo>,
    /// Which of its places the next name gets that is not there.
    turn: usize,
    /// Places of names that could be values.
    private: Vec<usize>,
}

#[derive(Debug, Clone)]
struct Slot {
    print: Print,
    name: Box<str>,
    info: Arc<KeyInfo>,
}

const SLOTS: usize = 512;
/// Places each name can have: with few, three names of a table that met in one would push each other out for ever.
const PLACES: usize = 8;

impl KeyCache {
    pub(super) fn new() -> KeyCache {
        KeyCache { slots: Vec::new(), none: Arc::default(), turn: 0, private: Vec::new() }
    }

    /// The message ends.
    pub(super) fn forget(&mut self) {
        for place in self.private.drain(..) {
            let empty = Slot::empty(&self.none);
            self.slots.iter_mut().skip(place).take(1).for_each(|slot| *slot = empty.clone());
        }
    }

    /// What `name` says.
    #[inline]
    pub(super) fn look_up(&mut self, table: &KeyTable, name: Option<&str>, scanned: usize) -> &Arc<KeyInfo> {
        let Some(name) = name.filter(|name| !name.is_empty()) else {
            return &self.none;
        };
        let print = Print::of(name.as_bytes());
        let first = (print.hash() as usize % SLOTS) & !(PLACES - 1);
        let place = (first..first + PLACES).find(|place| self.holds(*place, print, name));
        let place = place.unwrap_or_else(|| self.read(table, name, scanned, first));
        self.slots.get(place).map_or(&self.none, |slot| &slot.info)
    }

    #[inline]
    fn holds(&self, place: usize, print: Print, name: &str) -> bool {
        self.slots.get(place).is_some_and(|slot| slot.print == print && (print.is_whole() || *slot.name == *name))
    }

    /// Reads a name that has not been met, or not lately. Gives back its place.
    #[cold]
    fn read(&mut self, table: &KeyTable, name: &str, scanned: usize, first: usize) -> usize {
        if self.slots.is_empty() {
            self.slots.resize(SLOTS, Slot::empty(&self.none));
        }
        self.turn = (self.turn + 1) % PLACES;
        let place = first + self.turn;
        if !is_plain_name(name) {
            self.private.push(place);
        }
        if let Some(slot) = self.slots.get_mut(place) {
            let info = Arc::new(table.read(name, scanned));
            *slot = Slot { print: Print::of(name.as_bytes()), name: Box::from(name), info };
        }
        place
    }
}

impl Slot {
    fn empty(none: &Arc<KeyInfo>) -> Slot {
        Slot { print: Print::default(), name: Box::default(), info: Arc::clone(none) }
    }
}

/// The beginning, the end and the length of a name, which are all there is to most names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Print {
    first: u64,
    last: u64,
    length: usize,
}

impl Print {
    #[inline]
    fn of(name: &[u8]) -> Print {
        let length = name.len();
        if let (Some(first), Some(last)) = (name.first_chunk(), name.last_chunk()) {
            return Print { first: u64::from_le_bytes(*first), last: u64::from_le_bytes(*last), length };
        }
        if let (Some(first), Some(last)) = (name.first_chunk(), name.last_chunk()) {
            let [first, last] = [first, last].map(|part: &[u8; 4]| u64::from(u32::from_le_bytes(*part)));
            return Print { first, last, length };
        }
        Print { first: name.iter().fold(0, |word, &byte| (word << 8) | u64::from(byte)), last: 0, length }
    }

    /// Whether no byte of the name is missing in it.
    #[inline]
    fn is_whole(self) -> bool {
        self.length <= 16
    }

    #[inline]
    fn hash(self) -> u64 {
        const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
        let mixed = self.first.wrapping_mul(FACTOR) ^ self.last.rotate_left(29) ^ self.length as u64;
        mixed.wrapping_mul(FACTOR) >> 32
    }
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
