//! How sure is a match? Pattern and check have spoken; now the field's name and the words around it.
//!
//! The bias: a value whose scheme rarely accepts random digits needs nobody to vouch for it and is not talked away by a
//! field name. Every other value needs a name or a word, and a name or a word can also speak against it.

use super::Detectors;
use super::context::{Context, Near};
use super::detector::{Detector, Needs};
use super::scan::Target;
use super::set::Set;
use super::shape::is_han;

/// Below this a match is not a finding.
pub(super) const FLOOR: f32 = 0.5;

/// From here on a value is evidence enough whatever its field is called.
pub(super) const CERTAIN: f32 = 0.9;

/// How far Han characters may stand from a match to count, in bytes.
const HAN_REACH: usize = 24;

/// Detectors by what they need beside the value.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Demands {
    /// A field name is not needed.
    pub(super) always: Set,
    /// A word or a field name is needed.
    context: Set,
    /// The value is evidence, but a name or a word can talk it away.
    uncertain: Set,
    /// Han characters nearby are word enough.
    han: Set,
}

impl Demands {
    pub(super) fn add(&mut self, index: usize, detector: &Detector) {
        if detector.needs != Needs::Key {
            self.always.insert(index);
        }
        if detector.needs == Needs::Context {
            self.context.insert(index);
        } else if detector.confidence.alone < CERTAIN {
            self.uncertain.insert(index);
        }
        if detector.near_han {
            self.han.insert(index);
        }
    }

    /// Of the detectors that could match at a spot, those for which there would be evidence enough; and what stands
    /// around. PERF: asked before any automaton runs, because most numbers in a message are nobody's.
    pub(super) fn weed(
        &self,
        set: Set,
        detectors: &Detectors,
        target: &Target<'_>,
        at: usize,
        context: &mut Context,
    ) -> (Set, Near) {
        if set.and(self.context.or(self.uncertain)).is_empty() {
            return (set, Near::default());
        }
        let near = context.near(&detectors.context, target.text, at);
        let vouched = near.speaks.or(target.key.scanned);
        let against = near.against || target.key.negative || joins_before(target.text.as_bytes(), at);
        let mut unwanted = self.context;
        if against {
            unwanted = unwanted.or(self.uncertain);
        } else if !set.and(self.han).is_empty() {
            unwanted = unwanted.without(self.han);
        }
        (set.without(unwanted.without(vouched)), near)
    }
}

/// The confidence in a match for which there is evidence, or nothing if it is not a finding.
pub(super) fn weigh(
    index: usize,
    detector: &Detector,
    target: &Target<'_>,
    near: &Near,
    range: &std::ops::Range<usize>,
) -> Option<f32> {
    let sure = |confidence: f32| (confidence >= FLOOR).then_some(confidence);
    let confidence = detector.confidence;
    if target.key.scanned.contains(index) {
        return sure(confidence.key);
    }
    if near.speaks.contains(index) {
        return sure(confidence.context);
    }
    if !detector.is_certain() && is_joined(target.text.as_bytes(), range) {
        return None;
    }
    if detector.near_han && has_han(target.text, range) {
        return sure(confidence.context);
    }
    if detector.needs == Needs::Context { None } else { sure(confidence.alone) }
}

/// Whether the match is one member of a longer code or path, or of a list of numbers: `AB-12-138…`, `/p/138…/`,
/// `17,138…,4`.
fn is_joined(bytes: &[u8], range: &std::ops::Range<usize>) -> bool {
    joins_before(bytes, range.start) || is_member(byte(bytes, Some(range.end)), byte(bytes, Some(range.end + 1)))
}

fn joins_before(bytes: &[u8], start: usize) -> bool {
    is_member(byte(bytes, start.checked_sub(1)), byte(bytes, start.checked_sub(2)))
}

fn byte(bytes: &[u8], at: Option<usize>) -> u8 {
    at.and_then(|at| bytes.get(at)).copied().unwrap_or(b' ')
}

/// Whether a joint with something beyond it makes a code or a list.
fn is_member(joint: u8, beyond: u8) -> bool {
    let joins = matches!(joint, b'-' | b'_' | b'/' | b'#' | b'=' | b'~') && beyond.is_ascii_alphanumeric();
    joins || (matches!(joint, b',' | b';' | b'|' | b'\t') && beyond.is_ascii_digit())
}

fn has_han(text: &str, range: &std::ops::Range<usize>) -> bool {
    let within = |length: &mut usize, c: char| {
        *length += c.len_utf8();
        (*length <= HAN_REACH).then_some(c)
    };
    let before = text.get(..range.start).unwrap_or("").chars().rev().scan(0, within);
    let after = text.get(range.end..).unwrap_or("").chars().scan(0, within);
    before.chain(after).any(is_han)
}
