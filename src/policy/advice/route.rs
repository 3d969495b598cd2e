//! The changes themselves, the smallest first.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::super::Case;
use super::super::condition::Condition;
use super::super::decide::Block;
use super::super::mechanism::Mechanism;
use super::super::pack::{Need, Pack};
use super::super::region::Countries;
use super::super::view::Scene;
use super::Advisor;
use crate::transfer::{
    Action, Category, CategorySet, Count, Country, Demand, Elsewhere, FactValue, Found, Open, Party, Route,
};

/// How often holding something may bring up another rule before that way is given up.
const ROUNDS: usize = 4;

/// Kinds of data tried one by one.
const KINDS: usize = 6;

/// Bounds of a counter tried.
const BOUNDS: usize = 4;

/// Regions of a provider tried; they come with those at home first.
const REGIONS: usize = 4;

/// Countries found before the search for more ends.
const COUNTRIES: usize = 8;

/// As many locations as a kind is listed with.
const LOCATIONS: usize = 8;

/// The changes that were found, smaller ones than an answer and larger ones.
pub(super) struct Changes {
    less: [Option<Route>; 2],
    more: [Option<Route>; 3],
}

impl Changes {
    /// All of them with an answer, the smallest first.
    pub(super) fn with(self, answer: Option<Route>) -> Vec<Route> {
        self.less.into_iter().chain([answer]).chain(self.more).flatten().collect()
    }
}

impl<'a> Advisor<'a> {
    /// At most one of each sort. Another region says more than other countries, so these are named only without one.
    pub(super) fn changes(&self) -> Changes {
        Changes {
            less: [self.leave_out(), self.fewer_people()],
            more: [self.declare(), self.other_region().or_else(|| self.elsewhere()), self.hold()],
        }
    }

    /// What to leave out, as little as will do, and where it is.
    fn leave_out(&self) -> Option<Route> {
        let about = self.blocking().fold(CategorySet::default(), |all, (_, rule, _)| all.union(rule.subject));
        let found = self.scene.crowd.found();
        let all = found.without(found.without(about));
        if all.is_empty() || !self.passes_without(all) {
            return None;
        }
        let kinds = self.least(all);
        let places = |kind| self.ground.found.iter().find(|found| found.category == kind);
        let located: Vec<&Found> = kinds.iter().filter_map(places).collect();
        let mut fields: Vec<String> = located.iter().flat_map(|found| found.locations.iter().cloned()).collect();
        fields.sort_unstable();
        fields.dedup();
        let more = located.iter().any(|found| found.locations.len() >= LOCATIONS);
        Some(Route::LeaveOut { categories: kinds.iter().collect(), fields, more })
    }

    fn passes_without(&self, kinds: CategorySet) -> bool {
        self.would_pass(&Scene { crowd: self.scene.crowd.without(kinds), ..self.scene.clone() })
    }

    /// One kind if one will do; otherwise all, less those that may stay.
    fn least(&self, all: CategorySet) -> CategorySet {
        let single = |kind: Category| CategorySet::of([kind]);
        let mut tried = all.iter().take(KINDS).map(single);
        if all.iter().nth(1).is_none() {
            return all;
        }
        if let Some(one) = tried.find(|kind| self.passes_without(*kind)) {
            return one;
        }
        let less = |left: CategorySet, kind: Category| {
            let smaller = left.without(single(kind));
            if !smaller.is_empty() && self.passes_without(smaller) { smaller } else { left }
        };
        all.iter().take(KINDS).fold(all, less)
    }

    /// How many people less: the first counter where fewer would do.
    fn fewer_people(&self) -> Option<Route> {
        let mut tried: Vec<(usize, usize)> = Vec::new();
        for (pack, rule, block) in self.blocking() {
            for (counter, _) in rule.counters() {
                if tried.contains(&(block.pack, counter)) {
                    continue;
                }
                tried.push((block.pack, counter));
                if let Some(room) = self.room(pack, block.pack, counter) {
                    return Some(room);
                }
            }
        }
        None
    }

    /// The highest count below a bound of the pack at which the transfer would pass.
    fn room(&self, pack: &Pack, index: usize, counter: usize) -> Option<Route> {
        let at = self.scene.counts.iter().position(|shown| shown.pack == index && shown.counter == counter)?;
        let Count { before, adding } = self.scene.counts.get(at)?.count;
        let tops = below_bounds(pack, counter).into_iter().rev();
        let fitting = tops.filter(|top| *top > before && *top < before.saturating_add(adding)).take(BOUNDS);
        let fits = fitting.into_iter().find(|top| {
            let mut fewer = self.scene.clone();
            if let Some(shown) = fewer.counts.get_mut(at) {
                shown.count = Count { before, adding: top - before };
            }
            self.would_pass(&fewer)
        })?;
        let counted = pack.counters.get(counter)?;
        let (pack, title) = (pack.id.clone(), counted.title.clone());
        Some(Route::FewerPeople { pack, counter: counted.id.clone(), title, fits: fits - before, adding })
    }

    /// Which of the candidate countries would do, if the organisation can say that it is the one.
    fn declare(&self) -> Option<Route> {
        if self.scene.importer.len() < 2 {
            return None;
        }
        let known = self.scene.importer.iter().copied().filter(|country| *country != Country::UNKNOWN);
        let countries: Vec<Country> = known.filter(|country| self.passes_in(*country)).take(COUNTRIES).collect();
        (!countries.is_empty()).then_some(Route::Declare { countries })
    }

    /// The first region that would do, at home if the provider has one there. Regions in the same countries are alike.
    fn other_region(&self) -> Option<Route> {
        let other = |region: &&Elsewhere| region.place.countries != self.scene.importer;
        let regions = self.ground.elsewhere.iter().filter(other).take(REGIONS);
        let fits = regions.into_iter().find(|region| self.passes_at(region))?;
        Some(Route::Region {
            provider: fits.provider.clone(),
            region: fits.region.clone(),
            city: fits.city.clone(),
            countries: fits.place.countries.clone(),
        })
    }

    fn passes_at(&self, region: &Elsewhere) -> bool {
        let importer = Party { host: Some(region.host.clone()), address: None, place: region.place.clone() };
        let case = Case { importer: &importer, ..self.scene.case.clone() };
        self.would_pass(&Scene { case: &case, importer: &importer.place.countries, ..self.scene.clone() })
    }

    /// Where else it could go: home, or a country the blocking packs name.
    fn elsewhere(&self) -> Option<Route> {
        let mut named = Countries::default();
        self.blocking().for_each(|(pack, _, _)| named_in(pack, &mut named));
        let home = self.scene.exporter.iter().copied().filter(|country| *country != Country::UNKNOWN);
        let mut others: Vec<Country> = home.chain(named.iter()).collect();
        let mut seen = Countries::default();
        others.retain(|country| !self.scene.importer.contains(country) && !seen.replace(*country));
        // Beyond a handful nobody reads on, and the search for more costs a judgement each.
        let countries: Vec<Country> =
            others.into_iter().filter(|country| self.passes_in(*country)).take(COUNTRIES).collect();
        (!countries.is_empty()).then_some(Route::Elsewhere { countries })
    }

    fn passes_in(&self, country: Country) -> bool {
        let importer = [country];
        self.would_pass(&Scene { importer: &importer, ..self.scene.clone() })
    }

    /// What to hold. It is tried as well: where holding it brings up another rule, that rule's needs are named too.
    fn hold(&self) -> Option<Route> {
        let mut demands: Vec<Wanted> = Vec::new();
        demand(&mut demands, &self.judgement.blocks)?;
        for _ in 0..ROUNDS {
            let mut mechanisms = self.scene.case.mechanisms.to_vec();
            mechanisms.extend(demands.iter().filter_map(|demand| self.stand_in(demand)));
            let case = Case { mechanisms: &mechanisms, ..self.scene.case.clone() };
            let still = self.judge(&Scene { case: &case, ..self.scene.clone() })?;
            if still.action < Some(Action::Block) {
                return Some(Route::Hold { needs: demands.iter().filter_map(|demand| self.named(demand)).collect() });
            }
            demand(&mut demands, &still.blocks)?;
        }
        None
    }

    fn need(&self, pack: usize, need: usize) -> Option<&'a Need> {
        self.packs.iter().nth(pack)?.needs.get(need)
    }

    fn named(&self, demand: &Wanted) -> Option<Demand> {
        let needs = || demand.needs.iter().filter_map(|need| self.need(demand.pack, *need));
        Some(Demand {
            pack: self.packs.iter().nth(demand.pack)?.id.clone(),
            any: needs().map(|need| need.id.clone()).collect(),
            titles: needs().map(|need| need.title.clone()).collect(),
        })
    }

    /// A mechanism such as the demand asks for, in force, filed and unlimited.
    fn stand_in(&self, demand: &Wanted) -> Option<Mechanism> {
        let need = self.need(demand.pack, *demand.needs.first()?)?;
        let requires = |date: &str| need.require.iter().any(|key| **key == *date);
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
            from: need.signed.until.or(need.signed.from).or_else(|| requires("from").then_some(Date::MIN)),
            until: requires("until").then_some(Date::MAX),
            filed: (need.waits.is_some() || requires("filed")).then_some(Date::MIN),
            extra,
            in_scope: true,
        })
    }
}

/// Needs of a pack, any one of which would do, by their indexes.
struct Wanted {
    pack: usize,
    needs: Vec<usize>,
}

/// Adds what some blocking rules ask for. One need that satisfies several rules is named before a list of several.
/// Nothing when a rule blocks whatever is held.
fn demand(demands: &mut Vec<Wanted>, blocks: &[Block]) -> Option<()> {
    for block in blocks {
        if block.offered.is_empty() {
            return None;
        }
        let shares = |demand: &&mut Wanted| {
            demand.pack == block.pack && demand.needs.iter().any(|need| block.offered.contains(need))
        };
        match demands.iter_mut().find(shares) {
            Some(demand) => demand.needs.retain(|need| block.offered.contains(need)),
            None => demands.push(Wanted { pack: block.pack, needs: block.offered.clone() }),
        }
    }
    Some(())
}

/// The question to answer: the one that most answers would settle.
pub(super) fn answer(open: &[Open]) -> Option<Route> {
    let passing = |open: &Open| -> Vec<FactValue> {
        let ways = open.otherwise.iter().filter(|way| way.action < Action::Block);
        ways.map(|way| way.value.clone()).collect()
    };
    let most = open.iter().map(|open| (open, passing(open))).rev().max_by_key(|(_, values)| values.len());
    let (open, values) = most.filter(|(_, values)| !values.is_empty())?;
    Some(Route::Answer { fact: open.fact.clone(), values, ask: open.ask.clone() })
}

/// The counts just below the lower bounds a pack compares a counter with, in ascending order.
fn below_bounds(pack: &Pack, counter: usize) -> Vec<u64> {
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

/// The countries a pack names as importers.
fn named_in(pack: &Pack, named: &mut Countries) {
    named.extend(&pack.scope.importer_not.unwrap_or_default());
    for rule in &pack.rules {
        rule.when.walk(false, &mut |condition, _| {
            if let Condition::Importer(region) = condition {
                named.extend(&region.countries);
                let lists = region.lists.iter().filter_map(|index| pack.lists.get(*index));
                lists.for_each(|list| named.extend(&list.ever()));
            }
        });
    }
}
