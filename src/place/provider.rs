//! Cloud providers, who runs them, and where their regions are.
//!
//! There is no way to look a region code up without its provider: the same code lies in different countries.

use std::collections::HashMap;
use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Source};
use crate::transfer::Country;

use super::answer::{Answer, Groups};
use super::sheet::{Cell, Sheet};

/// Who runs something, and whose law that operator answers to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Operator {
    pub(super) name: Option<Arc<str>>,
    pub(super) country: Option<Country>,
}

/// A region of one provider.
#[derive(Debug)]
pub(super) struct Region {
    pub(super) code: Box<str>,
    pub(super) answer: Answer,
    pub(super) city: Box<str>,
}

/// A provider with its regions.
#[derive(Debug)]
pub(super) struct Provider {
    pub(super) name: Box<str>,
    pub(super) operator: Operator,
    regions: HashMap<Box<str>, Arc<Region>>,
}

/// Every provider of the tables.
#[derive(Debug, Default)]
pub(super) struct Providers(HashMap<Box<str>, Arc<Provider>>);

impl Provider {
    /// Every region, in the order of codes.
    pub(super) fn regions(&self) -> impl Iterator<Item = &Region> {
        let mut regions: Vec<&Region> = self.regions.values().map(|region| &**region).collect();
        regions.sort_unstable_by_key(|region| &*region.code);
        regions.into_iter()
    }

    /// A region by its code, in any case; a code with hyphens is tried without them as well.
    pub(super) fn region(&self, code: &str) -> Option<&Arc<Region>> {
        let mut buffer = [0u8; 64];
        let lower = copy(&mut buffer, code, |byte| Some(byte.to_ascii_lowercase()))?;
        self.regions.get(lower).or_else(|| {
            if !code.contains('-') {
                return None;
            }
            let joined = copy(&mut buffer, code, |byte| (byte != b'-').then_some(byte.to_ascii_lowercase()))?;
            self.regions.get(joined)
        })
    }
}

/// Some bytes of `text` in a buffer, so that a look-up on the hot path allocates nothing.
fn copy<'b>(buffer: &'b mut [u8; 64], text: &str, map: impl Fn(u8) -> Option<u8>) -> Option<&'b str> {
    let mut length = 0;
    for byte in text.bytes().filter_map(map) {
        *buffer.get_mut(length)? = byte;
        length += 1;
    }
    std::str::from_utf8(buffer.get(..length)?).ok()
}

impl Providers {
    /// Reads `providers.csv` and `regions.csv`.
    pub(super) fn read(
        providers: &Source,
        regions: &Source,
        groups: &Groups,
        problems: &mut Vec<Diagnostic>,
    ) -> Providers {
        let mut by_name = HashMap::new();
        for [name, operator, country] in
            &Sheet::read(providers, ["provider", "operator", "operator_country"], problems).rows
        {
            let operator = operator_of(providers, operator, country, problems);
            let name: Box<str> = name.text.as_ref().into();
            by_name.insert(name.clone(), Provider { name, operator, regions: HashMap::new() });
        }
        let sheet = Sheet::read(regions, ["provider", "region", "place", "city", "confidence"], problems);
        for [provider, code, place, city, confidence] in &sheet.rows {
            confidence_of(regions, confidence, problems);
            let answer = groups.answer(regions, place, problems);
            let Some(known) = by_name.get_mut(provider.text.as_ref()) else {
                problems.push(unknown_provider(regions, provider, by_name.keys()));
                continue;
            };
            let region = Region { code: code.text.as_ref().into(), answer, city: city.text.as_ref().into() };
            if known.regions.insert(code.text.to_ascii_lowercase().into(), Arc::new(region)).is_some() {
                problems.push(regions.error(code.span.clone(), "this provider has a region of this code above"));
            }
        }
        Providers(by_name.into_iter().map(|(name, provider)| (name, Arc::new(provider))).collect())
    }

    /// A provider by name.
    pub(super) fn get(&self, name: &str) -> Option<&Arc<Provider>> {
        self.0.get(name)
    }

    /// The provider a cell names.
    pub(super) fn named(
        &self,
        source: &Source,
        cell: &Cell<'_>,
        problems: &mut Vec<Diagnostic>,
    ) -> Option<Arc<Provider>> {
        let found = self.get(&cell.text).cloned();
        if found.is_none() {
            problems.push(unknown_provider(source, cell, self.0.keys()));
        }
        found
    }
}

fn unknown_provider<'n>(source: &Source, cell: &Cell<'_>, names: impl Iterator<Item = &'n Box<str>>) -> Diagnostic {
    source
        .error(cell.span.clone(), format!("provider `{}` is not in providers.csv", cell.text))
        .suggest(&cell.text, names.map(AsRef::as_ref))
}

/// The operator two cells name. `-` is somebody, and nobody knows who.
pub(super) fn operator_of(
    source: &Source,
    name: &Cell<'_>,
    country: &Cell<'_>,
    problems: &mut Vec<Diagnostic>,
) -> Operator {
    let name = Some(name.text.as_ref()).filter(|name| !name.is_empty() && *name != "-").map(Arc::from);
    let country = match country.text.as_ref() {
        "" => None,
        code => Country::parse(code)
            .map_err(|unknown| source.error(country.span.clone(), unknown.to_string()))
            .map_or_else(
                |problem| {
                    problems.push(problem);
                    None
                },
                Some,
            ),
    };
    Operator { name, country }
}

/// Whether a confidence cell says `low`.
pub(super) fn confidence_of(source: &Source, cell: &Cell<'_>, problems: &mut Vec<Diagnostic>) -> bool {
    if !matches!(cell.text.as_ref(), "high" | "medium" | "low") {
        problems.push(source.error(cell.span.clone(), "confidence is `high`, `medium` or `low`"));
    }
    cell.text == "low"
}
