//! Host names: the patterns of cloud providers, and the walk over suffixes that every host table shares.
//!
//! Patterns are found by hashing the suffixes of a host, the longest first, so the cost depends on the labels of the host
//! and not on how many patterns there are. Whole labels are compared, so `…amazonaws.com.evil.example` matches nothing.
//! A region in a name counts only if the provider has a region of that code; otherwise the next broader pattern is tried.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::civil::Date;

use crate::diagnostic::{Diagnostic, Source};

use super::answer::{Answer, Groups, Reach};
use super::provider::{Operator, Provider, Providers, Region, operator_of};
use super::sheet::{Cell, Sheet};

/// Longer names are no host names.
const LONGEST: usize = 253;

/// The host itself and every name above it, the longest first. Names above `labels` labels are left out.
pub(super) fn suffixes(host: &str, labels: usize) -> impl Iterator<Item = &str> {
    let count = host.bytes().filter(|byte| *byte == b'.').count() + 1;
    let fits = host.len() <= LONGEST;
    let mut rest = Some(host).filter(|host| fits && !host.is_empty());
    std::iter::from_fn(move || {
        let current = rest?;
        rest = current.split_once('.').map(|(_, above)| above);
        Some(current)
    })
    .skip(count.saturating_sub(labels))
}

/// A part of a label that is not fixed as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(Box<str>),
    Region,
    Digits,
    Any,
}

/// A row of `host-patterns.csv`.
#[derive(Debug)]
pub(super) struct Pattern {
    pub(super) text: Box<str>,
    /// Whether the region it captures is the place.
    regional: bool,
    /// What it says otherwise.
    pub(super) answer: Answer,
    pub(super) provider: Arc<Provider>,
    pub(super) operator: Operator,
    pub(super) reach: Reach,
    pub(super) note: Box<str>,
    pub(super) line: u32,
    /// Any labels may stand in front.
    star: bool,
    /// The labels before the fixed ending, from left to right.
    labels: Vec<Vec<Part>>,
}

/// A pattern that matched, with the region it captured.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hit<'t> {
    pub(super) pattern: &'t Pattern,
    pub(super) region: Option<&'t Region>,
}

impl<'t> Hit<'t> {
    /// The region, where it is the place.
    pub(super) fn regional(self) -> Option<&'t Region> {
        self.region.filter(|_| self.pattern.regional)
    }

    /// Where the matched name is.
    pub(super) fn answer(self) -> &'t Answer {
        self.regional().map_or(&self.pattern.answer, |region| &region.answer)
    }
}

/// The compiled table.
#[derive(Debug, Default)]
pub(super) struct Patterns {
    by_suffix: HashMap<Box<str>, Vec<Pattern>>,
    deepest: usize,
    pub(super) date: Option<Date>,
}

const COLUMNS: [&str; 7] = ["pattern", "place", "provider", "operator", "operator_country", "reach", "note"];

impl Patterns {
    /// Compiles `host-patterns.csv`.
    pub(super) fn compile(
        source: &Source,
        groups: &Groups,
        providers: &Providers,
        problems: &mut Vec<Diagnostic>,
    ) -> Patterns {
        let sheet = Sheet::read(source, COLUMNS, problems);
        let mut patterns = Patterns { date: sheet.date, ..Patterns::default() };
        for row in &sheet.rows {
            let [text, ..] = row;
            match shape(&text.text) {
                Ok(shape) => patterns.add(&sheet, row, shape, groups, providers, problems),
                Err(what) => problems.push(source.error(text.span.clone(), what)),
            }
        }
        patterns
            .by_suffix
            .values_mut()
            .for_each(|list| list.sort_by_key(|pattern| std::cmp::Reverse(pattern.weight())));
        patterns
    }

    fn add(
        &mut self,
        sheet: &Sheet<'_, 7>,
        row: &[Cell<'_>; 7],
        shape: Shape,
        groups: &Groups,
        providers: &Providers,
        problems: &mut Vec<Diagnostic>,
    ) {
        let source = sheet.source;
        let [text, place, provider, operator, operator_country, reach, note] = row;
        let Some(provider) = providers.named(source, provider, problems) else { return };
        let captures = shape.labels.iter().flatten().any(|part| *part == Part::Region);
        let answer = match place.text.as_ref() {
            "{region}" if captures => Answer::Silent,
            "{region}" => return problems.push(source.error(place.span.clone(), "the pattern captures no region")),
            _ => groups.answer(source, place, problems),
        };
        let named = operator_of(source, operator, operator_country, problems);
        let operator = if operator.text.is_empty() { provider.operator.clone() } else { named };
        let reach = Reach::read(source, reach, problems);
        let entry = Pattern {
            text: text.text.as_ref().into(),
            regional: place.text == "{region}",
            answer,
            provider,
            operator,
            reach,
            note: note.text.as_ref().into(),
            line: sheet.line(text),
            star: shape.star,
            labels: shape.labels,
        };
        self.deepest = self.deepest.max(shape.suffix.matches('.').count() + 1);
        let list = self.by_suffix.entry(shape.suffix).or_default();
        if list.iter().any(|other| other.text == entry.text) {
            problems.push(source.error(text.span.clone(), "this pattern stands above already"));
        }
        list.push(entry);
    }

    /// The most specific pattern that a lower-case host matches.
    pub(super) fn find(&self, host: &str) -> Option<Hit<'_>> {
        suffixes(host, self.deepest).find_map(|suffix| {
            let patterns = self.by_suffix.get(suffix)?;
            let head = host.strip_suffix(suffix)?.trim_end_matches('.');
            let count = head.split('.').filter(|label| !label.is_empty()).count();
            patterns.iter().find_map(|pattern| pattern.matches(head, count))
        })
    }
}

impl Pattern {
    /// How specific: fixed characters first, then labels, then no star.
    fn weight(&self) -> (usize, usize, bool) {
        let text = self.labels.iter().flatten().map(|part| match part {
            Part::Text(text) => text.len(),
            _ => 0,
        });
        (text.sum(), self.labels.len(), !self.star)
    }

    /// Whether the labels of a host before the fixed ending fit. Fixed labels are compared first: most patterns end there.
    fn matches(&self, head: &str, count: usize) -> Option<Hit<'_>> {
        let fits = if self.star { count > self.labels.len() } else { count == self.labels.len() };
        let pairs = || self.labels.iter().rev().zip(head.rsplit('.'));
        let fixed = |(parts, label): (&Vec<Part>, &str)| match parts.as_slice() {
            [Part::Text(text)] => **text == *label,
            _ => true,
        };
        if !fits || !pairs().all(fixed) {
            return None;
        }
        let mut region = None;
        for (parts, label) in pairs() {
            region = capture(parts, label, &self.provider)?.or(region);
        }
        Some(Hit { pattern: self, region })
    }
}

/// Matches a label; `Some(None)` is a match without region.
fn capture<'p>(parts: &[Part], text: &str, provider: &'p Provider) -> Option<Option<&'p Region>> {
    let Some((part, parts)) = parts.split_first() else {
        return text.is_empty().then_some(None);
    };
    match part {
        Part::Text(fixed) => capture(parts, text.strip_prefix(&**fixed)?, provider),
        Part::Digits => {
            let digits = text.bytes().take_while(u8::is_ascii_digit).count();
            (1..=digits).rev().find_map(|end| capture(parts, text.get(end..)?, provider))
        }
        Part::Any => (1..=text.len()).find_map(|end| capture(parts, text.get(end..)?, provider)),
        Part::Region if parts.is_empty() => provider.region(text).map(|region| Some(&**region)),
        Part::Region => (1..=text.len()).rev().find_map(|end| {
            // The rest is compared first: it is cheaper than looking a region up.
            let (code, rest) = text.split_at_checked(end)?;
            capture(parts, rest, provider)?;
            provider.region(code).map(|region| Some(&**region))
        }),
    }
}

/// A pattern taken apart.
struct Shape {
    suffix: Box<str>,
    star: bool,
    labels: Vec<Vec<Part>>,
}

fn shape(text: &str) -> Result<Shape, String> {
    let (star, rest) = match text.strip_prefix("*.") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    if rest.is_empty() || rest.chars().any(|c| c.is_ascii_uppercase() || c.is_whitespace() || c == '/') {
        return Err(format!("`{text}` is not a host pattern in lower case"));
    }
    let labels = rest.split('.').map(parts).collect::<Result<Vec<_>, _>>()?;
    if labels.iter().flatten().filter(|part| **part == Part::Region).count() > 1 {
        return Err(format!("`{text}` captures more than one region"));
    }
    let free =
        labels.iter().rposition(|label| !matches!(label.as_slice(), [Part::Text(_)])).map_or(0, |last| last + 1);
    let suffix: Vec<&str> = rest.split('.').skip(free).collect();
    if suffix.is_empty() {
        return Err(format!("`{text}` has no fixed ending"));
    }
    Ok(Shape { suffix: suffix.join(".").into(), star, labels: labels.into_iter().take(free).collect() })
}

/// The parts of a label.
fn parts(label: &str) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut rest = label;
    while !rest.is_empty() {
        let special = [("{region}", Part::Region), ("{n}", Part::Digits), ("{x}", Part::Any), ("*", Part::Any)];
        let next = special.into_iter().find_map(|(token, part)| Some((part, rest.strip_prefix(token)?)));
        let (part, behind) = match next {
            Some(next) => next,
            None => {
                let end = rest.find(['{', '*']).unwrap_or(rest.len());
                let (fixed, behind) = rest.split_at_checked(end).unwrap_or((rest, ""));
                (Part::Text(fixed.into()), behind)
            }
        };
        if part == Part::Text("".into()) {
            return Err(format!(
                "`{rest}` begins with an unknown placeholder: {{region}}, {{n}}, {{x}} and * are known"
            ));
        }
        parts.push(part);
        rest = behind;
    }
    if parts.is_empty() { Err("an empty label".to_owned()) } else { Ok(parts) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes_run_from_the_whole_name_up() {
        assert_eq!(suffixes("a.b.c.d", 3).collect::<Vec<_>>(), ["b.c.d", "c.d", "d"]);
        assert_eq!(suffixes("a", 3).collect::<Vec<_>>(), ["a"]);
        assert_eq!(suffixes("", 3).count() + suffixes(&"a.".repeat(200), 9).count(), 0);
    }

    #[test]
    fn patterns_that_cannot_be_meant_are_refused() {
        assert!(shape("*").is_err() && shape("{region}").is_err() && shape("a.{regoin}.com").is_err());
        assert!(shape("{region}.{region}.com").is_err() && shape("A.com").is_err() && shape("a..com").is_err());
    }
}
