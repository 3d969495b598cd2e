//! GraphQL documents (<https://spec.graphql.org/October2021/>): literals by the names of their arguments.
//!
//! Not a parser: names, punctuation and literals in the order they stand. The arguments of a field and the fields of an
//! input object are what may be of one person. Comments are text, and so is a name that could be a value.

use crate::transfer::{Container, is_plain_name};

use super::charset::{Reader, Step};
use super::escape;
use super::inside::{self, HOLD};
use super::output::Output;

/// Deepest nesting that is followed; what is deeper belongs to the deepest.
const NESTING: usize = 64;

/// Reads a document that calls itself GraphQL.
#[derive(Debug, Default)]
pub(super) struct Graphql;

impl Reader for Graphql {
    fn read(&mut self, text: &str, offset: u64, last: bool, out: &mut Output<'_>) -> Step {
        if text.len() > HOLD || (last && !is_graphql(text)) {
            return Step::Failed { read: 0, opaque: false };
        }
        if !last {
            return Step::Read(0);
        }
        read(text, offset, out);
        Step::Read(text.len())
    }

    fn finish(&mut self, _: &mut Output<'_>) {}
}

/// Whether text is a document: it begins like one, and everything in it can stand in one.
pub(super) fn is_graphql(text: &str) -> bool {
    const BEGINNINGS: [&str; 5] = ["{", "query", "mutation", "subscription", "fragment"];
    let start = text.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    let begins = start.starts_with('#') || BEGINNINGS.iter().any(|beginning| start.starts_with(beginning));
    if !begins || !text.contains('{') || !text.trim_end().ends_with('}') {
        return false;
    }
    let mut open = 0usize;
    for token in Tokens::new(text) {
        match token.kind {
            Kind::Open => open += 1,
            Kind::Close if open == 0 => return false,
            Kind::Close => open -= 1,
            Kind::Other => return false,
            _ => {}
        }
    }
    open == 0
}

/// Emits what stands in a document.
pub(super) fn read(text: &str, offset: u64, out: &mut Output<'_>) {
    out.format("graphql");
    let mut names = Names::default();
    let mut resolved = String::new();
    for token in Tokens::new(text) {
        let place = offset + token.at as u64;
        match token.kind {
            Kind::Open => names.open(token.text, out),
            Kind::Close => names.close(out),
            Kind::Name => names.name(token.text, place, out),
            Kind::Colon => names.colon(),
            Kind::String => {
                resolved.clear();
                escape::resolve(token.text, &mut resolved);
                names.value(&resolved, place, out);
            }
            Kind::Block | Kind::Number => names.value(token.text, place, out),
            Kind::Comment | Kind::Other => out.text(token.text, None, place),
            Kind::Mark => {}
        }
    }
    names.finish(out);
}

/// The names that values go by.
#[derive(Debug, Default)]
struct Names<'t> {
    /// The name last met.
    heard: &'t str,
    /// The name last met before a colon, and whether its value is still to come.
    last: &'t str,
    named: bool,
    /// The names of what is open, and whether it has a container.
    stack: Vec<(&'t str, bool)>,
}

impl<'t> Names<'t> {
    fn open(&mut self, bracket: &str, out: &mut Output<'_>) {
        let key = self.key();
        let contained = self.stack.len() < NESTING;
        if contained {
            out.open(if bracket == "[" { Container::List } else { Container::Object });
            out.at.enter(if self.named { self.last } else { self.heard });
        }
        self.stack.push((if bracket == "[" { key } else { "" }, contained));
        (self.heard, self.last, self.named) = ("", "", false);
    }

    fn close(&mut self, out: &mut Output<'_>) {
        if let Some((_, true)) = self.stack.pop() {
            out.at.leave();
            out.close();
        }
        (self.heard, self.last, self.named) = ("", "", false);
    }

    fn name(&mut self, name: &'t str, offset: u64, out: &mut Output<'_>) {
        if !is_plain_name(name) {
            out.text(name, None, offset);
        }
        // The type of a variable stands between its name and its value (`$mail: String = "a@x.example"`), so a name
        // counts only once a colon follows it.
        self.heard = name;
    }

    fn colon(&mut self) {
        (self.last, self.named) = (self.heard, true);
    }

    fn value(&mut self, text: &str, offset: u64, out: &mut Output<'_>) {
        let key = self.key();
        if self.named {
            out.at.enter(key);
        }
        inside::value(text, Some(key).filter(|key| !key.is_empty()), offset, out);
        if self.named {
            out.at.leave();
        }
        // The next name is another argument.
        self.named = false;
    }

    /// A value goes by the name before the colon; an item goes by the name of its list.
    fn key(&self) -> &'t str {
        if self.named { self.last } else { self.stack.last().map_or("", |(name, _)| *name) }
    }

    fn finish(mut self, out: &mut Output<'_>) {
        while !self.stack.is_empty() {
            self.close(out);
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Name,
    Colon,
    Open,
    Close,
    String,
    Block,
    Number,
    Comment,
    /// Other punctuation.
    Mark,
    /// Nothing of GraphQL.
    Other,
}

/// A token with where it stands. Strings come without their quotes.
#[derive(Debug, Clone, Copy)]
struct Token<'t> {
    kind: Kind,
    at: usize,
    text: &'t str,
}

/// The tokens of a text.
struct Tokens<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Tokens<'t> {
    fn new(text: &'t str) -> Tokens<'t> {
        Tokens { text, at: 0 }
    }

    /// A token of the next `length` bytes, of which the text begins and ends so many bytes inside.
    fn take(&mut self, kind: Kind, length: usize, inset: (usize, usize)) -> Token<'t> {
        let at = self.at;
        self.at = (at + length).min(self.text.len());
        let range = (at + inset.0).min(self.at)..self.at.saturating_sub(inset.1).max(at + inset.0).min(self.at);
        Token { kind, at: range.start, text: self.text.get(range).unwrap_or("") }
    }
}

impl<'t> Iterator for Tokens<'t> {
    type Item = Token<'t>;

    fn next(&mut self) -> Option<Token<'t>> {
        let rest = self.text.get(self.at..)?;
        let start = rest.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, ',' | '\u{feff}'));
        self.at += rest.len() - start.len();
        let first = start.chars().next()?;
        let run = |accepts: fn(char) -> bool| start.find(|c| !accepts(c)).unwrap_or(start.len());
        let token = match first {
            '"' if start.starts_with("\"\"\"") => {
                let body = start.get(3..).unwrap_or("");
                match body.find("\"\"\"") {
                    Some(end) => self.take(Kind::Block, end + 6, (3, 3)),
                    None => self.take(Kind::Other, start.len(), (0, 0)),
                }
            }
            '"' => match escape::measure(start.get(1..).unwrap_or("").as_bytes()) {
                (length, _, true) => self.take(Kind::String, length + 2, (1, 1)),
                _ => self.take(Kind::Other, start.len(), (0, 0)),
            },
            '#' => self.take(Kind::Comment, run(|c| c != '\n'), (1, 0)),
            '{' | '(' | '[' => self.take(Kind::Open, 1, (0, 0)),
            '}' | ')' | ']' => self.take(Kind::Close, 1, (0, 0)),
            ':' => self.take(Kind::Colon, 1, (0, 0)),
            '$' | '!' | '=' | '|' | '&' | '@' | '.' => self.take(Kind::Mark, 1, (0, 0)),
            '-' | '0'..='9' => {
                self.take(Kind::Number, run(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '+' | '.')), (0, 0))
            }
            c if c == '_' || c.is_ascii_alphabetic() => {
                self.take(Kind::Name, run(|c| c == '_' || c.is_ascii_alphanumeric()), (0, 0))
            }
            _ => self.take(Kind::Other, run(|c| !c.is_ascii()).max(first.len_utf8()), (0, 0)),
        };
        Some(token)
    }
}
