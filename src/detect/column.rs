//! Columns of numbers that nobody vouches for: does the same place of every record hold the same kind of number?
//!
//! One in ten random numbers has the check digit that most national schemes ask for, so a number with the right one says
//! little. Sixteen different numbers in one column that all have it say what the column holds, whether or not it has a
//! name. The numbers of a column are kept until that is known, at most sixteen of them; then they are findings, or they
//! are forgotten and the column costs one look. Columns that are too short to say anything are no findings.

use jiff::civil::Date;

use super::Detectors;
use super::checks::Check;
use super::detector::{Detector, Finder, Needs};
use super::scan::compact;
use crate::transfer::Digest;

/// Columns that are followed at once; a power of two.
const SLOTS: usize = 64;
/// Numbers that are read before any detector is asked.
const FIRST: usize = 4;
/// Different numbers that decide.
const ENOUGH: usize = 16;
/// How many of them may be something else.
const MISSES: usize = 1;
/// Bytes of a number that is looked at, and the digits it has at least.
const LENGTH: std::ops::RangeInclusive<usize> = 7..=24;
const DIGITS: usize = 6;

/// The columns of one message.
#[derive(Debug, Default)]
pub(super) struct Columns {
    slots: Vec<Column>,
    judge: Judge,
    serial: u32,
}

/// A number that waits until its column is decided.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) text: String,
    pub(super) place: Option<Place>,
    /// The person of the record it stands in, if something else in it says who that is.
    pub(super) person: Option<Digest>,
    serial: u32,
}

/// Where a number stands, for those who asked for single findings.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) r#where: String,
    pub(super) start: u64,
    pub(super) end: u64,
}

/// What a number is in its column.
#[derive(Debug)]
pub(super) enum Verdict {
    /// Nothing.
    Nobody,
    /// Not known yet; under this number the answer will be given.
    Waits(u32),
    /// What this detector finds.
    Member(usize),
    /// The same, and so are these that waited; if it is one of them, it is the last.
    Decides(usize, Vec<Kept>),
}

#[derive(Debug, Default)]
struct Column {
    id: u64,
    state: State,
    kept: Vec<Kept>,
}

#[derive(Debug, Default)]
enum State {
    /// Nothing that is followed.
    #[default]
    Closed,
    Watched(Vec<Candidate>),
    Decided(usize),
}

#[derive(Debug, Clone, Copy)]
struct Candidate {
    detector: usize,
    misses: usize,
}

/// Buffers for asking detectors.
#[derive(Debug, Default)]
struct Judge {
    ends: Vec<usize>,
    compact: String,
}

impl Columns {
    /// What the next number of the column `id` is. `place` is asked only if the number has to wait.
    pub(super) fn take(
        &mut self,
        id: u64,
        value: &str,
        detectors: &Detectors,
        today: Date,
        place: impl FnOnce() -> Option<Place>,
    ) -> Verdict {
        if self.slots.is_empty() {
            self.slots.resize_with(SLOTS, Column::default);
        }
        let Some(column) = self.slots.get_mut(slot(id)) else {
            return Verdict::Nobody;
        };
        let is_closed = matches!(column.state, State::Closed);
        if (column.id == id) == is_closed || !is_number(value) {
            return Verdict::Nobody;
        }
        if is_closed {
            *column = Column { id, state: State::Watched(Vec::new()), kept: Vec::new() };
        }
        if let State::Decided(detector) = column.state {
            let fits = self.judge.fits(detectors, detector, value, today);
            return if fits { Verdict::Member(detector) } else { Verdict::Nobody };
        }
        if column.kept.iter().any(|kept| kept.text == value) {
            return Verdict::Nobody;
        }
        self.serial = self.serial.wrapping_add(1);
        column.kept.push(Kept { text: value.to_owned(), place: place(), person: None, serial: self.serial });
        column.decide(detectors, &mut self.judge, today).unwrap_or(Verdict::Waits(self.serial))
    }

    /// Says whose record a number that waits stands in.
    pub(super) fn cover(&mut self, serial: u32, person: Digest) {
        let kept = self.slots.iter_mut().flat_map(|column| column.kept.iter_mut());
        kept.filter(|kept| kept.serial == serial).for_each(|kept| kept.person = Some(person));
    }
}

impl Column {
    /// Asks what all numbers so far have in common, once there are a few; nothing if that is open.
    fn decide(&mut self, detectors: &Detectors, judge: &mut Judge, today: Date) -> Option<Verdict> {
        let State::Watched(candidates) = &mut self.state else {
            return None;
        };
        if self.kept.len() < FIRST {
            return None;
        }
        let fresh = if self.kept.len() == FIRST {
            candidates.extend(detectors.checked.iter().map(|&detector| Candidate { detector, misses: 0 }));
            FIRST
        } else {
            1
        };
        for kept in self.kept.iter().rev().take(fresh) {
            candidates.retain_mut(|candidate| {
                candidate.misses += usize::from(!judge.fits(detectors, candidate.detector, &kept.text, today));
                candidate.misses <= MISSES
            });
        }
        let Some(best) = candidates.iter().min_by_key(|candidate| candidate.misses).copied() else {
            self.state = State::Closed;
            self.kept.clear();
            return Some(Verdict::Nobody);
        };
        if self.kept.len() < ENOUGH {
            return None;
        }
        self.state = State::Decided(best.detector);
        let mut kept = std::mem::take(&mut self.kept);
        kept.retain(|kept| judge.fits(detectors, best.detector, &kept.text, today));
        Some(Verdict::Decides(best.detector, kept))
    }
}

impl Judge {
    /// Whether all of a value is what a detector looks for.
    fn fits(&mut self, detectors: &Detectors, detector: usize, value: &str, today: Date) -> bool {
        let Some(detector) = detectors.list.get(detector) else {
            return false;
        };
        let Finder::Pattern(automaton) = &detector.finder else {
            return false;
        };
        automaton.ends(value.as_bytes(), 0, &mut self.ends);
        if self.ends.last() != Some(&value.len()) {
            return false;
        }
        compact(value, &mut self.compact);
        detector.checks.iter().all(|check| check.passes(value, &self.compact, today))
    }
}

/// Whether a detector's numbers have a check digit that says enough in a column.
pub(super) fn is_checked(detector: &Detector) -> bool {
    detector.needs == Needs::Context && detector.is_personal() && detector.checks.iter().any(Check::is_sum)
}

/// The place of a column; its identity is as good as random in the upper bits after the product.
fn slot(id: u64) -> usize {
    (id.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize % SLOTS
}

/// PERF: what no number is, at a glance.
pub(super) fn may_be_number(text: &str) -> bool {
    LENGTH.contains(&text.len()) && text.bytes().take(4).any(|byte| byte.is_ascii_digit())
}

/// Whether a value is one number as people write them, with few letters and separators.
fn is_number(value: &str) -> bool {
    let bytes = value.as_bytes();
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b' ' | b'/');
    LENGTH.contains(&bytes.len())
        && bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.iter().all(fits)
        && bytes.iter().filter(|byte| byte.is_ascii_digit()).count() >= DIGITS
}
