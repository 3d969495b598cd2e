//! The running configuration, and how it changes.
//!
//! Readers take the current snapshot without a lock and keep it as long as they need it. A reload makes a new one and
//! swaps it in whole; one with mistakes changes nothing. What was bound or opened at the start (listeners, the admin
//! address, state, the CA) cannot change under way: the new snapshot keeps the old values, and the report says so.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use ring::digest::{Context, SHA256};
use serde::Serialize;

use super::{Origin, Settings, Snapshot};
use crate::diagnostic::Diagnostic;

/// Files above this size are watched by size and time, not by content.
const HASHED: u64 = 4 << 20;
/// How deep a directory of rules is watched.
const DEEPEST: usize = 4;

/// The running configuration. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Live {
    current: Arc<ArcSwap<Snapshot>>,
    origin: Arc<Origin>,
}

/// What a reload did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Reloaded {
    /// Parts that are different now.
    pub changed: Vec<String>,
    /// Parts that are different in the files and stay as they were until a restart.
    pub restart: Vec<String>,
}

/// What the files looked like.
pub(super) type Look = [u8; 32];

impl Live {
    /// Loads the configuration for the first time.
    ///
    /// # Errors
    /// Every mistake of every file.
    pub fn start(origin: Origin) -> Result<Live, Vec<Diagnostic>> {
        let snapshot = Snapshot::load(&origin)?;
        Ok(Live { current: Arc::new(ArcSwap::from_pointee(snapshot)), origin: Arc::new(origin) })
    }

    /// The current snapshot. Take it once for a flow, so that a reload does not change a flow half way.
    pub fn now(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// Loads everything again and swaps it in.
    ///
    /// # Errors
    /// Every mistake of every file; the running snapshot stays.
    pub fn reload(&self) -> Result<Reloaded, Vec<Diagnostic>> {
        let mut next = Snapshot::load(&self.origin)?;
        let before = self.now();
        let restart = keep_what_is_open(&before.settings, &mut next.settings);
        let changed = differences(&before, &next);
        self.current.store(Arc::new(next));
        Ok(Reloaded { changed, restart })
    }

    /// Reloads whenever the content of a file changes that the snapshot was made of, and tells `report` what came of it.
    /// Content is polled, which also sees volumes whose files are links that move. Runs until it is dropped.
    pub async fn watch(self, every: Duration, report: impl Fn(&Result<Reloaded, Vec<Diagnostic>>) + Send) {
        let mut loaded = self.look().await;
        let mut before = loaded;
        loop {
            tokio::time::sleep(every).await;
            let now = self.look().await;
            // Two looks alike: nobody is in the middle of writing.
            if now == before && now != loaded {
                let live = self.clone();
                let done = tokio::task::spawn_blocking(move || live.reload()).await;
                if let Ok(outcome) = done {
                    report(&outcome);
                }
                loaded = now;
            }
            before = now;
        }
    }

    async fn look(&self) -> Look {
        let (snapshot, origin) = (self.now(), Arc::clone(&self.origin));
        let look = move || look(snapshot.inputs.iter().chain(&origin.inputs()), &[]);
        tokio::task::spawn_blocking(look).await.unwrap_or_default()
    }
}

/// A hash over some bytes and the content of some files and directories.
pub(super) fn look<'p>(paths: impl Iterator<Item = &'p PathBuf>, bytes: &[u8]) -> Look {
    let mut context = Context::new(&SHA256);
    context.update(bytes);
    paths.for_each(|path| add(&mut context, path, DEEPEST));
    let mut look = Look::default();
    look.iter_mut().zip(context.finish().as_ref()).for_each(|(to, from)| *to = *from);
    look
}

fn add(context: &mut Context, path: &Path, deep: usize) {
    context.update(path.as_os_str().as_encoded_bytes());
    context.update(&[0]);
    let Ok(found) = std::fs::metadata(path) else { return };
    if found.is_dir() {
        let entries = std::fs::read_dir(path).into_iter().flatten();
        let mut inside: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        inside.sort();
        if deep > 0 {
            inside.iter().for_each(|path| add(context, path, deep - 1));
        }
    } else if found.len() <= HASHED {
        let bytes = std::fs::read(path).unwrap_or_default();
        context.update(&(bytes.len() as u64).to_be_bytes());
        context.update(&bytes);
    } else {
        let changed = found.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        let since = changed.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        context.update(&found.len().to_be_bytes());
        context.update(&since.as_nanos().to_be_bytes());
    }
}

/// Puts what was opened at the start back into the new settings, and names what would be different.
fn keep_what_is_open(before: &Settings, next: &mut Settings) -> Vec<String> {
    let mut restart = Vec::new();
    let mut keep = |what: &str, differs: bool| {
        if differs {
            restart.push(what.to_owned());
        }
    };
    keep("listeners", before.listeners != next.listeners);
    keep("admin address", before.admin.address != next.admin.address);
    keep("state directory", before.state != next.state);
    keep("ledger", before.ledger != next.ledger);
    keep("audit directory", before.audit_directory != next.audit_directory);
    let ca =
        |settings: &Settings| (settings.interception.ca_certificate.clone(), settings.interception.ca_key.clone());
    keep("interception CA", ca(before) != ca(next));
    keep("upstream roots", before.upstream.ca_certificates != next.upstream.ca_certificates);
    keep("connection limit", before.limits.connections != next.limits.connections);
    keep("drain time", before.drain != next.drain);
    next.listeners.clone_from(&before.listeners);
    next.admin.address = before.admin.address;
    next.state.clone_from(&before.state);
    next.ledger.clone_from(&before.ledger);
    next.audit_directory.clone_from(&before.audit_directory);
    next.interception.ca_certificate.clone_from(&before.interception.ca_certificate);
    next.interception.ca_key.clone_from(&before.interception.ca_key);
    next.upstream.ca_certificates.clone_from(&before.upstream.ca_certificates);
    next.limits.connections = before.limits.connections;
    next.drain = before.drain;
    restart
}

/// Which parts of two snapshots are different. Settings have no order of their own, so their printed form is compared.
fn differences(before: &Snapshot, next: &Snapshot) -> Vec<String> {
    fn differs(a: &impl std::fmt::Debug, b: &impl std::fmt::Debug) -> bool {
        format!("{a:?}") != format!("{b:?}")
    }
    let (old, new) = (&before.settings, &next.settings);
    let parts = [
        ("mode", old.mode != new.mode),
        ("exporter", differs(&old.exporter, &new.exporter)),
        ("inventory", old.inventory != new.inventory),
        ("applications", differs(&old.applications, &new.applications) || passwords(old) != passwords(new)),
        ("routes", differs(&old.routes, &new.routes)),
        ("resolve", old.names != new.names),
        ("bypass", old.interception.bypass != new.interception.bypass),
        ("upstream", differs(&old.upstream, &new.upstream)),
        ("limits", differs(&old.limits, &new.limits)),
        ("failure", differs(&old.failure, &new.failure)),
        ("admin token", old.admin.token != new.admin.token),
        ("rules", before.rules_hash != next.rules_hash),
        ("packs enabled", before.enabled != next.enabled),
        ("mechanisms", before.mechanisms != next.mechanisms),
        ("importers", differs(&before.importers, &next.importers)),
        ("importer lists", before.lists.hash() != next.lists.hash()),
        ("data lists", before.detectors.lists().look() != next.detectors.lists().look()),
        ("places", before.places_look != next.places_look),
    ];
    parts.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name.to_owned()).collect()
}

fn passwords(settings: &Settings) -> Vec<Option<&str>> {
    let credentials = settings.applications.iter().map(|application| application.credentials.as_ref());
    credentials.map(|credentials| credentials.map(|credentials| credentials.password.as_str())).collect()
}
