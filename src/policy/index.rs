//! Which rules of a large pack can fire at all, found without visiting the others.
//!
//! Each rule is filed under something that must be so for it to fire: the importer's host, the application, an answer, a
//! country, a class of people, a kind of data; of several the one that fewest transfers have. A rule that demands
//! nothing of the kind is visited always. The index may name a rule that does not fire and never leaves out one that
//! does, so everything it names is still judged. Small packs are visited whole: that is cheaper than looking things up.

use std::collections::HashMap;

use super::condition::{Answer, Condition};
use super::fact::{FactType, FactValue};
use super::pack::{Pack, Parts, Rule};
use super::region::Region;
use super::view::{Carried, Scene};
use crate::transfer::{Category, Country};

/// Packs of fewer rules are visited whole.
const SMALL: usize = 64;

/// A demand that more transfers than this share meet is not worth filing under.
const COMMON: f32 = 0.9;

/// Rules by what they demand.
#[derive(Debug, Clone, Default)]
pub(super) struct Index {
    /// Nothing for a small pack.
    filed: Option<Box<Filed>>,
}

#[derive(Debug, Clone, Default)]
struct Filed {
    always: Vec<u32>,
    /// Rules filed under a demand on content, to be visited while the content is not known.
    by_content: Vec<u32>,
    /// Whole names, and of patterns the part behind the star.
    hosts: HashMap<Box<str>, Vec<u32>>,
    applications: HashMap<Box<str>, Vec<u32>>,
    keys: HashMap<Key, Vec<u32>>,
    /// Facts some rule is filed under.
    asked: Vec<usize>,
}

/// Something that must be so for a rule to fire.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Host(Box<str>),
    Application(Box<str>),
    Answer(usize, FactValue),
    Exporter(Country),
    Importer(Country),
    Class(u32),
    Kind(Category),
}

/// Of these keys at least one must be so. `share` is a guess at how many transfers have one.
struct Demand {
    keys: Vec<Key>,
    share: f32,
}

impl Index {
    pub(super) fn of(rules: &[Rule], parts: &Parts<'_>) -> Index {
        if rules.len() < SMALL { Index::default() } else { Index::filed(rules, parts) }
    }

    /// The index of a pack of any size.
    fn filed(rules: &[Rule], parts: &Parts<'_>) -> Index {
        let mut filed = Filed::default();
        for (rule, number) in rules.iter().zip(0..) {
            match parts.demand(&rule.when).filter(|demand| demand.share < COMMON) {
                Some(demand) => filed.file(number, demand.keys),
                None => filed.always.push(number),
            }
        }
        filed.asked.sort_unstable();
        filed.asked.dedup();
        Index { filed: Some(Box::new(filed)) }
    }

    /// The rules that may fire, in the order of the pack where the content is known.
    pub(super) fn rules<'p>(
        &self,
        pack: &'p Pack,
        scene: &Scene<'_>,
        carried: Option<&Carried<'_>>,
    ) -> impl Iterator<Item = (usize, &'p Rule)> + use<'p> {
        let chosen = self.filed.as_ref().map(|filed| filed.chosen(pack, scene, carried));
        let count = chosen.as_ref().map_or(pack.rules.len(), Vec::len);
        (0..count).filter_map(move |at| {
            let index = match &chosen {
                Some(chosen) => usize::try_from(*chosen.get(at)?).ok()?,
                None => at,
            };
            Some((index, pack.rules.get(index)?))
        })
    }
}

impl Index {
    /// The rules whose demand a rule may meet whenever it fires: those that could make it idle.
    pub(super) fn beside(&self, rule: &Rule, parts: &Parts<'_>, rules: usize) -> Vec<usize> {
        let Some(filed) = &self.filed else { return (0..rules).collect() };
        let mut found = filed.always.clone();
        rule.when.conjuncts(&mut |part| {
            let first = parts.demand(part).and_then(|demand| demand.keys.into_iter().next());
            found.extend(first.and_then(|key| filed.under(&key)).into_iter().flatten());
        });
        found.sort_unstable();
        found.dedup();
        found.into_iter().filter_map(|rule| usize::try_from(rule).ok()).collect()
    }
}

impl Key {
    fn is_about_content(&self) -> bool {
        matches!(self, Key::Class(_) | Key::Kind(_))
    }
}

impl Filed {
    fn file(&mut self, rule: u32, keys: Vec<Key>) {
        if keys.iter().any(Key::is_about_content) {
            self.by_content.push(rule);
        }
        for key in keys {
            if let Key::Answer(fact, _) = key {
                self.asked.push(fact);
            }
            let list = match key {
                Key::Host(host) => self.hosts.entry(host).or_default(),
                Key::Application(name) => self.applications.entry(name).or_default(),
                key => self.keys.entry(key).or_default(),
            };
            list.push(rule);
        }
    }

    fn under(&self, key: &Key) -> Option<&Vec<u32>> {
        match key {
            Key::Host(host) => self.hosts.get(host),
            Key::Application(name) => self.applications.get(name),
            key => self.keys.get(key),
        }
    }

    fn chosen(&self, pack: &Pack, scene: &Scene<'_>, carried: Option<&Carried<'_>>) -> Vec<u32> {
        let mut chosen = self.always.clone();
        let mut take = |list: Option<&Vec<u32>>| chosen.extend(list.into_iter().flatten());
        if !self.hosts.is_empty() {
            let host = scene.case.importer.host.as_deref();
            host.into_iter().flat_map(endings).for_each(|ending| take(self.hosts.get(ending)));
        }
        take(scene.case.application.and_then(|name| self.applications.get(name)));
        scene.exporter.iter().for_each(|country| take(self.keys.get(&Key::Exporter(*country))));
        scene.importer.iter().for_each(|country| take(self.keys.get(&Key::Importer(*country))));
        for fact in &self.asked {
            let Some(asked) = pack.facts.get(*fact) else { continue };
            let given = scene.case.facts.get(&asked.name).unwrap_or(&asked.default);
            take(self.keys.get(&Key::Answer(*fact, given.clone())));
        }
        match carried {
            Some(carried) => {
                bits(carried.present).for_each(|class| take(self.keys.get(&Key::Class(class))));
                carried.kinds.iter().for_each(|kind| take(self.keys.get(&Key::Kind(kind))));
            }
            None => take(Some(&self.by_content)),
        }
        chosen.sort_unstable();
        chosen.dedup();
        chosen
    }
}

/// A host, and what stands behind each of its dots with the dot: what patterns that match it are filed under.
fn endings(host: &str) -> impl Iterator<Item = &str> {
    let dots = host.match_indices('.').filter_map(|(at, _)| host.get(at..));
    [host, ""].into_iter().chain(dots)
}

fn bits(set: u32) -> impl Iterator<Item = u32> {
    (0..u32::BITS).filter(move |bit| set & (1 << bit) != 0)
}

impl Parts<'_> {
    /// What must be so for a condition to hold, if it demands anything of use.
    fn demand(&self, condition: &Condition) -> Option<Demand> {
        match condition {
            Condition::All(parts) => {
                let demands = parts.iter().filter_map(|part| self.demand(part));
                demands.min_by(|a, b| a.share.total_cmp(&b.share))
            }
            Condition::Any(parts) => {
                let mut either = Demand { keys: Vec::new(), share: 0.0 };
                for part in parts {
                    let demand = self.demand(part)?;
                    either.keys.extend(demand.keys);
                    either.share += demand.share;
                }
                Some(either)
            }
            Condition::ImporterHost(hosts) => {
                let host = |text: &str| Key::Host(text.strip_prefix('*').unwrap_or(text).into());
                Some(Demand::of(hosts.iter().map(|pattern| host(pattern.as_str())), 0.001))
            }
            Condition::Application(names) => {
                Some(Demand::of(names.iter().map(|name| Key::Application((**name).into())), 0.01))
            }
            Condition::Fact(fact, Answer::OneOf(values)) => self.answers(*fact, values),
            Condition::Exporter(region) => Some(self.region(region, Key::Exporter)),
            Condition::Importer(region) => Some(self.region(region, Key::Importer)),
            _ => self.demand_on_content(condition),
        }
    }

    fn demand_on_content(&self, condition: &Condition) -> Option<Demand> {
        let classes = |set: u32| Some(Demand::of(bits(set).map(Key::Class), 0.3));
        match condition {
            Condition::Counter(counter, _) => classes(self.counters.get(*counter)?.classes),
            Condition::People(set) | Condition::Crowd(set, _) => classes(*set),
            Condition::Data(kinds) => Some(Demand::of(kinds.iter().map(Key::Kind), 0.05)),
            _ => None,
        }
    }

    fn answers(&self, fact: usize, values: &[FactValue]) -> Option<Demand> {
        let fact_asked = self.facts.get(fact).filter(|fact| fact.elapsed.is_none())?;
        let share = match &fact_asked.kind {
            FactType::Bool => 0.5,
            FactType::Int => 0.1,
            FactType::Text(words) if words.is_empty() => 0.01,
            FactType::Text(words) => 1.0 / f32::from(u16::try_from(words.len()).unwrap_or(u16::MAX)),
        };
        Some(Demand::of(values.iter().map(|value| Key::Answer(fact, value.clone())), share))
    }

    fn region(&self, region: &Region, key: fn(Country) -> Key) -> Demand {
        let mut all = region.countries;
        region.lists.iter().filter_map(|index| self.lists.get(*index)).for_each(|list| all.extend(&list.ever()));
        let unknown = Some(Country::UNKNOWN).filter(|unknown| all.contains(*unknown));
        Demand::of(all.iter().chain(unknown).map(key), 0.02)
    }
}

impl Demand {
    fn of(keys: impl Iterator<Item = Key>, share_of_each: f32) -> Demand {
        let keys: Vec<Key> = keys.collect();
        let share = f32::from(u16::try_from(keys.len()).unwrap_or(u16::MAX)) * share_of_each;
        Demand { keys, share }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Source;
    use crate::policy::{Packs, builtin, scenario};

    /// Scenarios that come out otherwise when every pack is indexed, or none.
    #[test]
    fn no_rule_that_speaks_is_left_out() {
        let scenarios: Vec<Source> = crate::policy::BUILTIN_SCENARIOS
            .iter()
            .map(|(name, text)| Source::new(*name, *text))
            .chain([Source::new("language-scenarios.toml", include_str!("cases/language-scenarios.toml"))])
            .collect();
        let language = Source::new("language.toml", include_str!("cases/language.toml"));
        let packs = Packs::compile(&[builtin(), vec![language]].concat()).unwrap();
        let indexed = |filed: bool| {
            let mut packs = packs.clone();
            for pack in &mut packs.packs {
                let parts = Parts { facts: &pack.facts, counters: &pack.counters, lists: &pack.lists };
                pack.index = if filed { Index::filed(&pack.rules, &parts) } else { Index::default() };
            }
            let report = scenario::run(&packs, &scenarios, None);
            report.scenarios.into_iter().map(|ran| (ran.id, ran.got)).collect::<Vec<_>>()
        };
        assert_eq!(indexed(true), indexed(false));
    }

    #[test]
    fn a_large_pack_visits_what_may_fire() {
        let rule = |n: usize| {
            format!(
                "{{ id = \"r{n}\", cite = \"p 1\", when.any = [{{ application = \"app-{n}\" }}, \
            {{ importer_host = \"*.h{n}.example\", data = \"secret\" }}], action = \"block\", why = \"W\" }}"
            )
        };
        let rules: Vec<String> = (0..SMALL).map(rule).collect();
        let head = "id = \"x\"\ntitle = \"X\"\nkind = \"organisation\"\nupdated = 2026-01-01\nsource.p = { title = \"P\" }\n";
        let packs = Packs::compile(&[Source::new("x", format!("{head}rule = [{}]", rules.join(",\n")))]).unwrap();
        let filed = packs.packs[0].index.filed.as_ref().unwrap();
        assert!(filed.always.is_empty() && filed.by_content.is_empty());
        assert_eq!(
            (filed.hosts[".h7.example"].as_slice(), filed.applications["app-9"].as_slice()),
            (&[7][..], &[9][..])
        );
        assert_eq!(endings("a.b.c").collect::<Vec<_>>(), ["a.b.c", "", ".b.c", ".c"]);
    }
}
