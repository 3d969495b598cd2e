//! The first TLS message of a client, read without consuming it.

use std::time::{Duration, Instant};

use super::stream::ClientStream;

/// A ClientHello with everything in it fits well below this.
const HELLO_BYTES: usize = 32 * 1024;

/// What a ClientHello asks for.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Hello {
    /// Server name, in lower case.
    pub(super) server_name: Option<String>,
}

/// Reads until the ClientHello is whole. None when it is not one, does not come in time, or is too large.
pub(super) async fn read(stream: &mut ClientStream, within: Duration) -> Option<Hello> {
    let started = Instant::now();
    loop {
        let mut acceptor = rustls::server::Acceptor::default();
        let mut ahead = stream.ahead();
        while !ahead.is_empty() {
            acceptor.read_tls(&mut ahead).ok()?;
        }
        if let Some(accepted) = acceptor.accept().ok()? {
            let server_name = accepted.client_hello().server_name().map(str::to_ascii_lowercase);
            return Some(Hello { server_name });
        }
        let left = within.checked_sub(started.elapsed())?;
        if stream.fill(HELLO_BYTES, left).await.ok()? == 0 {
            return None;
        }
    }
}
