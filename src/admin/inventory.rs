//! What the gateway holds: counters against their limits, mechanisms with the days they have left, packs with the
//! questions they ask.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use http::StatusCode;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::{Value, json};

use super::problem::Problem;
use super::{AdminState, counters};
use crate::config::Snapshot;
use crate::policy::{Ending, Fact, Mechanism, Pack};

/// What a list of counters is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// New people by day as well.
    #[serde(default)]
    arrivals: bool,
}

/// `GET /api/v1/ledger`
pub(super) async fn counters(
    State(state): State<AdminState>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Json<Value>, Problem> {
    let Query(wanted) = wanted.map_err(|rejection| Problem::bad(rejection.body_text()))?;
    let (snapshot, now) = (state.live.now(), Timestamp::now());
    let rows = match wanted.arrivals {
        true => counters::rows_with_arrivals(&snapshot, &state.ledger, now).await,
        false => counters::rows(&snapshot, &state.ledger, now).await,
    };
    let rows = rows.map_err(|error| Problem::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string()))?;
    Ok(Json(json!({ "counters": rows })))
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
    let now = Timestamp::now();
    let ending = |mechanism| snapshot.packs.ending(mechanism, &snapshot.enabled, now);
    let rows: Vec<Value> =
        snapshot.mechanisms.iter().map(|mechanism| held(mechanism, ending(mechanism), now)).collect();
    Json(json!({ "mechanisms": rows }))
}

/// Brings the gauges that nobody increments up to date: counters, the ends of mechanisms, the packs loaded.
pub(super) async fn measure(state: &AdminState, snapshot: &Snapshot) {
    let now = Timestamp::now();
    // Gauges of a store that does not answer stay as they were; its failure has a metric and makes the gateway unready.
    if let Ok(rows) = counters::rows(snapshot, &state.ledger, now).await {
        state.metrics.counters(&counters::shown(&rows));
    }
    state.metrics.waiting_to_be_counted(state.ledger.spooled());
    let ends = snapshot.mechanisms.iter().filter_map(|mechanism| {
        let ending = snapshot.packs.ending(mechanism, &snapshot.enabled, now)?;
        Some((&*mechanism.id, ending.end.as_second()))
    });
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

fn held(mechanism: &Mechanism, ending: Option<Ending>, now: Timestamp) -> Value {
    let today = TimeZone::UTC.to_datetime(now).date();
    let days_left = ending.map(|ending| ending.days_left);
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
        "ends": ending.map(|ending| ending.end),
        "filed": mechanism.filed,
        "in_scope": mechanism.in_scope,
        "state": state,
        "days_left": days_left,
    })
}
