//! The names a pack gives to its parts, and whether each is used.
//!
//! Parts may refer only to parts that stand before them in the order of reading (facts, classes, counters, lists, terms,
//! needs, exemptions, rules, and within a section from top to bottom), so that nothing can refer to itself.

use std::cell::Cell;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::table::{Reader, Word};

/// The names of one section.
pub(super) struct Names {
    what: &'static str,
    known: Vec<(Arc<str>, Range<usize>, Cell<bool>)>,
    /// Where each stands among them: a pack may have thousands of rules.
    positions: HashMap<Arc<str>, usize>,
}

impl Names {
    pub(super) fn new(what: &'static str) -> Names {
        Names { what, known: Vec::new(), positions: HashMap::new() }
    }

    /// Takes in a name.
    pub(super) fn add(&mut self, reader: &Reader<'_>, name: &str, span: Range<usize>) -> Arc<str> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if name.is_empty() || !name.bytes().all(plain) {
            let message = format!("`{name}` is not a name for a {}", self.what);
            reader.advise(span.clone(), message, "use lower-case letters, digits and `-`");
        }
        if self.positions.contains_key(name) {
            reader.error(span.clone(), format!("there is a second {} `{name}`", self.what));
        }
        let name: Arc<str> = name.into();
        self.positions.entry(name.clone()).or_insert(self.known.len());
        self.known.push((name.clone(), span, Cell::new(false)));
        name
    }

    /// The index of a name; an error with a suggestion when there is none before this place.
    pub(super) fn find(&self, reader: &Reader<'_>, name: &str, span: Range<usize>) -> Option<usize> {
        let found = self.positions.get(name).copied();
        match found.and_then(|index| self.known.get(index)) {
            Some((_, _, used)) => used.set(true),
            None => reader.unknown((name, span), self.what, self.known.iter().map(|(known, _, _)| &**known)),
        }
        found
    }

    /// Whether there is such a name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.positions.contains_key(name)
    }

    /// The bits of several names.
    pub(super) fn bits(&self, reader: &Reader<'_>, words: &[Word]) -> u32 {
        let found = words.iter().filter_map(|word| self.find(reader, &word.text, word.span.clone()));
        found.filter(|index| *index < 32).fold(0, |bits, index| bits | (1 << index))
    }

    /// The bits of all names. It uses none of them: what only an exemption covers has no effect.
    pub(super) fn all(&self) -> u32 {
        (0..self.known.len().min(32)).fold(0, |bits, index| bits | (1 << index))
    }

    /// Reports names nothing refers to: they would have no effect.
    pub(super) fn unused(&self, reader: &Reader<'_>) {
        for (name, span, _) in self.known.iter().filter(|(_, _, used)| !used.get()) {
            let message = match self.what {
                "source" => format!("source `{name}` is never cited"),
                what => format!("{what} `{name}` has no effect: nothing in this pack uses it"),
            };
            reader.advise(span.clone(), message, "use it or remove it");
        }
    }

    pub(super) fn len(&self) -> usize {
        self.known.len()
    }
}
