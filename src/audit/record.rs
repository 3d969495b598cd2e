//! Records read back: what a decision was made of and what it was, as far as the line has it.
//!
//! A record of an earlier version lacks members a later one has; they are absent here and never made up.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::Deserialize;

use super::file::{days, for_each_line};
use crate::transfer::{Action, Category, Direction, FactValue, Group, Held, Listed, Mode, Party, Tally};

/// One record.
#[derive(Debug, Clone, Deserialize)]
pub struct Record {
    /// Id of the decision.
    pub id: Arc<str>,
    /// When.
    pub time: Timestamp,
    /// Whether it bound.
    pub mode: Mode,
    /// What became of the transfer.
    pub action: Action,
    /// The application that sent, if known.
    pub application: Option<Arc<str>>,
    /// Which message.
    pub direction: Direction,
    /// Who data left.
    pub exporter: Party,
    /// Who received it.
    pub importer: Party,
    /// What it carried.
    pub content: Carried,
    /// The rules that fired.
    pub reasons: Vec<Fired>,
    /// What the counters showed.
    pub counters: Option<Vec<Shown>>,
    /// The answers it was decided by. Absent when there was none, and in records of earlier versions.
    pub facts: Option<BTreeMap<Arc<str>, FactValue>>,
    /// Importer lists the importer was on.
    #[serde(default)]
    pub lists: Vec<Listed>,
    /// Mechanisms that reached the importer.
    pub held: Option<Vec<Held>>,
}

/// Content as a record has it.
#[derive(Debug, Clone, Deserialize)]
pub struct Carried {
    /// Size.
    pub bytes: u64,
    /// Bytes nobody could read, by reason.
    #[serde(default)]
    pub opaque_reasons: BTreeMap<Category, u64>,
    /// Bytes not looked at.
    #[serde(default)]
    pub skipped: u64,
    /// Findings by kind.
    pub categories: BTreeMap<Category, Tally>,
    /// Distinct people.
    pub people: u64,
    /// People by what was said about them.
    pub groups: Option<Vec<Group>>,
}

/// A rule that fired.
#[derive(Debug, Clone, Deserialize)]
pub struct Fired {
    /// Pack id.
    pub pack: Arc<str>,
    /// Rule id.
    pub rule: Arc<str>,
    /// What it wanted.
    pub action: Action,
    /// The provision.
    #[serde(default)]
    pub cite: Arc<str>,
    /// The counter it compared.
    pub counter: Option<Compared>,
    /// False for what bound nobody.
    #[serde(default = "yes")]
    pub enforced: bool,
}

/// The counter a rule compared.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Compared {
    /// Distinct people before.
    pub before: u64,
    /// People the transfer added.
    pub adding: u64,
}

/// What a counter showed.
#[derive(Debug, Clone, Deserialize)]
pub struct Shown {
    /// Pack id.
    pub pack: Arc<str>,
    /// Counter id.
    pub counter: Arc<str>,
    /// The importer, where it counts for each.
    pub party: Option<Arc<str>>,
    /// First day of the window.
    pub since: Option<Date>,
    /// Distinct people before.
    pub before: u64,
    /// People the transfer added.
    pub adding: u64,
    /// People of the transfer it counted.
    pub people: u64,
}

fn yes() -> bool {
    true
}

/// The files of a path: those of a directory by day, or the file itself.
///
/// # Errors
/// The path cannot be read, or is a directory without records.
pub fn files(path: &Path) -> io::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let files: Vec<PathBuf> = days(path)?.into_iter().map(|(_, path)| path).collect();
    if files.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "has no `audit-YYYY-MM-DD.jsonl` in it"));
    }
    Ok(files)
}

/// Whether a record is of something other than a decision: its third member says of what.
pub(super) fn is_event(record: &str) -> bool {
    record.split(',').nth(2).is_some_and(|member| member.starts_with("\"event\":"))
}

/// Reads the records of decisions in a file in their order, one at a time, while `visit` wants more. What is no record
/// comes as `None`.
///
/// # Errors
/// The file cannot be read.
pub fn read(file: &Path, mut visit: impl FnMut(Option<Record>, &str) -> bool) -> io::Result<()> {
    for_each_line(File::open(file)?, |line| {
        line.is_empty() || is_event(line) || visit(serde_json::from_str(line).ok(), line)
    })
}
