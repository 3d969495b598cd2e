//! The clock a gateway sees, through Debian's libfaketime: it runs on from wherever the test puts it, while the gateway
//! runs. Only the clock of dates is moved; monotonic time, which timeouts are measured in, is left alone.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use jiff::Timestamp;

const FILE: &str = "clock";

/// Puts the clock of a directory's gateway to a moment, from which it runs on.
pub(super) fn set(directory: &Path, moment: &str) {
    let moment: Timestamp = moment.parse().unwrap();
    let ahead = moment.as_millisecond() - Timestamp::now().as_millisecond();
    // Renamed, so that it is never read half written.
    let (file, new) = (directory.join(FILE), directory.join("clock.new"));
    fs::write(&new, format!("{:+}.{:03}\n", ahead / 1000, ahead.abs() % 1000)).unwrap();
    fs::rename(new, file).unwrap();
}

/// Gives a command that clock.
pub(super) fn give(command: &mut Command, directory: &Path) {
    command
        .env("LD_PRELOAD", library())
        .env("FAKETIME_TIMESTAMP_FILE", directory.join(FILE))
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .env("DONT_FAKE_MONOTONIC", "1")
        .env("NO_FAKE_STAT", "1")
        .env("TZ", "UTC");
}

/// Debian keeps it in a directory of the architecture.
fn library() -> PathBuf {
    let found = fs::read_dir("/usr/lib").unwrap().flatten();
    let mut candidates = found.map(|entry| entry.path().join("faketime/libfaketimeMT.so.1"));
    candidates.find(|path| path.exists()).expect("libfaketime (tests/run installs what is needed)")
}
