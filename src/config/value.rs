//! What single values mean: sizes, durations, addresses, countries, patterns.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ipnetwork::IpNetwork;
use jiff::civil::Date;
use toml::de::DeValue;

use super::document::Wrong;
use crate::diagnostic::nearest;
use crate::policy::FactValue;
use crate::transfer::{Category, Country, HostPattern};

pub(super) fn text(value: &DeValue<'_>) -> Result<String, Wrong> {
    let text = value.as_str().ok_or(Wrong::Kind("a string"))?;
    if text.trim().is_empty() { Err(Wrong::value("this is empty")) } else { Ok(text.to_owned()) }
}

pub(super) fn name(value: &DeValue<'_>) -> Result<Arc<str>, Wrong> {
    text(value).map(Into::into)
}

/// A name that becomes a metric label and stands in records.
pub(super) fn label(value: &DeValue<'_>) -> Result<Arc<str>, Wrong> {
    let text = text(value)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if text.len() <= 64 && text.chars().all(plain) {
        return Ok(text.into());
    }
    Err(Wrong::value(format!("`{text}` is not a name")).help("use up to 64 letters, digits, `-`, `_` and `.`"))
}

pub(super) fn flag(value: &DeValue<'_>) -> Result<bool, Wrong> {
    value.as_bool().ok_or(Wrong::Kind("true or false"))
}

pub(super) fn path(value: &DeValue<'_>) -> Result<PathBuf, Wrong> {
    text(value).map(PathBuf::from)
}

/// A whole number above zero.
pub(super) fn number(value: &DeValue<'_>) -> Result<u64, Wrong> {
    match integer(value) {
        Some(0) => Err(Wrong::value("0 would let nothing pass").help("write a number of at least 1")),
        Some(number) => u64::try_from(number).map_err(|_| Wrong::value("a limit is not negative")),
        None => Err(Wrong::Kind("a whole number")),
    }
}

fn integer(value: &DeValue<'_>) -> Option<i64> {
    let number = value.as_integer()?;
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}

/// Bytes: `65536`, `"64 KiB"`, `"1 MiB"`, `"5 MB"`.
pub(super) fn size(value: &DeValue<'_>) -> Result<u64, Wrong> {
    let Some(text) = value.as_str() else {
        return number(value).map_err(|wrong| match wrong {
            Wrong::Kind(_) => Wrong::Kind("a size such as \"1 MiB\""),
            wrong => wrong,
        });
    };
    let (amount, unit) = amount(text);
    let scale: Option<u64> = match unit {
        "B" | "" => Some(1),
        "kB" | "KB" => Some(1000),
        "MB" => Some(1000 * 1000),
        "GB" => Some(1000 * 1000 * 1000),
        "KiB" => Some(1 << 10),
        "MiB" => Some(1 << 20),
        "GiB" => Some(1 << 30),
        "TiB" => Some(1 << 40),
        _ => None,
    };
    let bytes = amount.zip(scale).and_then(|(amount, scale)| amount.checked_mul(scale)).filter(|bytes| *bytes > 0);
    bytes.ok_or_else(|| Wrong::value(format!("`{text}` is not a size")).help(size_help(text)))
}

fn size_help(text: &str) -> String {
    let (amount, unit) = amount(text);
    let units = ["B", "KiB", "MiB", "GiB", "TiB", "kB", "MB", "GB"];
    let meant = match unit.to_ascii_lowercase().as_str() {
        "k" | "kib" => Some("KiB"),
        "m" | "mib" | "mb" => Some("MiB"),
        "g" | "gib" | "gb" => Some("GiB"),
        "t" | "tib" => Some("TiB"),
        _ => nearest(unit, units),
    };
    match (amount, meant) {
        (Some(amount), Some(unit)) => format!("did you mean `{amount} {unit}`?"),
        _ => "write a whole number and B, KiB, MiB, GiB or TiB, such as \"1 MiB\"".to_owned(),
    }
}

/// `"30 s"`, `"500 ms"`, `"5 min"`, `"2 h"`.
pub(super) fn duration(value: &DeValue<'_>) -> Result<Duration, Wrong> {
    let text = value.as_str().ok_or(Wrong::Kind("a duration such as \"30 s\""))?;
    let (amount, unit) = amount(text);
    let scale: Option<u64> = match unit {
        "ms" => Some(1),
        "s" => Some(1000),
        "min" | "m" => Some(60 * 1000),
        "h" => Some(60 * 60 * 1000),
        _ => None,
    };
    let millis = amount.zip(scale).and_then(|(amount, scale)| amount.checked_mul(scale)).filter(|millis| *millis > 0);
    millis.map(Duration::from_millis).ok_or_else(|| {
        let help = "write a whole number and ms, s, min or h, such as \"30 s\"";
        Wrong::value(format!("`{text}` is not a duration")).help(help)
    })
}

/// The number in front of a text and the unit behind it.
fn amount(text: &str) -> (Option<u64>, &str) {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits).unwrap_or((text, ""));
    (number.replace('_', "").parse().ok(), unit.trim())
}

/// A date written as a date.
pub(super) fn date(value: &DeValue<'_>) -> Result<Date, Wrong> {
    let wrong = Wrong::Kind("a date such as 2026-11-24, without quotes");
    let Some(stamp) = value.as_datetime().filter(|stamp| stamp.time.is_none()) else { return Err(wrong) };
    let date = stamp.date.and_then(|date| {
        let (year, month, day) = (date.year.try_into().ok()?, date.month.try_into().ok()?, date.day.try_into().ok()?);
        Date::new(year, month, day).ok()
    });
    date.ok_or(wrong)
}

pub(super) fn country(value: &DeValue<'_>) -> Result<Country, Wrong> {
    let code = text(value)?;
    country_named(&code)
}

/// The country of a code, with what was probably meant when there is none.
pub(super) fn country_named(code: &str) -> Result<Country, Wrong> {
    Country::parse(code).map_err(|unknown| {
        let wrong = Wrong::value(unknown.to_string());
        match meant(code) {
            Some(country) => wrong.help(format!("did you mean `{country}` ({})?", country.name())),
            None => wrong,
        }
    })
}

fn meant(code: &str) -> Option<Country> {
    if let Ok(country) = Country::parse(&code.to_ascii_uppercase()) {
        return Some(country);
    }
    let all = Country::all();
    if let Some(country) = all.iter().find(|country| code.len() > 1 && initials(country.name()) == code) {
        return Some(*country);
    }
    let near = nearest(code, all.iter().map(|country| country.name()))?;
    all.into_iter().find(|country| country.name() == near)
}

/// `UK` of "United Kingdom".
fn initials(name: &str) -> String {
    name.split(' ').filter_map(|word| word.chars().next()).filter(|c| c.is_uppercase()).collect()
}

pub(super) fn category(value: &DeValue<'_>) -> Result<Category, Wrong> {
    let path = text(value)?;
    Category::parse(&path).map_err(|unknown| {
        let wrong = Wrong::value(format!("unknown category `{}`", unknown.given));
        match unknown.nearest {
            Some(near) => wrong.help(format!("did you mean `{near}`?")),
            None => wrong.help("`rules/categories.toml` lists them"),
        }
    })
}

pub(super) fn hosts(value: &DeValue<'_>) -> Result<HostPattern, Wrong> {
    HostPattern::parse(&text(value)?).map_err(Wrong::value)
}

pub(super) fn network(value: &DeValue<'_>) -> Result<IpNetwork, Wrong> {
    let text = text(value)?;
    let network: IpNetwork = text.parse().map_err(|_| {
        Wrong::value(format!("`{text}` is not a network"))
            .help("write an address with a prefix, such as \"10.2.0.0/16\"")
    })?;
    if network.network() == network.ip() {
        return Ok(network);
    }
    let meant = format!("{}/{}", network.network(), network.prefix());
    Err(Wrong::value(format!("`{text}` has bits set behind its prefix")).help(format!("did you mean `{meant}`?")))
}

pub(super) fn address(value: &DeValue<'_>) -> Result<IpAddr, Wrong> {
    let text = text(value)?;
    text.parse().map_err(|_| Wrong::value(format!("`{text}` is not an IP address")))
}

/// An address to listen on.
pub(super) fn socket(value: &DeValue<'_>) -> Result<SocketAddr, Wrong> {
    let text = text(value)?;
    text.parse().map_err(|_| {
        let wrong = Wrong::value(format!("`{text}` is not an address to listen on"));
        let port = text.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok());
        match (port, text.parse::<IpAddr>()) {
            (Some(("localhost", port)), _) => wrong.help(format!("did you mean `127.0.0.1:{port}`?")),
            (Some(("" | "*", port)), _) => wrong.help(format!("for every interface write `0.0.0.0:{port}`")),
            (_, Ok(IpAddr::V6(_))) => wrong.help(format!("add a port: `[{text}]:3128`")),
            (_, Ok(IpAddr::V4(_))) => wrong.help(format!("add a port: `{text}:3128`")),
            _ => wrong.help("write an IP address and a port, such as `127.0.0.1:3128`"),
        }
    })
}

pub(super) fn fact(value: &DeValue<'_>) -> Result<FactValue, Wrong> {
    match value {
        DeValue::Boolean(flag) => Ok(FactValue::Bool(*flag)),
        DeValue::String(word) => Ok(FactValue::Text(word.as_ref().into())),
        // Days gone by may be answered with the day they began.
        DeValue::Datetime(day) if day.time.is_none() => Ok(FactValue::Text(day.to_string().into())),
        value => integer(value).map(FactValue::Int).ok_or(Wrong::Kind("true, false, a whole number or a word")),
    }
}

/// A particular of a mechanism: a word, or a number written as one.
pub(super) fn particular(value: &DeValue<'_>) -> Result<String, Wrong> {
    match value {
        DeValue::String(_) => text(value),
        DeValue::Boolean(flag) => Ok(flag.to_string()),
        value => integer(value).map(|number| number.to_string()).ok_or(Wrong::Kind("a string or a whole number")),
    }
}

/// Where an upstream or a next proxy is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) tls: bool,
    pub(super) host: String,
    pub(super) port: u16,
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        let (open, close) = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        write!(f, "{scheme}://{open}{}{close}:{}", self.host, self.port)
    }
}

/// `https://203.0.113.7:8443`: scheme, host, port if it is not the scheme's own; nothing else.
pub(super) fn target(value: &DeValue<'_>) -> Result<Target, Wrong> {
    let text = text(value)?;
    let wrong = |message: &str| {
        Wrong::value(format!("`{text}` {message}"))
            .help("write scheme, host and port, such as `https://203.0.113.7:8443`")
    };
    let uri: http::Uri = text.parse().map_err(|_| wrong("is not a URL"))?;
    let tls = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => false,
        _ => return Err(wrong("does not begin with http:// or https://")),
    };
    let authority = uri.authority().ok_or_else(|| wrong("names no host"))?;
    if authority.as_str().contains('@') || uri.query().is_some() || !matches!(uri.path(), "" | "/") {
        return Err(wrong("has more than scheme, host and port"));
    }
    let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    let port = match (authority.port(), tls) {
        (Some(port), _) => port.as_u16(),
        (None, true) => 443,
        (None, false) => 80,
    };
    if host.is_empty() || port == 0 {
        return Err(wrong("names no host and port"));
    }
    Ok(Target { tls, host, port })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T>(text: &str, parse: fn(&DeValue<'_>) -> Result<T, Wrong>) -> Result<T, Wrong> {
        parse(DeValue::parse(text).unwrap().get_ref())
    }

    fn advice<T: std::fmt::Debug>(result: Result<T, Wrong>) -> String {
        match result.unwrap_err() {
            Wrong::Value { message, help } => format!("{message}; {}", help.unwrap_or_default()),
            Wrong::Kind(kind) => kind.to_owned(),
        }
    }

    #[test]
    fn sizes_and_durations_have_units() {
        assert_eq!(read("\"64 KiB\"", size), Ok(64 * 1024));
        assert_eq!(read("1_000_000", size), Ok(1_000_000));
        assert_eq!(read("\"500 ms\"", duration), Ok(Duration::from_millis(500)));
        assert!(advice(read("\"1 Mib\"", size)).contains("did you mean `1 MiB`?"));
        assert!(
            read("\"99999999 TiB\"", size).is_err()
                && read("\"30\"", duration).is_err()
                && read("30", duration).is_err()
        );
    }

    #[test]
    fn wrong_values_say_what_was_meant() {
        assert!(advice(read("\"cn\"", country)).contains("did you mean `CN`"));
        assert!(advice(read("\"Germny\"", country)).contains("did you mean `DE` (Germany)?"));
        assert!(advice(read("\"UK\"", country)).contains("did you mean `GB`"));
        assert!(advice(read("\"10.2.3.4/16\"", network)).contains("did you mean `10.2.0.0/16`?"));
        assert!(advice(read("\"localhost:80\"", socket)).contains("did you mean `127.0.0.1:80`?"));
        assert!(advice(read("\"https://a.example/path\"", target)).contains("has more than"));
        assert_eq!(
            read("\"https://[2001:db8::1]:8443\"", target),
            Ok(Target { tls: true, host: "2001:db8::1".to_owned(), port: 8443 })
        );
    }
}
