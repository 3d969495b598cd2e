//! Strings of JSON: where they end, and their escape sequences.

use memchr::{memchr, memchr2};
use wide::u8x16;

/// The longest sequence: a surrogate pair.
pub(super) const LONGEST: usize = 12;

/// The length of a string's raw text, whether it has escapes, and whether its end was seen.
#[inline]
pub(super) fn measure(rest: &[u8]) -> (usize, bool, bool) {
    match short(rest) {
        Some(found) if rest.get(found) == Some(&b'"') => (found, false, true),
        Some(found) => measure_from(rest, found),
        None => measure_from(rest, 0),
    }
}

/// The first quote or backslash if it is among the first bytes.
///
/// PERF: most names and many values are shorter than this; a call of `memchr2` costs more than looking at them.
#[inline]
fn short(rest: &[u8]) -> Option<usize> {
    let bytes = u8x16::new(*rest.first_chunk()?);
    let hits = (bytes.simd_eq(u8x16::splat(b'"')) | bytes.simd_eq(u8x16::splat(b'\\'))).to_bitmask();
    (hits != 0).then(|| hits.trailing_zeros() as usize)
}

#[inline(never)]
fn measure_from(rest: &[u8], start: usize) -> (usize, bool, bool) {
    let mut at = start;
    let mut escaped = false;
    loop {
        let ahead = rest.get(at..).unwrap_or_default();
        match memchr2(b'"', b'\\', ahead) {
            Some(found) if ahead.get(found) == Some(&b'"') => return (at + found, escaped, true),
            Some(found) => {
                escaped = true;
                at += found + 2;
            }
            None => return (rest.len(), escaped, false),
        }
    }
}

/// Appends `raw` to `text` with its escapes resolved.
pub(super) fn resolve(raw: &str, text: &mut String) {
    let mut rest = raw;
    while let Some(found) = memchr(b'\\', rest.as_bytes()) {
        let (plain, special) = rest.split_at_checked(found).unwrap_or((rest, ""));
        text.push_str(plain);
        let (c, length) = one(special);
        text.push(c);
        rest = special.get(length..).unwrap_or("");
    }
    text.push_str(rest);
}

/// The character a sequence stands for, and how long it is. An unknown one stands for its backslash, a surrogate without
/// its other half for the replacement character.
pub(super) fn one(sequence: &str) -> (char, usize) {
    let c = match sequence.as_bytes().get(1) {
        Some(b'n') => '\n',
        Some(b't') => '\t',
        Some(b'r') => '\r',
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'"') => '"',
        Some(b'\\') => '\\',
        Some(b'/') => '/',
        Some(b'u') => return unit(sequence),
        _ => return ('\\', 1),
    };
    (c, 2)
}

fn unit(sequence: &str) -> (char, usize) {
    match hex(sequence, 2) {
        Some(high @ 0xd800..=0xdbff) => {
            let low = sequence.get(6..8).filter(|next| *next == "\\u").and_then(|_| hex(sequence, 8));
            match low {
                Some(low @ 0xdc00..=0xdfff) => {
                    let code = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
                    (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), 12)
                }
                _ => (char::REPLACEMENT_CHARACTER, 6),
            }
        }
        Some(code) => (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), 6),
        None => ('\\', 1),
    }
}

fn hex(sequence: &str, at: usize) -> Option<u32> {
    let digits = sequence.get(at..at + 4)?;
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok())?
}
