//! What the operator meant, in types that cannot be wrong. Built once from the file's mirror and never looked at there
//! again; every field has its effect somewhere below, and its meaning and default stand here.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ipnetwork::IpNetwork;

use crate::policy::FactSet;
use crate::transfer::{Country, HostPattern, Mode};

/// Everything the file (or its absence) says, apart from what goes into the places, packs and mechanisms.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Whether decisions bind.
    pub mode: Mode,
    /// State directory: ledger, digest key, CA, audit.
    pub state: PathBuf,
    /// Who we are.
    pub exporter: Exporter,
    /// Scan content even when no rule could ask about it.
    pub inventory: bool,
    /// Doors for traffic.
    pub listeners: Vec<Listener>,
    /// The CA that interception signs with, and what it leaves alone.
    pub interception: Interception,
    /// Senders we know; the first match wins.
    pub applications: Vec<Application>,
    /// Upstreams of reverse listeners.
    pub routes: Vec<Route>,
    /// Static names, before DNS. Keys in lower case.
    pub names: BTreeMap<String, Vec<IpAddr>>,
    /// How upstreams are reached.
    pub upstream: Upstream,
    /// Bounds on what a message may cost.
    pub limits: Limits,
    /// What a failure of our own becomes.
    pub failure: Failure,
    /// Where people are counted, and under which key.
    pub ledger: crate::ledger::Settings,
    /// From which share of a bound on decisions warn. Default 0.8.
    pub near_limit: f64,
    /// Where the audit log is written.
    pub audit_directory: PathBuf,
    /// The admin door.
    pub admin: Admin,
    /// How long a stop waits for transfers in flight. Default 30 s.
    pub drain: Duration,
}

/// The organisation.
#[derive(Debug, Clone)]
pub struct Exporter {
    /// Its name, for reports.
    pub name: Option<Arc<str>>,
    /// Where it is, unless a listener or an application says otherwise. Without one the law packs are off.
    pub country: Option<Country>,
    /// Answers to what the packs ask.
    pub facts: FactSet,
}

/// A door for traffic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Its name in decisions and metrics.
    pub name: Arc<str>,
    /// Where it listens.
    pub address: SocketAddr,
    /// What kind of door.
    pub mode: ListenerMode,
    /// Intercept TLS on CONNECT and in transparent mode; otherwise such connections are tunnelled and opaque.
    pub intercept: bool,
    /// Where its clients are.
    pub client_country: ClientCountry,
    /// Expect a PROXY protocol header (v1 or v2) from `trusted_proxies`.
    pub proxy_protocol: bool,
    /// Whose `Forwarded` and `X-Forwarded-For` are believed.
    pub trusted_proxies: Vec<IpNetwork>,
    /// TLS of a reverse listener.
    pub tls: Option<ListenerTls>,
}

/// Certificate and key of a reverse listener, PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerTls {
    /// Chain, leaf first.
    pub certificate: PathBuf,
    /// Private key.
    pub key: PathBuf,
}

/// What kind of door a listener is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListenerMode {
    /// Explicit proxy: absolute-form requests and CONNECT.
    Forward,
    /// Routes from host to upstream.
    Reverse,
    /// Connections redirected to us: by SNI or Host.
    Transparent,
}

/// Where the clients of a listener are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientCountry {
    /// In the exporter's country. The default.
    Exporter,
    /// In this country.
    In(Country),
    /// Wherever the address database puts their address.
    ByAddress,
}

/// TLS interception.
#[derive(Debug, Clone)]
pub struct Interception {
    /// CA certificate, PEM. Default `ca.pem` in the state directory, made at the first start.
    pub ca_certificate: PathBuf,
    /// CA key, PEM. Default `ca.key` beside it, mode 0600.
    pub ca_key: PathBuf,
    /// Hosts that are tunnelled untouched.
    pub bypass: Vec<HostPattern>,
}

/// A sender we know. All conditions that are given must hold.
#[derive(Debug, Clone)]
pub struct Application {
    /// Its name in decisions.
    pub name: Arc<str>,
    /// Client addresses.
    pub client: Vec<IpNetwork>,
    /// Proxy user with the password that proves it.
    pub credentials: Option<Credentials>,
    /// Where it is.
    pub country: Option<Country>,
    /// What the packs ask about its transfers.
    pub facts: FactSet,
}

/// What `Proxy-Authorization: Basic` must carry.
#[derive(Clone)]
pub struct Credentials {
    /// User.
    pub user: String,
    /// Password, read from a file so that it stands in no configuration.
    pub password: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

/// Which upstream serves a host of a reverse listener.
#[derive(Debug, Clone)]
pub struct Route {
    /// Host asked for.
    pub host: HostPattern,
    /// Whether the upstream speaks TLS.
    pub tls: bool,
    /// Upstream host or address, without port.
    pub upstream: String,
    /// Upstream port.
    pub port: u16,
    /// Name sent and verified, when it is not the host.
    pub sni: Option<String>,
    /// Where the upstream is.
    pub country: Option<Country>,
}

/// How upstreams are reached.
#[derive(Debug, Clone)]
pub struct Upstream {
    /// Refuse private, loopback, link-local and metadata addresses. Default true.
    pub deny_private: bool,
    /// Exceptions.
    pub allow_private: Vec<IpNetwork>,
    /// Roots trusted in addition to the system's, PEM files.
    pub ca_certificates: Vec<PathBuf>,
    /// Next proxy, `host:port`.
    pub proxy: Option<(String, u16)>,
    /// To connect. Default 10 s.
    pub connect_timeout: Duration,
    /// Between reads. Default 60 s.
    pub read_timeout: Duration,
}

/// Bounds on what a message may cost.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Held in memory; beyond it a message is spooled. Default 1 MiB.
    pub hold: u64,
    /// Largest message; beyond it the content is `opaque.oversize`. Default 1 GiB.
    pub body: u64,
    /// Decoding: `decoded` (4 GiB), `expansion` (200), `depth` (8), `parts` (1,000,000).
    pub decode: crate::decode::Limits,
    /// Largest request head. Default 64 KiB.
    pub head: u64,
    /// Whole time a client may take to send a message. Default 300 s.
    pub receive: Duration,
    /// Time an idle connection stays open. Default 60 s.
    pub idle: Duration,
    /// Open client connections of a listener. Default 10,000.
    pub connections: usize,
}

/// What a failure of our own becomes.
#[derive(Debug, Clone, Copy)]
pub struct Failure {
    /// Content that cannot be decoded although rules ask about it.
    pub decode: OnFailure,
    /// The ledger cannot be read or written.
    pub ledger: OnFailure,
    /// The audit log cannot be written.
    pub audit: OnFailure,
}

/// Closed: the transfer is refused. Open: it leaves, and the failure is counted and logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// Refuse.
    Closed,
    /// Let go.
    Open,
}

/// The admin door.
#[derive(Debug, Clone)]
pub struct Admin {
    /// Where it listens. Default 127.0.0.1:9180.
    pub address: SocketAddr,
    /// The bearer token asked for; required when the address is not loopback.
    pub token: Option<Arc<str>>,
    /// Where clients reach it, for the links in refusals; by default the address, or where there is none (`0.0.0.0`) the
    /// address they reached the listener at.
    pub url: Option<Arc<str>>,
}

impl Listener {
    /// An explicit proxy that intercepts, without name and address: what a listener is unless something else is said.
    pub(super) fn forward() -> Listener {
        Listener {
            name: "".into(),
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            mode: ListenerMode::Forward,
            intercept: true,
            client_country: ClientCountry::Exporter,
            proxy_protocol: false,
            trusted_proxies: Vec::new(),
            tls: None,
        }
    }

    /// The country its clients are said to be in.
    pub fn country(&self) -> Option<Country> {
        match self.client_country {
            ClientCountry::In(country) => Some(country),
            ClientCountry::Exporter | ClientCountry::ByAddress => None,
        }
    }
}
