//! Working days, for deadlines that a statute gives in them.
//!
//! Holidays are rows of the pack. Beyond the years a pack lists only weekends are known, so a deadline computed there
//! may come out early and never late.

use jiff::ToSpan;
use jiff::civil::{Date, Weekday};

use super::pack::Term;
use super::region::Days;

/// A deadline further away than this is not computed: the bound on the walk over days.
const FARTHEST: u32 = 2_000;

/// Which days of a country are worked.
#[derive(Debug, Clone, Default)]
pub(super) struct Calendar {
    pub(super) weekend: Vec<Weekday>,
    pub(super) holidays: Vec<Days>,
    /// Days of a weekend that are worked to make up for a holiday.
    pub(super) workdays: Vec<Date>,
}

impl Calendar {
    /// The last day of a term that starts the day after `start`.
    pub(super) fn forward(&self, term: Term, start: Date) -> Option<Date> {
        match term {
            Term::WorkingDays(days) => self.walk(start, days, 1),
            Term::Days(days) => start.checked_add(days.days()).ok(),
            Term::Months(months) => start.checked_add(months.months()).ok(),
            Term::Years(years) => start.checked_add(years.years()).ok(),
        }
    }

    /// The day on which a term that ends on `end` begins.
    pub(super) fn back(&self, term: Term, end: Date) -> Option<Date> {
        match term {
            Term::WorkingDays(days) => self.walk(end, days, -1),
            Term::Days(days) => end.checked_sub(days.days()).ok(),
            Term::Months(months) => end.checked_sub(months.months()).ok(),
            Term::Years(years) => end.checked_sub(years.years()).ok(),
        }
    }

    fn walk(&self, from: Date, days: u32, step: i32) -> Option<Date> {
        let (mut day, mut left) = (from, days);
        for _ in 0..FARTHEST {
            if left == 0 {
                return Some(day);
            }
            day = day.checked_add(step.days()).ok()?;
            left -= u32::from(self.is_worked(day));
        }
        None
    }

    fn is_worked(&self, day: Date) -> bool {
        let rests = self.weekend.contains(&day.weekday()) || self.holidays.iter().any(|days| days.contain(day));
        !rests || self.workdays.contains(&day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn a_term_skips_weekends_and_holidays_and_counts_made_up_days() {
        let calendar = Calendar {
            weekend: vec![Weekday::Saturday, Weekday::Sunday],
            holidays: vec![Days { from: Some(date(2026, 2, 15)), until: Some(date(2026, 2, 23)) }],
            workdays: vec![date(2026, 2, 14), date(2026, 2, 28)],
        };
        assert_eq!(calendar.forward(Term::WorkingDays(10), date(2026, 3, 2)), Some(date(2026, 3, 16)));
        assert_eq!(calendar.forward(Term::WorkingDays(3), date(2026, 2, 12)), Some(date(2026, 2, 24)));
        assert_eq!(calendar.back(Term::WorkingDays(1), date(2026, 2, 24)), Some(date(2026, 2, 14)));
        assert_eq!(calendar.forward(Term::WorkingDays(u32::MAX), date(2026, 3, 2)), None);
    }
}
