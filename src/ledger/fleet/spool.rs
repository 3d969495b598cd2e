//! People who left while the store could not be asked, kept on this machine until it can.
//!
//! One file of sealed records (`record`), each synced before its transfer leaves. Digests are personal data once somebody
//! has the key, so records are sealed under a key derived from that of the digests. A record cut short by a crash was never
//! promised to anybody and is dropped; one that is damaged is an error, because it would count nobody.

use std::collections::{HashMap, HashSet};
use std::fs::{File, OpenOptions};
use std::io::{self, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::civil::Date;

use super::record::{Found, MAGIC, Row, Seal};
use crate::ledger::embedded::cannot_open;
use crate::ledger::error::LedgerError;
use crate::ledger::key::Keys;
use crate::transfer::{CounterKey, Digest, Touch};

/// The file.
pub(super) struct Spool {
    path: PathBuf,
    seal: Seal,
    limit: u64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    file: Option<File>,
    bytes: u64,
    people: HashMap<CounterKey, Crowd>,
}

/// People of one counter.
struct Crowd {
    since: Date,
    bounds: Arc<[u64]>,
    days: HashMap<Digest, Date>,
}

/// Where the spool of a state directory is.
pub(super) fn file_in(directory: &Path) -> PathBuf {
    directory.join("ledger.spool")
}

impl Spool {
    /// The spool of a state directory, with what an earlier process left in it. The directory is this process's alone.
    pub(super) fn open(directory: &Path, keys: &Keys, limit: u64) -> Result<Spool, LedgerError> {
        let spool = Spool::closed(directory, keys)?;
        spool.read()?;
        Ok(Spool { limit, ..spool })
    }

    /// A spool that keeps nobody and leaves the file to the process whose directory it is.
    pub(super) fn closed(directory: &Path, keys: &Keys) -> Result<Spool, LedgerError> {
        let seal = Seal::of(keys).ok_or_else(|| LedgerError::NoKey("no key to seal the spool with".into()))?;
        Ok(Spool { path: file_in(directory), seal, limit: 0, state: Mutex::default() })
    }

    /// Whether nobody is waiting.
    pub(super) fn is_empty(&self) -> bool {
        self.lock().people.is_empty()
    }

    /// Keeps the people of a transfer; returns when they are on the disk.
    pub(super) fn keep(&self, touches: &[Touch]) -> Result<(), LedgerError> {
        let mut state = self.lock();
        let unknown = |touch: &&Touch| touch.people.iter().any(|digest| !state.has(&touch.key, digest, touch.day));
        let new: Vec<&Touch> = touches.iter().filter(unknown).collect();
        if new.is_empty() {
            return Ok(());
        }
        let rows: Vec<Row> = new.iter().map(|touch| Row::of(touch)).collect();
        let record = self.seal.close(&rows).map_err(|error| self.failed(&error))?;
        if state.bytes + record.len() as u64 > self.limit {
            let full = format!("`{}` has reached {} bytes", self.path.display(), self.limit);
            return Err(LedgerError::SpoolFull(full.into()));
        }
        state.append(&self.path, &record).map_err(|error| self.failed(&error))?;
        rows.into_iter().for_each(|row| state.take(&row));
        Ok(())
    }

    /// Everyone who waits: one touch for each counter and day.
    pub(super) fn waiting(&self) -> Vec<Touch> {
        let state = self.lock();
        let mut touches = Vec::new();
        for (key, crowd) in &state.people {
            let mut days: HashMap<Date, Vec<Digest>> = HashMap::new();
            crowd.days.iter().for_each(|(digest, day)| days.entry(*day).or_default().push(*digest));
            touches.extend(days.into_iter().map(|(day, people)| Touch {
                key: key.clone(),
                since: crowd.since,
                day,
                people,
                bounds: crowd.bounds.clone(),
            }));
        }
        touches
    }

    /// How many people wait, each once however many counters count them.
    pub(super) fn people(&self) -> u64 {
        let state = self.lock();
        let all: HashSet<&Digest> = state.people.values().flat_map(|crowd| crowd.days.keys()).collect();
        all.len() as u64
    }

    /// How many people of a counter wait, and how many of these are not among them.
    pub(super) fn count(&self, touch: &Touch) -> (u64, u64) {
        let state = self.lock();
        let crowd = state.people.get(&touch.key);
        let waiting = crowd.map_or(0, |crowd| crowd.days.len());
        let known = |digest: &&Digest| crowd.is_some_and(|crowd| crowd.days.contains_key(*digest));
        let new = touch.people.len() - touch.people.iter().filter(known).count();
        (waiting as u64, new as u64)
    }

    /// Forgets people who are in the store now; the file goes when nobody is left.
    pub(super) fn release(&self, touches: &[Touch]) -> Result<(), LedgerError> {
        let mut state = self.lock();
        for touch in touches {
            if let Some(crowd) = state.people.get_mut(&touch.key) {
                // Who was kept again on another day meanwhile stays.
                touch.people.iter().for_each(|digest| {
                    if crowd.days.get(digest) == Some(&touch.day) {
                        crowd.days.remove(digest);
                    }
                });
            }
        }
        state.people.retain(|_, crowd| !crowd.days.is_empty());
        if state.people.is_empty() {
            state.file = None;
            state.bytes = 0;
            match std::fs::remove_file(&self.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(self.failed(&error)),
                _ => {}
            }
        }
        Ok(())
    }

    fn failed(&self, error: &io::Error) -> LedgerError {
        LedgerError::Write(format!("`{}`: {error}", self.path.display()).into())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> Result<(), LedgerError> {
        let io = |error: io::Error| cannot_open(&self.path, &error);
        let bytes = match std::fs::read(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            read => read.map_err(io)?,
        };
        let mut state = self.lock();
        if bytes.len() >= MAGIC.len() {
            let mut rest = bytes.strip_prefix(MAGIC).ok_or_else(|| self.damaged())?;
            while !rest.is_empty() {
                match self.seal.open(rest) {
                    Found::Whole(rows, length) => {
                        rows.into_iter().for_each(|row| state.take(&row));
                        rest = rest.get(length..).unwrap_or_default();
                    }
                    Found::Cut => break,
                    Found::Sealed(..) | Found::Nothing => return Err(self.damaged()),
                }
            }
            state.bytes = (bytes.len() - rest.len()) as u64;
        }
        let mut file = OpenOptions::new().write(true).open(&self.path).map_err(io)?;
        file.set_len(state.bytes).and_then(|()| file.seek(io::SeekFrom::Start(state.bytes))).map_err(io)?;
        state.file = Some(file);
        Ok(())
    }

    fn damaged(&self) -> LedgerError {
        let detail = "a record of people whose data has left cannot be opened, or was sealed under another key";
        LedgerError::Corrupted { file: self.path.clone(), detail: detail.into() }
    }
}

impl State {
    fn has(&self, key: &CounterKey, digest: &Digest, day: Date) -> bool {
        self.people.get(key).and_then(|crowd| crowd.days.get(digest)).is_some_and(|known| *known >= day)
    }

    fn append(&mut self, path: &Path, record: &[u8]) -> io::Result<()> {
        let mut file = match self.file.take() {
            Some(file) => file,
            None => {
                let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
                if let Some(directory) = path.parent() {
                    File::open(directory)?.sync_all()?;
                }
                file
            }
        };
        // Half a record of an attempt that failed goes.
        file.set_len(self.bytes)?;
        file.seek(io::SeekFrom::Start(self.bytes))?;
        let first = if self.bytes == 0 { &MAGIC[..] } else { &[] };
        file.write_all(&[first, record].concat())?;
        file.sync_data()?;
        self.bytes += (first.len() + record.len()) as u64;
        self.file = Some(file);
        Ok(())
    }

    fn take(&mut self, row: &Row) {
        let crowd = self.people.entry(row.key()).or_insert_with(|| Crowd {
            since: row.since,
            bounds: row.bounds.clone(),
            days: HashMap::new(),
        });
        crowd.since = row.since;
        crowd.bounds = row.bounds.clone();
        for digest in row.digests() {
            let day = crowd.days.entry(digest).or_insert(row.day);
            *day = (*day).max(row.day);
        }
    }
}

impl std::fmt::Debug for Spool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Spool").field("bytes", &self.lock().bytes).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::key::KeySource;
    use jiff::civil::date;

    fn touch(people: std::ops::Range<u8>) -> Touch {
        let key = CounterKey { pack: "cn".into(), counter: "plain".into(), party: None };
        let people = people.map(|person| Digest([person; 16])).collect();
        Touch { key, since: date(2026, 1, 1), day: date(2026, 11, 24), people, bounds: [9, 10].into() }
    }

    fn waiting(spool: &Spool) -> usize {
        spool.waiting().iter().map(|touch| touch.people.len()).sum()
    }

    #[test]
    fn people_are_kept_sealed_over_a_restart_until_they_are_released() {
        let directory = tempfile::tempdir().unwrap();
        let keys = Keys::load(directory.path(), &KeySource::State).unwrap();
        let open = || Spool::open(directory.path(), &keys, 10_000);
        let spool = open().unwrap();
        assert!(spool.is_empty());
        spool.keep(&[touch(10..20)]).unwrap();
        spool.keep(&[touch(15..25)]).unwrap();
        let path = directory.path().join("ledger.spool");
        let written = std::fs::read(&path).unwrap();
        spool.keep(&[touch(12..22)]).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), written, "nobody new is nothing to write");
        assert!(
            !written.windows(4).any(|bytes| bytes == b"plai") && !written.windows(8).any(|bytes| bytes == [15; 8])
        );
        assert_eq!(spool.count(&touch(20..30)), (15, 5));

        // A process that was killed while it wrote.
        std::fs::write(&path, [&written[..], &written[MAGIC.len()..60]].concat()).unwrap();
        let spool = open().unwrap();
        assert_eq!(waiting(&spool), 15);
        spool.keep(&[touch(30..31)]).unwrap();
        let spool = open().unwrap();
        assert_eq!(waiting(&spool), 16);
        assert_eq!(spool.waiting()[0].bounds, [9, 10].into());
        spool.release(&[touch(10..25)]).unwrap();
        assert_eq!(waiting(&spool), 1);
        spool.release(&spool.waiting()).unwrap();
        assert!(spool.is_empty() && !path.exists());
    }

    #[test]
    fn a_damaged_record_and_a_spool_that_is_full_are_errors() {
        let directory = tempfile::tempdir().unwrap();
        let keys = Keys::load(directory.path(), &KeySource::State).unwrap();
        let spool = Spool::open(directory.path(), &keys, 1_000).unwrap();
        spool.keep(&[touch(0..10)]).unwrap();
        assert!(matches!(spool.keep(&[touch(10..100)]), Err(LedgerError::SpoolFull(_))));
        assert_eq!(waiting(&spool), 10);
        let path = directory.path().join("ledger.spool");
        let written = std::fs::read(&path).unwrap();
        // The beginning of the file, the length of a record, its head, what is sealed: nowhere is a change taken for the end.
        for place in [0, MAGIC.len(), MAGIC.len() + 3, MAGIC.len() + 10, 60, written.len() - 1] {
            let mut damaged = written.clone();
            damaged[place] ^= 0x40;
            std::fs::write(&path, damaged).unwrap();
            let error = Spool::open(directory.path(), &keys, 1_000).unwrap_err().to_string();
            assert!(error.contains("ledger.spool") && error.contains("tidegate ledger repair"), "{place}: {error}");
        }
    }
}
