//! The counters on disk: one redb file, a table for each counter, a row for each person and their last day.
//!
//! Beside them, for each counter: sketches of those who came above every bound, and how many were new on each day.
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

use redb::{Database, DatabaseError, ReadableDatabase, ReadableTable, TableDefinition, TableError, WriteTransaction};

use super::counters::{Beyond, CounterId, Counters, Expired};
use super::sketch::Sketch;
use crate::ledger::day::{Day, Month};
use crate::ledger::error::LedgerError;
use crate::ledger::key::Keys;
use crate::transfer::{CounterKey, Digest};

/// Version 1 had neither check value, sketches nor arrivals.
const VERSION: u64 = 2;

/// Pages kept in memory. The counters are in memory anyway; this is for the pages a write passes through.
const CACHE: usize = 4 << 20;

/// A file smaller than this is not worth compacting.
const SMALL: u64 = 4 << 20;

/// People taken out of the file in one transaction.
const SLICE: usize = 10_000;

/// `version` of the file, and `generation` of the digests in it.
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");

/// `check`: the check value of the generation.
const KEY: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("key");

/// The last day and the registers by counter and month.
const BEYOND: TableDefinition<'_, (u32, u16), (u16, &[u8])> = TableDefinition::new("beyond");

/// How many people were new by counter and day.
const ARRIVALS: TableDefinition<'_, (u32, u16), u64> = TableDefinition::new("arrivals");

/// Pack, counter, party and the first day of the window asked last.
pub(super) type CounterRow = (&'static str, &'static str, Option<&'static str>, u16);
pub(super) const COUNTERS: TableDefinition<'_, u32, CounterRow> = TableDefinition::new("counters");

/// The last day by digest. A table for each counter saves its number in every row.
pub(super) type PeopleTable<'a> = TableDefinition<'a, &'static [u8; 16], u16>;

pub(super) fn people_of(id: CounterId) -> String {
    format!("people/{id}")
}

/// What has to become durable together.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// People and the day they were last seen.
    pub(super) people: HashMap<(CounterId, Digest), Day>,
    /// Counters that are new or whose window moved.
    pub(super) counters: HashMap<CounterId, (CounterKey, Day)>,
    /// Sketches as they are now.
    pub(super) beyond: HashMap<(CounterId, Month), Beyond>,
    /// How many people were new on a day, all in all.
    pub(super) arrivals: HashMap<(CounterId, Day), u64>,
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
        self.people.is_empty() && self.counters.is_empty() && self.beyond.is_empty() && self.arrivals.is_empty()
    }

    /// Takes in what an earlier batch could not write. Later days win, and the later of two sketches or sums.
    pub(super) fn merge(&mut self, other: &Batch) {
        for (person, day) in &other.people {
            let kept = self.people.entry(*person).or_insert(*day);
            *kept = (*kept).max(*day);
        }
        for (id, row) in &other.counters {
            self.counters.entry(*id).or_insert_with(|| row.clone());
        }
        for (month, beyond) in &other.beyond {
            self.beyond.entry(*month).or_insert_with(|| beyond.clone());
        }
        for (day, people) in &other.arrivals {
            self.arrivals.entry(*day).or_insert(*people);
        }
    }
}

/// What a file turned out to be.
enum Found {
    Ledger(Counters),
    Version(u64),
    OtherKey,
}

impl Store {
    /// Opens or makes the file in a directory and reads it.
    pub(super) fn open(directory: &Path, keys: &Keys) -> Result<(Store, Counters), LedgerError> {
        let path = file_in(directory);
        prepare(directory, &path).map_err(|error| cannot_open(&path, &error))?;
        Store::open_at(&path, keys)
    }

    /// The same for a file that is there.
    pub(super) fn open_at(path: &Path, keys: &Keys) -> Result<(Store, Counters), LedgerError> {
        let file = path.to_owned();
        Store::with(path.to_owned(), Box::new(move |first| builder(first).open_or_create(&file, first)), keys)
    }

    /// Makes a file that counts under a generation of the key.
    pub(super) fn make(path: &Path, keys: &Keys, generation: usize) -> Result<Store, LedgerError> {
        let created = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path);
        created.map_err(|error| cannot_open(path, &error))?;
        let file = path.to_owned();
        let opener: Opener = Box::new(move |first| builder(false).open_or_create(&file, first));
        let made = guarded(|| {
            let database = opener(true)?;
            version(&database)?;
            adopt(&database, keys, generation)?;
            Ok(database)
        });
        let database = made.map_err(|error| classify(path, error))?;
        Ok(Store { path: path.to_owned(), opener, database: Some(database) })
    }

    /// The same with another way to the file.
    pub(super) fn with(path: PathBuf, opener: Opener, keys: &Keys) -> Result<(Store, Counters), LedgerError> {
        let opened = guarded(|| {
            let database = opener(true)?;
            let found = load(&database, keys)?;
            Ok((database, found))
        });
        match opened {
            Ok((_, Found::Version(found))) => Err(LedgerError::Version { file: path, found }),
            Ok((_, Found::OtherKey)) => Err(LedgerError::Key { store: path.display().to_string().into() }),
            Ok((database, Found::Ledger(counters))) => {
                Ok((Store { path, opener, database: Some(database) }, counters))
            }
            Err(error) => Err(classify(&path, error)),
        }
    }

    /// Writes a batch; returns when it is on the disk.
    pub(super) fn commit(&mut self, batch: &Batch) -> Result<(), LedgerError> {
        self.change(|database| write(database, batch))
    }

    /// Takes out of the file what no window holds any more, a slice at a time so that transfers come in between.
    pub(super) fn forget(&mut self, expired: &Expired) -> Result<(), LedgerError> {
        for people in expired.people.chunks(SLICE) {
            self.change(|database| erase_people(database, people))?;
        }
        if expired.months.is_empty() && expired.arrivals.is_empty() {
            return Ok(());
        }
        self.change(|database| erase_months(database, expired))
    }

    /// Takes counters out of the file.
    pub(super) fn remove(&mut self, counters: &[CounterId]) -> Result<(), LedgerError> {
        self.change(|database| erase_counters(database, counters))
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

/// The file of a state directory.
pub(super) fn file_in(directory: &Path) -> PathBuf {
    directory.join("ledger.redb")
}

/// Makes the file readable by its owner alone before anything is in it.
fn prepare(directory: &Path, path: &Path) -> io::Result<()> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    File::open(directory)?.sync_all()
}

/// Runs something of the store; its panics are errors.
pub(super) fn guarded<T>(run: impl FnOnce() -> Result<T, redb::Error>) -> Result<T, redb::Error> {
    catch_unwind(AssertUnwindSafe(run))
        .unwrap_or_else(|_| Err(redb::Error::Corrupted("the store panicked".to_owned())))
}

pub(super) fn classify(path: &Path, error: redb::Error) -> LedgerError {
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
pub(in crate::ledger) fn cannot_open(path: &Path, error: &io::Error) -> LedgerError {
    LedgerError::Open { file: path.to_owned(), detail: error.to_string().into() }
}

/// Brings a file to this version and to the last generation of the key, and reads it.
fn load(database: &Database, keys: &Keys) -> Result<Found, redb::Error> {
    match version(database)? {
        VERSION => {}
        other => return Ok(Found::Version(other)),
    }
    let Some(generation) = generation(database, keys)? else { return Ok(Found::OtherKey) };
    if generation < keys.latest() {
        carry(database, keys, generation)?;
    }
    Ok(Found::Ledger(read(database)?))
}

/// The version in the file: written into it if the file is new, and raised if it is one we can raise.
pub(super) fn version(database: &Database) -> Result<u64, redb::Error> {
    let transaction = database.begin_write()?;
    let found = {
        let fresh = transaction.list_tables()?.next().is_none();
        let mut meta = transaction.open_table(META)?;
        let found = meta.get("version")?.map_or(0, |version| version.value());
        if fresh || found == 1 {
            meta.insert("version", VERSION)?;
            VERSION
        } else {
            found
        }
    };
    if found == VERSION {
        transaction.open_table(COUNTERS)?;
        transaction.open_table(KEY)?;
        transaction.open_table(BEYOND)?;
        transaction.open_table(ARRIVALS)?;
        transaction.commit()?;
    }
    Ok(found)
}

/// The generation of the digests in the file; none if they were made under another key. A file without a check value is
/// new or of version 1, when there was one secret.
pub(super) fn generation(database: &Database, keys: &Keys) -> Result<Option<usize>, redb::Error> {
    let transaction = database.begin_read()?;
    let generation = transaction.open_table(META)?.get("generation")?.map(|found| found.value());
    let generation = usize::try_from(generation.unwrap_or(0)).unwrap_or(usize::MAX);
    let check = transaction.open_table(KEY)?.get("check")?.map(|check| check.value().to_vec());
    drop(transaction);
    match check {
        Some(check) => Ok(keys.holds(generation, &check).then_some(generation)),
        None => {
            adopt(database, keys, 0)?;
            Ok(Some(0))
        }
    }
}

/// Makes a generation of a key the one the file counts under.
fn adopt(database: &Database, keys: &Keys, generation: usize) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    set_generation(&transaction, keys, generation)?;
    transaction.commit()?;
    Ok(())
}

fn set_generation(transaction: &WriteTransaction, keys: &Keys, generation: usize) -> Result<(), redb::Error> {
    transaction.open_table(META)?.insert("generation", generation as u64)?;
    transaction.open_table(KEY)?.insert("check", keys.check(generation).unwrap_or_default().as_slice())?;
    Ok(())
}

/// Turns every digest into that of the last generation, in one transaction. Sketches stay: whoever is in one and comes
/// again may be estimated twice.
fn carry(database: &Database, keys: &Keys, from: usize) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    let ids: Vec<CounterId> = transaction
        .open_table(COUNTERS)?
        .iter()?
        .map(|row| Ok(row?.0.value()))
        .collect::<Result<_, redb::Error>>()?;
    for id in ids {
        let name = people_of(id);
        let mut rows = Vec::new();
        for row in transaction.open_table(PeopleTable::new(&name))?.iter()? {
            let (digest, day) = row?;
            rows.push((keys.carry(Digest(*digest.value()), from, keys.latest()), day.value()));
        }
        rows.sort_unstable();
        transaction.delete_table(PeopleTable::new(&name))?;
        let mut people = transaction.open_table(PeopleTable::new(&name))?;
        for (digest, day) in rows {
            people.insert(&digest.0, day)?;
        }
    }
    set_generation(&transaction, keys, keys.latest())?;
    transaction.commit()?;
    Ok(())
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
        match transaction.open_table(PeopleTable::new(&name)) {
            Ok(people) => {
                for row in people.iter()? {
                    let (digest, day) = row?;
                    counters.restore_person(id, Digest(*digest.value()), Day(day.value()));
                }
            }
            // Everyone of this counter is in sketches.
            Err(TableError::TableDoesNotExist(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    for row in transaction.open_table(BEYOND)?.iter()? {
        let (at, row) = row?;
        let ((id, month), (last, registers)) = (at.value(), row.value());
        let Some(sketch) = Sketch::from_bytes(registers) else {
            return Err(redb::Error::Corrupted("a sketch has not its length".to_owned()));
        };
        counters.restore_beyond(id, Month(month), Beyond { last: Day(last), sketch });
    }
    for row in transaction.open_table(ARRIVALS)?.iter()? {
        let (at, people) = row?;
        let (id, day) = at.value();
        counters.restore_arrivals(id, Day(day), people.value());
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
        let mut months = transaction.open_table(BEYOND)?;
        for ((id, month), beyond) in &batch.beyond {
            months.insert((*id, month.0), (beyond.last.0, beyond.sketch.as_bytes()))?;
        }
        let mut arrivals = transaction.open_table(ARRIVALS)?;
        for ((id, day), people) in &batch.arrivals {
            arrivals.insert((*id, day.0), people)?;
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

fn erase_people(database: &Database, people: &[(CounterId, Digest)]) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    for people in people.chunk_by(|a, b| a.0 == b.0) {
        let name = people_of(people.first().map_or(0, |person| person.0));
        let mut table = transaction.open_table(PeopleTable::new(&name))?;
        for (_, digest) in people {
            table.remove(&digest.0)?;
        }
    }
    transaction.commit()?;
    Ok(())
}

fn erase_months(database: &Database, expired: &Expired) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    {
        let mut months = transaction.open_table(BEYOND)?;
        for (id, month) in &expired.months {
            months.remove((*id, month.0))?;
        }
        let mut arrivals = transaction.open_table(ARRIVALS)?;
        for (id, day) in &expired.arrivals {
            arrivals.remove((*id, day.0))?;
        }
    }
    transaction.commit()?;
    Ok(())
}

fn erase_counters(database: &Database, counters: &[CounterId]) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    {
        let mut table = transaction.open_table(COUNTERS)?;
        let mut arrivals = transaction.open_table(ARRIVALS)?;
        for id in counters {
            table.remove(id)?;
            arrivals.retain_in((*id, 0)..=(*id, u16::MAX), |_, _| false)?;
            transaction.delete_table(PeopleTable::new(&people_of(*id)))?;
        }
    }
    transaction.commit()?;
    Ok(())
}
