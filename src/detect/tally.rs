//! Counts and locations by kind, and single findings if somebody asked for them.

use std::collections::BTreeMap;

use crate::transfer::{Category, Found, Locator, Tally};

use super::people::People;
use super::{Finding, Findings, Keep};

/// Most locations listed for one kind.
const LOCATIONS: usize = 8;
/// Findings of one kind whose location is always looked at; after these only locations that seem new are.
const ALWAYS: u64 = 64;
/// Most single findings kept.
const FINDINGS: usize = 200_000;

#[derive(Debug, Default)]
struct Counted {
    count: u64,
    locations: Vec<String>,
    /// Hashes of field name and depth already looked at.
    seen: Vec<u64>,
}

/// What has been found so far.
#[derive(Debug)]
pub(super) struct Tallies {
    by_category: BTreeMap<Category, Counted>,
    findings: Vec<Finding>,
    pub(super) keep: Keep,
    truncated: bool,
}

impl Tallies {
    pub(super) fn new(keep: Keep) -> Tallies {
        Tallies { by_category: BTreeMap::new(), findings: Vec::new(), keep, truncated: false }
    }

    /// Counts one finding. `key` tells locations apart cheaply.
    pub(super) fn add(&mut self, category: Category, at: &Locator, key: &str) {
        let counted = self.by_category.entry(category).or_default();
        counted.count += 1;
        if counted.locations.len() >= LOCATIONS {
            return;
        }
        let mark = mark(at, key);
        let is_new = !counted.seen.contains(&mark);
        if is_new && counted.seen.len() < LOCATIONS * 4 {
            counted.seen.push(mark);
        }
        if is_new || counted.count <= ALWAYS {
            let pattern = at.pattern();
            if !counted.locations.contains(&pattern) {
                counted.locations.push(pattern);
            }
        }
    }

    /// Counts one finding whose location was written down before.
    pub(super) fn add_at(&mut self, category: Category, location: String) {
        let counted = self.by_category.entry(category).or_default();
        counted.count += 1;
        if counted.locations.len() < LOCATIONS && !counted.locations.contains(&location) {
            counted.locations.push(location);
        }
    }

    pub(super) fn keep(&mut self, finding: Finding) {
        if self.findings.len() < FINDINGS {
            self.findings.push(finding);
        } else {
            self.truncated = true;
        }
    }

    pub(super) fn finish(self, people: People) -> Findings {
        let by_category = people.by_category();
        let about = |category: &Category| by_category.get(category).copied().unwrap_or(0);
        let tally = |(category, counted): (&Category, &Counted)| {
            (*category, Tally { count: counted.count, people: about(category) })
        };
        let categories = self.by_category.iter().map(tally).collect();
        let found = |(category, counted): (Category, Counted)| Found {
            category,
            count: counted.count,
            people: about(&category),
            locations: counted.locations,
        };
        let found = self.by_category.into_iter().map(found).collect();
        let truncated = self.truncated || people.is_truncated();
        Findings { categories, found, people: people.into_list(), findings: self.findings, truncated }
    }
}

fn mark(at: &Locator, key: &str) -> u64 {
    let mix = |state: u64, byte: u8| (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    key.bytes().take(64).fold(at.depth() as u64 + 0xcbf2_9ce4, mix)
}
