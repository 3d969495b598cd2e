//! Text of PDF (ISO 32000): pages, form fields, notes, properties, and files attached to it.
//!
//! Pictures are opaque, among them the scanned pages of a document without text.

use std::io;

use lopdf::{Dictionary, Document, Error, LoadOptions, Object, Stream, decode_text_string};

use super::{HELD, bundle, unread};
use crate::decode::account::Opaque;
use crate::decode::inside;
use crate::decode::label;
use crate::decode::output::{NAME, Output};
use crate::decode::window::Window;
use crate::decode::{Hints, document, opaque};

/// Largest stream that is unpacked, and most text of a page.
const UNPACKED: usize = 16 * 1024 * 1024;

/// Most that is unpacked of one file. Many pages may show one and the same stream.
const TOGETHER: usize = 256 * 1024 * 1024;

/// What a page counts for at least: it takes time without text, too.
const PAGE: usize = 4096;

/// Reads a PDF.
pub(in crate::decode) fn read(window: &mut Window<'_>, out: &mut Output<'_>) -> io::Result<()> {
    out.format("pdf");
    let file = window.need(HELD + 1)?;
    if file.len() > HELD {
        return unread(Opaque::Undecodable, window, out);
    }
    let length = file.len();
    let options =
        LoadOptions { max_decompressed_size: Some(UNPACKED), filter: Some(bundle::filter), ..LoadOptions::default() };
    bundle::begin();
    let loaded = Document::load_mem_with_options(file, options);
    let pdf = match loaded {
        Ok(pdf) if !pdf.is_encrypted() && !bundle::dropped() => pdf,
        Ok(pdf) if !pdf.is_encrypted() => return unread(Opaque::Undecodable, window, out),
        Ok(_) | Err(Error::InvalidPassword | Error::Decryption(_)) => return unread(Opaque::Encrypted, window, out),
        Err(_) => return unread(Opaque::Undecodable, window, out),
    };
    out.tally.bytes += length as u64;
    window.take(length);
    let counted = out.tally.bytes;
    let mut room = TOGETHER;
    pages(&pdf, &mut room, out);
    for object in pdf.objects.values() {
        match object {
            Object::Dictionary(dictionary) => strings(dictionary, out),
            Object::Stream(stream) => attached(stream, &mut room, out)?,
            _ => {}
        }
    }
    // What was unpacked from it is part of it.
    out.tally.bytes = counted;
    Ok(())
}

/// The text of each page. A page whose text cannot be read counts at least a byte as opaque.
fn pages(pdf: &Document, room: &mut usize, out: &mut Output<'_>) {
    for number in pdf.get_pages().into_keys() {
        out.at.enter_index(u64::from(number));
        match pdf.extract_text_with_limit(&[number], UNPACKED.min(*room)) {
            Ok(text) => {
                *room = room.saturating_sub(text.len().max(PAGE));
                out.text(text.trim_ascii(), None, 0);
            }
            Err(_) => {
                *room = room.saturating_sub(PAGE);
                out.tally.opaque(Opaque::Undecodable, 1);
            }
        }
        out.at.leave();
    }
}

/// Strings of a dictionary that somebody wrote: properties of the document, values of form fields, notes.
fn strings(dictionary: &Dictionary, out: &mut Output<'_>) {
    const NOT_TEXT: [&[u8]; 4] = [b"ID", b"O", b"U", b"CheckSum"];
    let field = dictionary.get(b"T").ok().and_then(|name| decode_text_string(name).ok());
    for (name, value) in dictionary.iter().filter(|(name, _)| !NOT_TEXT.contains(&name.as_slice())) {
        let Ok(text) = decode_text_string(value) else { continue };
        let name = match (&field, name.as_slice()) {
            (Some(field), b"V") => field.clone(),
            (_, name) => String::from_utf8_lossy(name).into_owned(),
        };
        let name = name.get(..name.floor_char_boundary(NAME)).unwrap_or("");
        out.at.enter(name);
        inside::value(&text, Some(label::field(name)), 0, out);
        out.at.leave();
    }
}

/// A file attached to the document, its description in XML, or a picture.
fn attached(stream: &Stream, room: &mut usize, out: &mut Output<'_>) -> io::Result<()> {
    strings(&stream.dict, out);
    let named = |key: &[u8]| stream.dict.get(key).and_then(Object::as_name).unwrap_or_default();
    let content_type = match (named(b"Type"), named(b"Subtype")) {
        (b"EmbeddedFile", _) => "",
        (b"Metadata", _) => "application/xml",
        (_, b"Image") => {
            out.tally.opaque(Opaque::Undecodable, stream.content.len() as u64);
            return Ok(());
        }
        _ => return Ok(()),
    };
    let plain = stream.get_plain_content_with_limit(UNPACKED.min(*room));
    match plain {
        Ok(bytes) if out.descend() => {
            *room -= bytes.len();
            let hints = Hints { content_type: Some(content_type), ..Hints::default() };
            document(&hints, &mut bytes.as_slice(), out)?;
            out.rise();
        }
        _ => opaque(Opaque::Oversize, stream.content.len() as u64, out),
    }
    Ok(())
}
