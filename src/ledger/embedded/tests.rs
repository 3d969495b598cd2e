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

use super::Embedded;
use super::store::Store;
use crate::ledger::{KeySource, Keys, Ledger, LedgerError, most, repair, rotate};
use crate::transfer::{Count, CounterKey, Digest, DigestKey, Touch};

const TODAY: Date = date(2026, 11, 24);
const NEW_YEAR: Date = date(2026, 1, 1);

fn person(number: u64) -> Digest {
    Digest(u128::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835).to_le_bytes())
}

fn key(counter: &str) -> CounterKey {
    CounterKey { pack: "cn".into(), counter: counter.into(), party: None }
}

fn touch(since: Date, day: Date, people: impl IntoIterator<Item = u64>) -> Touch {
    bounded(since, day, people, &[])
}

fn bounded(since: Date, day: Date, people: impl IntoIterator<Item = u64>, bounds: &[u64]) -> Touch {
    let people = people.into_iter().map(person).collect();
    Touch { key: key("plain"), since, day, people, bounds: bounds.into() }
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

/// Every counter with the first day of its window and what it shows.
async fn shown(ledger: &Ledger) -> Vec<(CounterKey, Date, u64)> {
    let totals = ledger.totals().await.unwrap();
    totals.into_iter().map(|total| (total.key, total.since, total.people)).collect()
}

async fn peek(ledger: &Ledger, touches: &[Touch]) -> Vec<Count> {
    ledger.peek(touches).await.unwrap()
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
    assert_eq!(shown(&ledger).await, [(key("plain"), NEW_YEAR, 9_999)]);
    drop(ledger);
    assert_eq!(shown(&Ledger::open(directory.path()).unwrap()).await, [(key("plain"), NEW_YEAR, 9_999)]);
}

#[tokio::test]
async fn a_person_counts_once_and_a_rejected_transfer_leaves_no_trace() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(directory.path()).unwrap();
    assert_eq!(refuse(&ledger, &this_year([1, 2])).await, count(0, 2));
    assert!(shown(&ledger).await.is_empty());
    assert_eq!(admit(&ledger, &this_year([1, 2])).await.unwrap(), count(0, 2));
    assert_eq!(admit(&ledger, &this_year([2, 3])).await.unwrap(), count(2, 1));
    assert_eq!(refuse(&ledger, &this_year([3, 4])).await, count(3, 1));
    assert_eq!(peek(&ledger, &this_year([3, 4])).await, [count(3, 1)]);
    assert_eq!(ledger.decide(&[], |counts| (counts.len(), true)).await.unwrap(), 0);
    assert_eq!(ledger.count(&key("plain"), NEW_YEAR).await.unwrap(), 3);
    assert_eq!(ledger.count(&key("other"), NEW_YEAR).await.unwrap(), 0);
}

#[tokio::test]
async fn counters_and_parties_are_apart() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(directory.path()).unwrap();
    let at = |host: Option<&str>| {
        let key = CounterKey { pack: "us".into(), counter: "bulk".into(), party: host.map(Into::into) };
        vec![Touch { key, since: NEW_YEAR, day: TODAY, people: vec![person(1)], bounds: Arc::default() }]
    };
    for host in [None, Some("a.example"), Some("b.example")] {
        assert_eq!(admit(&ledger, &at(host)).await.unwrap(), count(0, 1));
    }
    drop(ledger);
    let ledger = Ledger::open(directory.path()).unwrap();
    assert_eq!(shown(&ledger).await.len(), 3);
    assert_eq!(peek(&ledger, &at(Some("b.example"))).await, [count(1, 0)]);
}

#[tokio::test]
async fn what_was_admitted_is_on_the_disk_at_that_moment() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(directory.path()).unwrap();
    for number in 0..20 {
        admit(&ledger, &this_year([number])).await.unwrap();
        // The file as a killed process leaves it: nothing is closed, nothing flushed.
        let crashed = tempfile::tempdir().unwrap();
        for file in ["ledger.redb", "digest.key"] {
            fs::copy(directory.path().join(file), crashed.path().join(file)).unwrap();
        }
        let recovered = Ledger::open(crashed.path()).unwrap();
        assert_eq!(peek(&recovered, &this_year([number, 99])).await, [count(number + 1, 1)]);
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
    assert_eq!(peek(&ledger, &on(date(2026, 11, 11), &[])).await, [count(2, 0)]);
}

#[tokio::test]
async fn a_new_year_counts_from_nothing_and_a_clock_set_back_lowers_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(directory.path()).unwrap();
    let (old, new) = (date(2025, 12, 31), date(2026, 1, 1));
    admit(&ledger, &[touch(date(2025, 1, 1), old, [1, 2])]).await.unwrap();
    assert_eq!(admit(&ledger, &[touch(new, new, [2])]).await.unwrap(), count(0, 1));
    assert_eq!(refuse(&ledger, &[touch(new, new, [1, 2])]).await, count(1, 1));
    // The clock goes back a day: both years' people are in the older window, and whoever is new counts in the new year.
    assert_eq!(admit(&ledger, &[touch(date(2025, 1, 1), old, [2, 3])]).await.unwrap(), count(2, 1));
    assert_eq!(refuse(&ledger, &[touch(new, new, [2, 3])]).await, count(2, 0));
}

#[tokio::test]
async fn people_older_than_any_window_are_dropped_at_open() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(directory.path()).unwrap();
    // What was asked then, and what is asked now.
    let (long_ago, since) = (date(2023, 5, 1), date(2024, 10, 1));
    admit(&ledger, &[touch(long_ago, date(2024, 5, 1), 0..50)]).await.unwrap();
    let gone = CounterKey { party: Some("gone.example".into()), ..key("plain") };
    let row = Touch { key: gone, since, day: date(2024, 5, 1), people: vec![person(1)], bounds: Arc::default() };
    admit(&ledger, &[row]).await.unwrap();
    admit(&ledger, &[touch(since, date(2025, 10, 1), 50..60)]).await.unwrap();
    drop(ledger);
    let ledger = Ledger::open(directory.path()).unwrap();
    assert_eq!(shown(&ledger).await, [(key("plain"), since, 10)]);
    drop(ledger);
    assert_eq!(shown(&Ledger::open(directory.path()).unwrap()).await, [(key("plain"), since, 10)]);
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
        assert!(error.to_string().contains("tidegate ledger repair"), "{name}: {error}");
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
    transaction.open_table(meta).unwrap().insert("version", 3).unwrap();
    transaction.commit().unwrap();
    drop(database);
    assert_eq!(Ledger::open(directory.path()).unwrap_err(), LedgerError::Version { file: path, found: 3 });
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
    let keys = Keys::load(path.parent().unwrap(), &KeySource::State).unwrap();
    let (store, counters) = Store::with(path.to_owned(), Box::new(open), &keys).unwrap();
    let key = keys.first();
    Ledger::over(super::super::Store::Embedded(Embedded::start(store, counters, keys, None).unwrap()), key)
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
    assert_eq!(shown(&Ledger::open(directory.path()).unwrap()).await, [(key("plain"), NEW_YEAR, 4)]);
}

#[tokio::test]
async fn a_window_without_end_keeps_everybody() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(directory.path()).unwrap();
    for (day, people) in [(date(2021, 5, 1), 0..50), (date(2026, 5, 1), 50..60)] {
        admit(&ledger, &[touch(Date::MIN, day, people)]).await.unwrap();
    }
    drop(ledger);
    let ledger = Ledger::open(directory.path()).unwrap();
    assert_eq!(ledger.count(&key("plain"), Date::MIN).await.unwrap(), 60);
}

#[tokio::test]
async fn above_every_bound_people_are_estimated_and_the_counter_stays_above_until_the_window_turns() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(directory.path()).unwrap();
    let bounds = [9, 10];
    // As detection makes them: an estimate wants digests that are spread.
    let digests = DigestKey::new(&[7; 32]);
    let spread = |people: std::ops::Range<u64>| people.map(|person| digests.digest("person", &person.to_le_bytes()));
    let at = |day: Date, people: std::ops::Range<u64>| {
        let since = day.checked_sub(jiff::Span::new().months(12)).unwrap();
        vec![Touch { people: spread(people).collect(), ..bounded(since, day, [], &bounds) }]
    };
    let most = most(&at(TODAY, 0..0)[0]);
    assert_eq!(most, 10 + 65_536);
    // A year ago the counter took in all it notes one by one, later as many again.
    let (first, second) = (date(2025, 12, 1), date(2026, 2, 1));
    admit(&ledger, &at(first, 0..most)).await.unwrap();
    assert_eq!(ledger.totals().await.unwrap()[0].error, None);
    admit(&ledger, &at(second, most..2 * most)).await.unwrap();
    let check = async |ledger: &Ledger| {
        let total = ledger.totals().await.unwrap().remove(0);
        let error = total.error.unwrap();
        let above = total.people as f64 / (2 * most) as f64 - 1.0;
        assert!(above > 0.0 && above < 6.0 * error, "{total:?} of {}", 2 * most);
        // The first half falls out of the window. The others are in no list, and the counter is above its bounds.
        let seen = refuse(ledger, &at(date(2026, 12, 15), 0..1)).await;
        assert!(seen.before >= most, "{seen:?}");
        assert_eq!(seen.adding, 1);
        refuse(ledger, &at(second, 0..0)).await;
    };
    check(&ledger).await;
    drop(ledger);
    let ledger = Ledger::open(directory.path()).unwrap();
    check(&ledger).await;
    // A bound above what is estimated changes nothing: who is estimated counts as more than any bound.
    let raised = bounded(date(2025, 12, 15), date(2026, 12, 15), 0..1, &[10_000_000]);
    assert_eq!(refuse(&ledger, &[raised]).await.before, 10_000_000);
    // The day after the last of them left the window everything is exact again.
    assert_eq!(refuse(&ledger, &at(date(2027, 2, 2), 0..1)).await, count(0, 1));
}

#[tokio::test]
async fn a_million_people_fit_and_a_closed_window_gives_its_space_back() {
    let directory = tempfile::tempdir().unwrap();
    let on_disk = || {
        use std::os::unix::fs::MetadataExt;
        fs::metadata(directory.path().join("ledger.redb")).unwrap().blocks() * 512
    };
    let ledger = Ledger::open(directory.path()).unwrap();
    let since = date(2024, 1, 1);
    for chunk in 0..20 {
        let people = chunk * 50_000..(chunk + 1) * 50_000;
        admit(&ledger, &[bounded(since, date(2024, 6, 1), people, &[1_000_000])]).await.unwrap();
    }
    admit(&ledger, &[bounded(since, date(2026, 1, 5), [1_000_000], &[1_000_000])]).await.unwrap();
    drop(ledger);
    // Opened in between so that the space of pages written over is given back.
    let ledger = Ledger::open(directory.path()).unwrap();
    assert_eq!(ledger.count(&key("plain"), since).await.unwrap(), 1_000_001);
    let full = on_disk();
    assert!(full <= 32 << 20, "{full} bytes");
    admit(&ledger, &[bounded(date(2026, 1, 1), TODAY, [1_000_001], &[1_000_000])]).await.unwrap();
    drop(ledger);
    let ledger = Ledger::open(directory.path()).unwrap();
    assert_eq!(ledger.count(&key("plain"), since).await.unwrap(), 2);
    let empty = on_disk();
    assert!(empty < 4 << 20, "{empty} bytes of {full} are left");
}

#[tokio::test]
async fn a_retry_counts_once_and_leaves_one_arrival() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(directory.path()).unwrap();
    for _ in 0..3 {
        admit(&ledger, &this_year([1, 2])).await.unwrap();
    }
    admit(&ledger, &[touch(NEW_YEAR, date(2026, 11, 25), [2, 3, 4, 5])]).await.unwrap();
    assert_eq!(ledger.arrivals(&key("plain")).await.unwrap(), [(TODAY, 2), (date(2026, 11, 25), 3)]);
    drop(ledger);
    let ledger = Ledger::open(directory.path()).unwrap();
    assert_eq!(ledger.arrivals(&key("plain")).await.unwrap(), [(TODAY, 2), (date(2026, 11, 25), 3)]);
}

#[tokio::test]
async fn people_of_the_past_count_on_their_own_day() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(directory.path()).unwrap();
    admit(&ledger, &this_year([1])).await.unwrap();
    let past = [(person(1), date(2025, 5, 1)), (person(2), date(2026, 2, 1)), (person(3), date(2025, 12, 31))];
    ledger.seed(&this_year([])[0], ledger.generation(), &past).await.unwrap();
    assert_eq!(peek(&ledger, &this_year([1, 2, 3])).await, [count(2, 1)]);
    let mut people = ledger.people(&key("plain")).await.unwrap();
    people.sort_unstable_by_key(|(_, day)| *day);
    assert_eq!(people, [(person(3), past[2].1), (person(2), past[1].1), (person(1), TODAY)]);
}

/// A ledger that a gateway of version 1 wrote: 300 people on 20 November 2026, 150 four days later, 50 of them the same,
/// and two of one importer.
fn version_1() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/ledger");
    let packed = fs::File::open(data.join("version-1.redb.gz")).unwrap();
    let mut file = fs::File::create(directory.path().join("ledger.redb")).unwrap();
    io::copy(&mut flate2::read::GzDecoder::new(packed), &mut file).unwrap();
    fs::copy(data.join("version-1.key"), directory.path().join("digest.key")).unwrap();
    fs::set_permissions(directory.path().join("digest.key"), fs::Permissions::from_mode(0o600)).unwrap();
    directory
}

#[tokio::test]
async fn a_ledger_of_version_1_is_brought_over_with_everybody_in_it() {
    let directory = version_1();
    for _ in 0..2 {
        let ledger = Ledger::open(directory.path()).unwrap();
        assert_eq!(peek(&ledger, &this_year([0, 399, 400])).await, [count(400, 1)]);
        assert_eq!(ledger.count(&key("plain"), TODAY).await.unwrap(), 150);
        assert_eq!(shown(&ledger).await.len(), 2);
    }
}

#[tokio::test]
async fn a_rotated_key_keeps_the_counts_and_a_key_of_another_ledger_is_refused() {
    let directory = version_1();
    for generation in 1..3 {
        rotate(directory.path(), &KeySource::State).unwrap();
        let ledger = Ledger::open(directory.path()).unwrap();
        assert_eq!(ledger.generation(), generation);
        assert_eq!(peek(&ledger, &this_year([0, 399, 400])).await, [count(400, 1)]);
        let people = ledger.people(&key("plain")).await.unwrap();
        assert!(people.iter().all(|(digest, _)| *digest != person(0)));
        assert_eq!(admit(&ledger, &this_year([0, 399])).await.unwrap(), count(400, 0));
        // Digests of detection, as an export made before the rotation has them.
        ledger.seed(&this_year([])[0], 0, &[(person(7), TODAY)]).await.unwrap();
        assert_eq!(ledger.count(&key("plain"), NEW_YEAR).await.unwrap(), 400);
    }
    fs::remove_file(directory.path().join("digest.key")).unwrap();
    let error = Ledger::open(directory.path()).unwrap_err();
    assert!(matches!(error, LedgerError::Key { .. }), "{error}");

    let repaired = repair(directory.path(), &KeySource::State).unwrap();
    assert!(repaired.other_key && !repaired.doubtful, "{repaired:?}");
    let ledger = Ledger::open(directory.path()).unwrap();
    assert_eq!(peek(&ledger, &this_year([0])).await, [count(400, 1)]);
}

#[tokio::test]
async fn a_repair_leaves_a_sound_ledger_alone() {
    let directory = version_1();
    let before = fs::read(directory.path().join("ledger.redb")).unwrap();
    let repaired = repair(directory.path(), &KeySource::State).unwrap();
    assert_eq!((repaired.kept, repaired.doubtful, repaired.other_key), (None, false, false));
    assert_eq!(repaired.counters.iter().map(|salvage| salvage.read).sum::<u64>(), 402);
    assert_eq!(fs::read(directory.path().join("ledger.redb")).unwrap(), before);
    let running = Ledger::open(directory.path()).unwrap();
    assert!(matches!(repair(directory.path(), &KeySource::State), Err(LedgerError::Locked(_))));
    drop(running);
}

#[tokio::test]
async fn a_repair_counts_nobody_less_and_keeps_the_damaged_file() {
    let directory = tempfile::tempdir().unwrap();
    filled(directory.path()).await;
    let path = directory.path().join("ledger.redb");
    let whole = fs::read(&path).unwrap();
    let mut repaired = 0;
    // One page at a time, through the whole file.
    for page in 0..whole.len() / 4096 {
        let mut damaged = whole.clone();
        damaged[page * 4096..(page + 1) * 4096].iter_mut().for_each(|byte| *byte ^= 0x5a);
        fs::write(&path, &damaged).unwrap();
        if Ledger::open(directory.path()).is_ok() {
            continue;
        }
        fs::write(&path, &damaged).unwrap();
        let Ok(repair) = repair(directory.path(), &KeySource::State) else {
            assert_eq!(fs::read(&path).unwrap(), damaged, "page {page}: a file that cannot be repaired stays");
            continue;
        };
        repaired += 1;
        assert_eq!(fs::read(repair.kept.unwrap()).unwrap(), damaged);
        let ledger = Ledger::open(directory.path()).unwrap();
        let after = refuse(&ledger, &[bounded(NEW_YEAR, TODAY, 0..1, &[10_000])]).await.before;
        let lost = repair.counters.iter().any(|salvage| salvage.lost != Some(0));
        assert!(after >= 2_000, "page {page}: {after} people are left of 2,000, {:?}", repair.counters);
        assert!(lost || repair.doubtful, "page {page}: {:?}", repair.counters);
    }
    assert!(repaired > 5, "only {repaired} pages could be repaired");
}
