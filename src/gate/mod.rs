//! The one path from a transfer to its decision. Every door uses it: the proxy, the `decide` command, the API.
//!
//! ```text
//! envelope + body ─▶ interest? ─▶ inspect (decode, detect) ─▶ touches ─▶ ledger: count, decide, commit ─▶ audit ─▶ verdict
//!                       └─ no rule can ask about content: it is not read
//! ```
//!
//! The gate fails closed, out loud: an error of decoding, the ledger or the audit log becomes a decision with its own
//! reason, unless the configuration opens that failure. What was admitted is in the ledger, durably, before a
//! [`Clearance`] exists; a crash after that over-counts and never under-counts.

mod body;

mod clearance;

mod inspect;

mod record;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use http::HeaderMap;
use jiff::Timestamp;

use crate::audit::Audit;
use crate::config::{Application, Live, OnFailure, Snapshot};
use crate::ledger::{Ledger, LedgerError};
use crate::metrics::{FailureOutcome, Metrics, Stage};
use crate::policy::{Case, FactSet, FactValue, Ground, Interest, Outcome};
use crate::transfer::{
    Action, Basis, Category, Cause, Content, Count, Decision, DigestKey, Direction, Found, Listed, Mode, Party,
    Reason, Touch,
};

pub use body::{Body, Stored};
pub use clearance::{Clearance, Endpoint};
use inspect::{Head, Inspection};
use record::Known;

/// The one fact that a door knows and nobody needs to declare: the receiver belongs to the organisation.
const IN_ORGANISATION: &str = "importer-in-organisation";

/// Decides transfers. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Gate {
    live: Live,
    ledger: Ledger,
    audit: Arc<Audit>,
    metrics: Metrics,
    key: DigestKey,
}

/// A message as its door knows it: who sends what to whom.
#[derive(Clone, Copy)]
pub struct Envelope<'a> {
    /// The configuration the flow began under; a reload does not change a flow half way.
    pub snapshot: &'a Arc<Snapshot>,
    /// Name of the door.
    pub listener: &'a Arc<str>,
    /// The sender, if known.
    pub application: Option<&'a Application>,
    /// Which message of the flow.
    pub direction: Direction,
    /// Request method.
    pub method: &'a str,
    /// Path and query of the request. Empty for a response: its target is the request's.
    pub target: &'a str,
    /// Path and query for the record; the same as `target` in a request.
    pub path: &'a str,
    /// Head of the message.
    pub headers: &'a HeaderMap,
    /// Who the data leaves.
    pub exporter: &'a Party,
    /// Who receives it.
    pub importer: &'a Party,
    /// The receiver is the organisation itself: its API in a request from outside, its client in a response from outside.
    pub comes_home: bool,
    /// Answers that belong to this transfer alone (`decide --fact`).
    pub facts: Option<&'a FactSet>,
}

/// The answer to a door.
#[derive(Debug)]
pub enum Verdict {
    /// The message may leave.
    Pass(Arc<Decision>),
    /// It may not.
    Refuse(Arc<Decision>),
}

/// Why the gateway itself stops a transfer, outside every pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guard {
    /// Fixes the status of the refusal.
    pub cause: Cause,
    /// Stable name, shown as rule `gateway/NAME`.
    pub rule: &'static str,
    /// In plain words.
    pub why: &'static str,
    /// What would let it pass.
    pub passes_if: &'static str,
}

impl Gate {
    /// A gate over the running configuration and its stores.
    pub fn new(live: Live, ledger: Ledger, audit: Arc<Audit>, metrics: Metrics, key: DigestKey) -> Gate {
        Gate { live, ledger, audit, metrics, key }
    }

    /// The running configuration.
    pub fn live(&self) -> &Live {
        &self.live
    }

    /// The metrics.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Whether rules speak about this message, and whether they (or the inventory) want to know its content.
    pub fn interest(&self, envelope: &Envelope<'_>) -> Interest {
        let mut interest = Interest::default();
        let (packs, enabled) = (&envelope.snapshot.packs, &envelope.snapshot.enabled);
        if packs.could_speak(envelope.exporter, envelope.importer, enabled) {
            let now = Timestamp::now();
            let ((facts, _), content) = (envelope.facts(now), Content::default());
            interest = packs.interest(&envelope.case(now, &facts, &content));
        }
        interest.content |= envelope.snapshot.settings.inventory && envelope.direction == Direction::Request;
        interest
    }

    /// Decides a request and, when it may leave, clears the endpoint it was judged on. `wanted` is what
    /// [`Gate::interest`] said about content.
    ///
    /// # Errors
    /// The refusal, as the decision that explains it.
    pub async fn clear(
        &self,
        envelope: &Envelope<'_>,
        body: &Body,
        wanted: bool,
        endpoint: Endpoint,
    ) -> Result<(Clearance, Arc<Decision>), Arc<Decision>> {
        match self.decide(envelope, body, wanted).await {
            Verdict::Pass(decision) => Ok((Clearance::grant(endpoint), decision)),
            Verdict::Refuse(decision) => Err(decision),
        }
    }

    /// Decides a message: counts it, records it, and says whether it may leave. Its content is looked at if it is
    /// `wanted`.
    pub async fn decide(&self, envelope: &Envelope<'_>, body: &Body, wanted: bool) -> Verdict {
        let started = Instant::now();
        let now = Timestamp::now();
        let (facts, lists) = envelope.facts(now);
        let inspection = match self.look(envelope, body, wanted).await {
            Ok(inspection) => inspection,
            Err(decision) => return self.conclude(*decision, started).await,
        };
        let now = Timestamp::now();
        let case = envelope.case(now, &facts, &inspection.content);
        let mut outcome = self.judge(envelope, &case, &inspection).await;
        envelope.forewarn(&case, &mut outcome);
        let known = Known { now, facts, found: inspection.found, lists };
        let decision = record::decision(envelope, known, inspection.content, outcome);
        self.conclude(decision, started).await
    }

    /// Decides without counting, recording or sending anything: what would become of this message at that time?
    ///
    /// # Errors
    /// The body or the ledger cannot be read.
    pub async fn rehearse(&self, envelope: &Envelope<'_>, body: &Body, now: Timestamp) -> std::io::Result<Decision> {
        rehearse(&self.key, &self.metrics, Some(&self.ledger), envelope, body, now).await
    }

    /// Refuses a message for a reason of the gateway's own, and records that.
    pub async fn refuse(&self, envelope: &Envelope<'_>, guard: Guard, bytes: u64) -> Arc<Decision> {
        let started = Instant::now();
        let outcome = guard.outcome();
        let known = Known::at(Timestamp::now());
        let decision = record::decision(envelope, known, Content::skipped(bytes), outcome);
        match self.conclude(decision, started).await {
            Verdict::Pass(decision) | Verdict::Refuse(decision) => decision,
        }
    }

    /// Reads the content if any rule could ask about it. An error is a decision of its own.
    async fn look(&self, envelope: &Envelope<'_>, body: &Body, wanted: bool) -> Result<Inspection, Box<Decision>> {
        if !wanted || matches!(body, Body::Unread(_)) {
            let content = match body {
                Body::Opaque(reason, bytes) => Content::opaque(*bytes, *reason),
                body => Content::skipped(body.len()),
            };
            return Ok(Inspection { content, ..Inspection::default() });
        }
        let head = Head { target: envelope.target, headers: envelope.headers };
        match inspect::inspect(envelope.snapshot, &self.key, &self.metrics, head, body).await {
            Ok(inspection) => Ok(inspection),
            Err(_) => {
                self.metrics.failure(Stage::Decode, FailureOutcome::Closed);
                let content = Content::opaque(body.len(), Category::undecodable());
                let outcome = READ_FAILED.outcome();
                Err(Box::new(record::decision(envelope, Known::at(Timestamp::now()), content, outcome)))
            }
        }
    }

    /// Asks the packs, with the ledger's counts, and after the ledger is let go of, for advice.
    async fn judge(&self, envelope: &Envelope<'_>, case: &Case<'_>, inspection: &Inspection) -> Outcome {
        if let Some(guard) = self.unreadable(envelope, case.content, inspection.malformed) {
            return guard.outcome();
        }
        let touches = envelope.snapshot.packs.touches(case);
        let mut outcome = self.counted(envelope, case, &touches).await;
        if outcome.cause != Some(Cause::Failure) {
            advise(envelope, case, &touches, &mut outcome, &inspection.found, false);
        }
        outcome
    }

    async fn counted(&self, envelope: &Envelope<'_>, case: &Case<'_>, touches: &[Touch]) -> Outcome {
        let packs = &envelope.snapshot.packs;
        if touches.is_empty() {
            return packs.decide(case, &[], &[]);
        }
        let counted = self
            .ledger
            .decide(touches, |counts| {
                let mut outcome = packs.decide(case, touches, counts);
                let leaves = envelope.leaves(&outcome);
                outcome.warnings.extend(envelope.near_limits(case, touches, counts, leaves));
                (outcome, leaves)
            })
            .await;
        match counted {
            Ok(outcome) => outcome,
            Err(error) => self.uncounted(envelope, case, touches, &error).await,
        }
    }

    /// What becomes of a transfer whose people could not be counted. Where that failure is open it is judged by what the
    /// counters showed last, and its people are kept to be counted later.
    async fn uncounted(
        &self,
        envelope: &Envelope<'_>,
        case: &Case<'_>,
        touches: &[Touch],
        error: &LedgerError,
    ) -> Outcome {
        tracing::error!(%error, "the ledger failed");
        if envelope.snapshot.settings.failure.ledger == OnFailure::Open && error.is_outage() {
            let mut outcome = envelope.snapshot.packs.decide(case, touches, &self.ledger.last_seen(touches));
            let leaves = envelope.leaves(&outcome);
            let kept = if leaves { self.ledger.keep(touches).await } else { Ok(()) };
            match kept {
                Ok(()) => {
                    self.metrics.failure(Stage::Ledger, FailureOutcome::Open);
                    outcome.warnings.push("ledger-failed".to_owned());
                    return outcome;
                }
                Err(error) => tracing::error!(%error, "people cannot be kept for later"),
            }
        }
        self.metrics.failure(Stage::Ledger, FailureOutcome::Closed);
        LEDGER_FAILED.outcome()
    }

    /// The guard against content that rules ask about and nobody can read, where that failure is closed.
    fn unreadable(&self, envelope: &Envelope<'_>, content: &Content, malformed: bool) -> Option<Guard> {
        if !malformed && content.opaque.is_empty() {
            return None;
        }
        let oversize = content.opaque.contains_key(&Category::oversize());
        if !malformed && !oversize {
            return None;
        }
        if envelope.snapshot.settings.failure.decode == OnFailure::Open {
            self.metrics.failure(Stage::Decode, FailureOutcome::Open);
            return None;
        }
        self.metrics.failure(Stage::Decode, FailureOutcome::Closed);
        Some(if oversize { TOO_LARGE } else { MALFORMED })
    }

    /// Writes the record and the metrics. A record that cannot be written turns the decision, if that failure is closed.
    async fn conclude(&self, mut decision: Decision, started: Instant) -> Verdict {
        if let Err(error) = self.audit.append_together(&decision).await {
            tracing::error!(%error, "the audit log cannot be written");
            match self.live.now().settings.failure.audit {
                OnFailure::Open => self.metrics.failure(Stage::Audit, FailureOutcome::Open),
                OnFailure::Closed => {
                    self.metrics.failure(Stage::Audit, FailureOutcome::Closed);
                    record::turn(&mut decision, AUDIT_FAILED.outcome());
                }
            }
        }
        self.metrics.decided(&decision, started.elapsed().as_secs_f64());
        let decision = Arc::new(decision);
        if decision.lets_go() { Verdict::Pass(decision) } else { Verdict::Refuse(decision) }
    }
}

/// The decision about a message that is only imagined: nothing is sent, counted or recorded.
///
/// # Errors
/// The body or the ledger cannot be read.
pub async fn rehearse(
    key: &DigestKey,
    metrics: &Metrics,
    ledger: Option<&Ledger>,
    envelope: &Envelope<'_>,
    body: &Body,
    now: Timestamp,
) -> std::io::Result<Decision> {
    let (facts, lists) = envelope.facts(now);
    let head = Head { target: envelope.target, headers: envelope.headers };
    let inspection = inspect::inspect(envelope.snapshot, key, metrics, head, body).await?;
    let case = envelope.case(now, &facts, &inspection.content);
    let packs = &envelope.snapshot.packs;
    let touches = packs.touches(&case);
    let counts = match ledger {
        Some(ledger) => ledger.peek(&touches).await.map_err(std::io::Error::other)?,
        None => touches.iter().map(|touch| Count { before: 0, adding: touch.people.len() as u64 }).collect(),
    };
    let mut outcome = packs.decide(&case, &touches, &counts);
    let leaves = envelope.leaves(&outcome);
    outcome.warnings.extend(envelope.near_limits(&case, &touches, &counts, leaves));
    envelope.forewarn(&case, &mut outcome);
    advise(envelope, &case, &touches, &mut outcome, &inspection.found, true);
    let known = Known { now, facts, found: inspection.found, lists };
    Ok(record::decision(envelope, known, inspection.content, outcome))
}

/// Says what would let a blocked message pass, other regions of the importer's provider among it.
fn advise(
    envelope: &Envelope<'_>,
    case: &Case<'_>,
    touches: &[Touch],
    outcome: &mut Outcome,
    found: &[Found],
    at_leisure: bool,
) {
    let named = case.importer.host.as_deref().filter(|_| case.importer.place.basis == Basis::HostPattern);
    let blocked = named.filter(|_| outcome.action == Action::Block);
    let elsewhere = blocked
        .map(|host| envelope.snapshot.places.elsewhere(host, &case.exporter.place.countries))
        .unwrap_or_default();
    let ground = Ground { found, elsewhere: &elsewhere, at_leisure };
    envelope.snapshot.packs.advise(case, touches, outcome, ground);
}

impl<'a> Envelope<'a> {
    /// What is known about this transfer: the exporter's answers, the application's, those of importer lists, the
    /// importer's, its own. The later ones win. Also the entries of lists it took answers from.
    fn facts(&self, now: Timestamp) -> (Cow<'a, FactSet>, Vec<Listed>) {
        let application = self.application.map(|application| &application.facts);
        let importer = self.importer.host.as_deref().and_then(|host| self.snapshot.importer(host));
        let listed = self.snapshot.lists.find(self.importer.host.as_deref(), importer, now);
        let known = importer.map(|importer| &importer.facts);
        let mut merged = Cow::Borrowed(&self.snapshot.settings.exporter.facts);
        if self.comes_home && self.snapshot.packs.fact_declared(IN_ORGANISATION).next().is_some() {
            merged.to_mut().insert(IN_ORGANISATION, FactValue::Bool(true));
        }
        let listed_facts = listed.iter().rev().map(|hit| hit.facts);
        let more = application.into_iter().chain(listed_facts).chain(known).chain(self.facts);
        more.filter(|facts| !facts.is_empty()).for_each(|facts| merged.to_mut().merge(facts));
        (merged, listed.into_iter().map(|hit| hit.listed).collect())
    }

    /// Whether a transfer with this outcome leaves, and its people count.
    fn leaves(&self, outcome: &Outcome) -> bool {
        self.snapshot.settings.mode == Mode::Observe || outcome.action < Action::Block
    }

    /// Warnings of counters that a transfer brings near a bound.
    fn near_limits(&self, case: &Case<'_>, touches: &[Touch], counts: &[Count], leaves: bool) -> Vec<String> {
        let share = self.snapshot.settings.near_limit;
        self.snapshot.packs.near_bounds(touches, counts, leaves, share, case.now)
    }

    /// Warnings of mechanisms relied on that end soon.
    fn forewarn(&self, case: &Case<'_>, outcome: &mut Outcome) {
        let Snapshot { packs, mechanisms, enabled, .. } = &**self.snapshot;
        outcome.warnings.extend(packs.ending_soon(&outcome.mechanisms, mechanisms, enabled, case.now));
    }

    fn case<'c>(&'c self, now: Timestamp, facts: &'c FactSet, content: &'c Content) -> Case<'c> {
        Case {
            now,
            direction: self.direction,
            exporter: self.exporter,
            importer: self.importer,
            application: self.application.map(|application| &*application.name),
            facts,
            content,
            mechanisms: &self.snapshot.mechanisms,
            enabled: &self.snapshot.enabled,
        }
    }
}

impl Guard {
    fn outcome(self) -> Outcome {
        Outcome {
            action: Action::Block,
            cause: Some(self.cause),
            reasons: vec![Reason::plain(
                "gateway".into(),
                self.rule.into(),
                "".into(),
                Action::Block,
                self.why.into(),
            )],
            passes_if: vec![self.passes_if.to_owned()],
            ..Outcome::default()
        }
    }
}

const READ_FAILED: Guard = Guard {
    cause: Cause::Failure,
    rule: "spool",
    why: "The gateway could not read back the message it held.",
    passes_if: "try again; if it stays, the operator of the gateway finds the cause in its log",
};

const LEDGER_FAILED: Guard = Guard {
    cause: Cause::Failure,
    rule: "ledger",
    why: "The gateway could not count the people this message is about.",
    passes_if: "try again; if it stays, the operator of the gateway finds the cause in its log",
};

const AUDIT_FAILED: Guard = Guard {
    cause: Cause::Failure,
    rule: "audit",
    why: "The gateway could not record its decision.",
    passes_if: "try again; if it stays, the operator of the gateway finds the cause in its log",
};

const MALFORMED: Guard = Guard {
    cause: Cause::Undecodable,
    rule: "undecodable",
    why: "The content is not what its headers say it is, so nobody can tell what it carries.",
    passes_if: "send content that matches its Content-Type and Content-Encoding",
};

const TOO_LARGE: Guard = Guard {
    cause: Cause::TooLarge,
    rule: "oversize",
    why: "The content is larger, once decoded, than the gateway may inspect.",
    passes_if: "send it in smaller parts",
};
