//! Values with known truth for `benches/recall/run`: for each built-in detector, invented values that its pattern and
//! its checks accept, as one JSON object a line on standard output.
//!
//! A value is drawn from the detector's pattern, or from a short list where the detector has a shape that is code, and
//! kept if the detector, compiled alone, finds it under its own field name or behind its own word. Whether the whole set
//! of detectors then finds it, in every format and among all the others, is what is measured.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a bench may stop")]

use std::collections::{BTreeMap, BTreeSet};

use regex_syntax::hir::{Class, ClassUnicode, ClassUnicodeRange, Hir, HirKind};
use serde_json::json;
use tidegate::detect::{BUILTIN, Detectors, Keep};
use tidegate::diagnostic::Source;
use tidegate::transfer::{Container, DigestKey, Locator, Piece, Sink as _};

/// Values wanted of each detector.
const WANTED: usize = 20;

/// Draws before a detector is given up: of the rarest check, one value in a few thousand passes.
const DRAWS: usize = 100_000;

fn main() {
    for (file, text) in BUILTIN {
        let table: toml::Table = toml::from_str(text).unwrap();
        for detector in table.get("detector").and_then(toml::Value::as_array).into_iter().flatten() {
            println!("{}", described(file, detector.as_table().unwrap()));
        }
    }
}

/// What the run needs to know of one detector.
fn described(file: &str, detector: &toml::Table) -> serde_json::Value {
    let text = |key: &str| detector.get(key).and_then(toml::Value::as_str);
    let plain = |key: &str| words(detector, key).into_iter().find(|word| !word.starts_with('='));
    let field = plain("fields")
        .or_else(|| words(detector, "fields").first().map(|word| word.trim_start_matches('=').to_owned()));
    let context = plain("context").or_else(|| if text("needs") == Some("key") { None } else { field.clone() });
    let alone = Alone::of(detector, field.as_deref(), context.as_deref());
    json!({
        "id": text("id"),
        "file": file,
        "category": text("category"),
        "needs": text("needs").or_else(|| by_name(detector).then_some("key")),
        "field": field,
        "context": context,
        "stands": text("stands"),
        "beside": alone.beside,
        "values": alone.values(detector),
    })
}

/// Whether only the name of a field says what a value is.
fn by_name(detector: &toml::Table) -> bool {
    let shape = detector.get("shape").and_then(|shape| shape.get("name")).and_then(toml::Value::as_str);
    shape.is_some_and(|shape| shape != "email")
}

fn words(detector: &toml::Table, key: &str) -> Vec<String> {
    let listed = detector.get(key).and_then(toml::Value::as_array).into_iter().flatten();
    listed.filter_map(toml::Value::as_str).map(str::to_owned).collect()
}

/// One detector without the others, and where its values stand.
struct Alone {
    detectors: Detectors,
    id: String,
    key: DigestKey,
    field: String,
    before: String,
    beside: BTreeMap<String, String>,
}

impl Alone {
    fn of(detector: &toml::Table, field: Option<&str>, context: Option<&str>) -> Alone {
        let mut single = detector.clone();
        // Another detector it leans on is not here.
        let leans = |needs: &str| needs == "person" || needs.starts_with("with ");
        if single.get("needs").and_then(toml::Value::as_str).is_some_and(leans) {
            single.insert("needs".into(), "key".into());
        }
        let file = toml::Table::from_iter([("detector".to_owned(), toml::Value::Array(vec![single.into()]))]);
        let text = toml::to_string(&file).unwrap();
        Alone {
            detectors: Detectors::compile(&[Source::new("alone.toml", text)]).unwrap(),
            id: detector["id"].as_str().unwrap().to_owned(),
            key: DigestKey::ephemeral(),
            field: field.unwrap_or("text").to_owned(),
            before: context.filter(|_| field.is_none()).map(|word| format!("{word} ")).unwrap_or_default(),
            beside: beside(detector),
        }
    }

    /// Up to [`WANTED`] different values that the detector takes.
    fn values(&self, detector: &toml::Table) -> Vec<String> {
        let mut dice = Dice::seeded(&self.id);
        let mut kept = BTreeSet::new();
        let Some(pattern) = detector.get("pattern").and_then(toml::Value::as_str) else {
            let written = shaped(detector).into_iter().filter(|value| self.takes(value));
            return written.take(WANTED).collect();
        };
        let pattern = regex_syntax::parse(pattern).unwrap();
        for _ in 0..DRAWS {
            let mut value = String::new();
            draw(&pattern, &mut dice, &mut value);
            if self.takes(&value) {
                kept.insert(value);
            }
            if kept.len() == WANTED {
                break;
            }
        }
        kept.into_iter().collect()
    }

    fn takes(&self, value: &str) -> bool {
        let mut collector = self.detectors.collector(&self.key, Keep::Values);
        let mut at = Locator::body();
        collector.open(Container::Object);
        at.enter(&self.field);
        let text = format!("{}{value}", self.before);
        collector.piece(Piece::whole(&text, Some(&self.field), 0, &at));
        collector.close();
        collector.finish().findings.iter().any(|finding| finding.value.as_deref() == Some(value))
    }
}

/// Other fields that its first example stands beside.
fn beside(detector: &toml::Table) -> BTreeMap<String, String> {
    let examples = detector.get("examples").and_then(toml::Value::as_array).into_iter().flatten();
    let beside = examples.filter_map(|example| example.get("beside")).find_map(toml::Value::as_table);
    let texts = beside.into_iter().flatten().filter_map(|(key, text)| Some((key.clone(), text.as_str()?.to_owned())));
    texts.collect()
}

/// Values for a shape that is code: what the detector's own examples say.
fn shaped(detector: &toml::Table) -> Vec<String> {
    let examples = detector.get("examples").and_then(toml::Value::as_array).into_iter().flatten();
    let text = |example: &toml::Value| example.get("text").or(Some(example))?.as_str().map(str::to_owned);
    examples.filter_map(text).collect()
}

/// One text that a pattern matches.
fn draw(pattern: &Hir, dice: &mut Dice, into: &mut String) {
    match pattern.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => into.push_str(std::str::from_utf8(&literal.0).unwrap()),
        HirKind::Class(Class::Unicode(class)) => into.push(one_of(class, dice)),
        HirKind::Class(Class::Bytes(class)) => {
            let range = class.ranges()[dice.below(class.ranges().len())];
            into.push(char::from(range.start()));
        }
        HirKind::Repetition(repetition) => {
            let most = repetition.max.unwrap_or(repetition.min + 8).min(repetition.min + 24);
            let times = repetition.min as usize + dice.below((most - repetition.min) as usize + 1);
            (0..times).for_each(|_| draw(&repetition.sub, dice, into));
        }
        HirKind::Capture(capture) => draw(&capture.sub, dice, into),
        HirKind::Concat(parts) => parts.iter().for_each(|part| draw(part, dice, into)),
        HirKind::Alternation(choices) => draw(&choices[dice.below(choices.len())], dice, into),
    }
}

/// A character of a class: one that is on every keyboard, if there is any.
fn one_of(class: &ClassUnicode, dice: &mut Dice) -> char {
    let mut typed = class.clone();
    typed.intersect(&ClassUnicode::new([ClassUnicodeRange::new(' ', '~')]));
    let ranges = if typed.ranges().is_empty() { class.ranges() } else { typed.ranges() };
    let range = ranges[dice.below(ranges.len())];
    let span = u32::from(range.end()) - u32::from(range.start()) + 1;
    let drawn = u32::from(range.start()) + u32::try_from(dice.below(span as usize)).unwrap();
    char::from_u32(drawn).unwrap_or_else(|| range.start())
}

/// The same numbers in every run, so that two runs can be compared.
struct Dice(u64);

impl Dice {
    fn seeded(word: &str) -> Dice {
        Dice(
            word.bytes()
                .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)),
        )
    }

    /// A number below `bound`, by xorshift.
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap_or_default() % bound.max(1)
    }
}
