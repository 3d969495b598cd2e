//! What the counters show: everything in memory, nothing durable.
//!
//! A count is "people last seen on or after the first day of the window". Counts per day are kept beside the people, and
//! the sum for the window last asked is kept up to date, so a decision costs a look-up for each of its people and no more.

use std::collections::{BTreeMap, HashMap};

use jiff::civil::Date;

use super::day::Day;
use super::people::{People, Sighting};
use crate::transfer::{Count, CounterKey, Digest, Touch};

/// The number of a counter in the file.
pub(super) type CounterId = u32;

/// All counters.
#[derive(Debug, Default)]
pub(super) struct Counters {
    ids: HashMap<CounterKey, CounterId>,
    counters: BTreeMap<CounterId, Counter>,
    latest: Option<Day>,
}

/// One counter.
#[derive(Debug)]
pub(super) struct Counter {
    people: People,
    days: BTreeMap<Day, u64>,
    window: Option<Window>,
}

/// The sum for the window asked last.
#[derive(Debug, Clone, Copy)]
struct Window {
    since: Day,
    people: u64,
}

impl Counters {
    /// Adds a counter as the file knows it.
    pub(super) fn restore(&mut self, id: CounterId, key: CounterKey, since: Day) {
        self.ids.insert(key, id);
        let mut counter = Counter::new();
        counter.window = Some(Window { since, people: 0 });
        self.counters.insert(id, counter);
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

    /// Notes a person in a counter. `None` when no counter has that number.
    pub(super) fn see(&mut self, id: CounterId, digest: Digest, day: Day) -> Option<Sighting> {
        let sighting = self.counters.get_mut(&id)?.see(digest, day);
        self.latest = self.latest.max(Some(day));
        Some(sighting)
    }

    /// Makes the window of a touch the one its counter keeps a sum for. Gives the counter if it was another.
    pub(super) fn move_window(&mut self, touch: &Touch) -> Option<CounterId> {
        let since = Day::of(touch.since);
        let id = self.id(&touch.key)?;
        let counter = self.counters.get_mut(&id)?;
        if counter.window.is_some_and(|window| window.since == since) {
            return None;
        }
        counter.window = Some(Window { since, people: counter.count(since) });
        Some(id)
    }

    /// What a counter shows for a touch.
    pub(super) fn count(&self, touch: &Touch) -> Count {
        let since = Day::of(touch.since);
        let Some(counter) = self.id(&touch.key).and_then(|id| self.counters.get(&id)) else {
            return Count { before: 0, adding: touch.people.len() as u64 };
        };
        let outside = |digest: &&Digest| counter.people.last_seen(digest).is_none_or(|day| day < since);
        Count { before: counter.count(since), adding: touch.people.iter().filter(outside).count() as u64 }
    }

    /// People of one counter last seen on or after a date.
    pub(super) fn people_since(&self, key: &CounterKey, since: Date) -> u64 {
        self.id(key).and_then(|id| self.counters.get(&id)).map_or(0, |counter| counter.count(Day::of(since)))
    }

    /// Every counter with the first day of the window asked last and the people in it.
    pub(super) fn totals(&self) -> Vec<(CounterKey, Date, u64)> {
        let total = |(key, id): (&CounterKey, &CounterId)| {
            let window = self.counters.get(id)?.window?;
            Some((key.clone(), window.since.date(), window.people))
        };
        let mut totals: Vec<_> = self.ids.iter().filter_map(total).collect();
        totals.sort();
        totals
    }

    /// The latest day anyone was counted on.
    pub(super) fn latest(&self) -> Option<Day> {
        self.latest
    }

    /// Takes out everyone last seen before a day.
    pub(super) fn expire(&mut self, before: Day) -> Vec<(CounterId, Digest)> {
        let mut expired = Vec::new();
        for (id, counter) in &mut self.counters {
            expired.extend(counter.expire(before).into_iter().map(|digest| (*id, digest)));
        }
        expired
    }

    /// Takes out counters with nobody in them. Only before anyone else knows their numbers.
    pub(super) fn take_empty(&mut self) -> Vec<CounterId> {
        let empty: Vec<CounterId> =
            self.counters.iter().filter(|(_, counter)| counter.days.is_empty()).map(|(id, _)| *id).collect();
        self.counters.retain(|_, counter| !counter.days.is_empty());
        self.ids.retain(|_, id| self.counters.contains_key(id));
        empty
    }
}

impl Counter {
    fn new() -> Counter {
        Counter { people: People::new(), days: BTreeMap::new(), window: None }
    }

    fn count(&self, since: Day) -> u64 {
        match self.window {
            Some(window) if window.since == since => window.people,
            _ => self.days.range(since..).map(|(_, people)| people).sum(),
        }
    }

    fn see(&mut self, digest: Digest, day: Day) -> Sighting {
        let sighting = self.people.see(digest, day);
        let before = match sighting {
            Sighting::Known => return sighting,
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
        sighting
    }

    fn leave(&mut self, day: Day) {
        if let Some(people) = self.days.get_mut(&day) {
            *people -= 1;
            if *people == 0 {
                self.days.remove(&day);
            }
        }
    }

    fn expire(&mut self, before: Day) -> Vec<Digest> {
        if self.days.first_key_value().is_none_or(|(first, _)| *first >= before) {
            return Vec::new();
        }
        self.days = self.days.split_off(&before);
        let since = self.window.map(|window| window.since);
        self.window = None;
        self.window = since.map(|since| Window { since, people: self.count(since) });
        self.people.expire(before)
    }
}
