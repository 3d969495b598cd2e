//! One compiled detector: what it looks for, what confirms it, how sure it then is.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::transfer::{Category, Country};

use super::automaton::Automaton;
use super::checks::Check;
use super::evidence::CERTAIN;
use super::shape::{Email, ValueShape};

/// A detector that cannot be wrong any more.
#[derive(Debug)]
pub(super) struct Detector {
    pub(super) id: Arc<str>,
    pub(super) title: Arc<str>,
    pub(super) category: Category,
    pub(super) country: Option<Country>,
    pub(super) finder: Finder,
    pub(super) checks: Vec<Check>,
    pub(super) confidence: Confidence,
    pub(super) needs: Needs,
    pub(super) stands: Stands,
    /// Han characters nearby count as context.
    pub(super) near_han: bool,
    /// Country code put before national numbers, so that one number has one form.
    pub(super) calling_code: Option<String>,
    /// What keeps equal strings of different schemes apart.
    pub(super) scheme: Arc<str>,
    /// The category if the period named in the text has ended.
    pub(super) ended: Option<Category>,
    pub(super) examples: Vec<Example>,
    pub(super) counter_examples: Vec<Example>,
}

/// How a value is found.
#[derive(Debug)]
pub(super) enum Finder {
    /// By its pattern.
    Pattern(Box<Automaton>),
    /// By an `@` between a plausible name and a plausible host.
    Email(Email),
    /// By the name of its field alone; the value must have a plausible shape.
    Field(ValueShape),
}

/// How sure, by what speaks for the value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Confidence {
    pub(super) alone: f32,
    pub(super) context: f32,
    pub(super) key: f32,
}

/// Without this a match is not a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    /// The value says enough.
    Nothing,
    /// A context word or a field name.
    Context,
    /// A field name.
    Key,
    /// Other data about a person in the same record.
    Person,
    /// The same, in a value without a field name.
    Row,
    /// A finding of another detector (by position) in the same record.
    Partner(usize),
}

/// What has to stand around a match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stands {
    /// Nothing that continues the word.
    Word,
    /// Nothing else in its line but ornaments.
    Line,
    /// Whatever follows: the pattern is only the beginning.
    Start,
}

/// A text that must be found, or must not.
#[derive(Debug, Clone)]
pub(super) struct Example {
    pub(super) file: usize,
    pub(super) span: std::ops::Range<usize>,
    pub(super) key: Option<String>,
    pub(super) text: String,
    /// Other fields of the same record.
    pub(super) beside: BTreeMap<String, String>,
}

impl Detector {
    /// Whether the scanner looks for it.
    pub(super) fn is_scanned(&self) -> bool {
        !matches!(self.finder, Finder::Field(_))
    }

    /// Whether the value is evidence enough whatever stands around it.
    pub(super) fn is_certain(&self) -> bool {
        self.needs == Needs::Nothing && self.confidence.alone >= CERTAIN
    }

    /// Whether what it finds is about a person.
    pub(super) fn is_personal(&self) -> bool {
        self.category.as_str().starts_with("personal")
    }
}
