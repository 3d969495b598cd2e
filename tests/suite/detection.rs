//! Detection from outside: built-in detectors, their examples, and cases as data.
//!
//! A case is a small JSON text or a plain text with the kinds and people that must come out. A case that expects nothing
//! is a benign look-alike.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice,
    reason = "helpers of tests fail as tests do"
)]

use std::collections::BTreeMap;

use serde::Deserialize;
use tidegate::detect::{Detectors, Findings, Keep, OVERLAP};
use tidegate::diagnostic::Source;
use tidegate::transfer::{Container, DigestKey, Locator, Piece, Sink};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    json: Option<String>,
    text: Option<String>,
    /// Rows of a table; the first names the columns.
    table: Option<Vec<Vec<String>>>,
    /// Rows of a table without names.
    rows: Option<Vec<Vec<String>>>,
    /// Kinds and how often.
    #[serde(default)]
    expect: BTreeMap<String, u64>,
    /// Distinct people; not looked at if absent.
    people: Option<u64>,
    #[serde(rename = "where", default)]
    locations: Vec<String>,
}

fn key() -> DigestKey {
    DigestKey::new(&[7; 32])
}

fn today() -> jiff::civil::Date {
    jiff::civil::date(2026, 11, 24)
}

fn builtin() -> Detectors {
    Detectors::builtin().unwrap_or_else(|problems| {
        panic!("{}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    })
}

fn walk(value: &serde_json::Value, key: Option<&str>, at: &mut Locator, sink: &mut dyn Sink) {
    match value {
        serde_json::Value::Object(members) => {
            sink.open(Container::Object);
            for (name, member) in members {
                at.enter(name);
                walk(member, Some(name), at, sink);
                at.leave();
            }
            sink.close();
        }
        serde_json::Value::Array(items) => {
            sink.open(Container::List);
            for (index, item) in items.iter().enumerate() {
                at.enter_index(index as u64);
                walk(item, key, at, sink);
                at.leave();
            }
            sink.close();
        }
        serde_json::Value::String(text) => sink.piece(Piece::whole(text, key, 0, at)),
        serde_json::Value::Null => {}
        other => sink.piece(Piece::whole(&other.to_string(), key, 0, at)),
    }
}

fn run(detectors: &Detectors, case: &Case) -> Findings {
    let key = key();
    let mut collector = detectors.collector_on(&key, Keep::Values, today());
    let mut at = Locator::body();
    if let Some(json) = &case.json {
        let value = serde_json::from_str(json).unwrap_or_else(|error| panic!("{}: {error}", case.name));
        walk(&value, None, &mut at, &mut collector);
    }
    if let Some(text) = &case.text {
        collector.piece(Piece::whole(text, None, 0, &at));
    }
    if let Some((head, rows)) = case.table.as_ref().and_then(|table| table.split_first()) {
        for row in rows {
            collector.open(Container::Row);
            for (name, cell) in head.iter().zip(row) {
                at.enter(name);
                collector.piece(Piece::whole(cell, Some(name), 0, &at));
                at.leave();
            }
            collector.close();
        }
    }
    for row in case.rows.iter().flatten() {
        collector.open(Container::Row);
        for (index, cell) in row.iter().enumerate() {
            at.enter_index(index as u64);
            collector.piece(Piece::whole(cell, None, 0, &at));
            at.leave();
        }
        collector.close();
    }
    collector.finish()
}

fn problems(case: &Case, findings: &Findings) -> Option<String> {
    let got: BTreeMap<String, u64> =
        findings.categories.iter().map(|(category, tally)| (category.to_string(), tally.count)).collect();
    let people = findings.people.len() as u64;
    let locations: Vec<&String> = findings.found.iter().flat_map(|found| &found.locations).collect();
    let wrong = got != case.expect
        || case.people.is_some_and(|expected| expected != people)
        || case.locations.iter().any(|expected| !locations.contains(&expected));
    wrong.then(|| {
        let listed: Vec<String> = findings
            .findings
            .iter()
            .map(|finding| format!("{} {:?} {}", finding.detector, finding.value, finding.confidence))
            .collect();
        format!("{}: {got:?} of {people} people at {locations:?}: {listed:?}", case.name)
    })
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/detect");
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let file: File = toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        cases.extend(file.case);
    }
    cases
}

#[test]
fn built_in_detectors_prove_themselves() {
    let detectors = builtin();
    let examples = detectors.check_examples();
    let failed: Vec<String> = examples.failed.iter().map(ToString::to_string).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert!(examples.passed >= 2 * detectors.len());
}

#[test]
fn every_case_gives_what_it_expects() {
    let detectors = builtin();
    let failed: Vec<String> = cases().iter().filter_map(|case| problems(case, &run(&detectors, case))).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// Cuts a text at character boundaries into blocks of about `size` bytes with the overlap that scanning asks for.
fn in_blocks(detectors: &Detectors, text: &str, size: usize) -> Findings {
    let key = key();
    let mut collector = detectors.collector_on(&key, Keep::Values, today());
    let at = Locator::body();
    let boundary = |at: usize| (at.min(text.len())..=text.len()).find(|&at| text.is_char_boundary(at)).unwrap();
    let mut from = 0;
    while from < text.len() {
        let to = boundary(from + size);
        let low = boundary(from.saturating_sub(OVERLAP));
        let high = boundary(to + OVERLAP);
        let piece =
            Piece { text: &text[low..high], report: from - low..to - low, key: None, offset: low as u64, at: &at };
        collector.piece(piece);
        from = to;
    }
    collector.finish()
}

#[test]
fn blocks_of_any_size_give_what_the_whole_gives() {
    let detectors = builtin();
    let mut text = String::new();
    for case in cases() {
        text.push_str(case.text.as_deref().or(case.json.as_deref()).unwrap_or(""));
        text.push_str("\n\n");
    }
    let whole = in_blocks(&detectors, &text, text.len());
    assert!(whole.findings.len() > 30, "{}", whole.findings.len());
    for size in [1, 7, 64, 129, 1000, 4096] {
        let blocks = in_blocks(&detectors, &text, size);
        assert_eq!(blocks.findings, whole.findings, "blocks of {size}");
        assert_eq!(blocks.categories, whole.categories, "blocks of {size}");
    }
}

/// A detector with one line changed, and what must be said about it.
#[track_caller]
fn refused(line: &str, message: &str, help: Option<&str>) {
    let name = line.split(' ').next().unwrap_or("");
    let base = [
        "id = 'x.y'",
        "title = 'X'",
        "category = 'personal.name'",
        "pattern = '[0-9]{4}'",
        "examples = ['1234']",
        "fields = ['code']",
    ];
    let mut lines: Vec<&str> = base.into_iter().filter(|known| !known.starts_with(name)).collect();
    lines.push(line);
    let text = format!("[[detector]]\n{}\n", lines.join("\n"));
    let problems = Detectors::compile(&[Source::new("my.toml", text)]).expect_err(line);
    let found = problems.iter().any(|problem| {
        problem.message.contains(message)
            && problem.line > 0
            && help.is_none_or(|help| problem.help.as_deref().is_some_and(|given| given.contains(help)))
    });
    assert!(found, "{line}: {}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
}

#[test]
fn mistakes_in_a_detector_file_are_found_with_their_place() {
    refused("categry = 'personal.name'", "unknown field", Some("category"));
    refused("category = 'personal.nmae'", "unknown category", Some("personal.name"));
    refused("country = 'XX'", "not an ISO 3166-1", None);
    refused("pattern = '[0-9'", "unclosed character class", None);
    refused("pattern = '[0-9]{3,}'", "no longest match", None);
    refused("pattern = '[0-9]{3}.*'", "no longest match", None);
    refused("pattern = '[0-9]{600}'", "at most 512", None);
    refused("pattern = '(?:[a-z][a-z0-9]{1,200}){1,2}[0-9]{1,90}[a-z]{1,90}'", "", None);
    refused("pattern = ' ?[0-9]{4}'", "not with a blank", None);
    refused("pattern = '[0-9]{1,4}'", "less than three bytes", None);
    refused("pattern = '\\b[0-9]{4}'", "boundaries are implied", None);
    refused("check = [{ name = 'lhun' }]", "unknown check", Some("luhn"));
    refused("check = [{ name = 'luhn', weights = [1] }]", "does not read `weights`", None);
    refused(
        "check = [{ name = 'weighted', weights = [1], modulus = 10, table = '01' }]",
        "one character for each",
        None,
    );
    refused("needs = 'cntext'", "not `cntext`", None);
    refused("needs = 'with x.z'", "does not exist", None);
    refused("stands = 'row'", "not `row`", None);
    refused("near = ['latin']", "only the script", None);
    refused("confidence = { alone = 0.9, key = 0.5 }", "does not fall", None);
    refused("examples = []", "at least one example", None);
    refused("examples = [{ txt = '1' }]", "an example is a text", None);
    refused("shape = { name = 'email' }", "either a `pattern` or a `shape`", None);
}

#[test]
fn two_detectors_do_not_share_an_id() {
    let text = "[[detector]]\nid = 'x'\ntitle = 'X'\ncategory = 'personal.name'\npattern = '[0-9]{4}'\nexamples = ['1234']\n";
    let problems = Detectors::compile(&[Source::new("a.toml", text), Source::new("b.toml", text)]).unwrap_err();
    assert!(
        problems
            .iter()
            .any(|problem| problem.file == "b.toml" && problem.message.contains("already taken in a.toml"))
    );
}

#[test]
fn a_detector_whose_values_are_marked_works_without_any_other() {
    let text = "[[detector]]\nid = 'x'\ntitle = 'X'\ncategory = 'secret.token'\npattern = 'qx_live_[0-9a-f]{12}'\n\
                confidence = { alone = 0.95 }\nexamples = ['key qx_live_0123456789ab']\ncounter_examples = ['qx_live_0123']\n";
    let examples = Detectors::compile(&[Source::new("my.toml", text)]).unwrap().check_examples();
    assert_eq!((examples.passed, examples.failed.len()), (2, 0), "{:?}", examples.failed);
}

#[test]
fn a_digest_depends_on_the_key_and_no_value_is_kept_unless_asked_for() {
    let detectors = builtin();
    let run = |key: &DigestKey, keep: Keep| {
        let mut collector = detectors.collector_on(key, keep, today());
        let at = Locator::body();
        collector.piece(Piece::whole("ann@example.com", Some("email"), 0, &at));
        collector.finish()
    };
    let (one, two) = (run(&key(), Keep::Findings), run(&DigestKey::new(&[8; 32]), Keep::Findings));
    assert_ne!(one.people, two.people);
    assert!(!format!("{one:?}").contains("ann"));
    assert!(run(&key(), Keep::Counts).findings.is_empty());
    assert_eq!(run(&key(), Keep::Values).findings[0].value.as_deref(), Some("ann@example.com"));
}

#[test]
fn very_many_people_are_counted() {
    let detectors = builtin();
    let key = key();
    let mut collector = detectors.collector_on(&key, Keep::Counts, today());
    let mut at = Locator::body();
    collector.open(Container::List);
    let people = 100_000u64;
    for number in 0..people {
        at.enter_index(number);
        collector.open(Container::Object);
        let email = format!("p{number}@example.com");
        at.enter("email");
        collector.piece(Piece::whole(&email, Some("email"), 0, &at));
        at.leave();
        collector.close();
        at.leave();
    }
    collector.close();
    let findings = collector.finish();
    assert_eq!(findings.people.len() as u64, people);
    assert_eq!(findings.found[0].locations, ["/*/email"]);
    assert!(!findings.truncated);
}

#[test]
fn the_reference_lists_every_detector_and_shows_one_that_works() {
    let reference = include_str!("../../docs/detectors.md");
    let missing: Vec<String> = builtin()
        .list()
        .map(|listing| format!("| `{}` | `{}` |", listing.id, listing.category))
        .filter(|row| !reference.contains(row.as_str()))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
    let example = reference.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let detectors = Detectors::compile(&[Source::new("docs/detectors.md", example)]).unwrap();
    let examples = detectors.check_examples();
    let failed: Vec<String> = examples.failed.iter().map(ToString::to_string).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
