//! Trees in binary form: maps and lists of text, numbers and bytes (MessagePack, CBOR).
//!
//! A format is a source of tokens; what the tokens mean is the same for all. Names of members are evidence, like those of
//! JSON. A format that breaks off or makes no sense leaves the rest of the document opaque.

use std::io;

use crate::transfer::{Container, is_plain_name};

use super::account::Opaque;
use super::bytes::{self, Form};
use super::opaque;
use super::output::{NAME, Output};
use super::window::Window;

pub(super) mod cbor;

pub(super) mod msgpack;

pub(super) mod protobuf;

/// Deepest nesting that is followed.
const NESTING: usize = 512;

/// One step of a tree.
pub(super) enum Token {
    /// A map of so many pairs, or one that ends at a break.
    Map(Option<u64>),
    /// A list of so many items, or one that ends at a break.
    List(Option<u64>),
    /// A string of so many bytes, which lie ahead.
    String(Form, u64),
    /// A string that came in portions.
    Joined(Form, Vec<u8>),
    /// A number, as text.
    Number(String),
    /// A value without content: null, a truth value, a point in time.
    Empty,
    /// The end of what has no length.
    Break,
}

/// A binary format of trees.
pub(super) trait Tokens {
    /// The next token, taken off the window but for the bytes of a string. Nothing where none can be read.
    fn next(&mut self, window: &mut Window<'_>) -> io::Result<Option<Token>>;
}

/// Reads a document of one or several trees.
pub(super) fn read(
    name: &'static str,
    tokens: &mut dyn Tokens,
    window: &mut Window<'_>,
    out: &mut Output<'_>,
) -> io::Result<()> {
    out.format(name);
    let mut tree = Tree::new(out);
    let sound = tree.walk(tokens, window, out)?;
    tree.finish(out);
    let left = window.drain()?;
    // A document that breaks off counts at least a byte, so that rules hear of it.
    opaque(Opaque::Undecodable, left.max(u64::from(!sound)), out);
    Ok(())
}

/// The tree that tokens make, as far as it has been read.
pub(super) struct Tree {
    stack: Vec<Frame>,
    /// The name values at the top go by.
    name: String,
}

struct Frame {
    list: bool,
    /// Values or pairs to come; nothing where a break ends it.
    left: Option<u64>,
    index: u64,
    /// The name the current value goes by. Items of a list go by the name of the list.
    name: String,
    /// Whether a name of a map was read and its value was not.
    named: bool,
}

impl Tree {
    /// A tree in the document at hand.
    pub fn new(out: &Output<'_>) -> Tree {
        Tree { stack: Vec::new(), name: out.key.clone().unwrap_or_default() }
    }

    /// Reads tokens to the end; says whether all of them made sense.
    fn walk(&mut self, tokens: &mut dyn Tokens, window: &mut Window<'_>, out: &mut Output<'_>) -> io::Result<bool> {
        loop {
            self.settle(out);
            if window.view()?.is_empty() {
                return Ok(self.stack.is_empty());
            }
            let before = window.taken();
            let token = tokens.next(window)?;
            let taken = window.taken() - before;
            let Some(token) = token else {
                opaque(Opaque::Undecodable, taken, out);
                return Ok(false);
            };
            out.tally.bytes += taken;
            if !self.take(token, window, out)? {
                return Ok(false);
            }
        }
    }

    /// Takes a token; says no where none of its kind may stand, or where it is cut.
    pub fn take(&mut self, token: Token, window: &mut Window<'_>, out: &mut Output<'_>) -> io::Result<bool> {
        if matches!(token, Token::Break) {
            return Ok(self.end_open(out));
        }
        if self.stack.last().is_some_and(|frame| !frame.list && !frame.named) {
            return self.name(token, window, out);
        }
        match token {
            Token::Map(left) => Ok(self.open(Container::Object, left, out)),
            Token::List(left) => Ok(self.open(Container::List, left, out)),
            token => {
                self.begin(out);
                let whole = leaf(token, key(&self.stack, &self.name), window, out)?;
                self.end(out);
                Ok(whole)
            }
        }
    }

    /// The name of a member. A name that could be a value leaves as text too.
    fn name(&mut self, token: Token, window: &mut Window<'_>, out: &mut Output<'_>) -> io::Result<bool> {
        let name = match token {
            Token::String(_, length) if length <= NAME as u64 => {
                let wanted = length as usize;
                let view = window.need(wanted)?;
                if view.len() < wanted {
                    return Ok(false);
                }
                let name = String::from_utf8_lossy(view.get(..wanted).unwrap_or_default()).into_owned();
                out.tally.bytes += length;
                window.take(wanted);
                name
            }
            Token::Joined(_, bytes) if bytes.len() <= NAME => String::from_utf8_lossy(&bytes).into_owned(),
            Token::Number(number) => number,
            Token::Empty => String::new(),
            Token::String(..) | Token::Joined(..) => {
                if !leaf(token, None, window, out)? {
                    return Ok(false);
                }
                String::new()
            }
            Token::Map(_) | Token::List(_) | Token::Break => return Ok(false),
        };
        if !is_plain_name(&name) {
            out.text(&name, None, window.taken());
        }
        out.at.enter(&name);
        if let Some(frame) = self.stack.last_mut() {
            frame.name = name;
            frame.named = true;
        }
        Ok(true)
    }

    fn open(&mut self, container: Container, left: Option<u64>, out: &mut Output<'_>) -> bool {
        if self.stack.len() >= NESTING {
            return false;
        }
        self.begin(out);
        out.open(container);
        let name = key(&self.stack, &self.name).unwrap_or("").to_owned();
        self.stack.push(Frame { list: container == Container::List, left, index: 0, name, named: false });
        true
    }

    /// Before a value: an item has a place of its own, a member has entered it with its name.
    fn begin(&mut self, out: &mut Output<'_>) {
        if let Some(frame) = self.stack.last().filter(|frame| frame.list) {
            out.at.enter_index(frame.index);
        }
    }

    /// After a value.
    fn end(&mut self, out: &mut Output<'_>) {
        if let Some(frame) = self.stack.last_mut() {
            out.at.leave();
            frame.index += 1;
            frame.named = false;
            frame.left = frame.left.map(|left| left.saturating_sub(1));
        }
    }

    /// Closes what has all its values.
    fn settle(&mut self, out: &mut Output<'_>) {
        while self.stack.last().is_some_and(|frame| frame.left == Some(0)) {
            self.close(out);
        }
    }

    /// Closes what a break ends.
    fn end_open(&mut self, out: &mut Output<'_>) -> bool {
        let ends = self.stack.last().is_some_and(|frame| frame.left.is_none() && !frame.named);
        if ends {
            self.close(out);
        }
        ends
    }

    fn close(&mut self, out: &mut Output<'_>) {
        self.stack.pop();
        out.close();
        self.end(out);
    }

    /// The end: closes what is open.
    pub fn finish(mut self, out: &mut Output<'_>) {
        while let Some(frame) = self.stack.pop() {
            if frame.named {
                out.at.leave();
            }
            out.close();
            if self.stack.last().is_some_and(|outer| outer.list) {
                out.at.leave();
            }
        }
    }
}

/// The name a value goes by.
fn key<'k>(stack: &'k [Frame], top: &'k str) -> Option<&'k str> {
    Some(stack.last().map_or(top, |frame| frame.name.as_str())).filter(|name| !name.is_empty())
}

/// A value that holds no others. Says whether it was all there.
fn leaf(token: Token, key: Option<&str>, window: &mut Window<'_>, out: &mut Output<'_>) -> io::Result<bool> {
    match token {
        Token::String(form, length) => bytes::value(form, length, key, window, out),
        Token::Joined(form, joined) => {
            let mut source = joined.as_slice();
            let mut window = Window::new(&mut source, u64::MAX);
            // Its bytes were counted with the token.
            let counted = out.tally.bytes;
            bytes::value(form, joined.len() as u64, key, &mut window, out)?;
            out.tally.bytes = counted;
            Ok(true)
        }
        Token::Number(number) => {
            out.whole(&number, key, window.taken());
            Ok(true)
        }
        Token::Map(_) | Token::List(_) | Token::Empty | Token::Break => Ok(true),
    }
}
