//! Rules that can never fire.
//!
//! The conditions that must all hold are taken together: if no answer to a fact, no number, no country or no day can
//! satisfy them at once, the rule is dead, and a dead rule in a pack is a mistake that nobody would notice. Alternatives
//! (`any`) are tried one by one against the rest. Rules this cannot see through are taken to be alive.

use super::condition::{Answer, Bounds, Condition};
use super::fact::{Fact, FactType, FactValue};
use super::pack::Scope;
use super::region::{Days, List, Region};
use crate::transfer::{Country, Direction};

/// Why a condition can never hold for a transfer in scope, if that can be shown.
pub(super) fn never(when: &Condition, days: Days, scope: &Scope, facts: &[Fact], lists: &[List]) -> Option<String> {
    let mut base = Conjunction { days: vec![days], ..Conjunction::new(facts, lists, scope) };
    base.add(when, false);
    if let Some(why) = base.contradiction() {
        return Some(why);
    }
    let alternatives = std::mem::take(&mut base.alternatives);
    let dead =
        |branches: &&Vec<&Condition>| branches.iter().all(|branch| base.with(branch).contradiction().is_some());
    alternatives.iter().find(dead).map(|_| "each alternative of an `any` contradicts the rest".to_owned())
}

/// Conditions that must hold together.
#[derive(Clone)]
struct Conjunction<'c> {
    facts: &'c [Fact],
    lists: &'c [List],
    scope: &'c Scope,
    answers: Vec<(usize, &'c Answer, bool)>,
    counters: Vec<(usize, Bounds)>,
    crowds: Vec<(u32, Bounds)>,
    importer: Vec<(&'c Region, bool)>,
    exporter: Vec<(&'c Region, bool)>,
    directions: Vec<Direction>,
    days: Vec<Days>,
    alternatives: Vec<Vec<&'c Condition>>,
}

impl<'c> Conjunction<'c> {
    fn new(facts: &'c [Fact], lists: &'c [List], scope: &'c Scope) -> Conjunction<'c> {
        Conjunction {
            facts,
            lists,
            scope,
            answers: Vec::new(),
            counters: Vec::new(),
            crowds: Vec::new(),
            importer: Vec::new(),
            exporter: Vec::new(),
            directions: Vec::new(),
            days: Vec::new(),
            alternatives: Vec::new(),
        }
    }

    fn with(&self, also: &'c Condition) -> Conjunction<'c> {
        let mut both = self.clone();
        both.add(also, false);
        both
    }

    /// `not any` is all of them not; `not all` says too little to use.
    fn add(&mut self, condition: &'c Condition, negated: bool) {
        match (condition, negated) {
            (Condition::All(parts), false) => parts.iter().for_each(|part| self.add(part, false)),
            (Condition::All(parts), true) => {
                if let [part] = parts.as_slice() {
                    self.add(part, true);
                }
            }
            (Condition::Any(parts), false) => self.alternatives.push(parts.iter().collect()),
            (Condition::Any(parts), true) => parts.iter().for_each(|part| self.add(part, true)),
            (Condition::Not(inner), _) => self.add(inner, !negated),
            (Condition::Fact(index, answer), _) => self.answers.push((*index, answer, negated)),
            (Condition::Importer(region), _) => self.importer.push((region, negated)),
            (Condition::Exporter(region), _) => self.exporter.push((region, negated)),
            (Condition::Counter(index, bounds), false) => {
                let one = bounds.min.unwrap_or(1).max(1);
                self.counters.push((*index, Bounds { min: Some(one), ..*bounds }));
            }
            (Condition::Counted(index, bounds), false) => self.counters.push((*index, *bounds)),
            (Condition::Crowd(classes, bounds), false) => self.crowds.push((*classes, *bounds)),
            (Condition::Direction(direction), false) => self.directions.push(*direction),
            (Condition::Day(days), false) => self.days.push(*days),
            _ => {}
        }
    }

    fn contradiction(&self) -> Option<String> {
        if let Some(fact) = self.facts.iter().enumerate().find(|(index, fact)| !self.answerable(*index, fact)) {
            return Some(format!("no answer to fact `{}` satisfies all its conditions", fact.1.name));
        }
        if !overlap(self.counters.iter().map(|(index, bounds)| (*index, *bounds)), 0) {
            return Some("no count is within all its bounds".to_owned());
        }
        if !overlap(self.crowds.iter().map(|(classes, bounds)| (*classes as usize, *bounds)), 1) {
            return Some("no number of people is within all its bounds".to_owned());
        }
        if self.directions.iter().any(|direction| Some(direction) != self.directions.first()) {
            return Some("a message has one direction".to_owned());
        }
        let from = self.days.iter().filter_map(|days| days.from).max();
        let until = self.days.iter().filter_map(|days| days.until).min();
        if from.zip(until).is_some_and(|(from, until)| until < from) {
            return Some("no day is within all its dates".to_owned());
        }
        self.no_country()
    }

    /// Each side must have a country that its conditions and the scope admit.
    fn no_country(&self) -> Option<String> {
        let mut all = Country::all();
        all.push(Country::UNKNOWN);
        let scope = self.scope;
        let may_import = |country: &Country| {
            scope.importer.is_none_or(|set| set.contains(*country))
                && !scope.importer_not.is_some_and(|set| set.contains(*country))
                && self.importer.iter().all(|(region, negated)| self.admits(region, *negated, *country))
        };
        let may_export = |country: &Country| {
            scope.exporter.is_none_or(|set| set.contains(*country))
                && !scope.exporter_not.is_some_and(|set| set.contains(*country))
                && self.exporter.iter().all(|(region, negated)| self.admits(region, *negated, *country))
        };
        if !all.iter().any(may_import) {
            return Some("no importer in scope satisfies it".to_owned());
        }
        (!all.iter().any(may_export)).then(|| "no exporter in scope satisfies it".to_owned())
    }

    /// A list whose rows come and go may admit what is on it, and may leave it out.
    fn admits(&self, region: &Region, negated: bool, country: Country) -> bool {
        if negated {
            return !region.countries.contains(country);
        }
        region.countries.contains(country)
            || region
                .lists
                .iter()
                .filter_map(|index| self.lists.get(*index))
                .any(|list| list.ever().contains(country))
    }

    fn answerable(&self, index: usize, fact: &Fact) -> bool {
        let asked: Vec<_> = self.answers.iter().filter(|(of, _, _)| *of == index).collect();
        let fits = |value: &FactValue| {
            asked.iter().all(|(_, answer, negated)| match answer {
                Answer::OneOf(values) => values.contains(value) != *negated,
                Answer::Within(_) => true,
            })
        };
        match &fact.kind {
            FactType::Bool => fits(&FactValue::Bool(true)) || fits(&FactValue::Bool(false)),
            FactType::Text(values) if !values.is_empty() => {
                values.iter().any(|value| fits(&FactValue::Text(value.clone())))
            }
            FactType::Text(_) => true,
            FactType::Int => {
                let bounds = asked.iter().filter_map(|(_, answer, negated)| match answer {
                    Answer::Within(bounds) if !negated => Some((0, *bounds)),
                    _ => None,
                });
                overlap(bounds, i64::MIN)
            }
        }
    }
}

/// Whether, for each key, some number from `least` up is within all bounds.
fn overlap(bounds: impl Iterator<Item = (usize, Bounds)>, least: i64) -> bool {
    let bounds: Vec<(usize, Bounds)> = bounds.collect();
    bounds.iter().all(|(key, _)| {
        let of = || bounds.iter().filter(move |(other, _)| other == key).map(|(_, bounds)| bounds);
        let min = of().filter_map(|bounds| bounds.min).max().unwrap_or(least).max(least);
        of().filter_map(|bounds| bounds.max).min().is_none_or(|max| min <= max)
    })
}
