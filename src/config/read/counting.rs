//! Where people are counted, and under which key: `[ledger]`.

use std::time::Duration;

use super::Reading;
use crate::config::document::{At, Section};
use crate::config::value;
use crate::ledger::{Address, Choice, FleetSettings, KeySource, Reach, Settings};

const CONNECT: Duration = Duration::from_secs(2);
const ANSWER: Duration = Duration::from_secs(1);
const SPOOL: u64 = 64 << 20;

/// What only a store of a fleet asks for.
const OF_A_FLEET: [&str; 9] = [
    "password_file",
    "prefix",
    "connect_timeout",
    "timeout",
    "replicas",
    "spool",
    "ca_certificate",
    "client_certificate",
    "client_key",
];

/// From which share of a bound on decisions warn.
const NEAR: f64 = 0.8;

/// What only TLS asks for.
const OF_TLS: [&str; 3] = ["ca_certificate", "client_certificate", "client_key"];

/// `[ledger]`, and from which share of a bound on decisions warn.
pub(super) fn ledger<'d>(top: &Section<'d>, reading: &Reading<'d>) -> (Settings, f64) {
    let section = top.section("ledger", "[ledger]");
    let key = key(&section, reading);
    let store = section.at("store", value::text).filter(|store| store.value != "embedded");
    let choice = match store {
        None => {
            unused(&section, &OF_A_FLEET, "has no effect: the store is embedded");
            Choice::Embedded
        }
        Some(store) => {
            fleet(&section, reading, &store).map_or(Choice::Embedded, |fleet| Choice::Fleet(Box::new(fleet)))
        }
    };
    let near_limit = near_limit(&section);
    section.finish();
    (Settings { store: choice, key }, near_limit)
}

/// `warn_at`, in percent.
fn near_limit(section: &Section<'_>) -> f64 {
    let written = section.at("warn_at", value::number);
    if let Some(wrong) = written.as_ref().filter(|percent| !(1..=100).contains(&percent.value)) {
        section.document().advise(&wrong.span, "`warn_at` is a percentage from 1 to 100", "write `warn_at = 80`");
    }
    written.map_or(NEAR, |percent| percent.value.min(100) as f64 / 100.0)
}

/// Where the key is that people are digested with.
pub(super) fn key<'d>(section: &Section<'d>, reading: &Reading<'d>) -> KeySource {
    let file = section.at("key_file", value::path);
    let variable = section.at("key_variable", value::text);
    match (file, variable) {
        (Some(_), Some(variable)) => {
            let help = "keep one of `key_file` and `key_variable`";
            section.document().advise(&variable.span, "`key_variable` has no effect: there is a `key_file`", help);
            KeySource::State
        }
        (Some(file), None) => reading.file(&file).map_or(KeySource::State, KeySource::File),
        (None, Some(variable)) => KeySource::Variable(variable.value),
        (None, None) => KeySource::State,
    }
}

fn fleet<'d>(section: &Section<'d>, reading: &Reading<'d>, store: &At<String>) -> Option<FleetSettings> {
    let parsed = Address::parse(&store.value);
    if let Err(wrong) = &parsed {
        let help = "write store = \"embedded\", or for a fleet \"redis://HOST:6379/0\", \"rediss://…\", \
                    \"redis+sentinel://HOST,HOST/MASTER\" or \"redis+cluster://HOST,HOST\"";
        section.document().advise(&store.span, format!("this is no store: {wrong}"), help);
    }
    let address = with_password(section, reading, parsed.ok());
    if address.as_ref().is_some_and(|address| !address.tls) {
        unused(section, &OF_TLS, "has no effect: the store is reached without TLS");
    }
    let file = |key: &'static str| section.at(key, value::path).and_then(|path| reading.file(&path));
    let certificate = (file("client_certificate"), file("client_key"));
    let alone = match &certificate {
        (Some(_), None) => {
            section.key("client_certificate").map(|span| (span, "`client_certificate` needs its `client_key`"))
        }
        (None, Some(_)) => {
            section.key("client_key").map(|span| (span, "`client_key` needs its `client_certificate`"))
        }
        _ => None,
    };
    if let Some((span, message)) = alone {
        section.document().error(&span, message);
    }
    Some(FleetSettings {
        reach: Reach {
            address: address?,
            connect_timeout: section.get("connect_timeout", value::duration).unwrap_or(CONNECT),
            timeout: section.get("timeout", value::duration).unwrap_or(ANSWER),
            ca_certificate: file("ca_certificate"),
            certificate: certificate.0.zip(certificate.1),
        },
        prefix: section
            .get("prefix", value::label)
            .map_or_else(|| "tidegate".to_owned(), |prefix| prefix.to_string()),
        replicas: narrow(section.at("replicas", value::number), section),
        spool: section.get("spool", value::size).unwrap_or(SPOOL),
    })
}

/// The address with the password of a file, which stands in no configuration.
fn with_password<'d>(section: &Section<'d>, reading: &Reading<'d>, address: Option<Address>) -> Option<Address> {
    let Some(written) = section.at("password_file", value::path) else { return address };
    let password = reading.secret(&written)?;
    let address = address?;
    if address.has_password() {
        let help = "keep one of them";
        section.document().advise(&written.span, "`password_file` has no effect: `store` holds a password", help);
        return Some(address);
    }
    Some(address.with_password(password))
}

fn unused<'d>(section: &Section<'d>, keys: &[&'d str], why: &str) {
    for (key, span) in keys.iter().filter_map(|key| Some((key, section.key(key)?))) {
        section.document().error(&span, format!("`{key}` {why}"));
    }
}

fn narrow(at: Option<At<u64>>, section: &Section<'_>) -> u32 {
    at.map_or(0, |at| {
        u32::try_from(at.value).unwrap_or_else(|_| {
            section.document().error(&at.span, "this is above what can be counted");
            0
        })
    })
}
