//! The secret under which people become digests: one file, made once, readable by its owner alone.
//!
//! Losing it makes everyone a new person, so counters show too many, never too few. A file that others may read is an
//! error and not a warning: with the key a digest can be turned back into an identifier by trying all of them.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use ring::rand::{SecureRandom, SystemRandom};

use crate::transfer::DigestKey;

const FILE: &str = "digest.key";
const LENGTH: usize = 32;

/// The key of a state directory, made at the first start.
///
/// # Errors
/// The directory cannot be written, or the file is not 32 bytes, or others than its owner may read it.
pub fn digest_key(directory: &Path) -> io::Result<DigestKey> {
    make_directory(directory)?;
    let path = directory.join(FILE);
    if !path.try_exists()? {
        make(directory, &path)?;
    }
    read(&path)
}

/// Written whole under another name, synced, then given its name unless another process was faster.
fn make(directory: &Path, path: &Path) -> io::Result<()> {
    let mut secret = [0u8; LENGTH];
    SystemRandom::new().fill(&mut secret).map_err(|_| io::Error::other("the system gives no random bytes"))?;
    let mut file = tempfile::Builder::new().prefix(".digest.key.").tempfile_in(directory)?;
    file.write_all(&secret)?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(path) {
        Ok(_) => File::open(directory)?.sync_all(),
        Err(refused) if refused.error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(refused) => Err(refused.error),
    }
}

fn read(path: &Path) -> io::Result<DigestKey> {
    let named = |what: &str| io::Error::new(io::ErrorKind::InvalidData, format!("`{}` {what}", path.display()));
    let mut file = File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err(named("may be read by others than its owner: chmod 600"));
    }
    if metadata.len() != LENGTH as u64 {
        return Err(named("is not a key of 32 bytes: put back a copy"));
    }
    let mut secret = [0u8; LENGTH];
    file.read_exact(&mut secret)?;
    Ok(DigestKey::new(&secret))
}

/// Makes a directory only its owner can enter, unless it is there.
///
/// # Errors
/// It cannot be made.
pub(super) fn make_directory(directory: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_made_once_and_kept_from_others() {
        let directory = tempfile::tempdir().unwrap();
        let state = directory.path().join("state");
        let first = digest_key(&state).unwrap().digest("email", b"x");
        assert_eq!(digest_key(&state).unwrap().digest("email", b"x"), first);
        let path = state.join(FILE);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(&state).unwrap().count(), 1);

        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(digest_key(&state).unwrap_err().to_string().contains("chmod 600"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, b"short").unwrap();
        assert!(digest_key(&state).unwrap_err().to_string().contains("32 bytes"));
    }
}
