//! The admin door: health, metrics, reload, the API and the console.
//!
//! It shows and steers, and is no part of a transfer's way: it reads snapshots and stores, and the one decision it asks
//! for is a rehearsal that sends, counts and records nothing. No answer holds a value from a message, since nothing it
//! reads does.
//!
//! ```text
//! connection ─▶ bounds ─▶ security headers ─▶ time limit ─▶ host guard ─▶ origin guard ─▶ token ─▶ handler
//! ```
//!
//! With a token configured everything that tells about traffic or configuration asks for it. What is public then is
//! what a prober, a browser or a refused client needs before it can have a token: health, readiness, the console's own
//! files (they hold no data; the page asks for the token), the pages of packs that refusals link to, and `proxy.pac`.

mod bounds;

mod console;

pub mod counters;

mod decide;

mod decisions;

mod document;

mod guard;

mod inventory;

mod pac;

mod page;

pub mod people;

mod probe;

mod problem;

pub mod seed;

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, get, post};
use http::{HeaderValue, StatusCode, header};
use tokio::net::TcpListener;

use crate::audit::Audit;
use crate::config::Live;
use crate::gate::Gate;
use crate::ledger::Ledger;
use crate::metrics::Metrics;
pub use decide::{Question, Unclear};
use guard::Guard;
use problem::Problem;

/// Largest request body.
const BODY: usize = 16 << 20;
/// Longest time from a request's head to its answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longest time open requests have to end after a stop was asked for.
const FAREWELL: Duration = Duration::from_secs(5);

/// What the door shows: the running configuration and the stores. Cheap to clone.
#[derive(Debug, Clone)]
pub struct AdminState {
    /// The running configuration.
    pub live: Live,
    /// For rehearsals.
    pub gate: Gate,
    /// People counted.
    pub ledger: Ledger,
    /// Decisions taken.
    pub audit: Arc<Audit>,
    /// For `/metrics`.
    pub metrics: Metrics,
}

/// One route: the only list of them. The router is built from it and the API description is compared with it.
struct Route {
    path: &'static str,
    access: Access,
    handler: MethodRouter<AdminState>,
}

/// Who may use a route when a token is configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    Public,
    Token,
}

fn routes() -> Vec<Route> {
    use Access::{Public, Token};
    let read = |path, access, handler| Route { path, access, handler };
    let write = |path, handler| Route { path, access: Token, handler };
    vec![
        read("/", Public, get(console::index)),
        read("/console/{file}", Public, get(console::file)),
        read("/packs/{id}", Public, get(page::pack)),
        read("/proxy.pac", Public, get(pac::script)),
        read("/-/healthy", Public, get(probe::healthy)),
        read("/-/ready", Public, get(probe::ready)),
        write("/-/reload", post(probe::reload)),
        read("/metrics", Token, get(probe::metrics)),
        read("/api/v1/decisions", Token, get(decisions::list)),
        read("/api/v1/decisions/{id}", Token, get(decisions::one)),
        read("/api/v1/ledger", Token, get(inventory::counters)),
        read(
            "/api/v1/ledger/people",
            Token,
            get(people::list).merge(post(people::seed).layer(DefaultBodyLimit::max(BODY))),
        ),
        read("/api/v1/packs", Token, get(inventory::packs)),
        read("/api/v1/mechanisms", Token, get(inventory::mechanisms)),
        write("/api/v1/decide", post(decide::answer)),
        read("/api/v1/openapi.json", Token, get(document::openapi)),
    ]
}

/// Serves the admin door until `shutdown` is ready, then lets open requests end.
///
/// # Errors
/// The address of the listener cannot be read.
pub async fn serve(
    listener: TcpListener,
    state: AdminState,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let guard = Guard { loopback: listener.local_addr()?.ip().is_loopback(), live: state.live.clone() };
    let (stopping, stopped) = tokio::sync::oneshot::channel();
    let asked = async move {
        shutdown.await;
        // The receiver is gone only when the server has already ended.
        let _ = stopping.send(());
    };
    let server = axum::serve(bounds::Bounded::new(listener), router(state, guard)).with_graceful_shutdown(asked);
    let late = async {
        match stopped.await {
            Ok(()) => tokio::time::sleep(FAREWELL).await,
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        ended = server.into_future() => ended,
        () = late => Ok(()),
    }
}

fn router(state: AdminState, guard: Guard) -> Router {
    let mut router = Router::new();
    for route in routes() {
        let handler = match route.access {
            Access::Public => route.handler,
            Access::Token => route.handler.layer(middleware::from_fn_with_state(guard.clone(), guard::token)),
        };
        router = router.route(route.path, handler);
    }
    router
        .fallback(|| async { Problem::new(StatusCode::NOT_FOUND, "There is nothing at this address.") })
        .method_not_allowed_fallback(|| async {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "This address does not take this method.")
        })
        .layer(middleware::from_fn(guard::origin))
        .layer(middleware::from_fn_with_state(guard, guard::host))
        .layer(middleware::from_fn(in_time))
        .layer(middleware::from_fn(hardened))
        .with_state(state)
}

async fn in_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(PATIENCE, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::new(StatusCode::SERVICE_UNAVAILABLE, "The answer took too long.").into_response(),
    }
}

/// Headers every answer carries. Scripts and styles come from our own files only, and nothing may frame the console.
async fn hardened(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

const HEADERS: [(header::HeaderName, &str); 7] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

#[cfg(test)]
mod tests;
