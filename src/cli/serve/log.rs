//! The log: where it goes, and what may be in it.

use std::io;

use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};

use crate::cli::Failure;

/// Sets the level: `debug`, or `info,tidegate::proxy=debug`.
const VARIABLE: &str = "TIDEGATE_LOG";

/// How it is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(in crate::cli) enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts logging. Messages of libraries that use the older `log` interface are not taken in at all: the proxy framework
/// writes URLs there.
pub(super) fn start(format: Format) -> Result<(), Failure> {
    let wanted = std::env::var(VARIABLE).unwrap_or_default();
    let levels = EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        .parse(&wanted)
        .map_err(|error| Failure::unable(format!("{VARIABLE}: {error}")))?;
    let layer: Box<dyn Layer<Registry> + Send + Sync> = match format {
        Format::Text => fmt::layer().with_writer(io::stderr).with_ansi(false).with_target(false).boxed(),
        Format::Json => fmt::layer().json().flatten_event(true).with_writer(io::stderr).boxed(),
    };
    let subscriber = Registry::default().with(layer.with_filter(levels).with_filter(filter_fn(may_be_logged)));
    // Only a second start in one process could find a log in place; it then stays as it is.
    let _ = tracing::subscriber::set_global_default(subscriber);
    Ok(())
}

/// Our own events, and warnings of others, whatever level was asked for.
fn may_be_logged(event: &Metadata<'_>) -> bool {
    event.target().starts_with("tidegate") || *event.level() <= Level::WARN
}
