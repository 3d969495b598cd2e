//! From a scene to what the packs say about it.
//!
//! Scope is tested first: most packs have nothing to say about most transfers. Every rule of a pack that speaks is
//! judged for each pair of candidate countries, and the strictest result of a rule counts. The strictest rule of all
//! enforced packs wins; observed packs and rules not yet in force give reasons that bind nobody.

use std::sync::Arc;

use jiff::civil::Date;

use super::condition::Condition;
use super::mechanism::{self, Met};
use super::pack::{Confidence, Pack, Rule};
use super::view::{Carried, Scene, View, views};
use super::{Case, Enabled, Interest, Outcome, Packs};
use crate::transfer::{Action, Cause, Count, Counted, CounterView, Party, Reason, Touch};

/// What the packs say, and which enforced rules block.
#[derive(Debug, Default)]
pub(super) struct Judgement {
    pub(super) action: Option<Action>,
    law: bool,
    pub(super) reasons: Vec<Reason>,
    mechanisms: Vec<Arc<str>>,
    warnings: Vec<String>,
    pub(super) blocks: Vec<Block>,
}

/// An enforced rule that blocks.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) pack: usize,
    pub(super) rule: usize,
    /// Indexes of the needs that are of use here.
    pub(super) offered: Vec<usize>,
}

/// What one rule says about one view, the strictest last.
enum Verdict {
    Silent,
    Met(Met),
    Fires(Vec<usize>),
}

impl Packs {
    /// What the packs say about a transfer whose counters show `counts` for `touches`.
    pub fn decide(&self, case: &Case<'_>, touches: &[Touch], counts: &[Count]) -> Outcome {
        let (exporter, importer) = (&case.exporter.place.countries, &case.importer.place.countries);
        let mut speaking = self.speaking(exporter, importer);
        if !speaking.any(|(_, pack)| case.enabled.standing(&pack.id).is_some()) {
            return Outcome::default();
        }
        let scene = Scene::of(case).counted(self, touches, counts);
        Outcome { counters: self.shown(touches, counts), ..self.conclude(&scene) }
    }

    /// What the packs say about a scene, as an outcome.
    pub(super) fn conclude(&self, scene: &Scene<'_>) -> Outcome {
        let mut judgement = self.judge(scene);
        let blocked = judgement.action == Some(Action::Block);
        judgement.reasons.sort_by_key(|reason| std::cmp::Reverse((reason.enforced, reason.action)));
        Outcome {
            action: judgement.action.unwrap_or(Action::Permit),
            cause: blocked.then_some(if judgement.law { Cause::Law } else { Cause::Policy }),
            reasons: judgement.reasons,
            mechanisms: judgement.mechanisms,
            warnings: judgement.warnings,
            ..Outcome::default()
        }
    }

    /// What the counters show, in the order of the touches.
    fn shown(&self, touches: &[Touch], counts: &[Count]) -> Vec<Counted> {
        let shown = touches.iter().zip(counts).filter_map(|(touch, count)| {
            let pack = self.get(&touch.key.pack)?;
            let counter = pack.counters.iter().find(|counter| counter.id == touch.key.counter)?;
            Some(Counted {
                pack: touch.key.pack.clone(),
                counter: touch.key.counter.clone(),
                party: touch.key.party.clone(),
                title: counter.title.clone(),
                since: touch.since,
                before: count.before,
                adding: count.adding,
                after: count.after(),
                limit: counter.thresholds.bound_above(count.before),
                people: touch.people.len() as u64,
            })
        });
        shown.collect()
    }

    /// What every enabled pack says about a scene.
    pub(super) fn judge(&self, scene: &Scene<'_>) -> Judgement {
        let mut judgement = Judgement::default();
        for (index, pack) in self.speaking(scene.exporter, scene.importer) {
            if let Some(enforced) = scene.case.enabled.standing(&pack.id) {
                judgement.hear(pack, index, enforced, scene);
            }
        }
        judgement
    }

    /// Whether any enabled pack has these places in its scope; what else it knows of the transfer does not matter.
    pub fn could_speak(&self, exporter: &Party, importer: &Party, enabled: &Enabled) -> bool {
        let (exporter, importer) = (&exporter.place.countries, &importer.place.countries);
        self.speaking(exporter, importer).any(|(_, pack)| enabled.standing(&pack.id).is_some())
    }

    /// Whether any enabled pack speaks about a transfer, and whether its content has to be known for that. Looks at
    /// everything but the content.
    pub fn interest(&self, case: &Case<'_>) -> Interest {
        let mut interest = Interest::default();
        let (exporter, importer) = (&case.exporter.place.countries, &case.importer.place.countries);
        for (_, pack) in self.speaking(exporter, importer) {
            if case.enabled.standing(&pack.id).is_none() {
                continue;
            }
            let scene = Scene { case, exporter, importer, crowd: Default::default(), counts: Vec::new() };
            for view in views(pack, &scene, pack.day(case.now), None) {
                interest.speaks = interest.speaks || pack.is_law() || could_fire(&view, &scene);
                interest.content = interest.content || asks_content(&view, &scene);
            }
        }
        interest
    }
}

impl Enabled {
    /// Whether a pack binds (`true`), is only observed (`false`), or is off.
    pub(super) fn standing(&self, id: &str) -> Option<bool> {
        let lists = |ids: &[Arc<str>]| ids.iter().any(|listed| **listed == *id);
        if lists(&self.enforce) {
            return Some(true);
        }
        lists(&self.observe).then_some(false)
    }
}

/// Whether any rule is not ruled out by what is known so far.
fn could_fire(view: &View<'_>, scene: &Scene<'_>) -> bool {
    let mut rules = view.pack.index.rules(view.pack, scene, None);
    rules.any(|(_, rule)| !rule.days().are_over(view.day) && rule.when.holds(view) != Some(false))
}

/// Whether some counter counts here, or some rule turns on what the content is.
fn asks_content(view: &View<'_>, scene: &Scene<'_>) -> bool {
    let counts = view
        .pack
        .counters
        .iter()
        .any(|counter| counter.days.contain(view.day) && counter.classes & !view.exempt != 0);
    let limited = mechanism::any_limited(view.case.mechanisms);
    let turns = |rule: &Rule| match rule.when.holds(view) {
        _ if rule.days().are_over(view.day) => false,
        None => true,
        Some(holds) => holds && limited && !rule.wants.is_empty(),
    };
    counts || view.pack.index.rules(view.pack, scene, None).any(|(_, rule)| turns(rule))
}

impl Judgement {
    fn hear(&mut self, pack: &Pack, index: usize, enforced: bool, scene: &Scene<'_>) {
        let day = pack.day(scene.case.now);
        let carried = Carried::of(pack, index, day, scene);
        let views: Vec<View<'_>> = views(pack, scene, day, Some(&carried)).collect();
        if views.is_empty() {
            return;
        }
        let before = self.reasons.len();
        self.hear_exemptions(pack, enforced, &views);
        for (rule_index, rule) in pack.index.rules(pack, scene, Some(&carried)) {
            if rule.days().are_over(day) {
                continue;
            }
            let binds = enforced && rule.days().contain(day);
            match strictest(rule, &views) {
                (_, Verdict::Silent) => {}
                (view, Verdict::Met(met)) => self.satisfied(pack, rule, view, met, binds),
                (view, Verdict::Fires(offered)) => {
                    self.fired(pack, rule, view, &offered, binds);
                    if binds && rule.action == Action::Block {
                        self.law |= pack.is_law();
                        self.blocks.push(Block { pack: index, rule: rule_index, offered });
                    }
                }
            }
        }
        // A law that lets go leaves a record of what it has something to say about; an organisation's pack leaves one only
        // where a rule of it binds.
        let speaks = !carried.kinds.is_empty() || self.reasons.len() > before;
        if enforced && pack.is_law() && speaks {
            self.raise(Action::Log);
        }
    }

    fn hear_exemptions(&mut self, pack: &Pack, enforced: bool, views: &[View<'_>]) {
        for exemption in &pack.exemptions {
            let used = views.iter().find(|view| {
                view.carried.is_some_and(|carried| carried.present & exemption.covers != 0) && exemption.applies(view)
            });
            if let Some(view) = used {
                let (id, cite, why) = (exemption.id.clone(), exemption.cite.clone(), exemption.why.clone());
                self.reasons.push(Reason {
                    confidence: exemption.confidence.max(exemption.when.settled(view)),
                    enforced,
                    ..Reason::plain(pack.id.clone(), id, cite, Action::Log, why)
                });
            }
        }
    }

    fn satisfied(&mut self, pack: &Pack, rule: &Rule, view: &View<'_>, met: Met, binds: bool) {
        let shown = reason(pack, rule, view, Action::Log, rule.needs.clone(), binds);
        if let Some(id) = met.shown.mechanism.as_ref().filter(|id| !self.mechanisms.contains(id)) {
            self.mechanisms.push(id.clone());
        }
        let need = pack.needs.iter().find(|need| need.id == met.shown.need);
        let confidence = shown.confidence.max(need.map_or(Confidence::High, |need| need.confidence));
        self.reasons.push(Reason { met: Some(met.shown), confidence, ..shown });
        met.warnings.iter().for_each(|warning| self.warn(warning));
        if binds {
            self.raise(Action::Log);
        }
    }

    fn fired(&mut self, pack: &Pack, rule: &Rule, view: &View<'_>, offered: &[usize], binds: bool) {
        let needs = offered.iter().filter_map(|index| pack.needs.get(*index)).map(|need| need.id.clone()).collect();
        self.reasons.push(reason(pack, rule, view, rule.action, needs, binds));
        if binds {
            self.raise(rule.action);
            rule.warns.iter().for_each(|warning| self.warn(warning));
        }
    }

    fn raise(&mut self, action: Action) {
        self.action = self.action.max(Some(action));
    }

    fn warn(&mut self, warning: &str) {
        if !self.warnings.iter().any(|known| known == warning) {
            self.warnings.push(warning.to_owned());
        }
    }
}

/// The strictest verdict of a rule over all pairs of countries, and the pair it falls on.
fn strictest<'a, 'v>(rule: &Rule, views: &'a [View<'v>]) -> (&'a View<'v>, Verdict) {
    let mut strictest = (0, Verdict::Silent);
    for (index, view) in views.iter().enumerate() {
        let verdict = rule.judge(view);
        if verdict.rank() > strictest.1.rank() {
            strictest = (index, verdict);
        }
    }
    #[expect(clippy::indexing_slicing, reason = "the caller has at least one view, and the index comes from them")]
    (&views[strictest.0], strictest.1)
}

impl Verdict {
    fn rank(&self) -> u8 {
        match self {
            Verdict::Silent => 0,
            Verdict::Met(_) => 1,
            Verdict::Fires(_) => 2,
        }
    }
}

impl Rule {
    fn judge(&self, view: &View<'_>) -> Verdict {
        let view = View { exempt: if self.exemptions { view.exempt } else { 0 }, ..*view };
        if self.when.holds(&view) != Some(true) {
            return Verdict::Silent;
        }
        let needs = || self.wants.iter().filter_map(|index| Some((*index, view.pack.needs.get(*index)?)));
        let met = needs().filter_map(|(_, need)| mechanism::meet(need, &view, self.subject));
        if let Some(met) = met.min_by_key(|met| met.warnings.len()) {
            return Verdict::Met(met);
        }
        let of_use = |when: &Condition| when.holds(&view) == Some(true);
        let offered = needs().filter(|(_, need)| need.when.as_ref().is_none_or(of_use));
        Verdict::Fires(offered.map(|(index, _)| index).collect())
    }

    /// The counters with a lower bound that the rule compares, with the bound as it is written.
    pub(super) fn counters(&self) -> Vec<(usize, u64)> {
        self.counters_where(|_| true)
    }

    /// Those of them whose bounds hold in a view: the ones that made the rule fire.
    pub(super) fn counters_in(&self, view: &View<'_>) -> Vec<(usize, u64)> {
        self.counters_where(|condition| condition.holds(view) == Some(true))
    }

    fn counters_where(&self, wanted: impl Fn(&Condition) -> bool) -> Vec<(usize, u64)> {
        let mut found = Vec::new();
        self.when.walk(false, &mut |condition, negated| {
            if let (Condition::Counter(index, bounds), false) = (condition, negated)
                && let Some(limit) = bounds.written
                && wanted(condition)
            {
                found.push((*index, u64::try_from(limit).unwrap_or(0)));
            }
        });
        found
    }
}

fn reason(pack: &Pack, rule: &Rule, view: &View<'_>, action: Action, needs: Vec<Arc<str>>, binds: bool) -> Reason {
    let counter = rule.counters_in(view).first().copied().zip(view.carried).map(|((index, limit), carried)| {
        let Count { before, adding } = carried.shown(index);
        CounterView { before, adding, limit }
    });
    let enforced = view.case.enabled.standing(&pack.id) == Some(true);
    Reason {
        needs,
        counter,
        confidence: rule.settled(view),
        binds_from: rule.valid_from.filter(|from| enforced && view.day < *from),
        enforced: binds,
        ..Reason::plain(pack.id.clone(), rule.id.clone(), rule.cite.clone(), action, rule.why.clone())
    }
}

/// A day as the scenarios give it: noon where the pack counts, so that it is that day there.
pub(super) fn noon(pack: &Pack, day: Date) -> Option<jiff::Timestamp> {
    Some(day.at(12, 0, 0, 0).to_zoned_datetime(pack.zone.clone()).ok()?.timestamp())
}
