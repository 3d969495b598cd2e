//! Values over ranges of addresses: a sorted list of boundaries, looked up by binary search.
//!
//! The whole space is covered: each boundary's value holds up to the next one, and [`NONE`] marks the gaps. Nested prefixes
//! are flattened when the table is built, the narrower one winning, so a look-up never walks.

/// The value of addresses nothing is said about.
pub(super) const NONE: u32 = 0;

/// An address as a number.
pub(super) trait Number: Copy + Ord + std::fmt::Debug {
    /// The next one, unless this is the last.
    fn next(self) -> Option<Self>;
}

impl Number for u32 {
    fn next(self) -> Option<u32> {
        self.checked_add(1)
    }
}

impl Number for u128 {
    fn next(self) -> Option<u128> {
        self.checked_add(1)
    }
}

/// A piecewise constant function of the address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spans<T> {
    starts: Vec<T>,
    values: Vec<u32>,
}

impl<T: Number> Spans<T> {
    /// Nothing is said about any address.
    pub(super) fn empty() -> Spans<T> {
        Spans { starts: Vec::new(), values: Vec::new() }
    }

    /// Flattens ranges `(first, last, value)` that nest or are apart. Of two equal ranges the later one wins.
    pub(super) fn nested(mut ranges: Vec<(T, T, u32)>) -> Spans<T> {
        ranges.sort_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1)));
        let mut spans = Spans::empty();
        let mut open: Vec<(T, u32)> = Vec::new();
        for (first, last, value) in ranges {
            spans.close(&mut open, Some(first));
            spans.push(first, value);
            open.push((last, value));
        }
        spans.close(&mut open, None);
        spans
    }

    /// Ends the ranges that end before `before` (or all): what encloses them goes on behind them.
    fn close(&mut self, open: &mut Vec<(T, u32)>, before: Option<T>) {
        while let Some((last, _)) = open.pop_if(|(last, _)| before.is_none_or(|before| *last < before)) {
            let outer = open.last().map_or(NONE, |(_, value)| *value);
            if let Some(next) = last.next() {
                self.push(next, outer);
            }
        }
    }

    /// Adds a boundary at or behind the last one. A boundary that changes nothing is left out.
    pub(super) fn push(&mut self, start: T, value: u32) {
        if self.starts.last() == Some(&start) {
            self.starts.pop();
            self.values.pop();
        }
        if self.values.last().copied().unwrap_or(NONE) != value {
            self.starts.push(start);
            self.values.push(value);
        }
    }

    /// The value at an address.
    pub(super) fn get(&self, at: T) -> u32 {
        let behind = self.starts.partition_point(|start| *start <= at);
        behind.checked_sub(1).and_then(|index| self.values.get(index)).copied().unwrap_or(NONE)
    }

    /// The boundaries in order.
    pub(super) fn boundaries(&self) -> impl Iterator<Item = (T, u32)> {
        self.starts.iter().copied().zip(self.values.iter().copied())
    }

    /// How many boundaries.
    pub(super) fn len(&self) -> usize {
        self.starts.len()
    }

    /// Two tables as one, with a value made of both.
    pub(super) fn merge(&self, other: &Spans<T>, mut value: impl FnMut(u32, u32) -> u32) -> Spans<T> {
        let mut starts: Vec<T> = self.starts.iter().chain(&other.starts).copied().collect();
        starts.sort_unstable();
        starts.dedup();
        let mut merged = Spans::empty();
        starts.into_iter().for_each(|start| merged.push(start, value(self.get(start), other.get(start))));
        merged
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_narrower_range_wins_and_the_wider_goes_on_behind_it() {
        let spans = Spans::<u32>::nested(vec![(0, 99, 1), (10, 19, 2), (10, 14, 3), (200, u32::MAX, 4)]);
        let at = |address| spans.get(address);
        assert_eq!([at(0), at(9), at(10), at(14), at(15), at(19), at(20), at(99)], [1, 1, 3, 3, 2, 2, 1, 1]);
        assert_eq!([at(100), at(199), at(200), at(u32::MAX)], [NONE, NONE, 4, 4]);
    }

    #[test]
    fn neighbours_with_one_value_are_joined() {
        let spans = Spans::<u32>::nested(vec![(0, 9, 7), (10, 19, 7), (20, 29, 8)]);
        assert_eq!(spans.boundaries().collect::<Vec<_>>(), [(0, 7), (20, 8), (30, NONE)]);
    }
}
