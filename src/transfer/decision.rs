//! The outcome of a transfer, in the one shape the API, the commands, the audit record and the console share.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;
use uuid::Uuid;

use super::{Content, Counted, FactValue, Found, Held, Listed, Open, Party, Route};

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

/// How sure the authors of a rule are of their reading, the surest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// The text says so.
    #[default]
    High,
    /// The text is read so by most.
    Medium,
    /// The text is unsettled.
    Low,
}

/// What meets a rule: which mechanism, how long it is good for, and what is still to be filed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Met {
    /// What the rule asked for, by the pack's id of the need.
    pub need: Arc<str>,
    /// The organisation's reference; nothing when a fact met it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mechanism: Option<Arc<str>>,
    /// Last valid day: the one written down, or the end of the term the statute gives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Date>,
    /// Last day to file it with the authority.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_by: Option<Date>,
    /// When it was filed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filed: Option<Date>,
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
    /// What meets it, where something does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub met: Option<Met>,
    /// How settled the reading is.
    #[serde(skip_serializing_if = "Confidence::is_high")]
    pub confidence: Confidence,
    /// The first day it will bind, where that lies ahead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub binds_from: Option<Date>,
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
    /// Request method: a registered one, or `*`.
    pub method: &'static str,
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
    /// The smallest changes that would let it pass, as sentences.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub passes_if: Vec<String>,
    /// The same for programs, in the same order. Empty where the gateway itself stopped it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<Route>,
    /// Questions nobody has answered whose default decided: another answer would end otherwise.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unanswered: Vec<Open>,
    /// What every counter it touches showed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub counters: Vec<Counted>,
    /// The organisation's answers it was decided by. Always there, so that a record says whether it is whole.
    pub facts: BTreeMap<Arc<str>, FactValue>,
    /// Entries of importer lists the importer is.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lists: Vec<Listed>,
    /// Mechanisms that reach this importer, whether relied on or not. Absent when no pack spoke.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held: Option<Vec<Held>>,
    /// Hash of the rules that decided.
    pub rules: Arc<str>,
}

impl Confidence {
    /// The word used in packs and decisions.
    pub fn as_str(self) -> &'static str {
        match self {
            Confidence::High => "high",
            Confidence::Medium => "medium",
            Confidence::Low => "low",
        }
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
    fn is_high(&self) -> bool {
        *self == Confidence::High
    }
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

impl Reason {
    /// A reason that binds, without anything particular.
    pub fn plain(pack: Arc<str>, rule: Arc<str>, cite: Arc<str>, action: Action, why: Arc<str>) -> Reason {
        Reason {
            pack,
            rule,
            cite,
            action,
            why,
            needs: Vec::new(),
            counter: None,
            met: None,
            confidence: Confidence::High,
            binds_from: None,
            enforced: true,
        }
    }
}

impl Decision {
    /// Whether the message may leave.
    pub fn lets_go(&self) -> bool {
        self.action < Action::Block || (self.mode == Mode::Observe && self.cause != Some(Cause::Failure))
    }
}
