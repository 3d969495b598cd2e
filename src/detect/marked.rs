//! Detectors whose values say themselves what they are: tokens with a mark at their beginning.
//!
//! They need no word and no field name, and few three bytes begin them. So they take no bit of a [`super::set::Set`]:
//! a spot that begins like one of them names it directly, and hundreds cost what one costs.

use std::collections::HashMap;

use super::automaton::Automaton;

/// From so many beginnings on a pattern is no mark.
const BEGINNINGS: usize = 512;

/// Marked detectors by the three bytes their values begin with.
#[derive(Debug, Default)]
pub(super) struct Marked {
    beginnings: HashMap<[u8; 3], Vec<usize>>,
    /// Bytes of the shortest match of any of them.
    shortest: Option<usize>,
}

impl Marked {
    /// Whether a pattern begins with a mark.
    pub(super) fn fits(automaton: &Automaton) -> bool {
        automaton.first_triples().len() <= BEGINNINGS
    }

    pub(super) fn add(&mut self, index: usize, automaton: &Automaton) {
        self.shortest = self.shortest.into_iter().chain([automaton.shortest()]).min();
        for triple in automaton.first_triples() {
            self.beginnings.entry(triple).or_default().push(index);
        }
    }

    /// Detectors whose values begin with these bytes.
    #[inline]
    pub(super) fn at(&self, triple: [u8; 3]) -> &[usize] {
        self.beginnings.get(&triple).map_or(&[], Vec::as_slice)
    }

    /// A shorter text holds no match of any of them.
    pub(super) fn shortest(&self) -> Option<usize> {
        self.shortest
    }

    /// Every three bytes that begin a value.
    pub(super) fn triples(&self) -> impl Iterator<Item = [u8; 3]> {
        self.beginnings.keys().copied()
    }
}
