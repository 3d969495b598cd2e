//! From an outcome to the decision everybody sees.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use uuid::Uuid;

use super::Envelope;
use crate::policy::{FactSet, Mechanism, Outcome};
use crate::transfer::{Content, Decision, Found, Held, Listed, is_generic_name};

/// Mechanisms kept in a record. Who holds more that reach one importer is decided again by what the configuration says.
const HELD: usize = 32;

/// What is known about a transfer besides its content.
pub(super) struct Known<'a> {
    pub(super) now: Timestamp,
    pub(super) facts: Cow<'a, FactSet>,
    pub(super) found: Vec<Found>,
    pub(super) lists: Vec<Listed>,
}

impl Known<'_> {
    /// Nothing but when: for decisions no pack was asked about.
    pub(super) fn at(now: Timestamp) -> Known<'static> {
        Known { now, facts: Cow::default(), found: Vec::new(), lists: Vec::new() }
    }
}

/// Builds the decision about an envelope.
pub(super) fn decision(envelope: &Envelope<'_>, known: Known<'_>, content: Content, outcome: Outcome) -> Decision {
    Decision {
        id: id(known.now),
        time: known.now,
        mode: envelope.snapshot.settings.mode,
        action: outcome.action,
        cause: outcome.cause,
        listener: envelope.listener.clone(),
        application: envelope.application.map(|application| application.name.clone()),
        direction: envelope.direction,
        method: method(envelope.method),
        path: shape(envelope.path),
        exporter: envelope.exporter.without_values(),
        importer: envelope.importer.without_values(),
        content,
        found: known.found,
        held: (!outcome.reasons.is_empty()).then(|| held(envelope)).flatten(),
        reasons: outcome.reasons,
        mechanisms: outcome.mechanisms,
        warnings: outcome.warnings,
        passes_if: outcome.passes_if,
        routes: outcome.routes,
        unanswered: outcome.unanswered,
        counters: outcome.counters,
        facts: known.facts.into_owned().into_answers(),
        lists: known.lists,
        rules: envelope.snapshot.rules_hash.clone(),
    }
}

/// The mechanisms made with the importer.
fn held(envelope: &Envelope<'_>) -> Option<Vec<Held>> {
    let reaching = envelope.snapshot.mechanisms.iter().filter(|mechanism| mechanism.is_with(envelope.importer));
    let held: Vec<Held> = reaching.take(HELD + 1).map(Mechanism::held).collect();
    (held.len() <= HELD).then_some(held)
}

/// Replaces what was decided by a failure that came after.
pub(super) fn turn(decision: &mut Decision, outcome: Outcome) {
    decision.action = outcome.action;
    decision.cause = outcome.cause;
    decision.reasons.extend(outcome.reasons);
    decision.passes_if = outcome.passes_if;
    decision.routes = outcome.routes;
}

/// Registered methods (IANA, without those of drafts). Any other token could be a word of the sender's.
const METHODS: [&str; 32] = [
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "DELETE",
    "CONNECT",
    "OPTIONS",
    "TRACE",
    "PATCH",
    "QUERY",
    "ACL",
    "BASELINE-CONTROL",
    "BIND",
    "CHECKIN",
    "CHECKOUT",
    "COPY",
    "LABEL",
    "LINK",
    "LOCK",
    "MERGE",
    "MKACTIVITY",
    "MKCALENDAR",
    "MKCOL",
    "MKWORKSPACE",
    "MOVE",
    "PROPFIND",
    "PROPPATCH",
    "REPORT",
    "SEARCH",
    "UNLINK",
    "UNLOCK",
    "UPDATE",
];

fn method(method: &str) -> &'static str {
    METHODS.iter().find(|known| **known == method).copied().unwrap_or("*")
}

/// The shape of a path: generic words and versions stay, everything else could be a value and becomes `*`. The query is
/// dropped.
fn shape(target: &str) -> String {
    let path = target.split(['?', '#']).next().unwrap_or("");
    let mut shape = String::with_capacity(path.len());
    for segment in path.split('/').skip(1).take(32) {
        shape.push('/');
        shape.push_str(if names_a_resource(segment) { segment } else { "*" });
    }
    if shape.is_empty() { "/".to_owned() } else { shape }
}

fn names_a_resource(segment: &str) -> bool {
    let version = segment.strip_prefix('v').is_some_and(|digits| digits.len() <= 2 && digits.parse::<u8>().is_ok());
    segment.is_empty() || version || is_generic_name(segment)
}

/// A version 7 UUID: the millisecond, then a counter in random surroundings. Drawn from the process's own random start
/// instead of the kernel each time, since an id has to be unique and not secret.
fn id(now: Timestamp) -> Uuid {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    static START: std::sync::LazyLock<[u8; 16]> = std::sync::LazyLock::new(|| *Uuid::now_v7().as_bytes());
    let count = COUNTER.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    let mut random = [0u8; 10];
    random.iter_mut().zip(START.iter().skip(6)).for_each(|(to, from)| *to = *from);
    random.iter_mut().skip(2).zip(count).for_each(|(to, from)| *to ^= from);
    uuid::Builder::from_unix_timestamp_millis(now.as_millisecond().unsigned_abs(), &random).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_keeps_its_shape_and_loses_its_values() {
        assert_eq!(shape("/v1/people?email=a@b.c"), "/v1/people");
        assert_eq!(shape("/v2/users/110101190001010014/orders/ZHANG"), "/v2/users/*/orders/*");
        assert_eq!(shape("/a%40b"), "/*");
        assert_eq!(shape("*"), "/");
        assert_eq!(shape("/users/jane"), "/users/*");
        assert_eq!(shape("/v1/users/Jane.Doe/张三/%E5%BC%A0/userProfiles"), "/v1/users/*/*/*/userProfiles");
        assert_eq!(shape("/jane;v=1/v123/v1.json"), "/*/*/*");
    }

    #[test]
    fn a_method_that_is_no_method_is_not_repeated() {
        assert_eq!((method("PATCH"), method("JANE"), method("get")), ("PATCH", "*", "*"));
    }

    #[test]
    fn ids_differ_and_sort_by_time() {
        let early = id(Timestamp::from_millisecond(1_000).unwrap());
        let late = id(Timestamp::from_millisecond(2_000).unwrap());
        assert!(early < late && early.get_version_num() == 7);
    }
}
