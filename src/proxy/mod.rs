//! How bytes move, and whether they may: the only module that knows pingora.
//!
//! ```text
//! accept ─▶ front (PROXY header, TLS, one strict head at a time, CONNECT)
//!              └▶ exchange (target, sender, one address, held body) ─▶ gate ─▶ refusal
//!                                                                       └ Clearance ─▶ relay or framework ─▶ peer ─▶ upstream
//! ```
//!
//! Most exchanges are HTTP/1.1 with everything at hand; `relay` takes them the short way, past the framework's proxy. What
//! is special goes through it.
//!
//! INVARIANT: a connection to an upstream is built in `peer` and nowhere else, from a `Clearance` that only the gate
//! makes. INVARIANT: no text from a message reaches a log; the framework's own messages are switched off for that reason
//! and what an operator needs is logged here, in kinds.

pub mod authority;

mod connection;

mod drain;

mod exchange;

mod fence;

mod front;

mod head;

mod held;

mod hello;

mod hold;

mod identity;

mod peer;

mod pool;

mod proxy_protocol;

mod refusal;

mod relay;

mod resolve;

mod response;

mod spool;

mod stream;

mod target;

mod tunnel;

mod upstream_error;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use pingora::apps::{HttpServerApp, HttpServerOptions};
use pingora::proxy::HttpProxy;
use pingora::server::configuration::ServerConf;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

use crate::config::{Listener, ListenerTls, Settings};
use crate::gate::Gate;
use crate::metrics::Metrics;
use authority::Authority;
use drain::InFlight;
use exchange::Exchange;
use front::Front;

/// After a failed accept (out of descriptors), wait before the next.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The listeners of the gateway, bound and ready.
pub struct Proxy {
    doors: Vec<(TcpListener, Front)>,
    http: Arc<HttpProxy<Exchange>>,
    flying: InFlight,
    stop: watch::Sender<bool>,
    drain: Duration,
}

impl Proxy {
    /// Binds every listener and reads every certificate. Nothing is accepted yet.
    ///
    /// # Errors
    /// An address cannot be bound, or a certificate, key or root file cannot be used; the error names it.
    pub async fn bind(gate: Gate) -> io::Result<Proxy> {
        let snapshot = gate.live().now();
        let settings = &snapshot.settings;
        let flying = InFlight::default();
        let exchange = Exchange::new(gate.clone(), flying.clone());
        let http = Arc::new(http_proxy(exchange.clone(), settings)?);
        let (stop, shutdown) = watch::channel(false);
        let mut doors = Vec::new();
        for listener in &settings.listeners {
            let socket = TcpListener::bind(listener.address)
                .await
                .map_err(|error| named(&format!("listener `{}` on {}", listener.name, listener.address), &error))?;
            for gauge in [Metrics::held, Metrics::spooled] {
                drop(gauge(gate.metrics(), &listener.name, 0));
            }
            let authority = authority_of(listener, settings)?;
            let intercepted = authority.as_ref().map(|authority| authority.server_config(None)).transpose();
            let front = Front {
                listener: Arc::new(listener.clone()),
                proxy: Arc::clone(&http),
                exchange: exchange.clone(),
                gate: gate.clone(),
                intercepted: intercepted.map_err(io::Error::other)?,
                authority,
                tls: listener.tls.as_ref().map(listener_tls).transpose()?,
                shutdown: shutdown.clone(),
            };
            doors.push((socket, front));
        }
        Ok(Proxy { doors, http, flying, stop, drain: settings.drain })
    }

    /// Serves until `stopping` resolves, then lets flows in flight end, for as long as the configuration allows.
    pub async fn run(self, stopping: impl Future<Output = ()>) {
        let connections: Vec<_> =
            self.doors.into_iter().map(|(socket, front)| tokio::spawn(accept(socket, Arc::new(front)))).collect();
        stopping.await;
        connections.iter().for_each(tokio::task::JoinHandle::abort);
        // The receivers live as long as their connections; without any there is nobody to tell.
        let _ = self.stop.send(true);
        self.http.http_cleanup().await;
        let left = self.flying.drained(self.drain).await;
        if left > 0 {
            tracing::warn!(left, "stopped with transfers in flight");
        }
    }
}

async fn accept(socket: TcpListener, front: Arc<Front>) {
    let most = front.gate.live().now().settings.limits.connections;
    let places = Arc::new(Semaphore::new(most));
    loop {
        // At the limit new connections wait in the backlog.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match socket.accept().await {
            Ok((tcp, peer)) => {
                let front = Arc::clone(&front);
                let open = front.gate.metrics().connection_opened(&front.listener.name);
                tokio::spawn(async move {
                    front.serve(tcp, peer).await;
                    drop((place, open));
                });
            }
            Err(error) => {
                tracing::error!(listener = %front.listener.name, %error, "a connection cannot be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn http_proxy(exchange: Exchange, settings: &Settings) -> io::Result<HttpProxy<Exchange>> {
    let conf = ServerConf { ca_file: roots(settings)?, ..ServerConf::default() };
    let mut http = HttpProxy::new(exchange, Arc::new(conf));
    let mut options = HttpServerOptions::default();
    options.h2_idle_timeout = Some(settings.limits.idle);
    // The front hands a plain stream over only after it has seen the preface of HTTP/2 in it.
    options.h2c = true;
    http.server_options = Some(options);
    http.handle_init_modules();
    Ok(http)
}

/// The file of roots upstreams are verified with, when the configuration adds to the system's: the framework replaces
/// the system's roots by a file, so both are written into one.
fn roots(settings: &Settings) -> io::Result<Option<String>> {
    if settings.upstream.ca_certificates.is_empty() {
        return Ok(None);
    }
    let mut all = Vec::new();
    for path in &settings.upstream.ca_certificates {
        let before = all.len();
        all.extend(certificates(path)?);
        if all.len() == before {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("{}: no certificate", path.display())));
        }
    }
    all.extend(system_roots()?);
    let pem: String = all.iter().map(|certificate| pem_of(certificate)).collect();
    let path: PathBuf = settings.state.join("upstream-roots.pem");
    std::fs::write(&path, pem).map_err(|error| named(&path.display().to_string(), &error))?;
    Ok(Some(path.to_string_lossy().into_owned()))
}

/// The roots of the system. One of them that cannot be read is told and left out; none that can is an error.
fn system_roots() -> io::Result<Vec<CertificateDer<'static>>> {
    let system = rustls_native_certs::load_native_certs();
    for error in &system.errors {
        tracing::warn!(%error, "a root certificate of the system cannot be read");
    }
    match system.errors.first() {
        Some(error) if system.certs.is_empty() => Err(io::Error::other(error.to_string())),
        _ => Ok(system.certs),
    }
}

fn pem_of(certificate: &CertificateDer<'_>) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(certificate);
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in text.as_bytes().chunks(64) {
        pem.push_str(&String::from_utf8_lossy(line));
        pem.push('\n');
    }
    pem + "-----END CERTIFICATE-----\n"
}

fn authority_of(listener: &Listener, settings: &Settings) -> io::Result<Option<Arc<Authority>>> {
    if !listener.intercept {
        return Ok(None);
    }
    let interception = &settings.interception;
    Ok(Some(Arc::new(Authority::load(&interception.ca_certificate, &interception.ca_key)?)))
}

fn listener_tls(tls: &ListenerTls) -> io::Result<Arc<ServerConfig>> {
    let invalid = |error: &dyn std::fmt::Display| {
        io::Error::new(io::ErrorKind::InvalidData, format!("{}: {error}", tls.certificate.display()))
    };
    let key = PrivateKeyDer::from_pem_file(&tls.key)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, format!("{}: {error}", tls.key.display())))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| invalid(&error))?
        .with_no_client_auth()
        .with_single_cert(certificates(&tls.certificate)?, key)
        .map_err(|error| invalid(&error))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn certificates(path: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let invalid = |error: rustls::pki_types::pem::Error| {
        io::Error::new(io::ErrorKind::InvalidData, format!("{}: {error}", path.display()))
    };
    CertificateDer::pem_file_iter(path).map_err(invalid)?.map(|certificate| certificate.map_err(invalid)).collect()
}

fn named(what: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
}
