//! `tidegate ledger export`: everybody in the counters, as digests.
//!
//! What comes out can go in again (`tidegate ledger import`), into a ledger of the same key. Without the key a digest says
//! nothing about anybody.

use std::io::Write;
use std::path::Path;

use super::{Access, Counters};
use crate::admin::counters::Row;
use crate::admin::people;
use crate::cli::{Answer, Failure, Outcome};

/// Options of the command.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  tidegate ledger export > people.csv\n  tidegate ledger export --pack cn --counter sensitive"
)]
pub(in crate::cli) struct Export {
    /// Counters of this pack only
    #[arg(long, value_name = "ID")]
    pack: Option<String>,
    /// Counters of this name only
    #[arg(long, value_name = "ID")]
    counter: Option<String>,
}

/// Runs the command.
pub(super) fn run(export: &Export, config: Option<&Path>, out: &mut dyn Write) -> Outcome {
    let counters = Counters::open(config)?;
    let wanted = |row: &Row| {
        let is = |asked: &Option<String>, id: &str| asked.as_deref().is_none_or(|asked| asked == id);
        row.people > 0 && is(&export.pack, &row.pack) && is(&export.counter, &row.counter)
    };
    writeln!(out, "{}", people::HEADER)?;
    for row in counters.rows(false)?.iter().filter(|row| wanted(row)) {
        // In sixteen parts, so that neither side holds a million lines at once.
        for first in "0123456789abcdef".chars() {
            out.write_all(part(&counters, row, first)?.as_bytes())?;
        }
    }
    Ok(Answer::Yes)
}

fn part(counters: &Counters, row: &Row, first: char) -> Result<String, Failure> {
    match &counters.access {
        Access::Mine(store) => {
            let lines = counters.runtime.block_on(people::lines(store, &row.key(), Some(first)));
            lines.map_err(|error| Failure::unable(error.to_string()))
        }
        Access::Running(door) => {
            let party = row.party.as_deref().map(|party| format!("&party={}", encoded(party))).unwrap_or_default();
            let (pack, counter) = (encoded(&row.pack), encoded(&row.counter));
            let text =
                door.text(&format!("/api/v1/ledger/people?pack={pack}&counter={counter}{party}&first={first}"))?;
            // The header of each part is left out.
            Ok(text.split_once('\n').map(|(_, lines)| lines.to_owned()).unwrap_or_default())
        }
    }
}

fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}
