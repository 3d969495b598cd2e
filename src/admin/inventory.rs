//! What the gateway holds: counters against their limits, mechanisms with the days they have left, packs with the
//! questions they ask.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::AdminState;
use crate::config::Snapshot;
use crate::ledger::Total;
use crate::policy::{Fact, Mechanism, Pack};

/// `GET /api/v1/ledger`
pub(super) async fn counters(State(state): State<AdminState>) -> Json<Value> {
    let snapshot = state.live.now();
    let totals = state.ledger.totals().await.unwrap_or_default();
    let rows = totals.into_iter().map(|Total { key, since, people, error }| {
        let limit = limit(&snapshot, &key.pack, &key.counter);
        json!({
            "pack": key.pack,
            "counter": key.counter,
            "title": snapshot.packs.get(&key.pack).map(|pack| &pack.title),
            "party": key.party,
            "since": since,
            "people": people,
            "error": error,
            "limit": limit,
            "share": limit.map(|limit| people as f64 / limit as f64),
        })
    });
    Json(json!({ "counters": rows.collect::<Vec<Value>>() }))
}

/// `GET /api/v1/packs`
pub(super) async fn packs(State(state): State<AdminState>) -> Json<Value> {
    let snapshot = state.live.now();
    let rows: Vec<Value> = snapshot.packs.iter().map(|pack| row(&snapshot, pack)).collect();
    Json(json!({ "packs": rows }))
}

/// `GET /api/v1/mechanisms`
pub(super) async fn mechanisms(State(state): State<AdminState>) -> Json<Value> {
    let snapshot = state.live.now();
    let today = TimeZone::UTC.to_datetime(Timestamp::now()).date();
    let rows: Vec<Value> = snapshot.mechanisms.iter().map(|mechanism| held(mechanism, today)).collect();
    Json(json!({ "mechanisms": rows }))
}

/// Brings the gauges that nobody increments up to date: counters, the ends of mechanisms, the packs loaded.
pub(super) async fn measure(state: &AdminState, snapshot: &Snapshot) {
    // Gauges of a store that does not answer stay as they were; its failure has a metric and makes the gateway unready.
    let totals = state.ledger.totals().await.unwrap_or_default();
    state.metrics.counters(totals.iter().map(|Total { key, people, .. }| {
        (&*key.pack, &*key.counter, *people, limit(snapshot, &key.pack, &key.counter).unwrap_or(0))
    }));
    let ends = snapshot.mechanisms.iter().filter_map(|mechanism| Some((&*mechanism.id, end(mechanism.until?)?)));
    state.metrics.mechanisms(ends);
    let versions: Vec<String> = snapshot.packs.iter().map(|pack| pack.updated.to_string()).collect();
    let packs = snapshot.packs.iter().zip(&versions);
    state.metrics.rules(packs.map(|(pack, version)| (&*pack.id, version.as_str(), &*pack.hash)));
}

/// Ids of packs that are neither enforced nor observed.
pub(super) fn off(snapshot: &Snapshot) -> Vec<&Arc<str>> {
    snapshot.packs.iter().map(|pack| &pack.id).filter(|id| standing(snapshot, id) == "off").collect()
}

/// What the configuration does with a pack, in its own words.
pub(super) fn standing(snapshot: &Snapshot, id: &Arc<str>) -> &'static str {
    if snapshot.enabled.enforce.contains(id) {
        "enabled"
    } else if snapshot.enabled.observe.contains(id) {
        "observed"
    } else {
        "off"
    }
}

/// The highest bound a rule compares a counter with.
fn limit(snapshot: &Snapshot, pack: &str, counter: &str) -> Option<u64> {
    let counter = snapshot.packs.get(pack)?.counters.iter().find(|known| &*known.id == counter)?;
    (counter.highest > 0).then_some(counter.highest)
}

/// The first second after the last valid day.
fn end(until: Date) -> Option<i64> {
    let next = until.tomorrow().ok()?.to_datetime(Time::midnight());
    Some(TimeZone::UTC.to_timestamp(next).ok()?.as_second())
}

fn row(snapshot: &Snapshot, pack: &Pack) -> Value {
    let facts: Vec<Value> = pack.facts.iter().map(|fact| question(snapshot, fact)).collect();
    json!({
        "id": pack.id,
        "title": pack.title,
        "kind": pack.kind,
        "state": standing(snapshot, &pack.id),
        "jurisdiction": pack.jurisdiction,
        "version": pack.updated,
        "hash": pack.hash,
        "rules": pack.rules,
        "counters": pack.counters,
        "facts": facts,
    })
}

fn question(snapshot: &Snapshot, fact: &Fact) -> Value {
    let mut value = serde_json::to_value(fact).unwrap_or_default();
    if let Some(members) = value.as_object_mut() {
        members.insert("answered".to_owned(), json!(is_answered(snapshot, &fact.name)));
    }
    value
}

/// Whether any part of the configuration answers a question: the exporter, an application or an importer.
fn is_answered(snapshot: &Snapshot, name: &str) -> bool {
    let settings = &snapshot.settings;
    settings.exporter.facts.get(name).is_some()
        || settings.applications.iter().any(|application| application.facts.get(name).is_some())
        || snapshot.importers.iter().any(|importer| importer.facts.get(name).is_some())
}

fn held(mechanism: &Mechanism, today: Date) -> Value {
    let days_left = mechanism.until.and_then(|until| today.until(until).ok()).map(|span| span.get_days());
    let state = match (mechanism.from, days_left) {
        (Some(from), _) if today < from => "future",
        (_, Some(days)) if days < 0 => "expired",
        _ => "valid",
    };
    json!({
        "id": mechanism.id,
        "kind": mechanism.kind,
        "importers": mechanism.importers.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "countries": mechanism.countries,
        "categories": mechanism.categories.iter().collect::<Vec<_>>(),
        "from": mechanism.from,
        "until": mechanism.until,
        "filed": mechanism.filed,
        "in_scope": mechanism.in_scope,
        "state": state,
        "days_left": days_left,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn a_mechanism_ends_when_its_last_day_is_over() {
        assert_eq!(end(date(2026, 1, 31)), Some(1_769_904_000));
    }
}
