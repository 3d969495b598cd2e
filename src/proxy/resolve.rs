//! From a host to the one address that is judged and dialled.
//!
//! A name is looked up once for a message: the configuration's own names first, then the system's resolver, whose answer
//! is kept for a few seconds. Of several addresses the first that the guard allows is taken, so a name that answers with
//! a public and a private address cannot lead inside.

use std::borrow::Cow;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::config::Settings;
use crate::place::guard;

/// How long an answer is kept. The system's resolver tells no time to live, so it is short.
const KEPT: Duration = Duration::from_secs(5);
/// How long a look-up may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Names kept at once.
const NAMES: usize = 4096;

/// Looks names up.
#[derive(Debug)]
pub(super) struct Resolver {
    answers: Mutex<lru::LruCache<String, (Instant, Vec<IpAddr>)>>,
}

/// Why there is no address to dial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoAddress {
    /// The name does not resolve.
    Unresolved,
    /// Every address is in a range the configuration refuses, the first for this reason; the address is kept for the
    /// record.
    Private(&'static str, IpAddr),
}

impl Resolver {
    pub(super) fn new() -> Resolver {
        let capacity = NonZeroUsize::new(NAMES).unwrap_or(NonZeroUsize::MIN);
        Resolver { answers: Mutex::new(lru::LruCache::new(capacity)) }
    }

    /// The address of a lower-case host.
    pub(super) async fn resolve(&self, host: &str, settings: &Settings) -> Result<IpAddr, NoAddress> {
        let candidates: Cow<'_, [IpAddr]> = match (host.parse::<IpAddr>(), settings.names.get(host)) {
            (Ok(address), _) => vec![address].into(),
            (Err(_), Some(addresses)) => addresses.as_slice().into(),
            (Err(_), None) => self.look_up(host).await.into(),
        };
        let mut refused = NoAddress::Unresolved;
        for &address in candidates.iter() {
            match refusal(address, settings) {
                None => return Ok(address),
                Some(why) if refused == NoAddress::Unresolved => refused = NoAddress::Private(why, address),
                Some(_) => {}
            }
        }
        Err(refused)
    }

    async fn look_up(&self, host: &str) -> Vec<IpAddr> {
        if let Some((at, addresses)) = self.answers.lock().unwrap_or_else(PoisonError::into_inner).get(host)
            && at.elapsed() < KEPT
        {
            return addresses.clone();
        }
        let found = tokio::time::timeout(PATIENCE, tokio::net::lookup_host((host, 0))).await;
        let addresses: Vec<IpAddr> = match found {
            Ok(Ok(addresses)) => addresses.map(|address| address.ip()).collect(),
            _ => return Vec::new(),
        };
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.put(host.to_owned(), (Instant::now(), addresses.clone()));
        addresses
    }
}

/// Why an address may not be dialled, unless a range allows it by name.
fn refusal(address: IpAddr, settings: &Settings) -> Option<&'static str> {
    if !settings.upstream.deny_private {
        return None;
    }
    let why = guard::is_private(address)?;
    let allowed = settings.upstream.allow_private.iter().any(|range| range.contains(address));
    (!allowed).then_some(why)
}
