//! What the counters show: everything in memory, nothing durable.
//!
//! A count is "people last seen on or after the first day of the window". Counts per day are kept beside the people, and
//! the sum for the window last asked is kept up to date, so a decision costs a look-up for each of its people and no more.
//!
//! People are noted one by one until the window holds more than any rule compares with, and a margin. Whoever is new
//! then goes into a sketch of the month. While the window holds anybody who is only in a sketch, the counter stands above
//! every bound: a person in a sketch cannot be told from another, so nobody can say that the count is back under one.

use std::collections::{BTreeMap, HashMap};

use jiff::ToSpan;
use jiff::civil::Date;

use super::people::{People, Sighting};
use super::sketch::{self, Sketch};
use crate::ledger::Total;
use crate::ledger::day::{Day, Month};
use crate::transfer::{Count, CounterKey, Digest, Touch};

/// The number of a counter in the file.
pub(super) type CounterId = u32;

/// Days a window may go back, as a clock that is corrected makes it do, without having lost anybody.
const GRACE: u16 = 31;

/// All counters.
#[derive(Debug, Default)]
pub(super) struct Counters {
    ids: HashMap<CounterKey, CounterId>,
    counters: BTreeMap<CounterId, Counter>,
}

/// One counter.
#[derive(Debug)]
pub(super) struct Counter {
    people: People,
    days: BTreeMap<Day, u64>,
    window: Option<Window>,
    beyond: BTreeMap<Month, Beyond>,
    arrivals: BTreeMap<Day, u64>,
}

/// The sum for the window asked last.
#[derive(Debug, Clone, Copy)]
struct Window {
    since: Day,
    people: u64,
    /// About how many more are only in sketches; `None` if nobody is.
    beyond: Option<u64>,
}

/// Those who were new in a month while the counter stood above every bound.
#[derive(Debug, Clone)]
pub(super) struct Beyond {
    /// The last day any of them was seen.
    pub(super) last: Day,
    /// Who they are, roughly.
    pub(super) sketch: Sketch,
}

/// What has to be written after a person was noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Noted {
    /// Nothing.
    Nothing,
    /// The person and the day.
    Person,
    /// The sketch of a month.
    Sketch(Month),
}

/// What no window holds any more.
#[derive(Debug, Default)]
pub(super) struct Expired {
    pub(super) people: Vec<(CounterId, Digest)>,
    pub(super) months: Vec<(CounterId, Month)>,
    pub(super) arrivals: Vec<(CounterId, Day)>,
}

impl Expired {
    /// Whether that is nothing at all.
    pub(super) fn is_empty(&self) -> bool {
        self.people.is_empty() && self.months.is_empty() && self.arrivals.is_empty()
    }
}

impl Counters {
    /// Adds a counter as the file knows it.
    pub(super) fn restore(&mut self, id: CounterId, key: CounterKey, since: Day) {
        self.ids.insert(key, id);
        let mut counter = Counter::new();
        counter.window = Some(Window { since, people: 0, beyond: None });
        self.counters.insert(id, counter);
    }

    /// Adds a person as the file knows them.
    pub(super) fn restore_person(&mut self, id: CounterId, digest: Digest, day: Day) {
        if let Some(counter) = self.counters.get_mut(&id) {
            counter.see(digest, day, u64::MAX);
        }
    }

    /// Adds a sketch as the file knows it.
    pub(super) fn restore_beyond(&mut self, id: CounterId, month: Month, beyond: Beyond) {
        if let Some(counter) = self.counters.get_mut(&id) {
            counter.beyond.insert(month, beyond);
            counter.add_up_beyond();
        }
    }

    /// Adds a day's arrivals as the file knows them.
    pub(super) fn restore_arrivals(&mut self, id: CounterId, day: Day, people: u64) {
        if let Some(counter) = self.counters.get_mut(&id) {
            counter.arrivals.insert(day, people);
        }
    }

    /// The number of a counter, if anyone was ever counted there.
    pub(super) fn id(&self, key: &CounterKey) -> Option<CounterId> {
        self.ids.get(key).copied()
    }

    /// The numbers of all counters.
    pub(super) fn ids(&self) -> Vec<CounterId> {
        self.counters.keys().copied().collect()
    }

    /// The number of a counter, and whether it is new.
    pub(super) fn id_or_new(&mut self, key: &CounterKey) -> (CounterId, bool) {
        if let Some(id) = self.id(key) {
            return (id, false);
        }
        let id = self.counters.last_key_value().map_or(0, |(last, _)| last + 1);
        self.ids.insert(key.clone(), id);
        self.counters.insert(id, Counter::new());
        (id, true)
    }

    /// The day to note people on: never before the latest day of the counter, so that a clock set back puts nobody into
    /// a window that has ended.
    pub(super) fn not_before(&self, id: CounterId, day: Day) -> Day {
        self.counters.get(&id).and_then(Counter::latest).map_or(day, |latest| latest.max(day))
    }

    /// Notes a person in a counter that notes at most so many one by one.
    pub(super) fn see(&mut self, id: CounterId, digest: Digest, day: Day, most: u64) -> Noted {
        self.counters.get_mut(&id).map_or(Noted::Nothing, |counter| counter.see(digest, day, most))
    }

    /// Notes how many people were new on a day. Gives all of that day.
    pub(super) fn arrive(&mut self, id: CounterId, day: Day, people: u64) -> u64 {
        let Some(counter) = self.counters.get_mut(&id) else { return 0 };
        let arrived = counter.arrivals.entry(day).or_default();
        *arrived = arrived.saturating_add(people);
        *arrived
    }

    /// A sketch as it is now.
    pub(super) fn beyond(&self, id: CounterId, month: Month) -> Option<&Beyond> {
        self.counters.get(&id)?.beyond.get(&month)
    }

    /// Makes the window of a touch the one its counter keeps a sum for. Gives the counter if it was another.
    pub(super) fn move_window(&mut self, touch: &Touch) -> Option<CounterId> {
        let since = Day::of(touch.since);
        let id = self.id(&touch.key)?;
        let counter = self.counters.get_mut(&id)?;
        if counter.window.is_some_and(|window| window.since == since) {
            return None;
        }
        counter.window = Some(Window { since, people: counter.noted(since), beyond: counter.beyond_since(since) });
        Some(id)
    }

    /// What a counter shows for a touch.
    pub(super) fn count(&self, touch: &Touch) -> Count {
        let since = Day::of(touch.since);
        let Some(counter) = self.id(&touch.key).and_then(|id| self.counters.get(&id)) else {
            return Count { before: 0, adding: touch.people.len() as u64 };
        };
        let outside = |digest: &&Digest| counter.people.last_seen(digest).is_none_or(|day| day < since);
        let adding = touch.people.iter().filter(outside).count() as u64;
        let before = match counter.beyond_in(since) {
            None => counter.noted(since),
            Some(beyond) => counter.noted(since).saturating_add(beyond).max(touch.highest()),
        };
        Count { before, adding }
    }

    /// People of one counter last seen on or after a date.
    pub(super) fn people_since(&self, key: &CounterKey, since: Date) -> u64 {
        let since = Day::of(since);
        self.of(key).map_or(0, |counter| counter.noted(since) + counter.beyond_in(since).unwrap_or(0))
    }

    /// How many people were new on each day.
    pub(super) fn arrivals(&self, key: &CounterKey) -> Vec<(Date, u64)> {
        let days = self.of(key).map(|counter| counter.arrivals.iter());
        days.into_iter().flatten().map(|(day, people)| (day.date(), *people)).collect()
    }

    /// People noted one by one, by the last day they were seen.
    pub(super) fn by_last_day(&self, key: &CounterKey) -> Vec<(Date, u64)> {
        let days = self.of(key).map(|counter| counter.days.iter());
        days.into_iter().flatten().map(|(day, people)| (day.date(), *people)).collect()
    }

    /// Everyone who was noted one by one, with the last day they were seen.
    pub(super) fn people(&self, key: &CounterKey) -> Vec<(Digest, Date)> {
        let people = self.of(key).map(|counter| counter.people.iter());
        people.into_iter().flatten().map(|(digest, day)| (digest, day.date())).collect()
    }

    /// Every counter with the first day of the window asked last and the people in it.
    pub(super) fn totals(&self) -> Vec<Total> {
        let total = |(key, id): (&CounterKey, &CounterId)| {
            let window = self.counters.get(id)?.window?;
            Some(Total {
                key: key.clone(),
                since: window.since.date(),
                people: window.people + window.beyond.unwrap_or(0),
                error: window.beyond.map(|_| sketch::ERROR),
            })
        };
        let mut totals: Vec<Total> = self.ids.iter().filter_map(total).collect();
        totals.sort_by(|a, b| a.key.cmp(&b.key));
        totals
    }

    /// Takes out everyone no window holds any more: last seen 13 months before the earlier of today and the latest day
    /// counted, so that a clock far ahead at the start forgets nobody, and a month before the window of their counter.
    pub(super) fn expire(&mut self, today: Date) -> Expired {
        let mut expired = Expired::default();
        let latest = self.counters.values().filter_map(Counter::latest).max();
        let before = latest.and_then(|latest| latest.date().min(today).checked_sub(13.months()).ok()).map(Day::of);
        for (id, counter) in &mut self.counters {
            let Some(before) = before else { break };
            let window = counter.window.map_or(Day(0), |window| Day(window.since.0.saturating_sub(GRACE)));
            counter.expire(before.min(window), *id, &mut expired);
        }
        expired
    }

    /// Takes out counters with nobody in them. Only before anyone else knows their numbers.
    pub(super) fn take_empty(&mut self) -> Vec<CounterId> {
        let empty: Vec<CounterId> =
            self.counters.iter().filter(|(_, counter)| counter.is_empty()).map(|(id, _)| *id).collect();
        self.counters.retain(|_, counter| !counter.is_empty());
        self.ids.retain(|_, id| self.counters.contains_key(id));
        empty
    }

    fn of(&self, key: &CounterKey) -> Option<&Counter> {
        self.counters.get(&self.id(key)?)
    }
}

impl Counter {
    fn new() -> Counter {
        Counter {
            people: People::new(),
            days: BTreeMap::new(),
            window: None,
            beyond: BTreeMap::new(),
            arrivals: BTreeMap::new(),
        }
    }

    fn is_empty(&self) -> bool {
        self.days.is_empty() && self.beyond.is_empty()
    }

    /// The latest day anyone was counted on.
    fn latest(&self) -> Option<Day> {
        let sketched = self.beyond.values().map(|beyond| beyond.last).max();
        self.days.last_key_value().map(|(day, _)| *day).max(sketched)
    }

    /// People noted one by one.
    fn noted(&self, since: Day) -> u64 {
        match self.window {
            Some(window) if window.since == since => window.people,
            _ => self.days.range(since..).map(|(_, people)| people).sum(),
        }
    }

    /// About how many are only in sketches.
    fn beyond_in(&self, since: Day) -> Option<u64> {
        match self.window {
            Some(window) if window.since == since => window.beyond,
            _ => self.beyond_since(since),
        }
    }

    fn beyond_since(&self, since: Day) -> Option<u64> {
        let within = self.beyond.values().filter(|beyond| beyond.last >= since).map(|beyond| &beyond.sketch);
        let all = within.fold(None, |all: Option<Sketch>, sketch| match all {
            None => Some(sketch.clone()),
            Some(mut all) => {
                all.merge(sketch);
                Some(all)
            }
        });
        all.map(|all| all.at_most())
    }

    fn add_up_beyond(&mut self) {
        if let Some(since) = self.window.map(|window| window.since) {
            let beyond = self.beyond_since(since);
            self.window = self.window.map(|window| Window { beyond, ..window });
        }
    }

    fn see(&mut self, digest: Digest, day: Day, most: u64) -> Noted {
        if self.window.is_some_and(|window| window.people >= most) && self.people.last_seen(&digest).is_none() {
            return self.see_beyond(digest, day);
        }
        let before = match self.people.see(digest, day) {
            Sighting::Known => return Noted::Nothing,
            Sighting::New => None,
            Sighting::Later(before) => Some(before),
        };
        if let Some(before) = before {
            self.leave(before);
        }
        *self.days.entry(day).or_default() += 1;
        if let Some(window) = &mut self.window
            && day >= window.since
            && before.is_none_or(|before| before < window.since)
        {
            window.people += 1;
        }
        Noted::Person
    }

    fn see_beyond(&mut self, digest: Digest, day: Day) -> Noted {
        let month = day.month();
        let beyond = self.beyond.entry(month).or_insert_with(|| Beyond { last: Day(0), sketch: Sketch::new() });
        let later = day > beyond.last;
        beyond.last = beyond.last.max(day);
        if !beyond.sketch.see(&digest) && !later {
            return Noted::Nothing;
        }
        self.add_up_beyond();
        Noted::Sketch(month)
    }

    fn leave(&mut self, day: Day) {
        if let Some(people) = self.days.get_mut(&day) {
            *people -= 1;
            if *people == 0 {
                self.days.remove(&day);
            }
        }
    }

    fn expire(&mut self, before: Day, id: CounterId, expired: &mut Expired) {
        expired.arrivals.extend(self.arrivals.range(..before).map(|(day, _)| (id, *day)));
        self.arrivals = self.arrivals.split_off(&before);
        let gone = self.beyond.extract_if(.., |_, beyond| beyond.last < before);
        expired.months.extend(gone.map(|(month, _)| (id, month)));
        if self.days.first_key_value().is_some_and(|(first, _)| *first < before) {
            self.days = self.days.split_off(&before);
            expired.people.extend(self.people.expire(before).into_iter().map(|digest| (id, digest)));
        }
        if let Some(since) = self.window.take().map(|window| window.since) {
            self.window = Some(Window { since, people: self.noted(since), beyond: self.beyond_since(since) });
        }
    }
}
