//! Everybody in a counter as digests, and people of the past brought into one.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::response::IntoResponse;
use http::{StatusCode, header};
use jiff::Timestamp;
use serde::Deserialize;

use super::AdminState;
use super::problem::Problem;
use super::seed::{Seed, Seeded, Unseeded};
use crate::ledger::{Ledger, LedgerError};
use crate::transfer::CounterKey;

/// The first line of an export.
pub const HEADER: &str = "pack,counter,party,day,digest,generation";

/// Whom to list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    pack: String,
    counter: String,
    party: Option<String>,
    /// Digests that begin with this hexadecimal digit.
    first: Option<char>,
}

/// `GET /api/v1/ledger/people`
pub(super) async fn list(
    State(state): State<AdminState>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<impl IntoResponse, Problem> {
    let Query(Wanted { pack, counter, party, first }) =
        wanted.map_err(|rejection| Problem::bad(rejection.body_text()))?;
    let key = CounterKey { pack: pack.into(), counter: counter.into(), party: party.map(Into::into) };
    let lines = lines(&state.ledger, &key, first).await;
    let lines = lines.map_err(|error| Problem::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string()))?;
    Ok(([(header::CONTENT_TYPE, "text/csv; charset=utf-8")], format!("{HEADER}\n{lines}")))
}

/// `POST /api/v1/ledger/people`
pub(super) async fn seed(
    State(state): State<AdminState>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Seeded>, Problem> {
    let body = body.map_err(|rejection| Problem::new(StatusCode::PAYLOAD_TOO_LARGE, rejection.body_text()))?;
    let seed: Seed = serde_json::from_slice(&body).map_err(|error| Problem::bad(error.to_string()))?;
    let taken = seed.take_in(&state.live.now(), &state.ledger, &state.audit, Timestamp::now()).await;
    taken.map(Json).map_err(|error| match error {
        Unseeded::Unclear(text) => Problem::bad(text),
        error => Problem::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
    })
}

/// The people of a counter, a line each, in the order of their digests.
///
/// # Errors
/// The store cannot be asked.
pub async fn lines(ledger: &Ledger, key: &CounterKey, first: Option<char>) -> Result<String, LedgerError> {
    let generation = ledger.generation();
    let mut people: Vec<(String, String)> = Vec::new();
    for (digest, day) in ledger.people(key).await? {
        let digest = format!("{digest:?}");
        if first.is_none_or(|first| digest.starts_with(first)) {
            people.push((digest, day.to_string()));
        }
    }
    people.sort_unstable();
    let party = key.party.as_deref().unwrap_or_default();
    let line = |(digest, day): (String, String)| {
        format!("{},{},{party},{day},{digest},{generation}\n", key.pack, key.counter)
    };
    Ok(people.into_iter().map(line).collect())
}
