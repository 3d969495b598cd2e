//! What the gateway shows to Prometheus: numbers about transfers, and nothing that is in them.
//!
//! Callers say what happened in words of the journey; which metric that is, and which labels it gets, is known here alone.
//! Series whose labels come from closed sets exist from the start with 0, so that the first failure is an increase.

mod names;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus::core::Collector;
use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};

use crate::transfer::{Content, Country, Decision, Place};

pub use self::names::{FailureOutcome, Kind, MetricName, NAMES, Stage, UpstreamError};

/// Upper ends of the buckets, in seconds: 10 microseconds to 10 seconds.
const BUCKETS: [f64; 19] = [
    0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
    0.5, 1.0, 2.5, 5.0, 10.0,
];

/// Formats that are wrapped around another one.
const ENCODINGS: [&str; 7] = ["gzip", "deflate", "br", "zstd", "base64", "quoted-printable", "unknown"];

/// The label `estimate`, in the order of [`CounterShown::reached`].
const ESTIMATES: [&str; 3] = ["early", "likely", "late"];

/// What a counter shows; of a counter per importer, the highest count and the importer nearest to its next limit.
#[derive(Debug, Clone, Default)]
pub struct CounterShown {
    /// Pack id.
    pub pack: Arc<str>,
    /// Counter id.
    pub counter: Arc<str>,
    /// People in the window.
    pub people: u64,
    /// The highest bound of any rule.
    pub limit: Option<u64>,
    /// The lowest one not reached.
    pub next_limit: Option<u64>,
    /// People as a share of it.
    pub ratio: Option<f64>,
    /// New people a day.
    pub new_per_day: Option<f64>,
    /// When it is reached, in seconds since 1970: early, likely, late.
    pub reached: [Option<i64>; 3],
}

/// All metrics of one gateway. Clones are the same metrics.
#[derive(Debug, Clone)]
pub struct Metrics(Arc<Families>);

#[derive(Debug)]
struct Families {
    registry: Registry,
    transfers: IntCounterVec,
    rules_fired: IntCounterVec,
    findings: IntCounterVec,
    inspected_bytes: IntCounterVec,
    opaque_bytes: IntCounterVec,
    decision_seconds: Histogram,
    decode_seconds: Histogram,
    detect_seconds: Histogram,
    upstream_requests: IntCounter,
    upstream_errors: IntCounterVec,
    connections_open: IntGaugeVec,
    held_bytes: IntGaugeVec,
    spooled_bytes: IntGaugeVec,
    counter_people: Replaced,
    counter_limit: Replaced,
    counter_next_limit: Replaced,
    counter_next_limit_ratio: Replaced,
    counter_new_per_day: Replaced,
    counter_forecast: Replaced,
    ledger_spooled: IntGauge,
    mechanism_expiry: Replaced,
    failures: IntCounterVec,
    reload_successful: IntGauge,
    reload_success_time: Gauge,
    rules_info: Replaced,
}

/// A gauge whose series are set all at once; those that are no longer named go away.
#[derive(Debug)]
struct Replaced {
    gauge: GaugeVec,
    named: Mutex<BTreeSet<Vec<String>>>,
}

/// What is open or held for as long as this value lives.
#[derive(Debug)]
pub struct Held {
    gauge: IntGauge,
    amount: i64,
}

impl Metrics {
    /// All metrics at 0.
    pub fn new() -> Metrics {
        let registry = Registry::new();
        let made = Families {
            transfers: counters(&registry, names::TRANSFERS),
            rules_fired: counters(&registry, names::RULES_FIRED),
            findings: counters(&registry, names::FINDINGS),
            inspected_bytes: counters(&registry, names::INSPECTED_BYTES),
            opaque_bytes: counters(&registry, names::OPAQUE_BYTES),
            decision_seconds: histogram(&registry, names::DECISION_SECONDS),
            decode_seconds: histogram(&registry, names::DECODE_SECONDS),
            detect_seconds: histogram(&registry, names::DETECT_SECONDS),
            upstream_requests: register(&registry, IntCounter::with_opts(opts(names::UPSTREAM_REQUESTS))),
            upstream_errors: counters(&registry, names::UPSTREAM_ERRORS),
            connections_open: gauges(&registry, names::CONNECTIONS_OPEN),
            held_bytes: gauges(&registry, names::HELD_BYTES),
            spooled_bytes: gauges(&registry, names::SPOOLED_BYTES),
            counter_people: Replaced::new(&registry, names::COUNTER_PEOPLE),
            counter_limit: Replaced::new(&registry, names::COUNTER_LIMIT),
            counter_next_limit: Replaced::new(&registry, names::COUNTER_NEXT_LIMIT),
            counter_next_limit_ratio: Replaced::new(&registry, names::COUNTER_NEXT_LIMIT_RATIO),
            counter_new_per_day: Replaced::new(&registry, names::COUNTER_NEW_PER_DAY),
            counter_forecast: Replaced::new(&registry, names::COUNTER_FORECAST),
            ledger_spooled: register(&registry, IntGauge::with_opts(opts(names::LEDGER_SPOOLED))),
            mechanism_expiry: Replaced::new(&registry, names::MECHANISM_EXPIRY),
            failures: counters(&registry, names::FAILURES),
            reload_successful: register(&registry, IntGauge::with_opts(opts(names::RELOAD_SUCCESSFUL))),
            reload_success_time: register(&registry, Gauge::with_opts(opts(names::RELOAD_SUCCESS_TIME))),
            rules_info: Replaced::new(&registry, names::RULES_INFO),
            registry,
        };
        gauges(&made.registry, names::BUILD_INFO).with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        made.start_at_zero();
        Metrics(Arc::new(made))
    }

    /// Everything in the text format of Prometheus.
    pub fn render(&self) -> String {
        // The encoder fails only on a family without metrics, and the registry gives none.
        TextEncoder::new().encode_to_string(&self.0.registry.gather()).unwrap_or_default()
    }

    /// A transfer was decided.
    pub fn decided(&self, decision: &Decision, seconds: f64) {
        let families = &*self.0;
        let exporter = country(&decision.exporter.place);
        let importer = country(&decision.importer.place);
        let labels = [decision.direction.as_str(), decision.action.as_str(), exporter.as_str(), importer.as_str()];
        families.transfers.with_label_values(&labels).inc();
        for reason in &decision.reasons {
            let labels = [&*reason.pack, &*reason.rule, reason.action.as_str()];
            families.rules_fired.with_label_values(&labels).inc();
        }
        families.content(&decision.content);
        families.decision_seconds.observe(seconds);
    }

    /// A message was decoded.
    pub fn decoded(&self, seconds: f64) {
        self.0.decode_seconds.observe(seconds);
    }

    /// Detectors have seen a message.
    pub fn detected(&self, seconds: f64) {
        self.0.detect_seconds.observe(seconds);
    }

    /// A request goes to an upstream.
    pub fn upstream_request(&self) {
        self.0.upstream_requests.inc();
    }

    /// An upstream did not answer it.
    pub fn upstream_error(&self, error: UpstreamError) {
        self.0.upstream_errors.with_label_values(&[error.as_str()]).inc();
    }

    /// A client has connected; it is connected while the value lives.
    pub fn connection_opened(&self, listener: &str) -> Held {
        Held::new(&self.0.connections_open, listener, 1)
    }

    /// Bytes are held in memory while the value lives.
    pub fn held(&self, listener: &str, bytes: u64) -> Held {
        Held::new(&self.0.held_bytes, listener, bytes)
    }

    /// Bytes are in a spool file while the value lives.
    pub fn spooled(&self, listener: &str, bytes: u64) -> Held {
        Held::new(&self.0.spooled_bytes, listener, bytes)
    }

    /// The gateway failed at a transfer.
    pub fn failure(&self, stage: Stage, outcome: FailureOutcome) {
        self.0.failures.with_label_values(&[stage.as_str(), outcome.as_str()]).inc();
    }

    /// What all counters show. Replaces what was shown before.
    pub fn counters(&self, shown: &[CounterShown]) {
        let of = |value: fn(&CounterShown) -> Option<f64>| {
            let labels = |one: &CounterShown| vec![one.pack.to_string(), one.counter.to_string()];
            shown.iter().filter_map(|one| Some((labels(one), value(one)?))).collect()
        };
        self.0.counter_people.set(of(|one| Some(one.people as f64)));
        self.0.counter_limit.set(of(|one| one.limit.map(|limit| limit as f64)));
        self.0.counter_next_limit.set(of(|one| one.next_limit.map(|limit| limit as f64)));
        self.0.counter_next_limit_ratio.set(of(|one| one.ratio));
        self.0.counter_new_per_day.set(of(|one| one.new_per_day));
        let forecasts = shown.iter().flat_map(|one| {
            let days = ESTIMATES.iter().zip(one.reached).filter_map(|(estimate, day)| Some((*estimate, day?)));
            days.map(|(estimate, day)| {
                (vec![one.pack.to_string(), one.counter.to_string(), estimate.to_owned()], day as f64)
            })
        });
        self.0.counter_forecast.set(forecasts.collect());
    }

    /// So many people wait to be counted.
    pub fn waiting_to_be_counted(&self, people: u64) {
        self.0.ledger_spooled.set(clamp(people));
    }

    /// When all mechanisms end, in seconds since 1970. Replaces what was shown before.
    pub fn mechanisms<'a>(&self, ends: impl IntoIterator<Item = (&'a str, i64)>) {
        self.0.mechanism_expiry.set(ends.into_iter().map(|(id, end)| (vec![id.to_owned()], end as f64)).collect());
    }

    /// All packs that are loaded: id, version, hash. Replaces what was shown before.
    pub fn rules<'a>(&self, packs: impl IntoIterator<Item = (&'a str, &'a str, &'a str)>) {
        let labels = |(pack, version, hash): (&str, &str, &str)| vec![pack.into(), version.into(), hash.into()];
        self.0.rules_info.set(packs.into_iter().map(|pack| (labels(pack), 1.0)).collect());
    }

    /// The configuration was read: it runs now, or it was refused. The start counts as a reading.
    pub fn reloaded(&self, ok: bool) {
        self.0.reload_successful.set(i64::from(ok));
        if ok {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            self.0.reload_success_time.set(now.as_secs_f64().floor());
        }
    }
}

impl Default for Metrics {
    fn default() -> Metrics {
        Metrics::new()
    }
}

impl Families {
    fn content(&self, content: &Content) {
        for (category, tally) in &content.categories {
            self.findings.with_label_values(&[category.as_str()]).inc_by(tally.count);
        }
        if content.inspected > 0 {
            self.inspected_bytes.with_label_values(&[format(content)]).inc_by(content.inspected);
        }
        for (category, bytes) in &content.opaque {
            let reason = category.as_str();
            let reason = reason.strip_prefix("opaque.").unwrap_or(reason);
            self.opaque_bytes.with_label_values(&[reason]).inc_by(*bytes);
        }
    }

    fn start_at_zero(&self) {
        for error in UpstreamError::ALL {
            self.upstream_errors.with_label_values(&[error.as_str()]);
        }
        for stage in Stage::ALL {
            for outcome in FailureOutcome::ALL {
                self.failures.with_label_values(&[stage.as_str(), outcome.as_str()]);
            }
        }
        for reason in ["encrypted", "oversize", "undecodable"] {
            self.opaque_bytes.with_label_values(&[reason]);
        }
    }
}

impl Replaced {
    fn new(registry: &Registry, name: MetricName) -> Replaced {
        let gauge = register(registry, GaugeVec::new(opts(name), name.labels));
        Replaced { gauge, named: Mutex::new(BTreeSet::new()) }
    }

    fn set(&self, values: BTreeMap<Vec<String>, f64>) {
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        for (labels, value) in &values {
            self.gauge.with_label_values(labels).set(*value);
        }
        for gone in named.iter().filter(|labels| !values.contains_key(*labels)) {
            // A series that is not there is as good as one that is removed.
            let _ = self.gauge.remove_label_values(gone);
        }
        *named = values.into_keys().collect();
    }
}

impl Held {
    fn new(gauges: &IntGaugeVec, listener: &str, amount: u64) -> Held {
        let mut held = Held { gauge: gauges.with_label_values(&[listener]), amount: 0 };
        held.add(amount);
        held
    }

    /// More of it.
    pub fn add(&mut self, amount: u64) {
        let amount = clamp(amount);
        self.gauge.add(amount);
        self.amount = self.amount.saturating_add(amount);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.gauge.sub(self.amount);
    }
}

/// The label of a place. A place with several candidates is unknown: one series for each set of countries would have no
/// end, and naming the first would say more than is known.
fn country(place: &Place) -> Country {
    match *place.countries {
        [country] => country,
        _ => Country::UNKNOWN,
    }
}

/// The label of what was inspected.
fn format(content: &Content) -> &'static str {
    let mut formats = content.formats.iter().filter(|format| !ENCODINGS.contains(format));
    match (formats.next(), formats.next()) {
        (Some(format), None) => format,
        (Some(_), Some(_)) => "several",
        (None, _) => "none",
    }
}

fn clamp(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn opts(name: MetricName) -> Opts {
    Opts::new(name.name, name.help)
}

fn counters(registry: &Registry, name: MetricName) -> IntCounterVec {
    register(registry, IntCounterVec::new(opts(name), name.labels))
}

fn gauges(registry: &Registry, name: MetricName) -> IntGaugeVec {
    register(registry, IntGaugeVec::new(opts(name), name.labels))
}

fn histogram(registry: &Registry, name: MetricName) -> Histogram {
    register(registry, Histogram::with_opts(HistogramOpts::from(opts(name)).buckets(BUCKETS.to_vec())))
}

#[expect(clippy::expect_used, reason = "names are constants; a test makes every metric, so a bad one never ships")]
fn register<M: Collector + Clone + 'static>(registry: &Registry, made: prometheus::Result<M>) -> M {
    let metric = made.expect("the name and labels of a metric are valid");
    registry.register(Box::new(metric.clone())).expect("every metric is registered once");
    metric
}

#[cfg(test)]
mod tests;
