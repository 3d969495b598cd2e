//! Asking the gateway that runs: plain HTTP/1.0 to its admin address, one request a connection.
//!
//! HTTP/1.0, so that an answer is a head and bytes until the end. Redirects and everything else a browser does are not
//! needed: the other side is our own admin door.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::cli::Failure;

/// Longest wait for a byte.
const PATIENCE: Duration = Duration::from_secs(60);

/// Largest answer.
const LARGEST: u64 = 64 << 20;

/// The admin door of a gateway.
pub(super) struct Door {
    address: SocketAddr,
    token: Option<Arc<str>>,
}

impl Door {
    /// A door that listens on every address is asked on loopback.
    pub(super) fn new(mut address: SocketAddr, token: Option<Arc<str>>) -> Door {
        if address.ip().is_unspecified() {
            address.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
        }
        Door { address, token }
    }

    /// GET of JSON.
    pub(super) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        understood(&self.exchange("GET", path, b"")?)
    }

    /// GET of text.
    pub(super) fn text(&self, path: &str) -> Result<String, Failure> {
        String::from_utf8(self.exchange("GET", path, b"")?).map_err(|error| Failure::unable(error.to_string()))
    }

    /// POST of JSON, answered by JSON.
    pub(super) fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, Failure> {
        let body = serde_json::to_vec(body).map_err(|error| Failure::unable(error.to_string()))?;
        understood(&self.exchange("POST", path, &body)?)
    }

    fn exchange(&self, method: &str, path: &str, body: &[u8]) -> Result<Vec<u8>, Failure> {
        let unreachable = |error: std::io::Error| {
            Failure::unable(format!(
                "a gateway has the ledger, and nobody answers at {}: {error} (is its admin address in the configuration?)",
                self.address
            ))
        };
        let mut stream = TcpStream::connect_timeout(&self.address, PATIENCE).map_err(unreachable)?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(unreachable)?;
        let token = self.token.iter().map(|token| format!("authorization: Bearer {token}\r\n")).collect::<String>();
        let head = format!(
            "{method} {path} HTTP/1.0\r\nhost: {}\r\n{token}content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            self.address,
            body.len()
        );
        stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body)).map_err(unreachable)?;
        let mut answer = Vec::new();
        stream.take(LARGEST).read_to_end(&mut answer).map_err(unreachable)?;
        content(&answer)
    }
}

fn understood<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(body).map_err(|error| Failure::unable(format!("the gateway's answer: {error}")))
}

/// The body of an answer, or what the problem in it says.
fn content(answer: &[u8]) -> Result<Vec<u8>, Failure> {
    let end = memchr::memmem::find(answer, b"\r\n\r\n").unwrap_or(answer.len());
    let (head, body) = answer.split_at_checked(end).unwrap_or((answer, b""));
    let body = body.get(4..).unwrap_or_default();
    let status =
        std::str::from_utf8(head).ok().and_then(|head| head.split_whitespace().nth(1)).unwrap_or("no status");
    if status == "200" {
        return Ok(body.to_vec());
    }
    let problem: Value = serde_json::from_slice(body).unwrap_or_default();
    let detail = problem.get("detail").and_then(Value::as_str).unwrap_or("it does not say why");
    Err(Failure::unable(format!("the gateway answers {status}: {detail}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_its_body_or_what_is_wrong() {
        let good = b"HTTP/1.0 200 OK\r\na: b\r\n\r\n{\"x\":1}";
        assert_eq!(content(good).ok().unwrap(), b"{\"x\":1}");
        let bad = b"HTTP/1.0 401 Unauthorized\r\n\r\n{\"detail\":\"no token\"}";
        assert!(matches!(content(bad), Err(Failure::Unable(text)) if text.contains("401: no token")));
        assert!(content(b"").is_err());
    }
}
