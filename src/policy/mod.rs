//! What the law and the organisation say about a transfer.
//!
//! A pack is a file of rules ([`Pack`]); [`Packs::compile`] turns files into structures that are only read afterwards.
//! For a transfer the gate asks three things in order: [`Packs::interest`] (does any pack speak, and must the content be
//! known), [`Packs::touches`] (which counters would it add people to), [`Packs::decide`] (what becomes of it).
//!
//! This module refuses to know sockets, files, the clock and what time it is: all of that comes in with the [`Case`].
//! No country, threshold, citation or date of a statute stands in its code. Its bias: whatever is unknown or in doubt
//! makes a rule fire. An unknown place is foreign to everyone and on nobody's list, a party that may be in two countries
//! is judged in both, and a mechanism counts only when everything about it fits.

mod advice;
mod again;
mod calendar;
mod condition;
mod confidence;
mod counter;
mod decide;
mod early;
mod fact;
mod index;
mod lint;
mod mechanism;
mod pack;
mod read;
mod region;
pub mod scenario;
mod shadow;
mod threshold;
mod view;
pub mod words;

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use ring::digest;
use serde::Serialize;

pub use self::advice::Ground;
pub use self::confidence::Unsettled;
pub use self::early::{Ending, Standing};
pub use self::fact::{About, Elapsed, Fact, FactError, FactSet, FactType, FactValue};
pub use self::mechanism::Mechanism;
pub use self::pack::{Authority, Confidence, Counter, Exemption, Need, Pack, PackKind, Rank, Rule};
use crate::diagnostic::{Diagnostic, Source, nearest};
use crate::transfer::{Action, Cause, Content, Counted, Country, Direction, Open, Party, Reason, Route};

/// The law packs that are part of the build: file name and text of every file of `rules/laws`.
pub const BUILTIN_LAWS: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/laws.rs"));

/// The organisation's pack that is part of the build: file name and text.
pub const BUILTIN_POLICIES: &[(&str, &str)] = &[("organisation.toml", include_str!("../../rules/organisation.toml"))];

/// The scenarios of these packs: file name and text of every file of `rules/tests`.
pub const BUILTIN_SCENARIOS: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/tests.rs"));

/// Compiled packs. Immutable; every pack of the rules directory is here, and each case says which are enabled.
#[derive(Debug, Clone)]
pub struct Packs {
    packs: Vec<Pack>,
    /// The packs that may speak about transfers out of a country.
    speaking: HashMap<Country, Vec<usize>>,
    hash: Arc<str>,
    warnings: Vec<Diagnostic>,
}

/// Which packs bind and which are only observed, by id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Enabled {
    /// Decided and enforced.
    pub enforce: Vec<Arc<str>>,
    /// Decided and recorded.
    pub observe: Vec<Arc<str>>,
}

/// A transfer as the packs are asked about it.
#[derive(Debug, Clone)]
pub struct Case<'a> {
    /// When.
    pub now: Timestamp,
    /// Which message of the flow.
    pub direction: Direction,
    /// Who data leaves.
    pub exporter: &'a Party,
    /// Who receives it.
    pub importer: &'a Party,
    /// The application that sends, if known.
    pub application: Option<&'a str>,
    /// What the organisation has answered, for this exporter, importer and application.
    pub facts: &'a FactSet,
    /// What is carried. [`Packs::interest`] does not look at it.
    pub content: &'a Content,
    /// What the organisation holds.
    pub mechanisms: &'a [Mechanism],
    /// Which packs are asked.
    pub enabled: &'a Enabled,
}

/// Whether the packs have anything to say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Interest {
    /// Some rule could fire, or a law speaks about transfers between these places.
    pub speaks: bool,
    /// What they say may depend on what the content is.
    pub content: bool,
}

/// What the packs say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The strictest action of the enforced packs.
    pub action: Action,
    /// On a block: law, or the organisation's policy.
    pub cause: Option<Cause>,
    /// Rules and exemptions that spoke, those that decided first.
    pub reasons: Vec<Reason>,
    /// Ids of mechanisms relied on.
    pub mechanisms: Vec<Arc<str>>,
    /// Notes such as `filing-late`.
    pub warnings: Vec<String>,
    /// On a block: the lightest changes that would let it pass. [`Packs::advise`] finds them; `decide` leaves this empty.
    pub passes_if: Vec<String>,
    /// The same for programs.
    pub routes: Vec<Route>,
    /// Questions nobody has answered whose default decided.
    pub unanswered: Vec<Open>,
    /// What the counters show, in the order of the touches.
    pub counters: Vec<Counted>,
}

impl Default for Outcome {
    fn default() -> Outcome {
        Outcome {
            action: Action::Permit,
            cause: None,
            reasons: Vec::new(),
            mechanisms: Vec::new(),
            warnings: Vec::new(),
            passes_if: Vec::new(),
            routes: Vec::new(),
            unanswered: Vec::new(),
            counters: Vec::new(),
        }
    }
}

/// A pack as lists show it.
#[derive(Debug, Clone, Serialize)]
pub struct Summary<'p> {
    /// Id.
    pub id: &'p str,
    /// Title.
    pub title: &'p str,
    /// Law or the organisation's own.
    pub kind: PackKind,
    /// When it was last checked.
    pub updated: jiff::civil::Date,
    /// Hash of the file.
    pub hash: &'p str,
    /// How many rules it has.
    pub rules: usize,
}

impl Packs {
    /// Compiles packs from their files.
    ///
    /// # Errors
    /// All problems of all files.
    pub fn compile(sources: &[Source]) -> Result<Packs, Vec<Diagnostic>> {
        let mut packs: Vec<Pack> = Vec::new();
        let mut problems = Vec::new();
        let mut warnings = Vec::new();
        for source in sources {
            match read::pack(source) {
                Ok((pack, remarks)) => {
                    warnings.extend(remarks);
                    problems.extend(conflicts(&pack, &packs));
                    packs.push(pack);
                }
                Err(found) => problems.extend(found),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let hash = hash_of(sources.iter().map(|source| source.text.as_bytes()));
        Ok(Packs { speaking: speaking(&packs), packs, hash, warnings })
    }

    /// The packs whose scope takes in some pair of candidate countries, with their positions.
    fn speaking(&self, exporter: &[Country], importer: &[Country]) -> impl Iterator<Item = (usize, &Pack)> {
        let known = match exporter {
            [country] => self.speaking.get(country),
            _ => None,
        };
        let count = known.map_or(self.packs.len(), Vec::len);
        let some = (0..count).filter_map(move |at| {
            let index = known.map_or(Some(at), |known| known.get(at).copied())?;
            Some((index, self.packs.get(index)?))
        });
        some.filter(move |(_, pack)| exporter.iter().any(|e| importer.iter().any(|i| pack.scope.has(*e, *i))))
    }

    /// What is most likely not meant in them, and hurts nobody.
    pub fn warnings(&self) -> &[Diagnostic] {
        &self.warnings
    }

    /// The packs that are part of the build.
    ///
    /// # Errors
    /// None that a test has not seen: the texts are part of the build.
    pub fn builtin() -> Result<Packs, Vec<Diagnostic>> {
        Packs::compile(&builtin())
    }

    /// Every pack.
    pub fn iter(&self) -> std::slice::Iter<'_, Pack> {
        self.packs.iter()
    }

    /// The pack of an id.
    pub fn get(&self, id: &str) -> Option<&Pack> {
        self.packs.iter().find(|pack| *pack.id == *id)
    }

    pub(super) fn position(&self, id: &str) -> Option<usize> {
        self.packs.iter().position(|pack| *pack.id == *id)
    }

    /// `sha256:` and the hash over all files.
    pub fn hash(&self) -> &Arc<str> {
        &self.hash
    }

    /// The packs that ask a fact, with the question.
    pub fn fact_declared<'p>(&'p self, name: &'p str) -> impl Iterator<Item = (&'p Pack, &'p Fact)> {
        self.packs.iter().filter_map(move |pack| {
            let fact = pack.facts.iter().find(|fact| *fact.name == *name)?;
            Some((pack, fact))
        })
    }

    /// Whether some pack takes this answer to this question.
    ///
    /// # Errors
    /// No pack asks it, or none of those that do takes the answer; with the nearest name or word.
    pub fn check_fact(&self, name: &str, value: &FactValue) -> Result<(), FactError> {
        let asked: Vec<&Fact> = self.fact_declared(name).map(|(_, fact)| fact).collect();
        if asked.is_empty() {
            let known = self.packs.iter().flat_map(|pack| pack.facts.iter().map(|fact| &*fact.name));
            let help = nearest(name, known).map(|near| format!("did you mean `{near}`?"));
            return Err(FactError { message: format!("no pack asks for fact `{name}`"), help });
        }
        if asked.iter().any(|fact| fact.check(value).is_ok()) {
            return Ok(());
        }
        // Of several packs that ask, the one that knows what was meant is the one to listen to.
        let told = asked.iter().filter_map(|fact| fact.check(value).err()).find(FactError::means_something);
        told.map_or_else(|| fact::refused(&asked, value), Err)
    }

    /// Every kind of mechanism some pack knows.
    pub fn mechanism_kinds(&self) -> impl Iterator<Item = &str> + Clone {
        self.packs.iter().flat_map(|pack| pack.needs.iter().flat_map(|need| need.kinds.iter().map(|kind| &**kind)))
    }

    /// Every particular (issuer, module) some pack asks of a mechanism.
    pub fn mechanism_particulars(&self) -> impl Iterator<Item = &str> + Clone {
        let needs = self.packs.iter().flat_map(|pack| pack.needs.iter());
        needs.flat_map(|need| {
            let accepted = need.accept.iter().flatten().map(|(key, _)| &**key);
            let required = need.require.iter().map(|key| &**key).filter(|key| !mechanism::DATES.contains(key));
            accepted.chain(required)
        })
    }

    /// Every pack in a few words.
    pub fn summaries(&self) -> Vec<Summary<'_>> {
        self.packs.iter().map(Summary::of).collect()
    }
}

impl<'p> Summary<'p> {
    fn of(pack: &'p Pack) -> Summary<'p> {
        Summary {
            id: &pack.id,
            title: &pack.title,
            kind: pack.kind,
            updated: pack.updated,
            hash: &pack.hash,
            rules: pack.rules.len(),
        }
    }
}

/// Every pack that is part of the build.
pub fn builtin() -> Vec<Source> {
    let files = BUILTIN_LAWS.iter().chain(BUILTIN_POLICIES);
    files.map(|(name, text)| Source::new(*name, *text)).collect()
}

/// For each country the packs that speak about transfers out of it, so that the others cost nothing there.
fn speaking(packs: &[Pack]) -> HashMap<Country, Vec<usize>> {
    let out_of = |country: Country| {
        let packs = packs.iter().enumerate().filter(|(_, pack)| pack.scope.has_exporter(country));
        (country, packs.map(|(index, _)| index).collect())
    };
    Country::all().into_iter().chain([Country::UNKNOWN]).map(out_of).collect()
}

/// Ids are unique, and a fact that several packs ask takes one type of answer.
fn conflicts(pack: &Pack, others: &[Pack]) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    for other in others {
        if other.id == pack.id {
            let message = format!("pack id `{}` is already that of {}", pack.id, other.file);
            problems.push(Diagnostic::file(&*pack.file, message));
        }
        for fact in &pack.facts {
            let same = other.facts.iter().find(|known| known.name == fact.name);
            if same.is_some_and(|known| std::mem::discriminant(&known.kind) != std::mem::discriminant(&fact.kind)) {
                let message = format!("fact `{}` has another type in pack `{}`", fact.name, other.id);
                problems.push(Diagnostic::file(&*pack.file, message));
            }
        }
    }
    problems
}

/// `sha256:` and the hash of several texts, each with its length so that no two sequences are alike.
fn hash_of<'t>(texts: impl IntoIterator<Item = &'t [u8]>) -> Arc<str> {
    let mut context = digest::Context::new(&digest::SHA256);
    for text in texts {
        context.update(&u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
        context.update(text);
    }
    let hex: String = context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}").into()
}

#[cfg(test)]
mod tests;
