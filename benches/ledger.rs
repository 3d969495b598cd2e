//! What a reservation costs: the file of one gateway, and Redis over loopback. Run by hand on a quiet machine:
//! `cargo bench --bench ledger [SECONDS]`. Prints a table for `benches/record`.
//!
//! Two loads for each store: as much as 64 tasks can ask for, and a thousand transfers a second that do not wait for each
//! other. Every second transfer has a person nobody has counted yet, the others one who is known. Redis writes every
//! command to its disk before it answers, as the documentation asks for.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a bench fails by panicking")]

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jiff::civil::date;
use tidegate::ledger::{Address, Choice, FleetSettings, KeySource, Ledger, Reach, Settings};
use tidegate::transfer::{CounterKey, DigestKey, Touch};

const TASKS: u64 = 64;

fn main() {
    // `cargo bench` and `cargo test` add flags of their own.
    let seconds = std::env::args().skip(1).find_map(|argument| argument.parse().ok());
    let Some(seconds) = seconds.map(Duration::from_secs) else {
        println!("usage: cargo bench --bench ledger SECONDS");
        return;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        println!("| store | load | reserves/s | median | p99 |\n|---|---|---|---|---|");
        let directory = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(directory.path()).unwrap();
        measure("file", &ledger, seconds).await;
        let directory = tempfile::tempdir().unwrap();
        for (name, syncs) in [("Redis, appendfsync always", "always"), ("Redis, appendfsync everysec", "everysec")] {
            let home = tempfile::tempdir().unwrap();
            let mut redis = Redis::start(home.path(), syncs);
            let ledger = redis.ledger(directory.path()).await;
            measure(name, &ledger, seconds).await;
            drop(ledger);
            std::fs::remove_file(directory.path().join("ledger.fleet")).unwrap();
            println!("{name}: {} bytes for {} people", redis.command("info memory", "used_memory:"), redis.people());
            redis.child.kill().unwrap();
            redis.child.wait().unwrap();
        }
    });
}

async fn measure(store: &str, ledger: &Ledger, length: Duration) {
    let next = Arc::new(AtomicU64::new(0));
    let started = Instant::now();
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let (ledger, next) = (ledger.clone(), Arc::clone(&next));
            tokio::spawn(async move {
                let mut times = Vec::new();
                while started.elapsed() < length {
                    times.push(reserve(&ledger, next.fetch_add(1, Ordering::Relaxed)).await);
                }
                times
            })
        })
        .collect();
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await.unwrap());
    }
    row(store, "64 at a time", times, started.elapsed());

    let started = Instant::now();
    let mut tick = tokio::time::interval(Duration::from_millis(1));
    let mut tasks = Vec::new();
    while started.elapsed() < length {
        tick.tick().await;
        let (ledger, number) = (ledger.clone(), next.fetch_add(1, Ordering::Relaxed));
        tasks.push(tokio::spawn(async move { reserve(&ledger, number).await }));
    }
    let mut times = Vec::new();
    for task in tasks {
        times.push(task.await.unwrap());
    }
    row(store, "1,000 a second", times, started.elapsed());
}

async fn reserve(ledger: &Ledger, number: u64) -> Duration {
    let key = CounterKey { pack: "cn".into(), counter: "plain".into(), party: None };
    let person = if number.is_multiple_of(2) { number } else { number / 2 };
    let people = vec![DigestKey::new(&[7; 32]).digest("person", &person.to_le_bytes())];
    let (since, day) = (date(2026, 1, 1), date(2026, 11, 24));
    let bounds = [99_999, 100_000, 999_999, 1_000_000].into();
    let touches = [Touch { key, since, day, people, bounds }];
    let started = Instant::now();
    ledger.decide(&touches, |counts| ((), counts[0].after() < 10_000_000)).await.unwrap();
    started.elapsed()
}

fn row(store: &str, load: &str, mut times: Vec<Duration>, took: Duration) {
    times.sort_unstable();
    let at = |share: usize| times[times.len() * share / 100].as_secs_f64() * 1e3;
    let rate = times.len() as f64 / took.as_secs_f64();
    println!("| {store} | {load} | {rate:.0} | {:.2} ms | {:.2} ms |", at(50), at(99));
}

struct Redis {
    child: Child,
    port: u16,
}

impl Redis {
    fn start(home: &Path, syncs: &str) -> Redis {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new("redis-server")
            .args(["--save", "", "--appendonly", "yes", "--appendfsync", syncs, "--port", &port.to_string()])
            .current_dir(home)
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is installed");
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            std::thread::sleep(Duration::from_millis(10));
        }
        Redis { child, port }
    }

    async fn ledger(&self, directory: &Path) -> Ledger {
        let reach = Reach {
            address: Address::parse(&format!("redis://127.0.0.1:{}", self.port)).unwrap(),
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(5),
            ca_certificate: None,
            certificate: None,
        };
        let fleet = FleetSettings { reach, prefix: "bench".to_owned(), replicas: 0, spool: 1 << 20 };
        let settings = Settings { store: Choice::Fleet(Box::new(fleet)), key: KeySource::State };
        Ledger::start(&settings, directory).await.unwrap()
    }

    fn people(&mut self) -> String {
        self.command("zcard {bench}:people:cn/plain", "")
    }

    fn command(&mut self, command: &str, line: &str) -> String {
        let port = self.port.to_string();
        let output = Command::new("redis-cli").args(["-p", &port]).args(command.split(' ')).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines().find_map(|found| found.strip_prefix(line)).unwrap_or_default().trim().to_owned()
    }
}
