//! What can be saved of a damaged spool. Whoever is lost of it left, so they count: as many people nobody has ever seen are
//! noted in every counter they may have belonged to, and the numbers are said.
//!
//! A record whose head holds says how many people it had. Where no head can be found the bytes say how many people there
//! can have been at most. Which counters they belonged to stood inside, so every counter of the exporter that counts
//! today, and every counter somebody else in the file belongs to, takes them all.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use ring::rand::{SecureRandom, SystemRandom};

use super::record::{Found, MAGIC, Row, Seal};
use super::spool;
use crate::ledger::embedded::{aside, cannot_open};
use crate::ledger::error::LedgerError;
use crate::ledger::key::{KeySource, Keys};
use crate::ledger::lock::lock;
use crate::transfer::{CounterKey, Touch};

/// A person of a record takes at least so many bytes: 128 random bits have fewer than 31 digits once in 10⁷ people.
const PERSON: usize = 31;

/// People who stand in one record of those that are made up.
const SLICE: usize = 10_000;

/// What a repair of a spool did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpoolRepair {
    /// Where the damaged file is now; none if nothing was wrong and nothing was done.
    pub kept: Option<PathBuf>,
    /// Records that could be read.
    pub records: u64,
    /// Bytes that could not.
    pub unreadable: u64,
    /// How many people can have stood there at most.
    pub lost: u64,
    /// The counters that take in so many unknown people for them.
    pub counters: Vec<CounterKey>,
}

/// What was found in a file.
#[derive(Default)]
struct Salvage {
    records: Vec<Vec<Row>>,
    unreadable: usize,
    lost: usize,
}

/// Saves what can be read of the spool of a state directory. `counting` are the counters of the exporter that count today.
///
/// # Errors
/// A gateway runs on the directory, there is no spool, or the new file cannot be written. The file is then where it was.
pub fn repair_spool(directory: &Path, source: &KeySource, counting: &[Touch]) -> Result<SpoolRepair, LedgerError> {
    let keys = Keys::load(directory, source).map_err(|error| LedgerError::NoKey(error.to_string().into()))?;
    let seal = Seal::of(&keys).ok_or_else(|| LedgerError::NoKey("no key to open the spool with".into()))?;
    let _lock = lock(directory)?;
    let path = spool::file_in(directory);
    let io = |error: std::io::Error| cannot_open(&path, &error);
    let bytes = fs::read(&path).map_err(io)?;
    let found = Salvage::of(&bytes, &seal);
    let records = found.records.len() as u64;
    let (unreadable, lost) = (found.unreadable as u64, found.lost as u64);
    if unreadable == 0 {
        return Ok(SpoolRepair { kept: None, records, unreadable, lost, counters: Vec::new() });
    }
    let takers = takers(&found.records, counting);
    let mut made = tempfile::Builder::new().prefix(".ledger.spool.").tempfile_in(directory).map_err(io)?;
    let mut write = || -> std::io::Result<()> {
        made.write_all(MAGIC)?;
        for rows in &found.records {
            made.write_all(&seal.close(rows)?)?;
        }
        for row in takers.values() {
            made_up(row, found.lost).try_for_each(|row| made.write_all(&seal.close(&[row?])?))?;
        }
        made.as_file().sync_all()
    };
    write().map_err(io)?;
    let kept = aside(&path).map_err(io)?;
    made.persist(&path).map_err(|refused| io(refused.error))?;
    fs::File::open(directory).and_then(|directory| directory.sync_all()).map_err(io)?;
    Ok(SpoolRepair { kept: Some(kept), records, unreadable, lost, counters: takers.into_keys().collect() })
}

impl Salvage {
    fn of(bytes: &[u8], seal: &Seal) -> Salvage {
        let mut salvage = Salvage::default();
        let known = bytes.strip_prefix(MAGIC);
        let (mut rest, mut stray) = (known.unwrap_or(bytes), 0);
        // A crash may cut the first record short, and before that the beginning of the file.
        let sound = known.is_some() || bytes.len() < MAGIC.len();
        while !rest.is_empty() {
            let (taken, was_stray) = match seal.open(rest) {
                Found::Whole(rows, length) => {
                    salvage.records.push(rows);
                    (length, false)
                }
                Found::Sealed(length, people) => {
                    salvage.miss(length, people as usize);
                    (length, false)
                }
                // At the end of a file in order it was never promised; behind a damaged place nobody knows.
                Found::Cut if stray == 0 && sound => break,
                Found::Cut | Found::Nothing => (1, true),
            };
            if was_stray {
                stray += taken;
            } else {
                salvage.miss(stray, stray.div_ceil(PERSON));
                stray = 0;
            }
            rest = rest.get(taken..).unwrap_or_default();
        }
        salvage.miss(stray, stray.div_ceil(PERSON));
        salvage
    }

    fn miss(&mut self, bytes: usize, people: usize) {
        self.unreadable += bytes;
        self.lost += people;
    }
}

/// Every counter that somebody who was lost may have belonged to, with the row that counts in it now.
fn takers(records: &[Vec<Row>], counting: &[Touch]) -> BTreeMap<CounterKey, Row> {
    let mut takers: BTreeMap<CounterKey, Row> = BTreeMap::new();
    for row in records.iter().flatten().cloned().chain(counting.iter().map(Row::of)) {
        let latest = takers.entry(row.key()).or_insert_with(|| row.clone());
        if row.day >= latest.day {
            *latest = row;
        }
    }
    takers
}

/// So many people nobody has ever seen, in records of a bounded size.
fn made_up(row: &Row, people: usize) -> impl Iterator<Item = std::io::Result<Row>> {
    (0..people).step_by(SLICE).map(move |from| {
        let mut bytes = vec![0; 16 * SLICE.min(people - from)];
        SystemRandom::new()
            .fill(&mut bytes)
            .map_err(|_| std::io::Error::other("the system gives no random bytes"))?;
        let (numbers, _) = bytes.as_chunks();
        Ok(Row { people: numbers.iter().map(|bytes| u128::from_le_bytes(*bytes)).collect(), ..row.clone() })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer::Digest;
    use jiff::civil::date;

    fn touch(counter: &str, people: std::ops::Range<u8>) -> Touch {
        let key = CounterKey { pack: "cn".into(), counter: counter.into(), party: None };
        let people = people.map(|person| Digest([person; 16])).collect();
        Touch { key, since: date(2026, 1, 1), day: date(2026, 11, 24), people, bounds: [9, 10].into() }
    }

    /// A spool of three records of ten people, with the place each begins at.
    fn spool() -> (tempfile::TempDir, PathBuf, Vec<u8>, Vec<usize>) {
        let directory = tempfile::tempdir().unwrap();
        let keys = Keys::load(directory.path(), &KeySource::State).unwrap();
        let seal = Seal::of(&keys).unwrap();
        let (mut bytes, mut places) = (MAGIC.to_vec(), Vec::new());
        for first in [0, 10, 20] {
            places.push(bytes.len());
            bytes.extend(seal.close(&[Row::of(&touch("plain", first..first + 10))]).unwrap());
        }
        let path = spool::file_in(directory.path());
        fs::write(&path, &bytes).unwrap();
        (directory, path, bytes, places)
    }

    /// People of each counter in the file now.
    fn people(directory: &Path) -> BTreeMap<String, usize> {
        let keys = Keys::load(directory, &KeySource::State).unwrap();
        let spool = spool::Spool::open(directory, &keys, 1 << 20).unwrap();
        let mut people = BTreeMap::new();
        for touch in spool.waiting() {
            *people.entry(touch.key.counter.to_string()).or_default() += touch.people.len();
        }
        people
    }

    #[test]
    fn whoever_is_lost_counts_in_every_counter_and_the_numbers_are_said() {
        let others = [touch("plain", 0..0), touch("sensitive", 0..0)];
        let repair = |directory: &Path| repair_spool(directory, &KeySource::State, &others).unwrap();
        let (directory, path, bytes, places) = spool();
        let whole = repair(directory.path());
        assert_eq!((whole.kept, whole.records, whole.lost), (None, 3, 0));

        // In the sealed part of the second record: its head says that it had ten people.
        let mut damaged = bytes.clone();
        damaged[places[1] + 40] ^= 1;
        fs::write(&path, &damaged).unwrap();
        let one = repair(directory.path());
        assert_eq!((one.records, one.unreadable, one.lost), (2, (places[2] - places[1]) as u64, 10));
        assert_eq!(fs::read(one.kept.unwrap()).unwrap(), damaged);
        assert_eq!(people(directory.path()), [("plain".to_owned(), 30), ("sensitive".to_owned(), 10)].into());

        // In its head: the bytes say how many there were at most, and the third record is found behind it.
        damaged[places[1]] ^= 1;
        fs::write(&path, &damaged).unwrap();
        let two = repair(directory.path());
        assert_eq!((two.records, two.unreadable), (2, one.unreadable));
        assert!(two.lost >= 10 && two.lost < 30, "{two:?}");
        assert!(two.kept.unwrap().ends_with("ledger.spool.damaged-2"));
        assert!(people(directory.path())["plain"] >= 30);

        // Half a record at the end was never promised.
        fs::write(&path, &bytes[..places[2] + 50]).unwrap();
        assert_eq!(repair(directory.path()).kept, None);
        assert_eq!(people(directory.path()), [("plain".to_owned(), 20)].into());
    }

    #[test]
    fn nothing_that_can_be_read_leaves_as_many_as_there_can_have_been() {
        let (directory, path, bytes, _) = spool();
        fs::write(&path, vec![0x5a; bytes.len()]).unwrap();
        let none = repair_spool(directory.path(), &KeySource::State, &[touch("plain", 0..0)]).unwrap();
        assert_eq!((none.records, none.unreadable), (0, bytes.len() as u64));
        assert!(none.lost >= 30, "{none:?}");
        assert_eq!(people(directory.path())["plain"] as u64, none.lost);
    }
}
