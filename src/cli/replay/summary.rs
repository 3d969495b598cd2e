//! What changes, grouped by the rule that changes it and the application that sent.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use super::again::{ESTIMATED, Verdict};
use crate::audit::record::Record;
use crate::cli::{Failure, counted};
use crate::config::Snapshot;
use crate::policy::Outcome;
use crate::transfer::Action;

/// Ids of transfers named for one change.
const EXAMPLES: usize = 5;

/// Everything a replay found.
#[derive(Debug, Default)]
pub(super) struct Summary {
    records: u64,
    unchanged: u64,
    /// Transfers with a stricter outcome.
    pub(super) stricter: u64,
    /// Transfers with a milder outcome.
    pub(super) milder: u64,
    /// Transfers with the same outcome by other rules.
    pub(super) rules: u64,
    no_rule: u64,
    unread: u64,
    /// Lines that are no record.
    pub(super) unreadable: u64,
    doubts: BTreeMap<&'static str, u64>,
    changes: BTreeMap<Key, Change>,
}

/// What changes are grouped by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Key {
    change: Kind,
    pack: Arc<str>,
    rule: Arc<str>,
    application: Option<Arc<str>>,
    from: Action,
    to: Action,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Stricter,
    Milder,
    Rules,
}

/// Transfers that change alike.
#[derive(Debug, Clone, Serialize)]
struct Change {
    cite: Arc<str>,
    why: Arc<str>,
    transfers: u64,
    people: u64,
    first: Timestamp,
    last: Timestamp,
    /// Some of them rest on counts that are upper bounds.
    estimated: bool,
    examples: Vec<Arc<str>>,
}

/// A rule as a reason names it, with what it says.
struct Named {
    pack: Arc<str>,
    rule: Arc<str>,
    cite: Arc<str>,
    why: Arc<str>,
}

impl Summary {
    /// Takes in what came of a record.
    pub(super) fn add(&mut self, snapshot: &Snapshot, record: &Record, verdict: Verdict) {
        self.records += 1;
        let (outcome, doubts) = match verdict {
            Verdict::Decided(outcome, doubts) => (outcome, doubts),
            Verdict::NoRule => return self.no_rule += 1,
            Verdict::Unread => return self.unread += 1,
        };
        doubts.iter().for_each(|doubt| *self.doubts.entry(doubt).or_default() += 1);
        let (kind, named) = match outcome.action.cmp(&record.action) {
            std::cmp::Ordering::Greater => (Kind::Stricter, appearing(record, &outcome)),
            std::cmp::Ordering::Less => (Kind::Milder, vanishing(snapshot, record, &outcome)),
            std::cmp::Ordering::Equal => match other_rules(snapshot, record, &outcome) {
                Some(named) => (Kind::Rules, named),
                None => return self.unchanged += 1,
            },
        };
        match kind {
            Kind::Stricter => self.stricter += 1,
            Kind::Milder => self.milder += 1,
            Kind::Rules => self.rules += 1,
        }
        self.change(kind, named, record, outcome.action, doubts.contains(ESTIMATED));
    }

    fn change(&mut self, change: Kind, named: Named, record: &Record, to: Action, estimated: bool) {
        let Named { pack, rule, cite, why } = named;
        let key = Key { change, pack, rule, application: record.application.clone(), from: record.action, to };
        let entry = self.changes.entry(key).or_insert_with(|| Change {
            cite,
            why,
            transfers: 0,
            people: 0,
            first: record.time,
            last: record.time,
            estimated: false,
            examples: Vec::new(),
        });
        entry.transfers += 1;
        entry.people += record.content.people;
        entry.first = entry.first.min(record.time);
        entry.last = entry.last.max(record.time);
        entry.estimated |= estimated;
        if entry.examples.len() < EXAMPLES {
            entry.examples.push(record.id.clone());
        }
    }

    /// One object.
    pub(super) fn as_json(&self, rules: &str) -> Value {
        let changes: Vec<Value> = self
            .changes
            .iter()
            .map(|(key, change)| {
                let mut value = json!(key);
                if let (Some(members), Value::Object(more)) = (value.as_object_mut(), json!(change)) {
                    members.extend(more);
                }
                value
            })
            .collect();
        let notes: Vec<Value> =
            self.doubts.iter().map(|(note, records)| json!({ "records": records, "note": note })).collect();
        json!({
            "rules": rules,
            "records": self.records,
            "unchanged": self.unchanged,
            "stricter": self.stricter,
            "milder": self.milder,
            "other_rules": self.rules,
            "not_replayed": { "gateway": self.no_rule, "content_not_read": self.unread, "unreadable": self.unreadable },
            "notes": notes,
            "changes": changes,
        })
    }

    /// For people.
    pub(super) fn print(&self, out: &mut dyn Write) -> Result<(), Failure> {
        let records = usize::try_from(self.records).unwrap_or(usize::MAX);
        writeln!(
            out,
            "{}: {} unchanged, {} stricter, {} milder, {} by other rules",
            counted(records, "record"),
            self.unchanged,
            self.stricter,
            self.milder,
            self.rules
        )?;
        for (key, change) in &self.changes {
            print_change(key, change, out)?;
        }
        self.print_rest(out)
    }

    fn print_rest(&self, out: &mut dyn Write) -> Result<(), Failure> {
        let rest = [
            (self.no_rule, "were stopped by the gateway itself: no rule was asked"),
            (self.unread, "were not looked into, and the candidate rules ask what they carry"),
            (self.unreadable, "lines are no records this version reads"),
        ];
        let notes = rest.into_iter().filter(|(count, _)| *count > 0);
        let mut notes = notes.chain(self.doubts.iter().map(|(note, records)| (*records, *note))).peekable();
        if notes.peek().is_some() {
            writeln!(out)?;
        }
        for (count, note) in notes {
            writeln!(out, "note: {count} {note}")?;
        }
        Ok(())
    }
}

fn print_change(key: &Key, change: &Change, out: &mut dyn Write) -> Result<(), Failure> {
    let kind = match key.change {
        Kind::Stricter => "stricter",
        Kind::Milder => "milder",
        Kind::Rules => "other rule",
    };
    let application = key.application.as_deref().unwrap_or("unknown application");
    let ends = if key.from == key.to {
        format!("still {}", key.to.as_str())
    } else {
        format!("{} -> {}", key.from.as_str(), key.to.as_str())
    };
    writeln!(out, "\n{kind:<10}  {}/{}  {application}: {ends}", key.pack, key.rule)?;
    if !change.cite.is_empty() {
        writeln!(out, "            {}: {}", change.cite, change.why)?;
    }
    let transfers = counted(usize::try_from(change.transfers).unwrap_or(usize::MAX), "transfer");
    let bound = if change.estimated { ", partly on counts that are upper bounds" } else { "" };
    writeln!(out, "            {transfers}, {} people in them{bound}", change.people)?;
    Ok(writeln!(out, "            such as {}", change.examples.join(", "))?)
}

/// The rule that makes an outcome stricter: the first that now wants it and did not before.
fn appearing(record: &Record, outcome: &Outcome) -> Named {
    let wants = |reason: &&crate::transfer::Reason| reason.enforced && reason.action == outcome.action;
    let before = |reason: &&crate::transfer::Reason| {
        record.reasons.iter().any(|fired| {
            fired.pack == reason.pack && fired.rule == reason.rule && fired.enforced && fired.action == reason.action
        })
    };
    let mut wanting = outcome.reasons.iter().filter(wants);
    let first = wanting.clone().find(|reason| !before(reason)).or_else(|| wanting.next());
    first.map_or_else(nobody, |reason| Named {
        pack: reason.pack.clone(),
        rule: reason.rule.clone(),
        cite: reason.cite.clone(),
        why: reason.why.clone(),
    })
}

/// The rule that no longer makes it as strict: the first that wanted it and does not now.
fn vanishing(snapshot: &Snapshot, record: &Record, outcome: &Outcome) -> Named {
    let now = |fired: &&crate::audit::record::Fired| {
        outcome.reasons.iter().any(|reason| {
            fired.pack == reason.pack && fired.rule == reason.rule && reason.enforced && fired.action == reason.action
        })
    };
    let mut wanting = record.reasons.iter().filter(|fired| fired.enforced && fired.action == record.action);
    let first = wanting.clone().find(|fired| !now(fired)).or_else(|| wanting.next());
    first.map_or_else(nobody, |fired| described(snapshot, &fired.pack, &fired.rule, &fired.cite))
}

/// A rule that binds now and did not, or did and does not.
fn other_rules(snapshot: &Snapshot, record: &Record, outcome: &Outcome) -> Option<Named> {
    let before: BTreeSet<(&str, &str, Action)> = record
        .reasons
        .iter()
        .filter(|fired| fired.enforced)
        .map(|fired| (&*fired.pack, &*fired.rule, fired.action))
        .collect();
    let now: BTreeSet<(&str, &str, Action)> = outcome
        .reasons
        .iter()
        .filter(|reason| reason.enforced)
        .map(|reason| (&*reason.pack, &*reason.rule, reason.action))
        .collect();
    let (pack, rule, _) = now.difference(&before).next().or_else(|| before.difference(&now).next())?;
    let cite = record.reasons.iter().find(|fired| &*fired.rule == *rule).map_or("", |fired| &*fired.cite);
    Some(described(snapshot, pack, rule, cite))
}

fn described(snapshot: &Snapshot, pack: &str, rule: &str, cite: &str) -> Named {
    let found = snapshot.packs.get(pack);
    let rule_found = found.and_then(|pack| pack.rules.iter().find(|known| *known.id == *rule));
    let gone: Arc<str> = "the candidate rules do not have it".into();
    Named {
        pack: pack.into(),
        rule: rule.into(),
        cite: cite.into(),
        why: rule_found.map_or(gone, |rule| rule.why.clone()),
    }
}

/// A law that covers a transfer makes it a log without any rule.
fn nobody() -> Named {
    Named { pack: "any".into(), rule: "scope".into(), cite: "".into(), why: "".into() }
}
