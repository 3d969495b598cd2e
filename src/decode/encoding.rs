//! Content encodings, opened within bounds.
//!
//! Every decompressor of the gateway is made here and read through [`Layer`], which holds the expansion ratio against
//! what has arrived on the wire. A layer never fails towards its reader: it ends, and [`Meter`] says why, so what was
//! readable is still looked at. Only a failure to read the message itself is an error.

use std::cell::Cell;
use std::io::{self, BufRead, Read};

use brotli_decompressor::Decompressor;
use flate2::bufread::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

use super::account::Opaque;
use super::transfer;

/// Output that is always allowed, so that the ratio says nothing about small messages.
const FREE: u64 = 64 * 1024;

/// Largest zstd window, as a power of two: the 8 MiB that RFC 9659 allows for HTTP.
const ZSTD_WINDOW: u32 = 23;

/// Buffer of a layer.
const BUFFER: usize = 32 * 1024;

/// One content encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    Gzip,
    Zlib,
    Deflate,
    Brotli,
    Zstd,
    /// Base64 of a part.
    Base64,
    /// Quoted-printable of a part.
    QuotedPrintable,
    /// UTF-32, for which no decoder of charsets is made; the highest byte first or last.
    Utf32 {
        big: bool,
    },
    /// One we cannot open.
    Unknown,
}

impl Coding {
    /// The name it has in accounts.
    pub fn name(self) -> &'static str {
        match self {
            Coding::Gzip => "gzip",
            Coding::Zlib | Coding::Deflate => "deflate",
            Coding::Brotli => "br",
            Coding::Zstd => "zstd",
            Coding::Base64 => "base64",
            Coding::QuotedPrintable => "quoted-printable",
            Coding::Utf32 { .. } => "utf-32",
            Coding::Unknown => "unknown",
        }
    }

    /// The encoding that bytes show by how they begin.
    pub fn sniff(head: &[u8]) -> Option<Coding> {
        match head {
            [0x1f, 0x8b, 8, ..] => Some(Coding::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some(Coding::Zstd),
            [0x78, 0x01 | 0x9c | 0xda, ..] if Coding::Zlib.fits(head) => Some(Coding::Zlib),
            _ => transfer::utf32_order(head).map(|big| Coding::Utf32 { big }),
        }
    }

    /// Whether bytes that begin like this can be opened. For `deflate` the zlib form and the raw form are told apart.
    pub fn verify(self, head: &[u8]) -> Option<Coding> {
        match self {
            Coding::Unknown => None,
            Coding::Gzip | Coding::Zstd => (Coding::sniff(head) == Some(self)).then_some(self),
            Coding::Brotli => self.fits(head).then_some(self),
            Coding::Base64 | Coding::QuotedPrintable | Coding::Utf32 { .. } => Some(self),
            Coding::Zlib | Coding::Deflate => {
                [Coding::Zlib, Coding::Deflate].into_iter().find(|form| form.fits(head))
            }
        }
    }

    /// The encoding a `Content-Transfer-Encoding` names.
    pub fn of_transfer(name: &str) -> Option<Coding> {
        match name.trim().to_ascii_lowercase().as_str() {
            "base64" => Some(Coding::Base64),
            "quoted-printable" => Some(Coding::QuotedPrintable),
            "" | "7bit" | "8bit" | "binary" => None,
            _ => Some(Coding::Unknown),
        }
    }

    /// Whether opening the beginning shows no error.
    fn fits(self, head: &[u8]) -> bool {
        let mut source = io::BufReader::new(head.chain(Starved));
        let Some(mut reader) = self.open(&mut source) else { return false };
        let mut buffer = [0; 2048];
        match reader.read(&mut buffer) {
            Ok(read) => read > 0,
            Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
        }
    }

    fn open<'r>(self, source: &'r mut dyn BufRead) -> Option<Box<dyn Read + 'r>> {
        Some(match self {
            Coding::Gzip => Box::new(MultiGzDecoder::new(source)),
            Coding::Zlib => Box::new(ZlibDecoder::new(source)),
            Coding::Deflate => Box::new(DeflateDecoder::new(source)),
            Coding::Brotli => Box::new(Decompressor::new(source, 4096)),
            Coding::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(source).ok()?;
                decoder.window_log_max(ZSTD_WINDOW).ok()?;
                Box::new(decoder)
            }
            Coding::Base64 => Box::new(transfer::Base64::new(source)),
            Coding::QuotedPrintable => Box::new(transfer::QuotedPrintable::new(source)),
            Coding::Utf32 { big } => Box::new(transfer::Utf32::new(source, big)),
            Coding::Unknown => return None,
        })
    }
}

/// Stands where the bytes end that a trial has: asks for more in a way no decompressor takes for the end.
struct Starved;

impl Read for Starved {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::ConnectionReset.into())
    }
}

/// The encodings a header names, in the order they were applied.
pub(super) fn parse(header: Option<&str>) -> Vec<Coding> {
    let names = header.unwrap_or("").split(',').map(str::trim);
    names.filter_map(|name| named(&name.to_ascii_lowercase())).collect()
}

fn named(name: &str) -> Option<Coding> {
    match name {
        // Chunks of `aws-chunked` are signed, not transformed: the text between the signatures is plain.
        "" | "identity" | "none" | "aws-chunked" => None,
        "gzip" | "x-gzip" => Some(Coding::Gzip),
        "deflate" => Some(Coding::Deflate),
        "br" => Some(Coding::Brotli),
        "zstd" => Some(Coding::Zstd),
        _ => Some(Coding::Unknown),
    }
}

/// What a message has taken from the wire, what it became, and why reading stopped early.
pub(super) struct Meter {
    expansion: u64,
    read: Cell<u64>,
    stopped: Cell<Option<Opaque>>,
    broken: Cell<bool>,
}

impl Meter {
    pub fn new(expansion: u32) -> Meter {
        Meter {
            expansion: u64::from(expansion),
            read: Cell::new(0),
            stopped: Cell::new(None),
            broken: Cell::new(false),
        }
    }

    /// Ends all layers. The first reason stays.
    pub fn stop(&self, reason: Opaque) {
        self.stopped.set(self.stopped.get().or(Some(reason)));
    }

    /// Why the layers ended early.
    pub fn stopped(&self) -> Option<Opaque> {
        self.stopped.get()
    }

    fn allows(&self, produced: u64) -> bool {
        produced <= FREE.max(self.read.get().saturating_mul(self.expansion))
    }
}

/// The message as it arrives, measured.
pub(super) struct Wire<'r, 'm> {
    source: &'r mut dyn BufRead,
    meter: &'m Meter,
}

impl<'r, 'm> Wire<'r, 'm> {
    pub fn new(source: &'r mut dyn BufRead, meter: &'m Meter) -> Wire<'r, 'm> {
        Wire { source, meter }
    }
}

impl Read for Wire<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

impl BufRead for Wire<'_, '_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let filled = self.source.fill_buf();
        if filled.as_ref().is_err_and(|error| error.kind() != io::ErrorKind::Interrupted) {
            self.meter.broken.set(true);
        }
        filled
    }

    fn consume(&mut self, count: usize) {
        self.meter.read.set(self.meter.read.get().saturating_add(count as u64));
        self.source.consume(count);
    }
}

/// An opened encoding.
pub(super) struct Layer<'r, 'm> {
    decoder: Box<dyn Read + 'r>,
    meter: &'m Meter,
    produced: u64,
}

impl<'r, 'm> Layer<'r, 'm> {
    /// Opens `coding`, buffered.
    pub fn open(coding: Coding, source: &'r mut dyn BufRead, meter: &'m Meter) -> io::BufReader<Layer<'r, 'm>> {
        let decoder = coding.open(source).unwrap_or_else(|| Box::new(io::empty()));
        io::BufReader::with_capacity(BUFFER, Layer { decoder, meter, produced: 0 })
    }
}

impl Read for Layer<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.meter.stopped().is_some() {
            return Ok(0);
        }
        match self.decoder.read(buffer) {
            Ok(read) => {
                self.produced = self.produced.saturating_add(read as u64);
                if !self.meter.allows(self.produced) {
                    self.meter.stop(Opaque::Oversize);
                }
                Ok(read)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted || self.meter.broken.get() => Err(error),
            Err(_) => {
                self.meter.stop(Opaque::Undecodable);
                Ok(0)
            }
        }
    }
}
