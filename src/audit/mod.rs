//! What happened, provably: one JSON line a transfer, each chained to the one before it.
//!
//! A record is the decision as everyone else sees it, so it holds kinds, places, counts and rule ids and no value. Its
//! last member, `chain`, is the SHA-256 of the `chain` before it followed by the record itself: a record that is changed,
//! taken out or moved breaks the chain there ([`verify()`]). Records at the end can be cut off unseen unless a copy of the
//! last `chain` is kept elsewhere.
//!
//! A record is one write. A process that is killed loses nothing the kernel has; a machine that loses power may lose the
//! last records, which is the price of not waiting for the disk at every transfer. Files are by the UTC day of the record
//! and never go back: a record of an earlier day than the file that is open goes into that file.

mod file;

pub mod record;

mod verify;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use ring::digest::{Context, SHA256};
use serde::Serialize;
use uuid::Uuid;

use self::file::DayFile;
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
    // Held for one small write; a transfer waits for its record anyway.
    writer: Mutex<Writer>,
}

#[derive(Debug, Default)]
struct Writer {
    file: Option<DayFile>,
    /// The day of the latest file. Files never go back.
    day: Option<Date>,
    chain: String,
    record: Vec<u8>,
    recent: VecDeque<Arc<str>>,
    /// The second in which the file was last seen in its directory.
    looked: i64,
}

impl Audit {
    /// Opens the log of a directory, or makes it, and goes on after its last record.
    ///
    /// # Errors
    /// The directory cannot be used, or another process writes there.
    pub fn open(directory: &Path) -> io::Result<Audit> {
        file::make_directory(directory)?;
        let mut writer = Writer::default();
        for (read, (day, path)) in file::days(directory)?.into_iter().rev().enumerate() {
            if writer.recent.len() >= RECENT || (read >= DAYS && !writer.chain.is_empty()) {
                break;
            }
            if writer.day.is_none() {
                writer.day = Some(day);
                writer.file = Some(DayFile::open(directory, day)?);
            }
            for line in file::tail(&path, RECENT)?.into_iter().rev() {
                if writer.chain.is_empty() {
                    writer.chain = chain_of(&line).unwrap_or_default().to_owned();
                }
                writer.recent.push_back(line.into());
            }
        }
        writer.recent.truncate(RECENT);
        Ok(Audit(Arc::new(Log { directory: directory.to_owned(), writer: Mutex::new(writer) })))
    }

    /// Writes the record of a decision.
    ///
    /// # Errors
    /// It could not be written. Nothing of it is left in the file; the next record is tried afresh.
    pub fn append(&self, decision: &Decision) -> io::Result<()> {
        self.lock().append(&self.0.directory, decision)
    }

    /// Writes the record of something other than a decision, into the same chain. Its first member has to be its `id`.
    /// Lists of decisions do not show it.
    ///
    /// # Errors
    /// As for [`Audit::append`].
    pub fn note(&self, event: &impl Serialize, time: jiff::Timestamp) -> io::Result<()> {
        self.lock().write(&self.0.directory, event, time)
    }

    /// The latest records as JSON, the newest first. At most 1,000.
    pub fn recent(&self, limit: usize) -> Vec<Arc<str>> {
        self.lock().recent.iter().take(limit).cloned().collect()
    }

    /// The record of a decision as JSON.
    ///
    /// Looks into memory first and then into the file of the day the id was made on, which can take long: not for the
    /// threads that move bytes.
    pub fn find(&self, id: &str) -> Option<Arc<str>> {
        let id = Uuid::parse_str(id).ok()?;
        let start = record_start(&id);
        let recent = self.lock().recent.iter().find(|record| record.starts_with(&start)).cloned();
        recent.or_else(|| self.find_in_files(&id, &start))
    }

    /// A record may be in the file of a later day than its own, but not of an earlier one.
    fn find_in_files(&self, id: &Uuid, start: &str) -> Option<Arc<str>> {
        let (seconds, nanoseconds) = id.get_timestamp()?.to_unix();
        let made = jiff::Timestamp::new(i64::try_from(seconds).ok()?, i32::try_from(nanoseconds).ok()?).ok()?;
        let made = TimeZone::UTC.to_datetime(made).date();
        let days = file::days(&self.0.directory).ok()?;
        let mut from = days.into_iter().filter(|(day, _)| *day >= made);
        from.find_map(|(_, path)| file::line_with_start(&path, start).ok().flatten()).map(Into::into)
    }

    fn lock(&self) -> MutexGuard<'_, Writer> {
        // The record is built anew each time and the chain moves last, so a panic leaves nothing half done.
        self.0.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writer {
    fn append(&mut self, directory: &Path, decision: &Decision) -> io::Result<()> {
        self.write(directory, decision, decision.time)?;
        self.remember();
        Ok(())
    }

    fn write(&mut self, directory: &Path, record: &impl Serialize, time: jiff::Timestamp) -> io::Result<()> {
        let chain = self.build(record)?;
        let day = TimeZone::UTC.to_datetime(time).date();
        let day = self.day.map_or(day, |open| open.max(day));
        let file = match self.file.take() {
            Some(file) if file.is_of(day) && self.is_there(&file, time)? => self.file.insert(file),
            _ => self.file.insert(DayFile::open(directory, day)?),
        };
        self.day = Some(day);
        file.append(&self.record)?;
        self.chain = chain;
        Ok(())
    }

    /// Whether the file can still be found. Asked once a second: the question costs as much as the answer is worth.
    fn is_there(&mut self, file: &DayFile, now: jiff::Timestamp) -> io::Result<bool> {
        if now.as_second() == self.looked {
            return Ok(true);
        }
        self.looked = now.as_second();
        file.is_there()
    }

    /// Puts the record into the buffer and gives its chain value.
    fn build(&mut self, record: &impl Serialize) -> io::Result<String> {
        self.record.clear();
        serde_json::to_writer(&mut self.record, record)?;
        let chain = link(&self.chain, &self.record);
        // A record is an object with members: its last byte is the brace the chain goes before.
        self.record.pop();
        self.record.extend_from_slice(b",\"chain\":\"");
        self.record.extend_from_slice(chain.as_bytes());
        self.record.extend_from_slice(b"\"}\n");
        Ok(chain)
    }

    fn remember(&mut self) {
        if let Ok(record) = std::str::from_utf8(&self.record) {
            self.recent.truncate(RECENT - 1);
            self.recent.push_front(record.trim_end().into());
        }
    }
}

/// The chain value after a record: SHA-256 of the value before it and the record, in hexadecimal.
fn link(before: &str, record: &[u8]) -> String {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let mut context = Context::new(&SHA256);
    context.update(before.as_bytes());
    context.update(record);
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or('0');
    context.finish().as_ref().iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
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
