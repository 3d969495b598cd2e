//! Tags of XML and HTML, taken apart.

/// A tag.
#[derive(Debug)]
pub(super) struct Tag<'t> {
    pub kind: Kind,
    pub name: &'t str,
    /// What stands between the name and the end.
    pub body: &'t str,
    /// Whether it closes itself.
    pub closed: bool,
    /// Its length, brackets and all.
    pub length: usize,
}

/// What kind of tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Start,
    End,
    /// `<!DOCTYPE …>` and its like.
    Declaration,
}

/// What stands at a `<`.
#[derive(Debug)]
pub(super) enum Found<'t> {
    Tag(Tag<'t>),
    /// A tag whose end is not there.
    Cut,
    /// No tag.
    Text,
}

/// Reads the tag that `text` begins with.
pub(super) fn read(text: &str) -> Found<'_> {
    let behind = text.get(1..).unwrap_or("");
    let (kind, skipped) = match behind.chars().next() {
        None => return Found::Cut,
        Some('/') => (Kind::End, 2),
        Some('!') => (Kind::Declaration, 2),
        Some(c) if c.is_alphabetic() || c == '_' => (Kind::Start, 1),
        Some(_) => return Found::Text,
    };
    let end = match if kind == Kind::Declaration { declaration_end(text) } else { tag_end(text) } {
        End::At(end) => end,
        End::Cut => return Found::Cut,
        End::Never => return Found::Text,
    };
    let inner = text.get(skipped..end).unwrap_or("");
    let is_end = |c: char| c.is_whitespace() || c == '/';
    let (name, body) = match inner.find(is_end) {
        Some(at) => inner.split_at_checked(at).unwrap_or((inner, "")),
        None => (inner, ""),
    };
    let closed = kind == Kind::Start && body.ends_with('/');
    let body = if kind == Kind::Declaration { inner } else { body };
    Found::Tag(Tag { kind, name, body, closed, length: end + 1 })
}

enum End {
    At(usize),
    Cut,
    /// Another tag begins before.
    Never,
}

/// The end of a tag, outside the quotes of its values.
fn tag_end(text: &str) -> End {
    let mut quote = None;
    let mut value = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match (quote, byte) {
            (Some(open), byte) if byte == open => quote = None,
            (Some(_), _) => {}
            (None, b'"' | b'\'') if value => quote = Some(byte),
            (None, b'>') => return End::At(at),
            (None, b'<') => return End::Never,
            (None, _) => {}
        }
        value = byte == b'=' || (value && byte.is_ascii_whitespace());
    }
    End::Cut
}

/// The end of a declaration, outside its internal subset. One that is no document type ends like a tag.
fn declaration_end(text: &str) -> End {
    let mut depth = 0u64;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'[' => depth += 1,
            b']' => depth = depth.saturating_sub(1),
            b'>' if depth == 0 => return End::At(at),
            _ => {}
        }
    }
    End::Cut
}

impl<'t> Tag<'t> {
    /// Names and raw values of the attributes.
    pub fn attributes(&self) -> Attributes<'t> {
        Attributes { rest: self.body }
    }
}

/// The attributes of a tag.
pub(super) struct Attributes<'t> {
    rest: &'t str,
}

impl<'t> Iterator for Attributes<'t> {
    type Item = (&'t str, &'t str);

    fn next(&mut self) -> Option<(&'t str, &'t str)> {
        let rest = self.rest.trim_start_matches(|c: char| c.is_whitespace() || c == '/');
        if rest.is_empty() {
            return None;
        }
        let is_end = |c: char| c.is_whitespace() || c == '=';
        // A stray `=` in front counts as part of a name, so that every step gets on.
        let first = rest.chars().next().map_or(0, char::len_utf8);
        let end = rest.get(first..).and_then(|behind| behind.find(is_end)).map_or(rest.len(), |at| first + at);
        let (name, behind) = rest.split_at_checked(end).unwrap_or((rest, ""));
        let Some(value) = behind.trim_start().strip_prefix('=') else {
            self.rest = behind;
            // A word alone is its own value: `<a 13800138000>` must not hide a number.
            return Some((
                name,
                if name.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'-') { "" } else { name },
            ));
        };
        let value = value.trim_start();
        let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''));
        let (value, rest) = match quote {
            Some(quote) => {
                let value = value.get(1..).unwrap_or("");
                value.split_once(quote).unwrap_or((value, ""))
            }
            None => {
                value.split_at_checked(value.find(char::is_whitespace).unwrap_or(value.len())).unwrap_or((value, ""))
            }
        };
        self.rest = rest;
        Some((name, value))
    }
}

/// A name without its namespace prefix.
pub(super) fn local(name: &str) -> &str {
    name.rsplit_once(':').map_or(name, |(_, local)| local)
}

/// Whether an HTML element has no content.
pub(super) fn is_void(name: &str) -> bool {
    const VOID: &[&str] =
        &["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"];
    VOID.iter().any(|void| name.eq_ignore_ascii_case(void))
}

/// Whether an HTML element stands in a line of text and does not end it.
pub(super) fn is_inline(name: &str) -> bool {
    const INLINE: &[&str] = &[
        "a", "abbr", "b", "bdi", "bdo", "big", "code", "em", "font", "i", "ins", "kbd", "mark", "q", "s", "samp",
        "small", "span", "strong", "sub", "sup", "tt", "u", "var", "wbr",
    ];
    INLINE.iter().any(|inline| name.eq_ignore_ascii_case(inline))
}

/// Whether an element of an office document is a paragraph, whose text is cut into runs by how it looks.
pub(super) fn is_paragraph(name: &str) -> bool {
    matches!(name, "w:p" | "a:p" | "text:p" | "text:h" | "si")
}

/// Whether an element of an office document stands for white space.
pub(super) fn is_gap(name: &str) -> bool {
    matches!(name, "w:tab" | "w:br" | "w:cr" | "a:br" | "text:s" | "text:tab" | "text:line-break")
}

/// Whether the content of an HTML element is no markup.
pub(super) fn is_script(name: &str) -> bool {
    name.eq_ignore_ascii_case("script") || name.eq_ignore_ascii_case("style")
}

/// Whether an HTML element that is open ends where another begins, its end tag left out.
pub(super) fn ends(open: &str, begins: &str) -> bool {
    const PAIRS: &[(&str, &[&str])] = &[
        ("p", &["p", "div", "ul", "ol", "table", "h1", "h2", "h3", "section"]),
        ("li", &["li"]),
        ("dt", &["dt", "dd"]),
        ("dd", &["dt", "dd"]),
        ("option", &["option"]),
        ("td", &["td", "th", "tr"]),
        ("th", &["td", "th", "tr"]),
        ("tr", &["tr"]),
    ];
    let pair = PAIRS.iter().find(|(name, _)| open.eq_ignore_ascii_case(name));
    pair.is_some_and(|(_, enders)| enders.iter().any(|ender| begins.eq_ignore_ascii_case(ender)))
}
