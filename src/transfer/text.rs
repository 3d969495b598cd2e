//! How decoded text travels from `decode` to `detect`: pieces with a field name and a location, inside containers.
//!
//! The decoder calls a [`Sink`] as it reads. Containers nest like the message does; a container is what may hold together
//! the data of one person (a JSON object, a CSV row, a form). Text longer than a block comes as several pieces that
//! overlap: everything in `text` may be looked at for context, but only a match that *starts* inside `report` is this
//! piece's to report, so nothing at a seam is lost and nothing is found twice.

use std::fmt::Write as _;
use std::ops::Range;

use super::words::is_generic_name;

/// Text a decoder shows on each side of what a piece reports, in bytes. No detector may look further.
pub const CONTEXT: usize = 640;

/// What a group of pieces is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Container {
    /// A JSON object, or what corresponds to it in another tree format.
    Object,
    /// A JSON array: its items are not of one person.
    List,
    /// A row of a table.
    Row,
    /// A submitted form, the query string among them.
    Form,
    /// A part of a multipart message or a member of an archive.
    Part,
    /// An element of markup with children.
    Element,
    /// The head of a message: path, headers.
    Head,
}

/// Decoded text with what is known about it.
#[derive(Debug, Clone)]
pub struct Piece<'a> {
    /// The text.
    pub text: &'a str,
    /// Byte range of `text` whose matches are reported; the rest is context.
    pub report: Range<usize>,
    /// Name of the field: JSON member, column, form field, header, element or attribute.
    pub key: Option<&'a str>,
    /// Byte offset of `text` in the decoded part.
    pub offset: u64,
    /// Where it stands.
    pub at: &'a Locator,
}

impl<'a> Piece<'a> {
    /// A piece that is whole: all of it is reported.
    pub fn whole(text: &'a str, key: Option<&'a str>, offset: u64, at: &'a Locator) -> Piece<'a> {
        Piece { text, report: 0..text.len(), key, offset, at }
    }
}

/// Receives decoded text in the order of the message.
pub trait Sink {
    /// A container begins.
    fn open(&mut self, container: Container);
    /// The innermost open container ends.
    fn close(&mut self);
    /// Text.
    fn piece(&mut self, piece: Piece<'_>);
    /// Bytes of the shortest text that can matter in a field of this name. A decoder may keep back ASCII that is shorter.
    fn least(&mut self, _key: Option<&str>) -> usize {
        0
    }
}

/// A location as a path of names and indexes, kept as one string so that moving through a message allocates nothing.
#[derive(Debug, Clone, Default)]
pub struct Locator {
    /// `header:`, `query:`, `path:`, or empty for the body.
    root: &'static str,
    path: String,
    steps: Vec<Step>,
    line: Option<u64>,
}

#[derive(Debug, Clone, Copy)]
struct Step {
    start: usize,
    index: bool,
}

impl Locator {
    /// The top of the body.
    pub fn body() -> Locator {
        Locator::default()
    }

    /// The top of another part of the message: `header:`, `query:`, `path:`.
    pub fn rooted(root: &'static str) -> Locator {
        Locator { root, ..Locator::default() }
    }

    /// Goes into a member whose name needs no escape.
    pub fn enter_plain(&mut self, name: &str) {
        self.steps.push(Step { start: self.path.len(), index: false });
        self.path.push('/');
        self.path.push_str(name);
    }

    /// Goes into a named member, escaped as RFC 6901 asks.
    pub fn enter(&mut self, name: &str) {
        self.steps.push(Step { start: self.path.len(), index: false });
        self.path.push('/');
        let mut rest = name;
        while let Some((plain, special)) =
            memchr::memchr2(b'~', b'/', rest.as_bytes()).and_then(|at| rest.split_at_checked(at))
        {
            self.path.push_str(plain);
            self.path.push_str(if special.starts_with('~') { "~0" } else { "~1" });
            rest = special.get(1..).unwrap_or("");
        }
        self.path.push_str(rest);
    }

    /// Goes into an item.
    pub fn enter_index(&mut self, index: u64) {
        self.steps.push(Step { start: self.path.len(), index: true });
        self.path.push('/');
        // PERF: the formatting machinery costs more than reading the item does.
        let mut unit = index.checked_ilog10().map_or(1, |digits| 10u64.pow(digits));
        while unit > 0 {
            self.path.push(char::from(b'0' + (index / unit % 10) as u8));
            unit /= 10;
        }
    }

    /// Goes back out.
    pub fn leave(&mut self) {
        if let Some(step) = self.steps.pop() {
            self.path.truncate(step.start);
        }
    }

    /// Sets the line (from 1) in formats that have lines.
    pub fn set_line(&mut self, line: Option<u64>) {
        self.line = line;
    }

    /// The last step, as it is written in the path: it can be a value.
    pub fn leaf(&self) -> &str {
        self.steps.last().and_then(|step| self.path.get(step.start + 1..)).unwrap_or("")
    }

    /// How many steps deep.
    pub fn depth(&self) -> usize {
        self.steps.len()
    }

    /// The exact location, for the owner of the content who asked to be shown values: names as they stand in the message.
    pub fn exact(&self) -> String {
        let mut text = format!("{}{}", self.root, self.path);
        if let Some(line) = self.line {
            let _ = write!(text, "{}line {line}", if text.is_empty() { "" } else { " " });
        }
        text
    }

    /// The location with indexes and line, for the owner of the content: names that could be values become `*`.
    pub fn shown(&self) -> String {
        let mut text = self.names(|name, index| index || is_generic_name(name));
        if let Some(line) = self.line {
            let _ = write!(text, "{}line {line}", if text.is_empty() { "" } else { " " });
        }
        text
    }

    /// The location as a pattern for refusals and records: indexes, lines and names that could be values become `*`.
    pub fn pattern(&self) -> String {
        self.names(|name, index| !index && is_generic_name(name))
    }

    /// The names on the way, for a look at what they mean and nothing else: they can be values.
    pub fn trail(&self) -> String {
        self.names(|name, index| !index && is_plain_name(name))
    }

    /// The steps, with `*` for those that are not wanted.
    fn names(&self, wanted: impl Fn(&str, bool) -> bool) -> String {
        let mut text = self.root.to_owned();
        for (position, step) in self.steps.iter().enumerate() {
            let end = self.steps.get(position + 1).map_or(self.path.len(), |next| next.start);
            let name = self.path.get(step.start + 1..end).unwrap_or("");
            text.push('/');
            text.push_str(if wanted(name, step.index) { name } else { "*" });
        }
        text
    }
}

/// Whether a field name has the shape of one: short, letters first, no long digit runs, nothing that looks like an
/// address. Names of any script pass, so it can still be a value: see [`is_generic_name`].
pub fn is_plain_name(name: &str) -> bool {
    let starts_well = name.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_' || c == '$' || c == '@');
    let digits = name.bytes().filter(u8::is_ascii_digit).count();
    starts_well
        && name.chars().count() <= 40
        && digits <= 3
        && name.chars().skip(1).all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ':' | '[' | ']'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_hide_indexes_and_names_that_are_values() {
        let mut at = Locator::body();
        at.enter("users");
        at.enter_index(3);
        at.enter("身份证号");
        assert_eq!(at.exact(), "/users/3/身份证号");
        assert_eq!(at.pattern(), "/users/*/身份证号");
        assert_eq!(at.shown(), "/users/3/身份证号");
        at.leave();
        at.enter("ann@example.com");
        assert_eq!(at.pattern(), "/users/*/*");
        at.leave();
        at.enter("张三");
        assert_eq!(
            (at.pattern(), at.shown(), at.trail()),
            ("/users/*/*".into(), "/users/3/*".into(), "/users/*/张三".into())
        );
    }
}
