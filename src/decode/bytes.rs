//! A string of bytes inside a binary format: text where it is text, a document of its own where it is more.

use std::io;

use super::account::Opaque;
use super::charset;
use super::inside::{self, HOLD};
use super::output::Output;
use super::window::Window;
use super::{Hints, document, opaque};

/// Longest byte string that counts as a number, a hash or an id where it is no text.
const SCALAR: usize = 32;

/// What a format says a string is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Text.
    Text,
    /// Anything.
    Bytes,
}

/// Emits a string of `length` bytes that lie ahead. Says whether they were all there.
pub(super) fn value(
    form: Form,
    length: u64,
    key: Option<&str>,
    window: &mut Window<'_>,
    out: &mut Output<'_>,
) -> io::Result<bool> {
    let offset = window.taken();
    if length > HOLD as u64 {
        return nested(length, key, window, out);
    }
    let wanted = usize::try_from(length).unwrap_or(usize::MAX);
    let view = window.need(wanted)?;
    let bytes = view.get(..wanted).unwrap_or(view);
    let whole = bytes.len() == wanted;
    let held = match (form, inside::readable(bytes)) {
        (_, Some(text)) => {
            inside::value(text, key, offset, out);
            true
        }
        (Form::Text, None) => {
            let (text, malformed) = charset::whole(bytes, None);
            inside::value(&text, key, offset, out);
            out.tally.opaque(Opaque::Undecodable, malformed);
            true
        }
        (Form::Bytes, None) => whole && bytes.len() <= SCALAR,
    };
    if !held {
        return nested(length, key, window, out);
    }
    let taken = bytes.len();
    out.tally.bytes += taken as u64;
    window.take(taken);
    Ok(whole)
}

/// Reads the bytes as a document.
fn nested(length: u64, key: Option<&str>, window: &mut Window<'_>, out: &mut Output<'_>) -> io::Result<bool> {
    let before = window.taken();
    let mut section = io::Read::take(&mut *window, length);
    if out.descend() {
        let outer = std::mem::replace(&mut out.key, key.map(str::to_owned));
        document(&Hints::default(), &mut section, out)?;
        out.key = outer;
        out.rise();
    } else {
        let left = Window::new(&mut section, u64::MAX).drain()?;
        opaque(Opaque::Oversize, left, out);
    }
    Ok(window.taken() - before == length)
}
