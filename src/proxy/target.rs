//! Where a request wants to go: from its form, its tunnel and its routes to one host, port and protocol.

use std::sync::Arc;

use http::StatusCode;
use pingora::http::RequestHeader;

use super::connection::Connection;
use super::refusal::Complaint;
use crate::config::{ListenerMode, Settings};
use crate::transfer::{Country, HostPattern};

/// Where a request wants to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// The host the client asked for: what is judged.
    pub(super) host: Arc<str>,
    /// What is looked up: the host, or the route's upstream.
    pub(super) lookup: Arc<str>,
    /// Port to dial.
    pub(super) port: u16,
    /// With TLS, the name to send and verify.
    pub(super) tls: Option<Arc<str>>,
    /// Where a route says it is.
    pub(super) declared: Option<Country>,
}

/// A host and an optional port, as an authority has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Authority {
    pub(super) host: Arc<str>,
    pub(super) port: Option<u16>,
}

/// A target in absolute form, as far as it says where the request goes.
#[derive(Debug, Clone, Copy)]
struct Absolute<'a> {
    tls: bool,
    authority: &'a str,
}

impl Authority {
    /// Parses `host`, `host:port` or `[v6]:port`, without user information.
    pub(super) fn parse(text: &str) -> Option<Authority> {
        let authority: http::uri::Authority = text.parse().ok()?;
        if text.contains('@') || authority.host().is_empty() {
            return None;
        }
        let rest = text.strip_prefix(authority.host())?;
        let port = match rest.strip_prefix(':') {
            Some(port) => Some(port.parse().ok().filter(|port| *port != 0)?),
            None => None,
        };
        Some(Authority { host: normal_host(authority.host()), port })
    }
}

/// Lower case, without a trailing dot or brackets.
pub(super) fn normal_host(host: &str) -> Arc<str> {
    let host = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.');
    if host.bytes().any(|byte| byte.is_ascii_uppercase()) { host.to_ascii_lowercase().into() } else { host.into() }
}

impl Target {
    /// The target of a request on a connection.
    pub(super) fn of(
        request: &RequestHeader,
        connection: &Connection,
        settings: &Settings,
    ) -> Result<Target, Complaint> {
        let absolute = absolute_form(request);
        let named = authority(request, absolute)?;
        if let Some(inside) = &connection.inside {
            if named.host != inside.host {
                return Err(Complaint::new(
                    StatusCode::MISDIRECTED_REQUEST,
                    "The request names another host than the connection was opened to.",
                ));
            }
            let tls = inside.tls.then(|| Arc::clone(&inside.host));
            return Ok(Target::plain(Arc::clone(&inside.host), inside.port, tls));
        }
        match connection.listener.mode {
            ListenerMode::Reverse => Target::routed(named, settings),
            ListenerMode::Transparent => {
                let port = named.port.unwrap_or(80);
                Ok(Target::plain(named.host, port, None))
            }
            ListenerMode::Forward => Target::absolute(absolute, named),
        }
    }

    fn plain(host: Arc<str>, port: u16, tls: Option<Arc<str>>) -> Target {
        Target { lookup: Arc::clone(&host), host, port, tls, declared: None }
    }

    fn routed(named: Authority, settings: &Settings) -> Result<Target, Complaint> {
        let route = settings.routes.iter().find(|route| route.host.matches(&named.host)).ok_or_else(|| {
            Complaint::new(
                StatusCode::MISDIRECTED_REQUEST,
                "No route serves this host; see [[route]] in the configuration.",
            )
        })?;
        let name = route.sni.as_deref().unwrap_or(&named.host);
        Ok(Target {
            lookup: route.upstream.to_ascii_lowercase().into(),
            port: route.port,
            tls: route.tls.then(|| name.into()),
            declared: route.country,
            host: named.host,
        })
    }

    fn absolute(absolute: Option<Absolute<'_>>, named: Authority) -> Result<Target, Complaint> {
        match absolute.map(|absolute| absolute.tls) {
            Some(false) => {
                let port = named.port.unwrap_or(80);
                Ok(Target::plain(named.host, port, None))
            }
            Some(true) => {
                let tls = Some(Arc::clone(&named.host));
                let port = named.port.unwrap_or(443);
                Ok(Target::plain(named.host, port, tls))
            }
            None => Err(Complaint::bad_request(
                "This is a forward proxy: send the request with an absolute target (http_proxy) or open a tunnel with \
                 CONNECT (https_proxy).",
            )),
        }
    }
}

/// The target in absolute form (RFC 9112 section 3.2.2), which the framework keeps beside the path.
fn absolute_form(request: &RequestHeader) -> Option<Absolute<'_>> {
    let raw = request.raw_path();
    let (tls, rest) =
        [(false, &b"http://"[..]), (true, &b"https://"[..])].into_iter().find_map(|(tls, scheme)| {
            let (start, rest) = raw.split_at_checked(scheme.len())?;
            start.eq_ignore_ascii_case(scheme).then_some((tls, rest))
        })?;
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(rest.len());
    Some(Absolute { tls, authority: std::str::from_utf8(rest.get(..end)?).ok()? })
}

/// Who a request names: the authority of its target, or its Host.
fn authority(request: &RequestHeader, absolute: Option<Absolute<'_>>) -> Result<Authority, Complaint> {
    let wrong = || Complaint::bad_request("The request names no valid host.");
    let own = || request.uri.authority().map(|authority| authority.as_str());
    if let Some(authority) = absolute.map(|absolute| absolute.authority).or_else(own) {
        return Authority::parse(authority).ok_or_else(wrong);
    }
    let host = request.headers.get(http::header::HOST).and_then(|host| host.to_str().ok()).ok_or_else(wrong)?;
    Authority::parse(host).ok_or_else(wrong)
}

/// Whether a host is tunnelled untouched.
pub(super) fn is_bypassed(host: &str, bypass: &[HostPattern]) -> bool {
    bypass.iter().any(|pattern| pattern.matches(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorities_are_strict() {
        let parsed = Authority::parse("API.Example.com.:8443").unwrap();
        assert_eq!((&*parsed.host, parsed.port), ("api.example.com", Some(8443)));
        assert_eq!(&*Authority::parse("[::1]:80").unwrap().host, "::1");
        for wrong in ["", "user@host", "a b", "host:0", "host:99999", ":80"] {
            assert!(Authority::parse(wrong).is_none(), "{wrong}");
        }
    }
}
