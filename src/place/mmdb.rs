//! A country database of the organisation's own, in MaxMind's format, instead of the packed one.
//!
//! Understood are `country.iso_code` (GeoLite2, DB-IP), a flat `country_code` or `country` (ip-location-db, IPinfo), and
//! `registered_country.iso_code`, which counts as registration only: such files leave `country` out for anycast.

use std::net::IpAddr;
use std::path::Path;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use maxminddb::{PathElement, Reader};

use crate::diagnostic::Diagnostic;
use crate::transfer::Country;

use super::address::read_bounded;
use super::answer::Groups;

const LARGEST: u64 = 1 << 30;

/// A loaded database.
pub(super) struct Mmdb {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) date: Option<Date>,
    reader: Reader<Vec<u8>>,
}

impl std::fmt::Debug for Mmdb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mmdb").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What it says of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Record {
    Country(Country),
    Registered(Country),
    Nothing,
}

impl Mmdb {
    /// Loads a file.
    pub(super) fn load(path: &Path) -> Result<Mmdb, Vec<Diagnostic>> {
        let name = path.display().to_string();
        let reader = Reader::from_source(read_bounded(path, LARGEST)?)
            .map_err(|error| vec![Diagnostic::file(&name, format!("is no MaxMind database: {error}"))])?;
        let metadata = reader.metadata();
        let built = i64::try_from(metadata.build_epoch).ok().and_then(|second| Timestamp::from_second(second).ok());
        let date = built.map(|time| time.to_zoned_datetime(TimeZone::UTC).date());
        let kind = metadata.database_type.clone();
        Ok(Mmdb { name, kind, date, reader })
    }

    /// What the database says of an address. A damaged record says nothing.
    pub(super) fn find(&self, address: IpAddr, groups: &Groups) -> Record {
        let Ok(found) = self.reader.lookup(address) else { return Record::Nothing };
        let at = |path: &[PathElement<'_>]| {
            let code: Option<&str> = found.decode_path(path).ok().flatten();
            code.and_then(|code| groups.country(code))
        };
        let key = PathElement::Key;
        let country = at(&[key("country"), key("iso_code")])
            .or_else(|| at(&[key("country_code")]))
            .or_else(|| at(&[key("country")]));
        match (country, at(&[key("registered_country"), key("iso_code")])) {
            (Some(country), _) => Record::Country(country),
            (None, Some(registered)) => Record::Registered(registered),
            (None, None) => Record::Nothing,
        }
    }
}
