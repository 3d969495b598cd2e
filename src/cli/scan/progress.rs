//! How far a scan is, on the terminal of somebody who waits.

use std::io::{self, BufRead, IsTerminal as _, Read, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::super::Failure;
use super::super::content::Walk;

/// The bar on standard error, if that is a terminal; otherwise nothing.
pub(super) struct Progress {
    bar: ProgressBar,
    files: u64,
    done: std::sync::atomic::AtomicU64,
}

/// A source whose bytes are counted as they are read.
pub(super) struct Watched<'p> {
    source: Box<dyn BufRead>,
    bar: &'p ProgressBar,
}

impl Progress {
    pub(super) fn new(walk: &Walk) -> Progress {
        let shown = io::stderr().is_terminal();
        let target = if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(walk.bytes, target);
        let template = if walk.bytes.is_some() {
            "{bar:32} {bytes} of {total_bytes}, {binary_bytes_per_sec}, {msg}, {eta} left"
        } else {
            "{spinner} {bytes}, {binary_bytes_per_sec}, {msg}"
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        if shown {
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        let progress = Progress { bar, files: walk.inputs.len() as u64, done: 0.into() };
        progress.tell(0);
        progress
    }

    fn tell(&self, done: u64) {
        self.bar.set_message(format!("file {done} of {}", self.files));
    }

    /// One more file is done.
    pub(super) fn next_file(&self) {
        self.tell(self.done.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1);
    }

    /// Counts what is read from a source.
    pub(super) fn watch(&self, source: Box<dyn BufRead>) -> Watched<'_> {
        Watched { source, bar: &self.bar }
    }

    /// Writes beside the bar.
    pub(super) fn aside(
        &self,
        out: &mut dyn Write,
        write: impl FnOnce(&mut dyn Write) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        if self.bar.is_hidden() {
            return write(out);
        }
        self.bar.suspend(|| {
            write(out)?;
            Ok(out.flush()?)
        })
    }

    /// Takes the bar away.
    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }
}

impl Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.bar.inc(read as u64);
        Ok(read)
    }
}

impl BufRead for Watched<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.source.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        self.bar.inc(count as u64);
        self.source.consume(count);
    }
}
