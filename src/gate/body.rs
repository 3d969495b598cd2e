//! The body of a message as the gate sees it: held somewhere, readable more than once, or beyond reading.

use std::io::BufRead;
use std::sync::Arc;

use bytes::Bytes;

use crate::transfer::Category;

/// A body that was put aside and can be read from its beginning as often as needed.
pub trait Stored: Send + Sync {
    /// Its size in bytes.
    fn len(&self) -> u64;
    /// A reader over all of it.
    fn reader(&self) -> Box<dyn BufRead + Send + '_>;
    /// Whether nothing is in it.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What the message carries after its head.
#[derive(Clone)]
pub enum Body {
    /// Held in memory; empty when there is none.
    Memory(Bytes),
    /// Put aside on disk.
    Stored(Arc<dyn Stored>),
    /// Not read, because no rule asks about it; size as far as known.
    Unread(u64),
    /// Nobody can read it, for this reason (`opaque.encrypted` in a tunnel, `opaque.oversize`); size as far as known.
    Opaque(Category, u64),
}

impl Body {
    /// No body.
    pub fn empty() -> Body {
        Body::Memory(Bytes::new())
    }

    /// Size in bytes, as far as known.
    pub fn len(&self) -> u64 {
        match self {
            Body::Memory(bytes) => bytes.len() as u64,
            Body::Stored(stored) => stored.len(),
            Body::Unread(bytes) | Body::Opaque(_, bytes) => *bytes,
        }
    }

    /// Whether there is nothing after the head.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Body({} bytes)", self.len())
    }
}
