//! What a gateway does for the store beside its transfers: notices that it is back, brings it who was spooled, takes out
//! people no window holds any more, carries people over to a new key, and says if it is not as durable as it should be.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::script;
use super::{Fleet, Known, hex, lock};
use crate::ledger::day::Day;
use crate::ledger::error::LedgerError;

/// Between two looks at the store.
const LOOK: Duration = Duration::from_secs(1);

/// Between two looks for people older than any window.
const DAILY: Duration = Duration::from_secs(24 * 60 * 60);

/// People taken out by one script.
const SLICE: usize = 1_000;

/// Days a window may go back without having lost anybody.
const GRACE: u16 = 31;

/// Looks after the store until nobody uses the ledger any more.
pub(super) fn start(fleet: &Arc<Fleet>) {
    tokio::spawn(tend(Arc::downgrade(fleet)));
}

async fn tend(fleet: Weak<Fleet>) {
    let mut tidy = Instant::now();
    loop {
        let Some(fleet) = fleet.upgrade() else { return };
        let looked = fleet.look_after(Instant::now() >= tidy).await;
        match looked {
            Ok(()) if Instant::now() >= tidy => tidy = Instant::now() + DAILY,
            Ok(()) => {}
            // Transfers say so themselves; this is for a store that nobody asks at the moment.
            Err(error) => *lock(&fleet.failure) = Some(error),
        }
        drop(fleet);
        tokio::time::sleep(LOOK).await;
    }
}

impl Fleet {
    async fn look_after(&self, tidy: bool) -> Result<(), LedgerError> {
        let known = self.look().await?;
        self.drain().await?;
        *lock(&self.failure) = None;
        if known.from.is_some() {
            self.carry(&known).await?;
        }
        if tidy {
            self.expire().await?;
        }
        Ok(())
    }

    /// Moves the ledger on to the last generation of this gateway's key and carries everybody over. Every gateway has to
    /// have that key before.
    pub(in crate::ledger) async fn advance(&self) -> Result<(), LedgerError> {
        let known = self.look().await?;
        let latest = self.keys.latest();
        if known.generation < latest {
            let mut call = self.scripts.advance.prepare_invoke();
            call.key(self.scripts.meta_key()).arg(&known.id).arg(known.generation).arg(latest);
            call.arg(hex(&self.keys.check(latest).unwrap_or_default()));
            let moved: u8 = self.link.script(&call, Duration::ZERO).await?;
            if moved == 0 {
                return Err(LedgerError::Unavailable(
                    "another rotation is under way: try again when it is done".into(),
                ));
            }
        }
        let known = self.look().await?;
        if known.from.is_some() { self.carry(&known).await } else { Ok(()) }
    }

    async fn carry(&self, known: &Known) -> Result<(), LedgerError> {
        for name in self.counters().await? {
            let mut pairs: Vec<Vec<u8>> = Vec::new();
            self.scan(&name, |rows| {
                for (member, _) in rows {
                    let Some((generation, digest)) = script::person(member) else { continue };
                    if generation < known.generation {
                        let digest = self.keys.carry(digest, generation, known.generation);
                        pairs.push(member.clone());
                        pairs.push(script::member(digest, known.generation).to_vec());
                    }
                }
            })
            .await?;
            for slice in pairs.chunks(2 * SLICE) {
                let mut call = self.scripts.carry.prepare_invoke();
                call.key(self.scripts.people_key(&name)).arg(slice);
                self.link.script::<()>(&call, Duration::ZERO).await?;
            }
        }
        self.link.command::<()>(redis::cmd("HDEL").arg(self.scripts.meta_key()).arg("from")).await?;
        self.look().await.map(drop)
    }

    /// Takes out who is in no window: last seen 13 months before the earlier of today and the latest day of the counter,
    /// and a month before its window.
    async fn expire(&self) -> Result<(), LedgerError> {
        let windows: Vec<(String, u16)> =
            self.link.command(redis::cmd("HGETALL").arg(self.scripts.counters_key())).await?;
        for (name, since) in windows {
            let people = self.scripts.people_key(&name);
            let latest: Vec<(Vec<u8>, f64)> =
                self.link.command(redis::cmd("ZRANGE").arg(&people).arg(-1).arg(-1).arg("WITHSCORES")).await?;
            let latest = latest.first().map_or(u16::MAX, |(_, day)| *day as u16);
            let before = Day::of(today()).min(Day(latest)).date().checked_sub(13.months()).map_or(Day(0), Day::of);
            let before = before.0.min(since.saturating_sub(GRACE));
            self.expire_sketches(&name, before).await?;
            loop {
                let mut call = self.scripts.expire.prepare_invoke();
                call.key(&people).key(self.scripts.arrivals_key(&name)).key(self.scripts.beyond_key(&name));
                call.key(self.scripts.counters_key()).arg(before).arg(SLICE).arg(&name);
                let left: u64 = self.link.script(&call, Duration::ZERO).await?;
                if left == 0 {
                    break;
                }
            }
        }
        Ok(())
    }

    async fn expire_sketches(&self, name: &str, before: u16) -> Result<(), LedgerError> {
        let beyond = self.scripts.beyond_key(name);
        let months: Vec<(u16, u16)> = self.link.command(redis::cmd("HGETALL").arg(&beyond)).await?;
        for (month, _) in months.into_iter().filter(|(_, last)| *last < before) {
            let mut gone = redis::pipe();
            gone.cmd("HDEL").arg(&beyond).arg(month).ignore();
            gone.cmd("DEL").arg(self.scripts.sketch_key(name, month)).ignore();
            self.link.commands::<()>(&gone).await?;
        }
        Ok(())
    }

    async fn counters(&self) -> Result<Vec<String>, LedgerError> {
        self.link.command(redis::cmd("HKEYS").arg(self.scripts.counters_key())).await
    }

    /// Goes through everyone a counter has noted one by one.
    pub(super) async fn scan(&self, name: &str, mut each: impl FnMut(&[(Vec<u8>, u16)])) -> Result<(), LedgerError> {
        let key = self.scripts.people_key(name);
        let mut cursor = 0u64;
        loop {
            let asked = redis::cmd("ZSCAN").arg(&key).arg(cursor).arg("COUNT").arg(SLICE).to_owned();
            let (next, rows): (u64, Vec<(Vec<u8>, u16)>) = self.link.command(&asked).await?;
            each(&rows);
            cursor = next;
            if cursor == 0 {
                return Ok(());
            }
        }
    }

    /// Says what a restart of the store would lose, and refuses one that drops keys when its memory is full.
    pub(super) async fn check_durability(&self) -> Result<(), LedgerError> {
        let asked = |setting: &str| redis::cmd("CONFIG").arg("GET").arg(setting).to_owned();
        let read = async |setting: &str| -> Option<String> {
            let pairs: Vec<(String, String)> = self.link.command(&asked(setting)).await.ok()?;
            pairs.into_iter().next().map(|(_, value)| value)
        };
        let Some(policy) = read("maxmemory-policy").await else {
            tracing::warn!(
                "the ledger's store does not say how durable it is; it has to write every command to the disk"
            );
            return Ok(());
        };
        if policy.starts_with("allkeys") {
            let refusal = format!("its maxmemory-policy is {policy}, which drops people: set noeviction");
            return Err(LedgerError::Forgotten(refusal.into()));
        }
        let (appends, syncs) = (read("appendonly").await, read("appendfsync").await);
        if appends.as_deref() != Some("yes") || syncs.as_deref() != Some("always") {
            tracing::warn!(
                appendonly = appends.unwrap_or_default(),
                appendfsync = syncs.unwrap_or_default(),
                "a crash of the ledger's store can lose people: set appendonly yes and appendfsync always"
            );
        }
        Ok(())
    }
}

fn today() -> Date {
    TimeZone::UTC.to_datetime(Timestamp::now()).date()
}
