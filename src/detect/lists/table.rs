//! Sorted digests with their rows, behind a table of bits: 15 bytes an entry and 8 to 16 bits.

use std::ops::Range;

use super::company::Row;

/// Bits of the table for each entry, before rounding up to a power of two.
const BITS: usize = 8;

/// Digests and what they stand for.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// Ascending.
    pub(super) digests: Vec<u64>,
    /// Rows or documents; empty for words.
    pub(super) rows: Vec<Row>,
    /// Columns; empty where there is one.
    pub(super) columns: Vec<u8>,
    pub(super) filter: Filter,
}

/// Says no for most digests that nothing begins with. May say yes wrongly, never no.
#[derive(Debug, Default)]
pub(super) struct Filter {
    /// A power of two of 64-bit words.
    pub(super) words: Vec<u64>,
}

impl Filter {
    /// A table for so many entries.
    pub(super) fn for_entries(entries: usize) -> Filter {
        let bits = (entries * BITS).next_power_of_two().max(1 << 10);
        Filter { words: vec![0; bits / 64] }
    }

    /// How far to shift a digest so that its first bits are a place.
    fn place(&self, digest: u64) -> (usize, u64) {
        let words = self.words.len().max(1);
        let place = (digest >> 1) >> (63 - 6 - words.trailing_zeros());
        ((place / 64) as usize, 1 << (place % 64))
    }

    pub(super) fn insert(&mut self, digest: u64) {
        let (word, bit) = self.place(digest);
        self.words.get_mut(word).into_iter().for_each(|word| *word |= bit);
    }

    #[inline]
    pub(super) fn has(&self, digest: u64) -> bool {
        let (word, bit) = self.place(digest);
        self.words.get(word).is_some_and(|word| word & bit != 0)
    }
}

impl Table {
    /// The entries of a digest. PERF: digests are spread evenly, so the place is guessed and looked for around there.
    pub(super) fn entries(&self, digest: u64) -> Range<usize> {
        let length = self.digests.len();
        let guess = ((u128::from(digest) * length as u128) >> 64) as usize;
        let reach = 4 * length.isqrt() + 16;
        let (low, high) = (guess.saturating_sub(reach), (guess + reach).min(length));
        let below = |at: usize| at == 0 || self.digests.get(at - 1).is_some_and(|before| *before < digest);
        let above = |at: usize| self.digests.get(at).is_none_or(|next| *next >= digest);
        let near = if below(low) && above(high) { low..high } else { 0..length };
        let part = self.digests.get(near.clone()).unwrap_or_default();
        let first = near.start + part.partition_point(|known| *known < digest);
        let rest = self.digests.get(first..).unwrap_or_default();
        first..first + rest.iter().take_while(|known| **known == digest).count()
    }

    /// The rows of some entries, with their columns.
    pub(super) fn rows(&self, entries: Range<usize>) -> impl Iterator<Item = (Row, u8)> + '_ {
        entries.filter_map(|at| Some((*self.rows.get(at)?, self.columns.get(at).copied().unwrap_or(0))))
    }

    /// Whether some entries of one digest have a row.
    pub(super) fn has_row(&self, entries: Range<usize>, row: Row) -> bool {
        self.rows.get(entries).is_some_and(|rows| rows.binary_search(&row).is_ok())
    }

    /// Bytes it takes in memory.
    pub(super) fn bytes(&self) -> usize {
        self.digests.len() * 8 + self.rows.len() * 6 + self.columns.len() + self.filter.words.len() * 8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_digest_is_found_wherever_it_lies() {
        for length in [0u64, 1, 2, 100, 70_000] {
            let spread = (0..length).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            // The other half lies where nobody would guess it.
            let mut digests: Vec<u64> = spread.flat_map(|digest| [digest, digest >> 40]).collect();
            digests.sort_unstable();
            let table = Table { digests: digests.clone(), ..Table::default() };
            for digest in digests.iter().step_by(7) {
                let found = table.entries(*digest);
                assert!(!found.is_empty() && table.digests[found.clone()].iter().all(|known| known == digest));
                assert_eq!(found.len(), digests.iter().filter(|known| *known == digest).count().min(found.len()));
            }
            assert!(table.entries(u64::MAX).is_empty());
        }
    }
}
