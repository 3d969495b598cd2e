//! What would let a transfer pass, and what nobody has answered: for people as sentences, for programs as members.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use super::{Category, Country, FactValue, Place};

/// Names of kinds, places or countries listed in one sentence.
const LISTED: usize = 12;

/// One change that would let a transfer pass. Each was tried: the transfer was decided again with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "change", rename_all = "kebab-case")]
pub enum Route {
    /// Leave some data out.
    LeaveOut {
        /// The kinds.
        categories: Vec<Category>,
        /// Where they stand: JSON pointers, part and header names, with `*` for what could be a value.
        fields: Vec<String>,
        /// Whether they stand in more places than are listed.
        #[serde(skip_serializing_if = "is_false")]
        more: bool,
    },
    /// Send data of fewer people.
    FewerPeople {
        /// Pack of the counter.
        pack: Arc<str>,
        /// The counter.
        counter: Arc<str>,
        /// Whom it counts, in words.
        title: Arc<str>,
        /// How many more people fit.
        fits: u64,
        /// How many this transfer adds.
        adding: u64,
    },
    /// Answer a question, if that is the answer.
    Answer {
        /// The fact.
        fact: Arc<str>,
        /// The answers that let it pass.
        values: Vec<FactValue>,
        /// The question.
        ask: Arc<str>,
    },
    /// Say where the importer is, if it is in one of these.
    Declare {
        /// The candidates that would do.
        countries: Vec<Country>,
    },
    /// Another region of the same provider.
    Region {
        /// The provider.
        provider: Arc<str>,
        /// Code of the region.
        region: Arc<str>,
        /// The city, where it is known.
        #[serde(skip_serializing_if = "str::is_empty")]
        city: Arc<str>,
        /// Where it is.
        countries: Vec<Country>,
    },
    /// Hold something. All entries of the outer list; of each any one.
    Hold {
        /// Needs by pack.
        needs: Vec<Demand>,
    },
    /// An importer elsewhere.
    Elsewhere {
        /// Where.
        countries: Vec<Country>,
    },
}

/// Needs any one of which would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Demand {
    /// The pack that asks.
    pub pack: Arc<str>,
    /// Ids of the needs.
    pub any: Vec<Arc<str>>,
    /// Their titles.
    pub titles: Vec<Arc<str>>,
}

/// A question nobody has answered whose default decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Open {
    /// A pack that asks it.
    pub pack: Arc<str>,
    /// The fact.
    pub fact: Arc<str>,
    /// `exporter`, `importer` or `transfer`: where the answer belongs.
    pub about: &'static str,
    /// The question.
    pub ask: Arc<str>,
    /// What was taken to be the answer.
    pub default: FactValue,
    /// Answers with which it would end otherwise, and how.
    pub otherwise: Vec<Otherwise>,
}

/// What another answer would lead to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Otherwise {
    /// The answer.
    pub value: FactValue,
    /// What would become of the transfer.
    pub action: super::Action,
}

/// Another region of the provider the importer is with, to be tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elsewhere {
    /// The provider.
    pub provider: Arc<str>,
    /// Code of the region.
    pub region: Arc<str>,
    /// The city.
    pub city: Arc<str>,
    /// The host with that region in its name.
    pub host: Arc<str>,
    /// Where that host is.
    pub place: Place,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
fn is_false(value: &bool) -> bool {
    !*value
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Route::LeaveOut { categories, fields, more } => leave_out(categories, fields, *more, f),
            Route::FewerPeople { title, fits, adding, .. } => {
                write!(f, "Send at most {fits} more people counted as {title} (this message adds {adding}).")
            }
            Route::Answer { fact, values, ask } => {
                let values: Vec<String> = values.iter().map(|value| format!("`{value}`")).collect();
                write!(f, "Answer `{fact}`, if the answer is {}: {ask}", values.join(" or "))
            }
            Route::Declare { countries } => {
                write!(f, "Declare where the importer is, if it is in {}.", joined(countries, " or "))
            }
            Route::Region { provider, region, city, countries } => {
                let city = if city.is_empty() { String::new() } else { format!("{city}, ") };
                write!(f, "Use region {region} of {provider} ({city}{}).", joined(countries, " or "))
            }
            Route::Hold { needs } => hold(needs, f),
            Route::Elsewhere { countries } => elsewhere(countries, f),
        }
    }
}

fn leave_out(categories: &[Category], fields: &[String], more: bool, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let kinds: Vec<&str> = categories.iter().take(LISTED).map(|kind| kind.as_str()).collect();
    write!(f, "Leave out {}", kinds.join(", "))?;
    match categories.len().saturating_sub(LISTED) {
        0 => {}
        others => write!(f, " and {others} more kinds")?,
    }
    if !fields.is_empty() {
        let others = if more || fields.len() > LISTED { " and wherever else it stands" } else { "" };
        let shown: Vec<&str> = fields.iter().take(LISTED).map(String::as_str).collect();
        write!(f, " (at {}{others})", shown.join(", "))?;
    }
    f.write_str(".")
}

fn hold(needs: &[Demand], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let each: Vec<String> = needs.iter().map(|demand| demand.titles.join("; or ")).collect();
    write!(f, "Have {}.", each.join(". Also have "))
}

fn elsewhere(countries: &[Country], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let listed = joined(countries.get(..LISTED).unwrap_or(countries), ", ");
    match countries.len().saturating_sub(LISTED) {
        0 => write!(f, "Send it to an importer in {listed}."),
        more => write!(f, "Send it to an importer in {listed} or one of {more} more countries."),
    }
}

fn joined(countries: &[Country], between: &str) -> String {
    countries.iter().map(|country| country.name()).collect::<Vec<_>>().join(between)
}
