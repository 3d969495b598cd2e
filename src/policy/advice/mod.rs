//! The lightest changes that would let a blocked transfer pass, and the questions whose default decided.
//!
//! Each change is tried: the scene is altered and judged again by every enabled pack, so advice never names a change
//! that another rule would still stop. Only single changes are tried. People who leave a class by losing data may count
//! in another class whose counter was not read; such a counter is taken to have room, and the sentence says what to
//! change, not that nothing else can follow.
//!
//! Advice is given after the decision and outside the ledger's lock. How often it may judge is bounded, so that whoever
//! sends what is refused cannot make refusals dear.

mod question;

mod route;

use std::cell::Cell;

use super::decide::{Block, Judgement};
use super::pack::{Pack, Rule};
use super::view::Scene;
use super::{Case, Outcome, Packs};
use crate::transfer::{Action, Count, Elsewhere, Found, Touch};

/// How often a transfer on its way may be judged again for its refusal.
const TRIES: u32 = 32;

/// The same where somebody only asks what would become of it.
const TRIES_AT_LEISURE: u32 = 2_000;

/// What advice may build on besides the case.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ground<'a> {
    /// Where data was found.
    pub found: &'a [Found],
    /// Other regions of the provider the importer is with.
    pub elsewhere: &'a [Elsewhere],
    /// Nobody waits: every open question is tried, and on transfers that pass as well.
    pub at_leisure: bool,
}

impl Packs {
    /// Completes an outcome of [`Packs::decide`] for the same case and touches.
    pub fn advise(&self, case: &Case<'_>, touches: &[Touch], outcome: &mut Outcome, ground: Ground<'_>) {
        let blocked = outcome.action == Action::Block;
        if !blocked && (!ground.at_leisure || outcome.reasons.is_empty()) {
            return;
        }
        let counts: Vec<Count> =
            outcome.counters.iter().map(|counted| Count { before: counted.before, adding: counted.adding }).collect();
        let scene = Scene::of(case).counted(self, touches, &counts);
        let judgement = self.judge(&scene);
        let tries = Cell::new(if ground.at_leisure { TRIES_AT_LEISURE } else { TRIES });
        let advisor = Advisor { packs: self, scene: &scene, judgement: &judgement, ground, tries };
        if !blocked {
            outcome.unanswered = advisor.questions_that_stop();
            return;
        }
        // Questions come last: there are many of them, and what they need must not be missing to the rest.
        let changes = advisor.changes();
        outcome.unanswered = advisor.questions_to_pass();
        outcome.routes = changes.with(route::answer(&outcome.unanswered));
        outcome.passes_if = outcome.routes.iter().map(ToString::to_string).collect();
    }
}

struct Advisor<'a> {
    packs: &'a Packs,
    scene: &'a Scene<'a>,
    judgement: &'a Judgement,
    ground: Ground<'a>,
    tries: Cell<u32>,
}

impl<'a> Advisor<'a> {
    /// Judges an altered scene. Nothing once the tries are used up.
    fn judge(&self, scene: &Scene<'_>) -> Option<Judgement> {
        self.tries.set(self.tries.get().checked_sub(1)?);
        Some(self.packs.judge(scene))
    }

    /// What would become of an altered scene.
    fn action(&self, scene: &Scene<'_>) -> Option<Action> {
        self.judge(scene).map(|judgement| judgement.action.unwrap_or(Action::Permit))
    }

    fn would_pass(&self, scene: &Scene<'_>) -> bool {
        self.action(scene).is_some_and(|action| action < Action::Block)
    }

    fn blocking(&self) -> impl Iterator<Item = (&'a Pack, &'a Rule, &'a Block)> {
        let packs = self.packs;
        self.judgement.blocks.iter().filter_map(move |block| {
            let pack = packs.iter().nth(block.pack)?;
            Some((pack, pack.rules.get(block.rule)?, block))
        })
    }
}
