//! Working days, for deadlines that a statute gives in them.
//!
//! Holidays are rows of the pack. Beyond the years a pack lists only weekends are known, so a deadline computed there
//! may come out early and never late.

use jiff::ToSpan;
use jiff::civil::{Date, Weekday};

use super::fact::Elapsed;
use super::pack::Term;
use super::region::Days;

/// A deadline further away than this is not computed: the bound on the walk over days.
const FARTHEST: u32 = 2_000;

/// Which days of a country are worked.
#[derive(Debug, Clone, Default)]
pub(super) struct Calendar {
    pub(super) weekend: Vec<Weekday>,
    pub(super) holidays: Vec<Holiday>,
    /// Days of a weekend that are worked to make up for a holiday.
    pub(super) workdays: Vec<Date>,
    /// Whether a term in days, months or years that ends on a day of rest runs on to the next day that is worked.
    pub(super) runs_on: bool,
}

/// Days of rest: some days, or within them one day of every year.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Holiday {
    pub(super) days: Days,
    /// Month and day.
    pub(super) every: Option<(i8, i8)>,
}

impl Holiday {
    fn contains(&self, day: Date) -> bool {
        self.days.contain(day) && self.every.is_none_or(|every| every == (day.month(), day.day()))
    }
}

impl Calendar {
    /// The last day of a term that starts the day after `start`.
    pub(super) fn forward(&self, term: Term, start: Date) -> Option<Date> {
        let end = match term {
            Term::WorkingDays(days) => return self.walk(start, days, 1),
            Term::Days(days) => start.checked_add(days.days()).ok()?,
            Term::Months(months) => start.checked_add(months.months()).ok()?,
            Term::Years(years) => start.checked_add(years.years()).ok()?,
        };
        if self.runs_on && !self.is_worked(end) { self.walk(end, 1, 1) } else { Some(end) }
    }

    /// How many days have gone by on `today` since `start`, the day after it being the first.
    pub(super) fn elapsed(&self, elapsed: Elapsed, start: Date, today: Date) -> i64 {
        let all = start.until(today).map_or(0, |span| i64::from(span.get_days()).max(0));
        match elapsed {
            Elapsed::Days => all,
            Elapsed::WorkingDays => {
                let days = start.series(1.day()).skip(1).take_while(|day| *day <= today).take(FARTHEST as usize);
                days.filter(|day| self.is_worked(*day)).map(|_| 1).sum()
            }
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
        let rests =
            self.weekend.contains(&day.weekday()) || self.holidays.iter().any(|holiday| holiday.contains(day));
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
            holidays: vec![Holiday {
                days: Days { from: Some(date(2026, 2, 15)), until: Some(date(2026, 2, 23)) },
                every: None,
            }],
            workdays: vec![date(2026, 2, 14), date(2026, 2, 28)],
            runs_on: false,
        };
        assert_eq!(calendar.forward(Term::WorkingDays(10), date(2026, 3, 2)), Some(date(2026, 3, 16)));
        assert_eq!(calendar.forward(Term::WorkingDays(3), date(2026, 2, 12)), Some(date(2026, 2, 24)));
        assert_eq!(calendar.back(Term::WorkingDays(1), date(2026, 2, 24)), Some(date(2026, 2, 14)));
        assert_eq!(calendar.forward(Term::WorkingDays(u32::MAX), date(2026, 3, 2)), None);
        assert_eq!(calendar.elapsed(Elapsed::WorkingDays, date(2026, 3, 2), date(2026, 3, 16)), 10);
        assert_eq!(calendar.elapsed(Elapsed::Days, date(2026, 3, 2), date(2026, 3, 16)), 14);
        assert_eq!(calendar.elapsed(Elapsed::Days, date(2026, 3, 2), date(2026, 3, 1)), 0);
    }

    #[test]
    fn a_yearly_holiday_is_one_in_every_year_and_a_term_runs_on_past_it() {
        let every = Holiday { days: Days::default(), every: Some((10, 29)) };
        let calendar = Calendar { holidays: vec![every], runs_on: true, ..Calendar::default() };
        for year in [2026, 2031] {
            assert_eq!(calendar.forward(Term::Days(1), date(year, 10, 28)), Some(date(year, 10, 30)));
            assert_eq!(calendar.forward(Term::Days(2), date(year, 10, 28)), Some(date(year, 10, 30)));
        }
        let days = Days { from: Some(date(2028, 1, 1)), until: None };
        let calendar = Calendar { holidays: vec![Holiday { days, ..every }], ..calendar };
        assert_eq!(calendar.forward(Term::Days(1), date(2026, 10, 28)), Some(date(2026, 10, 29)));
    }
}
