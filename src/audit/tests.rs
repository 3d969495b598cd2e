//! Records survive what happens to files: midnight, restarts, full disks, directories that vanish, and hands that change
//! them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use super::*;
use crate::transfer::{Action, Basis, Content, Country, Direction, Mode, Party, Place};

fn party() -> Party {
    let place = Place::in_country(Country::parse("SG").unwrap(), Basis::Declared);
    Party { host: Some("api.partner.example".into()), address: None, place }
}

fn decision(time: &str) -> Decision {
    let time: Timestamp = time.parse().unwrap();
    let seconds = u64::try_from(time.as_second()).unwrap();
    Decision {
        id: Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, 0)),
        time,
        mode: Mode::Enforce,
        action: Action::Log,
        cause: None,
        listener: "egress".into(),
        application: None,
        direction: Direction::Request,
        method: "POST",
        path: "/v1/people".into(),
        exporter: party(),
        importer: party(),
        content: Content::default(),
        found: Vec::new(),
        reasons: Vec::new(),
        mechanisms: Vec::new(),
        warnings: Vec::new(),
        passes_if: Vec::new(),
        routes: Vec::new(),
        unanswered: Vec::new(),
        counters: Vec::new(),
        facts: Default::default(),
        lists: Vec::new(),
        held: None,
        rules: "sha256:0".into(),
    }
}

const NOON: &str = "2026-11-24T12:00:00Z";

fn lines(directory: &Path, day: &str) -> Vec<String> {
    let text = fs::read_to_string(directory.join(format!("audit-{day}.jsonl"))).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn log(directory: &Path, times: &[&str]) -> Vec<String> {
    let audit = Audit::open(directory).unwrap();
    let decisions: Vec<_> = times.iter().map(|time| decision(time)).collect();
    decisions.iter().for_each(|decision| audit.append(decision).unwrap());
    decisions.iter().map(|decision| decision.id.to_string()).collect()
}

#[test]
fn records_are_the_decisions_with_a_chain_over_files_and_restarts() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path().join("audit");
    log(&at, &["2026-11-24T23:59:59.999Z", "2026-11-25T00:00:00Z"]);
    // A record of the day before goes on in the file that is open, after a restart too.
    log(&at, &["2026-11-24T23:59:59Z", "2026-11-25T00:00:01Z"]);
    assert_eq!((lines(&at, "2026-11-24").len(), lines(&at, "2026-11-25").len()), (1, 3));
    let found = verify(&at).unwrap();
    assert!(found.holds() && !found.continues, "{found:?}");
    assert_eq!((found.files, found.records, found.torn), (2, 4, 0));
    let record: serde_json::Value = serde_json::from_str(&lines(&at, "2026-11-24")[0]).unwrap();
    assert_eq!((&record["action"], record["chain"].as_str().unwrap().len()), (&"log".into(), CHAIN));
    let mode = fs::metadata(at.join("audit-2026-11-24.jsonl")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_changed_removed_or_moved_record_breaks_the_chain() {
    let directory = tempfile::tempdir().unwrap();
    log(directory.path(), &[NOON; 5]);
    let path = directory.path().join("audit-2026-11-24.jsonl");
    let whole = lines(directory.path(), "2026-11-24");
    let broken_at = |lines: Vec<String>| {
        fs::write(&path, lines.join("\n") + "\n").unwrap();
        verify(directory.path()).unwrap().breaks.iter().map(|found| found.line).collect::<Vec<_>>()
    };
    assert_eq!(broken_at(whole.clone()), [0u64; 0]);
    let mut changed = whole.clone();
    changed[1] = changed[1].replace("\"log\"", "\"permit\"");
    assert_eq!(broken_at(changed), [2]);
    let mut removed = whole.clone();
    removed.remove(2);
    assert_eq!(broken_at(removed), [3]);
    let mut moved = whole.clone();
    moved.swap(1, 2);
    assert_eq!(broken_at(moved), [2, 3, 4]);
    assert_eq!(broken_at(whole[1..].to_vec()), [0u64; 0]);
    assert!(verify(directory.path()).unwrap().continues);
}

#[test]
fn a_line_cut_short_is_closed_and_the_chain_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    log(directory.path(), &[NOON, NOON]);
    let path = directory.path().join("audit-2026-11-24.jsonl");
    let whole = fs::read(&path).unwrap();
    fs::write(&path, [&whole[..], b"{\"id\":\"0198"].concat()).unwrap();
    log(directory.path(), &[NOON]);
    let found = verify(directory.path()).unwrap();
    assert!(found.holds());
    assert_eq!((found.records, found.torn, lines(directory.path(), "2026-11-24").len()), (3, 1, 4));
}

#[test]
fn the_latest_are_kept_and_older_ones_are_found_in_the_files() {
    let directory = tempfile::tempdir().unwrap();
    let old = log(directory.path(), &["2026-11-20T08:00:00Z"]);
    let ids = log(directory.path(), &[NOON; 1_100]);
    let audit = Audit::open(directory.path()).unwrap();
    assert!(audit.recent(1)[0].contains(&ids[1_099]));
    assert_eq!(audit.recent(5_000).len(), RECENT);
    for id in [&ids[1_099], &ids[0], &old[0]] {
        assert!(audit.find(id).unwrap().contains(id.as_str()));
    }
    assert_eq!(audit.find("0198c2"), None);
    assert_eq!(audit.find(&Uuid::now_v7().to_string()), None);
    audit.append(&decision(NOON)).unwrap();
    assert_eq!(audit.recent(5_000).len(), RECENT);
}

#[test]
fn what_is_no_decision_is_in_the_chain_and_in_no_list_of_decisions() {
    #[derive(Serialize)]
    struct Event {
        id: &'static str,
        time: &'static str,
        event: &'static str,
    }
    let directory = tempfile::tempdir().unwrap();
    let audit = Audit::open(directory.path()).unwrap();
    audit.append(&decision(NOON)).unwrap();
    let event = Event { id: "0", time: NOON, event: "ledger-import" };
    audit.note(&event, NOON.parse().unwrap()).unwrap();
    assert_eq!(audit.recent(10).len(), 1);
    drop(audit);
    assert_eq!(Audit::open(directory.path()).unwrap().recent(10).len(), 1);
    assert_eq!(lines(directory.path(), "2026-11-24").len(), 2);
    let mut read = Vec::new();
    for file in record::files(directory.path()).unwrap() {
        record::read(&file, |record, _| {
            read.push(record.is_some());
            true
        })
        .unwrap();
    }
    assert_eq!(read, [true]);
    assert_eq!(verify(directory.path()).unwrap().breaks, []);
}

#[test]
fn one_process_at_a_time() {
    let directory = tempfile::tempdir().unwrap();
    let audit = Audit::open(directory.path()).unwrap();
    audit.append(&decision(NOON)).unwrap();
    assert_eq!(Audit::open(directory.path()).unwrap_err().kind(), io::ErrorKind::ResourceBusy);
    drop(audit);
    Audit::open(directory.path()).unwrap();
}

#[test]
fn a_directory_that_vanishes_is_an_error_until_it_is_back() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path().join("audit");
    let audit = Audit::open(&at).unwrap();
    audit.append(&decision(NOON)).unwrap();
    fs::remove_dir_all(&at).unwrap();
    assert_eq!(audit.append(&decision(NOON)).unwrap_err().kind(), io::ErrorKind::NotFound);
    fs::create_dir(&at).unwrap();
    audit.append(&decision(NOON)).unwrap();
    let found = verify(&at).unwrap();
    assert!(found.holds() && found.continues);
    assert_eq!(audit.recent(10).len(), 2);
}

/// The process that [`a_full_disk_leaves_no_partial_line`] starts: its files may have 4,096 bytes or 8,192, whatever a
/// block of `ulimit` is.
#[test]
fn process_whose_files_may_not_grow() {
    let Some(directory) = std::env::var_os("TIDEGATE_TEST_FULL_DISK").map(PathBuf::from) else { return };
    let audit = Audit::open(&directory).unwrap();
    let mut written = 0;
    while audit.append(&decision(NOON)).is_ok() {
        written += 1;
    }
    let mut large = decision(NOON);
    large.rules = "x".repeat(9_000).into();
    let error = audit.append(&large).unwrap_err();
    assert!(matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::FileTooLarge), "{error}");
    // Space is back as soon as the next day begins with an empty file.
    audit.append(&decision("2026-11-25T00:00:00Z")).unwrap();
    assert_eq!(audit.recent(100).len(), written + 1);
}

#[test]
fn a_full_disk_leaves_no_partial_line() {
    let directory = tempfile::tempdir().unwrap();
    // A shell is what can lower the limit and keep the signal from ending the process.
    let child = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$0\" --exact audit::tests::process_whose_files_may_not_grow"])
        .arg(std::env::current_exe().unwrap())
        .env("TIDEGATE_TEST_FULL_DISK", directory.path())
        .output()
        .unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
    let full = lines(directory.path(), "2026-11-24");
    assert!(full.len() > 3 && full.iter().all(|line| chain_of(line).is_some()));
    let found = verify(directory.path()).unwrap();
    assert!(found.holds() && found.torn == 0);
    assert_eq!(found.records, full.len() as u64 + 1);
    let size = fs::metadata(directory.path().join("audit-2026-11-24.jsonl")).unwrap().len();
    assert_eq!(size, full.iter().map(|line| line.len() as u64 + 1).sum::<u64>());
}

#[test]
fn writers_do_not_mix_their_lines() {
    let directory = tempfile::tempdir().unwrap();
    let audit = Arc::new(Audit::open(directory.path()).unwrap());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..100).for_each(|_| audit.append(&decision(NOON)).unwrap()));
        }
    });
    let found = verify(directory.path()).unwrap();
    assert_eq!((found.holds(), found.records), (true, 400));
}
