//! The organisation's own lists: records it knows, words it watches, documents it has marked.
//!
//! ```text
//! CSV, text, documents ── make ──▶ file of keyed digests          once, by `tidegate list`
//! file ── read ──▶ DataLists                                       at load and reload
//! piece ──▶ words ──▶ find (records, words) · copies (documents)   for each message
//! ```
//!
//! No value stands in a list: an entry is 64 bits of SipHash-2-4 under a key that is derived from the key people are
//! digested with, so a list without that key says nothing, and a list made under another key is refused. Values are
//! compared as the letters and digits of their words in lower case ([`words`]), which makes case, width and punctuation
//! alike. A look-up of a value that is on no list is wrong with a probability of entries / 2^64: below one in 10^13 for a
//! million entries. Before it comes a table of bits, so that most words cost two hashes and two bits.

mod company;

mod copies;

mod file;

mod find;

mod make;

mod table;

mod words;

use std::hash::Hasher as _;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use ring::hmac;
use siphasher::sip::SipHasher24;

use crate::transfer::{Category, DigestKey};

pub(super) use company::{Company, Pending, Row};
pub(super) use copies::{Copied, Copies};
pub(super) use find::{OnList, find};
pub use make::{Made, Maker, Passed};
pub(super) use words::Words;

use table::Table;

/// Entries of one list at most.
pub const MOST: usize = 4_000_000;

/// Columns of one list at most.
pub const COLUMNS: usize = 16;

/// The key of lists: what turns values into digests, and what seals a file.
#[derive(Clone)]
pub struct ListKey {
    values: SipHasher24,
    seal: hmac::Key,
}

/// What the entries of a list are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListKind {
    /// Values of the organisation's records.
    Records,
    /// Words and phrases.
    Words,
    /// Passages of documents.
    Documents,
}

/// How a list is used.
#[derive(Debug, Clone, PartialEq)]
pub struct Use {
    /// Its name in findings: `list.NAME`.
    pub name: Arc<str>,
    /// The kind of data an entry is.
    pub category: Category,
    /// A row is a person.
    pub person: bool,
    /// Columns of one row that must stand together. One, unless a column alone says too little.
    pub together: usize,
    /// Passages of one document that make a copy.
    pub passages: usize,
}

/// A list as it was read from its file.
#[derive(Debug)]
pub struct ListFile {
    /// What its entries are.
    pub kind: ListKind,
    /// Entries.
    pub entries: usize,
    /// Columns its records have.
    pub columns: usize,
    /// Rows, or documents.
    pub rows: u64,
    /// Bytes it takes in memory.
    pub bytes: usize,
    table: Table,
    /// Bit `n` stands for entries of `n + 1` words.
    lengths: u32,
    /// Passages of each document.
    documents: Vec<u32>,
    hash: [u8; 32],
}

/// A list and what it is for.
#[derive(Debug)]
pub(super) struct DataList {
    pub(super) detector: Arc<str>,
    pub(super) told: Use,
    pub(super) file: ListFile,
}

/// All lists of a configuration, and the key they are under.
#[derive(Debug, Default)]
pub struct DataLists {
    key: Option<ListKey>,
    pub(super) list: Vec<DataList>,
}

impl ListKey {
    /// The key of lists that belongs to a key of people.
    pub fn of(key: &DigestKey) -> ListKey {
        let part = |what: &[u8]| key.digest("tidegate data list", what).0;
        let number = u128::from_le_bytes(part(b"values"));
        let values = SipHasher24::new_with_keys(number as u64, (number >> 64) as u64);
        ListKey { values, seal: hmac::Key::new(hmac::HMAC_SHA256, &part(b"seal")) }
    }

    fn digest(&self, text: &str) -> u64 {
        self.values.hash(text.as_bytes())
    }

    fn digest_of(&self, digests: impl Iterator<Item = u64>) -> u64 {
        let mut hasher = self.values;
        digests.for_each(|digest| hasher.write_u64(digest));
        hasher.finish()
    }
}

impl std::fmt::Debug for ListKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ListKey")
    }
}

impl ListKind {
    /// What an entry is called.
    pub fn entry(self) -> &'static str {
        match self {
            ListKind::Records => "value",
            ListKind::Words => "word",
            ListKind::Documents => "passage",
        }
    }
}

impl ListFile {
    /// Reads a list.
    ///
    /// # Errors
    /// In words that go behind the name of the file: it cannot be read, is no list, is damaged, or under another key.
    pub fn read(path: &Path, key: &ListKey) -> Result<ListFile, String> {
        file::read(path, key)
    }

    /// How likely the look-up of a value that is not on the list finds one: entries / 2^64.
    pub fn false_positive(&self) -> f64 {
        self.entries as f64 / 2f64.powi(64)
    }
}

impl DataLists {
    /// Lists under a key.
    pub fn new(key: ListKey) -> DataLists {
        DataLists { key: Some(key), list: Vec::new() }
    }

    /// Adds a list.
    pub fn add(&mut self, told: Use, file: ListFile) {
        self.list.push(DataList { detector: format!("list.{}", told.name).into(), told, file });
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Tells lists apart from others: their seals and what they are used for.
    pub fn look(&self) -> String {
        let look = |list: &DataList| format!("{:?} {:?}\n", list.told, list.file.hash);
        self.list.iter().map(look).collect()
    }

    fn key(&self) -> Option<&ListKey> {
        self.key.as_ref().filter(|_| !self.list.is_empty())
    }

    /// The row of a value that is on a list; of several the first.
    pub(super) fn first_row(&self, on: &OnList) -> Option<Row> {
        self.rows(on.list, on.entries.clone()).next().map(|(row, _)| row)
    }

    /// The rows of some entries of a list, with their columns.
    fn rows(&self, list: usize, entries: Range<usize>) -> impl Iterator<Item = (Row, u8)> + '_ {
        self.list.get(list).into_iter().flat_map(move |list| list.file.table.rows(entries.clone()))
    }
}
