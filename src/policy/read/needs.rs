//! What can be held or done: needs, their terms and their particulars.

use std::sync::Arc;

use super::PackReader;
use super::condition::May;
use super::table::{Entry, Table};
use crate::policy::pack::{Filing, Need, Term};
use crate::policy::region::Days;

impl PackReader<'_> {
    pub(super) fn read_needs(&mut self, top: &Table<'_>) {
        for (entry, table) in top.named("need") {
            table.only(&[
                "title",
                "kind",
                "when",
                "unless",
                "met_when",
                "accept",
                "require",
                "filed",
                "renew_before",
                "lasts",
                "signed",
                "waits",
                "confidence",
                "note",
            ]);
            let kinds: Vec<Arc<str>> = match table.has("kind") {
                true => table.words("kind").into_iter().map(|word| word.text).collect(),
                false => vec![entry.key.into()],
            };
            let conditional = table.has("when") || table.has("unless");
            let need = Need {
                id: entry.key.into(),
                title: table.need_text("title"),
                kinds,
                when: conditional.then(|| self.when(&table, May::NEED)),
                met_when: self.condition(&table, "met_when", May::NEED),
                accept: accepted(&table),
                require: table.words("require").into_iter().map(|word| word.text).collect(),
                signed: table.get("signed").and_then(|signed| self.signed(&signed)).unwrap_or_default(),
                waits: table.get("waits").and_then(|waits| self.term(&waits.table()?, &[])),
                confidence: self.confidence(&table),
                filing: table.get("filed").and_then(|filed| self.filing(&filed)),
                renewal: table.get("renew_before").and_then(|renew| self.term(&renew.table()?, &[])),
                lasts: table.get("lasts").and_then(|lasts| self.term(&lasts.table()?, &[])),
            };
            self.needs.add(self.reader, entry.key, entry.key_span.clone());
            self.need_list.push(need);
        }
    }

    /// Days the first day of a mechanism may fall on.
    fn signed(&self, entry: &Entry<'_>) -> Option<Days> {
        let table = entry.table()?;
        table.only(&["from", "until"]);
        Some(self.days(&table))
    }

    fn filing(&self, entry: &Entry<'_>) -> Option<Filing> {
        let table = entry.table()?;
        let within = self.term(&table, &["late", "due", "otherwise", "overdue"])?;
        let blocks = |key: &str| {
            let known = [("warn", false), ("block", true)];
            self.one_of(&table.get(key)?.word()?, "consequence", &known)
        };
        let late_blocks = blocks("otherwise").unwrap_or_default();
        Some(Filing {
            within,
            late: table.text("late").unwrap_or_else(|| "filing-late".into()),
            due: table.text("due"),
            late_blocks,
            overdue_blocks: blocks("overdue").unwrap_or(late_blocks),
        })
    }

    /// A length of time: exactly one of the units.
    fn term(&self, table: &Table<'_>, also: &[&str]) -> Option<Term> {
        let units = ["working_days", "days", "months", "years"];
        table.only(&units.iter().chain(also).copied().collect::<Vec<_>>());
        let given: Vec<(&str, i64)> = units.iter().filter_map(|unit| Some((*unit, table.int(unit)?))).collect();
        let [(unit, number)] = given.as_slice() else {
            self.reader.error(table.span.clone(), "give one of working_days, days, months, years");
            return None;
        };
        let number = i32::try_from(*number).ok().filter(|number| (1..=10_000).contains(number));
        let Some(number) = number else {
            self.reader.error(table.span.clone(), format!("`{unit}` is out of range"));
            return None;
        };
        match *unit {
            "working_days" if !self.has_calendar => {
                self.reader.error(table.span.clone(), "working days need a [calendar] in the pack");
                None
            }
            "working_days" => Some(Term::WorkingDays(number.unsigned_abs())),
            "days" => Some(Term::Days(number)),
            "months" => Some(Term::Months(number)),
            _ => Some(Term::Years(number)),
        }
    }
}

/// Combinations of particulars: `accept = [{ module = "1", roles = "c2c" }, …]`.
fn accepted(table: &Table<'_>) -> Vec<Vec<(Arc<str>, Arc<str>)>> {
    let rows = table.get("accept").map(|entry| entry.tables()).unwrap_or_default();
    let row =
        |row: &Table<'_>| row.entries().iter().filter_map(|pair| Some((pair.key.into(), pair.text()?))).collect();
    rows.iter().map(row).collect()
}
