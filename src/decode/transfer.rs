//! Encodings that stand for bytes one to one: base64 and quoted-printable of parts, UTF-32 of text.

use std::io::{self, BufRead, Read};

use base64::Engine as _;

use super::inside::STANDARD;

/// Decodes base64 in lines.
pub(super) struct Base64<'r> {
    source: &'r mut dyn BufRead,
    /// Decoded and not yet read.
    ready: Vec<u8>,
    start: usize,
    /// Characters that do not make a group yet.
    group: Vec<u8>,
}

impl<'r> Base64<'r> {
    pub fn new(source: &'r mut dyn BufRead) -> Base64<'r> {
        Base64 { source, ready: Vec::new(), start: 0, group: Vec::new() }
    }

    fn refill(&mut self) -> io::Result<()> {
        self.ready.clear();
        self.start = 0;
        while self.ready.is_empty() {
            let chunk = self.source.fill_buf()?;
            let (length, last) = (chunk.len().min(16 * 1024), chunk.is_empty());
            self.group.extend(chunk.iter().take(length).filter(|byte| !byte.is_ascii_whitespace()));
            self.source.consume(length);
            let whole = if last { self.group.len() } else { self.group.len() / 4 * 4 };
            let characters: Vec<u8> = self.group.drain(..whole).collect();
            for stretch in stretches(&characters) {
                STANDARD.decode_vec(stretch, &mut self.ready).map_err(|_| io::ErrorKind::InvalidData)?;
            }
            if last {
                break;
            }
        }
        Ok(())
    }
}

impl Read for Base64<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.start >= self.ready.len() {
            self.refill()?;
        }
        let read = self.ready.get(self.start..).unwrap_or_default().read(buffer)?;
        self.start += read;
        Ok(read)
    }
}

/// Base64 cut behind its padding: several encodings may follow one another.
fn stretches(characters: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = characters;
    std::iter::from_fn(move || {
        let padding = memchr::memchr(b'=', rest).unwrap_or(rest.len());
        let end = (padding / 4 * 4 + 4).min(rest.len());
        let (stretch, behind) = rest.split_at_checked(end)?;
        rest = behind;
        (!stretch.is_empty()).then_some(stretch)
    })
}

/// Decodes quoted-printable. A sequence that is none stands for itself.
pub(super) struct QuotedPrintable<'r> {
    source: &'r mut dyn BufRead,
    /// A sequence that has begun: `=` and up to one more character.
    begun: Vec<u8>,
    ready: Vec<u8>,
    start: usize,
}

impl<'r> QuotedPrintable<'r> {
    pub fn new(source: &'r mut dyn BufRead) -> QuotedPrintable<'r> {
        QuotedPrintable { source, begun: Vec::new(), ready: Vec::new(), start: 0 }
    }

    fn refill(&mut self) -> io::Result<()> {
        self.ready.clear();
        self.start = 0;
        while self.ready.is_empty() {
            let chunk = self.source.fill_buf()?;
            let length = chunk.len().min(16 * 1024);
            if length == 0 {
                self.ready.append(&mut self.begun);
                break;
            }
            for byte in chunk.iter().take(length) {
                next(*byte, &mut self.begun, &mut self.ready);
            }
            self.source.consume(length);
        }
        Ok(())
    }
}

fn next(byte: u8, begun: &mut Vec<u8>, ready: &mut Vec<u8>) {
    match (begun.as_slice(), byte) {
        ([], b'=') => begun.push(byte),
        ([], _) => ready.push(byte),
        // A line end behind `=` joins two lines.
        ([_], b'\n') | ([_, b'\r'], b'\n') => begun.clear(),
        ([_], _) => begun.push(byte),
        ([_, high], low) => match (hex(*high), hex(low)) {
            (Some(high), Some(low)) => {
                begun.clear();
                ready.push(high << 4 | low);
            }
            _ => {
                ready.append(begun);
                next(low, begun, ready);
            }
        },
        _ => ready.append(begun),
    }
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

impl Read for QuotedPrintable<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.start >= self.ready.len() {
            self.refill()?;
        }
        let read = self.ready.get(self.start..).unwrap_or_default().read(buffer)?;
        self.start += read;
        Ok(read)
    }
}

/// UTF-32 as UTF-8. What is no character becomes one that stands for it.
pub(super) struct Utf32<'r> {
    source: &'r mut dyn BufRead,
    big: bool,
    begun: Vec<u8>,
    ready: Vec<u8>,
    start: usize,
}

impl<'r> Utf32<'r> {
    pub fn new(source: &'r mut dyn BufRead, big: bool) -> Utf32<'r> {
        Utf32 { source, big, begun: Vec::new(), ready: Vec::new(), start: 0 }
    }

    fn refill(&mut self) -> io::Result<()> {
        self.ready.clear();
        self.start = 0;
        while self.ready.is_empty() {
            let chunk = self.source.fill_buf()?;
            let length = chunk.len().min(16 * 1024);
            if length == 0 && self.begun.is_empty() {
                break;
            }
            self.begun.extend_from_slice(chunk.get(..length).unwrap_or_default());
            self.source.consume(length);
            let (units, rest) = self.begun.as_chunks::<4>();
            for unit in units {
                push(scalar(*unit, self.big), &mut self.ready);
            }
            if length == 0 {
                // The end cuts a character.
                push(None, &mut self.ready);
            }
            self.begun = if length == 0 { Vec::new() } else { rest.to_vec() };
        }
        Ok(())
    }
}

impl Read for Utf32<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.start >= self.ready.len() {
            self.refill()?;
        }
        let read = self.ready.get(self.start..).unwrap_or_default().read(buffer)?;
        self.start += read;
        Ok(read)
    }
}

fn push(c: Option<char>, text: &mut Vec<u8>) {
    let mut buffer = [0; 4];
    text.extend_from_slice(c.unwrap_or(char::REPLACEMENT_CHARACTER).encode_utf8(&mut buffer).as_bytes());
}

fn scalar(unit: [u8; 4], big: bool) -> Option<char> {
    char::from_u32(if big { u32::from_be_bytes(unit) } else { u32::from_le_bytes(unit) })
}

/// Whether text begins in UTF-32, and if so whether the highest byte comes first: by its mark, or because every unit is
/// a character and most are of a script in use.
pub(super) fn utf32_order(head: &[u8]) -> Option<bool> {
    let (units, rest) = head.as_chunks::<4>();
    let first = units.first()?;
    let is_text = |big: bool| {
        let printable =
            |unit: &[u8; 4]| scalar(*unit, big).is_some_and(|c| c == '\u{feff}' || c >= ' ' || c.is_whitespace());
        units.iter().all(printable) && (rest.is_empty() || head.len() >= 1024)
    };
    match first {
        [0xff, 0xfe, 0, 0] if is_text(false) => Some(false),
        [0, 0, 0xfe, 0xff] if is_text(true) => Some(true),
        [1..=255, _, 0, 0] if units.len() > 3 && is_text(false) => Some(false),
        [0, 0, _, 1..=255] if units.len() > 3 && is_text(true) => Some(true),
        _ => None,
    }
}
