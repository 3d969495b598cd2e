//! What the packs ask, and who has answered.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;

use super::Snapshot;
use super::document::{At, Document};
use crate::policy::{About, Enabled, FactSet, FactValue, Packs};

/// A fact an enabled pack asks for and nobody has answered: its default holds.
#[derive(Debug, Clone, Serialize)]
pub struct Question {
    /// The pack.
    pub pack: Arc<str>,
    /// Name of the fact.
    pub fact: Arc<str>,
    /// Whom it is about, which says where the answer belongs.
    pub about: About,
    /// The question in plain words.
    pub ask: Arc<str>,
    /// What holds until it is answered.
    pub default: FactValue,
}

/// Every question of the enabled packs that is answered nowhere.
pub(super) fn unanswered(snapshot: &Snapshot) -> Vec<Question> {
    let settings = &snapshot.settings;
    let sets = [&settings.exporter.facts].into_iter();
    let sets = sets.chain(settings.applications.iter().map(|application| &application.facts));
    let sets = sets.chain(snapshot.importers.iter().map(|importer| &importer.facts));
    let sets = sets.chain(snapshot.lists.iter().flat_map(super::List::answers));
    let answered: BTreeSet<&Arc<str>> = sets.flat_map(FactSet::iter).map(|(name, _)| name).collect();
    let on = snapshot.enabled.enforce.iter().chain(&snapshot.enabled.observe);
    let facts =
        on.filter_map(|id| snapshot.packs.get(id)).flat_map(|pack| pack.facts.iter().map(move |fact| (pack, fact)));
    facts
        .filter(|(_, fact)| !answered.contains(&fact.name))
        .map(|(pack, fact)| Question {
            pack: pack.id.clone(),
            fact: fact.name.clone(),
            about: fact.about,
            ask: fact.ask.clone(),
            default: fact.default.clone(),
        })
        .collect()
}

/// Answers that only packs which are off ask for. A warning: packs are switched on and off more often than facts change.
pub(super) fn warn_of_idle_answers(
    document: &Document<'_>,
    answered: &[At<String>],
    packs: &Packs,
    enabled: &Enabled,
) {
    let is_on = |id: &Arc<str>| enabled.enforce.contains(id) || enabled.observe.contains(id);
    for answer in answered {
        let asking: Vec<&str> = packs.fact_declared(&answer.value).map(|(pack, _)| &*pack.id).collect();
        if !packs.fact_declared(&answer.value).any(|(pack, _)| is_on(&pack.id)) {
            let message = format!("fact `{}` is asked by no pack that is on", answer.value);
            document.warn(&answer.span, message, format!("asked by: {}", asking.join(", ")));
        }
    }
}
