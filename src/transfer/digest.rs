//! Data subjects as keyed digests: the only form in which a person is known after detection.

use std::fmt;

use ring::hmac;

/// 128 bits of HMAC-SHA-256 over a normalised identifier. Equal identifiers under one key give equal digests; without
/// the key a digest says nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 16]);

impl Digest {
    /// A digest written as 32 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Digest> {
        let mut digest = [0u8; 16];
        if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        for (index, byte) in digest.iter_mut().enumerate() {
            *byte = u8::from_str_radix(text.get(2 * index..2 * index + 2)?, 16).ok()?;
        }
        Some(Digest(digest))
    }
}

/// The secret under which identifiers become digests. It never leaves the state directory.
#[derive(Clone)]
pub struct DigestKey(hmac::Key);

impl DigestKey {
    /// A key of 32 secret bytes.
    pub fn new(secret: &[u8; 32]) -> DigestKey {
        DigestKey(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// A key for this process alone, for scans and rehearsals that count nothing.
    pub fn ephemeral() -> DigestKey {
        let mut secret = [0u8; 32];
        // Without randomness the key is fixed; digests of a rehearsal are dropped with the process either way.
        let _ = ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut secret);
        DigestKey::new(&secret)
    }

    /// The digest of an identifier of some kind. The kind keeps equal strings of different schemes apart.
    pub fn digest(&self, kind: &str, identifier: &[u8]) -> Digest {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(kind.as_bytes());
        context.update(&[0]);
        context.update(identifier);
        let tag = context.sign();
        let mut digest = [0u8; 16];
        digest.iter_mut().zip(tag.as_ref()).for_each(|(to, from)| *to = *from);
        Digest(digest)
    }
}

impl fmt::Debug for DigestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DigestKey")
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
