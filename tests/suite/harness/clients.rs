//! Clients as people use them, each in an environment that holds nothing but what the test gives: many machines preset
//! CA variables, and a client that reads one would trust what the test did not mean.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::Reply;

/// How a command ended.
#[derive(Debug, Clone)]
pub struct Output {
    /// Exit code, -1 after a signal.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Output {
    /// Its standard output, after a success.
    #[track_caller]
    pub fn success(self) -> String {
        assert_eq!(self.code, 0, "{}\n{}", self.stdout, self.stderr);
        self.stdout
    }
}

/// Runs a program in a clean environment.
pub fn run(program: impl AsRef<Path>, arguments: &[&str], directory: &Path, input: &[u8]) -> Output {
    use std::io::Write;
    let mut child = Command::new(program.as_ref())
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("HOME", directory)
        .env("LANG", "C.UTF-8")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .current_dir(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| {
            panic!("{}: {error} (tests/run installs what is needed)", program.as_ref().display())
        });
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let feeder = std::thread::spawn(move || {
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap();
    Output {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Runs `tidegate` with arguments.
pub fn tidegate(arguments: &[&str], directory: &Path, input: &[u8]) -> Output {
    run(env!("CARGO_BIN_EXE_tidegate"), arguments, directory, input)
}

/// Runs curl; the reply, or its exit code.
pub(super) fn curl(directory: &Path, arguments: &[&str]) -> Result<Reply, Output> {
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    let run_number = RUNS.fetch_add(1, Ordering::Relaxed);
    let head = directory.join(format!("curl-{run_number}.head"));
    let body = directory.join(format!("curl-{run_number}.body"));
    let (head_name, body_name) = (head.display().to_string(), body.display().to_string());
    let mut all = vec!["-sS", "--suppress-connect-headers", "-D", &head_name, "-o", &body_name, "-m", "120"];
    all.extend(["-w", "%{http_version} %{http_connect}"]);
    all.extend(arguments);
    let output = run("/usr/bin/curl", &all, directory, b"");
    let mut reply = last_head(&std::fs::read_to_string(&head).unwrap_or_default());
    reply.body = std::fs::read(&body).unwrap_or_default();
    let _ = (std::fs::remove_file(head), std::fs::remove_file(body));
    let mut words = output.stdout.split_whitespace();
    reply.version = words.next().unwrap_or_default().to_owned();
    reply.connect = words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
    let tunnel_refused = output.code == 56 && reply.connect >= 300;
    if output.code == 0 || tunnel_refused { Ok(reply) } else { Err(output) }
}

/// Asserts that curl failed with one of these codes.
#[track_caller]
pub fn curl_failure(result: Result<Reply, Output>, codes: &[i32]) {
    match result {
        Ok(reply) => panic!("curl got an answer: {reply:?} {}", reply.text()),
        Err(output) => assert!(codes.contains(&output.code), "{output:?}"),
    }
}

/// The last block of header lines: before it may stand interim responses.
fn last_head(text: &str) -> Reply {
    let mut reply = Reply::default();
    for line in text.lines() {
        if line.starts_with("HTTP/") {
            let status = line.split_whitespace().nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
            reply = Reply { status, ..Reply::default() };
        } else if let Some((name, value)) = line.split_once(':') {
            reply.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
    reply
}
