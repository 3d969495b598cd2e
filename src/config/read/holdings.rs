//! What the organisation holds: `[[mechanism]]`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Reading;
use crate::config::document::{At, Section, Wrong};
use crate::config::value;
use crate::policy::Mechanism;
use crate::transfer::{CategorySet, Country, HostPattern};
use toml::de::DeValue;

/// An importer of a mechanism: a host pattern, or a country by its upper-case code.
enum Reach {
    Host(HostPattern),
    Country(Country),
}

fn reach(value: &DeValue<'_>) -> Result<Reach, Wrong> {
    let text = value::text(value)?;
    let is_code = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase());
    if is_code { value::country_named(&text).map(Reach::Country) } else { value::hosts(value).map(Reach::Host) }
}

/// `[[mechanism]]`.
pub(super) fn mechanisms<'d>(top: &Section<'d>, reading: &Reading<'d>) -> Vec<Mechanism> {
    let mut mechanisms = Vec::new();
    let mut ids: BTreeSet<Arc<str>> = BTreeSet::new();
    for section in top.sections("mechanism", "[[mechanism]]") {
        if let Some(mechanism) = mechanism(&section, reading) {
            if !ids.insert(mechanism.value.id.clone()) {
                let message = format!("there is a second mechanism `{}`", mechanism.value.id);
                section.document().error(&mechanism.span, message);
            }
            mechanisms.push(mechanism.value);
        }
        section.finish();
    }
    mechanisms
}

fn mechanism<'d>(section: &Section<'d>, reading: &Reading<'d>) -> Option<At<Mechanism>> {
    let id = section.need("id", value::name);
    let kind = section.need("kind", value::name);
    if let (Some(kind), Some(packs)) = (&kind, reading.packs) {
        let kinds: Vec<&str> = packs.mechanism_kinds().collect();
        if !kinds.contains(&&*kind.value) {
            section.document().unknown("kind of mechanism", &kind.value, &kind.span, &kinds);
        }
    }
    let (mut importers, mut countries) = (Vec::new(), Vec::new());
    for importer in section.all("importer", reach) {
        match importer {
            Reach::Host(pattern) => importers.push(pattern),
            Reach::Country(country) => countries.push(country),
        }
    }
    countries.extend(section.all("countries", value::country));
    let from = section.at("from", value::date);
    let until = section.at("until", value::date);
    if let (Some(from), Some(until)) = (&from, &until)
        && until.value < from.value
    {
        let message = format!("it ends on {} before it begins on {}", until.value, from.value);
        section.document().advise(&until.span, message, "`until` is the last valid day");
    }
    let mechanism = Mechanism {
        kind: kind.map(|kind| kind.value)?,
        importers,
        countries,
        categories: CategorySet::of(section.all("categories", value::category)),
        from: from.map(|at| at.value),
        until: until.map(|at| at.value),
        filed: section.get("filed", value::date),
        in_scope: section.get("in_scope", value::flag).unwrap_or(true),
        extra: particulars(section, reading),
        id: id.as_ref().map(|id| id.value.clone())?,
    };
    Some(At { value: mechanism, span: id.map(|id| id.span).unwrap_or_default() })
}

/// Issuer, module, roles: the particulars some pack asks a mechanism for.
fn particulars<'d>(section: &Section<'d>, reading: &Reading<'d>) -> BTreeMap<String, String> {
    let Some(packs) = reading.packs else {
        section.accept_all();
        return BTreeMap::new();
    };
    let asked: Vec<&str> = packs.mechanism_particulars().collect();
    section.chosen(&asked)
}
