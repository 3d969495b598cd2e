//! The head of a request: path, query and header values.

use http::HeaderMap;

use crate::transfer::{Container, Locator, Sink};

use super::Limits;
use super::account::Account;
use super::charset::{self, Reader as _};
use super::form::{self, Form};
use super::inside;
use super::label;
use super::output::Output;

/// Headers that say how a message travels and have no room for data.
const PROTOCOL: &[&str] = &[
    "accept-encoding",
    "accept-ranges",
    "connection",
    "content-encoding",
    "content-length",
    "date",
    "expect",
    "host",
    "keep-alive",
    "proxy-connection",
    "sec-websocket-key",
    "sec-websocket-version",
    "te",
    "transfer-encoding",
    "upgrade",
];

/// Reads the target and the header values of a message into `sink` and accounts for their bytes.
pub fn head(target: &str, headers: &HeaderMap, sink: &mut dyn Sink) -> Account {
    let limits = Limits::default();
    let mut out = Output::new(Locator::rooted("path:"), &limits, sink);
    out.tally.bytes = target.len() as u64;
    out.open(Container::Head);
    let (address, query) = target.split_once('?').unwrap_or((target, ""));
    path(address, &mut out);
    out.at = Locator::rooted("query:");
    if !query.is_empty() {
        let mut reader = Form::new(None, &out);
        // Nothing follows, so all of it is read.
        reader.read(query, (address.len() + 1) as u64, true, &mut out);
        reader.finish(&mut out);
    }
    out.at = Locator::rooted("header:");
    for (name, value) in headers.iter().filter(|(name, _)| !PROTOCOL.contains(&name.as_str())) {
        out.tally.bytes += (name.as_str().len() + value.len()) as u64;
        field(name.as_str(), value.as_bytes(), &mut out);
    }
    out.close();
    out.tally.close()
}

/// The segments of a path. An absolute target has a scheme and an authority in front, which name the receiver.
fn path(address: &str, out: &mut Output<'_>) {
    let start =
        address.split_once("://").map_or(0, |(scheme, rest)| scheme.len() + 3 + rest.find('/').unwrap_or(rest.len()));
    if let Some((user, _)) = address.get(..start).and_then(|authority| authority.rsplit_once('@')) {
        let user = form::decoded(user.rsplit('/').next().unwrap_or(user), None, out);
        out.text(&user, None, 0);
    }
    let mut offset = start as u64;
    for (index, segment) in
        address.get(start..).unwrap_or("").split('/').filter(|segment| !segment.is_empty()).enumerate()
    {
        let text = form::decoded(segment, None, out);
        out.at.enter_index(index as u64);
        inside::value(&text, None, offset, out);
        out.at.leave();
        offset += segment.len() as u64 + 1;
    }
}

/// One header field.
fn field(name: &str, value: &[u8], out: &mut Output<'_>) {
    let (text, malformed) = charset::whole(value, None);
    out.tally.opaque(super::account::Opaque::Undecodable, malformed);
    out.at.enter(name);
    match name {
        "cookie" => text.split(';').for_each(|pair| cookie(pair.trim(), out)),
        "set-cookie" => {
            let (pair, attributes) = text.split_once(';').unwrap_or((&text, ""));
            cookie(pair.trim(), out);
            attributes
                .split(';')
                .map(str::trim)
                .filter(|text| !is_attribute(text))
                .for_each(|text| cookie(text, out));
        }
        "authorization" | "proxy-authorization" => authorization(name, &text, out),
        name if label::is_header(name) => {
            label::fields(&text).for_each(|(name, value)| out.text(value, Some(name), 0))
        }
        _ => percent_decoded(&text, Some(name), out),
    }
    out.at.leave();
}

/// Whether this says how long a cookie is kept and where it is sent (RFC 6265, section 4.1.2).
fn is_attribute(text: &str) -> bool {
    const KNOWN: [&str; 7] = ["expires", "max-age", "domain", "samesite", "secure", "httponly", "partitioned"];
    let name = text.split('=').next().unwrap_or("").trim();
    KNOWN.iter().any(|known| name.eq_ignore_ascii_case(known))
}

fn cookie(pair: &str, out: &mut Output<'_>) {
    let (name, value) = pair.split_once('=').unwrap_or(("", pair));
    let value = value.trim_matches('"');
    if name.is_empty() {
        return percent_decoded(value, None, out);
    }
    out.at.enter(name);
    percent_decoded(value, Some(name), out);
    out.at.leave();
}

/// Credentials. `Basic` is base64 whatever its length.
fn authorization(name: &str, text: &str, out: &mut Output<'_>) {
    let (scheme, credentials) = text.split_once(' ').unwrap_or(("", text));
    let basic = scheme.eq_ignore_ascii_case("basic").then(|| inside::decode(credentials.trim())).flatten();
    match basic.as_deref().and_then(|bytes| std::str::from_utf8(bytes).ok()) {
        Some(decoded) => out.text(decoded, Some(name), 0),
        None => inside::value(credentials.trim(), Some(name), 0, out),
    }
}

/// A value that may have percent sequences in it: addresses in `referer`, values of cookies.
fn percent_decoded(text: &str, key: Option<&str>, out: &mut Output<'_>) {
    if text.contains('%') {
        let decoded = form::decoded(text, None, out);
        inside::value(&decoded, key, 0, out);
    } else {
        inside::value(text, key, 0, out);
    }
}
