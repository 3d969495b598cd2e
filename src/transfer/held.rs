//! What the organisation holds and knows, as far as a record of a decision needs it to be made again.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::CategorySet;

/// A mechanism that reaches the importer of a transfer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The organisation's own reference.
    pub id: Arc<str>,
    /// What it is.
    pub kind: Arc<str>,
    /// The data it covers; empty for all.
    #[serde(default, skip_serializing_if = "CategorySet::is_nothing")]
    pub categories: CategorySet,
    /// First valid day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Date>,
    /// Last valid day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Date>,
    /// When it was filed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filed: Option<Date>,
    /// Issuer, module, roles.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extra: BTreeMap<String, String>,
    /// False when the organisation knows that it does not cover what is sent.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub in_scope: bool,
}

/// An entry of an importer list that the importer of a transfer is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Name of the list.
    pub list: Arc<str>,
    /// Name of the entry.
    pub entry: Arc<str>,
    /// What of the importer is on it: `host` or `name`.
    pub by: ListedBy,
}

/// What an entry of a list was found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ListedBy {
    /// The host is one of its hosts.
    Host,
    /// The declared name is its name or an alias.
    Name,
}

fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
fn is_true(value: &bool) -> bool {
    *value
}
