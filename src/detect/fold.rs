//! Text as it was meant: full-width letters and digits become plain ones, invisible characters go.
//!
//! Only text that contains such characters is copied; the copy keeps a map back, so findings point into the original.

/// A folded copy and where its parts came from.
#[derive(Debug)]
pub(super) struct Folded {
    pub(super) text: String,
    /// Places in the copy from which the distance to the original changes, and the original offset there.
    map: Vec<(usize, usize)>,
}

impl Folded {
    /// The offset in the original of an offset in the copy.
    pub(super) fn original(&self, offset: usize) -> usize {
        let behind = self.map.partition_point(|(copied, _)| *copied <= offset);
        let (copied, original) =
            behind.checked_sub(1).and_then(|index| self.map.get(index)).copied().unwrap_or((0, 0));
        original + (offset - copied)
    }

    /// The offset in the copy of an offset in the original, or of what comes behind it; nothing behind the end.
    pub(super) fn copied(&self, offset: usize) -> Option<usize> {
        let behind = self.map.partition_point(|(_, original)| *original <= offset);
        let (copied, original) =
            behind.checked_sub(1).and_then(|index| self.map.get(index)).copied().unwrap_or((0, 0));
        let next = self.map.get(behind).map_or(self.text.len(), |(copied, _)| *copied);
        Some((copied + (offset - original)).min(next)).filter(|at| *at < self.text.len())
    }
}

/// Folds a text, or nothing if there is nothing to fold.
pub(super) fn fold(text: &str) -> Option<Folded> {
    let first = first_foldable(text)?;
    let mut folded = Folded { text: String::with_capacity(text.len()), map: vec![(0, 0)] };
    folded.text.push_str(text.get(..first)?);
    for (offset, c) in text.get(first..)?.char_indices() {
        let meant = meaning(c);
        if let Some(meant) = meant {
            folded.text.push(meant);
        }
        if meant != Some(c) {
            folded.map.push((folded.text.len(), first + offset + c.len_utf8()));
        }
    }
    Some(folded)
}

/// Where the first character stands that makes a copy worth while: full-width punctuation alone does not.
fn first_foldable(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    memchr::memchr3_iter(0xef, 0xe2, 0xc2, bytes).find(|&at| {
        text.get(at..).and_then(|rest| rest.chars().next()).is_some_and(|c| match meaning(c) {
            None => true,
            Some(meant) => meant != c && (meant.is_ascii_alphanumeric() || meant == '@'),
        })
    })
}

/// The plain form of a character; nothing if it is invisible.
fn meaning(c: char) -> Option<char> {
    match c {
        '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{feff}' | '\u{00ad}' | '\u{180e}' => None,
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(c as u32 - 0xfee0),
        '\u{2010}'..='\u{2015}' | '\u{2212}' => Some('-'),
        '\u{3000}' | '\u{00a0}' | '\u{2007}' | '\u{202f}' => Some(' '),
        c => Some(c),
    }
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
        assert!(fold("你好，世界").is_none());
    }
}
