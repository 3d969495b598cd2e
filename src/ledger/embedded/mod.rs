//! The store of one gateway: everything in memory, and one file that has it before any data leaves.
//!
//! A transfer is counted, decided and noted under one lock, so no two transfers see the same last free place under a
//! bound. What was noted is written by one thread (`writer`) before the transfer may go. A transfer that is cancelled, or
//! whose write fails, leaves its people counted.

mod counters;

mod people;

mod repair;

pub(super) mod sketch;

mod store;

mod writer;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use jiff::civil::Date;
use tokio::sync::oneshot;

use self::counters::{Counters, Noted};
use self::store::Store;
use self::writer::{Shared, State};
use super::day::Day;
use super::error::LedgerError;
use super::key::{self, Keys};
use super::lock::lock;
use super::{Total, most};
use crate::transfer::{Count, CounterKey, Digest, Touch};

pub(super) use self::repair::aside;
pub use self::repair::{Repair, Salvage, repair};
pub(super) use self::store::cannot_open;

/// The counters of one gateway. Dropped, it writes what is left and closes the file.
#[derive(Debug)]
pub(super) struct Embedded {
    keys: Keys,
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// Held until the writer has ended.
    _lock: Option<File>,
}

type Promise = oneshot::Receiver<Result<(), LedgerError>>;

impl Embedded {
    /// Opens the ledger of a state directory, or makes it.
    pub(super) fn open(directory: &Path, keys: Keys) -> Result<Embedded, LedgerError> {
        key::make_directory(directory).map_err(|error| cannot_open(directory, &error))?;
        let lock = lock(directory)?;
        let (mut store, mut counters) = Store::open(directory, &keys)?;
        writer::expire_at_open(&mut counters, &mut store, writer::today())?;
        Embedded::start(store, counters, keys, Some(lock))
    }

    fn start(store: Store, counters: Counters, keys: Keys, lock: Option<File>) -> Result<Embedded, LedgerError> {
        let shared = Arc::new(Shared::new(counters));
        let writer = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("ledger".to_owned())
            .spawn(move || writer::run(&writer, store))
            .map_err(|error| LedgerError::Write(error.to_string().into()))?;
        Ok(Embedded { keys, shared, thread: Mutex::new(Some(thread)), _lock: lock })
    }

    /// Counts, decides and, if the transfer is admitted, notes its people. Returns when they are on the disk.
    pub(super) async fn decide<R>(
        &self,
        touches: &[Touch],
        decide: impl FnMut(&[Count]) -> (R, bool),
    ) -> Result<R, LedgerError> {
        let carried = self.carried(touches);
        let (outcome, promise) = self.reserve(carried.as_deref().unwrap_or(touches), decide);
        match promise {
            None => Ok(outcome),
            Some(promise) => promise.await.unwrap_or(Err(LedgerError::Closed)).map(|()| outcome),
        }
    }

    /// What the counters show for a transfer, without counting it.
    pub(super) fn peek(&self, touches: &[Touch]) -> Vec<Count> {
        let carried = self.carried(touches);
        let state = self.shared.lock();
        carried.as_deref().unwrap_or(touches).iter().map(|touch| state.counters.count(touch)).collect()
    }

    /// The generation of the digests it holds.
    pub(super) fn generation(&self) -> usize {
        self.keys.latest()
    }

    /// Notes people of the past, each on their own day.
    pub(super) async fn seed(
        &self,
        touch: &Touch,
        generation: usize,
        people: &[(Digest, Date)],
    ) -> Result<(), LedgerError> {
        let promise = {
            let mut state = self.shared.lock();
            let most = most(touch);
            let (id, _) = state.counters.id_or_new(&touch.key);
            move_window(&mut state, touch);
            for (digest, day) in people {
                let digest = self.keys.carry(*digest, generation, self.keys.latest());
                let day = Day::of(*day);
                let noted = state.counters.see(id, digest, day, most);
                queue(&mut state, id, digest, day, noted);
            }
            state.wait()
        };
        self.shared.wake();
        promise.await.unwrap_or(Err(LedgerError::Closed))
    }

    /// Every counter.
    pub(super) fn totals(&self) -> Vec<Total> {
        self.shared.lock().counters.totals()
    }

    /// People of one counter last seen on or after a date.
    pub(super) fn count(&self, key: &CounterKey, since: Date) -> u64 {
        self.shared.lock().counters.people_since(key, since)
    }

    /// How many people were new on each day.
    pub(super) fn arrivals(&self, key: &CounterKey) -> Vec<(Date, u64)> {
        self.shared.lock().counters.arrivals(key)
    }

    /// How many people were last seen on each day, oldest first.
    pub(super) fn by_last_day(&self, key: &CounterKey) -> Vec<(Date, u64)> {
        self.shared.lock().counters.by_last_day(key)
    }

    /// Everyone who was noted one by one, as the ledger knows them.
    pub(super) fn people(&self, key: &CounterKey) -> Vec<(Digest, Date)> {
        self.shared.lock().counters.people(key)
    }

    /// Why the last write failed, until one succeeds.
    pub(super) fn failure(&self) -> Option<LedgerError> {
        self.shared.lock().failure()
    }

    /// Digests of detection as those of the ledger; `None` while they are the same.
    fn carried(&self, touches: &[Touch]) -> Option<Vec<Touch>> {
        let carry = |touch: &Touch| Touch {
            people: touch.people.iter().map(|digest| self.carry(*digest)).collect(),
            ..touch.clone()
        };
        (self.keys.latest() > 0).then(|| touches.iter().map(carry).collect())
    }

    fn carry(&self, digest: Digest) -> Digest {
        self.keys.carry(digest, 0, self.keys.latest())
    }

    /// The part under the lock.
    fn reserve<R>(&self, touches: &[Touch], mut decide: impl FnMut(&[Count]) -> (R, bool)) -> (R, Option<Promise>) {
        let mut state = self.shared.lock();
        touches.iter().for_each(|touch| move_window(&mut state, touch));
        let counts: Vec<Count> = touches.iter().map(|touch| state.counters.count(touch)).collect();
        let (outcome, admitted) = decide(&counts);
        if !admitted {
            return (outcome, None);
        }
        let mut wait = false;
        for (touch, count) in touches.iter().zip(&counts).filter(|(touch, _)| !touch.people.is_empty()) {
            wait |= note(&mut state, touch, *count);
        }
        let promise = wait.then(|| state.wait());
        drop(state);
        if wait {
            self.shared.wake();
        }
        (outcome, promise)
    }
}

/// Notes the people of a touch. True if the transfer has to wait for a write: its own, or one that another transfer of
/// the same people still waits for.
fn note(state: &mut State, touch: &Touch, count: Count) -> bool {
    let most = most(touch);
    let (id, new) = state.counters.id_or_new(&touch.key);
    let day = state.counters.not_before(id, Day::of(touch.day));
    move_window(state, touch);
    let settled = state.is_settled();
    let mut wait = new;
    for digest in &touch.people {
        let noted = state.counters.see(id, *digest, day, most);
        queue(state, id, *digest, day, noted);
        wait |= noted != Noted::Nothing;
        wait |= !settled && (state.is_pending(id, digest) || state.is_month_pending(id, day.month()));
    }
    if count.adding > 0 {
        let arrived = state.counters.arrive(id, day, count.adding);
        state.queue.arrivals.insert((id, day), arrived);
    }
    wait
}

fn queue(state: &mut State, id: counters::CounterId, digest: Digest, day: Day, noted: Noted) {
    match noted {
        Noted::Nothing => {}
        Noted::Person => drop(state.queue.people.insert((id, digest), day)),
        Noted::Sketch(month) => {
            if let Some(beyond) = state.counters.beyond(id, month).cloned() {
                state.queue.beyond.insert((id, month), beyond);
            }
        }
    }
}

/// Keeps the sum for the window of a touch. The next write tells the file which window that is; none is made for it.
fn move_window(state: &mut State, touch: &Touch) {
    if let Some(id) = state.counters.move_window(touch) {
        state.queue.counters.insert(id, (touch.key.clone(), Day::of(touch.since)));
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.shared.close();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // A writer that panicked has nothing more to write.
            let _ = thread.join();
        }
    }
}
