//! The store of a fleet: Redis or Valkey, with one atomic script for each transfer. Nothing else is distributed.
//!
//! Rules only compare counts with bounds, so a decision is the same wherever a count lies between two bounds. A gateway
//! takes the counts it has seen last, decides, and asks: *add these people only if every count, with them included, lies
//! between the same bounds as mine; else add nobody and say what they are.* In the second case it decides again with what
//! it was told. So nothing is ever reserved that would have to be released, a gateway that dies leaves nothing behind,
//! two transfers that race at a bound cannot both slip under it, and when both fit neither is refused.
//!
//! The script refuses to work on a ledger that is not the one the gateway knows: a store that was emptied would count
//! from nothing. It also knows the generation of the key, so that a gateway with another key adds nobody.

mod address;

mod link;

mod record;

mod repair;

mod script;

mod spool;

mod tend;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::civil::Date;
use ring::rand::{SecureRandom, SystemRandom};

use self::link::Link;
use self::script::{Reply, Request, Scripts, between, counter_of, name};
use self::spool::Spool;
use super::Total;
use super::day::Day;
use super::embedded::sketch;
use super::error::LedgerError;
use super::key::{self, Keys};
use super::lock::lock as claim;
use crate::transfer::{Count, CounterKey, Digest, Touch};

pub use self::address::Address;
pub use self::link::Reach;
pub use self::repair::{SpoolRepair, repair_spool};

/// How often a transfer is decided again because counts moved past a bound meanwhile.
const ROUNDS: usize = 64;

/// Most days whose people are counted one day at a time.
const LONGEST: u16 = 800;

/// A fleet's store as the operator means it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How the server is reached.
    pub reach: Reach,
    /// What the names of all keys begin with.
    pub prefix: String,
    /// Replicas that must have a reservation before its data leaves.
    pub replicas: u32,
    /// Most bytes kept on this machine for a store that cannot be asked.
    pub spool: u64,
}

/// The counters of a fleet.
#[derive(Debug)]
pub(super) struct Fleet {
    settings: Settings,
    keys: Keys,
    link: Link,
    scripts: Scripts,
    spool: Spool,
    /// One at a time brings what was spooled to the store.
    draining: tokio::sync::Mutex<()>,
    /// The file that remembers which ledger this gateway counts in.
    memory: PathBuf,
    known: Mutex<Option<Known>>,
    seen: Mutex<HashMap<CounterKey, Seen>>,
    failure: Mutex<Option<LedgerError>>,
    /// Held while this gateway has the state directory and the spool in it.
    _mine: Option<File>,
}

/// The ledger as it was seen last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    id: String,
    generation: usize,
    /// The generation people are being carried from.
    from: Option<usize>,
}

/// A counter as it was seen last.
#[derive(Debug, Clone, Default)]
struct Seen {
    since: Option<Date>,
    before: u64,
    months: Vec<u16>,
}

impl Fleet {
    /// Connects to the store for the gateway of a state directory. One that cannot be reached now is no error: transfers
    /// will be told.
    pub(super) async fn connect(settings: Settings, keys: Keys, state: &Path) -> Result<Arc<Fleet>, LedgerError> {
        key::make_directory(state).map_err(|error| super::embedded::cannot_open(state, &error))?;
        let mine = claim(state)?;
        let spool = Spool::open(state, &keys, settings.spool)?;
        let fleet = Arc::new(Fleet::over(settings, keys, state, spool, Some(mine))?);
        fleet.reached().await?;
        tend::start(&fleet);
        Ok(fleet)
    }

    /// Connects to the store for a command: whoever waits in the spool is left to the gateway whose it is.
    pub(super) async fn visit(settings: Settings, keys: Keys, state: &Path) -> Result<Arc<Fleet>, LedgerError> {
        key::make_directory(state).map_err(|error| super::embedded::cannot_open(state, &error))?;
        let spool = Spool::closed(state, &keys)?;
        let fleet = Arc::new(Fleet::over(settings, keys, state, spool, None)?);
        fleet.reached().await?;
        Ok(fleet)
    }

    fn over(
        settings: Settings,
        keys: Keys,
        state: &Path,
        spool: Spool,
        mine: Option<File>,
    ) -> Result<Fleet, LedgerError> {
        Ok(Fleet {
            link: Link::new(&settings.reach)?,
            scripts: Scripts::new(&settings.prefix),
            spool,
            draining: tokio::sync::Mutex::default(),
            memory: state.join("ledger.fleet"),
            known: Mutex::default(),
            seen: Mutex::default(),
            failure: Mutex::default(),
            settings,
            keys,
            _mine: mine,
        })
    }

    async fn reached(&self) -> Result<(), LedgerError> {
        match self.look().await {
            Ok(_) => self.check_durability().await,
            Err(error) if error.is_outage() => {
                tracing::error!(%error, "the ledger's store is not there");
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Counts, decides and, if the transfer is admitted, adds its people.
    pub(super) async fn decide<R>(
        &self,
        touches: &[Touch],
        mut decide: impl FnMut(&[Count]) -> (R, bool),
    ) -> Result<R, LedgerError> {
        self.drain().await?;
        let mut counts = self.guess(touches);
        let mut told = false;
        for _ in 0..ROUNDS {
            let (outcome, admitted) = decide(&counts);
            if told && !admitted {
                return Ok(outcome);
            }
            match self.ask(touches, Some(&counts), admitted).await? {
                // The same decision, asked once more for the numbers it shows.
                (true, now) if now != counts => return Ok(decide(&now).0),
                (true, _) => return Ok(outcome),
                (false, now) => counts = now,
            }
            told = true;
        }
        Err(LedgerError::Unavailable("counts move faster than they can be judged".into()))
    }

    /// What the counters show for a transfer.
    pub(super) async fn peek(&self, touches: &[Touch]) -> Result<Vec<Count>, LedgerError> {
        Ok(self.ask(touches, None, false).await?.1)
    }

    /// What they showed last, with those who wait on this machine.
    pub(super) fn guess(&self, touches: &[Touch]) -> Vec<Count> {
        let seen = lock(&self.seen);
        let guess = |touch: &Touch| {
            let before =
                seen.get(&touch.key).filter(|seen| seen.since == Some(touch.since)).map_or(0, |seen| seen.before);
            let (waiting, adding) = self.spool.count(touch);
            Count { before: before + waiting, adding }
        };
        touches.iter().map(guess).collect()
    }

    /// Keeps the people of a transfer that leaves although the store cannot be asked.
    pub(super) async fn keep(self: &Arc<Fleet>, touches: &[Touch]) -> Result<(), LedgerError> {
        let (fleet, touches) = (Arc::clone(self), touches.to_vec());
        let kept = tokio::task::spawn_blocking(move || fleet.spool.keep(&touches)).await;
        kept.unwrap_or(Err(LedgerError::Closed))
    }

    /// People who wait to be brought to the store.
    pub(super) fn spooled(&self) -> u64 {
        self.spool.people()
    }

    /// Why the store could not be asked last.
    pub(super) fn failure(&self) -> Option<LedgerError> {
        lock(&self.failure).clone()
    }

    /// The generation of the digests it holds, as far as is known.
    pub(super) fn generation(&self) -> usize {
        lock(&self.known).as_ref().map_or(0, |known| known.generation)
    }

    /// Every counter.
    pub(super) async fn totals(&self) -> Result<Vec<Total>, LedgerError> {
        let mut windows: Vec<(String, u16)> =
            self.link.command(redis::cmd("HGETALL").arg(self.scripts.counters_key())).await?;
        windows.sort();
        let mut totals = Vec::new();
        for slice in windows.chunks(500) {
            let mut asked = redis::pipe();
            for (name, since) in slice {
                asked.cmd("ZCOUNT").arg(self.scripts.people_key(name)).arg(since).arg("+inf");
                asked.cmd("HGETALL").arg(self.scripts.beyond_key(name));
            }
            let answers: Vec<redis::Value> = self.link.commands(&asked).await?;
            for ((name, since), answer) in slice.iter().zip(answers.chunks_exact(2)) {
                let Some(key) = counter_of(name) else { continue };
                let [people, beyond] = answer else { continue };
                let people: u64 = understood(people)?;
                let (beyond, error) = self.beyond(name, *since, &understood::<Vec<(u16, u16)>>(beyond)?).await?;
                totals.push(Total { key, since: Day(*since).date(), people: people + beyond, error });
            }
        }
        totals.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(totals)
    }

    /// People of one counter last seen on or after a date.
    pub(super) async fn count(&self, key: &CounterKey, since: Date) -> Result<u64, LedgerError> {
        let (name, since) = (name(key), Day::of(since).0);
        let people: u64 = self
            .link
            .command(redis::cmd("ZCOUNT").arg(self.scripts.people_key(&name)).arg(since).arg("+inf"))
            .await?;
        let beyond: Vec<(u16, u16)> =
            self.link.command(redis::cmd("HGETALL").arg(self.scripts.beyond_key(&name))).await?;
        Ok(people + self.beyond(&name, since, &beyond).await?.0)
    }

    /// How many people were new on each day.
    pub(super) async fn arrivals(&self, key: &CounterKey) -> Result<Vec<(Date, u64)>, LedgerError> {
        let asked = redis::cmd("HGETALL").arg(self.scripts.arrivals_key(&name(key))).to_owned();
        let mut days: Vec<(u16, u64)> = self.link.command(&asked).await?;
        days.sort_unstable();
        Ok(days.into_iter().map(|(day, people)| (Day(day).date(), people)).collect())
    }

    /// How many people of a counter were last seen on each day.
    pub(super) async fn by_last_day(&self, key: &CounterKey) -> Result<Vec<(Date, u64)>, LedgerError> {
        let people = self.scripts.people_key(&name(key));
        let end = |at: i8| redis::cmd("ZRANGE").arg(&people).arg(at).arg(at).arg("WITHSCORES").to_owned();
        let first: Vec<(Vec<u8>, u16)> = self.link.command(&end(0)).await?;
        let last: Vec<(Vec<u8>, u16)> = self.link.command(&end(-1)).await?;
        let (Some((_, first)), Some((_, last))) = (first.first(), last.first()) else { return Ok(Vec::new()) };
        // A window without end may go back for years; a forecast asks for the last of them.
        let first = *first.max(&last.saturating_sub(LONGEST));
        let mut asked = redis::pipe();
        for day in first..=*last {
            asked.cmd("ZCOUNT").arg(&people).arg(day).arg(day);
        }
        let counts: Vec<u64> = self.link.commands(&asked).await?;
        let days = (first..).zip(counts).filter(|(_, count)| *count > 0);
        Ok(days.map(|(day, count)| (Day(day).date(), count)).collect())
    }

    /// Everyone who was noted one by one.
    pub(super) async fn people(&self, key: &CounterKey) -> Result<Vec<(Digest, Date)>, LedgerError> {
        let known = self.look().await?;
        let mut people = HashMap::new();
        self.scan(&name(key), |rows| {
            for (member, day) in rows {
                let Some((generation, digest)) = script::person(member) else { continue };
                let digest = self.keys.carry(digest, generation, known.generation);
                let last = people.entry(digest).or_insert(*day);
                *last = (*last).max(*day);
            }
        })
        .await?;
        Ok(people.into_iter().map(|(digest, day)| (digest, Day(day).date())).collect())
    }

    /// Adds people of the past, each on their own day.
    pub(super) async fn seed(
        &self,
        touch: &Touch,
        generation: usize,
        people: &[(Digest, Date)],
    ) -> Result<(), LedgerError> {
        let known = self.look().await?;
        let name = name(&touch.key);
        for slice in people.chunks(1000) {
            let mut add = redis::pipe();
            let command = add.cmd("ZADD").arg(self.scripts.people_key(&name)).arg("GT");
            for (digest, day) in slice {
                let digest = self.keys.carry(*digest, generation, known.generation);
                command.arg(Day::of(*day).0).arg(&script::member(digest, known.generation)[..]);
            }
            add.ignore()
                .cmd("HSETNX")
                .arg(self.scripts.counters_key())
                .arg(&name)
                .arg(Day::of(touch.since).0)
                .ignore();
            self.link.commands::<()>(&add).await?;
        }
        // Asks for nobody; what it waits for is the end of what was added.
        let nobody = [Touch { people: Vec::new(), ..touch.clone() }];
        self.ask(&nobody, None, true).await.map(drop)
    }

    /// About how many people of a counter are only in sketches, and the error of that.
    async fn beyond(&self, name: &str, since: u16, months: &[(u16, u16)]) -> Result<(u64, Option<f64>), LedgerError> {
        let mut asked = redis::cmd("PFCOUNT");
        let within = months.iter().filter(|(_, last)| *last >= since);
        for (month, _) in within.clone() {
            asked.arg(self.scripts.sketch_key(name, *month));
        }
        if within.count() == 0 {
            return Ok((0, None));
        }
        let estimate: u64 = self.link.command(&asked).await?;
        Ok((sketch::upper_end(estimate as f64), Some(sketch::ERROR)))
    }

    /// Asks the script, and remembers what it says. True if every count lies between the same bounds as it was taken to.
    async fn ask(
        &self,
        touches: &[Touch],
        taken: Option<&[Count]>,
        adds: bool,
    ) -> Result<(bool, Vec<Count>), LedgerError> {
        let asked = self.reserve(touches, taken, adds).await;
        *lock(&self.failure) = asked.as_ref().err().cloned();
        if let Ok((fits, counts)) = &asked {
            let mut seen = lock(&self.seen);
            for (touch, count) in touches.iter().zip(counts) {
                let seen = seen.entry(touch.key.clone()).or_default();
                seen.since = Some(touch.since);
                seen.before = if adds && *fits { count.after() } else { count.before };
            }
        }
        asked
    }

    async fn reserve(
        &self,
        touches: &[Touch],
        taken: Option<&[Count]>,
        adds: bool,
    ) -> Result<(bool, Vec<Count>), LedgerError> {
        let between = match taken {
            Some(counts) => touches.iter().zip(counts).map(|(touch, count)| between(touch, count.after())).collect(),
            None => vec![(0, u64::MAX); touches.len()],
        };
        let mut request = Request { touches, months: self.months(touches), between, adds };
        for _ in 0..ROUNDS {
            let known = self.known().await?;
            let replicas = if adds { self.settings.replicas } else { 0 };
            let call = self.scripts.reservation(&request, &known, &self.keys, replicas > 0);
            let reply: Vec<u64> = self.link.replicated_script(&call, request.allowance(), replicas).await?;
            match Reply::read(&reply) {
                Some(Reply::Fits(counts)) => return Ok((true, counts)),
                Some(Reply::Other(counts)) => return Ok((false, counts)),
                Some(Reply::Generation) => *lock(&self.known) = None,
                Some(Reply::Forgotten) => {
                    *lock(&self.known) = None;
                    self.look().await?;
                    return Err(self.forgotten());
                }
                Some(Reply::Months(index, months)) => {
                    if let (Some(touch), Some(named)) = (touches.get(index), request.months.get_mut(index)) {
                        named.clone_from(&months);
                        lock(&self.seen).entry(touch.key.clone()).or_default().months = months;
                    }
                }
                None => return Err(LedgerError::Unavailable("the store answers what no script says".into())),
            }
        }
        Err(LedgerError::Unavailable("the ledger changes faster than it can be asked".into()))
    }

    fn months(&self, touches: &[Touch]) -> Vec<Vec<u16>> {
        let seen = lock(&self.seen);
        touches.iter().map(|touch| seen.get(&touch.key).map(|seen| seen.months.clone()).unwrap_or_default()).collect()
    }

    /// Brings who waits on this machine to the store. Until they are there the store shows too few, so nobody else is
    /// counted before.
    async fn drain(&self) -> Result<(), LedgerError> {
        if self.spool.is_empty() {
            return Ok(());
        }
        let turn = tokio::time::timeout(self.settings.reach.timeout, self.draining.lock()).await;
        let _one = turn.map_err(|_| LedgerError::Unavailable("others wait to be counted first".into()))?;
        for touch in self.spool.waiting() {
            for people in touch.people.chunks(1000) {
                let slice = [Touch { people: people.to_vec(), ..touch.clone() }];
                self.ask(&slice, None, true).await?;
                self.spool.release(&slice)?;
            }
        }
        Ok(())
    }

    async fn known(&self) -> Result<Known, LedgerError> {
        let known = lock(&self.known).clone();
        match known {
            Some(known) => Ok(known),
            None => self.look().await,
        }
    }

    /// Reads what the ledger is, makes it if this gateway has never counted in one, and checks the key.
    async fn look(&self) -> Result<Known, LedgerError> {
        let remembered = fs::read_to_string(&self.memory).ok().map(|id| id.trim().to_owned());
        let proposed = match &remembered {
            Some(_) => String::new(),
            None => random_id()?,
        };
        let latest = self.keys.latest();
        let mut call = self.scripts.meta.prepare_invoke();
        call.key(self.scripts.meta_key()).arg(proposed).arg(script::VERSION).arg(latest);
        call.arg(hex(&self.keys.check(latest).unwrap_or_default()));
        type Meta = (Option<String>, Option<u64>, Option<usize>, Option<String>, Option<usize>);
        let meta: Meta = self.link.script(&call, std::time::Duration::ZERO).await?;
        let (Some(id), Some(version), Some(generation), Some(check), from) = meta else {
            return Err(self.forgotten());
        };
        if version != script::VERSION {
            let file = PathBuf::from(self.settings.reach.address.to_string());
            return Err(LedgerError::Version { file, found: version });
        }
        if remembered.is_some_and(|remembered| remembered != id) {
            return Err(self.forgotten());
        }
        if !unhex(&check).is_some_and(|check| self.keys.holds(generation, &check)) {
            return Err(LedgerError::Key { store: self.settings.reach.address.to_string().into() });
        }
        self.remember(&id)?;
        let known = Known { id, generation, from };
        *lock(&self.known) = Some(known.clone());
        Ok(known)
    }

    fn remember(&self, id: &str) -> Result<(), LedgerError> {
        if fs::read_to_string(&self.memory).is_ok_and(|known| known.trim() == id) {
            return Ok(());
        }
        let written = || {
            let directory = self.memory.parent().unwrap_or_else(|| Path::new("."));
            let mut file = tempfile::Builder::new().prefix(".ledger.fleet.").tempfile_in(directory)?;
            writeln!(file, "{id}")?;
            file.as_file().sync_all()?;
            file.persist(&self.memory).map(drop).map_err(|refused| refused.error)
        };
        written().map_err(|error| super::embedded::cannot_open(&self.memory, &error))
    }

    fn forgotten(&self) -> LedgerError {
        let (store, memory) = (&self.settings.reach.address, self.memory.display());
        LedgerError::Forgotten(
            format!("`{store}` is empty or holds another ledger than `{memory}` names: restore it, or remove that file to count from nothing")
                .into(),
        )
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn understood<T: redis::FromRedisValue>(value: &redis::Value) -> Result<T, LedgerError> {
    T::from_redis_value(value.clone()).map_err(|error| LedgerError::Unavailable(error.to_string().into()))
}

fn random_id() -> Result<String, LedgerError> {
    let mut id = [0; 16];
    let made = SystemRandom::new().fill(&mut id);
    made.map_err(|_| LedgerError::Unavailable("the system gives no random bytes".into()))?;
    Ok(hex(&id))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    key::from_hex(text)
}
