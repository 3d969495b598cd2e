//! Documents inside values: JSON in a string, base64 around text, tokens made of both.
//!
//! A value that only looks like a document stays text. The first bytes decide, so an ordinary value costs one look. What
//! is unwrapped counts in the depth, and what is wrapped around an image or a cipher is opaque.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use percent_encoding::percent_decode;

use crate::transfer::Locator;

use super::charset::{Reader as _, Step, has_controls};
use super::graphql;
use super::json::Json;
use super::output::{Output, Silence};
use super::sniff::{self, Binary, is_document};

/// Shortest text in hexadecimal digits that is looked at: a telephone number.
const NUMBER: usize = 11;

/// Longest value that is held to look for a document inside it.
pub(super) const HOLD: usize = 1024 * 1024;

/// Shortest base64 that is looked into: eleven digits of a telephone number make sixteen characters.
const SHORTEST: usize = 16;

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);

/// Base64 with `+` and `/`, padded or not.
pub(super) const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);

const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// A value: emitted as the document in it if there is one, as text otherwise.
#[inline]
pub(super) fn value(text: &str, key: Option<&str>, offset: u64, out: &mut Output<'_>) {
    let suspicious = match text.as_bytes() {
        [b'{' | b'[', .., b'}' | b']'] => true,
        [b'q' | b'm' | b's', .., b'}'] => graphql::is_graphql(text),
        [b'%', ..] | [b'h', b't', b't', b'p', ..] => memchr::memchr(b'%', text.as_bytes()).is_some(),
        bytes => bytes.len() >= SHORTEST && starts_as_base64(bytes),
    };
    if !(suspicious && out.look_inside && look(text, key, offset, out)) {
        out.text(text, key, offset);
    }
}

/// Whether text is the base64 of bytes nobody reads, by how it begins.
pub(super) fn is_wrapped_binary(beginning: &str) -> bool {
    let body = data_uri(beginning).unwrap_or(beginning);
    let whole = body.len() / 4 * 4;
    let sample = body.get(..whole.min(64)).unwrap_or("");
    decode(sample).is_some_and(|bytes| sniff::is_opaque(&bytes).is_some() || Binary::sniff(&bytes).is_some())
}

/// Looks inside; says whether the value was emitted.
#[cold]
#[inline(never)]
fn look(text: &str, key: Option<&str>, offset: u64, out: &mut Output<'_>) -> bool {
    if !out.descend() {
        return false;
    }
    let outer = std::mem::replace(&mut out.key, key.map(str::to_owned));
    let emitted = match text.as_bytes() {
        [b'{' | b'[' | b'q' | b'm' | b's', .., b']' | b'}'] => json(text, offset, out) || query(text, offset, out),
        [b'%', ..] | [b'h', b't', b't', b'p', ..] => percent(text, key, offset, out),
        _ => wrapped(text, key, offset, out) || hexadecimal(text, key, offset, out),
    };
    out.key = outer;
    out.rise();
    emitted
}

fn json(text: &str, offset: u64, out: &mut Output<'_>) -> bool {
    if text.len() > HOLD || !is_json(text, true) {
        return false;
    }
    out.format("json");
    let mut reader = Json::new(false, out);
    reader.read(text, offset, true, out);
    reader.finish(out);
    true
}

/// A document of GraphQL, as JSON carries it.
fn query(text: &str, offset: u64, out: &mut Output<'_>) -> bool {
    // An id in braces is no query.
    let named = !text.starts_with('{') || text.contains('(');
    if text.len() > HOLD || !named || !graphql::is_graphql(text) {
        return false;
    }
    graphql::read(text, offset, out);
    true
}

/// Text with percent sequences: an address, or a value that was escaped once more than its format asks.
fn percent(text: &str, key: Option<&str>, offset: u64, out: &mut Output<'_>) -> bool {
    let resolved: Cow<'_, [u8]> = percent_decode(text.as_bytes()).into();
    let Some(resolved) = readable(&resolved).filter(|resolved| resolved.len() < text.len()) else { return false };
    if text.starts_with('%') {
        value(resolved, key, offset, out);
    } else {
        out.text(resolved, key, offset);
    }
    true
}

/// Bytes in hexadecimal digits, where they are text. The text itself is emitted too: it may be a secret.
fn hexadecimal(text: &str, key: Option<&str>, offset: u64, out: &mut Output<'_>) -> bool {
    if text.len() < 2 * NUMBER || !text.len().is_multiple_of(2) {
        return false;
    }
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, _) = text.as_bytes().as_chunks::<2>();
    let bytes: Option<Vec<u8>> = pairs.iter().map(|[high, low]| Some(digit(high)? << 4 | digit(low)?)).collect();
    let Some(resolved) = bytes.as_deref().and_then(readable) else { return false };
    out.text(text, key, offset);
    value(resolved, key, offset, out);
    true
}

/// Whether text is JSON from its first character to its last, or, where `last` is false, as far as it goes.
pub(super) fn is_json(text: &str, last: bool) -> bool {
    let limits = super::Limits::default();
    let mut silence = Silence;
    let mut out = Output::new(Locator::body(), &limits, &mut silence);
    out.look_inside = false;
    let mut reader = Json::new(false, &out);
    let step = reader.read(text, 0, last, &mut out);
    let sound = matches!(step, Step::Read(read) if read > 0);
    sound && (!last || reader.is_whole())
}

/// Base64, a `data:` address, or a token of base64 parts. The text itself is emitted too: it may be a secret.
fn wrapped(text: &str, key: Option<&str>, offset: u64, out: &mut Output<'_>) -> bool {
    if text.starts_with("data:") && data_uri(text).is_none() {
        // Without base64 the text stands there with percent sequences (RFC 2397).
        return percent(text, key, offset, out);
    }
    let body = data_uri(text).unwrap_or(text);
    let parts: Vec<Vec<u8>> = match decode(body) {
        Some(bytes) => vec![bytes],
        // The third part of a token is its signature.
        None if body.starts_with("eyJ") => body.split('.').take(2).filter_map(decode).collect(),
        None => return false,
    };
    if let Some(reason) = parts.first().and_then(|bytes| sniff::is_opaque(bytes)) {
        out.tally.opaque(reason, text.len() as u64);
        return false;
    }
    if let Some(bytes) = parts.first().filter(|bytes| is_document(bytes)) {
        out.text(text, key, offset);
        // Reading memory cannot fail.
        let _ = super::document(&super::Hints::default(), &mut bytes.as_slice(), out);
        return true;
    }
    let readable: Vec<&str> = parts.iter().filter_map(|bytes| readable(bytes)).collect();
    if readable.is_empty() {
        return false;
    }
    out.text(text, key, offset);
    for text in readable {
        value(text, key, offset, out);
    }
    true
}

/// What base64 stands for, in either alphabet, padded or not.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_ascii_end();
    STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text)).ok().filter(|bytes| !bytes.is_empty())
}

/// Bytes that are text.
pub(super) fn readable(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?;
    (!text.is_empty() && !has_controls(bytes)).then_some(text)
}

/// The base64 of a `data:` address.
fn data_uri(text: &str) -> Option<&str> {
    let (head, body) = text.strip_prefix("data:")?.split_once(',')?;
    head.ends_with(";base64").then_some(body)
}

/// Whether a value may be base64 of something: its first characters are of the alphabet, are not all digits, and decode
/// to the beginning of text or of a known format. May say yes wrongly.
fn starts_as_base64(bytes: &[u8]) -> bool {
    if bytes.starts_with(b"data:") {
        return true;
    }
    let Some(sample) = bytes.first_chunk::<SHORTEST>() else { return false };
    let mut digits = 0;
    for byte in sample {
        match byte {
            b'0'..=b'9' => digits += 1,
            b'a'..=b'z' | b'A'..=b'Z' | b'+' | b'/' | b'-' | b'_' | b'=' => {}
            _ => return false,
        }
    }
    (digits < SHORTEST && begins_something(sample)) || (bytes.len() >= 2 * NUMBER && starts_as_hexadecimal(sample))
}

/// Whether digits stand for text: pairs from `20` to `7e`, or of letters beyond ASCII.
fn starts_as_hexadecimal(sample: &[u8; SHORTEST]) -> bool {
    sample.as_chunks::<2>().0.iter().all(|pair| match pair {
        [b'2'..=b'6' | b'8' | b'9' | b'a'..=b'f' | b'A'..=b'F', low] => low.is_ascii_hexdigit(),
        [b'7', low] => low.is_ascii_hexdigit() && !matches!(low, b'f' | b'F'),
        _ => false,
    })
}

fn begins_something(sample: &[u8; SHORTEST]) -> bool {
    let mut decoded = [0; SHORTEST];
    let decoded =
        match STANDARD.decode_slice(sample, &mut decoded).or_else(|_| URL_SAFE.decode_slice(sample, &mut decoded)) {
            Ok(length) => decoded.get(..length).unwrap_or_default(),
            Err(_) => return false,
        };
    let text = match std::str::from_utf8(decoded) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none() && error.valid_up_to() > 0,
    };
    (text && !has_controls(decoded)) || sniff::is_opaque(decoded).is_some() || is_document(decoded)
}
