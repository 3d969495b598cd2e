//! Probes and levers: is it alive, is it ready, what does it measure, read the configuration again.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde_json::{Value, json};

use super::AdminState;
use super::inventory;
use super::problem::Problem;
use crate::config::{ListenerMode, OnFailure, Snapshot};
use crate::diagnostic::Diagnostic;
use crate::transfer::Mode;

/// `GET /-/healthy`: the process answers.
pub(super) async fn healthy() -> &'static str {
    "healthy\n"
}

/// `GET /-/ready`: traffic may be sent here, and what the gateway would do with it.
pub(super) async fn ready(State(state): State<AdminState>) -> Response {
    let snapshot = state.live.now();
    let problems = problems(&state);
    let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness(&snapshot, &problems))).into_response()
}

/// `GET /metrics`
pub(super) async fn metrics(State(state): State<AdminState>) -> impl IntoResponse {
    let snapshot = state.live.now();
    inventory::measure(&state, &snapshot).await;
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], state.metrics.render())
}

/// `POST /-/reload`: the running snapshot stays unless the new one is sound in every part.
pub(super) async fn reload(State(state): State<AdminState>) -> Response {
    let live = state.live.clone();
    // Reading rules and address tables takes a while and blocks.
    let outcome = tokio::task::spawn_blocking(move || live.reload()).await;
    match outcome {
        Ok(Ok(reloaded)) => {
            state.metrics.reloaded(true);
            Json(json!({ "reloaded": true, "changed": reloaded.changed, "needs_restart": reloaded.restart }))
                .into_response()
        }
        Ok(Err(diagnostics)) => {
            state.metrics.reloaded(false);
            Problem::bad("The configuration has problems. The gateway keeps running with the one it had.")
                .with("kept", json!(true))
                .with("diagnostics", json!(diagnostics))
                .into_response()
        }
        Err(_) => {
            state.metrics.reloaded(false);
            let detail = "The configuration could not be read. The gateway keeps running with the one it had.";
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail).with("kept", json!(true)).into_response()
        }
    }
}

/// What keeps the gateway from deciding as it should.
fn problems(state: &AdminState) -> Vec<String> {
    let ledger = state.ledger.failure().map(|error| format!("People cannot be counted: {error}."));
    // Where that failure is open, decisions go on without records.
    let records = state.live.now().settings.failure.audit == OnFailure::Closed;
    let audit = records.then(|| state.audit.probe().err()).flatten();
    let audit = audit.map(|error| format!("Decisions cannot be recorded: {error}."));
    ledger.into_iter().chain(audit).collect()
}

fn readiness(snapshot: &Snapshot, problems: &[String]) -> Value {
    let settings = &snapshot.settings;
    let law = |ids: &[std::sync::Arc<str>]| -> Vec<String> {
        let is_law = |id: &&std::sync::Arc<str>| snapshot.packs.get(id).is_some_and(crate::policy::Pack::is_law);
        ids.iter().filter(is_law).map(ToString::to_string).collect()
    };
    let law_enabled = law(&snapshot.enabled.enforce);
    let listeners: Vec<Value> = settings
        .listeners
        .iter()
        .map(|listener| {
            json!({ "name": listener.name, "address": listener.address, "mode": word(listener.mode), "intercept": listener.intercept })
        })
        .collect();
    json!({
        "ready": problems.is_empty(),
        "problems": problems,
        "mode": settings.mode,
        "enforcing": settings.mode == Mode::Enforce && !law_enabled.is_empty(),
        "exporter": { "name": settings.exporter.name, "country": settings.exporter.country },
        "packs": {
            "enabled": snapshot.enabled.enforce,
            "observed": snapshot.enabled.observe,
            "off": inventory::off(snapshot),
            "law_enabled": law_enabled,
            "law_observed": law(&snapshot.enabled.observe),
        },
        "warnings": warnings(snapshot),
        "listeners": listeners,
        "ca_certificate": settings.interception.ca_certificate,
        "rules": snapshot.rules_hash,
        "loaded": snapshot.loaded,
        "version": env!("CARGO_PKG_VERSION"),
    })
}

fn warnings(snapshot: &Snapshot) -> Vec<String> {
    let advised = |warning: &Diagnostic| match &warning.help {
        Some(help) => format!("{} ({help})", warning.message),
        None => warning.message.clone(),
    };
    snapshot.warnings.iter().map(advised).collect()
}

fn word(mode: ListenerMode) -> &'static str {
    match mode {
        ListenerMode::Forward => "forward",
        ListenerMode::Reverse => "reverse",
        ListenerMode::Transparent => "transparent",
    }
}
