//! Records that wait to be written together.
//!
//! Whoever comes to the end of waiting first writes what everybody has put in by then, and the others find it done. So
//! one write serves all transfers that are decided at the same time, and one alone does not wait for company.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use jiff::Timestamp;
use serde::Serialize;

/// Records that are not written yet, without their chain, each ended by its closing brace.
#[derive(Debug, Default)]
pub(super) struct Group {
    pub(super) records: Vec<u8>,
    /// Where each of them ends.
    pub(super) ends: Vec<usize>,
    /// The latest time in them.
    pub(super) latest: Timestamp,
    fate: Arc<Fate>,
}

/// What became of a group: written, or why not. Empty as long as it waits.
#[derive(Debug, Default)]
pub(super) struct Fate(OnceLock<Result<(), (io::ErrorKind, String)>>);

/// The group that takes in records at the moment.
#[derive(Debug, Default)]
pub(super) struct Waiting(Mutex<Group>);

impl Waiting {
    /// Puts in a record, an object with members; gives what to ask for its fate.
    pub(super) fn enter(&self, record: &impl Serialize, time: Timestamp) -> io::Result<Arc<Fate>> {
        let mut group = self.lock();
        let begun = group.records.len();
        if let Err(error) = serde_json::to_writer(&mut group.records, record) {
            group.records.truncate(begun);
            return Err(error.into());
        }
        let end = group.records.len();
        group.ends.push(end);
        group.latest = group.latest.max(time);
        Ok(Arc::clone(&group.fate))
    }

    /// The group to write. The next one takes over the buffers of the one before.
    pub(super) fn take(&self, mut emptied: Group) -> Group {
        emptied.records.clear();
        emptied.ends.clear();
        let next = Group { latest: Timestamp::default(), fate: Arc::default(), ..emptied };
        std::mem::replace(&mut *self.lock(), next)
    }

    fn lock(&self) -> MutexGuard<'_, Group> {
        // A record that a panic left half entered has no end and goes into no file.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Group {
    /// The records one by one.
    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).filter_map(|(start, &end)| self.records.get(start..end))
    }

    /// Tells everybody in it.
    pub(super) fn settle(&self, outcome: &io::Result<()>) {
        // It is settled once, under the lock of the writer.
        let _ = self.fate.0.set(outcome.as_ref().copied().map_err(|error| (error.kind(), error.to_string())));
    }
}

impl Fate {
    /// What became of the group, if that is known.
    pub(super) fn known(&self) -> Option<io::Result<()>> {
        let outcome = self.0.get()?.as_ref();
        Some(outcome.copied().map_err(|(kind, message)| io::Error::new(*kind, message.clone())))
    }
}
