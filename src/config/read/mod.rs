//! From the file to [`Settings`]: one function a section, each reading its keys once.
//!
//! Nothing stops at the first mistake. A value that cannot be read is reported and replaced by its default, so that the
//! sections after it are still checked; a snapshot is only made when nothing was reported.

mod bounds;

mod counting;

mod data_lists;

mod doors;

mod holdings;

mod lists;

mod parties;

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use super::document::{At, Document, Section};
use super::lists::ImporterLists;
use super::settings::{Admin, Exporter, Interception, Settings};
use super::{Origin, value};
use crate::detect::DataLists;
use crate::diagnostic::{Diagnostic, Severity};
use crate::ledger::KeySource;
use crate::place::Declaration;
use crate::policy::{FactSet, Mechanism, Packs};
use crate::transfer::{Country, Mode};

pub use parties::Importer;

/// Secrets are short; anything larger is the wrong file.
const LARGEST_SECRET: u64 = 64 * 1024;

/// What the sections are read against.
pub(super) struct Reading<'d> {
    document: &'d Document<'d>,
    /// Where relative paths start.
    base: PathBuf,
    /// To check facts and mechanisms with; absent when the packs themselves have mistakes.
    packs: Option<&'d Packs>,
    /// Files whose content is part of the snapshot.
    files: RefCell<Vec<PathBuf>>,
    /// Every fact that was answered, to find those nobody enabled asks for.
    answered: RefCell<Vec<At<String>>>,
    /// Problems of other files than the configuration.
    foreign: RefCell<Vec<Diagnostic>>,
}

/// Everything the file says.
pub(super) struct Written {
    pub(super) settings: Settings,
    pub(super) importers: Vec<Importer>,
    pub(super) lists: ImporterLists,
    pub(super) data_lists: DataLists,
    pub(super) declarations: Vec<Declaration>,
    pub(super) mechanisms: Vec<Mechanism>,
    pub(super) places: Places,
}

/// `[geo]`.
#[derive(Debug, Default)]
pub(super) struct Places {
    pub(super) mmdb: Option<PathBuf>,
    pub(super) addresses: Option<PathBuf>,
    pub(super) ranges: Vec<PathBuf>,
}

const MODES: &[(&str, Mode)] = &[("enforce", Mode::Enforce), ("observe", Mode::Observe)];

/// The state directory and where the key is, which some commands need of a file that has other parts to mend.
pub(super) fn key<'d>(top: &Section<'d>, reading: &Reading<'d>) -> (PathBuf, KeySource) {
    (state(top, reading), counting::key(&top.section("ledger", "[ledger]"), reading))
}

fn state<'d>(top: &Section<'d>, reading: &Reading<'d>) -> PathBuf {
    let state = top.get("state", value::path);
    state.map_or_else(|| PathBuf::from("tidegate-state"), |path| reading.path(&path))
}

/// Reads every section but `rules` and `[packs]`.
pub(super) fn file<'d>(top: &Section<'d>, reading: &Reading<'d>, origin: &Origin) -> Written {
    let state = state(top, reading);
    let listeners = doors::listeners(top, reading);
    let interception = doors::interception(top, reading, &listeners, &state);
    let lists = lists::lists(top, reading);
    let (importers, declarations) = parties::importers(top, reading, !lists.is_empty());
    lists::warn_of_contradictions(&lists, &importers, reading);
    let (ledger, near_limit) = counting::ledger(top, reading);
    let data_lists = data_lists::lists(top, reading, &state, &ledger.key);
    let settings = Settings {
        mode: top.word("mode", MODES).unwrap_or(Mode::Enforce),
        exporter: parties::exporter(top, reading, origin.from),
        inventory: top.get("inventory", value::flag).unwrap_or(false),
        applications: parties::applications(top, reading, &listeners),
        routes: doors::routes(top, &listeners),
        names: doors::names(top),
        upstream: doors::upstream(top, reading),
        limits: bounds::limits(top),
        failure: bounds::failure(top),
        ledger,
        near_limit,
        audit_directory: bounds::audit(top, reading, &state),
        admin: doors::admin(top, reading, &listeners),
        drain: top.get("drain", value::duration).unwrap_or(bounds::DRAIN),
        listeners,
        interception,
        state,
    };
    Written {
        settings,
        importers,
        lists,
        data_lists,
        declarations,
        mechanisms: holdings::mechanisms(top, reading),
        places: places(top, reading),
    }
}

fn places<'d>(top: &Section<'d>, reading: &Reading<'d>) -> Places {
    let geo = top.section("geo", "[geo]");
    let mmdb = geo.at("country", value::path);
    let addresses = geo.at("addresses", value::path);
    if let (Some(_), Some(addresses)) = (&mmdb, &addresses) {
        let help = "keep one of `country` and `addresses`";
        geo.document().advise(&addresses.span, "`addresses` has no effect: `country` replaces it", help);
    }
    let places = Places {
        mmdb: mmdb.and_then(|path| reading.file(&path)),
        addresses: addresses.and_then(|path| reading.file(&path)),
        ranges: geo.list("ranges", value::path).iter().filter_map(|path| reading.file(path)).collect(),
    };
    geo.finish();
    places
}

impl<'d> Reading<'d> {
    pub(super) fn new(document: &'d Document<'d>, base: &Path, packs: Option<&'d Packs>) -> Reading<'d> {
        Reading {
            document,
            base: base.to_owned(),
            packs,
            files: RefCell::default(),
            answered: RefCell::default(),
            foreign: RefCell::default(),
        }
    }

    /// Keeps a problem of another file.
    fn foreign(&self, problem: Diagnostic) {
        self.foreign.borrow_mut().push(problem);
    }

    /// Keeps something worth knowing that no single place of the file shows.
    fn remark(&self, message: String) {
        let remark = Diagnostic::file(self.document.name(), message);
        self.foreign(Diagnostic { severity: Severity::Warning, ..remark });
    }

    /// A path of the file: relative to the directory the file is in.
    pub(super) fn path(&self, path: &Path) -> PathBuf {
        self.base.join(path)
    }

    /// A file that has to be there and is watched.
    fn file(&self, path: &At<PathBuf>) -> Option<PathBuf> {
        let file = self.path(&path.value);
        self.files.borrow_mut().push(file.clone());
        match std::fs::metadata(&file) {
            Ok(found) if found.is_file() => return Some(file),
            Ok(_) => self.document.error(&path.span, format!("{} is not a file", file.display())),
            Err(error) => self.document.error(&path.span, format!("{} cannot be read: {error}", file.display())),
        }
        None
    }

    /// What stands in a secret file, without the line end.
    fn secret(&self, path: &At<PathBuf>) -> Option<String> {
        let file = self.file(path)?;
        let text = match std::fs::metadata(&file) {
            Ok(found) if found.len() > LARGEST_SECRET => Err("is too large for a secret".to_owned()),
            _ => std::fs::read_to_string(&file).map_err(|error| format!("cannot be read: {error}")),
        };
        let text = text.map(|text| text.trim_end_matches(['\r', '\n']).to_owned());
        let problem = match text {
            Ok(text) if text.is_empty() => "is empty".to_owned(),
            Ok(text) => return Some(text),
            Err(problem) => problem,
        };
        self.document.error(&path.span, format!("{} {problem}", file.display()));
        None
    }

    /// Answers of one party, checked against what the packs ask.
    fn facts(&self, section: &Section<'d>) -> FactSet {
        let facts = section.section("facts", "a table of facts");
        let mut set = FactSet::default();
        for (name, answer) in facts.entries(value::fact) {
            let checked = self.packs.map_or(Ok(()), |packs| packs.check_fact(name.value, &answer.value));
            match checked {
                Ok(()) => {
                    self.answered.borrow_mut().push(At { value: name.value.to_owned(), span: name.span.clone() });
                    set.insert(name.value, answer.value);
                }
                Err(error) => {
                    let asked = self.packs.is_some_and(|packs| packs.fact_declared(name.value).next().is_some());
                    let span = if asked { &answer.span } else { &name.span };
                    match error.help {
                        Some(help) => self.document.advise(span, error.message, help),
                        None => self.document.error(span, error.message),
                    }
                }
            }
        }
        facts.finish();
        set
    }

    /// Files that were read, the facts that were answered, and what is wrong in other files.
    pub(super) fn finish(self) -> (Vec<PathBuf>, Vec<At<String>>, Vec<Diagnostic>) {
        (self.files.into_inner(), self.answered.into_inner(), self.foreign.into_inner())
    }
}

/// Countries somebody of ours is in: the packs of their law are on unless the file says otherwise.
pub(super) fn countries(settings: &Settings) -> Vec<Country> {
    let Settings { exporter: Exporter { country, .. }, applications, listeners, .. } = settings;
    let applications = applications.iter().filter_map(|application| application.country);
    let listeners = listeners.iter().filter_map(super::settings::Listener::country);
    let mut all: Vec<Country> = country.iter().copied().chain(applications).chain(listeners).collect();
    all.sort_unstable();
    all.dedup();
    all
}
