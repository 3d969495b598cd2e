//! The file of a list: a header, the table, and a seal over all of it.
//!
//! ```text
//! magic 16 · kind 1 · columns 1 · filter 1 · 0 1 · lengths 4 · entries 8 · rows 8 · documents 4 · 0 4 · key check 16
//! digests 8n · rows 6n (not words) · columns n (more than one) · filter 2^filter / 8 · documents 4 each · seal 32
//! ```
//!
//! All numbers are little-endian. The seal is HMAC-SHA-256 under a key of its own; the key check is an HMAC of nothing, to
//! tell a list under another key from a damaged one. What a header says is checked against the size of the file before
//! anything is made room for.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::Path;

use ring::hmac;

use super::table::{Filter, Table};
use super::{COLUMNS, ListFile, ListKey, ListKind, MOST};

const MAGIC: &[u8; 16] = b"tidegate list 1\n";
const HEAD: usize = 64;
const SEAL: usize = 32;

/// Most documents of one list.
pub(super) const DOCUMENTS: usize = 100_000;

/// The size of the filter, as a power of two of bits.
const FILTER: std::ops::RangeInclusive<u8> = 10..=26;

/// What a header says.
struct Head {
    kind: ListKind,
    columns: usize,
    filter: u8,
    lengths: u32,
    entries: usize,
    rows: u64,
    documents: usize,
}

impl ListKey {
    /// Tells the key from others and says nothing about it.
    fn check(&self) -> [u8; 16] {
        let tag = hmac::sign(&self.seal, b"tidegate data list key check");
        let mut check = [0; 16];
        check.iter_mut().zip(tag.as_ref()).for_each(|(to, from)| *to = *from);
        check
    }
}

/// Reads that go into the seal.
struct Sealed<R> {
    source: R,
    seal: hmac::Context,
}

impl<R: Read> Sealed<R> {
    fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.source.read_exact(&mut bytes)?;
        self.seal.update(&bytes);
        Ok(bytes)
    }

    /// So many items of `N` bytes, read a portion at a time.
    fn items<const N: usize, T>(&mut self, count: usize, item: impl Fn([u8; N]) -> T) -> io::Result<Vec<T>> {
        let mut items = Vec::with_capacity(count);
        let mut portion = vec![0u8; N * 4096];
        while items.len() < count {
            let bytes = portion.get_mut(..N * (count - items.len()).min(4096)).unwrap_or_default();
            self.source.read_exact(bytes)?;
            self.seal.update(bytes);
            items.extend(bytes.as_chunks::<N>().0.iter().map(|chunk| item(*chunk)));
        }
        Ok(items)
    }
}

/// Reads a list.
pub(super) fn read(path: &Path, key: &ListKey) -> Result<ListFile, String> {
    let failed = |error: io::Error| format!("cannot be read: {error}");
    let file = File::open(path).map_err(failed)?;
    let size = file.metadata().map_err(failed)?.len();
    let mut source = Sealed { source: BufReader::new(file), seal: hmac::Context::with_key(&key.seal) };
    if size < (HEAD + SEAL) as u64 {
        return Err("is no list: make one with `tidegate list`".to_owned());
    }
    let bytes = source.array::<HEAD>().map_err(failed)?;
    let head = Head::of(&bytes, key)?;
    if head.size() != size {
        return Err(format!("is damaged: it has {size} bytes where its header says {}; make it again", head.size()));
    }
    let (table, documents) = head.table(&mut source).map_err(failed)?;
    let mut seal = [0u8; SEAL];
    source.source.read_exact(&mut seal).map_err(failed)?;
    if source.seal.sign().as_ref() != seal {
        return Err("is damaged: its seal does not fit its content; make it again".to_owned());
    }
    let Head { kind, columns, lengths, entries, rows, .. } = head;
    let bytes = table.bytes() + documents.len() * 4;
    Ok(ListFile { kind, entries, columns, rows, bytes, table, lengths, documents, hash: seal })
}

impl Head {
    fn of(bytes: &[u8; HEAD], key: &ListKey) -> Result<Head, String> {
        let part = |from: usize, to: usize| bytes.get(from..to).unwrap_or_default();
        let number =
            |from: usize, to: usize| part(from, to).iter().rev().fold(0u64, |n, byte| n << 8 | u64::from(*byte));
        if part(0, 16) != MAGIC {
            return Err("is no list: make one with `tidegate list`".to_owned());
        }
        if part(48, 64) != key.check() {
            let help = "make it again under this key, or name the state directory or key it was made with";
            return Err(format!("was made under another key: {help}"));
        }
        let wrong = || "is damaged: its header makes no sense; make it again".to_owned();
        let kind = match number(16, 17) {
            0 => ListKind::Records,
            1 => ListKind::Words,
            2 => ListKind::Documents,
            _ => return Err(wrong()),
        };
        let head = Head {
            kind,
            columns: number(17, 18) as usize,
            filter: number(18, 19) as u8,
            lengths: number(20, 24) as u32,
            entries: usize::try_from(number(24, 32)).unwrap_or(usize::MAX),
            rows: number(32, 40),
            documents: number(40, 44) as usize,
        };
        let sound = head.entries <= MOST
            && head.documents <= DOCUMENTS
            && (1..=COLUMNS).contains(&head.columns)
            && FILTER.contains(&head.filter);
        if sound { Ok(head) } else { Err(wrong()) }
    }

    fn bytes(&self, key: &ListKey) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend([self.kind as u8, self.columns as u8, self.filter, 0]);
        bytes.extend(self.lengths.to_le_bytes());
        bytes.extend((self.entries as u64).to_le_bytes());
        bytes.extend(self.rows.to_le_bytes());
        bytes.extend((self.documents as u32).to_le_bytes());
        bytes.extend([0; 4]);
        bytes.extend(key.check());
        bytes
    }

    fn size(&self) -> u64 {
        let entry = 8 + if self.has_rows() { 6 } else { 0 } + u64::from(self.columns > 1);
        let (entries, documents) = (self.entries as u64, self.documents as u64);
        (HEAD + SEAL) as u64 + entries * entry + (1u64 << self.filter) / 8 + documents * 4
    }

    fn has_rows(&self) -> bool {
        self.kind != ListKind::Words
    }

    fn table<R: Read>(&self, source: &mut Sealed<R>) -> io::Result<(Table, Vec<u32>)> {
        let rows = if self.has_rows() { self.entries } else { 0 };
        let columns = if self.columns > 1 { self.entries } else { 0 };
        let table = Table {
            digests: source.items(self.entries, u64::from_le_bytes)?,
            rows: source.items(rows, |row: [u8; 6]| row)?,
            columns: source.items(columns, |[column]: [u8; 1]| column)?,
            filter: Filter { words: source.items((1usize << self.filter) / 64, u64::from_le_bytes)? },
        };
        Ok((table, source.items(self.documents, u32::from_le_bytes)?))
    }
}

/// Writes a list whole under another name, then gives it its name. Returns its size.
pub(super) fn write(path: &Path, list: &ListFile, key: &ListKey) -> io::Result<u64> {
    let beside = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".list.").tempfile_in(beside)?;
    let head = Head {
        kind: list.kind,
        columns: list.columns,
        filter: (list.table.filter.words.len() * 64).trailing_zeros() as u8,
        lengths: list.lengths,
        entries: list.entries,
        rows: list.rows,
        documents: list.documents.len(),
    };
    let mut bytes = head.bytes(key);
    bytes.extend(list.table.digests.iter().flat_map(|digest| digest.to_le_bytes()));
    bytes.extend(list.table.rows.iter().flatten());
    bytes.extend(&list.table.columns);
    bytes.extend(list.table.filter.words.iter().flat_map(|word| word.to_le_bytes()));
    bytes.extend(list.documents.iter().flat_map(|passages| passages.to_le_bytes()));
    bytes.extend(hmac::sign(&key.seal, &bytes).as_ref());
    file.write_all(&bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|refused| refused.error)?;
    Ok(bytes.len() as u64)
}
