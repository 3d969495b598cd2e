//! JSON, one value or many, as it arrives.
//!
//! The reader is a tokenizer with a stack of its own, not a validator: a comma may trail, several values may follow one
//! another (NDJSON, JSON sequences), raw line ends in strings pass. It is lenient because whoever receives the message
//! may be, and strict about one thing: every string and number that can matter leaves as text ([`Output::least`]). Strings
//! without escapes leave where they lie; escapes are resolved into one buffer. A name leaves as text too when it could be
//! a value.

use memchr::memchr2;

use crate::transfer::{Container, is_plain_name};

use super::charset::{Reader, Step};
use super::escape;
use super::inside::{self, HOLD};
use super::output::{BLOCK, Blocks, NAME, Output};

/// Deepest nesting that is followed.
const NESTING: usize = 512;

/// Longest number or word.
const WORD: usize = 4096;

/// Names that are remembered.
const KNOWN: usize = 32;

/// Reads JSON text.
#[derive(Debug)]
pub(super) struct Json {
    stack: Vec<Frame>,
    known: Known,
    /// Names of the members entered, one after the other. It begins with the name of the field the document stands in.
    names: String,
    /// Text with its escapes resolved.
    resolved: String,
    expect: Expect,
    long: Option<Long>,
    /// Depth of the location of the document.
    base: usize,
    /// Line ends between values.
    lines: u64,
    values: u64,
    /// Whether the location is that of the current value already. PERF: most values are too short to be looked at, and
    /// need none.
    inside: bool,
    /// A shorter value of the current member is not looked at.
    least: usize,
    /// Whether the message calls itself JSON, so that a syntax error hides something.
    labelled: bool,
}

#[derive(Debug, Clone, Copy)]
struct Frame {
    list: bool,
    index: u64,
    /// Where the name of the current member stands in `names`. Items of a list go by the name of the list.
    name: (usize, usize),
    /// A shorter item of the list is not looked at.
    least: usize,
}

/// The names of the first members, and which came behind which. PERF: objects in a list repeat their names in one order, so
/// the next name is mostly known and only has to be compared.
#[derive(Debug, Default)]
struct Known {
    text: String,
    names: Vec<KnownName>,
    /// The last one met.
    last: usize,
}

#[derive(Debug, Clone, Copy)]
struct KnownName {
    start: usize,
    end: usize,
    least: usize,
    /// Which came next.
    next: usize,
}

impl Known {
    fn text(&self, name: KnownName) -> &str {
        self.text.get(name.start..name.end).unwrap_or("")
    }

    /// The name that is expected next, if `rest` begins with it and a quote.
    #[inline]
    fn expected(&mut self, rest: &[u8]) -> Option<(&str, usize)> {
        let next = self.names.get(self.last)?.next;
        let name = *self.names.get(next)?;
        if rest.get(name.end - name.start) != Some(&b'"') || !rest.starts_with(self.text(name).as_bytes()) {
            return None;
        }
        self.last = next;
        Some((self.text(name), name.least))
    }

    /// Notes that a name was met, and gives back from which length on its values matter.
    fn meet(&mut self, name: &str, out: &mut Output<'_>) -> usize {
        let mut least = || out.least(Some(name).filter(|name| !name.is_empty()));
        let met = self.names.iter().position(|known| self.text(*known) == name);
        let place = met.unwrap_or(self.names.len());
        if met.is_none() {
            if place >= KNOWN {
                return least();
            }
            let start = self.text.len();
            self.text.push_str(name);
            self.names.push(KnownName { start, end: self.text.len(), least: least(), next: 0 });
        }
        self.names.iter_mut().skip(self.last).take(1).for_each(|last| last.next = place);
        self.last = place;
        self.names.get(place).map_or(0, |known| known.least)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expect {
    Value,
    Name,
    Colon,
    /// A comma, the end of the container, or another value of a sequence.
    After,
}

/// A string too long to be held.
#[derive(Debug)]
struct Long {
    blocks: Blocks,
    is_name: bool,
    /// Encoded bytes nobody can read, such as an image: the text counts as opaque.
    opaque: bool,
}

/// Where reading goes on.
enum Next {
    At(usize),
    /// The token is not whole yet.
    Wait,
    Fail {
        opaque: bool,
    },
}

impl Reader for Json {
    fn read(&mut self, text: &str, offset: u64, last: bool, out: &mut Output<'_>) -> Step {
        let mut at = 0;
        if self.long.is_some() {
            at = self.long_string(text, 0, last, out);
        }
        let bytes = text.as_bytes();
        while self.long.is_none() {
            at = self.skip(bytes, at);
            let Some(&byte) = bytes.get(at) else { break };
            let next = match byte {
                _ if byte == b'"' => match self.known_name(bytes.get(at + 1..).unwrap_or_default()) {
                    Some(length) => Next::At(at + length + 2),
                    None => self.string(text, at, offset, last, out),
                },
                b'{' | b'[' => self.open(at, byte == b'[', out),
                b'}' | b']' => self.close(at, byte == b']', out),
                b')' if offset + at as u64 == 0 => guard(text, last),
                b'-' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => self.word(text, at, offset, last, out),
                _ => self.fail(),
            };
            match next {
                Next::At(next) => at = next,
                Next::Wait => break,
                Next::Fail { opaque } => return Step::Failed { read: at, opaque },
            }
        }
        Step::Read(at)
    }

    fn finish(&mut self, out: &mut Output<'_>) {
        if let Some(mut long) = self.long.take() {
            long.blocks.finish(key(&self.names, self.name(), long.is_name), out);
        }
        for _ in self.stack.drain(..) {
            out.close();
        }
        while out.at.depth() > self.base {
            out.at.leave();
        }
        out.at.set_line(None);
    }
}

impl Json {
    /// A reader. `labelled` says whether the message calls itself JSON.
    pub fn new(labelled: bool, out: &Output<'_>) -> Json {
        Json {
            stack: Vec::new(),
            known: Known::default(),
            names: out.key.clone().unwrap_or_default(),
            resolved: String::new(),
            expect: Expect::Value,
            long: None,
            base: out.at.depth(),
            lines: 0,
            values: 0,
            inside: false,
            least: 0,
            labelled,
        }
    }

    /// Whether what was read is a whole number of values, at least one.
    pub fn is_whole(&self) -> bool {
        self.stack.is_empty() && self.values > 0 && self.expect == Expect::After
    }

    /// Passes white space, commas and colons where they may stand.
    ///
    /// PERF: separators are passed here and not in the match over tokens, whose branch the processor cannot foresee.
    #[inline]
    fn skip(&mut self, bytes: &[u8], mut at: usize) -> usize {
        while let Some(&byte) = bytes.get(at) {
            if byte > b' ' {
                if byte == b':' && self.expect == Expect::Colon {
                    self.expect = Expect::Value;
                } else if byte == b',' && self.expect == Expect::After && !self.stack.is_empty() {
                    self.expect = if self.in_list() { Expect::Value } else { Expect::Name };
                } else {
                    break;
                }
            } else if byte == b'\n' {
                self.lines += u64::from(self.stack.is_empty());
            } else if !matches!(byte, b' ' | b'\t' | b'\r' | 0x1e) {
                break;
            }
            at += 1;
        }
        at
    }

    fn fail(&self) -> Next {
        Next::Fail { opaque: self.labelled }
    }

    fn in_list(&self) -> bool {
        self.stack.last().is_some_and(|frame| frame.list)
    }

    /// Where the name that goes for the current value stands in `names`.
    #[inline]
    fn name(&self) -> (usize, usize) {
        self.stack.last().map_or((0, self.names.len()), |frame| frame.name)
    }

    /// Prepares for a value; says no where none may stand.
    #[inline]
    fn begin(&mut self, out: &mut Output<'_>) -> bool {
        match (self.expect, self.stack.last()) {
            (Expect::Value, _) => {}
            (Expect::After, None) => {
                out.format("ndjson");
                out.at.set_line(Some(self.lines + 1));
            }
            _ => return false,
        }
        true
    }

    /// Makes the location that of the current value.
    #[inline]
    fn go_in(&mut self, out: &mut Output<'_>) {
        if let Some(frame) = self.stack.last().filter(|_| !self.inside) {
            match frame.list {
                true => out.at.enter_index(frame.index),
                false => out.at.enter_plain(self.names.get(frame.name.0..frame.name.1).unwrap_or("")),
            }
            self.inside = true;
        }
    }

    /// Whether the current value is too short to matter.
    #[inline]
    fn is_idle(&self, text: &str) -> bool {
        let least = self.stack.last().map_or(0, |frame| if frame.list { frame.least } else { self.least });
        inside::is_idle(text, least)
    }

    /// After a value.
    #[inline]
    fn end(&mut self, out: &mut Output<'_>) {
        match self.stack.last_mut() {
            Some(frame) => {
                frame.index += 1;
                if self.inside {
                    out.at.leave();
                }
            }
            None => self.values += 1,
        }
        self.inside = false;
        self.expect = Expect::After;
    }

    fn open(&mut self, at: usize, list: bool, out: &mut Output<'_>) -> Next {
        if self.stack.len() >= NESTING {
            return Next::Fail { opaque: true };
        }
        if !self.begin(out) {
            return self.fail();
        }
        self.go_in(out);
        let name = if list { self.name() } else { (self.names.len(), self.names.len()) };
        let least = if list { out.least(key(&self.names, name, false)) } else { 0 };
        self.stack.push(Frame { list, index: 0, name, least });
        self.inside = false;
        self.expect = if list { Expect::Value } else { Expect::Name };
        out.open(if list { Container::List } else { Container::Object });
        Next::At(at + 1)
    }

    fn close(&mut self, at: usize, list: bool, out: &mut Output<'_>) -> Next {
        let may_close = match self.expect {
            Expect::After => true,
            Expect::Value => list,
            Expect::Name => !list,
            Expect::Colon => false,
        };
        if !may_close || self.stack.last().is_none_or(|frame| frame.list != list) {
            return self.fail();
        }
        if let Some(frame) = self.stack.pop().filter(|frame| !frame.list) {
            self.names.truncate(frame.name.0);
        }
        out.close();
        self.inside = true;
        self.end(out);
        Next::At(at + 1)
    }

    fn string(&mut self, text: &str, at: usize, offset: u64, last: bool, out: &mut Output<'_>) -> Next {
        let start = at + 1;
        let rest = text.get(start..).unwrap_or("");
        let (length, escaped, whole) = escape::measure(rest.as_bytes());
        let hold = if matches!(rest.as_bytes(), [b'{' | b'[', ..]) { HOLD } else { BLOCK };
        if !whole && !last && length <= hold {
            return Next::Wait;
        }
        let is_name = self.expect == Expect::Name;
        if !is_name && !self.begin(out) {
            return self.fail();
        }
        if length > hold {
            return Next::At(self.begin_long(text, start, is_name, offset, last, out));
        }
        let raw = rest.get(..length).unwrap_or(rest);
        let place = offset + start as u64;
        if !is_name && self.is_idle(raw) {
            self.end(out);
        } else if escaped {
            let mut resolved = std::mem::take(&mut self.resolved);
            resolved.clear();
            escape::resolve(raw, &mut resolved);
            self.whole_string(&resolved, is_name, place, out);
            self.resolved = resolved;
        } else {
            self.whole_string(raw, is_name, place, out);
        }
        Next::At((start + length + 1).min(text.len()))
    }

    #[inline]
    fn whole_string(&mut self, text: &str, is_name: bool, offset: u64, out: &mut Output<'_>) {
        if is_name && is_plain(text) {
            // A plain name is a short one, and has nothing to escape.
            self.name_member(text);
            self.least = self.known.meet(text, out);
        } else if is_name {
            self.enter(text, out);
            out.text(text, None, offset);
        } else {
            self.go_in(out);
            inside::value(text, key(&self.names, self.name(), false), offset, out);
            self.end(out);
        }
    }

    /// Goes into a member.
    fn enter(&mut self, name: &str, out: &mut Output<'_>) {
        let known = if name.len() > NAME { name.get(..name.floor_char_boundary(NAME)).unwrap_or(name) } else { name };
        self.name_member(known);
        self.least = out.least(Some(known).filter(|name| !name.is_empty()));
        out.at.enter(known);
        self.inside = true;
    }

    /// Reads the name that is expected next, if it comes next, and gives back its length.
    #[inline]
    fn known_name(&mut self, rest: &[u8]) -> Option<usize> {
        if self.expect != Expect::Name {
            return None;
        }
        let (name, least) = self.known.expected(rest)?;
        let frame = self.stack.last_mut()?;
        self.names.truncate(frame.name.0);
        self.names.push_str(name);
        frame.name.1 = self.names.len();
        self.least = least;
        self.expect = Expect::Colon;
        Some(name.len())
    }

    /// The current member of the innermost object goes by this name.
    fn name_member(&mut self, name: &str) {
        if let Some(frame) = self.stack.last_mut() {
            self.names.truncate(frame.name.0);
            self.names.push_str(name);
            frame.name.1 = self.names.len();
        }
        self.expect = Expect::Colon;
    }

    /// Begins a string too long to be held; returns where it stopped.
    fn begin_long(
        &mut self,
        text: &str,
        start: usize,
        is_name: bool,
        offset: u64,
        last: bool,
        out: &mut Output<'_>,
    ) -> usize {
        let rest = text.get(start..).unwrap_or("");
        let beginning = rest.get(..rest.floor_char_boundary(NAME)).unwrap_or(rest);
        if is_name {
            self.enter(beginning, out);
        } else {
            self.go_in(out);
        }
        let opaque = inside::is_wrapped_binary(beginning);
        self.long = Some(Long { blocks: Blocks::new(offset + start as u64), is_name, opaque });
        self.long_string(text, start, last, out)
    }

    /// Goes on with a long string; returns where it stopped.
    fn long_string(&mut self, text: &str, start: usize, last: bool, out: &mut Output<'_>) -> usize {
        let Some(mut long) = self.long.take() else { return start };
        let name = key(&self.names, self.name(), long.is_name);
        let mut at = start;
        let mut ended = false;
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty() && !ended) {
            let plain = memchr2(b'"', b'\\', rest.as_bytes()).unwrap_or(rest.len());
            long.blocks.push(rest.get(..plain).unwrap_or(""), name, out);
            at += plain;
            let special = rest.get(plain..).unwrap_or("");
            if special.starts_with('"') {
                ended = true;
                at += 1;
            } else if special.starts_with('\\') {
                if special.len() < escape::LONGEST && !last {
                    break;
                }
                let (c, length) = escape::one(special);
                long.blocks.push(c.encode_utf8(&mut [0; 4]), name, out);
                at += length;
            }
        }
        if long.opaque {
            out.tally.opaque(super::account::Opaque::Undecodable, (at - start) as u64);
        }
        if !ended {
            self.long = Some(long);
            return at;
        }
        long.blocks.finish(name, out);
        if long.is_name {
            self.expect = Expect::Colon
        } else {
            self.end(out)
        }
        at
    }

    /// A number, or `true`, `false`, `null` and what lenient writers put in their place.
    fn word(&mut self, text: &str, at: usize, offset: u64, last: bool, out: &mut Output<'_>) -> Next {
        let rest = text.get(at..).unwrap_or("");
        let end = rest.bytes().position(|byte| !is_word(byte)).unwrap_or(rest.len());
        if end == rest.len() && !last && end < WORD {
            return Next::Wait;
        }
        let word = rest.get(..end).unwrap_or(rest);
        let number = word.starts_with(|c: char| c == '-' || c.is_ascii_digit());
        let known = matches!(word, "true" | "false" | "null" | "NaN" | "Infinity" | "undefined");
        let cut = last && end == rest.len() && ["true", "false", "null"].iter().any(|known| known.starts_with(word));
        if !(number || known || cut) || !self.begin(out) {
            return self.fail();
        }
        if number && !self.is_idle(word) {
            self.go_in(out);
            out.text(word, key(&self.names, self.name(), false), offset + at as u64);
        }
        self.end(out);
        Next::At(at + end)
    }
}

/// The prefix that keeps browsers from running JSON as a script.
fn guard(text: &str, last: bool) -> Next {
    const PREFIX: &str = ")]}'";
    match text.strip_prefix(PREFIX) {
        Some(rest) if rest.is_empty() && !last => Next::Wait,
        Some(rest) => Next::At(PREFIX.len() + usize::from(rest.starts_with(','))),
        None if PREFIX.starts_with(text) && !last => Next::Wait,
        None => Next::Fail { opaque: true },
    }
}

fn key(names: &str, (start, end): (usize, usize), is_name: bool) -> Option<&str> {
    names.get(start..end).filter(|name| !name.is_empty() && !is_name)
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.' | b'_')
}

/// Whether a name can be nothing but a name. Most are short ASCII words, which is quick to see.
#[inline]
fn is_plain(name: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    (name.len() <= 40 && name.bytes().fold(true, |all, byte| all & word(byte))) || is_plain_name(name)
}
