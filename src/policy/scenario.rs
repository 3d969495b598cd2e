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
use super::read::table::{Entry, Reader, Table, Topic};
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
    /// Packs that have none.
    pub untested: Vec<Arc<str>>,
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
    /// What was expected; programs get the plain word.
    #[serde(serialize_with = "plain_word")]
    pub expect: Expectation,
    /// What came out.
    pub got: Got,
    /// What is not as expected, in words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub differs: Vec<String>,
}

fn plain_word<S: serde::Serializer>(expect: &Expectation, serializer: S) -> Result<S::Ok, S::Error> {
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
    /// Rules that must not.
    pub silent: Vec<Arc<str>>,
    /// Warnings that must not be given.
    pub no_warns: Vec<Arc<str>>,
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
    before: Vec<(Arc<str>, u64)>,
    data: Vec<Category>,
    facts: FactSet,
    mechanisms: Vec<Mechanism>,
    expect: Expectation,
}

/// Runs every scenario of some files, on `day` if one is given, else each on its own.
pub fn run(packs: &Packs, sources: &[Source], day: Option<Date>) -> Report {
    let mut report = Report::default();
    let mut spoken: BTreeMap<String, Vec<BTreeSet<Arc<str>>>> = BTreeMap::new();
    for source in sources {
        let (scenarios, problems) = read(packs, source);
        report.failed += problems.len();
        report.problems.extend(problems);
        for mut scenario in scenarios {
            scenario.day = day.unwrap_or(scenario.day);
            let Some(pack) = packs.get(&scenario.pack) else { continue };
            let got = scenario.run(packs, pack);
            let differs = scenario.expect.differs(&got);
            let ok = differs.is_empty();
            if ok {
                report.passed += 1
            } else {
                report.failed += 1
            }
            spoken.entry(scenario.pack.clone()).or_default().push(got.rules.iter().cloned().collect());
            let (id, pack, expect) = (scenario.id, scenario.pack, scenario.expect);
            report.scenarios.push(Ran { id, pack, ok, expect, got, differs });
        }
    }
    report.coverage = packs.iter().filter_map(|pack| Some(coverage(pack, spoken.get(&*pack.id)?))).collect();
    let without = packs.iter().filter(|pack| !spoken.contains_key(&*pack.id));
    report.untested = without.map(|pack| pack.id.clone()).collect();
    report
}

/// Of each pack the rules and exemptions that no scenario makes speak, at the place of the first of them. `files` are
/// those the packs were read from.
pub fn untested(packs: &Packs, files: &[Source], report: &Report) -> Vec<Diagnostic> {
    let of = |pack: &Pack| {
        let spoken = report.coverage.iter().find(|coverage| *coverage.pack == *pack.id);
        let silent = |id: &Arc<str>| spoken.is_none_or(|coverage| coverage.never_fired.contains(id));
        let rules = pack.rules.iter().map(|rule| (&rule.id, &rule.span));
        let exemptions = pack.exemptions.iter().map(|exemption| (&exemption.id, &exemption.span));
        let untested: Vec<_> = rules.chain(exemptions).filter(|(id, _)| silent(id)).collect();
        let (_, span) = untested.first()?;
        let names: Vec<&str> = untested.iter().map(|(id, _)| &***id).collect();
        let message = format!("no scenario makes {} of pack `{}` speak", shortened(&names), pack.id);
        let file = files.iter().find(|file| *file.name == *pack.file)?;
        let help = "write one beside the pack, in a file under `tests/` of the rules";
        let docs = Some(Topic::Scenario.docs());
        Some(Diagnostic { docs, ..file.warning((*span).clone(), message).help(help) })
    };
    packs.iter().filter_map(of).collect()
}

/// Names in a row, the first few of many.
pub fn shortened(names: &[&str]) -> String {
    const SHOWN: usize = 6;
    let shown: Vec<&str> = names.iter().take(SHOWN).copied().collect();
    match names.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
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

    /// A scenario gives counts with this transfer included, or what a counter showed `before` it. A counter of classes it does not name shows the people of
    /// the classes it names who fall under it.
    fn count(&self, pack: &Pack, touch: &Touch, crowd: &[(CategorySet, u64)]) -> Count {
        let named: u64 = pack
            .classes_of(&touch.key.counter)
            .filter_map(|class| self.people.iter().find(|(name, _)| *name == *class).map(|(_, people)| people))
            .sum();
        let made = touch.people.len() as u64;
        if let Some((_, before)) = self.before.iter().find(|(counter, _)| *counter == touch.key.counter) {
            return Count { before: *before, adding: made };
        }
        let after = if named > 0 { named } else { crowd.iter().map(|(_, people)| people).sum::<u64>().min(made) };
        Count { before: after.saturating_sub(made), adding: made.min(after) }
    }
}

impl Expectation {
    /// What is not as expected. A pack that keeps a record where nothing is expected is not wrong.
    fn differs(&self, got: &Got) -> Vec<String> {
        let record = self.action == "permit" && got.action == "log";
        let action =
            (self.action != got.action && !record).then(|| format!("expected {}, got {}", self.action, got.action));
        let warns: Vec<Arc<str>> = got.warns.iter().map(|warning| warning.as_str().into()).collect();
        let all = [
            absent(&self.needs, &got.needs, "is not named among what would make it pass"),
            absent(&self.warns, &warns, "is not warned of"),
            absent(&self.rules, &got.rules, "does not speak"),
            present(&self.silent, &got.rules, "speaks"),
            present(&self.no_warns, &warns, "is warned of"),
        ];
        action.into_iter().chain(all.into_iter().flatten()).collect()
    }
}

fn absent(wanted: &[Arc<str>], got: &[Arc<str>], what: &str) -> Vec<String> {
    wanted.iter().filter(|word| !got.contains(word)).map(|word| format!("{word} {what}")).collect()
}

fn present(unwanted: &[Arc<str>], got: &[Arc<str>], what: &str) -> Vec<String> {
    unwanted.iter().filter(|word| got.contains(word)).map(|word| format!("{word} {what}")).collect()
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
    reader.topic(Topic::Scenario);
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
            "before",
            "data",
            "facts",
            "mechanism",
            "expect",
            "needs",
            "warns",
            "rules",
            "silent",
            "no_warns",
        ]);
        let before = table.reader().count();
        let pack_name = table.need("pack")?;
        let pack = find_pack(packs, &pack_name)?;
        let classes: Vec<&str> = pack.classes.iter().map(|class| &*class.id).collect();
        let counters: Vec<&str> = pack.counters.iter().map(|counter| &*counter.id).collect();
        let scenario = Scenario {
            id: table.need_text("id").to_string(),
            pack: pack.id.to_string(),
            day: table.need("date")?.date()?,
            exporter: countries(&table.need("exporter")?),
            importer: countries(&table.need("importer")?),
            host: table.text("host"),
            direction: direction(table),
            application: table.text("application"),
            people: people(table, "people", "class", &classes),
            before: people(table, "before", "counter", &counters),
            data: marks(table),
            facts: facts(pack, table),
            mechanisms: mechanisms(packs, table),
            expect: expectation(pack, table),
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

/// How many people for each of some names: classes, or counters.
fn people(table: &Table<'_>, key: &str, what: &str, known: &[&str]) -> Vec<(Arc<str>, u64)> {
    let given = table.get(key).and_then(|entry| entry.table()).map(|people| people.entries()).unwrap_or_default();
    let mut people = Vec::new();
    for entry in given {
        if !known.contains(&entry.key) {
            entry.reader().unknown((entry.key, entry.key_span.clone()), what, known.iter().copied());
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
        toml::de::DeValue::Datetime(_) => entry.date().map(|day| FactValue::Text(day.to_string().into())),
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

/// A rule that is not there is silent for the wrong reason.
fn rules_exist(pack: &Pack, table: &Table<'_>, key: &str) {
    let exemptions = pack.exemptions.iter().map(|exemption| &*exemption.id);
    let known: Vec<&str> = pack.rules.iter().map(|rule| &*rule.id).chain(exemptions).collect();
    for word in table.words(key).iter().filter(|word| !known.contains(&&*word.text)) {
        table.reader().unknown((&word.text, word.span.clone()), "rule", known.iter().copied());
    }
}

fn expectation(pack: &Pack, table: &Table<'_>) -> Expectation {
    let words = |key| table.words(key).into_iter().map(|word| word.text).collect();
    let action = table.need_text("expect").to_string();
    let known = ["permit", "log", "needs", "prohibited"];
    if let Some(entry) = table.get("expect").filter(|_| !known.contains(&action.as_str())) {
        table.reader().unknown((&action, entry.span()), "expectation", known.into_iter());
    }
    ["rules", "silent"].into_iter().for_each(|key| rules_exist(pack, table, key));
    Expectation {
        action,
        needs: words("needs"),
        warns: words("warns"),
        rules: words("rules"),
        silent: words("silent"),
        no_warns: words("no_warns"),
    }
}
