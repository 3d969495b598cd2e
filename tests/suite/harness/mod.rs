//! What every test stands on: a gateway of its own in a directory of its own, origins that remember every byte they
//! were sent, and clients as people use them. Nothing here calls a function of the gateway; all goes over sockets.

mod admin;
mod certificates;
mod clients;
mod clock;
mod gateway;
mod load;
mod next_proxy;
mod nginx;
mod origin;
mod people;
mod ports;
mod raw;
mod redis;
mod setup;

pub use admin::Sample;
pub use certificates::Root;
pub use clients::{Output, curl_failure, run, tidegate};
pub use gateway::Gateway;
pub use load::{Fate, Load, mixed, singly};
pub use next_proxy::NextProxy;
pub use nginx::Nginx;
pub use origin::Origin;
pub use people::{Person, numbers_in, person, pupils};
pub use ports::free_port;
pub use raw::{Raw, Reply, get, post};
pub use redis::{Redis, Server};
pub use setup::Setup;

use std::time::{Duration, Instant};

/// Waits until `done` says so. A test that waits for something that never happens fails here and not by a wrong guess
/// about how long it takes: the limit is far beyond what any machine needs.
pub fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < Duration::from_secs(90), "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// SHA-256 in hex.
pub fn sha256(bytes: &[u8]) -> String {
    hex(ring::digest::digest(&ring::digest::SHA256, bytes).as_ref())
}

/// Bytes in hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
