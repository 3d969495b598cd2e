//! A set of scanned detectors: one bit each, so that "which could start here" is a few ANDs.

/// How many 64-bit words a set has.
const WORDS: usize = 5;

/// The most detectors that can be scanned for at once.
pub(super) const CAPACITY: usize = WORDS * 64;

/// Detectors by their number. A detector that is not scanned for (evidence is its key alone) has no bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Set([u64; WORDS]);

impl Set {
    pub(super) fn insert(&mut self, index: usize) {
        if let Some(word) = self.0.get_mut(index / 64) {
            *word |= 1 << (index % 64);
        }
    }

    /// The set of one.
    pub(super) fn one(index: usize) -> Set {
        let mut set = Set::default();
        set.insert(index);
        set
    }

    /// Whether it has more than so many members. A processor without an instruction for it counts bits slowly.
    pub(super) fn has_more_than(self, most: usize) -> bool {
        let mut left = most;
        for mut word in self.0 {
            while word != 0 {
                if left == 0 {
                    return true;
                }
                left -= 1;
                word &= word - 1;
            }
        }
        false
    }

    pub(super) fn contains(self, index: usize) -> bool {
        self.0.get(index / 64).is_some_and(|word| word & (1 << (index % 64)) != 0)
    }

    pub(super) fn is_empty(self) -> bool {
        self.0.iter().fold(0, |all, word| all | word) == 0
    }

    #[inline]
    pub(super) fn and(self, other: Set) -> Set {
        let mut result = self;
        result.0.iter_mut().zip(other.0).for_each(|(word, with)| *word &= with);
        result
    }

    pub(super) fn or(self, other: Set) -> Set {
        let mut result = self;
        result.0.iter_mut().zip(other.0).for_each(|(word, with)| *word |= with);
        result
    }

    pub(super) fn without(self, other: Set) -> Set {
        let mut result = self;
        result.0.iter_mut().zip(other.0).for_each(|(word, without)| *word &= !without);
        result
    }

    /// Calls `visit` with every member.
    #[inline]
    pub(super) fn for_each(self, mut visit: impl FnMut(usize)) {
        for (number, mut word) in self.0.into_iter().enumerate() {
            while word != 0 {
                visit(number * 64 + word.trailing_zeros() as usize);
                word &= word - 1;
            }
        }
    }
}
