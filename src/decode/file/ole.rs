//! Compound files (MS-CFB): DOC, XLS, PPT and MSG of old, and the shell around encrypted office files.
//!
//! The formats inside are many and none of them is read for what it is: text in a stream stands there as it is written,
//! in bytes or in UTF-16, and is emitted run by run. What is no text is opaque. Files inside are read as documents.

use std::io::{self, Cursor, Read as _};
use std::path::PathBuf;

use cfb::CompoundFile;

use super::{HELD, unread};
use crate::decode::account::Opaque;
use crate::decode::archive::Member;
use crate::decode::charset;
use crate::decode::output::Output;
use crate::decode::sniff;
use crate::decode::window::Window;
use crate::decode::{Hints, deeper, document};

/// Streams that are read.
const STREAMS: usize = 10_000;

/// Shortest run of ASCII, and of characters of two bytes, that is taken for text.
const NARROW: usize = 5;
const WIDE: usize = 3;

/// A run of ASCII so long is text whatever its pairs of bytes could stand for.
const LONG: usize = 12;

/// Reads a compound file.
pub(in crate::decode) fn read(window: &mut Window<'_>, out: &mut Output<'_>) -> io::Result<()> {
    out.format("ole");
    let file = window.need(HELD + 1)?;
    let streams = if file.len() > HELD { None } else { streams(file) };
    let Some(streams) = streams else { return unread(Opaque::Undecodable, window, out) };
    if streams.iter().any(|(name, bytes)| is_encrypted(name, bytes)) {
        return unread(Opaque::Encrypted, window, out);
    }
    let counted = out.tally.bytes;
    for (name, bytes) in &streams {
        let read = Member(name).within(out, |_, out| stream(bytes, out))?;
        if !read {
            out.tally.opaque(Opaque::Oversize, bytes.len() as u64);
        }
    }
    let length = window.drain()?;
    // What the streams are made of is part of the file.
    out.tally.bytes = counted + length;
    Ok(())
}

/// The streams of a file by name. Nothing where it makes no sense. Streams do not share their sectors, so together they
/// are no longer than the file.
fn streams(file: &[u8]) -> Option<Vec<(String, Vec<u8>)>> {
    let mut compound = CompoundFile::open(Cursor::new(file)).ok()?;
    let paths: Vec<PathBuf> = compound
        .walk()
        .filter(|entry| entry.is_stream())
        .take(STREAMS)
        .map(|entry| entry.path().to_owned())
        .collect();
    let mut room = file.len() as u64;
    let mut streams = Vec::new();
    for path in paths {
        let mut bytes = Vec::new();
        let stream = compound.open_stream(&path).ok()?;
        stream.take(room).read_to_end(&mut bytes).ok()?;
        room -= bytes.len() as u64;
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        streams.push((name, bytes));
    }
    Some(streams)
}

/// Whether a stream says that the file is encrypted: the package of a newer office file (MS-OFFCRYPTO), a document under
/// rights management, a flag of DOC (MS-DOC, `FibBase.fEncrypted`), a record of XLS (MS-XLS, `FilePass`).
fn is_encrypted(name: &str, bytes: &[u8]) -> bool {
    match name {
        "EncryptedPackage" | "EncryptedSummary" | "\tDRMContent" => true,
        "WordDocument" => bytes.starts_with(b"\xec\xa5") && bytes.get(11).is_some_and(|flags| flags & 1 == 1),
        "Workbook" | "Book" => has_password(bytes),
        _ => false,
    }
}

/// Whether one of the first records asks for a password.
fn has_password(workbook: &[u8]) -> bool {
    const FILE_PASS: u16 = 0x2f;
    let mut rest = workbook;
    for _ in 0..16 {
        let Some(([a, b, c, d], behind)) = rest.split_first_chunk::<4>() else { return false };
        if u16::from_le_bytes([*a, *b]) == FILE_PASS {
            return true;
        }
        rest = behind.get(usize::from(u16::from_le_bytes([*c, *d]))..).unwrap_or_default();
    }
    false
}

/// Reads a stream: as the document it shows to be, or as runs of text.
fn stream(bytes: &[u8], out: &mut Output<'_>) -> io::Result<()> {
    if sniff::is_document(bytes) {
        return deeper(&mut &*bytes, out, |bytes, out| document(&Hints::default(), bytes, out));
    }
    let mut at = 0;
    let mut dark = 0;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        let length = match run(rest) {
            Some(Run::Narrow(length)) => {
                let (text, malformed) = charset::whole(rest.get(..length).unwrap_or(rest), None);
                out.tally.opaque(Opaque::Undecodable, malformed);
                out.text(text.trim_ascii(), None, at as u64);
                length
            }
            Some(Run::Wide(length)) => {
                let units = rest.get(..length).unwrap_or(rest).as_chunks::<2>().0;
                let text: String = units.iter().filter_map(|unit| wide(*unit)).collect();
                out.text(text.trim_ascii(), None, at as u64);
                length
            }
            None => {
                dark += 1;
                1
            }
        };
        at += length;
    }
    out.tally.opaque(Opaque::Undecodable, dark);
    Ok(())
}

/// Text that stands in a stream, with its length in bytes.
enum Run {
    /// ASCII or a charset of bytes.
    Narrow(usize),
    /// UTF-16, the lowest byte first.
    Wide(usize),
}

/// The run of text that begins here. Two letters of ASCII look like one of Chinese: what is ASCII to the end of the run is
/// taken for it, and what would be from the next byte on waits for that.
fn run(bytes: &[u8]) -> Option<Run> {
    let letters = |bytes: &[u8]| bytes.iter().take_while(|byte| is_text(**byte) && byte.is_ascii()).count();
    let units = bytes.as_chunks::<2>().0.iter().take_while(|unit| wide(**unit).is_some()).count();
    let reaches =
        |ascii: usize, skipped: usize| ascii >= LONG || (ascii >= NARROW && ascii + skipped + 1 >= units * 2);
    let ascii = letters(bytes);
    let narrow = |from: usize| {
        let rest = bytes.get(from..).unwrap_or_default();
        from + rest.iter().take_while(|byte| is_text(**byte)).count()
    };
    if reaches(ascii, 0) {
        return Some(Run::Narrow(narrow(ascii)));
    }
    if units >= WIDE && reaches(letters(bytes.get(1..).unwrap_or_default()), 1) {
        return None;
    }
    if units >= WIDE {
        return Some(Run::Wide(units * 2));
    }
    let any = narrow(ascii);
    (any > NARROW * 2).then_some(Run::Narrow(any))
}

fn is_text(byte: u8) -> bool {
    matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~' | 0x80..)
}

/// A character of UTF-16 that stands in text.
fn wide(unit: [u8; 2]) -> Option<char> {
    let c = char::from_u32(u32::from(u16::from_le_bytes(unit)))?;
    let mark = matches!(c, '\u{2010}'..='\u{2027}' | '\u{3000}'..='\u{303f}' | '\u{ff00}'..='\u{ff65}');
    let ascii = matches!(c, '\t' | '\n' | '\r' | ' '..='~');
    (ascii || mark || (!c.is_ascii() && c.is_alphanumeric())).then_some(c)
}
