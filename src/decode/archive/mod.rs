//! Archives: files within a file, each a document of its own, read in the order they lie there.

use std::io;

use crate::transfer::Container;

use super::account::Opaque;
use super::output::{NAME, Output};
use super::{Hints, document, opaque};

mod margin;

mod sheet;

pub(super) mod tar;

pub(super) mod zip;

/// A file in an archive, by its name.
pub(super) struct Member<'n>(pub &'n str);

impl Member<'_> {
    /// Goes into the member, lets `read` read it, and comes out again. Says no where a bound forbids it.
    pub fn within(
        &self,
        out: &mut Output<'_>,
        read: impl FnOnce(&Hints<'_>, &mut Output<'_>) -> io::Result<()>,
    ) -> io::Result<bool> {
        if !out.next_part() || !out.descend() {
            return Ok(false);
        }
        out.open(Container::Part);
        out.at.enter(self.0.get(..self.0.floor_char_boundary(NAME)).unwrap_or(""));
        // The path of a file is text that somebody wrote.
        out.text(self.0, Some("filename"), 0);
        let hints = Hints { file_name: Some(self.0), ..Hints::default() };
        let outer = out.key.take();
        read(&hints, out)?;
        out.key = outer;
        out.at.leave();
        out.close();
        out.rise();
        Ok(true)
    }

    /// Reads the member from `source`, which holds nothing else.
    pub fn read(&self, source: &mut dyn io::BufRead, out: &mut Output<'_>) -> io::Result<bool> {
        self.within(out, |hints, out| document(hints, source, out))
    }
}

/// What lies behind the point where an archive stops making sense, or may not be read on.
fn rest(reason: Opaque, window: &mut super::window::Window<'_>, out: &mut Output<'_>) -> io::Result<()> {
    let left = window.drain()?;
    opaque(reason, left, out);
    Ok(())
}
