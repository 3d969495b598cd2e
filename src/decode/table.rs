//! Separated values: CSV, TSV and their relatives.
//!
//! A first row of short words names the columns. It is emitted as text as well, because a table without a header would
//! otherwise hide its first row.

use csv_core::{ReadFieldResult, Reader as Fields, ReaderBuilder};
use wide::u8x16;

use crate::transfer::Container;

use super::charset::{Reader, Step};
use super::inside;
use super::output::{BLOCK, Blocks, NAME, Output};

/// Columns that are known by name.
const COLUMNS: usize = 4096;

/// What may separate values.
const DELIMITERS: [u8; 4] = *b",;\t|";

/// Reads a table.
pub(super) struct Table {
    fields: Fields,
    delimiter: u8,
    /// Whether `fields` has begun with a value, and whether it believes to be at the beginning of a row.
    begun: bool,
    at_row: bool,
    /// The value being read.
    value: Vec<u8>,
    filled: usize,
    /// A value longer than a block.
    long: Option<Blocks>,
    columns: Vec<String>,
    /// For each column, the length below which a value is not looked at.
    least: Vec<usize>,
    /// Whether the row being read is the first.
    first: bool,
    column: usize,
    row_open: bool,
    /// Whether anything of the row has been read.
    inside_row: bool,
    /// Line of the row being read, and line ends passed.
    line: u64,
    lines: u64,
    begins: u64,
}

impl Reader for Table {
    fn read(&mut self, text: &str, offset: u64, last: bool, out: &mut Output<'_>) -> Step {
        let mut at = 0;
        loop {
            let mut rest = text.as_bytes().get(at..).unwrap_or_default();
            if !self.inside_row {
                let blank = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
                self.pass(rest.get(..blank).unwrap_or_default());
                at += blank;
                rest = rest.get(blank..).unwrap_or_default();
                self.line = self.lines + 1;
                self.begins = offset + at as u64;
            }
            if rest.is_empty() && !(last && self.inside_row) {
                return Step::Read(text.len());
            }
            if let Some(length) = self.plain(rest) {
                self.plain_value(text.get(at..at + length).unwrap_or(""), rest.get(length).copied(), out);
                at += length + 1;
                self.begins = offset + at as u64;
                continue;
            }
            self.catch_up();
            let room = self.value.get_mut(self.filled..).unwrap_or_default();
            let (result, read, written) = self.fields.read_field(rest, room);
            self.pass(rest.get(..read).unwrap_or_default());
            at += read;
            self.filled += written;
            self.inside_row |= read > 0;
            self.begun |= read > 0;
            match result {
                ReadFieldResult::InputEmpty if last && !rest.is_empty() => {}
                ReadFieldResult::InputEmpty => return Step::Read(text.len()),
                ReadFieldResult::OutputFull => self.overflow(out),
                ReadFieldResult::Field { record_end } => {
                    (self.begun, self.at_row) = (false, record_end);
                    self.field(record_end, out);
                    self.begins = offset + at as u64;
                }
                ReadFieldResult::End => return Step::Read(text.len()),
            }
        }
    }

    fn finish(&mut self, out: &mut Output<'_>) {
        if self.filled > 0 || self.long.is_some() {
            self.field(true, out);
        } else if self.row_open {
            self.end_row(out);
        }
        out.at.set_line(None);
    }
}

impl Table {
    /// A reader of values between `delimiter`s.
    pub fn new(delimiter: u8) -> Table {
        Table {
            fields: ReaderBuilder::new().delimiter(delimiter).build(),
            delimiter,
            begun: false,
            at_row: true,
            value: vec![0; BLOCK],
            filled: 0,
            long: None,
            columns: Vec::new(),
            least: Vec::new(),
            first: true,
            column: 0,
            row_open: false,
            inside_row: false,
            line: 1,
            lines: 0,
            begins: 0,
        }
    }

    fn pass(&mut self, bytes: &[u8]) {
        self.lines += memchr::memchr_iter(b'\n', bytes).count() as u64;
    }

    /// The length of the value that begins here, if it is whole and has no quotes. PERF: most values are such, and need
    /// neither an automaton nor a copy.
    #[inline]
    fn plain(&self, rest: &[u8]) -> Option<usize> {
        if self.begun || self.filled > 0 || self.long.is_some() {
            return None;
        }
        let rest = rest.get(..BLOCK).unwrap_or(rest);
        let mut length = 0;
        for chunk in rest.as_chunks::<16>().0 {
            let bytes = u8x16::new(*chunk);
            let is = |byte: u8| bytes.simd_eq(u8x16::splat(byte));
            let stops = is(self.delimiter) | is(b'\n') | is(b'\r') | is(b'"');
            match stops.to_bitmask() {
                0 => length += 16,
                stops => {
                    length += stops.trailing_zeros() as usize;
                    return rest.get(length).filter(|byte| **byte != b'"').map(|_| length);
                }
            }
        }
        None
    }

    fn plain_value(&mut self, text: &str, end: Option<u8>, out: &mut Output<'_>) {
        self.inside_row = true;
        self.lines += u64::from(end == Some(b'\n'));
        self.open_row(out);
        if !inside::is_idle(text, self.least.get(self.column).copied().unwrap_or(0)) {
            self.enter(out);
            inside::value(text, self.name(), self.begins, out);
            out.at.leave();
        }
        self.go_on(text, end != Some(self.delimiter), out);
    }

    /// Tells the automaton of the values that were read without it.
    fn catch_up(&mut self) {
        let at_row = self.column == 0 && !self.row_open;
        if !self.begun && self.at_row != at_row {
            let passed = if at_row { b'\n' } else { self.delimiter };
            self.fields.read_field(&[passed], &mut [0; 4]);
            self.at_row = at_row;
        }
    }

    /// The name of the column.
    fn name(&self) -> Option<&str> {
        self.columns.get(self.column).map(String::as_str).filter(|name| !name.is_empty())
    }

    /// What the buffer holds, as far as its characters are whole. The rest moves to the front.
    fn taken(&mut self) -> String {
        let value = self.value.get(..self.filled).unwrap_or_default();
        let whole = match std::str::from_utf8(value) {
            Ok(text) => text,
            Err(error) => value.get(..error.valid_up_to()).map_or(Ok(""), std::str::from_utf8).unwrap_or(""),
        };
        let (text, length) = (whole.to_owned(), whole.len());
        self.value.copy_within(length..self.filled, 0);
        self.filled -= length;
        text
    }

    /// A value that is longer than a block.
    fn overflow(&mut self, out: &mut Output<'_>) {
        let begins = self.begins;
        self.enter(out);
        let text = self.taken();
        let key = self.columns.get(self.column).map(String::as_str);
        self.long.get_or_insert_with(|| Blocks::new(begins)).push(&text, key, out);
        out.at.leave();
    }

    /// A value that is whole.
    fn field(&mut self, record_end: bool, out: &mut Output<'_>) {
        self.enter(out);
        let value = std::mem::take(&mut self.value);
        // Delimiters are ASCII, so a value of sound text is sound.
        let text = value.get(..self.filled).and_then(|value| std::str::from_utf8(value).ok()).unwrap_or("");
        match self.long.take() {
            Some(mut blocks) => {
                blocks.push(text, self.name(), out);
                blocks.finish(self.name(), out);
            }
            None => inside::value(text, self.name(), self.begins, out),
        }
        out.at.leave();
        self.go_on(text, record_end, out);
        self.value = value;
        self.filled = 0;
    }

    /// Goes on behind a value, and out of its row if it is the last.
    fn go_on(&mut self, text: &str, record_end: bool, out: &mut Output<'_>) {
        self.name_column(text);
        self.column += 1;
        if record_end {
            self.end_row(out);
        }
    }

    /// Goes into a value, and into its row if it is the first.
    fn enter(&mut self, out: &mut Output<'_>) {
        self.open_row(out);
        match self.columns.get(self.column).filter(|name| !self.first && !name.is_empty()) {
            Some(name) => out.at.enter(name),
            None => out.at.enter_index(self.column as u64),
        }
    }

    fn open_row(&mut self, out: &mut Output<'_>) {
        if !self.row_open {
            self.row_open = true;
            out.at.set_line(Some(self.line));
            out.open(Container::Row);
        }
    }

    /// Takes the value of a first row for the name of its column.
    fn name_column(&mut self, text: &str) {
        if self.first && self.columns.len() < COLUMNS {
            self.columns.push(text.get(..text.floor_char_boundary(NAME)).unwrap_or("").trim().to_owned());
        }
    }

    fn end_row(&mut self, out: &mut Output<'_>) {
        out.close();
        self.row_open = false;
        self.inside_row = false;
        self.column = 0;
        if std::mem::take(&mut self.first) && !is_header(self.columns.iter().map(String::as_str)) {
            self.columns.clear();
        }
        if self.least.is_empty() {
            let names = self.columns.iter().map(|name| Some(name.as_str()).filter(|name| !name.is_empty()));
            self.least = names.map(|name| out.least(name)).collect();
        }
    }
}

/// Whether the values of a row name columns: words, without what data has.
fn is_header<'n>(names: impl Iterator<Item = &'n str>) -> bool {
    let mut known = 0;
    for name in names.filter(|name| !name.is_empty()) {
        let word = name.starts_with(|c: char| c.is_alphabetic() || matches!(c, '_' | '#' | '$'));
        if !word || name.len() > 120 || name.contains('@') || name.bytes().filter(u8::is_ascii_digit).count() > 3 {
            return false;
        }
        known += 1;
    }
    known > 0
}

/// What separates the values of text that is said to be a table.
pub(super) fn delimiter(text: &str) -> u8 {
    if let Some([delimiter, b'\r' | b'\n', ..]) = text.strip_prefix("sep=").map(str::as_bytes) {
        return *delimiter;
    }
    let line = text.lines().next().unwrap_or("");
    let counted = DELIMITERS.into_iter().rev().map(|delimiter| (occurrences(line, delimiter), delimiter));
    counted.max_by_key(|(count, _)| *count).filter(|(count, _)| *count > 0).map_or(b',', |(_, delimiter)| delimiter)
}

/// What separates the values of text that looks like a table: as many on each line, below a header.
pub(super) fn sniff(text: &str, whole: bool) -> Option<u8> {
    let mut lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).take(8).collect();
    if !whole && lines.len() < 8 {
        lines.pop();
    }
    if lines.len() < 2 {
        return None;
    }
    let found = delimiter(text);
    let header = lines.first()?;
    let count = occurrences(header, found);
    let even = lines.iter().all(|line| occurrences(line, found) == count);
    let enough = count > 0 && even && (lines.len() > 2 || lines.len() == 2 && count > 1);
    let names = header.split(char::from(found)).map(|name| name.trim_matches('"'));
    (enough && is_header(names)).then_some(found)
}

/// How often a delimiter stands outside quotes.
fn occurrences(line: &str, delimiter: u8) -> usize {
    let mut quoted = false;
    let outside = line.bytes().filter(|byte| {
        quoted ^= *byte == b'"';
        *byte == delimiter && !quoted
    });
    outside.count()
}
