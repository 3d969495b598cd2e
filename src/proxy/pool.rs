//! Connections to upstreams that wait for their next exchange, by the very address that was judged.
//!
//! The framework lets a task watch every idle connection, which is woken and ended for each exchange. Here nobody watches:
//! a connection is looked at when it is taken, and all of them once a second, so that one the upstream has closed is gone
//! soon. What an upstream says unasked makes its connection useless.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use pingora::protocols::Stream;
use tokio::io::{AsyncRead, ReadBuf};

/// Idle connections are closed after this time.
const IDLE: Duration = Duration::from_secs(60);
/// How often all are looked at.
const ROUND: Duration = Duration::from_secs(1);
/// Idle connections kept at once, to all upstreams together.
const MOST: usize = 1024;

/// Idle connections. Clones are the same ones.
#[derive(Debug, Clone, Default)]
pub(super) struct Pool(Arc<Mutex<Shelf>>);

#[derive(Debug, Default)]
struct Shelf {
    by_address: HashMap<SocketAddr, Vec<Idle>>,
    idle: usize,
    /// Whether somebody makes the rounds.
    tended: bool,
}

#[derive(Debug)]
struct Idle {
    stream: Stream,
    since: Instant,
}

impl Pool {
    /// A connection to an address, the one that was used last: it is the least likely to be closed.
    pub(super) fn take(&self, address: SocketAddr) -> Option<Stream> {
        let mut shelf = self.lock();
        loop {
            let mut idle = shelf.by_address.get_mut(&address)?.pop()?;
            shelf.idle -= 1;
            if idle.is_quiet() {
                return Some(idle.stream);
            }
        }
    }

    /// Keeps a connection on which everything was said. One too many is closed.
    pub(super) fn put(&self, address: SocketAddr, stream: Stream) {
        let mut shelf = self.lock();
        if shelf.idle >= MOST {
            return;
        }
        shelf.idle += 1;
        shelf.by_address.entry(address).or_default().push(Idle { stream, since: Instant::now() });
        if !std::mem::replace(&mut shelf.tended, true) {
            tokio::spawn(tend(Arc::downgrade(&self.0)));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shelf> {
        lock(&self.0)
    }
}

impl Idle {
    /// Whether nothing has come, not even the end.
    fn is_quiet(&mut self) -> bool {
        let mut byte = [0];
        let mut context = Context::from_waker(Waker::noop());
        Pin::new(&mut self.stream).poll_read(&mut context, &mut ReadBuf::new(&mut byte)).is_pending()
    }
}

impl Shelf {
    /// Closes what is old, closed or noisy.
    fn sweep(&mut self) {
        self.by_address.retain(|_, idle| {
            idle.retain_mut(|one| one.since.elapsed() < IDLE && one.is_quiet());
            !idle.is_empty()
        });
        self.idle = self.by_address.values().map(Vec::len).sum();
    }
}

fn lock(shelf: &Mutex<Shelf>) -> MutexGuard<'_, Shelf> {
    // A panic between two steps can only leave the count wrong, which the next round puts right.
    shelf.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes the rounds for as long as there is a shelf.
async fn tend(shelf: Weak<Mutex<Shelf>>) {
    loop {
        tokio::time::sleep(ROUND).await;
        match shelf.upgrade() {
            Some(shelf) => lock(&shelf).sweep(),
            None => return,
        }
    }
}
