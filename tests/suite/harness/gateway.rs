//! The built binary, running.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use serde_json::Value;

use super::clients::{self, Output};
use super::{Raw, Reply, Setup, admin, clock, eventually};

/// Pieces of every invented person. No log line may hold one.
const TRACES_OF_PEOPLE: [&str; 6] =
    ["tidegate-invented", "欧阳", "%E6%AC%A7%E9%98%B3", "62170000000", "110101190", "110101191"];

/// A running gateway. It is killed when the value goes, and stopped properly by [`Gateway::stop`].
#[derive(Debug)]
pub struct Gateway {
    /// What it was started with.
    pub setup: Setup,
    child: Child,
    log: Arc<Mutex<Vec<u8>>>,
    readers: Vec<JoinHandle<()>>,
}

impl Gateway {
    #[track_caller]
    pub(super) fn start(setup: Setup) -> Gateway {
        Gateway::start_until(setup, "/-/ready")
    }

    /// Starts the gateway and waits until the admin door answers 200 to this path.
    #[track_caller]
    pub(super) fn start_until(setup: Setup, path: &str) -> Gateway {
        let mut gateway = Gateway::spawn(setup);
        let admin = gateway.setup.admin;
        eventually("the gateway is up", || {
            if let Some(status) = gateway.child.try_wait().unwrap() {
                panic!("the gateway did not start: {status}\n{}", gateway.log());
            }
            admin::get(admin, path).is_some_and(|reply| reply.status == 200)
        });
        gateway
    }

    /// Starts the process without waiting for it.
    pub fn spawn(setup: Setup) -> Gateway {
        let config = setup.write();
        let mut command = match setup.file_size_limit() {
            None => Command::new(env!("CARGO_BIN_EXE_tidegate")),
            Some(bytes) => limited(bytes),
        };
        command
            .args(["serve", "--config"])
            .arg(&config)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("TIDEGATE_LOG", setup.log_level())
            .envs(setup.variables().iter().map(|(name, value)| (name, value)))
            .current_dir(setup.directory())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if setup.has_clock() {
            clock::give(&mut command, setup.directory());
        }
        let mut child = command.spawn().unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let readers = vec![
            collect(child.stdout.take().unwrap(), Arc::clone(&log)),
            collect(child.stderr.take().unwrap(), Arc::clone(&log)),
        ];
        Gateway { setup, child, log, readers }
    }

    /// Moves the clock it sees to a moment, from which it runs on.
    pub fn set_clock(&self, moment: &str) {
        clock::set(self.setup.directory(), moment);
    }

    /// Everything it has written so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&self.log.lock().unwrap()).into_owned()
    }

    /// curl through the explicit proxy, trusting the gateway's CA.
    #[track_caller]
    pub fn curl(&self, arguments: &[&str]) -> Reply {
        self.try_curl(arguments).unwrap_or_else(|output| panic!("{output:?}\n{}", self.log_tail()))
    }

    /// The same, where curl may fail.
    pub fn try_curl(&self, arguments: &[&str]) -> Result<Reply, Output> {
        let proxy = format!("http://127.0.0.1:{}", self.setup.port);
        let ca = self.ca().display().to_string();
        let mut all = vec!["-x", &proxy, "--cacert", &ca];
        all.extend(arguments);
        clients::curl(self.setup.directory(), &all)
    }

    /// POSTs JSON to a URL through the proxy.
    #[track_caller]
    pub fn post(&self, url: &str, body: &str) -> Reply {
        self.curl(&["-H", "content-type: application/json", "--data-binary", body, url])
    }

    /// curl without the proxy.
    #[track_caller]
    pub fn direct_curl(&self, arguments: &[&str]) -> Reply {
        clients::curl(self.setup.directory(), arguments).unwrap_or_else(|output| panic!("{output:?}"))
    }

    /// Runs a script of `tests/suite/scripts` with the system's Python: its first arguments are the port of the proxy
    /// and the file of the CA.
    pub fn python(&self, script: &str, arguments: &[&str]) -> Output {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/scripts").join(script);
        let (file, port) = (file.display().to_string(), self.setup.port.to_string());
        let ca = self.ca().display().to_string();
        let mut all = vec![file.as_str(), &port, &ca];
        all.extend(arguments);
        clients::run("/usr/bin/python3", &all, self.setup.directory(), b"")
    }

    /// A connection to the proxy.
    pub fn raw(&self) -> Raw {
        Raw::connect(self.setup.port)
    }

    /// The CA that interception signs with.
    pub fn ca(&self) -> PathBuf {
        self.setup.state().join("ca.pem")
    }

    /// GET on the admin door.
    #[track_caller]
    pub fn admin(&self, path: &str) -> Reply {
        admin::get(self.setup.admin, path).expect("an answer of the admin door")
    }

    /// POST on the admin door.
    #[track_caller]
    pub fn admin_post(&self, path: &str, body: &str) -> Reply {
        admin::post(self.setup.admin, path, body).expect("an answer of the admin door")
    }

    /// The samples of `/metrics`.
    #[track_caller]
    pub fn metrics(&self) -> Vec<admin::Sample> {
        admin::samples(&self.admin("/metrics").text())
    }

    /// The sum of the samples of a metric that carry these labels.
    #[track_caller]
    pub fn metric(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let samples = self.metrics();
        let fits = |sample: &&admin::Sample| {
            sample.name == name && labels.iter().all(|(label, value)| sample.label(label) == Some(*value))
        };
        samples.iter().filter(fits).map(|sample| sample.value).sum()
    }

    /// The audit records, oldest first.
    pub fn records(&self) -> Vec<Value> {
        let directory = self.setup.state().join("audit");
        let mut files: Vec<PathBuf> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        let lines = files.iter().filter(|file| file.extension().is_some_and(|end| end == "jsonl"));
        lines
            .flat_map(|file| {
                let text = fs::read_to_string(file).unwrap();
                text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect::<Vec<Value>>()
            })
            .filter(|record| record.get("action").is_some())
            .collect()
    }

    /// The newest audit record.
    #[track_caller]
    pub fn last_record(&self) -> Value {
        self.records().pop().expect("an audit record")
    }

    /// A line of `/proc/PID/status`, in KiB.
    pub fn memory_kib(&self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Files it has open that have no name any more, with their paths under `/proc`.
    pub fn unlinked_files(&self) -> Vec<PathBuf> {
        let directory = format!("/proc/{}/fd", self.child.id());
        let links = fs::read_dir(directory).unwrap().flatten().map(|entry| entry.path());
        let state = self.setup.directory().display().to_string();
        links
            .filter(|link| {
                let target = fs::read_link(link).unwrap_or_default().display().to_string();
                target.starts_with(&state) && target.ends_with(" (deleted)")
            })
            .collect()
    }

    /// Sends a signal.
    pub fn signal(&self, name: &str) {
        let command = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &command]).status().unwrap().success());
    }

    /// Waits for its end and reads its log to the end.
    pub fn wait(mut self) -> (ExitStatus, String) {
        let mut status = None;
        eventually("the gateway ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        (status.unwrap(), self.log())
    }

    /// Stops it by SIGTERM: it ends with 0, and its log holds nothing of anybody.
    #[track_caller]
    pub fn stop(self) -> String {
        self.signal("TERM");
        let (status, log) = self.wait();
        assert_eq!(status.code(), Some(0), "{}", tail(&log));
        for trace in TRACES_OF_PEOPLE {
            let leak = log.lines().find(|line| line.contains(trace));
            assert_eq!(leak, None, "the log holds what a message carried ({trace})");
        }
        log
    }

    /// Kills it as a power cut would; its setup can start again.
    pub fn kill(mut self) -> Setup {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.setup.clone()
    }

    fn log_tail(&self) -> String {
        tail(&self.log())
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("--- the end of the gateway's log ---\n{}", self.log_tail());
        }
    }
}

/// The binary under a limit on file sizes. The signal that goes with the limit is ignored, so that a write fails as it
/// does on a full disk.
fn limited(bytes: u64) -> Command {
    let mut command = Command::new("bash");
    // In bash the unit is 1,024 bytes.
    let script = format!("trap '' XFSZ; ulimit -f {}; exec \"$0\" \"$@\"", bytes / 1024);
    command.args(["-c", &script, env!("CARGO_BIN_EXE_tidegate")]);
    command
}

fn collect(mut from: impl Read + Send + 'static, log: Arc<Mutex<Vec<u8>>>) -> JoinHandle<()> {
    thread::spawn(move || {
        let mut buffer = [0; 16 << 10];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            log.lock().unwrap().extend_from_slice(&buffer[..read]);
        }
    })
}

fn tail(log: &str) -> String {
    let quiet = log.lines().filter(|line| !line.contains("TRACE"));
    let lines: Vec<&str> = quiet.collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}
