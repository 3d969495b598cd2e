//! What a message may cost and what a failure becomes: `[limits]`, `[failure]`, `[audit]`, `drain`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Reading;
use crate::config::document::{At, Section};
use crate::config::settings::{Failure, Limits, OnFailure};
use crate::config::value;
use crate::decode;

/// How long a stop waits.
pub(super) const DRAIN: Duration = Duration::from_secs(30);

/// Whole time a client may take to send a message.
const RECEIVE: Duration = Duration::from_secs(300);
/// Time an idle connection stays open.
const IDLE: Duration = Duration::from_secs(60);

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const OUTCOMES: &[(&str, OnFailure)] = &[("closed", OnFailure::Closed), ("open", OnFailure::Open)];

/// `[limits]`.
pub(super) fn limits(top: &Section<'_>) -> Limits {
    let section = top.section("limits", "[limits]");
    let hold = section.at("hold", value::size);
    let body = section.at("body", value::size);
    above(&section, "hold", hold.as_ref(), body.as_ref().map_or(GIB, |body| body.value));
    let default = decode::Limits::default();
    let narrow = |at: Option<At<u64>>, otherwise: u32| {
        at.map_or(otherwise, |at| {
            u32::try_from(at.value).unwrap_or_else(|_| {
                section.document().error(&at.span, "this is above what can be counted");
                otherwise
            })
        })
    };
    let limits = Limits {
        hold: hold.map_or(MIB, |hold| hold.value),
        body: body.map_or(GIB, |body| body.value),
        decode: decode::Limits {
            decoded: section.get("decoded", value::size).unwrap_or(default.decoded),
            expansion: narrow(section.at("expansion", value::number), default.expansion),
            depth: narrow(section.at("depth", value::number), default.depth),
            parts: section.get("parts", value::number).unwrap_or(default.parts),
        },
        head: section.get("head", value::size).unwrap_or(64 * KIB),
        receive: section.get("receive", value::duration).unwrap_or(RECEIVE),
        idle: section.get("idle", value::duration).unwrap_or(IDLE),
        connections: usize::try_from(section.get("connections", value::number).unwrap_or(10_000))
            .unwrap_or(usize::MAX),
    };
    section.finish();
    limits
}

fn above(section: &Section<'_>, key: &str, limit: Option<&At<u64>>, body: u64) {
    if let Some(limit) = limit.filter(|limit| limit.value > body) {
        let message = format!("`{key}` has no effect above `body`, which is {body} bytes");
        section.document().advise(&limit.span, message, "lower it, or raise `body`");
    }
}

/// `[failure]`.
pub(super) fn failure(top: &Section<'_>) -> Failure {
    let section = top.section("failure", "[failure]");
    let failure = Failure {
        decode: section.word("decode", OUTCOMES).unwrap_or(OnFailure::Closed),
        ledger: section.word("ledger", OUTCOMES).unwrap_or(OnFailure::Closed),
        audit: section.word("audit", OUTCOMES).unwrap_or(OnFailure::Closed),
    };
    section.finish();
    failure
}

/// `[audit]`.
pub(super) fn audit(top: &Section<'_>, reading: &Reading<'_>, state: &Path) -> PathBuf {
    let section = top.section("audit", "[audit]");
    let directory = section.get("directory", value::path).map(|path| reading.path(&path));
    section.finish();
    directory.unwrap_or_else(|| state.join("audit"))
}
