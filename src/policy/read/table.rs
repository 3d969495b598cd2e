//! A TOML file as tables that know where they stand.
//!
//! Every accessor takes a key, says what is wrong with it at its place in the file, and goes on, so that one run
//! reports all problems. A table is closed with [`Table::only`], which refuses keys nobody asked for.

use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::sync::Arc;

use jiff::civil::Date;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::diagnostic::{Diagnostic, Source, nearest};

/// Collects the problems of one file.
pub(crate) struct Reader<'s> {
    source: &'s Source,
    problems: RefCell<Vec<Diagnostic>>,
    /// Keys that have to be there and are not, with the beginning of their table.
    missing: RefCell<Vec<(usize, String, Diagnostic)>>,
    /// Keys that unknown ones were most likely meant to be, with the beginning of their table.
    meant: RefCell<Vec<(usize, String)>>,
    /// What is being read, by its heading in the documentation.
    topic: Cell<Topic>,
}

/// The headings of docs/rules.md that problems point at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Topic {
    Top,
    Source,
    Calendar,
    List,
    Scope,
    Fact,
    Class,
    Counter,
    Term,
    Need,
    Exemption,
    Rule,
    Condition,
    Scenario,
}

impl Topic {
    /// The page and the heading on it.
    pub(crate) fn docs(self) -> &'static str {
        match self {
            Topic::Top => "docs/rules.md#top",
            Topic::Source => "docs/rules.md#sourcename",
            Topic::Calendar => "docs/rules.md#calendar",
            Topic::List => "docs/rules.md#listname",
            Topic::Scope => "docs/rules.md#scope",
            Topic::Fact => "docs/rules.md#factname",
            Topic::Class => "docs/rules.md#classname",
            Topic::Counter => "docs/rules.md#countername",
            Topic::Term => "docs/rules.md#termname",
            Topic::Need => "docs/rules.md#needname",
            Topic::Exemption => "docs/rules.md#exemptionname",
            Topic::Rule => "docs/rules.md#rule",
            Topic::Condition => "docs/rules.md#conditions",
            Topic::Scenario => "docs/rules.md#scenarios",
        }
    }
}

/// A table of the file.
#[derive(Clone)]
pub(crate) struct Table<'t> {
    reader: &'t Reader<'t>,
    inner: &'t DeTable<'t>,
    /// What problems with the table as a whole point at.
    pub(crate) span: Range<usize>,
}

/// One key and its value.
#[derive(Clone)]
pub(crate) struct Entry<'t> {
    reader: &'t Reader<'t>,
    pub(crate) key: &'t str,
    pub(crate) key_span: Range<usize>,
    value: &'t Spanned<DeValue<'t>>,
}

/// A string and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Word {
    pub(crate) text: Arc<str>,
    pub(crate) span: Range<usize>,
}

impl<'s> Reader<'s> {
    pub(crate) fn new(source: &'s Source) -> Reader<'s> {
        Reader {
            source,
            problems: RefCell::default(),
            missing: RefCell::default(),
            meant: RefCell::default(),
            topic: Cell::new(Topic::Top),
        }
    }

    /// What is read from here on. Returns what was read before.
    pub(crate) fn topic(&self, topic: Topic) -> Topic {
        self.topic.replace(topic)
    }

    /// An error, not yet reported.
    pub(crate) fn problem(&self, span: Range<usize>, message: impl Into<String>) -> Diagnostic {
        self.source.error(span, message)
    }

    /// Reports an error.
    pub(crate) fn error(&self, span: Range<usize>, message: impl Into<String>) {
        self.report(self.source.error(span, message));
    }

    /// Reports an error with the nearest of the known names.
    pub(crate) fn unknown<'a>(
        &self,
        word: (&str, Range<usize>),
        what: &str,
        known: impl Iterator<Item = &'a str> + Clone,
    ) {
        let (given, span) = word;
        let error = self.source.error(span, format!("unknown {what} `{given}`"));
        let near = error.clone().suggest(given, known.clone());
        let listed: Vec<&str> = known.take(12).collect();
        match (near.help.is_some(), listed.is_empty()) {
            (false, false) => self.report(error.help(format!("known here: {}", listed.join(", ")))),
            _ => self.report(near),
        }
    }

    /// Reports an error with advice.
    pub(crate) fn advise(&self, span: Range<usize>, message: impl Into<String>, help: impl Into<String>) {
        self.report(self.source.error(span, message).help(help));
    }

    /// Reports something that is most likely not meant, and hurts nobody.
    pub(crate) fn warn(&self, span: Range<usize>, message: impl Into<String>, help: impl Into<String>) {
        self.report(self.source.warning(span, message).help(help));
    }

    pub(crate) fn report(&self, problem: Diagnostic) {
        self.problems.borrow_mut().push(self.documented(problem));
    }

    fn documented(&self, problem: Diagnostic) -> Diagnostic {
        Diagnostic { docs: Some(self.topic.get().docs()), ..problem }
    }

    /// How many errors so far.
    pub(crate) fn count(&self) -> usize {
        self.problems.borrow().iter().filter(|problem| problem.is_error()).count() + self.missing.borrow().len()
    }

    /// All problems in the order of the file. A key that is there, only misspelt, is not missing as well.
    pub(crate) fn into_problems(self) -> Vec<Diagnostic> {
        let mut problems = self.problems.into_inner();
        let meant = self.meant.into_inner();
        let missing = self.missing.into_inner().into_iter();
        let misspelt = |table: usize, key: &str| meant.iter().any(|(at, word)| *at == table && word == key);
        problems.extend(missing.filter(|(table, key, _)| !misspelt(*table, key)).map(|(_, _, problem)| problem));
        problems.sort_by_key(|problem| (problem.line, problem.column));
        problems
    }
}

impl<'t> Table<'t> {
    /// The top of a file.
    pub(crate) fn top(reader: &'t Reader<'t>, inner: &'t DeTable<'t>) -> Table<'t> {
        Table { reader, inner, span: 0..0 }
    }

    pub(crate) fn reader(&self) -> &'t Reader<'t> {
        self.reader
    }

    /// All keys in the order of the file.
    pub(crate) fn entries(&self) -> Vec<Entry<'t>> {
        let mut all: Vec<Entry<'t>> = self
            .inner
            .iter()
            .map(|(key, value)| Entry {
                reader: self.reader,
                key: key.get_ref().as_ref(),
                key_span: key.span(),
                value,
            })
            .collect();
        all.sort_by_key(|entry| entry.key_span.start);
        all
    }

    pub(crate) fn get(&self, key: &str) -> Option<Entry<'t>> {
        let (key, value) = self.inner.iter().find(|(known, _)| known.get_ref().as_ref() == key)?;
        Some(Entry { reader: self.reader, key: key.get_ref().as_ref(), key_span: key.span(), value })
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// A key that has to be there.
    pub(crate) fn need(&self, key: &str) -> Option<Entry<'t>> {
        let entry = self.get(key);
        if entry.is_none() {
            self.missing(key, self.reader.problem(self.span.clone(), format!("missing key `{key}`")));
        }
        entry
    }

    /// Reports with `problem` that `key` has to be here and is not.
    pub(crate) fn missing(&self, key: &str, problem: Diagnostic) {
        let problem = self.reader.documented(problem);
        self.reader.missing.borrow_mut().push((self.span.start, key.to_owned(), problem));
    }

    /// Refuses keys that are not among `known`.
    pub(crate) fn only(&self, known: &[&str]) {
        for entry in self.entries().iter().filter(|entry| !known.contains(&entry.key)) {
            self.reader.unknown((entry.key, entry.key_span.clone()), "key", known.iter().copied());
            if let Some(meant) = nearest(entry.key, known.iter().copied()) {
                self.reader.meant.borrow_mut().push((self.span.start, meant.to_owned()));
            }
        }
    }

    pub(crate) fn text(&self, key: &str) -> Option<Arc<str>> {
        self.get(key)?.text()
    }

    pub(crate) fn need_text(&self, key: &str) -> Arc<str> {
        self.need(key).and_then(|entry| entry.text()).unwrap_or_else(|| "".into())
    }

    pub(crate) fn date(&self, key: &str) -> Option<Date> {
        self.get(key)?.date()
    }

    pub(crate) fn int(&self, key: &str) -> Option<i64> {
        self.get(key)?.int()
    }

    pub(crate) fn bool(&self, key: &str) -> Option<bool> {
        self.get(key)?.bool()
    }

    /// The words of a key, none when it is absent.
    pub(crate) fn words(&self, key: &str) -> Vec<Word> {
        self.get(key).map(|entry| entry.words()).unwrap_or_default()
    }

    /// The named tables below a key: `[fact.name]`.
    pub(crate) fn named(&self, key: &str) -> Vec<(Entry<'t>, Table<'t>)> {
        let inside = self.get(key).and_then(|entry| entry.table()).map(|table| table.entries()).unwrap_or_default();
        inside.into_iter().filter_map(|entry| Some((entry.clone(), entry.table()?))).collect()
    }
}

impl<'t> Entry<'t> {
    pub(crate) fn reader(&self) -> &'t Reader<'t> {
        self.reader
    }

    pub(crate) fn value(&self) -> &'t DeValue<'t> {
        self.value.get_ref()
    }

    /// Where the value stands; the key where the parser gives the value no place of its own.
    pub(crate) fn span(&self) -> Range<usize> {
        match self.value.get_ref() {
            DeValue::Table(_) => self.key_span.clone(),
            _ => self.value.span(),
        }
    }

    fn expect<T>(&self, found: Option<T>, what: &str) -> Option<T> {
        if found.is_none() {
            let given = self.value.get_ref().type_str();
            self.reader.error(self.span(), format!("`{}` takes {what}, not {given}", self.key));
        }
        found
    }

    pub(crate) fn text(&self) -> Option<Arc<str>> {
        let text = self.expect(self.value.get_ref().as_str(), "a string")?;
        if text.trim().is_empty() {
            self.reader.error(self.span(), format!("`{}` is empty", self.key));
        }
        Some(text.into())
    }

    pub(crate) fn int(&self) -> Option<i64> {
        let number = self.value.get_ref().as_integer();
        let number = number.and_then(|number| i64::from_str_radix(number.as_str(), number.radix()).ok());
        self.expect(number, "a whole number")
    }

    pub(crate) fn bool(&self) -> Option<bool> {
        self.expect(self.value.get_ref().as_bool(), "true or false")
    }

    pub(crate) fn date(&self) -> Option<Date> {
        self.expect(as_date(self.value.get_ref()), "a date such as 2026-11-24")
    }

    /// Exactly one string.
    pub(crate) fn word(&self) -> Option<Word> {
        let text = self.text()?;
        Some(Word { text, span: self.span() })
    }

    /// A string, or a list of strings.
    pub(crate) fn words(&self) -> Vec<Word> {
        let word = |text: &str, span| Word { text: text.into(), span };
        match self.value.get_ref() {
            DeValue::String(text) => vec![word(text, self.span())],
            DeValue::Array(items) if items.iter().all(|item| item.get_ref().is_str()) => {
                items.iter().filter_map(|item| Some(word(item.get_ref().as_str()?, item.span()))).collect()
            }
            _ => self.expect(None, "a string or a list of strings").unwrap_or_default(),
        }
    }

    /// Dates in a list.
    pub(crate) fn dates(&self) -> Vec<Date> {
        let items = self.expect(self.value.get_ref().as_array(), "a list of dates");
        items.into_iter().flat_map(|items| items.iter().filter_map(|item| as_date(item.get_ref()))).collect()
    }

    pub(crate) fn table(&self) -> Option<Table<'t>> {
        let inner = self.expect(self.value.get_ref().as_table(), "a table")?;
        Some(Table { reader: self.reader, inner, span: self.key_span.clone() })
    }

    /// A list of tables: `[[rule]]`, or `[{ … }, { … }]`.
    pub(crate) fn tables(&self) -> Vec<Table<'t>> {
        let items = self.expect(self.value.get_ref().as_array(), "a list of tables");
        let mut tables = Vec::new();
        for item in items.into_iter().flat_map(|items| items.iter()) {
            match item.get_ref().as_table() {
                Some(inner) => {
                    tables.push(Table { reader: self.reader, inner, span: first_line(item.span(), inner) })
                }
                None => self.reader.error(item.span(), format!("`{}` takes a list of tables", self.key)),
            }
        }
        tables
    }
}

/// Points at the header of a table, or at its first key where the parser gives the table no place.
fn first_line(span: Range<usize>, inner: &DeTable<'_>) -> Range<usize> {
    let first = inner.iter().map(|(key, _)| key.span()).min_by_key(|span| span.start);
    if span.is_empty() { first.unwrap_or(span) } else { span }
}

fn as_date(value: &DeValue<'_>) -> Option<Date> {
    let stamp = value.as_datetime().filter(|stamp| stamp.time.is_none())?;
    let date = stamp.date?;
    Date::new(i16::try_from(date.year).ok()?, i8::try_from(date.month).ok()?, i8::try_from(date.day).ok()?).ok()
}
