//! How settled the reading is that a decision rests on: of the rule, of the questions it asks, of the list rows that put
//! a country where it is, and of what met it. A chain is as strong as its weakest link.

use super::condition::Condition;
use super::pack::{Confidence, Rule};
use super::region::Region;
use super::view::View;
use crate::transfer::Country;

impl Rule {
    /// The least settled part of what the rule says in a view.
    pub(super) fn settled(&self, view: &View<'_>) -> Confidence {
        self.confidence.max(self.when.settled(view))
    }
}

impl Condition {
    pub(super) fn settled(&self, view: &View<'_>) -> Confidence {
        let mut least = Confidence::High;
        self.walk(false, &mut |condition, _| least = least.max(condition.own(view)));
        least
    }

    fn own(&self, view: &View<'_>) -> Confidence {
        let operator = view.case.importer.place.operator_country;
        match self {
            Condition::Fact(index, _) => view.pack.facts.get(*index).map_or(Confidence::High, |fact| fact.confidence),
            Condition::Exporter(region) => region.settled(view.exporter, view),
            Condition::Importer(region) => region.settled(view.importer, view),
            Condition::Operator(region) => operator.map_or(Confidence::High, |country| region.settled(country, view)),
            _ => Confidence::High,
        }
    }
}

impl Region {
    /// A country on a list rests on its row; one that is on none rests on the list being complete.
    fn settled(&self, country: Country, view: &View<'_>) -> Confidence {
        let lists = || self.lists.iter().filter_map(|index| view.pack.lists.get(*index));
        if self.countries.contains(country) {
            return Confidence::High;
        }
        let rows = lists().flat_map(|list| &list.rows).filter(|row| row.has(country, view));
        let on = rows.map(|row| row.confidence).min();
        on.unwrap_or_else(|| lists().map(|list| list.confidence).max().unwrap_or_default())
    }
}
