//! What can be saved of a damaged file. The file is kept aside; what was lost of it is said, and never counts as nobody.
//!
//! A counter that lost a known number of people gets as many people nobody has ever seen. A counter that lost an unknown
//! number stands above every bound until its window turns. Where checksums do not hold, any day may be another than was
//! written, so everyone is noted for today.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::{Database, ReadOnlyDatabase, ReadableDatabase, ReadableTable, ReadableTableMetadata};
use ring::rand::{SecureRandom, SystemRandom};

use super::counters::{Beyond, CounterId};
use super::sketch::Sketch;
use super::store::{self, Batch, COUNTERS, PeopleTable, Store, cannot_open, classify, file_in, guarded, people_of};
use super::writer::today;
use crate::ledger::day::Day;
use crate::ledger::error::LedgerError;
use crate::ledger::key::{KeySource, Keys};
use crate::ledger::lock::lock;
use crate::transfer::{CounterKey, Digest};

/// What a repair did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repair {
    /// Where the damaged file is now; none if nothing was wrong and nothing was done.
    pub kept: Option<PathBuf>,
    /// What was found, by counter.
    pub counters: Vec<Salvage>,
    /// Checksums do not hold: people may be other than they were, and all are noted for today.
    pub doubtful: bool,
    /// The file was counted under another key. Everyone in it stays counted and is a new person from now on.
    pub other_key: bool,
}

/// What is left of one counter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Salvage {
    /// Which counter.
    pub key: CounterKey,
    /// People that could be read.
    pub read: u64,
    /// People that could not; none if nobody knows how many, and the counter stands above every bound.
    pub lost: Option<u64>,
}

/// What was read of one counter.
struct Found {
    key: CounterKey,
    since: Day,
    people: Vec<(Digest, Day)>,
    lost: Option<u64>,
}

/// Saves what can be read of the ledger of a state directory.
///
/// # Errors
/// A gateway runs on it, nothing of it can be read, or the new file cannot be written. The file is then where it was.
pub fn repair(directory: &Path, source: &KeySource) -> Result<Repair, LedgerError> {
    let keys = Keys::load(directory, source).map_err(|error| LedgerError::NoKey(error.to_string().into()))?;
    let _lock = lock(directory)?;
    let path = file_in(directory);
    let (whole, other_key) = match verdict(directory, &path, &keys) {
        Ok(()) => (true, false),
        Err(LedgerError::Key { .. }) => (true, true),
        Err(LedgerError::Version { file, found }) => return Err(LedgerError::Version { file, found }),
        Err(_) => (false, false),
    };
    let found = read(directory, &path)?;
    if whole && !other_key {
        return Ok(Repair { kept: None, counters: salvaged(&found), doubtful: false, other_key });
    }
    let made = rebuild(directory, &found, !whole, &keys, generation(directory, &path, &keys))?;
    let io = |error: std::io::Error| cannot_open(&path, &error);
    let kept = aside(&path).map_err(io)?;
    fs::rename(&made, &path).map_err(io)?;
    fs::File::open(directory).and_then(|directory| directory.sync_all()).map_err(io)?;
    Ok(Repair { kept: Some(kept), counters: salvaged(&found), doubtful: !whole, other_key })
}

/// What an opening of the file would say.
fn verdict(directory: &Path, path: &Path, keys: &Keys) -> Result<(), LedgerError> {
    let copy = copy_of(directory, path)?;
    Store::open_at(copy.path(), keys).map(drop)
}

fn salvaged(found: &[Found]) -> Vec<Salvage> {
    let salvage =
        |found: &Found| Salvage { key: found.key.clone(), read: found.people.len() as u64, lost: found.lost };
    found.iter().map(salvage).collect()
}

/// Everything that can be read, from a copy. Opened for reading alone, a file is taken as it is; one that was not closed
/// has to be brought to its last complete transaction first.
fn read(directory: &Path, path: &Path) -> Result<Vec<Found>, LedgerError> {
    let copy = copy_of(directory, path)?;
    let as_it_is = guarded(|| everyone(&ReadOnlyDatabase::open(copy.path())?));
    as_it_is.or_else(|_| guarded(|| everyone(&Database::open(copy.path())?))).map_err(|error| classify(path, error))
}

fn everyone(database: &impl ReadableDatabase) -> Result<Vec<Found>, redb::Error> {
    let counters = counters(database)?;
    Ok(counters.into_iter().map(|(id, key, since)| people(database, id, key, since)).collect())
}

fn copy_of(directory: &Path, path: &Path) -> Result<tempfile::NamedTempFile, LedgerError> {
    let io = |error: std::io::Error| cannot_open(path, &error);
    let copy = tempfile::Builder::new().prefix(".ledger.repair.").tempfile_in(directory).map_err(io)?;
    fs::copy(path, copy.path()).map_err(io)?;
    Ok(copy)
}

fn counters(database: &impl ReadableDatabase) -> Result<Vec<(CounterId, CounterKey, Day)>, redb::Error> {
    let mut counters = Vec::new();
    for row in database.begin_read()?.open_table(COUNTERS)?.iter()? {
        let (id, row) = row?;
        let (pack, counter, party, since) = row.value();
        let key = CounterKey { pack: pack.into(), counter: counter.into(), party: party.map(Arc::from) };
        counters.push((id.value(), key, Day(since)));
    }
    Ok(counters)
}

/// The people of a counter: from the first until one cannot be read, then from the last.
fn people(database: &impl ReadableDatabase, id: CounterId, key: CounterKey, since: Day) -> Found {
    let mut people = Vec::new();
    let name = people_of(id);
    let written = guarded(|| {
        let table = database.begin_read()?.open_table(PeopleTable::new(&name))?;
        let written = table.len()?;
        let complete = guarded(|| {
            for row in table.iter()? {
                let (digest, day) = row?;
                people.push((Digest(*digest.value()), Day(day.value())));
            }
            Ok(())
        });
        if complete.is_err() {
            let reached = people.last().map(|(digest, _)| *digest);
            // What can be had from this side is a gain; where it ends is no news.
            let _ = guarded(|| {
                for row in table.iter()?.rev() {
                    let (digest, day) = row?;
                    let digest = Digest(*digest.value());
                    if reached.is_some_and(|reached| digest <= reached) {
                        break;
                    }
                    people.push((digest, Day(day.value())));
                }
                Ok(())
            });
        }
        Ok(written)
    });
    let lost = written.ok().map(|written| written.saturating_sub(people.len() as u64));
    Found { key, since, people, lost }
}

/// Writes what was found into a new file.
fn rebuild(
    directory: &Path,
    found: &[Found],
    doubtful: bool,
    keys: &Keys,
    generation: usize,
) -> Result<PathBuf, LedgerError> {
    let path = directory.join("ledger.redb.repaired");
    let io = |error: std::io::Error| cannot_open(&path, &error);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(io(error)),
        _ => {}
    }
    let mut batch = Batch::default();
    for (id, found) in (0..).zip(found) {
        fill(&mut batch, id, found, doubtful).map_err(io)?;
    }
    let mut made = Store::make(&path, keys, generation)?;
    made.commit(&batch)?;
    Ok(path)
}

fn fill(batch: &mut Batch, id: CounterId, found: &Found, doubtful: bool) -> std::io::Result<()> {
    let today = Day::of(today());
    let latest = found.people.iter().map(|(_, day)| *day).max().unwrap_or(today).min(today);
    batch.counters.insert(id, (found.key.clone(), found.since.min(today)));
    for (digest, day) in &found.people {
        batch.people.insert((id, *digest), if doubtful { today } else { *day });
    }
    for _ in 0..found.lost.unwrap_or(0) {
        let mut nobody = [0; 16];
        SystemRandom::new()
            .fill(&mut nobody)
            .map_err(|_| std::io::Error::other("the system gives no random bytes"))?;
        batch.people.insert((id, Digest(nobody)), if doubtful { today } else { latest });
    }
    if found.lost.is_none() {
        batch.beyond.insert((id, today.month()), Beyond { last: today, sketch: Sketch::new() });
    }
    Ok(())
}

/// The generation of the digests that were read: the one the file names if the key has it, else the last.
fn generation(directory: &Path, path: &Path, keys: &Keys) -> usize {
    let read = || {
        let copy = copy_of(directory, path).ok()?;
        guarded(|| {
            let database = Database::open(copy.path())?;
            store::version(&database)?;
            store::generation(&database, keys)
        })
        .ok()?
    };
    read().unwrap_or_else(|| keys.latest())
}

/// Gives a file a second name that nothing has yet, `.damaged-N` after its own. The file keeps its first name until another
/// takes it, so there is no moment at which a gateway that starts would find nothing and count from nothing.
pub(in crate::ledger) fn aside(path: &Path) -> std::io::Result<PathBuf> {
    let mut number = 1;
    loop {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".damaged-{number}"));
        match fs::hard_link(path, &name) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => number += 1,
            linked => return linked.map(|()| name.into()),
        }
    }
}
