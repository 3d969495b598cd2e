//! Exact, atomic, durable: each test opens a ledger in a directory of its own and asks what it shows.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use jiff::civil::{Date, date};
use redb::backends::FileBackend;
use redb::{Database, StorageBackend};

use super::store::Store;
use super::{Ledger, LedgerError};
use crate::transfer::{Count, CounterKey, Digest, Touch};

const TODAY: Date = date(2026, 11, 24);
const NEW_YEAR: Date = date(2026, 1, 1);

fn person(number: u64) -> Digest {
    Digest(u128::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835).to_le_bytes())
}

fn key(counter: &str) -> CounterKey {
    CounterKey { pack: "cn".into(), counter: counter.into(), party: None }
}

fn touch(since: Date, day: Date, people: impl IntoIterator<Item = u64>) -> Touch {
    Touch { key: key("plain"), since, day, people: people.into_iter().map(person).collect() }
}

fn this_year(people: impl IntoIterator<Item = u64>) -> Vec<Touch> {
    vec![touch(NEW_YEAR, TODAY, people)]
}

async fn admit(ledger: &Ledger, touches: &[Touch]) -> Result<Count, LedgerError> {
    ledger.decide(touches, |counts| (counts[0], true)).await
}

async fn refuse(ledger: &Ledger, touches: &[Touch]) -> Count {
    ledger.decide(touches, |counts| (counts[0], false)).await.unwrap()
}

fn count(before: u64, adding: u64) -> Count {
    Count { before, adding }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_race_crosses_a_bound() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(directory.path()).unwrap();
    let admitted = Arc::new(AtomicU64::new(0));
    let tasks: Vec<_> = (0..64u64)
        .map(|task| {
            let (ledger, admitted) = (ledger.clone(), Arc::clone(&admitted));
            tokio::spawn(async move {
                for number in 0..200 {
                    let touches = this_year([task * 200 + number]);
                    let below = |counts: &[Count]| ((), counts[0].after() < 10_000);
                    let seen = ledger.decide(&touches, |counts| (below(counts).1, below(counts).1)).await.unwrap();
                    admitted.fetch_add(u64::from(seen), Ordering::Relaxed);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(admitted.load(Ordering::Relaxed), 9_999);
    assert_eq!(ledger.totals(), [(key("plain"), NEW_YEAR, 9_999)]);
    drop(ledger);
    assert_eq!(Ledger::open(directory.path()).unwrap().totals(), [(key("plain"), NEW_YEAR, 9_999)]);
}

#[tokio::test]
async fn a_person_counts_once_and_a_rejected_transfer_leaves_no_trace() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(directory.path()).unwrap();
    assert_eq!(refuse(&ledger, &this_year([1, 2])).await, count(0, 2));
    assert!(ledger.totals().is_empty());
    assert_eq!(admit(&ledger, &this_year([1, 2])).await.unwrap(), count(0, 2));
    assert_eq!(admit(&ledger, &this_year([2, 3])).await.unwrap(), count(2, 1));
    assert_eq!(refuse(&ledger, &this_year([3, 4])).await, count(3, 1));
    assert_eq!(ledger.peek(&this_year([3, 4])).unwrap(), [count(3, 1)]);
    assert_eq!(ledger.decide(&[], |counts| (counts.len(), true)).await.unwrap(), 0);
    assert_eq!(ledger.count(&key("plain"), NEW_YEAR), 3);
    assert_eq!(ledger.count(&key("other"), NEW_YEAR), 0);
}

#[tokio::test]
async fn counters_and_parties_are_apart() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(directory.path()).unwrap();
    let at = |host: Option<&str>| {
        let key = CounterKey { pack: "us".into(), counter: "bulk".into(), party: host.map(Into::into) };
        vec![Touch { key, since: NEW_YEAR, day: TODAY, people: vec![person(1)] }]
    };
    for host in [None, Some("a.example"), Some("b.example")] {
        assert_eq!(admit(&ledger, &at(host)).await.unwrap(), count(0, 1));
    }
    drop(ledger);
    let ledger = Ledger::open(directory.path()).unwrap();
    assert_eq!(ledger.totals().len(), 3);
    assert_eq!(ledger.peek(&at(Some("b.example"))).unwrap(), [count(1, 0)]);
}

#[tokio::test]
async fn what_was_admitted_is_on_the_disk_at_that_moment() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(directory.path()).unwrap();
    for number in 0..20 {
        admit(&ledger, &this_year([number])).await.unwrap();
        // The file as a killed process leaves it: nothing is closed, nothing flushed.
        let crashed = tempfile::tempdir().unwrap();
        fs::copy(directory.path().join("ledger.redb"), crashed.path().join("ledger.redb")).unwrap();
        let recovered = Ledger::open(crashed.path()).unwrap();
        assert_eq!(recovered.peek(&this_year([number, 99])).unwrap(), [count(number + 1, 1)]);
    }
}

#[tokio::test]
async fn a_rolling_window_follows_the_last_day_a_person_was_seen() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(directory.path()).unwrap();
    let on = |day: Date, people: &[u64]| {
        vec![touch(day.checked_sub(jiff::Span::new().months(12)).unwrap(), day, people.iter().copied())]
    };
    admit(&ledger, &on(date(2025, 11, 10), &[1, 2, 3])).await.unwrap();
    admit(&ledger, &on(date(2026, 3, 1), &[2])).await.unwrap();
    assert_eq!(refuse(&ledger, &on(date(2026, 11, 10), &[4])).await, count(3, 1));
    assert_eq!(refuse(&ledger, &on(date(2026, 11, 11), &[1, 2])).await, count(1, 1));
    assert_eq!(admit(&ledger, &on(date(2026, 11, 11), &[1])).await.unwrap(), count(1, 1));
    drop(ledger);
    let ledger = Ledger::open(directory.path()).unwrap();
    assert_eq!(ledger.peek(&on(date(2026, 11, 11), &[])).unwrap(), [count(2, 0)]);
}

#[tokio::test]
async fn a_new_year_counts_from_nothing_and_a_clock_set_back_lowers_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(directory.path()).unwrap();
    let (old, new) = (date(2025, 12, 31), date(2026, 1, 1));
    admit(&ledger, &[touch(date(2025, 1, 1), old, [1, 2])]).await.unwrap();
    assert_eq!(admit(&ledger, &[touch(new, new, [2])]).await.unwrap(), count(0, 1));
    assert_eq!(refuse(&ledger, &[touch(new, new, [1, 2])]).await, count(1, 1));
    // The clock goes back a day: both years' people are in the older window, and the day of person 2 stays.
    assert_eq!(admit(&ledger, &[touch(date(2025, 1, 1), old, [2, 3])]).await.unwrap(), count(2, 1));
    assert_eq!(refuse(&ledger, &[touch(new, new, [2, 3])]).await, count(1, 1));
}

#[tokio::test]
async fn people_older_than_any_window_are_dropped_at_open() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(directory.path()).unwrap();
    let long_ago = date(2020, 1, 1);
    admit(&ledger, &[touch(long_ago, date(2024, 5, 1), 0..50)]).await.unwrap();
    let gone = CounterKey { party: Some("gone.example".into()), ..key("plain") };
    let row = Touch { key: gone, since: long_ago, day: date(2024, 5, 1), people: vec![person(1)] };
    admit(&ledger, &[row]).await.unwrap();
    admit(&ledger, &[touch(long_ago, date(2025, 10, 1), 50..60)]).await.unwrap();
    drop(ledger);
    let ledger = Ledger::open(directory.path()).unwrap();
    assert_eq!(ledger.totals(), [(key("plain"), long_ago, 10)]);
    drop(ledger);
    assert_eq!(Ledger::open(directory.path()).unwrap().totals(), [(key("plain"), long_ago, 10)]);
}

#[tokio::test]
async fn one_process_at_a_time_and_one_owner() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(directory.path()).unwrap();
    assert_eq!(Ledger::open(directory.path()).unwrap_err(), LedgerError::Locked(directory.path().to_owned()));
    let mode = fs::metadata(directory.path().join("ledger.redb")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    drop(ledger);
    Ledger::open(directory.path()).unwrap();
}

async fn filled(directory: &Path) {
    let ledger = Ledger::open(directory).unwrap();
    admit(&ledger, &this_year(0..2_000)).await.unwrap();
}

#[tokio::test]
async fn a_damaged_file_is_an_error_and_no_new_ledger() {
    let directory = tempfile::tempdir().unwrap();
    filled(directory.path()).await;
    let path = directory.path().join("ledger.redb");
    let whole = fs::read(&path).unwrap();
    let flipped: Vec<u8> = whole.iter().enumerate().map(|(at, byte)| byte ^ u8::from(at % 4096 == 2000)).collect();
    let damages: [(&str, Vec<u8>); 3] =
        [("another file", b"not a ledger at all".repeat(100)), ("bits", flipped), ("cut", whole[..20_000].to_vec())];
    for (name, damaged) in damages {
        fs::write(&path, damaged).unwrap();
        let error = Ledger::open(directory.path()).unwrap_err();
        assert!(matches!(error, LedgerError::Corrupted { .. } | LedgerError::Open { .. }), "{name}: {error}");
        assert!(error.to_string().contains("ledger.redb"), "{name}: {error}");
    }
}

#[tokio::test]
async fn a_ledger_of_another_version_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    filled(directory.path()).await;
    let path = directory.path().join("ledger.redb");
    let database = Database::open(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    let meta: redb::TableDefinition<'_, &str, u64> = redb::TableDefinition::new("meta");
    transaction.open_table(meta).unwrap().insert("version", 2).unwrap();
    transaction.commit().unwrap();
    drop(database);
    assert_eq!(Ledger::open(directory.path()).unwrap_err(), LedgerError::Version { file: path, found: 2 });
}

/// A disk that is full while the switch is on.
#[derive(Debug)]
struct Full(FileBackend, Arc<AtomicBool>);

impl Full {
    fn check(&self) -> io::Result<()> {
        if self.1.load(Ordering::SeqCst) { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}

impl StorageBackend for Full {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.check()?;
        self.0.set_len(len)
    }
    fn sync_data(&self) -> io::Result<()> {
        self.check()?;
        self.0.sync_data()
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.check()?;
        self.0.write(offset, data)
    }
    fn close(&self) -> io::Result<()> {
        self.0.close()
    }
}

fn on_a_disk_that_fills(path: &Path, full: &Arc<AtomicBool>) -> Ledger {
    let (file, switch) = (path.to_owned(), Arc::clone(full));
    let open = move |_| {
        let file = fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&file)?;
        Database::builder().create_with_backend(Full(FileBackend::new(file)?, Arc::clone(&switch)))
    };
    let (store, counters) = Store::with(path.to_owned(), Box::new(open)).unwrap();
    Ledger::start(store, counters, None).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_an_error_for_everyone_waiting_and_nobody_is_forgotten() {
    let directory = tempfile::tempdir().unwrap();
    let full = Arc::new(AtomicBool::new(false));
    let ledger = on_a_disk_that_fills(&directory.path().join("ledger.redb"), &full);
    admit(&ledger, &this_year([1])).await.unwrap();

    full.store(true, Ordering::SeqCst);
    let (two, three) = (this_year([2]), this_year([3]));
    let (first, second) = tokio::join!(admit(&ledger, &two), admit(&ledger, &three));
    for result in [first, second, admit(&ledger, &this_year([2])).await] {
        assert!(matches!(result, Err(LedgerError::Write(_))), "{result:?}");
    }
    assert!(ledger.failure().is_some());
    // Who is already on the disk needs no write.
    assert_eq!(admit(&ledger, &this_year([1])).await.unwrap(), count(3, 0));

    full.store(false, Ordering::SeqCst);
    assert_eq!(admit(&ledger, &this_year([2, 4])).await.unwrap(), count(3, 1));
    assert_eq!(ledger.failure(), None);
    drop(ledger);
    assert_eq!(Ledger::open(directory.path()).unwrap().totals(), [(key("plain"), NEW_YEAR, 4)]);
}
