//! The thread that makes counts durable, many waiting transfers with one sync.
//!
//! While a batch is being written the next one gathers; that alone groups commits, so a lone transfer never waits for
//! company. A batch that cannot be written goes back to the queue and everyone waiting for it is told; the next attempt
//! is made after a pause, with whoever has come since.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use tokio::sync::oneshot;

use super::counters::{CounterId, Counters};
use super::store::{Batch, Store};
use crate::ledger::day::Month;
use crate::ledger::error::LedgerError;
use crate::transfer::Digest;

/// Between two attempts while the store fails.
const PAUSE: Duration = Duration::from_millis(250);

/// Between two looks for people older than any window.
const DAILY: Duration = Duration::from_secs(24 * 60 * 60);

type Waiter = oneshot::Sender<Result<(), LedgerError>>;

/// What deciding tasks and the writer share.
#[derive(Debug)]
pub(super) struct Shared {
    // A standard mutex: it is held for the length of a decision and never across an await.
    state: Mutex<State>,
    work: Condvar,
}

/// Everything under the one lock.
#[derive(Debug, Default)]
pub(super) struct State {
    /// The counters.
    pub(super) counters: Counters,
    /// What the next write takes.
    pub(super) queue: Batch,
    /// What is being written now.
    in_flight: Arc<Batch>,
    waiters: Vec<Waiter>,
    failure: Option<LedgerError>,
    closing: bool,
    ended: bool,
}

/// Lets nobody wait for a writer that is gone, however it went.
struct Ending<'a>(&'a Shared);

impl Shared {
    /// Shares what was read from the file.
    pub(super) fn new(counters: Counters) -> Shared {
        Shared { state: Mutex::new(State { counters, ..State::default() }), work: Condvar::new() }
    }

    /// The lock. The closure that decides runs before anything is changed, so its panic leaves a whole state.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the writer.
    pub(super) fn wake(&self) {
        self.work.notify_one();
    }

    /// Asks the writer to write what is queued and end.
    pub(super) fn close(&self) {
        self.lock().closing = true;
        self.wake();
    }

    /// Waits for work until a moment. `None` when the writer shall end.
    fn next(&self, not_before: Option<Instant>, until: Instant) -> Option<(Arc<Batch>, Vec<Waiter>)> {
        let mut state = self.lock();
        loop {
            let now = Instant::now();
            let resting = not_before.is_some_and(|moment| now < moment) && !state.closing;
            if !resting && state.has_work() {
                return Some(state.take());
            }
            if state.closing {
                return None;
            }
            let deadline = not_before.filter(|_| resting).unwrap_or(until);
            if !resting && now >= until {
                return Some((Arc::default(), Vec::new()));
            }
            let pause = deadline.saturating_duration_since(now);
            state = self.work.wait_timeout(state, pause).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl State {
    /// Whether a person of a counter is noted but not yet on the disk.
    pub(super) fn is_pending(&self, id: CounterId, digest: &Digest) -> bool {
        let person = (id, *digest);
        self.queue.people.contains_key(&person) || self.in_flight.people.contains_key(&person)
    }

    /// Whether a sketch is changed but not yet on the disk.
    pub(super) fn is_month_pending(&self, id: CounterId, month: Month) -> bool {
        self.queue.beyond.contains_key(&(id, month)) || self.in_flight.beyond.contains_key(&(id, month))
    }

    /// Whether everything noted is on the disk.
    pub(super) fn is_settled(&self) -> bool {
        self.queue.is_empty() && self.in_flight.is_empty()
    }

    /// A promise that is kept when everything queued until now is on the disk, and broken when there is no writer.
    pub(super) fn wait(&mut self) -> oneshot::Receiver<Result<(), LedgerError>> {
        let (sender, receiver) = oneshot::channel();
        if !self.ended {
            self.waiters.push(sender);
        }
        receiver
    }

    /// Why the last write failed, until one succeeds.
    pub(super) fn failure(&self) -> Option<LedgerError> {
        self.failure.clone()
    }

    fn has_work(&self) -> bool {
        !self.queue.is_empty() || !self.waiters.is_empty()
    }

    fn take(&mut self) -> (Arc<Batch>, Vec<Waiter>) {
        self.in_flight = Arc::new(std::mem::take(&mut self.queue));
        (Arc::clone(&self.in_flight), std::mem::take(&mut self.waiters))
    }

    fn settle(&mut self, result: &Result<(), LedgerError>) {
        let written = std::mem::take(&mut self.in_flight);
        if result.is_err() {
            self.queue.merge(&written);
        }
        self.failure = result.as_ref().err().cloned();
    }
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.ended = true;
        state.waiters.clear();
    }
}

/// Writes until the ledger is closed.
pub(super) fn run(shared: &Shared, mut store: Store) {
    let _ending = Ending(shared);
    let mut not_before = None;
    let mut expiry = Instant::now() + DAILY;
    while let Some((batch, waiters)) = shared.next(not_before, expiry) {
        let result = if batch.is_empty() { Ok(()) } else { store.commit(&batch) };
        shared.lock().settle(&result);
        // A task that stopped waiting changes nothing: its people stay counted.
        waiters.into_iter().for_each(|waiter| drop(waiter.send(result.clone())));
        if result.is_err() && shared.lock().closing {
            break;
        }
        not_before = result.is_err().then(|| Instant::now() + PAUSE);
        if Instant::now() >= expiry {
            expire(shared, &mut store);
            expiry = Instant::now() + DAILY;
        }
    }
}

/// Takes out people older than any window and gives back their space. What fails here is tried again at the next start.
fn expire(shared: &Shared, store: &mut Store) {
    let expired = shared.lock().counters.expire(today());
    if expired.is_empty() {
        return;
    }
    if let Err(error) = store.forget(&expired).and_then(|()| store.compact()) {
        tracing::warn!(%error, "people older than any window stay in the ledger");
    }
}

/// The same before anyone counts; counters nobody is left in go too.
pub(super) fn expire_at_open(counters: &mut Counters, store: &mut Store, today: Date) -> Result<(), LedgerError> {
    store.forget(&counters.expire(today))?;
    let empty = counters.take_empty();
    if !empty.is_empty() {
        store.remove(&empty)?;
    }
    store.compact()
}

/// Today by the system clock.
pub(super) fn today() -> Date {
    TimeZone::UTC.to_datetime(Timestamp::now()).date()
}
