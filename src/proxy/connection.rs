//! What is known about a client connection, for every request that comes over it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use pingora::http::ResponseHeader;
use pingora::protocols::Digest;
use pingora::protocols::http::ServerSession;
use pingora::protocols::raw_connect::ProxyDigest;

use crate::config::Listener;

/// A client connection.
#[derive(Debug, Clone)]
pub(super) struct Connection {
    /// The door it came through.
    pub(super) listener: Arc<Listener>,
    /// The client's address, as the socket or a trusted PROXY header has it.
    pub(super) client: SocketAddr,
    /// The address it came to.
    pub(super) local: IpAddr,
    /// What it was opened to, inside a tunnel or by SNI.
    pub(super) inside: Option<Inside>,
}

/// Where a tunnel or a redirected connection leads: every request in it goes there and nowhere else.
#[derive(Debug, Clone)]
pub(super) struct Inside {
    /// Lower-case host.
    pub(super) host: Arc<str>,
    /// Port.
    pub(super) port: u16,
    /// Whether the client speaks TLS inside, and so the upstream shall.
    pub(super) tls: bool,
    /// `Proxy-Authorization` of the CONNECT that opened it.
    pub(super) authorization: Option<Arc<str>>,
}

impl Connection {
    /// The digest under which filters find this connection again.
    #[expect(clippy::expect_used, reason = "200 is a status")]
    pub(super) fn digest(self) -> Arc<ProxyDigest> {
        let head = ResponseHeader::build(200, Some(0)).expect("a valid status");
        Arc::new(ProxyDigest::new(Box::new(head), Some(Box::new(Arc::new(self)))))
    }

    /// The connection of a session.
    pub(super) fn of(session: &ServerSession) -> Option<Arc<Connection>> {
        let digest: &Digest = session.digest()?;
        digest.proxy_digest.as_ref()?.user_data.as_ref()?.downcast_ref::<Arc<Connection>>().cloned()
    }

    /// The client's address: that of the connection, or what a trusted proxy in front says.
    pub(super) fn client_address(&self, headers: &http::HeaderMap) -> IpAddr {
        let trusted = |address: IpAddr| self.listener.trusted_proxies.iter().any(|range| range.contains(address));
        let peer = self.client.ip().to_canonical();
        if !trusted(peer) {
            return peer;
        }
        // The last hop that is not one of ours is the client; what stands before it anybody may have written.
        forwarded(headers).into_iter().rev().find(|address| !trusted(*address)).unwrap_or(peer)
    }
}

/// The addresses of `Forwarded` (RFC 7239), or else of `X-Forwarded-For`, in order.
fn forwarded(headers: &http::HeaderMap) -> Vec<IpAddr> {
    let elements = |name: &str| -> Vec<String> {
        let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).take(64).map(|element| element.trim().to_owned()).collect()
    };
    let standard: Vec<IpAddr> = elements("forwarded")
        .iter()
        .filter_map(|element| {
            let pair = element
                .split(';')
                .find_map(|pair| pair.trim().to_ascii_lowercase().strip_prefix("for=").map(str::to_owned))?;
            node(&pair)
        })
        .collect();
    if !standard.is_empty() {
        return standard;
    }
    elements("x-forwarded-for").iter().filter_map(|element| node(element)).collect()
}

/// An address as a forwarding header writes it: plain, quoted, bracketed, with or without a port.
fn node(text: &str) -> Option<IpAddr> {
    let text = text.trim().trim_matches('"');
    text.parse::<IpAddr>()
        .ok()
        .or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
        .or_else(|| text.strip_prefix('[')?.strip_suffix(']')?.parse().ok())
        .map(|address| address.to_canonical())
}
