//! Rules that another rule makes idle: whenever they fire it fires too, and what it wants is at least as much.
//!
//! A condition implies another if that can be shown from the parts that must hold; what cannot be seen through is taken
//! not to follow, so a rule is called idle only where it is. Records (`log`) stand for their own citation: beside records
//! of another they are never idle.

use super::condition::{Answer, Bounds, Condition};
use super::fact::{Fact, FactType, FactValue};
use super::index::Index;
use super::pack::{Parts, Rule};
use super::region::{Countries, Days, Region};
use crate::transfer::Action;

/// How many pairs of rules are compared. Only a pack of thousands of rules that are filed alike has more.
const COMPARISONS: usize = 2_000_000;

/// How many `any` are taken apart within one another.
const DEPTH: u32 = 2;

/// Each idle rule and the first rule that makes it so. Of two that are alike the later one is idle.
pub(super) fn shadowed<'r>(rules: &'r [Rule], filed: &Index, parts: &Parts<'_>) -> Vec<(&'r Rule, &'r Rule)> {
    let mut left = COMPARISONS;
    let by = |(index, idle): (usize, &'r Rule)| {
        let others: Vec<usize> = filed.beside(idle, parts, rules.len()).into_iter().take(left).collect();
        left -= others.len();
        let others = others.into_iter().filter(|other| *other != index);
        let others = others.filter_map(|other| Some((other, rules.get(other)?)));
        let mut stronger = others.filter(|(_, rule)| shades(rule, idle, parts));
        // Two that shade each other are alike: the first of them stays.
        let found = stronger.find(|(other, rule)| *other < index || !shades(idle, rule, parts))?;
        Some((idle, found.1))
    };
    rules.iter().enumerate().filter_map(by).collect()
}

fn shades(rule: &Rule, idle: &Rule, parts: &Parts<'_>) -> bool {
    as_strict(rule, idle)
        && rule.exemptions == idle.exemptions
        && within(idle.days(), rule.days())
        && idle.warns.iter().all(|warning| rule.warns.contains(warning))
        && Known::new(parts, &idle.when).implies(&rule.when, false, DEPTH)
}

/// Whether whatever satisfies the one satisfies the other.
fn as_strict(rule: &Rule, idle: &Rule) -> bool {
    if rule.action != Action::Block {
        return idle.action == Action::Log
            && idle.wants.is_empty()
            && rule.wants.is_empty()
            && idle.cite == rule.cite;
    }
    let covers =
        rule.subject.is_empty() || (!idle.subject.is_empty() && idle.subject.without(rule.subject).is_empty());
    rule.wants.is_empty()
        || (idle.action == Action::Block
            && !idle.wants.is_empty()
            && covers
            && rule.wants.iter().all(|need| idle.wants.contains(need)))
}

fn within(inner: Days, outer: Days) -> bool {
    outer.from.is_none_or(|from| inner.from.is_some_and(|inner| from <= inner))
        && outer.until.is_none_or(|until| inner.until.is_some_and(|inner| inner <= until))
}

/// Conditions that hold together, and alternatives one of which does. A condition that is negated comes with `true`.
#[derive(Clone)]
struct Known<'c> {
    parts: &'c Parts<'c>,
    atoms: Vec<(&'c Condition, bool)>,
    choices: Vec<Vec<(&'c Condition, bool)>>,
}

impl<'c> Known<'c> {
    fn new(parts: &'c Parts<'c>, when: &'c Condition) -> Known<'c> {
        let mut known = Known { parts, atoms: Vec::new(), choices: Vec::new() };
        known.add(when, false);
        known
    }

    fn add(&mut self, condition: &'c Condition, negated: bool) {
        match (condition, negated) {
            (Condition::Not(inner), _) => self.add(inner, !negated),
            (Condition::All(parts), false) | (Condition::Any(parts), true) => {
                parts.iter().for_each(|part| self.add(part, negated));
            }
            (Condition::Any(parts), false) | (Condition::All(parts), true) => match parts.as_slice() {
                [part] => self.add(part, negated),
                parts => self.choices.push(parts.iter().map(|part| (part, negated)).collect()),
            },
            (atom, negated) => self.atoms.push((atom, negated)),
        }
    }

    fn implies(&self, goal: &'c Condition, negated: bool, depth: u32) -> bool {
        let direct = match (goal, negated) {
            (Condition::Not(inner), _) => return self.implies(inner, !negated, depth),
            (Condition::All(parts), false) | (Condition::Any(parts), true) => {
                return parts.iter().all(|part| self.implies(part, negated, depth));
            }
            (Condition::Any(parts), false) | (Condition::All(parts), true) => {
                parts.iter().any(|part| self.implies(part, negated, depth))
            }
            (goal, negated) => self.atoms.iter().any(|(atom, not)| self.entails((atom, *not), (goal, negated))),
        };
        direct || (depth > 0 && self.in_each_case(goal, negated, depth - 1))
    }

    /// Whether some alternatives all lead there.
    fn in_each_case(&self, goal: &'c Condition, negated: bool, depth: u32) -> bool {
        self.choices.iter().enumerate().any(|(index, branches)| {
            branches.iter().all(|(branch, not)| {
                let mut case = self.clone();
                case.choices.remove(index);
                case.add(branch, *not);
                case.implies(goal, negated, depth)
            })
        })
    }

    fn entails(&self, (known, not): (&Condition, bool), (goal, negated): (&Condition, bool)) -> bool {
        if not == negated && known == goal {
            return true;
        }
        match (known, goal) {
            (Condition::Fact(a, given), Condition::Fact(b, wanted)) if a == b => {
                let fact = self.parts.facts.get(*a);
                fact.is_some_and(|fact| answers((given, not), (wanted, negated), fact))
            }
            (Condition::Exporter(a), Condition::Exporter(b)) | (Condition::Importer(a), Condition::Importer(b)) => {
                self.regions((a, not), (b, negated))
            }
            (Condition::Day(a), Condition::Day(b)) => !not && !negated && within(*a, *b),
            _ => self.content((known, not), (goal, negated)),
        }
    }

    fn content(&self, (known, not): (&Condition, bool), (goal, negated): (&Condition, bool)) -> bool {
        let of = |counter: &usize| self.parts.counters.get(*counter).map_or(0, |counter| counter.classes);
        match (known, goal, not, negated) {
            (Condition::Counter(a, own), Condition::Counter(b, other), false, _)
            | (Condition::Counter(a, own), Condition::Counted(b, other), false, _) => {
                a == b && bounded(at_least_one(*own), *other, negated)
            }
            (Condition::Counted(a, own), Condition::Counted(b, other), false, _) => {
                a == b && bounded(*own, *other, negated)
            }
            (Condition::Crowd(a, own), Condition::Crowd(b, other), false, _) => {
                a == b && bounded(at_least_one(*own), *other, negated)
            }
            (Condition::Counter(counter, _), Condition::People(classes), false, false) => of(counter) & !classes == 0,
            (Condition::Crowd(of, _), Condition::People(classes), false, false)
            | (Condition::People(of), Condition::People(classes), false, false) => of & !classes == 0,
            (Condition::People(of), Condition::People(classes), true, true) => classes & !of == 0,
            (Condition::Data(of), Condition::Data(kinds), false, false) => of.without(*kinds).is_empty(),
            (Condition::Data(of), Condition::Data(kinds), true, true) => kinds.without(*of).is_empty(),
            (Condition::Held(of), Condition::Held(needs), false, false) => of.iter().all(|need| needs.contains(need)),
            (Condition::Held(of), Condition::Held(needs), true, true) => needs.iter().all(|need| of.contains(need)),
            _ => false,
        }
    }

    fn regions(&self, (known, not): (&Region, bool), (goal, negated): (&Region, bool)) -> bool {
        let narrower = |a: &Region, b: &Region| {
            a.countries.iter().all(|country| b.countries.contains(country))
                && a.lists.iter().all(|list| b.lists.contains(list))
        };
        match (not, negated) {
            (false, false) => narrower(known, goal),
            (true, true) => narrower(goal, known),
            (false, true) => {
                let (a, b) = (self.ever(known), self.ever(goal));
                a.iter().all(|country| !b.contains(country))
            }
            (true, false) => false,
        }
    }

    fn ever(&self, region: &Region) -> Countries {
        let mut all = region.countries;
        let lists = region.lists.iter().filter_map(|index| self.parts.lists.get(*index));
        lists.for_each(|list| all.extend(&list.ever()));
        all
    }
}

/// A counter or a crowd holds only where somebody is counted.
fn at_least_one(bounds: Bounds) -> Bounds {
    Bounds { min: Some(bounds.min.unwrap_or(1).max(1)), ..bounds }
}

/// Whether a number within `own` is within `other`, or, `negated`, outside of it.
fn bounded(own: Bounds, other: Bounds, negated: bool) -> bool {
    if negated {
        let below = own.max.zip(other.min).is_some_and(|(max, min)| max < min);
        let above = own.min.zip(other.max).is_some_and(|(min, max)| min > max);
        return below || above;
    }
    other.min.is_none_or(|min| own.min.is_some_and(|own| min <= own))
        && other.max.is_none_or(|max| own.max.is_some_and(|own| own <= max))
}

fn answers((given, not): (&Answer, bool), (wanted, negated): (&Answer, bool), fact: &Fact) -> bool {
    let domain: Vec<FactValue> = match &fact.kind {
        FactType::Bool => vec![FactValue::Bool(false), FactValue::Bool(true)],
        FactType::Text(words) => words.iter().map(|word| FactValue::Text(word.clone())).collect(),
        FactType::Int => Vec::new(),
    };
    let listed = |answer: &Answer| match answer {
        Answer::OneOf(values) => Some(values.clone()),
        Answer::Within(_) => None,
    };
    match (given, wanted) {
        (Answer::Within(own), Answer::Within(other)) => !not && bounded(*own, *other, negated),
        _ => {
            let (Some(given), Some(wanted)) = (listed(given), listed(wanted)) else { return false };
            let fits = |value: &FactValue| wanted.contains(value) != negated;
            match not {
                false => given.iter().all(fits),
                true => !domain.is_empty() && domain.iter().filter(|value| !given.contains(value)).all(fits),
            }
        }
    }
}
