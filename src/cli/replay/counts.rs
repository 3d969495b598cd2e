//! What a counter showed before a recorded transfer, under rules that may count otherwise than the record.
//!
//! Where the record has the counter, that is the answer; people the candidate rules count beyond those of the record are
//! taken to be new. Where it has not (a new counter, or a class that takes in more people), everybody the replay saw since
//! the window began is added up: nobody can tell from records who was counted twice, so the sum is an upper bound.

use std::collections::{BTreeMap, HashMap};

use jiff::civil::Date;

use crate::audit::record::Record;
use crate::policy::Packs;
use crate::transfer::{Count, CounterKey, Touch};

/// Counters followed at most: one for each importer where a statute counts so.
const FOLLOWED: usize = 10_000;

/// Days kept of each; no window but "ever" is longer than three years.
const DAYS: usize = 1_200;

/// What the replay itself has seen of each counter.
#[derive(Debug, Default)]
pub(super) struct Seen(HashMap<CounterKey, Followed>);

#[derive(Debug, Default)]
struct Followed {
    /// People added by day, for counters records do not have.
    added: BTreeMap<Date, u64>,
    /// What the last record that has it showed, and the first day of its window.
    shown: Option<(Date, u64)>,
}

impl Seen {
    /// What a counter shows for a transfer with this many people of it, and whether that is an upper bound.
    pub(super) fn count(&self, packs: &Packs, record: &Record, touch: &Touch, people: u64) -> (Count, bool) {
        if let Some(shown) = shown(record, touch) {
            let more = people.saturating_sub(shown.people);
            let adding = if more > 0 { shown.adding + more } else { shown.adding.min(people) };
            return (Count { before: shown.before, adding }, more > 0);
        }
        if let Some(count) = compared(packs, record, touch) {
            return (count, true);
        }
        let before = self.0.get(&touch.key).map_or(0, |followed| followed.since(touch.since));
        (Count { before, adding: people }, true)
    }

    /// Takes in what a transfer that leaves adds.
    pub(super) fn add(&mut self, record: &Record, touch: &Touch, count: Count) {
        if self.0.len() >= FOLLOWED && !self.0.contains_key(&touch.key) {
            return;
        }
        let followed = self.0.entry(touch.key.clone()).or_default();
        match shown(record, touch) {
            Some(shown) => {
                followed.shown = Some((touch.since, shown.before + shown.adding));
                followed.added.clear();
            }
            None => *followed.added.entry(touch.day).or_default() += count.adding,
        }
        while followed.added.len() > DAYS {
            let oldest = followed.added.pop_first();
            // Too old for a day of its own, not for a count that never ends.
            if let (Some((_, people)), Some(mut next)) = (oldest, followed.added.first_entry()) {
                *next.get_mut() += people;
            }
        }
    }
}

impl Followed {
    fn since(&self, since: Date) -> u64 {
        let shown = self.shown.filter(|(of, _)| *of == since).map_or(0, |(_, people)| people);
        shown + self.added.range(since..).map(|(_, people)| people).sum::<u64>()
    }
}

fn shown<'r>(record: &'r Record, touch: &Touch) -> Option<&'r crate::audit::record::Shown> {
    let key = &touch.key;
    record
        .counters
        .iter()
        .flatten()
        .find(|shown| shown.pack == key.pack && shown.counter == key.counter && shown.party == key.party)
}

/// Records of earlier versions have counts only where a rule compared them.
fn compared(packs: &Packs, record: &Record, touch: &Touch) -> Option<Count> {
    let pack = packs.get(&touch.key.pack)?;
    let of_pack = record.reasons.iter().filter(|fired| fired.pack == touch.key.pack);
    of_pack.filter_map(|fired| Some((fired, fired.counter?))).find_map(|(fired, compared)| {
        let counter = pack.compared_by(&fired.rule)?;
        (*counter == touch.key.counter).then_some(Count { before: compared.before, adding: compared.adding })
    })
}
