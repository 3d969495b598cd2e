//! Who sends and who receives: `[exporter]`, `[[application]]`, `[[importer]]`.

use std::sync::Arc;

use super::Reading;
use crate::config::document::{At, Section};
use crate::config::lists::normalised;
use crate::config::settings::{Application, Credentials, Exporter, Listener, ListenerMode};
use crate::config::value;
use crate::place::Declaration;
use crate::policy::FactSet;
use crate::transfer::{Country, HostPattern};

/// What the organisation knows of recipients.
#[derive(Debug, Clone)]
pub struct Importer {
    /// Their hosts.
    pub hosts: Vec<HostPattern>,
    /// Their declared names, as importer lists compare them.
    pub names: Vec<Box<str>>,
    /// Answers about them.
    pub facts: FactSet,
}

impl Importer {
    /// Whether a lower-case host is one of theirs.
    pub fn is(&self, host: &str) -> bool {
        self.hosts.iter().any(|pattern| pattern.matches(host))
    }
}

/// `[exporter]`; a country given on the command line wins.
pub(super) fn exporter<'d>(top: &Section<'d>, reading: &Reading<'d>, from: Option<Country>) -> Exporter {
    let section = top.section("exporter", "[exporter]");
    let country = section.get("country", value::country);
    let exporter = Exporter {
        name: section.get("name", value::name),
        country: from.or(country),
        facts: reading.facts(&section),
    };
    section.finish();
    exporter
}

/// `[[application]]`.
pub(super) fn applications<'d>(top: &Section<'d>, reading: &Reading<'d>, doors: &[Listener]) -> Vec<Application> {
    let mut applications: Vec<Application> = Vec::new();
    let mut catches_all: Option<Arc<str>> = None;
    for section in top.sections("application", "[[application]]") {
        if let Some(before) = &catches_all {
            let message = format!("this application never matches: `{before}` before it has no condition");
            section.document().advise(section.span(), message, "give that one a `client` or `user`, or put it last");
        }
        let name = section.need("name", value::label);
        if let Some(name) = &name
            && applications.iter().any(|known| known.name == name.value)
        {
            section.document().error(&name.span, format!("there is a second application `{}`", name.value));
        }
        let application = Application {
            name: name.map_or_else(|| "".into(), |name| name.value),
            client: section.all("client", value::network),
            credentials: credentials(&section, reading, doors),
            country: section.get("country", value::country),
            facts: reading.facts(&section),
        };
        if let Some(span) = section.key("certificate") {
            let help = "name its addresses with `client`, or a `user` with a `password_file`";
            section.document().advise(&span, "applications are not recognised by certificate in this version", help);
        }
        if section.key("client").is_none() && section.key("user").is_none() {
            catches_all = Some(application.name.clone());
        }
        applications.push(application);
        section.finish();
    }
    applications
}

/// `user` and `password_file`, which go together.
fn credentials<'d>(section: &Section<'d>, reading: &Reading<'d>, doors: &[Listener]) -> Option<Credentials> {
    let user = section.at("user", value::text);
    let file = section.at("password_file", value::path);
    let document = section.document();
    match (user, file) {
        (Some(user), Some(file)) => {
            if user.value.contains(':') {
                document.error(&user.span, "a user name with `:` cannot be sent in Proxy-Authorization");
            }
            if !doors.iter().any(|door| door.mode == ListenerMode::Forward) {
                let message = "`user` has no effect: only a forward listener asks for Proxy-Authorization";
                document.advise(&user.span, message, "add a listener with mode = \"forward\", or use `client`");
            }
            Some(Credentials { user: user.value, password: reading.secret(&file)? })
        }
        (Some(user), None) => {
            let help = "add `password_file`, the file that holds the password";
            document.advise(&user.span, "`user` alone proves nothing", help);
            None
        }
        (None, Some(file)) => {
            document.advise(&file.span, "`password_file` has no effect without `user`", "add `user`");
            None
        }
        (None, None) => None,
    }
}

/// `[[importer]]`: what is known of recipients, and where they are. With importer lists a name alone says something.
pub(super) fn importers<'d>(
    top: &Section<'d>,
    reading: &Reading<'d>,
    has_lists: bool,
) -> (Vec<Importer>, Vec<Declaration>) {
    let (mut importers, mut declarations) = (Vec::new(), Vec::new());
    let mut seen: Vec<HostPattern> = Vec::new();
    for section in top.sections("importer", "[[importer]]") {
        let hosts = section.list("host", value::hosts);
        if section.key("host").is_none() {
            section.document().error(section.span(), "[[importer]] needs `host`");
        }
        for host in &hosts {
            refuse_second(&section, host, &seen);
            seen.push(host.value.clone());
        }
        let hosts: Vec<HostPattern> = hosts.into_iter().map(|host| host.value).collect();
        let countries = section.all("country", value::country);
        let operator = section.at("operator", value::name);
        let name = section.at("name", value::name);
        let facts = reading.facts(&section);
        if let (Some(operator), true, false) = (&operator, countries.is_empty(), has_lists) {
            let help = "add the country the recipient is in";
            section.document().advise(&operator.span, "`operator` has no effect without `country`", help);
        }
        if let (Some(name), false) = (&name, has_lists) {
            let help = "add an [[importer_list]], or name who runs it with `operator`";
            section.document().advise(&name.span, "`name` has no effect without an importer list", help);
        }
        let names: Vec<Box<str>> = [&name, &operator].into_iter().flatten().map(|at| normalised(&at.value)).collect();
        if countries.is_empty()
            && facts.is_empty()
            && names.is_empty()
            && section.key("country").is_none()
            && section.key("facts").is_none()
        {
            let help = "say its `country`, its `facts`, or remove it";
            section.document().advise(section.span(), "this importer has no effect: nothing is said about it", help);
        }
        let operator = operator.map(|operator| operator.value);
        declarations.push(Declaration { hosts: hosts.clone(), countries, operator });
        importers.push(Importer { hosts, names, facts });
        section.finish();
    }
    (importers, declarations)
}

fn refuse_second(section: &Section<'_>, host: &At<HostPattern>, seen: &[HostPattern]) {
    if seen.contains(&host.value) {
        let message = format!("`{}` stands in an earlier [[importer]]; the first one counts", host.value);
        section.document().advise(&host.span, message, "join the two");
    }
}
