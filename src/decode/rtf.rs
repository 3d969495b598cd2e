//! RTF 1.9: the text of paragraphs, also of those no reader shows, and what a document says about itself.
//!
//! Groups that a reader would pass over are read like any other: data could travel there. Pictures and objects are in
//! hexadecimal digits, and opaque.

use encoding_rs::Encoding;

use super::account::Opaque;
use super::charset::{self, Reader, Step};
use super::output::{Blocks, Output};

/// Deepest nesting that is followed; what is deeper counts as part of the deepest.
const NESTING: usize = 256;

/// Longest control word with its number.
const WORD: usize = 48;

/// Reads RTF.
#[derive(Debug)]
pub(super) struct Rtf {
    stack: Vec<Group>,
    /// Groups below the deepest that is followed.
    beyond: u64,
    group: Group,
    /// Characters that stand in for the one before, for readers that do not know it.
    fallback: usize,
    charset: Option<&'static Encoding>,
    /// Bytes of the charset that are not text yet.
    pending: Vec<u8>,
    paragraph: Option<Blocks>,
    /// Bytes of pictures and objects.
    hidden: u64,
}

#[derive(Debug, Clone, Copy)]
struct Group {
    /// Of digits that stand for a picture or an object.
    hidden: bool,
    /// How many characters stand in for one that older readers do not know.
    fallbacks: usize,
}

impl Rtf {
    /// A reader.
    pub fn new() -> Rtf {
        Rtf {
            stack: Vec::new(),
            beyond: 0,
            group: Group { hidden: false, fallbacks: 1 },
            fallback: 0,
            charset: None,
            pending: Vec::new(),
            paragraph: None,
            hidden: 0,
        }
    }

    fn push(&mut self, text: &str, offset: u64, out: &mut Output<'_>) {
        if self.group.hidden {
            self.hidden += text.len() as u64;
            return;
        }
        let skipped: usize = text.chars().take(self.fallback).map(char::len_utf8).sum();
        self.fallback -= text.chars().take(self.fallback).count();
        let text = text.get(skipped..).unwrap_or("");
        self.flush(offset, out);
        if !text.is_empty() {
            self.paragraph.get_or_insert_with(|| Blocks::new(offset)).push(text, None, out);
        }
    }

    /// A byte of the charset.
    fn byte(&mut self, byte: u8) {
        if self.group.hidden {
            self.hidden += 1;
        } else if self.fallback > 0 {
            self.fallback -= 1;
        } else {
            self.pending.push(byte);
        }
    }

    /// Makes text of the bytes that wait.
    fn flush(&mut self, offset: u64, out: &mut Output<'_>) {
        if self.pending.is_empty() {
            return;
        }
        let bytes = std::mem::take(&mut self.pending);
        let (text, malformed) = match self.charset {
            Some(charset) => {
                let (text, malformed) = charset.decode_without_bom_handling(&bytes);
                (text, u64::from(malformed))
            }
            None => charset::whole(&bytes, None),
        };
        out.tally.opaque(Opaque::Undecodable, malformed);
        self.paragraph.get_or_insert_with(|| Blocks::new(offset)).push(&text, None, out);
    }

    fn end_paragraph(&mut self, offset: u64, out: &mut Output<'_>) {
        self.flush(offset, out);
        if let Some(mut paragraph) = self.paragraph.take() {
            paragraph.finish(None, out);
        }
    }

    /// What begins with a backslash. Returns its length; nothing where it is not whole.
    fn control(&mut self, rest: &str, offset: u64, last: bool, out: &mut Output<'_>) -> Option<usize> {
        let behind = rest.get(1..).unwrap_or("");
        let Some(first) = behind.chars().next() else { return last.then_some(1) };
        if first.is_ascii_alphabetic() {
            return self.word(behind, offset, last, out).map(|length| length + 1);
        }
        match first {
            '\'' => {
                let Some(digits) = behind.get(1..3) else {
                    // Cut, or no digits at all.
                    return (last || behind.len() > 2).then_some(2);
                };
                match u8::from_str_radix(digits, 16) {
                    Ok(byte) => self.byte(byte),
                    Err(_) => self.push(digits, offset, out),
                }
                return Some(4);
            }
            '~' => self.push(" ", offset, out),
            '_' => self.push("-", offset, out),
            '\\' | '{' | '}' => self.push(behind.get(..1).unwrap_or(""), offset, out),
            '\n' | '\r' => self.end_paragraph(offset, out),
            _ => {}
        }
        Some(1 + first.len_utf8())
    }

    /// A control word: letters, a number, and a space that belongs to it.
    fn word(&mut self, text: &str, offset: u64, last: bool, out: &mut Output<'_>) -> Option<usize> {
        let letters = text.bytes().take(WORD).take_while(u8::is_ascii_alphabetic).count();
        let digits = text.bytes().skip(letters).take(WORD);
        let digits = digits.enumerate().take_while(|(at, byte)| byte.is_ascii_digit() || (*at == 0 && *byte == b'-'));
        let digits = digits.count();
        let end = letters + digits;
        if end >= text.len() && !last {
            return None;
        }
        let word = text.get(..letters).unwrap_or("");
        let written = text.get(letters..end).unwrap_or("");
        self.act(word, written.parse().ok(), offset, out);
        // A number that no reader takes for one is text.
        if written.len() > 10 {
            self.push(written, offset, out);
        }
        Some(end + usize::from(text.as_bytes().get(end) == Some(&b' ')))
    }

    fn act(&mut self, word: &str, number: Option<i64>, offset: u64, out: &mut Output<'_>) {
        match (word, number) {
            ("par" | "line" | "sect" | "page" | "cell" | "row" | "nestcell" | "nestrow", _) => {
                self.end_paragraph(offset, out);
            }
            ("tab", _) => self.push("\t", offset, out),
            ("emdash" | "endash", _) => self.push("-", offset, out),
            ("pict" | "objdata", _) => self.group.hidden = true,
            ("uc", Some(count)) => self.group.fallbacks = usize::try_from(count).unwrap_or(0).min(16),
            ("ansicpg", Some(page)) => self.charset = code_page(page),
            ("u", Some(unit)) => {
                self.fallback = 0;
                let scalar = u32::try_from(unit & 0xffff).ok().and_then(char::from_u32);
                self.push(scalar.unwrap_or(' ').encode_utf8(&mut [0; 4]), offset, out);
                self.fallback = self.group.fallbacks;
            }
            _ => {}
        }
    }

    fn open(&mut self) {
        if self.stack.len() < NESTING {
            self.stack.push(self.group);
        } else {
            self.beyond += 1;
        }
    }

    fn close(&mut self, offset: u64, out: &mut Output<'_>) {
        self.flush(offset, out);
        self.fallback = 0;
        if self.beyond > 0 {
            self.beyond -= 1;
        } else if let Some(group) = self.stack.pop() {
            self.group = group;
        }
    }
}

/// The charset of a Windows code page.
fn code_page(number: i64) -> Option<&'static Encoding> {
    let label = match number {
        932 => "shift_jis".to_owned(),
        936 => "gbk".to_owned(),
        949 => "euc-kr".to_owned(),
        950 => "big5".to_owned(),
        65001 => "utf-8".to_owned(),
        number => format!("windows-{number}"),
    };
    Encoding::for_label(label.as_bytes())
}

impl Reader for Rtf {
    fn read(&mut self, text: &str, offset: u64, last: bool, out: &mut Output<'_>) -> Step {
        let mut at = 0;
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
            let place = offset + at as u64;
            let length = match rest.as_bytes().first() {
                Some(b'\\') => match self.control(rest, place, last, out) {
                    Some(length) => length,
                    None => break,
                },
                Some(b'{') => {
                    self.open();
                    1
                }
                Some(b'}') => {
                    self.close(place, out);
                    1
                }
                // Line ends make the file legible, and no text.
                Some(b'\r' | b'\n') => 1,
                _ => {
                    let special = |c: char| matches!(c, '\\' | '{' | '}' | '\r' | '\n');
                    let length = rest.find(special).unwrap_or(rest.len());
                    self.push(rest.get(..length).unwrap_or(rest), place, out);
                    length
                }
            };
            at = (at + length).min(text.len());
        }
        Step::Read(at)
    }

    fn finish(&mut self, out: &mut Output<'_>) {
        self.end_paragraph(0, out);
        out.tally.opaque(Opaque::Undecodable, self.hidden);
    }
}
