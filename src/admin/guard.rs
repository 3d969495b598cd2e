//! Who may ask: hosts, origins and the token.
//!
//! A page on the internet can make a browser send requests to a loopback address, and can rebind its own name to that
//! address to read the answers. So on loopback the `Host` has to be a name nobody else can own, and a request that
//! changes something has to come from no page or from our own.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, Method, StatusCode, header};

use super::problem::Problem;
use crate::config::Live;

/// What the guards have to know.
#[derive(Clone)]
pub(super) struct Guard {
    /// Whether the door is on a loopback address.
    pub(super) loopback: bool,
    pub(super) live: Live,
}

/// On loopback, refuses a `Host` that is neither a loopback name nor an address. Browsers always send one.
pub(super) async fn host(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let asked = request.headers().get(header::HOST).map(|host| host.to_str().unwrap_or(""));
    let named = asked.or_else(|| request.uri().authority().map(http::uri::Authority::as_str));
    if guard.loopback && !named.is_none_or(is_local) {
        return Problem::new(StatusCode::FORBIDDEN, "Ask for this address by a loopback name or by its IP address.")
            .into_response();
    }
    next.run(request).await
}

/// Refuses requests that change something when a page of another origin made them.
pub(super) async fn origin(request: Request, next: Next) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if !reads && !is_same_origin(request.headers()) {
        return Problem::new(StatusCode::FORBIDDEN, "A page of another origin may not send this request.")
            .into_response();
    }
    next.run(request).await
}

/// Asks for the bearer token, if one is configured.
pub(super) async fn token(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let snapshot = guard.live.now();
    let wanted = snapshot.settings.admin.token.as_deref();
    if wanted.is_some_and(|wanted| !bearer(request.headers()).is_some_and(|given| is_equal(given, wanted))) {
        let detail = "Send the admin token: Authorization: Bearer TOKEN.";
        return Problem::new(StatusCode::UNAUTHORIZED, detail).into_response();
    }
    next.run(request).await
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Compares digests, so that the time it takes says nothing about the token or its length.
fn is_equal(given: &str, wanted: &str) -> bool {
    let digest = |text: &str| ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    let (given, wanted) = (digest(given), digest(wanted));
    given.as_ref().iter().zip(wanted.as_ref()).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}

fn is_same_origin(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").and_then(|site| site.to_str().ok());
    if site.is_some_and(|site| !matches!(site, "same-origin" | "none")) {
        return false;
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let named = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, authority)| authority);
    named.is_some() && named == host
}

/// Whether a `Host` is an address, or a name that resolves to this machine for everybody.
fn is_local(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(""),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost") || name.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_names_and_addresses_are_local() {
        for host in
            ["localhost", "LOCALHOST:9180", "a.localhost", "127.0.0.1:9180", "[::1]:9180", "[::1]", "10.0.0.1"]
        {
            assert!(is_local(host), "{host}");
        }
        for host in
            ["evil.example", "evil.example:9180", "127.0.0.1.evil.example", "localhost.evil.example", "", "[x]"]
        {
            assert!(!is_local(host), "{host}");
        }
    }

    #[test]
    fn the_token_must_match_whole() {
        assert!(is_equal("abc", "abc"));
        assert!(!is_equal("ab", "abc") && !is_equal("", "abc") && !is_equal("abcd", "abc"));
    }
}
