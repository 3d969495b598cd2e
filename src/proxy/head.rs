//! The head of one HTTP/1 request, read whole before anything else happens: bounded in size and time, strict in form.
//!
//! The framework would accept a bare line feed, a request without `Host` and a head of a megabyte. Here such a request
//! is answered with what is wrong, and never reaches it.

use std::io;
use std::mem::MaybeUninit;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use http::StatusCode;
use memchr::{memchr_iter, memmem};

use super::fence::Fence;
use super::refusal::Complaint;
use super::stream::ClientStream;

/// Most header fields of a request.
const FIELDS: usize = 128;

/// What ends a head.
static END: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new(b"\r\n\r\n"));

/// What the head says about the message that follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    /// Bytes of the head, with the empty line.
    pub(super) bytes: usize,
    /// The request is a CONNECT.
    pub(super) connect: bool,
    /// Nothing in it has to be understood by more than the two ends: see [`is_ordinary`].
    pub(super) ordinary: bool,
    /// What follows it.
    pub(super) body: Length,
}

/// How long the body of a message is (RFC 9112 section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Length {
    /// So many bytes.
    Bytes(u64),
    /// Its chunks tell.
    Chunks,
    /// The protocol may be switched: what follows is no request, and has no end to wait for.
    Open,
}

impl Head {
    /// Where the message ends.
    pub(super) fn fence(&self) -> Fence {
        match self.body {
            Length::Bytes(bytes) => Fence::After(bytes.saturating_add(self.bytes as u64)),
            Length::Chunks => Fence::chunked(self.bytes as u64),
            Length::Open => Fence::Open,
        }
    }
}

/// How reading a head can end without one.
#[derive(Debug)]
pub(super) enum NoHead {
    /// The client closed, or was idle between two requests.
    Closed,
    /// It sent something wrong and is told so.
    Complaint(Complaint),
}

impl From<Complaint> for NoHead {
    fn from(complaint: Complaint) -> NoHead {
        NoHead::Complaint(complaint)
    }
}

/// Reads the head of the next request into the stream's read-ahead.
pub(super) async fn read(stream: &mut ClientStream, limit: usize, idle: Duration) -> Result<Head, NoHead> {
    let started = Instant::now();
    loop {
        skip_empty_lines(stream);
        if let Some(end) = END.find(stream.ahead()) {
            let bytes = end + 4;
            if bytes > limit {
                return Err(too_large(limit).into());
            }
            return Ok(inspect(stream.ahead().get(..bytes).unwrap_or_default())?);
        }
        reject_early(stream.ahead(), limit)?;
        let left = idle.saturating_sub(started.elapsed());
        match stream.fill(limit + 4, left).await {
            Ok(0) if stream.ahead().is_empty() => return Err(NoHead::Closed),
            Ok(0) => return Err(Complaint::bad_request("The connection closed inside the request head.").into()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::TimedOut && !stream.ahead().is_empty() => {
                return Err(Complaint::timed_out().into());
            }
            Err(_) => return Err(NoHead::Closed),
        }
    }
}

/// RFC 9112 section 2.2: a server should ignore at least one empty line before the request line.
fn skip_empty_lines(stream: &mut ClientStream) {
    while stream.ahead().starts_with(b"\r\n") {
        stream.consume(2);
    }
}

fn too_large(limit: usize) -> Complaint {
    Complaint::new(
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        format!("The request head is larger than {limit} bytes (limits.head)."),
    )
}

/// What can be said of a head before it is complete, so that a wrong client is not waited for.
fn reject_early(ahead: &[u8], limit: usize) -> Result<(), Complaint> {
    if ahead.len() > limit {
        return Err(too_large(limit));
    }
    if ahead.first().is_some_and(|byte| !byte.is_ascii_alphabetic()) {
        return Err(Complaint::bad_request("This is not an HTTP request."));
    }
    reject_bare_line_feed(ahead)
}

fn reject_bare_line_feed(head: &[u8]) -> Result<(), Complaint> {
    for at in memchr_iter(b'\n', head) {
        if at.checked_sub(1).and_then(|before| head.get(before)) != Some(&b'\r') {
            return Err(Complaint::bad_request("A line of the request head ends in a bare line feed; use CR LF."));
        }
    }
    Ok(())
}

fn inspect(head: &[u8]) -> Result<Head, Complaint> {
    reject_bare_line_feed(head)?;
    let mut headers = [const { MaybeUninit::uninit() }; FIELDS];
    let mut request = httparse::Request::new(&mut []);
    match request.parse_with_uninit_headers(head, &mut headers) {
        Ok(httparse::Status::Complete(_)) => {}
        Err(httparse::Error::TooManyHeaders) => {
            return Err(Complaint::new(
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                format!("The request has more than {FIELDS} header fields."),
            ));
        }
        _ => return Err(Complaint::bad_request("The request head is malformed (RFC 9112).")),
    }
    let method = request.method.unwrap_or_default();
    if method == "TRACE" {
        // It would send a request back with everything in it.
        return Err(Complaint::new(StatusCode::METHOD_NOT_ALLOWED, "TRACE is not forwarded."));
    }
    let hosts = request.headers.iter().filter(|header| header.name.eq_ignore_ascii_case("host")).count();
    if hosts != 1 && !(hosts == 0 && request.version == Some(0)) {
        return Err(Complaint::bad_request(
            "A request carries exactly one Host header field (RFC 9112 section 3.2).",
        ));
    }
    let switches = request.headers.iter().any(|header| header.name.eq_ignore_ascii_case("upgrade"));
    let length = body_length(request.headers)?;
    let body = if switches { Length::Open } else { length };
    let ordinary = !switches && is_ordinary(&request);
    Ok(Head { bytes: head.len(), connect: method == "CONNECT", ordinary, body })
}

/// Whether a request is of the common kind: HTTP/1.1, an answer with a body, no name of fields that end here, no trailers
/// that somebody waits for, and no scheme but plain HTTP in its target.
fn is_ordinary(request: &httparse::Request<'_, '_>) -> bool {
    let fields = || request.headers.iter();
    let mut connection = fields().filter(|field| field.name.eq_ignore_ascii_case("connection"));
    let kept = connection.next().is_none_or(|field| {
        ["keep-alive", "close"].iter().any(|word| field.value.eq_ignore_ascii_case(word.as_bytes()))
    });
    let grpc = |field: &httparse::Header<'_>| {
        field.name.eq_ignore_ascii_case("content-type") && field.value.starts_with(b"application/grpc")
    };
    let target = request.path.unwrap_or_default().as_bytes();
    let plain =
        target.first() == Some(&b'/') || target.get(..7).is_some_and(|start| start.eq_ignore_ascii_case(b"http://"));
    request.version == Some(1)
        && !matches!(request.method, Some("HEAD" | "CONNECT"))
        && plain
        && kept
        && connection.next().is_none()
        && !fields().any(grpc)
}

/// The length of the body that follows. Whatever a transfer coding is, the framework takes chunked alone.
fn body_length(headers: &[httparse::Header<'_>]) -> Result<Length, Complaint> {
    if headers.iter().any(|header| header.name.eq_ignore_ascii_case("transfer-encoding")) {
        return Ok(Length::Chunks);
    }
    let lengths: Vec<&[u8]> = headers
        .iter()
        .filter(|header| header.name.eq_ignore_ascii_case("content-length"))
        .map(|header| header.value)
        .collect();
    let Some(first) = lengths.first() else { return Ok(Length::Bytes(0)) };
    let wrong = || Complaint::bad_request("Content-Length is not one number (RFC 9110 section 8.6).");
    if first.is_empty() || !first.iter().all(u8::is_ascii_digit) || lengths.iter().any(|length| length != first) {
        return Err(wrong());
    }
    let text = std::str::from_utf8(first).map_err(|_| wrong())?;
    Ok(Length::Bytes(text.parse().map_err(|_| wrong())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_strict() {
        let ok = inspect(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n").unwrap();
        assert_eq!((ok.body, ok.connect), (Length::Bytes(5), false));
        assert_eq!(inspect(b"GET / HTTP/1.0\r\n\r\n").unwrap().body, Length::Bytes(0));
        for wrong in [
            &b"GET / HTTP/1.1\r\n\r\n"[..],
            b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
            b"GET / HTTP/1.1\nHost: a\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
            b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n",
        ] {
            assert!(inspect(wrong).is_err(), "{}", String::from_utf8_lossy(wrong));
        }
    }
}
