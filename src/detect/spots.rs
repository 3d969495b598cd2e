//! Where in a text a match can begin: a letter or digit behind something that is neither, punctuation, a character
//! outside ASCII.
//!
//! PERF: eight bytes are classified at once in an ordinary register, and the spots of 64 bytes are gathered into one word
//! before any of them is visited, so that the branches of the loop follow spots and not bytes. Vector intrinsics would
//! need `unsafe`.

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

/// Calls `visit` with every spot in `from..to`, in rising order.
#[inline]
pub(super) fn spots(bytes: &[u8], from: usize, to: usize, mut visit: impl FnMut(Spot)) {
    let mut carry = Carry::before(bytes, from);
    let mut base = from;
    for block in bytes.get(from..to).unwrap_or_default().chunks(64) {
        let found = carry.block(block);
        let mut spots = found.spots;
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

/// One bit for each byte of a block.
#[derive(Debug, Clone, Copy, Default)]
struct Block {
    spots: u64,
    words: u64,
    digits: u64,
}

impl Block {
    /// Moves what is there down by eight bytes and puts a chunk on top.
    #[inline]
    fn push(&mut self, chunk: Block) {
        self.spots = (self.spots >> 8) | (chunk.spots << 56);
        self.words = (self.words >> 8) | (chunk.words << 56);
        self.digits = (self.digits >> 8) | (chunk.digits << 56);
    }

    /// Moves a block of `chunks` chunks to where its first byte is bit 0.
    #[inline]
    fn settle(mut self, chunks: usize) -> Block {
        let down = 64u32.wrapping_sub((chunks as u32) << 3);
        self.spots = self.spots.wrapping_shr(down);
        self.words = self.words.wrapping_shr(down);
        self.digits = self.digits.wrapping_shr(down);
        self
    }
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
            backslashes: is(byte(2) == b'\\') | (is(byte(1) == b'\\') << 8),
        }
    }

    /// The spots of up to 64 bytes.
    #[inline]
    fn block(&mut self, block: &[u8]) -> Block {
        let (chunks, rest) = block.as_chunks::<8>();
        let mut found = Block::default();
        for chunk in chunks {
            found.push(self.chunk(u64::from_le_bytes(*chunk)));
        }
        if !rest.is_empty() {
            found.push(self.chunk(last(block, rest)));
        }
        found.settle(chunks.len() + usize::from(!rest.is_empty()))
    }

    /// The spots of eight bytes.
    #[inline]
    fn chunk(&mut self, bytes: u64) -> Block {
        let low = bytes & !HIGH;
        let ascii = !bytes & HIGH;
        let letters = low | (0x20 * LANES);
        let digit = at_least(low, b'0') & !at_least(low, b'9' + 1);
        let letter = at_least(letters, b'a') & !at_least(letters, b'z' + 1);
        let word = (digit | letter) & ascii;
        let backslash = !at_least(low ^ (u64::from(b'\\') * LANES), 1) & ascii;
        let mark = at_least(low, b'!') & ascii & !word;
        let lead = bytes & (bytes << 1) & HIGH;
        let begins = word & !((word << 8) | self.word);
        // A word also begins behind an escape left in the text: `\n13800138000`.
        let escaped = word & ((backslash << 16) | self.backslashes);
        self.word = word >> 56;
        self.backslashes = backslash >> 48;
        let spots = gather(begins | escaped | mark | lead);
        Block { spots, words: gather(word), digits: gather(digit & ascii) }
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

/// The last bytes of a block, filled up with blanks, which are no spots.
#[inline]
fn last(block: &[u8], rest: &[u8]) -> u64 {
    let filled = |bytes: u64| bytes | ((u64::from(b' ') * LANES) << (rest.len() * 8));
    match block.last_chunk::<8>() {
        Some(chunk) => filled(u64::from_le_bytes(*chunk) >> (64 - rest.len() * 8)),
        None => filled(rest.iter().rev().fold(0, |bytes, &byte| (bytes << 8) | u64::from(byte))),
    }
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
            spots(text.as_bytes(), from, text.len(), |spot| found.push(spot.at));
            assert_eq!(found, expected(from), "from {from}");
        }
    }
}
