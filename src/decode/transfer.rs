//! The transfer encodings of parts: base64 and quoted-printable.

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
            STANDARD.decode_vec(&characters, &mut self.ready).map_err(|_| io::ErrorKind::InvalidData)?;
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
