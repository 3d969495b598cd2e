//! Every name and every label the gateway shows to Prometheus.
//!
//! This list is the only place a metric is named. The reference in `docs/metrics.md`, the dashboards and the alerts are
//! compared with it by tests. Labels are words of the configuration, the rules or this code: never a host, a path or a
//! person, because a label is kept by whoever scrapes it and has no end if a client can choose it.

use std::fmt;

/// What a metric does over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Shows how things are.
    Gauge,
    /// Sorts values into buckets.
    Histogram,
}

/// One metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetricName {
    /// With the prefix.
    pub name: &'static str,
    /// What it does over time.
    pub kind: Kind,
    /// Names of its labels, in the order of their values.
    pub labels: &'static [&'static str],
    /// One sentence.
    pub help: &'static str,
}

const fn counter(name: &'static str, labels: &'static [&'static str], help: &'static str) -> MetricName {
    MetricName { name, kind: Kind::Counter, labels, help }
}

const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> MetricName {
    MetricName { name, kind: Kind::Gauge, labels, help }
}

const fn histogram(name: &'static str, help: &'static str) -> MetricName {
    MetricName { name, kind: Kind::Histogram, labels: &[], help }
}

pub(super) const TRANSFERS: MetricName = counter(
    "tidegate_transfers_total",
    &["direction", "action", "exporter", "importer"],
    "Transfers decided. A party with several candidate countries is ZZ.",
);
pub(super) const RULES_FIRED: MetricName =
    counter("tidegate_rules_fired_total", &["pack", "rule", "action"], "Rules that fired, with what the rule wants.");
pub(super) const FINDINGS: MetricName =
    counter("tidegate_findings_total", &["category"], "Findings in decided transfers.");
pub(super) const INSPECTED_BYTES: MetricName = counter(
    "tidegate_inspected_bytes_total",
    &["format"],
    "Decoded bytes that detectors have seen. Encodings are left out; several formats in one transfer are `several`.",
);
pub(super) const OPAQUE_BYTES: MetricName =
    counter("tidegate_opaque_bytes_total", &["reason"], "Bytes that could not be inspected.");
pub(super) const DECISION_SECONDS: MetricName =
    histogram("tidegate_decision_seconds", "From the whole message to its decision.");
pub(super) const DECODE_SECONDS: MetricName =
    histogram("tidegate_decode_seconds", "Decoding of a message, detection within it included.");
pub(super) const DETECT_SECONDS: MetricName =
    histogram("tidegate_detect_seconds", "Grouping what detection found in a message into people and places.");
pub(super) const UPSTREAM_REQUESTS: MetricName =
    counter("tidegate_upstream_requests_total", &[], "Requests sent to upstreams.");
pub(super) const UPSTREAM_ERRORS: MetricName = counter(
    "tidegate_upstream_errors_total",
    &["error"],
    "Requests that an upstream did not answer, by what went wrong.",
);
pub(super) const CONNECTIONS_OPEN: MetricName =
    gauge("tidegate_connections_open", &["listener"], "Client connections open.");
pub(super) const HELD_BYTES: MetricName =
    gauge("tidegate_held_bytes", &["listener"], "Bytes of undecided messages in memory.");
pub(super) const SPOOLED_BYTES: MetricName =
    gauge("tidegate_spooled_bytes", &["listener"], "Bytes of undecided messages in spool files.");
pub(super) const COUNTER_PEOPLE: MetricName = gauge(
    "tidegate_counter_people",
    &["pack", "counter"],
    "Distinct people in the window of a counter; of a counter per importer, the importer with the most.",
);
pub(super) const COUNTER_LIMIT: MetricName =
    gauge("tidegate_counter_limit", &["pack", "counter"], "The highest bound any rule sets to a counter.");
pub(super) const COUNTER_NEXT_LIMIT: MetricName = gauge(
    "tidegate_counter_next_limit",
    &["pack", "counter"],
    "The lowest count not yet reached at which a rule answers differently; of a counter per importer, for the importer nearest to it.",
);
pub(super) const COUNTER_NEXT_LIMIT_RATIO: MetricName = gauge(
    "tidegate_counter_next_limit_ratio",
    &["pack", "counter"],
    "People as a share of that next limit; once every limit is reached, of the highest.",
);
pub(super) const COUNTER_NEW_PER_DAY: MetricName = gauge(
    "tidegate_counter_new_people_per_day",
    &["pack", "counter"],
    "New people a day over the last 28 whole days, of the importer nearest to its limit.",
);
pub(super) const COUNTER_FORECAST: MetricName = gauge(
    "tidegate_counter_forecast_timestamp_seconds",
    &["pack", "counter", "estimate"],
    "The day the next limit is reached at the present rate, in seconds since 1970; absent when that is not within a year.",
);
pub(super) const LEDGER_SPOOLED: MetricName = gauge(
    "tidegate_ledger_spooled_people",
    &[],
    "People of transfers that left while the ledger could not be asked, who wait to be counted.",
);
pub(super) const MECHANISM_EXPIRY: MetricName = gauge(
    "tidegate_mechanism_expiry_timestamp_seconds",
    &["mechanism"],
    "When a mechanism ends, in seconds since 1970: midnight after its last day where its law is.",
);
pub(super) const FAILURES: MetricName = counter(
    "tidegate_failures_total",
    &["stage", "outcome"],
    "Failures of the gateway itself, and what became of them.",
);
pub(super) const RELOAD_SUCCESSFUL: MetricName = gauge(
    "tidegate_config_last_reload_successful",
    &[],
    "1 if the last configuration read is the one that runs, else 0.",
);
pub(super) const RELOAD_SUCCESS_TIME: MetricName = gauge(
    "tidegate_config_last_reload_success_timestamp_seconds",
    &[],
    "When the configuration that runs was read, in seconds since 1970.",
);
pub(super) const RULES_INFO: MetricName =
    gauge("tidegate_rules_info", &["pack", "version", "hash"], "1 for each pack that is loaded.");
pub(super) const BUILD_INFO: MetricName =
    gauge("tidegate_build_info", &["version"], "1, with the version of the gateway.");

/// Every metric, in the order of the reference.
pub const NAMES: &[MetricName] = &[
    TRANSFERS,
    RULES_FIRED,
    FINDINGS,
    INSPECTED_BYTES,
    OPAQUE_BYTES,
    DECISION_SECONDS,
    DECODE_SECONDS,
    DETECT_SECONDS,
    UPSTREAM_REQUESTS,
    UPSTREAM_ERRORS,
    CONNECTIONS_OPEN,
    HELD_BYTES,
    SPOOLED_BYTES,
    COUNTER_PEOPLE,
    COUNTER_LIMIT,
    COUNTER_NEXT_LIMIT,
    COUNTER_NEXT_LIMIT_RATIO,
    COUNTER_NEW_PER_DAY,
    COUNTER_FORECAST,
    LEDGER_SPOOLED,
    MECHANISM_EXPIRY,
    FAILURES,
    RELOAD_SUCCESSFUL,
    RELOAD_SUCCESS_TIME,
    RULES_INFO,
    BUILD_INFO,
];

/// Declares a closed set of label values.
macro_rules! label {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl $name {
            /// Every value.
            pub const ALL: &'static [$name] = &[$($name::$variant,)*];

            /// The value of the label.
            pub const fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text,)* }
            }
        }
    };
}

label! {
    /// The label `error`: why an upstream did not answer.
    UpstreamError {
        /// Its name has no address.
        Resolve = "resolve",
        /// Its address is one the gateway does not dial.
        Denied = "denied",
        /// No connection was made.
        Connect = "connect",
        /// TLS failed, a certificate that does not hold among the reasons.
        Tls = "tls",
        /// It took too long.
        Timeout = "timeout",
        /// It closed the connection too early.
        Closed = "closed",
        /// What it said is not the protocol.
        Protocol = "protocol",
        /// Anything else.
        Other = "other",
    }
}

label! {
    /// The label `stage`: where the gateway failed.
    Stage {
        /// Finding out where a party is.
        Place = "place",
        /// Reading the message.
        Decode = "decode",
        /// Looking for data in it.
        Detect = "detect",
        /// Applying the rules.
        Policy = "policy",
        /// Counting people.
        Ledger = "ledger",
        /// Writing the record.
        Audit = "audit",
        /// Holding the message until it is decided.
        Hold = "hold",
    }
}

label! {
    /// The label `outcome`: what became of a transfer the gateway failed at.
    FailureOutcome {
        /// It was stopped.
        Closed = "closed",
        /// It was let go, because the configuration says so.
        Open = "open",
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        })
    }
}
