//! The one place that builds an upstream peer, and it takes a [`Clearance`] to do it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pingora::connectors::L4Connect;
use pingora::protocols::l4::socket;
use pingora::protocols::l4::stream::Stream;
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorType, OrErr};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::config::Upstream;
use crate::gate::Clearance;

/// Idle upstream connections are closed after this time.
const IDLE: Duration = Duration::from_secs(60);
/// Concurrent streams on one HTTP/2 connection to an upstream.
const STREAMS: usize = 100;
/// Longest answer of the next proxy to our CONNECT.
const ANSWER_BYTES: usize = 8 * 1024;

/// How the message wants to travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    /// HTTP/2 where the upstream offers it.
    Any,
    /// HTTP/1.1 only, for upgrades.
    Http1,
}

/// Builds the peer of a cleared message: the judged address, the verified name, and nothing to choose.
pub(super) fn build(clearance: &Clearance, protocol: Protocol, upstream: &Upstream) -> HttpPeer {
    let endpoint = clearance.endpoint();
    let name = endpoint.tls.as_deref().unwrap_or_default().to_owned();
    let mut peer = HttpPeer::new(endpoint.address, endpoint.tls.is_some(), name);
    peer.options.connection_timeout = Some(upstream.connect_timeout);
    peer.options.total_connection_timeout = Some(upstream.connect_timeout * 2);
    peer.options.read_timeout = Some(upstream.read_timeout);
    peer.options.write_timeout = Some(upstream.read_timeout);
    peer.options.idle_timeout = Some(IDLE);
    peer.options.max_h2_streams = STREAMS;
    if endpoint.tls.is_some() && protocol == Protocol::Any {
        peer.options.set_http_version(2, 1);
    }
    // The pool compares neither ALPN nor the way a connection was made.
    let mut group = DefaultHasher::new();
    (protocol == Protocol::Http1).hash(&mut group);
    if let Some((host, port)) = &upstream.proxy {
        (host, port, endpoint.address).hash(&mut group);
        peer.options.custom_l4 = Some(Arc::new(NextProxy { host: host.clone(), port: *port }));
    }
    peer.group_key = group.finish();
    peer
}

/// Dials a cleared endpoint as a bare connection, for a tunnel.
pub(super) async fn dial(clearance: &Clearance, upstream: &Upstream) -> std::io::Result<TcpStream> {
    let address = clearance.endpoint().address;
    let connecting = async {
        match &upstream.proxy {
            Some((host, port)) => through(host, *port, address).await,
            None => TcpStream::connect(address).await,
        }
    };
    tokio::time::timeout(upstream.connect_timeout, connecting).await?
}

/// Reaches the judged address through another proxy.
#[derive(Debug)]
struct NextProxy {
    host: String,
    port: u16,
}

#[async_trait]
impl L4Connect for NextProxy {
    async fn connect(&self, address: &socket::SocketAddr) -> pingora::Result<Stream> {
        let Some(address) = address.as_inet() else {
            return Error::e_explain(ErrorType::ConnectError, "not an internet address");
        };
        let stream = through(&self.host, self.port, *address)
            .await
            .or_err(ErrorType::ConnectProxyFailure, "the next proxy did not open a tunnel")?;
        Ok(stream.into())
    }
}

async fn through(host: &str, port: u16, address: SocketAddr) -> std::io::Result<TcpStream> {
    let mut stream = TcpStream::connect((host, port)).await?;
    stream.set_nodelay(true)?;
    let request = format!("CONNECT {address} HTTP/1.1\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    // Byte by byte: what follows the head belongs to the tunnel.
    while !answer.ends_with(b"\r\n\r\n") {
        if answer.len() >= ANSWER_BYTES {
            return Err(std::io::Error::other("the answer of the next proxy is too long"));
        }
        answer.push(stream.read_u8().await?);
    }
    let opened = answer.starts_with(b"HTTP/1.1 200") || answer.starts_with(b"HTTP/1.0 200");
    if opened { Ok(stream) } else { Err(std::io::Error::other("the next proxy refused the tunnel")) }
}
