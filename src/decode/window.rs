//! Bytes at hand, and more when a reader needs them.
//!
//! A message in memory is seen where it lies, without a copy. Only what a reader could not take because its end has not
//! arrived yet is carried over into a buffer, so a reader meets every token whole wherever the chunks happened to end.

use std::io::{self, BufRead, ErrorKind, Read};

/// How much is read ahead once a reader has asked for more.
const STEP: usize = 16 * 1024;

/// A view of a source that can be widened.
pub(super) struct Window<'r> {
    source: &'r mut dyn BufRead,
    carry: Vec<u8>,
    start: usize,
    ended: bool,
    /// What may still be let in.
    room: u64,
    taken: u64,
}

impl<'r> Window<'r> {
    /// A window that lets in `limit` bytes.
    pub fn new(source: &'r mut dyn BufRead, limit: u64) -> Window<'r> {
        Window { source, carry: Vec::new(), start: 0, ended: false, room: limit, taken: 0 }
    }

    /// What is at hand; empty only at the end.
    pub fn view(&mut self) -> io::Result<&[u8]> {
        Ok(self.look()?.0)
    }

    /// What is at hand, and whether it is known that nothing follows.
    pub fn look(&mut self) -> io::Result<(&[u8], bool)> {
        if self.start < self.carry.len() {
            return Ok((self.carry.get(self.start..).unwrap_or_default(), self.ended));
        }
        if self.ended {
            return Ok((&[], true));
        }
        let chunk = fill(self.source)?;
        let chunk = chunk.get(..bounded(chunk.len(), self.room)).unwrap_or(chunk);
        self.ended = chunk.is_empty();
        Ok((chunk, self.ended))
    }

    /// At least `wanted` bytes, unless the source ends before.
    pub fn need(&mut self, wanted: usize) -> io::Result<&[u8]> {
        let at_hand = self.view()?.len();
        if at_hand >= wanted || self.ended {
            return self.view();
        }
        self.carry.drain(..self.start.min(self.carry.len()));
        self.start = 0;
        while self.carry.len() < wanted && !self.ended {
            let chunk = fill(self.source)?;
            let most = (wanted - self.carry.len()).max(STEP);
            let chunk = chunk.get(..bounded(chunk.len().min(most), self.room)).unwrap_or(chunk);
            let length = chunk.len();
            self.carry.extend_from_slice(chunk);
            self.ended = length == 0;
            self.source.consume(length);
            self.room -= length as u64;
        }
        Ok(&self.carry)
    }

    /// Takes the next `N` bytes, if there are so many.
    pub fn array<const N: usize>(&mut self) -> io::Result<Option<[u8; N]>> {
        let bytes = self.need(N)?.first_chunk::<N>().copied();
        if bytes.is_some() {
            self.take(N);
        }
        Ok(bytes)
    }

    /// More than is at hand: at least as much again.
    pub fn widen(&mut self) -> io::Result<()> {
        let at_hand = self.view()?.len();
        self.need(at_hand.saturating_mul(2).max(4096))?;
        Ok(())
    }

    /// Moves past `count` bytes of the view.
    pub fn take(&mut self, count: usize) {
        self.taken += count as u64;
        if self.start < self.carry.len() {
            self.start += count;
            if self.start >= self.carry.len() {
                self.carry.clear();
                self.start = 0;
            }
        } else {
            self.source.consume(count);
            self.room = self.room.saturating_sub(count as u64);
        }
    }

    /// Whether the end is the limit's doing.
    pub fn is_cut(&mut self) -> io::Result<bool> {
        Ok(self.ended && self.room == 0 && !fill(self.source)?.is_empty())
    }

    /// How many bytes have been taken.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// Takes everything that is left and says how much that was.
    pub fn drain(&mut self) -> io::Result<u64> {
        let before = self.taken;
        loop {
            match self.view()?.len() {
                0 => return Ok(self.taken - before),
                length => self.take(length),
            }
        }
    }
}

impl Read for Window<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.view()?.read(buffer)?;
        self.take(read);
        Ok(read)
    }
}

impl BufRead for Window<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.view()
    }

    fn consume(&mut self, count: usize) {
        self.take(count);
    }
}

fn fill(source: &mut dyn BufRead) -> io::Result<&[u8]> {
    // Asked twice because a borrow returned from a loop would outlive the loop.
    while let Err(error) = source.fill_buf() {
        if error.kind() != ErrorKind::Interrupted {
            return Err(error);
        }
    }
    source.fill_buf()
}

fn bounded(length: usize, room: u64) -> usize {
    usize::try_from(room).map_or(length, |room| length.min(room))
}
