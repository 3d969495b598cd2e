//! What a row of a table says about the place, and the groups of countries such a row may name.

use std::collections::HashMap;
use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Source};
use crate::transfer::Country;

use super::sheet::{Cell, Sheet};

/// What a row says about the place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// Nothing: the next basis is asked.
    Silent,
    /// Anycast, a CDN, many countries: nobody can say.
    Anywhere,
    /// In one of these.
    In(Arc<[Country]>),
}

/// How far a row is to be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// It says where the data goes.
    Firm,
    /// A guess: anything said by the address is better.
    Hint,
    /// The place is right, and the data may go on from there.
    Open,
}

/// Names that stand for several countries.
#[derive(Debug, Default)]
pub(super) struct Groups(HashMap<Box<str>, Vec<Country>>);

impl Groups {
    /// Reads `groups.csv`.
    pub(super) fn read(source: &Source, problems: &mut Vec<Diagnostic>) -> Groups {
        let sheet = Sheet::read(source, ["group", "country"], problems);
        let mut groups = Groups::default();
        for [name, country] in &sheet.rows {
            match Country::parse(&country.text) {
                Ok(country) => groups.0.entry(name.text.as_ref().into()).or_default().push(country),
                Err(unknown) => problems.push(source.error(country.span.clone(), unknown.to_string())),
            }
        }
        groups
    }

    /// The country of a code as address databases write it; `None` for codes that are no country.
    pub(super) fn country(&self, code: &str) -> Option<Country> {
        match Country::parse(code) {
            Ok(country) => Some(country).filter(|country| *country != Country::UNKNOWN),
            Err(_) => {
                self.0.get(code).filter(|members| members.len() == 1).and_then(|members| members.first()).copied()
            }
        }
    }

    /// The countries of `DE`, `EEA` or `EEA|CH`.
    pub(super) fn countries(&self, text: &str) -> Result<Arc<[Country]>, String> {
        let mut countries = Vec::new();
        for name in text.split('|') {
            match self.0.get(name) {
                Some(members) => countries.extend(members),
                None => countries.push(Country::parse(name).map_err(|unknown| unknown.to_string())?),
            }
        }
        countries.sort_unstable();
        countries.dedup();
        Ok(countries.into())
    }

    /// What a place cell says: empty, `global`, or countries.
    pub(super) fn answer(&self, source: &Source, cell: &Cell<'_>, problems: &mut Vec<Diagnostic>) -> Answer {
        match cell.text.as_ref() {
            "" => Answer::Silent,
            "global" => Answer::Anywhere,
            text => match self.countries(text) {
                Ok(countries) => Answer::In(countries),
                Err(what) => {
                    problems.push(source.error(cell.span.clone(), what));
                    Answer::Silent
                }
            },
        }
    }
}

impl Reach {
    /// What a reach cell says: empty, `hint` or `open`.
    pub(super) fn read(source: &Source, cell: &Cell<'_>, problems: &mut Vec<Diagnostic>) -> Reach {
        match cell.text.as_ref() {
            "" => Reach::Firm,
            "hint" => Reach::Hint,
            "open" => Reach::Open,
            other => {
                let problem = source.error(cell.span.clone(), format!("`{other}` is no reach"));
                problems.push(problem.help("leave it empty, or write `hint` or `open`"));
                Reach::Firm
            }
        }
    }
}
