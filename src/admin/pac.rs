//! `GET /proxy.pac`: the file that points browsers and desktops at the proxy.
//!
//! It names no way around the proxy: a client that falls back to a direct connection when the gateway is down would
//! send undecided.

use std::net::{IpAddr, SocketAddr};

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};

use super::AdminState;
use super::problem::Problem;
use crate::config::ListenerMode;

/// `GET /proxy.pac`
pub(super) async fn script(State(state): State<AdminState>, headers: HeaderMap) -> Response {
    let snapshot = state.live.now();
    let Some(listener) = snapshot.settings.listeners.iter().find(|listener| listener.mode == ListenerMode::Forward)
    else {
        return Problem::new(StatusCode::NOT_FOUND, "No listener is an explicit proxy.").into_response();
    };
    let asked = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let proxy = reachable(listener.address, asked);
    ([(header::CONTENT_TYPE, "application/x-ns-proxy-autoconfig")], text(&proxy)).into_response()
}

fn text(proxy: &str) -> String {
    format!(
        "function FindProxyForURL(url, host) {{\n  \
           if (host === \"localhost\" || host === \"127.0.0.1\" || host === \"[::1]\" || host === \"::1\") return \"DIRECT\";\n  \
           return \"PROXY {proxy}\";\n}}\n"
    )
}

/// A listener on every address is reachable at the host under which this file was asked for, if that is a plain one.
fn reachable(address: SocketAddr, asked: Option<&str>) -> String {
    let host = asked.and_then(|asked| asked.parse::<http::uri::Authority>().ok());
    match host {
        Some(host) if address.ip().is_unspecified() && is_plain(host.host()) => {
            format!("{}:{}", host.host(), address.port())
        }
        _ => address.to_string(),
    }
}

/// Nothing that could end the string it is put into.
fn is_plain(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    !host.is_empty()
        && (bare.parse::<IpAddr>().is_ok()
            || host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proxy_is_named_where_the_client_can_reach_it() {
        let everywhere: SocketAddr = "0.0.0.0:3128".parse().unwrap();
        assert_eq!(reachable(everywhere, Some("gate.example:9180")), "gate.example:3128");
        assert_eq!(reachable(everywhere, Some("[2001:db8::1]:9180")), "[2001:db8::1]:3128");
        assert_eq!(reachable(everywhere, Some("\";alert(1)//")), "0.0.0.0:3128");
        assert_eq!(reachable("10.0.0.1:3128".parse().unwrap(), Some("gate.example")), "10.0.0.1:3128");
    }
}
