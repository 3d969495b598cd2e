//! What a pack declares before its rules: sources, facts, classes, counters, lists, scope, terms, needs.

use std::sync::Arc;

use super::PackReader;
use super::condition::May;
use super::table::{Entry, Table};
use crate::policy::condition::Condition;
use crate::policy::fact::{About, Elapsed, Fact, FactType, FactValue};
use crate::policy::pack::{Authority, Class, Confidence, Counter, MOST, Rank, Scope, Window};
use crate::policy::region::{Countries, Days, List, Row};
use crate::policy::threshold::Thresholds;
use crate::transfer::{CategorySet, Country, Direction};

const RANKS: [(&str, Rank); 6] = [
    ("treaty", Rank::Treaty),
    ("law", Rank::Law),
    ("regulation", Rank::Regulation),
    ("rule", Rank::Rule),
    ("guidance", Rank::Guidance),
    ("list", Rank::List),
];

const CONFIDENCE: [(&str, Confidence); 3] =
    [("high", Confidence::High), ("medium", Confidence::Medium), ("low", Confidence::Low)];

impl PackReader<'_> {
    /// How sure the authors are of what a table says.
    pub(super) fn confidence(&self, table: &Table<'_>) -> Confidence {
        let given = table.get("confidence").and_then(|entry| self.one_of(&entry.word()?, "confidence", &CONFIDENCE));
        given.unwrap_or_default()
    }

    pub(super) fn read_sources(&mut self, top: &Table<'_>) {
        for (entry, table) in top.named("source") {
            table.only(&["title", "short", "rank", "in_force", "until", "url", "note"]);
            let id = self.source_names.add(self.reader, entry.key, entry.key_span.clone());
            let days = self.days_of(&table, "in_force", "until");
            let title = table.need_text("title");
            let short = table.text("short").unwrap_or_else(|| title.clone());
            let rank = table.get("rank").and_then(|rank| self.one_of(&rank.word()?, "rank", &RANKS));
            self.sources.push(Authority { id, title, short, rank, in_force: days.from, until: days.until });
        }
    }

    pub(super) fn read_facts(&mut self, top: &Table<'_>) {
        for (entry, table) in top.named("fact") {
            table.only(&["type", "values", "default", "about", "ask", "elapsed", "confidence", "note"]);
            let name = self.fact_names.add(self.reader, entry.key, entry.key_span.clone());
            let kind = self.fact_type(&table);
            let about = table.get("about").and_then(|about| {
                let known =
                    [("exporter", About::Exporter), ("importer", About::Importer), ("transfer", About::Transfer)];
                self.one_of(&about.word()?, "subject of a fact", &known)
            });
            let default = table.need("default").and_then(|default| self.default(&default));
            let fact = Fact {
                name,
                kind,
                default: default.clone().unwrap_or(FactValue::Bool(false)),
                about: about.unwrap_or(About::Exporter),
                ask: table.need_text("ask"),
                confidence: self.confidence(&table),
                elapsed: table.get("elapsed").and_then(|elapsed| self.elapsed(&elapsed, &table)),
            };
            if let (Some(Err(problem)), Some(at)) = (default.map(|value| fact.check(&value)), table.get("default")) {
                self.reader.error(at.span(), problem.message);
            }
            self.facts.push(fact);
        }
    }

    /// Which days a number counts.
    fn elapsed(&self, entry: &Entry<'_>, table: &Table<'_>) -> Option<Elapsed> {
        let known = [("days", Elapsed::Days), ("working-days", Elapsed::WorkingDays)];
        let elapsed = self.one_of(&entry.word()?, "kind of days", &known)?;
        if table.text("type").as_deref() != Some("int") {
            self.reader.error(entry.key_span.clone(), "only facts of type \"int\" count days");
        }
        if elapsed == Elapsed::WorkingDays && !self.has_calendar {
            self.reader.error(entry.span(), "working days need a [calendar] in the pack");
        }
        Some(elapsed)
    }

    fn default(&self, entry: &Entry<'_>) -> Option<FactValue> {
        self.fact_values(entry).into_iter().next()
    }

    fn fact_type(&self, table: &Table<'_>) -> FactType {
        let values: Vec<Arc<str>> = table.words("values").into_iter().map(|word| word.text).collect();
        let text = FactType::Text(values);
        let known = [("bool", &FactType::Bool), ("int", &FactType::Int), ("text", &text)];
        let kind = table.need("type").and_then(|entry| Some(self.one_of(&entry.word()?, "type", &known)?.clone()));
        if let (Some(FactType::Bool | FactType::Int), Some(entry)) = (&kind, table.get("values")) {
            self.reader.error(entry.key_span, "only facts of type \"text\" have `values`");
        }
        kind.unwrap_or(text)
    }

    pub(super) fn read_classes(&mut self, top: &Table<'_>) {
        for (entry, table) in top.named("class") {
            table.only(&["title", "categories", "without", "at_least", "row", "note"]);
            let without = self.class_names.bits(self.reader, &table.words("without"));
            let mut rows: Vec<(CategorySet, Days)> = self.class_rows(&table);
            if let Some(categories) = table.get("categories") {
                rows.push((self.categories(&categories.words(), &categories), Days::default()));
            }
            if rows.is_empty() {
                self.reader.error(entry.key_span.clone(), format!("class `{}` has no categories", entry.key));
            }
            let id = self.class_names.add(self.reader, entry.key, entry.key_span.clone());
            let title = table.text("title").unwrap_or_else(|| id.clone());
            let at_least = table.int("at_least").map_or(1, |least| u32::try_from(least).unwrap_or(u32::MAX));
            self.classes.push(Class { id, title, rows, at_least, without });
        }
        self.limit("class", self.class_names.len(), top);
    }

    fn class_rows(&self, table: &Table<'_>) -> Vec<(CategorySet, Days)> {
        let rows = table.get("row").map(|entry| entry.tables()).unwrap_or_default();
        let read = |row: &Table<'_>| {
            row.only(&["categories", "from", "until", "note"]);
            let categories = row.need("categories")?;
            Some((self.categories(&categories.words(), &categories), self.days(row)))
        };
        rows.iter().filter_map(read).collect()
    }

    pub(super) fn read_counters(&mut self, top: &Table<'_>) {
        for (entry, table) in top.named("counter") {
            table.only(&["class", "window", "per", "from", "until", "note"]);
            let classes = self.class_names.bits(self.reader, &table.words("class"));
            if classes == 0 {
                self.reader.error(entry.key_span.clone(), format!("counter `{}` needs a `class`", entry.key));
            }
            let per = table
                .need("per")
                .and_then(|per| self.one_of(&per.word()?, "party", &[("exporter", false), ("importer", true)]));
            let window = table.need("window").and_then(|window| self.window(&window));
            let days = self.days(&table);
            let id = self.counter_names.add(self.reader, entry.key, entry.key_span.clone());
            let titles = self.classes.iter().enumerate().filter(|(index, _)| classes & (1 << index) != 0);
            let titles: Vec<&str> = titles.map(|(_, class)| &*class.title).collect();
            self.counters.push(Counter {
                id,
                title: titles.join(" or ").into(),
                thresholds: Thresholds::default(),
                classes,
                window: window.unwrap_or(Window::Ever),
                per_importer: per.unwrap_or_default(),
                days,
            });
        }
        self.limit("counter", self.counter_names.len(), top);
    }

    fn limit(&self, section: &str, len: usize, top: &Table<'_>) {
        if let Some(entry) = top.get(section).filter(|_| len > MOST) {
            self.reader.error(entry.key_span, format!("a pack has at most {MOST} of `{section}`"));
        }
    }

    fn window(&self, entry: &Entry<'_>) -> Option<Window> {
        let text = entry.text()?;
        let words: Vec<&str> = text.split(' ').collect();
        let window = match words.as_slice() {
            ["calendar-year"] => Some(Window::CalendarYears(1)),
            [years, "calendar-years"] => years.parse().ok().filter(|years| *years > 0).map(Window::CalendarYears),
            ["rolling", months, "months"] => {
                months.parse().ok().filter(|n| (1..=1_200).contains(n)).map(Window::RollingMonths)
            }
            ["rolling", days, "days"] => {
                days.parse().ok().filter(|n| (1..=36_500).contains(n)).map(Window::RollingDays)
            }
            ["ever"] => Some(Window::Ever),
            _ => None,
        };
        if window.is_none() {
            let help = "write \"calendar-year\", \"2 calendar-years\", \"rolling 12 months\", \"rolling 30 days\" or \"ever\"";
            self.reader.advise(entry.span(), format!("`{text}` is not a window"), help);
        }
        window
    }

    pub(super) fn read_lists(&mut self, top: &Table<'_>) {
        for (entry, table) in top.named("list") {
            table.only(&["title", "countries", "cite", "confidence", "note", "row"]);
            let mut rows = Vec::new();
            if table.has("countries") {
                let countries = self.fixed(&table, "countries");
                rows.push(Row { countries, days: Days::default(), when: None, confidence: self.confidence(&table) });
            }
            for row in table.get("row").map(|entry| entry.tables()).unwrap_or_default() {
                row.only(&["countries", "from", "until", "when", "unless", "cite", "confidence", "note"]);
                self.check_cite(&row);
                let conditional = row.has("when") || row.has("unless");
                let when = conditional.then(|| self.when(&row, May::LIST));
                rows.push(Row {
                    countries: self.fixed(&row, "countries"),
                    days: self.days(&row),
                    when,
                    confidence: self.confidence(if row.has("confidence") { &row } else { &table }),
                });
            }
            self.check_cite(&table);
            if rows.iter().any(|row| row.countries.contains(Country::UNKNOWN)) {
                self.reader.error(entry.key_span.clone(), "an unknown place is on no list");
            }
            if rows.is_empty() {
                self.reader.error(entry.key_span.clone(), format!("list `{}` is empty", entry.key));
            }
            table.text("title");
            let id = self.list_names.add(self.reader, entry.key, entry.key_span.clone());
            self.lists.push(List { id, rows, confidence: self.confidence(&table) });
        }
    }

    /// Countries that do not depend on day or case.
    fn fixed(&self, table: &Table<'_>, key: &str) -> Countries {
        let Some(entry) = table.need(key) else { return Countries::default() };
        let mut region = self.region(&entry);
        for list in region.lists.iter().filter_map(|index| self.lists.get(*index)) {
            match list.fixed() {
                Some(countries) => region.countries.extend(&countries),
                None => {
                    let message =
                        format!("`{key}` cannot take a list whose rows depend on the day or on a condition");
                    self.reader.error(entry.span(), message);
                }
            }
        }
        region.countries
    }

    pub(super) fn read_jurisdiction(&self, top: &Table<'_>) -> Vec<Country> {
        match top.get("jurisdiction") {
            Some(_) => self.fixed(top, "jurisdiction").iter().collect(),
            None => Vec::new(),
        }
    }

    pub(super) fn read_scope(&self, top: &Table<'_>) -> Scope {
        let Some(table) = top.get("scope").and_then(|entry| entry.table()) else { return Scope::default() };
        table.only(&["exporter", "exporter_not", "importer", "importer_not", "direction", "when", "unless"]);
        let set = |key: &str| table.has(key).then(|| self.fixed(&table, key));
        let direction = table.get("direction").and_then(|entry| {
            let known = [("request", Direction::Request), ("response", Direction::Response)];
            self.one_of(&entry.word()?, "direction", &known)
        });
        Scope {
            exporter: set("exporter"),
            exporter_not: set("exporter_not"),
            importer: set("importer"),
            importer_not: set("importer_not"),
            direction,
            when: (table.has("when") || table.has("unless")).then(|| self.when(&table, May::SCOPE)),
        }
    }

    pub(super) fn read_zone(&self, top: &Table<'_>) -> jiff::tz::TimeZone {
        let Some(entry) = top.get("time_zone") else { return jiff::tz::TimeZone::UTC };
        let zone = entry.text().and_then(|name| jiff::tz::TimeZone::get(&name).ok());
        if zone.is_none() {
            let help = "write an IANA name such as \"Europe/Brussels\"";
            self.reader.advise(entry.span(), "unknown time zone", help);
        }
        zone.unwrap_or(jiff::tz::TimeZone::UTC)
    }

    pub(super) fn read_terms(&mut self, top: &Table<'_>) {
        for (entry, table) in top.named("term") {
            let condition = Condition::All(self.parts(&table, May::TERM));
            self.terms.add(self.reader, entry.key, entry.key_span.clone());
            self.term_conditions.push(condition);
        }
    }
}
