//! Shapes that no pattern says well: e-mail addresses, and what the value of a named field may plausibly be.

use std::collections::HashSet;

/// Names a detector file may use.
pub(super) const NAMES: &[&str] = &["email", "name", "date", "address", "text", "number", "true", "password", "any"];

/// Longest local part and longest host of an address (RFC 5321).
const LOCAL: usize = 64;
const HOST: usize = 253;
/// Bytes of the shortest address, `a@b.c`.
pub(super) const SHORTEST_EMAIL: usize = 5;

/// E-mail addresses, by their top-level domain.
#[derive(Debug)]
pub(super) struct Email {
    pub(super) endings: HashSet<String>,
    /// Local parts that are nobody's (`git`).
    pub(super) except: HashSet<String>,
}

/// What the value of a field must look like.
#[derive(Debug, Clone)]
pub(super) enum ValueShape {
    /// A person's name.
    Name,
    /// A day.
    Date,
    /// A postal address.
    Address,
    /// Words; not a number, not a placeholder.
    Text,
    /// A number in a range with so many decimals.
    Number { min: f64, max: f64, decimals: usize },
    /// Yes.
    True,
    /// Something that could be a password.
    Password,
    /// Anything at all.
    Any,
}

impl Email {
    /// The address around the `@` at `at`.
    pub(super) fn around(&self, text: &str, at: usize) -> Option<(usize, usize)> {
        let (before, rest) = text.split_at_checked(at)?;
        let local = before.bytes().rev().take(LOCAL + 1).take_while(|&byte| is_local(byte)).count();
        let mut start = at - local;
        // Punctuation that can stand in an address but does not begin one.
        while text.as_bytes().get(start).is_some_and(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_')
            && start < at
        {
            start += 1;
        }
        let name = text.get(start..at)?;
        if name.is_empty() || local > LOCAL || name.ends_with('.') {
            return None;
        }
        let host = rest.get(1..)?;
        let length = host
            .bytes()
            .take(HOST)
            .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'))
            .count();
        let length = self.host(host.get(..length)?)?;
        if is_login(before.get(..start)?) || self.except.contains(&name.to_ascii_lowercase()) {
            None
        } else {
            Some((start, at + 1 + length))
        }
    }

    /// How much of `text` is a host name with a known ending.
    fn host(&self, text: &str) -> Option<usize> {
        let mut end = text.trim_end_matches(['.', '-']).len();
        while let Some(host) = text.get(..end) {
            let (labels, ending) = host.rsplit_once('.')?;
            let labels_fit =
                labels.split('.').all(|label| !label.is_empty() && !label.starts_with('-') && label.len() < 64);
            if labels_fit && !is_scale(labels) && self.endings.contains(&ending.to_ascii_lowercase()) {
                return Some(end);
            }
            // A sentence may go on behind the address without a space: `ann@example.com.Thanks`.
            end = labels.len();
        }
        None
    }
}

/// Whether an address of a resource has begun: then the part before `@` is a login and not a mailbox.
fn is_login(before: &str) -> bool {
    let run = before
        .bytes()
        .rev()
        .take(LOCAL + 8)
        .take_while(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<'));
    let run = before.get(before.len() - run.count()..).unwrap_or("");
    run.rsplit_once("://").is_some_and(|(_, login)| !login.contains(['/', '?', '#']))
}

fn is_local(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'%' | b'+' | b'-' | b'\'')
}

/// `2x` of `icon@2x.png`, or a version number.
fn is_scale(labels: &str) -> bool {
    labels.split('.').all(|label| label.trim_end_matches('x').bytes().all(|byte| byte.is_ascii_digit()))
}

impl ValueShape {
    /// Whether a field's value can be what its name says.
    pub(super) fn fits(&self, text: &str) -> bool {
        let text = text.trim();
        if matches!(self, ValueShape::True) {
            return matches!(text.to_ascii_lowercase().as_str(), "true" | "yes" | "y" | "1" | "是");
        }
        if text.is_empty() || text.len() > 4096 || is_placeholder(text) {
            return false;
        }
        match self {
            ValueShape::Name => is_name(text),
            ValueShape::Date => is_date(text),
            ValueShape::Address => is_address(text),
            ValueShape::Text => text.chars().filter(|c| c.is_alphabetic()).take(2).count() == 2 || has_han(text),
            ValueShape::Number { min, max, decimals } => number_fits(text, *min, *max, *decimals),
            ValueShape::True => false,
            ValueShape::Any => true,
            ValueShape::Password => {
                (4..=256).contains(&text.len()) && !text.contains(char::is_whitespace) && !text.starts_with("${")
            }
        }
    }
}

/// Han, as the scanner's context test and name shapes see it.
pub(super) fn is_han(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{323af}')
}

/// Scripts that write without spaces: their letters do not continue a word of another script.
pub(super) fn is_unspaced(c: char) -> bool {
    is_han(c) || matches!(c, '\u{3040}'..='\u{30ff}' | '\u{ac00}'..='\u{d7a3}' | '\u{0e00}'..='\u{0eff}')
}

fn has_han(text: &str) -> bool {
    text.chars().any(is_han)
}

fn is_placeholder(text: &str) -> bool {
    const WORDS: &[&str] = &[
        "null",
        "none",
        "nil",
        "n/a",
        "na",
        "undefined",
        "unknown",
        "true",
        "false",
        "string",
        "test",
        "todo",
        "tbd",
        "empty",
        "redacted",
        "hidden",
        "required",
        "optional",
        "无",
        "未知",
        "不详",
    ];
    let marks = |byte: u8| matches!(byte, b'*' | b'x' | b'X' | b'-' | b'.' | b'?' | b'#' | b'_' | b'0');
    WORDS.iter().any(|word| text.eq_ignore_ascii_case(word))
        || text.bytes().all(marks) && text.len() > 1
        || (text.starts_with("{{") && text.ends_with("}}"))
        || (text.starts_with('<') && text.ends_with('>'))
        || (text.starts_with("${") && text.ends_with('}'))
}

/// Letters of one to six words; nothing that looks like code, a path or a number.
fn is_name(text: &str) -> bool {
    let letters = text.chars().filter(|c| c.is_alphabetic()).count();
    let fits = |c: char| {
        c.is_alphabetic() || matches!(c, ' ' | '.' | ',' | '\'' | '-' | '’' | '·' | '•' | '‧') || is_mark(c)
    };
    let words = text.split_whitespace().count();
    letters >= 2 && text.chars().count() <= 60 && text.chars().all(fits) && (1..=6).contains(&words)
}

/// Vowel signs and accents that follow their letter.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{0300}'..='\u{036f}' | '\u{0900}'..='\u{0dff}' | '\u{0e30}'..='\u{0e4e}' | '\u{064b}'..='\u{065f}')
}

/// `1990-01-31`, `19900131`, `31.01.1990`, `1/31/1990`, `1990年1月31日`, with or without a time.
fn is_date(text: &str) -> bool {
    let day = text.split(['T', ' ']).next().unwrap_or(text);
    let numbers: Vec<&str> = day.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty()).collect();
    let written = |parts: &[&str]| parts.iter().map(|part| part.parse::<u32>().ok()).collect::<Option<Vec<u32>>>();
    let compact = |text: &str| -> Option<Vec<u32>> { written(&[text.get(..4)?, text.get(4..6)?, text.get(6..8)?]) };
    let parts = match numbers.as_slice() {
        [whole] if whole.len() == 8 && day.len() == 8 => compact(whole),
        [_, _, _] if day.chars().count() <= 12 => written(&numbers),
        _ => None,
    };
    let is_year = |year: u32| (1850..=2100).contains(&year);
    let is_day = |a: u32, b: u32| (1..=31).contains(&a) && (1..=31).contains(&b) && (a <= 12 || b <= 12);
    match parts.as_deref() {
        Some(&[a, b, c]) => (is_year(a) && is_day(b, c)) || (is_year(c) && is_day(a, b)),
        _ => false,
    }
}

/// At least five Han characters, or words with a number among them; not a network address or a path.
fn is_address(text: &str) -> bool {
    let letters = text.chars().filter(|c| c.is_alphabetic()).count();
    let code = text.contains("://") || text.contains('@') || text.contains("::") || text.starts_with("0x");
    let han = text.chars().filter(|&c| is_han(c)).count();
    let words = text.split_whitespace().count();
    !code && text.chars().count() <= 300 && (han >= 5 || (letters >= 5 && words >= 2))
}

fn number_fits(text: &str, min: f64, max: f64, decimals: usize) -> bool {
    let plain = text.trim_start_matches(['+', '¥', '$', '€', '£']).replace(',', "");
    let places = plain.split_once('.').map_or(0, |(_, places)| places.len());
    let digits = plain.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-'));
    digits && places >= decimals && plain.parse::<f64>().is_ok_and(|value| (min..=max).contains(&value))
}
