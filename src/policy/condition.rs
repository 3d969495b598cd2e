//! Conditions of rules, exemptions, needs, terms and lists, and whether they hold for one view of a transfer.
//!
//! A view is one pair of candidate countries, so `not` means what it says: where a party may be in two countries, each
//! is judged on its own and the caller lets the stricter one count. A condition about content that is not known yet
//! holds neither way ([`Truth`] `None`), which is how the gate learns whether content has to be read at all.

use std::sync::Arc;

use super::fact::{Fact, FactValue};
use super::mechanism;
use super::region::{Days, Region, Row};
use super::view::View;
use crate::transfer::{Basis, CategorySet, Direction, HostPattern};

/// Yes, no, or it depends on content that is not known yet.
pub(super) type Truth = Option<bool>;

/// One condition. Indexes point into the tables of its pack.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    Fact(usize, Answer),
    /// The count of a counter, this transfer included. Holds only if the transfer itself carries people it counts.
    Counter(usize, Bounds),
    /// The same count, whether or not this transfer adds to it: what has gone before makes a data set combined.
    Counted(usize, Bounds),
    /// Someone of one of these classes is in the content.
    People(u32),
    /// How many people of these classes are in this content.
    Crowd(u32, Bounds),
    /// Data of one of these kinds is in the content.
    Data(CategorySet),
    Exporter(Region),
    Importer(Region),
    /// Whose law the importer's operator answers to.
    Operator(Region),
    /// Whether importer and exporter are in different countries; an unknown place always is.
    Foreign(bool),
    ImporterBasis(Vec<Basis>),
    ImporterHost(Vec<HostPattern>),
    Direction(Direction),
    Application(Vec<Arc<str>>),
    Day(Days),
    /// One of these needs is met.
    Held(Vec<usize>),
}

/// What the answer to a question must be.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Answer {
    OneOf(Vec<FactValue>),
    Within(Bounds),
}

/// Smallest and largest number that satisfies, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Bounds {
    pub(super) min: Option<i64>,
    pub(super) max: Option<i64>,
    /// The number of the lower bound as the statute writes it.
    pub(super) written: Option<i64>,
}

impl Bounds {
    pub(super) fn contain(&self, number: i64) -> bool {
        self.min.is_none_or(|min| min <= number) && self.max.is_none_or(|max| number <= max)
    }
}

impl Condition {
    /// Whether it holds.
    pub(super) fn holds(&self, view: &View<'_>) -> Truth {
        match self {
            Condition::All(parts) => every(parts, view, true),
            Condition::Any(parts) => every(parts, view, false),
            Condition::Not(inner) => inner.holds(view).map(|truth| !truth),
            Condition::Held(needs) => held(needs, view),
            _ if self.is_about_content() => self.asks_content(view),
            _ => Some(self.asks_case(view)),
        }
    }

    /// Whether it is about the content.
    fn is_about_content(&self) -> bool {
        matches!(
            self,
            Condition::Counter(..)
                | Condition::Counted(..)
                | Condition::People(_)
                | Condition::Crowd(..)
                | Condition::Data(_)
        )
    }

    fn asks_content(&self, view: &View<'_>) -> Truth {
        let carried = view.carried?;
        let reached = carried.present & !view.exempt;
        let within = |counter: usize, bounds: &Bounds| {
            bounds.contain(i64::try_from(carried.count(counter, view)).unwrap_or(i64::MAX))
        };
        Some(match self {
            Condition::Counter(index, bounds) => {
                let counter = view.pack.counters.get(*index);
                counter.is_some_and(|counter| reached & counter.classes != 0) && within(*index, bounds)
            }
            Condition::Counted(index, bounds) => within(*index, bounds),
            Condition::People(classes) => reached & classes != 0,
            Condition::Crowd(classes, bounds) => {
                reached & classes != 0 && bounds.contain(carried.crowd(classes & !view.exempt, view.pack))
            }
            Condition::Data(kinds) => carried.kinds.intersects(*kinds),
            _ => false,
        })
    }

    fn asks_case(&self, view: &View<'_>) -> bool {
        let (case, importer) = (view.case, view.case.importer);
        match self {
            Condition::Fact(index, answer) => {
                view.pack.facts.get(*index).is_some_and(|fact| answer.is_given(fact, view))
            }
            Condition::Exporter(region) => region.contains(view.exporter, view),
            Condition::Importer(region) => region.contains(view.importer, view),
            Condition::Operator(region) => {
                importer.place.operator_country.is_some_and(|country| region.contains(country, view))
            }
            Condition::Foreign(wanted) => {
                let unknown = crate::transfer::Country::UNKNOWN;
                let foreign = view.importer != view.exporter || view.importer == unknown;
                foreign == *wanted
            }
            Condition::ImporterBasis(bases) => bases.contains(&importer.place.basis),
            Condition::ImporterHost(hosts) => {
                importer.host.as_deref().is_some_and(|host| hosts.iter().any(|pattern| pattern.matches(host)))
            }
            Condition::Direction(direction) => case.direction == *direction,
            Condition::Application(names) => {
                case.application.is_some_and(|name| names.iter().any(|wanted| **wanted == *name))
            }
            Condition::Day(days) => days.contain(view.day),
            _ => false,
        }
    }

    /// Calls `visit` with every condition that has to hold.
    pub(super) fn conjuncts(&self, visit: &mut impl FnMut(&Condition)) {
        match self {
            Condition::All(parts) => parts.iter().for_each(|part| part.conjuncts(visit)),
            part => visit(part),
        }
    }

    /// Calls `visit` with this condition and every one inside it, and whether it stands under an odd number of `not`.
    pub(super) fn walk(&self, negated: bool, visit: &mut impl FnMut(&Condition, bool)) {
        visit(self, negated);
        match self {
            Condition::All(parts) | Condition::Any(parts) => parts.iter().for_each(|part| part.walk(negated, visit)),
            Condition::Not(inner) => inner.walk(!negated, visit),
            _ => {}
        }
    }
}

/// All of them (`all`), or any. PERF: what is asked of the content is asked first; it costs a few bits, and settles most
/// rules about most messages.
fn every(parts: &[Condition], view: &View<'_>, all: bool) -> Truth {
    let mut depends = false;
    let about = |content: bool| parts.iter().filter(move |part| part.is_about_content() == content);
    for part in about(true).chain(about(false)) {
        match part.holds(view) {
            Some(truth) if truth != all => return Some(truth),
            Some(_) => {}
            None => depends = true,
        }
    }
    if depends { None } else { Some(all) }
}

/// Mechanisms limited to categories cannot be judged before the content is known.
fn held(needs: &[usize], view: &View<'_>) -> Truth {
    let met = needs
        .iter()
        .filter_map(|index| view.pack.needs.get(*index))
        .any(|need| mechanism::meet(need, view, CategorySet::default()).is_some());
    match view.carried {
        None if met && mechanism::any_limited(view.case.mechanisms) => None,
        _ => Some(met),
    }
}

impl Answer {
    fn is_given(&self, fact: &Fact, view: &View<'_>) -> bool {
        let value = view.case.facts.get(&fact.name).unwrap_or(&fact.default);
        match (self, fact.elapsed_since(value, view).as_ref().unwrap_or(value)) {
            (Answer::OneOf(wanted), value) => wanted.contains(value),
            (Answer::Within(bounds), FactValue::Int(number)) => bounds.contain(*number),
            (Answer::Within(_), _) => false,
        }
    }
}

impl Fact {
    /// The days gone by since the day that was given instead of their number.
    fn elapsed_since(&self, value: &FactValue, view: &View<'_>) -> Option<FactValue> {
        let (elapsed, FactValue::Text(day)) = (self.elapsed?, value) else { return None };
        Some(FactValue::Int(view.pack.calendar.elapsed(elapsed, day.parse().ok()?, view.day)))
    }
}

impl Row {
    /// Whether it puts a country on its list on the day and in the case of a view.
    pub(super) fn has(&self, country: crate::transfer::Country, view: &View<'_>) -> bool {
        self.countries.contains(country)
            && self.days.contain(view.day)
            && self.when.as_ref().is_none_or(|when| when.holds(view) == Some(true))
    }
}

impl Region {
    /// Whether a country belongs to it on the day and in the case of a view.
    fn contains(&self, country: crate::transfer::Country, view: &View<'_>) -> bool {
        self.countries.contains(country)
            || self
                .lists
                .iter()
                .filter_map(|index| view.pack.lists.get(*index))
                .any(|list| list.rows.iter().any(|row| row.has(country, view)))
    }
}
