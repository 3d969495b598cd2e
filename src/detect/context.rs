//! Words around a match that say what it is, or what it is not.
//!
//! The words of a text are looked up only near candidates, each stretch of text once: a cursor moves forward with the
//! candidates, so a text full of numbers costs one look-up a word and not one a number. Words written with spaces are
//! compared whole; in scripts without spaces a listed word is looked for at every character.

use std::collections::{HashMap, VecDeque};

use super::set::Set;
use super::shape::is_unspaced;

/// How far a word may stand from the match, in bytes.
pub(super) const REACH: usize = 40;

/// Every listed word.
#[derive(Debug, Default)]
pub(super) struct ContextTable {
    /// By the first word in lower case, or the first two characters of a script without spaces.
    phrases: HashMap<String, Vec<Phrase>>,
}

#[derive(Debug)]
struct Phrase {
    rest: String,
    detectors: Set,
    negative: bool,
}

/// What stands near a match.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Near {
    /// A word that speaks for the detector.
    pub(super) speaks: bool,
    /// A word that speaks against weak numbers stands before the match.
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

    /// What stands around `start..end`.
    pub(super) fn near(
        &mut self,
        table: &ContextTable,
        text: &str,
        start: usize,
        end: usize,
        detector: usize,
    ) -> Near {
        let low = start.saturating_sub(REACH);
        let high = (end + REACH).min(text.len());
        self.read(table, text, low, high);
        let mut near = Near::default();
        for hit in &self.hits {
            let outside = hit.end <= start || hit.start >= end;
            if hit.end > low && hit.start < high && outside {
                near.speaks |= hit.detectors.contains(detector);
                near.against |= hit.negative && hit.end <= start;
            }
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
        let mut at = word_start(text, self.to);
        while at < high {
            let Some(c) = text.get(at..).and_then(|rest| rest.chars().next()) else {
                break;
            };
            at += if is_unspaced(c) { self.unspaced(table, text, at, c) } else { self.word(table, text, at, c) };
        }
        self.to = self.to.max(at);
    }

    /// Looks at one character of a script without spaces; gives back how far to go.
    fn unspaced(&mut self, table: &ContextTable, text: &str, at: usize, c: char) -> usize {
        let two: usize = text.get(at..).map_or(0, |rest| rest.chars().take(2).map(char::len_utf8).sum());
        if let Some(phrases) = text.get(at..at + two).and_then(|key| table.phrases.get(key)) {
            let behind = text.get(at + two..).unwrap_or("");
            for phrase in phrases.iter().filter(|phrase| behind.starts_with(phrase.rest.as_str())) {
                self.hits.push_back(phrase.hit(at, at + two + phrase.rest.len()));
            }
        }
        c.len_utf8()
    }

    /// Looks at the word that begins here, if one does.
    fn word(&mut self, table: &ContextTable, text: &str, at: usize, c: char) -> usize {
        if !c.is_alphanumeric() {
            return c.len_utf8();
        }
        self.word.clear();
        let mut length = 0;
        for c in text.get(at..).unwrap_or("").chars().take_while(|&c| continues(c)).take(32) {
            self.word.extend(c.to_lowercase());
            length += c.len_utf8();
        }
        if let Some(phrases) = table.phrases.get(self.word.as_str()) {
            for phrase in phrases {
                if let Some(rest) = follows(text, at + length, &phrase.rest) {
                    self.hits.push_back(phrase.hit(at, at + length + rest));
                }
            }
        }
        length.max(c.len_utf8())
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
        let gap = behind.bytes().take(3).take_while(|byte| matches!(byte, b' ' | b'-' | b'_' | b'.' | b'\'')).count();
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

/// The first place from `at` on where a word can begin.
fn word_start(text: &str, at: usize) -> usize {
    let mut at = at;
    while !text.is_char_boundary(at) {
        at += 1;
    }
    let inside = text.get(..at).and_then(|before| before.chars().next_back()).is_some_and(continues);
    let skip: usize = match inside {
        true => text.get(at..).unwrap_or("").chars().take_while(|&c| continues(c)).take(64).map(char::len_utf8).sum(),
        false => 0,
    };
    at + skip
}
