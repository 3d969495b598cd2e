//! When will a bound be reached at the present rate? Pure: what the ledger remembers and a day in, days out.
//!
//! **Rate.** New people a day over the last 28 whole days, or since the first day anybody was counted if that is later.
//! Four weeks, so that every weekday weighs the same; today is left out because it is not over.
//!
//! **Interval.** People come in messages, so days scatter more than single arrivals would: the variance of the daily
//! numbers over their mean, at least 1, says by how much (quasi-Poisson). The total divided by that factor is treated as
//! a Poisson count, its 95 % interval is Byar's approximation of the exact one, and both ends are scaled back.
//!
//! **Days.** From today on, a day at a time, with the newcomers of each rate. A window that begins anew lets everybody
//! go on that day. From a rolling window people leave when the day they were last seen falls out of it. The likely and
//! the late day assume that nobody is seen again; the early day assumes that everybody is, so nobody leaves.
//!
//! The bias is to be early: newcomers count as people who stay new, while in truth the same people return and the rate
//! falls. Nothing is foretold beyond a year.

use std::collections::BTreeMap;

use jiff::ToSpan;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// Days the rate is taken from.
const PERIOD: i32 = 28;

/// Days looked ahead.
const AHEAD: i32 = 366;

/// The 97.5 % quantile of the normal distribution.
const QUANTILE: f64 = 1.96;

/// What a store remembers of a counter, by day.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// People who were not in the window when they came, by the day they came.
    pub newcomers: BTreeMap<Date, u64>,
    /// People by the day they were last seen.
    pub last_seen: BTreeMap<Date, u64>,
}

/// What is asked.
pub struct Outlook<'a> {
    /// Today in the time zone of the pack.
    pub today: Date,
    /// People in the window now.
    pub people: u64,
    /// The number of people it is about.
    pub bound: u64,
    /// Whether people leave the window one by one.
    pub rolling: bool,
    /// The first day of the window on a day.
    pub since: &'a dyn Fn(Date) -> Date,
    /// What the store remembers.
    pub history: &'a History,
}

/// New people a day, and the days on which the bound is reached at that rate. None: not within a year.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Forecast {
    /// Whole days the rate is taken from.
    pub days: u32,
    /// New people a day.
    pub per_day: f64,
    /// Lower end of the 95 % interval.
    pub per_day_low: f64,
    /// Upper end of the 95 % interval.
    pub per_day_high: f64,
    /// At the upper rate, if nobody leaves a rolling window.
    pub early: Option<Date>,
    /// At the rate measured.
    pub likely: Option<Date>,
    /// At the lower rate.
    pub late: Option<Date>,
}

/// New people a day with their interval.
struct Rate {
    days: u32,
    low: f64,
    mean: f64,
    high: f64,
}

impl Outlook<'_> {
    /// The forecast, once there is a whole day to take the rate from.
    pub fn forecast(&self) -> Option<Forecast> {
        let rate = self.rate()?;
        Some(Forecast {
            days: rate.days,
            per_day: rate.mean,
            per_day_low: rate.low,
            per_day_high: rate.high,
            early: self.reached(rate.high, !self.rolling),
            likely: self.reached(rate.mean, true),
            late: self.reached(rate.low, true),
        })
    }

    fn rate(&self) -> Option<Rate> {
        let first = *self.history.newcomers.keys().next()?;
        let from = first.max(self.today.checked_sub(PERIOD.days()).ok()?);
        let days = whole_days(from, self.today);
        if days < 1 {
            return None;
        }
        let counts: Vec<f64> = self.history.newcomers.range(from..self.today).map(|(_, new)| *new as f64).collect();
        let (days, total) = (f64::from(days), counts.iter().sum::<f64>());
        let mean = total / days;
        let scatter = scatter(&counts, mean, days);
        let (low, high) = interval(total / scatter);
        Some(Rate { days: days as u32, low: low * scatter / days, mean, high: high * scatter / days })
    }

    /// The first day from today on whose end sees the bound reached.
    fn reached(&self, per_day: f64, leave: bool) -> Option<Date> {
        let bound = self.bound as f64;
        let mut gone = 0.0;
        // The day newcomers are counted from: today, or the first day of a later window.
        let mut from = self.today;
        let mut people = self.people as f64;
        if people >= bound {
            return Some(self.today);
        }
        for ahead in 1..=AHEAD {
            let day = self.today.checked_add(ahead.days()).ok()?;
            let since = (self.since)(day);
            if !self.rolling && since > from {
                (from, people) = (since.yesterday().ok()?, 0.0);
            }
            if self.rolling && leave {
                gone = self.left(since) as f64;
            }
            if people + per_day * f64::from(whole_days(from, day)) - gone >= bound {
                return Some(day);
            }
        }
        None
    }

    /// People of today's window who are out of one that begins on a later day, if they are not seen again.
    fn left(&self, since: Date) -> u64 {
        let now = (self.since)(self.today);
        if since <= now {
            return 0;
        }
        self.history.last_seen.range(now..since).map(|(_, people)| people).sum()
    }
}

fn whole_days(from: Date, to: Date) -> i32 {
    from.until(to).map_or(0, |span| span.get_days())
}

/// Variance over mean of the numbers of all days, those without anybody included; at least 1.
fn scatter(counts: &[f64], mean: f64, days: f64) -> f64 {
    if days < 2.0 || mean <= 0.0 {
        return 1.0;
    }
    let empty = days - counts.len() as f64;
    let squares = counts.iter().map(|count| (count - mean).powi(2)).sum::<f64>() + empty * mean * mean;
    (squares / (days - 1.0) / mean).max(1.0)
}

/// The 95 % interval of the mean of a Poisson count, after Byar: within 1 % of the exact one from a count of 5 up.
fn interval(count: f64) -> (f64, f64) {
    let end = |count: f64, sign: f64| {
        let third = 1.0 - 1.0 / (9.0 * count) + sign * QUANTILE / (3.0 * count.sqrt());
        (count * third.powi(3)).max(0.0)
    };
    let low = if count > 0.0 { end(count, -1.0) } else { 0.0 };
    (low, end(count + 1.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    const TODAY: Date = date(2026, 11, 24);

    fn new_year(day: Date) -> Date {
        date(day.year(), 1, 1)
    }

    fn twelve_months(day: Date) -> Date {
        day.checked_sub(12.months()).unwrap()
    }

    /// So many new people on each of the days before today.
    fn daily(numbers: impl IntoIterator<Item = u64>) -> History {
        let day = |(ago, new): (usize, u64)| (TODAY.checked_sub((ago as i32 + 1).days()).unwrap(), new);
        History { newcomers: numbers.into_iter().enumerate().map(day).collect(), ..History::default() }
    }

    fn calendar(history: &History, people: u64, bound: u64) -> Option<Forecast> {
        Outlook { today: TODAY, people, bound, rolling: false, since: &new_year, history }.forecast()
    }

    #[test]
    fn a_steady_rate_reaches_the_bound_on_the_day_one_computes_by_hand() {
        let forecast = calendar(&daily([100; 28]), 9_000, 10_000).unwrap();
        assert_eq!((forecast.days, forecast.per_day), (28, 100.0));
        assert_eq!(forecast.likely, Some(date(2026, 12, 4)));
        assert!(forecast.per_day_low > 96.0 && forecast.per_day_high < 104.0, "{forecast:?}");
        assert!(forecast.early <= forecast.likely && forecast.likely <= forecast.late);
    }

    #[test]
    fn days_that_scatter_widen_the_interval_and_old_days_do_not_count() {
        let burst = (0..28).map(|day| if day % 7 == 0 { 700 } else { 0 });
        let wide = calendar(&daily(burst), 9_000, 10_000).unwrap();
        assert_eq!(wide.per_day, 100.0);
        assert!(wide.per_day_low < 40.0 && wide.per_day_high > 180.0, "{wide:?}");
        let old = calendar(&daily([0; 28].into_iter().chain([5_000; 10])), 9_000, 10_000).unwrap();
        assert_eq!((old.per_day, old.likely), (0.0, None));
    }

    #[test]
    fn a_new_year_lets_everybody_go() {
        let forecast = calendar(&daily([10; 28]), 9_000, 10_000).unwrap();
        assert_eq!(forecast.likely, None, "100 days are left to the bound and 37 to the new year: {forecast:?}");
        // 1,000 newcomers of the new year at 10 a day.
        assert_eq!(calendar(&daily([10; 28]), 500, 1_000).unwrap().likely, Some(date(2027, 4, 10)));
    }

    #[test]
    fn people_leave_a_rolling_window_when_their_last_day_does() {
        let mut history = daily([100; 28]);
        // As many leave each day as come.
        history.last_seen = (0..366).map(|ago| (TODAY.checked_sub(ago.days()).unwrap(), 100)).collect();
        let people = 36_600;
        let outlook =
            Outlook { today: TODAY, people, bound: 40_000, rolling: true, since: &twelve_months, history: &history };
        let forecast = outlook.forecast().unwrap();
        assert_eq!(forecast.likely, None, "{forecast:?}");
        assert!(forecast.early.is_some_and(|day| day < date(2026, 12, 30)), "if all are seen again: {forecast:?}");
    }

    #[test]
    fn there_is_no_rate_before_a_day_is_over() {
        let today = History { newcomers: BTreeMap::from([(TODAY, 500)]), ..History::default() };
        assert_eq!(calendar(&today, 500, 10_000), None);
        assert_eq!(calendar(&History::default(), 0, 10_000), None);
        assert_eq!(calendar(&daily([500]), 500, 10_000).unwrap().days, 1);
        assert_eq!(calendar(&daily([1]), 12_000, 10_000).unwrap().likely, Some(TODAY), "reached already");
    }

    #[test]
    fn the_interval_is_that_of_the_tables() {
        // Exact Poisson limits: 10 -> 4.795 and 18.39, 100 -> 81.36 and 121.63, 0 -> 0 and 3.689.
        for (count, low, high) in [(10.0, 4.795, 18.39), (100.0, 81.36, 121.63), (0.0, 0.0, 3.689)] {
            let (found_low, found_high) = interval(count);
            assert!((found_low - low).abs() < 0.05 && (found_high - high).abs() < 0.1, "{found_low} {found_high}");
        }
    }
}
