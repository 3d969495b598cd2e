//! From a message to its content: decoding feeds detection, and only kinds, counts and digests come back.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use http::HeaderMap;
use http::header::{CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_TYPE};

use super::Body;
use crate::config::Snapshot;
use crate::decode::{self, Account, Hints};
use crate::detect::Keep;
use crate::metrics::Metrics;
use crate::transfer::{Content, DigestKey, Found};

/// Bodies above this size are scanned away from the threads that move bytes. Below it, handing the work over costs more
/// than the scan.
const OFFLOAD_BYTES: u64 = 128 * 1024;

/// What inspection needs of a message head.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head<'a> {
    pub(super) target: &'a str,
    pub(super) headers: &'a HeaderMap,
}

/// Content, where it was found, and whether the bytes were not what the message said they are.
#[derive(Debug, Default)]
pub(super) struct Inspection {
    pub(super) content: Content,
    pub(super) found: Vec<Found>,
    pub(super) malformed: bool,
}

/// Inspects a message, on a thread of its own when it is large.
pub(super) async fn inspect(
    snapshot: &Arc<Snapshot>,
    key: &DigestKey,
    metrics: &Metrics,
    head: Head<'_>,
    body: &Body,
) -> io::Result<Inspection> {
    if body.len() <= OFFLOAD_BYTES {
        return inspect_here(snapshot, key, metrics, head, body);
    }
    let (snapshot, key, metrics, body) = (Arc::clone(snapshot), key.clone(), metrics.clone(), body.clone());
    let (target, headers) = (head.target.to_owned(), head.headers.clone());
    tokio::task::spawn_blocking(move || {
        inspect_here(&snapshot, &key, &metrics, Head { target: &target, headers: &headers }, &body)
    })
    .await
    .map_err(io::Error::other)?
}

fn inspect_here(
    snapshot: &Snapshot,
    key: &DigestKey,
    metrics: &Metrics,
    head: Head<'_>,
    body: &Body,
) -> io::Result<Inspection> {
    let started = Instant::now();
    let mut collector = snapshot.detectors.collector(key, Keep::Counts);
    // The head is looked at like the body; what is counted as content is the body.
    decode::head(head.target, head.headers, &mut collector);
    let limits = &snapshot.settings.limits.decode;
    let hints = hints(head.headers);
    let account = match body {
        Body::Memory(bytes) if bytes.is_empty() => Account::default(),
        Body::Memory(bytes) => decode::body(&hints, &mut &bytes[..], limits, &mut collector)?,
        Body::Stored(stored) => decode::body(&hints, &mut *stored.reader(), limits, &mut collector)?,
        Body::Unread(_) => Account::default(),
        Body::Opaque(reason, bytes) => Account::opaque(*reason, *bytes),
    };
    let read = Instant::now();
    metrics.decoded(read.duration_since(started).as_secs_f64());
    let findings = collector.finish();
    metrics.detected(read.elapsed().as_secs_f64());
    Ok(Inspection {
        malformed: account.malformed,
        found: findings.found,
        content: Content {
            bytes: account.bytes,
            inspected: account.inspected,
            opaque: account.opaque,
            skipped: 0,
            formats: account.formats,
            categories: findings.categories,
            found: Vec::new(),
            people: findings.people,
        },
    })
}

fn hints(headers: &HeaderMap) -> Hints<'_> {
    let text = |name| headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
    let file_name = text(CONTENT_DISPOSITION)
        .and_then(|value| value.split("filename=").nth(1))
        .map(|name| name.split(';').next().unwrap_or(name).trim_matches('"'));
    Hints { content_type: text(CONTENT_TYPE), content_encoding: text(CONTENT_ENCODING), charset: None, file_name }
}
