//! Which answers nobody has given decided, and how it would end with others.
//!
//! Only facts without an answer are tried: advice must not invite anybody to change what was answered. Each is tried alone.

use std::collections::BTreeSet;

use super::super::condition::{Answer, Condition};
use super::super::fact::{About, Fact, FactType};
use super::super::pack::Pack;
use super::super::view::Scene;
use super::super::{Case, FactSet, FactValue};
use super::Advisor;
use crate::transfer::{Action, Open, Otherwise};

/// Questions told at most.
const TOLD: usize = 12;

/// Questions tried for a refusal on its way.
const TRIED: usize = 6;

/// Answers tried to each.
const ANSWERS: usize = 4;

impl Advisor<'_> {
    /// Of a blocked transfer: questions some answer to which would let it pass.
    pub(super) fn questions_to_pass(&self) -> Vec<Open> {
        let (tried, answers) = if self.ground.at_leisure { (usize::MAX, usize::MAX) } else { (TRIED, ANSWERS) };
        let asked = self.asked_by_blocks().into_iter();
        let unanswered = asked.filter(|(_, fact)| self.scene.case.facts.get(&fact.name).is_none());
        unanswered.take(tried).filter_map(|(pack, fact)| self.open(pack, fact, answers)).take(TOLD).collect()
    }

    /// Of a transfer that passes: questions some answer to which would stop it. Every pack that spoke is asked.
    pub(super) fn questions_that_stop(&self) -> Vec<Open> {
        let spoke: BTreeSet<&str> = self.judgement.reasons.iter().map(|reason| &*reason.pack).collect();
        let packs = spoke.into_iter().filter_map(|id| self.packs.get(id));
        let facts = packs.flat_map(|pack| pack.facts.iter().map(move |fact| (pack, fact)));
        facts.filter_map(|(pack, fact)| self.open(pack, fact, usize::MAX)).take(TOLD).collect()
    }

    /// The facts that turn what could exempt from the blocking rules, their needs, and themselves: in this order, which is
    /// that of what an answer is most likely to change.
    fn asked_by_blocks(&self) -> Vec<(&Pack, &Fact)> {
        let mut asked: Vec<(usize, usize)> = Vec::new();
        for (pack, rule, block) in self.blocking() {
            let needs = rule.wants.iter().filter_map(|index| pack.needs.get(*index));
            let needs = needs.flat_map(|need| need.when.iter().chain(&need.met_when));
            let exemptions = pack.exemptions.iter().filter(|_| rule.exemptions).map(|exemption| &exemption.when);
            let lists = pack.lists.iter().flat_map(|list| list.rows.iter().filter_map(|row| row.when.as_ref()));
            for condition in exemptions.chain(needs).chain([&rule.when]).chain(lists) {
                condition.walk(false, &mut |part, _| {
                    if let Condition::Fact(fact, _) = part
                        && !asked.contains(&(block.pack, *fact))
                    {
                        asked.push((block.pack, *fact));
                    }
                });
            }
        }
        let fact = |(pack, fact)| {
            let pack = self.packs.iter().nth(pack)?;
            Some((pack, pack.facts.get(fact)?))
        };
        asked.into_iter().filter_map(fact).collect()
    }

    /// How it would end with other answers, if anything changes.
    fn open(&self, pack: &Pack, fact: &Fact, answers: usize) -> Option<Open> {
        let case = self.scene.case;
        if case.facts.get(&fact.name).is_some() {
            return None;
        }
        let now = self.judgement.action.unwrap_or(Action::Permit);
        let changes = |value: FactValue| {
            let action = self.with_answer(case.facts, fact, &value)?;
            let changes = (action == Action::Block) != (now == Action::Block);
            changes.then_some(Otherwise { value, action })
        };
        let otherwise: Vec<Otherwise> = others(pack, fact).into_iter().take(answers).filter_map(changes).collect();
        (!otherwise.is_empty()).then(|| Open {
            pack: pack.id.clone(),
            fact: fact.name.clone(),
            about: match fact.about {
                About::Exporter => "exporter",
                About::Importer => "importer",
                About::Transfer => "transfer",
            },
            ask: fact.ask.clone(),
            default: fact.default.clone(),
            otherwise,
        })
    }

    fn with_answer(&self, facts: &FactSet, fact: &Fact, value: &FactValue) -> Option<Action> {
        let mut facts = facts.clone();
        facts.insert(fact.name.clone(), value.clone());
        let case = Case { facts: &facts, ..self.scene.case.clone() };
        self.action(&Scene { case: &case, ..self.scene.clone() })
    }
}

/// Answers to a question other than its default. Of numbers, those at the bounds the rules of the pack give.
fn others(pack: &Pack, fact: &Fact) -> Vec<FactValue> {
    let mut all: Vec<FactValue> = match &fact.kind {
        FactType::Bool => vec![FactValue::Bool(true), FactValue::Bool(false)],
        FactType::Text(words) => words.iter().map(|word| FactValue::Text(word.clone())).collect(),
        FactType::Int => numbers(pack, fact).into_iter().map(FactValue::Int).collect(),
    };
    all.retain(|value| *value != fact.default);
    all
}

fn numbers(pack: &Pack, fact: &Fact) -> BTreeSet<i64> {
    let mut numbers = BTreeSet::new();
    let rules = pack.rules.iter().map(|rule| &rule.when);
    for condition in rules.chain(pack.exemptions.iter().map(|exemption| &exemption.when)) {
        condition.walk(false, &mut |part, _| {
            if let Condition::Fact(index, Answer::Within(bounds)) = part
                && pack.facts.get(*index).is_some_and(|asked| asked.name == fact.name)
            {
                numbers.extend(bounds.min.into_iter().flat_map(|min| [min, min.saturating_sub(1)]));
                numbers.extend(bounds.max.into_iter().flat_map(|max| [max, max.saturating_add(1)]));
            }
        });
    }
    numbers
}
