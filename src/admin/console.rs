//! The files of the console, carried in the binary.

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};

use super::problem::Problem;

const INDEX: &str = include_str!("console/index.html");
const FILES: [(&str, &str, &str); 3] = [
    ("console.js", "text/javascript; charset=utf-8", include_str!("console/console.js")),
    ("console.css", "text/css; charset=utf-8", include_str!("console/console.css")),
    ("icon.svg", "image/svg+xml", include_str!("console/icon.svg")),
];

/// `GET /`
pub(super) async fn index() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], INDEX)
}

/// `GET /console/{file}`
pub(super) async fn file(name: Result<Path<String>, PathRejection>) -> Response {
    let known = |Path(name): Path<String>| FILES.iter().find(|(file, ..)| *file == name);
    match name.ok().and_then(known) {
        Some((_, kind, text)) => ([(header::CONTENT_TYPE, *kind)], *text).into_response(),
        None => Problem::new(StatusCode::NOT_FOUND, "The console has no such file.").into_response(),
    }
}
