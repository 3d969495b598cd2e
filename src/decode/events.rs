//! Server-sent events: a field a line, often JSON.

use super::charset::{Reader, Step};
use super::inside::{self, HOLD};
use super::output::Output;

/// Reads an event stream.
#[derive(Debug, Default)]
pub(super) struct Events {
    lines: u64,
}

impl Reader for Events {
    fn read(&mut self, text: &str, offset: u64, last: bool, out: &mut Output<'_>) -> Step {
        let mut at = 0;
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
            let end = memchr::memchr(b'\n', rest.as_bytes());
            let length = end.unwrap_or(rest.len());
            if length > HOLD {
                return Step::Failed { read: at, opaque: false };
            }
            if end.is_none() && !last {
                break;
            }
            self.lines += 1;
            out.at.set_line(Some(self.lines));
            line(rest.get(..length).unwrap_or(rest), offset + at as u64, out);
            at += length + usize::from(end.is_some());
        }
        out.at.set_line(None);
        Step::Read(at)
    }

    fn finish(&mut self, _: &mut Output<'_>) {}
}

fn line(line: &str, offset: u64, out: &mut Output<'_>) {
    let line = line.trim_ascii_end();
    let (name, value) = line.split_once(':').unwrap_or(("", line));
    let at = offset + (line.len() - value.len()) as u64;
    let (value, at) = value.strip_prefix(' ').map_or((value, at), |value| (value, at + 1));
    match name {
        "data" | "event" | "id" | "retry" => {
            out.at.enter(name);
            inside::value(value, Some(name).filter(|name| *name != "data"), at, out);
            out.at.leave();
        }
        // A comment, or a field nobody knows: all of it is text.
        _ => out.text(line, None, offset),
    }
}
