//! The clients of the demo: one plain HTTP/1.1 request through the proxy, as any program would send it.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Longest time a message may take, and the most of an answer that is read.
const PATIENCE: Duration = Duration::from_secs(60);
const ANSWER: u64 = 1 << 20;

/// One request.
pub(super) struct Request<'a> {
    pub(super) method: &'a str,
    pub(super) url: &'a str,
    pub(super) user: &'a str,
    pub(super) password: &'a str,
    pub(super) content_type: &'a str,
    pub(super) body: &'a [u8],
}

/// Sends a request through the proxy and returns the status of the answer.
pub(super) fn send(proxy: SocketAddr, request: &Request<'_>) -> io::Result<u16> {
    let mut stream = TcpStream::connect_timeout(&proxy, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let authority = request.url.split('/').nth(2).unwrap_or("");
    let credentials = STANDARD.encode(format!("{}:{}", request.user, request.password));
    let head = format!(
        "{} {} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: demo\r\nProxy-Authorization: Basic {credentials}\r\n\
         Content-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        request.method,
        request.url,
        request.content_type,
        request.body.len()
    );
    // A refusal may come before everything is sent; it is read all the same.
    let sent = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(request.body));
    let mut answer = Vec::new();
    let read = stream.take(ANSWER).read_to_end(&mut answer);
    status(&answer).ok_or_else(|| sent.and(read).err().unwrap_or_else(|| io::ErrorKind::InvalidData.into()))
}

fn status(answer: &[u8]) -> Option<u16> {
    let line = answer.split(|byte| *byte == b'\r').next()?;
    std::str::from_utf8(line).ok()?.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()
}
