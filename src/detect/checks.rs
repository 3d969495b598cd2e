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
    "isin",
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
    "vkn",
    "nmea",
    "either",
];

/// One check and when it applies.
#[derive(Debug)]
pub(super) struct Check {
    /// Characters it applies to; empty means any.
    pub(super) when: String,
    /// Where they stand in the compact value.
    pub(super) when_at: usize,
    /// Length of the compact value it applies to.
    pub(super) length: Option<usize>,
    pub(super) rule: Rule,
}

/// What is checked.
#[derive(Debug)]
pub(super) enum Rule {
    /// Luhn over a range.
    Luhn(Box<Luhn>),
    /// ISO 6166: Luhn over everything, letters as two digits.
    Isin,
    /// Verhoeff over everything, or everything but one place.
    Verhoeff { skip: Option<usize> },
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
    /// The check digit of the Turkish tax number.
    Vkn,
    /// NMEA 0183: the exclusive or of all bytes between `$` and `*`.
    Nmea,
    /// All checks of one of these lists hold.
    Either(Vec<Vec<Check>>),
}

/// A Luhn sum over a part of the value, in an alphabet of any size.
#[derive(Debug)]
pub(super) struct Luhn {
    pub(super) from: usize,
    pub(super) to: Option<usize>,
    /// A place that is left out.
    pub(super) skip: Option<usize>,
    /// What a prefix that is not written adds to the sum.
    pub(super) add: usize,
    pub(super) modulus: usize,
    pub(super) values: Values,
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
    /// The weights end before the last character, which is the check character.
    pub(super) right: bool,
    pub(super) modulus: i64,
    pub(super) add: i64,
    /// Values of characters at odd places, and at even ones.
    pub(super) values: [Values; 2],
    /// The products' digits are summed.
    pub(super) cross_sums: bool,
    /// Places of weights whose product adds its tens once more.
    pub(super) carries: Vec<usize>,
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
        let stands =
            || compact.as_bytes().get(self.when_at).is_some_and(|&byte| self.when.contains(char::from(byte)));
        let applies = (self.when.is_empty() || stands()) && self.length.is_none_or(|length| length == compact.len());
        !applies || self.rule.holds(raw, compact, today)
    }

    /// Whether it is a check digit or check character, which few random values have.
    pub(super) fn is_sum(&self) -> bool {
        self.when.is_empty()
            && match &self.rule {
                Rule::Luhn(_) | Rule::Isin | Rule::Verhoeff { .. } | Rule::Mod97 | Rule::Mod1110 | Rule::Vkn => true,
                Rule::Weighted(_) | Rule::Number(_) | Rule::Iban(_) => true,
                Rule::Either(ways) => ways.iter().all(|checks| checks.iter().any(Check::is_sum)),
                _ => false,
            }
    }
}

impl Rule {
    fn holds(&self, raw: &str, compact: &str, today: Date) -> bool {
        match self {
            Rule::Luhn(luhn) => luhn.holds(compact),
            Rule::Isin => isin(compact),
            Rule::Verhoeff { skip } => verhoeff(from_the_right(compact, *skip)),
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
            Rule::Mixed => {
                compact.bytes().any(|byte| byte.is_ascii_digit())
                    && compact.bytes().any(|byte| byte.is_ascii_alphabetic())
            }
            Rule::Vkn => vkn(compact.as_bytes()),
            Rule::Nmea => nmea(raw),
            Rule::Either(ways) => {
                ways.iter().any(|checks| checks.iter().all(|check| check.passes(raw, compact, today)))
            }
        }
    }
}

impl Luhn {
    /// From the right, every second value doubled; what does not fit in one character is summed as two.
    fn holds(&self, compact: &str) -> bool {
        let Some(part) = compact.get(self.from..self.to.unwrap_or(compact.len())) else {
            return false;
        };
        let sum = from_the_right(part, self.skip).enumerate().try_fold(self.add, |sum, (place, byte)| {
            let value = usize::try_from(self.values.of(byte)?).ok()? * if place % 2 == 1 { 2 } else { 1 };
            Some(sum + value / self.modulus + value % self.modulus)
        });
        part.len() > 1 && sum.is_some_and(|sum| sum.is_multiple_of(self.modulus))
    }
}

/// The characters of a value, the last first, but for one place.
fn from_the_right(compact: &str, skip: Option<usize>) -> impl Iterator<Item = u8> {
    compact.bytes().enumerate().rev().filter(move |(place, _)| Some(*place) != skip).map(|(_, byte)| byte)
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
        let Some(remainder) = self.remainder(compact) else {
            return false;
        };
        match &self.outcome {
            Outcome::Remainder(wanted) => remainder == *wanted,
            Outcome::Table { at, table } => {
                let written = if self.right { compact.bytes().last() } else { compact.as_bytes().get(*at).copied() };
                let expected = usize::try_from(remainder).ok().and_then(|index| table.get(index));
                expected.is_some() && written.map(char::from).as_ref() == expected
            }
        }
    }

    /// What is left of the sum; nothing if a character that counts is missing or has no value.
    fn remainder(&self, compact: &str) -> Option<i64> {
        // Numbers without leading zeros are as long as they are: the weights are those nearest to the check character.
        let surplus = if self.right { (self.weights.len() + 1).checked_sub(compact.len())? } else { 0 };
        let [odd, even] = &self.values;
        let mut characters = compact.bytes().skip(self.from);
        let weights = self.weights.iter().skip(surplus).zip([odd, even].into_iter().cycle());
        let sum = weights.enumerate().try_fold(self.add, |sum, (place, (weight, values))| {
            let product = weight * values.of(characters.next()?)?;
            let tens = product / 10;
            Some(
                sum + match self.cross_sums {
                    true => tens + product % 10,
                    false if self.carries.contains(&place) => product + tens,
                    false => product,
                },
            )
        });
        sum.map(|sum| sum.rem_euclid(self.modulus))
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

/// ISO 6166: the digits of all characters in base 36, from the right every second doubled.
fn isin(compact: &str) -> bool {
    let mut digits = Vec::with_capacity(2 * compact.len());
    for character in compact.chars() {
        match character.to_digit(36) {
            Some(value) if value < 10 => digits.push(value),
            Some(value) => digits.extend([value / 10, value % 10]),
            None => return false,
        }
    }
    let doubled =
        |(place, &value): (usize, &u32)| if place % 2 == 1 { value * 2 / 10 + value * 2 % 10 } else { value };
    digits.len() > 1 && digits.iter().rev().enumerate().map(doubled).sum::<u32>().is_multiple_of(10)
}

/// The tax number of Turkey (vergi kimlik numarası): each of nine digits is raised by its distance from the end, then
/// multiplied by two to that power modulo 9.
fn vkn(digits: &[u8]) -> bool {
    let Some((&last, body)) = digits.split_last().filter(|(_, body)| body.len() == 9) else {
        return false;
    };
    let sum = body.iter().zip(0..).try_fold(0, |sum, (&byte, place)| {
        let raised = (digit(byte)? + 9 - place) % 10;
        let product = raised * 2u32.pow(9 - place) % 9;
        Some(sum + if raised != 0 && product == 0 { 9 } else { product })
    });
    sum.is_some_and(|sum: u32| digit(last) == Some((10 - sum % 10) % 10))
}

/// The sum behind the star of a sentence of a satellite receiver.
fn nmea(raw: &str) -> bool {
    let Some((sentence, sum)) = raw.strip_prefix('$').and_then(|rest| rest.split_once('*')) else {
        return false;
    };
    u8::from_str_radix(sum, 16) == Ok(sentence.bytes().fold(0, |sum, byte| sum ^ byte))
}

/// Verhoeff, by composing permutations in the dihedral group of ten elements.
fn verhoeff(from_the_right: impl Iterator<Item = u8>) -> bool {
    const PERMUTATION: [u32; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
    let product = |a: u32, b: u32| match (a < 5, b < 5) {
        (true, true) => (a + b) % 5,
        (true, false) => (a + b - 5) % 5 + 5,
        (false, true) => (a - 5 + 5 - b) % 5 + 5,
        (false, false) => (a + 5 - b) % 5,
    };
    let total = from_the_right.enumerate().try_fold(0, |total, (place, byte)| {
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
        assert!(isin("US0378331005") && !isin("US0378331004"));
        assert!(vkn(b"4540536920") && !vkn(b"4540536921"));
        assert!(nmea("$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47") && !nmea("$GPGGA,1*48"));
        assert!(verhoeff("234123412346".bytes().rev()) && !verhoeff("234123412347".bytes().rev()));
        assert!(mod11_10(b"33392005961") && !mod11_10(b"33392005962"));
        assert!(one_repeat(b"36574261809") && !one_repeat(b"36554266806"));
    }
}
