//! Scenarios: what a pack should say about a described transfer, as data.
//!
//! A scenario names people per class and marks on content; the runner makes synthetic content that falls into those
//! classes and asks the pack, so a scenario exercises the same path as a message. Facts that are not given have the
//! defaults of the pack.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::civil::Date;
use serde::Serialize;
use toml::de::DeTable;

use super::mechanism::Mechanism;
use super::read::table::{Entry, Reader, Table};
use super::{Case, Enabled, FactSet, FactValue, Outcome, Pack, Packs};
use crate::diagnostic::{Diagnostic, Source};
use crate::transfer::{
    Action, Basis, Category, CategorySet, Content, Count, Country, Digest, Direction, HostPattern, Party, Person,
    Place, Tally, Touch,
};

/// People made for one class: enough for rules that ask how many one transfer carries.
const MADE: u64 = 1_000;

/// What running scenarios found.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// Scenarios that came out as expected.
    pub passed: usize,
    /// Scenarios that did not, and files that could not be read.
    pub failed: usize,
    /// Each scenario.
    pub scenarios: Vec<Ran>,
    /// Each pack that has scenarios.
    pub coverage: Vec<Coverage>,
    /// What is wrong with the files.
    pub problems: Vec<Diagnostic>,
}

/// One scenario that was run.
#[derive(Debug, Clone, Serialize)]
pub struct Ran {
    /// Its id.
    pub id: String,
    /// The pack it is about.
    pub pack: String,
    /// Whether it came out as expected.
    pub ok: bool,
    /// What was expected; in JSON the one word a scenario file has under this key.
    #[serde(serialize_with = "word")]
    pub expect: Expectation,
    /// What came out.
    pub got: Got,
}

fn word<S: serde::Serializer>(expect: &Expectation, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&expect.action)
}

/// What was expected.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expectation {
    /// `permit`, `log`, `needs` or `prohibited`.
    pub action: String,
    /// Needs that must be named.
    pub needs: Vec<Arc<str>>,
    /// Warnings that must be given.
    pub warns: Vec<Arc<str>>,
    /// Rules that must fire, if the scenario says.
    pub rules: Vec<Arc<str>>,
}

/// What came out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Got {
    /// `permit`, `log`, `needs` or `prohibited`.
    pub action: String,
    /// Everything named among what would make it pass.
    pub needs: Vec<Arc<str>>,
    /// Warnings.
    pub warns: Vec<String>,
    /// Rules and exemptions that spoke.
    pub rules: Vec<Arc<str>>,
}

/// How far the scenarios of a pack reach.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Coverage {
    /// The pack.
    pub pack: String,
    /// How many rules and exemptions it has.
    pub rules: usize,
    /// Those that spoke in some scenario.
    pub fired: usize,
    /// Those no scenario makes speak.
    pub never_fired: Vec<Arc<str>>,
    /// Those that speak in every scenario.
    pub never_silent: Vec<Arc<str>>,
}

/// A scenario as its file says.
struct Scenario {
    id: String,
    pack: String,
    day: Date,
    exporter: Vec<Country>,
    importer: Vec<Country>,
    host: Option<Arc<str>>,
    direction: Direction,
    application: Option<Arc<str>>,
    people: Vec<(Arc<str>, u64)>,
    data: Vec<Category>,
    facts: FactSet,
    mechanisms: Vec<Mechanism>,
    expect: Expectation,
}

/// Runs every scenario of some files.
pub fn run(packs: &Packs, sources: &[Source]) -> Report {
    let mut report = Report::default();
    let mut spoken: BTreeMap<String, Vec<BTreeSet<Arc<str>>>> = BTreeMap::new();
    for source in sources {
        let (scenarios, problems) = read(packs, source);
        report.failed += problems.len();
        report.problems.extend(problems);
        for scenario in scenarios {
            let Some(pack) = packs.get(&scenario.pack) else { continue };
            let got = scenario.run(packs, pack);
            let ok = scenario.is_as_expected(&got);
            if ok {
                report.passed += 1
            } else {
                report.failed += 1
            }
            spoken.entry(scenario.pack.clone()).or_default().push(got.rules.iter().cloned().collect());
            report.scenarios.push(Ran { id: scenario.id, pack: scenario.pack, ok, expect: scenario.expect, got });
        }
    }
    report.coverage = packs.iter().filter_map(|pack| Some(coverage(pack, spoken.get(&*pack.id)?))).collect();
    report
}

fn coverage(pack: &Pack, spoken: &[BTreeSet<Arc<str>>]) -> Coverage {
    let rules = pack.rules.iter().map(|rule| &rule.id).chain(pack.exemptions.iter().map(|exemption| &exemption.id));
    let mut coverage = Coverage { pack: pack.id.to_string(), ..Coverage::default() };
    for rule in rules {
        let fired = spoken.iter().filter(|rules| rules.contains(rule)).count();
        coverage.rules += 1;
        coverage.fired += usize::from(fired > 0);
        if fired == 0 {
            coverage.never_fired.push(rule.clone());
        }
        if fired == spoken.len() {
            coverage.never_silent.push(rule.clone());
        }
    }
    coverage
}

impl Scenario {
    fn run(&self, packs: &Packs, pack: &Pack) -> Got {
        let enabled = Enabled { enforce: vec![pack.id.clone()], observe: Vec::new() };
        let party = |countries: &[Country], host: Option<Arc<str>>| Party {
            host,
            address: None,
            place: Place {
                countries: countries.to_vec(),
                basis: Basis::Declared,
                operator: None,
                operator_country: None,
            },
        };
        let (exporter, importer) = (party(&self.exporter, None), party(&self.importer, self.host.clone()));
        let crowd = self.crowd(pack);
        let content = self.content(&crowd);
        let case = Case {
            now: super::decide::noon(pack, self.day).unwrap_or_default(),
            direction: self.direction,
            exporter: &exporter,
            importer: &importer,
            application: self.application.as_deref(),
            facts: &self.facts,
            content: &content,
            mechanisms: &self.mechanisms,
            enabled: &enabled,
        };
        let touches = packs.touches(&case);
        let counts: Vec<Count> = touches.iter().map(|touch| self.count(pack, touch, &crowd)).collect();
        Got::of(packs.decide(&case, &touches, &counts))
    }

    /// For each class with people: the kinds of data that put a person into it.
    fn crowd(&self, pack: &Pack) -> Vec<(CategorySet, u64)> {
        let people = self.people.iter().filter(|(_, people)| *people > 0);
        people.filter_map(|(class, people)| Some((pack.member_of(class, self.day)?, *people))).collect()
    }

    fn content(&self, crowd: &[(CategorySet, u64)]) -> Content {
        let mut content = Content::default();
        for (index, (categories, people)) in crowd.iter().enumerate() {
            for person in 0..(*people).min(MADE) {
                let mut digest = [0u8; 16];
                digest.iter_mut().zip(person.to_be_bytes()).for_each(|(to, from)| *to = from);
                digest[15] = u8::try_from(index).unwrap_or(u8::MAX);
                content.people.push(Person { digest: Digest(digest), categories: *categories });
            }
            categories.iter().for_each(|kind| content.categories.entry(kind).or_default().people += people);
        }
        for kind in &self.data {
            *content.categories.entry(*kind).or_default() = Tally { count: 1, people: 0 };
        }
        content
    }

    /// A scenario gives counts with this transfer included. A counter of classes it does not name shows the people of
    /// the classes it names who fall under it.
    fn count(&self, pack: &Pack, touch: &Touch, crowd: &[(CategorySet, u64)]) -> Count {
        let named: u64 = pack
            .classes_of(&touch.key.counter)
            .filter_map(|class| self.people.iter().find(|(name, _)| *name == *class).map(|(_, people)| people))
            .sum();
        let made = touch.people.len() as u64;
        let after = if named > 0 { named } else { crowd.iter().map(|(_, people)| people).sum::<u64>().min(made) };
        Count { before: after.saturating_sub(made), adding: made.min(after) }
    }

    fn is_as_expected(&self, got: &Got) -> bool {
        let expect = &self.expect;
        let action = expect.action == got.action || (expect.action == "permit" && got.action == "log");
        action
            && expect.needs.iter().all(|need| got.needs.contains(need))
            && expect.warns.iter().all(|warning| got.warns.iter().any(|given| **given == **warning))
            && expect.rules.iter().all(|rule| got.rules.contains(rule))
    }
}

impl Got {
    fn of(outcome: Outcome) -> Got {
        let blocks = || outcome.reasons.iter().filter(|reason| reason.enforced && reason.action == Action::Block);
        let action = match outcome.action {
            Action::Permit => "permit",
            Action::Log | Action::Redact => "log",
            Action::Block if blocks().any(|reason| reason.needs.is_empty()) => "prohibited",
            Action::Block => "needs",
        };
        let needs: BTreeSet<Arc<str>> = blocks().flat_map(|reason| reason.needs.iter().cloned()).collect();
        Got {
            action: action.to_owned(),
            needs: needs.into_iter().collect(),
            rules: outcome.reasons.iter().map(|reason| reason.rule.clone()).collect(),
            warns: outcome.warnings,
        }
    }
}

/// The scenarios of a file, and what is wrong with it.
fn read(packs: &Packs, source: &Source) -> (Vec<Scenario>, Vec<Diagnostic>) {
    let reader = Reader::new(source);
    let mut scenarios = Vec::new();
    match DeTable::parse(&source.text) {
        Ok(parsed) => {
            let top = Table::top(&reader, parsed.get_ref());
            top.only(&["scenario"]);
            let tables = top.need("scenario").map(|entry| entry.tables()).unwrap_or_default();
            scenarios.extend(tables.iter().filter_map(|table| Scenario::read(packs, table)));
        }
        Err(error) => reader.report(source.toml_error(&error)),
    }
    (scenarios, reader.into_problems())
}

impl Scenario {
    /// Nothing when something is wrong with it, which the reader then knows.
    fn read(packs: &Packs, table: &Table<'_>) -> Option<Scenario> {
        table.only(&[
            "id",
            "title",
            "note",
            "cite",
            "confidence",
            "pack",
            "date",
            "exporter",
            "importer",
            "host",
            "direction",
            "application",
            "people",
            "data",
            "facts",
            "mechanism",
            "expect",
            "needs",
            "warns",
            "rules",
        ]);
        let before = table.reader().count();
        let pack_name = table.need("pack")?;
        let pack = find_pack(packs, &pack_name)?;
        let scenario = Scenario {
            id: table.need_text("id").to_string(),
            pack: pack.id.to_string(),
            day: table.need("date")?.date()?,
            exporter: countries(&table.need("exporter")?),
            importer: countries(&table.need("importer")?),
            host: table.text("host"),
            direction: direction(table),
            application: table.text("application"),
            people: people(pack, table),
            data: marks(table),
            facts: facts(pack, table),
            mechanisms: mechanisms(packs, table),
            expect: expectation(table),
        };
        (table.reader().count() == before).then_some(scenario)
    }
}

fn find_pack<'p>(packs: &'p Packs, entry: &Entry<'_>) -> Option<&'p Pack> {
    let name = entry.text()?;
    let found = packs.get(&name);
    if found.is_none() {
        entry.reader().unknown((&name, entry.span()), "pack", packs.iter().map(|pack| &*pack.id));
    }
    found
}

fn countries(entry: &Entry<'_>) -> Vec<Country> {
    let mut found = Vec::new();
    for word in entry.words() {
        match Country::parse(&word.text) {
            Ok(country) => found.push(country),
            Err(unknown) => entry.reader().error(word.span, unknown.to_string()),
        }
    }
    found
}

fn direction(table: &Table<'_>) -> Direction {
    match table.text("direction").as_deref() {
        Some("response") => Direction::Response,
        _ => Direction::Request,
    }
}

fn people(pack: &Pack, table: &Table<'_>) -> Vec<(Arc<str>, u64)> {
    let classes =
        table.get("people").and_then(|entry| entry.table()).map(|people| people.entries()).unwrap_or_default();
    let mut people = Vec::new();
    for entry in classes {
        if !pack.classes.iter().any(|class| *class.id == *entry.key) {
            let known = pack.classes.iter().map(|class| &*class.id);
            entry.reader().unknown((entry.key, entry.key_span.clone()), "class", known);
        }
        people
            .push((entry.key.into(), entry.int().and_then(|number| u64::try_from(number).ok()).unwrap_or_default()));
    }
    people
}

fn marks(table: &Table<'_>) -> Vec<Category> {
    let mut marks = Vec::new();
    for word in table.words("data") {
        match Category::parse(&word.text) {
            Ok(category) => marks.push(category),
            Err(unknown) => table.reader().error(word.span, unknown.to_string()),
        }
    }
    marks
}

fn facts(pack: &Pack, table: &Table<'_>) -> FactSet {
    let mut facts = FactSet::default();
    for entry in table.get("facts").and_then(|entry| entry.table()).map(|facts| facts.entries()).unwrap_or_default() {
        let Some(fact) = pack.facts.iter().find(|fact| *fact.name == *entry.key) else {
            let known = pack.facts.iter().map(|fact| &*fact.name);
            entry.reader().unknown((entry.key, entry.key_span.clone()), "fact", known);
            continue;
        };
        let Some(value) = value(&entry) else { continue };
        match fact.check(&value) {
            Ok(()) => facts.insert(entry.key, value),
            Err(error) => entry.reader().error(entry.span(), error.message),
        }
    }
    facts
}

fn value(entry: &Entry<'_>) -> Option<FactValue> {
    match entry.value() {
        toml::de::DeValue::Boolean(value) => Some(FactValue::Bool(*value)),
        toml::de::DeValue::Integer(_) => entry.int().map(FactValue::Int),
        _ => entry.text().map(FactValue::Text),
    }
}

/// What a scenario says is held. Every key that is not one of the fixed ones is a particular such as `issuer`.
fn mechanisms(packs: &Packs, table: &Table<'_>) -> Vec<Mechanism> {
    let held = table.get("mechanism").map(|entry| entry.tables()).unwrap_or_default();
    held.iter().enumerate().map(|(index, held)| mechanism(packs, held, index)).collect()
}

fn mechanism(packs: &Packs, table: &Table<'_>, index: usize) -> Mechanism {
    let fixed = ["kind", "from", "until", "filed", "in-scope", "importer", "categories"];
    let kind = table.need_text("kind");
    if !packs.mechanism_kinds().any(|known| *known == *kind) {
        table.reader().unknown((&kind, table.span.clone()), "kind of mechanism", packs.mechanism_kinds());
    }
    let particulars = table.entries().into_iter().filter(|entry| !fixed.contains(&entry.key));
    let words = table.words("categories");
    let kinds = words.iter().filter_map(|word| Category::parse(&word.text).ok());
    Mechanism {
        id: format!("held-{}", index + 1).into(),
        kind,
        importers: table.words("importer").iter().filter_map(|word| HostPattern::parse(&word.text).ok()).collect(),
        countries: Vec::new(),
        categories: CategorySet::of(kinds),
        from: table.date("from"),
        until: table.date("until"),
        filed: table.date("filed"),
        extra: particulars.filter_map(|entry| Some((entry.key.to_owned(), entry.text()?.to_string()))).collect(),
        in_scope: table.bool("in-scope").unwrap_or(true),
    }
}

fn expectation(table: &Table<'_>) -> Expectation {
    let words = |key| table.words(key).into_iter().map(|word| word.text).collect();
    let action = table.need_text("expect").to_string();
    let known = ["permit", "log", "needs", "prohibited"];
    if let Some(entry) = table.get("expect").filter(|_| !known.contains(&action.as_str())) {
        table.reader().unknown((&action, entry.span()), "expectation", known.into_iter());
    }
    Expectation { action, needs: words("needs"), warns: words("warns"), rules: words("rules") }
}
