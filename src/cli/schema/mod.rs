//! `tidegate schema`: the shapes of what people write and programs read, as JSON Schema.
//!
//! The schemas are files in `docs/schema/`, so that an editor can use them without the program. They help while writing;
//! `tidegate check` and `tidegate test` are what decides.

use std::io::Write;

use super::{Answer, Outcome};

/// Options of the command.
#[derive(Debug, Clone, Copy, clap::Args)]
#[command(after_help = "Example:\n  tidegate schema config > tidegate.schema.json")]
pub(super) struct Schema {
    /// Of what
    #[arg(value_enum)]
    of: Of,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Of {
    /// tidegate.toml
    Config,
    /// A pack of rules
    Pack,
    /// A file of scenarios
    Scenario,
    /// A decision, as the API, `decide --json` and the audit log have it
    Decision,
}

impl Of {
    fn text(self) -> &'static str {
        match self {
            Of::Config => include_str!("../../../docs/schema/config.json"),
            Of::Pack => include_str!("../../../docs/schema/pack.json"),
            Of::Scenario => include_str!("../../../docs/schema/scenario.json"),
            Of::Decision => include_str!("../../../docs/schema/decision.json"),
        }
    }
}

/// Runs the command.
pub(super) fn run(schema: Schema, out: &mut dyn Write) -> Outcome {
    out.write_all(schema.of.text().as_bytes())?;
    Ok(Answer::Yes)
}

#[cfg(test)]
mod tests;
