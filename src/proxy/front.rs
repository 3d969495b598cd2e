//! From an accepted connection to HTTP requests: what arrives is looked at, and every kind finds its way.
//!
//! ```text
//! accepted ─▶ PROXY header? ─▶ first byte ─▶ TLS (transparent, reverse) ─▶ handshake ─┐
//!                                   └────── HTTP ─────────────────────────────────────┴▶ request after request
//!                                                                                          └ CONNECT ─▶ tunnel
//! ```

use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use pingora::ErrorType;
use pingora::apps::{HttpServerApp, ServerApp};
use pingora::listeners::tls::Acceptor;
use pingora::protocols::http::ServerSession;
use pingora::protocols::tls::server::handshake;
use pingora::protocols::{ALPN, Ssl, Stream};
use pingora::proxy::HttpProxy;
use pingora::server::ShutdownWatch;
use rustls::ServerConfig;
use tokio::net::TcpStream;

use super::authority::Authority;
use super::connection::{Connection, Inside};
use super::exchange::{Carried, Exchange};
use super::fence::Fence;
use super::head::{self, NoHead};
use super::hello;
use super::proxy_protocol;
use super::refusal::{Answer, Complaint, Reader};
use super::stream::ClientStream;
use super::target::is_bypassed;
use super::tunnel;
use crate::config::{Listener, ListenerMode, Snapshot};
use crate::gate::Gate;

/// First byte of a TLS record that carries a handshake message.
const TLS_HANDSHAKE: u8 = 0x16;

/// What an HTTP/2 client sends first. No HTTP/1 request begins with it.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// One listener's way from connections to requests.
pub(super) struct Front {
    pub(super) listener: Arc<Listener>,
    pub(super) proxy: Arc<HttpProxy<Exchange>>,
    pub(super) exchange: Exchange,
    pub(super) gate: Gate,
    /// The CA, when this listener intercepts.
    pub(super) authority: Option<Arc<Authority>>,
    /// One configuration for all names a client may send.
    pub(super) intercepted: Option<Arc<ServerConfig>>,
    /// TLS of a reverse listener.
    pub(super) tls: Option<Arc<ServerConfig>>,
    pub(super) shutdown: ShutdownWatch,
}

impl Front {
    /// Serves a connection to its end.
    pub(super) async fn serve(self: Arc<Self>, tcp: TcpStream, peer: SocketAddr) {
        // Without it small answers wait for the client's acknowledgement.
        let _ = tcp.set_nodelay(true);
        let local = tcp.local_addr().unwrap_or(self.listener.address).ip();
        let connection = Connection { listener: Arc::clone(&self.listener), client: peer, local, inside: None };
        let mut stream = ClientStream::new(
            Box::new(pingora::protocols::l4::stream::Stream::from(tcp)),
            connection.clone().digest(),
        );
        let idle = self.idle();
        let connection = match self.original_client(&mut stream, connection).await {
            Some(connection) => connection,
            None => return,
        };
        if stream.fill_first(idle).await.is_none() {
            return;
        }
        let tls = stream.ahead().first() == Some(&TLS_HANDSHAKE);
        match self.listener.mode {
            ListenerMode::Transparent if tls => self.transparent(stream, connection).await,
            ListenerMode::Reverse if tls => self.reverse_tls(stream, connection).await,
            _ => self.plain(stream, connection).await,
        }
    }

    fn idle(&self) -> Duration {
        self.gate.live().now().settings.limits.idle
    }

    /// Reads the PROXY header, where the listener expects one. None closes the connection.
    async fn original_client(&self, stream: &mut ClientStream, mut connection: Connection) -> Option<Connection> {
        if !self.listener.proxy_protocol {
            return Some(connection);
        }
        let trusted = self.listener.trusted_proxies.iter().any(|range| range.contains(connection.client.ip()));
        if !trusted {
            tracing::warn!(listener = %self.listener.name, "a PROXY header from an address that is not trusted");
            return None;
        }
        if let Some(client) = proxy_protocol::read(stream, self.idle()).await.ok()? {
            connection.client = client;
            stream.set_context(connection.clone().digest());
        }
        Some(connection)
    }

    /// A redirected TLS connection: the server name says where it leads.
    async fn transparent(self: &Arc<Self>, mut stream: ClientStream, mut connection: Connection) {
        let Some(name) = hello::read(&mut stream, self.idle()).await.and_then(|hello| hello.server_name) else {
            tracing::info!(listener = %self.listener.name, "a TLS connection without a server name");
            return;
        };
        let inside = Inside { host: name.into(), port: 443, tls: true, authorization: None };
        connection.inside = Some(inside.clone());
        let snapshot = self.gate.live().now();
        if self.splices(&inside.host, &snapshot) {
            let answer = tunnel::splice(self, &snapshot, stream, &connection, &inside, false).await;
            // Inside TLS no refusal can be shown; the decision is on record.
            drop(answer);
            return;
        }
        self.intercept(stream, connection).await;
    }

    /// Whether a host is tunnelled untouched.
    pub(super) fn splices(&self, host: &str, snapshot: &Snapshot) -> bool {
        self.authority.is_none() || is_bypassed(host, &snapshot.settings.interception.bypass)
    }

    async fn reverse_tls(self: &Arc<Self>, stream: ClientStream, connection: Connection) {
        match &self.tls {
            Some(config) => self.tls_then_requests(stream, connection, Arc::clone(config)).await,
            None => tracing::info!(listener = %self.listener.name, "TLS on a listener without a certificate"),
        }
    }

    /// Speaks TLS as the host the client asked for, with a certificate of our own CA.
    pub(super) async fn intercept(self: &Arc<Self>, mut stream: ClientStream, connection: Connection) {
        let Some(hello) = hello::read(&mut stream, self.idle()).await else { return };
        let config = match (hello.server_name, &self.intercepted, &self.authority, &connection.inside) {
            (Some(_), Some(shared), _, _) => Some(Arc::clone(shared)),
            // Without a server name only the CONNECT says which certificate the client expects.
            (None, _, Some(authority), Some(inside)) => authority.server_config(Some(Arc::clone(&inside.host))).ok(),
            _ => None,
        };
        if let Some(config) = config {
            self.tls_then_requests(stream, connection, config).await;
        }
    }

    async fn tls_then_requests(
        self: &Arc<Self>,
        stream: ClientStream,
        connection: Connection,
        config: Arc<ServerConfig>,
    ) {
        let acceptor = Acceptor::from_server_config(config);
        let shaken = tokio::time::timeout(self.idle(), handshake(&acceptor, stream)).await;
        let Ok(Ok(tls)) = shaken else {
            tracing::debug!(listener = %self.listener.name, "a TLS handshake failed");
            return;
        };
        let mut stream = ClientStream::new(Box::new(tls), connection.clone().digest());
        if stream.fill_first(self.idle()).await.is_none() {
            return;
        }
        if matches!(stream.selected_alpn_proto(), Some(ALPN::H2)) {
            self.streams(stream).await;
        } else {
            self.requests(stream, connection).await;
        }
    }

    /// HTTP without TLS, of either version.
    pub(super) async fn plain(self: &Arc<Self>, mut stream: ClientStream, connection: Connection) {
        if self.is_preface(&mut stream).await {
            self.streams(stream).await;
        } else {
            self.requests(stream, connection).await;
        }
    }

    /// HTTP/2: the framework takes the streams of the connection apart.
    async fn streams(&self, stream: ClientStream) {
        let stream: Stream = Box::new(stream);
        self.proxy.process_new(stream, &self.shutdown).await;
    }

    /// Whether a plain connection begins with the preface of HTTP/2 (RFC 9113 section 3.4).
    async fn is_preface(&self, stream: &mut ClientStream) -> bool {
        while stream.ahead().len() < PREFACE.len() && PREFACE.starts_with(stream.ahead()) {
            if !matches!(stream.fill(PREFACE.len(), self.idle()).await, Ok(1..)) {
                return false;
            }
        }
        stream.ahead().starts_with(PREFACE)
    }

    /// HTTP/1: one request after the other, each head looked at before the framework sees it.
    ///
    /// Boxed, since a tunnel leads from here to here.
    fn requests(
        self: &Arc<Self>,
        stream: ClientStream,
        connection: Connection,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let mut stream = Box::new(stream);
        Box::pin(async move {
            let mut shutdown = self.shutdown.clone();
            // One for all requests: to wait for it anew each time costs more than to go on waiting.
            let stopping = async {
                // Whoever could say it is gone only when everything else is.
                let _ = shutdown.wait_for(|stopping| *stopping).await;
            };
            let mut stopping = pin!(stopping);
            while let Some(next) = self.next_request(stream, &connection, stopping.as_mut()).await {
                stream = next;
            }
        })
    }

    async fn next_request(
        self: &Arc<Self>,
        mut stream: Box<ClientStream>,
        connection: &Connection,
        stopping: Pin<&mut (impl Future<Output = ()> + Send)>,
    ) -> Option<Box<ClientStream>> {
        let snapshot = self.gate.live().now();
        let (limit, idle) = (snapshot.settings.limits.head, snapshot.settings.limits.idle);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let routed = self.listener.mode == ListenerMode::Reverse;
        // To a TLS upstream the framework knows a better way, HTTP/2.
        let secret = connection.inside.as_ref().is_some_and(|inside| inside.tls)
            || (routed && snapshot.settings.routes.iter().any(|route| route.tls));
        // A client may be silent for long, and the configuration be another by then.
        drop(snapshot);
        let read = tokio::select! {
            biased;
            read = head::read(&mut stream, limit, idle) => read,
            // Between two requests nothing is lost by closing.
            () = stopping => return None,
        };
        let head = match read {
            Ok(head) => head,
            Err(NoHead::Closed) => return None,
            Err(NoHead::Complaint(complaint)) => {
                self.complain(&mut stream, complaint).await;
                return None;
            }
        };
        if head.connect && connection.inside.is_none() && self.listener.mode == ListenerMode::Forward {
            tunnel::connect(self, *stream, connection, head.bytes).await;
            return None;
        }
        stream.set_fence(head.fence());
        let mut session = ServerSession::new_http1(stream);
        let stopping = *self.shutdown.borrow();
        session.set_keepalive((!stopping).then_some(idle.as_secs().max(1)));
        let stream = if head.ordinary && !secret {
            self.carry(session).await?
        } else {
            self.proxy.process_new_http(session, &self.shutdown).await?.consume().0
        };
        let mut stream = stream.into_any().downcast::<ClientStream>().ok()?;
        stream.set_fence(Fence::Open);
        Some(stream)
    }

    /// An exchange that may be able to go the short way; the framework knows of it only if it is not.
    async fn carry(&self, mut session: ServerSession) -> Option<Stream> {
        match session.read_request().await {
            Ok(true) => {}
            Ok(false) => return None,
            Err(error) => {
                if matches!(error.etype(), ErrorType::InvalidHTTPHeader) {
                    // The client may be gone; then nobody misses the answer.
                    let _ = session.respond_error(StatusCode::BAD_REQUEST.as_u16()).await;
                }
                session.shutdown().await;
                return None;
            }
        }
        if *self.shutdown.borrow() {
            session.set_keepalive(None);
        }
        match self.exchange.carry(session).await {
            Carried::Over(stream) => stream,
            Carried::Onward(session, flow) => Exchange::onward(&self.proxy, *session, flow, &self.shutdown).await,
        }
    }

    /// Says what is wrong and lets the connection end.
    pub(super) async fn complain(&self, stream: &mut ClientStream, complaint: Complaint) {
        tracing::info!(listener = %self.listener.name, status = complaint.status().as_u16(), "a malformed request");
        let reader = Reader::of(&http::HeaderMap::new());
        let written = Answer::Complaint(complaint).write_raw(stream, reader, "").await;
        if written.is_ok() {
            stream.linger().await;
        }
    }
}
