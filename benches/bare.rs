//! The yardstick: the least a proxy on this framework can do, built with the gateway's own profile. It sends every
//! request to one origin and looks at none. `benches/run` compares everything with it.

use std::net::SocketAddr;

use async_trait::async_trait;
use pingora::proxy::{ProxyHttp, Session, http_proxy_service};
use pingora::server::Server;
use pingora::server::configuration::ServerConf;
use pingora::upstreams::peer::HttpPeer;

struct Bare {
    origin: SocketAddr,
}

#[async_trait]
impl ProxyHttp for Bare {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _session: &mut Session, _ctx: &mut ()) -> pingora::Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(self.origin, false, String::new())))
    }
}

fn main() {
    let mut addresses = std::env::args().skip(1).filter_map(|argument| argument.parse::<SocketAddr>().ok());
    let (Some(listen), Some(origin)) = (addresses.next(), addresses.next()) else {
        println!("usage: bare LISTEN ORIGIN, two addresses with ports; benches/run does it");
        return;
    };
    let mut server = Server::new_with_opt_and_conf(None, ServerConf::default());
    server.bootstrap();
    let mut service = http_proxy_service(&server.configuration, Bare { origin });
    service.add_tcp(&listen.to_string());
    server.add_service(service);
    server.run_forever();
}
