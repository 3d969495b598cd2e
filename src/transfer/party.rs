//! The two ends of a transfer and where they are.

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Country;

/// How a place is known, the most trusted first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Basis {
    /// The organisation's own declaration about an importer or a route.
    Declared,
    /// The application that sends is declared to be there.
    Application,
    /// The listener's `client_country`.
    Listener,
    /// The exporter's own country.
    Exporter,
    /// A host name whose pattern carries a region of a provider.
    HostPattern,
    /// A host name in the table of services.
    HostTable,
    /// A range the provider publishes.
    ProviderRange,
    /// The address database.
    AddressDatabase,
    /// Where the address is registered. Never certain alone.
    Registration,
    /// Nothing is known.
    Unknown,
}

/// Where a party is: every country it may be in, how we know, and whose law its operator answers to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Candidate countries, never empty; [`Country::UNKNOWN`] alone when nothing is known.
    #[serde(rename = "country")]
    pub countries: Vec<Country>,
    /// The most trusted basis that spoke.
    pub basis: Basis,
    /// Who runs the service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operator: Option<Arc<str>>,
    /// Whose law the operator answers to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operator_country: Option<Country>,
}

/// One end of a transfer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Party {
    /// The host name asked for. Clients have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<Arc<str>>,
    /// The address dialled, or the client's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// Where it is.
    #[serde(flatten)]
    pub place: Place,
}

impl Place {
    /// A place in one country.
    pub fn in_country(country: Country, basis: Basis) -> Place {
        Place { countries: vec![country], basis, operator: None, operator_country: None }
    }

    /// A place nothing is known of.
    pub fn unknown() -> Place {
        Place::in_country(Country::UNKNOWN, Basis::Unknown)
    }
}

impl Party {
    /// The party as records name it. The host is who receives the data and stays; a label of it that carries a long
    /// number, or is no plain label, could be about a person and becomes `*`.
    pub fn without_values(&self) -> Party {
        let mut party = self.clone();
        party.host = self.host.as_ref().map(|host| match host.split('.').all(is_plain_label) || is_address(host) {
            true => Arc::clone(host),
            false => {
                let shown = |label| if is_plain_label(label) { label } else { "*" };
                host.split('.').map(shown).collect::<Vec<_>>().join(".").into()
            }
        });
        party
    }
}

/// Up to eight digits in all: short ids, dates and ports, no number that a state or a bank gives to a person.
fn is_plain_label(label: &str) -> bool {
    label.len() <= 63
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        && label.bytes().filter(u8::is_ascii_digit).count() <= 8
}

fn is_address(host: &str) -> bool {
    host.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_keeps_no_long_number() {
        let shown = |host: &str| {
            let party = Party { host: Some(host.into()), address: None, place: Place::unknown() };
            party.without_values().host.unwrap().to_string()
        };
        for (host, name) in [
            ("api-2.eu-central-1.example.com", "api-2.eu-central-1.example.com"),
            ("110101190001010014.example.com", "*.example.com"),
            ("a%40b.example.com", "*.example.com"),
            ("203.0.113.7", "203.0.113.7"),
            ("2001:db8::1", "2001:db8::1"),
        ] {
            assert_eq!(shown(host), name);
        }
    }
}
