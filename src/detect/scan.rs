//! The hot loop: from spots to hits.
//!
//! The prefilter names spots and the detectors that could match there; each is verified at that spot alone, from the
//! cheapest test to the dearest: automaton, boundaries, check, evidence. Memory is handed in and used again. Nothing here
//! looks further than a bounded distance from a spot, so the time is linear in the text.

use jiff::civil::Date;

use super::Detectors;
use super::context::{Context, Near};
use super::detector::{Detector, Finder, Stands};
use super::evidence;
use super::key::KeyInfo;
use super::prefilter::Prefilter;
use super::set::Set;
use super::shape::{SHORTEST_EMAIL, is_unspaced};
use super::spots::{Spot, spots};

/// Ends that are tried for one detector at one spot, longest first.
const TRIES: usize = 24;
/// Bytes they may have together.
const BUDGET: usize = 1024;

/// Up to so many detectors their automata are asked before the words around. PERF: an automaton mostly fails within a
/// few bytes; looking for words reads a hundred.
const FEW: usize = 3;

/// How far from a match a digest around it is looked for, in bytes.
const LONGEST_DIGEST: usize = 48;

/// A confirmed match.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Hit {
    pub(super) detector: usize,
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) confidence: f32,
}

/// What is scanned.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target<'a> {
    pub(super) text: &'a str,
    /// Where matches may begin.
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) key: &'a KeyInfo,
    pub(super) today: Date,
}

/// Buffers that are used again from text to text.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    ends: Vec<usize>,
    /// The last match that was compacted, which several detectors may ask for, and what it became.
    compacted: std::ops::Range<usize>,
    compact: String,
    pub(super) context: Context,
    pub(super) hits: Vec<Hit>,
    /// Detectors with an open end, and up to where each has looked.
    seen: Vec<(usize, usize)>,
    quiet: Quiet,
}

/// Beginnings of words with which no match begins, by hash. A message repeats its words.
#[derive(Debug)]
struct Quiet([u64; 256]);

impl Default for Quiet {
    fn default() -> Quiet {
        Quiet([0; 256])
    }
}

impl Quiet {
    /// The eight bytes at a spot, if they alone decide what could begin there: the word ends within them.
    #[inline]
    fn beginning(bytes: &[u8], spot: Spot) -> Option<u64> {
        let first = bytes.get(spot.at..)?.first_chunk::<8>()?;
        (spot.letters(bytes, 8) < 8).then(|| u64::from_le_bytes(*first))
    }

    #[inline]
    fn place(beginning: u64) -> usize {
        (beginning.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as usize
    }

    #[inline]
    fn contains(&self, beginning: u64) -> bool {
        self.0.get(Quiet::place(beginning)) == Some(&beginning)
    }

    fn insert(&mut self, beginning: u64) {
        self.0.iter_mut().skip(Quiet::place(beginning)).take(1).for_each(|slot| *slot = beginning);
    }
}

impl Scratch {
    /// Wipes what was copied from a message.
    pub(super) fn forget(&mut self) {
        self.compact.clear();
        self.context.clear();
        self.quiet = Quiet::default();
    }
}

/// Detectors that need a field name mostly have loose patterns: they are asked only if the name speaks for one.
fn prefilter<'d>(detectors: &'d Detectors, key: &KeyInfo) -> &'d Prefilter {
    if is_by_name(detectors, key) { &detectors.whole_prefilter } else { &detectors.prefilter }
}

fn is_by_name(detectors: &Detectors, key: &KeyInfo) -> bool {
    !key.scanned.without(detectors.demands.always).is_empty()
}

/// Bytes of the shortest text in which anything can be found under a field name.
pub(super) fn least(detectors: &Detectors, key: &KeyInfo) -> usize {
    if key.fields.is_empty() { prefilter(detectors, key).shortest().min(SHORTEST_EMAIL) } else { 1 }
}

/// Finds every match of every detector; they may overlap.
pub(super) fn scan(detectors: &Detectors, target: &Target<'_>, scratch: &mut Scratch) {
    let by_name = is_by_name(detectors, target.key);
    let prefilter = prefilter(detectors, target.key);
    // PERF: most values of a message are numbers and words too short for anything.
    let length = target.text.len();
    if length < prefilter.shortest() && (length < SHORTEST_EMAIL || !target.text.contains('@')) {
        return;
    }
    scratch.context.clear();
    scratch.compacted = 0..0;
    scratch.seen.clear();
    let bytes = target.text.as_bytes();
    let active = detectors.demands.always.or(target.key.scanned);
    // PERF: inside a digest nothing is found, which would be seen only at the end.
    let digest = is_digest(bytes);
    let begins = |at: usize| prefilter.begins(bytes, at) && !(digest && at > 0 && bytes.get(at) != Some(&b'-'));
    spots(bytes, target.from, target.to, begins, |spot| {
        let at = spot.at;
        let Some(&beginning) = bytes.get(at..).and_then(|rest| rest.first_chunk::<3>()) else { return };
        if beginning[0] == b'@' {
            detectors.emails.iter().for_each(|&index| verify_email(detectors, index, target, at, scratch));
        }
        for &index in detectors.marked.at(beginning) {
            if reaches(detectors, index, target, spot, scratch) {
                verify(detectors, index, target, at, &Near::default(), scratch);
            }
        }
        // PERF: what is quiet is so without regard to the name of the field.
        let beginning = if by_name { None } else { Quiet::beginning(bytes, spot) };
        if beginning.is_some_and(|beginning| scratch.quiet.contains(beginning)) {
            return;
        }
        let candidates = prefilter.candidates(bytes, spot);
        if let Some(beginning) = beginning.filter(|_| candidates.is_empty()) {
            scratch.quiet.insert(beginning);
        }
        let candidates = candidates.and(active);
        if candidates.is_empty() {
            return;
        }
        if candidates.has_more_than(FEW) {
            let (wanted, near) = detectors.demands.weed(candidates, detectors, target, at, &mut scratch.context);
            wanted.for_each(|index| {
                if reaches(detectors, index, target, spot, scratch) {
                    verify(detectors, index, target, at, &near, scratch);
                }
            });
            return;
        }
        candidates.for_each(|index| {
            if reaches(detectors, index, target, spot, scratch) {
                weigh_and_verify(detectors, index, target, at, scratch);
            }
        });
    });
}

/// Whether a match of a detector can begin at a spot, and where it can end.
fn reaches(detectors: &Detectors, index: usize, target: &Target<'_>, spot: Spot, scratch: &mut Scratch) -> bool {
    let at = spot.at;
    let Some(detector) = detectors.list.get(index) else {
        return false;
    };
    let Finder::Pattern(automaton) = &detector.finder else {
        return false;
    };
    if scratch.seen.iter().any(|&(seen, until)| seen == index && at < until) {
        return false;
    }
    let bytes = target.text.as_bytes();
    let left = bytes.len() - at;
    // PERF: a value of digits to its end needs no automaton; shorter matches would end inside a number.
    if automaton.takes_digits(left) && detector.stands != Stands::Start && spot.digits(bytes, left) == left {
        scratch.ends.clear();
        scratch.ends.push(bytes.len());
    } else {
        automaton.ends(bytes, at, &mut scratch.ends);
    }
    !scratch.ends.is_empty() && begins(target.text, at)
}

fn weigh_and_verify(detectors: &Detectors, index: usize, target: &Target<'_>, at: usize, scratch: &mut Scratch) {
    let (wanted, near) = detectors.demands.weed(Set::one(index), detectors, target, at, &mut scratch.context);
    if !wanted.is_empty() {
        verify(detectors, index, target, at, &near, scratch);
    }
}

/// Tries the ends found, the longest first, as far as the budget goes. A pattern that may be followed by anything is
/// tried at its longest only, and not again inside what it has already seen: its text can be long and full of spots.
fn verify(detectors: &Detectors, index: usize, target: &Target<'_>, at: usize, near: &Near, scratch: &mut Scratch) {
    let Some(detector) = detectors.list.get(index) else {
        return;
    };
    let is_open = detector.stands == Stands::Start;
    let mut budget = BUDGET;
    for tried in 0..TRIES {
        let Some(&end) = scratch.ends.iter().rev().nth(tried) else {
            return;
        };
        if is_open {
            scratch.seen.retain(|&(seen, _)| seen != index);
            scratch.seen.push((index, end));
        }
        if confirm(index, detector, target, near, at..end, scratch) || is_open {
            return;
        }
        budget = budget.saturating_sub(end - at);
        if budget == 0 {
            return;
        }
    }
}

fn verify_email(detectors: &Detectors, index: usize, target: &Target<'_>, at: usize, scratch: &mut Scratch) {
    let Some(detector) = detectors.list.get(index) else {
        return;
    };
    let Finder::Email(email) = &detector.finder else {
        return;
    };
    if let Some((start, end)) = email.around(target.text, at) {
        let demands = &detectors.demands;
        let (wanted, near) = demands.weed(Set::one(index), detectors, target, start, &mut scratch.context);
        if !wanted.is_empty() {
            confirm(index, detector, target, &near, start..end, scratch);
        }
    }
}

fn confirm(
    index: usize,
    detector: &Detector,
    target: &Target<'_>,
    near: &Near,
    range: std::ops::Range<usize>,
    scratch: &mut Scratch,
) -> bool {
    let Some(raw) = target.text.get(range.clone()) else {
        return false;
    };
    if detector.stands != Stands::Start
        && (!ends(target.text, range.end) || is_fraction(target.text.as_bytes(), &range))
    {
        return false;
    }
    if detector.stands == Stands::Line && !stands_alone(target.text, &range) {
        return false;
    }
    if scratch.compacted != range {
        compact(raw, &mut scratch.compact);
        scratch.compacted = range.clone();
    }
    if !detector.checks.iter().all(|check| check.passes(raw, &scratch.compact, target.today)) {
        return false;
    }
    if is_inside_digest(target.text.as_bytes(), &range) {
        return false;
    }
    let Some(confidence) = evidence::weigh(index, detector, target, near, &range) else {
        return false;
    };
    scratch.hits.push(Hit { detector: index, start: range.start, end: range.end, confidence });
    true
}

/// Letters and digits in upper case: the form in which checks and digests see a value.
pub(super) fn compact(raw: &str, compact: &mut String) {
    compact.clear();
    compact.extend(raw.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()));
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() && !is_unspaced(c)
}

/// Whether a word can begin at `at`: nothing of the same word stands before it. An escape left in the text is not part
/// of a word.
fn begins(text: &str, at: usize) -> bool {
    let first = text.get(at..).and_then(|rest| rest.chars().next());
    // A sign behind a word is an operator.
    if !first.is_some_and(|c| is_word(c) || c == '+') {
        return true;
    }
    let mut before = text.get(..at).unwrap_or("").chars().rev();
    match before.next() {
        Some('n' | 'r' | 't') if before.next() == Some('\\') => true,
        Some(c) => !is_word(c),
        None => true,
    }
}

fn ends(text: &str, at: usize) -> bool {
    let Some((before, after)) = text.split_at_checked(at) else {
        return false;
    };
    !(before.chars().next_back().is_some_and(is_word) && after.chars().next().is_some_and(is_word))
}

/// Whether the match is a part of a decimal number.
fn is_fraction(bytes: &[u8], range: &std::ops::Range<usize>) -> bool {
    let is_digit = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_digit);
    let is_point = |at: Option<usize>| at.and_then(|at| bytes.get(at)) == Some(&b'.');
    let (start, end) = (range.start, range.end);
    let before = is_digit(Some(start)) && is_point(start.checked_sub(1)) && is_digit(start.checked_sub(2));
    let after = is_digit(end.checked_sub(1)) && is_point(Some(end)) && is_digit(Some(end + 1));
    before || after
}

/// Whether a text is a UUID or another digest in hexadecimal with hyphens: no match that begins with a digit or letter
/// behind its beginning would pass [`is_inside_digest`].
fn is_digest(bytes: &[u8]) -> bool {
    let is_part = |byte: &u8| byte.is_ascii_hexdigit() || *byte == b'-';
    (32..=LONGEST_DIGEST).contains(&bytes.len())
        && bytes.iter().all(is_part)
        && bytes.iter().filter(|byte| **byte != b'-').count() >= 32
}

/// Whether the match is a part of a UUID or of a longer run of hexadecimal digits with hyphens.
fn is_inside_digest(bytes: &[u8], range: &std::ops::Range<usize>) -> bool {
    let hyphen = |at: Option<usize>| at.and_then(|at| bytes.get(at)) == Some(&b'-');
    if !hyphen(range.start.checked_sub(1)) && !hyphen(Some(range.end)) {
        return false;
    }
    let is_part = |byte: &&u8| byte.is_ascii_hexdigit() || **byte == b'-';
    let count = |part: &mut dyn Iterator<Item = &u8>| part.filter(|byte| byte.is_ascii_hexdigit()).count();
    let before = count(
        &mut bytes.get(..range.start).unwrap_or_default().iter().rev().take(LONGEST_DIGEST).take_while(is_part),
    );
    let after =
        count(&mut bytes.get(range.end..).unwrap_or_default().iter().take(LONGEST_DIGEST).take_while(is_part));
    let inside = bytes.get(range.clone()).unwrap_or_default();
    inside.iter().all(|byte| is_part(&byte)) && before + after + count(&mut inside.iter()) >= 32
}

/// Whether the line holds nothing but the match and ornaments.
fn stands_alone(text: &str, range: &std::ops::Range<usize>) -> bool {
    let is_ornament = |c: char| c.is_whitespace() || !c.is_alphanumeric();
    let before = text.get(..range.start).unwrap_or("").chars().rev().take(80).take_while(|&c| c != '\n');
    let after = text.get(range.end..).unwrap_or("").chars().take(80).take_while(|&c| c != '\n');
    before.chain(after).all(is_ornament)
}
