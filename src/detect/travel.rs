//! Machine-readable zones of travel documents (ICAO 9303): three layouts, one kind of check digit.

/// Number, birth, expiry and composite check digits of one layout, as `(line, first, end, position of the digit)`.
type Field = (usize, usize, usize, usize);

/// Ranges the composite digit covers, as `(line, first, end)`.
type Span = (usize, usize, usize);

struct Layout {
    lines: usize,
    width: usize,
    fields: [Field; 3],
    composite: &'static [Span],
    composite_at: (usize, usize),
}

const LAYOUTS: [Layout; 3] = [
    Layout {
        lines: 2,
        width: 44,
        fields: [(1, 0, 9, 9), (1, 13, 19, 19), (1, 21, 27, 27)],
        composite: &[(1, 0, 10), (1, 13, 20), (1, 21, 43)],
        composite_at: (1, 43),
    },
    Layout {
        lines: 2,
        width: 36,
        fields: [(1, 0, 9, 9), (1, 13, 19, 19), (1, 21, 27, 27)],
        composite: &[(1, 0, 10), (1, 13, 20), (1, 21, 35)],
        composite_at: (1, 35),
    },
    Layout {
        lines: 3,
        width: 30,
        fields: [(0, 5, 14, 14), (1, 0, 6, 6), (1, 8, 14, 14)],
        composite: &[(0, 5, 30), (1, 0, 7), (1, 8, 15), (1, 18, 29)],
        composite_at: (1, 29),
    },
];

/// Whether every check digit of the zone is right.
pub(super) fn zone_holds(text: &str) -> bool {
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    LAYOUTS
        .iter()
        .find(|layout| lines.len() == layout.lines && lines.iter().all(|line| line.len() == layout.width))
        .is_some_and(|layout| layout.holds(&lines))
}

/// The document number of a zone, without fillers.
pub(super) fn document_number(text: &str) -> Option<String> {
    let mut lines = text.lines();
    let first = lines.next()?.trim_end();
    let number = if first.len() == 30 { first.get(5..14)? } else { lines.next()?.get(0..9)? };
    Some(number.trim_end_matches('<').to_owned())
}

impl Layout {
    fn holds(&self, lines: &[&str]) -> bool {
        let part = |line: usize, from: usize, to: usize| lines.get(line).and_then(|line| line.get(from..to));
        let fields = self.fields.iter().all(|&(line, from, to, at)| {
            part(line, from, to).is_some_and(|text| is_digit_of(part(line, at, at + 1), check_digit(text.bytes())))
        });
        let covered: String = self.composite.iter().filter_map(|&(line, from, to)| part(line, from, to)).collect();
        let (line, at) = self.composite_at;
        fields && is_digit_of(part(line, at, at + 1), check_digit(covered.bytes()))
    }
}

/// A filler counts as zero.
fn is_digit_of(found: Option<&str>, expected: Option<u32>) -> bool {
    let found = found.map(|text| if text == "<" { "0" } else { text });
    expected.is_some() && found.and_then(|text| text.parse().ok()) == expected
}

fn check_digit(bytes: impl Iterator<Item = u8>) -> Option<u32> {
    let sum = bytes.zip([7u32, 3, 1].into_iter().cycle()).try_fold(0, |sum, (byte, weight)| {
        let value = if byte == b'<' { 0 } else { char::from(byte).to_digit(36)? };
        Some(sum + value * weight)
    });
    sum.map(|sum| sum % 10)
}
