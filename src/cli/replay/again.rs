//! One record decided again.

use std::collections::BTreeSet;

use super::counts::Seen;
use crate::audit::record::{Carried, Record};
use crate::config::Snapshot;
use crate::policy::{Case, FactSet, Mechanism, Outcome};
use crate::transfer::{Action, Category, CategorySet, Content, Group, Mode};

/// What is known less well than at the time, in words for the summary.
pub(super) type Doubts = BTreeSet<&'static str>;

pub(super) const NO_FACTS: &str = "have no answers: those of the configuration are used";
pub(super) const NO_GROUPS: &str =
    "do not say which kinds were known of whom: as many kinds as possible of each person";
pub(super) const NO_HELD: &str = "do not say what was held: the mechanisms of the configuration are used";
pub(super) const ESTIMATED: &str =
    "meet a counter their record does not show: people are added up, which is an upper bound";

/// What came of a record.
pub(super) enum Verdict {
    /// It was decided again.
    Decided(Outcome, Doubts),
    /// The gateway itself stopped it; no rule was asked.
    NoRule,
    /// The candidate rules ask about content that nobody looked at.
    Unread,
}

/// Decides the records of a log in their order.
pub(super) struct Replay<'s> {
    snapshot: &'s Snapshot,
    seen: Seen,
}

impl<'s> Replay<'s> {
    pub(super) fn new(snapshot: &'s Snapshot) -> Replay<'s> {
        Replay { snapshot, seen: Seen::default() }
    }

    pub(super) fn decide(&mut self, record: &Record) -> Verdict {
        if record.reasons.iter().any(|fired| &*fired.pack == "gateway") {
            return Verdict::NoRule;
        }
        let mut doubts = Doubts::new();
        let facts = self.facts(record, &mut doubts);
        let mechanisms = self.mechanisms(record, &mut doubts);
        let content = content(&record.content);
        let groups = groups(&record.content, &mut doubts);
        let case = Case {
            now: record.time,
            direction: record.direction,
            exporter: &record.exporter,
            importer: &record.importer,
            application: record.application.as_deref(),
            facts: &facts,
            content: &content,
            mechanisms: &mechanisms,
            enabled: &self.snapshot.enabled,
        };
        let packs = &self.snapshot.packs;
        if record.content.skipped > 0 && packs.interest(&case).content {
            return Verdict::Unread;
        }
        let mut counted = Vec::new();
        let outcome = packs.decide_again(&case, &groups, |touch, people| {
            let (count, estimated) = self.seen.count(packs, record, touch, people);
            if estimated {
                doubts.insert(ESTIMATED);
            }
            counted.push((touch.clone(), count));
            count
        });
        if outcome.action < Action::Block || record.mode == Mode::Observe {
            counted.iter().for_each(|(touch, count)| self.seen.add(record, touch, *count));
        }
        Verdict::Decided(outcome, doubts)
    }

    fn facts(&self, record: &Record, doubts: &mut Doubts) -> FactSet {
        if let Some(facts) = &record.facts {
            return FactSet::from(facts.clone());
        }
        doubts.insert(NO_FACTS);
        let settings = &self.snapshot.settings;
        let mut facts = settings.exporter.facts.clone();
        let sender = settings.applications.iter().find(|known| Some(&known.name) == record.application.as_ref());
        let importer = record.importer.host.as_deref().and_then(|host| self.snapshot.importer(host));
        let more = sender.map(|known| &known.facts).into_iter().chain(importer.map(|known| &known.facts));
        more.for_each(|more| facts.merge(more));
        facts
    }

    fn mechanisms(&self, record: &Record, doubts: &mut Doubts) -> Vec<Mechanism> {
        if let Some(held) = &record.held {
            return held.iter().cloned().map(Mechanism::recorded).collect();
        }
        // A record in which no rule spoke does not need any, whatever version it is of.
        if !record.reasons.is_empty() && !self.snapshot.mechanisms.is_empty() {
            doubts.insert(NO_HELD);
        }
        self.snapshot.mechanisms.clone()
    }
}

fn content(recorded: &Carried) -> Content {
    Content {
        bytes: recorded.bytes,
        opaque: recorded.opaque_reasons.clone(),
        skipped: recorded.skipped,
        categories: recorded.categories.clone(),
        ..Content::default()
    }
}

/// People by what is known of them. Without groups, kinds are laid over each other: the people of the most frequent kind
/// have every less frequent one as far as its people go.
fn groups(recorded: &Carried, doubts: &mut Doubts) -> Vec<Group> {
    if let Some(groups) = &recorded.groups {
        return groups.clone();
    }
    if recorded.people == 0 {
        return Vec::new();
    }
    doubts.insert(NO_GROUPS);
    let mut kinds: Vec<(Category, u64)> =
        recorded.categories.iter().map(|(kind, tally)| (*kind, tally.people.min(recorded.people))).collect();
    kinds.sort_by_key(|(_, people)| std::cmp::Reverse(*people));
    let mut groups: Vec<Group> = Vec::new();
    while let Some((_, least)) = kinds.pop() {
        let done: u64 = groups.iter().map(|group| group.people).sum();
        let Some(people) = least.checked_sub(done).filter(|people| *people > 0) else { continue };
        // All kinds found of at least as many people, and those of this many itself.
        let frequent = recorded.categories.iter().filter(|(_, tally)| tally.people >= least).map(|(kind, _)| *kind);
        groups.push(Group { categories: CategorySet::of(frequent), people });
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer::Tally;

    #[test]
    fn kinds_without_groups_are_laid_over_each_other() {
        let kind = |path| Category::parse(path).unwrap();
        let tally = |people| Tally { count: people, people };
        let recorded = Carried {
            bytes: 0,
            opaque_reasons: Default::default(),
            skipped: 0,
            categories: [(kind("personal.name"), tally(5)), (kind("personal.health"), tally(2))].into(),
            people: 5,
            groups: None,
        };
        let mut doubts = Doubts::new();
        let groups = groups(&recorded, &mut doubts);
        let shown: Vec<(String, u64)> =
            groups.iter().map(|group| (format!("{:?}", group.categories), group.people)).collect();
        assert_eq!(shown, [("{personal.health, personal.name}".to_owned(), 2), ("{personal.name}".to_owned(), 3)]);
        assert!(doubts.contains(NO_GROUPS));
    }
}
