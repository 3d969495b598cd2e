//! The scripts, the keys they touch, and how a request becomes arguments and a reply becomes counts.
//!
//! | key | kind | what |
//! |---|---|---|
//! | `{PREFIX}:meta` | hash | id of the ledger, version, generation and check value of the key, how often replicas were waited for |
//! | `{PREFIX}:counters` | hash | name of each counter, and the first day of the window asked last |
//! | `{PREFIX}:people:NAME` | sorted set | people noted one by one, by the last day they were seen |
//! | `{PREFIX}:arrivals:NAME` | hash | how many people were new, by day |
//! | `{PREFIX}:beyond:NAME` | hash | months with people who are only estimated, and the last day in each |
//! | `{PREFIX}:sketch:NAME:MONTH` | HyperLogLog | those people |
//!
//! `PREFIX` stands in braces so that a cluster keeps the whole ledger in one slot: a transfer may touch counters of
//! several packs, and only what is in one slot can be judged and changed by one script.

use std::time::Duration;

use redis::{Script, ScriptInvocation};

use super::Known;
use crate::ledger::day::Day;
use crate::ledger::key::Keys;
use crate::ledger::most;
use crate::transfer::{Count, CounterKey, Digest, Touch};

/// The version of this layout.
pub(super) const VERSION: u64 = 1;

/// Numbers in a script are exact up to here.
const LARGEST: u64 = (1 << 53) - 1;

/// What a script may take for each person, beyond what any request may.
const PERSON: Duration = Duration::from_micros(20);

/// All scripts, with the names of the keys.
#[derive(Debug)]
pub(super) struct Scripts {
    prefix: String,
    pub(super) meta: Script,
    pub(super) reserve: Script,
    pub(super) advance: Script,
    pub(super) carry: Script,
    pub(super) expire: Script,
}

/// What a transfer asks for.
pub(super) struct Request<'a> {
    pub(super) touches: &'a [Touch],
    /// Months with estimated people, for each touch.
    pub(super) months: Vec<Vec<u16>>,
    /// Lowest and highest count at which nothing else would have been decided, for each touch.
    pub(super) between: Vec<(u64, u64)>,
    pub(super) adds: bool,
}

/// What a reservation answers.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// Every count lies where it was taken to lie.
    Fits(Vec<Count>),
    /// Some count does not, and nothing was written.
    Other(Vec<Count>),
    /// The ledger is at another generation of the key.
    Generation,
    /// The ledger is not there, or another stands in its place.
    Forgotten,
    /// The touch at this place needs the sketches of these months.
    Months(usize, Vec<u16>),
}

impl Scripts {
    pub(super) fn new(prefix: &str) -> Scripts {
        Scripts {
            prefix: format!("{{{prefix}}}"),
            meta: Script::new(include_str!("meta.lua")),
            reserve: Script::new(include_str!("reserve.lua")),
            advance: Script::new(include_str!("advance.lua")),
            carry: Script::new(include_str!("carry.lua")),
            expire: Script::new(include_str!("expire.lua")),
        }
    }

    pub(super) fn meta_key(&self) -> String {
        format!("{}:meta", self.prefix)
    }

    pub(super) fn counters_key(&self) -> String {
        format!("{}:counters", self.prefix)
    }

    pub(super) fn people_key(&self, name: &str) -> String {
        format!("{}:people:{name}", self.prefix)
    }

    pub(super) fn arrivals_key(&self, name: &str) -> String {
        format!("{}:arrivals:{name}", self.prefix)
    }

    pub(super) fn beyond_key(&self, name: &str) -> String {
        format!("{}:beyond:{name}", self.prefix)
    }

    pub(super) fn sketch_key(&self, name: &str, month: u16) -> String {
        format!("{}:sketch:{name}:{month}", self.prefix)
    }

    /// A request as a call of the script. `marks`: it writes something even if it adds nobody, so that replicas can be waited
    /// for. Somebody else may have added the same people a moment ago, and no replica may have them yet.
    pub(super) fn reservation(
        &self,
        request: &Request<'_>,
        known: &Known,
        keys: &Keys,
        marks: bool,
    ) -> ScriptInvocation<'_> {
        let mut call = self.reserve.prepare_invoke();
        call.key(self.meta_key()).key(self.counters_key());
        call.arg(&known.id).arg(known.generation).arg(known.from.map_or_else(String::new, |from| from.to_string()));
        let does = u8::from(request.adds) * (1 + u8::from(marks));
        call.arg(does).arg(request.touches.len());
        let places = request.touches.iter().zip(&request.months).zip(&request.between);
        for ((touch, months), (lowest, highest)) in places {
            let name = name(&touch.key);
            let day = Day::of(touch.day);
            call.key(self.people_key(&name)).key(self.arrivals_key(&name)).key(self.beyond_key(&name));
            call.arg(&name).arg(Day::of(touch.since).0).arg(day.0);
            call.arg((*lowest).min(LARGEST)).arg((*highest).min(LARGEST));
            call.arg(most(touch).min(LARGEST)).arg(touch.highest().min(LARGEST));
            let mut named = vec![day.month().0];
            named.extend(months.iter().filter(|month| **month != day.month().0));
            call.arg(named.len());
            for month in named {
                call.key(self.sketch_key(&name, month)).arg(month);
            }
            call.arg(members(&touch.people, keys, known.generation));
            call.arg(known.from.map_or_else(Vec::new, |from| members(&touch.people, keys, from)));
        }
        call
    }
}

impl Request<'_> {
    /// What the script may take beyond any request.
    pub(super) fn allowance(&self) -> Duration {
        let people: usize = self.touches.iter().map(|touch| touch.people.len()).sum();
        PERSON * u32::try_from(people).unwrap_or(u32::MAX)
    }
}

/// The name of a counter in the store.
pub(super) fn name(key: &CounterKey) -> String {
    match &key.party {
        Some(party) => format!("{}/{}/{party}", key.pack, key.counter),
        None => format!("{}/{}", key.pack, key.counter),
    }
}

/// The counter of a name.
pub(super) fn counter_of(name: &str) -> Option<CounterKey> {
    let (pack, rest) = name.split_once('/')?;
    let (counter, party) = rest.split_once('/').map_or((rest, None), |(counter, party)| (counter, Some(party)));
    Some(CounterKey { pack: pack.into(), counter: counter.into(), party: party.map(Into::into) })
}

/// A person as the store knows them: the generation in one byte, and the digest.
pub(super) fn member(digest: Digest, generation: usize) -> [u8; 17] {
    let mut member = [0; 17];
    let bytes = std::iter::once(generation as u8).chain(digest.0);
    member.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
    member
}

/// Generation and digest of a person of the store.
pub(super) fn person(member: &[u8]) -> Option<(usize, Digest)> {
    let (generation, digest) = member.split_first()?;
    Some((usize::from(*generation), Digest(digest.try_into().ok()?)))
}

fn members(people: &[Digest], keys: &Keys, generation: usize) -> Vec<u8> {
    people.iter().flat_map(|digest| member(keys.carry(*digest, 0, generation), generation)).collect()
}

/// Where a count may lie so that nothing else is decided than at `after`.
pub(super) fn between(touch: &Touch, after: u64) -> (u64, u64) {
    let above = touch.bounds.partition_point(|bound| *bound <= after);
    let lowest = above.checked_sub(1).and_then(|at| touch.bounds.get(at)).copied().unwrap_or(0);
    let highest = touch.bounds.get(above).map_or(u64::MAX, |bound| bound.saturating_sub(1));
    (lowest, highest)
}

impl Reply {
    /// Reads what the script says. `None` if it says something it never does.
    pub(super) fn read(reply: &[u64]) -> Option<Reply> {
        let counts = |numbers: &[u64]| -> Vec<Count> {
            let pair = |pair: &[u64]| Some(Count { before: *pair.first()?, adding: *pair.get(1)? });
            numbers.chunks_exact(2).filter_map(pair).collect()
        };
        Some(match reply {
            [1, numbers @ ..] => Reply::Fits(counts(numbers)),
            [0, numbers @ ..] => Reply::Other(counts(numbers)),
            [2] => Reply::Generation,
            [3] => Reply::Forgotten,
            [4, index, months @ ..] => {
                let index = usize::try_from(index.checked_sub(1)?).ok()?;
                Reply::Months(index, months.iter().filter_map(|month| u16::try_from(*month).ok()).collect())
            }
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;
    use std::sync::Arc;

    #[test]
    fn a_count_lies_between_two_turns() {
        let key = CounterKey { pack: "cn".into(), counter: "plain".into(), party: None };
        let day = date(2026, 11, 24);
        let touch =
            |bounds: &[u64]| Touch { key: key.clone(), since: day, day, people: vec![], bounds: bounds.into() };
        let cases: [(&[u64], u64, (u64, u64)); 6] = [
            (&[], 7, (0, u64::MAX)),
            (&[10], 9, (0, 9)),
            (&[10], 10, (10, u64::MAX)),
            (&[9, 10, 100], 9, (9, 9)),
            (&[9, 10, 100], 50, (10, 99)),
            (&[9, 10, 100], 0, (0, 8)),
        ];
        for (bounds, after, expected) in cases {
            assert_eq!(between(&touch(bounds), after), expected, "{after} among {bounds:?}");
        }
    }

    #[test]
    fn names_and_members_are_read_back() {
        for party in [None, Some(Arc::from("a.example"))] {
            let key = CounterKey { pack: "us".into(), counter: "bulk".into(), party };
            assert_eq!(counter_of(&name(&key)), Some(key));
        }
        assert_eq!(person(&member(Digest([3; 16]), 2)), Some((2, Digest([3; 16]))));
        assert_eq!(person(b"short"), None);
    }
}
