//! Mechanisms: what the organisation holds, and whether it meets what a rule asks for.
//!
//! A mechanism counts only if it is of the right kind, valid on the day, covers the importer and all the data the rule
//! is about, and carries the particulars (issuer, module, roles) the pack asks for. Anything in doubt does not count.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::ToSpan;
use jiff::civil::Date;

use super::pack::{Filing, Need, Term};
use super::region::Days;
use super::view::View;
use crate::transfer::{self, CategorySet, Country, Held, HostPattern, Party};

/// Something the organisation holds that makes transfers lawful.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mechanism {
    /// The organisation's own reference.
    pub id: Arc<str>,
    /// What it is, in the words of the packs: `standard-contract`.
    pub kind: Arc<str>,
    /// Importers it was made with; with `countries` empty too, every importer.
    pub importers: Vec<HostPattern>,
    /// Countries of the importers it was made for.
    pub countries: Vec<Country>,
    /// The data it covers; empty for all.
    pub categories: CategorySet,
    /// First valid day.
    pub from: Option<Date>,
    /// Last valid day.
    pub until: Option<Date>,
    /// When it was filed with the authority.
    pub filed: Option<Date>,
    /// Particulars: issuer, module, roles.
    pub extra: BTreeMap<String, String>,
    /// False when the organisation knows that it does not cover what is being sent.
    pub in_scope: bool,
}

/// The dates of a mechanism that a need can require like its particulars.
pub(super) const DATES: [&str; 3] = ["from", "until", "filed"];

/// How a need is met.
#[derive(Debug, Clone)]
pub(super) struct Met {
    pub(super) shown: transfer::Met,
    pub(super) warnings: Vec<Arc<str>>,
}

impl Met {
    fn by_fact(need: &Need) -> Met {
        let shown = transfer::Met { need: need.id.clone(), mechanism: None, until: None, file_by: None, filed: None };
        Met { shown, warnings: Vec::new() }
    }
}

/// Whether a need is met in a view, for data of the kinds in `subject` (all kinds when that is empty). Of several
/// mechanisms the one with the fewest warnings counts.
pub(super) fn meet(need: &Need, view: &View<'_>, subject: CategorySet) -> Option<Met> {
    let holds = |when: &super::condition::Condition| when.holds(view) == Some(true);
    if !need.when.as_ref().is_none_or(holds) {
        return None;
    }
    if need.met_when.as_ref().is_some_and(holds) {
        return Some(Met::by_fact(need));
    }
    let fitting = view.case.mechanisms.iter().filter(|mechanism| mechanism.fits(need, view, subject));
    fitting.filter_map(|mechanism| mechanism.meets(need, view)).min_by_key(|met| met.warnings.len())
}

/// Whether any mechanism covers some categories only.
pub(super) fn any_limited(mechanisms: &[Mechanism]) -> bool {
    mechanisms.iter().any(|mechanism| !mechanism.categories.is_empty())
}

impl Mechanism {
    /// What a record keeps of it, so that the decision can be made again.
    pub fn held(&self) -> Held {
        Held {
            id: self.id.clone(),
            kind: self.kind.clone(),
            categories: self.categories,
            from: self.from,
            until: self.until,
            filed: self.filed,
            extra: self.extra.clone(),
            in_scope: self.in_scope,
        }
    }

    /// A mechanism of a record: it reached the importer it is asked about again.
    pub fn recorded(held: Held) -> Mechanism {
        let Held { id, kind, categories, from, until, filed, extra, in_scope } = held;
        let (importers, countries) = (Vec::new(), Vec::new());
        Mechanism { id, kind, importers, countries, categories, from, until, filed, extra, in_scope }
    }

    /// Whether it was made with this importer, wherever of its candidates that is.
    pub fn is_with(&self, importer: &Party) -> bool {
        self.made_with(importer.host.as_deref(), &importer.place.countries)
    }

    fn made_with(&self, host: Option<&str>, countries: &[Country]) -> bool {
        (self.importers.is_empty() && self.countries.is_empty())
            || countries.iter().any(|country| self.countries.contains(country))
            || host.is_some_and(|host| self.importers.iter().any(|pattern| pattern.matches(host)))
    }

    fn fits(&self, need: &Need, view: &View<'_>, subject: CategorySet) -> bool {
        self.in_scope
            && need.kinds.contains(&self.kind)
            && self.from.is_none_or(|from| from <= view.day)
            && self.was_signed(need.signed)
            && self.has_waited(need, view)
            && self.last_day(need).is_none_or(|last| view.day <= last)
            && self.reaches(view)
            && self.covers(view, subject)
            && need.require.iter().all(|key| self.carries(key, view.day))
            && (need.accept.is_empty() || need.accept.iter().any(|row| self.agrees(row)))
    }

    /// The last valid day: the one written down, or the end of the term the statute gives.
    pub(super) fn last_day(&self, need: &Need) -> Option<Date> {
        let lapses = || {
            let span = match need.lasts? {
                Term::WorkingDays(_) => return None,
                Term::Days(days) => days.days(),
                Term::Months(months) => months.months(),
                Term::Years(years) => years.years(),
            };
            self.from?.checked_add(span).ok()?.yesterday().ok()
        };
        self.until.or_else(lapses)
    }

    /// Whether it has a particular. Its own dates are particulars too: what was filed tomorrow is not filed.
    fn carries(&self, key: &str, today: Date) -> bool {
        match key {
            "filed" => self.filed.is_some_and(|filed| filed <= today),
            "from" => self.from.is_some(),
            "until" => self.until.is_some(),
            key => self.extra.contains_key(key),
        }
    }

    /// Whether its first day is among those a need takes. Without a first day that cannot be shown.
    fn was_signed(&self, within: Days) -> bool {
        within == Days::default() || self.from.is_some_and(|from| within.contain(from))
    }

    /// Whether the term is over that runs before a transfer may begin. Without a day it began on it never is.
    fn has_waited(&self, need: &Need, view: &View<'_>) -> bool {
        let Some(term) = need.waits else { return true };
        let start = self.filed.or(self.from);
        start.and_then(|start| view.pack.calendar.forward(term, start)).is_some_and(|last| last <= view.day)
    }

    fn reaches(&self, view: &View<'_>) -> bool {
        self.made_with(view.case.importer.host.as_deref(), &[view.importer])
    }

    fn covers(&self, view: &View<'_>, subject: CategorySet) -> bool {
        let Some(carried) = view.carried else { return true };
        let about = |kind| subject.is_empty() || subject.contains(kind);
        self.categories.is_empty()
            || carried
                .found
                .iter()
                .filter(|kind| about(*kind))
                .all(|kind| self.categories.iter().any(|category| category.contains(kind)))
    }

    fn agrees(&self, row: &[(Arc<str>, Arc<str>)]) -> bool {
        row.iter().all(|(key, value)| self.extra.get(&**key).is_none_or(|given| **given == **value))
    }

    /// Met, with warnings, unless a missed filing takes its effect away.
    fn meets(&self, need: &Need, view: &View<'_>) -> Option<Met> {
        let mut met = Met::by_fact(need);
        met.shown.mechanism = Some(self.id.clone());
        met.shown.until = self.last_day(need);
        met.shown.filed = self.filed;
        if let Some(filing) = &need.filing {
            met.shown.file_by = self.from.and_then(|from| view.pack.calendar.forward(filing.within, from));
            match self.filed_in_time(filing, view) {
                Filed::InTime => {}
                Filed::Pending => met.warnings.extend(filing.due.clone()),
                Filed::Late if filing.late_blocks => return None,
                Filed::Overdue if filing.overdue_blocks => return None,
                Filed::Late | Filed::Overdue => met.warnings.push(filing.late.clone()),
            }
        }
        let renew = need.renewal.zip(self.last_day(need));
        let start = renew.and_then(|(term, last)| view.pack.calendar.back(term, last));
        if start.is_some_and(|start| start <= view.day) {
            met.warnings.push("renewal-due".into());
        }
        Some(met)
    }

    /// Without a first day there is no deadline to miss.
    fn filed_in_time(&self, filing: &Filing, view: &View<'_>) -> Filed {
        let deadline = self.from.and_then(|from| view.pack.calendar.forward(filing.within, from));
        match (deadline, self.filed) {
            (None, _) => Filed::InTime,
            (Some(deadline), Some(filed)) if filed <= deadline => Filed::InTime,
            (Some(deadline), None) if view.day <= deadline => Filed::Pending,
            (Some(_), Some(_)) => Filed::Late,
            (Some(_), None) => Filed::Overdue,
        }
    }
}

enum Filed {
    InTime,
    Pending,
    /// Filed, after the deadline.
    Late,
    /// Not filed, and the deadline is over.
    Overdue,
}
