//! Decisions taken, as the audit log holds them: the newest in memory, any other by its id.

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse as _, Response};
use http::{StatusCode, header};
use serde::Deserialize;
use uuid::Uuid;

use super::AdminState;
use super::problem::Problem;
use crate::transfer::{Action, Country};

/// The most that are kept for showing.
const MOST: usize = 1_000;
const USUAL: usize = 100;

/// Which decisions to list.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    limit: Option<usize>,
    action: Option<Action>,
    application: Option<String>,
    importer: Option<Country>,
}

/// The members of a record the filter looks at.
#[derive(Deserialize)]
struct Glance {
    action: Action,
    application: Option<String>,
    importer: PlaceGlance,
}

#[derive(Deserialize)]
struct PlaceGlance {
    country: Vec<Country>,
}

/// `GET /api/v1/decisions`
pub(super) async fn list(
    State(state): State<AdminState>,
    filter: Result<Query<Filter>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(filter) = filter.map_err(|rejection| Problem::bad(rejection.body_text()))?;
    let limit = filter.limit.unwrap_or(USUAL);
    if limit > MOST {
        return Err(Problem::bad(format!("limit is at most {MOST}")));
    }
    let records = state.audit.recent(if filter.is_open() { limit } else { MOST });
    let kept: Vec<&str> =
        records.iter().map(|record| &**record).filter(|record| filter.lets(record)).take(limit).collect();
    // Records are JSON already; parsing them only to write them again would cost every console every two seconds.
    Ok(json(format!("{{\"decisions\":[{}]}}", kept.join(","))))
}

/// `GET /api/v1/decisions/{id}`
pub(super) async fn one(
    State(state): State<AdminState>,
    id: Result<Path<Uuid>, PathRejection>,
) -> Result<Response, Problem> {
    let Path(id) = id.map_err(|_| Problem::bad("The id of a decision is a UUID."))?;
    // Older decisions are read from disk.
    let found = tokio::task::spawn_blocking(move || state.audit.find(&id.to_string())).await;
    match found {
        Ok(Some(record)) => Ok(json(record.to_string())),
        Ok(None) => Err(Problem::new(StatusCode::NOT_FOUND, "No decision has this id.")),
        Err(_) => Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "The audit log could not be searched.")),
    }
}

fn json(text: String) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}

impl Filter {
    fn is_open(&self) -> bool {
        self.action.is_none() && self.application.is_none() && self.importer.is_none()
    }

    fn lets(&self, record: &str) -> bool {
        if self.is_open() {
            return true;
        }
        let Ok(glance) = serde_json::from_str::<Glance>(record) else { return false };
        self.action.is_none_or(|action| action == glance.action)
            && self.application.as_ref().is_none_or(|name| glance.application.as_ref() == Some(name))
            && self.importer.is_none_or(|country| glance.importer.country.contains(&country))
    }
}
