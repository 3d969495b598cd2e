//! `tidegate ledger`: what the counters show, where they are going, what goes in and out of them.
//!
//! The file of an embedded ledger belongs to one process. So each command first tries to open it; where a gateway holds
//! it, the command asks that gateway at its admin address, with the token of the configuration. A store that gateways
//! share is opened either way. Every command says on standard error which of the two it did.

mod door;

mod export;

mod import;

mod outlook;

mod plot;

mod repair;

mod rotate;

mod show;

use std::io::Write;
use std::path::Path;

use jiff::Timestamp;
use serde_json::Value;

use self::door::Door;
use super::{Failure, Outcome, load, note};
use crate::admin::counters::{self, Row};
use crate::config::Snapshot;
use crate::ledger::{Choice, Ledger as Store, LedgerError};

/// Options of the commands.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = "Examples:\n  tidegate ledger show\n  tidegate ledger forecast --within 30\n  \
                        tidegate ledger export > people.csv\n  tidegate ledger import people.csv --basis \"exports of 2025\"\n\n\
                        While a gateway runs on an embedded ledger, it is asked at its admin address")]
pub(super) enum Ledger {
    /// Counters with their people, bounds and forecasts, and a plot of each
    Show(show::Show),
    /// When each counter reaches its next bound at the present rate
    Forecast(outlook::Forecast),
    /// Write everybody in the counters as digests, as CSV
    Export(export::Export),
    /// Bring people of the past into the counters
    Import(import::Import),
    /// Save what can be read of a damaged ledger
    Repair(repair::Repair),
    /// Give the key of the ledger a new secret
    Rotate(rotate::Rotate),
}

/// Runs a command.
pub(super) fn run(ledger: &Ledger, config: Option<&Path>, out: &mut dyn Write) -> Outcome {
    match ledger {
        Ledger::Show(show) => show::run(show, config, out),
        Ledger::Forecast(forecast) => outlook::run(forecast, config, out),
        Ledger::Export(export) => export::run(export, config, out),
        Ledger::Import(import) => import::run(import, config, out),
        Ledger::Repair(repair) => repair::run(repair, config, out),
        Ledger::Rotate(rotate) => rotate::run(rotate, config, out),
    }
}

/// The way to the counters.
enum Access {
    /// Nobody else has them.
    Mine(Store),
    /// A gateway has them.
    Running(Door),
}

impl Access {
    fn running(snapshot: &Snapshot, because: &str) -> Access {
        let admin = &snapshot.settings.admin;
        note(&format!("a gateway {because}; it is asked at {}", admin.address));
        Access::Running(Door::new(admin.address, admin.token.clone()))
    }
}

/// The configuration, the way to its counters, and what waits for them.
struct Counters {
    snapshot: Snapshot,
    runtime: tokio::runtime::Runtime,
    access: Access,
}

impl Counters {
    fn open(config: Option<&Path>) -> Result<Counters, Failure> {
        Counters::access(config, false)
    }

    fn access(config: Option<&Path>, make: bool) -> Result<Counters, Failure> {
        let snapshot = load(config, None)?;
        let settings = &snapshot.settings;
        let embedded = settings.ledger.store == Choice::Embedded;
        if embedded && !make && !settings.state.join("ledger.redb").exists() {
            return Err(Failure::unable(format!("there is no ledger in `{}`", settings.state.display())));
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let access = match runtime.block_on(Store::visit(&settings.ledger, &settings.state)) {
            Ok(store) => Access::Mine(store),
            Err(LedgerError::Locked(_)) => Access::running(&snapshot, "has the ledger"),
            Err(error) => return Err(Failure::unable(error.to_string())),
        };
        Ok(Counters { snapshot, runtime, access })
    }

    fn ask_the_gateway(&mut self, because: &str) {
        self.access = Access::running(&self.snapshot, because);
    }

    fn rows(&self, arrivals: bool) -> Result<Vec<Row>, Failure> {
        let store = match &self.access {
            Access::Running(door) => {
                let mut answer: Value = door.get(&format!("/api/v1/ledger?arrivals={arrivals}"))?;
                let rows = serde_json::from_value(answer.get_mut("counters").map(Value::take).unwrap_or_default());
                return rows.map_err(|error| Failure::unable(format!("the gateway's answer: {error}")));
            }
            Access::Mine(store) => store,
        };
        let now = Timestamp::now();
        let rows = match arrivals {
            true => self.runtime.block_on(counters::rows_with_arrivals(&self.snapshot, store, now)),
            false => self.runtime.block_on(counters::rows(&self.snapshot, store, now)),
        };
        rows.map_err(|error| Failure::unable(error.to_string()))
    }
}

/// How people name a counter.
fn name(row: &Row) -> String {
    let party = row.party.as_deref().map(|party| format!(" for {party}")).unwrap_or_default();
    format!("{}/{}{party}", row.pack, row.counter)
}

/// A number with commas, as people read it.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
    }
}
