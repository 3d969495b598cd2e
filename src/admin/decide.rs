//! `POST /api/v1/decide`: what would become of this content? Nothing is sent, counted or recorded.
//!
//! The query says who would send it where, the body is the content. Names are not looked up in DNS: the place of a host
//! is what the declarations, the tables and the static names say, and an address can be given instead.

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body as Incoming;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::IntoResponse;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::problem::Problem;
use super::{AdminState, BODY};
use crate::config::{Application, Snapshot};
use crate::diagnostic::nearest;
use crate::gate::{Body, Envelope};
use crate::policy::{FactSet, FactValue};
use crate::transfer::{Basis, Country, Decision, Direction, Party, Place};

/// A message that is only imagined, in the words of a query or a command line.
#[derive(Debug, Clone, Default)]
pub struct Question {
    /// Country of the exporter; the application's or the configured one when not given.
    pub from: Option<String>,
    /// Host, address or country of the importer.
    pub to: Option<String>,
    /// Application that would send it.
    pub application: Option<String>,
    /// Media type of the content.
    pub content_type: Option<String>,
    /// Encoding of the content.
    pub content_encoding: Option<String>,
    /// Day (`2026-11-24`) or instant to decide on; now when not given.
    pub date: Option<String>,
    /// Answers for this transfer alone: `name=value`.
    pub facts: Vec<String>,
}

/// Why a question cannot be answered, in words for whoever asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unclear(pub String);

/// A question that makes sense under one snapshot.
#[derive(Debug)]
pub struct Imagined {
    snapshot: Arc<Snapshot>,
    listener: Arc<str>,
    application: Option<Application>,
    exporter: Party,
    importer: Party,
    headers: HeaderMap,
    facts: FactSet,
    /// When it is decided.
    pub now: Timestamp,
}

/// `POST /api/v1/decide`
pub(super) async fn answer(
    State(state): State<AdminState>,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
    headers: HeaderMap,
    body: Incoming,
) -> Result<impl IntoResponse, Problem> {
    let Query(pairs) = query.map_err(|rejection| Problem::bad(rejection.body_text()))?;
    let mut question = Question::read(pairs).map_err(|unclear| Problem::bad(unclear.0))?;
    let sent = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    question.content_type = question.content_type.or_else(|| sent(header::CONTENT_TYPE));
    question.content_encoding = question.content_encoding.or_else(|| sent(header::CONTENT_ENCODING));
    let imagined = question.imagine(state.live.now(), "api").map_err(|unclear| Problem::bad(unclear.0))?;
    let too_large =
        || Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("The content is at most {} MiB.", BODY >> 20));
    // Said before the client sends it all.
    if sent(header::CONTENT_LENGTH)
        .and_then(|length| length.parse::<usize>().ok())
        .is_some_and(|length| length > BODY)
    {
        return Err(too_large());
    }
    let content = axum::body::to_bytes(body, BODY).await.map_err(|_| too_large())?;
    let decision =
        state.gate.rehearse(&imagined.envelope(), &Body::Memory(content), imagined.now).await.map_err(|_| {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "The ledger cannot be read, so nothing can be decided.")
        })?;
    let text = with_locations(&decision)
        .map_err(|_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "The decision could not be written."))?;
    Ok(([(header::CONTENT_TYPE, "application/json")], text))
}

/// The decision with its members in their usual order, and where the data was found as one more.
fn with_locations(decision: &Decision) -> serde_json::Result<String> {
    let mut text = serde_json::to_string(decision)?;
    text.pop();
    Ok(format!("{text},\"found\":{}}}", serde_json::to_string(&decision.found)?))
}

impl Question {
    /// Reads the pairs of a query.
    ///
    /// # Errors
    /// A name is not known, or given twice.
    fn read(pairs: Vec<(String, String)>) -> Result<Question, Unclear> {
        const NAMES: [&str; 7] = ["from", "to", "as", "content_type", "content_encoding", "date", "fact"];
        let mut question = Question::default();
        for (name, value) in pairs {
            let place = match &*name {
                "from" => &mut question.from,
                "to" => &mut question.to,
                "as" => &mut question.application,
                "content_type" => &mut question.content_type,
                "content_encoding" => &mut question.content_encoding,
                "date" => &mut question.date,
                "fact" => {
                    question.facts.push(value);
                    continue;
                }
                _ => return Err(unknown("parameter", &name, NAMES)),
            };
            if place.replace(value).is_some() {
                return Err(Unclear(format!("`{name}` is given twice")));
            }
        }
        Ok(question)
    }

    /// Finds out what the question means.
    ///
    /// # Errors
    /// Says which part makes no sense, and what was probably meant.
    pub fn imagine(&self, snapshot: Arc<Snapshot>, listener: &str) -> Result<Imagined, Unclear> {
        let application = self.application.as_deref().map(|name| sender(&snapshot, name)).transpose()?;
        let exporter = exporter(&snapshot, self.from.as_deref(), application.as_ref())?;
        let importer = importer(&snapshot, self.to.as_deref())?;
        let mut headers = HeaderMap::new();
        for (name, value) in
            [(header::CONTENT_TYPE, &self.content_type), (header::CONTENT_ENCODING, &self.content_encoding)]
        {
            if let Some(value) = value {
                let value =
                    HeaderValue::from_str(value).map_err(|_| Unclear(format!("{name} is not a header value")))?;
                headers.insert(name, value);
            }
        }
        let facts = answers(&snapshot, &self.facts)?;
        let now = self.date.as_deref().map_or_else(|| Ok(Timestamp::now()), instant)?;
        Ok(Imagined { snapshot, listener: listener.into(), application, exporter, importer, headers, facts, now })
    }
}

impl Imagined {
    /// The message as the gate wants it.
    pub fn envelope(&self) -> Envelope<'_> {
        Envelope {
            snapshot: &self.snapshot,
            listener: &self.listener,
            application: self.application.as_ref(),
            direction: Direction::Request,
            method: "POST",
            target: "/",
            path: "/",
            headers: &self.headers,
            exporter: &self.exporter,
            importer: &self.importer,
            comes_home: false,
            facts: Some(&self.facts),
        }
    }
}

fn sender(snapshot: &Snapshot, name: &str) -> Result<Application, Unclear> {
    let known = &snapshot.settings.applications;
    known
        .iter()
        .find(|application| &*application.name == name)
        .cloned()
        .ok_or_else(|| unknown("application", name, known.iter().map(|application| &*application.name)))
}

fn exporter(snapshot: &Snapshot, from: Option<&str>, application: Option<&Application>) -> Result<Party, Unclear> {
    let place =
        match (from, application.and_then(|application| application.country), snapshot.settings.exporter.country) {
            (Some(code), ..) => Place::in_country(country(code)?, Basis::Declared),
            (None, Some(country), _) => Place::in_country(country, Basis::Application),
            (None, None, Some(country)) => Place::in_country(country, Basis::Exporter),
            (None, None, None) => Place::unknown(),
        };
    Ok(Party { host: None, address: None, place })
}

fn importer(snapshot: &Snapshot, to: Option<&str>) -> Result<Party, Unclear> {
    let to = to.ok_or_else(|| Unclear("say where it would go: to=HOST, to=ADDRESS or to=COUNTRY".to_owned()))?;
    if to.len() == 2 && to.bytes().all(|b| b.is_ascii_alphabetic()) {
        return Ok(Party { host: None, address: None, place: Place::in_country(country(to)?, Basis::Declared) });
    }
    let bare = to.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Ok(Party { host: None, address: Some(address), place: snapshot.places.locate(None, Some(address)) });
    }
    let host = to.trim_end_matches('.').to_ascii_lowercase();
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    if host.is_empty() || host.len() > 253 || !host.bytes().all(plain) {
        return Err(Unclear(format!(
            "`{to}` is not a host, an address or a country: leave out scheme, port and path"
        )));
    }
    let address = snapshot.settings.names.get(&host).and_then(|addresses| addresses.first()).copied();
    let place = snapshot.places.locate(Some(&host), address);
    Ok(Party { host: Some(host.into()), address, place })
}

fn country(code: &str) -> Result<Country, Unclear> {
    Country::parse(&code.to_ascii_uppercase()).map_err(|error| Unclear(error.to_string()))
}

fn answers(snapshot: &Snapshot, given: &[String]) -> Result<FactSet, Unclear> {
    let mut facts = FactSet::default();
    for pair in given {
        let (name, value) =
            pair.split_once('=').ok_or_else(|| Unclear(format!("`{pair}` is not a fact: write name=value")))?;
        let value = FactValue::parse(value);
        snapshot.packs.check_fact(name, &value).map_err(|error| {
            let help = error.help.map_or_else(String::new, |help| format!(", {help}"));
            Unclear(format!("{}{help}", error.message))
        })?;
        facts.insert(name, value);
    }
    Ok(facts)
}

/// A day stands for its noon in UTC, which lies within that day in almost every zone a pack may count in.
fn instant(text: &str) -> Result<Timestamp, Unclear> {
    let noon = |day: Date| TimeZone::UTC.to_timestamp(day.at(12, 0, 0, 0));
    text.parse::<Date>()
        .ok()
        .filter(|_| text.len() == 10)
        .and_then(|day| noon(day).ok())
        .or_else(|| text.parse().ok())
        .ok_or_else(|| Unclear(format!("`{text}` is not a date: write 2026-11-24")))
}

fn unknown<'a>(what: &str, given: &str, known: impl IntoIterator<Item = &'a str>) -> Unclear {
    Unclear(match nearest(given, known) {
        Some(near) => format!("unknown {what} `{given}`, did you mean `{near}`?"),
        None => format!("unknown {what} `{given}`"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_its_noon_and_an_instant_is_itself() {
        assert_eq!(instant("2026-11-24").unwrap().to_string(), "2026-11-24T12:00:00Z");
        assert_eq!(instant("2026-11-24T01:02:03Z").unwrap().to_string(), "2026-11-24T01:02:03Z");
        assert!(instant("yesterday").is_err());
    }

    #[test]
    fn a_misspelt_parameter_is_named() {
        let read = |name: &str| Question::read(vec![(name.to_owned(), "x".to_owned())]);
        assert_eq!(read("form").unwrap_err().0, "unknown parameter `form`, did you mean `from`?");
        assert!(Question::read(vec![("to".into(), "a".into()), ("to".into(), "b".into())]).is_err());
    }
}
