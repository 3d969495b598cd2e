//! The proof that a transfer was decided and may leave, and the only thing an upstream connection can be built from.

use std::net::SocketAddr;
use std::sync::Arc;

/// Where a message would go: the address that is judged is the address that is dialled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The one resolved address.
    pub address: SocketAddr,
    /// With TLS, the name sent and verified. Never empty: an empty name would switch verification off.
    pub tls: Option<Arc<str>>,
}

/// A passed check as a value. Only this module makes one, after a decision that lets the transfer go, so code that opens
/// a connection without a decision does not compile.
#[derive(Debug, Clone)]
pub struct Clearance {
    endpoint: Endpoint,
}

impl Clearance {
    pub(super) fn grant(endpoint: Endpoint) -> Clearance {
        Clearance { endpoint }
    }

    /// Where the message may go.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }
}
