//! `tidegate places`: take in what providers publish and what address databases say.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::{Answer, Failure, Outcome, load};
use crate::place::import::{self, Publisher};
use crate::place::{ADDRESSES, pack};

/// The commands.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = "Examples:\n  tidegate places import aws ip-ranges.json\n  tidegate places pack location.db")]
pub(super) enum Places {
    /// Take in the ranges a provider publishes
    #[command(after_help = "Example:\n  tidegate places import aws ip-ranges.json --out rules/aws-ranges.csv")]
    Import {
        /// Whose file it is: aws, azure, google or oracle
        #[arg(value_name = "PROVIDER", value_parser = publisher)]
        publisher: Publisher,
        /// The file as it was published
        file: PathBuf,
        /// Where to write [default: PROVIDER-ranges.csv]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Pack address databases into the file the gateway loads; of several the last one that has a country counts
    #[command(after_help = "Examples:\n  tidegate places pack location.db\n  \
                            tidegate places pack location.db /usr/share/tor/geoip --out rules/places/addresses.bin")]
    Pack {
        /// `location.db`, or `geoip` with `geoip6` beside it
        #[arg(required = true, value_name = "SOURCE")]
        sources: Vec<PathBuf>,
        /// Where to write
        #[arg(long, value_name = "FILE", default_value = ADDRESSES)]
        out: PathBuf,
    },
}

fn publisher(name: &str) -> Result<Publisher, String> {
    let known = Publisher::ALL.map(Publisher::as_str);
    Publisher::parse(name).ok_or_else(|| format!("it is one of {}", known.join(", ")))
}

/// Runs the command, and says which line of the configuration uses what it wrote.
pub(super) fn run(places: &Places, config: Option<&Path>, out: &mut dyn Write) -> Outcome {
    match places {
        Places::Import { publisher, file, out: target } => {
            let target = target.clone().unwrap_or_else(|| format!("{}-ranges.csv", publisher.as_str()).into());
            let tables = load(config, None)?.rules.places;
            let imported = import::run(*publisher, file, &target, &tables)?;
            writeln!(out, "{imported}")?;
            writeln!(out, "to use it:\n  [geo]\n  ranges = [\"{}\"]", target.display())?;
        }
        Places::Pack { sources, out: target } => {
            let packed = pack::run(sources, target).map_err(|problem| Failure::Unsound(vec![problem]))?;
            writeln!(out, "{packed}")?;
            writeln!(out, "to use it:\n  [geo]\n  addresses = \"{}\"", target.display())?;
        }
    }
    Ok(Answer::Yes)
}
