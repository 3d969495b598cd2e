//! SQLite databases, page by page (<https://www.sqlite.org/fileformat2.html>).
//!
//! A row stands in a leaf page of its table, whichever order pages have; so one pass sees every row, and rows that were
//! deleted and not overwritten too. Which table a row is of would take the tree above it; columns go without a name. The
//! part of a long row that lies in pages of its own is read as the text it is.

use std::io;

use super::unread;
use crate::decode::account::Opaque;
use crate::decode::bytes::{self, Form};
use crate::decode::inside;
use crate::decode::output::Output;
use crate::decode::window::Window;
use crate::transfer::Container;

/// Columns of a row that are read.
const COLUMNS: usize = 2000;

/// A leaf page of a table, and of an index.
const TABLE: u8 = 13;
const INDEX: u8 = 10;

/// Reads a database.
pub(in crate::decode) fn read(window: &mut Window<'_>, out: &mut Output<'_>) -> io::Result<()> {
    out.format("sqlite");
    let size = match window.need(100)?.get(16..18) {
        Some([0, 1]) => 65_536,
        Some([high, low]) => usize::from(u16::from_be_bytes([*high, *low])),
        _ => 0,
    };
    if !size.is_power_of_two() || size < 512 {
        return unread(Opaque::Undecodable, window, out);
    }
    let mut number = 0u64;
    loop {
        let view = window.need(size)?;
        let Some(bytes) = view.get(..size) else { break };
        number += 1;
        out.at.set_line(None);
        let head = if number == 1 { 100 } else { 0 };
        page(bytes, head, number, out);
        out.tally.bytes += size as u64;
        window.take(size);
    }
    unread(Opaque::Undecodable, window, out)
}

/// Reads one page. One that is no leaf holds keys of an index, a part of a long row, or nothing.
fn page(page: &[u8], head: usize, number: u64, out: &mut Output<'_>) {
    let kind = page.get(head).copied().unwrap_or(0);
    let cells = short(page, head + 3);
    let pointers = page.get(head + 8..).map(|rest| rest.as_chunks::<2>().0).unwrap_or_default();
    if !matches!(kind, TABLE | INDEX) || cells > pointers.len() {
        return loose(page, out);
    }
    out.at.enter_index(number);
    // Rows do not overlap, so together they are no longer than the page. Pointers to one and the same row would be read
    // as often as there are pointers.
    let mut room = page.len();
    for (index, pointer) in pointers.iter().take(cells).enumerate() {
        let cell = page.get(usize::from(u16::from_be_bytes(*pointer))..).unwrap_or_default();
        out.at.enter_index(index as u64);
        out.open(Container::Row);
        let read = row(cell, kind == TABLE, page.len(), room, out);
        out.close();
        out.at.leave();
        match read {
            Some(read) => room -= read,
            None => out.tally.opaque(Opaque::Undecodable, 1),
        }
    }
    out.at.leave();
}

/// Reads one row: its length, its number, the types of its values, the values. Returns how long it is here; nothing where
/// it makes no sense or is longer than `room`.
fn row(cell: &[u8], numbered: bool, page: usize, room: usize, out: &mut Output<'_>) -> Option<usize> {
    let (length, rest) = varint(cell)?;
    let rest = if numbered { varint(rest)?.1 } else { rest };
    let rest = rest.get(..local(usize::try_from(length).ok()?, numbered, page)).filter(|rest| rest.len() <= room)?;
    let (head, types) = varint(rest)?;
    let head = usize::try_from(head).ok()?;
    let mut values = rest.get(head..)?;
    let mut types = types.get(..types.len().checked_sub(values.len())?)?;
    for column in 0..COLUMNS {
        if types.is_empty() {
            break;
        }
        let (kind, behind) = varint(types)?;
        types = behind;
        out.at.enter_index(column as u64);
        values = value(kind, values, out);
        out.at.leave();
    }
    Some(rest.len())
}

/// How much of a row lies in the page itself (section 1.6 of the format).
fn local(length: usize, numbered: bool, page: usize) -> usize {
    let most = if numbered { page - 35 } else { (page - 12) * 64 / 255 - 23 };
    if length <= most {
        return length;
    }
    let least = (page - 12) * 32 / 255 - 23;
    let fitting = least + (length - least) % (page - 4);
    if fitting <= most { fitting } else { least }
}

/// Emits a value of a type; returns what lies behind it. What lies in other pages is read there.
fn value<'b>(kind: u64, bytes: &'b [u8], out: &mut Output<'_>) -> &'b [u8] {
    let length = match kind {
        0 | 8..=11 => 0,
        1..=4 => kind as usize,
        5 => 6,
        6 | 7 => 8,
        _ => usize::try_from((kind - 12) / 2).unwrap_or(usize::MAX),
    };
    let (value, rest) = bytes.split_at_checked(length).unwrap_or((bytes, &[]));
    match kind {
        1..=6 => out.whole(&integer(value).to_string(), None, 0),
        7 => out.whole(&value.first_chunk().map_or(0.0, |bytes| f64::from_be_bytes(*bytes)).to_string(), None, 0),
        12.. => {
            let form = if kind % 2 == 1 { Form::Text } else { Form::Bytes };
            let counted = out.tally.bytes;
            let mut source = value;
            // Reading memory cannot fail.
            let _ = bytes::value(form, value.len() as u64, None, &mut Window::new(&mut source, u64::MAX), out);
            out.tally.bytes = counted;
        }
        _ => {}
    }
    rest
}

/// A page without rows: text in it is emitted, and what is no text is bookkeeping or opaque to a reader of rows.
fn loose(page: &[u8], out: &mut Output<'_>) {
    // A part of a long row begins with the number of the page that goes on with it.
    let rest = page.get(4..).unwrap_or_default();
    let end = rest.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
    let used = rest.get(..end).unwrap_or_default();
    match inside::readable(used) {
        Some(text) => out.text(text, None, 0),
        None if used.len() > page.len() / 2 => out.tally.opaque(Opaque::Undecodable, used.len() as u64),
        None => {}
    }
}

fn integer(bytes: &[u8]) -> i64 {
    let sign = bytes.first().map_or(0, |first| if first & 0x80 == 0 { 0 } else { -1 });
    bytes.iter().fold(sign, |number, byte| number << 8 | i64::from(*byte))
}

/// A number of up to nine bytes, the highest first.
fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0u64;
    for (at, byte) in bytes.iter().take(9).enumerate() {
        if at == 8 {
            return Some((number << 8 | u64::from(*byte), bytes.get(9..)?));
        }
        number = number << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((number, bytes.get(at + 1..)?));
        }
    }
    None
}

fn short(bytes: &[u8], at: usize) -> usize {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |two| usize::from(u16::from_be_bytes(*two)))
}
