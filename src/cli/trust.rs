//! `tidegate trust`: what each runtime needs to go through the gateway and to trust its CA.
//!
//! The lines are data in `runtimes.toml`, each tried with the runtime it is for; here only addresses and paths are put
//! in. Nothing on the machine is changed: who trusts a CA is for people to decide.

use std::io::Write;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use clap::builder::PossibleValuesParser;
use serde::Deserialize;

use super::{Answer, Failure, Outcome, load, note};
use crate::config::{ListenerMode, Settings};

const NAMES: [&str; 8] = ["curl", "node", "python", "java", "go", "git", "docker", "system"];

/// Options of the command.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  tidegate trust\n  tidegate trust --for curl --for python")]
pub(super) struct Trust {
    /// Only for these runtimes [default: all]
    #[arg(long = "for", value_name = "RUNTIME", value_delimiter = ',', value_parser = PossibleValuesParser::new(NAMES))]
    runtimes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    runtime: Vec<Runtime>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Runtime {
    name: String,
    lines: Vec<String>,
}

fn table() -> Result<Table, Failure> {
    toml::from_str(include_str!("runtimes.toml")).map_err(|error| Failure::unable(error.to_string()))
}

/// Where the gateway is, as a runtime has to know it.
struct Known {
    /// Host and port of the explicit proxy.
    proxy: Option<(String, u16)>,
    ca: Option<PathBuf>,
}

/// Runs the command.
pub(super) fn run(trust: &Trust, config: Option<&Path>, out: &mut dyn Write) -> Outcome {
    let settings = load(config, None)?.settings;
    let known = known(&settings);
    if known.ca.is_none() && known.proxy.is_none() {
        writeln!(out, "nothing is needed: no listener is an explicit proxy, and none intercepts")?;
        return Ok(Answer::Yes);
    }
    if let Some(ca) = known.ca.as_deref().filter(|ca| !ca.is_file()) {
        let ca = ca.display();
        note(&format!("{ca} is not there yet: `tidegate ca init` makes it, or the first start of the gateway"));
    }
    let wanted = |runtime: &Runtime| trust.runtimes.is_empty() || trust.runtimes.contains(&runtime.name);
    for runtime in table()?.runtime.iter().filter(|runtime| wanted(runtime)) {
        writeln!(out, "# {}", runtime.name)?;
        for line in runtime.lines.iter().filter_map(|line| known.fill(line)) {
            writeln!(out, "{line}")?;
        }
        writeln!(out)?;
    }
    if !settings.interception.bypass.is_empty() {
        let bundle = "cat /etc/ssl/certs/ca-certificates.crt CA > bundle.pem";
        writeln!(
            out,
            "# Hosts in `bypass` keep their own certificates, and most variables above replace the roots of the"
        )?;
        writeln!(out, "# system. For those hosts give a bundle of both: {bundle}")?;
    }
    Ok(Answer::Yes)
}

fn known(settings: &Settings) -> Known {
    let door = settings.listeners.iter().find(|listener| listener.mode == ListenerMode::Forward);
    let proxy = door.map(|door| {
        let host = match door.address.ip() {
            ip if ip.is_unspecified() => "127.0.0.1".to_owned(),
            IpAddr::V6(v6) => format!("[{v6}]"),
            IpAddr::V4(v4) => v4.to_string(),
        };
        (host, door.address.port())
    });
    let ca = &settings.interception.ca_certificate;
    let in_use = settings.listeners.iter().any(|listener| listener.intercept);
    Known { proxy, ca: in_use.then(|| std::path::absolute(ca).unwrap_or_else(|_| ca.clone())) }
}

impl Known {
    /// A line with what is known put in; nothing if it needs what there is not.
    fn fill(&self, line: &str) -> Option<String> {
        let mut line = line.to_owned();
        if line.contains("{proxy}") || line.contains("{host}") {
            let (host, port) = self.proxy.as_ref()?;
            line = line.replace("{proxy}", &format!("http://{host}:{port}"));
            line = line.replace("{host}", host).replace("{port}", &port.to_string());
        }
        if line.contains("{ca}") {
            line = line.replace("{ca}", &quoted(self.ca.as_deref()?));
        }
        Some(line)
    }
}

/// A path as one word of a shell.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_');
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_lines_and_every_line_is_filled() {
        let known = Known { proxy: Some(("127.0.0.1".into(), 3128)), ca: Some("/tmp/my ca.pem".into()) };
        let table = table().ok().unwrap();
        assert_eq!(table.runtime.iter().map(|runtime| &*runtime.name).collect::<Vec<_>>(), NAMES);
        for line in table.runtime.iter().flat_map(|runtime| &runtime.lines) {
            let filled = known.fill(line).unwrap();
            assert!(!filled.contains(['{', '}']), "{filled}");
        }
        assert_eq!(known.fill("--ca {ca}").unwrap(), "--ca '/tmp/my ca.pem'");
    }
}
