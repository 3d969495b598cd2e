//! Text as it was meant: compatibility forms become the plain ones (NFKC, UAX #15), digits of any script become ASCII,
//! invisible characters go, letters that only look Latin become Latin in identifiers.
//!
//! Only text that contains such characters is copied; the copy keeps a map back, so findings point into the original. A
//! match that touches a character touches all of it: `㈱` is three characters in the copy and one in the text.
//!
//! Where a small number is put beside a plain one (`①13800138000`, `13800138000¹`) it is a label or a note and not a digit
//! of it: a space comes between. Letters that look Latin are folded in words of letters and digits only, and there only
//! where Latin letters stand too or all of them stand in front: patterns of such identifiers are written in Latin letters.

use std::ops::Range;
use std::sync::LazyLock;

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::compose;

/// A folded copy and where its parts came from.
#[derive(Debug)]
pub(super) struct Folded {
    pub(super) text: String,
    /// In the order of the copy.
    map: Vec<Span>,
}

/// A stretch of the copy.
#[derive(Debug, Clone, Copy)]
struct Span {
    copied: usize,
    original: usize,
    /// Where the character ends of which all of the stretch was made; nothing where the stretch is as it was.
    made_of: Option<usize>,
}

impl Folded {
    /// Where in the original a match begins that begins at `offset` of the copy.
    pub(super) fn original(&self, offset: usize) -> usize {
        let span = self.span(self.map.partition_point(|span| span.copied <= offset));
        if span.made_of.is_some() { span.original } else { span.original + (offset - span.copied) }
    }

    /// Where in the original a match ends that ends before `offset` of the copy.
    pub(super) fn original_end(&self, offset: usize) -> usize {
        let span = self.span(self.map.partition_point(|span| span.copied < offset));
        span.made_of.unwrap_or_else(|| span.original + offset.saturating_sub(span.copied))
    }

    fn span(&self, behind: usize) -> Span {
        let span = behind.checked_sub(1).and_then(|index| self.map.get(index)).copied();
        span.unwrap_or(Span { copied: 0, original: 0, made_of: None })
    }

    /// Goes on with text as it is.
    fn keep(&mut self, text: &str, original: usize) {
        if !text.is_empty() {
            self.map.push(Span { copied: self.text.len(), original, made_of: None });
            self.text.push_str(text);
        }
    }

    /// Goes on with what a character was folded to.
    fn make(&mut self, from: Range<usize>, meant: impl IntoIterator<Item = char>) {
        let copied = self.text.len();
        self.text.extend(meant);
        if self.text.len() > copied {
            self.map.push(Span { copied, original: from.start, made_of: Some(from.end) });
        }
    }
}

/// Folds a text, or nothing if there is nothing to fold.
pub(super) fn fold(text: &str) -> Option<Folded> {
    if !is_foldable(text) {
        return None;
    }
    let mut folded = Folded { text: String::with_capacity(text.len()), map: Vec::new() };
    let (mut at, mut kept) = (0, 0);
    while let Some(c) = text.get(at..).and_then(|rest| rest.chars().next()) {
        let end = at + c.len_utf8();
        let meant = if c.is_ascii() { Meaning::Same } else { meaning(c) };
        let latin = if meant == Meaning::Same { latin(c).filter(|_| is_disguised(text, at)) } else { None };
        if meant == Meaning::Same && latin.is_none() {
            at = end;
            continue;
        }
        folded.keep(text.get(kept..at)?, kept);
        at = folded.change(text, at..end, c, meant, latin);
        kept = at;
    }
    folded.keep(text.get(kept..)?, kept);
    Some(folded)
}

impl Folded {
    /// Takes in a character that means another; returns where the text goes on.
    fn change(&mut self, text: &str, from: Range<usize>, c: char, meant: Meaning, latin: Option<char>) -> usize {
        let behind = || text.get(from.end..).and_then(|rest| rest.chars().next());
        if let Some(latin) = latin {
            self.make(from.clone(), [latin]);
            return from.end;
        }
        match meant {
            Meaning::Same | Meaning::Nothing => {}
            Meaning::Char(plain) => {
                // A mark of half width belongs to the letter before it (`ｶﾞ`).
                if let Some((mark, voiced)) = behind().and_then(|mark| Some((mark, compose(plain, voice(mark)?)?))) {
                    self.make(from.start..from.end + mark.len_utf8(), [voiced]);
                    return from.end + mark.len_utf8();
                }
                let before = self.text.chars().next_back().is_some_and(|c| c.is_ascii_alphanumeric());
                let after = behind().is_some_and(|c| c.is_ascii_alphanumeric());
                let small = is_small(c);
                let starts = small && before && starts_note(text, from.start) && ends_note(text, from.end);
                let ends = small && after && !before;
                self.make(from.clone(), starts.then_some(' ').into_iter().chain([plain]).chain(ends.then_some(' ')));
            }
            Meaning::Text => self.make(from.clone(), std::iter::once(c).nfkc()),
        }
        from.end
    }
}

/// What a character stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// Itself.
    Same,
    /// Nothing: it is not seen.
    Nothing,
    /// Another.
    Char(char),
    /// Several.
    Text,
}

/// The plain form of a character.
fn meaning(c: char) -> Meaning {
    if !may_fold(c) {
        return Meaning::Same;
    }
    if is_invisible(c) {
        return Meaning::Nothing;
    }
    match c {
        '\u{2010}'..='\u{2015}' | '\u{2212}' => return Meaning::Char('-'),
        // Letters of Korean, which would become halves of syllables.
        '\u{3131}'..='\u{318e}' | '\u{ffa0}'..='\u{ffdc}' => return Meaning::Same,
        _ => {}
    }
    if let Some(digit) = digit(c) {
        return Meaning::Char(digit);
    }
    let mut plain = std::iter::once(c).nfkc();
    match (plain.next(), plain.next()) {
        (Some(first), None) if first == c => Meaning::Same,
        (Some(first), None) => Meaning::Char(first),
        // An accent that stands alone.
        (Some(' '), Some(_)) | (None, _) => Meaning::Same,
        _ => Meaning::Text,
    }
}

/// Whether a character stands in it that makes a copy worth while: punctuation alone does not.
fn is_foldable(text: &str) -> bool {
    const STEP: usize = 32;
    let bytes = text.as_bytes();
    // PERF: whole steps of ASCII, Chinese, Korean and accented Latin are passed without a look at their characters.
    for (step, chunk) in bytes.chunks(STEP).enumerate() {
        if chunk.iter().fold(0, |any, byte| any | u8::from(is_lead(*byte))) == 0 {
            continue;
        }
        let leads = chunk.iter().enumerate().filter(|(_, byte)| is_lead(**byte)).map(|(at, _)| step * STEP + at);
        for at in leads {
            let c = text.get(at..).and_then(|rest| rest.chars().next());
            if c.is_some_and(|c| is_worth(text, at, c)) {
                return true;
            }
        }
    }
    false
}

/// Whether a character that can be folded may begin with this byte.
fn is_lead(byte: u8) -> bool {
    byte == 0xc2 || (0xc4..=0xe3).contains(&byte) || byte >= 0xef
}

fn is_worth(text: &str, at: usize, c: char) -> bool {
    match meaning(c) {
        Meaning::Same => latin(c).is_some() && is_disguised(text, at),
        // It comes with pictures, and behind a digit with the frame around it.
        Meaning::Nothing => c != '\u{fe0f}',
        Meaning::Char(plain) => plain.is_alphanumeric() || plain == '@',
        Meaning::Text => std::iter::once(c).nfkc().any(char::is_alphanumeric),
    }
}

/// Characters of the basic plane that are not plain, a bit each.
static FOLDABLE: LazyLock<Vec<u64>> = LazyLock::new(|| {
    let mut bits = vec![0; 0x1_0000 / 64];
    for c in '\u{80}'..='\u{ffff}' {
        let plain = std::iter::once(c).nfkc().eq([c]) && digit(c).is_none() && !is_invisible(c);
        let folds = !plain || matches!(c, '\u{2010}'..='\u{2015}' | '\u{2212}');
        if let Some(word) = bits.get_mut(c as usize / 64) {
            *word |= u64::from(folds) << (c as usize % 64);
        }
    }
    bits
});

/// Whether a character may be no plain one.
fn may_fold(c: char) -> bool {
    match c as usize {
        0..=0x7f => false,
        code @ 0x80..=0xffff => FOLDABLE.get(code / 64).is_some_and(|word| word >> (code % 64) & 1 == 1),
        code => matches!(code, 0x1_0000..=0x1_f2ff | 0x1_fbf0..=0x1_fbf9 | 0x2_f800..=0x2_fa1f | 0xe_0000..=0xe_01ef),
    }
}

/// Characters that are not seen: of no width, for the direction of text, for the look of the one before, fillers.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'
            | '\u{1160}'
            | '\u{17b4}'
            | '\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{20e3}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e01ef}'
    )
}

/// The decimal digit a character is (general category Nd of Unicode 14). Those of mathematics, and the full-width ones,
/// are compatibility forms.
fn digit(c: char) -> Option<char> {
    let index = ZEROS.partition_point(|zero| *zero <= c).checked_sub(1)?;
    let value = c as u32 - *ZEROS.get(index)? as u32;
    char::from_digit(value, 10)
}

/// The digits zero, in order; nine more follow each.
#[rustfmt::skip]
const ZEROS: [char; 60] = [
    '\u{0660}', '\u{06f0}', '\u{07c0}', '\u{0966}', '\u{09e6}', '\u{0a66}', '\u{0ae6}', '\u{0b66}', '\u{0be6}', '\u{0c66}',
    '\u{0ce6}', '\u{0d66}', '\u{0de6}', '\u{0e50}', '\u{0ed0}', '\u{0f20}', '\u{1040}', '\u{1090}', '\u{17e0}', '\u{1810}',
    '\u{1946}', '\u{19d0}', '\u{1a80}', '\u{1a90}', '\u{1b50}', '\u{1bb0}', '\u{1c40}', '\u{1c50}', '\u{a620}', '\u{a8d0}',
    '\u{a900}', '\u{a9d0}', '\u{a9f0}', '\u{aa50}', '\u{abf0}', '\u{ff10}', '\u{104a0}', '\u{10d30}', '\u{11066}',
    '\u{110f0}', '\u{11136}', '\u{111d0}', '\u{112f0}', '\u{11450}', '\u{114d0}', '\u{11650}', '\u{116c0}', '\u{11730}',
    '\u{118e0}', '\u{11950}', '\u{11c50}', '\u{11d50}', '\u{11da0}', '\u{16a60}', '\u{16ac0}', '\u{16b50}', '\u{1e140}',
    '\u{1e2f0}', '\u{1e950}', '\u{1fbf0}',
];

/// Numbers and letters that are put beside others: raised, in a circle, trade marks.
fn is_small(c: char) -> bool {
    matches!(
        c,
        '\u{aa}' | '\u{b2}' | '\u{b3}' | '\u{b9}' | '\u{ba}' | '\u{2070}'..='\u{209c}' | '\u{2460}'..='\u{24ff}' | '\u{2776}'..='\u{2793}'
    )
}

/// Whether no small character stands before this one.
fn starts_note(text: &str, at: usize) -> bool {
    !text.get(..at).and_then(|before| before.chars().next_back()).is_some_and(is_small)
}

/// Whether the small characters that go on here end the word.
fn ends_note(text: &str, at: usize) -> bool {
    let mut rest = text.get(at..).unwrap_or("").chars().skip_while(|c| is_small(*c));
    !rest.next().is_some_and(|c| c.is_ascii_alphanumeric())
}

/// The mark of a voiced syllable as it is joined to a letter.
fn voice(mark: char) -> Option<char> {
    match mark {
        '\u{ff9e}' => Some('\u{3099}'),
        '\u{ff9f}' => Some('\u{309a}'),
        _ => None,
    }
}

/// The Latin letter that a Cyrillic or Greek one looks like (confusables of UTS #39).
fn latin(c: char) -> Option<char> {
    if !matches!(c, '\u{391}'..='\u{3c1}' | '\u{405}'..='\u{51d}') {
        return None;
    }
    const ALIKE: &str = "АAВBЕEЅSІIЈJКKМMНHОOРPСCТTУYХXаaеeѕsіiјjоoрpсcуyхxһhԁdԛqԜWԝwҮY\
                         ΑAΒBΕEΖZΗHΙIΚKΜMΝNΟOΡPΤTΥYΧXοoνv";
    let mut pairs = ALIKE.chars();
    while let (Some(other), Some(latin)) = (pairs.next(), pairs.next()) {
        if other == c {
            return Some(latin);
        }
    }
    None
}

/// Longest word that is taken for an identifier, in characters on either side.
const WORD: usize = 40;

/// Whether a letter that looks Latin stands in a word with ASCII letters or digits, every other letter of which is Latin
/// or looks so. Without a Latin letter such letters have to stand in front of the digits.
fn is_disguised(text: &str, at: usize) -> bool {
    let (before, after) = text.split_at_checked(at).unwrap_or((text, ""));
    let is_word = |c: &char| c.is_alphanumeric();
    let left = before.chars().rev().take_while(is_word).take(WORD);
    let right = after.chars().take_while(is_word).take(WORD);
    let is_plain = |c: char| c.is_ascii() || latin(c).is_some();
    let mixed = left.clone().chain(right.clone()).any(|c| c.is_ascii_alphabetic());
    let plain = left.clone().chain(right.clone()).all(is_plain);
    let in_front = !left.clone().any(|c| c.is_ascii_digit());
    let digits = right.clone().skip_while(|c| !c.is_ascii_digit());
    let prefix = in_front && digits.clone().next().is_some() && digits.clone().all(|c| c.is_ascii_digit());
    plain && (mixed || prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_point_back_into_the_original() {
        let text = "电话：１３８\u{200b}0013 8000。";
        let folded = fold(text).unwrap();
        assert!(folded.text.contains("1380013 8000"));
        let start = folded.text.find("138").unwrap();
        assert!(text.get(folded.original(start)..).unwrap().starts_with("１３８"));
        let end = folded.text.find("0013").unwrap();
        assert!(text.get(folded.original(end)..).unwrap().starts_with("0013"));
        assert!(text.get(..folded.original_end(end)).unwrap().ends_with("８"));
        assert!(fold("你好，世界").is_none());
    }

    #[test]
    fn compatibility_forms_become_plain() {
        let cases = [
            ("㈱山田 ﾔﾏﾀﾞ", "(株)山田 ヤマダ"),
            ("①③⑧⓪⓪①③⑧⓪⓪⓪", "13800138000"),
            ("①13800138000", "1 13800138000"),
            ("13800138000¹²", "13800138000 12"),
            ("1³8001³8000", "13800138000"),
            ("ﷺ ﷼ ﬁn", "صلى الله عليه وسلم ریال fin"),
            ("١٣٨ ۱۳ १२३ ๑๒ 𝟏𝟑𝟖 🯱", "138 13 123 12 138 1"),
            ("1\u{fe0f}\u{20e3}3\u{fe0f}\u{20e3}", "13"),
            ("Е12345678", "E12345678"),
            ("АB1234567 gеnеrаl", "AB1234567 general"),
            ("Ⅷ ㎏ №7", "VIII kg No7"),
            ("ａｎｎ＠ｘ．ｅｘａｍｐｌｅ", "ann@x.example"),
            ("⼀㊙", "一秘"),
        ];
        for (text, expected) in cases {
            assert_eq!(fold(text).map(|folded| folded.text).as_deref(), Some(expected), "{text}");
        }
        for text in ["СПб 2024", "А123ВС77", "Москва", "ㅋㅋㅋ", "café ´", "naïve – text…", "❤\u{fe0f}", "한국어"]
        {
            assert!(fold(text).is_none(), "{text}");
        }
    }

    #[test]
    fn every_character_folds_to_something_that_points_at_it() {
        for c in ('\u{80}'..='\u{1ffff}').step_by(7).chain('\u{2000}'..='\u{3400}').chain('\u{fa00}'..='\u{ffff}') {
            let text = format!("１a{c}9");
            let folded = fold(&text).unwrap();
            let mut last = 0;
            for (at, c) in folded.text.char_indices() {
                let (start, end) = (folded.original(at), folded.original_end(at + c.len_utf8()));
                assert!(start < end && start >= last && text.get(start..end).is_some(), "{text:?} at {at}");
                last = start;
            }
            assert_eq!(folded.original_end(folded.text.len()), text.len());
        }
    }
}
