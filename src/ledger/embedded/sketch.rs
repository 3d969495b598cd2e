//! About how many different people, in 16 KiB: a HyperLogLog of 2^14 registers.
//!
//! Digests are keyed hashes already, so their bits are used as they are. The estimate is Ertl's ("New cardinality
//! estimation algorithms for HyperLogLog sketches", 2017), which needs no tables and has no jump between small and large
//! numbers. What is shown is its upper end: three standard errors are added, so that it is too low for one counter in
//! 700. Nothing is decided on it: a bound is only ever compared with people counted one by one.

use std::f64::consts::LN_2;

use crate::transfer::Digest;

/// Bits of a digest that choose its register.
const BITS: u32 = 14;

/// Registers, of one byte each.
pub(super) const REGISTERS: usize = 1 << BITS;

/// One standard error of an estimate, as a share of it: 1.04 / √2^14.
pub(in crate::ledger) const ERROR: f64 = 0.008_125;

/// The highest rank: 64 zero bits and one more.
const HIGHEST: usize = 65;

/// The highest rank seen, for each register.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Sketch(Box<[u8]>);

impl Sketch {
    /// Nobody.
    pub(super) fn new() -> Sketch {
        Sketch(vec![0; REGISTERS].into())
    }

    /// A sketch from its registers. `None` if there are not as many as there have to be.
    pub(super) fn from_bytes(registers: &[u8]) -> Option<Sketch> {
        (registers.len() == REGISTERS).then(|| Sketch(registers.into()))
    }

    /// The registers.
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Notes a person. True if that changed anything; a person noted before never does.
    pub(super) fn see(&mut self, digest: &Digest) -> bool {
        let wide = u128::from_le_bytes(digest.0);
        let (low, high) = (wide as u64, (wide >> 64) as u64);
        // At most 65, so it fits.
        let rank = (high.leading_zeros() + 1) as u8;
        match self.0.get_mut((low as usize) & (REGISTERS - 1)) {
            Some(register) if *register < rank => {
                *register = rank;
                true
            }
            _ => false,
        }
    }

    /// Takes in everyone another sketch has seen.
    pub(super) fn merge(&mut self, other: &Sketch) {
        self.0.iter_mut().zip(&other.0).for_each(|(register, rank)| *register = (*register).max(*rank));
    }

    /// The upper end of the estimate.
    pub(super) fn at_most(&self) -> u64 {
        upper_end(self.estimate())
    }

    fn estimate(&self) -> f64 {
        let mut ranks = [0u32; HIGHEST + 1];
        for rank in &self.0 {
            if let Some(registers) = ranks.get_mut(usize::from(*rank)) {
                *registers += 1;
            }
        }
        let all = REGISTERS as f64;
        let share = |rank: usize| f64::from(ranks.get(rank).copied().unwrap_or(0)) / all;
        let mut sum = all * tau(1.0 - share(HIGHEST));
        for rank in (1..HIGHEST).rev() {
            sum = 0.5 * (sum + all * share(rank));
        }
        sum += all * sigma(share(0));
        all * all / (2.0 * LN_2 * sum)
    }
}

/// An estimate with three standard errors added.
pub(in crate::ledger) fn upper_end(estimate: f64) -> u64 {
    // Never negative, and far below 2^64.
    (estimate * (1.0 + 3.0 * ERROR)).ceil() as u64
}

fn sigma(share: f64) -> f64 {
    if share >= 1.0 {
        return f64::INFINITY;
    }
    let (mut power, mut weight, mut sum) = (share, 1.0, share);
    loop {
        power *= power;
        let before = sum;
        sum += power * weight;
        weight += weight;
        if sum <= before {
            return sum;
        }
    }
}

fn tau(share: f64) -> f64 {
    if share <= 0.0 || share >= 1.0 {
        return 0.0;
    }
    let (mut root, mut weight, mut sum) = (share, 1.0, 1.0 - share);
    loop {
        root = root.sqrt();
        let before = sum;
        weight *= 0.5;
        sum -= (1.0 - root).powi(2) * weight;
        if sum >= before {
            return sum / 3.0;
        }
    }
}

impl std::fmt::Debug for Sketch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Sketch").field(&self.at_most()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer::DigestKey;

    #[test]
    fn estimates_stay_within_four_standard_errors_and_the_upper_end_is_above() {
        let key = DigestKey::new(&[7; 32]);
        let mut sketch = Sketch::new();
        assert_eq!(sketch.at_most(), 0);
        let mut people = 0u32;
        for goal in [1u32, 10, 100, 1_000, 10_000, 40_000, 100_000, 300_000] {
            while people < goal {
                people += 1;
                sketch.see(&key.digest("person", &people.to_le_bytes()));
            }
            let error = (sketch.estimate() - f64::from(goal)).abs() / f64::from(goal);
            assert!(error < 4.0 * ERROR, "{goal}: {error}");
            assert!(sketch.at_most() >= u64::from(goal), "{goal}: {sketch:?}");
        }
    }

    #[test]
    fn the_same_people_in_two_sketches_are_one_crowd() {
        let key = DigestKey::new(&[7; 32]);
        let (mut one, mut other, mut both) = (Sketch::new(), Sketch::new(), Sketch::new());
        for person in 0..2_000u32 {
            let digest = key.digest("person", &person.to_le_bytes());
            if person < 1_500 {
                one.see(&digest);
            }
            if person >= 500 {
                other.see(&digest);
            }
            both.see(&digest);
            assert!(!both.see(&digest));
        }
        one.merge(&other);
        assert_eq!(one, both);
        assert_eq!(Sketch::from_bytes(one.as_bytes()), Some(both));
        assert_eq!(Sketch::from_bytes(&[0; 12]), None);
    }
}
