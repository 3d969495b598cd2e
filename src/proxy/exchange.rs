//! One HTTP exchange: from the request's head to its decision, to its upstream, to its answer.
//!
//! Everything that decides happens in the framework's request filter, before it knows of any upstream: routing, the
//! sender, the one resolved address, the held body, the verdict. Only then is there a [`Clearance`], and only from it
//! is a peer built.

use std::cell::Cell;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::header::{CONTENT_LENGTH, EXPECT, TE, TRANSFER_ENCODING, VIA};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version};
use pingora::apps::HttpServerApp;
use pingora::http::RequestHeader;
use pingora::modules::http::HttpModules;
use pingora::protocols::Stream;
use pingora::protocols::http::ServerSession;
use pingora::proxy::{FailToProxy, HttpProxy, ProxyHttp, Session};
use pingora::server::ShutdownWatch;
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, Result};

use super::connection::{Connection, Inside};
use super::drain::{Flying, InFlight};
use super::held::{self, Slot};
use super::hold::{self, Holder, Holding};
use super::identity;
use super::peer::{self, Protocol};
use super::refusal::{Answer, Complaint, Reader};
use super::relay::{self, Relay};
use super::resolve::{NoAddress, Resolver};
use super::response::{Interest, ResponseCase, Withheld};
use super::target::Target;
use super::upstream_error;
use crate::config::{Application, ListenerMode, Settings, Snapshot};
use crate::gate::{Body, Clearance, Endpoint, Envelope, Gate, Guard};
use crate::transfer::{Basis, Category, Cause, Direction, Party, Place};

/// Bytes of an unread body that are taken from a client whose request is refused, so that it can read the refusal.
const DISCARD_BYTES: usize = 1024 * 1024;
/// How long that may take.
const DISCARD: Duration = Duration::from_secs(2);

/// The logic of the proxy. Cheap to clone.
#[derive(Clone)]
pub(super) struct Exchange {
    gate: Gate,
    resolver: Arc<Resolver>,
    relay: Relay,
    flying: InFlight,
}

/// What is known about a flow as it goes on.
#[derive(Default)]
pub(super) struct Flow {
    snapshot: Option<Arc<Snapshot>>,
    clearance: Option<Clearance>,
    http1_only: bool,
    /// Size of the held body, which replaces whatever framing it came with.
    held_bytes: Option<u64>,
    slot: Option<Slot>,
    _flying: Option<Flying>,
}

/// A request that may leave, with what is held of it.
struct Admitted {
    holding: Option<Holding>,
    withheld: Option<Box<Withheld>>,
    /// Its body, or what flows after a switch of protocols, is still coming, and nobody asks about it.
    streaming: bool,
}

/// How an exchange ends that began outside the framework.
pub(super) enum Carried {
    /// It is over. The connection, if it can carry another one.
    Over(Option<Stream>),
    /// The framework goes on with it, see [`Exchange::onward`].
    Onward(Box<ServerSession>, Box<Flow>),
}

tokio::task_local! {
    /// The flow that the framework is about to go on with.
    static ADMITTED: Cell<Option<Box<Flow>>>;
}

/// The request as everyone asks about it.
struct Asked<'a> {
    snapshot: &'a Arc<Snapshot>,
    connection: &'a Connection,
    application: Option<&'a Application>,
    target: Target,
    exporter: Party,
}

impl Exchange {
    pub(super) fn new(gate: Gate, flying: InFlight) -> Exchange {
        let relay = Relay::new(gate.metrics().clone());
        Exchange { gate, resolver: Arc::new(Resolver::new()), relay, flying }
    }

    /// Decides a tunnel, of which only the place is known.
    pub(super) async fn clear_tunnel(
        &self,
        snapshot: &Arc<Snapshot>,
        connection: &Connection,
        inside: &Inside,
        headers: &HeaderMap,
        body: &Body,
    ) -> Result<Clearance, Answer> {
        let client = connection.client_address(headers);
        let application =
            identity::application(snapshot, client, inside.authorization.as_deref()).map_err(Answer::Complaint)?;
        let exporter = identity::client(snapshot, connection, application, client);
        let target = Target {
            host: Arc::clone(&inside.host),
            lookup: Arc::clone(&inside.host),
            port: inside.port,
            tls: None,
            declared: None,
        };
        let asked = Asked { snapshot, connection, application, target, exporter };
        let (endpoint, importer) = self.locate(&asked, "CONNECT", "", headers).await?;
        let envelope = asked.envelope(&importer, "CONNECT", "", headers);
        // Nobody can look into it, whatever rules would like to know.
        match self.gate.clear(&envelope, body, false, endpoint).await {
            Ok((clearance, _)) => Ok(clearance),
            Err(decision) => Err(Answer::Refused(decision)),
        }
    }

    /// Begins a flow: decides the request, and answers it if it may not leave.
    async fn enter(&self, session: &mut ServerSession, flow: &mut Flow) -> Result<Option<Admitted>> {
        let snapshot = self.gate.live().now();
        session.set_read_timeout(Some(snapshot.settings.limits.idle));
        session.set_write_timeout(Some(snapshot.settings.limits.idle));
        flow.snapshot = Some(Arc::clone(&snapshot));
        match self.admit(session, flow, &snapshot).await {
            Ok(admitted) => Ok(Some(admitted)),
            Err(answer) => {
                Exchange::discard(session).await;
                let reader = Reader::of(&session.req_header().headers);
                let admin = admin_url(&snapshot.settings, Connection::of(session).as_deref());
                answer.write(session, reader, &admin).await?;
                Ok(None)
            }
        }
    }

    /// Carries an ordinary exchange ([`super::head::Head::ordinary`]) whose head was read: to its end if it can go the
    /// short way.
    pub(super) async fn carry(&self, mut session: ServerSession) -> Carried {
        let mut flow = Box::new(self.new_flow());
        let admitted = match self.enter(&mut session, &mut flow).await {
            Ok(Some(admitted)) => admitted,
            Ok(None) => return Carried::over(session).await,
            Err(_) => return Carried::Over(None),
        };
        let (Some(clearance), Some(snapshot)) = (&flow.clearance, &flow.snapshot) else {
            return Carried::Over(None);
        };
        let Admitted { holding, withheld, streaming } = admitted;
        let upstream = &snapshot.settings.upstream;
        match &mut session {
            ServerSession::H1(client)
                if withheld.is_none() && !streaming && relay::suits(clearance, holding.as_ref(), upstream) =>
            {
                let body = holding.as_ref().and_then(Holding::in_memory);
                if let Err(error) = self.relay.serve(client, clearance, body, upstream).await {
                    self.fail(&mut session, &error, &flow).await;
                    return Carried::Over(None);
                }
                Carried::over(session).await
            }
            _ => {
                let holding = holding.unwrap_or_else(|| Holding::nothing(!streaming));
                let patience = snapshot.settings.limits.idle;
                let (session, slot) = held::wrap(Box::new(session), holding, withheld, patience);
                flow.slot = Some(slot);
                Carried::Onward(Box::new(session), flow)
            }
        }
    }

    /// Lets the framework go on with an exchange that was admitted.
    pub(super) async fn onward(
        proxy: &Arc<HttpProxy<Exchange>>,
        session: ServerSession,
        flow: Box<Flow>,
        shutdown: &ShutdownWatch,
    ) -> Option<Stream> {
        let going = proxy.process_new_http(session, shutdown);
        let reused = ADMITTED.scope(Cell::new(Some(flow)), going).await?;
        Some(reused.consume().0)
    }

    fn new_flow(&self) -> Flow {
        Flow { _flying: Some(self.flying.take_off()), ..Flow::default() }
    }

    /// Decides a request. On success the flow has its clearance.
    async fn admit(
        &self,
        session: &mut ServerSession,
        flow: &mut Flow,
        snapshot: &Arc<Snapshot>,
    ) -> Result<Admitted, Answer> {
        let complaint = Answer::Complaint;
        let connection = Connection::of(session)
            .ok_or_else(|| complaint(Complaint::internal("The connection is not known to the gateway.")))?;
        let head = session.req_header();
        if head.method == Method::TRACE {
            return Err(complaint(Complaint::new(StatusCode::METHOD_NOT_ALLOWED, "TRACE is not forwarded.")));
        }
        if head.method == Method::CONNECT {
            let detail = "CONNECT opens a tunnel on a forward listener in HTTP/1.1, and not inside another tunnel.";
            return Err(complaint(Complaint::new(StatusCode::METHOD_NOT_ALLOWED, detail)));
        }
        let target = Target::of(head, &connection, &snapshot.settings).map_err(complaint)?;
        let client = connection.client_address(&head.headers);
        let authorization = authorization(head, &connection);
        let application = identity::application(snapshot, client, authorization.as_deref()).map_err(complaint)?;
        let exporter = identity::client(snapshot, &connection, application, client);
        let asked = Asked { snapshot, connection: &connection, application, target, exporter };
        let (endpoint, importer) = self.locate(&asked, head.method.as_str(), path(head), &head.headers).await?;
        let envelope = asked.envelope(&importer, head.method.as_str(), path(head), &head.headers);
        let wanted = self.gate.interest(&envelope).content;
        let (body, holding) = self.receive(session, &asked, wanted).await.map_err(complaint)?;
        let head = session.req_header();
        let envelope = asked.envelope(&importer, head.method.as_str(), path(head), &head.headers);
        let (clearance, _) = self.gate.clear(&envelope, &body, wanted, endpoint).await.map_err(Answer::Refused)?;
        flow.clearance = Some(clearance);
        flow.http1_only = session.is_upgrade_req();
        flow.held_bytes = holding.as_ref().filter(|holding| holding.complete).map(|holding| holding.body.len());
        let withheld = self.withhold(&asked, &importer, session.req_header());
        // What asks to switch protocols is not over with its head. Told that it is, and that late, the framework would
        // take it for the end of what flows after the switch.
        let streaming = holding.is_none() && (flow.http1_only || !session.is_body_done());
        Ok(Admitted { holding, withheld, streaming })
    }

    /// Resolves the target once and places it. The address found here is the one that is dialled.
    async fn locate(
        &self,
        asked: &Asked<'_>,
        method: &str,
        path: &str,
        headers: &HeaderMap,
    ) -> Result<(Endpoint, Party), Answer> {
        let resolved = self.resolver.resolve(&asked.target.lookup, &asked.snapshot.settings).await;
        match resolved {
            Ok(address) => {
                let importer = importer(asked.snapshot, &asked.target, Some(address));
                let address = SocketAddr::new(address, asked.target.port);
                Ok((Endpoint { address, tls: asked.target.tls.clone() }, importer))
            }
            Err(NoAddress::Unresolved) => {
                self.gate.metrics().upstream_error(crate::metrics::UpstreamError::Resolve);
                let detail = "The host name does not resolve.";
                Err(Answer::Complaint(Complaint::upstream(StatusCode::BAD_GATEWAY, "dns_error", detail)))
            }
            Err(NoAddress::Private(why, address)) => {
                let importer = Party { address: Some(address), ..importer(asked.snapshot, &asked.target, None) };
                let envelope = asked.envelope(&importer, method, path, headers);
                Err(Answer::Refused(self.gate.refuse(&envelope, private(why), 0).await))
            }
        }
    }

    /// The body to judge, and what holds it, if anything has to be held.
    async fn receive(
        &self,
        session: &mut ServerSession,
        asked: &Asked<'_>,
        wants: bool,
    ) -> Result<(Body, Option<Holding>), Complaint> {
        let limits = &asked.snapshot.settings.limits;
        if session.is_upgrade_req() {
            // What flows after the switch is no HTTP message; rules see it as opaque.
            let body = if wants { Body::Opaque(Category::undecodable(), 0) } else { Body::empty() };
            return Ok((body, None));
        }
        if session.is_body_empty() {
            return Ok((Body::empty(), None));
        }
        let length = content_length(&session.req_header().headers);
        if wants && length.is_some_and(|length| length > limits.body) {
            return Ok((Body::Opaque(Category::oversize(), length.unwrap_or(0)), None));
        }
        hold::invite(session, limits.idle).await;
        if !wants {
            return Ok((Body::Unread(length.unwrap_or(0)), None));
        }
        let listener = Arc::clone(&asked.connection.listener.name);
        let holder = Holder::new(Arc::clone(asked.snapshot), self.gate.metrics().clone(), listener);
        let holding = hold::request(session, holder).await?;
        Ok((holding.as_body(), Some(holding)))
    }

    /// What keeps the response back, if a rule speaks about it.
    fn withhold(&self, asked: &Asked<'_>, importer: &Party, head: &RequestHeader) -> Option<Box<Withheld>> {
        let none = HeaderMap::new();
        let response = Envelope {
            direction: Direction::Response,
            target: "",
            exporter: importer,
            importer: &asked.exporter,
            comes_home: !asked.is_reverse(),
            ..asked.envelope(importer, head.method.as_str(), path(head), &none)
        };
        let interest = match self.gate.interest(&response) {
            policy if policy.content => Interest::Content,
            policy if policy.speaks => Interest::Head,
            _ => return None,
        };
        let case = ResponseCase {
            gate: self.gate.clone(),
            snapshot: Arc::clone(asked.snapshot),
            listener: Arc::clone(&asked.connection.listener.name),
            application: asked.application.cloned(),
            method: head.method.to_string(),
            path: path(head).to_owned(),
            exporter: importer.clone(),
            importer: asked.exporter.clone(),
            comes_home: !asked.is_reverse(),
            reader: Reader::of(&head.headers),
            admin: admin_url(&asked.snapshot.settings, Some(asked.connection)).into(),
        };
        Some(Box::new(Withheld::new(case, interest)))
    }

    /// Takes what a refused client is still sending, within reason, so that the answer reaches it.
    async fn discard(session: &mut ServerSession) {
        let expects = session.get_header(EXPECT).is_some();
        if expects || session.is_body_done() {
            return;
        }
        let reading = async {
            let mut left = DISCARD_BYTES;
            while let Ok(Some(bytes)) = session.read_request_body().await {
                left = left.saturating_sub(bytes.len());
                if left == 0 {
                    return;
                }
            }
        };
        let _ = tokio::time::timeout(DISCARD, reading).await;
    }

    /// Tells the client what went wrong, if it is there and has heard nothing yet. Returns the status of the answer.
    async fn fail(&self, session: &mut ServerSession, error: &Error, flow: &Flow) -> u16 {
        let complaint = upstream_error::complaint(error);
        let code = complaint.as_ref().map_or(0, |complaint| complaint.status().as_u16());
        tracing::info!(kind = %error.etype().as_str(), source = error.source_str(), code, "an exchange failed");
        if let Some(complaint) = complaint
            && session.response_written().is_none()
        {
            let reader = Reader::of(&session.req_header().headers);
            let connection = Connection::of(session);
            let admin = flow.snapshot.as_ref().map(|snapshot| admin_url(&snapshot.settings, connection.as_deref()));
            session.set_keepalive(None);
            // The client may be gone; then nobody misses the answer.
            let _ = Answer::Complaint(complaint).write(session, reader, &admin.unwrap_or_default()).await;
        }
        code
    }
}

impl Carried {
    /// The response is written.
    async fn over(session: ServerSession) -> Carried {
        Carried::Over(session.finish().await.ok().flatten().map(|stream| stream.into_parts().0))
    }
}

impl Asked<'_> {
    /// Whether the upstream is the organisation's own, and the client the one outside.
    fn is_reverse(&self) -> bool {
        self.connection.listener.mode == ListenerMode::Reverse
    }

    fn envelope<'a>(
        &'a self,
        importer: &'a Party,
        method: &'a str,
        path: &'a str,
        headers: &'a HeaderMap,
    ) -> Envelope<'a> {
        Envelope {
            snapshot: self.snapshot,
            listener: &self.connection.listener.name,
            application: self.application,
            direction: Direction::Request,
            method,
            target: path,
            path,
            headers,
            exporter: &self.exporter,
            importer,
            comes_home: self.is_reverse(),
            facts: None,
        }
    }
}

/// Where the admin door is, for links in refusals. A door on every address is there too where the client came to.
pub(super) fn admin_url(settings: &Settings, connection: Option<&Connection>) -> String {
    let mut address = settings.admin.address;
    match (&settings.admin.url, connection) {
        (Some(url), _) => return url.to_string(),
        (None, Some(connection)) if address.ip().is_unspecified() => address.set_ip(connection.local.to_canonical()),
        (None, _) => {}
    }
    format!("http://{address}")
}

fn importer(snapshot: &Snapshot, target: &Target, address: Option<std::net::IpAddr>) -> Party {
    let place = match target.declared {
        Some(country) => Place::in_country(country, Basis::Declared),
        None => snapshot.places.locate(Some(&target.host), address),
    };
    Party { host: Some(Arc::clone(&target.host)), address, place }
}

/// Path and query, whatever form the target has.
pub(super) fn path(head: &RequestHeader) -> &str {
    head.uri.path_and_query().map_or("/", |path| path.as_str())
}

fn authorization(head: &RequestHeader, connection: &Connection) -> Option<String> {
    let own = head.headers.get("proxy-authorization").and_then(|value| value.to_str().ok());
    own.or_else(|| connection.inside.as_ref()?.authorization.as_deref()).map(str::to_owned)
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn private(why: &'static str) -> Guard {
    let why = match why {
        "metadata" => "The name leads to a cloud metadata address.",
        "loopback" => "The name leads to a loopback address.",
        "link-local" => "The name leads to a link-local address.",
        _ => "The name leads to an address that is not on the public internet.",
    };
    Guard {
        cause: Cause::Policy,
        rule: "private-address",
        why,
        passes_if: "the operator lists the range in upstream.allow_private",
    }
}

#[async_trait]
impl ProxyHttp for Exchange {
    type CTX = Flow;

    fn new_ctx(&self) -> Flow {
        let admitted = ADMITTED.try_with(Cell::take).ok().flatten();
        admitted.map_or_else(|| self.new_flow(), |flow| *flow)
    }

    /// None: the framework would add one that compresses responses, switched off, and ask it about every message.
    fn init_downstream_modules(&self, _modules: &mut HttpModules) {}

    async fn request_filter(&self, session: &mut Session, flow: &mut Flow) -> Result<bool> {
        if flow.clearance.is_some() {
            return Ok(false);
        }
        let Some(admitted) = self.enter(&mut session.downstream_session, flow).await? else { return Ok(true) };
        let Admitted { holding, withheld, streaming } = admitted;
        if holding.is_some() || withheld.is_some() || streaming {
            let holding = holding.unwrap_or_else(|| Holding::nothing(!streaming));
            let patience = self.gate.live().now().settings.limits.idle;
            flow.slot = Some(held::install(&mut session.downstream_session, holding, withheld, patience));
        }
        Ok(false)
    }

    async fn upstream_peer(&self, _session: &mut Session, flow: &mut Flow) -> Result<Box<HttpPeer>> {
        let (Some(clearance), Some(snapshot)) = (&flow.clearance, &flow.snapshot) else {
            return Err(Error::explain(pingora::ErrorType::InternalError, "no clearance"));
        };
        self.gate.metrics().upstream_request();
        let protocol = if flow.http1_only { Protocol::Http1 } else { Protocol::Any };
        Ok(Box::new(peer::build(clearance, protocol, &snapshot.settings.upstream)))
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        request: &mut RequestHeader,
        flow: &mut Flow,
    ) -> Result<()> {
        let path = path(request).to_owned();
        if request.uri.authority().is_some() && request.headers.get(http::header::HOST).is_none() {
            let host = request.uri.authority().map(ToString::to_string).unwrap_or_default();
            request.insert_header(http::header::HOST, host)?;
        }
        request.set_raw_path(path.as_bytes())?;
        request.remove_header(&EXPECT);
        if let Some(bytes) = flow.held_bytes {
            request.remove_header(&TRANSFER_ENCODING);
            request.insert_header(CONTENT_LENGTH, bytes)?;
        }
        let grpc =
            request.headers.get("content-type").is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
        if grpc {
            request.insert_header(TE, "trailers")?;
        }
        let received = match session.req_header().version {
            Version::HTTP_2 => HeaderValue::from_static("2 tidegate"),
            _ => HeaderValue::from_static("1.1 tidegate"),
        };
        request.append_header(VIA, received)?;
        Ok(())
    }

    fn fail_to_connect(
        &self,
        _session: &mut Session,
        _peer: &HttpPeer,
        _flow: &mut Flow,
        error: Box<Error>,
    ) -> Box<Error> {
        self.gate.metrics().upstream_error(upstream_error::kind(&error));
        error
    }

    async fn fail_to_proxy(&self, session: &mut Session, error: &Error, flow: &mut Flow) -> FailToProxy {
        let code = self.fail(&mut session.downstream_session, error, flow).await;
        FailToProxy { error_code: code, can_reuse_downstream: false }
    }

    async fn logging(&self, session: &mut Session, _error: Option<&Error>, flow: &mut Flow) {
        if let Some(slot) = flow.slot.take() {
            held::restore(session, &slot);
        }
    }

    /// The framework's own summary is the URL with everything in it.
    fn request_summary(&self, _session: &Session, _flow: &Flow) -> String {
        String::new()
    }

    fn suppress_error_log(&self, _session: &Session, _flow: &Flow, _error: &Error) -> bool {
        true
    }
}
