//! What is coming: how near counters are to the counts at which rules answer differently, and when mechanisms end.
//!
//! Nothing here decides. A bound is the first count at which some rule of the day answers differently, so for "more than
//! 20" it is 21. Of several packs that accept a mechanism the one in which it ends first counts.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;

use super::pack::{Counter, Pack, Window};
use super::view::belonging;
use super::{Enabled, Mechanism, Packs};
use crate::transfer::{Content, Count, Person, Touch};

/// Days before the end of a mechanism at which warnings change their name, the nearest first.
const NOTICES: [i32; 3] = [7, 30, 60];

/// A counter on a day.
#[derive(Debug, Clone, Copy)]
pub struct Standing<'p> {
    /// The pack it belongs to.
    pub pack: &'p Pack,
    /// The counter.
    pub counter: &'p Counter,
    /// Today where the pack counts.
    pub day: Date,
    /// First day of the window.
    pub since: Date,
}

/// The end of a mechanism.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending {
    /// Last valid day.
    pub last: Date,
    /// The moment after it, at midnight where the pack counts that accepts the mechanism.
    pub end: Timestamp,
    /// Whole days from today to the last day; negative once it has ended.
    pub days_left: i32,
}

impl Packs {
    /// A counter of a pack as it stands now.
    pub fn standing(&self, pack: &str, counter: &str, now: Timestamp) -> Option<Standing<'_>> {
        let pack = self.get(pack)?;
        let counter = pack.counters.iter().find(|known| *known.id == *counter)?;
        Some(Standing::of(pack, counter, now))
    }

    /// Every counter that enabled packs count with today.
    pub fn standings<'p>(&'p self, enabled: &'p Enabled, now: Timestamp) -> impl Iterator<Item = Standing<'p>> {
        let packs = self.iter().filter(|pack| enabled.standing(&pack.id).is_some());
        let all = packs.flat_map(move |pack| pack.counters.iter().map(move |one| Standing::of(pack, one, now)));
        all.filter(|standing| standing.counter.days.contain(standing.day))
    }

    /// `counter-near-limit:PACK/COUNTER` for each counter that a transfer brings to a share of its next bound, or across
    /// it. `admitted` says whether the people of the transfer count.
    pub fn near_bounds(
        &self,
        touches: &[Touch],
        counts: &[Count],
        admitted: bool,
        share: f64,
        now: Timestamp,
    ) -> Vec<String> {
        let near = touches.iter().zip(counts).filter(|(touch, count)| {
            let people = if admitted { count.after() } else { count.before };
            let standing = self.standing(&touch.key.pack, &touch.key.counter, now);
            let bound = standing.and_then(|standing| standing.next_bound(count.before));
            bound.is_some_and(|bound| is_near(people, bound, share))
        });
        near.map(|(touch, _)| format!("counter-near-limit:{}/{}", touch.key.pack, touch.key.counter)).collect()
    }

    /// When a mechanism ends: the earliest of what the enabled packs that accept it say. None where it has no end.
    pub fn ending(&self, mechanism: &Mechanism, enabled: &Enabled, now: Timestamp) -> Option<Ending> {
        let packs = self.iter().filter(|pack| enabled.standing(&pack.id).is_some());
        let accepted = packs.flat_map(|pack| pack.needs.iter().map(move |need| (pack, need)));
        let accepted = accepted.filter(|(_, need)| need.kinds.contains(&mechanism.kind));
        let ends = accepted.filter_map(|(pack, need)| Ending::of(mechanism.last_day(need)?, &pack.zone, now));
        ends.min_by_key(|ending| ending.end).or_else(|| Ending::of(mechanism.until?, &TimeZone::UTC, now))
    }

    /// `mechanism-ends-in-N-days:ID`, N being 60, 30 or 7, for each mechanism relied on that ends within so many days.
    pub fn ending_soon(
        &self,
        relied_on: &[Arc<str>],
        mechanisms: &[Mechanism],
        enabled: &Enabled,
        now: Timestamp,
    ) -> Vec<String> {
        let held = mechanisms.iter().filter(|mechanism| relied_on.contains(&mechanism.id));
        let soon = held.filter_map(|mechanism| {
            let notice = self.ending(mechanism, enabled, now)?.notice()?;
            Some(format!("mechanism-ends-in-{notice}-days:{}", mechanism.id))
        });
        soon.collect()
    }
}

impl<'p> Standing<'p> {
    fn of(pack: &'p Pack, counter: &'p Counter, now: Timestamp) -> Standing<'p> {
        let day = pack.day(now);
        Standing { pack, counter, day, since: counter.window.since(day) }
    }

    /// Where decisions may turn on the count, as a touch of the counter says it.
    pub fn turns(&self) -> Arc<[u64]> {
        self.counter.thresholds.numbers()
    }

    /// The people of some content that the counter counts.
    pub fn counted<'c>(&self, content: &'c Content) -> impl Iterator<Item = &'c Person>
    where
        'p: 'c,
    {
        let classes = self.counter.classes;
        let crowds = belonging(self.pack, self.day, content).into_iter();
        crowds.filter(move |(_, members)| members & classes != 0).flat_map(|(people, _)| people)
    }

    /// First day of the window on another day.
    pub fn since_on(&self, day: Date) -> Date {
        self.counter.window.since(day)
    }

    /// Whether people leave the window one by one and not all at once.
    pub fn is_rolling(&self) -> bool {
        matches!(self.counter.window, Window::RollingMonths(_) | Window::RollingDays(_))
    }

    /// Whether it counts for each importer on its own.
    pub fn is_per_importer(&self) -> bool {
        self.counter.per_importer
    }

    /// The window in the words of the packs.
    pub fn window(&self) -> String {
        match self.counter.window {
            Window::CalendarYears(1) => "calendar-year".to_owned(),
            Window::CalendarYears(years) => format!("{years} calendar-years"),
            Window::RollingMonths(months) => format!("rolling {months} months"),
            Window::RollingDays(days) => format!("rolling {days} days"),
            Window::Ever => "ever".to_owned(),
        }
    }

    /// The counts at which rules that are not over answer differently, in ascending order. Those that no count can be
    /// near, such as the first person, are left out.
    pub fn bounds(&self) -> impl Iterator<Item = u64> {
        let day = self.day;
        let turns = self.counter.thresholds.turns().filter(move |(_, days)| !days.are_over(day));
        turns.map(|(turn, _)| turn).filter(|turn| *turn > 1)
    }

    /// The lowest bound that so many people have not reached.
    pub fn next_bound(&self, people: u64) -> Option<u64> {
        self.bounds().find(|bound| *bound > people)
    }

    /// The highest bound any rule compares it with, as its statute writes it.
    pub fn limit(&self) -> Option<u64> {
        Some(self.counter.thresholds.highest()).filter(|limit| *limit > 0)
    }

    /// The highest bound of all.
    pub fn highest_bound(&self) -> Option<u64> {
        self.bounds().last()
    }
}

impl Ending {
    fn of(last: Date, zone: &TimeZone, now: Timestamp) -> Option<Ending> {
        let next = last.tomorrow().ok()?.to_datetime(Time::midnight());
        let end = zone.to_ambiguous_timestamp(next).compatible().ok()?;
        let today = zone.to_datetime(now).date();
        Some(Ending { last, end, days_left: today.until(last).ok()?.get_days() })
    }

    /// 7, 30 or 60 when so many days or fewer are left; none when more are, or it has ended.
    pub fn notice(&self) -> Option<i32> {
        NOTICES.into_iter().find(|notice| (0..=*notice).contains(&self.days_left))
    }
}

/// Whether a count is at a share of a bound, where some whole number lies between that share and the bound.
fn is_near(people: u64, bound: u64, share: f64) -> bool {
    let from = (bound as f64 * share).ceil() as u64;
    from < bound && people >= from
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn near_is_where_a_whole_number_lies_between_the_share_and_the_bound() {
        assert!(is_near(8_000, 10_000, 0.8) && is_near(12_000, 10_000, 0.8));
        assert!(!is_near(7_999, 10_000, 0.8));
        assert!(is_near(4, 5, 0.8) && !is_near(3, 5, 0.8));
        assert!(!is_near(1, 2, 0.8) && !is_near(0, 1, 0.8) && !is_near(0, 0, 0.8));
    }

    #[test]
    fn a_mechanism_ends_at_midnight_of_the_zone() {
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        let now: Timestamp = "2026-12-03T17:00:00Z".parse().unwrap();
        let ending = Ending::of(date(2026, 12, 10), &zone, now).unwrap();
        assert_eq!(ending.end.to_string(), "2026-12-10T16:00:00Z");
        // In Shanghai it is 4 December already.
        assert_eq!((ending.days_left, ending.notice()), (6, Some(7)));
    }

    #[test]
    fn notices_are_7_30_and_60_days_and_none_after_the_end() {
        for (days_left, notice) in [
            (-1, None),
            (0, Some(7)),
            (7, Some(7)),
            (8, Some(30)),
            (30, Some(30)),
            (31, Some(60)),
            (60, Some(60)),
            (61, None),
        ] {
            let ending = Ending { last: date(2026, 12, 10), end: Timestamp::UNIX_EPOCH, days_left };
            assert_eq!(ending.notice(), notice, "{days_left}");
        }
    }
}
