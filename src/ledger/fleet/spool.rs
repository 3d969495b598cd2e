//! People who left while the store could not be asked, kept on this machine until it can.
//!
//! One file of sealed records, each synced before its transfer leaves. Digests are personal data once somebody has the
//! key, so records are sealed with AES-256-GCM under a key derived from that of the digests. A record cut short by a
//! crash was never promised to anybody and is dropped; one that is damaged is an error, because it would count nobody.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::civil::Date;
use ring::aead::{Aad, LessSafeKey, NONCE_LEN, Nonce};
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};

use crate::ledger::error::LedgerError;
use crate::ledger::key::Keys;
use crate::transfer::{CounterKey, Digest, Touch};

/// What every record is bound to.
const LABEL: &[u8] = b"tidegate ledger spool 1";

/// Longest record that is believed.
const LONGEST: usize = 256 << 20;

/// The file.
pub(super) struct Spool {
    path: PathBuf,
    key: LessSafeKey,
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

/// A touch as it is written.
#[derive(Serialize, Deserialize)]
struct Row {
    pack: Arc<str>,
    counter: Arc<str>,
    party: Option<Arc<str>>,
    since: Date,
    day: Date,
    bounds: Arc<[u64]>,
    people: Vec<u128>,
}

impl Spool {
    /// The spool of a state directory, with what an earlier process left in it.
    pub(super) fn open(directory: &Path, keys: &Keys, limit: u64) -> Result<Spool, LedgerError> {
        let path = directory.join("ledger.spool");
        let key = keys.sealing().ok_or_else(|| LedgerError::NoKey("no key to seal the spool with".into()))?;
        let spool = Spool { path, key, limit, state: Mutex::default() };
        spool
            .read()
            .map_err(|error| LedgerError::Open { file: spool.path.clone(), detail: error.to_string().into() })?;
        Ok(spool)
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
        let record = self.seal(&rows).map_err(|error| self.failed(&error))?;
        if state.bytes + record.len() as u64 > self.limit {
            let full = format!("`{}` has reached {} bytes", self.path.display(), self.limit);
            return Err(LedgerError::SpoolFull(full.into()));
        }
        state.append(&self.path, &record).map_err(|error| self.failed(&error))?;
        rows.into_iter().for_each(|row| state.take(row));
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

    fn seal(&self, rows: &[Row]) -> io::Result<Vec<u8>> {
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).map_err(|_| io::Error::other("the system gives no random bytes"))?;
        let mut sealed = serde_json::to_vec(rows)?;
        self.key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(LABEL), &mut sealed)
            .map_err(|_| io::Error::other("a record cannot be sealed"))?;
        let length = u32::try_from(sealed.len()).ok().filter(|length| *length as usize <= LONGEST);
        let length = length.ok_or_else(|| io::Error::other("a record is too long"))?;
        Ok([&length.to_le_bytes()[..], &nonce[..], &sealed[..]].concat())
    }

    fn read(&self) -> io::Result<()> {
        let mut state = self.lock();
        let mut file = match OpenOptions::new().read(true).write(true).open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            opened => opened?,
        };
        while let Some(rows) = self.next(&mut file)? {
            state.bytes = file.stream_position()?;
            rows.into_iter().for_each(|row| state.take(row));
        }
        file.set_len(state.bytes)?;
        file.seek(io::SeekFrom::Start(state.bytes))?;
        state.file = Some(file);
        Ok(())
    }

    /// The next record; none at the end, and where the last one is not whole.
    fn next(&self, file: &mut File) -> io::Result<Option<Vec<Row>>> {
        let mut head = [0; 4 + NONCE_LEN];
        if !whole(file.read_exact(&mut head))? {
            return Ok(None);
        }
        let (length, nonce) = head.split_at(4);
        let length = length.try_into().map_or(usize::MAX, |bytes| u32::from_le_bytes(bytes) as usize);
        let damaged =
            || io::Error::new(io::ErrorKind::InvalidData, "a record is damaged: who it names was never counted");
        if length > LONGEST {
            return Err(damaged());
        }
        let mut sealed = vec![0; length];
        if !whole(file.read_exact(&mut sealed))? {
            return Ok(None);
        }
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| damaged())?;
        let opened = self.key.open_in_place(nonce, Aad::from(LABEL), &mut sealed).map_err(|_| damaged())?;
        Ok(Some(serde_json::from_slice(opened)?))
    }
}

/// Whether something was read whole; `false` where the file ends.
fn whole(read: io::Result<()>) -> io::Result<bool> {
    match read {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        read => read.map(|()| true),
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
        file.write_all(record)?;
        file.sync_data()?;
        self.bytes += record.len() as u64;
        self.file = Some(file);
        Ok(())
    }

    fn take(&mut self, row: Row) {
        let key = CounterKey { pack: row.pack, counter: row.counter, party: row.party };
        let crowd = self.people.entry(key).or_insert_with(|| Crowd {
            since: row.since,
            bounds: row.bounds.clone(),
            days: HashMap::new(),
        });
        crowd.since = row.since;
        crowd.bounds = row.bounds;
        for person in row.people {
            let day = crowd.days.entry(Digest(person.to_le_bytes())).or_insert(row.day);
            *day = (*day).max(row.day);
        }
    }
}

impl Row {
    fn of(touch: &Touch) -> Row {
        Row {
            pack: touch.key.pack.clone(),
            counter: touch.key.counter.clone(),
            party: touch.key.party.clone(),
            since: touch.since,
            day: touch.day,
            bounds: touch.bounds.clone(),
            people: touch.people.iter().map(|digest| u128::from_le_bytes(digest.0)).collect(),
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
        std::fs::write(&path, [&written[..], &written[..40]].concat()).unwrap();
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
        let mut written = std::fs::read(&path).unwrap();
        written[60] ^= 1;
        std::fs::write(&path, written).unwrap();
        let error = Spool::open(directory.path(), &keys, 1_000).unwrap_err().to_string();
        assert!(error.contains("ledger.spool") && error.contains("damaged"), "{error}");
    }
}
