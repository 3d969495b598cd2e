//! How settled the reading is that a decision rests on: of the rule, of the questions it asks, of the list rows that put
//! a country where it is, and of what met it. A chain is as strong as its weakest link.

use serde::Serialize;

use super::condition::Condition;
use super::pack::{Confidence, Pack, Rule};
use super::region::{List, Region};
use super::view::View;
use crate::transfer::Country;

/// A part of a pack whose reading is not settled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unsettled {
    /// What it is: `rule`, `exemption`, `need`, `fact`, `list`.
    pub part: &'static str,
    /// Its id; of a row of a list with the countries of the row.
    pub name: String,
    /// How unsettled.
    pub confidence: Confidence,
}

impl Pack {
    /// Every part its authors are not sure of.
    pub fn unsettled(&self) -> Vec<Unsettled> {
        let named = |part, name: &str, confidence| Unsettled { part, name: name.to_owned(), confidence };
        let rules = self.rules.iter().map(|rule| named("rule", &rule.id, rule.confidence));
        let exemptions = self.exemptions.iter().map(|one| named("exemption", &one.id, one.confidence));
        let needs = self.needs.iter().map(|need| named("need", &need.id, need.confidence));
        let facts = self.facts.iter().map(|fact| named("fact", &fact.name, fact.confidence));
        let lists = self.lists.iter().flat_map(List::unsettled);
        let all = rules.chain(exemptions).chain(needs).chain(facts).chain(lists);
        all.filter(|one| one.confidence > Confidence::High).collect()
    }
}

impl List {
    /// The list, if it is in doubt as a whole, and the rows that are in more doubt than it.
    fn unsettled(&self) -> Vec<Unsettled> {
        let of = |name: String, confidence| Unsettled { part: "list", name, confidence };
        let rows = self.rows.iter().filter(|row| row.confidence > self.confidence).map(|row| {
            let countries: Vec<String> = row.countries.iter().map(|country| country.to_string()).collect();
            of(format!("{} ({})", self.id, countries.join(", ")), row.confidence)
        });
        std::iter::once(of(self.id.to_string(), self.confidence)).chain(rows).collect()
    }
}

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
