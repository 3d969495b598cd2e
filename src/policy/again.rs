//! A recorded transfer decided again: people come as groups and not as digests, counts from whoever keeps the records.
//!
//! A record does not hold who was counted, only how many, so the count of each counter is asked of the caller, with how
//! many people of the transfer these packs would count in it.

use super::counter::name;
use super::pack::Pack;
use super::view::{Carried, Crowd, Scene, Shown, views};
use super::{Case, Outcome, Packs};
use crate::transfer::{Count, CounterKey, Group, Touch};

impl Packs {
    /// What the packs say about a transfer with these groups of people. `case.content` holds no people. `count` is asked for
    /// what each counter showed: it gets a touch without people, and how many there are.
    pub fn decide_again(
        &self,
        case: &Case<'_>,
        groups: &[Group],
        mut count: impl FnMut(&Touch, u64) -> Count,
    ) -> Outcome {
        let mut scene = Scene::of(case);
        scene.crowd = Crowd::of_groups(case.content, groups);
        let mut shown = Vec::new();
        for (index, pack) in self.iter().enumerate().filter(|(_, pack)| case.enabled.standing(&pack.id).is_some()) {
            for (counter, touch, people) in counted(pack, index, &scene) {
                shown.push(Shown { pack: index, counter, count: count(&touch, people) });
            }
        }
        scene.counts = shown;
        self.conclude(&scene)
    }
}

/// The counters of a pack that count people of a scene, or are asked about without.
fn counted(pack: &Pack, index: usize, scene: &Scene<'_>) -> Vec<(usize, Touch, u64)> {
    let day = pack.day(scene.case.now);
    let carried = Carried::of(pack, index, day, scene);
    let exempt = views(pack, scene, day, Some(&carried)).map(|view| view.exempt).reduce(|a, b| a & b);
    let (Some(exempt), false) = (exempt, pack.counters.is_empty()) else { return Vec::new() };
    let counters = pack.counters.iter().enumerate().filter(|(_, counter)| counter.days.contain(day));
    let touched = counters.map(|(at, counter)| {
        let party = counter.per_importer.then(|| name(scene.case.importer));
        let key = CounterKey { pack: pack.id.clone(), counter: counter.id.clone(), party };
        let touch = Touch {
            key,
            since: counter.window.since(day),
            day,
            people: Vec::new(),
            bounds: counter.thresholds.numbers(),
        };
        (at, touch, carried.known(counter.classes & !exempt, pack))
    });
    touched.filter(|(at, _, people)| *people > 0 || pack.counted & (1 << at) != 0).collect()
}
