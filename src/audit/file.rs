//! The files of the audit log: one a UTC day, lines appended whole or not at all.
//!
//! Assumes nobody else writes to the file, which a lock on it guards. A disk can be full in the middle of a line: what was
//! written of it is cut off again, and if even that fails, before the next line is.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use jiff::civil::Date;

/// Bytes read from the end of a file for its last records.
const TAIL: u64 = 8 << 20;

/// The longest line anyone looks at. A record is a few kilobytes.
const LINE: u64 = 1 << 20;

/// The file of one day, open for appending.
#[derive(Debug)]
pub(super) struct DayFile {
    file: File,
    day: Date,
    /// Where the last whole line ends.
    end: u64,
    /// Whether something may stand after `end`.
    torn: bool,
}

impl DayFile {
    /// Opens or makes the file of a day, readable by its owner alone. A line that was never finished is closed.
    pub(super) fn open(directory: &Path, day: Date) -> io::Result<DayFile> {
        let path = directory.join(format!("audit-{day}.jsonl"));
        let file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(&path)?;
        match file.try_lock() {
            Err(fs::TryLockError::WouldBlock) => {
                let message = format!("another process writes the audit log in `{}`", directory.display());
                return Err(io::Error::new(io::ErrorKind::ResourceBusy, message));
            }
            // A file system without locks is no reason to write no records.
            Err(fs::TryLockError::Error(_)) | Ok(()) => (),
        }
        let end = file.metadata()?.len();
        let mut file = DayFile { file, day, end, torn: false };
        if file.last_byte()?.is_some_and(|byte| byte != b'\n') {
            file.append(b"\n")?;
        }
        Ok(file)
    }

    /// Whether it is the file of a day.
    pub(super) fn is_of(&self, day: Date) -> bool {
        self.day == day
    }

    /// Whether it can still be found in its directory.
    pub(super) fn is_there(&self) -> io::Result<bool> {
        Ok(self.file.metadata()?.nlink() > 0)
    }

    /// Appends lines with one write, all of them or none.
    pub(super) fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        self.mend()?;
        match self.file.write(lines) {
            Ok(written) if written == lines.len() => {
                self.end += lines.len() as u64;
                Ok(())
            }
            outcome => {
                self.torn = self.file.set_len(self.end).is_err();
                Err(outcome.err().unwrap_or_else(|| io::ErrorKind::StorageFull.into()))
            }
        }
    }

    /// Whether so much could be appended: it is, and is cut off again.
    pub(super) fn probe(&mut self, lines: &[u8]) -> io::Result<()> {
        self.mend()?;
        let written = self.file.write(lines);
        self.torn = true;
        self.mend()?;
        if written? == lines.len() { Ok(()) } else { Err(io::ErrorKind::StorageFull.into()) }
    }

    /// Cuts off what may stand after the last whole line.
    fn mend(&mut self) -> io::Result<()> {
        if self.torn {
            self.file.set_len(self.end)?;
            self.torn = false;
        }
        Ok(())
    }

    fn last_byte(&self) -> io::Result<Option<u8>> {
        let Some(last) = self.end.checked_sub(1) else { return Ok(None) };
        let mut byte = [0];
        self.file.read_exact_at(&mut byte, last)?;
        Ok(Some(byte[0]))
    }
}

/// Makes a directory only its owner can enter, unless it is there.
pub(super) fn make_directory(directory: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

/// The files of a directory by day.
pub(super) fn days(directory: &Path) -> io::Result<Vec<(Date, PathBuf)>> {
    let mut days = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let day = name.to_str().and_then(|name| name.strip_prefix("audit-")?.strip_suffix(".jsonl"));
        if let Some(day) = day.and_then(|day| day.parse().ok()) {
            days.push((day, entry.path()));
        }
    }
    days.sort();
    Ok(days)
}

/// The last lines of a file that are records, in their order.
pub(super) fn tail(path: &Path, limit: usize) -> io::Result<Vec<String>> {
    let mut file = File::open(path)?;
    let start = file.metadata()?.len().saturating_sub(TAIL);
    file.seek(SeekFrom::Start(start))?;
    let mut lines = Vec::new();
    // The first line may begin in its middle; like any other that is no record, it is left out.
    for_each_line(file, |line| {
        if super::chain_of(line).is_some() {
            lines.push(line.to_owned());
        }
        true
    })?;
    lines.drain(..lines.len().saturating_sub(limit));
    Ok(lines)
}

/// The first line of a file that starts so.
pub(super) fn line_with_start(path: &Path, start: &str) -> io::Result<Option<String>> {
    let mut found = None;
    for_each_line(File::open(path)?, |line| {
        if line.starts_with(start) {
            found = Some(line.to_owned());
        }
        found.is_none()
    })?;
    Ok(found)
}

/// Reads line by line while `visit` wants more. Bytes that are no UTF-8 are replaced; a line of any length is bounded.
pub(super) fn for_each_line(file: File, mut visit: impl FnMut(&str) -> bool) -> io::Result<()> {
    let mut reader = BufReader::with_capacity(1 << 16, file);
    let mut line = Vec::new();
    loop {
        line.clear();
        if (&mut reader).take(LINE).read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        if !visit(&String::from_utf8_lossy(text)) {
            return Ok(());
        }
    }
}
