//! Tables as CSV files that a person maintains: comment lines in front, a header that must be the one expected, and every
//! problem with its line.
//!
//! A row is one line; a quoted field may hold commas and doubled quotes but no line break. A comment `# date: 2026-11-22`
//! says how old the facts are.

use std::borrow::Cow;
use std::ops::Range;

use jiff::civil::Date;

use crate::diagnostic::{Diagnostic, Source};

/// Nobody reads more about one file, and each costs a walk through it.
pub(super) const MOST_PROBLEMS: usize = 50;

/// A field and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Cell<'s> {
    pub(super) text: Cow<'s, str>,
    pub(super) span: Range<usize>,
}

/// A table of `N` columns.
#[derive(Debug)]
pub(super) struct Sheet<'s, const N: usize> {
    pub(super) source: &'s Source,
    pub(super) date: Option<Date>,
    pub(super) rows: Vec<[Cell<'s>; N]>,
}

impl<'s, const N: usize> Sheet<'s, N> {
    /// Reads a table with exactly these columns; whatever is wrong goes to `problems`, and the good rows stay.
    pub(super) fn read(source: &'s Source, columns: [&str; N], problems: &mut Vec<Diagnostic>) -> Sheet<'s, N> {
        let mut sheet = Sheet { source, date: None, rows: Vec::new() };
        let mut headed = false;
        let mut offset = 0;
        let before = problems.len();
        for line in source.text.split_inclusive('\n') {
            let text = line.trim_end_matches(['\n', '\r']);
            let span = offset..offset + text.len();
            offset += line.len();
            if let Some(comment) = text.strip_prefix('#') {
                sheet.comment(comment, span, problems);
            } else if !text.is_empty() {
                match cells(text, span.start) {
                    Ok(cells) if headed => sheet.row(cells, span, problems),
                    Ok(cells) => headed = header(source, &cells, columns, span, problems),
                    Err(what) => problems.push(source.error(span, what)),
                }
                if !headed || problems.len() - before > MOST_PROBLEMS {
                    return sheet;
                }
            }
        }
        sheet
    }

    fn comment(&mut self, comment: &str, span: Range<usize>, problems: &mut Vec<Diagnostic>) {
        if let Some(date) = comment.trim().strip_prefix("date:") {
            match date.trim().parse() {
                Ok(date) => self.date = Some(date),
                Err(_) => problems.push(self.source.error(span, "a date is written `2026-11-22`")),
            }
        }
    }

    fn row(&mut self, cells: Vec<Cell<'s>>, span: Range<usize>, problems: &mut Vec<Diagnostic>) {
        let found = cells.len();
        match <[Cell<'s>; N]>::try_from(cells) {
            Ok(row) => self.rows.push(row),
            Err(_) => {
                problems.push(self.source.error(span, format!("{found} fields where the table has {N} columns")))
            }
        }
    }

    /// The line of a cell, from 1.
    pub(super) fn line(&self, cell: &Cell<'_>) -> u32 {
        let before = self.source.text.get(..cell.span.start).unwrap_or("");
        u32::try_from(before.matches('\n').count()).unwrap_or(u32::MAX).saturating_add(1)
    }
}

fn header<const N: usize>(
    source: &Source,
    cells: &[Cell<'_>],
    columns: [&str; N],
    span: Range<usize>,
    problems: &mut Vec<Diagnostic>,
) -> bool {
    let same = cells.iter().map(|cell| cell.text.as_ref()).eq(columns);
    if !same {
        problems.push(source.error(span, format!("the columns of this table are `{}`", columns.join(","))));
    }
    same
}

/// The fields of one line.
fn cells(line: &str, start: usize) -> Result<Vec<Cell<'_>>, &'static str> {
    let mut cells = Vec::new();
    let mut rest = Some(line);
    while let Some(text) = rest {
        let at = start + line.len() - text.len();
        let (field, length) = match text.strip_prefix('"') {
            Some(quoted) => unquote(quoted)?,
            None => text.find(',').map_or((Cow::Borrowed(text), text.len()), |comma| {
                let (field, _) = text.split_at_checked(comma).unwrap_or((text, ""));
                (Cow::Borrowed(field), comma)
            }),
        };
        cells.push(Cell { text: field, span: at..at + length });
        let after = text.get(length..).unwrap_or("");
        rest = match after.strip_prefix(',') {
            Some(next) => Some(next),
            None if after.is_empty() => None,
            None => return Err("text after a closing quote"),
        };
    }
    Ok(cells)
}

/// The content of a quoted field, and its length with both quotes.
fn unquote(quoted: &str) -> Result<(Cow<'_, str>, usize), &'static str> {
    let mut from = 0;
    loop {
        let Some(quote) = quoted.get(from..).and_then(|rest| rest.find('"')) else {
            return Err("a quoted field has no closing quote on its line");
        };
        let quote = from + quote;
        if !quoted.get(quote + 1..).is_some_and(|rest| rest.starts_with('"')) {
            let content = quoted.get(..quote).unwrap_or("");
            let text = if content.contains('"') { Cow::Owned(content.replace("\"\"", "\"")) } else { content.into() };
            return Ok((text, quote + 2));
        }
        from = quote + 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_commas_and_empty_fields() {
        let texts = |line| cells(line, 0).unwrap().into_iter().map(|cell| cell.text.into_owned()).collect::<Vec<_>>();
        assert_eq!(texts("a,,\"b, \"\"c\"\"\","), ["a", "", "b, \"c\"", ""]);
        assert!(cells("\"open", 0).is_err() && cells("\"a\"b", 0).is_err());
    }

    #[test]
    fn problems_name_the_line() {
        let source = Source::new("t.csv", "# date: 2026-11-22\na,b\n1,2\n3\n");
        let mut problems = Vec::new();
        let sheet = Sheet::read(&source, ["a", "b"], &mut problems);
        assert_eq!((sheet.rows.len(), problems.len(), problems[0].line), (1, 1, 4));
        assert_eq!(sheet.date, Some(jiff::civil::date(2026, 11, 22)));
    }
}
