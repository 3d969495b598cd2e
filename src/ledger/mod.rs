//! How many people so far: distinct people for each counter and window, exact, and durable before their data leaves.
//!
//! A transfer is counted, decided and noted under one lock, so no two transfers see the same last free place under a
//! bound. What was noted is written by one thread (`writer`) before the transfer may go. The bias is to count too many
//! and never too few: a transfer that is cancelled, or whose write fails, leaves its people counted.
//!
//! Assumes the digests come from one key and the days from one clock. Knows nothing of why people are counted.

mod counters;

mod day;

mod error;

mod forecast;

mod key;

mod people;

mod store;

mod writer;

#[cfg(test)]
mod tests;

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use jiff::civil::Date;
use tokio::sync::oneshot;

use self::counters::Counters;
use self::day::Day;
use self::store::{Store, cannot_open};
use self::writer::{Shared, State};
use crate::transfer::{Count, CounterKey, Touch};

pub use self::error::LedgerError;
pub use self::forecast::{Forecast, History, Outlook};
pub use self::key::digest_key;

/// The counters of one gateway. Clones are the same ledger; the last one dropped writes what is left and closes it.
#[derive(Debug, Clone)]
pub struct Ledger(Arc<Handle>);

#[derive(Debug)]
struct Handle {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// Held until the writer has ended. Its own file, because the store gives up its lock whenever it is reopened.
    _lock: Option<File>,
}

type Promise = oneshot::Receiver<Result<(), LedgerError>>;

impl Ledger {
    /// Opens the ledger of a state directory, or makes it.
    ///
    /// # Errors
    /// Another process has it open, the directory cannot be used, or the file is damaged or of another version.
    pub fn open(directory: &Path) -> Result<Ledger, LedgerError> {
        key::make_directory(directory).map_err(|error| cannot_open(directory, &error))?;
        let lock = lock(directory)?;
        let (mut store, mut counters) = Store::open(directory)?;
        writer::expire_at_open(&mut counters, &mut store, writer::today())?;
        Ledger::start(store, counters, Some(lock))
    }

    /// Counts, decides and, if the transfer is admitted, notes its people. Returns when they are on the disk.
    ///
    /// `decide` sees the counts in the order of the touches and says whether the transfer is admitted. Nothing is kept of
    /// one that is not. Nobody else is counted while it runs, so it has to be quick.
    ///
    /// # Errors
    /// The people could not be written. They stay counted and are written as soon as the store works again; until then
    /// every transfer that would add people gets an error.
    pub async fn decide<R>(
        &self,
        touches: &[Touch],
        decide: impl FnOnce(&[Count]) -> (R, bool),
    ) -> Result<R, LedgerError> {
        if touches.is_empty() {
            return Ok(decide(&[]).0);
        }
        let (outcome, promise) = self.reserve(touches, decide);
        match promise {
            None => Ok(outcome),
            Some(promise) => promise.await.unwrap_or(Err(LedgerError::Closed)).map(|()| outcome),
        }
    }

    /// What the counters show for a transfer, without counting it.
    ///
    /// # Errors
    /// None today: the counters are in memory. A store shared by a fleet would have some.
    pub fn peek(&self, touches: &[Touch]) -> Result<Vec<Count>, LedgerError> {
        let state = self.0.shared.lock();
        Ok(touches.iter().map(|touch| state.counters.count(touch)).collect())
    }

    /// Every counter with the first day of the window a transfer asked for last, and the people in it.
    pub fn totals(&self) -> Vec<(CounterKey, Date, u64)> {
        self.0.shared.lock().counters.totals()
    }

    /// People of one counter last seen on or after a date.
    pub fn count(&self, key: &CounterKey, since: Date) -> u64 {
        self.0.shared.lock().counters.people_since(key, since)
    }

    /// Why the last write failed, until one succeeds.
    pub fn failure(&self) -> Option<LedgerError> {
        self.0.shared.lock().failure()
    }

    fn start(store: Store, counters: Counters, lock: Option<File>) -> Result<Ledger, LedgerError> {
        let shared = Arc::new(Shared::new(counters));
        let writer = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("ledger".to_owned())
            .spawn(move || writer::run(&writer, store))
            .map_err(|error| LedgerError::Write(error.to_string().into()))?;
        Ok(Ledger(Arc::new(Handle { shared, thread: Mutex::new(Some(thread)), _lock: lock })))
    }

    /// The part under the lock.
    fn reserve<R>(&self, touches: &[Touch], decide: impl FnOnce(&[Count]) -> (R, bool)) -> (R, Option<Promise>) {
        let mut state = self.0.shared.lock();
        touches.iter().for_each(|touch| move_window(&mut state, touch));
        let counts: Vec<Count> = touches.iter().map(|touch| state.counters.count(touch)).collect();
        let (outcome, admitted) = decide(&counts);
        if !admitted {
            return (outcome, None);
        }
        let mut wait = false;
        for touch in touches.iter().filter(|touch| !touch.people.is_empty()) {
            wait |= note(&mut state, touch);
        }
        let promise = wait.then(|| state.wait());
        drop(state);
        if wait {
            self.0.shared.wake();
        }
        (outcome, promise)
    }
}

/// Notes the people of a touch. True if the transfer has to wait for a write: its own, or one that another transfer of
/// the same people still waits for.
fn note(state: &mut State, touch: &Touch) -> bool {
    let day = Day::of(touch.day);
    let (id, new) = state.counters.id_or_new(&touch.key);
    move_window(state, touch);
    let settled = state.is_settled();
    let mut wait = new;
    for digest in &touch.people {
        let changed =
            state.counters.see(id, *digest, day).is_some_and(|sighting| sighting != people::Sighting::Known);
        if changed {
            state.queue.people.insert((id, *digest), day);
        }
        wait |= changed || (!settled && state.is_pending(id, digest));
    }
    wait
}

/// Keeps the sum for the window of a touch. The next write tells the file which window that is; none is made for it.
fn move_window(state: &mut State, touch: &Touch) {
    if let Some(id) = state.counters.move_window(touch) {
        state.queue.counters.insert(id, (touch.key.clone(), Day::of(touch.since)));
    }
}

fn lock(directory: &Path) -> Result<File, LedgerError> {
    let path = directory.join("ledger.lock");
    let opened = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
    let file = opened.map_err(|error| cannot_open(&path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(LedgerError::Locked(directory.to_owned())),
        Err(TryLockError::Error(error)) => Err(cannot_open(&path, &error)),
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.close();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // A writer that panicked has nothing more to write.
            let _ = thread.join();
        }
    }
}
