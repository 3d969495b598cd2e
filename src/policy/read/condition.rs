//! Conditions as a pack writes them. The keys of one table all have to hold; `any`, `all` and `not` combine tables.

use toml::de::DeValue;

use super::PackReader;
use super::table::{Entry, Table, Topic};
use crate::policy::condition::{Answer, Bounds, Condition};
use crate::policy::fact::{FactType, FactValue};
use crate::policy::region::{Days, Region};
use crate::transfer::{Basis, Category, CategorySet, Country, Direction, HostPattern};

/// What a condition may ask where it stands.
#[derive(Clone, Copy)]
pub(super) struct May {
    content: bool,
    counters: bool,
    held: bool,
    place: &'static str,
}

impl May {
    pub(super) const RULE: May = May { content: true, counters: true, held: true, place: "a rule" };
    pub(super) const EXEMPTION: May = May { content: true, counters: false, held: true, place: "an exemption" };
    pub(super) const NEED: May = May { content: true, counters: false, held: true, place: "a need" };
    pub(super) const TERM: May = May { content: true, counters: true, held: false, place: "a term" };
    pub(super) const LIST: May = May { content: false, counters: false, held: false, place: "a list" };
    pub(super) const SCOPE: May = May { content: false, counters: false, held: false, place: "the scope" };
}

/// Every key a condition knows.
const KEYS: [&str; 20] = [
    "all",
    "any",
    "not",
    "is",
    "fact",
    "counter",
    "counted",
    "people",
    "data",
    "exporter",
    "importer",
    "operator",
    "foreign",
    "importer_basis",
    "importer_host",
    "direction",
    "application",
    "day",
    "held",
    "carries",
];

const BASES: [(&str, Basis); 10] = [
    ("declared", Basis::Declared),
    ("application", Basis::Application),
    ("listener", Basis::Listener),
    ("exporter", Basis::Exporter),
    ("host-pattern", Basis::HostPattern),
    ("host-table", Basis::HostTable),
    ("provider-range", Basis::ProviderRange),
    ("address-database", Basis::AddressDatabase),
    ("registration", Basis::Registration),
    ("unknown", Basis::Unknown),
];

impl PackReader<'_> {
    /// The condition under `when`, without what `unless` says.
    pub(super) fn when(&self, table: &Table<'_>, may: May) -> Condition {
        let mut parts = Vec::new();
        if let Some(when) = table.get("when").and_then(|entry| entry.table()) {
            parts.extend(self.parts(&when, may));
        }
        if let Some(unless) = table.get("unless") {
            parts.extend(self.negation(&unless, may));
        }
        Condition::All(parts)
    }

    /// A condition under some key, if it is there.
    pub(super) fn condition(&self, table: &Table<'_>, key: &str, may: May) -> Option<Condition> {
        let inner = table.get(key)?.table()?;
        Some(Condition::All(self.parts(&inner, may)))
    }

    /// What each key of a table asks.
    pub(super) fn parts(&self, table: &Table<'_>, may: May) -> Vec<Condition> {
        let entries = table.entries();
        let before = self.reader.topic(Topic::Condition);
        if entries.is_empty() {
            self.reader.error(table.span.clone(), "this condition asks nothing");
        }
        let parts = entries.iter().flat_map(|entry| self.part(entry, may)).collect();
        self.reader.topic(before);
        parts
    }

    fn part(&self, entry: &Entry<'_>, may: May) -> Vec<Condition> {
        self.refuse(entry, may);
        let one = |condition: Option<Condition>| condition.into_iter().collect();
        match entry.key {
            "all" => vec![Condition::All(self.branches(entry, may))],
            "any" => vec![Condition::Any(self.branches(entry, may))],
            "not" => one(self.negation(entry, may)),
            "is" => self.terms_named(entry),
            "fact" => self.facts_asked(entry),
            "counter" => self.counters_asked(entry, 1, Condition::Counter),
            "counted" => self.counters_asked(entry, 0, Condition::Counted),
            "people" => one(self.people(entry)),
            "carries" => self.crowds(entry),
            "data" => vec![Condition::Data(self.categories(&entry.words(), entry))],
            "exporter" => vec![Condition::Exporter(self.region(entry))],
            "importer" => vec![Condition::Importer(self.region(entry))],
            "operator" => vec![Condition::Operator(self.region(entry))],
            "foreign" => one(entry.bool().map(Condition::Foreign)),
            "held" => {
                let words = entry.words();
                let found =
                    words.iter().filter_map(|word| self.needs.find(self.reader, &word.text, word.span.clone()));
                vec![Condition::Held(found.collect())]
            }
            "day" => one(entry.table().map(|table| Condition::Day(self.days(&table)))),
            _ => one(self.about_message(entry)),
        }
    }

    fn about_message(&self, entry: &Entry<'_>) -> Option<Condition> {
        match entry.key {
            "importer_basis" => {
                let words = entry.words();
                Some(Condition::ImporterBasis(
                    words.iter().filter_map(|word| self.one_of(word, "basis", &BASES)).collect(),
                ))
            }
            "importer_host" => Some(Condition::ImporterHost(self.hosts(entry))),
            "direction" => {
                let known = [("request", Direction::Request), ("response", Direction::Response)];
                self.one_of(&entry.word()?, "direction", &known).map(Condition::Direction)
            }
            "application" => Some(Condition::Application(entry.words().into_iter().map(|word| word.text).collect())),
            unknown => {
                self.reader.unknown((unknown, entry.key_span.clone()), "condition", KEYS.into_iter());
                None
            }
        }
    }

    /// Keeps conditions where they can be answered.
    fn refuse(&self, entry: &Entry<'_>, may: May) {
        let reason = match entry.key {
            "people" | "data" | "carries" if !may.content => "what the content is",
            "counter" | "counted" if !may.counters => "a counter: whether people count must not depend on the count",
            "held" if !may.held => "what is held",
            _ => return,
        };
        self.reader.error(entry.key_span.clone(), format!("{} cannot depend on {reason}", may.place));
    }

    fn branches(&self, entry: &Entry<'_>, may: May) -> Vec<Condition> {
        let tables = entry.tables();
        if tables.is_empty() {
            self.reader.error(entry.span(), format!("`{}` lists no conditions", entry.key));
        }
        tables.iter().map(|table| Condition::All(self.parts(table, may))).collect()
    }

    /// `not` and `unless`. With several conditions in them readers disagree on what is meant, so they must say.
    fn negation(&self, entry: &Entry<'_>, may: May) -> Option<Condition> {
        let table = entry.table()?;
        let mut parts = self.parts(&table, may);
        if parts.len() > 1 {
            let message = format!("`{}` with several conditions can be read in two ways", entry.key);
            let help = "write `any = [...]` inside it for \"none of them\", or `all = [...]` for \"not all of them\"";
            self.reader.advise(entry.key_span.clone(), message, help);
        }
        parts.pop().map(|part| Condition::Not(Box::new(part)))
    }

    fn terms_named(&self, entry: &Entry<'_>) -> Vec<Condition> {
        let words = entry.words();
        let found = words.iter().filter_map(|word| self.terms.find(self.reader, &word.text, word.span.clone()));
        found.filter_map(|index| self.term_conditions.get(index).cloned()).collect()
    }

    fn facts_asked(&self, entry: &Entry<'_>) -> Vec<Condition> {
        let asked = entry.table().map(|table| table.entries()).unwrap_or_default();
        asked.iter().filter_map(|fact| self.fact_asked(fact)).collect()
    }

    fn fact_asked(&self, entry: &Entry<'_>) -> Option<Condition> {
        let index = self.fact_names.find(self.reader, entry.key, entry.key_span.clone())?;
        let fact = self.facts.get(index)?;
        if let DeValue::Table(_) = entry.value() {
            if fact.kind != FactType::Int {
                self.reader.error(entry.key_span.clone(), format!("fact `{}` is not a number", fact.name));
            }
            return Some(Condition::Fact(index, Answer::Within(self.bounds(entry, i64::MIN)?)));
        }
        let values = self.fact_values(entry);
        for value in &values {
            if let Err(error) = fact.check(value) {
                match error.help {
                    Some(help) => self.reader.advise(entry.span(), error.message, help),
                    None => self.reader.error(entry.span(), error.message),
                }
            }
        }
        Some(Condition::Fact(index, Answer::OneOf(values)))
    }

    /// A value, or a list of words any of which will do.
    pub(super) fn fact_values(&self, entry: &Entry<'_>) -> Vec<FactValue> {
        match entry.value() {
            DeValue::Boolean(value) => vec![FactValue::Bool(*value)],
            DeValue::Integer(_) => entry.int().map(FactValue::Int).into_iter().collect(),
            _ => entry.words().into_iter().map(|word| FactValue::Text(word.text)).collect(),
        }
    }

    fn counters_asked(&self, entry: &Entry<'_>, least: i64, ask: fn(usize, Bounds) -> Condition) -> Vec<Condition> {
        let asked = entry.table().map(|table| table.entries()).unwrap_or_default();
        let read = |counter: &Entry<'_>| {
            let index = self.counter_names.find(self.reader, counter.key, counter.key_span.clone())?;
            Some(ask(index, self.bounds(counter, least)?))
        };
        asked.iter().filter_map(read).collect()
    }

    fn people(&self, entry: &Entry<'_>) -> Option<Condition> {
        let words = entry.words();
        if words.is_empty() {
            self.reader.error(entry.span(), "`people` names no class");
        }
        Some(Condition::People(self.class_names.bits(self.reader, &words)))
    }

    /// `carries.plain = { more_than = 50 }`: people in this one transfer.
    fn crowds(&self, entry: &Entry<'_>) -> Vec<Condition> {
        let asked = entry.table().map(|table| table.entries()).unwrap_or_default();
        let read = |class: &Entry<'_>| {
            let index = self.class_names.find(self.reader, class.key, class.key_span.clone())?;
            Some(Condition::Crowd(1u32.checked_shl(u32::try_from(index).ok()?)?, self.bounds(class, 1)?))
        };
        asked.iter().filter_map(read).collect()
    }

    /// Bounds in the statute's own words. `least` is the smallest number that can occur.
    fn bounds(&self, entry: &Entry<'_>, least: i64) -> Option<Bounds> {
        let table = entry.table()?;
        table.only(&["at_least", "more_than", "less_than", "at_most"]);
        let (at_least, more_than) = (table.int("at_least"), table.int("more_than"));
        let (less_than, at_most) = (table.int("less_than"), table.int("at_most"));
        if at_least.is_some() && more_than.is_some() || less_than.is_some() && at_most.is_some() {
            self.reader.error(entry.key_span.clone(), format!("`{}` has two bounds on one side", entry.key));
        }
        let bounds = Bounds {
            min: at_least.or_else(|| Some(more_than?.saturating_add(1))),
            max: at_most.or_else(|| Some(less_than?.saturating_sub(1))),
            written: at_least.or(more_than),
        };
        if bounds.min.is_none() && bounds.max.is_none() {
            let help = "write at_least, more_than, less_than or at_most";
            self.reader.advise(entry.key_span.clone(), format!("`{}` has no bound", entry.key), help);
        }
        if bounds.max.is_some_and(|max| bounds.min.unwrap_or(least).max(least) > max) {
            self.reader.error(entry.key_span.clone(), format!("no number is within the bounds of `{}`", entry.key));
        }
        Some(bounds)
    }

    /// Categories with everything they contain; `x only` is the category without its children.
    pub(super) fn categories(&self, words: &[super::table::Word], entry: &Entry<'_>) -> CategorySet {
        let mut all = CategorySet::default();
        for word in words {
            let (path, alone) = match word.text.strip_suffix(" only") {
                Some(path) => (path, true),
                None => (&*word.text, false),
            };
            match Category::parse(path) {
                Ok(category) if alone => all.insert(category),
                Ok(category) => all = all.union(category.subtree()),
                Err(unknown) => self.unknown_category(&unknown.given, word.span.clone()),
            }
        }
        if words.is_empty() {
            self.reader.error(entry.span(), format!("`{}` names no category", entry.key));
        }
        all
    }

    /// Of a path whose beginning is known the kinds below that are listed: one of them may be meant.
    fn unknown_category(&self, given: &str, span: std::ops::Range<usize>) {
        let known: Vec<&str> = Category::all().map(Category::as_str).collect();
        let above = given.rsplit_once('.').and_then(|(above, _)| Category::parse(above).ok());
        let near = crate::diagnostic::nearest(given, known.iter().copied());
        match above.filter(|_| near.is_none()) {
            Some(above) => {
                let below: Vec<&str> = above.subtree().iter().map(Category::as_str).collect();
                let message = format!("unknown category `{given}`");
                self.reader.advise(span, message, format!("`{above}` has these: {}", below.join(", ")));
            }
            None => self.reader.unknown((given, span), "category", known.into_iter()),
        }
    }

    /// Codes of countries and names of lists.
    pub(super) fn region(&self, entry: &Entry<'_>) -> Region {
        let mut region = Region::default();
        let words = entry.words();
        for word in &words {
            if word.text.bytes().any(|byte| byte.is_ascii_uppercase()) {
                match Country::parse(&word.text) {
                    Ok(country) => region.countries.insert(country),
                    Err(unknown) => self.unknown_country(word, unknown.to_string()),
                }
            } else if let Ok(country) = Country::parse(&word.text.to_ascii_uppercase())
                && !self.list_names.has(&word.text)
            {
                self.reader.advise(word.span.clone(), format!("unknown list `{}`", word.text), meant(country));
            } else if let Some(index) = self.list_names.find(self.reader, &word.text, word.span.clone()) {
                let list = self.lists.get(index);
                match list.filter(|list| list.is_settled()).and_then(crate::policy::region::List::fixed) {
                    Some(countries) => region.countries.extend(&countries),
                    None => region.lists.push(index),
                }
            }
        }
        if words.is_empty() {
            self.reader.error(entry.span(), format!("`{}` names no country", entry.key));
        }
        region
    }

    /// Somebody who writes a name is told its code.
    fn unknown_country(&self, word: &super::table::Word, message: String) {
        let all = Country::all();
        let near = crate::diagnostic::nearest(&word.text, all.iter().map(|country| country.name()));
        match all.iter().find(|country| Some(country.name()) == near) {
            Some(country) => self.reader.advise(word.span.clone(), message, meant(*country)),
            None => self.reader.error(word.span.clone(), message),
        }
    }

    pub(super) fn hosts(&self, entry: &Entry<'_>) -> Vec<HostPattern> {
        let mut hosts = Vec::new();
        for word in entry.words() {
            match HostPattern::parse(&word.text) {
                Ok(host) => hosts.push(host),
                Err(problem) => self.reader.error(word.span, problem),
            }
        }
        hosts
    }

    /// `from` and `until` of a table.
    pub(super) fn days(&self, table: &Table<'_>) -> Days {
        self.days_of(table, "from", "until")
    }

    pub(super) fn days_of(&self, table: &Table<'_>, from: &str, until: &str) -> Days {
        let days = Days { from: table.date(from), until: table.date(until) };
        if days.from.zip(days.until).is_some_and(|(first, last)| last < first) {
            self.reader.error(table.span.clone(), format!("`{until}` lies before `{from}`"));
        }
        days
    }

    /// The value a word stands for.
    pub(super) fn one_of<T: Copy>(&self, word: &super::table::Word, what: &str, known: &[(&str, T)]) -> Option<T> {
        let found = known.iter().find(|(name, _)| **name == *word.text).map(|(_, value)| *value);
        if found.is_none() {
            self.reader.unknown((&word.text, word.span.clone()), what, known.iter().map(|(name, _)| *name));
        }
        found
    }
}

fn meant(country: Country) -> String {
    format!("did you mean `{country}` ({})?", country.name())
}
