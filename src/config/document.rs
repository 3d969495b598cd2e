//! A TOML file as sections that know where they stand and what they were asked.
//!
//! Reading goes on after a mistake, so that one start shows all of them. A section remembers every key somebody asked
//! for; when it is finished, any other key in the file is an error. So there is no second list of keys to keep right.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::diagnostic::{Diagnostic, Severity, Source};

/// Collects the problems of one file.
pub(super) struct Document<'s> {
    source: &'s Source,
    problems: RefCell<Vec<Diagnostic>>,
}

/// One table of the file, or its absence.
pub(super) struct Section<'d> {
    document: &'d Document<'d>,
    /// As the reader knows it: `[limits]`. Empty for the top of the file.
    name: &'d str,
    table: Option<&'d DeTable<'d>>,
    span: Range<usize>,
    asked: RefCell<Vec<&'d str>>,
}

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) span: Range<usize>,
}

/// Why a value is not what its key takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wrong {
    /// Another kind of value is expected, such as "a string".
    Kind(&'static str),
    /// The kind is right.
    Value {
        /// What is wrong.
        message: String,
        /// What to do.
        help: Option<String>,
    },
}

/// Turns a value into what it means.
pub(super) type Parse<T> = fn(&DeValue<'_>) -> Result<T, Wrong>;

impl Wrong {
    pub(super) fn value(message: impl Into<String>) -> Wrong {
        Wrong::Value { message: message.into(), help: None }
    }

    pub(super) fn help(self, advice: impl Into<String>) -> Wrong {
        match self {
            Wrong::Value { message, help: None } => Wrong::Value { message, help: Some(advice.into()) },
            wrong => wrong,
        }
    }
}

impl<'s> Document<'s> {
    pub(super) fn new(source: &'s Source) -> Document<'s> {
        Document { source, problems: RefCell::default() }
    }

    /// The file as the reader knows it.
    pub(super) fn name(&self) -> &str {
        &self.source.name
    }

    /// What the parser complains about, all of it.
    pub(super) fn syntax(&self, errors: &[toml::de::Error]) {
        errors.iter().for_each(|error| self.report(self.source.toml_error(error)));
    }

    /// The file as one section.
    pub(super) fn top<'d>(&'d self, table: &'d DeTable<'d>) -> Section<'d> {
        Section { document: self, name: "", table: Some(table), span: 0..0, asked: RefCell::default() }
    }

    pub(super) fn report(&self, problem: Diagnostic) {
        self.problems.borrow_mut().push(problem);
    }

    pub(super) fn error(&self, span: &Range<usize>, message: impl Into<String>) {
        self.report(self.source.error(span.clone(), message));
    }

    pub(super) fn advise(&self, span: &Range<usize>, message: impl Into<String>, help: impl Into<String>) {
        self.report(self.source.error(span.clone(), message).help(help));
    }

    pub(super) fn warn(&self, span: &Range<usize>, message: impl Into<String>, help: impl Into<String>) {
        self.report(self.source.warning(span.clone(), message).help(help));
    }

    /// Reports a name that is not among the known ones.
    pub(super) fn unknown(&self, what: &str, given: &str, span: &Range<usize>, known: &[&str]) {
        self.unknown_in(what, "", given, span, known);
    }

    fn unknown_in(&self, what: &str, place: &str, given: &str, span: &Range<usize>, known: &[&str]) {
        let error = self.source.error(span.clone(), format!("unknown {what} `{given}`{place}"));
        let near = error.clone().suggest(given, known.iter().copied());
        if near.help.is_some() || known.is_empty() {
            return self.report(near);
        }
        let mut listed = known.to_vec();
        listed.sort_unstable();
        listed.dedup();
        self.report(error.help(format!("known here: {}", listed.join(", "))));
    }

    fn wrong(&self, key: &str, span: &Range<usize>, value: &DeValue<'_>, wrong: Wrong) {
        match wrong {
            Wrong::Kind(expected) => {
                self.error(span, format!("`{key}` takes {expected}, not {}", kind_of(value)));
            }
            Wrong::Value { message, help: None } => self.error(span, message),
            Wrong::Value { message, help: Some(help) } => self.advise(span, message, help),
        }
    }

    /// How many problems there are so far.
    pub(super) fn count(&self) -> usize {
        self.problems.borrow().len()
    }

    /// Errors and warnings, in the order of the file.
    pub(super) fn into_problems(self) -> (Vec<Diagnostic>, Vec<Diagnostic>) {
        let mut problems = self.problems.into_inner();
        problems.sort_by_key(|problem| (problem.line, problem.column));
        problems.into_iter().partition(|problem| problem.severity == Severity::Error)
    }
}

fn kind_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

impl<'d> Section<'d> {
    pub(super) fn document(&self) -> &'d Document<'d> {
        self.document
    }

    /// Whether the file has this section.
    pub(super) fn is_there(&self) -> bool {
        self.table.is_some()
    }

    /// What problems with the section as a whole point at.
    pub(super) fn span(&self) -> &Range<usize> {
        &self.span
    }

    fn find(&self, key: &'d str) -> Option<(Range<usize>, &'d Spanned<DeValue<'d>>)> {
        self.asked.borrow_mut().push(key);
        let (name, value) = self.table?.iter().find(|(name, _)| name.get_ref() == key)?;
        Some((name.span(), value))
    }

    /// Where a key stands, if it is there.
    pub(super) fn key(&self, key: &'d str) -> Option<Range<usize>> {
        self.find(key).map(|(span, _)| span)
    }

    /// One value.
    pub(super) fn at<T>(&self, key: &'d str, parse: Parse<T>) -> Option<At<T>> {
        let (_, value) = self.find(key)?;
        self.parse(key, value, parse)
    }

    /// One value, where its place does not matter.
    pub(super) fn get<T>(&self, key: &'d str, parse: Parse<T>) -> Option<T> {
        self.at(key, parse).map(|at| at.value)
    }

    /// A value that has to be there.
    pub(super) fn need<T>(&self, key: &'d str, parse: Parse<T>) -> Option<At<T>> {
        if self.key(key).is_none() {
            self.document.error(&self.span, format!("{} needs `{key}`", self.name));
        }
        self.at(key, parse)
    }

    /// Several values: a list, or one value alone.
    pub(super) fn list<T>(&self, key: &'d str, parse: Parse<T>) -> Vec<At<T>> {
        let Some((_, value)) = self.find(key) else { return Vec::new() };
        match value.get_ref() {
            DeValue::Array(items) => items.iter().filter_map(|item| self.parse(key, item, parse)).collect(),
            _ => self.parse(key, value, parse).into_iter().collect(),
        }
    }

    /// Several values, where their places do not matter.
    pub(super) fn all<T>(&self, key: &'d str, parse: Parse<T>) -> Vec<T> {
        self.list(key, parse).into_iter().map(|at| at.value).collect()
    }

    /// One of the words of a list, by what it means.
    pub(super) fn word<T: Copy>(&self, key: &'d str, words: &[(&str, T)]) -> Option<T> {
        let given = self.at(key, super::value::text)?;
        let known = words.iter().find(|(word, _)| *word == given.value);
        if known.is_none() {
            let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.document.unknown_in("value", &format!(" of `{key}`"), &given.value, &given.span, &names);
        }
        known.map(|(_, meaning)| *meaning)
    }

    fn parse<T>(&self, key: &str, value: &Spanned<DeValue<'_>>, parse: Parse<T>) -> Option<At<T>> {
        let span = value.span();
        match parse(value.get_ref()) {
            Ok(value) => Some(At { value, span }),
            Err(wrong) => {
                self.document.wrong(key, &span, value.get_ref(), wrong);
                None
            }
        }
    }

    /// A table below this one; empty when it is not there.
    pub(super) fn section(&self, key: &'d str, name: &'d str) -> Section<'d> {
        let found = self.find(key);
        let table = found.as_ref().and_then(|(_, value)| value.get_ref().as_table());
        if let (Some((span, value)), None) = (&found, table) {
            self.document.error(span, format!("`{key}` is a table: write {name}, not {}", kind_of(value.get_ref())));
        }
        let span = found.map_or(0..0, |(span, _)| span);
        Section { document: self.document, name, table, span, asked: RefCell::default() }
    }

    /// A list of tables: `[[listener]]`.
    pub(super) fn sections(&self, key: &'d str, name: &'d str) -> Vec<Section<'d>> {
        let Some((span, value)) = self.find(key) else { return Vec::new() };
        let DeValue::Array(items) = value.get_ref() else {
            self.document.error(&span, format!("`{key}` is a list of tables: write {name}"));
            return Vec::new();
        };
        let mut sections = Vec::new();
        for item in items.iter() {
            match item.get_ref().as_table() {
                Some(table) => {
                    let span = heading(item.span(), table, &span);
                    sections.push(Section {
                        document: self.document,
                        name,
                        table: Some(table),
                        span,
                        asked: RefCell::default(),
                    });
                }
                None => self.document.error(&item.span(), format!("`{key}` is a list of tables: write {name}")),
            }
        }
        sections
    }

    /// Every key with its value, for tables whose keys the operator chooses.
    pub(super) fn entries<T>(&self, parse: Parse<T>) -> Vec<(At<&'d str>, At<T>)> {
        let mut entries = Vec::new();
        for (name, value) in self.table.into_iter().flatten() {
            let key = At { value: name.get_ref().as_ref(), span: name.span() };
            self.asked.borrow_mut().push(key.value);
            if let Some(value) = self.parse(key.value, value, parse) {
                entries.push((key, value));
            }
        }
        entries
    }

    /// The keys of a list that are there, for particulars whose names the packs choose.
    pub(super) fn chosen(&self, keys: &[&'d str]) -> BTreeMap<String, String> {
        let present =
            keys.iter().filter_map(|key| Some(((*key).to_owned(), self.get(key, super::value::particular)?)));
        present.collect()
    }

    /// Takes all keys as asked for, where nothing can be said about them.
    pub(super) fn accept_all(&self) {
        let names = self.table.into_iter().flatten().map(|(name, _)| name.get_ref().as_ref());
        self.asked.borrow_mut().extend(names);
    }

    /// Refuses every key nobody asked for.
    pub(super) fn finish(self) {
        let mut known = self.asked.into_inner();
        known.sort_unstable();
        known.dedup();
        for (name, _) in self.table.into_iter().flatten() {
            let given = name.get_ref().as_ref();
            if !known.contains(&given) {
                let place = if self.name.is_empty() { String::new() } else { format!(" in {}", self.name) };
                self.document.unknown_in("key", &place, given, &name.span(), &known);
            }
        }
    }
}

/// The place of a table in a list: its header where the parser gives it one, else its first key.
fn heading(span: Range<usize>, table: &DeTable<'_>, list: &Range<usize>) -> Range<usize> {
    let first = table.iter().map(|(key, _)| key.span()).min_by_key(|span| span.start);
    if span.is_empty() { first.unwrap_or_else(|| list.clone()) } else { span }
}
