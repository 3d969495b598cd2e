//! How sure is a match? Pattern and check have spoken; now the field's name and the words around it.
//!
//! The bias: a value whose scheme rarely accepts random digits needs nobody to vouch for it and is not talked away by a
//! field name. Every other value needs a name or a word, and a name or a word can also speak against it.

use super::Detectors;
use super::context::Context;
use super::detector::{Detector, Needs};
use super::scan::Target;
use super::shape::is_han;

/// Below this a match is not a finding.
pub(super) const FLOOR: f32 = 0.5;

/// From here on a value is evidence enough whatever its field is called.
const CERTAIN: f32 = 0.9;

/// How far Han characters may stand from a match to count, in bytes.
const HAN_REACH: usize = 24;

/// The confidence in a match, or nothing if it is not a finding.
pub(super) fn weigh(
    detectors: &Detectors,
    index: usize,
    detector: &Detector,
    target: &Target<'_>,
    range: &std::ops::Range<usize>,
    context: &mut Context,
) -> Option<f32> {
    let sure = |confidence: f32| (confidence >= FLOOR).then_some(confidence);
    let confidence = detector.confidence;
    if target.key.scanned.contains(index) {
        return sure(confidence.key);
    }
    if detector.needs == Needs::Key {
        return None;
    }
    if detector.needs == Needs::Nothing && confidence.alone >= CERTAIN {
        return Some(confidence.alone);
    }
    let near = context.near(&detectors.context, target.text, range.start, range.end, index);
    if near.speaks {
        return sure(confidence.context);
    }
    if near.against || target.key.negative || is_joined(target.text.as_bytes(), range) {
        return None;
    }
    if detector.near_han && has_han(target.text, range) {
        return sure(confidence.context);
    }
    if detector.needs == Needs::Nothing { sure(confidence.alone) } else { None }
}

/// Whether the match is one member of a longer code or path: `AB-12-138…`, `/p/138…/`.
fn is_joined(bytes: &[u8], range: &std::ops::Range<usize>) -> bool {
    let at = |index: Option<usize>| index.and_then(|index| bytes.get(index)).copied().unwrap_or(b' ');
    let joins = |byte: u8| matches!(byte, b'-' | b'_' | b'/' | b'#' | b'=' | b'~');
    let before = joins(at(range.start.checked_sub(1))) && at(range.start.checked_sub(2)).is_ascii_alphanumeric();
    let after = joins(at(Some(range.end))) && at(Some(range.end + 1)).is_ascii_alphanumeric();
    before || after
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
