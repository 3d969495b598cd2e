//! The sheets of an XLSX file as the tables they are.
//!
//! A sheet refers to strings that lie in a file of their own, which mostly comes later. So both are held until the end of
//! the archive, and a sheet is then read like any table, its first row naming the columns. What is too much to hold is
//! read as the XML it is: everything is still seen, without its columns.

use std::io::{self, BufRead, Read};

use super::Member;
use super::margin::Margin;
use crate::decode::account::Opaque;
use crate::decode::charset::Text;
use crate::decode::entity;
use crate::decode::output::Output;
use crate::decode::table::Table;
use crate::decode::tag::{self, Found, Kind, Tag};
use crate::decode::window::Window;
use crate::decode::{Hints, document};

/// Most text of one workbook that is held.
const HELD: usize = 32 * 1024 * 1024;

/// Widest table that is built; the columns of XLSX end at XFD.
const COLUMNS: usize = 16_384;

/// Longest table that is built; the rows of XLSX end at this number.
const ROWS: usize = 1_048_576;

/// Longest run of empty rows and cells that is written out.
const GAP: usize = 1000;

/// Most text of the tables of one workbook. A string may be referred to by many cells, and a cell may stand far away.
const TABLES: usize = 64 * 1024 * 1024;

/// What is held of a workbook.
#[derive(Debug, Default)]
pub(super) struct Workbook {
    strings: Vec<String>,
    /// Text in the file of the strings that is none of them.
    beside: Margin,
    used: Vec<bool>,
    sheets: Vec<(String, String)>,
    held: usize,
}

/// A cell being read.
#[derive(Default)]
struct Cell {
    column: usize,
    shared: bool,
    text: String,
}

impl Workbook {
    /// Whether a file of an archive belongs to a workbook.
    pub fn wants(name: &str) -> bool {
        name == "xl/sharedStrings.xml" || (name.starts_with("xl/worksheets/") && name.ends_with(".xml"))
    }

    /// Holds a file that belongs to the workbook, or reads it as it is where it is too long.
    pub fn take(
        &mut self,
        name: &str,
        source: &mut dyn BufRead,
        hints: &Hints<'_>,
        out: &mut Output<'_>,
    ) -> io::Result<()> {
        let mut bytes = Vec::new();
        let room = HELD.saturating_sub(self.held);
        Read::take(&mut *source, room as u64 + 1).read_to_end(&mut bytes)?;
        match String::from_utf8(bytes) {
            Ok(xml) if xml.len() <= room => {
                self.held += xml.len();
                out.tally.bytes += xml.len() as u64;
                if name.starts_with("xl/worksheets/") {
                    self.sheets.push((name.to_owned(), xml));
                } else {
                    (self.strings, self.beside) = shared(&xml);
                }
                Ok(())
            }
            other => {
                let bytes = other.map_or_else(std::string::FromUtf8Error::into_bytes, String::into_bytes);
                document(hints, &mut bytes.as_slice().chain(source), out)
            }
        }
    }

    /// Reads what was held. Its bytes are in the account already.
    pub fn finish(mut self, out: &mut Output<'_>) -> io::Result<()> {
        if self.sheets.is_empty() && self.strings.is_empty() {
            return Ok(());
        }
        out.format("xlsx");
        let counted = out.tally.bytes;
        self.used = vec![false; self.strings.len()];
        let mut room = TABLES;
        for (name, xml) in std::mem::take(&mut self.sheets) {
            let mut margin = Margin::default();
            let (table, whole) = self.table(&xml, room, &mut margin);
            room = room.saturating_sub(table.len());
            if !whole {
                out.tally.opaque(Opaque::Oversize, 1);
            }
            let mut source = table.as_bytes();
            Member(&name).within(out, |_, out| {
                Text::new(&mut Window::new(&mut source, u64::MAX), Some("utf-8"))?
                    .feed(&mut Table::new(b','), out)?;
                out.text(margin.text.trim_ascii_end(), None, 0);
                Ok(())
            })?;
        }
        for (text, _) in self.strings.iter().zip(&self.used).filter(|(_, used)| !**used) {
            out.text(text, None, 0);
        }
        out.text(self.beside.text.trim_ascii_end(), None, 0);
        out.tally.bytes = counted;
        Ok(())
    }

    /// A sheet as separated values, and whether it is whole: where it would be longer than `room`, cells keep the text
    /// that stands in them and lose their place and the strings they refer to.
    fn table(&mut self, xml: &str, room: usize, margin: &mut Margin) -> (String, bool) {
        let mut csv = String::new();
        let (mut row, mut column) = (0, 0);
        let mut cell = Cell::default();
        let mut whole = true;
        walk(xml, |event| match event {
            Event::Start(tag, name) => {
                margin.attributes(tag);
                if name == "c" {
                    // The one before had no end.
                    margin.add(&cell.text, "");
                    let named = attribute(tag, "r").and_then(column_of);
                    let shared = attribute(tag, "t") == Some("s");
                    cell = Cell { column: named.unwrap_or(column), shared, ..Cell::default() };
                }
                if name != "row" {
                    return;
                }
                let number = attribute(tag, "r").and_then(|r| r.parse::<usize>().ok()).unwrap_or(row + 1).min(ROWS);
                let gap = if csv.len() < room { number.saturating_sub(row + 1) } else { 0 };
                csv.extend(std::iter::repeat_n('\n', gap.min(GAP)));
                (row, column) = (number.max(row + 1), 0);
            }
            Event::Text(text, "v" | "t") => cell.text.push_str(text),
            Event::Text(text, element) => margin.add(text, element),
            Event::End("c") => {
                whole &= csv.len() < room;
                let gap = if whole { cell.column.min(COLUMNS).saturating_sub(column) } else { 0 };
                csv.extend(std::iter::repeat_n(',', gap + usize::from(column > 0)));
                self.write(&cell, whole, &mut csv);
                cell.text.clear();
                column = cell.column.min(COLUMNS) + 1;
            }
            Event::End("row") => csv.push('\n'),
            Event::End(_) => {}
        });
        margin.add(&cell.text, "");
        (csv, whole)
    }

    fn write(&mut self, cell: &Cell, resolves: bool, csv: &mut String) {
        let index = (cell.shared && resolves).then(|| cell.text.trim().parse::<usize>().ok()).flatten();
        if let Some(used) = index.and_then(|index| self.used.get_mut(index)) {
            *used = true;
        }
        let text = index.and_then(|index| self.strings.get(index)).unwrap_or(&cell.text);
        csv.push('"');
        csv.push_str(&text.replace('"', "\"\""));
        csv.push('"');
    }
}

/// What XML is made of, as far as sheets need it.
enum Event<'t> {
    Start(&'t Tag<'t>, &'t str),
    /// Text, and the element it stands in.
    Text(&'t str, &'t str),
    End(&'t str),
}

/// Goes through XML from tag to tag. Names come without their prefix.
fn walk(xml: &str, mut event: impl FnMut(Event<'_>)) {
    let mut buffer = String::new();
    let mut rest = xml;
    let mut inside = "";
    while let Some(at) = memchr::memchr(b'<', rest.as_bytes()) {
        let (text, behind) = rest.split_at_checked(at).unwrap_or((rest, ""));
        if !text.is_empty() && (!inside.is_empty() || !text.trim_ascii().is_empty()) {
            event(Event::Text(entity::resolve(text, &mut buffer), inside));
        }
        let Found::Tag(tag) = tag::read(behind) else {
            rest = behind.get(1..).unwrap_or("");
            continue;
        };
        let name = tag::local(tag.name);
        inside = "";
        match tag.kind {
            Kind::Start => {
                event(Event::Start(&tag, name));
                if tag.closed {
                    event(Event::End(name));
                } else {
                    inside = name;
                }
            }
            Kind::End => event(Event::End(name)),
            // Comments among them.
            Kind::Declaration => event(Event::Text(tag.body, "")),
        }
        rest = behind.get(tag.length..).unwrap_or("");
    }
    if !rest.trim_ascii().is_empty() {
        event(Event::Text(rest, ""));
    }
}

/// The strings of a workbook, the runs of each joined, and what else stands beside them. How a string is pronounced is no
/// part of it.
fn shared(xml: &str) -> (Vec<String>, Margin) {
    let (mut strings, mut beside) = (Vec::new(), Margin::default());
    let mut text = String::new();
    let mut phonetic = false;
    walk(xml, |event| match event {
        Event::Start(tag, name) => {
            beside.attributes(tag);
            phonetic |= name == "rPh";
            if name == "si" {
                beside.add(&std::mem::take(&mut text), "");
            }
        }
        Event::End("rPh") => phonetic = false,
        Event::Text(run, "t") if !phonetic => text.push_str(run),
        Event::Text(other, element) => beside.add(other, element),
        Event::End("si") => strings.push(std::mem::take(&mut text)),
        Event::End(_) => {}
    });
    beside.add(&text, "");
    (strings, beside)
}

fn attribute<'t>(tag: &Tag<'t>, name: &str) -> Option<&'t str> {
    tag.attributes().find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// The column of a reference such as `AB12`, from 0.
fn column_of(reference: &str) -> Option<usize> {
    let letters = reference.bytes().take_while(u8::is_ascii_alphabetic);
    let number =
        letters.take(4).fold(0, |number, letter| number * 26 + usize::from(letter.to_ascii_uppercase() - b'A') + 1);
    number.checked_sub(1)
}
