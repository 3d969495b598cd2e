//! What happened, provably: one JSON line a transfer, each chained to the one before it.
//!
//! A record is the decision as everyone else sees it, so it holds kinds, places, counts and rule ids and no value. Its
//! last member, `chain`, is the SHA-256 of the `chain` before it followed by the record itself: a record that is changed,
//! taken out or moved breaks the chain there ([`verify()`]). Records at the end can be cut off unseen unless a copy of the
//! last `chain` is kept elsewhere.
//!
//! A record is written before its transfer leaves, by one write together with the records of other transfers that are
//! decided at that moment. A process that is killed loses nothing the kernel has; a machine that loses power may lose the
//! last records, which is the price of not waiting for the disk at every transfer. Files are by the UTC day of the record
//! and never go back: a record of an earlier day than the file that is open goes into that file.

mod file;

mod group;

pub mod record;

mod verify;

mod writer;

#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use ring::digest::{Context, SHA256};
use serde::Serialize;
use uuid::Uuid;

use self::group::{Fate, Waiting};
use self::writer::Writer;
use crate::transfer::Decision;

pub use self::verify::{Break, Verification, verify};

/// Records kept in memory.
const RECENT: usize = 1000;

/// Files read for them at open.
const DAYS: usize = 7;

/// Bytes of a chain value in hexadecimal.
const CHAIN: usize = 64;

/// The audit log of one gateway. Clones write to the same log.
#[derive(Debug, Clone)]
pub struct Audit(Arc<Log>);

#[derive(Debug)]
struct Log {
    directory: PathBuf,
    waiting: Waiting,
    // Held for one write; a transfer waits for its record anyway.
    writer: Mutex<Writer>,
}

/// A record that waits to be written. It is written even if nobody waits for it any more.
struct Entered<'a> {
    log: &'a Log,
    fate: Arc<Fate>,
}

impl Audit {
    /// Opens the log of a directory, or makes it, and goes on after its last record.
    ///
    /// # Errors
    /// The directory cannot be used, or another process writes there.
    pub fn open(directory: &Path) -> io::Result<Audit> {
        file::make_directory(directory)?;
        let writer = Mutex::new(Writer::open(directory)?);
        Ok(Audit(Arc::new(Log { directory: directory.to_owned(), waiting: Waiting::default(), writer })))
    }

    /// Writes the record of a decision.
    ///
    /// # Errors
    /// It could not be written. Nothing of it is left in the file; the next record is tried afresh.
    pub fn append(&self, decision: &Decision) -> io::Result<()> {
        self.0.enter(decision, decision.time)?.settle()
    }

    /// Writes the record of a decision together with those of other transfers that are decided now.
    ///
    /// # Errors
    /// As [`Audit::append`]; all records of one write share its fate.
    pub async fn append_together(&self, decision: &Decision) -> io::Result<()> {
        let entered = self.0.enter(decision, decision.time)?;
        // Whoever is ready to run puts in a record before the first of them goes on.
        tokio::task::yield_now().await;
        entered.settle()
    }

    /// Whether a record could be written now: room for one is taken and given back.
    ///
    /// # Errors
    /// Why it could not.
    pub fn probe(&self) -> io::Result<()> {
        self.0.lock().probe(&self.0.directory, Timestamp::now())
    }

    /// Writes the record of something other than a decision, into the same chain. Its members begin with `id`, `time` and
    /// `event`, by which lists of decisions know to leave it out.
    ///
    /// # Errors
    /// As for [`Audit::append`].
    pub fn note(&self, event: &impl Serialize, time: Timestamp) -> io::Result<()> {
        self.0.enter(event, time)?.settle()
    }

    /// The latest records as JSON, the newest first. At most 1,000.
    pub fn recent(&self, limit: usize) -> Vec<Arc<str>> {
        self.0.lock().recent().take(limit).map(Into::into).collect()
    }

    /// The record of a decision as JSON.
    ///
    /// Looks into memory first and then into the file of the day the id was made on, which can take long: not for the
    /// threads that move bytes.
    pub fn find(&self, id: &str) -> Option<Arc<str>> {
        let id = Uuid::parse_str(id).ok()?;
        let start = record_start(&id);
        let recent = self.0.lock().recent().find(|record| record.starts_with(&start)).map(Into::into);
        recent.or_else(|| self.find_in_files(&id, &start))
    }

    /// A record may be in the file of a later day than its own, but not of an earlier one.
    fn find_in_files(&self, id: &Uuid, start: &str) -> Option<Arc<str>> {
        let (seconds, nanoseconds) = id.get_timestamp()?.to_unix();
        let made = Timestamp::new(i64::try_from(seconds).ok()?, i32::try_from(nanoseconds).ok()?).ok()?;
        let made = TimeZone::UTC.to_datetime(made).date();
        let days = file::days(&self.0.directory).ok()?;
        let mut from = days.into_iter().filter(|(day, _)| *day >= made);
        from.find_map(|(_, path)| file::line_with_start(&path, start).ok().flatten()).map(Into::into)
    }
}

impl Log {
    fn enter(&self, record: &impl Serialize, time: Timestamp) -> io::Result<Entered<'_>> {
        Ok(Entered { log: self, fate: self.waiting.enter(record, time)? })
    }

    fn lock(&self) -> MutexGuard<'_, Writer> {
        // Lines are built anew each time and the chain moves last, so a panic leaves nothing half done.
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entered<'_> {
    /// Sees to it that the record is written, by whomever.
    fn settle(&self) -> io::Result<()> {
        if let Some(outcome) = self.fate.known() {
            return outcome;
        }
        let mut writer = self.log.lock();
        // Somebody may have written it while this one waited for the lock. If not, it is in the group that waits.
        if self.fate.known().is_none() {
            let group = self.log.waiting.take(writer.emptied());
            writer.write(&self.log.directory, group);
        }
        // A writer that panicked has told nobody: then nothing may leave.
        self.fate.known().unwrap_or_else(|| Err(io::Error::other("the record was lost")))
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        // Who is told of a failure asked for it; a record nobody asks about any more has no transfer to stop.
        let _ = self.settle();
    }
}

/// The chain value after a record: SHA-256 of the value before it and the record, in hexadecimal.
fn link(before: &str, record: &[u8]) -> String {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let mut context = Context::new(&SHA256);
    context.update(before.as_bytes());
    context.update(record);
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or('0');
    let mut chain = String::with_capacity(CHAIN);
    for byte in context.finish().as_ref() {
        chain.push(digit(byte >> 4));
        chain.push(digit(byte & 15));
    }
    chain
}

/// The chain value a line carries, if it is a whole record.
fn chain_of(line: &str) -> Option<&str> {
    split_chain(line).map(|(_, chain)| chain)
}

/// A line as the record without its closing brace, and its chain value.
fn split_chain(line: &str) -> Option<(&str, &str)> {
    let (record, end) = line.rsplit_once(",\"chain\":\"")?;
    let chain = end.strip_suffix("\"}")?;
    let hexadecimal = chain.len() == CHAIN && chain.bytes().all(|byte| byte.is_ascii_hexdigit());
    (hexadecimal && record.starts_with('{')).then_some((record, chain))
}

/// How the line of a record begins: the id is its first member.
fn record_start(id: &Uuid) -> String {
    format!("{{\"id\":\"{id}\"")
}
