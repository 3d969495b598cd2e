//! The way out of every reader: pieces with their place, containers in balance, the account, the depth.
//!
//! Text longer than a block leaves as pieces that overlap ([`Blocks`]), so no reader needs more memory than a few blocks
//! whatever arrives.

use std::ops::Range;

use crate::transfer::{CONTEXT, Container, Locator, Piece, Sink};

use super::Limits;
use super::account::{Opaque, Tally};

/// Longest text of one piece, in bytes.
pub(super) const BLOCK: usize = 64 * 1024;

/// Longest name kept as a key, in bytes. A longer one is text.
pub(super) const NAME: usize = 256;

/// Where readers put what they find.
pub(super) struct Output<'a> {
    /// Where the reader is.
    pub at: Locator,
    /// The bounds.
    pub limits: &'a Limits,
    /// What became of the bytes.
    pub tally: Tally,
    /// Name of the field the current document stands in, for text that has no name of its own.
    pub key: Option<String>,
    /// Whether values are searched for documents inside them.
    pub look_inside: bool,
    sink: &'a mut dyn Sink,
    depth: u32,
    parts: u64,
}

impl<'a> Output<'a> {
    pub fn new(at: Locator, limits: &'a Limits, sink: &'a mut dyn Sink) -> Output<'a> {
        Output { at, limits, tally: Tally::default(), key: None, look_inside: true, sink, depth: 0, parts: 0 }
    }

    pub fn open(&mut self, container: Container) {
        self.sink.open(container);
    }

    pub fn close(&mut self) {
        self.sink.close();
    }

    /// Bytes of the shortest text that is worth a piece in a field of this name.
    #[inline]
    pub fn least(&mut self, key: Option<&str>) -> usize {
        self.sink.least(key)
    }

    /// Text that is whole.
    #[inline]
    pub fn whole(&mut self, text: &str, key: Option<&str>, offset: u64) {
        if !text.is_empty() {
            self.sink.piece(Piece::whole(text, key, offset, &self.at));
        }
    }

    /// Text of which a part is context.
    pub fn part(&mut self, text: &str, report: Range<usize>, key: Option<&str>, offset: u64) {
        if !report.is_empty() {
            self.sink.piece(Piece { text, report, key, offset, at: &self.at });
        }
    }

    /// Text of any length.
    pub fn text(&mut self, text: &str, key: Option<&str>, offset: u64) {
        if text.len() <= BLOCK {
            return self.whole(text, key, offset);
        }
        let mut blocks = Blocks::new(offset);
        blocks.push(text, key, self);
        blocks.finish(key, self);
    }

    /// Names a format or encoding that was met.
    pub fn format(&mut self, name: &'static str) {
        self.tally.formats.insert(name);
    }

    /// Goes one document deeper, if the depth allows it. [`Output::rise`] goes back.
    pub fn descend(&mut self) -> bool {
        let allowed = self.depth < self.limits.depth;
        self.depth += u32::from(allowed);
        allowed
    }

    /// Goes back out of a document.
    pub fn rise(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    /// Counts one more part of a message, if the bound allows it.
    pub fn next_part(&mut self) -> bool {
        self.parts = self.parts.saturating_add(1);
        self.parts <= self.limits.parts
    }

    /// Declares everything counted since `bytes` and `opaque` were read to be undecodable.
    pub fn condemn(&mut self, bytes: u64, opaque: u64) {
        let read = self.tally.bytes.saturating_sub(bytes);
        let already = self.tally.opaque_bytes().saturating_sub(opaque);
        self.tally.opaque(Opaque::Undecodable, read.saturating_sub(already));
    }
}

/// A sink that hears nothing, for a reading that only asks whether text is well formed.
pub(super) struct Silence;

impl Sink for Silence {
    fn open(&mut self, _: Container) {}
    fn close(&mut self) {}
    fn piece(&mut self, _: Piece<'_>) {}
}

/// Cuts text of any length into pieces that overlap. The cuts depend on the text only, never on how it arrived.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    text: String,
    from: usize,
    offset: u64,
}

impl Blocks {
    /// Begins at `offset` of the document.
    pub fn new(offset: u64) -> Blocks {
        Blocks { text: String::new(), from: 0, offset }
    }

    /// Adds text.
    pub fn push(&mut self, mut text: &str, key: Option<&str>, out: &mut Output<'_>) {
        loop {
            let room = text.floor_char_boundary(BLOCK.saturating_sub(self.text.len()));
            let (head, tail) = text.split_at_checked(room).unwrap_or((text, ""));
            self.text.push_str(head);
            if tail.is_empty() {
                return;
            }
            self.emit(key, out);
            text = tail;
        }
    }

    /// The last piece.
    pub fn finish(&mut self, key: Option<&str>, out: &mut Output<'_>) {
        out.part(&self.text, self.from..self.text.len(), key, self.offset);
        *self = Blocks { text: std::mem::take(&mut self.text), from: 0, offset: 0 };
        self.text.clear();
    }

    fn emit(&mut self, key: Option<&str>, out: &mut Output<'_>) {
        let end = self.text.floor_char_boundary(self.text.len().saturating_sub(CONTEXT));
        out.part(&self.text, self.from..end, key, self.offset);
        let keep = self.text.floor_char_boundary(end.saturating_sub(CONTEXT));
        self.text.drain(..keep);
        self.from = end - keep;
        self.offset += keep as u64;
    }
}
