//! Untrusted bytes become bounded, addressable text.
//!
//! ```text
//! body ─▶ encoding (gzip, br, …) ─▶ sniff ─▶ charset ─▶ json │ form │ table │ markup │ yaml │ card │ … ─▶ Sink
//!           ▲                         ├─▶ tree (MessagePack, CBOR, Protocol Buffers), file (PDF, images, SQLite) ─▶ Sink
//!           └── parts, mail, archives ┘           head: target and header fields ─▶ Sink
//! ```
//!
//! Nothing here knows what the text means. Readers are lenient, because whoever receives the message may be; labels are
//! hints, because a wrong label must not keep data from being seen; and what could not be read is accounted as opaque, so
//! that rules can speak about it. Readers of text are fed portions of any size and give the same pieces however the
//! message arrives. Memory does not grow with the message.
//!
//! Offsets of pieces are in the text of the document they stand in, as UTF-8; behind an escape sequence they are those of
//! the sequence as written. A name that could be a value leaves as a piece without a key. What is opaque may have been
//! emitted too: text behind a syntax error is looked at as far as it goes, and still not read for what it is.

use std::io::{self, BufRead};

use crate::transfer::{Locator, Sink};

mod account;

mod archive;

mod bytes;

mod card;

mod charset;

mod encoding;

mod entity;

mod escape;

mod events;

mod file;

mod form;

mod genome;

mod inside;

mod head;

mod graphql;

mod health;

mod json;

mod label;

mod markup;

mod multipart;

mod output;

mod plain;

mod rtf;

mod sniff;

mod table;

mod tag;

mod transfer;

mod tree;

mod window;

mod word;

mod yaml;

pub use account::Account;
pub use head::head;

use account::Opaque;
use charset::{Reader, Text};
use encoding::{Coding, Layer, Meter, Wire};
use output::Output;
use sniff::{Binary, Format, Kind};
use window::Window;

/// Bounds on what decoding may cost.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Decoded bytes of a message. Default 4 GiB.
    pub decoded: u64,
    /// Decompressed to compressed size. Default 200.
    pub expansion: u32,
    /// Documents within documents: encodings, parts, JSON in a string. Default 8.
    pub depth: u32,
    /// Parts of multipart messages. Default 1,000,000.
    pub parts: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { decoded: 4 << 30, expansion: 200, depth: 8, parts: 1_000_000 }
    }
}

/// What a message says about itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct Hints<'a> {
    /// `Content-Type`.
    pub content_type: Option<&'a str>,
    /// `Content-Encoding`.
    pub content_encoding: Option<&'a str>,
    /// The charset, where it is known from somewhere other than the content type.
    pub charset: Option<&'a str>,
    /// The name of the file.
    pub file_name: Option<&'a str>,
}

impl<'a> Hints<'a> {
    /// The declared charset.
    fn charset(&self) -> Option<&'a str> {
        let of_type = |value: &'a str| {
            let at = value.to_ascii_lowercase().find("charset=")?;
            let rest = value.get(at + "charset=".len()..)?;
            Some(rest.split(';').next().unwrap_or(rest).trim().trim_matches('"'))
        };
        self.charset.or_else(|| self.content_type.and_then(of_type))
    }
}

/// Reads the body of a message into `sink` and accounts for its bytes.
///
/// # Errors
/// Reading `body` failed. A body that cannot be decoded is no error: it is opaque.
pub fn body(hints: &Hints<'_>, body: &mut dyn BufRead, limits: &Limits, sink: &mut dyn Sink) -> io::Result<Account> {
    let mut out = Output::new(Locator::body(), limits, sink);
    document(hints, body, &mut out)?;
    Ok(out.tally.close())
}

/// Reads one document: a body, a part of one, or what a value was wrapped around.
fn document(hints: &Hints<'_>, source: &mut dyn BufRead, out: &mut Output<'_>) -> io::Result<()> {
    coded(&encoding::parse(hints.content_encoding), hints, source, out)
}

/// Reads a document in encodings that are known.
fn coded(codings: &[Coding], hints: &Hints<'_>, source: &mut dyn BufRead, out: &mut Output<'_>) -> io::Result<()> {
    let meter = Meter::new(out.limits.expansion);
    let mut wire = Wire::new(source, &meter);
    layer(codings, hints, &mut wire, &meter, out)?;
    // What is left on the wire was reached by nobody: the bytes after a limit, after an error, after the end of a
    // compressed stream. An early end counts at least a byte, so that rules hear of it.
    let left = Window::new(&mut wire, u64::MAX).drain()?;
    let least = u64::from(meter.stopped().is_some());
    out.tally.malformed |= meter.stopped() == Some(Opaque::Undecodable);
    opaque(meter.stopped().unwrap_or(Opaque::Undecodable), left.max(least), out);
    Ok(())
}

/// Goes on with what stands inside a document, as far as the depth allows it: each level is a call inside a call.
fn deeper<S: BufRead>(
    source: &mut S,
    out: &mut Output<'_>,
    read: impl FnOnce(&mut S, &mut Output<'_>) -> io::Result<()>,
) -> io::Result<()> {
    if !out.descend() {
        let left = Window::new(source, u64::MAX).drain()?;
        opaque(Opaque::Oversize, left, out);
        return Ok(());
    }
    read(source, out)?;
    out.rise();
    Ok(())
}

/// Opens the outermost of `codings` and goes on inside; without codings, reads what is there.
fn layer(
    codings: &[Coding],
    hints: &Hints<'_>,
    source: &mut dyn BufRead,
    meter: &Meter,
    out: &mut Output<'_>,
) -> io::Result<()> {
    let room = out.limits.decoded.saturating_sub(out.tally.bytes);
    let mut window = Window::new(source, room);
    let head = window.need(sniff::HEAD)?;
    if head.is_empty() {
        return Ok(());
    }
    if let Some((coding, rest)) = codings.split_last() {
        return match coding.verify(head) {
            Some(coding) => open(coding, rest, hints, &mut window, meter, out),
            None => mislabelled(hints, &mut window, meter, out),
        };
    }
    let whole = head.len() < sniff::HEAD;
    match sniff::kind(hints, head, whole) {
        Kind::Coded(coding) => open(coding, &[], hints, &mut window, meter, out)?,
        Kind::Opaque(reason) => {
            let length = window.drain()?;
            opaque(reason, length, out);
        }
        Kind::Binary(format) => binary(format, &mut window, out)?,
        Kind::GrpcText => {
            // Frames in base64, several stretches of it behind one another.
            let hints = Hints { content_type: Some("application/grpc-web"), ..Hints::default() };
            open(Coding::Base64, &[], &hints, &mut window, meter, out)?;
        }
        Kind::Mail => multipart::mail(&mut window, out)?,
        Kind::Multipart { boundary, form } => multipart::read(&boundary, form, &mut window, out)?,
        Kind::Text(format) => text(format, hints, &mut window, out)?,
    }
    if window.is_cut()? {
        meter.stop(Opaque::Oversize);
    }
    Ok(())
}

/// Reads what a coding was wrapped around.
fn open(
    coding: Coding,
    rest: &[Coding],
    hints: &Hints<'_>,
    window: &mut Window<'_>,
    meter: &Meter,
    out: &mut Output<'_>,
) -> io::Result<()> {
    if !out.descend() {
        meter.stop(Opaque::Oversize);
        let length = window.drain()?;
        opaque(Opaque::Oversize, length, out);
        return Ok(());
    }
    out.format(coding.name());
    layer(rest, hints, &mut Layer::open(coding, window, meter), meter, out)?;
    out.rise();
    // Behind the end of the stream. What decompresses into nothing any more is left where it is.
    if meter.stopped().is_none() {
        let left = window.drain()?;
        opaque(Opaque::Undecodable, left, out);
    }
    Ok(())
}

/// Reads bytes that are not in the encoding they are said to be in. The text is looked at, and still opaque: whoever
/// receives it may know how to open it.
fn mislabelled(hints: &Hints<'_>, window: &mut Window<'_>, meter: &Meter, out: &mut Output<'_>) -> io::Result<()> {
    let (bytes, opaque) = (out.tally.bytes, out.tally.opaque_bytes());
    layer(&[], hints, window, meter, out)?;
    out.tally.malformed = true;
    out.condemn(bytes, opaque);
    Ok(())
}

/// Reads a binary format.
fn binary(format: Binary, window: &mut Window<'_>, out: &mut Output<'_>) -> io::Result<()> {
    match format {
        Binary::Cbor => tree::read("cbor", &mut tree::cbor::Cbor, window, out),
        Binary::Dicom => health::dicom::read(window, out),
        Binary::Genome(packed) => genome::read(packed, window, out),
        Binary::Grpc => tree::protobuf::frames(window, out),
        Binary::Image => file::image::read(window, out),
        Binary::Ole => file::ole::read(window, out),
        Binary::MessagePack => tree::read("msgpack", &mut tree::msgpack::MessagePack, window, out),
        Binary::Pdf => file::pdf::read(window, out),
        Binary::Protobuf => tree::protobuf::read(window, out),
        Binary::Sqlite => file::sqlite::read(window, out),
        Binary::Tar => archive::tar::read(window, out),
        Binary::Template => file::template::read(window, out),
        Binary::Zip => archive::zip::read(window, out),
    }
}

/// Reads text.
fn text(format: Format, hints: &Hints<'_>, window: &mut Window<'_>, out: &mut Output<'_>) -> io::Result<()> {
    // JSON is UTF-8 unless it says otherwise (RFC 8259, section 8.1): a stray byte in it is no letter of another charset.
    let declared = hints.charset().or_else(|| matches!(format, Format::Json { .. }).then_some("utf-8"));
    let mut feed = |name, reader: &mut dyn Reader, out: &mut Output<'_>| {
        out.format(name);
        Text::new(window, declared)?.feed(reader, out)
    };
    match format {
        Format::Json { lines: true, .. } => {
            // Locations have line numbers from the first value on.
            out.at.set_line(Some(1));
            feed("ndjson", &mut json::Json::new(true, out), out)
        }
        Format::Json { labelled, .. } => feed("json", &mut json::Json::new(labelled, out), out),
        Format::Form => feed("form", &mut form::Form::new(declared, out), out),
        Format::Markup { html } => feed(if html { "html" } else { "xml" }, &mut markup::Markup::new(html, out), out),
        Format::Table { delimiter } => feed("csv", &mut table::Table::new(delimiter), out),
        Format::Events => feed("events", &mut events::Events::default(), out),
        Format::Card => feed("vcard", &mut card::Card::new(), out),
        Format::Graphql => feed("graphql", &mut graphql::Graphql, out),
        Format::Rtf => feed("rtf", &mut rtf::Rtf::new(), out),
        Format::Yaml => feed("yaml", &mut yaml::Yaml::new(out), out),
        Format::Genome(kind) => feed(kind.name(), &mut genome::Lines::new(kind), out),
        Format::Hl7 => feed("hl7", &mut health::hl7::Hl7::new(), out),
        Format::Plain => feed("text", &mut plain::Plain::default(), out),
    }
}

/// Counts bytes nobody could read.
fn opaque(reason: Opaque, bytes: u64, out: &mut Output<'_>) {
    out.tally.bytes = out.tally.bytes.saturating_add(bytes);
    out.tally.opaque(reason, bytes);
}

#[cfg(test)]
mod tests;
