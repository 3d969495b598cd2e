//! Copies of marked documents, whole or in part.
//!
//! A passage is so many words in a row. Of the passages of a document its list keeps some: of each few neighbours the
//! one with the least digest, so whoever copies enough words in a row copies a kept one (winnowing: Schleimer, Wilkerson,
//! Aiken, 2003). In a message every passage is looked up, across the pieces it comes in.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::ops::Range;

use super::words::Words;
use super::{DataLists, ListKey, ListKind};
use crate::transfer::Locator;

/// Words of a passage.
pub(super) const PASSAGE: usize = 8;

/// Of so many neighbouring passages one is kept. A copy of `PASSAGE + WINDOW - 1` words in a row always shows.
pub(super) const WINDOW: usize = 8;

/// Passages of one message that are remembered.
const MOST: usize = 1 << 16;

/// The digests of the passages of running text.
#[derive(Debug, Default)]
pub(super) struct Passages {
    recent: VecDeque<u64>,
}

impl Passages {
    /// The next word; the passage that ends with it.
    pub(super) fn next(&mut self, key: &ListKey, word: &str) -> Option<u64> {
        if self.recent.len() == PASSAGE {
            self.recent.pop_front();
        }
        self.recent.push_back(key.digest(word));
        (self.recent.len() == PASSAGE).then(|| key.digest_of(self.recent.iter().copied()))
    }
}

/// Passages of marked documents in one message.
#[derive(Debug, Default)]
pub(in crate::detect) struct Copies {
    passages: Passages,
    /// By list and document: entries met, and where first and last.
    met: BTreeMap<(usize, u32), Met>,
    remembered: usize,
}

#[derive(Debug)]
struct Met {
    entries: HashSet<u32>,
    shown: String,
    pattern: String,
    start: u64,
    end: u64,
}

/// A document of which a message has a copy.
#[derive(Debug)]
pub(in crate::detect) struct Copied {
    pub(in crate::detect) list: usize,
    /// Its number in the list, from 1.
    pub(in crate::detect) document: u32,
    /// Passages found, of how many.
    pub(in crate::detect) passages: usize,
    pub(in crate::detect) of: usize,
    pub(in crate::detect) shown: String,
    pub(in crate::detect) pattern: String,
    pub(in crate::detect) start: u64,
    pub(in crate::detect) end: u64,
}

impl Copies {
    /// Takes in the words that begin in `range`. `offset` is that of the text in the decoded part.
    pub(in crate::detect) fn take(
        &mut self,
        lists: &DataLists,
        words: &Words,
        range: &Range<usize>,
        (at, offset): (&Locator, u64),
    ) {
        let Some(key) = lists.key().filter(|_| lists.has_documents()) else { return };
        let first = words.list.partition_point(|word| word.start < range.start);
        let behind = words.list.partition_point(|word| word.start < range.end);
        for word in first..behind {
            let Some(digest) = self.passages.next(key, words.plain(word, word)) else { continue };
            for (number, data) in lists.list.iter().enumerate() {
                let file = &data.file;
                if file.kind == ListKind::Documents && file.table.filter.has(digest) {
                    let begin = words.list.get(word.saturating_sub(PASSAGE - 1)).map_or(0, |word| word.start as u64);
                    let end = words.list.get(word).map_or(0, |word| word.end as u64);
                    self.meet(lists, (number, digest), at, offset + begin..offset + end);
                }
            }
        }
    }

    fn meet(&mut self, lists: &DataLists, (list, digest): (usize, u64), at: &Locator, passage: Range<u64>) {
        let Some(table) = lists.list.get(list).map(|data| &data.file.table) else { return };
        for entry in table.entries(digest) {
            let Some([a, b, c, d, _, _]) = table.rows.get(entry).copied() else { continue };
            if self.remembered >= MOST {
                return;
            }
            let met = self.met.entry((list, u32::from_le_bytes([a, b, c, d]))).or_insert_with(|| Met {
                entries: HashSet::new(),
                shown: at.shown(),
                pattern: at.pattern(),
                start: passage.start,
                end: passage.end,
            });
            if met.entries.insert(u32::try_from(entry).unwrap_or(u32::MAX)) {
                self.remembered += 1;
                met.end = met.end.max(passage.end);
            }
        }
    }

    /// The documents of which there is enough.
    pub(in crate::detect) fn finish(self, lists: &DataLists) -> Vec<Copied> {
        let copied = |((list, document), met): ((usize, u32), Met)| {
            let data = lists.list.get(list)?;
            let of = data.file.documents.get(document as usize).copied()? as usize;
            // A document shorter than the threshold is copied when half of it is.
            let enough = data.told.passages.min(of.div_ceil(2)).max(1);
            let passages = met.entries.len();
            (passages >= enough).then_some(Copied {
                list,
                document: document + 1,
                passages,
                of,
                shown: met.shown,
                pattern: met.pattern,
                start: met.start,
                end: met.end,
            })
        };
        self.met.into_iter().filter_map(copied).collect()
    }
}

impl DataLists {
    /// Whether any list is of documents.
    fn has_documents(&self) -> bool {
        self.list.iter().any(|data| data.file.kind == ListKind::Documents)
    }
}
