//! Encoded words in header fields (RFC 2047): `=?utf-8?B?5byg5LiJ?=`.

use std::borrow::Cow;
use std::io::Read as _;

use encoding_rs::{Encoding, UTF_8};

use super::inside;
use super::transfer::QuotedPrintable;

/// A field with its encoded words resolved. What is none stays as it is.
pub(super) fn decode(field: &str) -> Cow<'_, str> {
    if !field.contains("=?") {
        return Cow::Borrowed(field);
    }
    let mut text = String::with_capacity(field.len());
    let mut rest = field;
    while let Some((before, behind)) = rest.split_once("=?") {
        match word(behind) {
            Some((word, after)) => {
                // White space between two words is not part of the text.
                if !before.trim().is_empty() || text.is_empty() {
                    text.push_str(before);
                }
                text.push_str(&word);
                rest = after;
            }
            None => {
                text.push_str(before);
                text.push_str("=?");
                rest = behind;
            }
        }
    }
    text.push_str(rest);
    Cow::Owned(text)
}

/// The word that follows `=?`, and what stands behind it.
fn word(text: &str) -> Option<(String, &str)> {
    let (charset, rest) = text.split_once('?')?;
    let (coding, rest) = rest.split_once('?')?;
    let (coded, after) = rest.split_once("?=")?;
    let bytes = match coding {
        "B" | "b" => inside::decode(coded)?,
        "Q" | "q" => {
            let spaced = coded.replace('_', " ");
            let mut bytes = Vec::new();
            QuotedPrintable::new(&mut spaced.as_bytes()).read_to_end(&mut bytes).ok()?;
            bytes
        }
        _ => return None,
    };
    // A language may follow the charset (RFC 2231, section 5).
    let charset = charset.split('*').next().unwrap_or(charset);
    let encoding = Encoding::for_label(charset.as_bytes()).unwrap_or(UTF_8);
    Some((encoding.decode(&bytes).0.into_owned(), after))
}
