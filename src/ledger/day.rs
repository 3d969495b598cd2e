//! Calendar days in two bytes.
//!
//! A ledger of a million people holds a day for each, so a day is a number from 2000-01-01 and not a date. Days outside
//! 2000 to 2179 become the nearest end: the same happens to the first day of a window, so a clock that is far off makes
//! a counter show more people, not fewer.

use jiff::SignedDuration;
use jiff::civil::{Date, date};

const FIRST: Date = date(2000, 1, 1);

/// Days since 2000-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Day(pub(super) u16);

impl Day {
    /// The day of a date.
    pub(super) fn of(date: Date) -> Day {
        let days = date.duration_since(FIRST).as_hours() / 24;
        Day(u16::try_from(days.max(0)).unwrap_or(u16::MAX))
    }

    /// The month it is in.
    pub(super) fn month(self) -> Month {
        let date = self.date();
        let months = (i32::from(date.year()) - 2000) * 12 + i32::from(date.month()) - 1;
        Month(u16::try_from(months.max(0)).unwrap_or(u16::MAX))
    }

    /// The date of a day.
    pub(super) fn date(self) -> Date {
        FIRST.saturating_add(SignedDuration::from_hours(24 * i64::from(self.0)))
    }
}

/// Months since January 2000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Month(pub(super) u16);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_its_date_again_and_dates_out_of_range_become_an_end() {
        for given in [date(2000, 1, 1), date(2026, 11, 24), date(2028, 2, 29), date(2179, 6, 6)] {
            assert_eq!(Day::of(given).date(), given);
        }
        assert_eq!(Day::of(date(2026, 2, 28)).month(), Month(26 * 12 + 1));
        assert_eq!(Day::of(date(1970, 1, 1)), Day(0));
        assert_eq!(Day::of(date(2500, 1, 1)), Day(u16::MAX));
    }
}
