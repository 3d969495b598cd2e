//! Words around a spot that say what begins there, or what does not.
//!
//! Before the spot the nearest word decides: `order 5, phone 138…` is a telephone number and `phone order 138…` is not.
//! Words behind it only count if nothing before it speaks against.
//!
//! The words of a text are looked up only near candidates, each stretch of text once: a cursor moves forward with the
//! candidates, so a text full of numbers costs one look-up a word and not one a number. Words written with spaces are
//! compared whole; in scripts without spaces a listed word is looked for at every character.

use std::collections::{HashMap, VecDeque};

use foldhash::fast::RandomState;

use super::set::Set;
use super::shape::is_unspaced;
use super::spots::{is_wordless, spots};

/// How far a word may stand before a spot, in bytes.
pub(super) const REACH: usize = 40;
/// How far behind the spot, the match included.
pub(super) const AHEAD: usize = 80;

/// A text up to this length is first asked whether it has letters at all. PERF: most numbers of a message stand alone.
const WORDLESS: usize = 64;

/// What may stand between the words of a phrase.
const GAPS: [u8; 5] = *b" -_.'";

/// Every listed word.
#[derive(Debug, Default)]
pub(super) struct ContextTable {
    /// By the first word in lower case, or the first two characters of a script without spaces.
    phrases: HashMap<String, Vec<Phrase>, RandomState>,
    begins: Begins,
}

#[derive(Debug)]
struct Phrase {
    rest: String,
    detectors: Set,
    negative: bool,
}

/// One bit for each three bytes with which a listed word begins, in lower case, six bits of each byte.
#[derive(Debug)]
struct Begins(Vec<u64>);

impl Default for Begins {
    fn default() -> Begins {
        Begins(vec![0; (1 << 18) / 64])
    }
}

impl Begins {
    #[inline]
    fn place([first, second, third]: [u8; 3]) -> usize {
        let low = |byte: u8| usize::from(byte.to_ascii_lowercase() & 0x3f);
        (low(first) << 12) | (low(second) << 6) | low(third)
    }

    /// Both cases of the first two characters: in most scripts they differ in their bytes.
    fn insert(&mut self, word: &str) {
        let mut rest = word.chars();
        let cases = |c: char| c.to_uppercase().chain([c]).collect::<Vec<char>>();
        let (first, second) = match (rest.next(), rest.next()) {
            (Some(first), Some(second)) => (first, second),
            (Some(only), None) => {
                // A phrase goes on behind its one letter: `P.IVA`.
                let begun =
                    cases(only).into_iter().flat_map(|c| GAPS.map(move |gap| format!("{c}{}", char::from(gap))));
                begun.for_each(|begun| self.set_begun(begun.as_bytes()));
                return;
            }
            _ => return,
        };
        for (first, second) in cases(first).into_iter().flat_map(|a| cases(second).into_iter().map(move |b| (a, b))) {
            self.set_begun(format!("{first}{second}{}", rest.as_str()).as_bytes());
        }
    }

    fn set_begun(&mut self, bytes: &[u8]) {
        match *bytes {
            [a, b, c, ..] => self.set([a, b, c]),
            [a, b] => (0..=255u8).for_each(|any| self.set([a, b, any])),
            _ => {}
        }
    }

    fn set(&mut self, bytes: [u8; 3]) {
        let place = Begins::place(bytes);
        self.0.iter_mut().skip(place / 64).take(1).for_each(|bits| *bits |= 1 << (place % 64));
    }

    #[inline]
    fn contains(&self, bytes: &[u8], at: usize) -> bool {
        let rest = bytes.get(at..).unwrap_or_default();
        let begin = match *rest {
            [a, b, c, ..] => [a, b, c],
            [a, b] => [a, b, b' '],
            _ => return false,
        };
        let place = Begins::place(begin);
        self.0.get(place / 64).is_some_and(|bits| bits & (1 << (place % 64)) != 0)
    }
}

/// What stands near a spot.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Near {
    /// Detectors for which a word speaks.
    pub(super) speaks: Set,
    /// A word that speaks against weak numbers stands before it.
    pub(super) against: bool,
}

#[derive(Debug)]
struct Hit {
    start: usize,
    end: usize,
    detectors: Set,
    negative: bool,
}

/// The words found so far in one text.
#[derive(Debug, Default)]
pub(super) struct Context {
    from: usize,
    to: usize,
    hits: VecDeque<Hit>,
    word: String,
}

impl ContextTable {
    pub(super) fn add(&mut self, words: &str, detector: usize) {
        let mut detectors = Set::default();
        detectors.insert(detector);
        self.insert(words, detectors, false);
    }

    pub(super) fn add_negative(&mut self, words: &str) {
        self.insert(words, Set::default(), true);
    }

    fn insert(&mut self, words: &str, detectors: Set, negative: bool) {
        let lower = words.to_lowercase();
        let normal = lower.split(|c: char| !c.is_alphanumeric() && !is_mark(c)).filter(|word| !word.is_empty());
        let normal = normal.collect::<Vec<_>>().join(" ");
        let (first, rest) = split_first(&normal);
        self.begins.insert(first);
        let phrases = self.phrases.entry(first.to_owned()).or_default();
        match phrases.iter_mut().find(|phrase| phrase.rest == rest) {
            Some(phrase) => {
                phrase.detectors = phrase.detectors.or(detectors);
                phrase.negative |= negative;
            }
            None => phrases.push(Phrase { rest: rest.to_owned(), detectors, negative }),
        }
    }
}

/// What a phrase is listed under, and the rest of it.
fn split_first(phrase: &str) -> (&str, &str) {
    if phrase.chars().next().is_some_and(is_unspaced) {
        let end = phrase.char_indices().nth(2).map_or(phrase.len(), |(end, _)| end);
        return phrase.split_at_checked(end).unwrap_or((phrase, ""));
    }
    phrase.split_once(' ').unwrap_or((phrase, ""))
}

impl Context {
    /// Forgets the text.
    pub(super) fn clear(&mut self) {
        self.from = 0;
        self.to = 0;
        self.hits.clear();
    }

    /// What stands around `at`.
    pub(super) fn near(&mut self, table: &ContextTable, text: &str, at: usize) -> Near {
        let low = at.saturating_sub(REACH);
        let high = (at + AHEAD).min(text.len());
        if text.len() <= WORDLESS && is_wordless(text.as_bytes()) {
            return Near::default();
        }
        self.read(table, text, low, high);
        let mut near = Near::default();
        let mut behind = Set::default();
        // A word inside a longer phrase says what the phrase says: `编号` in `档案编号`.
        let mut said = 0;
        for hit in &self.hits {
            if hit.start >= high {
                break;
            }
            if hit.negative && hit.end <= said {
                continue;
            }
            if !hit.negative {
                said = said.max(hit.end);
            }
            if hit.end > low && hit.end <= at {
                near.against |= hit.negative;
                near.speaks = if hit.negative { hit.detectors } else { near.speaks.or(hit.detectors) };
            } else if hit.start >= at {
                behind = behind.or(hit.detectors);
            }
        }
        if !near.against {
            near.speaks = near.speaks.or(behind);
        }
        near
    }

    fn read(&mut self, table: &ContextTable, text: &str, low: usize, high: usize) {
        if low < self.from || low > self.to {
            self.hits.clear();
            self.from = low;
            self.to = low;
        }
        while self.hits.front().is_some_and(|hit| hit.end + REACH < low) {
            self.hits.pop_front();
        }
        if self.to < high {
            let bytes = text.as_bytes();
            let begins = |at: usize| table.begins.contains(bytes, at);
            spots(bytes, self.to, high, begins, |spot| self.look_up(table, text, spot.at));
            self.to = high;
        }
    }

    /// Looks for a listed word that begins at a spot.
    fn look_up(&mut self, table: &ContextTable, text: &str, at: usize) {
        let Some((before, behind)) = text.split_at_checked(at) else {
            return;
        };
        match behind.chars().next() {
            Some(c) if is_unspaced(c) => self.unspaced(table, behind, at),
            Some(c) if continues(c) && !before.chars().next_back().is_some_and(continues) => {
                self.word(table, behind, at)
            }
            _ => {}
        }
    }

    /// Looks at the first characters of `text` in a script without spaces.
    fn unspaced(&mut self, table: &ContextTable, text: &str, at: usize) {
        let two: usize = text.chars().take(2).map(char::len_utf8).sum();
        let Some((key, behind)) = text.split_at_checked(two) else {
            return;
        };
        for phrase in table.phrases.get(key).into_iter().flatten() {
            if behind.starts_with(phrase.rest.as_str()) {
                self.hits.push_back(phrase.hit(at, at + two + phrase.rest.len()));
            }
        }
    }

    /// Looks at the word at the beginning of `text`.
    fn word(&mut self, table: &ContextTable, text: &str, at: usize) {
        self.word.clear();
        let mut length = 0;
        for c in text.chars().take_while(|&c| continues(c)).take(32) {
            if c.is_ascii() {
                self.word.push(c.to_ascii_lowercase())
            } else {
                self.word.extend(c.to_lowercase())
            }
            length += c.len_utf8();
        }
        for phrase in table.phrases.get(self.word.as_str()).into_iter().flatten() {
            if let Some(rest) = follows(text, length, &phrase.rest) {
                self.hits.push_back(phrase.hit(at, at + length + rest));
            }
        }
    }
}

impl Phrase {
    fn hit(&self, start: usize, end: usize) -> Hit {
        Hit { start, end, detectors: self.detectors, negative: self.negative }
    }
}

/// How far the words of `rest` go on from `at`, if they do.
fn follows(text: &str, at: usize, rest: &str) -> Option<usize> {
    let mut length = 0;
    for word in rest.split(' ').filter(|word| !word.is_empty()) {
        let behind = text.get(at + length..)?;
        let gap = behind.bytes().take(3).take_while(|byte| GAPS.contains(byte)).count();
        let found = behind.get(gap..)?;
        let end: usize = found.chars().take_while(|&c| continues(c)).map(char::len_utf8).sum();
        if found.get(..end)?.to_lowercase() != word {
            return None;
        }
        length += gap + end;
    }
    Some(length)
}

fn continues(c: char) -> bool {
    (c.is_alphanumeric() || is_mark(c)) && !is_unspaced(c)
}

fn is_mark(c: char) -> bool {
    matches!(c, '\u{0300}'..='\u{036f}' | '\u{0900}'..='\u{0dff}')
}
