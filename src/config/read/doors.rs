//! Where traffic comes in and goes out: `[[listener]]`, `[interception]`, `[[route]]`, `[resolve]`, `[upstream]`,
//! `[admin]`.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use toml::de::DeValue;

use super::{Admin, Interception, Reading};
use crate::config::document::{At, Section, Wrong};
use crate::config::settings::{ClientCountry, Listener, ListenerMode, ListenerTls, Route, Upstream};
use crate::config::value;
use crate::transfer::HostPattern;

const DOORS: &[(&str, ListenerMode)] = &[
    ("forward", ListenerMode::Forward),
    ("reverse", ListenerMode::Reverse),
    ("transparent", ListenerMode::Transparent),
];
const PROXY_PORT: u16 = 3128;
const ADMIN_PORT: u16 = 9180;

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// `[[listener]]`; without any, one explicit proxy on loopback.
pub(super) fn listeners(top: &Section<'_>, reading: &Reading<'_>) -> Vec<Listener> {
    let mut listeners: Vec<Listener> = Vec::new();
    for section in top.sections("listener", "[[listener]]") {
        let name = section.need("name", value::label);
        let address = section.need("address", value::socket);
        if let Some(name) = name.as_ref().filter(|name| listeners.iter().any(|known| known.name == name.value)) {
            section.document().error(&name.span, format!("there is a second listener `{}`", name.value));
        }
        if let Some(address) = &address {
            clash(&section, address, &listeners);
        }
        let listener = Listener {
            name: name.map_or_else(|| "".into(), |name| name.value),
            // A wrong address was reported; port 0 clashes with none.
            address: address.map_or_else(|| loopback(0), |address| address.value),
            ..door(&section, reading)
        };
        listeners.push(listener);
        section.finish();
    }
    if top.key("listener").is_none() {
        let door = Listener { name: "egress".into(), address: loopback(PROXY_PORT), ..Listener::forward() };
        listeners.push(door);
    }
    listeners
}

fn clash(section: &Section<'_>, address: &At<SocketAddr>, before: &[Listener]) {
    let taken = before.iter().find(|known| known.address == address.value && address.value.port() != 0);
    if let Some(known) = taken {
        let message = format!("{} is already the address of listener `{}`", address.value, known.name);
        section.document().error(&address.span, message);
    }
}

/// Everything about a listener but its name and address.
fn door(section: &Section<'_>, reading: &Reading<'_>) -> Listener {
    let mode = section.word("mode", DOORS).unwrap_or(ListenerMode::Forward);
    let intercept = section.at("intercept", value::flag);
    if let Some(At { value: true, span }) = &intercept
        && mode == ListenerMode::Reverse
    {
        let help = "remove it; TLS of a reverse listener ends with its own `certificate` and `key`";
        section.document().advise(span, "`intercept` has no effect on a reverse listener", help);
    }
    let proxy_protocol = section.at("proxy_protocol", value::flag);
    let trusted_proxies = section.all("trusted_proxies", value::network);
    if let Some(At { value: true, span }) = &proxy_protocol
        && section.key("trusted_proxies").is_none()
    {
        let help = "name the load balancers in `trusted_proxies`";
        section.document().advise(span, "nobody may send the PROXY protocol header", help);
    }
    Listener {
        mode,
        intercept: mode != ListenerMode::Reverse && intercept.is_none_or(|intercept| intercept.value),
        client_country: section.get("client_country", client_country).unwrap_or(ClientCountry::Exporter),
        proxy_protocol: proxy_protocol.is_some_and(|flag| flag.value),
        trusted_proxies,
        tls: listener_tls(section, reading, mode),
        ..Listener::forward()
    }
}

fn client_country(value: &DeValue<'_>) -> Result<ClientCountry, Wrong> {
    match value.as_str() {
        Some("by-address") => Ok(ClientCountry::ByAddress),
        Some(near) if near.len() > 2 && crate::diagnostic::nearest(near, ["by-address"]).is_some() => {
            Err(Wrong::value(format!("unknown country `{near}`")).help("did you mean `by-address`?"))
        }
        _ => value::country(value).map(ClientCountry::In),
    }
}

/// `certificate` and `key` of a reverse listener, which go together.
fn listener_tls(section: &Section<'_>, reading: &Reading<'_>, mode: ListenerMode) -> Option<ListenerTls> {
    let certificate = section.at("certificate", value::path);
    let key = section.at("key", value::path);
    let document = section.document();
    match (certificate, key) {
        (Some(certificate), Some(key)) if mode == ListenerMode::Reverse => {
            Some(ListenerTls { certificate: reading.file(&certificate)?, key: reading.file(&key)? })
        }
        (Some(given), Some(_)) => {
            let help = "the listener needs mode = \"reverse\" for TLS of its own";
            document.advise(&given.span, "`certificate` has no effect on this listener", help);
            None
        }
        (Some(given), None) => {
            document.advise(&given.span, "`certificate` needs its `key`", "add the path of the private key");
            None
        }
        (None, Some(given)) => {
            document.advise(&given.span, "`key` needs its `certificate`", "add the path of the certificate chain");
            None
        }
        (None, None) => None,
    }
}

/// `[interception]`.
pub(super) fn interception(
    top: &Section<'_>,
    reading: &Reading<'_>,
    listeners: &[Listener],
    state: &Path,
) -> Interception {
    let section = top.section("interception", "[interception]");
    let in_use = listeners.iter().any(|listener| listener.intercept);
    if section.is_there() && !in_use {
        let help = "set intercept = true on a forward or transparent listener, or remove the section";
        section.document().advise(section.span(), "[interception] has no effect: no listener intercepts", help);
    }
    let path = |key: &'static str, name: &str| {
        section.get(key, value::path).map_or_else(|| state.join(name), |path| reading.path(&path))
    };
    let interception = Interception {
        ca_certificate: path("ca_certificate", "ca.pem"),
        ca_key: path("ca_key", "ca.key"),
        bypass: section.all("bypass", value::hosts),
    };
    if section.key("ca_certificate").is_some() != section.key("ca_key").is_some() {
        let message = "`ca_certificate` and `ca_key` go together";
        section.document().advise(section.span(), message, "give both, or none for a CA in the state directory");
    }
    if let Some(span) = section.key("ca_certificate") {
        missing_ca(&section, &span, &interception, state);
    }
    section.finish();
    interception
}

/// A warning, since `ca init` reads the same file to know where the CA goes. The start refuses it.
fn missing_ca(section: &Section<'_>, span: &std::ops::Range<usize>, interception: &Interception, state: &Path) {
    let file = &interception.ca_certificate;
    if !file.exists() && *file != state.join("ca.pem") {
        let message = format!("{} is not there, and the gateway does not start without it", file.display());
        section.document().warn(span, message, "`tidegate ca init` makes a CA where the configuration wants it");
    }
}

/// `[[route]]`.
pub(super) fn routes(top: &Section<'_>, listeners: &[Listener]) -> Vec<Route> {
    let mut routes: Vec<Route> = Vec::new();
    let reverse = listeners.iter().any(|listener| listener.mode == ListenerMode::Reverse);
    for section in top.sections("route", "[[route]]") {
        if !reverse {
            let help = "add a listener with mode = \"reverse\", or remove the route";
            section.document().advise(section.span(), "this route has no effect: no listener is reverse", help);
        }
        routes.extend(route(&section, &routes));
        section.finish();
    }
    if reverse && top.key("route").is_none() {
        let help = "add a [[route]] with `host` and `upstream`";
        top.document().advise(top.span(), "a reverse listener serves nothing without routes", help);
    }
    routes
}

fn route(section: &Section<'_>, before: &[Route]) -> Option<Route> {
    let host = section.need("host", value::hosts);
    let upstream = section.need("upstream", value::target);
    let sni = section.at("sni", value::hosts);
    let country = section.get("country", value::country);
    let host = host?;
    let hidden = |known: &&Route| known.host == host.value || known.host.matches(host.value.as_str());
    if let Some(known) = before.iter().find(hidden) {
        let message = format!("this route is never used: `{}` before it takes the same host", known.host);
        section.document().advise(&host.span, message, "put the narrower pattern first, or remove one");
    }
    let upstream = upstream?.value;
    if let Some(sni) = &sni {
        if !upstream.tls {
            section.document().advise(
                &sni.span,
                "`sni` has no effect: the upstream is http",
                "use https, or remove it",
            );
        }
        if sni.value.as_str().contains('*') {
            section.document().error(&sni.span, "`sni` is one name, not a pattern");
        }
    }
    let sni = sni.map(|sni| sni.value.as_str().to_owned());
    Some(Route { host: host.value, tls: upstream.tls, upstream: upstream.host, port: upstream.port, sni, country })
}

/// `[resolve]`.
pub(super) fn names(top: &Section<'_>) -> BTreeMap<String, Vec<IpAddr>> {
    let section = top.section("resolve", "[resolve]");
    let mut names = BTreeMap::new();
    for (name, addresses) in section.entries(addresses) {
        match HostPattern::parse(name.value) {
            Ok(pattern) if !pattern.as_str().contains('*') => {
                names.insert(pattern.as_str().to_owned(), addresses.value);
            }
            Ok(_) => section.document().error(&name.span, "a name to resolve has no `*`"),
            Err(what) => section.document().error(&name.span, what),
        }
    }
    section.finish();
    names
}

fn addresses(value: &DeValue<'_>) -> Result<Vec<IpAddr>, Wrong> {
    match value.as_array() {
        Some(items) if items.is_empty() => Err(Wrong::value("a name needs an address")),
        Some(items) => items.iter().map(|item| value::address(item.get_ref())).collect(),
        None => value::address(value).map(|address| vec![address]),
    }
}

/// `[upstream]`.
pub(super) fn upstream(top: &Section<'_>, reading: &Reading<'_>) -> Upstream {
    let section = top.section("upstream", "[upstream]");
    let deny_private = section.get("deny_private", value::flag).unwrap_or(true);
    if let (false, Some(span)) = (deny_private, section.key("allow_private")) {
        let help = "remove it, or set deny_private = true";
        section.document().advise(&span, "`allow_private` has no effect while private addresses are allowed", help);
    }
    let proxy = section.at("proxy", value::target);
    if let Some(At { value: target, span }) = &proxy
        && target.tls
    {
        section.document().advise(span, "the next proxy is spoken to in http", "write http://host:port");
    }
    let upstream = Upstream {
        deny_private,
        allow_private: section.all("allow_private", value::network),
        ca_certificates: section
            .list("ca_certificates", value::path)
            .iter()
            .filter_map(|path| reading.file(path))
            .collect(),
        proxy: proxy.map(|proxy| (proxy.value.host, proxy.value.port)),
        connect_timeout: section.get("connect_timeout", value::duration).unwrap_or(Duration::from_secs(10)),
        read_timeout: section.get("read_timeout", value::duration).unwrap_or(Duration::from_secs(60)),
    };
    section.finish();
    upstream
}

/// `[admin]`.
pub(super) fn admin(top: &Section<'_>, reading: &Reading<'_>, listeners: &[Listener]) -> Admin {
    let section = top.section("admin", "[admin]");
    let address = section.at("address", value::socket);
    let token = section.at("token_file", value::path).map(|file| reading.secret(&file));
    if let Some(address) = &address {
        if !address.value.ip().is_loopback() && token.is_none() {
            let message = format!("{} can be reached from outside, and no token guards it", address.value);
            section.document().advise(&address.span, message, "add `token_file`, or use a loopback address");
        }
        clash(&section, address, listeners);
    }
    let admin = Admin {
        address: address.map_or_else(|| loopback(ADMIN_PORT), |address| address.value),
        token: token.flatten().map(Into::into),
        url: section.get("url", value::target).map(|target| target.to_string().into()),
    };
    section.finish();
    admin
}
