//! The one who writes: the file of the day, the chain, the latest records.

use std::collections::VecDeque;
use std::io;
use std::path::Path;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::file::{self, DayFile};
use super::group::Group;
use super::record::is_event;
use super::{DAYS, RECENT, chain_of, link};

/// Bytes whose room shows that a record can be written: a block of most file systems.
const PROBE: [u8; 4096] = [b'\n'; 4096];

#[derive(Debug, Default)]
pub(super) struct Writer {
    file: Option<DayFile>,
    /// The day of the latest file. Files never go back.
    day: Option<Date>,
    chain: String,
    lines: Vec<u8>,
    recent: Recent,
    /// The second in which the file was last seen in its directory.
    looked: i64,
    /// The buffers of the group written last.
    emptied: Group,
}

/// The latest records, as they were written, the newest last.
#[derive(Debug, Default)]
struct Recent {
    written: VecDeque<Written>,
    records: usize,
}

#[derive(Debug)]
struct Written {
    lines: Box<str>,
    records: usize,
}

impl Writer {
    /// Goes on after the last record of a directory.
    pub(super) fn open(directory: &Path) -> io::Result<Writer> {
        let mut writer = Writer::default();
        for (read, (day, path)) in file::days(directory)?.into_iter().rev().enumerate() {
            if writer.recent.records >= RECENT || (read >= DAYS && !writer.chain.is_empty()) {
                break;
            }
            if writer.day.is_none() {
                writer.day = Some(day);
                writer.file = Some(DayFile::open(directory, day)?);
            }
            let lines = file::tail(&path, RECENT)?;
            if let Some(last) = lines.last().filter(|_| writer.chain.is_empty()) {
                writer.chain = chain_of(last).unwrap_or_default().to_owned();
            }
            writer.recent.add_older(&lines);
        }
        Ok(writer)
    }

    /// Writes a group with one write, all of it or nothing, and tells it what became of it.
    pub(super) fn write(&mut self, directory: &Path, group: Group) {
        let chain = self.build(&group);
        let outcome = self.append(directory, group.latest);
        if outcome.is_ok() {
            self.chain = chain;
            self.recent.add(&self.lines, group.ends.len());
        }
        group.settle(&outcome);
        self.emptied = group;
    }

    /// Buffers to be used again.
    pub(super) fn emptied(&mut self) -> Group {
        std::mem::take(&mut self.emptied)
    }

    /// Whether a record could be written now.
    pub(super) fn probe(&mut self, directory: &Path, now: Timestamp) -> io::Result<()> {
        self.file(directory, now)?.probe(&PROBE)
    }

    /// The latest records of decisions, the newest first.
    pub(super) fn recent(&self) -> impl Iterator<Item = &str> {
        let records = self.recent.written.iter().rev().flat_map(|written| written.lines.lines().rev());
        records.filter(|record| !is_event(record)).take(RECENT)
    }

    fn append(&mut self, directory: &Path, latest: Timestamp) -> io::Result<()> {
        let lines = std::mem::take(&mut self.lines);
        let outcome = self.file(directory, latest).and_then(|file| file.append(&lines));
        self.lines = lines;
        outcome
    }

    /// The file a record of this time goes into.
    fn file(&mut self, directory: &Path, time: Timestamp) -> io::Result<&mut DayFile> {
        let day = TimeZone::UTC.to_datetime(time).date();
        let day = self.day.map_or(day, |open| open.max(day));
        let file = match self.file.take() {
            Some(file) if file.is_of(day) && self.is_there(&file, time)? => file,
            _ => DayFile::open(directory, day)?,
        };
        self.day = Some(day);
        Ok(self.file.insert(file))
    }

    /// Whether the file can still be found. Asked once a second: the question costs as much as the answer is worth.
    fn is_there(&mut self, file: &DayFile, now: Timestamp) -> io::Result<bool> {
        if now.as_second() == self.looked {
            return Ok(true);
        }
        self.looked = now.as_second();
        file.is_there()
    }

    /// Puts the lines of a group into the buffer and gives the chain value of the last.
    fn build(&mut self, group: &Group) -> String {
        self.lines.clear();
        let mut chain = self.chain.clone();
        for record in group.iter() {
            chain = link(&chain, record);
            // A decision is an object with members: its last byte is the brace the chain goes before.
            self.lines.extend_from_slice(record.split_last().map_or(record, |(_, open)| open));
            self.lines.extend_from_slice(b",\"chain\":\"");
            self.lines.extend_from_slice(chain.as_bytes());
            self.lines.extend_from_slice(b"\"}\n");
        }
        chain
    }
}

impl Recent {
    /// Records that were just written.
    fn add(&mut self, lines: &[u8], records: usize) {
        if let Ok(lines) = std::str::from_utf8(lines) {
            self.written.push_back(Written { lines: lines.into(), records });
            self.records += records;
        }
        while self.written.front().is_some_and(|oldest| self.records - oldest.records >= RECENT) {
            self.records -= self.written.pop_front().map_or(0, |oldest| oldest.records);
        }
    }

    /// Records older than all others.
    fn add_older(&mut self, lines: &[String]) {
        self.records += lines.len();
        self.written.push_front(Written { lines: lines.join("\n").into(), records: lines.len() });
    }
}
