//! Why the ledger cannot be opened or cannot promise that a count is safe.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// What went wrong. Says nothing about people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LedgerError {
    /// Another process counts in this directory.
    Locked(PathBuf),
    /// The file was written by a later version of the gateway.
    Version {
        /// The file.
        file: PathBuf,
        /// The version it carries.
        found: u64,
    },
    /// The file is not a ledger, or its checksums do not hold.
    Corrupted {
        /// The file.
        file: PathBuf,
        /// What the store said.
        detail: Arc<str>,
    },
    /// The directory or the file cannot be used.
    Open {
        /// The file.
        file: PathBuf,
        /// What the system said.
        detail: Arc<str>,
    },
    /// There is no key to count with.
    NoKey(Arc<str>),
    /// The store was counted under another key.
    Key {
        /// File or address of the store.
        store: Arc<str>,
    },
    /// The store of the fleet does not answer, or not in time.
    Unavailable(Arc<str>),
    /// The store of the fleet is not the one this gateway has counted in: it was emptied, or it is another.
    Forgotten(Arc<str>),
    /// What is kept for later has reached its bound.
    SpoolFull(Arc<str>),
    /// A count could not be made durable. The people stay counted in memory and are written again.
    Write(Arc<str>),
    /// The gateway is stopping.
    Closed,
}

impl LedgerError {
    /// Whether the store is there but cannot be used at the moment, as against one that must not be used.
    pub fn is_outage(&self) -> bool {
        matches!(self, LedgerError::Unavailable(_) | LedgerError::Write(_))
    }
}

impl fmt::Display for LedgerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LedgerError::Locked(directory) => {
                write!(f, "the ledger in `{}` is in use by another process", directory.display())
            }
            LedgerError::Version { file, found } => {
                write!(f, "`{}` is a ledger of version {found}, which this gateway cannot read", file.display())
            }
            LedgerError::Corrupted { file, detail } => write!(
                f,
                "`{}` is damaged or not a ledger ({detail}): put back a copy, or run `tidegate ledger repair`, which saves \
                 what can be read and says what is lost",
                file.display()
            ),
            LedgerError::Open { file, detail } => write!(f, "cannot open `{}`: {detail}", file.display()),
            LedgerError::NoKey(detail) => write!(f, "no key to count people with: {detail}"),
            LedgerError::Key { store } => write!(
                f,
                "the key of this gateway is not the one `{store}` was counted under: put back that key; for a file, \
                 `tidegate ledger repair` takes the new one, and everybody counts once more"
            ),
            LedgerError::Unavailable(detail) => write!(f, "the ledger's store cannot be asked: {detail}"),
            LedgerError::Forgotten(detail) => write!(f, "the ledger's store has forgotten who was counted: {detail}"),
            LedgerError::SpoolFull(detail) => write!(f, "the ledger cannot keep more for later: {detail}"),
            LedgerError::Write(detail) => write!(f, "the ledger cannot write: {detail}"),
            LedgerError::Closed => f.write_str("the ledger is closed"),
        }
    }
}

impl std::error::Error for LedgerError {}
