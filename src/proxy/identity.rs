//! Who sends: the application of a request, and where its client is.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest;

use super::connection::Connection;
use super::refusal::Complaint;
use crate::config::{Application, ClientCountry, Credentials, Snapshot};
use crate::transfer::{Basis, Party, Place};

/// The application of a request: the first whose conditions all hold.
///
/// # Errors
/// Credentials were sent and are not those of any application (407).
pub(super) fn application<'a>(
    snapshot: &'a Snapshot,
    client: IpAddr,
    authorization: Option<&str>,
) -> Result<Option<&'a Application>, Complaint> {
    let applications = &snapshot.settings.applications;
    if applications.is_empty() {
        return Ok(None);
    }
    let sent = authorization.map(|value| basic(value).ok_or_else(Complaint::credentials)).transpose()?;
    let proven = |credentials: &Credentials| sent.as_ref().is_some_and(|sent| same(sent, credentials));
    if sent.is_some() && !applications.iter().filter_map(|known| known.credentials.as_ref()).any(proven) {
        return Err(Complaint::credentials());
    }
    Ok(applications.iter().find(|known| {
        let from = known.client.is_empty() || known.client.iter().any(|range| range.contains(client));
        from && known.credentials.as_ref().is_none_or(proven)
    }))
}

/// `user:password` of a Basic value.
fn basic(value: &str) -> Option<String> {
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()
}

/// Compares hashes, so that time tells nothing about the password.
fn same(sent: &str, known: &Credentials) -> bool {
    let hash = |text: &str| digest::digest(&digest::SHA256, text.as_bytes());
    hash(sent).as_ref() == hash(&format!("{}:{}", known.user, known.password)).as_ref()
}

/// The client side of a flow.
pub(super) fn client(
    snapshot: &Snapshot,
    connection: &Connection,
    application: Option<&Application>,
    address: IpAddr,
) -> Party {
    let place = match (application.and_then(|application| application.country), connection.listener.client_country) {
        (Some(country), _) => Place::in_country(country, Basis::Application),
        (None, ClientCountry::In(country)) => Place::in_country(country, Basis::Listener),
        (None, ClientCountry::ByAddress) => snapshot.places.locate(None, Some(address)),
        (None, ClientCountry::Exporter) => match snapshot.settings.exporter.country {
            Some(country) => Place::in_country(country, Basis::Exporter),
            None => Place::unknown(),
        },
    };
    // The address of a client can be a person's; the place is what matters.
    Party { host: None, address: None, place }
}
