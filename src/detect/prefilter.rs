//! Which detectors are worth a closer look at a spot.
//!
//! CONTRACT: it may say yes wrongly and never no wrongly. Everything here is computed from the automata: with which three
//! bytes any match begins at all; for each of the first bytes of a match, which detectors allow which byte; for a run of
//! digits, or of letters and digits, in front, which detectors allow a run of that length before that next byte. Whoever
//! makes this faster may drop precision but never a possible match.
//!
//! A spot where nothing interesting begins costs one look-up in a table of 32 KiB.

use super::automaton::{Automaton, Bytes};
use super::marked::Marked;
use super::set::Set;
use super::spots::Spot;

/// How many bytes from the start of a match are compared.
const DEPTH: usize = 8;
/// Longest run of digits, and of letters and digits, told apart.
const DIGITS: usize = 32;
const LETTERS: usize = 48;

/// Classes of bytes behind a run. The first is the end of the text.
const FOLLOWS: usize = 8;
const LETTER: usize = 1;

/// The bytes of each class but the first.
const CLASSES: [&[Bytes]; FOLLOWS - 1] = [
    &[b'A'..=b'Z', b'a'..=b'z'],
    &[b' '..=b' '],
    &[b'-'..=b'-'],
    &[b'.'..=b'.'],
    &[b'/'..=b'/'],
    &[0..=31, b'!'..=b',', b'0'..=b'9', b':'..=b'@', b'['..=b'`', b'{'..=127],
    &[128..=255],
];

type Row = [Set; FOLLOWS];

/// Tables over some detectors.
#[derive(Debug)]
pub(super) struct Prefilter {
    /// One bit for each three bytes with which some match begins, six bits of each byte.
    triples: Vec<u64>,
    positions: Vec<[Set; 256]>,
    /// By length of the first run and class of the byte behind it.
    digits: Vec<Row>,
    words: Vec<Row>,
    /// Bytes of the shortest match of any pattern.
    shortest: usize,
}

/// A pattern for the prefilter.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry<'a> {
    pub(super) index: usize,
    pub(super) automaton: &'a Automaton,
    /// A match may be followed by more of the same word.
    pub(super) is_open: bool,
}

impl Prefilter {
    /// Tables for detectors that have a pattern, and for those that are marked.
    pub(super) fn build<'a>(entries: impl Iterator<Item = Entry<'a>>, marked: &Marked) -> Prefilter {
        let mut filter = Prefilter {
            triples: vec![0; (1 << 18) / 64],
            positions: vec![[Set::default(); 256]; DEPTH],
            digits: vec![Row::default(); DIGITS + 1],
            words: vec![Row::default(); LETTERS + 1],
            shortest: marked.shortest(),
        };
        entries.for_each(|entry| filter.add(entry));
        marked.triples().for_each(|triple| filter.begin(triple));
        // The words of an address stand on both sides of its `@`, so anything can follow.
        filter.triples.iter_mut().take(place([b'@' + 1, 0, 0]) / 64).for_each(|word| *word = u64::MAX);
        filter
    }

    /// A shorter text holds no match.
    pub(super) fn shortest(&self) -> usize {
        self.shortest
    }

    fn add(&mut self, entry: Entry<'_>) {
        self.shortest = self.shortest.min(entry.automaton.shortest());
        for (sets, possible) in self.positions.iter_mut().zip(entry.automaton.beginnings(DEPTH)) {
            for (set, _) in sets.iter_mut().zip(possible).filter(|(_, possible)| *possible) {
                set.insert(entry.index);
            }
        }
        entry.automaton.first_triples().into_iter().for_each(|triple| self.begin(triple));
        add_runs(&mut self.digits, entry, &[b'0'..=b'9']);
        add_runs(&mut self.words, entry, &[b'0'..=b'9', b'A'..=b'Z', b'a'..=b'z']);
    }

    /// Notes that some match begins with three bytes.
    fn begin(&mut self, triple: [u8; 3]) {
        let place = place(triple);
        self.triples.iter_mut().skip(place / 64).take(1).for_each(|word| *word |= 1 << (place % 64));
    }

    /// Whether some match could begin at `at`, by its first three bytes, or an address stands around it.
    #[inline]
    pub(super) fn begins(&self, bytes: &[u8], at: usize) -> bool {
        let Some(&triple) = bytes.get(at..).and_then(|rest| rest.first_chunk()) else {
            return false;
        };
        let place = place(triple);
        self.triples.get(place / 64).is_some_and(|word| (word >> (place % 64)) & 1 != 0)
    }

    /// Detectors a match of which could begin at a spot.
    pub(super) fn candidates(&self, bytes: &[u8], spot: Spot) -> Set {
        let at = spot.at;
        let first = bytes.get(at).copied().unwrap_or_default();
        let mut set = match first.is_ascii_alphanumeric() {
            true => row(&self.words, spot.letters(bytes, LETTERS), bytes, at),
            false => self.position(0, first),
        };
        if first.is_ascii_digit() && !set.is_empty() {
            set = set.and(row(&self.digits, spot.digits(bytes, DIGITS), bytes, at));
        }
        for depth in 0..DEPTH {
            match bytes.get(at + depth) {
                Some(&byte) if !set.is_empty() => set = set.and(self.position(depth, byte)),
                _ => break,
            }
        }
        set
    }

    #[inline]
    fn position(&self, depth: usize, byte: u8) -> Set {
        self.positions.get(depth).and_then(|sets| sets.get(usize::from(byte))).copied().unwrap_or_default()
    }
}

/// Enters in a table which detectors allow a match to begin with a run of so many bytes before a byte of each class.
fn add_runs(table: &mut [Row], entry: Entry<'_>, alphabet: &[Bytes]) {
    let most = table.len() - 1;
    let mut ended = false;
    for (length, (row, run)) in table.iter_mut().zip(entry.automaton.runs(alphabet, most, &CLASSES)).enumerate() {
        ended |= run.ends;
        let ends_here = run.ends || (ended && entry.is_open);
        for (class, set) in row.iter_mut().enumerate() {
            let goes_on = class.checked_sub(1).and_then(|class| run.goes_on.get(class)).copied().unwrap_or(false);
            // A match that ends in a letter or digit does not stand directly before a letter.
            let ends = ends_here && (class != LETTER || entry.is_open);
            // The last row is for all longer runs as well.
            let longer = length == most && run.goes_on.contains(&true);
            if goes_on || ends || longer {
                set.insert(entry.index);
            }
        }
    }
}

/// The entry of a table for a run of some length.
#[inline]
fn row(table: &[Row], length: usize, bytes: &[u8], at: usize) -> Set {
    let class = class_of(bytes.get(at + length).copied());
    table.get(length).and_then(|row| row.get(class)).copied().unwrap_or_default()
}

#[inline]
fn class_of(next: Option<u8>) -> usize {
    match next {
        None => 0,
        Some(byte) if byte.is_ascii_alphabetic() => LETTER,
        Some(b' ') => 2,
        Some(b'-') => 3,
        Some(b'.') => 4,
        Some(b'/') => 5,
        Some(byte) if byte.is_ascii() => 6,
        Some(_) => 7,
    }
}

/// Where three bytes have their bit.
#[inline]
fn place([first, second, third]: [u8; 3]) -> usize {
    let low = |byte: u8| usize::from(byte & 0x3f);
    (low(first) << 12) | (low(second) << 6) | low(third)
}
