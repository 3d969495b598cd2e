//! CONNECT: a tunnel that is intercepted, or one that is decided on place alone and then left untouched.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::io::{AsyncWriteExt, copy_bidirectional};

use super::connection::{Connection, Inside};
use super::exchange;
use super::front::Front;
use super::peer;
use super::refusal::{Answer, Complaint, Reader};
use super::stream::ClientStream;
use super::target::Authority;
use crate::config::Snapshot;
use crate::gate::Body;
use crate::metrics::UpstreamError;
use crate::transfer::Category;

const ESTABLISHED: &[u8] = b"HTTP/1.1 200 Connection Established\r\n\r\n";

/// What a CONNECT says.
struct Request {
    authority: Authority,
    headers: HeaderMap,
}

/// Answers a CONNECT whose head stands in the stream's read-ahead, and serves what comes through the tunnel.
pub(super) async fn connect(front: &Arc<Front>, mut stream: ClientStream, connection: &Connection, head: usize) {
    let request = match parse(stream.ahead().get(..head).unwrap_or_default()) {
        Ok(request) => request,
        Err(complaint) => return front.complain(&mut stream, complaint).await,
    };
    stream.consume(head);
    let authorization = request.headers.get("proxy-authorization").and_then(|value| value.to_str().ok());
    let inside = Inside {
        host: request.authority.host,
        port: request.authority.port.unwrap_or(443),
        tls: false,
        authorization: authorization.map(Arc::from),
    };
    let snapshot = front.gate.live().now();
    let reader = Reader::of(&request.headers);
    if front.splices(&inside.host, &snapshot) {
        if let Err((mut stream, answer)) = splice(front, &snapshot, stream, connection, &inside, true).await {
            refuse(front, &mut stream, &answer, reader, connection, &snapshot).await;
        }
        return;
    }
    let client = connection.client_address(&request.headers);
    if let Err(complaint) = super::identity::application(&snapshot, client, inside.authorization.as_deref()) {
        return refuse(front, &mut stream, &Answer::Complaint(complaint), reader, connection, &snapshot).await;
    }
    if establish(&mut stream).await.is_ok() {
        opened(front, stream, connection.clone(), inside, snapshot.settings.limits.idle).await;
    }
}

/// What is spoken in an intercepted tunnel shows with its first byte.
async fn opened(
    front: &Arc<Front>,
    mut stream: ClientStream,
    connection: Connection,
    mut inside: Inside,
    idle: Duration,
) {
    if stream.fill_first(idle).await.is_none() {
        return;
    }
    inside.tls = stream.ahead().first() == Some(&0x16);
    let tls = inside.tls;
    let connection = Connection { inside: Some(inside), ..connection };
    stream.set_context(connection.clone().digest());
    if tls {
        front.intercept(stream, connection).await;
    } else {
        front.plain(stream, connection).await;
    }
}

async fn refuse(
    front: &Front,
    stream: &mut ClientStream,
    answer: &Answer,
    reader: Reader,
    connection: &Connection,
    snapshot: &Snapshot,
) {
    let admin = exchange::admin_url(&snapshot.settings, Some(connection));
    if answer.write_raw(stream, reader, &admin).await.is_ok() {
        stream.linger().await;
    }
    tracing::info!(listener = %front.listener.name, status = answer.status().as_u16(), "a tunnel was refused");
}

/// Tunnels a connection untouched, if its place allows. The client gets its stream back with the answer otherwise.
pub(super) async fn splice(
    front: &Front,
    snapshot: &Arc<Snapshot>,
    mut stream: ClientStream,
    connection: &Connection,
    inside: &Inside,
    announce: bool,
) -> Result<(), (ClientStream, Answer)> {
    let exchange = &front.exchange;
    let headers = HeaderMap::new();
    let body = Body::Opaque(Category::encrypted(), 0);
    let cleared = exchange.clear_tunnel(snapshot, connection, inside, &headers, &body).await;
    let clearance = match cleared {
        Ok(clearance) => clearance,
        Err(answer) => return Err((stream, answer)),
    };
    front.gate.metrics().upstream_request();
    let mut upstream = match peer::dial(&clearance, &snapshot.settings.upstream).await {
        Ok(upstream) => upstream,
        Err(_) => {
            front.gate.metrics().upstream_error(UpstreamError::Connect);
            let status = http::StatusCode::BAD_GATEWAY;
            let complaint = Complaint::upstream(status, "connection_refused", "The upstream cannot be reached.");
            return Err((stream, Answer::Complaint(complaint)));
        }
    };
    if announce && establish(&mut stream).await.is_err() {
        return Ok(());
    }
    // How a tunnel ends is the business of its two ends.
    let _ = copy_bidirectional(&mut stream, &mut upstream).await;
    Ok(())
}

async fn establish(stream: &mut ClientStream) -> std::io::Result<()> {
    stream.write_all(ESTABLISHED).await?;
    stream.flush().await
}

fn parse(head: &[u8]) -> Result<Request, Complaint> {
    let wrong = || Complaint::bad_request("CONNECT names no valid host and port (RFC 9110 section 9.3.6).");
    let mut fields = [httparse::EMPTY_HEADER; 128];
    let mut request = httparse::Request::new(&mut fields);
    request.parse(head).map_err(|_| wrong())?;
    let authority = Authority::parse(request.path.unwrap_or_default()).ok_or_else(wrong)?;
    if authority.port.is_none() {
        return Err(wrong());
    }
    let mut headers = HeaderMap::new();
    for field in request.headers.iter() {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| wrong())?;
        headers.append(name, HeaderValue::from_bytes(field.value).map_err(|_| wrong())?);
    }
    Ok(Request { authority, headers })
}
