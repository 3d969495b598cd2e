//! One process counts in a state directory.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::error::LedgerError;

/// Takes the directory for as long as the file lives. Its own file, because a store gives up its lock whenever it is
/// reopened.
///
/// # Errors
/// Another process has it, or the file cannot be made.
pub(super) fn lock(directory: &Path) -> Result<File, LedgerError> {
    let path = directory.join("ledger.lock");
    let cannot = |error: std::io::Error| LedgerError::Open { file: path.clone(), detail: error.to_string().into() };
    let opened = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
    let file = opened.map_err(cannot)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(LedgerError::Locked(directory.to_owned())),
        Err(TryLockError::Error(error)) => Err(cannot(error)),
    }
}
