//! Plain text: blocks that overlap, read where they lie.

use super::charset::{Reader, Step};
use super::output::{BLOCK, Output};
use crate::transfer::CONTEXT;

/// Reads text that has no structure of its own.
#[derive(Debug, Default)]
pub(super) struct Plain {
    /// How much of the beginning of the text at hand is context that was reported already.
    reported: usize,
    /// Line ends passed.
    lines: u64,
}

impl Reader for Plain {
    fn read(&mut self, text: &str, offset: u64, last: bool, out: &mut Output<'_>) -> Step {
        let mut read = 0;
        loop {
            let rest = text.get(read..).unwrap_or("");
            let at = offset + read as u64;
            if rest.len() <= BLOCK {
                if last {
                    self.emit(rest, rest.len(), at, out);
                    return Step::Read(text.len());
                }
                return Step::Read(read);
            }
            let block = rest.get(..rest.floor_char_boundary(BLOCK)).unwrap_or(rest);
            let end = block.floor_char_boundary(block.len() - CONTEXT);
            self.emit(block, end, at, out);
            let keep = block.floor_char_boundary(end - CONTEXT);
            self.lines += line_ends(block.get(..keep).unwrap_or(""));
            self.reported = end - keep;
            read += keep;
        }
    }

    fn finish(&mut self, _: &mut Output<'_>) {}
}

impl Plain {
    fn emit(&mut self, text: &str, end: usize, offset: u64, out: &mut Output<'_>) {
        // A field of a form has a name and needs no line.
        let named = out.at.depth() > 0;
        out.at.set_line((!named).then_some(self.lines + 1));
        let key = out.key.take();
        if text.trim_ascii().is_empty() {
            // Nothing to see.
        } else if self.reported == 0 && end == text.len() && end <= BLOCK {
            super::inside::value(text, key.as_deref(), offset, out);
        } else {
            out.part(text, self.reported..end, key.as_deref(), offset);
        }
        out.key = key;
        out.at.set_line(None);
    }
}

fn line_ends(text: &str) -> u64 {
    memchr::memchr_iter(b'\n', text.as_bytes()).count() as u64
}
