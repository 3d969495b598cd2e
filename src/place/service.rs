//! Services by host name: who runs them, and where they say they process.

use std::collections::HashMap;

use jiff::civil::Date;

use crate::diagnostic::{Diagnostic, Source};

use super::answer::{Answer, Groups, Reach};
use super::host::suffixes;
use super::provider::{Operator, confidence_of, operator_of};
use super::sheet::Sheet;

/// A row of `services.csv`.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) host: Box<str>,
    pub(super) answer: Answer,
    pub(super) operator: Operator,
    pub(super) reach: Reach,
    pub(super) note: Box<str>,
    pub(super) line: u32,
}

/// The table: a row speaks for its name and every name below.
#[derive(Debug, Default)]
pub(super) struct Services {
    by_host: HashMap<Box<str>, Service>,
    deepest: usize,
    pub(super) date: Option<Date>,
}

const COLUMNS: [&str; 7] = ["host", "operator", "operator_country", "place", "confidence", "reach", "note"];

impl Services {
    /// Reads `services.csv`.
    pub(super) fn read(source: &Source, groups: &Groups, problems: &mut Vec<Diagnostic>) -> Services {
        let sheet = Sheet::read(source, COLUMNS, problems);
        let mut services = Services { date: sheet.date, ..Services::default() };
        for [host, operator, country, place, confidence, reach, note] in &sheet.rows {
            let low = confidence_of(source, confidence, problems);
            let reach = Reach::read(source, reach, problems);
            let service = Service {
                host: host.text.as_ref().into(),
                answer: groups.answer(source, place, problems),
                operator: operator_of(source, operator, country, problems),
                reach: if low { Reach::Hint } else { reach },
                note: note.text.as_ref().into(),
                line: sheet.line(host),
            };
            services.deepest = services.deepest.max(host.text.matches('.').count() + 1);
            if services.by_host.insert(host.text.as_ref().into(), service).is_some() {
                problems.push(source.error(host.span.clone(), "this host stands above already"));
            }
        }
        services
    }

    /// The row of a lower-case host, or of the nearest name above it.
    pub(super) fn find(&self, host: &str) -> Option<&Service> {
        suffixes(host, self.deepest).find_map(|name| self.by_host.get(name))
    }
}
