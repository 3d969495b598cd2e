//! `tidegate ledger forecast`: when is the next bound reached, and how sure is that?

use std::io::Write;
use std::path::Path;

use jiff::ToSpan;
use jiff::civil::Date;
use serde_json::json;

use super::{Counters, grouped, name};
use crate::admin::counters::Row;
use crate::cli::{Answer, Failure, Outcome, counted, json_line};

/// Options of the command.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  tidegate ledger forecast\n  \
                        tidegate ledger forecast --within 30 || mail -s \"a bound is near\" compliance@example.com\n\n\
                        docs/ledger.md says how the rate and its interval are taken")]
pub(in crate::cli) struct Forecast {
    /// Answer no (exit 1) if a bound is likely to be reached within so many days
    #[arg(long, value_name = "DAYS")]
    within: Option<u16>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(super) fn run(options: &Forecast, config: Option<&Path>, out: &mut dyn Write) -> Outcome {
    let rows = Counters::open(config)?.rows(false)?;
    if options.json {
        json_line(out, &json!({ "counters": rows }))?;
    } else {
        rows.iter().filter(|row| row.window.is_some()).try_for_each(|row| sentence(row, out))?;
    }
    let soon = rows.iter().any(|row| options.within.is_some_and(|days| is_within(row, days)));
    Ok(if soon { Answer::No } else { Answer::Yes })
}

fn is_within(row: &Row, days: u16) -> bool {
    let likely = row.forecast.as_ref().and_then(|forecast| forecast.likely);
    let until = row.day.checked_add(i32::from(days).days());
    likely.zip(until.ok()).is_some_and(|(likely, until)| likely <= until)
}

fn sentence(row: &Row, out: &mut dyn Write) -> Result<(), Failure> {
    let people = if row.people == 1 { "1 person".to_owned() } else { format!("{} people", grouped(row.people)) };
    let bound = match (row.next_limit, row.limit) {
        (Some(limit), _) => format!("the next bound is {}", grouped(limit)),
        (None, Some(_)) => "every bound is reached".to_owned(),
        (None, None) => "there is no bound".to_owned(),
    };
    writeln!(out, "{}: {people} since {} ({}); {bound}.", name(row), row.since, row.window.as_deref().unwrap_or(""))?;
    let Some(forecast) = &row.forecast else {
        if row.next_limit.is_some() {
            writeln!(out, "  No forecast: there is no whole day with new people yet.")?;
        }
        return Ok(());
    };
    let whole = counted(forecast.days as usize, "day");
    let (low, high) = (forecast.per_day_low, forecast.per_day_high);
    writeln!(out, "  New people a day: {:.1} (95 %: {low:.1} to {high:.1}), over {whole}.", forecast.per_day)?;
    let likely = match forecast.likely {
        Some(day) => format!("The bound is reached about {day}"),
        None => "The bound is not reached within a year".to_owned(),
    };
    let span =
        [("at the earliest", forecast.early), ("at the latest", forecast.late)].map(|(word, day)| end(word, day));
    Ok(writeln!(out, "  {likely}, {}.", span.join(", "))?)
}

fn end(word: &str, day: Option<Date>) -> String {
    match day {
        Some(day) => format!("{word} {day}"),
        None => format!("{word} not within a year"),
    }
}
