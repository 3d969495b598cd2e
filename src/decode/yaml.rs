//! YAML, as the tree it is.
//!
//! Only what calls itself YAML is read as such: plain text looks like it too often. Aliases stay aliases, so a document
//! cannot grow. Text that is no YAML, or too long to hold, goes on as plain text.

use std::io;

use saphyr_parser::{Event, Parser, Span};

use super::bytes::Form;
use super::charset::{Reader, Step};
use super::inside::HOLD;
use super::output::Output;
use super::tree::{Token, Tree};
use super::window::Window;

/// Reads YAML.
pub(super) struct Yaml {
    tree: Option<Tree>,
}

impl Yaml {
    /// A reader.
    pub fn new(out: &Output<'_>) -> Yaml {
        Yaml { tree: Some(Tree::new(out)) }
    }
}

impl Reader for Yaml {
    fn read(&mut self, text: &str, _: u64, last: bool, out: &mut Output<'_>) -> Step {
        const NOT_YAML: Step = Step::Failed { read: 0, opaque: false };
        if text.len() > HOLD {
            return NOT_YAML;
        }
        if !last {
            return Step::Read(0);
        }
        let Some(mut tree) = self.tree.take() else { return NOT_YAML };
        if Parser::new_from_str(text).any(|event| event.is_err()) {
            return NOT_YAML;
        }
        for (event, place) in Parser::new_from_str(text).flatten() {
            if !step(&mut tree, event, place, out) {
                // A map whose names are no names. All of it goes on as text.
                tree.finish(out);
                out.at.set_line(None);
                return NOT_YAML;
            }
        }
        tree.finish(out);
        comments(text, out);
        out.at.set_line(None);
        Step::Read(text.len())
    }

    fn finish(&mut self, _: &mut Output<'_>) {}
}

/// Comments, which are no part of the tree. A `#` between quotes may be taken for one: its text is then heard twice.
fn comments(text: &str, out: &mut Output<'_>) {
    for (number, line) in text.lines().enumerate().filter(|(_, line)| line.contains('#')) {
        let starts =
            |at: &usize| line.get(..*at).is_some_and(|before| before.is_empty() || before.ends_with([' ', '\t']));
        let Some(at) = line.match_indices('#').map(|(at, _)| at).find(starts) else { continue };
        out.at.set_line(Some(number as u64 + 1));
        out.text(line.get(at + 1..).unwrap_or("").trim(), None, 0);
    }
}

/// Takes one event; says whether the tree can go on.
fn step(tree: &mut Tree, event: Event<'_>, place: Span, out: &mut Output<'_>) -> bool {
    let token = match event {
        Event::Scalar(text, ..) if text.is_empty() => Token::Empty,
        Event::Scalar(text, ..) => Token::Joined(Form::Text, text.into_owned().into_bytes()),
        Event::Alias(_) => Token::Empty,
        Event::SequenceStart(..) => Token::List(None),
        Event::MappingStart(..) => Token::Map(None),
        Event::SequenceEnd | Event::MappingEnd => Token::Break,
        _ => return true,
    };
    out.at.set_line(Some(place.start.line() as u64));
    let mut nothing = io::empty();
    // Nothing is read from it: an event brings its text along.
    tree.take(token, &mut Window::new(&mut nothing, 0), out).unwrap_or(false)
}
