//! The lightest changes that would let a blocked transfer pass.
//!
//! Each change is tried: the scene is altered and judged again by every enabled pack, so advice never names a change
//! that another rule would still stop. Only single changes are tried. People who leave a class by losing data may count
//! in another class whose counter was not read; such a counter is taken to have room, and the sentence says what to
//! change, not that nothing else can follow.

use std::collections::BTreeMap;

use super::condition::Condition;
use super::decide::{Block, Judgement};
use super::mechanism::Mechanism;
use super::pack::{Need, Pack, Rule};
use super::region::Countries;
use super::view::Scene;
use super::{Case, Packs};
use crate::transfer::{Action, CategorySet, Count, Country};

/// How often holding something may bring up another rule before advice is given up.
const ROUNDS: usize = 4;

/// Names of kinds, places or countries listed in one sentence.
const LISTED: usize = 12;

/// The changes, each a short English sentence.
pub(super) fn passes_if(packs: &Packs, scene: &Scene<'_>, judgement: &Judgement) -> Vec<String> {
    let advisor = Advisor { packs, scene, blocks: &judgement.blocks };
    let mut advice: Vec<String> = Vec::new();
    advice.extend(advisor.hold());
    advice.extend(advisor.leave_out());
    advice.extend(advisor.fewer_people());
    advice.extend(advisor.place_known());
    advice.extend(advisor.elsewhere());
    advice
}

/// Needs of a pack, any one of which would do.
struct Demand {
    pack: usize,
    needs: Vec<usize>,
}

/// Adds what some blocking rules ask for. One need that satisfies several rules is named before a list of several.
/// Nothing when a rule blocks whatever is held.
fn demand(demands: &mut Vec<Demand>, blocks: &[Block]) -> Option<()> {
    for block in blocks {
        if block.offered.is_empty() {
            return None;
        }
        let shares = |demand: &&mut Demand| {
            demand.pack == block.pack && demand.needs.iter().any(|need| block.offered.contains(need))
        };
        match demands.iter_mut().find(shares) {
            Some(demand) => demand.needs.retain(|need| block.offered.contains(need)),
            None => demands.push(Demand { pack: block.pack, needs: block.offered.clone() }),
        }
    }
    Some(())
}

struct Advisor<'a> {
    packs: &'a Packs,
    scene: &'a Scene<'a>,
    blocks: &'a [Block],
}

impl<'a> Advisor<'a> {
    fn would_pass(&self, scene: &Scene<'_>) -> bool {
        self.packs.judge(scene).action < Some(Action::Block)
    }

    fn blocking(&self) -> impl Iterator<Item = (&'a Pack, &'a Rule, &'a Block)> {
        let packs = self.packs;
        self.blocks.iter().filter_map(move |block| {
            let pack = packs.iter().nth(block.pack)?;
            Some((pack, pack.rules.get(block.rule)?, block))
        })
    }

    /// What to hold. It is tried as well: where holding it brings up another rule, that rule's needs are named too.
    fn hold(&self) -> Option<String> {
        let mut demands: Vec<Demand> = Vec::new();
        demand(&mut demands, self.blocks)?;
        for _ in 0..ROUNDS {
            let mut mechanisms = self.scene.case.mechanisms.to_vec();
            mechanisms.extend(demands.iter().filter_map(|demand| self.stand_in(demand)));
            let case = Case { mechanisms: &mechanisms, ..self.scene.case.clone() };
            let still = self.packs.judge(&Scene { case: &case, ..self.scene.clone() });
            if still.action < Some(Action::Block) {
                let each: Vec<String> = demands.iter().map(|demand| self.alternatives(demand)).collect();
                return Some(format!("Have {}.", each.join(". Also have ")));
            }
            demand(&mut demands, &still.blocks)?;
        }
        None
    }

    fn need(&self, pack: usize, need: usize) -> Option<&'a Need> {
        self.packs.iter().nth(pack)?.needs.get(need)
    }

    fn alternatives(&self, demand: &Demand) -> String {
        let title = |need: &usize| Some(&*self.need(demand.pack, *need)?.title);
        demand.needs.iter().filter_map(title).collect::<Vec<&str>>().join("; or ")
    }

    /// A mechanism such as the demand asks for, in force, filed and unlimited.
    fn stand_in(&self, demand: &Demand) -> Option<Mechanism> {
        let need = self.need(demand.pack, *demand.needs.first()?)?;
        let mut extra: BTreeMap<String, String> =
            need.require.iter().map(|key| (key.to_string(), String::new())).collect();
        extra.extend(
            need.accept.first().into_iter().flatten().map(|(key, value)| (key.to_string(), value.to_string())),
        );
        Some(Mechanism {
            id: need.id.clone(),
            kind: need.kinds.first()?.clone(),
            importers: Vec::new(),
            countries: Vec::new(),
            categories: CategorySet::default(),
            from: None,
            until: None,
            filed: None,
            extra,
            in_scope: true,
        })
    }

    /// What to leave out, and where it is.
    fn leave_out(&self) -> Option<String> {
        let about = self.blocking().fold(CategorySet::default(), |all, (_, rule, _)| all.union(rule.subject));
        let found = self.scene.crowd.found();
        let kinds = found.without(found.without(about));
        let without = Scene { crowd: self.scene.crowd.without(kinds), ..self.scene.clone() };
        if kinds.is_empty() || !self.would_pass(&without) {
            return None;
        }
        let named: Vec<String> = kinds.iter().take(LISTED).map(|kind| self.located(kind)).collect();
        let more = kinds.iter().count().saturating_sub(LISTED);
        let more = if more > 0 { format!(" and {more} more kinds") } else { String::new() };
        Some(format!("Leave out {}{more}.", named.join(", ")))
    }

    fn located(&self, kind: crate::transfer::Category) -> String {
        let found = self.scene.case.content.found.iter().find(|found| found.category == kind);
        let places: Vec<&str> =
            found.iter().flat_map(|found| found.locations.iter().take(2)).map(|at| &**at).collect();
        if places.is_empty() { kind.to_string() } else { format!("{kind} (at {})", places.join(", ")) }
    }

    /// How many people less.
    fn fewer_people(&self) -> Vec<String> {
        let mut tried: Vec<(usize, usize)> = Vec::new();
        let mut advice = Vec::new();
        for (pack, rule, block) in self.blocking() {
            for (counter, _) in rule.counters() {
                if !tried.contains(&(block.pack, counter)) {
                    tried.push((block.pack, counter));
                    advice.extend(self.room(pack, block.pack, counter));
                }
            }
        }
        advice
    }

    /// The highest count below a bound of the pack at which the transfer would pass.
    fn room(&self, pack: &Pack, index: usize, counter: usize) -> Option<String> {
        let at = self.scene.counts.iter().position(|shown| shown.pack == index && shown.counter == counter)?;
        let Count { before, adding } = self.scene.counts.get(at)?.count;
        let mut tops = bounds(pack, counter);
        tops.retain(|top| *top > before && *top < before.saturating_add(adding));
        let fits = tops.into_iter().rev().find(|top| {
            let mut fewer = self.scene.clone();
            if let Some(shown) = fewer.counts.get_mut(at) {
                shown.count = Count { before, adding: top - before };
            }
            self.would_pass(&fewer)
        })?;
        let title = class_titles(pack, counter);
        Some(format!("Send at most {} more people counted as {title} (this message adds {adding}).", fits - before))
    }

    /// Which of the candidate countries would do, if the organisation can say that it is the one.
    fn place_known(&self) -> Option<String> {
        if self.scene.importer.len() < 2 {
            return None;
        }
        let known = self.scene.importer.iter().filter(|country| **country != Country::UNKNOWN);
        let fits: Vec<&str> =
            known.filter(|country| self.passes_in(**country)).map(|country| country.name()).collect();
        (!fits.is_empty()).then(|| format!("Declare where the importer is, if it is in {}.", fits.join(" or ")))
    }

    /// Where else it could go: countries the blocking packs name.
    fn elsewhere(&self) -> Option<String> {
        let mut named = Countries::default();
        for (pack, _, _) in self.blocking() {
            named.extend(&pack.scope.importer_not.unwrap_or_default());
            pack.rules.iter().for_each(|rule| {
                rule.when.walk(false, &mut |condition, _| {
                    if let Condition::Importer(region) = condition {
                        named.extend(&region.countries);
                        let lists = region.lists.iter().filter_map(|index| pack.lists.get(*index));
                        lists.for_each(|list| named.extend(&list.ever()));
                    }
                })
            });
        }
        let others = named.iter().filter(|country| !self.scene.importer.contains(country));
        let fits: Vec<&str> = others.filter(|country| self.passes_in(*country)).map(Country::name).collect();
        let more = fits.len().saturating_sub(LISTED);
        let listed = fits.iter().take(LISTED).copied().collect::<Vec<_>>().join(", ");
        match (fits.is_empty(), more) {
            (true, _) => None,
            (_, 0) => Some(format!("Send it to an importer in {listed}.")),
            (_, more) => Some(format!("Send it to an importer in {listed} or one of {more} more countries.")),
        }
    }

    fn passes_in(&self, country: Country) -> bool {
        let importer = [country];
        self.would_pass(&Scene { importer: &importer, ..self.scene.clone() })
    }
}

/// The counts just below the lower bounds a pack compares a counter with, in ascending order.
fn bounds(pack: &Pack, counter: usize) -> Vec<u64> {
    let mut tops = Vec::new();
    for rule in &pack.rules {
        rule.when.walk(false, &mut |condition, _| {
            if let Condition::Counter(index, bounds) = condition
                && *index == counter
            {
                tops.extend(bounds.min.and_then(|min| u64::try_from(min.saturating_sub(1)).ok()));
            }
        });
    }
    tops.sort_unstable();
    tops.dedup();
    tops
}

fn class_titles(pack: &Pack, counter: usize) -> String {
    let classes = pack.counters.get(counter).map_or(0, |counter| counter.classes);
    let named = pack.classes.iter().enumerate().filter(|(index, _)| classes & (1 << index) != 0);
    named.map(|(_, class)| &*class.title).collect::<Vec<&str>>().join(" or ")
}
