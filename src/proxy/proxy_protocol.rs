//! The PROXY protocol header (versions 1 and 2), by which a balancer in front says who the client is.
//!
//! Source: the HAProxy project's "The PROXY protocol", sections 2.1 and 2.2.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use memchr::memmem;

use super::stream::ClientStream;

/// Longest version 1 line.
const LINE_BYTES: usize = 107;
/// Longest version 2 header we read: addresses and a few kilobytes of type-length-values.
const BINARY_BYTES: usize = 16 + 4096;
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Reads and consumes the header. None when it says nothing about the client (`LOCAL`, `UNKNOWN`).
pub(super) async fn read(stream: &mut ClientStream, within: Duration) -> io::Result<Option<SocketAddr>> {
    loop {
        match parse(stream.ahead())? {
            Some((client, bytes)) => {
                stream.consume(bytes);
                return Ok(client);
            }
            None => {
                if stream.fill(BINARY_BYTES, within).await? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
        }
    }
}

type Parsed = Option<(Option<SocketAddr>, usize)>;

fn parse(ahead: &[u8]) -> io::Result<Parsed> {
    let wrong = || io::Error::new(io::ErrorKind::InvalidData, "not a PROXY header");
    let common = ahead.len().min(SIGNATURE.len());
    if ahead.get(..common) == SIGNATURE.get(..common) {
        return if ahead.len() < 16 { Ok(None) } else { binary(ahead).ok_or_else(wrong) };
    }
    if !b"PROXY ".starts_with(ahead.get(..ahead.len().min(6)).unwrap_or_default()) {
        return Err(wrong());
    }
    match memmem::find(ahead, b"\r\n") {
        Some(end) => Ok(Some((line(ahead.get(..end).unwrap_or_default()).ok_or_else(wrong)?, end + 2))),
        None if ahead.len() > LINE_BYTES => Err(wrong()),
        None => Ok(None),
    }
}

/// `PROXY TCP4 192.0.2.1 198.51.100.1 56324 443`
fn line(line: &[u8]) -> Option<Option<SocketAddr>> {
    let mut fields = std::str::from_utf8(line).ok()?.split(' ').skip(1);
    match fields.next()? {
        "UNKNOWN" => Some(None),
        "TCP4" | "TCP6" => {
            let address: IpAddr = fields.next()?.parse().ok()?;
            let port: u16 = fields.nth(1)?.parse().ok()?;
            Some(Some(SocketAddr::new(address, port)))
        }
        _ => None,
    }
}

/// Outer none: malformed. Inner none: incomplete.
fn binary(ahead: &[u8]) -> Option<Parsed> {
    let (&command, &family) = (ahead.get(12)?, ahead.get(13)?);
    let length = usize::from(u16::from_be_bytes([*ahead.get(14)?, *ahead.get(15)?]));
    if command >> 4 != 2 || length > BINARY_BYTES - 16 {
        return None;
    }
    let Some(body) = ahead.get(16..16 + length) else { return Some(None) };
    let client = match (command & 0xf, family >> 4) {
        (0, _) | (1, 0) => None,
        (1, 1) => {
            let address: [u8; 4] = body.get(..4)?.try_into().ok()?;
            let port = u16::from_be_bytes(body.get(8..10)?.try_into().ok()?);
            Some(SocketAddr::new(Ipv4Addr::from(address).into(), port))
        }
        (1, 2) => {
            let address: [u8; 16] = body.get(..16)?.try_into().ok()?;
            let port = u16::from_be_bytes(body.get(32..34)?.try_into().ok()?);
            Some(SocketAddr::new(Ipv6Addr::from(address).into(), port))
        }
        _ => return None,
    };
    Some(Some((client, 16 + length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_name_the_client() {
        let (client, bytes) = parse(b"PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\nGET").unwrap().unwrap();
        assert_eq!((client.unwrap().to_string().as_str(), bytes), ("192.0.2.1:56324", 45));
        let mut binary = SIGNATURE.to_vec();
        binary.extend([0x21, 0x11, 0, 12, 192, 0, 2, 1, 198, 51, 100, 1, 0xdc, 4, 1, 0xbb]);
        let (client, bytes) = parse(&binary).unwrap().unwrap();
        assert_eq!((client.unwrap().to_string().as_str(), bytes), ("192.0.2.1:56324", 28));
        assert!(parse(b"PROXY TCP4 1").unwrap().is_none() && parse(&binary[..20]).unwrap().is_none());
        assert!(parse(b"GET / HTTP/1.1\r\n").is_err());
    }
}
