//! Protocol Buffers without their schema, and the frames gRPC puts around them.
//!
//! The wire format says how long a field is and not what it is: bytes that are a message from end to end are read as one,
//! bytes that are text as text. Fields go by their number, which is no evidence of anything.
//! (<https://protobuf.dev/programming-guides/encoding/>)

use std::io;

use crate::decode::account::Opaque;
use crate::decode::bytes::{self, Form};
use crate::decode::inside::{self, HOLD};
use crate::decode::output::Output;
use crate::decode::window::Window;
use crate::decode::{Hints, document, opaque};
use crate::transfer::Container;

/// Deepest nesting that is followed.
const NESTING: u32 = 32;

/// The flag of the frame in which gRPC-Web carries its trailers, as lines of text.
const TRAILERS: u8 = 0x80;

/// The media type of one message.
const MESSAGE: &str = "application/x-protobuf";

/// Reads a message that fills the document.
pub(in crate::decode) fn read(window: &mut Window<'_>, out: &mut Output<'_>) -> io::Result<()> {
    out.format("protobuf");
    message(0, window, out)
}

/// Reads frames: a flag for compression, a length, a message.
pub(in crate::decode) fn frames(window: &mut Window<'_>, out: &mut Output<'_>) -> io::Result<()> {
    out.format("grpc");
    let mut index = 0;
    while let Some([flag, a, b, c, d]) = window.array()? {
        out.tally.bytes += 5;
        if !matches!(flag, 0 | 1 | TRAILERS) || !out.descend() {
            break;
        }
        out.at.enter_index(index);
        let mut section = io::Read::take(&mut *window, u64::from(u32::from_be_bytes([a, b, c, d])));
        let content_type = if flag == TRAILERS { "text/plain" } else { MESSAGE };
        let hints = Hints { content_type: Some(content_type), ..Hints::default() };
        document(&hints, &mut section, out)?;
        let cut = section.limit() > 0;
        opaque(Opaque::Undecodable, u64::from(cut), out);
        out.at.leave();
        out.rise();
        index += 1;
    }
    let left = window.drain()?;
    opaque(Opaque::Undecodable, left, out);
    Ok(())
}

/// Reads the fields of a message up to the end of the window. What makes no sense is opaque.
fn message(depth: u32, window: &mut Window<'_>, out: &mut Output<'_>) -> io::Result<()> {
    out.open(Container::Object);
    let mut sound = true;
    while sound && !window.view()?.is_empty() {
        let before = window.taken();
        let tag = varint(window)?.filter(|tag| is_tag(*tag));
        let counted = window.taken() - before;
        let Some(tag) = tag else {
            opaque(Opaque::Undecodable, counted, out);
            sound = false;
            break;
        };
        out.tally.bytes += counted;
        out.at.enter(&(tag >> 3).to_string());
        sound = field(tag & 7, depth, window, out)?;
        out.at.leave();
    }
    out.close();
    let left = window.drain()?;
    opaque(Opaque::Undecodable, left.max(u64::from(!sound)), out);
    Ok(())
}

/// Reads one field of a wire type; says whether it was all there.
fn field(kind: u64, depth: u32, window: &mut Window<'_>, out: &mut Output<'_>) -> io::Result<bool> {
    let before = window.taken();
    let number = match kind {
        0 => varint(window)?,
        1 => window.array()?.map(u64::from_le_bytes),
        2 => {
            let length = varint(window)?;
            out.tally.bytes += window.taken() - before;
            return length.map_or(Ok(false), |length| string(length, depth, window, out));
        }
        5 => window.array()?.map(|bytes| u64::from(u32::from_le_bytes(bytes))),
        // The start and the end of a group, which is written without a length: its fields follow like any others.
        _ => return Ok(true),
    };
    out.tally.bytes += window.taken() - before;
    if let Some(number) = number {
        out.whole(&number.to_string(), None, before);
    }
    Ok(number.is_some())
}

/// Reads a field with a length.
fn string(length: u64, depth: u32, window: &mut Window<'_>, out: &mut Output<'_>) -> io::Result<bool> {
    if length <= HOLD as u64 && depth < NESTING {
        let wanted = length as usize;
        if window.need(wanted)?.get(..wanted).is_some_and(is_message) {
            let mut section = io::Read::take(&mut *window, length);
            message(depth + 1, &mut Window::new(&mut section, u64::MAX), out)?;
            return Ok(true);
        }
    }
    bytes::value(Form::Bytes, length, None, window, out)
}

/// Whether bytes are fields from end to end. Short text may look like that; a message that could be text is believed only
/// where it holds nothing but strings.
fn is_message(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    let mut only_strings = true;
    while !rest.is_empty() {
        let Some((tag, behind)) = take_varint(rest).filter(|(tag, _)| is_tag(*tag)) else { return false };
        let (length, behind) = match tag & 7 {
            0 => (0, take_varint(behind).map(|(_, behind)| behind)),
            1 => (8, Some(behind)),
            2 => match take_varint(behind) {
                Some((length, behind)) => (usize::try_from(length).unwrap_or(usize::MAX), Some(behind)),
                None => return false,
            },
            5 => (4, Some(behind)),
            _ => (0, Some(behind)),
        };
        only_strings &= tag & 7 == 2;
        let Some(behind) = behind.and_then(|behind| behind.get(length..)) else { return false };
        rest = behind;
    }
    !bytes.is_empty() && (only_strings || inside::readable(bytes).is_none())
}

/// A field number that may be used, and a wire type that exists.
fn is_tag(tag: u64) -> bool {
    (1..1 << 29).contains(&(tag >> 3)) && tag & 7 <= 5
}

fn take_varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0u64;
    for (at, byte) in bytes.iter().take(10).enumerate() {
        number |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((number, bytes.get(at + 1..)?));
        }
    }
    None
}

fn varint(window: &mut Window<'_>) -> io::Result<Option<u64>> {
    let view = window.need(10)?;
    let before = view.len();
    let Some((number, left)) = take_varint(view).map(|(number, rest)| (number, rest.len())) else { return Ok(None) };
    window.take(before - left);
    Ok(Some(number))
}
