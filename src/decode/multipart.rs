//! Multipart messages: each part is a document of its own, read as it arrives.
//!
//! A part ends at its boundary or with the message; the last boundary may be missing. What stands before the first
//! boundary and behind the last is text like any other, because mail readers hide it and data could travel there.

use std::borrow::Cow;
use std::io::{self, BufRead, Read};

use memchr::memmem::Finder;

use crate::transfer::{Container, is_plain_name};

use super::account::Opaque;
use super::encoding::{self, Coding};
use super::form;
use super::label;
use super::output::{NAME, Output};
use super::sniff::parameter;
use super::window::Window;
use super::word;
use super::{Hints, coded, deeper, opaque};

/// Longest headers of a part.
const HEADERS: usize = 16 * 1024;

/// What stands before the first part and behind the last is text for readers that know no parts.
const TEXT: Hints<'static> =
    Hints { content_type: Some("text/plain"), content_encoding: None, charset: None, file_name: None };

/// Reads all parts.
pub(super) fn read(boundary: &str, is_form: bool, window: &mut Window<'_>, out: &mut Output<'_>) -> io::Result<()> {
    out.format("multipart");
    if is_form {
        out.open(Container::Form);
    }
    let mut parts = Parts::new(boundary, window);
    if !parts.begins()? {
        let mut section = Section { parts: &mut parts };
        deeper(&mut section, out, |section, out| coded(&[], &TEXT, section, out))?;
    }
    let mut index = 0;
    loop {
        let (delimiter, length) = parts.pass()?;
        out.tally.bytes += length;
        if delimiter == Delimiter::Last {
            break;
        }
        if !out.next_part() || !out.descend() {
            let left = parts.window.drain()?;
            opaque(Opaque::Oversize, left, out);
            break;
        }
        part(index, is_form, &mut parts, out)?;
        out.rise();
        index += 1;
    }
    let left = parts.window.view()?.len();
    if left > 0 {
        deeper(parts.window, out, |window, out| coded(&[], &TEXT, window, out))?;
    }
    if is_form {
        out.close();
    }
    Ok(())
}

/// Reads a message of e-mail (RFC 5322): a head, and a body that says there what it is.
pub(super) fn mail(window: &mut Window<'_>, out: &mut Output<'_>) -> io::Result<()> {
    out.format("mail");
    let head = Head::read(window, out)?;
    out.open(Container::Head);
    head.emit(out);
    out.close();
    deeper(window, out, |window, out| body(&head, None, window, out))
}

/// Reads what stands behind the head of a part.
fn body(head: &Head, file_name: Option<&str>, window: &mut Window<'_>, out: &mut Output<'_>) -> io::Result<()> {
    let mut codings = encoding::parse(head.get("content-encoding"));
    codings.extend(head.get("content-transfer-encoding").and_then(Coding::of_transfer));
    let hints = Hints { content_type: Some(head.get("content-type").unwrap_or("")), file_name, ..Hints::default() };
    coded(&codings, &hints, window, out)
}

/// Reads one part.
fn part(index: u64, is_form: bool, parts: &mut Parts<'_, '_>, out: &mut Output<'_>) -> io::Result<()> {
    let mut section = Section { parts };
    let mut window = Window::new(&mut section, u64::MAX);
    let head = Head::read(&mut window, out)?;
    let name = head.disposition_parameter("name", out);
    let file_name = head.disposition_parameter("filename", out);
    // A plain field belongs to the form; a file is something of its own.
    let own = !is_form || file_name.is_some() || head.get("content-type").is_some();
    if own {
        out.open(Container::Part);
    }
    let known = name.as_deref().map(|name| name.get(..name.floor_char_boundary(NAME)).unwrap_or(""));
    match known {
        Some(name) => out.at.enter(name),
        None => out.at.enter_index(index),
    }
    if let Some(name) = name.as_deref().filter(|name| !name.is_empty() && !is_plain_name(name)) {
        out.text(name, None, 0);
    }
    if let Some(name) = &file_name {
        out.text(name, Some("filename"), 0);
    }
    head.emit(out);
    let outer = std::mem::replace(&mut out.key, known.filter(|name| !name.is_empty()).map(str::to_owned));
    body(&head, file_name.as_deref(), &mut window, out)?;
    out.key = outer;
    out.at.leave();
    if own {
        out.close();
    }
    Ok(())
}

/// The headers of a part.
struct Head {
    fields: Vec<(String, String)>,
}

impl Head {
    /// Takes the headers off a part. Without an empty line near its beginning a part has none.
    fn read(window: &mut Window<'_>, out: &mut Output<'_>) -> io::Result<Head> {
        let start = window.need(HEADERS)?;
        let end = if start.starts_with(b"\r\n") {
            Some(2)
        } else if start.starts_with(b"\n") {
            Some(1)
        } else {
            let short = memchr::memmem::find(start, b"\n\n").map(|at| at + 2);
            let long = memchr::memmem::find(start, b"\n\r\n").map(|at| at + 3);
            // An empty part may end with its headers.
            let bare =
                start.len() < HEADERS && start.get(..8).is_some_and(|name| name.eq_ignore_ascii_case(b"content-"));
            [short, long].into_iter().flatten().min().or_else(|| bare.then_some(start.len()))
        };
        let length = end.unwrap_or(0);
        let (text, malformed) = super::charset::whole(start.get(..length).unwrap_or_default(), None);
        let unfolded = text.replace("\r\n", "\n").replace("\n ", " ").replace("\n\t", " ");
        let fields = unfolded
            .lines()
            .filter(|line| !line.is_empty())
            .map(|line| line.split_once(':').unwrap_or(("", line)))
            .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        out.tally.bytes += length as u64;
        out.tally.opaque(Opaque::Undecodable, malformed);
        window.take(length);
        Ok(Head { fields })
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    /// A parameter of `Content-Disposition`, in its plain or its extended form.
    fn disposition_parameter(&self, name: &str, out: &mut Output<'_>) -> Option<String> {
        let value = self.get("content-disposition")?;
        if let Some(extended) = parameter(value, &format!("{name}*")) {
            let mut pieces = extended.splitn(3, '\'');
            let (charset, _, text) = (pieces.next()?, pieces.next(), pieces.next().unwrap_or(""));
            return Some(form::decoded(text, Some(charset), out));
        }
        parameter(value, name).map(Cow::into_owned)
    }

    /// Emits the headers that have no meaning here: they may carry data.
    fn emit(&self, out: &mut Output<'_>) {
        const KNOWN: &[&str] = &[
            "content-disposition",
            "content-type",
            "content-transfer-encoding",
            "content-encoding",
            "content-length",
        ];
        for (name, value) in self.fields.iter().filter(|(name, _)| !KNOWN.contains(&name.as_str())) {
            let value = word::decode(value);
            if label::is_header(name) {
                label::fields(&value).for_each(|(name, value)| out.text(value, Some(name), 0));
            } else {
                out.text(&value, Some(name.as_str()).filter(|name| !name.is_empty()), 0);
            }
        }
    }
}

/// A message cut at its boundaries.
struct Parts<'w, 'r> {
    window: &'w mut Window<'r>,
    /// A line end and the boundary.
    finder: Finder<'static>,
    /// Bytes at hand that are known to hold no boundary.
    clear: usize,
}

/// What a boundary begins.
#[derive(PartialEq, Eq)]
enum Delimiter {
    /// A part.
    Part,
    /// Nothing: the last boundary, or the end of the message.
    Last,
}

impl<'w, 'r> Parts<'w, 'r> {
    fn new(boundary: &str, window: &'w mut Window<'r>) -> Parts<'w, 'r> {
        let mark = format!("\n--{boundary}");
        Parts { window, finder: Finder::new(&mark).into_owned(), clear: 0 }
    }

    /// The boundary with its dashes.
    fn dashed(&self) -> Vec<u8> {
        self.finder.needle().get(1..).unwrap_or_default().to_vec()
    }

    /// Whether the message begins with a boundary.
    fn begins(&mut self) -> io::Result<bool> {
        let dashed = self.dashed();
        let behind = self.window.need(dashed.len() + 2)?.strip_prefix(dashed.as_slice());
        Ok(behind.is_some_and(|behind| closes(behind) != Some(false)))
    }

    /// Passes the boundary that a part ended at, and says how long its line was.
    fn pass(&mut self) -> io::Result<(Delimiter, u64)> {
        let dashed = self.dashed();
        let view = self.window.need(dashed.len() + 4)?;
        let ends = view.iter().take(2).take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let rest = view.get(ends..).unwrap_or_default();
        let Some(behind) = rest.strip_prefix(dashed.as_slice()) else { return Ok((Delimiter::Last, 0)) };
        let last = behind.starts_with(b"--");
        let start = ends + dashed.len() + 2 * usize::from(last);
        self.window.take(start);
        let mut length = start as u64;
        loop {
            let view = self.window.view()?;
            let end = memchr::memchr(b'\n', view).map(|at| at + 1);
            let passed = end.unwrap_or(view.len());
            let ended = end.is_some() || view.is_empty();
            self.window.take(passed);
            length += passed as u64;
            if ended {
                return Ok((if last { Delimiter::Last } else { Delimiter::Part }, length));
            }
        }
    }

    /// How many bytes at hand belong to the section; none at its end.
    fn ahead(&mut self) -> io::Result<usize> {
        let mark = self.finder.needle().len();
        while self.clear == 0 {
            let (view, last) = self.window.look()?;
            let (found, sure) = find(&self.finder, view, last);
            self.clear = match found {
                Some(at) if sure => return self.until(at),
                Some(at) => at.saturating_sub(1),
                None if last => view.len(),
                None => view.len().saturating_sub(mark),
            };
            if self.clear == 0 {
                if last {
                    return Ok(0);
                }
                self.window.widen()?;
            }
        }
        Ok(self.clear)
    }

    /// The length of a section that ends at a line end at `at`, which may be of two characters.
    fn until(&mut self, at: usize) -> io::Result<usize> {
        let view = self.window.view()?;
        let carriage = at.checked_sub(1).is_some_and(|before| view.get(before) == Some(&b'\r'));
        self.clear = at - usize::from(carriage);
        Ok(self.clear)
    }
}

/// The first boundary, and whether enough is at hand to be sure that it is one.
fn find(finder: &Finder<'_>, view: &[u8], last: bool) -> (Option<usize>, bool) {
    let mark = finder.needle().len();
    let mut from = 0;
    loop {
        let ahead = view.get(from..).unwrap_or_default();
        let Some(at) = finder.find(ahead).map(|at| from + at) else { return (None, true) };
        match closes(view.get(at + mark..).unwrap_or_default()) {
            Some(true) => return (Some(at), true),
            Some(false) => from = at + 1,
            None => return (Some(at), last),
        }
    }
}

/// Whether what stands behind a boundary lets it be one, and not the beginning of a longer word. Unknown where too little
/// is at hand.
fn closes(behind: &[u8]) -> Option<bool> {
    match behind {
        [] | [b'-'] => None,
        [b'\r' | b'\n' | b' ' | b'\t', ..] | [b'-', b'-', ..] => Some(true),
        _ => Some(false),
    }
}

/// What stands between two boundaries.
struct Section<'p, 'w, 'r> {
    parts: &'p mut Parts<'w, 'r>,
}

impl Read for Section<'_, '_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

impl BufRead for Section<'_, '_, '_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let length = self.parts.ahead()?;
        Ok(self.parts.window.view()?.get(..length).unwrap_or_default())
    }

    fn consume(&mut self, count: usize) {
        self.parts.clear -= count.min(self.parts.clear);
        self.parts.window.take(count);
    }
}
