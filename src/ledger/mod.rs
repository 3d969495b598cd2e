//! How many people so far: distinct people for each counter and window, exact up to every bound, and durable before their
//! data leaves.
//!
//! ```text
//! touches ─▶ count with their people ─▶ the caller decides ─▶ note the people, if admitted ─▶ durable ─▶ outcome
//! ```
//!
//! Two stores stand behind one door: a file of one gateway (`embedded`), and Redis or Valkey for several (`fleet`). The
//! bias of both is to count too many and never too few.
//!
//! Assumes the digests come from one key and the days from one clock. Knows nothing of why people are counted.

mod day;

mod error;

mod forecast;

mod key;

mod lock;

mod embedded;

mod fleet;

use std::path::Path;
use std::sync::Arc;

use jiff::civil::Date;

use self::embedded::Embedded;
use self::fleet::Fleet;
use crate::transfer::{Count, CounterKey, Digest, DigestKey, Touch};

pub use self::embedded::{Repair, Salvage, repair};
pub use self::error::LedgerError;
pub use self::fleet::{Address, Reach, Settings as FleetSettings, SpoolRepair, repair_spool};
pub use self::forecast::{Forecast, History, Outlook};
pub use self::key::{KeySource, Keys, digest_key, rotate};

/// The counters. Clones are the same ledger.
#[derive(Debug, Clone)]
pub struct Ledger(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    key: DigestKey,
}

#[derive(Debug)]
enum Store {
    Embedded(Embedded),
    Fleet(Arc<Fleet>),
}

/// The ledger as the operator means it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// Where people are counted.
    pub store: Choice,
    /// Under which key.
    pub key: KeySource,
}

/// Where people are counted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Choice {
    /// In a file of the state directory.
    #[default]
    Embedded,
    /// In a store that several gateways share.
    Fleet(Box<FleetSettings>),
}

/// What one counter shows.
#[derive(Debug, Clone, PartialEq)]
pub struct Total {
    /// Which counter.
    pub key: CounterKey,
    /// First day of the window a transfer asked for last.
    pub since: Date,
    /// People in it. Where they are estimated, the upper end of the estimate.
    pub people: u64,
    /// Standard error of the estimated part as a share of it; none while everyone is counted one by one.
    pub error: Option<f64>,
}

impl Ledger {
    /// Opens the ledger of a state directory, or makes it, with the key of that directory.
    ///
    /// # Errors
    /// Another process has it open, the directory or the key cannot be used, or the file is damaged, of another version
    /// or counted under another key.
    pub fn open(directory: &Path) -> Result<Ledger, LedgerError> {
        Ledger::embedded(directory, &KeySource::State)
    }

    /// Opens the ledger the settings name, for the gateway of the state directory. A store that cannot be reached is no
    /// error yet: transfers will be told.
    ///
    /// # Errors
    /// Those of [`Ledger::open`]; the key is not the one the store was counted under; the store has forgotten who was
    /// counted; the spool is damaged.
    pub async fn start(settings: &Settings, directory: &Path) -> Result<Ledger, LedgerError> {
        Ledger::named(settings, directory, true).await
    }

    /// The same for a command, beside a gateway that may run on the directory: an embedded ledger is then that gateway's,
    /// and who waits to be brought to a fleet's store is left to it.
    ///
    /// # Errors
    /// Those of [`Ledger::start`], but for a spool.
    pub async fn visit(settings: &Settings, directory: &Path) -> Result<Ledger, LedgerError> {
        Ledger::named(settings, directory, false).await
    }

    async fn named(settings: &Settings, directory: &Path, stays: bool) -> Result<Ledger, LedgerError> {
        let Choice::Fleet(fleet) = &settings.store else { return Ledger::embedded(directory, &settings.key) };
        let keys = keys(directory, &settings.key)?;
        let (key, fleet) = (keys.first(), (**fleet).clone());
        let fleet = match stays {
            true => Fleet::connect(fleet, keys, directory).await?,
            false => Fleet::visit(fleet, keys, directory).await?,
        };
        Ok(Ledger::over(Store::Fleet(fleet), key))
    }

    fn embedded(directory: &Path, source: &KeySource) -> Result<Ledger, LedgerError> {
        let keys = keys(directory, source)?;
        let key = keys.first();
        Ok(Ledger::over(Store::Embedded(Embedded::open(directory, keys)?), key))
    }

    fn over(store: Store, key: DigestKey) -> Ledger {
        Ledger(Arc::new(Inner { store, key }))
    }

    /// The key that digests for this ledger are made with.
    pub fn key(&self) -> DigestKey {
        self.0.key.clone()
    }

    /// Counts, decides and, if the transfer is admitted, notes its people. Returns when they are durable.
    ///
    /// `decide` sees the counts in the order of the touches and says whether the transfer is admitted. It may be asked
    /// more than once, and the last answer counts; asked with counts on the same side of every bound, it has to admit the
    /// same. Nothing is kept of a transfer that is not admitted. Others may wait while it runs, so it has to be quick.
    ///
    /// # Errors
    /// The people could not be made durable, or the store cannot be asked. They may be counted all the same.
    pub async fn decide<R>(
        &self,
        touches: &[Touch],
        mut decide: impl FnMut(&[Count]) -> (R, bool),
    ) -> Result<R, LedgerError> {
        if touches.is_empty() {
            return Ok(decide(&[]).0);
        }
        match &self.0.store {
            Store::Embedded(store) => store.decide(touches, decide).await,
            Store::Fleet(store) => store.decide(touches, decide).await,
        }
    }

    /// What the counters show for a transfer, without counting it.
    ///
    /// # Errors
    /// The store cannot be asked.
    pub async fn peek(&self, touches: &[Touch]) -> Result<Vec<Count>, LedgerError> {
        match &self.0.store {
            Store::Embedded(store) => Ok(store.peek(touches)),
            Store::Fleet(store) => store.peek(touches).await,
        }
    }

    /// Every counter, ordered by its key.
    ///
    /// # Errors
    /// The store cannot be asked.
    pub async fn totals(&self) -> Result<Vec<Total>, LedgerError> {
        match &self.0.store {
            Store::Embedded(store) => Ok(store.totals()),
            Store::Fleet(store) => store.totals().await,
        }
    }

    /// People of one counter last seen on or after a date.
    ///
    /// # Errors
    /// The store cannot be asked.
    pub async fn count(&self, key: &CounterKey, since: Date) -> Result<u64, LedgerError> {
        match &self.0.store {
            Store::Embedded(store) => Ok(store.count(key, since)),
            Store::Fleet(store) => store.count(key, since).await,
        }
    }

    /// How many people were new to a counter on each day, oldest first: what a forecast goes by.
    ///
    /// # Errors
    /// The store cannot be asked.
    pub async fn arrivals(&self, key: &CounterKey) -> Result<Vec<(Date, u64)>, LedgerError> {
        match &self.0.store {
            Store::Embedded(store) => Ok(store.arrivals(key)),
            Store::Fleet(store) => store.arrivals(key).await,
        }
    }

    /// How many people of a counter were last seen on each day, oldest first: who leaves a rolling window when.
    ///
    /// # Errors
    /// The store cannot be asked.
    pub async fn by_last_day(&self, key: &CounterKey) -> Result<Vec<(Date, u64)>, LedgerError> {
        match &self.0.store {
            Store::Embedded(store) => Ok(store.by_last_day(key)),
            Store::Fleet(store) => store.by_last_day(key).await,
        }
    }

    /// Everyone a counter has noted one by one, with the last day they were seen, in no order. Their digests are those of
    /// the ledger's generation of the key, which [`Ledger::generation`] names.
    ///
    /// # Errors
    /// The store cannot be asked.
    pub async fn people(&self, key: &CounterKey) -> Result<Vec<(Digest, Date)>, LedgerError> {
        match &self.0.store {
            Store::Embedded(store) => Ok(store.people(key)),
            Store::Fleet(store) => store.people(key).await,
        }
    }

    /// How often the key was rotated when the digests of [`Ledger::people`] were made; 0 for those of detection.
    pub fn generation(&self) -> usize {
        match &self.0.store {
            Store::Embedded(store) => store.generation(),
            Store::Fleet(store) => store.generation(),
        }
    }

    /// Notes people of the past, each on the day given with them, under digests of a generation no later than the
    /// ledger's: 0 for those [`Ledger::key`] makes. The touch names the counter, its window and its bounds; its own people
    /// are not looked at.
    ///
    /// # Errors
    /// They could not be made durable.
    pub async fn seed(&self, touch: &Touch, generation: usize, people: &[(Digest, Date)]) -> Result<(), LedgerError> {
        match &self.0.store {
            Store::Embedded(store) => store.seed(touch, generation, people).await,
            Store::Fleet(store) => store.seed(touch, generation, people).await,
        }
    }

    /// What the counters showed last, while the store cannot be asked.
    pub fn last_seen(&self, touches: &[Touch]) -> Vec<Count> {
        match &self.0.store {
            Store::Embedded(store) => store.peek(touches),
            Store::Fleet(store) => store.guess(touches),
        }
    }

    /// Keeps the people of a transfer that leaves although they could not be counted, until they can. Those of an admitted
    /// transfer whose write failed are with the file's writer already.
    ///
    /// # Errors
    /// They cannot be kept: the transfer must not leave.
    pub async fn keep(&self, touches: &[Touch]) -> Result<(), LedgerError> {
        match &self.0.store {
            Store::Embedded(_) => Ok(()),
            Store::Fleet(store) => store.keep(touches).await,
        }
    }

    /// People of transfers that left uncounted, who wait until the store can be asked again.
    pub fn spooled(&self) -> u64 {
        match &self.0.store {
            Store::Embedded(_) => 0,
            Store::Fleet(store) => store.spooled(),
        }
    }

    /// Carries everybody in the store of a fleet over to the last secret of the key, which every gateway must have. A file
    /// is carried over when it is opened.
    ///
    /// # Errors
    /// The store cannot be asked, or another rotation is under way.
    pub async fn advance(&self) -> Result<(), LedgerError> {
        match &self.0.store {
            Store::Embedded(_) => Ok(()),
            Store::Fleet(store) => store.advance().await,
        }
    }

    /// Why people cannot be counted at the moment, as far as is known.
    pub fn failure(&self) -> Option<LedgerError> {
        match &self.0.store {
            Store::Embedded(store) => store.failure(),
            Store::Fleet(store) => store.failure(),
        }
    }
}

fn keys(directory: &Path, source: &KeySource) -> Result<Keys, LedgerError> {
    Keys::load(directory, source).map_err(|error| LedgerError::NoKey(error.to_string().into()))
}

/// How many people a counter notes one by one: the highest number any rule compares it with, and a margin so that a bound
/// that is raised a little is still exact.
fn most(touch: &Touch) -> u64 {
    let highest = touch.highest();
    highest.saturating_add((highest / 8).max(65_536))
}
