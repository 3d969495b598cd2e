//! The commands. One file each, thin: arguments in, the module that knows the answer, words or JSON out.
//!
//! Exit codes are part of the contract: 0 done, 1 the answer is no, 2 usage or configuration error. Diagnostics of
//! `check` are its answer and go to standard output; everywhere else they go to standard error.

mod audit;

mod ca;

mod check;

mod content;

mod counsel;

mod decide;

pub mod demo;

mod ledger;

mod list;

mod lookup;

mod laws;

mod places;

mod replay;

mod scan;

mod schema;

mod serve;

mod test;

mod trust;

mod r#where;

use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::config::{Origin, Snapshot};
use crate::diagnostic::Diagnostic;
use crate::transfer::Country;

/// The configuration that is used when none is named and it is there.
const DEFAULT_FILE: &str = "tidegate.toml";

/// A cross-border data-flow compliance gateway: knows whose law each message is about to cross, and permits, logs or
/// blocks it.
#[derive(Debug, Parser)]
#[command(
    name = "tidegate",
    version,
    after_help = "Examples:\n  tidegate --from CN             # run the gateway with its defaults\n  \
                  tidegate check                 # is the configuration sound?\n  \
                  tidegate scan customers.csv    # what is in this file?\n\n\
                  Exit codes: 0 done, 1 the answer is no, 2 usage or configuration error"
)]
struct Cli {
    /// Configuration file [default: tidegate.toml if it is there, else built-in defaults]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    serve: serve::Serve,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway (what happens without a command)
    Serve(serve::Serve),
    /// Watch a gateway decide a minute of scripted traffic; nothing leaves the machine
    Demo(demo::Demo),
    /// Validate configuration, packs, detectors, places and mechanisms
    Check(check::Check),
    /// Classify the content of files
    Scan(scan::Scan),
    /// Say where a host or an address is, and why
    Where(r#where::Where),
    /// Take in data about where addresses are
    #[command(subcommand)]
    Places(places::Places),
    /// Say what the gateway would decide about some content; nothing is sent or counted
    Decide(decide::Decide),
    /// What the counters show, where they are going, what goes in and out of them
    #[command(subcommand)]
    Ledger(ledger::Ledger),
    /// Make lists of the organisation's own: records, words, documents
    #[command(subcommand)]
    List(list::List),
    /// Decide recorded transfers again under candidate rules, and print what changes
    Replay(replay::Options),
    /// Print the laws the packs carry: rule, article, threshold, outcome
    Laws(laws::Laws),
    /// The audit log: follow its chain, list it
    #[command(subcommand)]
    Audit(audit::Audit),
    /// Run scenarios of packs and examples of detectors
    Test(test::Test),
    /// The authority that interception signs with
    #[command(subcommand)]
    Ca(ca::Ca),
    /// Print what each runtime needs to go through the gateway and trust it
    Trust(trust::Trust),
    /// Print a JSON Schema, for editors and CI
    Schema(schema::Schema),
}

/// What a command says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// Done, or yes.
    Yes,
    /// No.
    No,
}

/// Why a command could not do its work.
#[derive(Debug)]
enum Failure {
    /// Mistakes in files.
    Unsound(Vec<Diagnostic>),
    /// Anything else, in words.
    Unable(String),
    /// Nobody reads what we write any more.
    Unread,
}

type Outcome = Result<Answer, Failure>;

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        if error.kind() == ErrorKind::BrokenPipe { Failure::Unread } else { Failure::Unable(error.to_string()) }
    }
}

impl From<Vec<Diagnostic>> for Failure {
    fn from(problems: Vec<Diagnostic>) -> Failure {
        Failure::Unsound(problems)
    }
}

impl Failure {
    fn unable(message: impl Into<String>) -> Failure {
        Failure::Unable(message.into())
    }
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    hush_panics();
    let cli = Cli::parse();
    if cli.command.is_some() && cli.serve != serve::Serve::default() {
        let message = "options of `serve` stand behind the command: `tidegate COMMAND --from CC`";
        Cli::command().error(clap::error::ErrorKind::ArgumentConflict, message).exit();
    }
    let mut out = BufWriter::new(io::stdout());
    let outcome = run(cli, &mut out).and_then(|answer| {
        out.flush()?;
        Ok(answer)
    });
    match outcome {
        Ok(Answer::Yes) | Err(Failure::Unread) => ExitCode::SUCCESS,
        Ok(Answer::No) => ExitCode::from(1),
        Err(failure) => {
            // Standard error may be closed as well; there is nobody left to tell.
            let _ = out.flush();
            let _ = complain(&failure, &mut io::stderr().lock());
            ExitCode::from(2)
        }
    }
}

fn run(cli: Cli, out: &mut dyn Write) -> Outcome {
    let config = cli.config.as_deref();
    match cli.command.unwrap_or(Command::Serve(cli.serve)) {
        Command::Serve(serve) => serve::run(&serve, config, out),
        Command::Demo(demo) => Ok(demo::run(demo).map(|()| Answer::Yes)?),
        Command::Check(check) => check::run(&check, config, out),
        Command::Scan(scan) => scan::run(&scan, config, out),
        Command::Where(places) => r#where::run(&places, config, out),
        Command::Places(places) => places::run(&places, config, out),
        Command::Decide(decide) => decide::run(&decide, config, out),
        Command::Ledger(ledger) => ledger::run(&ledger, config, out),
        Command::List(list) => list::run(&list, config, out),
        Command::Replay(options) => replay::run(&options, config, out),
        Command::Laws(laws) => laws::run(&laws, config, out),
        Command::Audit(audit) => audit::run(&audit, out),
        Command::Test(test) => test::run(&test, config, out),
        Command::Ca(ca) => ca::run(&ca, config, out),
        Command::Trust(trust) => trust::run(&trust, config, out),
        Command::Schema(schema) => schema::run(schema, out),
    }
}

/// A panic tells its place and not its message, which may quote the text that was being read.
fn hush_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
        let _ = writeln!(io::stderr(), "tidegate: something failed at {place} that must not fail; please report it");
    }));
}

fn complain(failure: &Failure, err: &mut dyn Write) -> io::Result<()> {
    match failure {
        Failure::Unsound(problems) => {
            problems.iter().try_for_each(|problem| writeln!(err, "{problem}"))?;
            let errors = problems.iter().filter(|problem| problem.is_error()).count();
            writeln!(err, "tidegate: {}", counted(errors, "error"))
        }
        Failure::Unable(message) => writeln!(err, "tidegate: {message}"),
        Failure::Unread => Ok(()),
    }
}

/// Where the configuration of a command comes from.
fn origin(config: Option<&Path>, from: Option<Country>) -> Origin {
    let file = config.map(Path::to_owned).or_else(|| Some(PathBuf::from(DEFAULT_FILE)).filter(|file| file.is_file()));
    Origin::new(file, from)
}

/// The configuration of a command that needs a sound one.
fn load(config: Option<&Path>, from: Option<Country>) -> Result<Snapshot, Failure> {
    Ok(Snapshot::load(&origin(config, from))?)
}

/// A country on the command line, in any case.
fn country(code: &str) -> Result<Country, String> {
    Country::parse(&code.to_ascii_uppercase()).map_err(|error| error.to_string())
}

/// `1 error`, `2 errors`.
fn counted(number: usize, what: &str) -> String {
    if number == 1 { format!("{number} {what}") } else { format!("{number} {what}s") }
}

/// Something worth knowing beside the answer. Standard error may be closed; then nobody wants to know.
fn note(text: &str) {
    let _ = writeln!(io::stderr(), "note: {text}");
}

/// One JSON value on a line of its own.
fn json_line(out: &mut dyn Write, value: &impl serde::Serialize) -> Result<(), Failure> {
    let line = serde_json::to_string(value).map_err(|error| Failure::unable(error.to_string()))?;
    Ok(writeln!(out, "{line}")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound_and_every_command_has_an_example() {
        let command = Cli::command();
        command.clone().debug_assert();
        let mut left: Vec<clap::Command> = command.get_subcommands().cloned().collect();
        while let Some(command) = left.pop() {
            left.extend(command.get_subcommands().cloned());
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Example") && help.contains("tidegate "), "{} has no example", command.get_name());
        }
    }
}
