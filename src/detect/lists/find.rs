//! Which words of a text are on a list.

use std::ops::Range;

use super::words::{Gap, LONGEST, Words};
use super::{DataLists, ListKey, ListKind};

/// Most groups of one code: an IBAN has nine.
const GROUPS: usize = 9;

/// A value that is on a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::detect) struct OnList {
    pub(in crate::detect) list: usize,
    /// Its entries: the same value can be in several rows.
    pub(in crate::detect) entries: Range<usize>,
    /// Where it stands in the text.
    pub(in crate::detect) start: usize,
    pub(in crate::detect) end: usize,
}

/// Finds the values of records and the words of word lists that begin in `range`, in the order of the text. Of several
/// entries of one list that begin at a place the longest counts.
pub(in crate::detect) fn find(lists: &DataLists, words: &Words, range: &Range<usize>, found: &mut Vec<OnList>) {
    let Some(key) = lists.key() else { return };
    if lists.list.iter().all(|list| list.file.kind == ListKind::Documents) {
        return;
    }
    let first = words.list.partition_point(|word| word.start < range.start);
    let behind = words.list.partition_point(|word| word.start < range.end);
    for at in first..behind {
        at_word(lists, key, words, at, found);
    }
}

fn at_word(lists: &DataLists, key: &ListKey, words: &Words, at: usize, found: &mut Vec<OnList>) {
    let one = key.digest(words.plain(at, at));
    let near = |next: usize| words.list.get(next).is_some_and(|word| word.gap < Gap::Far);
    let two = near(at + 1).then(|| key.digest(words.plain(at, at + 1)));
    let mut candidates: [(usize, u64); LONGEST + GROUPS] = [(0, 0); LONGEST + GROUPS];
    let mut counted = 0;
    let mut add = |candidate: (usize, u64)| {
        candidates.get_mut(counted).into_iter().for_each(|place| *place = candidate);
        counted += 1;
    };
    let files = || lists.list.iter().map(|list| &list.file).filter(|file| file.kind != ListKind::Documents);
    if files().any(|file| file.table.filter.has(one)) {
        add((at, one));
    }
    // Bit n: some list has entries of n + 1 words that may begin like this.
    let wanted = two
        .map_or(0, |two| files().filter(|file| file.table.filter.has(two)).fold(0, |all, file| all | file.lengths));
    let mut last = at;
    while last - at + 1 < LONGEST && wanted >> (last - at + 1) != 0 && near(last + 1) {
        last += 1;
        if wanted & (1 << (last - at)) != 0 {
            add((last, key.digest(words.plain(at, last))));
        }
    }
    for last in groups(words, at) {
        let digest = key.digest(words.plain(at, last));
        if files().any(|file| file.table.filter.has(digest)) {
            add((last, digest));
        }
    }
    let candidates = candidates.get(..counted.min(LONGEST + GROUPS)).unwrap_or_default();
    if !candidates.is_empty() {
        look_up(lists, words, at, candidates, found);
    }
}

/// Ends of codes that begin at a word and are written in groups: `12 345-678`.
fn groups(words: &Words, at: usize) -> impl Iterator<Item = usize> + '_ {
    let is_code = words.list.get(at).is_some_and(|word| word.is_code || word.end - word.start <= 4);
    let next = (at + 1..words.list.len()).take(GROUPS - 1).filter(move |_| is_code);
    next.take_while(|&next| words.list.get(next).is_some_and(|word| word.is_code && word.gap == Gap::Close))
}

#[cold]
fn look_up(lists: &DataLists, words: &Words, at: usize, candidates: &[(usize, u64)], found: &mut Vec<OnList>) {
    let Some(start) = words.list.get(at).map(|word| word.start) else { return };
    for (list, data) in lists.list.iter().enumerate().filter(|(_, data)| data.file.kind != ListKind::Documents) {
        let mut longest: Option<OnList> = None;
        for &(last, digest) in candidates {
            let entries = data.file.table.entries(digest);
            let end = words.list.get(last).map_or(start, |word| word.end);
            if !entries.is_empty() && longest.as_ref().is_none_or(|known| known.end < end) {
                longest = Some(OnList { list, entries, start, end });
            }
        }
        found.extend(longest);
    }
}
