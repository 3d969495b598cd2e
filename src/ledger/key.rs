//! The secrets under which people become digests, and how they are replaced without losing count.
//!
//! A key is a chain of secrets. Detection uses the first one alone. Each later secret, added by a rotation, turns a
//! digest into another: who has a digest and the new secret has the new digest, and nobody needs the identifier. So a
//! rotation carries every person over, each exactly once, and a digest is worth nothing without the last secret. What a
//! ledger holds is of one *generation*: 0 under the first secret, 1 under the second.
//!
//! The ledger keeps a check value of its generation, derived from the secrets and never one of them. Losing a secret
//! makes everyone a new person, so that is an error. So is a file that others may read: with the key a digest can be
//! turned back into an identifier by trying all of them.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use ring::rand::{SecureRandom, SystemRandom};
use ring::{aead, hmac};

use crate::transfer::{Digest, DigestKey};

const FILE: &str = "digest.key";
const LENGTH: usize = 32;

/// More rotations than anybody makes.
const MOST: usize = 64;

/// Where the key is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum KeySource {
    /// In `digest.key` of the state directory, made at the first start.
    #[default]
    State,
    /// In a file that somebody else made.
    File(PathBuf),
    /// In an environment variable, in hex.
    Variable(String),
}

/// A chain of secrets.
#[derive(Clone)]
pub struct Keys {
    secrets: Vec<[u8; LENGTH]>,
    steps: Vec<DigestKey>,
}

/// A check value: who has it can tell a right key from a wrong one, and nothing else.
pub(super) type Check = [u8; 32];

/// The key of detection in a state directory, made at the first start.
///
/// # Errors
/// The directory cannot be written, or the file is not a key, or others than its owner may read it.
pub fn digest_key(directory: &Path) -> io::Result<DigestKey> {
    Ok(Keys::load(directory, &KeySource::State)?.first())
}

/// Adds a secret to a key. The next start of a gateway carries its file over; a fleet moves on when it is told to.
///
/// # Errors
/// There is no key yet, it cannot be read or written, or it is in the environment, where nobody else can change it.
pub fn rotate(directory: &Path, source: &KeySource) -> io::Result<()> {
    let path = match source {
        KeySource::State => directory.join(FILE),
        KeySource::File(path) => path.clone(),
        KeySource::Variable(name) => {
            return Err(invalid(format!("add 64 random hex digits to `{name}` where it is set")));
        }
    };
    let mut keys = Keys::read(&path)?;
    if keys.secrets.len() == MOST {
        return Err(io::Error::other("the key was rotated too often"));
    }
    keys.secrets.push(random()?);
    let as_text = fs::read(&path)?.iter().all(|byte| byte.is_ascii_hexdigit() || byte.is_ascii_whitespace());
    let bytes = if as_text { lines_of_hex(&keys.secrets).into_bytes() } else { keys.secrets.concat() };
    let beside = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    sealed(beside, &bytes)?.persist(&path).map_err(|refused| refused.error)?;
    File::open(beside)?.sync_all()
}

impl Keys {
    /// Reads the key, or makes it where that is allowed.
    ///
    /// # Errors
    /// It is not there, is not a key, or may be read by others than its owner.
    pub fn load(directory: &Path, source: &KeySource) -> io::Result<Keys> {
        match source {
            KeySource::State => {
                make_directory(directory)?;
                let path = directory.join(FILE);
                if !path.try_exists()? {
                    make(directory, &path)?;
                }
                Keys::read(&path)
            }
            KeySource::File(path) => Keys::read(path),
            KeySource::Variable(name) => {
                let value = std::env::var(name).map_err(|_| invalid(format!("the environment has no `{name}`")))?;
                let wrong = || invalid(format!("`{name}` is not a key: 64 hex digits for each secret"));
                Keys::of(&from_hex(&value).ok_or_else(wrong)?).ok_or_else(wrong)
            }
        }
    }

    /// Reads the key, and makes none.
    ///
    /// # Errors
    /// It is not there, is not a key, or may be read by others than its owner.
    pub fn find(directory: &Path, source: &KeySource) -> io::Result<Keys> {
        match source {
            KeySource::State => Keys::read(&directory.join(FILE)),
            named => Keys::load(directory, named),
        }
    }

    /// What detection makes digests with.
    pub fn first(&self) -> DigestKey {
        self.secrets.first().map_or_else(DigestKey::ephemeral, DigestKey::new)
    }

    /// The generation of the last secret.
    pub(super) fn latest(&self) -> usize {
        self.steps.len()
    }

    /// A digest of one generation as one of a later.
    pub(super) fn carry(&self, digest: Digest, from: usize, to: usize) -> Digest {
        let steps = self.steps.get(from..to).unwrap_or_default();
        steps.iter().fold(digest, |digest, step| step.digest("generation", &digest.0))
    }

    /// The check value of a generation.
    pub(super) fn check(&self, generation: usize) -> Option<Check> {
        let (key, message) = self.checked(generation)?;
        hmac::sign(&key, &message).as_ref().try_into().ok()
    }

    /// Whether a check value is that of a generation. Takes the same time wherever they differ.
    pub(super) fn holds(&self, generation: usize, check: &[u8]) -> bool {
        self.checked(generation).is_some_and(|(key, message)| hmac::verify(&key, &message, check).is_ok())
    }

    /// A key to seal what is kept on this machine for later.
    pub(super) fn sealing(&self) -> Option<aead::LessSafeKey> {
        let secret = hmac::Key::new(hmac::HMAC_SHA256, self.secrets.first()?);
        let derived = hmac::sign(&secret, b"tidegate ledger spool");
        Some(aead::LessSafeKey::new(aead::UnboundKey::new(&aead::AES_256_GCM, derived.as_ref()).ok()?))
    }

    fn checked(&self, generation: usize) -> Option<(hmac::Key, Vec<u8>)> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.secrets.get(generation)?);
        let mut message = b"tidegate ledger key check".to_vec();
        if let Some(before) = generation.checked_sub(1) {
            message.extend(self.check(before)?);
        }
        Some((key, message))
    }

    fn of(bytes: &[u8]) -> Option<Keys> {
        let whole = !bytes.is_empty() && bytes.len().is_multiple_of(LENGTH) && bytes.len() <= MOST * LENGTH;
        let secrets: Vec<[u8; LENGTH]> = bytes.chunks_exact(LENGTH).filter_map(|one| one.try_into().ok()).collect();
        let steps = secrets.iter().skip(1).map(DigestKey::new).collect();
        whole.then_some(Keys { secrets, steps })
    }

    fn read(path: &Path) -> io::Result<Keys> {
        let named = |what: &str| invalid(format!("`{}` {what}", path.display()));
        let file = File::open(path)
            .map_err(|error| io::Error::new(error.kind(), format!("`{}`: {error}", path.display())))?;
        if file.metadata()?.permissions().mode() & 0o077 != 0 {
            return Err(named("may be read by others than its owner: chmod 600"));
        }
        let mut bytes = Vec::new();
        file.take((MOST * LENGTH * 3) as u64).read_to_end(&mut bytes)?;
        let text = std::str::from_utf8(&bytes).ok().and_then(from_hex);
        let keys = text.and_then(|bytes| Keys::of(&bytes)).or_else(|| Keys::of(&bytes));
        keys.ok_or_else(|| named("is not a key of 32 bytes, or several such: put back a copy"))
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("generations", &self.secrets.len()).finish_non_exhaustive()
    }
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

fn random() -> io::Result<[u8; LENGTH]> {
    let mut secret = [0u8; LENGTH];
    SystemRandom::new().fill(&mut secret).map_err(|_| io::Error::other("the system gives no random bytes"))?;
    Ok(secret)
}

/// Bytes in a new file beside the key, synced and readable by its owner alone.
fn sealed(directory: &Path, bytes: &[u8]) -> io::Result<tempfile::NamedTempFile> {
    let mut file = tempfile::Builder::new().prefix(".digest.key.").tempfile_in(directory)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// Written whole under another name, synced, then given its name unless another process was faster.
fn make(directory: &Path, path: &Path) -> io::Result<()> {
    match sealed(directory, &random()?)?.persist_noclobber(path) {
        Ok(_) => File::open(directory)?.sync_all(),
        Err(refused) if refused.error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(refused) => Err(refused.error),
    }
}

fn lines_of_hex(secrets: &[[u8; LENGTH]]) -> String {
    let line = |secret: &[u8; LENGTH]| {
        secret.iter().map(|byte| format!("{byte:02x}")).chain(["\n".to_owned()]).collect::<String>()
    };
    secrets.iter().map(line).collect()
}

/// The bytes of a text of hex digits; space between them is skipped.
pub(super) fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .filter(|c| !c.is_ascii_whitespace())
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect();
    let digits = digits?;
    let pairs = digits.chunks_exact(2);
    pairs
        .remainder()
        .is_empty()
        .then(|| pairs.map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect())
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

    #[test]
    fn a_rotation_keeps_the_digests_of_detection_and_carries_those_of_the_ledger() {
        let directory = tempfile::tempdir().unwrap();
        let before = Keys::load(directory.path(), &KeySource::State).unwrap();
        let digest = before.first().digest("email", b"x");
        rotate(directory.path(), &KeySource::State).unwrap();
        rotate(directory.path(), &KeySource::State).unwrap();
        let after = Keys::load(directory.path(), &KeySource::State).unwrap();
        assert_eq!(after.first().digest("email", b"x"), digest);
        assert_eq!((before.latest(), after.latest()), (0, 2));
        let once = after.carry(digest, 0, 1);
        assert_ne!(once, digest);
        assert_eq!(after.carry(once, 1, 2), after.carry(digest, 0, 2));
        assert_eq!(before.check(0), after.check(0));
        assert_eq!(fs::metadata(directory.path().join(FILE)).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_check_value_knows_its_key_and_its_generation() {
        let one = Keys::of(&[[1; 32], [2; 32]].concat()).unwrap();
        let other = Keys::of(&[[3; 32], [2; 32]].concat()).unwrap();
        for generation in 0..2 {
            let check = one.check(generation).unwrap();
            assert!(one.holds(generation, &check));
            assert!(!other.holds(generation, &check));
            assert!(!one.holds(1 - generation, &check));
            assert!(![[1; 32], [2; 32]].contains(&check));
        }
        assert!(one.check(2).is_none() && Keys::of(&[]).is_none() && Keys::of(&[0; 33]).is_none());
    }

    #[test]
    fn a_key_of_somebody_else_may_be_hex() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("fleet.key");
        fs::write(&path, format!("{}\n{}\n", "ab".repeat(32), "01".repeat(32))).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let source = KeySource::File(path.clone());
        let keys = Keys::load(directory.path(), &source).unwrap();
        assert_eq!(keys.secrets, [[0xab; 32], [0x01; 32]]);
        rotate(directory.path(), &source).unwrap();
        let longer = Keys::load(directory.path(), &source).unwrap();
        assert_eq!((longer.latest(), longer.check(1)), (2, keys.check(1)));
        assert!(fs::read_to_string(&path).unwrap().starts_with(&"ab".repeat(32)));
        let missing = KeySource::Variable("TIDEGATE_TEST_NO_SUCH_VARIABLE".to_owned());
        assert!(Keys::load(directory.path(), &missing).unwrap_err().to_string().contains("no `TIDEGATE"));
    }
}
