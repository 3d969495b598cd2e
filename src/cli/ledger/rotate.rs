//! `tidegate ledger rotate`: a new secret for the key people are counted under. Counts survive it.

use std::io::Write;
use std::path::Path;

use crate::cli::{Answer, Failure, Outcome, load};
use crate::ledger::{self, Choice, Ledger as Store};

/// Options of the command.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  tidegate ledger rotate\n  tidegate ledger rotate --finish\n\n\
                        A fleet: rotate on one machine, copy the key to every gateway, restart them one by one, then finish")]
pub(in crate::cli) struct Rotate {
    /// Carry a fleet's ledger over to the last secret of the key, which every gateway must have by now
    #[arg(long)]
    finish: bool,
}

/// Runs the command.
pub(super) fn run(rotate: &Rotate, config: Option<&Path>, out: &mut dyn Write) -> Outcome {
    let settings = load(config, None)?.settings;
    let fleet = settings.ledger.store != Choice::Embedded;
    if !rotate.finish {
        ledger::rotate(&settings.state, &settings.ledger.key).map_err(|error| Failure::unable(error.to_string()))?;
        let next = if fleet {
            "copy it to every gateway, restart them one by one, then run `tidegate ledger rotate --finish`"
        } else {
            "the ledger is carried over when the gateway starts again"
        };
        writeln!(out, "the key has a new secret; {next}")?;
        return Ok(Answer::Yes);
    }
    if !fleet {
        return Err(Failure::unable(
            "--finish is for a store that gateways share: a file is carried over at the start",
        ));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let finished = runtime.block_on(async {
        let store = Store::visit(&settings.ledger, &settings.state).await?;
        store.advance().await
    });
    finished.map_err(|error| Failure::unable(error.to_string()))?;
    writeln!(out, "everybody is carried over")?;
    Ok(Answer::Yes)
}
