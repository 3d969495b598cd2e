//! Where the message on a connection ends: the reader gets no byte beyond it, so the next request is looked at like
//! every other.
//!
//! Of a chunked body (RFC 9112 section 7.1) only the framing is followed, and strictly. What does not follow it has no
//! end anybody can rely on: the fence falls, the framework judges what comes, and the connection carries no further
//! request. A wrong guess here can therefore end a connection and never hide a request in a body.

/// Longest line that gives the size of a chunk, and most bytes of trailer fields.
const LINE: usize = 4096;
const TRAILERS: usize = 64 * 1024;

/// How much more of a message may be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fence {
    /// As much as comes.
    Open,
    /// So many bytes.
    After(u64),
    /// The head, and then a body that says itself where it ends.
    Chunked { head: u64, body: Chunks },
}

/// Where in a chunked body reading is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chunks {
    /// In the line with the size of a chunk: what it says so far, its bytes, whether an extension has begun.
    Size { size: u64, read: usize, extension: bool },
    /// Behind the CR of such a line.
    SizeEnd { size: u64 },
    /// In the data of a chunk and the line end behind it, with so many bytes left.
    Data { left: u64 },
    /// In the trailer fields: bytes read, and how much of an empty line.
    Trailers { read: usize, matched: usize },
    /// Behind the last byte.
    Ended,
}

impl Fence {
    /// The fence of a chunked message whose head has so many bytes.
    pub(super) fn chunked(head: u64) -> Fence {
        Fence::Chunked { head, body: Chunks::START }
    }

    /// How many of the bytes that came, of which none has been passed yet, belong to the message. None: any number.
    pub(super) fn allows(&mut self, came: &[u8]) -> Option<usize> {
        let most = |left: u64| usize::try_from(left).unwrap_or(usize::MAX);
        match self {
            Fence::Open => None,
            Fence::After(left) => Some(most(*left)),
            Fence::Chunked { head: 0, body } => {
                let mut ahead = *body;
                let allowed = ahead.pass(came);
                if allowed.is_none() {
                    *self = Fence::Open;
                }
                allowed
            }
            Fence::Chunked { head, .. } => Some(most(*head)),
        }
    }

    /// These bytes, which it allows, were passed.
    pub(super) fn passed(&mut self, bytes: &[u8]) {
        match self {
            Fence::Open => {}
            Fence::After(left) => *left = left.saturating_sub(bytes.len() as u64),
            Fence::Chunked { head: 0, body } => {
                if body.pass(bytes).is_none() {
                    *self = Fence::Open;
                }
            }
            Fence::Chunked { head, .. } => *head = head.saturating_sub(bytes.len() as u64),
        }
    }

    /// Whether bytes have to be seen before anybody can say how many of them may be read.
    pub(super) fn has_to_see(&self) -> bool {
        matches!(self, Fence::Chunked { head: 0, body } if *body != Chunks::Ended)
    }
}

impl Chunks {
    const START: Chunks = Chunks::Size { size: 0, read: 0, extension: false };

    /// Follows the framing through some bytes; says how many of them belong to the body, or that they break it.
    fn pass(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        while *self != Chunks::Ended && at < bytes.len() {
            if let Chunks::Data { left } = self {
                let step = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len() - at);
                *left -= step as u64;
                at += step;
                if *left == 0 {
                    *self = Chunks::START;
                }
            } else {
                *self = self.next(*bytes.get(at)?)?;
                at += 1;
            }
        }
        Some(at)
    }

    /// One byte of framing.
    fn next(self, byte: u8) -> Option<Chunks> {
        match self {
            Chunks::Size { size, read, .. } if byte == b'\r' && read > 0 => Some(Chunks::SizeEnd { size }),
            Chunks::Size { size, read, extension } if read < LINE => {
                let extension = extension || matches!(byte, b';' | b' ' | b'\t');
                let size = if extension { size } else { size.checked_mul(16)?.checked_add(digit(byte)?)? };
                // A line end that is none, or a line that begins with its extension, is not what it should be.
                let sound = byte != b'\n' && byte != b'\r' && !(extension && read == 0);
                sound.then_some(Chunks::Size { size, read: read + 1, extension })
            }
            Chunks::SizeEnd { size: 0 } if byte == b'\n' => Some(Chunks::Trailers { read: 0, matched: 2 }),
            Chunks::SizeEnd { size } if byte == b'\n' => Some(Chunks::Data { left: size.checked_add(2)? }),
            Chunks::Trailers { read, matched } if read < TRAILERS => trailers(byte, read + 1, matched),
            Chunks::Size { .. } | Chunks::SizeEnd { .. } | Chunks::Trailers { .. } => None,
            Chunks::Data { .. } | Chunks::Ended => Some(self),
        }
    }
}

/// One byte of trailers, which end with an empty line.
fn trailers(byte: u8, read: usize, matched: usize) -> Option<Chunks> {
    match (byte, matched) {
        (b'\r', 0 | 2) => Some(Chunks::Trailers { read, matched: matched + 1 }),
        (b'\n', 1) => Some(Chunks::Trailers { read, matched: 2 }),
        (b'\n', 3) => Some(Chunks::Ended),
        (b'\r' | b'\n', _) | (_, 1 | 3) => None,
        _ => Some(Chunks::Trailers { read, matched: 0 }),
    }
}

fn digit(byte: u8) -> Option<u64> {
    char::from(byte).to_digit(16).map(u64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many bytes a chunked body has, however its bytes arrive; none if its framing is broken.
    fn length(text: &[u8], step: usize) -> Option<usize> {
        let mut fence = Fence::chunked(0);
        let mut at = 0;
        while at < text.len() && fence.has_to_see() {
            let came = &text[at..(at + step).min(text.len())];
            let allowed = fence.allows(came)?.min(came.len());
            fence.passed(&came[..allowed]);
            at += allowed;
        }
        (!fence.has_to_see()).then_some(at)
    }

    #[test]
    fn a_chunked_body_ends_where_its_framing_says() {
        let next = b"GET / HTTP/1.1\r\n";
        for body in [
            &b"0\r\n\r\n"[..],
            b"5\r\nhello\r\n0\r\n\r\n",
            b"5;a=b\r\nhe\r\no\r\n0 \r\n\r\n",
            b"A\r\n0123456789\r\n000\r\nX-Sum: 1\r\nY: \r\n\r\n",
        ] {
            let text = [body, next].concat();
            for step in [1, 2, 3, text.len()] {
                assert_eq!(length(&text, step), Some(body.len()), "{}", String::from_utf8_lossy(body));
            }
        }
        for broken in
            [&b"\r\n0\r\n\r\n"[..], b"5\nhello\r\n", b"g\r\n", b"-1\r\n", b"fffffffffffffffff\r\n", b"0\r\na\n\r\n"]
        {
            assert_eq!(length(broken, 1), None, "{}", String::from_utf8_lossy(broken));
        }
    }
}
