//! The connection to the store of a fleet: made when it is needed, shared by everyone, given up when it fails.
//!
//! Requests are sent one behind the other on one connection and answered in that order, so a pool is not needed. Whoever
//! asks waits for the time a request may take and no longer; after a connection could not be made, others are told so at
//! once for a moment instead of each waiting for another attempt.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::cluster_async::ClusterConnection;
use redis::io::tcp::TcpSettings;
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, Cmd, ConnectionAddr, ErrorKind, FromRedisValue,
    IntoConnectionInfo, Pipeline, RedisConnectionInfo, RedisError, RedisFuture, RedisResult, ScriptInvocation,
    ServerErrorKind, TlsCertificates, TlsMode, Value,
};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::address::{Address, Kind};
use crate::ledger::error::LedgerError;

/// How long an attempt that failed speaks for others.
const DOWN: Duration = Duration::from_millis(200);

/// How a server is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// Where it is.
    pub address: Address,
    /// To connect.
    pub connect_timeout: Duration,
    /// For a request to be answered.
    pub timeout: Duration,
    /// Roots trusted in place of the system's, PEM.
    pub ca_certificate: Option<PathBuf>,
    /// Certificate and key that this gateway shows, PEM.
    pub certificate: Option<(PathBuf, PathBuf)>,
}

/// The connection.
pub(super) struct Link {
    timeout: Duration,
    connect_timeout: Duration,
    state: Mutex<State>,
}

struct State {
    target: Target,
    open: Option<(u64, Connection)>,
    /// Connections made so far.
    made: u64,
    down: Option<(Instant, Arc<str>)>,
}

enum Target {
    Node(Client),
    Sentinel(SentinelClient),
    Cluster(ClusterClient),
}

#[derive(Clone)]
enum Connection {
    Node(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Link {
    /// A link that connects when it is first used.
    pub(super) fn new(reach: &Reach) -> Result<Link, LedgerError> {
        let target = target(reach)?;
        let state = State { target, open: None, made: 0, down: None };
        Ok(Link { timeout: reach.timeout, connect_timeout: reach.connect_timeout, state: Mutex::new(state) })
    }

    /// Runs a script that may take some time beyond what a request may.
    pub(super) async fn script<T: FromRedisValue>(
        &self,
        script: &ScriptInvocation<'_>,
        more: Duration,
    ) -> Result<T, LedgerError> {
        self.replicated_script(script, more, 0).await
    }

    /// The same, and returns when so many replicas have what it wrote. It has to write something: a server waits for the
    /// last write of the connection that asks. So it is asked on the connection that wrote, and no other will do: one made
    /// after a fail-over leads to a server that may never have had it.
    pub(super) async fn replicated_script<T: FromRedisValue>(
        &self,
        script: &ScriptInvocation<'_>,
        more: Duration,
        replicas: u32,
    ) -> Result<T, LedgerError> {
        let (mut number, mut connection) = self.connection().await?;
        let mut result = timeout(self.timeout + more, script.invoke_async(&mut connection)).await;
        // A connection that had been dropped says nothing about the store. Asked twice, it adds the same people.
        if matches!(&result, Ok(Err(error)) if is_gone(error)) {
            self.drop_connection(number).await;
            (number, connection) = self.connection().await?;
            result = timeout(self.timeout + more, script.invoke_async(&mut connection)).await;
        }
        let answer = self.answer(number, result.map_err(|_| self.timeout + more)).await?;
        if replicas > 0 {
            self.wait_for(replicas, number, connection).await?;
        }
        Ok(answer)
    }

    async fn wait_for(&self, replicas: u32, number: u64, mut connection: Connection) -> Result<(), LedgerError> {
        let mut wait = redis::cmd("WAIT");
        wait.arg(replicas).arg(self.timeout.as_millis() as u64 / 2);
        let reached = timeout(self.timeout, wait.query_async(&mut connection)).await;
        let reached: u32 = self.answer(number, reached.map_err(|_| self.timeout)).await?;
        if reached < replicas {
            return Err(LedgerError::Unavailable(format!("{reached} of {replicas} replicas have it").into()));
        }
        Ok(())
    }

    /// Runs a command.
    pub(super) async fn command<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, LedgerError> {
        let (number, mut connection) = self.connection().await?;
        let result = timeout(self.timeout, command.query_async(&mut connection)).await;
        self.answer(number, result.map_err(|_| self.timeout)).await
    }

    /// Runs several commands.
    pub(super) async fn commands<T: FromRedisValue>(&self, commands: &Pipeline) -> Result<T, LedgerError> {
        let (number, mut connection) = self.connection().await?;
        let result = timeout(self.timeout, commands.query_async(&mut connection)).await;
        self.answer(number, result.map_err(|_| self.timeout)).await
    }

    async fn answer<T>(&self, number: u64, result: Result<RedisResult<T>, Duration>) -> Result<T, LedgerError> {
        match result {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                if is_gone(&error) {
                    self.drop_connection(number).await;
                }
                Err(unavailable(&error))
            }
            Err(waited) => {
                Err(LedgerError::Unavailable(format!("no answer within {} ms", waited.as_millis()).into()))
            }
        }
    }

    async fn connection(&self) -> Result<(u64, Connection), LedgerError> {
        let mut state = self.state.lock().await;
        if let Some((number, connection)) = &state.open {
            return Ok((*number, connection.clone()));
        }
        if let Some((until, why)) = &state.down
            && Instant::now() < *until
        {
            return Err(LedgerError::Unavailable(Arc::clone(why)));
        }
        let made = match timeout(self.connect_timeout, state.target.connect(self.connect_timeout)).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(error.to_string().into()),
            Err(_) => Err(format!("no connection within {} ms", self.connect_timeout.as_millis()).into()),
        };
        match made {
            Ok(connection) => {
                state.made += 1;
                state.down = None;
                state.open = Some((state.made, connection.clone()));
                Ok((state.made, connection))
            }
            Err(why) => {
                state.down = Some((Instant::now() + DOWN, Arc::clone(&why)));
                Err(LedgerError::Unavailable(why))
            }
        }
    }

    /// Gives up a connection unless another has taken its place.
    async fn drop_connection(&self, number: u64) {
        let mut state = self.state.lock().await;
        if state.open.as_ref().is_some_and(|(open, _)| *open == number) {
            state.open = None;
        }
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

impl Target {
    async fn connect(&mut self, within: Duration) -> RedisResult<Connection> {
        // The time for an answer is measured by the caller.
        let config = AsyncConnectionConfig::new().set_connection_timeout(Some(within)).set_response_timeout(None);
        match self {
            Target::Node(client) => {
                Ok(Connection::Node(client.get_multiplexed_async_connection_with_config(&config).await?))
            }
            Target::Sentinel(client) => Ok(Connection::Node(client.get_async_connection_with_config(&config).await?)),
            Target::Cluster(client) => Ok(Connection::Cluster(client.get_async_connection().await?)),
        }
    }
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Connection::Node(connection) => connection.req_packed_command(cmd),
            Connection::Cluster(connection) => connection.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Connection::Node(connection) => connection.req_packed_commands(pipeline, offset, count),
            Connection::Cluster(connection) => connection.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Connection::Node(connection) => connection.get_db(),
            Connection::Cluster(connection) => connection.get_db(),
        }
    }
}

fn target(reach: &Reach) -> Result<Target, LedgerError> {
    let certificates = certificates(reach)?;
    let wrong = |error: RedisError| LedgerError::Unavailable(error.to_string().into());
    let address = &reach.address;
    match &address.kind {
        Kind::Node => node(address, certificates).map(Target::Node).map_err(wrong),
        Kind::Sentinel(master) => sentinel(address, master, certificates).map(Target::Sentinel).map_err(wrong),
        Kind::Cluster => cluster(reach, certificates).map(Target::Cluster).map_err(wrong),
    }
}

fn node(address: &Address, certificates: Option<TlsCertificates>) -> RedisResult<Client> {
    let mut settings = RedisConnectionInfo::default().set_db(address.database);
    if let Some(user) = &address.user {
        settings = settings.set_username(user);
    }
    if let Some(password) = &address.password {
        settings = settings.set_password(password);
    }
    let first = servers(address, address.tls).into_iter().next();
    let server = first.unwrap_or_else(|| ConnectionAddr::Tcp(String::new(), 0));
    let info = server.into_connection_info()?.set_redis_settings(settings).set_tcp_settings(at_once());
    match certificates {
        Some(certificates) => Client::build_with_tls(info, certificates),
        None => Client::open(info),
    }
}

/// User and password are those of the servers; Sentinels are asked without.
fn sentinel(address: &Address, master: &str, certificates: Option<TlsCertificates>) -> RedisResult<SentinelClient> {
    let mut builder = SentinelClientBuilder::new(servers(address, address.tls), master, SentinelServerType::Master)?
        .set_client_to_redis_db(address.database)
        .set_client_to_redis_tcp_settings(at_once());
    if let Some(user) = &address.user {
        builder = builder.set_client_to_redis_username(user);
    }
    if let Some(password) = &address.password {
        builder = builder.set_client_to_redis_password(password);
    }
    if address.tls {
        builder =
            builder.set_client_to_redis_tls_mode(TlsMode::Secure).set_client_to_sentinel_tls_mode(TlsMode::Secure);
    }
    if let Some(certificates) = certificates {
        builder = builder
            .set_client_to_redis_certificates(certificates.clone())
            .set_client_to_sentinel_certificates(certificates);
    }
    builder.build()
}

fn cluster(reach: &Reach, certificates: Option<TlsCertificates>) -> RedisResult<ClusterClient> {
    let address = &reach.address;
    let mut builder = ClusterClientBuilder::new(servers(address, address.tls))
        .connection_timeout(reach.connect_timeout)
        .response_timeout(reach.timeout)
        .tcp_settings(at_once())
        .retries(3);
    if let Some(user) = &address.user {
        builder = builder.username(user);
    }
    if let Some(password) = &address.password {
        builder = builder.password(password);
    }
    if address.tls {
        builder = builder.tls(TlsMode::Secure);
    }
    if let Some(certificates) = certificates {
        builder = builder.certs(certificates);
    }
    builder.build()
}

/// A request is sent when it is made. Otherwise the system holds a small one back until what was sent before it is
/// acknowledged, which a store does with its answer: each request would wait for the sync of the one before and then for
/// its own.
fn at_once() -> TcpSettings {
    TcpSettings::default().set_nodelay(true)
}

fn servers(address: &Address, tls: bool) -> Vec<ConnectionAddr> {
    let server = |(host, port): &(String, u16)| match tls {
        false => ConnectionAddr::Tcp(host.clone(), *port),
        true => ConnectionAddr::TcpTls { host: host.clone(), port: *port, insecure: false, tls_params: None },
    };
    address.nodes.iter().map(server).collect()
}

/// What is shown and trusted; `None` without TLS.
fn certificates(reach: &Reach) -> Result<Option<TlsCertificates>, LedgerError> {
    if !reach.address.tls {
        return Ok(None);
    }
    let read = |path: &PathBuf| {
        fs::read(path).map_err(|error| LedgerError::Unavailable(format!("{}: {error}", path.display()).into()))
    };
    let client_tls = match &reach.certificate {
        Some((certificate, key)) => Some(ClientTlsConfig { client_cert: read(certificate)?, client_key: read(key)? }),
        None => None,
    };
    let root_cert = reach.ca_certificate.as_ref().map(read).transpose()?;
    Ok(Some(TlsCertificates { client_tls, root_cert }))
}

/// Whether a connection is of no use any more: it broke, or the server at its end is no master now.
fn is_gone(error: &RedisError) -> bool {
    let demoted = [ServerErrorKind::ReadOnly, ServerErrorKind::MasterDown, ServerErrorKind::BusyLoading];
    error.is_io_error()
        || error.is_connection_dropped()
        || error.is_unrecoverable_error()
        || demoted.into_iter().any(|kind| error.kind() == ErrorKind::Server(kind))
}

/// What went wrong, in the words of the store. Requests hold digests, so those are not repeated.
fn unavailable(error: &RedisError) -> LedgerError {
    LedgerError::Unavailable(error.to_string().into())
}
