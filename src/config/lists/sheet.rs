//! A list as CSV (RFC 4180): a header, one entry a row, quoted fields with line breaks in them if need be.
//!
//! Columns are found by name. Without `columns` in the configuration the header may only have the names listed here and
//! `fact.NAME`; with it, a published file is read as it is, and columns that are not named there are passed over.

use std::collections::BTreeMap;
use std::ops::Range;

use super::{MOST, MOST_PROBLEMS, PARTS, Written};
use crate::diagnostic::{Diagnostic, Source};
use crate::policy::{FactSet, FactValue, Packs};
use crate::transfer::HostPattern;

/// Which header stands for which column; empty when the header speaks for itself.
pub(in crate::config) type Columns = BTreeMap<String, String>;

/// The columns there are.
pub(in crate::config) const NAMES: [&str; 5] = ["name", "aliases", "hosts", "from", "until"];

/// A field and where it stands.
struct Cell {
    text: String,
    span: Range<usize>,
}

/// What a column holds.
enum Column {
    Named(&'static str),
    Fact(String),
    Other,
}

/// Reads a sheet; `packs` check the answers.
pub(super) fn read(source: &Source, columns: &Columns, packs: Option<&Packs>) -> (Vec<Written>, Vec<Diagnostic>) {
    let mut reader = Reader { source, packs, header: Vec::new(), entries: Vec::new(), problems: Vec::new() };
    let mut at = usize::from(source.text.starts_with('\u{feff}')) * 3;
    while let Some((cells, next)) = row(source, at, &mut reader.problems) {
        at = next;
        let blank = cells.len() == 1 && cells.iter().all(|cell| cell.text.is_empty() || cell.text.starts_with('#'));
        match (blank, reader.header.is_empty()) {
            (true, _) => {}
            (false, true) => reader.header(&cells, columns),
            (false, false) => reader.entry(&cells),
        }
        let unread = reader.entries.is_empty() && !reader.problems.is_empty();
        if unread || reader.problems.len() > MOST_PROBLEMS {
            break;
        }
        if reader.entries.len() > MOST {
            reader.problems.push(source.error(at..at, format!("a list has at most {MOST} entries")));
            break;
        }
    }
    (reader.entries, reader.problems)
}

struct Reader<'s> {
    source: &'s Source,
    packs: Option<&'s Packs>,
    header: Vec<Column>,
    entries: Vec<Written>,
    problems: Vec<Diagnostic>,
}

impl Reader<'_> {
    fn wrong(&mut self, span: &Range<usize>, message: impl Into<String>) {
        self.problems.push(self.source.error(span.clone(), message));
    }

    fn header(&mut self, cells: &[Cell], columns: &Columns) {
        let mut header = Vec::new();
        for cell in cells {
            let text = cell.text.trim();
            let chosen = columns.iter().find(|(_, header)| *header == text).map(|(column, _)| column.as_str());
            let name = if columns.is_empty() { Some(text) } else { chosen };
            let column = match name {
                None => Column::Other,
                Some(name) => match (NAMES.iter().find(|known| **known == name), name.strip_prefix("fact.")) {
                    (Some(known), _) => Column::Named(known),
                    (None, Some(fact)) => Column::Fact(fact.to_owned()),
                    (None, None) => {
                        let problem = self.source.error(cell.span.clone(), format!("unknown column `{text}`"));
                        let near = problem.clone().suggest(text, NAMES);
                        let help =
                            format!("known here: {}, fact.NAME; `columns` reads other headers", NAMES.join(", "));
                        self.problems.push(if near.help.is_some() { near } else { problem.help(help) });
                        Column::Other
                    }
                },
            };
            header.push(column);
        }
        let has = |name: &str| header.iter().any(|column| matches!(column, Column::Named(known) if *known == name));
        if !has("name") && !has("hosts") {
            let span = cells.first().map_or(0..0, |cell| cell.span.clone());
            self.wrong(&span, "a list needs a column `name` or `hosts`");
        }
        for (column, header) in columns {
            if !cells.iter().any(|cell| cell.text.trim() == header) {
                let span = cells.first().map_or(0..0, |cell| cell.span.clone());
                self.wrong(&span, format!("there is no column `{header}`, which `columns` names for `{column}`"));
            }
        }
        self.header = header;
    }

    fn entry(&mut self, cells: &[Cell]) {
        let first = cells.first().map_or(0..0, |cell| cell.span.clone());
        if cells.len() != self.header.len() {
            let message = format!("{} fields where the header has {}", cells.len(), self.header.len());
            return self.wrong(&first, message);
        }
        let mut entry = Written::default();
        let header = std::mem::take(&mut self.header);
        for (column, cell) in header.iter().zip(cells) {
            self.field(column, cell, &mut entry);
        }
        self.header = header;
        if entry.names.is_empty() && entry.hosts.is_empty() {
            return self.wrong(&first, "an entry has a name or a host");
        }
        if let (Some(from), Some(until)) = (entry.from, entry.until)
            && until < from
        {
            self.wrong(&first, format!("it ends on {until} before it begins on {from}"));
        }
        self.entries.push(entry);
    }

    fn field(&mut self, column: &Column, cell: &Cell, entry: &mut Written) {
        let text = cell.text.trim();
        if text.is_empty() {
            return;
        }
        let parts = || text.split(';').map(str::trim).filter(|part| !part.is_empty()).take(PARTS);
        match column {
            // The name goes first: it is what decisions show.
            Column::Named("name") => entry.names.insert(0, text.to_owned()),
            Column::Named("aliases") => entry.names.extend(parts().map(str::to_owned)),
            Column::Named("hosts") => {
                for part in parts() {
                    match HostPattern::parse(part) {
                        Ok(pattern) if pattern.as_str() == "*" => self.wrong(&cell.span, "`*` is every importer"),
                        Ok(pattern) => entry.hosts.push(pattern),
                        Err(what) => self.wrong(&cell.span, what),
                    }
                }
            }
            Column::Named(day) => match text.parse() {
                Ok(date) if *day == "from" => entry.from = Some(date),
                Ok(date) => entry.until = Some(date),
                Err(_) => self.wrong(&cell.span, format!("`{text}` is not a date: write 2026-11-24")),
            },
            Column::Fact(name) => self.fact(name, text, &cell.span, &mut entry.facts),
            Column::Other => {}
        }
    }

    fn fact(&mut self, name: &str, text: &str, span: &Range<usize>, facts: &mut FactSet) {
        let value = FactValue::parse(text);
        match self.packs.map_or(Ok(()), |packs| packs.check_fact(name, &value)) {
            Ok(()) => facts.insert(name, value),
            Err(error) => {
                let problem = self.source.error(span.clone(), error.message);
                self.problems.push(match error.help {
                    Some(help) => problem.help(help),
                    None => problem,
                });
            }
        }
    }
}

/// The fields of the row that begins at a byte, and where the next one begins.
fn row(source: &Source, start: usize, problems: &mut Vec<Diagnostic>) -> Option<(Vec<Cell>, usize)> {
    let text = source.text.get(start..).filter(|rest| !rest.is_empty())?;
    let mut cells = Vec::new();
    let mut at = 0;
    loop {
        let rest = text.get(at..).unwrap_or("");
        let (field, length) = match rest.strip_prefix('"') {
            Some(quoted) => match unquoted(quoted) {
                Some((field, length)) => (field, length + 1),
                None => {
                    problems.push(source.error(start + at..start + at + 1, "a quoted field has no closing quote"));
                    (quoted.to_owned(), rest.len())
                }
            },
            None => {
                let end = rest.find([',', '\n']).unwrap_or(rest.len());
                let field = rest.get(..end).unwrap_or("");
                (field.trim_end_matches('\r').to_owned(), end)
            }
        };
        cells.push(Cell { text: field, span: start + at..start + at + length });
        at += length;
        let after = text.get(at..).unwrap_or("");
        let after = after.strip_prefix('\r').inspect(|_| at += 1).unwrap_or(after);
        match after.bytes().next() {
            Some(b',') => at += 1,
            Some(b'\n') => return Some((cells, start + at + 1)),
            None => return Some((cells, source.text.len())),
            Some(_) => {
                problems.push(source.error(start + at..start + at + 1, "text after a closing quote"));
                at += after.find([',', '\n']).unwrap_or(after.len());
                if !text.get(at..).unwrap_or("").starts_with(',') {
                    return Some((cells, (start + at + 1).min(source.text.len())));
                }
                at += 1;
            }
        }
    }
}

/// The content of a quoted field behind its opening quote, and the bytes up to behind the closing one.
fn unquoted(quoted: &str) -> Option<(String, usize)> {
    let mut field = String::new();
    let mut from = 0;
    loop {
        let quote = from + quoted.get(from..)?.find('"')?;
        field.push_str(quoted.get(from..quote)?);
        from = quote + 1;
        if !quoted.get(from..)?.starts_with('"') {
            return Some((field, from));
        }
        field.push('"');
        from += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_line_breaks_and_the_place_of_a_mistake() {
        let text =
            "name,aliases,hosts,until\r\n\"Say \"\"A\"\",\nInc.\",A;B,*.a.example,2027-01-01\r\nB,,b.example,soon\n";
        let (entries, problems) = read(&Source::new("list.csv", text), &Columns::new(), None);
        assert_eq!(entries[0].names, ["Say \"A\",\nInc.", "A", "B"]);
        assert_eq!((entries.len(), problems.len()), (2, 1));
        assert_eq!((problems[0].line, problems[0].column), (4, 14), "{}", problems[0]);
    }

    #[test]
    fn a_published_header_is_read_by_its_own_names() {
        let columns = Columns::from([("name".to_owned(), "Organization".to_owned())]);
        let source = Source::new("list.csv", "Id,Organization\n1,Example Inc.\n");
        let (entries, problems) = read(&source, &columns, None);
        assert_eq!((entries[0].names.as_slice(), problems.len()), (["Example Inc.".to_owned()].as_slice(), 0));
        assert_eq!(read(&source, &Columns::new(), None).1.len(), 3);
    }
}
