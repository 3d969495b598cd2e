//! How many people: which counters a transfer touches, and what they show.

use std::sync::Arc;

use jiff::civil::Date;
use serde::Serialize;

use super::Digest;

/// Which counter: one of a pack, for the exporter as a whole or for one importer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CounterKey {
    /// Pack id.
    pub pack: Arc<str>,
    /// Counter id within the pack.
    pub counter: Arc<str>,
    /// The importer's host when the statute counts per importer.
    pub party: Option<Arc<str>>,
}

/// People a transfer would add to a counter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touch {
    /// Which counter.
    pub key: CounterKey,
    /// First day of the window: everyone last seen on or after it counts.
    pub since: Date,
    /// Today in the time zone of the pack.
    pub day: Date,
    /// The people, each once.
    pub people: Vec<Digest>,
    /// Where the outcome may turn, ascending: `n` is listed if a rule may say something else with `n` people in the
    /// counter, this transfer included, than with `n - 1`.
    pub bounds: Arc<[u64]>,
}

impl Touch {
    /// The highest number at which the outcome may turn; above it all numbers are alike.
    pub fn highest(&self) -> u64 {
        self.bounds.last().copied().unwrap_or(0)
    }
}

/// What a counter shows for one touch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count {
    /// Distinct people in the window before this transfer.
    pub before: u64,
    /// People of this transfer who were not among them.
    pub adding: u64,
}

/// What a counter shows, as a decision tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Counted {
    /// Pack id.
    pub pack: Arc<str>,
    /// Counter id within the pack.
    pub counter: Arc<str>,
    /// The importer, where the statute counts for each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub party: Option<Arc<str>>,
    /// Whom it counts, in words.
    pub title: Arc<str>,
    /// First day of the window.
    #[serde(skip_serializing_if = "is_ever")]
    pub since: Date,
    /// Distinct people before this transfer.
    pub before: u64,
    /// People this transfer adds.
    pub adding: u64,
    /// Distinct people with this transfer.
    pub after: u64,
    /// The next bound above what it showed before; nothing when it is past all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// People of this transfer it counts, known before or not.
    pub people: u64,
}

fn is_ever(since: &Date) -> bool {
    *since == Date::MIN
}

impl Count {
    /// Distinct people with this transfer included.
    pub fn after(self) -> u64 {
        self.before.saturating_add(self.adding)
    }
}
