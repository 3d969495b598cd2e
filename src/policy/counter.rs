//! Which counters a transfer adds to, and since when their people count.

use std::sync::Arc;

use jiff::ToSpan;
use jiff::civil::Date;

use super::condition::{Bounds, Condition};
use super::pack::{Counter, MOST, Pack, Window};
use super::region::Days;
use super::threshold::Thresholds;
use super::view::{Carried, Scene, belonging, views};
use super::{Case, Packs};
use crate::transfer::{CounterKey, Digest, Party, Person, Touch};

impl Packs {
    /// The counters this transfer would add people to. Exempt people are left out; where a party may be in several
    /// countries, people are left out only if they are exempt in every pair that is in scope. A counter that a rule asks
    /// about on its own is among them with nobody to add.
    pub fn touches(&self, case: &Case<'_>) -> Vec<Touch> {
        if case.content.people.is_empty() && self.iter().all(|pack| pack.counted == 0) {
            return Vec::new();
        }
        let scene = Scene::of(case);
        let speaking = self.speaking(scene.exporter, scene.importer);
        let enabled = speaking.filter(|(_, pack)| case.enabled.standing(&pack.id).is_some());
        enabled.flat_map(|(index, pack)| touched(pack, index, &scene)).collect()
    }
}

fn touched(pack: &Pack, index: usize, scene: &Scene<'_>) -> Vec<Touch> {
    let day = pack.day(scene.case.now);
    if pack.counters.is_empty() {
        return Vec::new();
    }
    let carried = Carried::of(pack, index, day, scene);
    let Some(exempt) = views(pack, scene, day, Some(&carried)).map(|view| view.exempt).reduce(|a, b| a & b) else {
        return Vec::new();
    };
    let people = belonging(pack, day, scene.case.content);
    let counters = pack.counters.iter().enumerate().filter(|(_, counter)| counter.days.contain(day));
    counters
        .filter_map(|(index, counter)| {
            let touch = touch(pack, counter, counted(&people, counter.classes & !exempt), day, scene);
            (!touch.people.is_empty() || pack.counted & (1 << index) != 0).then_some(touch)
        })
        .collect()
}

fn touch(pack: &Pack, counter: &Counter, people: Vec<Digest>, day: Date, scene: &Scene<'_>) -> Touch {
    let party = counter.per_importer.then(|| name(scene.case.importer));
    let key = CounterKey { pack: pack.id.clone(), counter: counter.id.clone(), party };
    let (since, bounds) = (counter.window.since(day), counter.thresholds.numbers());
    Touch { key, since, day, people, bounds }
}

impl Pack {
    /// Tells each counter at which numbers conditions of the pack turn on it, and the pack which counters rules ask about on
    /// their own.
    pub(super) fn with_thresholds(mut self) -> Pack {
        let counted = self.asked_alone();
        let bounds = self.bounds();
        for (counter, bounds) in self.counters.iter_mut().zip(bounds) {
            counter.thresholds = Thresholds::of(&bounds);
        }
        Pack { counted, ..self }
    }

    /// For each counter what conditions compare it with, those of rules with the days of the rule.
    fn bounds(&self) -> Vec<Vec<(Bounds, Option<Days>)>> {
        let rules = self.rules.iter().map(|rule| (&rule.when, Some(rule.days())));
        let exemptions = self.exemptions.iter().map(|exemption| &exemption.when);
        let needs = self.needs.iter().flat_map(|need| need.when.iter().chain(&need.met_when));
        let rows = self.lists.iter().flat_map(|list| list.rows.iter().filter_map(|row| row.when.as_ref()));
        let others = exemptions.chain(needs).chain(rows).chain(&self.scope.when).map(|condition| (condition, None));
        let mut found = vec![Vec::new(); self.counters.len()];
        for (condition, days) in rules.chain(others) {
            condition.walk(false, &mut |condition, _| {
                if let Condition::Counter(index, bounds) | Condition::Counted(index, bounds) = condition
                    && let Some(found) = found.get_mut(*index)
                {
                    found.push((*bounds, days));
                }
            });
        }
        found
    }

    /// The counters rules ask about even where a transfer adds nobody to them, as bits.
    fn asked_alone(&self) -> u32 {
        let mut asked = 0;
        for rule in &self.rules {
            rule.when.walk(false, &mut |condition, _| {
                if let Condition::Counted(index, _) = condition {
                    asked |= 1u32 << (*index).min(MOST - 1);
                }
            });
        }
        asked
    }
}

/// Who belongs to one of some classes.
fn counted(people: &[(&[Person], u32)], classes: u32) -> Vec<Digest> {
    let counted = people.iter().filter(|(_, of)| of & classes != 0);
    counted.flat_map(|(people, _)| people.iter().map(|person| person.digest)).collect()
}

/// What stands for one importer: its host as records name it, or its address where there is none. Hosts that differ only
/// in what records leave out are counted together, which is the stricter reading.
pub(super) fn name(party: &Party) -> Arc<str> {
    match (party.without_values().host, party.address) {
        (Some(host), _) => host,
        (None, Some(address)) => address.to_string().into(),
        (None, None) => "unknown".into(),
    }
}

impl Window {
    /// The first day of the window that ends on `day`. A rolling window takes in the same date of the earlier month:
    /// where a statute leaves that day open, counting it is the stricter reading.
    pub(super) fn since(self, day: Date) -> Date {
        let since = match self {
            Window::CalendarYears(years) => Date::new(day.year().saturating_sub(years - 1), 1, 1).ok(),
            Window::RollingMonths(months) => day.checked_sub(months.months()).ok(),
            Window::RollingDays(days) => day.checked_sub(days.days()).ok(),
            Window::Ever => None,
        };
        since.unwrap_or(Date::MIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn windows_begin_where_the_statute_says() {
        let leap = date(2028, 2, 29);
        assert_eq!(Window::CalendarYears(1).since(leap), date(2028, 1, 1));
        assert_eq!(Window::CalendarYears(2).since(leap), date(2027, 1, 1));
        assert_eq!(Window::RollingMonths(12).since(leap), date(2027, 2, 28));
        assert_eq!(Window::RollingDays(30).since(date(2026, 1, 15)), date(2025, 12, 16));
        assert_eq!(Window::Ever.since(leap), Date::MIN);
    }
}
