//! ZIP (APPNOTE 6.3), and with it DOCX, XLSX, PPTX, ODF and JAR.
//!
//! Read from the front, entry by entry, because a message arrives from the front. Whoever receives the file may go by the
//! directory at its end instead; so nothing between two entries is passed over: bytes that belong to no entry are opaque,
//! and what a directory could point at has been read or counted.

use std::io::{self, BufRead};

use super::sheet::Workbook;
use super::{Member, rest};
use crate::decode::account::Opaque;
use crate::decode::charset;
use crate::decode::encoding::{Coding, Layer, Meter, Wire};
use crate::decode::output::Output;
use crate::decode::window::Window;
use crate::decode::{layer, opaque};

/// Longest extra field that counts as bookkeeping. Beyond it, it may carry anything.
const EXTRA: usize = 64;

/// What is known of an entry before its bytes.
#[derive(Debug)]
struct Entry {
    name: String,
    flags: u16,
    method: u16,
    /// Size as it lies there; nothing where it follows the bytes.
    size: Option<u64>,
}

/// Reads an archive.
pub(in crate::decode) fn read(window: &mut Window<'_>, out: &mut Output<'_>) -> io::Result<()> {
    out.format("zip");
    let mut workbook = Workbook::default();
    while window.need(4)?.starts_with(b"PK\x03\x04") {
        let Some(entry) = Entry::read(window, out)? else { break };
        if !entry.content(window, &mut workbook, out)? {
            workbook.finish(out)?;
            return rest(Opaque::Oversize, window, out);
        }
        if entry.flags & Entry::SIZE_FOLLOWS != 0 && !descriptor(window, out)? {
            break;
        }
    }
    workbook.finish(out)?;
    while directory(window, out)? {}
    rest(Opaque::Undecodable, window, out)
}

impl Entry {
    const ENCRYPTED: u16 = 1;
    const SIZE_FOLLOWS: u16 = 8;
    const UTF8: u16 = 0x800;

    /// Takes the head of an entry. Nothing where it is cut.
    fn read(window: &mut Window<'_>, out: &mut Output<'_>) -> io::Result<Option<Entry>> {
        let Some(head) = window.array::<30>()? else { return Ok(None) };
        let (flags, method) = (short(&head, 6), short(&head, 8));
        let (name, extra) = (usize::from(short(&head, 26)), usize::from(short(&head, 28)));
        let view = window.need(name + extra)?;
        let Some((name, extra)) = view.get(..name + extra).and_then(|both| both.split_at_checked(name)) else {
            opaque(Opaque::Undecodable, head.len() as u64, out);
            return Ok(None);
        };
        let packed = u64::from(short(&head, 18)) | u64::from(short(&head, 20)) << 16;
        let size = if packed == u64::from(u32::MAX) { long_size(extra).unwrap_or(packed) } else { packed };
        let follows = flags & Entry::SIZE_FOLLOWS != 0 && size == 0;
        let (name_text, malformed) = charset::whole(name, (flags & Entry::UTF8 == 0).then_some("ibm866"));
        let entry = Entry { name: name_text.into_owned(), flags, method, size: (!follows).then_some(size) };
        let hidden = extra.len().saturating_sub(EXTRA) as u64 + malformed;
        let length = name.len() + extra.len();
        out.tally.bytes += 30 + length as u64;
        out.tally.opaque(Opaque::Undecodable, hidden);
        window.take(length);
        Ok(Some(entry))
    }

    /// Reads the bytes of the entry. Says no where a bound forbids it.
    fn content(&self, window: &mut Window<'_>, workbook: &mut Workbook, out: &mut Output<'_>) -> io::Result<bool> {
        match self.size {
            Some(size) => {
                let mut section = io::Read::take(&mut *window, size);
                let allowed = self.document(&mut section, workbook, out)?;
                let left = Window::new(&mut section, u64::MAX).drain()?;
                opaque(if allowed { Opaque::Undecodable } else { Opaque::Oversize }, left, out);
                Ok(allowed)
            }
            None => self.document(window, workbook, out),
        }
    }

    fn document(&self, source: &mut dyn BufRead, workbook: &mut Workbook, out: &mut Output<'_>) -> io::Result<bool> {
        let member = Member(&self.name);
        // 99 stands for the encryption of WinZip.
        if self.flags & Entry::ENCRYPTED != 0 || self.method == 99 {
            let left = Window::new(source, u64::MAX).drain()?;
            opaque(Opaque::Encrypted, left, out);
            return Ok(true);
        }
        let coding = match self.method {
            0 if self.size.is_some() => return member.read(source, out),
            0 => return Ok(true),
            8 => Coding::Deflate,
            93 => Coding::Zstd,
            _ => {
                let left = Window::new(source, u64::MAX).drain()?;
                opaque(Opaque::Undecodable, left, out);
                return Ok(true);
            }
        };
        member.within(out, |hints, out| {
            let meter = Meter::new(out.limits.expansion);
            let mut wire = Wire::new(source, &meter);
            let mut layered = Layer::open(coding, &mut wire, &meter);
            if Workbook::wants(&self.name) {
                workbook.take(&self.name, &mut layered, hints, out)?;
            } else {
                layer(&[], hints, &mut layered, &meter, out)?;
            }
            if let Some(reason) = meter.stopped() {
                opaque(reason, 1, out);
            }
            Ok(())
        })
    }
}

/// The number of two bytes at a place; 0 where there is none.
fn short(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |two| u16::from_le_bytes(*two))
}

/// The size in an extra field for large files.
fn long_size(extra: &[u8]) -> Option<u64> {
    let mut rest = extra;
    loop {
        let ([id0, id1, len0, len1], behind) = rest.split_first_chunk::<4>()?;
        let length = usize::from(u16::from_le_bytes([*len0, *len1]));
        let (field, behind) = behind.split_at_checked(length)?;
        if (*id0, *id1) == (1, 0) {
            // The size as unpacked stands before it.
            return field.get(8..16).and_then(|bytes| bytes.try_into().ok()).map(u64::from_le_bytes);
        }
        rest = behind;
    }
}

/// Passes the sizes behind the bytes of an entry. They come in four spellings; the one that something known follows is it.
fn descriptor(window: &mut Window<'_>, out: &mut Output<'_>) -> io::Result<bool> {
    let view = window.need(28)?;
    let marked = view.starts_with(b"PK\x07\x08");
    let lengths = if marked { [16, 24] } else { [12, 20] };
    let follows = |length: &usize| view.get(*length..).is_some_and(|rest| rest.starts_with(b"PK"));
    let Some(length) = lengths.into_iter().find(follows) else { return Ok(false) };
    out.tally.bytes += length as u64;
    window.take(length);
    Ok(true)
}

/// Passes one record of the directory. Comments are text that somebody wrote.
fn directory(window: &mut Window<'_>, out: &mut Output<'_>) -> io::Result<bool> {
    let view = window.need(46)?;
    let short = |at| usize::from(short(view, at));
    let (head, bookkeeping, comment) = match view {
        [b'P', b'K', 1, 2, ..] => (46, short(28) + short(30), short(32)),
        [b'P', b'K', 5, 6, ..] => (22, 0, short(20)),
        [b'P', b'K', 6, 7, ..] => (20, 0, 0),
        [b'P', b'K', 6, 6, ..] => (56, 0, 0),
        _ => return Ok(false),
    };
    let extra = if head == 46 { short(30).saturating_sub(EXTRA) } else { 0 };
    let view = window.need(head + bookkeeping + comment)?;
    let Some(record) = view.get(..head + bookkeeping + comment) else { return Ok(false) };
    let (text, malformed) = charset::whole(record.get(head + bookkeeping..).unwrap_or_default(), None);
    out.text(&text, Some("comment"), 0);
    let length = record.len();
    out.tally.bytes += length as u64;
    out.tally.opaque(Opaque::Undecodable, malformed + extra as u64);
    window.take(length);
    Ok(true)
}
