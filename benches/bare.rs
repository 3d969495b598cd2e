//! The yardstick: the least a proxy on this framework can do, built with the gateway's own profile. It sends every
//! request to one origin and looks at none; with `--tls` it ends TLS from the client and speaks TLS to the origin.
//! `benches/run` compares everything with it.

use std::net::SocketAddr;

use async_trait::async_trait;
use pingora::listeners::tls::TlsSettings;
use pingora::proxy::{ProxyHttp, Session, http_proxy_service};
use pingora::server::Server;
use pingora::server::configuration::ServerConf;
use pingora::upstreams::peer::HttpPeer;

/// Concurrent streams on one HTTP/2 connection to the origin: as many as the gateway has.
const STREAMS: usize = 100;

/// What TLS on both sides needs.
struct Tls {
    certificate: String,
    key: String,
    roots: String,
    name: String,
}

struct Bare {
    origin: SocketAddr,
    /// The origin's name, where it speaks TLS.
    name: Option<String>,
}

#[async_trait]
impl ProxyHttp for Bare {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _session: &mut Session, _ctx: &mut ()) -> pingora::Result<Box<HttpPeer>> {
        let name = self.name.clone().unwrap_or_default();
        let mut peer = HttpPeer::new(self.origin, self.name.is_some(), name);
        if self.name.is_some() {
            peer.options.set_http_version(2, 1);
            peer.options.max_h2_streams = STREAMS;
        }
        Ok(Box::new(peer))
    }
}

fn main() {
    let mut words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let tls = words.iter().position(|word| word == "--tls").map(|at| words.split_off(at));
    let tls = tls.as_deref().map(|words| match words {
        [_, certificate, key, roots, name] => {
            let [certificate, key, roots, name] = [certificate, key, roots, name].map(Clone::clone);
            Some(Tls { certificate, key, roots, name })
        }
        _ => None,
    });
    let addresses: Vec<SocketAddr> = words.iter().filter_map(|word| word.parse().ok()).collect();
    match (addresses.as_slice(), tls) {
        ([listen, origin], None) => serve(*listen, *origin, None),
        ([listen, origin], Some(Some(tls))) => serve(*listen, *origin, Some(tls)),
        _ => println!("usage: bare LISTEN ORIGIN [--tls CERTIFICATE KEY ROOTS NAME]; benches/run does it"),
    }
}

#[expect(clippy::expect_used, reason = "a yardstick that cannot start has nobody else to tell")]
fn serve(listen: SocketAddr, origin: SocketAddr, tls: Option<Tls>) {
    let roots = tls.as_ref().map(|tls| tls.roots.clone());
    let mut server = Server::new_with_opt_and_conf(None, ServerConf { ca_file: roots, ..ServerConf::default() });
    server.bootstrap();
    let name = tls.as_ref().map(|tls| tls.name.clone());
    let mut service = http_proxy_service(&server.configuration, Bare { origin, name });
    match tls {
        None => service.add_tcp(&listen.to_string()),
        Some(tls) => {
            let mut settings =
                TlsSettings::intermediate(&tls.certificate, &tls.key).expect("a certificate and its key");
            settings.enable_h2();
            service.add_tls_with_settings(&listen.to_string(), None, settings);
        }
    }
    server.add_service(service);
    server.run_forever();
}
