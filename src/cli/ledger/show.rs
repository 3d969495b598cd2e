//! `tidegate ledger show`: how many people, against which bound, and how it came to that.

use std::io::Write;
use std::path::Path;

use serde_json::json;

use super::plot::{self, Ink};
use super::{Counters, grouped, name};
use crate::admin::counters::Row;
use crate::cli::{Answer, Failure, Outcome, json_line};

/// Options of the command.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  tidegate ledger show\n  tidegate ledger show --pack cn --no-plot\n  \
                        tidegate ledger show --json | jq '.counters[] | select(.next_share > 0.8)'")]
pub(in crate::cli) struct Show {
    /// Counters of this pack only
    #[arg(long, value_name = "ID")]
    pack: Option<String>,
    /// Leave out the plots
    #[arg(long)]
    no_plot: bool,
    /// Print one JSON object, as `GET /api/v1/ledger?arrivals=true` gives it
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(super) fn run(show: &Show, config: Option<&Path>, out: &mut dyn Write) -> Outcome {
    let mut rows = Counters::open(config)?.rows(true)?;
    rows.retain(|row| show.pack.as_deref().is_none_or(|pack| *row.pack == *pack));
    if show.json {
        json_line(out, &json!({ "counters": rows }))?;
        return Ok(Answer::Yes);
    }
    table(&rows, out)?;
    let ink = Ink::of_the_locale();
    for row in rows.iter().filter(|row| row.people > 0 && !show.no_plot) {
        let bound = row.next_limit.map(|limit| format!(", next bound {}", grouped(limit))).unwrap_or_default();
        writeln!(out, "\n{}: {} people{bound}", name(row), grouped(row.people))?;
        plot::draw(row, ink, out)?;
    }
    Ok(Answer::Yes)
}

fn table(rows: &[Row], out: &mut dyn Write) -> Result<(), Failure> {
    if rows.is_empty() {
        writeln!(out, "no counter: no pack that counts people is on, and nobody was counted")?;
    }
    let lines: Vec<[String; 6]> = rows.iter().map(line).collect();
    let heads = ["counter", "people", "next bound", "share", "since", "reached"].map(str::to_owned);
    let width = |column: usize| {
        let cells = std::iter::once(&heads).chain(&lines).filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let (w0, w1, w2, w3, w4) = (width(0), width(1), width(2), width(3), width(4));
    for [counter, people, bound, share, since, reached] in
        std::iter::once(&heads).chain(&lines).filter(|_| !rows.is_empty())
    {
        let line = format!("{counter:<w0$}  {people:>w1$}  {bound:>w2$}  {share:>w3$}  {since:<w4$}  {reached}");
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

fn line(row: &Row) -> [String; 6] {
    let people = match row.error {
        Some(error) => format!("{} ±{:.1} %", grouped(row.people), error * 100.0),
        None => grouped(row.people),
    };
    let bound = match (row.next_limit, row.limit) {
        (Some(limit), _) => grouped(limit),
        (None, Some(_)) => "all reached".to_owned(),
        (None, None) => "none".to_owned(),
    };
    let share = row.next_share.map(|share| format!("{:.1} %", share * 100.0)).unwrap_or_default();
    let reached = row.forecast.as_ref().map(|forecast| match forecast.likely {
        Some(day) => format!("about {day}"),
        None => "not within a year".to_owned(),
    });
    [name(row), people, bound, share, row.since.to_string(), reached.unwrap_or_default()]
}
