//! The configuration of a gateway under test, and the directory it lives in.
//!
//! Every setup knows five recipients on loopback, declared to be in five countries, so that a test names a country by
//! naming a host: `api.us.example`, `api.sg.example`, `api.cn.example`, `api.de.example`, `api.ru.example`.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;

use super::{Gateway, Root, clock, free_port};

const PLACES: [&str; 5] = ["US", "SG", "CN", "DE", "RU"];

/// What a gateway is started with. Cloning keeps the directory: a second start finds the first one's state.
#[derive(Debug, Clone)]
pub struct Setup {
    directory: Arc<TempDir>,
    /// Port of the forward listener.
    pub port: u16,
    /// Port of the admin listener.
    pub admin: u16,
    admin_host: &'static str,
    door: String,
    exporter: String,
    packs: String,
    listener: String,
    upstream: String,
    limits: String,
    top: String,
    tables: String,
    names: String,
    log: String,
    file_limit: Option<u64>,
    clock: bool,
    variables: Vec<(String, String)>,
}

impl Setup {
    /// An organisation in China under the packs `cn` and `organisation`.
    pub fn new() -> Setup {
        let names = PLACES.map(|place| format!("\"api.{}.example\" = [\"127.0.0.1\"]\n", place.to_lowercase()));
        let importers = PLACES.map(|place| {
            format!("[[importer]]\nhost = [\"*.{}.example\"]\ncountry = \"{place}\"\n", place.to_lowercase())
        });
        Setup {
            directory: Arc::new(tempfile::tempdir().unwrap()),
            port: free_port(),
            admin: free_port(),
            admin_host: "127.0.0.1",
            door: String::new(),
            exporter: "name = \"Example Ltd\"\ncountry = \"CN\"\n".to_owned(),
            packs: "enabled = [\"cn\", \"organisation\"]\n".to_owned(),
            listener: String::new(),
            upstream: "allow_private = [\"127.0.0.1/32\"]\n".to_owned(),
            limits: String::new(),
            top: String::new(),
            tables: importers.concat(),
            names: names.concat(),
            log: "trace".to_owned(),
            file_limit: None,
            clock: false,
            variables: Vec::new(),
        }
    }

    /// Its directory.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// A file in its directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory().join(name)
    }

    /// The state directory.
    pub fn state(&self) -> PathBuf {
        self.path("state")
    }

    /// Replaces the lines of `[exporter]`.
    pub fn exporter(mut self, lines: &str) -> Setup {
        self.exporter = lines.to_owned();
        self
    }

    /// Replaces the lines of `[packs]`.
    pub fn packs(mut self, lines: &str) -> Setup {
        self.packs = lines.to_owned();
        self
    }

    /// Adds lines to the forward listener.
    pub fn listener(mut self, lines: &str) -> Setup {
        self.listener.push_str(&format!("{lines}\n"));
        self
    }

    /// Adds lines to `[admin]`.
    pub fn admin(mut self, lines: &str) -> Setup {
        self.door.push_str(&format!("{lines}\n"));
        self
    }

    /// Opens the admin door on every address, with this token.
    pub fn admin_everywhere(mut self, token: &str) -> Setup {
        let file = self.path("admin.token");
        fs::write(&file, token).unwrap();
        self.admin_host = "0.0.0.0";
        self.admin(&format!("token_file = \"{}\"", file.display()))
    }

    /// Adds lines to `[upstream]`.
    pub fn upstream(mut self, lines: &str) -> Setup {
        self.upstream.push_str(&format!("{lines}\n"));
        self
    }

    /// Adds lines to `[limits]`.
    pub fn limits(mut self, lines: &str) -> Setup {
        self.limits.push_str(&format!("{lines}\n"));
        self
    }

    /// Adds keys that stand before every table.
    pub fn top(mut self, lines: &str) -> Setup {
        self.top.push_str(&format!("{lines}\n"));
        self
    }

    /// Adds whole tables.
    pub fn tables(mut self, lines: &str) -> Setup {
        self.tables.push_str(&format!("{lines}\n"));
        self
    }

    /// Resolves a further name.
    pub fn name(mut self, host: &str, address: &str) -> Setup {
        self.names.push_str(&format!("\"{host}\" = [\"{address}\"]\n"));
        self
    }

    /// Logs at this level instead of at trace, where a test moves so much that the log would be what it measures.
    pub fn log(mut self, level: &str) -> Setup {
        self.log = level.to_owned();
        self
    }

    /// A variable of the gateway's environment.
    pub fn variable(mut self, name: &str, value: &str) -> Setup {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// No file the gateway writes may grow beyond this many bytes: the disk is full there. `RLIMIT_FSIZE` gives the
    /// same failed write as a full disk, needs no privilege and no mount.
    pub fn file_limit(mut self, bytes: u64) -> Setup {
        self.file_limit = Some(bytes);
        self
    }

    /// The clock the gateway sees starts at this moment (`2026-12-31T15:59:50Z`) and runs on from there.
    pub fn clock(mut self, moment: &str) -> Setup {
        clock::set(self.directory(), moment);
        self.clock = true;
        self
    }

    /// Trusts a root of the test for upstreams, and returns it.
    pub fn trusting_root(mut self) -> (Setup, Root) {
        let root = Root::make(self.directory(), "root");
        let file = self.path("root.pem");
        self.upstream.push_str(&format!("ca_certificates = [\"{}\"]\n", file.display()));
        (self, root)
    }

    /// Rules of its own, copied from the project, with more files: name and content.
    pub fn rules(self, files: &[(&str, &str)]) -> Setup {
        let rules = self.path("rules");
        copy_rules(&rules);
        for (name, content) in files {
            fs::write(rules.join(name), content).unwrap();
        }
        let line = format!("rules = \"{}\"", rules.display());
        self.top(&line)
    }

    /// The configuration file, written.
    pub fn write(&self) -> PathBuf {
        let file = self.path("tidegate.toml");
        fs::write(&file, self.text()).unwrap();
        file
    }

    fn text(&self) -> String {
        let Setup {
            top,
            exporter,
            packs,
            listener,
            upstream,
            limits,
            tables,
            names,
            port,
            admin,
            admin_host,
            door,
            ..
        } = self;
        format!(
            "state = \"{state}\"\n{top}\n[exporter]\n{exporter}\n[packs]\n{packs}\n\
             [[listener]]\nname = \"egress\"\naddress = \"127.0.0.1:{port}\"\nmode = \"forward\"\n{listener}\n\
             [admin]\naddress = \"{admin_host}:{admin}\"\n{door}\n[upstream]\n{upstream}\n[limits]\n{limits}\n\
             [resolve]\n{names}\n{tables}",
            state = self.state().display(),
        )
    }

    pub(super) fn log_level(&self) -> &str {
        &self.log
    }

    pub(super) fn variables(&self) -> &[(String, String)] {
        &self.variables
    }

    pub(super) fn file_size_limit(&self) -> Option<u64> {
        self.file_limit
    }

    pub(super) fn has_clock(&self) -> bool {
        self.clock
    }

    /// Starts the gateway and waits until it is ready.
    #[track_caller]
    pub fn start(&self) -> Gateway {
        Gateway::start(self.clone())
    }

    /// Starts the gateway and waits until it is there, ready or not.
    #[track_caller]
    pub fn start_unready(&self) -> Gateway {
        Gateway::start_until(self.clone(), "/-/healthy")
    }
}

/// Copies the project's rules.
fn copy_rules(to: &Path) {
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("rules"), to);
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
