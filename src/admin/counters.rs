//! Counters as people see them: how many people, how near the next bound, and when it is reached at the present rate.
//!
//! Every counter of an enabled or observed pack has a row from the start, for the window of today where the pack counts:
//! the new year shows nobody before anybody is sent. Counters of packs that are off are shown while there is somebody in
//! them, without bounds.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::config::Snapshot;
use crate::ledger::{Forecast, History, Ledger, LedgerError, Outlook, Total};
use crate::metrics::CounterShown;
use crate::policy::Standing;
use crate::transfer::CounterKey;

/// One counter, or one importer of a counter that counts for each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Pack id.
    pub pack: Arc<str>,
    /// Counter id.
    pub counter: Arc<str>,
    /// Title of the pack.
    pub title: Option<Arc<str>>,
    /// The importer, when the statute counts per importer.
    pub party: Option<Arc<str>>,
    /// The window in the words of the packs; none for a pack that is off.
    pub window: Option<String>,
    /// First day of the window.
    pub since: Date,
    /// Today where the pack counts.
    pub day: Date,
    /// People in the window.
    pub people: u64,
    /// Standard error of the estimated part; none while everybody is counted one by one.
    pub error: Option<f64>,
    /// The highest bound a rule compares it with.
    pub limit: Option<u64>,
    /// People as a share of that.
    pub share: Option<f64>,
    /// The lowest count not yet reached at which a rule answers differently.
    pub next_limit: Option<u64>,
    /// People as a share of it; once every bound is reached, of the highest.
    pub next_share: Option<f64>,
    /// When the next limit is reached; none before a whole day with new people is over, or without a next limit.
    pub forecast: Option<Forecast>,
    /// New people by day, if asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arrivals: Option<Vec<(Date, u64)>>,
}

/// All rows, ordered by pack, counter and importer.
///
/// # Errors
/// The store cannot be asked.
pub async fn rows(snapshot: &Snapshot, ledger: &Ledger, now: Timestamp) -> Result<Vec<Row>, LedgerError> {
    let totals = ledger.totals().await?;
    let mut rows = Vec::new();
    for total in &totals {
        let standing = standing(snapshot, &total.key, now);
        rows.push(row(snapshot, ledger, standing, total, now).await?);
    }
    let empty = snapshot.packs.standings(&snapshot.enabled, now).filter(|standing| {
        let is = |total: &Total| total.key.pack == standing.pack.id && total.key.counter == standing.counter.id;
        !totals.iter().any(is) && !standing.is_per_importer()
    });
    rows.extend(empty.map(nobody));
    rows.sort_by(|a, b| (&a.pack, &a.counter, &a.party).cmp(&(&b.pack, &b.counter, &b.party)));
    Ok(rows)
}

/// The same with new people by day, for a plot.
///
/// # Errors
/// The store cannot be asked.
pub async fn rows_with_arrivals(
    snapshot: &Snapshot,
    ledger: &Ledger,
    now: Timestamp,
) -> Result<Vec<Row>, LedgerError> {
    let mut rows = rows(snapshot, ledger, now).await?;
    for row in &mut rows {
        let mut arrivals = ledger.arrivals(&row.key()).await?;
        arrivals.retain(|(day, _)| *day >= row.since);
        row.arrivals = Some(arrivals);
    }
    Ok(rows)
}

/// What metrics show of the rows: one for each counter.
pub(super) fn shown(rows: &[Row]) -> Vec<CounterShown> {
    let same = |a: &Row, b: &Row| a.pack == b.pack && a.counter == b.counter;
    rows.chunk_by(same).filter_map(CounterShown::of).collect()
}

/// The counter where its pack counts today with it.
fn standing<'s>(snapshot: &'s Snapshot, key: &CounterKey, now: Timestamp) -> Option<Standing<'s>> {
    let mut counting = snapshot.packs.standings(&snapshot.enabled, now);
    counting.find(|standing| standing.pack.id == key.pack && standing.counter.id == key.counter)
}

async fn row(
    snapshot: &Snapshot,
    ledger: &Ledger,
    standing: Option<Standing<'_>>,
    total: &Total,
    now: Timestamp,
) -> Result<Row, LedgerError> {
    let Some(standing) = standing else { return Ok(of_a_pack_that_is_off(snapshot, total, now)) };
    // The store knows the window a transfer asked for last, which may be that of last year.
    let people = match total.since == standing.since {
        true => total.people,
        false => ledger.count(&total.key, standing.since).await?,
    };
    let mut row = Row { party: total.key.party.clone(), error: total.error, ..nobody(standing) };
    row.count(people, &standing);
    if let Some(bound) = row.next_limit {
        let history = History {
            newcomers: ledger.arrivals(&total.key).await?.into_iter().collect(),
            last_seen: ledger.by_last_day(&total.key).await?.into_iter().collect(),
        };
        let since = |day| standing.since_on(day);
        let (today, rolling) = (standing.day, standing.is_rolling());
        row.forecast = Outlook { today, people, bound, rolling, since: &since, history: &history }.forecast();
    }
    Ok(row)
}

fn nobody(standing: Standing<'_>) -> Row {
    let mut row = Row {
        pack: standing.pack.id.clone(),
        counter: standing.counter.id.clone(),
        title: Some(standing.pack.title.clone()),
        party: None,
        window: Some(standing.window()),
        since: standing.since,
        day: standing.day,
        people: 0,
        error: None,
        limit: standing.limit(),
        share: None,
        next_limit: None,
        next_share: None,
        forecast: None,
        arrivals: None,
    };
    row.count(0, &standing);
    row
}

fn of_a_pack_that_is_off(snapshot: &Snapshot, total: &Total, now: Timestamp) -> Row {
    Row {
        pack: total.key.pack.clone(),
        counter: total.key.counter.clone(),
        title: snapshot.packs.get(&total.key.pack).map(|pack| pack.title.clone()),
        party: total.key.party.clone(),
        window: None,
        since: total.since,
        day: TimeZone::UTC.to_datetime(now).date(),
        people: total.people,
        error: total.error,
        limit: None,
        share: None,
        next_limit: None,
        next_share: None,
        forecast: None,
        arrivals: None,
    }
}

impl Row {
    /// Which counter of the ledger it shows.
    pub fn key(&self) -> CounterKey {
        CounterKey { pack: self.pack.clone(), counter: self.counter.clone(), party: self.party.clone() }
    }

    fn count(&mut self, people: u64, standing: &Standing<'_>) {
        let share = |limit: u64| people as f64 / limit as f64;
        self.people = people;
        self.share = self.limit.map(share);
        self.next_limit = standing.next_bound(people);
        self.next_share = self.next_limit.or_else(|| standing.highest_bound()).map(share);
    }
}

impl CounterShown {
    /// Of the rows of one counter: the highest count, and the importer nearest to its limit.
    fn of(rows: &[Row]) -> Option<CounterShown> {
        let share = |row: &&Row| row.next_share.unwrap_or(0.0);
        let nearest = rows.iter().max_by(|a, b| share(a).total_cmp(&share(b)))?;
        let day = |day: Option<Date>| TimeZone::UTC.to_timestamp(day?.to_datetime(Time::midnight())).ok();
        let second = |at: Option<Date>| day(at).map(Timestamp::as_second);
        let forecast = nearest.forecast.as_ref();
        Some(CounterShown {
            pack: nearest.pack.clone(),
            counter: nearest.counter.clone(),
            people: rows.iter().map(|row| row.people).max()?,
            limit: nearest.limit,
            next_limit: nearest.next_limit,
            ratio: nearest.next_share,
            new_per_day: forecast.map(|forecast| forecast.per_day),
            reached: forecast
                .map(|forecast| [forecast.early, forecast.likely, forecast.late].map(second))
                .unwrap_or_default(),
        })
    }
}
