//! Addresses of a host the way the gateway finds them: static names first, then DNS, with patience.

use std::net::{IpAddr, ToSocketAddrs as _};
use std::sync::mpsc;
use std::time::Duration;

use crate::config::Settings;

/// How long a name may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The addresses of a lower-case host.
///
/// # Errors
/// Says why there are none.
pub(super) fn addresses(host: &str, settings: &Settings) -> Result<Vec<IpAddr>, String> {
    if let Some(known) = settings.names.get(host) {
        return Ok(known.clone());
    }
    let (done, answer) = mpsc::channel();
    let name = host.to_owned();
    // The resolver of the system cannot be interrupted; a thread that is left behind ends with the process.
    std::thread::spawn(move || {
        let found =
            (name.as_str(), 0).to_socket_addrs().map(|all| all.map(|address| address.ip()).collect::<Vec<_>>());
        let _ = done.send(found);
    });
    match answer.recv_timeout(PATIENCE) {
        Ok(Ok(mut found)) => {
            found.sort_unstable();
            found.dedup();
            Ok(found)
        }
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
    }
}
