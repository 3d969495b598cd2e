//! vCard (RFC 6350) and iCalendar (RFC 5545): a property a line, lines folded.
//!
//! What stands between `BEGIN` and `END` is about one person or one event. Properties go by a word instead of their
//! abbreviation, so that their name is evidence.

use std::io::Read as _;

use crate::transfer::{Container, is_plain_name};

use super::charset::{self, Reader, Step};
use super::inside::{self, HOLD};
use super::output::Output;
use super::transfer::QuotedPrintable;

/// Deepest nesting of components.
const NESTING: usize = 16;

/// Words for properties whose names are abbreviations.
const WORDS: &[(&str, &str)] = &[
    ("n", "name"),
    ("fn", "full name"),
    ("tel", "telephone"),
    ("adr", "address"),
    ("bday", "birthday"),
    ("org", "organisation"),
    ("geo", "coordinates"),
];

/// Reads cards.
#[derive(Debug)]
pub(super) struct Card {
    open: usize,
    lines: u64,
}

impl Card {
    /// A reader.
    pub fn new() -> Card {
        Card { open: 0, lines: 0 }
    }

    fn property(&mut self, line: &str, offset: u64, out: &mut Output<'_>) {
        let unfolded = unfold(line);
        let line = unfolded.trim_ascii_end();
        let Some((head, value)) = split(line) else { return out.text(line, None, offset) };
        let (name, parameters) = head.split_once(';').unwrap_or((head, ""));
        let name = name.rsplit('.').next().unwrap_or(name).to_ascii_lowercase();
        match name.as_str() {
            "begin" if self.open < NESTING => {
                self.open += 1;
                out.open(Container::Object);
            }
            "end" if self.open > 0 => {
                self.open -= 1;
                out.close();
            }
            _ => {
                let quoted = parameters.to_ascii_uppercase().contains("QUOTED-PRINTABLE");
                let value = if quoted { unquoted(value) } else { plain(value) };
                self.value(&name, parameters, &value, offset, out);
            }
        }
    }

    fn value(&self, name: &str, parameters: &str, value: &str, offset: u64, out: &mut Output<'_>) {
        if !is_plain_name(name) {
            out.text(name, None, offset);
        }
        // Parameters such as an address for mail, or the name of somebody who was invited.
        out.text(parameters, None, offset);
        out.at.enter(name);
        let word = WORDS.iter().find(|(short, _)| *short == name).map_or(name, |(_, word)| word);
        // A telephone number may come as an address of its own kind (RFC 3966).
        let value = value.strip_prefix("tel:").or_else(|| value.strip_prefix("mailto:")).unwrap_or(value);
        inside::value(value, Some(word), offset, out);
        out.at.leave();
    }
}

impl Reader for Card {
    fn read(&mut self, text: &str, offset: u64, last: bool, out: &mut Output<'_>) -> Step {
        let mut at = 0;
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
            let Some(length) = logical(rest, last) else {
                if rest.len() > HOLD {
                    return Step::Failed { read: at, opaque: false };
                }
                break;
            };
            let line = rest.get(..length).unwrap_or(rest);
            out.at.set_line(Some(self.lines + 1));
            self.property(line, offset + at as u64, out);
            self.lines += memchr::memchr_iter(b'\n', line.as_bytes()).count() as u64;
            at += length;
        }
        out.at.set_line(None);
        Step::Read(at)
    }

    fn finish(&mut self, out: &mut Output<'_>) {
        for _ in 0..self.open {
            out.close();
        }
    }
}

/// The length of the first line with those that continue it. Nothing where its end is not known yet.
fn logical(text: &str, last: bool) -> Option<usize> {
    for end in memchr::memchr_iter(b'\n', text.as_bytes()) {
        match text.as_bytes().get(end + 1) {
            Some(b' ' | b'\t') => {}
            Some(_) => return Some(end + 1),
            None => return last.then_some(end + 1),
        }
    }
    last.then_some(text.len())
}

fn unfold(line: &str) -> String {
    line.replace("\r\n ", "").replace("\r\n\t", "").replace("\n ", "").replace("\n\t", "")
}

/// Name and parameters, and the value: split at the first colon outside quotes.
fn split(line: &str) -> Option<(&str, &str)> {
    let mut quoted = false;
    let at = line.find(|c| {
        quoted ^= c == '"';
        c == ':' && !quoted
    })?;
    Some((line.get(..at)?, line.get(at + 1..)?))
}

/// A value without its escapes; the parts of a structured one stand apart.
fn plain(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    let mut escaped = false;
    for c in value.chars() {
        match (escaped, c) {
            (false, '\\') => {
                escaped = true;
                continue;
            }
            (true, 'n' | 'N') => text.push('\n'),
            (false, ';') => text.push(' '),
            (_, c) => text.push(c),
        }
        escaped = false;
    }
    text
}

/// A value in the encoding of vCard 2.1.
fn unquoted(value: &str) -> String {
    let mut bytes = Vec::new();
    let mut source = value.as_bytes();
    // Reading memory cannot fail.
    let _ = QuotedPrintable::new(&mut source).read_to_end(&mut bytes);
    plain(&charset::whole(&bytes, None).0)
}
