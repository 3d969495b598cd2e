//! Which spots of a text are worth a closer look, and for which detectors.
//!
//! CONTRACT: it may say yes wrongly and never no wrongly. Everything here is computed from the automata: for each of the
//! first bytes of a match, which detectors allow which byte; for a run of digits in front, which detectors allow a run
//! of that length before that next byte; and with which three bytes any match begins at all. Whoever makes this faster may drop precision but never a possible match.
//!
//! A spot is where a match can begin: a letter or digit behind something that is neither, punctuation with which some
//! match begins, a character outside ASCII. Spots are found eight bytes at a time; a spot where nothing interesting begins costs one look-up.

use super::automaton::Automaton;
use super::set::Set;

/// How many bytes from the start of a match are compared.
const DEPTH: usize = 8;
/// Longest run of digits told apart.
const DIGITS: usize = 32;

/// Tables over all scanned detectors.
#[derive(Debug)]
pub(super) struct Prefilter {
    /// One bit for each three bytes with which some match begins, six bits of each byte.
    triples: Vec<u64>,
    positions: Vec<[Set; 256]>,
    /// Punctuation with which some match begins, in every lane of a word each.
    marks: Vec<u64>,
    /// By length of the first run of digits and class of the byte behind it.
    runs: Vec<[Set; FOLLOWS]>,
}

/// Classes of bytes behind a run of digits.
const FOLLOWS: usize = 8;

fn follow_class(next: Option<u8>) -> usize {
    match next {
        None => 0,
        Some(byte) if byte.is_ascii_alphabetic() => 1,
        Some(b' ') => 2,
        Some(b'-') => 3,
        Some(b'.') => 4,
        Some(b'/') => 5,
        Some(byte) if byte.is_ascii() => 6,
        Some(_) => 7,
    }
}

impl Prefilter {
    /// Tables for detectors by their number; those that look for `@` themselves have no automaton.
    pub(super) fn build<'a>(automata: impl Iterator<Item = (usize, &'a Automaton)>) -> Prefilter {
        let mut filter = Prefilter {
            triples: vec![0; (1 << 18) / 64],
            positions: vec![[Set::default(); 256]; DEPTH],
            marks: vec![u64::from(b'@') * LANES],
            runs: vec![[Set::default(); FOLLOWS]; DIGITS + 1],
        };
        automata.for_each(|(index, automaton)| filter.add(index, automaton));
        filter
    }

    fn add(&mut self, index: usize, automaton: &Automaton) {
        let beginnings = automaton.beginnings(DEPTH);
        for (sets, possible) in self.positions.iter_mut().zip(&beginnings) {
            for (set, _) in sets.iter_mut().zip(possible).filter(|(_, possible)| **possible) {
                set.insert(index);
            }
        }
        for (first, _) in (0..=255u8).zip(beginnings.first().copied().unwrap_or([true; 256])).filter(|(_, can)| *can)
        {
            let lanes = u64::from(first) * LANES;
            if first.is_ascii_graphic() && !first.is_ascii_alphanumeric() && !self.marks.contains(&lanes) {
                self.marks.push(lanes);
            }
        }
        for place in automaton.first_triples().into_iter().map(place) {
            self.triples.iter_mut().skip(place / 64).take(1).for_each(|word| *word |= 1 << (place % 64));
        }
        self.add_runs(index, automaton);
    }

    fn add_runs(&mut self, index: usize, automaton: &Automaton) {
        for (row, first) in self.runs.iter_mut().zip(automaton.first_digits(DIGITS)) {
            for byte in 0..=255u8 {
                let follows = first.follows.get(usize::from(byte)).copied().unwrap_or(true);
                // A match that ends in a digit cannot stand directly before a letter.
                if follows || (first.ends && !byte.is_ascii_alphabetic()) {
                    row.iter_mut().skip(follow_class(Some(byte))).take(1).for_each(|set| set.insert(index));
                }
            }
            if first.ends {
                row.iter_mut().take(1).for_each(|set| set.insert(index));
            }
        }
    }

    /// Detectors a match of which could begin at `at`.
    #[inline]
    pub(super) fn candidates(&self, bytes: &[u8], at: usize) -> Set {
        let Some(&[first, second, third]) = bytes.get(at..).and_then(<[u8]>::first_chunk) else {
            return Set::default();
        };
        let place = place([first, second, third]);
        if self.triples.get(place / 64).is_none_or(|word| word & (1 << (place % 64)) == 0) {
            return Set::default();
        }
        self.by_position(bytes, at, first)
    }

    fn by_position(&self, bytes: &[u8], at: usize, first: u8) -> Set {
        let mut set = match first.is_ascii_digit() {
            true => self.run(bytes, at),
            false => self.position(0, first),
        };
        for depth in 1..DEPTH {
            match bytes.get(at + depth) {
                Some(&byte) if !set.is_empty() => set = set.and(self.position(depth, byte)),
                _ => break,
            }
        }
        set
    }

    #[inline]
    fn position(&self, depth: usize, byte: u8) -> Set {
        self.positions.get(depth).and_then(|sets| sets.get(usize::from(byte))).copied().unwrap_or_default()
    }

    fn run(&self, bytes: &[u8], at: usize) -> Set {
        let length = bytes.iter().skip(at).take(DIGITS).take_while(|byte| byte.is_ascii_digit()).count();
        let class = follow_class(bytes.get(at + length).copied());
        let class = if length == DIGITS { 6 } else { class };
        self.runs.get(length).and_then(|row| row.get(class)).copied().unwrap_or_default()
    }

    /// Calls `visit` with every spot in `from..to`, in rising order.
    #[inline]
    pub(super) fn spots(&self, bytes: &[u8], from: usize, to: usize, visit: impl FnMut(usize)) {
        spots(&self.marks, bytes, from, to, visit);
    }
}

/// The beginnings of words, and the marks given.
#[inline]
pub(super) fn spots(marks: &[u64], bytes: &[u8], from: usize, to: usize, mut visit: impl FnMut(usize)) {
    let mut carry = Carry::before(bytes, from);
    let mut base = from;
    for block in bytes.get(from..to).unwrap_or_default().chunks(64) {
        let mut spots = carry.block(block, marks);
        while spots != 0 {
            visit(base + spots.trailing_zeros() as usize);
            spots &= spots - 1;
        }
        base += 64;
    }
}

/// Where three bytes have their bit.
#[inline]
fn place([first, second, third]: [u8; 3]) -> usize {
    let low = |byte: u8| usize::from(byte & 0x3f);
    low(first) << 12 | low(second) << 6 | low(third)
}

/// A byte in each of eight lanes, and the high bit of each lane, which answers a question about its byte.
const LANES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// What the bytes before a chunk mean for its first ones, as answers in the lowest lanes.
struct Carry {
    word: u64,
    backslashes: u64,
}

impl Carry {
    fn before(bytes: &[u8], from: usize) -> Carry {
        let byte = |back: usize| from.checked_sub(back).and_then(|at| bytes.get(at)).copied().unwrap_or(0);
        let is = |yes: bool| if yes { 0x80 } else { 0 };
        Carry {
            word: is(byte(1).is_ascii_alphanumeric()),
            backslashes: is(byte(2) == b'\\') | is(byte(1) == b'\\') << 8,
        }
    }

    /// The spots of up to 64 bytes, one bit for each.
    #[inline]
    fn block(&mut self, block: &[u8], marks: &[u64]) -> u64 {
        let (chunks, rest) = block.as_chunks::<8>();
        let mut spots = 0;
        let mut shift = 0;
        for chunk in chunks {
            spots |= self.chunk(u64::from_le_bytes(*chunk), marks) << shift;
            shift += 8;
        }
        if !rest.is_empty() {
            // Blanks are no spots.
            let mut last = [b' '; 8];
            last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
            spots |= self.chunk(u64::from_le_bytes(last), marks) << shift;
        }
        spots
    }

    /// PERF: all eight bytes are classified at once in an ordinary register.
    #[inline]
    fn chunk(&mut self, bytes: u64, marks: &[u64]) -> u64 {
        let low = bytes & !HIGH;
        let ascii = !bytes & HIGH;
        let letters = low | (0x20 * LANES);
        let digit = at_least(low, b'0') & !at_least(low, b'9' + 1);
        let letter = at_least(letters, b'a') & !at_least(letters, b'z' + 1);
        let word = (digit | letter) & ascii;
        let backslash = !at_least(low ^ (u64::from(b'\\') * LANES), 1) & ascii;
        let mark = marks.iter().fold(0, |found, mark| found | !at_least(low ^ mark, 1)) & ascii;
        let lead = bytes & bytes << 1 & HIGH;
        let begins = word & !(word << 8 | self.word);
        // A word also begins behind an escape left in the text: `\n13800138000`.
        let escaped = word & (backslash << 16 | self.backslashes);
        self.word = word >> 56;
        self.backslashes = backslash >> 48;
        gather(begins | escaped | mark | lead)
    }
}

/// The high bits of the eight lanes as the bits of a byte.
#[inline]
fn gather(lanes: u64) -> u64 {
    (lanes >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
}

/// In which lanes the byte, below 128, is at least `least`.
#[inline]
fn at_least(low: u64, least: u8) -> u64 {
    low.wrapping_add(u64::from(0x80 - least) * LANES) & HIGH
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spots_are_where_a_match_can_begin_whatever_the_alignment() {
        let text = "a1 bc-9\\n138 x@y 京A00000 _ab(c) tail77";
        let is_word = |at: usize| text.as_bytes().get(at).is_some_and(u8::is_ascii_alphanumeric);
        let escaped = |at: usize| at >= 2 && text.as_bytes()[at - 2] == b'\\';
        let expected = |from: usize| -> Vec<usize> {
            (from..text.len())
                .filter(|&at| {
                    let byte = text.as_bytes()[at];
                    let begins = is_word(at) && (at == 0 || !is_word(at - 1) || escaped(at));
                    begins || byte >= 0xc0 || byte.is_ascii_punctuation()
                })
                .collect()
        };
        for from in 0..text.len() {
            let mut found = Vec::new();
            let marks: Vec<u64> =
                (b'!'..=b'~').filter(u8::is_ascii_punctuation).map(|byte| u64::from(byte) * LANES).collect();
            spots(&marks, text.as_bytes(), from, text.len(), |at| found.push(at));
            assert_eq!(found, expected(from), "from {from}");
        }
    }
}
