//! Where in a text a match can begin: a letter or digit behind something that is neither, punctuation, a character
//! outside ASCII.
//!
//! PERF: sixteen bytes are classified at once, and the spots of 64 bytes are gathered into one word. Whether any pattern
//! begins like a spot is asked of all of them before the first is visited, without a branch, so that the branches of the
//! loop follow what is looked at closer and not every word.

use wide::u8x16;

/// A place where a match can begin, and what is known about the word that begins there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spot {
    pub(super) at: usize,
    /// From here on to the end of the block: which bytes are letters or digits, which are digits.
    words: u64,
    digits: u64,
    block_end: usize,
}

impl Spot {
    /// How many letters and digits begin here, at most `most`.
    #[inline]
    pub(super) fn letters(self, bytes: &[u8], most: usize) -> usize {
        self.run(self.words, bytes, most, u8::is_ascii_alphanumeric)
    }

    /// How many digits begin here, at most `most`.
    #[inline]
    pub(super) fn digits(self, bytes: &[u8], most: usize) -> usize {
        self.run(self.digits, bytes, most, u8::is_ascii_digit)
    }

    #[inline]
    fn run(self, mask: u64, bytes: &[u8], most: usize, belongs: impl Fn(&u8) -> bool) -> usize {
        let length = mask.trailing_ones() as usize;
        let end = self.at + length;
        if end < self.block_end || length >= most {
            return length.min(most);
        }
        let rest = bytes.get(end..).unwrap_or_default().iter().take(most - length);
        length + rest.take_while(|byte| belongs(byte)).count()
    }
}

/// Calls `visit` with every spot in `from..to` at which `wanted` says yes, in rising order. `wanted` is asked often and
/// should not branch.
#[inline]
pub(super) fn spots(
    bytes: &[u8],
    from: usize,
    to: usize,
    wanted: impl Fn(usize) -> bool,
    mut visit: impl FnMut(Spot),
) {
    let mut carry = Carry::before(bytes, from);
    let mut base = from;
    for block in bytes.get(from..to).unwrap_or_default().chunks(64) {
        let found = carry.block(block);
        let mut spots = kept(found.spots, |place| wanted(base + place));
        let block_end = base + block.len();
        while spots != 0 {
            let place = spots.trailing_zeros();
            let (words, digits) = (found.words >> place, found.digits >> place);
            visit(Spot { at: base + place as usize, words, digits, block_end });
            spots &= spots - 1;
        }
        base += 64;
    }
}

/// Whether up to 64 bytes have no letters and nothing beyond ASCII.
#[inline]
pub(super) fn is_wordless(bytes: &[u8]) -> bool {
    let classes = Classes::of(bytes);
    classes.words == classes.digits && bytes.is_ascii()
}

/// The bits at which `wanted` says yes.
#[inline]
fn kept(mut bits: u64, wanted: impl Fn(usize) -> bool) -> u64 {
    let mut kept = 0;
    while bits != 0 {
        let lowest = bits & bits.wrapping_neg();
        kept |= if wanted(bits.trailing_zeros() as usize) { lowest } else { 0 };
        bits ^= lowest;
    }
    kept
}

/// One bit for each byte of a block.
#[derive(Debug, Clone, Copy, Default)]
struct Block {
    spots: u64,
    words: u64,
    digits: u64,
}

/// What the bytes of a block are.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Classes {
    words: u64,
    digits: u64,
    /// Punctuation and first bytes of characters beyond ASCII; letters and digits too.
    others: u64,
    backslashes: u64,
}

/// What the bytes before a block mean for its first ones, in the lowest bits.
struct Carry {
    word: u64,
    backslashes: u64,
}

impl Carry {
    fn before(bytes: &[u8], from: usize) -> Carry {
        let byte = |back: usize| from.checked_sub(back).and_then(|at| bytes.get(at)).copied().unwrap_or(0);
        let is = |yes: bool| u64::from(yes);
        Carry {
            word: is(byte(1).is_ascii_alphanumeric()),
            backslashes: is(byte(2) == b'\\') | (is(byte(1) == b'\\') << 1),
        }
    }

    /// The spots of up to 64 bytes.
    #[inline]
    fn block(&mut self, block: &[u8]) -> Block {
        let Classes { words, digits, others, backslashes } = Classes::of(block);
        let begins = words & !((words << 1) | self.word);
        // A word also begins behind an escape left in the text: `\n13800138000`.
        let escaped = words & ((backslashes << 2) | self.backslashes);
        self.word = words >> 63;
        self.backslashes = backslashes >> 62;
        Block { spots: begins | escaped | (others & !words), words, digits }
    }
}

impl Classes {
    /// What up to 64 bytes are.
    #[inline]
    fn of(block: &[u8]) -> Classes {
        let (chunks, rest) = block.as_chunks::<16>();
        let mut classes = Classes::default();
        let mut place = 0;
        for chunk in chunks {
            classes.put(*chunk, 0, place);
            place += 16;
        }
        if !rest.is_empty() {
            match block.last_chunk::<16>() {
                // The last sixteen bytes once more, of which the first are known.
                Some(last) => classes.put(*last, 16 - rest.len(), place),
                None => classes.put(filled(rest), 0, place),
            }
        }
        classes
    }

    /// Enters sixteen bytes but the first few.
    #[inline]
    fn put(&mut self, bytes: [u8; 16], without: usize, place: usize) {
        let bytes = u8x16::new(bytes);
        let digit = within(bytes, b'0', b'9');
        let word = digit | within(bytes | u8x16::splat(0x20), b'a', b'z');
        let other = within(bytes, b'!', 0x7f) | bytes.simd_ge(u8x16::splat(0xc0));
        let backslash = bytes.simd_eq(u8x16::splat(b'\\'));
        let bits = |mask: u8x16| (u64::from(mask.to_bitmask()) >> without) << place;
        self.words |= bits(word);
        self.digits |= bits(digit);
        self.others |= bits(other);
        self.backslashes |= bits(backslash);
    }
}

/// In which lanes the byte lies in a range.
#[inline]
fn within(bytes: u8x16, first: u8, last: u8) -> u8x16 {
    (bytes - u8x16::splat(first)).simd_le(u8x16::splat(last - first))
}

/// Up to fifteen bytes, filled up with zeros, which are no spots.
#[inline]
fn filled(bytes: &[u8]) -> [u8; 16] {
    let length = bytes.len();
    let ends = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>());
    if let (Some(first), Some(last)) = ends {
        let [first, last] = [first, last].map(|part| u128::from(u64::from_le_bytes(*part)));
        return (first | (last << (8 * (length - 8)))).to_le_bytes();
    }
    let ends = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>());
    if let (Some(first), Some(last)) = ends {
        let [first, last] = [first, last].map(|part| u128::from(u32::from_le_bytes(*part)));
        return (first | (last << (8 * (length - 4)))).to_le_bytes();
    }
    bytes.iter().rev().fold(0u128, |filled, &byte| (filled << 8) | u128::from(byte)).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same, one byte after the other.
    fn one_by_one(block: &[u8]) -> Classes {
        let bits = |is: &dyn Fn(u8) -> bool| {
            block.iter().enumerate().fold(0, |bits, (place, &byte)| bits | (u64::from(is(byte)) << place))
        };
        Classes {
            words: bits(&|byte| byte.is_ascii_alphanumeric()),
            digits: bits(&|byte| byte.is_ascii_digit()),
            others: bits(&|byte| (b'!'..=0x7f).contains(&byte) || byte >= 0xc0),
            backslashes: bits(&|byte| byte == b'\\'),
        }
    }

    #[test]
    fn lanes_say_what_bytes_say_one_by_one() {
        let mut state = 1u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as u8
        };
        for byte in 0..=255u8 {
            assert_eq!(Classes::of(&[byte]), one_by_one(&[byte]), "{byte:#x}");
        }
        for length in (0..=64).cycle().take(20_000) {
            let few = b"09azAZ/:@[`{\\ \x7f\x80\xbf\xc0\xff";
            let block: Vec<u8> = (0..length)
                .map(|_| match next() {
                    byte if byte < 64 => byte.wrapping_mul(4),
                    byte => few[usize::from(byte) % few.len()],
                })
                .collect();
            assert_eq!(Classes::of(&block), one_by_one(&block), "{block:?}");
        }
    }

    #[test]
    fn spots_are_where_a_match_can_begin_whatever_the_alignment() {
        let text =
            "a1 bc-9\\n138 x@y 京A00000 _ab(c) tail77 and more of it behind the first sixty-four \\t7 bytes é1";
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
            spots(text.as_bytes(), from, text.len(), |_| true, |spot| found.push(spot.at));
            assert_eq!(found, expected(from), "from {from}");
        }
    }
}
