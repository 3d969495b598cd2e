//! From the organisation's files to a list. Decoders read the files, so records can come as CSV, JSON, a sheet, or
//! anything else that has named fields, and documents as anything with text.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::company::Row;
use super::copies::{Passages, WINDOW};
use super::file::{self, DOCUMENTS};
use super::table::{Filter, Table};
use super::words::{LONGEST, Words};
use super::{COLUMNS, ListFile, ListKey, ListKind, MOST};
use crate::detect::fold;
use crate::transfer::{Container, Piece, Sink};

/// Letters and digits a value needs. A shorter one would be found everywhere.
const SHORTEST_VALUE: usize = 4;
const SHORTEST_WORD: usize = 2;

/// Longest field that is a value, in bytes.
const LONGEST_FIELD: usize = 512;

/// What was passed over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Passed {
    /// Values too short to mean anything.
    pub short: u64,
    /// Values of too many words.
    pub long: u64,
    /// Values beyond the most a list may have.
    pub many: u64,
}

/// A list that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// Different entries.
    pub entries: usize,
    /// Rows, or documents.
    pub rows: u64,
    /// Size of the file in bytes.
    pub bytes: u64,
    /// What was passed over.
    pub passed: Passed,
}

/// Takes in what a list is made of.
#[derive(Debug)]
pub struct Maker {
    key: ListKey,
    kind: ListKind,
    columns: Vec<Arc<str>>,
    entries: Vec<(u64, Row, u8)>,
    /// Digests of how entries begin.
    beginnings: Vec<u64>,
    lengths: u32,
    rows: u64,
    /// Rows so far, with a digest of all their values.
    known: HashMap<Row, u64>,
    passed: Passed,
    words: Words,
    /// The values of open containers, innermost last.
    open: Vec<BTreeMap<u8, String>>,
    columns_seen: Vec<bool>,
    document: Document,
    documents: Vec<u32>,
}

/// The document that is being read.
#[derive(Debug, Default)]
struct Document {
    passages: Passages,
    /// Digests since the last one kept can be seen.
    window: std::collections::VecDeque<u64>,
    kept: Vec<u64>,
}

impl Maker {
    /// Begins a list. `columns` names the fields of records, the first of which tells rows apart; the other kinds have
    /// none.
    pub fn new(key: ListKey, kind: ListKind, columns: &[String]) -> Maker {
        let columns: Vec<Arc<str>> =
            columns.iter().take(COLUMNS).map(|name| name.trim().to_lowercase().into()).collect();
        Maker {
            key,
            kind,
            columns_seen: vec![false; columns.len()],
            columns,
            entries: Vec::new(),
            beginnings: Vec::new(),
            lengths: 0,
            rows: 0,
            known: HashMap::new(),
            passed: Passed::default(),
            words: Words::default(),
            open: Vec::new(),
            document: Document::default(),
            documents: Vec::new(),
        }
    }

    /// Adds a value that stands alone: a line of a text.
    pub fn value(&mut self, value: &str) {
        let row = self.row_of(value);
        if self.add(value, row, 0) {
            self.rows += 1;
        }
    }

    /// Ends a document, whose text came in as pieces. Returns how many passages of it the list keeps.
    pub fn end_document(&mut self) -> usize {
        let mut document = std::mem::take(&mut self.document);
        if document.kept.is_empty() {
            // Shorter than a window: its least passage stands for it.
            document.kept.extend(document.window.iter().min());
        }
        document.kept.sort_unstable();
        document.kept.dedup();
        let fits = self.documents.len() < DOCUMENTS && self.entries.len() + document.kept.len() <= MOST;
        if document.kept.is_empty() || !fits {
            self.passed.many += u64::from(!fits);
            return 0;
        }
        let [a, b, c, d] = (self.documents.len() as u32).to_le_bytes();
        self.entries.extend(document.kept.iter().map(|passage| (*passage, [a, b, c, d, 0, 0], 0)));
        self.beginnings.extend(&document.kept);
        self.documents.push(document.kept.len() as u32);
        self.rows += 1;
        document.kept.len()
    }

    /// Columns no row has had so far.
    pub fn missing(&self) -> Vec<&str> {
        let columns = self.columns.iter().zip(&self.columns_seen);
        columns.filter(|(_, seen)| !**seen).map(|(name, _)| &**name).collect()
    }

    /// Writes the list.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(mut self, path: &Path) -> io::Result<Made> {
        self.entries.sort_unstable();
        self.entries.dedup();
        let columns = self.columns.len().max(1);
        let mut table = Table { filter: Filter::for_entries(self.entries.len()), ..Table::default() };
        self.beginnings.iter().for_each(|digest| table.filter.insert(*digest));
        table.digests = self.entries.iter().map(|entry| entry.0).collect();
        if self.kind == ListKind::Words {
            table.digests.dedup();
        } else {
            table.rows = self.entries.iter().map(|entry| entry.1).collect();
        }
        if columns > 1 {
            table.columns = self.entries.iter().map(|entry| entry.2).collect();
        }
        let entries = table.digests.len();
        let list = ListFile {
            kind: self.kind,
            entries,
            columns,
            rows: self.rows,
            bytes: table.bytes(),
            table,
            lengths: self.lengths,
            documents: self.documents,
            hash: [0; 32],
        };
        let bytes = file::write(path, &list, &self.key)?;
        Ok(Made { entries, rows: self.rows, bytes, passed: self.passed })
    }

    /// What tells a row from others: 48 bits of the digest of a value.
    fn row_of(&mut self, value: &str) -> Row {
        self.read(value);
        let last = self.words.list.len().saturating_sub(1);
        let [a, b, c, d, e, f, ..] = self.key.digest(self.words.plain(0, last)).to_le_bytes();
        [a, b, c, d, e, f]
    }

    fn read(&mut self, value: &str) {
        let folded = fold::fold(value);
        self.words.read(folded.as_ref().map_or(value, |folded| folded.text.as_str()));
    }

    fn add(&mut self, value: &str, row: Row, column: u8) -> bool {
        self.read(value);
        let count = self.words.list.len();
        let Some(last) = count.checked_sub(1) else { return false };
        let plain = self.words.plain(0, last);
        let shortest = if self.kind == ListKind::Words || !plain.is_ascii() { SHORTEST_WORD } else { SHORTEST_VALUE };
        if plain.chars().count() < shortest {
            self.passed.short += 1;
            return false;
        }
        if count > LONGEST {
            self.passed.long += 1;
            return false;
        }
        if self.entries.len() == MOST {
            self.passed.many += 1;
            return false;
        }
        let digest = self.key.digest(plain);
        self.entries.push((digest, row, column));
        self.beginnings.push(digest);
        if last > 0 {
            self.beginnings.push(self.key.digest(self.words.plain(0, 1)));
        }
        self.lengths |= 1 << last;
        true
    }

    /// Enters the values of one row. The first column that has a value tells the row from others; where another row
    /// has the same, all of its values do.
    fn end_row(&mut self, values: &BTreeMap<u8, String>) {
        let Some(first) = values.values().next() else { return };
        let mut row = self.row_of(first);
        let all = self.key.digest_of(values.values().map(|value| self.key.digest(value)));
        if *self.known.entry(row).or_insert(all) != all {
            let [a, b, c, d, e, f, ..] = all.to_le_bytes();
            row = [a, b, c, d, e, f];
        }
        let mut entered = false;
        for (column, value) in values {
            entered |= self.add(value, row, *column);
        }
        self.rows += u64::from(entered);
    }

    fn take_field(&mut self, piece: &Piece<'_>) {
        let whole = piece.report.start == 0 && piece.report.end >= piece.text.len();
        let name = piece.key.map(|name| name.trim().to_lowercase());
        let column = name.and_then(|name| self.columns.iter().position(|column| **column == *name));
        let (Some(column), Some(row)) = (column, self.open.last_mut()) else { return };
        self.columns_seen.get_mut(column).into_iter().for_each(|seen| *seen = true);
        if !whole || piece.text.len() > LONGEST_FIELD {
            self.passed.long += 1;
        } else if !piece.text.trim().is_empty() {
            row.entry(column as u8).or_insert_with(|| piece.text.to_owned());
        }
    }

    fn take_text(&mut self, piece: &Piece<'_>) {
        let folded = fold::fold(piece.text);
        self.words.read(folded.as_ref().map_or(piece.text, |folded| folded.text.as_str()));
        let original = |offset: usize| folded.as_ref().map_or(offset, |folded| folded.original(offset));
        for at in 0..self.words.list.len() {
            let reported = self.words.list.get(at).is_some_and(|word| piece.report.contains(&original(word.start)));
            if let Some(passage) = Some(at)
                .filter(|_| reported)
                .and_then(|at| self.document.passages.next(&self.key, self.words.plain(at, at)))
            {
                self.document.keep(passage);
            }
        }
    }
}

impl Document {
    /// Keeps the least of each window of passages.
    fn keep(&mut self, passage: u64) {
        if self.window.len() == WINDOW {
            self.window.pop_front();
        }
        self.window.push_back(passage);
        if let Some(least) = self.window.iter().min().filter(|_| self.window.len() == WINDOW)
            && self.kept.last() != Some(least)
        {
            self.kept.push(*least);
        }
    }
}

impl Sink for Maker {
    fn open(&mut self, _: Container) {
        self.open.push(BTreeMap::new());
    }

    fn close(&mut self) {
        if let Some(values) = self.open.pop() {
            self.end_row(&values);
        }
    }

    fn piece(&mut self, piece: Piece<'_>) {
        match self.kind {
            ListKind::Documents => self.take_text(&piece),
            ListKind::Records | ListKind::Words => self.take_field(&piece),
        }
    }
}
