//! Which rules: those that are part of the build, or a directory of the organisation's own.
//!
//! A directory is a copy of `rules/` that somebody edits. Each kind of file in it (laws, the organisation's packs,
//! detectors, tables of places) replaces the built-in files of that kind; a kind it does not have stays built in.

use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use crate::diagnostic::{Diagnostic, Source};
use crate::{detect, policy};

/// A rule file is written by people; anything larger is the wrong file.
const LARGEST: u64 = 16 << 20;

/// The files rules are made of.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// Law packs, then the organisation's.
    pub packs: Vec<Source>,
    /// Detectors.
    pub detectors: Vec<Source>,
    /// Tables that replace built-in ones.
    pub places: Vec<Source>,
    /// Scenarios of the packs.
    pub scenarios: Vec<Source>,
    /// The directory, if it is not the build.
    pub directory: Option<PathBuf>,
}

fn built_in<'f>(files: impl IntoIterator<Item = &'f (&'f str, &'f str)>) -> Vec<Source> {
    files.into_iter().map(|(name, text)| Source::new(format!("rules/{name}"), *text)).collect()
}

impl Rules {
    /// The rules that are part of the build.
    pub fn built_in() -> Rules {
        Rules {
            packs: built_in(policy::BUILTIN_LAWS.iter().chain(policy::BUILTIN_POLICIES)),
            detectors: built_in(detect::BUILTIN),
            places: Vec::new(),
            scenarios: built_in(policy::BUILTIN_SCENARIOS),
            directory: None,
        }
    }

    /// The rules of a directory.
    ///
    /// # Errors
    /// Every file that cannot be read, and a table of categories that is not the one of the build.
    pub fn read(directory: &Path) -> Result<Rules, Vec<Diagnostic>> {
        let mut problems = Vec::new();
        let laws = files(&directory.join("laws"), &["toml"], &mut problems);
        let own = files(directory, &["toml"], &mut problems);
        let own: Vec<Source> = own.into_iter().filter(|source| !source.name.ends_with("categories.toml")).collect();
        let detectors = files(&directory.join("detectors"), &["toml"], &mut problems);
        let places = files(&directory.join("places"), &["csv"], &mut problems);
        let scenarios = files(&directory.join("tests"), &["toml"], &mut problems);
        if !directory.is_dir() {
            problems.push(Diagnostic::file(shown(directory), "is not a directory of rules"));
        } else if [&laws, &own, &detectors, &places].iter().all(|found| found.is_empty()) && problems.is_empty() {
            let help =
                "it holds `laws/`, `detectors/`, `places/` or packs, like the `rules/` directory of the project";
            problems.push(Diagnostic::file(shown(directory), "has no rules in it").help(help));
        }
        problems.extend(other_categories(directory));
        let otherwise = |found: Vec<Source>, built_in: Vec<Source>| if found.is_empty() { built_in } else { found };
        let mut scenarios = scenarios;
        scenarios.extend(scenarios_of_the_build(laws.is_empty(), own.is_empty()));
        let mut packs = otherwise(laws, built_in(policy::BUILTIN_LAWS));
        packs.extend(otherwise(own, built_in(policy::BUILTIN_POLICIES)));
        let rules = Rules {
            packs,
            detectors: otherwise(detectors, built_in(detect::BUILTIN)),
            places: places.into_iter().filter(|source| !source.name.ends_with("countries.csv")).collect(),
            scenarios,
            directory: Some(directory.to_owned()),
        };
        if problems.is_empty() { Ok(rules) } else { Err(problems) }
    }
}

/// The scenarios of packs that are taken from the build. A file of them is named like the file of its pack.
fn scenarios_of_the_build(laws: bool, own: bool) -> Vec<Source> {
    let file = |name: &str| name.rsplit('/').next().unwrap_or(name).to_owned();
    let is_own = |name: &str| policy::BUILTIN_POLICIES.iter().any(|(pack, _)| file(pack) == file(name));
    let wanted = policy::BUILTIN_SCENARIOS.iter().filter(|(name, _)| if is_own(name) { own } else { laws });
    built_in(wanted)
}

/// Categories, countries and generic words are part of the build, because other parts of it count on them.
fn other_categories(directory: &Path) -> Option<Diagnostic> {
    let differs = |file: &str, built_in: &str| {
        let path = directory.join(file);
        let text = std::fs::read_to_string(&path).ok()?;
        (text.replace('\r', "") != built_in).then(|| shown(&path))
    };
    let file = differs("categories.toml", include_str!("../../rules/categories.toml"))
        .or_else(|| differs("places/countries.csv", include_str!("../../rules/places/countries.csv")))
        .or_else(|| differs("words.txt", include_str!("../../rules/words.txt")))?;
    let help = "take the built-in file or remove this one; a new category needs a new build";
    Some(Diagnostic::file(file, "differs from the table of this build").help(help))
}

/// The files of a directory with one of some endings, in the order of their names. No directory, no files.
fn files(directory: &Path, endings: &[&str], problems: &mut Vec<Diagnostic>) -> Vec<Source> {
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            problems.push(Diagnostic::file(shown(directory), format!("cannot be read: {error}")));
            return Vec::new();
        }
    };
    let wanted = |path: &PathBuf| {
        let ending = path.extension().and_then(|ending| ending.to_str());
        path.is_file() && ending.is_some_and(|ending| endings.contains(&ending))
    };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(wanted).collect();
    paths.sort();
    let mut sources = Vec::new();
    for path in paths {
        match read_text(&path, LARGEST) {
            Ok(source) => sources.push(source),
            Err(found) => problems.extend(found),
        }
    }
    sources
}

/// A file somebody wrote, as text.
///
/// # Errors
/// It cannot be read, is larger than `largest` bytes, or is not UTF-8.
pub fn read_text(path: &Path, largest: u64) -> Result<Source, Vec<Diagnostic>> {
    let wrong = |what: String| vec![Diagnostic::file(shown(path), what)];
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(largest + 1).read_to_end(&mut bytes))
        .map_err(|error| wrong(format!("cannot be read: {error}")))?;
    if bytes.len() as u64 > largest {
        return Err(wrong(format!("is larger than {largest} bytes")));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Source::new(shown(path), text)),
        Err(_) => Err(wrong("is not UTF-8 text".to_owned())),
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
