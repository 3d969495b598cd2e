//! A message put aside on disk: an unlinked file, encrypted with a key that lives only in memory.
//!
//! The file has no name from the start, so it is gone with the process; its bytes are AES-256-GCM under a key made for
//! this one message, so what remains on the medium says nothing. Chunks are sealed one by one, each with its number as
//! nonce, which is safe because no key is used twice.

use std::fs::File;
use std::io::{self, BufRead, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

use bytes::Bytes;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};

use crate::gate::Stored;

/// Plain bytes of a chunk.
const CHUNK: usize = 64 * 1024;
/// Bytes of a sealed chunk.
const SEALED: u64 = CHUNK as u64 + 16;

/// A message being put aside.
pub(super) struct Spooler {
    spool: Spool,
    pending: Vec<u8>,
}

/// A message put aside.
pub(super) struct Spool {
    file: File,
    key: LessSafeKey,
    bytes: u64,
}

impl Spooler {
    /// A new unlinked file in `directory`.
    pub(super) fn create(directory: &Path) -> io::Result<Spooler> {
        let mut secret = [0u8; 32];
        SystemRandom::new().fill(&mut secret).map_err(|_| io::Error::other("no randomness"))?;
        let key = UnboundKey::new(&AES_256_GCM, &secret).map_err(|_| io::Error::other("key"))?;
        let file = tempfile::tempfile_in(directory)?;
        let spool = Spool { file, key: LessSafeKey::new(key), bytes: 0 };
        Ok(Spooler { spool, pending: Vec::with_capacity(CHUNK + 16) })
    }

    /// Adds bytes.
    pub(super) fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(CHUNK - self.pending.len()));
            self.pending.extend_from_slice(now);
            bytes = later;
            if self.pending.len() == CHUNK {
                self.seal()?;
            }
        }
        Ok(())
    }

    /// No more bytes.
    pub(super) fn finish(mut self) -> io::Result<Spool> {
        if !self.pending.is_empty() {
            self.seal()?;
        }
        Ok(self.spool)
    }

    fn seal(&mut self) -> io::Result<()> {
        let number = self.spool.bytes / CHUNK as u64;
        let plain = self.pending.len() as u64;
        self.spool
            .key
            .seal_in_place_append_tag(nonce(number), Aad::empty(), &mut self.pending)
            .map_err(|_| io::Error::other("sealing failed"))?;
        self.spool.file.write_all_at(&self.pending, number * SEALED)?;
        self.spool.bytes += plain;
        self.pending.clear();
        Ok(())
    }
}

impl Spool {
    /// The bytes from `offset` to the end of its chunk; empty at the end of the message.
    pub(super) fn read_at(&self, offset: u64) -> io::Result<Bytes> {
        let number = offset / CHUNK as u64;
        let start = number * CHUNK as u64;
        if offset >= self.bytes {
            return Ok(Bytes::new());
        }
        let plain = usize::try_from((self.bytes - start).min(CHUNK as u64)).unwrap_or(CHUNK);
        let mut chunk = vec![0u8; plain + 16];
        self.file.read_exact_at(&mut chunk, number * SEALED)?;
        self.key
            .open_in_place(nonce(number), Aad::empty(), &mut chunk)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "the spooled message was changed on disk"))?;
        chunk.truncate(plain);
        let skip = usize::try_from(offset - start).unwrap_or(0).min(plain);
        Ok(Bytes::from(chunk).slice(skip..))
    }
}

fn nonce(number: u64) -> Nonce {
    let mut nonce = [0u8; 12];
    nonce.iter_mut().zip(number.to_le_bytes()).for_each(|(to, from)| *to = from);
    Nonce::assume_unique_for_key(nonce)
}

impl Stored for Spool {
    fn len(&self) -> u64 {
        self.bytes
    }

    fn reader(&self) -> Box<dyn BufRead + Send + '_> {
        Box::new(SpoolReader { spool: self, offset: 0, chunk: Bytes::new() })
    }
}

struct SpoolReader<'a> {
    spool: &'a Spool,
    offset: u64,
    chunk: Bytes,
}

impl BufRead for SpoolReader<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.chunk.is_empty() {
            self.chunk = self.spool.read_at(self.offset)?;
            self.offset += self.chunk.len() as u64;
        }
        Ok(&self.chunk)
    }

    fn consume(&mut self, amount: usize) {
        let _ = self.chunk.split_to(amount.min(self.chunk.len()));
    }
}

impl Read for SpoolReader<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buf)?;
        self.consume(read);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_aside_comes_back_and_is_not_readable_on_disk() {
        let directory = tempfile::tempdir().unwrap();
        let message: Vec<u8> = (0..200_000u32).flat_map(|n| n.to_le_bytes()).collect();
        let mut spooler = Spooler::create(directory.path()).unwrap();
        message.chunks(1000).for_each(|part| spooler.write(part).unwrap());
        let spool = spooler.finish().unwrap();
        let mut back = Vec::new();
        spool.reader().read_to_end(&mut back).unwrap();
        assert!(back == message && spool.len() == message.len() as u64);
        assert_eq!(spool.read_at(70_000).unwrap()[..], message[70_000..131_072]);
        let mut raw = vec![0u8; 64 * 1024];
        spool.file.read_exact_at(&mut raw, 0).unwrap();
        assert!(memchr::memmem::find(&raw, &message[..64]).is_none());
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
