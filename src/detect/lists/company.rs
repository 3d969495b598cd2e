//! Values that count only together: columns of one row of a list, in one record.

use std::ops::Range;

use super::DataLists;
use crate::detect::Finding;

/// A row of a list: 48 bits of the digest of its first column, so a list that is made again names the same people.
pub(in crate::detect) type Row = [u8; 6];

/// Values of one record that wait for others of their row.
const WAITING: usize = 64;

/// Rows of one record that are complete.
const COMPLETE: usize = 16;

/// A value with more rows than this says nothing about any of them, unless the other value is rarer.
const COMMON: usize = 4096;

/// A value of a list that says too little alone.
#[derive(Debug)]
pub(in crate::detect) struct Pending {
    pub(in crate::detect) list: usize,
    pub(in crate::detect) entries: Range<usize>,
    pub(in crate::detect) location: String,
    pub(in crate::detect) finding: Option<Finding>,
    /// Where it ends in the decoded part.
    pub(in crate::detect) end: u64,
}

/// Values that wait for each other.
#[derive(Debug, Default)]
pub(in crate::detect) struct Company {
    waiting: Vec<Pending>,
    complete: Vec<(usize, Row)>,
}

impl Company {
    /// Takes in a value. Gives back those that are now together with enough others of their row, and the row.
    pub(in crate::detect) fn meet(&mut self, lists: &DataLists, next: Pending) -> Option<(Row, Vec<Pending>)> {
        let table = &lists.list.get(next.list)?.file.table;
        let known =
            self.complete.iter().find(|(list, row)| *list == next.list && table.has_row(next.entries.clone(), *row));
        if let Some(&(_, row)) = known {
            return Some((row, vec![next]));
        }
        let Some(row) = self.row_with(lists, &next) else {
            if self.waiting.len() < WAITING {
                self.waiting.push(next);
            }
            return None;
        };
        if self.complete.len() < COMPLETE {
            self.complete.push((next.list, row));
        }
        let list = next.list;
        let belongs = |pending: &mut Pending| pending.list == list && table.has_row(pending.entries.clone(), row);
        let mut together: Vec<Pending> = self.waiting.extract_if(.., belongs).collect();
        together.push(next);
        Some((row, together))
    }

    /// Drops what ends before a place.
    pub(in crate::detect) fn forget_before(&mut self, place: u64) {
        let before = self.waiting.len();
        self.waiting.retain(|pending| pending.end >= place);
        if self.waiting.is_empty() && before == 0 {
            self.complete.clear();
        }
    }

    /// What waits in vain here.
    pub(in crate::detect) fn left(self) -> Vec<Pending> {
        self.waiting
    }

    /// A row that has enough columns with the next value.
    fn row_with(&self, lists: &DataLists, next: &Pending) -> Option<Row> {
        let list = lists.list.get(next.list)?;
        let others = || self.waiting.iter().filter(|pending| pending.list == next.list);
        let columns = |row: Row| {
            let of = |pending: &Pending| {
                lists.rows(pending.list, pending.entries.clone()).take(COMMON).find(|(known, _)| *known == row)
            };
            let mut columns: Vec<u8> = others().chain([next]).filter_map(|pending| Some(of(pending)?.1)).collect();
            columns.sort_unstable();
            columns.dedup();
            columns.len()
        };
        for other in others() {
            let (rare, common) =
                if next.entries.len() <= other.entries.len() { (next, other) } else { (other, next) };
            let rows = lists.rows(next.list, rare.entries.clone()).take(COMMON).map(|(row, _)| row);
            let mut shared = rows.filter(|row| list.file.table.has_row(common.entries.clone(), *row));
            if let Some(row) = shared.find(|row| columns(*row) >= list.told.together) {
                return Some(row);
            }
        }
        None
    }
}
