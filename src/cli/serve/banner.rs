//! What a person at a terminal sees at the start: what listens, what decides, what to type next.

use std::io::{self, Write};

use crate::config::{Listener, ListenerMode, Settings, Snapshot};
use crate::transfer::Mode;

/// Writes the banner.
pub(super) fn write(snapshot: &Snapshot, out: &mut dyn Write) -> io::Result<()> {
    let settings = &snapshot.settings;
    writeln!(out, "tidegate {}", env!("CARGO_PKG_VERSION"))?;
    for listener in &settings.listeners {
        writeln!(out, "  listener  {} on {} ({})", listener.name, listener.address, kind(listener))?;
    }
    writeln!(out, "  admin     http://{}/", settings.admin.address)?;
    let country = settings.exporter.country.map(|country| format!("{country} ({})", country.name()));
    writeln!(
        out,
        "  exporter  {}",
        country.as_deref().unwrap_or("no country: the law packs are off, see --from CC")
    )?;
    let (enforce, observe) = (&snapshot.enabled.enforce, &snapshot.enabled.observe);
    let enforced = if enforce.is_empty() { "none".to_owned() } else { enforce.join(", ") };
    let observed = if observe.is_empty() { String::new() } else { format!("; observed: {}", observe.join(", ")) };
    writeln!(out, "  packs     {enforced}{observed}")?;
    if settings.mode == Mode::Observe {
        writeln!(out, "  mode      observe: everything passes, decisions are recorded")?;
    }
    writeln!(out, "  state     {}", settings.state.display())?;
    next(settings, out)
}

fn kind(listener: &Listener) -> &'static str {
    match (listener.mode, listener.intercept, &listener.tls) {
        (ListenerMode::Forward, true, _) => "explicit proxy, intercepts TLS",
        (ListenerMode::Forward, false, _) => "explicit proxy, tunnels TLS unread",
        (ListenerMode::Transparent, true, _) => "transparent, intercepts TLS",
        (ListenerMode::Transparent, false, _) => "transparent, tunnels TLS unread",
        (ListenerMode::Reverse, _, Some(_)) => "reverse, TLS",
        (ListenerMode::Reverse, _, None) => "reverse",
    }
}

fn next(settings: &Settings, out: &mut dyn Write) -> io::Result<()> {
    let Some(door) = settings.listeners.iter().find(|listener| listener.mode == ListenerMode::Forward) else {
        return Ok(());
    };
    let ca = settings.interception.ca_certificate.display();
    let trust = if door.intercept { format!(" --cacert {ca}") } else { String::new() };
    writeln!(out, "\ntry:    curl --proxy http://{}{trust} https://example.com/", door.address)?;
    if door.intercept {
        writeln!(out, "trust:  tidegate trust --for curl     (also node, python, java, go, git, docker, system)")?;
    }
    writeln!(out)
}
