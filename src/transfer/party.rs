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
