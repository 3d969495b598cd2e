//! The numbers at which a pack turns on a counter: one list, which decisions, warnings and the ledger read.

use std::sync::Arc;

use serde::{Serialize, Serializer};

use super::condition::Bounds;
use super::region::Days;

/// A number at which some condition of a pack turns on a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Threshold {
    /// The first count at which the condition answers differently.
    turn: u64,
    /// What a rule says of it: the bound as the statute writes it, and the days the rule is in force. None where an
    /// exemption, a need or a list turns on the counter, which nobody is warned of.
    rule: Option<(u64, Days)>,
}

/// All of them, ascending.
#[derive(Debug, Clone, Default)]
pub(super) struct Thresholds {
    rows: Vec<Threshold>,
    /// As the ledger is told them: data without a known person counts as one more, so the number before each is there too.
    numbers: Arc<[u64]>,
}

impl Thresholds {
    /// Those of some bounds, each with the days of its rule if it stands in one.
    pub(super) fn of(bounds: &[(Bounds, Option<Days>)]) -> Thresholds {
        let mut rows: Vec<Threshold> = bounds.iter().flat_map(|(bounds, days)| turns(bounds, *days)).collect();
        rows.sort_by_key(|row| row.turn);
        let numbers = rows.iter().flat_map(|row| [row.turn.saturating_sub(1), row.turn]);
        let mut numbers: Vec<u64> = numbers.filter(|number| *number > 0).collect();
        numbers.sort_unstable();
        numbers.dedup();
        Thresholds { rows, numbers: numbers.into() }
    }

    /// Where a decision may turn on the count, ascending: what a touch of the counter says.
    pub(super) fn numbers(&self) -> Arc<[u64]> {
        Arc::clone(&self.numbers)
    }

    /// The first counts at which rules answer differently, with the days those rules are in force, ascending.
    pub(super) fn turns(&self) -> impl Iterator<Item = (u64, Days)> {
        self.rows.iter().filter_map(|row| Some((row.turn, row.rule?.1)))
    }

    /// The lowest bound of any rule above a count, as its statute writes it.
    pub(super) fn bound_above(&self, count: u64) -> Option<u64> {
        self.bounds().filter(|bound| *bound > count).min()
    }

    /// The highest bound of any rule, as its statute writes it; 0 where no rule has one.
    pub(super) fn highest(&self) -> u64 {
        self.bounds().max().unwrap_or(0)
    }

    fn bounds(&self) -> impl Iterator<Item = u64> {
        self.rows.iter().filter_map(|row| Some(row.rule?.0))
    }
}

/// One for each end.
fn turns(bounds: &Bounds, days: Option<Days>) -> impl Iterator<Item = Threshold> {
    let number = |number: i64| u64::try_from(number).ok();
    let written = bounds.written.or(bounds.max).and_then(number);
    let rule = written.zip(days);
    let ends = [bounds.min, bounds.max.map(|max| max.saturating_add(1))];
    ends.into_iter().flatten().filter_map(number).map(move |turn| Threshold { turn, rule })
}

/// As the highest bound, which is what users see of them.
impl Serialize for Thresholds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.highest())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reader_sees_its_numbers_in_order() {
        let always = Some(Days::default());
        let at_least = |number| Bounds { min: Some(number), max: None, written: Some(number) };
        let more_than = |number| Bounds { min: Some(number + 1), max: None, written: Some(number) };
        let at_most = |number| Bounds { min: None, max: Some(number), written: None };
        let of = [(at_least(1000), always), (more_than(20), always), (at_most(50), always), (at_least(7), None)];
        let thresholds = Thresholds::of(&of);
        assert_eq!(*thresholds.numbers(), [6, 7, 20, 21, 50, 51, 999, 1000]);
        assert_eq!(thresholds.turns().map(|(turn, _)| turn).collect::<Vec<_>>(), [21, 51, 1000]);
        let above = [0, 19, 20, 50, 999, 1000].map(|count| thresholds.bound_above(count));
        assert_eq!(above, [Some(20), Some(20), Some(50), Some(1000), Some(1000), None]);
        assert_eq!((thresholds.highest(), Thresholds::default().highest()), (1000, 0));
    }
}
