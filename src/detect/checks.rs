//! Check functions by name: does a matched value hold together?
//!
//! Most national schemes are one of two sums, so the sums take their weights, alphabets and tables from the detector
//! file and no scheme is written here. What is left are algorithms with a name of their own (Luhn, Verhoeff, ISO 7064,
//! machine-readable zones). A check sees the value compacted: letters and digits only, upper case.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::calendar::Calendar;

/// Names a detector file may use, for suggestions.
pub(super) const NAMES: &[&str] = &[
    "luhn",
    "verhoeff",
    "mod97",
    "mod11-10",
    "weighted",
    "number",
    "date",
    "ranges",
    "prefix",
    "not",
    "varied",
    "one-repeat",
    "iban",
    "mrz",
    "entropy",
    "mixed",
    "nmea",
];

/// One check and when it applies.
#[derive(Debug)]
pub(super) struct Check {
    /// First characters it applies to; empty means any.
    pub(super) when: String,
    /// Length of the compact value it applies to.
    pub(super) length: Option<usize>,
    pub(super) rule: Rule,
}

/// What is checked.
#[derive(Debug)]
pub(super) enum Rule {
    /// Luhn over a range.
    Luhn { from: usize, to: Option<usize> },
    /// Verhoeff over everything.
    Verhoeff,
    /// ISO 7064 mod 97-10 over everything, letters as two digits.
    Mod97,
    /// ISO 7064 mod 11,10 over everything.
    Mod1110,
    /// A weighted sum.
    Weighted(Box<Weighted>),
    /// The remainder of a whole number.
    Number(Box<Number>),
    /// A real date.
    Date(Calendar),
    /// Leading digits with the lengths that belong to them.
    Ranges(Vec<Range>),
    /// One of these prefixes at a position, or none of them.
    Prefix { at: usize, any: Vec<(String, String)>, wanted: bool },
    /// Not the same character throughout.
    Varied,
    /// Among the first ten digits exactly one occurs two or three times.
    OneRepeat,
    /// Length by country, then mod 97-10 with the first four characters moved to the end.
    Iban(BTreeMap<String, usize>),
    /// A machine-readable zone of a travel document.
    Mrz,
    /// At least so many bits per character.
    Entropy(f64),
    /// Letters and digits both occur.
    Mixed,
    /// The bytes between `$` and `*`, exclusive or, are the hexadecimal number at the end (NMEA 0183).
    Nmea,
}

/// Digits from `low` to `high` in front, and lengths of the whole.
#[derive(Debug)]
pub(super) struct Range {
    pub(super) low: String,
    pub(super) high: String,
    pub(super) lengths: Vec<(usize, usize)>,
}

/// `sum(weight * value) + add` modulo `modulus` is looked up in `table`, or compared with `remainder`.
#[derive(Debug)]
pub(super) struct Weighted {
    pub(super) from: usize,
    pub(super) weights: Vec<i64>,
    pub(super) modulus: i64,
    pub(super) add: i64,
    /// Values of characters at odd places, and at even ones.
    pub(super) values: [Values; 2],
    /// The products' digits are summed.
    pub(super) cross_sums: bool,
    pub(super) outcome: Outcome,
}

/// What each ASCII character is worth; nothing if a scheme does not know it.
#[derive(Debug, Clone)]
pub(super) struct Values([Option<i64>; 128]);

impl Values {
    /// The position in an alphabet is the value; `others` have values of their own.
    pub(super) fn new(alphabet: &str, others: &BTreeMap<char, i64>) -> Values {
        let mut values = Values([None; 128]);
        alphabet.chars().zip(0..).for_each(|(character, value)| values.set(character, value));
        others.iter().for_each(|(&character, &value)| values.set(character, value));
        values
    }

    fn set(&mut self, character: char, value: i64) {
        self.0.iter_mut().skip(character as usize).take(1).for_each(|slot| *slot = Some(value));
    }

    fn of(&self, byte: u8) -> Option<i64> {
        self.0.get(usize::from(byte)).copied().flatten()
    }
}

/// How a remainder is judged.
#[derive(Debug, Clone)]
pub(super) enum Outcome {
    /// The character at a position is the one in the table.
    Table { at: usize, table: Vec<char> },
    /// The remainder is this.
    Remainder(i64),
}

/// The number written in a range, modulo `modulus`.
#[derive(Debug)]
pub(super) struct Number {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) modulus: u128,
    /// Written before the number in a second try (births after a turn of the century).
    pub(super) prefixed: Option<String>,
    pub(super) replace: Vec<(String, String)>,
    pub(super) rest: Rest,
}

/// What must stand behind a number.
#[derive(Debug)]
pub(super) enum Rest {
    /// The character in the table at the remainder.
    Table(Vec<char>),
    /// A number that, added, makes it divisible.
    Completes,
    /// The remainder.
    Equals,
    /// Nothing of interest: the number itself is divisible.
    Nothing,
}

impl Check {
    /// Whether the value passes, or the check has nothing to say about it.
    pub(super) fn passes(&self, raw: &str, compact: &str, today: Date) -> bool {
        let applies = (self.when.is_empty() || compact.chars().next().is_some_and(|first| self.when.contains(first)))
            && self.length.is_none_or(|length| length == compact.len());
        !applies || self.rule.holds(raw, compact, today)
    }
}

impl Rule {
    fn holds(&self, raw: &str, compact: &str, today: Date) -> bool {
        match self {
            Rule::Luhn { from, to } => {
                compact.get(*from..to.unwrap_or(compact.len())).is_some_and(|digits| luhn(digits.as_bytes()))
            }
            Rule::Verhoeff => verhoeff(compact.as_bytes()),
            Rule::Mod97 => mod97(compact.bytes()) == Some(1),
            Rule::Mod1110 => mod11_10(compact.as_bytes()),
            Rule::Weighted(weighted) => weighted.holds(compact),
            Rule::Number(number) => number.holds(compact),
            Rule::Date(calendar) => calendar.holds(compact, today),
            Rule::Ranges(ranges) => ranges.iter().any(|range| range.holds(compact)),
            Rule::Prefix { at, any, wanted } => {
                let inside = |(low, high): &(String, String)| {
                    compact.get(*at..at + low.len()).is_some_and(|part| low.as_str() <= part && part <= high.as_str())
                };
                any.iter().any(inside) == *wanted
            }
            Rule::Varied => compact.bytes().any(|byte| Some(byte) != compact.bytes().next()),
            Rule::OneRepeat => one_repeat(compact.as_bytes()),
            Rule::Iban(lengths) => iban(compact, lengths),
            Rule::Mrz => super::travel::zone_holds(raw),
            Rule::Entropy(bits) => entropy(raw) >= *bits,
            Rule::Nmea => nmea(raw),
            Rule::Mixed => {
                compact.bytes().any(|byte| byte.is_ascii_digit())
                    && compact.bytes().any(|byte| byte.is_ascii_alphabetic())
            }
        }
    }
}

/// The checksum of a sentence: all between the signs, exclusive or.
fn nmea(raw: &str) -> bool {
    let sentence = raw.trim_start_matches('$').split_once('*');
    let sum = |body: &str| body.bytes().fold(0u8, |sum, byte| sum ^ byte);
    sentence.is_some_and(|(body, digits)| u8::from_str_radix(digits, 16) == Ok(sum(body)))
}

impl Range {
    fn holds(&self, compact: &str) -> bool {
        let length = compact.len();
        self.lengths.iter().any(|(low, high)| (*low..=*high).contains(&length))
            && compact
                .get(..self.low.len())
                .is_some_and(|part| self.low.as_str() <= part && part <= self.high.as_str())
    }
}

impl Weighted {
    fn holds(&self, compact: &str) -> bool {
        let mut sum = self.add;
        let mut characters = compact.bytes().skip(self.from);
        let [odd, even] = &self.values;
        for (weight, values) in self.weights.iter().zip([odd, even].into_iter().cycle()) {
            let Some(value) = characters.next().and_then(|byte| values.of(byte)) else {
                return false;
            };
            let product = weight * value;
            sum += if self.cross_sums { product / 10 + product % 10 } else { product };
        }
        let remainder = sum.rem_euclid(self.modulus);
        match &self.outcome {
            Outcome::Remainder(wanted) => remainder == *wanted,
            Outcome::Table { at, table } => {
                let expected = usize::try_from(remainder).ok().and_then(|index| table.get(index));
                expected
                    .is_some_and(|&expected| compact.as_bytes().get(*at).copied().map(char::from) == Some(expected))
            }
        }
    }
}

impl Number {
    fn holds(&self, compact: &str) -> bool {
        let Some((before, rest)) = compact.split_at_checked(self.to) else {
            return false;
        };
        let Some(digits) = before.get(self.from..) else {
            return false;
        };
        let mut digits = digits.to_owned();
        for (from, to) in &self.replace {
            digits = digits.replace(from, to);
        }
        self.number_holds(&digits, rest)
            || self.prefixed.as_ref().is_some_and(|prefix| self.number_holds(&format!("{prefix}{digits}"), rest))
    }

    fn number_holds(&self, digits: &str, rest: &str) -> bool {
        let Ok(number) = digits.parse::<u128>() else {
            return false;
        };
        let remainder = number % self.modulus;
        let written = || rest.parse::<u128>().ok();
        match &self.rest {
            Rest::Table(table) => {
                let expected = usize::try_from(remainder).ok().and_then(|index| table.get(index));
                expected.is_some() && expected.copied() == rest.chars().next()
            }
            Rest::Completes => written().is_some_and(|rest| (remainder + rest).is_multiple_of(self.modulus)),
            Rest::Equals => written() == Some(remainder),
            Rest::Nothing => remainder == 0,
        }
    }
}

fn digit(byte: u8) -> Option<u32> {
    char::from(byte).to_digit(10)
}

/// Luhn: from the right, every second digit doubled.
pub(super) fn luhn(digits: &[u8]) -> bool {
    let sum = digits.iter().rev().enumerate().try_fold(0, |sum, (place, &byte)| {
        let value = digit(byte)? * if place % 2 == 1 { 2 } else { 1 };
        Some(sum + value / 10 + value % 10)
    });
    digits.len() > 1 && sum.is_some_and(|sum: u32| sum.is_multiple_of(10))
}

/// Verhoeff, by composing permutations in the dihedral group of ten elements.
fn verhoeff(digits: &[u8]) -> bool {
    const PERMUTATION: [u32; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
    let product = |a: u32, b: u32| match (a < 5, b < 5) {
        (true, true) => (a + b) % 5,
        (true, false) => (a + b - 5) % 5 + 5,
        (false, true) => (a - 5 + 5 - b) % 5 + 5,
        (false, false) => (a + 5 - b) % 5,
    };
    let total = digits.iter().rev().enumerate().try_fold(0, |total, (place, &byte)| {
        let permuted = (0..place % 8).try_fold(digit(byte)?, |value, _| PERMUTATION.get(value as usize).copied())?;
        Some(product(total, permuted))
    });
    total == Some(0)
}

/// The remainder by 97 of digits and letters, where a letter counts as two digits.
fn mod97(bytes: impl Iterator<Item = u8>) -> Option<u32> {
    bytes.into_iter().try_fold(0, |remainder, byte| {
        let value = char::from(byte).to_digit(36)?;
        Some(if value < 10 { (remainder * 10 + value) % 97 } else { (remainder * 100 + value) % 97 })
    })
}

fn iban(compact: &str, lengths: &BTreeMap<String, usize>) -> bool {
    let known = compact.get(..2).and_then(|country| lengths.get(country));
    let Some((head, rest)) = compact.split_at_checked(4) else {
        return false;
    };
    known == Some(&compact.len()) && mod97(rest.bytes().chain(head.bytes())) == Some(1)
}

fn mod11_10(digits: &[u8]) -> bool {
    let Some((&last, body)) = digits.split_last() else {
        return false;
    };
    let product = body.iter().try_fold(10, |product, &byte| {
        let sum = (product + digit(byte)?) % 10;
        Some(if sum == 0 { 20 } else { sum * 2 } % 11)
    });
    product.is_some_and(|product: u32| digit(last) == Some((11 - product) % 10))
}

fn one_repeat(digits: &[u8]) -> bool {
    let mut counts = [0u8; 10];
    for &byte in digits.iter().take(10) {
        match digit(byte).and_then(|value| counts.get_mut(value as usize)) {
            Some(count) => *count += 1,
            None => return false,
        }
    }
    let repeated: Vec<u8> = counts.into_iter().filter(|&count| count > 1).collect();
    matches!(repeated.as_slice(), [2 | 3])
}

/// Shannon entropy in bits per byte.
fn entropy(text: &str) -> f64 {
    let mut counts = [0u32; 256];
    for byte in text.bytes() {
        if let Some(count) = counts.get_mut(usize::from(byte)) {
            *count += 1;
        }
    }
    let length = text.len().max(1) as f64;
    counts.iter().filter(|&&count| count > 0).map(|&count| f64::from(count) / length).map(|p| -p * p.log2()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_algorithms_know_their_published_values() {
        assert!(luhn(b"4111111111111111") && !luhn(b"4111111111111112"));
        assert!(verhoeff(b"234123412346") && !verhoeff(b"234123412347"));
        assert!(mod11_10(b"33392005961") && !mod11_10(b"33392005962"));
        assert!(one_repeat(b"36574261809") && !one_repeat(b"36554266806"));
    }
}
