//! XML and HTML.
//!
//! One lenient tokenizer for both, because real documents are neither strictly: end tags may be missing, attributes
//! unquoted, and a `<` may be text. Nothing between the first and the last byte is dropped: comments, processing
//! instructions, scripts and document types leave as text. Character references are resolved from a small table and by
//! number; entities that a document declares are never expanded.

use std::cell::LazyCell;

use memchr::{memchr, memmem};

use crate::transfer::Container;

use super::charset::{Reader, Step};
use super::entity;
use super::inside::{self, HOLD};
use super::label;
use super::output::{BLOCK, Blocks, NAME, Output};
use super::tag::{self, Tag};

/// Deepest nesting that is followed; deeper elements count as part of the deepest.
const NESTING: usize = 512;

/// How far up an end tag looks for its start tag.
const REACH: usize = 32;

/// Reads XML or HTML.
#[derive(Debug)]
pub(super) struct Markup {
    html: bool,
    stack: Vec<Element>,
    /// Elements below the deepest that is followed.
    beyond: u64,
    /// What the text at hand is a run of.
    run: Run,
    /// A run longer than a block.
    long: Option<Blocks>,
    resolved: String,
    /// Text that belongs together though elements stand in it.
    flow: Option<Flow>,
    /// A declaration without an end was met. Looking for the end of each would take quadratic time.
    undeclared: bool,
    lines: u64,
    base: usize,
}

#[derive(Debug)]
struct Element {
    name: String,
    /// The name its text goes by, where that stands in an attribute.
    named: Option<String>,
    /// Whether its container is open. An element without children has none.
    is_open: bool,
}

/// Text of a paragraph, whatever is bold in it: a number in two halves is still one number.
#[derive(Debug)]
struct Flow {
    text: String,
    offset: u64,
    /// How many elements are open outside it.
    outside: usize,
}

/// A stretch of text with one end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Run {
    /// Up to the next tag.
    Text,
    Data,
    Comment,
    Instruction,
    /// The content of an element that holds no elements: script, style.
    Script,
}

impl Run {
    /// What ends it, how much of that belongs to it.
    fn end(self) -> (&'static str, usize) {
        match self {
            Run::Text => ("<", 0),
            Run::Data => ("]]>", 3),
            Run::Comment => ("-->", 3),
            Run::Instruction => ("?>", 2),
            Run::Script => ("</", 0),
        }
    }
}

/// Where reading goes on.
enum Next {
    At(usize),
    Wait,
}

impl Reader for Markup {
    fn read(&mut self, text: &str, offset: u64, last: bool, out: &mut Output<'_>) -> Step {
        let mut at = 0;
        while at < text.len() {
            let rest = text.get(at..).unwrap_or("");
            let place = offset + at as u64;
            out.at.set_line(Some(self.lines + 1));
            let next = match self.run {
                Run::Text if rest.starts_with('<') && self.long.is_none() => self.angle(rest, place, last, out),
                _ => self.run(rest, place, last, out),
            };
            let Next::At(length) = next else { break };
            let passed = rest.get(..length).unwrap_or(rest);
            self.lines += memchr::memchr_iter(b'\n', passed.as_bytes()).count() as u64;
            at += length;
        }
        Step::Read(at)
    }

    fn finish(&mut self, out: &mut Output<'_>) {
        self.end_long(out);
        self.end_flow(out);
        while !self.stack.is_empty() {
            self.pop(out);
        }
        while out.at.depth() > self.base {
            out.at.leave();
        }
        out.at.set_line(None);
    }
}

impl Markup {
    /// A reader.
    pub fn new(html: bool, out: &Output<'_>) -> Markup {
        Markup {
            html,
            stack: Vec::new(),
            beyond: 0,
            run: Run::Text,
            long: None,
            resolved: String::new(),
            flow: None,
            undeclared: false,
            lines: 0,
            base: out.at.depth(),
        }
    }

    /// What begins with `<`.
    fn angle(&mut self, rest: &str, offset: u64, last: bool, out: &mut Output<'_>) -> Next {
        const STARTS: [(&str, Run); 3] = [("<!--", Run::Comment), ("<![CDATA[", Run::Data), ("<?", Run::Instruction)];
        for (start, run) in STARTS {
            if rest.starts_with(start) {
                self.run = run;
                return Next::At(start.len());
            }
        }
        if !last && rest.len() < "<![CDATA[".len() {
            return Next::Wait;
        }
        if self.undeclared && rest.starts_with("<!") {
            return self.stray(rest, offset, last, out);
        }
        match tag::read(rest) {
            tag::Found::Tag(tag) if tag.length <= HOLD => {
                let length = tag.length;
                self.tag(&tag, offset, out);
                Next::At(length)
            }
            tag::Found::Cut if !last && rest.len() <= HOLD => Next::Wait,
            _ => {
                self.undeclared |= rest.starts_with("<!");
                self.stray(rest, offset, last, out)
            }
        }
    }

    /// A `<` that begins nothing, and the text behind it.
    fn stray(&mut self, rest: &str, offset: u64, last: bool, out: &mut Output<'_>) -> Next {
        let behind = rest.get(1..).unwrap_or("");
        let end = memchr(b'<', behind.as_bytes());
        if end.is_none() && !last && behind.len() <= BLOCK {
            return Next::Wait;
        }
        let length = behind.floor_char_boundary(end.unwrap_or(behind.len()).min(BLOCK - 1));
        let text = rest.get(..=length).unwrap_or(rest);
        self.emit(text, offset, Run::Text, out);
        Next::At(text.len())
    }

    /// A run of text, or as much of it as is at hand.
    fn run(&mut self, rest: &str, offset: u64, last: bool, out: &mut Output<'_>) -> Next {
        let (end, belongs) = self.run.end();
        let found = self.find_end(rest, end);
        if found.is_none() && !last && rest.len() <= BLOCK {
            return Next::Wait;
        }
        let length = found.unwrap_or(rest.len());
        if found.is_some() || last {
            let text = rest.get(..length).unwrap_or(rest);
            if self.long.is_none() && length <= BLOCK {
                self.emit(text, offset, self.run, out);
            } else {
                self.push_long(text, offset, out);
                self.end_long(out);
            }
            self.run = Run::Text;
            return Next::At(if found.is_some() { length + belongs } else { length });
        }
        // The end may lie across the edge of what is at hand, and so may a character reference.
        let limit = rest.floor_char_boundary(rest.len().saturating_sub(16));
        let (kept, _) = rest.split_at_checked(limit).unwrap_or((rest, ""));
        let reference = memchr::memrchr(b'&', kept.as_bytes()).filter(|at| at + entity::LONGEST > limit);
        let text = kept.get(..reference.unwrap_or(limit)).unwrap_or(kept);
        self.push_long(text, offset, out);
        Next::At(text.len())
    }

    /// Where the run ends. A script ends at the end tag of its own element only.
    fn find_end(&self, rest: &str, end: &str) -> Option<usize> {
        if self.run != Run::Script {
            return memmem::find(rest.as_bytes(), end.as_bytes());
        }
        let name = self.stack.last().map_or("", |element| element.name.as_str());
        memmem::find_iter(rest.as_bytes(), end.as_bytes()).find(|at| {
            let tag = rest.get(at + 2..at + 2 + name.len());
            tag.is_some_and(|tag| tag.eq_ignore_ascii_case(name))
        })
    }

    fn push_long(&mut self, text: &str, offset: u64, out: &mut Output<'_>) {
        let mut resolved = std::mem::take(&mut self.resolved);
        let text = if self.run == Run::Text { entity::resolve(text, &mut resolved) } else { text };
        let key = key(&self.stack, self.run);
        self.long.get_or_insert_with(|| Blocks::new(offset)).push(text, key, out);
        self.resolved = resolved;
    }

    fn end_long(&mut self, out: &mut Output<'_>) {
        if let Some(mut blocks) = self.long.take() {
            blocks.finish(key(&self.stack, self.run), out);
        }
    }

    /// Text of a run that is whole.
    fn emit(&mut self, text: &str, offset: u64, run: Run, out: &mut Output<'_>) {
        let start = text.trim_ascii_start();
        if self.flows(run, text, offset, out) {
            return;
        }
        let offset = offset + (text.len() - start.len()) as u64;
        let text = start.trim_ascii_end();
        if text.is_empty() || (run == Run::Instruction && text.starts_with("xml ")) {
            return;
        }
        let mut resolved = std::mem::take(&mut self.resolved);
        let text = if run == Run::Text { entity::resolve(text, &mut resolved) } else { text };
        inside::value(text, key(&self.stack, run), offset, out);
        self.resolved = resolved;
    }

    /// Adds text to the paragraph it stands in; says no where it stands in none.
    fn flows(&mut self, run: Run, text: &str, offset: u64, out: &mut Output<'_>) -> bool {
        if !matches!(run, Run::Text | Run::Data) {
            return false;
        }
        if self.html {
            let outside =
                self.stack.iter().rposition(|element| !tag::is_inline(&element.name)).map_or(0, |at| at + 1);
            self.flow.get_or_insert_with(|| Flow { text: String::new(), offset, outside });
        }
        let Some(flow) = &mut self.flow else { return false };
        // White space with a line end in it is there to make the file legible.
        if !self.html && text.trim_ascii().is_empty() && text.contains('\n') {
            return true;
        }
        let mut resolved = std::mem::take(&mut self.resolved);
        flow.text.push_str(if run == Run::Text { entity::resolve(text, &mut resolved) } else { text });
        self.resolved = resolved;
        if flow.text.len() > BLOCK {
            self.end_flow(out);
        }
        true
    }

    /// The end of a paragraph, or of as much of it as is held.
    fn end_flow(&mut self, out: &mut Output<'_>) {
        let Some(flow) = self.flow.take() else { return };
        let start = flow.text.trim_ascii_start();
        let offset = flow.offset + (flow.text.len() - start.len()) as u64;
        let text = start.trim_ascii_end();
        if !text.is_empty() {
            let open = self.stack.get(..flow.outside).unwrap_or(&self.stack);
            inside::value(text, key(open, Run::Text), offset, out);
        }
    }

    fn tag(&mut self, tag: &Tag<'_>, offset: u64, out: &mut Output<'_>) {
        self.flow_at(tag, offset, out);
        match tag.kind {
            tag::Kind::End => self.end(tag.name, out),
            // All of a document type is text: its entities are data like any other.
            tag::Kind::Declaration => out.text(tag.body, None, offset),
            tag::Kind::Start => self.start(tag, offset, out),
        }
    }

    /// What a tag does to the paragraph it stands in.
    fn flow_at(&mut self, tag: &Tag<'_>, offset: u64, out: &mut Output<'_>) {
        if self.html {
            if !tag::is_inline(tag.name) {
                self.end_flow(out);
            }
            return;
        }
        match (tag::is_paragraph(tag.name), tag.kind) {
            (true, tag::Kind::End) => self.end_flow(out),
            (true, tag::Kind::Start) if !tag.closed => {
                self.end_flow(out);
                self.flow = Some(Flow { text: String::new(), offset, outside: self.stack.len() + 1 });
            }
            _ => {
                let gap = tag::is_gap(tag.name);
                if let Some(flow) = self.flow.as_mut().filter(|_| gap) {
                    flow.text.push(' ');
                }
            }
        }
    }

    fn start(&mut self, tag: &Tag<'_>, offset: u64, out: &mut Output<'_>) {
        while self.html && self.stack.last().is_some_and(|open| tag::ends(&open.name, tag.name)) {
            self.pop(out);
        }
        if self.stack.len() >= NESTING {
            let closed = tag.closed || (self.html && tag::is_void(tag.name));
            self.beyond += u64::from(!closed);
            self.attributes(tag, offset, out);
            return;
        }
        if let Some(parent) = self.stack.last_mut().filter(|parent| !parent.is_open) {
            parent.is_open = true;
            out.open(Container::Element);
        }
        // Attributes side by side may be of one person. In HTML they are mostly presentation.
        let is_open = !self.html && tag.attributes().filter(|(name, _)| !name.starts_with("xml")).count() > 1;
        if is_open {
            out.open(Container::Element);
        }
        out.at.enter(tag.name);
        let named = label::is_named(tag::local(tag.name)).then(|| title(tag)).flatten();
        self.stack.push(Element { name: tag.name.to_owned(), named: named.map(str::to_owned), is_open });
        self.attributes(tag, offset, out);
        if tag.closed || (self.html && tag::is_void(tag.name)) {
            self.pop(out);
        } else if self.html && tag::is_script(tag.name) {
            self.run = Run::Script;
        }
    }

    fn attributes(&mut self, tag: &Tag<'_>, offset: u64, out: &mut Output<'_>) {
        let mut resolved = std::mem::take(&mut self.resolved);
        let title = LazyCell::new(|| title(tag));
        for (name, value) in tag.attributes() {
            let value = entity::resolve(value, &mut resolved);
            let local = match tag::local(name) {
                // `<meta name="classification" content="Secret">`, `<input name="mail" value="a@x.example">`
                local @ ("content" | "value") if title.is_some() => title.unwrap_or(local),
                // Some languages write text as an attribute: `<family value="…"/>`.
                "value" if !self.html => tag::local(tag.name),
                local => local,
            };
            out.at.enter(name);
            inside::value(value, Some(local).filter(|name| !name.is_empty()), offset, out);
            out.at.leave();
        }
        self.resolved = resolved;
    }

    fn end(&mut self, name: &str, out: &mut Output<'_>) {
        if self.beyond > 0 {
            self.beyond -= 1;
            return;
        }
        let is_it =
            |element: &Element| element.name == name || (self.html && element.name.eq_ignore_ascii_case(name));
        let Some(up) = self.stack.iter().rev().take(REACH).position(is_it) else { return };
        for _ in 0..=up {
            self.pop(out);
        }
    }

    fn pop(&mut self, out: &mut Output<'_>) {
        if let Some(element) = self.stack.pop() {
            out.at.leave();
            if element.is_open {
                out.close();
            }
        }
    }
}

/// Text goes by the name of its element; comments and instructions have none.
fn key(stack: &[Element], run: Run) -> Option<&str> {
    let element = stack.last().filter(|_| matches!(run, Run::Text | Run::Data))?;
    // The value of a property of an office file stands in an element that says of what type it is.
    let typed = element.name.starts_with("vt:").then(|| stack.iter().rev().nth(1)).flatten();
    let named = [Some(element), typed].into_iter().flatten().find_map(|element| element.named.as_deref());
    Some(label::field(named.unwrap_or_else(|| tag::local(&element.name))))
}

/// What the attribute `name` of a tag says.
fn title<'t>(tag: &Tag<'t>) -> Option<&'t str> {
    let (_, name) = tag.attributes().find(|(name, _)| tag::local(name) == "name")?;
    Some(label::field(name)).filter(|name| !name.is_empty() && name.len() <= NAME)
}
