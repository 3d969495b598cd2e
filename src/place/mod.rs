//! Where is this party, and how sure are we.
//!
//! Six bases are asked, in the order of trust: the organisation's declaration, a host pattern that carries a region, the
//! table of services, a provider's published range, the address database, registration. [`Tables::locate`] turns what
//! they say into a [`Place`] with every country that is possible; what nobody can say is [`Country::UNKNOWN`], which is
//! foreign to everyone. [`Tables::explain`] is the same with reasons. The rules of weighing stand in `judge`.
//!
//! Everything here is data in `rules/places/`; this code knows no host, no region and no country.

mod address;

mod answer;

mod declaration;

mod elsewhere;

mod explain;

pub mod guard;

mod host;

pub mod import;

mod judge;

mod mmdb;

pub mod pack;

mod provider;

mod range;

mod recent;

mod service;

mod sheet;

mod span;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use jiff::civil::Date;

use crate::diagnostic::{Diagnostic, Source};
#[cfg(doc)]
use crate::transfer::Country;
use crate::transfer::Place;

use address::Addresses;
use answer::Groups;
use declaration::Declarations;
use host::Patterns;
use judge::Evidence;
use mmdb::{Mmdb, Record};
use provider::Providers;
use range::Ranges;
use recent::Recent;
use service::Services;

pub use declaration::Declaration;
pub use explain::{Explanation, Step};

/// The tables that are part of the build, by file name.
pub const BUILTIN: &[(&str, &str)] = &[
    ("groups.csv", include_str!("../../rules/places/groups.csv")),
    ("providers.csv", include_str!("../../rules/places/providers.csv")),
    ("regions.csv", include_str!("../../rules/places/regions.csv")),
    ("host-patterns.csv", include_str!("../../rules/places/host-patterns.csv")),
    ("services.csv", include_str!("../../rules/places/services.csv")),
    ("ranges.csv", include_str!("../../rules/places/ranges.csv")),
];

/// The packed address database's file name.
pub const ADDRESSES: &str = "addresses.bin";

/// Databases older than this deserve a warning: addresses move.
const STALE_DAYS: i32 = 60;

/// Published ranges are text; this is forty times what the four providers publish together.
const LARGEST_RANGES: u64 = 64 << 20;

/// What the tables are made of.
#[derive(Debug, Clone, Default)]
pub struct Inputs {
    /// Tables that replace those of [`BUILTIN`] with the same file name. Others are used as built in.
    pub tables: Vec<Source>,
    /// The rules directory, where the address database is looked for.
    pub rules: Option<PathBuf>,
    /// Files made by `places import`. They replace the built-in ranges of the providers they speak of.
    pub ranges: Vec<PathBuf>,
    /// The packed address database; without it the usual places are searched.
    pub addresses: Option<PathBuf>,
    /// A MaxMind database instead of the packed one.
    pub mmdb: Option<PathBuf>,
    /// What the organisation knows of recipients.
    pub declarations: Vec<Declaration>,
}

/// Everything that is known of places. Immutable.
#[derive(Debug)]
pub struct Tables {
    groups: Groups,
    declarations: Declarations,
    patterns: Patterns,
    services: Services,
    ranges: Ranges,
    database: Database,
    recent: Recent,
    warnings: Vec<String>,
}

/// Which address database is in use.
#[derive(Debug)]
enum Database {
    Packed(Addresses),
    Mmdb(Mmdb),
    Missing,
}

/// Groups and providers, which the other tables refer to.
struct Names {
    groups: Groups,
    providers: Providers,
}

impl Tables {
    /// Reads everything.
    ///
    /// # Errors
    /// Every problem of every table and file.
    pub fn load(inputs: Inputs) -> Result<Tables, Vec<Diagnostic>> {
        let mut problems = Vec::new();
        let tables = sources(&inputs.tables, &mut problems);
        let Names { groups, providers } = Names::read(&tables, &mut problems);
        let patterns = Patterns::compile(table(&tables, "host-patterns.csv"), &groups, &providers, &mut problems);
        let services = Services::read(table(&tables, "services.csv"), &groups, &mut problems);
        let files: Vec<Source> = inputs.ranges.iter().filter_map(|path| open(path, &mut problems)).collect();
        let bundled = table(&tables, "ranges.csv");
        let ranges = Ranges::read(bundled, &files, &groups, &providers, &mut problems);
        let database = Database::load(&inputs, &groups).unwrap_or_else(|found| {
            problems.extend(found);
            Database::Missing
        });
        if !problems.is_empty() {
            return Err(problems);
        }
        let warnings = warnings(&database, &ranges);
        let declarations = Declarations::compile(inputs.declarations);
        let recent = Recent::default();
        Ok(Tables { groups, declarations, patterns, services, ranges, database, recent, warnings })
    }

    /// Where a party is, by the host asked for and the address dialled.
    pub fn locate(&self, host: Option<&str>, address: Option<IpAddr>) -> Place {
        self.recent.place(host, address, || {
            let mut place = None;
            self.ask(host, address, |evidence, _| place = Some(evidence.judge().place));
            place.unwrap_or_else(Place::unknown)
        })
    }

    /// The same with reasons, for all addresses of a host.
    pub fn explain(&self, host: Option<&str>, addresses: &[IpAddr]) -> Explanation {
        Explanation::of(self, host, addresses)
    }

    /// What the operator should know: no address database, or old data.
    pub fn warnings(&self) -> Vec<String> {
        self.warnings.clone()
    }

    /// Asks every basis, and hands over what they said with the address that was meant.
    fn ask(&self, host: Option<&str>, address: Option<IpAddr>, mut then: impl FnMut(&Evidence<'_>, Option<IpAddr>)) {
        let host = host.map(normalise);
        let literal = host.as_deref().and_then(literal);
        let named = host.as_deref().filter(|_| literal.is_none());
        let address = address.or(literal);
        let mut evidence = Evidence {
            declared: self.declarations.find(named, address).map(AsRef::as_ref),
            pattern: named.and_then(|host| self.patterns.find(host)),
            service: named.and_then(|host| self.services.find(host)),
            ..Evidence::default()
        };
        if let Some(address) = address {
            self.ask_address(&mut evidence, address);
        }
        then(&evidence, address);
    }

    fn ask_address<'t>(&'t self, evidence: &mut Evidence<'t>, address: IpAddr) {
        evidence.special = guard::special(address);
        if evidence.special.is_some() {
            return;
        }
        let address = guard::embedded(address);
        evidence.range = self.ranges.find(address);
        evidence.registration = iptocc::country_code(address).and_then(|code| self.groups.country(code));
        match &self.database {
            Database::Packed(addresses) => evidence.database = addresses.find(address),
            Database::Mmdb(mmdb) => match mmdb.find(address, &self.groups) {
                Record::Country(country) => {
                    evidence.database = Some(address::Found { country: Some(country), flags: 0 });
                }
                Record::Registered(country) => evidence.registration = Some(country),
                Record::Nothing => {}
            },
            Database::Missing => {}
        }
    }

    /// The range files, as a reader knows them.
    fn ranges_name(&self) -> String {
        match self.ranges.files.as_slice() {
            [] => "no ranges".to_owned(),
            files => files.iter().map(|file| file.name.as_str()).collect::<Vec<_>>().join(", "),
        }
    }
}

impl Names {
    fn read(tables: &[Source], problems: &mut Vec<Diagnostic>) -> Names {
        let groups = Groups::read(table(tables, "groups.csv"), problems);
        let (providers, regions) = (table(tables, "providers.csv"), table(tables, "regions.csv"));
        let providers = Providers::read(providers, regions, &groups, problems);
        Names { groups, providers }
    }
}

impl Database {
    fn load(inputs: &Inputs, groups: &Groups) -> Result<Database, Vec<Diagnostic>> {
        if let Some(path) = &inputs.mmdb {
            return Mmdb::load(path).map(Database::Mmdb);
        }
        match inputs.addresses.clone().or_else(|| search(inputs.rules.as_deref())) {
            Some(path) => Addresses::load(&path, groups).map(Database::Packed),
            None => Ok(Database::Missing),
        }
    }

    /// Its name and the day of its data.
    fn source(&self) -> (String, Option<Date>) {
        match self {
            Database::Packed(addresses) => (format!("{}: {}", addresses.name, addresses.origin), addresses.date),
            Database::Mmdb(mmdb) => (format!("{}: {}", mmdb.name, mmdb.kind), mmdb.date),
            Database::Missing => ("no address database".to_owned(), None),
        }
    }
}

/// The first packed database in the rules directory, the working directory, beside the program or in the system.
fn search(rules: Option<&Path>) -> Option<PathBuf> {
    let program = std::env::current_exe().ok();
    let beside = program.as_deref().and_then(Path::parent);
    let folders = [
        rules.map(|rules| rules.join("places")),
        rules.map(Path::to_owned),
        Some(PathBuf::from("rules/places")),
        beside.map(|folder| folder.join("rules/places")),
        beside.map(Path::to_owned),
        Some(PathBuf::from("/usr/share/tidegate")),
    ];
    folders.into_iter().flatten().map(|folder| folder.join(ADDRESSES)).find(|path| path.is_file())
}

/// The built-in tables, with those replaced that were given.
fn sources(given: &[Source], problems: &mut Vec<Diagnostic>) -> Vec<Source> {
    let mut tables: Vec<Source> = BUILTIN.iter().map(|(name, text)| Source::new(*name, *text)).collect();
    for source in given {
        let name = Path::new(&source.name).file_name().and_then(|name| name.to_str()).unwrap_or("");
        match BUILTIN.iter().position(|(known, _)| *known == name).and_then(|index| tables.get_mut(index)) {
            Some(table) => *table = source.clone(),
            None => problems.push(
                Diagnostic::file(&source.name, "is no table of places")
                    .suggest(name, BUILTIN.iter().map(|(known, _)| *known)),
            ),
        }
    }
    tables
}

/// A table by its built-in name.
fn table<'s>(tables: &'s [Source], name: &str) -> &'s Source {
    static EMPTY: Source = Source { name: String::new(), text: String::new() };
    let index = BUILTIN.iter().position(|(known, _)| *known == name);
    index.and_then(|index| tables.get(index)).unwrap_or(&EMPTY)
}

fn open(path: &Path, problems: &mut Vec<Diagnostic>) -> Option<Source> {
    let name = path.display().to_string();
    let text = address::read_bounded(path, LARGEST_RANGES)
        .and_then(|bytes| String::from_utf8(bytes).map_err(|_| vec![Diagnostic::file(&name, "is not UTF-8 text")]));
    match text {
        Ok(text) => Some(Source::new(name, text)),
        Err(found) => {
            problems.extend(found);
            None
        }
    }
}

fn warnings(database: &Database, ranges: &Ranges) -> Vec<String> {
    let mut warnings = Vec::new();
    if matches!(database, Database::Missing) {
        warnings.push(format!("no address database ({ADDRESSES}) found: addresses are known by registration only"));
    }
    let files = ranges.files.iter().map(|file| (file.name.clone(), file.date));
    let today = jiff::Timestamp::now().to_zoned_datetime(jiff::tz::TimeZone::UTC).date();
    for (name, date) in files.chain([database.source()]) {
        let days = date.map(|date| (today - date).get_days());
        if days.is_some_and(|days| days > STALE_DAYS) {
            warnings
                .push(format!("{name} is {} days old: addresses move, import or pack newer data", days.unwrap_or(0)));
        }
    }
    warnings
}

/// Lower case, without the trailing dot; allocates only if there is something to change.
fn normalise(host: &str) -> Cow<'_, str> {
    let host = host.strip_suffix('.').unwrap_or(host);
    if host.bytes().any(|byte| byte.is_ascii_uppercase()) { host.to_ascii_lowercase().into() } else { host.into() }
}

/// The address a host is, if it is one.
fn literal(host: &str) -> Option<IpAddr> {
    // A name cannot end in a digit or hold a colon, so nearly every host is told apart by one look.
    if !host.contains(':') && !host.ends_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}
