//! `tidegate ca`: the authority that interception signs with.

use std::io::Write;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use super::{Answer, Failure, Outcome, load};
use crate::config::Interception;
use crate::proxy::authority;

/// The name clients show for it.
pub(super) const NAME: &str = "Tidegate interception CA";

/// The commands.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = "Example:\n  tidegate ca init && tidegate trust --for curl")]
pub(super) enum Ca {
    /// Make the CA where the configuration wants it; one that is there stays
    #[command(after_help = "Example:\n  tidegate ca init --name 'Example Ltd interception CA'")]
    Init {
        /// Common name of its certificate
        #[arg(long, default_value = NAME)]
        name: String,
    },
}

/// Runs the command.
pub(super) fn run(ca: &Ca, config: Option<&Path>, out: &mut dyn Write) -> Outcome {
    let Ca::Init { name } = ca;
    let interception = load(config, None)?.settings.interception;
    make(&interception, name)?;
    writeln!(out, "certificate  {}", interception.ca_certificate.display())?;
    writeln!(
        out,
        "key          {} (mode 0600: whoever has it can read what is intercepted)",
        interception.ca_key.display()
    )?;
    writeln!(out, "`tidegate trust` says how each runtime comes to trust it")?;
    Ok(Answer::Yes)
}

/// Makes the CA.
///
/// # Errors
/// One of its files is there already, or cannot be written.
pub(super) fn make(interception: &Interception, name: &str) -> Result<(), Failure> {
    let Interception { ca_certificate, ca_key, .. } = interception;
    if let Some(file) = [ca_certificate, ca_key].into_iter().find(|file| file.exists()) {
        return Err(Failure::unable(format!("{} is there already; nothing was changed", file.display())));
    }
    for directory in [ca_certificate, ca_key].into_iter().filter_map(|file| file.parent()) {
        make_directory(directory)?;
    }
    let unable = |error| Failure::unable(format!("the CA cannot be made at {}: {error}", ca_certificate.display()));
    authority::create(ca_certificate, ca_key, name).map_err(unable)
}

/// Makes a directory nobody else may look into; one that is there stays as it is.
pub(super) fn make_directory(directory: &Path) -> Result<(), Failure> {
    if directory == PathBuf::new() || directory.is_dir() {
        return Ok(());
    }
    let unable = |error| Failure::unable(format!("{} cannot be made: {error}", directory.display()));
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(unable)
}
