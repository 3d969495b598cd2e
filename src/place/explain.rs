//! The answer to "where is this party": what each basis said, how old it is, and what became of it.

use std::fmt;
use std::net::IpAddr;

use jiff::civil::Date;
use serde::Serialize;

use crate::transfer::{Basis, Country, Place};

use super::Tables;
use super::address::{ANONYMOUS, ANYCAST, SATELLITE};
use super::answer::{Answer, Reach};
use super::judge::{Evidence, Role, Verdict, add};

/// Where a party is, and why.
#[derive(Debug, Clone, Serialize)]
pub struct Explanation {
    /// The host asked about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The addresses asked about.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<IpAddr>,
    /// The place; with several addresses, everything any of them may be.
    pub place: Place,
    /// Every basis in the order of trust.
    pub steps: Vec<Step>,
}

/// What one basis said.
#[derive(Debug, Clone, Serialize)]
pub struct Step {
    /// Which basis.
    pub basis: Basis,
    /// The address it spoke of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// The table, file or registry asked.
    pub source: String,
    /// How old its facts are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date: Option<Date>,
    /// What it said.
    pub said: String,
    /// Whether it went into the place.
    pub used: bool,
    /// Why, or why not; empty when the basis had nothing to say.
    pub why: &'static str,
}

impl Explanation {
    /// Asks every basis about a host and its addresses.
    pub(super) fn of(tables: &Tables, host: Option<&str>, addresses: &[IpAddr]) -> Explanation {
        let each: Vec<Option<IpAddr>> =
            if addresses.is_empty() { vec![None] } else { addresses.iter().copied().map(Some).collect() };
        let mut place: Option<Place> = None;
        let mut steps = Vec::new();
        for address in each {
            tables.ask(host, address, |evidence, asked| {
                let verdict = evidence.judge();
                if place.is_none() {
                    steps.extend(host_steps(tables, evidence, &verdict));
                }
                if let Some(asked) = asked {
                    steps.extend(address_steps(tables, evidence, &verdict, asked));
                }
                match &mut place {
                    None => place = Some(verdict.place),
                    Some(place) => join(place, &verdict.place),
                }
            });
        }
        let place = place.unwrap_or_else(Place::unknown);
        Explanation { host: host.map(str::to_owned), addresses: addresses.to_vec(), place, steps }
    }
}

fn join(place: &mut Place, other: &Place) {
    add(&mut place.countries, &other.countries);
    place.basis = place.basis.min(other.basis);
    if place.operator != other.operator {
        place.operator = None;
    }
    if place.operator_country != other.operator_country {
        place.operator_country = None;
    }
}

fn host_steps(tables: &Tables, evidence: &Evidence<'_>, verdict: &Verdict) -> Vec<Step> {
    let mut steps = vec![declared(evidence)];
    let step = |basis, source: &str, date, said: String, role, why: Option<&'static str>| Step {
        basis,
        address: None,
        source: source.to_owned(),
        date,
        said,
        used: is_used(role),
        why: why.unwrap_or_else(|| because(role, evidence.declared.is_some())),
    };
    steps.push(match evidence.pattern {
        None => step(
            Basis::HostPattern,
            "host-patterns.csv",
            tables.patterns.date,
            "no pattern fits".into(),
            Role::Silent,
            None,
        ),
        Some(hit) => {
            let region = hit.region.map(|region| {
                let city = if region.city.is_empty() { String::new() } else { format!(", {}", region.city) };
                format!(", region {} of {}{city}", region.code, hit.pattern.provider.name)
            });
            let said = format!("{}: `{}`{}", words(hit.answer()), hit.pattern.text, region.unwrap_or_default());
            let source = format!("host-patterns.csv:{}", hit.pattern.line);
            let why = weak(hit.pattern.reach, verdict.pattern);
            step(
                Basis::HostPattern,
                &source,
                tables.patterns.date,
                noted(said, &hit.pattern.note),
                verdict.pattern,
                why,
            )
        }
    });
    steps.push(match evidence.service {
        None => step(
            Basis::HostTable,
            "services.csv",
            tables.services.date,
            "no row for this host".into(),
            Role::Silent,
            None,
        ),
        Some(service) => {
            let said = noted(format!("{}: `{}`", words(&service.answer), service.host), &service.note);
            let why = weak(service.reach, verdict.service);
            let source = format!("services.csv:{}", service.line);
            step(Basis::HostTable, &source, tables.services.date, said, verdict.service, why)
        }
    });
    steps
}

fn declared(evidence: &Evidence<'_>) -> Step {
    let said = match evidence.declared {
        None => "nothing is declared".to_owned(),
        Some(declared) => listed(&declared.countries),
    };
    let used = evidence.declared.is_some();
    let why = if used { "a declaration is final" } else { "" };
    Step { basis: Basis::Declared, address: None, source: "configuration".into(), date: None, said, used, why }
}

fn address_steps(tables: &Tables, evidence: &Evidence<'_>, verdict: &Verdict, address: IpAddr) -> Vec<Step> {
    let declared = evidence.declared.is_some();
    let step = |basis, source: String, date, said: String, role| Step {
        basis,
        address: Some(address),
        source,
        date,
        said,
        used: is_used(role),
        why: because(role, declared),
    };
    if let Some(special) = evidence.special {
        let said = format!("{} ({}): no place on the public Internet", special.reason, special.reference);
        return vec![step(Basis::Unknown, "special-purpose addresses".into(), None, said, Role::Silent)];
    }
    let range = match evidence.range {
        None => step(Basis::ProviderRange, tables.ranges_name(), None, "in no range".into(), Role::Silent),
        Some(range) => {
            let said = format!("{}: {} {}", words(&range.answer), range.provider.name, range.region);
            step(Basis::ProviderRange, range.file.name.clone(), range.file.date, said, verdict.range)
        }
    };
    let (source, date) = tables.database.source();
    let said = match evidence.database {
        None => "no row for this address".to_owned(),
        Some(found) => {
            let flags = [(ANYCAST, "anycast"), (SATELLITE, "satellite link"), (ANONYMOUS, "anonymising proxy")];
            let flags: String =
                flags.iter().filter(|(bit, _)| found.flags & bit != 0).map(|(_, word)| format!(", {word}")).collect();
            format!("{}{flags}", found.country.map_or_else(|| "no country".to_owned(), |country| named(&country)))
        }
    };
    let database = step(Basis::AddressDatabase, source, date, said, verdict.database);
    let said = evidence.registration.map_or_else(|| "not registered".to_owned(), |country| named(&country));
    let registry = "delegated files of the regional registries".to_owned();
    vec![range, database, step(Basis::Registration, registry, None, said, verdict.registration)]
}

fn is_used(role: Role) -> bool {
    matches!(role, Role::Decides | Role::Agrees | Role::Adds | Role::Anywhere)
}

fn because(role: Role, declared: bool) -> &'static str {
    match role {
        Role::Silent => "",
        Role::Anywhere => "in many places at once: unknown",
        Role::Decides => "the most trusted that spoke",
        Role::Agrees => "agrees",
        Role::Adds => "disagrees: kept as a candidate",
        Role::PassedOver if declared => "a declaration is final",
        Role::PassedOver => "a more trusted basis spoke",
    }
}

fn weak(reach: Reach, role: Role) -> Option<&'static str> {
    match (reach, role) {
        (_, Role::PassedOver) => None,
        (Reach::Firm, _) => None,
        (Reach::Hint, Role::Decides) => Some("only a hint: the unknown stays a candidate"),
        (Reach::Hint, _) => Some("only a hint"),
        (Reach::Open, _) => Some("data may go on elsewhere: the unknown is a candidate"),
    }
}

fn noted(said: String, note: &str) -> String {
    if note.is_empty() { said } else { format!("{said} ({note})") }
}

fn words(answer: &Answer) -> String {
    match answer {
        Answer::Silent => "no place".to_owned(),
        Answer::Anywhere => "anywhere".to_owned(),
        Answer::In(countries) => listed(countries),
    }
}

fn named(country: &Country) -> String {
    format!("{country} {}", country.name())
}

/// Few countries with their names, many by their codes.
fn listed(countries: &[Country]) -> String {
    match countries.len() {
        0..=3 => countries.iter().map(named).collect::<Vec<_>>().join(" or "),
        _ => countries.iter().map(Country::as_str).collect::<Vec<_>>().join(" "),
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let addresses: Vec<String> = self.addresses.iter().map(IpAddr::to_string).collect();
        let subject = self.host.iter().chain(&addresses).map(String::as_str).collect::<Vec<_>>().join(" ");
        writeln!(f, "{subject}")?;
        writeln!(f, "  place     {}", listed(&self.place.countries))?;
        writeln!(f, "  basis     {}", word(self.place.basis))?;
        if let Some(operator) = &self.place.operator {
            writeln!(f, "  operator  {operator}")?;
        }
        if let Some(country) = &self.place.operator_country {
            writeln!(f, "  answers to the law of {}", named(country))?;
        }
        for step in &self.steps {
            let address = step.address.map(|address| format!("{address}: ")).unwrap_or_default();
            let date = step.date.map(|date| format!(", {date}")).unwrap_or_default();
            let mark = if step.used { '+' } else { '-' };
            write!(f, "\n  {mark} {:<17} {address}{}", word(step.basis), step.said)?;
            if step.why.is_empty() {
                write!(f, " [{}{date}]", step.source)?;
            } else {
                write!(f, "\n    {:<17} {} [{}{date}]", "", step.why, step.source)?;
            }
        }
        writeln!(f)
    }
}

/// The word records use.
fn word(basis: Basis) -> &'static str {
    match basis {
        Basis::Declared => "declared",
        Basis::Application => "application",
        Basis::Listener => "listener",
        Basis::Exporter => "exporter",
        Basis::HostPattern => "host-pattern",
        Basis::HostTable => "host-table",
        Basis::ProviderRange => "provider-range",
        Basis::AddressDatabase => "address-database",
        Basis::Registration => "registration",
        Basis::Unknown => "unknown",
    }
}
