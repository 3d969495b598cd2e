//! The counters on disk: one redb file, a table for each counter, a row for each person and their last day.
//!
//! Assumes one process, which the lock beside the file guards. Takes no chances with a file it did not write: checksums
//! of the whole file are verified at open, and a panic of the store is an error of the store. After a failed write the
//! file is closed and opened again, because the store refuses everything from then on; rows written twice are one row.

use std::collections::HashMap;
use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::{Database, DatabaseError, ReadableDatabase, ReadableTable, TableDefinition};

use super::counters::{CounterId, Counters};
use super::day::Day;
use super::error::LedgerError;
use crate::transfer::{CounterKey, Digest};

const VERSION: u64 = 1;

/// Pages kept in memory. The counters are in memory anyway; this is for the pages a write passes through.
const CACHE: usize = 4 << 20;

/// A file smaller than this is not worth compacting.
const SMALL: u64 = 4 << 20;

const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");

/// Pack, counter, party and the first day of the window asked last.
type CounterRow = (&'static str, &'static str, Option<&'static str>, u16);
const COUNTERS: TableDefinition<'_, u32, CounterRow> = TableDefinition::new("counters");

/// The last day by digest. A table for each counter saves its number in every row.
type PeopleTable<'a> = TableDefinition<'a, &'static [u8; 16], u16>;

fn people_of(id: CounterId) -> String {
    format!("people/{id}")
}

/// What has to become durable together.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// People and the day they were last seen.
    pub(super) people: HashMap<(CounterId, Digest), Day>,
    /// Counters that are new or whose window moved.
    pub(super) counters: HashMap<CounterId, (CounterKey, Day)>,
}

/// Opens the file; `true` at the start, `false` after a failed write.
pub(super) type Opener = Box<dyn Fn(bool) -> Result<Database, DatabaseError> + Send>;

/// The file.
pub(super) struct Store {
    path: PathBuf,
    opener: Opener,
    database: Option<Database>,
}

impl Batch {
    /// Whether nothing needs to be written.
    pub(super) fn is_empty(&self) -> bool {
        self.people.is_empty() && self.counters.is_empty()
    }

    /// Takes in what another batch could not write. Later days win.
    pub(super) fn merge(&mut self, other: &Batch) {
        for (person, day) in &other.people {
            let kept = self.people.entry(*person).or_insert(*day);
            *kept = (*kept).max(*day);
        }
        for (id, row) in &other.counters {
            self.counters.entry(*id).or_insert_with(|| row.clone());
        }
    }
}

impl Store {
    /// Opens or makes the file in a directory and reads it.
    pub(super) fn open(directory: &Path) -> Result<(Store, Counters), LedgerError> {
        let path = directory.join("ledger.redb");
        prepare(directory, &path).map_err(|error| cannot_open(&path, &error))?;
        let file = path.clone();
        Store::with(path, Box::new(move |first| builder(first).open_or_create(&file, first)))
    }

    /// The same with another way to the file.
    pub(super) fn with(path: PathBuf, opener: Opener) -> Result<(Store, Counters), LedgerError> {
        let opened = guarded(|| {
            let database = opener(true)?;
            let found = version(&database)?;
            let counters = if found == VERSION { read(&database)? } else { Counters::default() };
            Ok((database, found, counters))
        });
        match opened {
            Ok((_, found, _)) if found != VERSION => Err(LedgerError::Version { file: path, found }),
            Ok((database, _, counters)) => Ok((Store { path, opener, database: Some(database) }, counters)),
            Err(error) => Err(classify(&path, error)),
        }
    }

    /// Writes a batch; returns when it is on the disk.
    pub(super) fn commit(&mut self, batch: &Batch) -> Result<(), LedgerError> {
        self.change(|database| write(database, batch))
    }

    /// Takes people and counters out of the file.
    pub(super) fn remove(
        &mut self,
        people: &[(CounterId, Digest)],
        counters: &[CounterId],
    ) -> Result<(), LedgerError> {
        self.change(|database| erase(database, people, counters))
    }

    /// Gives back the space of a file that is largely free, as after many people expired.
    pub(super) fn compact(&mut self) -> Result<(), LedgerError> {
        // What the disk gives it: the length doubles ahead of use and is no measure.
        let taken = std::fs::metadata(&self.path).map_or(0, |file| file.blocks() * 512);
        self.change(|database| {
            if is_sparse(database, taken)? {
                database.compact()?;
            }
            Ok(())
        })
    }

    fn change(&mut self, change: impl Fn(&mut Database) -> Result<(), redb::Error>) -> Result<(), LedgerError> {
        let done = guarded(|| {
            let mut database = match self.database.take() {
                Some(database) => database,
                None => (self.opener)(false)?,
            };
            change(&mut database)?;
            self.database = Some(database);
            Ok(())
        });
        done.map_err(|error| match classify(&self.path, error) {
            LedgerError::Open { detail, .. } => LedgerError::Write(detail),
            other => LedgerError::Write(other.to_string().into()),
        })
    }
}

/// A builder with our settings.
struct Settings(redb::Builder);

fn builder(check: bool) -> Settings {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE).set_check_integrity_on_open(check);
    Settings(builder)
}

impl Settings {
    /// After the start a missing file is an error: a new one would forget everybody in it.
    fn open_or_create(&self, path: &Path, create: bool) -> Result<Database, DatabaseError> {
        if create { self.0.create(path) } else { self.0.open(path) }
    }
}

/// Whether a quarter of a file or more holds nothing.
fn is_sparse(database: &Database, taken: u64) -> Result<bool, redb::Error> {
    if taken < SMALL {
        return Ok(false);
    }
    let stats = database.begin_write()?.stats()?;
    let used = stats.allocated_pages() * stats.page_size() as u64;
    Ok(used < taken - taken / 4)
}

/// Makes the file readable by its owner alone before anything is in it.
fn prepare(directory: &Path, path: &Path) -> io::Result<()> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    File::open(directory)?.sync_all()
}

/// Runs something of the store; its panics are errors.
fn guarded<T>(run: impl FnOnce() -> Result<T, redb::Error>) -> Result<T, redb::Error> {
    catch_unwind(AssertUnwindSafe(run))
        .unwrap_or_else(|_| Err(redb::Error::Corrupted("the store panicked".to_owned())))
}

fn classify(path: &Path, error: redb::Error) -> LedgerError {
    let detail: Arc<str> = error.to_string().into();
    let file = path.to_owned();
    match error {
        redb::Error::DatabaseAlreadyOpen => {
            LedgerError::Locked(path.parent().map_or_else(PathBuf::new, Path::to_path_buf))
        }
        redb::Error::Io(error) if error.kind() != io::ErrorKind::InvalidData => cannot_open(path, &error),
        redb::Error::PreviousIo | redb::Error::DatabaseClosed => LedgerError::Open { file, detail },
        _ => LedgerError::Corrupted { file, detail },
    }
}

/// The error of a file that cannot be used.
pub(super) fn cannot_open(path: &Path, error: &io::Error) -> LedgerError {
    LedgerError::Open { file: path.to_owned(), detail: error.to_string().into() }
}

/// The version in the file, written into it if the file is new.
fn version(database: &Database) -> Result<u64, redb::Error> {
    let transaction = database.begin_write()?;
    let found = {
        let fresh = transaction.list_tables()?.next().is_none();
        let mut meta = transaction.open_table(META)?;
        if fresh {
            meta.insert("version", VERSION)?;
        }
        meta.get("version")?.map_or(0, |version| version.value())
    };
    transaction.open_table(COUNTERS)?;
    transaction.commit()?;
    Ok(found)
}

fn read(database: &Database) -> Result<Counters, redb::Error> {
    let transaction = database.begin_read()?;
    let mut counters = Counters::default();
    for row in transaction.open_table(COUNTERS)?.iter()? {
        let (id, row) = row?;
        let (pack, counter, party, since) = row.value();
        let key = CounterKey { pack: pack.into(), counter: counter.into(), party: party.map(Arc::from) };
        counters.restore(id.value(), key, Day(since));
    }
    for id in counters.ids() {
        let name = people_of(id);
        for row in transaction.open_table(PeopleTable::new(&name))?.iter()? {
            let (digest, day) = row?;
            counters.see(id, Digest(*digest.value()), Day(day.value()));
        }
    }
    Ok(counters)
}

fn write(database: &Database, batch: &Batch) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    {
        let mut counters = transaction.open_table(COUNTERS)?;
        for (id, (key, since)) in &batch.counters {
            counters.insert(id, (&*key.pack, &*key.counter, key.party.as_deref(), since.0))?;
        }
        // In the order of the trees, so that a page is passed once.
        let mut rows: Vec<_> = batch.people.iter().map(|((id, digest), day)| (*id, digest.0, day.0)).collect();
        rows.sort_unstable();
        for rows in rows.chunk_by(|a, b| a.0 == b.0) {
            let name = people_of(rows.first().map_or(0, |row| row.0));
            let mut people = transaction.open_table(PeopleTable::new(&name))?;
            for (_, digest, day) in rows {
                people.insert(digest, day)?;
            }
        }
    }
    transaction.commit()?;
    Ok(())
}

fn erase(database: &Database, people: &[(CounterId, Digest)], counters: &[CounterId]) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    {
        for people in people.chunk_by(|a, b| a.0 == b.0) {
            let name = people_of(people.first().map_or(0, |person| person.0));
            let mut table = transaction.open_table(PeopleTable::new(&name))?;
            for (_, digest) in people {
                table.remove(&digest.0)?;
            }
        }
        let mut table = transaction.open_table(COUNTERS)?;
        for id in counters {
            table.remove(id)?;
            transaction.delete_table(PeopleTable::new(&people_of(*id)))?;
        }
    }
    transaction.commit()?;
    Ok(())
}
