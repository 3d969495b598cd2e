//! Who a record is about: the identifiers it holds, and which of them names the person.

use std::sync::Arc;

use crate::transfer::{Category, CategorySet, Digest, DigestKey};

use super::detector::{Detector, Finder};
use super::scan::compact;
use super::travel;

/// Categories that identify, the strongest first. A name identifies when nothing better does; a birth date only
/// together with a name.
const STRENGTH: &[&str] = &[
    "personal.identifier.national",
    "personal.identifier.passport",
    "personal.identifier.social-security",
    "personal.identifier.tax",
    "personal.identifier.health",
    "personal.identifier.driving-licence",
    ROW,
    "personal.contact.email",
    "personal.contact.phone",
    "personal.financial.card",
    "personal.financial.account",
    "personal.identifier.vehicle",
    "personal.identifier.device",
    "personal.identifier.online",
    "personal.name",
    "personal.birth-date",
];

/// A row of a list of the organisation's own that says its rows are people. No detector has this category.
const ROW: &str = "row of a list";
const LISTED: u8 = 6;

/// The first kind that is an address and not an official number.
const CONTACT: u8 = 7;
const NAME: u8 = 14;
const BIRTH: u8 = 15;

/// The scheme of given and family names, which make one name together.
const NAME_PART: &str = "name-part";

/// Most identifiers of one record that are remembered.
const MOST: usize = 64;

/// A normalised identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identifier {
    /// Position in the order of strength.
    pub(super) kind: u8,
    pub(super) scheme: Arc<str>,
    pub(super) value: String,
}

impl Identifier {
    /// The identifier a detector has found, if its category identifies anybody.
    pub(super) fn of(detector: &Detector, raw: &str) -> Option<Identifier> {
        let kind = STRENGTH.iter().position(|path| *path == detector.category.as_str())? as u8;
        let value = normal(detector, raw, kind);
        (!value.is_empty()).then(|| Identifier { kind, scheme: Arc::clone(&detector.scheme), value })
    }
}

impl Identifier {
    /// The identifier that a row of a list is.
    pub(super) fn of_row(list: &Arc<str>, row: [u8; 6]) -> Identifier {
        let value = row.iter().map(|byte| format!("{byte:02x}")).collect();
        Identifier { kind: LISTED, scheme: Arc::clone(list), value }
    }
}

fn normal(detector: &Detector, raw: &str, kind: u8) -> String {
    if matches!(detector.finder, Finder::Email(_)) {
        return raw.to_lowercase();
    }
    if kind == NAME {
        // A label may stand in front: `姓名：…`.
        let name = raw.rsplit([':', '：']).next().unwrap_or(raw);
        return name.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    }
    if let Some(number) = travel::document_number(raw).filter(|_| raw.contains('<')) {
        return number;
    }
    let mut value = String::new();
    compact(raw, &mut value);
    if detector.category.as_str() == "personal.contact.phone" {
        return phone(raw, &value, detector.calling_code.as_deref());
    }
    value
}

/// Digits with the country code in front, whenever the country is known.
fn phone(raw: &str, compact: &str, code: Option<&str>) -> String {
    let digits: String = compact.chars().filter(char::is_ascii_digit).collect();
    if raw.trim_start().starts_with('+') {
        return digits;
    }
    if let Some(international) = digits.strip_prefix("00") {
        return international.to_owned();
    }
    match code {
        Some(code) if !(digits.starts_with(code) && digits.len() > code.len() + 9) => {
            format!("{code}{}", digits.strip_prefix('0').unwrap_or(&digits))
        }
        _ => digits,
    }
}

/// What is known about the person of one record.
#[derive(Debug, Default, Clone)]
pub(super) struct Record {
    pub(super) identifiers: Vec<Identifier>,
    /// Personal categories.
    pub(super) categories: CategorySet,
}

impl Record {
    pub(super) fn is_empty(&self) -> bool {
        self.categories.is_empty()
    }

    pub(super) fn add(&mut self, category: Category, identifier: Option<Identifier>) {
        self.categories.insert(category);
        self.identify(identifier);
    }

    fn identify(&mut self, identifier: Option<Identifier>) {
        if let Some(identifier) = identifier
            && self.identifiers.len() < MOST
            && !self.identifiers.contains(&identifier)
        {
            self.identifiers.push(identifier);
        }
    }

    /// Whether anything in it says who it is about.
    pub(super) fn is_identified(&self) -> bool {
        self.identifiers.iter().any(|identifier| identifier.kind <= NAME)
    }

    /// Whether a part is about somebody else: another name or official number, or another address where nothing better
    /// says who this is.
    pub(super) fn conflicts(&self, part: &Record) -> bool {
        let known = self.identifiers.iter().any(|known| known.kind < CONTACT || known.kind == NAME);
        let counts = |kind: u8| kind < CONTACT || kind == NAME || (kind < NAME && !known);
        let differs = |a: &Identifier, b: &Identifier| {
            a.scheme == b.scheme && a.value != b.value && counts(a.kind) && &*a.scheme != NAME_PART
        };
        self.identifiers.iter().any(|a| part.identifiers.iter().any(|b| differs(a, b)))
    }

    /// Whether an identifier may belong to the person of this record: it has none of that kind, or the same one.
    pub(super) fn admits(&self, identifier: &Identifier) -> bool {
        self.identifiers.iter().all(|known| known.kind != identifier.kind || known == identifier)
    }

    pub(super) fn absorb(&mut self, other: Record) {
        self.categories = self.categories.union(other.categories);
        other.identifiers.into_iter().for_each(|identifier| self.identify(Some(identifier)));
    }

    /// The people of this record: one for each different value of its strongest identifier, but one alone if it has a
    /// name and several addresses. Empty if it names nobody.
    pub(super) fn people(&self, key: &DigestKey) -> Vec<Digest> {
        let strongest =
            self.identifiers.iter().min_by_key(|identifier| identifier.kind).filter(|best| best.kind < BIRTH);
        let Some(strongest) = strongest else {
            return Vec::new();
        };
        if strongest.kind == NAME {
            return self.people_by_name(key);
        }
        let same = |identifier: &&Identifier| identifier.scheme == strongest.scheme;
        let digest = |identifier: &Identifier| key.digest(&identifier.scheme, identifier.value.as_bytes());
        let named = self.identifiers.iter().any(|identifier| identifier.kind == NAME);
        let most = if named && strongest.kind >= CONTACT { 1 } else { MOST };
        self.identifiers.iter().filter(same).take(most).map(digest).collect()
    }

    fn people_by_name(&self, key: &DigestKey) -> Vec<Digest> {
        let birth = self.identifiers.iter().find(|identifier| identifier.kind == BIRTH);
        let birth = birth.map_or("", |birth| birth.value.as_str());
        let names = |part: bool| {
            self.identifiers.iter().filter(move |known| known.kind == NAME && (&*known.scheme == NAME_PART) == part)
        };
        let digest = |name: &str| key.digest("name", format!("{name}\n{birth}").as_bytes());
        let whole: Vec<Digest> = names(false).map(|known| digest(&known.value)).collect();
        if !whole.is_empty() {
            return whole;
        }
        let mut parts: Vec<&str> = names(true).map(|known| known.value.as_str()).collect();
        parts.sort_unstable();
        vec![digest(&parts.join(" "))]
    }
}
