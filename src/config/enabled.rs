//! `[packs]`: which packs bind and which are only observed.
//!
//! Unless the file says otherwise, the law of every country somebody of ours is in binds, and the organisation's own
//! packs do. Nobody has to know which statutes there are; whoever does can narrow the list.

use std::sync::Arc;

use super::document::{At, Section};
use super::value;
use crate::policy::{Enabled, Packs};
use crate::transfer::Country;

/// Reads `[packs]`; `countries` are those somebody of ours is in. Without packs to check names with, only the shape is.
pub(super) fn read(top: &Section<'_>, packs: Option<&Packs>, countries: &[Country]) -> Enabled {
    let section = top.section("packs", "[packs]");
    let chosen = section.key("enabled").is_some();
    let enabled = section.list("enabled", value::name);
    let observe = section.list("observe", value::name);
    if let Some(packs) = packs {
        let ids: Vec<&str> = packs.iter().map(|pack| &*pack.id).collect();
        for id in enabled.iter().chain(&observe).filter(|id| !ids.contains(&&*id.value)) {
            section.document().unknown("pack", &id.value, &id.span, &ids);
        }
    }
    let mut before: Vec<&Arc<str>> = Vec::new();
    for id in enabled.iter().chain(&observe) {
        if before.contains(&&id.value) {
            let help = "enforce it or observe it, and name it once";
            section.document().advise(&id.span, format!("pack `{}` is named twice", id.value), help);
        }
        before.push(&id.value);
    }
    let names = |list: Vec<At<Arc<str>>>| list.into_iter().map(|at| at.value).collect::<Vec<_>>();
    let observe = names(observe);
    let enforce = match (chosen, packs) {
        (true, _) => names(enabled),
        (false, Some(packs)) => default(packs, countries).into_iter().filter(|id| !observe.contains(id)).collect(),
        (false, None) => Vec::new(),
    };
    section.finish();
    Enabled { enforce, observe }
}

fn default(packs: &Packs, countries: &[Country]) -> Vec<Arc<str>> {
    let applies =
        packs.iter().filter(|pack| !pack.is_law() || pack.jurisdiction.iter().any(|law| countries.contains(law)));
    applies.map(|pack| pack.id.clone()).collect()
}

/// Whether any law pack is on.
pub(super) fn has_law(enabled: &Enabled, packs: &Packs) -> bool {
    let mut on = enabled.enforce.iter().chain(&enabled.observe);
    on.any(|id| packs.get(id).is_some_and(crate::policy::Pack::is_law))
}
