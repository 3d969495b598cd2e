//! The short way of an exchange: HTTP/1.1 without TLS to the upstream, the whole request at hand, and no rule that
//! speaks about the response. Most exchanges are of that kind.
//!
//! The framework's way is made for everything at once: two halves with channels between them, caches, filters, a task for
//! each idle connection, the head and the body of a request in two packets. Here the request leaves in one write, and the
//! response is passed on as it comes by the one who reads it. The framework still parses both heads and frames both bodies.
//! Whatever is special takes the long way ([`suits`], and the head's `ordinary`); what the client and the upstream see is the
//! same on both.

use std::io::ErrorKind;
use std::net::SocketAddr;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HeaderName, TRANSFER_ENCODING};
use http::{StatusCode, Version};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::Stream;
use pingora::protocols::http::v1::client::HttpSession as Upstream;
use pingora::protocols::http::v1::server::HttpSession as Client;
use pingora::protocols::l4;
use pingora::time::timeout;
use pingora::{Error, ErrorType, OrErr, Result};
use tokio::io::AsyncWriteExt;

use super::exchange::path;
use super::hold::Holding;
use super::peer;
use super::pool::Pool;
use super::upstream_error;
use crate::config;
use crate::gate::Clearance;
use crate::metrics::Metrics;

/// Larger bodies take the long way, which reads an early answer while it still writes. So much the buffers of two
/// sockets take without anybody reading.
const BODY_BYTES: usize = 64 * 1024;
/// Room for the head of most requests.
const HEAD_BYTES: usize = 1024;

/// Connections and the means to make them.
#[derive(Debug, Clone)]
pub(super) struct Relay {
    pool: Pool,
    metrics: Metrics,
}

/// Why an attempt ended.
enum Ended {
    /// Before the upstream said anything, on a connection that may have been closed meanwhile.
    Stale(Box<Error>),
    /// For good.
    Failed(Box<Error>),
}

impl From<Box<Error>> for Ended {
    fn from(error: Box<Error>) -> Ended {
        Ended::Failed(error)
    }
}

/// Whether an ordinary exchange whose response nobody asks about can go the short way: plain HTTP straight to the
/// upstream, with a body, if any, that is here.
pub(super) fn suits(clearance: &Clearance, holding: Option<&Holding>, to: &config::Upstream) -> bool {
    let small = |holding: &Holding| holding.in_memory().is_some_and(|body| body.len() <= BODY_BYTES);
    clearance.endpoint().tls.is_none() && to.proxy.is_none() && holding.is_none_or(small)
}

impl Relay {
    pub(super) fn new(metrics: Metrics) -> Relay {
        Relay { pool: Pool::default(), metrics }
    }

    /// Takes a request to its cleared endpoint and the response back to the client.
    ///
    /// # Errors
    /// As the framework has them: what went wrong, and on which side.
    pub(super) async fn serve(
        &self,
        client: &mut Client,
        clearance: &Clearance,
        body: Option<&Bytes>,
        to: &config::Upstream,
    ) -> Result<()> {
        let message = message(client.req_header(), body);
        let repeatable = client.req_header().method.is_idempotent();
        let address = clearance.endpoint().address;
        self.metrics.upstream_request();
        if let Some(stream) = self.pool.take(address) {
            match self.attempt(client, stream, address, &message, to).await {
                Ok(()) => return Ok(()),
                Err(Ended::Failed(error)) => return Err(error),
                Err(Ended::Stale(error)) if !repeatable => return Err(error),
                // RFC 9110 section 9.2.2: what is idempotent may be sent again.
                Err(Ended::Stale(_)) => self.metrics.upstream_request(),
            }
        }
        let stream = self.connect(clearance, to).await?;
        self.attempt(client, stream, address, &message, to).await.map_err(|ended| match ended {
            Ended::Stale(error) | Ended::Failed(error) => error,
        })
    }

    async fn connect(&self, clearance: &Clearance, to: &config::Upstream) -> Result<Stream> {
        let connected = peer::dial(clearance, to).await.and_then(|tcp| tcp.set_nodelay(true).map(|()| tcp));
        match connected {
            Ok(tcp) => Ok(Box::new(l4::stream::Stream::from(tcp))),
            Err(error) => {
                let kind = match error.kind() {
                    ErrorKind::TimedOut => ErrorType::ConnectTimedout,
                    ErrorKind::ConnectionRefused => ErrorType::ConnectRefused,
                    ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable => ErrorType::ConnectNoRoute,
                    _ => ErrorType::ConnectError,
                };
                let error = Error::because(kind, "connecting to the upstream", error).into_up();
                self.metrics.upstream_error(upstream_error::kind(&error));
                Err(error)
            }
        }
    }

    /// One try on one connection.
    async fn attempt(
        &self,
        client: &mut Client,
        mut stream: Stream,
        address: SocketAddr,
        message: &[u8],
        to: &config::Upstream,
    ) -> std::result::Result<(), Ended> {
        let Ok(sent) = timeout(to.read_timeout, send(&mut stream, message)).await else {
            return Err(Error::explain(ErrorType::WriteTimedout, "the upstream takes nothing").into_up().into());
        };
        let mut upstream = Upstream::new(stream);
        upstream.read_timeout = Some(to.read_timeout);
        let head = match first_head(client, &mut upstream).await {
            // An upstream that will not have the body may have said so and closed. If it has not, the write knows why.
            Err(Ended::Stale(error)) => return Err(Ended::Stale(sent.err().map_or(error, Error::into_up))),
            head => head?,
        };
        if let Err(error) = pass_on(client, &mut upstream, head).await {
            // What has arrived is the client's; the end that is missing tells it that there was more.
            client.shutdown().await;
            return Err(Ended::Failed(error));
        }
        upstream.respect_keepalive();
        if sent.is_ok()
            && let Some(stream) = upstream.reuse().await
        {
            self.pool.put(address, stream);
        }
        Ok(())
    }
}

/// The request as it leaves: origin form, without what is meant for this hop (RFC 9110 section 7.6.1), in one piece. The
/// length of a held body replaces whatever framing it came with.
fn message(head: &RequestHeader, body: Option<&Bytes>) -> Vec<u8> {
    let mut message = Vec::with_capacity(HEAD_BYTES + body.map_or(0, Bytes::len));
    let mut put = |part: &[u8]| message.extend_from_slice(part);
    put(head.method.as_str().as_bytes());
    put(b" ");
    put(path(head).as_bytes());
    put(b" HTTP/1.1\r\n");
    let mut as_written = head.case_header_iter().map(|(written, _)| written.as_slice());
    for (name, value) in &head.headers {
        let written = as_written.next().unwrap_or(name.as_str().as_bytes());
        if is_for_upstream(name) && !(body.is_some() && *name == CONTENT_LENGTH) {
            put(written);
            put(b": ");
            put(value.as_bytes());
            put(b"\r\n");
        }
    }
    if let Some(body) = body {
        put(format!("Content-Length: {}\r\n", body.len()).as_bytes());
    }
    put(b"Via: 1.1 tidegate\r\n\r\n");
    put(body.map_or(&[], |body| body));
    message
}

fn is_for_upstream(name: &HeaderName) -> bool {
    let hop = [
        "connection",
        "keep-alive",
        "proxy-connection",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "http2-settings",
        "expect",
    ];
    !hop.contains(&name.as_str())
}

async fn send(stream: &mut Stream, message: &[u8]) -> Result<()> {
    stream.write_all(message).await.or_err(ErrorType::WriteError, "writing the request")?;
    stream.flush().await.or_err(ErrorType::WriteError, "writing the request")
}

/// The head of the response. Interim ones are passed on as they come.
async fn first_head(client: &mut Client, upstream: &mut Upstream) -> std::result::Result<Box<ResponseHeader>, Ended> {
    let mut heads = 0;
    loop {
        tokio::select! {
            biased;
            read = upstream.read_response() => read.map_err(|error| ended(error.into_up(), heads))?,
            watched = client.read_body_or_idle(true) => return Err(Ended::Failed(left(watched))),
        };
        let Some(head) = upstream.resp_header() else {
            return Err(Error::explain(ErrorType::InternalError, "no head was read").into());
        };
        let head = Box::new(head.clone());
        heads += 1;
        match head.status {
            StatusCode::SWITCHING_PROTOCOLS => {
                let error = Error::explain(ErrorType::InvalidHTTPHeader, "a switch nobody asked for");
                return Err(error.into_up().into());
            }
            status if status.is_informational() => {
                client.write_response_header(head).await.map_err(Error::into_down)?;
            }
            _ => return Ok(head),
        }
    }
}

/// Passes a response on, head and body, each part as it comes.
async fn pass_on(client: &mut Client, upstream: &mut Upstream, mut head: Box<ResponseHeader>) -> Result<()> {
    let mut over = upstream.is_body_done();
    let framed = head.headers.contains_key(TRANSFER_ENCODING) || head.headers.contains_key(CONTENT_LENGTH);
    if !over && !framed && !matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        // Its end is the end of the connection; the client's goes on.
        head.set_version(Version::HTTP_11);
        head.insert_header(TRANSFER_ENCODING, "chunked")?;
    }
    client.write_response_header(head).await.map_err(Error::into_down)?;
    while !over {
        let piece = tokio::select! {
            biased;
            read = upstream.read_body_ref() => read.map_err(Error::into_up)?,
            watched = client.read_body_or_idle(true) => return Err(left(watched)),
        };
        match piece {
            Some([]) => {}
            Some(piece) => {
                client.write_body(piece).await.map_err(Error::into_down)?;
            }
            None => break,
        }
        over = upstream.is_body_done();
    }
    client.finish_body().await.map_err(Error::into_down)?;
    Ok(())
}

/// An error while the first head was waited for.
fn ended(error: Box<Error>, heads: usize) -> Ended {
    let closed = matches!(error.etype(), ErrorType::ConnectionClosed | ErrorType::ReadError);
    if closed && heads == 0 { Ended::Stale(error) } else { Ended::Failed(error) }
}

/// The client went away, or sends what belongs to no request.
fn left(watched: Result<Option<Bytes>>) -> Box<Error> {
    let error = watched.err();
    error.unwrap_or_else(|| Error::new(ErrorType::ConnectionClosed)).into_down()
}
