//! What data is where, about whom: text pieces in, findings grouped into people out.
//!
//! ```text
//! rules/detectors/*.toml ── compile ──▶ Detectors          once, at load
//! pieces ──▶ Collector ──▶ scan ──▶ evidence ──▶ people     for each message
//! ```
//!
//! A [`Detectors`] is immutable and shared. A [`Collector`] is made for one message, takes its pieces through
//! [`crate::transfer::Sink`] and ends as [`Findings`], which hold kinds, counts, locations and keyed digests. No scheme
//! of any country is written in this module: patterns, tables and words are in the detector files. It does not know
//! places, rules or what becomes of a message.
//!
//! Text that comes in blocks must overlap by [`OVERLAP`] bytes on both sides of what each block reports.

mod raw;

mod detector;

mod compile;

mod sums;

mod automaton;

mod set;

mod marked;

mod prefilter;

mod spots;

mod fold;

mod scan;

mod shape;

mod checks;

mod calendar;

mod travel;

mod key;

mod context;

mod evidence;

mod column;

mod overlap;

mod period;

mod identity;

mod people;

mod record;

mod tally;

mod lists;

mod listed;

mod collector;

mod tools;

mod examples;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use crate::diagnostic::{Diagnostic, Source};
use crate::transfer::{Category, Country, DigestKey, Found, Person, Tally};

use detector::{Detector, Needs};

pub use collector::Collector;
pub use examples::Examples;
pub use lists::{COLUMNS, DataLists, ListFile, ListKey, ListKind, Made, Maker, Passed, Use};

/// How much text a block must carry before and behind the part it reports: the longest match and its context.
pub const OVERLAP: usize = automaton::LONGEST + context::REACH + context::AHEAD;

// What decoders show around a piece is enough for every detector.
const _: () = assert!(OVERLAP <= crate::transfer::CONTEXT);

/// The detector files that are part of the build, by name.
pub const BUILTIN: &[(&str, &str)] = &[
    ("detectors/cn.toml", include_str!("../../rules/detectors/cn.toml")),
    ("detectors/asia.toml", include_str!("../../rules/detectors/asia.toml")),
    ("detectors/europe.toml", include_str!("../../rules/detectors/europe.toml")),
    ("detectors/americas.toml", include_str!("../../rules/detectors/americas.toml")),
    ("detectors/business.toml", include_str!("../../rules/detectors/business.toml")),
    ("detectors/health.toml", include_str!("../../rules/detectors/health.toml")),
    ("detectors/world.toml", include_str!("../../rules/detectors/world.toml")),
    ("detectors/email.toml", include_str!("../../rules/detectors/email.toml")),
    ("detectors/fields.toml", include_str!("../../rules/detectors/fields.toml")),
    ("detectors/geo.toml", include_str!("../../rules/detectors/geo.toml")),
    ("detectors/genomic.toml", include_str!("../../rules/detectors/genomic.toml")),
    ("detectors/biometric.toml", include_str!("../../rules/detectors/biometric.toml")),
    ("detectors/secrets.toml", include_str!("../../rules/detectors/secrets.toml")),
    ("detectors/tokens.toml", include_str!("../../rules/detectors/tokens.toml")),
    ("detectors/marks.toml", include_str!("../../rules/detectors/marks.toml")),
];

/// Compiled detectors.
#[derive(Debug)]
pub struct Detectors {
    list: Vec<Detector>,
    /// How many of them take a bit of a set when text is scanned; they come first.
    scanned: usize,
    demands: evidence::Demands,
    emails: Vec<usize>,
    /// Those whose numbers a whole column speaks for.
    checked: Vec<usize>,
    /// For texts whose field name speaks for no detector that needs one.
    prefilter: prefilter::Prefilter,
    whole_prefilter: prefilter::Prefilter,
    marked: marked::Marked,
    keys: key::KeyTable,
    context: context::ContextTable,
    toolbox: tools::Toolbox,
    /// The organisation's own.
    lists: DataLists,
    sources: Vec<Source>,
    hash: String,
}

/// A detector as the inventory lists it.
#[derive(Debug, Clone, Serialize)]
pub struct Listing {
    /// Its name.
    pub id: Arc<str>,
    /// What it finds.
    pub title: Arc<str>,
    /// The kind of data.
    pub category: Category,
    /// Whose people it is about, if of one country.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<Country>,
    /// What a value needs beside its own shape: `context`, `key`, `person`, `partner`, or nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub needs: Option<&'static str>,
}

/// What a collector remembers beyond counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Keep {
    /// Nothing.
    Counts,
    /// Each finding with its exact location.
    Findings,
    /// The same with the value, for the owner of the content.
    Values,
}

/// What was found in one message.
#[derive(Debug, Clone, Default)]
pub struct Findings {
    /// Findings and people by kind.
    pub categories: BTreeMap<Category, Tally>,
    /// Locations by kind.
    pub found: Vec<Found>,
    /// Distinct people.
    pub people: Vec<Person>,
    /// Single findings, if they were asked for.
    pub findings: Vec<Finding>,
    /// A bound was reached: there are more people or findings than these lists hold.
    pub truncated: bool,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// The kind of data.
    pub category: Category,
    /// Which detector found it.
    pub detector: Arc<str>,
    /// Between 0.5 and 1.
    pub confidence: f32,
    /// The exact location.
    pub r#where: String,
    /// First byte in the decoded part.
    pub start: u64,
    /// The byte behind the last.
    pub end: u64,
    /// The value, only with [`Keep::Values`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

impl Detectors {
    /// Compiles detector files.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn compile(sources: &[Source]) -> Result<Detectors, Vec<Diagnostic>> {
        compile::compile(sources)
    }

    /// The detectors that are part of the build.
    ///
    /// # Errors
    /// Never in a released build: a test compiles them.
    pub fn builtin() -> Result<Detectors, Vec<Diagnostic>> {
        Detectors::compile(&BUILTIN.iter().map(|(name, text)| Source::new(*name, *text)).collect::<Vec<_>>())
    }

    /// Looks at the organisation's own lists as well.
    pub fn with_lists(self, lists: DataLists) -> Detectors {
        Detectors { lists, ..self }
    }

    /// The organisation's own lists.
    pub fn lists(&self) -> &DataLists {
        &self.lists
    }

    /// Begins to take in a message. People are known by digests under `key`.
    pub fn collector<'d>(&'d self, key: &'d DigestKey, keep: Keep) -> Collector<'d> {
        self.collector_on(key, keep, jiff::tz::TimeZone::UTC.to_datetime(jiff::Timestamp::now()).date())
    }

    /// The same as of a given day: dates in identifiers lie in the past, and periods of secrecy end.
    pub fn collector_on<'d>(&'d self, key: &'d DigestKey, keep: Keep, today: jiff::civil::Date) -> Collector<'d> {
        Collector::new(self, key, keep, today)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// SHA-256 over the names and texts of all files, in hexadecimal.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// What can be recognised.
    pub fn list(&self) -> impl Iterator<Item = Listing> + '_ {
        self.list.iter().map(|detector| Listing {
            id: Arc::clone(&detector.id),
            title: Arc::clone(&detector.title),
            category: detector.category,
            country: detector.country,
            needs: match detector.needs {
                Needs::Nothing => (!detector.is_scanned()).then_some("key"),
                Needs::Context => Some("context"),
                Needs::Key => Some("key"),
                Needs::Person | Needs::Row => Some("person"),
                Needs::Partner(_) => Some("partner"),
            },
        })
    }

    /// Runs every example and counter-example.
    pub fn check_examples(&self) -> Examples {
        examples::check(self)
    }
}
