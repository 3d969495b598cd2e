//! Against a real server on a loopback port of its own: exact at bounds, sealed against other keys, and never from nothing.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::time::Duration;

use jiff::civil::date;
use tempfile::TempDir;

use super::*;
use crate::ledger::{Choice, FleetSettings, KeySource, Ledger, Settings as LedgerSettings, most, rotate};
use crate::transfer::DigestKey;

const TODAY: Date = date(2026, 11, 24);
const NEW_YEAR: Date = date(2026, 1, 1);

/// A server without a disk; it ends with the value.
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start() -> Server {
        // Below the range of outgoing connections: a port of that range may be taken before the server has it.
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let start = (std::process::id() % 100) as u16 * 20;
        let ports = std::iter::repeat_with(|| 9_800 + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % 2_000);
        Server::on(ports.into_iter().find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap())
    }

    fn on(port: u16) -> Server {
        let settings = ["--save", "", "--appendonly", "no", "--bind", "127.0.0.1", "--port"];
        let child = Command::new("redis-server")
            .args(settings)
            .arg(port.to_string())
            .current_dir("/tmp")
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is installed (tests/run installs it)");
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            std::thread::sleep(Duration::from_millis(10));
        }
        Server { child, port }
    }

    fn command(&self, command: &[&str]) -> String {
        let port = self.port.to_string();
        let output = Command::new("redis-cli").args(["-p", &port]).args(command).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A machine with a gateway: its state directory has the key of the fleet.
fn machine(like: Option<&TempDir>) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    if let Some(like) = like {
        fs::copy(like.path().join("digest.key"), directory.path().join("digest.key")).unwrap();
    }
    directory
}

async fn try_open(port: u16, machine: &TempDir) -> Result<Ledger, LedgerError> {
    let reach = Reach {
        address: Address::parse(&format!("redis://127.0.0.1:{port}")).unwrap(),
        connect_timeout: Duration::from_secs(5),
        timeout: Duration::from_secs(20),
        ca_certificate: None,
        certificate: None,
    };
    let fleet = FleetSettings { reach, prefix: "test".to_owned(), replicas: 0, spool: 1 << 20 };
    let settings = LedgerSettings { store: Choice::Fleet(Box::new(fleet)), key: KeySource::State };
    // A ledger that was dropped has its directory until it has looked at the store for the last time.
    for _ in 0..200 {
        match Ledger::start(&settings, machine.path()).await {
            Err(LedgerError::Locked(_)) => tokio::time::sleep(Duration::from_millis(25)).await,
            opened => return opened,
        }
    }
    Err(LedgerError::Locked(machine.path().to_owned()))
}

async fn open(server: &Server, machine: &TempDir) -> Ledger {
    try_open(server.port, machine).await.unwrap()
}

fn people(range: std::ops::Range<u64>) -> Vec<Digest> {
    let key = DigestKey::new(&[7; 32]);
    range.map(|person| key.digest("person", &person.to_le_bytes())).collect()
}

fn key(counter: &str) -> CounterKey {
    CounterKey { pack: "cn".into(), counter: counter.into(), party: None }
}

fn touch(since: Date, day: Date, range: std::ops::Range<u64>, bounds: &[u64]) -> Vec<Touch> {
    vec![Touch { key: key("plain"), since, day, people: people(range), bounds: bounds.into() }]
}

fn this_year(range: std::ops::Range<u64>) -> Vec<Touch> {
    touch(NEW_YEAR, TODAY, range, &[9_999, 10_000])
}

async fn admit(ledger: &Ledger, touches: &[Touch]) -> Count {
    ledger.decide(touches, |counts| (counts[0], true)).await.unwrap()
}

async fn peek(ledger: &Ledger, touches: &[Touch]) -> Count {
    ledger.peek(touches).await.unwrap()[0]
}

fn count(before: u64, adding: u64) -> Count {
    Count { before, adding }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_race_of_three_gateways_crosses_a_bound_and_nobody_who_fits_is_refused() {
    let server = Server::start();
    let first = machine(None);
    let mut ledgers = vec![open(&server, &first).await];
    let others = [machine(Some(&first)), machine(Some(&first))];
    for other in &others {
        ledgers.push(open(&server, other).await);
    }
    let admitted = Arc::new(AtomicU64::new(0));
    let tasks: Vec<_> = (0..48u64)
        .map(|task| {
            let (ledger, admitted) = (ledgers[task as usize % 3].clone(), Arc::clone(&admitted));
            tokio::spawn(async move {
                for number in 0..30 {
                    let at = (task * 30 + number) * 10;
                    let below = |counts: &[Count]| counts[0].after() < 10_000;
                    // Ten at a time up to where they no longer fit, then one by one.
                    let ten = this_year(at..at + 10);
                    let mut seen =
                        10 * u64::from(ledger.decide(&ten, |counts| (below(counts), below(counts))).await.unwrap());
                    for one in (at..at + 10).take(if seen == 0 { 10 } else { 0 }) {
                        let one = this_year(one..one + 1);
                        seen +=
                            u64::from(ledger.decide(&one, |counts| (below(counts), below(counts))).await.unwrap());
                    }
                    admitted.fetch_add(seen, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(admitted.load(Ordering::Relaxed), 9_999);
    let totals = ledgers[1].totals().await.unwrap();
    assert_eq!(totals, [Total { key: key("plain"), since: NEW_YEAR, people: 9_999, error: None }]);
}

#[tokio::test]
async fn counters_of_one_transfer_are_judged_and_changed_together() {
    let server = Server::start();
    let first = machine(None);
    let ledger = open(&server, &first).await;
    let both = |range: std::ops::Range<u64>| {
        let plain = this_year(range).remove(0);
        let other = Touch {
            key: CounterKey { party: Some("a.example".into()), ..key("other") },
            bounds: [4, 5].into(),
            ..plain.clone()
        };
        let asked = Touch { key: key("asked"), people: Vec::new(), ..plain.clone() };
        vec![plain, other, asked]
    };
    let few = |counts: &[Count]| (counts.to_vec(), counts[1].after() < 5);
    let seen = ledger.decide(&both(0..4), few).await.unwrap();
    assert_eq!(seen, [count(0, 4), count(0, 4), count(0, 0)]);
    // Another gateway that has seen nothing yet takes the counts for 0, is told better, and lets nobody through.
    let second = machine(Some(&first));
    let other = open(&server, &second).await;
    let mut asked = 0;
    let judge = |counts: &[Count]| {
        asked += 1;
        few(counts)
    };
    let seen = other.decide(&both(4..6), judge).await.unwrap();
    assert_eq!(seen, [count(4, 2), count(4, 2), count(0, 0)]);
    assert_eq!(asked, 2);
    assert_eq!(peek(&other, &this_year(0..6)).await, count(4, 2));
    // A retry adds nobody, whoever asks.
    for ledger in [&ledger, &other, &ledger] {
        assert_eq!(ledger.decide(&both(0..4), few).await.unwrap()[1], count(4, 0));
    }
    let names: Vec<String> = ledger.totals().await.unwrap().iter().map(|total| name(&total.key)).collect();
    assert_eq!(names, ["cn/other/a.example", "cn/plain"]);
    assert_eq!(ledger.arrivals(&key("plain")).await.unwrap(), [(TODAY, 4)]);
}

#[tokio::test]
async fn windows_follow_the_last_day_and_a_clock_set_back_lowers_nothing() {
    let server = Server::start();
    let first = machine(None);
    let ledger = open(&server, &first).await;
    let (old, new) = (date(2025, 12, 31), NEW_YEAR);
    let last_year = date(2025, 1, 1);
    admit(&ledger, &touch(last_year, old, 0..2, &[])).await;
    assert_eq!(admit(&ledger, &touch(new, new, 1..2, &[])).await, count(0, 1));
    assert_eq!(admit(&ledger, &touch(last_year, old, 1..3, &[])).await, count(2, 1));
    assert_eq!(peek(&ledger, &touch(new, new, 1..3, &[])).await, count(2, 0));
    let mut rows = ledger.people(&key("plain")).await.unwrap();
    rows.sort_by_key(|(_, day)| *day);
    assert_eq!(rows.iter().map(|(_, day)| *day).collect::<Vec<_>>(), [old, new, new]);
    ledger
        .seed(
            &touch(new, new, 0..0, &[])[0],
            0,
            &[(people(9..10)[0], date(2026, 3, 1)), (people(0..1)[0], last_year)],
        )
        .await
        .unwrap();
    assert_eq!(ledger.count(&key("plain"), new).await.unwrap(), 3);
    assert_eq!(ledger.by_last_day(&key("plain")).await.unwrap(), [(old, 1), (new, 2), (date(2026, 3, 1), 1)]);
    assert_eq!(ledger.count(&key("plain"), last_year).await.unwrap(), 4);
}

#[tokio::test]
async fn above_every_bound_people_are_estimated_and_the_counter_stays_above() {
    let server = Server::start();
    let first = machine(None);
    let ledger = open(&server, &first).await;
    let year = |day: Date| day.checked_sub(jiff::Span::new().months(12)).unwrap();
    let at = |day: Date, range| touch(year(day), day, range, &[9, 10]);
    let most = most(&at(TODAY, 0..0)[0]);
    admit(&ledger, &at(date(2025, 12, 1), 0..most)).await;
    admit(&ledger, &at(date(2026, 2, 1), most..2 * most)).await;
    // A gateway that does not know about the sketches yet.
    let second = machine(Some(&first));
    let other = open(&server, &second).await;
    for ledger in [&ledger, &other] {
        let seen = peek(ledger, &at(date(2026, 2, 1), 0..1)).await;
        let share = seen.before as f64 / (2 * most) as f64;
        assert!(share > 1.0 && share < 1.04, "{share}");
        assert!(peek(ledger, &at(date(2026, 12, 15), 0..1)).await.before >= most);
        assert_eq!(peek(ledger, &at(date(2027, 2, 2), 0..1)).await, count(0, 1));
    }
    let total = other.totals().await.unwrap().remove(0);
    assert_eq!(total.error, Some(sketch::ERROR));
    assert!(total.people > 2 * most && total.people < 2 * most + most / 10, "{total:?}");
}

#[tokio::test]
async fn a_gateway_that_starts_takes_out_people_of_closed_windows() {
    let server = Server::start();
    let first = machine(None);
    let ledger = open(&server, &first).await;
    admit(&ledger, &touch(date(2023, 5, 1), date(2024, 5, 1), 0..2_500, &[])).await;
    admit(&ledger, &touch(date(2024, 10, 1), date(2025, 10, 1), 2_500..2_510, &[])).await;
    let gone = Touch { key: key("gone"), ..touch(date(2023, 5, 1), date(2024, 5, 1), 0..3, &[]).remove(0) };
    ledger.seed(&gone, 0, &[(people(0..1)[0], date(2022, 1, 1))]).await.unwrap();
    drop(ledger);
    let ledger = open(&server, &first).await;
    for _ in 0..400 {
        if server.command(&["zcard", "{test}:people:cn/plain"]) == "10" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    assert_eq!(ledger.people(&key("plain")).await.unwrap().len(), 10);
    assert_eq!(ledger.arrivals(&key("plain")).await.unwrap(), [(date(2025, 10, 1), 10)]);
}

#[tokio::test]
async fn a_rotation_carries_everybody_over_while_gateways_count() {
    let server = Server::start();
    let first = machine(None);
    let before = open(&server, &first).await;
    admit(&before, &this_year(0..2_500)).await;
    rotate(first.path(), &KeySource::State).unwrap();
    let second = machine(Some(&first));
    let after = open(&server, &second).await;
    // The new key is there and not yet used: both gateways see the same people.
    assert_eq!((after.generation(), peek(&after, &this_year(2_400..2_600)).await), (0, count(2_500, 100)));
    after.advance().await.unwrap();
    assert_eq!((after.generation(), peek(&after, &this_year(2_400..2_600)).await), (1, count(2_500, 100)));
    assert_eq!(admit(&after, &this_year(2_400..2_600)).await, count(2_500, 100));
    // The gateway that was not given the new key counts nobody any more, and does not start again.
    let refused = before.decide(&this_year(0..1), |counts| (counts[0], true)).await.unwrap_err();
    assert!(matches!(refused, LedgerError::Key { .. }), "{refused}");

    // In the middle of a rotation people are found under either digest.
    server.command(&["hset", "{test}:meta", "from", "0"]);
    let (old, new) = (people(3_000..3_001)[0], people(0..1)[0]);
    let member = |digest, generation| {
        script::member(digest, generation).iter().map(|byte| format!("\\x{byte:02x}")).collect::<String>()
    };
    let add =
        format!("printf 'zadd {{test}}:people:cn/plain 9824 \"{}\"' | redis-cli -p {}", member(old, 0), server.port);
    assert!(Command::new("sh").args(["-c", &add]).stdout(Stdio::null()).status().unwrap().success());
    drop(after);
    let third = open(&server, &second).await;
    let both = vec![Touch { people: vec![old, new], ..this_year(0..0).remove(0) }];
    for _ in 0..2 {
        assert_eq!(third.decide(&both, |counts| (counts[0], true)).await.unwrap(), count(2_601, 0));
    }
    third.advance().await.unwrap();
    assert_eq!(server.command(&["hget", "{test}:meta", "from"]), "");
    assert_eq!(peek(&third, &both).await, count(2_601, 0));
}

#[tokio::test]
async fn another_key_another_ledger_and_an_empty_store_are_refused() {
    let server = Server::start();
    let first = machine(None);
    let ledger = open(&server, &first).await;
    admit(&ledger, &this_year(0..5)).await;
    let stranger = try_open(server.port, &machine(None)).await.unwrap_err();
    assert!(matches!(stranger, LedgerError::Key { .. }), "{stranger}");

    let secret = fs::read(first.path().join("digest.key")).unwrap();
    let stored = server.command(&["hgetall", "{test}:meta"]);
    assert!(!stored.contains(&hex(&secret)), "the key is in the store");

    server.command(&["flushall"]);
    let judged = ledger.decide(&this_year(0..1), |counts| (counts[0], true)).await.unwrap_err();
    assert!(matches!(judged, LedgerError::Forgotten(_)), "{judged}");
    assert!(ledger.failure().is_some());
    drop(ledger);
    let started = try_open(server.port, &first).await.unwrap_err();
    assert!(started.to_string().contains("ledger.fleet"), "{started}");
    server.command(&["config", "set", "maxmemory-policy", "allkeys-lru"]);
    let refused = try_open(server.port, &machine(None)).await.unwrap_err();
    assert!(refused.to_string().contains("noeviction"), "{refused}");
}

#[tokio::test]
async fn a_store_that_is_gone_is_told_and_gets_who_was_kept_when_it_is_back() {
    let mut server = Server::start();
    let (first, port) = (machine(None), server.port);
    let ledger = open(&server, &first).await;
    admit(&ledger, &this_year(0..5)).await;
    // It comes back with what it had: a server with a disk, in short.
    let meta = server.command(&["hgetall", "{test}:meta"]);
    let meta: Vec<&str> = meta.lines().collect();
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    let gone = ledger.decide(&this_year(5..6), |counts| (counts[0], true)).await.unwrap_err();
    assert!(gone.is_outage(), "{gone}");
    assert_eq!(ledger.last_seen(&this_year(5..6)), [count(5, 1)]);
    ledger.keep(&this_year(5..8)).await.unwrap();
    assert_eq!(ledger.last_seen(&this_year(7..10)), [count(8, 2)]);
    drop(ledger);
    // What was kept survives a restart; the store is still not there.
    let ledger = try_open(port, &first).await.unwrap();
    assert_eq!(ledger.last_seen(&this_year(7..10)), [count(3, 2)]);
    assert!(ledger.peek(&this_year(5..6)).await.unwrap_err().is_outage());

    let server = Server::on(port);
    server.command(&[&["hset", "{test}:meta"], &meta[..]].concat());
    let back = async || loop {
        match ledger.decide(&this_year(5..6), |counts| (counts[0], true)).await {
            Ok(seen) => return seen,
            Err(error) => assert!(error.is_outage(), "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(back().await, count(3, 0));
    assert!(!first.path().join("ledger.spool").exists());
}
