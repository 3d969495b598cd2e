//! People of the past, brought into a counter: checked, noted, and recorded in the audit log.
//!
//! Only digests come in. What cannot be meant is refused whole: a counter nobody knows, an importer where the statute
//! counts for the exporter as a whole, a day that is yet to come.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::audit::Audit;
use crate::config::Snapshot;
use crate::ledger::{Ledger, LedgerError};
use crate::policy::Standing;
use crate::transfer::{CounterKey, Digest, Touch};

/// People of one counter.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seed {
    /// Pack id.
    pub pack: Arc<str>,
    /// Counter id.
    pub counter: Arc<str>,
    /// The importer, when the statute counts per importer.
    #[serde(default)]
    pub party: Option<Arc<str>>,
    /// How often the key was rotated when the digests were made.
    #[serde(default)]
    pub generation: usize,
    /// Digests in hexadecimal, each with the day the person was last seen.
    pub people: Vec<(String, Date)>,
    /// What the people are known from: for the record.
    pub basis: String,
    /// The file they come from, and the SHA-256 of it: for the record.
    pub source: String,
    /// SHA-256 of that file.
    pub sha256: String,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seeded {
    /// People brought in.
    pub people: u64,
    /// People the counter showed before.
    pub before: u64,
    /// People it shows now.
    pub after: u64,
}

/// Why it was not done.
#[derive(Debug)]
pub enum Unseeded {
    /// It makes no sense, in words.
    Unclear(String),
    /// The ledger failed.
    Ledger(LedgerError),
    /// It was done, and the audit log could not be written.
    Audit(std::io::Error),
}

/// What the audit log keeps.
#[derive(Serialize)]
struct Event<'a> {
    id: Uuid,
    time: Timestamp,
    event: &'static str,
    pack: &'a str,
    counter: &'a str,
    party: Option<&'a str>,
    people: u64,
    before: u64,
    after: u64,
    basis: &'a str,
    source: &'a str,
    sha256: &'a str,
}

impl Seed {
    /// Brings the people in.
    ///
    /// # Errors
    /// It makes no sense, the ledger fails, or the record of it cannot be written.
    pub async fn take_in(
        &self,
        snapshot: &Snapshot,
        ledger: &Ledger,
        audit: &Audit,
        now: Timestamp,
    ) -> Result<Seeded, Unseeded> {
        let standing = self.standing(snapshot, now)?;
        let people = self.read(standing.day)?;
        let key = CounterKey { pack: self.pack.clone(), counter: self.counter.clone(), party: self.party.clone() };
        let touch = Touch {
            key: key.clone(),
            since: standing.since,
            day: standing.day,
            people: Vec::new(),
            bounds: standing.turns(),
        };
        let count = || ledger.count(&key, standing.since);
        let before = count().await.map_err(Unseeded::Ledger)?;
        ledger.seed(&touch, self.generation, &people).await.map_err(Unseeded::Ledger)?;
        let after = count().await.map_err(Unseeded::Ledger)?;
        let seeded = Seeded { people: people.len() as u64, before, after };
        audit.note(&self.event(seeded, now), now).map_err(Unseeded::Audit)?;
        Ok(seeded)
    }

    fn standing<'s>(&self, snapshot: &'s Snapshot, now: Timestamp) -> Result<Standing<'s>, Unseeded> {
        let unclear = |text: String| Err(Unseeded::Unclear(text));
        let Some(standing) = snapshot.packs.standing(&self.pack, &self.counter, now) else {
            return unclear(format!("no pack has the counter `{}/{}`", self.pack, self.counter));
        };
        match (standing.is_per_importer(), &self.party) {
            (true, None) => {
                unclear(format!("`{}/{}` counts for each importer: name one as the party", self.pack, self.counter))
            }
            (false, Some(_)) => {
                unclear(format!("`{}/{}` counts for the exporter as a whole: name no party", self.pack, self.counter))
            }
            _ => Ok(standing),
        }
    }

    fn read(&self, today: Date) -> Result<Vec<(Digest, Date)>, Unseeded> {
        let read = |(digest, day): &(String, Date)| {
            if *day > today {
                return Err(Unseeded::Unclear(format!(
                    "{day} is yet to come; today is {today} where the pack counts"
                )));
            }
            let digest = Digest::parse(digest);
            Ok((digest.ok_or_else(|| Unseeded::Unclear("a digest is 32 hexadecimal digits".to_owned()))?, *day))
        };
        self.people.iter().map(read).collect()
    }

    fn event(&self, seeded: Seeded, now: Timestamp) -> Event<'_> {
        Event {
            id: Uuid::now_v7(),
            time: now,
            event: "ledger-import",
            pack: &self.pack,
            counter: &self.counter,
            party: self.party.as_deref(),
            people: seeded.people,
            before: seeded.before,
            after: seeded.after,
            basis: &self.basis,
            source: &self.source,
            sha256: &self.sha256,
        }
    }
}

impl std::fmt::Display for Unseeded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Unseeded::Unclear(text) => f.write_str(text),
            Unseeded::Ledger(error) => error.fmt(f),
            Unseeded::Audit(error) => {
                write!(f, "the people are counted, but the audit log cannot be written: {error}")
            }
        }
    }
}
