//! The description of the API. It is a kept file, so that a change of the API is a change somebody reads.

use axum::response::IntoResponse;
use http::header;

pub(super) const OPENAPI: &str = include_str!("openapi.json");

/// `GET /api/v1/openapi.json`
pub(super) async fn openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI)
}
