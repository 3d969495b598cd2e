//! Detectors whose values say themselves what they are: tokens with a mark at their beginning.
//!
//! They need no word and no field name, and few three bytes begin them. So they take no bit of a [`super::set::Set`]:
//! a spot that begins like one of them names it directly, and hundreds cost what one costs.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::automaton::Automaton;

/// From so many beginnings on a pattern is no mark.
const BEGINNINGS: usize = 512;

/// Marked detectors by the three bytes their values begin with.
#[derive(Debug)]
pub(super) struct Marked {
    by_beginning: HashMap<[u8; 3], Vec<usize>, RandomState>,
    /// One bit for each two bytes with which some of them begin. PERF: most spots are those of numbers.
    pairs: Vec<u64>,
    /// Bytes of the shortest value.
    shortest: usize,
}

impl Default for Marked {
    fn default() -> Marked {
        Marked { by_beginning: HashMap::default(), pairs: vec![0; (1 << 14) / 64], shortest: usize::MAX }
    }
}

impl Marked {
    /// Whether a pattern begins with a mark.
    pub(super) fn fits(automaton: &Automaton) -> bool {
        automaton.first_triples().len() <= BEGINNINGS
    }

    pub(super) fn add(&mut self, index: usize, automaton: &Automaton) {
        self.shortest = self.shortest.min(automaton.shortest());
        for triple in automaton.first_triples() {
            self.by_beginning.entry(triple).or_default().push(index);
            let place = pair(triple);
            self.pairs.iter_mut().skip(place / 64).take(1).for_each(|word| *word |= 1 << (place % 64));
        }
    }

    /// Detectors whose values begin with these bytes.
    #[inline]
    pub(super) fn at(&self, triple: [u8; 3]) -> &[usize] {
        let place = pair(triple);
        if self.pairs.get(place / 64).is_none_or(|word| (word >> (place % 64)) & 1 == 0) {
            return &[];
        }
        self.by_beginning.get(&triple).map_or(&[], Vec::as_slice)
    }

    /// Bytes of the shortest value.
    pub(super) fn shortest(&self) -> usize {
        self.shortest
    }

    /// Every three bytes that begin a value.
    pub(super) fn triples(&self) -> impl Iterator<Item = [u8; 3]> {
        self.by_beginning.keys().copied()
    }
}

/// Where two bytes have their bit, seven bits of each.
#[inline]
fn pair([first, second, _]: [u8; 3]) -> usize {
    (usize::from(first & 0x7f) << 7) | usize::from(second & 0x7f)
}
