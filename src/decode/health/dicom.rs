//! Medical images (DICOM PS3.5 and PS3.10): what they say about the patient. The picture is opaque.
//!
//! Elements are read one after the other in the two encodings that are in use, explicit and implicit value
//! representation, little-endian. Sequences are walked through as if they were flat. Text goes by words for its tag where
//! the tag is about a person; all other text goes without a name.

use std::io;

use encoding_rs::Encoding;

use crate::decode::account::Opaque;
use crate::decode::opaque;
use crate::decode::output::{BLOCK, Output};
use crate::decode::window::Window;
use crate::transfer::Container;

/// Bytes before the elements: a preamble without meaning, and the magic.
const START: usize = 132;

/// Words for tags about people.
const WORDS: &[(u32, &str)] = &[
    (0x0008_0090, "referring physician"),
    (0x0008_1030, "examination"),
    (0x0008_1048, "physician"),
    (0x0008_1050, "physician"),
    (0x0008_1070, "operator"),
    (0x0008_1080, "diagnosis"),
    (0x0010_0010, "patient name"),
    (0x0010_0020, "patient id"),
    (0x0010_0030, "date of birth"),
    (0x0010_1000, "patient id"),
    (0x0010_1001, "patient name"),
    (0x0010_1005, "patient name"),
    (0x0010_1040, "home address"),
    (0x0010_1060, "mother name"),
    (0x0010_1090, "mrn"),
    (0x0010_2000, "diagnosis"),
    (0x0010_2110, "allergies"),
    (0x0010_2154, "phone"),
    (0x0010_2160, "ethnic group"),
    (0x0010_21b0, "medical history"),
    (0x0010_21f0, "religion"),
    (0x0010_4000, "medical note"),
    (0x0032_1030, "examination"),
    (0x0038_0010, "patient id"),
    (0x0038_0500, "medical note"),
];

/// Values that are text.
const TEXT: [&[u8; 2]; 14] =
    [b"AE", b"AS", b"CS", b"DA", b"DS", b"DT", b"IS", b"LO", b"LT", b"PN", b"SH", b"ST", b"UC", b"UT"];

/// Values whose length is written in four bytes (PS3.5, section 7.1.2).
const LONG: [&[u8; 2]; 13] =
    [b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"];

/// Names of character sets (PS3.3, section C.12.1.1.2) and their encodings.
const CHARSETS: &[(&str, &str)] = &[
    ("ISO_IR 192", "utf-8"),
    ("GB18030", "gb18030"),
    ("GBK", "gbk"),
    ("ISO_IR 101", "iso-8859-2"),
    ("ISO_IR 144", "iso-8859-5"),
    ("ISO_IR 127", "iso-8859-6"),
    ("ISO_IR 126", "iso-8859-7"),
    ("ISO_IR 138", "iso-8859-8"),
    ("ISO_IR 148", "iso-8859-9"),
    ("ISO_IR 166", "windows-874"),
    ("ISO_IR 13", "shift_jis"),
    ("ISO 2022 IR 87", "iso-2022-jp"),
    ("ISO 2022 IR 149", "euc-kr"),
];

const PIXELS: u32 = 0x7fe0_0010;
const TRANSFER_SYNTAX: u32 = 0x0002_0010;
const CHARSET: u32 = 0x0008_0005;
const DEFLATED: &str = "1.2.840.10008.1.2.1.99";
const IMPLICIT: &str = "1.2.840.10008.1.2";
const BIG_ENDIAN: &str = "1.2.840.10008.1.2.2";

/// Whether bytes begin such a file.
pub(in crate::decode) fn is_head(head: &[u8]) -> bool {
    head.get(START - 4..START) == Some(b"DICM")
}

/// How elements are written.
struct Syntax {
    implicit: bool,
    /// From the first element behind the file's own head.
    body_implicit: bool,
    unknown: bool,
    charset: &'static Encoding,
}

/// An element's head.
struct Element {
    tag: u32,
    /// Two letters; of an implicit element what its tag says.
    kind: [u8; 2],
    head: usize,
    /// `u32::MAX` for one that goes on to a delimiter.
    length: u32,
}

/// Reads a file.
pub(in crate::decode) fn read(window: &mut Window<'_>, out: &mut Output<'_>) -> io::Result<()> {
    out.format("dicom");
    window.need(START)?;
    // What the preamble holds is nobody's business, and may be anything.
    opaque_part(START - 4, window, out)?;
    inspected(4, window, out)?;
    let mut syntax =
        Syntax { implicit: false, body_implicit: false, unknown: false, charset: encoding_rs::WINDOWS_1252 };
    out.open(Container::Object);
    while let Some(element) = next(window, &mut syntax)? {
        if syntax.unknown || element.tag == PIXELS {
            break;
        }
        inspected(element.head, window, out)?;
        if !is_walked(&element) {
            value(&element, &mut syntax, window, out)?;
        }
    }
    out.close();
    let left = window.drain()?;
    opaque(Opaque::Undecodable, left, out);
    Ok(())
}

/// The next element, as far as the bytes make sense.
fn next(window: &mut Window<'_>, syntax: &mut Syntax) -> io::Result<Option<Element>> {
    let bytes = window.need(12)?;
    let half = |at: usize| bytes.get(at..at + 2).and_then(|half| half.try_into().ok()).map(u16::from_le_bytes);
    let full = |at: usize| bytes.get(at..at + 4).and_then(|full| full.try_into().ok()).map(u32::from_le_bytes);
    let (Some(group), Some(number), Some(length)) = (half(0), half(2), full(4)) else { return Ok(None) };
    let tag = u32::from(group) << 16 | u32::from(number);
    if group != 2 {
        syntax.implicit = syntax.body_implicit;
    }
    // Items and delimiters have no value representation.
    if group == 0xfffe {
        return Ok(Some(Element { tag, kind: *b"SQ", head: 8, length }));
    }
    if syntax.implicit {
        let kind = match tag {
            _ if length == u32::MAX => *b"SQ",
            CHARSET => *b"CS",
            tag if WORDS.iter().any(|(known, _)| *known == tag) => *b"LO",
            _ => *b"UN",
        };
        return Ok(Some(Element { tag, kind, head: 8, length }));
    }
    let Some(kind) = bytes.get(4..6).and_then(|kind| <[u8; 2]>::try_from(kind).ok()) else { return Ok(None) };
    if !kind.iter().all(u8::is_ascii_uppercase) {
        return Ok(None);
    }
    Ok(if LONG.contains(&&kind) {
        full(8).map(|length| Element { tag, kind, head: 12, length })
    } else {
        half(6).map(|length| Element { tag, kind, head: 8, length: length.into() })
    })
}

/// Whether the value consists of elements, which are read as they come.
fn is_walked(element: &Element) -> bool {
    element.kind == *b"SQ" || element.length == u32::MAX
}

fn value(element: &Element, syntax: &mut Syntax, window: &mut Window<'_>, out: &mut Output<'_>) -> io::Result<()> {
    let length = element.length as usize;
    let is_text = TEXT.contains(&&element.kind) || matches!(&element.kind, b"UI" | b"TM" | b"UR");
    if length > BLOCK {
        return opaque_part(length, window, out);
    }
    let view = window.need(length)?;
    let bytes = view.get(..length).unwrap_or(view);
    let readable = is_text
        || (syntax.implicit && std::str::from_utf8(bytes).is_ok_and(|text| !text.chars().any(char::is_control)));
    if !readable {
        // Numbers are structure; raw bytes of any other kind may be anything.
        let number = matches!(&element.kind, b"US" | b"SS" | b"UL" | b"SL" | b"FL" | b"FD" | b"AT" | b"UV" | b"SV");
        return if number { inspected(length, window, out) } else { opaque_part(length, window, out) };
    }
    let (text, _) = syntax.charset.decode_without_bom_handling(bytes);
    let text = text.trim_matches(|c: char| c == '\0' || c == ' ').to_owned();
    match element.tag {
        TRANSFER_SYNTAX => {
            syntax.body_implicit = text == IMPLICIT;
            syntax.unknown = text == DEFLATED || text == BIG_ENDIAN;
        }
        CHARSET => {
            let name = text.split('\\').rev().find(|name| !name.is_empty()).unwrap_or("");
            let label = CHARSETS.iter().find(|(known, _)| *known == name.trim()).map(|(_, label)| label.as_bytes());
            syntax.charset = label.and_then(Encoding::for_label).unwrap_or(encoding_rs::WINDOWS_1252);
        }
        tag => emit(tag, element.kind == *b"PN", &text, out),
    }
    inspected(length, window, out)
}

/// A name comes in components, and in up to three scripts.
fn emit(tag: u32, is_name: bool, text: &str, out: &mut Output<'_>) {
    let words = WORDS.iter().find(|(known, _)| *known == tag).map(|(_, words)| *words);
    let is_name = is_name || words.is_some_and(|words| words.ends_with("name"));
    out.at.enter(words.unwrap_or("element"));
    if is_name {
        for name in text.split(['=', '\\']) {
            let parts: Vec<&str> = name.split('^').filter(|part| !part.trim().is_empty()).collect();
            out.text(&parts.join(" "), words.or(Some("person")), 0);
        }
    } else {
        out.text(text, words, 0);
    }
    out.at.leave();
}

fn inspected(length: usize, window: &mut Window<'_>, out: &mut Output<'_>) -> io::Result<()> {
    let length = length.min(window.need(length)?.len());
    window.take(length);
    out.tally.bytes += length as u64;
    Ok(())
}

/// Passes over bytes nobody reads, however many.
fn opaque_part(length: usize, window: &mut Window<'_>, out: &mut Output<'_>) -> io::Result<()> {
    let mut left = length;
    while left > 0 {
        let part = left.min(window.view()?.len());
        if part == 0 {
            break;
        }
        window.take(part);
        left -= part;
    }
    opaque(Opaque::Undecodable, (length - left) as u64, out);
    Ok(())
}
