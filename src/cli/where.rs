//! `tidegate where`: where is this host or address, and why do we think so?

use std::io::Write;
use std::net::IpAddr;
use std::path::Path;

use serde::Serialize;

use super::{Answer, Failure, Outcome, json_line, load, lookup};
use crate::config::Snapshot;
use crate::place::Explanation;
use crate::transfer::HostPattern;

/// Options of the command.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  tidegate where api.example.com 203.0.113.7\n  \
                        tidegate where --offline --json s3.eu-central-1.amazonaws.com")]
pub(super) struct Where {
    /// Host names or addresses
    #[arg(required = true, value_name = "HOST_OR_IP")]
    hosts: Vec<String>,
    /// Print one JSON object a line and host
    #[arg(long)]
    json: bool,
    /// Ask no DNS: judge a host by its name alone
    #[arg(long)]
    offline: bool,
}

/// The place of one host, and how its name resolved.
#[derive(Debug, Serialize)]
struct Answered {
    asked: String,
    #[serde(flatten)]
    explanation: Explanation,
    /// Why the name has no address.
    #[serde(skip_serializing_if = "Option::is_none")]
    unresolved: Option<String>,
}

/// Runs the command.
pub(super) fn run(places: &Where, config: Option<&Path>, out: &mut dyn Write) -> Outcome {
    let snapshot = load(config, None)?;
    for asked in &places.hosts {
        let answered = answer(asked, places.offline, &snapshot)?;
        if places.json {
            json_line(out, &answered)?;
            continue;
        }
        write!(out, "{}", answered.explanation)?;
        if let Some(why) = &answered.unresolved {
            writeln!(out, "\n  the name has no address: {why}")?;
        }
        writeln!(out)?;
    }
    Ok(Answer::Yes)
}

fn answer(asked: &str, offline: bool, snapshot: &Snapshot) -> Result<Answered, Failure> {
    let host = host_of(asked);
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = bare.parse::<IpAddr>() {
        let explanation = snapshot.places.explain(None, &[address]);
        return Ok(Answered { asked: asked.to_owned(), explanation, unresolved: None });
    }
    let pattern = HostPattern::parse(host).map_err(Failure::unable)?;
    let host = pattern.as_str();
    let found = match (snapshot.settings.names.get(host), offline) {
        (Some(known), _) => Ok(known.clone()),
        (None, true) => Ok(Vec::new()),
        (None, false) => lookup::addresses(host, &snapshot.settings),
    };
    let (addresses, unresolved) = match found {
        Ok(addresses) => (addresses, None),
        Err(why) => (Vec::new(), Some(why)),
    };
    let explanation = snapshot.places.explain(Some(host), &addresses);
    Ok(Answered { asked: asked.to_owned(), explanation, unresolved })
}

/// The host of a URL, or what was asked as it is.
fn host_of(asked: &str) -> &str {
    match asked.split_once("://") {
        Some((_, rest)) => {
            let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
            let host = authority.rsplit('@').next().unwrap_or(authority);
            let port = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
            port.map_or(host, |(host, _)| host)
        }
        None => asked,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_asked_by_its_host() {
        assert_eq!(host_of("https://user@api.example.com:8443/v1?x"), "api.example.com");
        assert_eq!(host_of("https://[2001:db8::1]/"), "[2001:db8::1]");
        assert_eq!(host_of("2001:db8::1"), "2001:db8::1");
    }
}
