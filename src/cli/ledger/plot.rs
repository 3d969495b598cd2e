//! People over the window as bars of text: one line for each stretch of days, the bound as a mark where it would stand.
//!
//! Characters only, no colour, so that it reads the same in a file. People who came before new people were noted by day
//! (an earlier version of the ledger, people brought in) stand at the beginning.

use std::io::{self, Write};

use jiff::ToSpan;
use jiff::civil::Date;

use super::grouped;
use crate::admin::counters::Row;

/// Most lines of one plot.
const LINES: i32 = 12;

/// Characters of a full bar.
const WIDTH: usize = 48;

/// What bars are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ink {
    full: char,
    mark: char,
}

impl Ink {
    /// Blocks where the locale can show them, else ASCII.
    pub(super) fn of_the_locale() -> Ink {
        let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let locale = set("LC_ALL").or_else(|| set("LC_CTYPE")).or_else(|| set("LANG")).unwrap_or_default();
        let wide = locale.to_ascii_uppercase().replace('-', "").contains("UTF8");
        if wide { Ink { full: '█', mark: '│' } } else { Ink { full: '#', mark: '|' } }
    }
}

/// Draws the people of a counter since the first day of its window.
pub(super) fn draw(row: &Row, ink: Ink, out: &mut dyn Write) -> io::Result<()> {
    let top = row.people.max(row.next_limit.unwrap_or(0)).max(1);
    let bound = row.next_limit.map(grouped).unwrap_or_default();
    for (day, people) in steps(row) {
        let bar = bar(people, row.next_limit, top, ink);
        writeln!(out, "  {day}  {bar}  {}", grouped(people))?;
    }
    if !bound.is_empty() {
        writeln!(out, "  {:10}  {:>width$}", "", format!("{bound} {}", ink.mark), width = WIDTH + 1)?;
    }
    Ok(())
}

fn bar(people: u64, limit: Option<u64>, top: u64, ink: Ink) -> String {
    let at = |number: u64| usize::try_from(u128::from(number) * WIDTH as u128 / u128::from(top)).unwrap_or(WIDTH);
    let (filled, mark) = (at(people), limit.map(at));
    let cell = |column: usize| match column {
        column if column < filled => ink.full,
        column if Some(column) == mark => ink.mark,
        _ => ' ',
    };
    (0..=WIDTH).map(cell).collect()
}

/// Ends of equal stretches of days, today the last, with the people counted by then.
fn steps(row: &Row) -> Vec<(Date, u64)> {
    let arrivals = row.arrivals.as_deref().unwrap_or_default();
    let first = arrivals.iter().map(|(day, _)| *day).min().unwrap_or(row.day).max(row.since);
    let days = first.until(row.day).map_or(0, |span| span.get_days()).max(0);
    let stretch = (days / LINES + 1).max(1);
    let noted: u64 = arrivals.iter().map(|(_, people)| people).sum();
    let before = row.people.saturating_sub(noted);
    let mut ends = Vec::new();
    let mut day = row.day;
    while day >= first {
        ends.push(day);
        match day.checked_sub(stretch.days()) {
            Ok(earlier) => day = earlier,
            Err(_) => break,
        }
    }
    let by = |end: Date| before + arrivals.iter().filter(|(day, _)| *day <= end).map(|(_, new)| new).sum::<u64>();
    ends.into_iter().rev().map(|end| (end, by(end).min(row.people))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    const PLAIN: Ink = Ink { full: '#', mark: '|' };

    #[test]
    fn a_bar_grows_to_its_bound_and_beyond_nothing() {
        assert_eq!(bar(0, Some(10), 10, PLAIN).trim_end(), format!("{}|", " ".repeat(WIDTH)));
        assert_eq!(bar(10, Some(10), 10, PLAIN), format!("{}|", "#".repeat(WIDTH)));
        assert_eq!(bar(5, None, 10, PLAIN).trim_end(), "#".repeat(WIDTH / 2));
        assert_eq!(bar(u64::MAX, Some(1), u64::MAX, PLAIN).chars().count(), WIDTH + 1);
    }

    #[test]
    fn steps_end_today_and_are_few() {
        let arrivals = vec![(date(2026, 1, 10), 5), (date(2026, 11, 20), 2)];
        let row: Row = serde_json::from_value(serde_json::json!({
            "pack": "cn", "counter": "plain", "title": null, "party": null, "window": null, "since": "2026-01-01",
            "day": "2026-11-24", "people": 10, "error": null, "limit": null, "share": null, "next_limit": null,
            "next_share": null, "forecast": null, "arrivals": arrivals,
        }))
        .unwrap();
        let steps = steps(&row);
        assert!(steps.len() as i32 <= LINES + 1, "{steps:?}");
        assert_eq!(steps.last(), Some(&(date(2026, 11, 24), 10)));
        assert!(steps.iter().rev().skip(1).all(|(_, people)| *people == 8), "{steps:?}");
    }
}
