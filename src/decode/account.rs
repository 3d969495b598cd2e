//! What became of the bytes of a message: looked at, or opaque and why.

use std::collections::{BTreeMap, BTreeSet};

use crate::transfer::Category;

/// What became of the bytes of a message.
///
/// INVARIANT: `bytes == inspected + opaque (all reasons)`. Bytes are counted in the innermost layer that could be
/// opened; a layer that could not be opened counts the bytes it is encoded in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// Size.
    pub bytes: u64,
    /// Bytes a detector has seen as what they are.
    pub inspected: u64,
    /// Bytes nobody could read, by reason (`opaque.*`).
    pub opaque: BTreeMap<Category, u64>,
    /// Names of the formats and encodings met.
    pub formats: BTreeSet<&'static str>,
    /// The message is not in the encoding it says it is in, or breaks off inside it.
    pub malformed: bool,
}

impl Account {
    /// An account of bytes nobody could read, for one reason.
    pub fn opaque(reason: Category, bytes: u64) -> Account {
        Account { bytes, opaque: BTreeMap::from([(reason, bytes)]), ..Account::default() }
    }
}

/// Why bytes could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opaque {
    /// Encrypted.
    Encrypted,
    /// A limit was reached.
    Oversize,
    /// A format or encoding nobody here reads, or one that is broken.
    Undecodable,
}

/// The account while it is being drawn up.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub bytes: u64,
    encrypted: u64,
    oversize: u64,
    undecodable: u64,
    pub formats: BTreeSet<&'static str>,
    pub malformed: bool,
}

impl Opaque {
    fn category(self) -> Option<Category> {
        let path = match self {
            Opaque::Encrypted => "opaque.encrypted",
            Opaque::Oversize => "opaque.oversize",
            Opaque::Undecodable => "opaque.undecodable",
        };
        Category::parse(path).or_else(|_| Category::parse("opaque")).ok()
    }
}

impl Tally {
    /// Counts bytes nobody could read. They are counted in `bytes` too.
    pub fn opaque(&mut self, reason: Opaque, bytes: u64) {
        let sum = match reason {
            Opaque::Encrypted => &mut self.encrypted,
            Opaque::Oversize => &mut self.oversize,
            Opaque::Undecodable => &mut self.undecodable,
        };
        *sum = sum.saturating_add(bytes);
    }

    /// All bytes nobody could read.
    pub fn opaque_bytes(&self) -> u64 {
        self.encrypted.saturating_add(self.oversize).saturating_add(self.undecodable)
    }

    /// The finished account. Text may be longer than the bytes it was decoded from, so opaque text may outweigh the
    /// message: the message then counts as long as its text.
    pub fn close(self) -> Account {
        let opaque_bytes = self.opaque_bytes();
        let bytes = self.bytes.max(opaque_bytes);
        let reasons = [
            (Opaque::Encrypted, self.encrypted),
            (Opaque::Oversize, self.oversize),
            (Opaque::Undecodable, self.undecodable),
        ];
        let opaque = reasons
            .into_iter()
            .filter(|(_, bytes)| *bytes > 0)
            .filter_map(|(reason, bytes)| Some((reason.category()?, bytes)))
            .collect();
        Account { bytes, inspected: bytes - opaque_bytes, opaque, formats: self.formats, malformed: self.malformed }
    }
}
