//! `application/x-www-form-urlencoded`, of bodies and of query strings.

use std::borrow::Cow;

use memchr::memchr2;
use percent_encoding::percent_decode;

use crate::transfer::{Container, is_plain_name};

use super::charset::{self, Reader, Step};
use super::inside::{self, HOLD};
use super::output::{Blocks, NAME, Output};

/// Reads a form.
#[derive(Debug, Default)]
pub(super) struct Form {
    opened: bool,
    charset: Option<String>,
    /// Depth of the location of the form.
    base: usize,
    long: Option<Long>,
}

/// A field too long to be held.
#[derive(Debug)]
struct Long {
    name: String,
    blocks: Blocks,
    /// Bytes of a character that is not whole yet.
    pending: Vec<u8>,
}

impl Form {
    /// A reader of a form whose bytes are in a charset that may be declared.
    pub fn new(charset: Option<&str>, out: &Output<'_>) -> Form {
        Form { charset: charset.map(str::to_owned), base: out.at.depth(), ..Form::default() }
    }

    fn pair(&mut self, pair: &str, offset: u64, out: &mut Output<'_>) {
        let (name, value) = pair.split_once('=').unwrap_or(("", pair));
        let at = offset + (pair.len() - value.len()) as u64;
        let value = field(value, self.charset.as_deref(), out);
        let name = self.enter(name, offset, out);
        inside::value(&value, Some(&*name).filter(|name| !name.is_empty()), at, out);
        self.leave(out);
    }

    /// Goes out of a field; one without a name is nowhere.
    fn leave(&self, out: &mut Output<'_>) {
        while out.at.depth() > self.base {
            out.at.leave();
        }
    }

    /// Goes into a field; returns its name as far as it is one.
    fn enter(&self, raw: &str, offset: u64, out: &mut Output<'_>) -> String {
        let mut name = field(raw, self.charset.as_deref(), out).into_owned();
        if !name.is_empty() && !is_plain_name(&name) {
            out.text(&name, None, offset);
        }
        name.truncate(name.floor_char_boundary(NAME));
        if !name.is_empty() {
            out.at.enter(&name);
        }
        name
    }

    /// Begins a field too long to be held; returns where its value begins.
    fn begin_long(&mut self, text: &str, offset: u64, out: &mut Output<'_>) -> usize {
        let (name, _) = text.split_once('=').unwrap_or(("", text));
        let start = if name.len() < text.len() && !name.is_empty() { name.len() + 1 } else { 0 };
        let name = self.enter(name, offset, out);
        self.long = Some(Long { name, blocks: Blocks::new(offset + start as u64), pending: Vec::new() });
        start
    }

    /// Goes on with a long field; returns how much of `text` was read.
    fn long_field(&mut self, text: &str, last: bool, out: &mut Output<'_>) -> usize {
        let Some(mut long) = self.long.take() else { return 0 };
        let end = memchr::memchr(b'&', text.as_bytes());
        let rest = text.get(..end.unwrap_or(text.len())).unwrap_or(text);
        // A percent sequence that is not whole waits.
        let cut = rest.len() - rest.bytes().rev().take(2).position(|byte| byte == b'%').map_or(0, |back| back + 1);
        let whole = if end.is_some() || last { rest } else { rest.get(..cut).unwrap_or(rest) };
        long.pending.extend(percent_decode(whole.replace('+', " ").as_bytes()));
        let done = end.is_some() || last;
        long.flush(done, out);
        if !done {
            self.long = Some(long);
            return whole.len();
        }
        long.blocks.finish(Some(&long.name), out);
        self.leave(out);
        whole.len() + usize::from(end.is_some())
    }
}

impl Long {
    /// Passes on the characters that are whole.
    fn flush(&mut self, done: bool, out: &mut Output<'_>) {
        let mut left = 0;
        for chunk in self.pending.utf8_chunks() {
            self.blocks.push(chunk.valid(), Some(&self.name), out);
            left = chunk.invalid().len();
            if left > 0
                && (done || std::str::from_utf8(chunk.invalid()).is_err_and(|error| error.error_len().is_some()))
            {
                self.blocks.push("\u{fffd}", Some(&self.name), out);
                out.tally.opaque(super::account::Opaque::Undecodable, left as u64 * 3);
                left = 0;
            }
        }
        self.pending.drain(..self.pending.len() - left);
    }
}

impl Reader for Form {
    fn read(&mut self, text: &str, offset: u64, last: bool, out: &mut Output<'_>) -> Step {
        if !self.opened {
            self.opened = true;
            out.open(Container::Form);
        }
        let mut at = self.long_field(text, last, out);
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty() && self.long.is_none()) {
            let end = memchr::memchr(b'&', rest.as_bytes());
            if end.is_none() && !last && rest.len() <= HOLD {
                break;
            }
            let end = end.unwrap_or(rest.len());
            if end > HOLD {
                at += self.begin_long(rest, offset + at as u64, out);
                at += self.long_field(text.get(at..).unwrap_or(""), last, out);
                continue;
            }
            self.pair(rest.get(..end).unwrap_or(rest), offset + at as u64, out);
            at = (at + end + 1).min(text.len());
        }
        Step::Read(at)
    }

    fn finish(&mut self, out: &mut Output<'_>) {
        if let Some(mut long) = self.long.take() {
            long.blocks.finish(Some(&long.name), out);
        }
        self.leave(out);
        if self.opened {
            out.close();
        }
    }
}

/// A name or value with `+` and percent sequences resolved, twice where the first time leaves such sequences.
pub(super) fn field<'t>(raw: &'t str, charset: Option<&str>, out: &mut Output<'_>) -> Cow<'t, str> {
    if memchr2(b'+', b'%', raw.as_bytes()).is_none() {
        return Cow::Borrowed(raw);
    }
    decoded(&raw.replace('+', " "), charset, out).into()
}

/// Text with percent sequences resolved, twice where the first time leaves such sequences.
pub(super) fn decoded(raw: &str, charset: Option<&str>, out: &mut Output<'_>) -> String {
    let once = percent(raw, charset, out);
    if has_sequence(&once) { percent(&once, charset, out) } else { once }
}

fn percent(raw: &str, charset: Option<&str>, out: &mut Output<'_>) -> String {
    let bytes: Cow<'_, [u8]> = percent_decode(raw.as_bytes()).into();
    let (text, malformed) = charset::whole(&bytes, charset);
    out.tally.opaque(super::account::Opaque::Undecodable, malformed * 3);
    text.into_owned()
}

/// Whether a percent sign is followed by two hexadecimal digits anywhere.
fn has_sequence(text: &str) -> bool {
    let bytes = text.as_bytes();
    memchr::memchr_iter(b'%', bytes)
        .any(|at| bytes.get(at + 1..at + 3).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)))
}
