//! How the demo reads on a terminal: one line for each decision, and what would let a blocked message pass.

use std::fmt::{self, Write as _};
use std::io::{self, IsTerminal as _, Write as _};

use serde::Deserialize;

use super::script::Step;
use super::world::World;
use crate::transfer::{Action, Direction};

/// Writes to standard output, in colour where that is a terminal and nobody asked for none.
pub(super) struct Printer {
    colour: bool,
}

/// What a line shows of a record.
#[derive(Deserialize)]
struct Record {
    action: Action,
    direction: Direction,
    application: Option<String>,
    exporter: Side,
    importer: Side,
    content: Kinds,
    reasons: Vec<Cited>,
    #[serde(default)]
    mechanisms: Vec<String>,
    #[serde(default)]
    passes_if: Vec<String>,
}

#[derive(Deserialize)]
struct Side {
    host: Option<String>,
    country: Vec<String>,
}

#[derive(Deserialize)]
struct Kinds {
    #[serde(default)]
    categories: serde_json::Map<String, serde_json::Value>,
    #[serde(default)]
    opaque_reasons: serde_json::Map<String, serde_json::Value>,
    #[serde(default)]
    people: u64,
}

#[derive(Deserialize)]
struct Cited {
    pack: String,
    rule: String,
    cite: String,
    action: Action,
    counter: Option<Counted>,
}

#[derive(Deserialize)]
struct Counted {
    before: u64,
    adding: u64,
    limit: u64,
}

const BOLD: &str = "1";
const DIM: &str = "2";

impl Printer {
    pub(super) fn new() -> Printer {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Printer { colour: wanted && io::stdout().is_terminal() }
    }

    pub(super) fn banner(&self, world: &World) -> io::Result<()> {
        let title = "Tidegate demo: a gateway in one country, importers in four, all on this machine.";
        say(format_args!(
            "{}\nConsole  http://{}/\nProxy    http://{}  (applications shop, crm, clinic and build)\n",
            self.paint(BOLD, title),
            world.admin,
            world.proxy
        ))
    }

    pub(super) fn farewell(&self, world: &World) -> io::Result<()> {
        say(format_args!("\nThe script has ended. The console stays open at http://{}/ until Ctrl-C.", world.admin))
    }

    pub(super) fn step(&self, step: &Step, status: u16) -> io::Result<()> {
        say(format_args!("{}", self.paint(DIM, &format!("# {} The client got {status}.", step.say))))
    }

    /// One line: action, who to whom, what, rule, citation. A blocked one has a second. Answers of importers about which
    /// no rule speaks are left to the console.
    pub(super) fn decision(&self, record: &str) -> io::Result<()> {
        let record: Record = serde_json::from_str(record)?;
        if record.direction == Direction::Response && record.reasons.is_empty() {
            return Ok(());
        }
        let action = format!("{:<6}", record.action.as_str());
        say(format_args!("{}  {}", self.paint(colour(record.action), &action), record.line()))?;
        for way in &record.passes_if {
            say(format_args!("        {}", self.paint(DIM, &format!("passes if: {way}"))))?;
        }
        Ok(())
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Unlike the macros, writing can fail without a panic: a reader may have left.
fn say(line: fmt::Arguments<'_>) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{line}")
}

fn colour(action: Action) -> &'static str {
    match action {
        Action::Permit => "37",
        Action::Log => "32",
        Action::Redact => "33",
        Action::Block => "1;31",
    }
}

impl Record {
    fn line(&self) -> String {
        let application = self.application.as_deref().unwrap_or("unknown");
        let host = self.importer.host.as_deref().unwrap_or("");
        let (from, to) = (self.exporter.countries(), self.importer.countries());
        let mut line = format!("{application:<6} {from} -> {to:<7} {host:<21}  {:<44}", self.what());
        // Every rule that fired is in the record; the first of the strictest says most.
        let strictest = self.reasons.iter().map(|reason| reason.action).max();
        let reason = self.reasons.iter().find(|reason| Some(reason.action) == strictest);
        // Writing to a string cannot fail.
        let _ = match reason {
            Some(reason) => write!(line, "  {}/{}  {}", reason.pack, reason.rule, reason.cite),
            None if self.action == Action::Permit => write!(line, "  no law speaks"),
            None => write!(line, "  no rule asks for anything"),
        };
        if let Some(counter) = self.reasons.iter().find_map(|reason| reason.counter.as_ref()) {
            let _ = write!(line, "  [{} + {} people, bound {}]", counter.before, counter.adding, counter.limit);
        }
        if !self.mechanisms.is_empty() {
            let _ = write!(line, "  under {}", self.mechanisms.join(", "));
        }
        line
    }

    fn what(&self) -> String {
        let short = |kind: &String| kind.strip_prefix("personal.").unwrap_or(kind).to_owned();
        let kinds: Vec<String> =
            self.content.categories.keys().chain(self.content.opaque_reasons.keys()).map(short).collect();
        match (kinds.as_slice(), self.content.people) {
            ([], _) => "nothing found".to_owned(),
            (kinds, 0) => kinds.join(", "),
            (kinds, 1) => format!("{} of 1 person", kinds.join(", ")),
            (kinds, people) => format!("{} of {people} people", kinds.join(", ")),
        }
    }
}

impl Side {
    fn countries(&self) -> String {
        self.country.iter().map(|code| if code == "ZZ" { "unknown" } else { code }).collect::<Vec<_>>().join("/")
    }
}
