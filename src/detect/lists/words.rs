//! Text as the words that lists are compared by: letters and digits in lower case, and how far words stand apart.
//!
//! A character of a script that writes without spaces is a word of its own, so an entry in such a script is found anywhere
//! inside a run of them, and an entry in any other script only as whole words.

use crate::detect::shape::is_unspaced;

/// Most words of one entry.
pub(super) const LONGEST: usize = 32;

/// The farthest that words of one entry may stand apart, in bytes: a comma and a line end.
const NEAR: usize = 4;

/// How a word stands to the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::detect) enum Gap {
    /// One space, or one sign that joins parts of a code.
    Close,
    /// A few signs and spaces.
    Near,
    /// More, or it is the first.
    Far,
}

/// A word.
#[derive(Debug, Clone, Copy)]
pub(in crate::detect) struct Word {
    /// Where it stands in the text.
    pub(in crate::detect) start: usize,
    pub(in crate::detect) end: usize,
    /// Where it stands in the plain text.
    from: usize,
    to: usize,
    pub(in crate::detect) gap: Gap,
    /// Holds a digit: groups of such words are one code however it is grouped.
    pub(in crate::detect) is_code: bool,
}

/// The words of one text. The buffers are used again.
#[derive(Debug, Default)]
pub(in crate::detect) struct Words {
    plain: String,
    pub(in crate::detect) list: Vec<Word>,
}

impl Words {
    /// Takes a text apart.
    pub(in crate::detect) fn read(&mut self, text: &str) {
        self.forget();
        let mut open = false;
        for (at, c) in text.char_indices() {
            let alone = !c.is_ascii() && is_unspaced(c);
            let continues = open && (c.is_alphanumeric() || is_mark(c)) && !alone;
            if !continues && !c.is_alphanumeric() {
                open = false;
                continue;
            }
            if !continues {
                self.begin(text, at, alone);
            }
            if c.is_ascii() {
                self.plain.push(c.to_ascii_lowercase());
            } else {
                self.plain.extend(c.to_lowercase());
            }
            if let Some(word) = self.list.last_mut() {
                word.end = at + c.len_utf8();
                word.to = self.plain.len();
                word.is_code |= c.is_ascii_digit();
            }
            open = !alone;
        }
    }

    fn begin(&mut self, text: &str, at: usize, alone: bool) {
        let from = self.plain.len();
        let gap = match self.list.last() {
            None => Gap::Far,
            // Neighbours without a space are a word's length apart in every sense.
            Some(before) if before.end == at => Gap::Near,
            Some(before) => gap(text.get(before.end..at).unwrap_or("")),
        };
        let gap = if alone && gap == Gap::Close { Gap::Near } else { gap };
        self.list.push(Word { start: at, end: at, from, to: from, gap, is_code: false });
    }

    /// The plain text of the words `first..=last`.
    pub(in crate::detect) fn plain(&self, first: usize, last: usize) -> &str {
        let from = self.list.get(first).map_or(0, |word| word.from);
        let to = self.list.get(last).map_or(from, |word| word.to);
        self.plain.get(from..to).unwrap_or("")
    }

    /// Wipes what was read.
    pub(in crate::detect) fn forget(&mut self) {
        self.plain.clear();
        self.list.clear();
    }
}

fn gap(between: &str) -> Gap {
    let mut signs = between.chars();
    match (signs.next(), signs.next()) {
        (Some(' ' | '-' | '.' | '/' | '_' | '\'' | '’'), None) => Gap::Close,
        _ if between.len() <= NEAR => Gap::Near,
        _ => Gap::Far,
    }
}

/// Combining marks belong to the letter before them.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{0300}'..='\u{036f}' | '\u{0900}'..='\u{0eff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_letters_and_digits_in_lower_case() {
        let mut words = Words::default();
        words.read("Dr. MÜLLER-Lüdenscheidt, 张三 — DE89 3704");
        let plain: Vec<&str> = (0..words.list.len()).map(|at| words.plain(at, at)).collect();
        assert_eq!(plain, ["dr", "müller", "lüdenscheidt", "张", "三", "de89", "3704"]);
        let gaps: Vec<Gap> = words.list.iter().map(|word| word.gap).collect();
        use Gap::{Close, Far, Near};
        assert_eq!(gaps, [Far, Near, Close, Near, Near, Far, Close]);
        assert_eq!(words.plain(5, 6), "de893704");
    }
}
