//! Countries by their ISO 3166-1 alpha-2 code, from the table in `rules/places/countries.csv`.

use std::collections::HashMap;
use std::fmt;
use std::sync::LazyLock;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A country, or [`Country::UNKNOWN`]. Only codes of the table can be made.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Country([u8; 2]);

/// A code that is not in the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownCountry(pub String);

/// `code -> English short name`.
static NAMES: LazyLock<HashMap<[u8; 2], &'static str>> = LazyLock::new(|| {
    include_str!("../../rules/places/countries.csv")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .skip(1)
        .filter_map(|line| {
            let (code, name) = line.split_once(',')?;
            Some((code.as_bytes().try_into().ok()?, name.trim_matches('"')))
        })
        .collect()
});

impl Country {
    /// A place nobody could name: foreign to everyone and adequate to nobody.
    pub const UNKNOWN: Country = Country(*b"ZZ");

    /// The country of an upper-case alpha-2 code, or of `ZZ`.
    ///
    /// # Errors
    /// The code is in no row of the table.
    pub fn parse(code: &str) -> Result<Country, UnknownCountry> {
        let unknown = || UnknownCountry(code.to_owned());
        let bytes: [u8; 2] = code.as_bytes().try_into().map_err(|_| unknown())?;
        if bytes == Country::UNKNOWN.0 || NAMES.contains_key(&bytes) { Ok(Country(bytes)) } else { Err(unknown()) }
    }

    /// The code.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("ZZ")
    }

    /// The English short name, `unknown` for [`Country::UNKNOWN`].
    pub fn name(self) -> &'static str {
        NAMES.get(&self.0).copied().unwrap_or("unknown")
    }

    /// Every country of the table, in the order of their codes.
    pub fn all() -> Vec<Country> {
        static ALL: LazyLock<Vec<Country>> = LazyLock::new(|| {
            let mut all: Vec<Country> = NAMES.keys().map(|code| Country(*code)).collect();
            all.sort();
            all
        });
        ALL.clone()
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for UnknownCountry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown country `{}`: write an ISO 3166-1 alpha-2 code such as `CN`", self.0)
    }
}

impl std::error::Error for UnknownCountry {}

impl Serialize for Country {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Country {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let code = String::deserialize(deserializer)?;
        Country::parse(&code).map_err(serde::de::Error::custom)
    }
}
