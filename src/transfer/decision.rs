//! The outcome of a transfer, in the one shape the API, the commands, the audit record and the console share.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::{Content, Found, Party};

/// What becomes of a transfer; the strictest rule wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Let go; no law speaks about it.
    Permit,
    /// Let go and recorded as lawful.
    Log,
    /// Let go without some of its data.
    Redact,
    /// Not let go.
    Block,
}

/// Which message of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Client to upstream.
    Request,
    /// Upstream to client.
    Response,
}

/// Whether decisions bind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// What is blocked does not leave.
    Enforce,
    /// Everything leaves; decisions are recorded.
    Observe,
}

/// Why a transfer was stopped, which fixes the status of the refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// A law pack: 451.
    Law,
    /// The organisation's own policy, or a guard such as a private address: 403.
    Policy,
    /// Content that cannot be decoded while rules demand it: 415.
    Undecodable,
    /// Larger than the limits: 413.
    TooLarge,
    /// The gateway itself failed and fails closed: 503.
    Failure,
}

/// The counter a rule compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CounterView {
    /// Distinct people before this transfer.
    pub before: u64,
    /// People this transfer adds.
    pub adding: u64,
    /// The bound of the rule.
    pub limit: u64,
}

/// One rule that fired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// Pack id.
    pub pack: Arc<str>,
    /// Rule id within the pack.
    pub rule: Arc<str>,
    /// The provision.
    pub cite: Arc<str>,
    /// What the rule wants.
    pub action: Action,
    /// In plain words.
    pub why: Arc<str>,
    /// Any one of these would satisfy the rule. Empty on a block: nothing the organisation can hold changes it.
    pub needs: Vec<Arc<str>>,
    /// The counter it compared, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counter: Option<CounterView>,
    /// False for packs that are observed and rules that are not yet in force: recorded, not enforced.
    #[serde(skip_serializing_if = "is_true")]
    pub enforced: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
fn is_true(value: &bool) -> bool {
    *value
}

/// A decision about one transfer.
#[derive(Debug, Clone, Serialize)]
pub struct Decision {
    /// UUID version 7: sorts by time.
    pub id: Uuid,
    /// When.
    pub time: Timestamp,
    /// Whether it binds.
    pub mode: Mode,
    /// What becomes of the transfer. In [`Mode::Observe`] what would have become of it.
    pub action: Action,
    /// Why it was stopped, on a block.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// Name of the listener.
    pub listener: Arc<str>,
    /// Name of the application that sent, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub application: Option<Arc<str>>,
    /// Which message.
    pub direction: Direction,
    /// Request method.
    pub method: Arc<str>,
    /// Shape of the path: segments that could be values are `*`.
    pub path: String,
    /// Who data leaves.
    pub exporter: Party,
    /// Who receives it.
    pub importer: Party,
    /// What it carries.
    pub content: Content,
    /// Where it was found, for refusals; not in the record.
    #[serde(skip)]
    pub found: Vec<Found>,
    /// The rules that fired.
    pub reasons: Vec<Reason>,
    /// Ids of the mechanisms the transfer relied on.
    pub mechanisms: Vec<Arc<str>>,
    /// Notes such as `filing-late`.
    pub warnings: Vec<String>,
    /// The smallest changes that would let it pass.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub passes_if: Vec<String>,
    /// Hash of the rules that decided.
    pub rules: Arc<str>,
}

impl Action {
    /// The word used in configuration, records and metric labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Action::Permit => "permit",
            Action::Log => "log",
            Action::Redact => "redact",
            Action::Block => "block",
        }
    }
}

impl Direction {
    /// The word used in records and metric labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Direction::Request => "request",
            Direction::Response => "response",
        }
    }
}

impl Decision {
    /// Whether the message may leave.
    pub fn lets_go(&self) -> bool {
        self.action < Action::Block || (self.mode == Mode::Observe && self.cause != Some(Cause::Failure))
    }
}
