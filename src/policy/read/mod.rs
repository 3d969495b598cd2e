//! From a pack file to its meaning. All problems of a file are reported at once, each at its place.

mod condition;
mod names;
mod needs;
mod rules;
mod sections;
pub(super) mod table;

use std::sync::Arc;

use toml::de::DeTable;

use self::names::Names;
use self::table::{Entry, Reader, Table, Topic};
use super::calendar::{Calendar, Holiday};
use super::condition::Condition;
use super::fact::Fact;
use super::index::Index;
use super::pack::{Authority, Class, Counter, Need, Pack, PackKind, Parts, Rule};
use super::region::{Days, List};
use super::shadow;
use crate::diagnostic::{Diagnostic, Source};

/// What has been read of a pack so far. Later sections refer to earlier ones.
struct PackReader<'r> {
    reader: &'r Reader<'r>,
    sources: Vec<Authority>,
    source_names: Names,
    facts: Vec<Fact>,
    fact_names: Names,
    classes: Vec<Class>,
    class_names: Names,
    counters: Vec<Counter>,
    counter_names: Names,
    lists: Vec<List>,
    list_names: Names,
    term_conditions: Vec<Condition>,
    terms: Names,
    need_list: Vec<Need>,
    needs: Names,
    has_calendar: bool,
}

/// Reads one pack; with it come warnings.
///
/// # Errors
/// Everything that is wrong with the file.
pub(super) fn pack(source: &Source) -> Result<(Pack, Vec<Diagnostic>), Vec<Diagnostic>> {
    let reader = Reader::new(source);
    let parsed = match DeTable::parse(&source.text) {
        Ok(parsed) => parsed,
        Err(error) => {
            let docs = Some(Topic::Top.docs());
            return Err(vec![Diagnostic { docs, ..source.toml_error(&error) }]);
        }
    };
    let pack = PackReader::new(&reader).pack(&Table::top(&reader, parsed.get_ref()), source);
    match pack {
        Some(pack) if reader.count() == 0 => Ok((pack, reader.into_problems())),
        None if reader.count() == 0 => Err(vec![Diagnostic::file(&*source.name, "this pack is incomplete")]),
        _ => Err(reader.into_problems()),
    }
}

impl<'r> PackReader<'r> {
    fn new(reader: &'r Reader<'r>) -> PackReader<'r> {
        PackReader {
            reader,
            sources: Vec::new(),
            source_names: Names::new("source"),
            facts: Vec::new(),
            fact_names: Names::new("fact"),
            classes: Vec::new(),
            class_names: Names::new("class"),
            counters: Vec::new(),
            counter_names: Names::new("counter"),
            lists: Vec::new(),
            list_names: Names::new("list"),
            term_conditions: Vec::new(),
            terms: Names::new("term"),
            need_list: Vec::new(),
            needs: Names::new("need"),
            has_calendar: false,
        }
    }

    fn pack(mut self, top: &Table<'_>, source: &Source) -> Option<Pack> {
        top.only(&KEYS);
        self.reader.topic(Topic::Source);
        self.read_sources(top);
        self.reader.topic(Topic::Calendar);
        let calendar = self.read_calendar(top);
        self.reader.topic(Topic::Fact);
        self.read_facts(top);
        self.reader.topic(Topic::Class);
        self.read_classes(top);
        self.reader.topic(Topic::Counter);
        self.read_counters(top);
        self.reader.topic(Topic::List);
        self.read_lists(top);
        self.reader.topic(Topic::Scope);
        let scope = self.read_scope(top);
        let jurisdiction = self.read_jurisdiction(top);
        self.reader.topic(Topic::Term);
        self.read_terms(top);
        self.reader.topic(Topic::Need);
        self.read_needs(top);
        self.reader.topic(Topic::Exemption);
        let exemptions = self.read_exemptions(top, &scope);
        self.reader.topic(Topic::Rule);
        let rules = self.read_rules(top, &scope);
        let parts = Parts { facts: &self.facts, counters: &self.counters, lists: &self.lists };
        let index = Index::of(&rules, &parts);
        self.report_shadowed(&rules, &index, &parts);
        self.reader.topic(Topic::Top);
        self.report_unused();
        let pack = Pack {
            id: self.read_id(top)?,
            title: top.need_text("title"),
            kind: self.read_kind(top)?,
            jurisdiction,
            updated: top.need("updated").and_then(|entry| entry.date())?,
            hash: super::hash_of([source.text.as_bytes()]),
            file: source.name.as_str().into(),
            zone: self.read_zone(top),
            sources: self.sources,
            facts: self.facts,
            counters: self.counters,
            needs: self.need_list,
            exemptions,
            rules,
            scope,
            classes: self.classes,
            lists: self.lists,
            calendar,
            counted: 0,
            index,
        };
        Some(pack.with_thresholds())
    }

    fn read_kind(&self, top: &Table<'_>) -> Option<PackKind> {
        let known = [("law", PackKind::Law), ("organisation", PackKind::Organisation)];
        let entry = top.need("kind")?;
        let kind = self.one_of(&entry.word()?, "kind of pack", &known)?;
        if kind == PackKind::Law && !top.has("jurisdiction") {
            let message = "a law pack says whose law it is: missing key `jurisdiction`";
            top.missing("jurisdiction", self.reader.problem(entry.span(), message));
        }
        Some(kind)
    }

    fn read_id(&self, top: &Table<'_>) -> Option<Arc<str>> {
        let entry = top.need("id")?;
        let id = entry.text()?;
        Some(Names::new("pack").add(self.reader, &id, entry.span()))
    }

    fn read_calendar(&mut self, top: &Table<'_>) -> Calendar {
        let Some(table) = top.get("calendar").and_then(|entry| entry.table()) else { return Calendar::default() };
        self.has_calendar = true;
        table.only(&["weekend", "holidays", "workdays", "runs_on", "note"]);
        let holidays = table.get("holidays").map(|entry| entry.tables()).unwrap_or_default();
        Calendar {
            weekend: table
                .words("weekend")
                .iter()
                .filter_map(|word| self.one_of(word, "weekday", &WEEKDAYS))
                .collect(),
            holidays: holidays.iter().map(|holiday| self.holiday(holiday)).collect(),
            runs_on: table.bool("runs_on").unwrap_or_default(),
            workdays: table.get("workdays").map(|entry| entry.dates()).unwrap_or_default(),
        }
    }

    /// One day, several, or with `every` the same day of every year.
    fn holiday(&self, table: &Table<'_>) -> Holiday {
        table.only(&["from", "until", "every", "name"]);
        let days = self.days(table);
        let every = table.get("every").and_then(|entry| self.day_of_year(&entry));
        if every.is_none() && days.from.is_none() {
            let help = "write `from` (and `until` if it is longer than a day), or `every = \"12-25\"`";
            self.reader.advise(table.span.clone(), "this holiday has no day", help);
        }
        let until = if every.is_none() { days.until.or(days.from) } else { days.until };
        Holiday { days: Days { until, ..days }, every }
    }

    /// `"10-29"`: month and day.
    fn day_of_year(&self, entry: &Entry<'_>) -> Option<(i8, i8)> {
        let text = entry.text()?;
        // A leap year has every day there is.
        let day = format!("2028-{text}").parse::<jiff::civil::Date>().ok();
        if day.is_none() {
            self.reader.advise(
                entry.span(),
                format!("`{text}` is not a day of the year"),
                "write \"10-29\": month, day",
            );
        }
        day.map(|day| (day.month(), day.day()))
    }

    /// A rule that another one makes idle is either a mistake or stands there for its own sake; the author decides.
    fn report_shadowed(&self, rules: &[Rule], index: &Index, parts: &Parts<'_>) {
        let found = shadow::shadowed(rules, index, parts);
        for (idle, by) in found.iter().take(REMARKS) {
            let message =
                format!("rule `{}` changes nothing: whenever it fires, `{}` does and is as strict", idle.id, by.id);
            let help = format!("remove it, make it stricter, or narrow `{}`", by.id);
            self.reader.warn(idle.span.clone(), message, help);
        }
        if let Some((next, _)) = found.get(REMARKS) {
            let message = format!("{} more rules change nothing, this one first", found.len() - REMARKS);
            self.reader.warn(next.span.clone(), message, "remove them, or narrow those that fire with them");
        }
    }

    /// Whatever a pack defines and never uses is a mistake: it looks as if it did something.
    fn report_unused(&self) {
        let sections = [
            (Topic::Source, &self.source_names),
            (Topic::Fact, &self.fact_names),
            (Topic::Class, &self.class_names),
            (Topic::Counter, &self.counter_names),
            (Topic::List, &self.list_names),
            (Topic::Term, &self.terms),
            (Topic::Need, &self.needs),
        ];
        for (topic, names) in sections {
            self.reader.topic(topic);
            names.unused(self.reader);
        }
    }
}

/// Remarks of one sort on a pack before they are only counted.
const REMARKS: usize = 10;

/// Every key at the top of a pack.
const KEYS: [&str; 18] = [
    "id",
    "title",
    "kind",
    "jurisdiction",
    "time_zone",
    "updated",
    "note",
    "source",
    "calendar",
    "fact",
    "class",
    "counter",
    "list",
    "scope",
    "term",
    "need",
    "exemption",
    "rule",
];

const WEEKDAYS: [(&str, jiff::civil::Weekday); 7] = [
    ("monday", jiff::civil::Weekday::Monday),
    ("tuesday", jiff::civil::Weekday::Tuesday),
    ("wednesday", jiff::civil::Weekday::Wednesday),
    ("thursday", jiff::civil::Weekday::Thursday),
    ("friday", jiff::civil::Weekday::Friday),
    ("saturday", jiff::civil::Weekday::Saturday),
    ("sunday", jiff::civil::Weekday::Sunday),
];
