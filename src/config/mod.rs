//! What did the operator mean: one immutable [`Snapshot`] of configuration, rules, places and mechanisms.
//!
//! ```text
//! tidegate.toml ─▶ document (positions) ─▶ read (one function a section) ─▶ Settings ┐
//! rules/ or the build ─▶ packs, detectors, tables ──────────────────────────────────┴▶ Snapshot ─▶ Live
//! ```
//!
//! All mistakes of all files are reported at once, with their place. A key nobody reads, a name no pack knows, a setting
//! without effect: each is an error, because a typo in a gateway is a hole nobody sees. [`Live`] publishes the snapshot;
//! a reload swaps it whole or not at all. This module knows no sockets: an address here is a number to be used later.

mod document;

mod enabled;

mod lists;

mod live;

mod question;

mod read;

mod rules;

pub mod settings;

mod value;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use toml::de::DeTable;

use crate::detect::Detectors;
use crate::diagnostic::{Diagnostic, Severity, Source};
use crate::ledger::KeySource;
use crate::place::{Inputs, Tables};
use crate::policy::{Enabled, Mechanism, Packs};
use crate::transfer::Country;

use document::Document;
use read::{Places, Reading, Written};

pub use lists::{ImporterLists, List, OnList};
pub use live::{Live, Reloaded};
pub use question::Question;
pub use read::Importer;
pub use rules::{Rules, read_text};
pub use settings::{
    Admin, Application, ClientCountry, Credentials, Exporter, Failure, Interception, Limits, Listener, ListenerMode,
    ListenerTls, OnFailure, Route, Settings, Upstream,
};

/// A configuration is written by people; anything larger is the wrong file.
const LARGEST: u64 = 4 << 20;

/// Where configuration comes from. It can be loaded again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// The file; without one every default holds.
    pub file: Option<PathBuf>,
    /// `--from`: the exporter's country, whatever the file says.
    pub from: Option<Country>,
    /// Another rules directory than the file says: rules that are candidates.
    pub rules: Option<PathBuf>,
}

/// Everything a transfer is decided by, as of one moment.
#[derive(Debug)]
pub struct Snapshot {
    /// What the file says.
    pub settings: Settings,
    /// Every pack of the rules.
    pub packs: Packs,
    /// Which of them are asked.
    pub enabled: Enabled,
    /// What the organisation holds.
    pub mechanisms: Vec<Mechanism>,
    /// What it knows of recipients; the first match counts.
    pub importers: Vec<Importer>,
    /// Lists of recipients.
    pub lists: ImporterLists,
    /// Compiled detectors.
    pub detectors: Detectors,
    /// Where parties are.
    pub places: Tables,
    /// Worth knowing; nothing that stops a start.
    pub warnings: Vec<Diagnostic>,
    /// Hash over packs, detectors and categories.
    pub rules_hash: Arc<str>,
    /// The files of the rules, scenarios among them.
    pub rules: Rules,
    /// Files and directories whose content it was made of.
    pub inputs: Vec<PathBuf>,
    /// When it was made.
    pub loaded: Timestamp,
    /// What the tables were made of, to tell whether a reload changed them.
    places_look: live::Look,
}

impl Origin {
    /// The configuration of a file, or the defaults.
    pub fn new(file: Option<PathBuf>, from: Option<Country>) -> Origin {
        Origin { file, from, rules: None }
    }

    fn source(&self) -> Result<Source, Vec<Diagnostic>> {
        match &self.file {
            Some(file) => read_text(file, LARGEST),
            None => Ok(Source::new("built-in defaults", "")),
        }
    }

    /// The file, and the rules directory it names: what is watched even while they hold mistakes.
    fn inputs(&self) -> Vec<PathBuf> {
        let Ok(source) = self.source() else { return self.file.iter().cloned().collect() };
        let (table, _) = DeTable::parse_recoverable(&source.text);
        let rules = table.get_ref().get("rules").and_then(|rules| rules.get_ref().as_str());
        self.file.iter().cloned().chain(rules.map(|rules| self.base().join(rules))).collect()
    }

    /// The directory relative paths of the file start from.
    fn base(&self) -> &Path {
        self.file.as_deref().and_then(Path::parent).unwrap_or_else(|| Path::new(""))
    }
}

/// The state directory of a configuration, and where the key is that people are digested with. What else the file says
/// is not looked at: it may name lists that are about to be made.
///
/// # Errors
/// What is wrong with these two.
pub fn key_of(origin: &Origin) -> Result<(PathBuf, KeySource), Vec<Diagnostic>> {
    let source = origin.source()?;
    let (table, errors) = DeTable::parse_recoverable(&source.text);
    let document = Document::new(&source);
    document.syntax(&errors);
    let reading = Reading::new(&document, origin.base(), None);
    let found = read::key(&document.top(table.get_ref()), &reading);
    let (errors, _) = document.into_problems();
    if errors.is_empty() { Ok(found) } else { Err(errors) }
}

/// Rules that were read as far as they can be.
struct Compiled {
    rules: Rules,
    packs: Option<Packs>,
    detectors: Option<Detectors>,
}

impl Snapshot {
    /// Reads everything again from its files.
    ///
    /// # Errors
    /// Every mistake of every file.
    pub fn load(origin: &Origin) -> Result<Snapshot, Vec<Diagnostic>> {
        Snapshot::load_as_of(origin, Timestamp::now())
    }

    /// The same as if it were another day, which the warnings of what ends soon go by.
    ///
    /// # Errors
    /// Every mistake of every file.
    pub fn load_as_of(origin: &Origin, now: Timestamp) -> Result<Snapshot, Vec<Diagnostic>> {
        let source = origin.source()?;
        let (table, errors) = DeTable::parse_recoverable(&source.text);
        let document = Document::new(&source);
        document.syntax(&errors);
        if !errors.is_empty() {
            return Err(document.into_problems().0);
        }
        let top = document.top(table.get_ref());
        let mut problems = Vec::new();
        let directory = top.at("rules", value::path).map(|path| origin.base().join(path.value));
        let directory = origin.rules.clone().or(directory);
        let Compiled { rules, packs, detectors } = compile(directory.as_deref(), &mut problems);
        let reading = Reading::new(&document, origin.base(), packs.as_ref());
        let written = read::file(&top, &reading, origin);
        let (mut inputs, answered, foreign) = reading.finish();
        let (foreign, remarks): (Vec<_>, Vec<_>) = foreign.into_iter().partition(Diagnostic::is_error);
        problems.extend(foreign);
        let enabled = enabled::read(&top, packs.as_ref(), &read::countries(&written.settings));
        if let Some(packs) = &packs {
            question::warn_of_idle_answers(&document, &answered, packs, &enabled);
        }
        top.finish();
        let places_look = look_of_places(&rules, &written);
        let places = tables(&rules, &written, &mut problems);
        let (errors, mut warnings) = document.into_problems();
        let errors = [errors, problems].concat();
        let (true, Some(packs), Some(detectors), Some(places)) = (errors.is_empty(), packs, detectors, places) else {
            return Err(errors);
        };
        inputs.extend(origin.file.iter().cloned().chain(rules.directory.clone()));
        let Written { settings, importers, lists, data_lists, mechanisms, .. } = written;
        let loaded = now;
        let name = &source.name;
        warnings.extend(remarks);
        warnings.extend(packs.warnings().iter().cloned());
        warnings.extend(no_law(name, &settings, &enabled, &packs));
        warnings.extend(places.warnings().into_iter().map(|text| warning(name, text)));
        warnings.extend(expiring(name, &packs, &enabled, &mechanisms, loaded));
        let rules_hash = hash(&packs, &detectors);
        let detectors = detectors.with_lists(data_lists);
        Ok(Snapshot {
            settings,
            packs,
            enabled,
            mechanisms,
            importers,
            lists,
            detectors,
            places,
            warnings,
            rules_hash,
            rules,
            inputs,
            loaded,
            places_look,
        })
    }

    /// What is known of the recipient behind a lower-case host.
    pub fn importer(&self, host: &str) -> Option<&Importer> {
        self.importers.iter().find(|importer| importer.is(host))
    }

    /// What the enabled packs ask and nobody has answered.
    pub fn unanswered(&self) -> Vec<Question> {
        question::unanswered(self)
    }
}

fn compile(directory: Option<&Path>, problems: &mut Vec<Diagnostic>) -> Compiled {
    let rules = directory.map_or_else(|| Ok(Rules::built_in()), Rules::read).unwrap_or_else(|found| {
        problems.extend(found);
        Rules::built_in()
    });
    let packs = Packs::compile(&rules.packs).map_err(|found| problems.extend(found)).ok();
    let detectors = Detectors::compile(&rules.detectors).map_err(|found| problems.extend(found)).ok();
    Compiled { rules, packs, detectors }
}

fn tables(rules: &Rules, written: &Written, problems: &mut Vec<Diagnostic>) -> Option<Tables> {
    let Places { mmdb, addresses, ranges } = &written.places;
    let inputs = Inputs {
        tables: rules.places.clone(),
        rules: rules.directory.clone(),
        ranges: ranges.clone(),
        addresses: addresses.clone(),
        mmdb: mmdb.clone(),
        declarations: written.declarations.clone(),
    };
    Tables::load(inputs).map_err(|found| problems.extend(found)).ok()
}

fn look_of_places(rules: &Rules, written: &Written) -> live::Look {
    let Places { mmdb, addresses, ranges } = &written.places;
    let told = format!("{:?} {:?}", rules.places, written.declarations);
    live::look(mmdb.iter().chain(addresses).chain(ranges), told.as_bytes())
}

fn warning(file: &str, message: impl Into<String>) -> Diagnostic {
    Diagnostic { severity: Severity::Warning, ..Diagnostic::file(file, message) }
}

/// Law packs that are off, or on without anybody saying where data leaves from.
fn no_law(file: &str, settings: &Settings, enabled: &Enabled, packs: &Packs) -> Option<Diagnostic> {
    let by_address = settings.listeners.iter().any(|door| door.client_country == ClientCountry::ByAddress);
    let placed = by_address || !read::countries(settings).is_empty();
    let country = "set `country` in [exporter], or give `--from CC`";
    let (message, help) = match (enabled::has_law(enabled, packs), placed) {
        (true, true) => return None,
        (true, false) => ("law packs are on, and nobody said which country data leaves from", country),
        (false, false) => ("no law pack is on: nobody said which country data leaves from", country),
        (false, true) => ("no law pack is on: none speaks for the countries named here", "enable one in [packs]"),
    };
    Some(warning(file, message).help(help))
}

/// Mechanisms that have ended or soon will, by the day where their law is.
fn expiring(
    file: &str,
    packs: &Packs,
    enabled: &Enabled,
    mechanisms: &[Mechanism],
    now: Timestamp,
) -> Vec<Diagnostic> {
    let ends = mechanisms.iter().filter_map(|mechanism| Some((mechanism, packs.ending(mechanism, enabled, now)?)));
    ends.filter_map(|(mechanism, ending)| {
        let (id, last) = (&mechanism.id, ending.last);
        let message = match ending.notice() {
            Some(notice) => {
                let left = ending.days_left;
                format!("mechanism `{id}` ends on {last}, within {notice} days ({left} left)")
            }
            None if ending.days_left < 0 => format!("mechanism `{id}` ended on {last}"),
            None => return None,
        };
        Some(warning(file, message).help("renew it and write the new dates"))
    })
    .collect()
}

fn hash(packs: &Packs, detectors: &Detectors) -> Arc<str> {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    for part in [packs.hash(), detectors.hash(), include_str!("../../rules/categories.toml")] {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part.as_bytes());
    }
    let hex: String = context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}").into()
}

#[cfg(test)]
mod tests;
