//! Sets of countries, and lists whose rows come and go with the law.

use std::sync::Arc;

use jiff::civil::Date;

use super::condition::Condition;
use super::pack::Confidence;
use crate::transfer::Country;

/// A set of countries as one bit for each pair of letters: membership is a shift and a mask.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Countries([u64; 11]);

/// Days from one to another, both included; open where nothing is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Days {
    pub(super) from: Option<Date>,
    pub(super) until: Option<Date>,
}

/// Countries that belong to a list on some days and under some condition.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) countries: Countries,
    pub(super) days: Days,
    pub(super) when: Option<Condition>,
    pub(super) confidence: Confidence,
}

/// A named list of a pack: a union, an adequacy list.
#[derive(Debug, Clone)]
pub(super) struct List {
    pub(super) id: Arc<str>,
    pub(super) rows: Vec<Row>,
    /// How sure it is that nothing is missing from it.
    pub(super) confidence: Confidence,
}

/// What a pack writes where countries are meant: codes and names of lists.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Region {
    pub(super) countries: Countries,
    /// Indexes of lists whose rows depend on the day or on a condition.
    pub(super) lists: Vec<usize>,
}

impl Countries {
    pub(super) fn insert(&mut self, country: Country) {
        let (word, bit) = slot(country);
        if let Some(word) = self.0.get_mut(word) {
            *word |= bit;
        }
    }

    /// Inserts, and says whether it was there before.
    pub(super) fn replace(&mut self, country: Country) -> bool {
        let was = self.contains(country);
        self.insert(country);
        was
    }

    pub(super) fn contains(&self, country: Country) -> bool {
        let (word, bit) = slot(country);
        self.0.get(word).is_some_and(|word| word & bit != 0)
    }

    pub(super) fn extend(&mut self, other: &Countries) {
        self.0.iter_mut().zip(other.0).for_each(|(word, more)| *word |= more);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Country> {
        Country::all().into_iter().filter(|country| self.contains(*country))
    }
}

impl std::fmt::Debug for Countries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl Days {
    pub(super) fn contain(&self, day: Date) -> bool {
        self.from.is_none_or(|from| from <= day) && self.until.is_none_or(|until| day <= until)
    }

    /// Whether they all lie before `day`.
    pub(super) fn are_over(&self, day: Date) -> bool {
        self.until.is_some_and(|until| until < day)
    }
}

impl List {
    /// The countries of a list that is the same on every day and in every case.
    pub(super) fn fixed(&self) -> Option<Countries> {
        let mut all = Countries::default();
        for row in &self.rows {
            if row.when.is_some() || row.days != Days::default() {
                return None;
            }
            all.extend(&row.countries);
        }
        Some(all)
    }

    /// Whether nobody doubts any of it.
    pub(super) fn is_settled(&self) -> bool {
        self.confidence == Confidence::High && self.rows.iter().all(|row| row.confidence == Confidence::High)
    }

    /// Every country that is ever on it.
    pub(super) fn ever(&self) -> Countries {
        let mut all = Countries::default();
        self.rows.iter().for_each(|row| all.extend(&row.countries));
        all
    }
}

fn slot(country: Country) -> (usize, u64) {
    let index = country
        .as_str()
        .bytes()
        .fold(0usize, |index, letter| index * 26 + usize::from(letter.wrapping_sub(b'A') % 26));
    (index / 64, 1 << (index % 64))
}
