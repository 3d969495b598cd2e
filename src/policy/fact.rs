//! Facts: what the organisation answers when a pack asks about itself, a recipient or a transfer.
//!
//! Content is found by detectors; everything else a statute turns on (status, purpose, approvals) is a fact. A fact
//! nobody has answered has the default its pack gives it, and packs choose defaults that do not make a transfer easier.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::pack::Confidence;
pub use crate::transfer::FactValue;

/// Answers by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FactSet(BTreeMap<Arc<str>, FactValue>);

/// What kind of answer a fact takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", tag = "type", content = "values")]
pub enum FactType {
    /// Yes or no.
    Bool,
    /// A number.
    Int,
    /// One of these words; any word when the list is empty.
    Text(Vec<Arc<str>>),
}

/// Whom a fact is about, which says where its answer belongs in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum About {
    /// The organisation: `[exporter.facts]`.
    Exporter,
    /// A recipient: `facts` of an `[[importer]]`.
    Importer,
    /// What an application sends: `facts` of an `[[application]]`.
    Transfer,
}

/// A question a pack asks.
#[derive(Debug, Clone, Serialize)]
pub struct Fact {
    /// Its name, one for all packs that ask it.
    pub name: Arc<str>,
    /// What kind of answer it takes.
    #[serde(flatten)]
    pub kind: FactType,
    /// The value while nobody has answered.
    pub default: FactValue,
    /// Whom it is about.
    pub about: About,
    /// The question in plain words.
    pub ask: Arc<str>,
    /// How sure it is that the law asks this.
    pub confidence: Confidence,
    /// Of a number that is days gone by: which days. It may be answered with the day it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub elapsed: Option<Elapsed>,
}

/// Days that are counted since something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Elapsed {
    /// Every day.
    Days,
    /// Those worked by the calendar of the pack.
    WorkingDays,
}

/// Why an answer cannot be one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactError {
    /// What is wrong.
    pub message: String,
    /// What was probably meant.
    pub help: Option<String>,
}

impl From<BTreeMap<Arc<str>, FactValue>> for FactSet {
    fn from(answers: BTreeMap<Arc<str>, FactValue>) -> FactSet {
        FactSet(answers)
    }
}

impl FactError {
    /// Whether it says what was probably meant.
    pub(super) fn means_something(&self) -> bool {
        self.help.as_ref().is_some_and(|help| help.starts_with("did you mean"))
    }
}

impl FactSet {
    /// The answer to a question, if it was given.
    pub fn get(&self, name: &str) -> Option<&FactValue> {
        self.0.get(name)
    }

    /// Gives an answer; an earlier one is replaced.
    pub fn insert(&mut self, name: impl Into<Arc<str>>, value: FactValue) {
        self.0.insert(name.into(), value);
    }

    /// Takes over all answers of `other`; where both answer, `other` wins.
    pub fn merge(&mut self, other: &FactSet) {
        self.0.extend(other.0.iter().map(|(name, value)| (name.clone(), value.clone())));
    }

    /// All answers as they are.
    pub fn into_answers(self) -> BTreeMap<Arc<str>, FactValue> {
        self.0
    }

    /// All answers in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &FactValue)> {
        self.0.iter()
    }

    /// Whether nothing was answered.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Fact {
    /// Whether a value can be an answer to this question.
    ///
    /// # Errors
    /// Says what kind of answer is expected, and the nearest allowed word.
    pub fn check(&self, value: &FactValue) -> Result<(), FactError> {
        let expected = match (&self.kind, value) {
            (FactType::Bool, FactValue::Bool(_)) | (FactType::Int, FactValue::Int(_)) => return Ok(()),
            (FactType::Text(words), FactValue::Text(given)) => return check_word(&self.name, words, given),
            (FactType::Int, FactValue::Text(day)) if self.elapsed.is_some() && day.parse::<Date>().is_ok() => {
                return Ok(());
            }
            (FactType::Bool, _) => "true or false",
            (FactType::Int, _) if self.elapsed.is_some() => "a number of days, or the day it began",
            (FactType::Int, _) => "a number",
            (FactType::Text(_), _) => "a word",
        };
        Err(FactError { message: format!("fact `{}` takes {expected}, not `{value}`", self.name), help: None })
    }
}

/// Why no pack takes an answer: the words of all of them are on offer, not those of one.
pub(super) fn refused(facts: &[&Fact], value: &FactValue) -> Result<(), FactError> {
    let mut words = Vec::new();
    for fact in facts {
        if let FactType::Text(more) = &fact.kind {
            words.extend(more.iter().cloned());
        }
    }
    words.sort_unstable();
    words.dedup();
    match (value, facts.first()) {
        (FactValue::Text(given), Some(fact)) if !words.is_empty() => check_word(&fact.name, &words, given),
        (_, Some(fact)) => fact.check(value),
        (_, None) => Ok(()),
    }
}

fn check_word(name: &str, words: &[Arc<str>], given: &Arc<str>) -> Result<(), FactError> {
    if words.is_empty() || words.contains(given) {
        return Ok(());
    }
    let help = match crate::diagnostic::nearest(given, words.iter().map(|word| &**word)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("it may be one of: {}", words.join(", ")),
    };
    Err(FactError { message: format!("`{given}` is not a value of fact `{name}`"), help: Some(help) })
}
