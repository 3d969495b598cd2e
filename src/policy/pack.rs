//! What a pack means: the types a pack file becomes, which cannot be wrong.
//!
//! Everything is compiled once. Ids inside a pack are indexes, classes are bits, lists of countries are bit sets, so
//! that judging a transfer is comparisons and no look-ups by name.

use std::ops::Range;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::calendar::Calendar;
use super::condition::Condition;
use super::fact::Fact;
use super::index::Index;
use super::region::{Countries, Days, List};
use super::threshold::Thresholds;
pub use crate::transfer::Confidence;
use crate::transfer::{Action, CategorySet, Country, Direction};

/// Classes and counters of a pack fit one word and one array on the stack.
pub(super) const MOST: usize = 32;

/// Whose word a pack is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PackKind {
    /// A statute. A refusal is a 451.
    Law,
    /// The organisation's own policy. A refusal is a 403.
    Organisation,
}

/// What kind of text a source is, the highest first. Where two texts conflict, the lower one yields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Rank {
    /// An agreement between states.
    Treaty,
    /// An act of the legislature.
    Law,
    /// Of the government under a law.
    Regulation,
    /// Of a ministry or an authority under those.
    Rule,
    /// What an authority or a court says they mean.
    Guidance,
    /// A catalogue or list that one of them refers to.
    List,
}

/// One file of rules, compiled.
#[derive(Debug, Clone, Serialize)]
pub struct Pack {
    /// Its id, unique among the packs.
    pub id: Arc<str>,
    /// Its title.
    pub title: Arc<str>,
    /// Law or the organisation's own.
    pub kind: PackKind,
    /// The countries whose law it is; empty for an organisation's pack.
    pub jurisdiction: Vec<Country>,
    /// The day its authors last checked it.
    pub updated: Date,
    /// `sha256:` and the hash of the file.
    pub hash: Arc<str>,
    /// The file it was read from.
    pub file: Arc<str>,
    /// The texts it rests on.
    pub sources: Vec<Authority>,
    /// What it asks of the organisation.
    pub facts: Vec<Fact>,
    /// Whom it counts.
    pub counters: Vec<Counter>,
    /// What can be held or done.
    pub needs: Vec<Need>,
    /// What takes people out of its rules.
    pub exemptions: Vec<Exemption>,
    /// Its provisions.
    pub rules: Vec<Rule>,
    #[serde(skip)]
    pub(super) zone: TimeZone,
    #[serde(skip)]
    pub(super) scope: Scope,
    #[serde(skip)]
    pub(super) classes: Vec<Class>,
    #[serde(skip)]
    pub(super) lists: Vec<List>,
    #[serde(skip)]
    pub(super) calendar: Calendar,
    #[serde(skip)]
    pub(super) index: Index,
    /// Counters some rule asks about even where a transfer adds nobody to them, as bits.
    #[serde(skip)]
    pub(super) counted: u32,
}

/// What the conditions of a pack point into, while it is being read.
pub(super) struct Parts<'p> {
    pub(super) facts: &'p [Fact],
    pub(super) counters: &'p [Counter],
    pub(super) lists: &'p [List],
}

/// A text a pack rests on.
#[derive(Debug, Clone, Serialize)]
pub struct Authority {
    /// Id within the pack.
    pub id: Arc<str>,
    /// Full title.
    pub title: Arc<str>,
    /// How citations name it.
    pub short: Arc<str>,
    /// What kind of text it is, which says what it yields to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rank: Option<Rank>,
    /// First day in force.
    pub in_force: Option<Date>,
    /// Last day in force.
    pub until: Option<Date>,
}

/// Which transfers a pack speaks about.
#[derive(Debug, Clone, Default)]
pub(super) struct Scope {
    pub(super) exporter: Option<Countries>,
    pub(super) exporter_not: Option<Countries>,
    pub(super) importer: Option<Countries>,
    pub(super) importer_not: Option<Countries>,
    pub(super) direction: Option<Direction>,
    pub(super) when: Option<Condition>,
}

/// A group of categories under which people are counted.
#[derive(Debug, Clone)]
pub(super) struct Class {
    pub(super) id: Arc<str>,
    pub(super) title: Arc<str>,
    pub(super) rows: Vec<(CategorySet, Days)>,
    /// How many different categories of the class must be known of a person.
    pub(super) at_least: u32,
    /// Whoever is in one of these is not in this.
    pub(super) without: u32,
}

/// Whom a pack counts, over which window.
#[derive(Debug, Clone, Serialize)]
pub struct Counter {
    /// Id within the pack.
    pub id: Arc<str>,
    /// Whom it counts, in words.
    pub title: Arc<str>,
    /// The numbers at which conditions turn on it.
    #[serde(rename = "highest")]
    pub(super) thresholds: Thresholds,
    #[serde(skip)]
    pub(super) classes: u32,
    #[serde(skip)]
    pub(super) window: Window,
    #[serde(skip)]
    pub(super) per_importer: bool,
    #[serde(skip)]
    pub(super) days: Days,
}

/// Since when people count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Window {
    /// Since 1 January of this year, or of an earlier one: how many calendar years, this one included.
    CalendarYears(i16),
    RollingMonths(i32),
    RollingDays(i32),
    Ever,
}

/// Something that can be held or done, and makes a transfer lawful.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Need {
    /// Id within the pack.
    pub id: Arc<str>,
    /// In plain words, to follow "hold" or "have".
    pub title: Arc<str>,
    /// Kinds of mechanisms that meet it; empty when only `met_when` does.
    pub kinds: Vec<Arc<str>>,
    /// How sure the reading is.
    pub confidence: Confidence,
    /// Where it is of use at all.
    #[serde(skip)]
    pub(super) when: Option<Condition>,
    /// What meets it without a mechanism.
    #[serde(skip)]
    pub(super) met_when: Option<Condition>,
    /// Combinations of extra keys that fit; a key the mechanism does not have is not asked.
    #[serde(skip)]
    pub(super) accept: Vec<Vec<(Arc<str>, Arc<str>)>>,
    /// Extra keys it must have.
    #[serde(skip)]
    pub(super) require: Vec<Arc<str>>,
    /// Days its own first day may fall on.
    #[serde(skip)]
    pub(super) signed: Days,
    /// How long after it was filed, or else signed, a transfer may begin.
    #[serde(skip)]
    pub(super) waits: Option<Term>,
    #[serde(skip)]
    pub(super) filing: Option<Filing>,
    #[serde(skip)]
    pub(super) renewal: Option<Term>,
    /// How long it lasts when no end is written down.
    #[serde(skip)]
    pub(super) lasts: Option<Term>,
}

/// When a mechanism must be filed, and what a missed deadline does.
#[derive(Debug, Clone)]
pub(super) struct Filing {
    pub(super) within: Term,
    pub(super) late: Arc<str>,
    pub(super) due: Option<Arc<str>>,
    /// Whether filing it late takes its effect away.
    pub(super) late_blocks: bool,
    /// Whether it has no effect from the missed deadline until it is filed.
    pub(super) overdue_blocks: bool,
}

/// A length of time as a statute gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Term {
    WorkingDays(u32),
    Days(i32),
    Months(i32),
    Years(i32),
}

/// A condition that takes the people of some classes out of the rules and out of the counters.
#[derive(Debug, Clone, Serialize)]
pub struct Exemption {
    /// Id within the pack.
    pub id: Arc<str>,
    /// The provision.
    pub cite: Arc<str>,
    /// In plain words.
    pub why: Arc<str>,
    /// How sure the reading is.
    pub confidence: Confidence,
    #[serde(skip)]
    pub(super) covers: u32,
    #[serde(skip)]
    pub(super) days: Days,
    #[serde(skip)]
    pub(super) when: Condition,
    /// Where it stands in its file.
    #[serde(skip)]
    pub(super) span: Range<usize>,
}

/// One provision.
#[derive(Debug, Clone, Serialize)]
pub struct Rule {
    /// Id within the pack.
    pub id: Arc<str>,
    /// The provision.
    pub cite: Arc<str>,
    /// In plain words.
    pub why: Arc<str>,
    /// What happens when it fires and none of its needs is met.
    pub action: Action,
    /// Ids of needs, any one of which satisfies it.
    pub needs: Vec<Arc<str>>,
    /// First day in force.
    pub valid_from: Option<Date>,
    /// Last day in force.
    pub valid_until: Option<Date>,
    /// How sure the reading is.
    pub confidence: Confidence,
    /// Warnings the decision carries when it fires.
    pub warns: Vec<Arc<str>>,
    #[serde(skip)]
    pub(super) when: Condition,
    #[serde(skip)]
    pub(super) wants: Vec<usize>,
    /// Whether exemptions take people out of it.
    #[serde(skip)]
    pub(super) exemptions: bool,
    /// The kinds of data it is about.
    #[serde(skip)]
    pub(super) subject: CategorySet,
    /// Where it stands in its file.
    #[serde(skip)]
    pub(super) span: Range<usize>,
}

impl Pack {
    /// Whether a refusal by this pack is a legal one.
    pub fn is_law(&self) -> bool {
        self.kind == PackKind::Law
    }

    /// The counter a rule compares first, by its id.
    pub fn compared_by(&self, rule: &str) -> Option<&Arc<str>> {
        let rule = self.rules.iter().find(|known| *known.id == *rule)?;
        let (counter, _) = rule.counters().first().copied()?;
        self.counters.get(counter).map(|counter| &counter.id)
    }

    /// Today where the pack counts.
    pub(super) fn day(&self, now: Timestamp) -> Date {
        self.zone.to_datetime(now).date()
    }
}

impl Scope {
    /// Whether transfers out of a country can be meant.
    pub(super) fn has_exporter(&self, exporter: Country) -> bool {
        within(&self.exporter, exporter) && !self.exporter_not.is_some_and(|set| set.contains(exporter))
    }

    /// Whether a pair of countries can be meant at all.
    pub(super) fn has(&self, exporter: Country, importer: Country) -> bool {
        self.has_exporter(exporter)
            && within(&self.importer, importer)
            && !self.importer_not.is_some_and(|set| set.contains(importer))
    }
}

fn within(set: &Option<Countries>, country: Country) -> bool {
    set.is_none_or(|set| set.contains(country))
}

impl Class {
    /// What belongs to it on a day.
    pub(super) fn kinds(&self, day: Date) -> CategorySet {
        self.rows
            .iter()
            .filter(|(_, days)| days.contain(day))
            .fold(CategorySet::default(), |all, (kinds, _)| all.union(*kinds))
    }

    /// What ever belongs to it.
    pub(super) fn ever(&self) -> CategorySet {
        self.rows.iter().fold(CategorySet::default(), |all, (kinds, _)| all.union(*kinds))
    }
}

impl Exemption {
    /// First and last day in force.
    pub fn in_force(&self) -> (Option<Date>, Option<Date>) {
        (self.days.from, self.days.until)
    }
}

impl Rule {
    /// The days it is in force.
    pub(super) fn days(&self) -> Days {
        Days { from: self.valid_from, until: self.valid_until }
    }
}
