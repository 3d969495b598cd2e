//! `tidegate scan` on what people have: many small files, one large one, things that are no files.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use serde_json::Value;

use crate::harness::{run, tidegate};

#[test]
fn many_small_files_are_reported_in_order_with_sums_that_fit() {
    let directory = tempfile::tempdir().unwrap();
    for n in 0..3000u32 {
        let below = directory.path().join(format!("d{}", n % 10));
        fs::create_dir_all(&below).unwrap();
        let mail = if n.is_multiple_of(100) {
            format!(r#"{{"email":"p{}@mail.example.com"}}"#, n % 1000)
        } else {
            "{}".into()
        };
        fs::write(below.join(format!("{n:05}.json")), mail).unwrap();
    }
    let output = tidegate(&["scan", "--json", "."], directory.path(), b"").success();
    let lines: Vec<Value> = output.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let names: Vec<&str> = lines.iter().map(|line| line["file"].as_str().unwrap()).collect();
    assert_eq!(names.len(), 3000);
    assert!(names.is_sorted(), "in the order of names");
    let summary = tidegate(&["scan", "--threads", "3", "."], directory.path(), b"").success();
    for part in [
        "3000 files, ",
        "2970 files in which nothing was found, not listed",
        "personal.contact.email         30         10       30",
        "10 people",
    ] {
        assert!(summary.contains(part), "{part}: {summary}");
    }
    assert_eq!(summary.matches(".json: json, ").count(), 30, "{summary}");
    assert_eq!(summary, tidegate(&["scan", "--threads", "1", "."], directory.path(), b"").success());
}

#[test]
fn what_is_no_file_is_told_in_words_and_the_rest_is_scanned() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    fs::create_dir(at.join("d")).unwrap();
    fs::write(at.join("d/a.txt"), "ann@mail.example.com").unwrap();
    symlink(at.join("d"), at.join("d/loop")).unwrap();
    symlink("self", at.join("self")).unwrap();
    run("mkfifo", &["d/pipe"], at, b"").success();
    let summary = tidegate(&["scan", "d"], at, b"").success();
    for part in ["1 link not followed", "1 special file passed over: pipes, sockets, devices", "1 person"] {
        assert!(summary.contains(part), "{part}: {summary}");
    }
    for (path, says) in [
        ("self", "self: Too many levels of symbolic links"),
        ("/dev/zero", "/dev/zero: is a device, not a file"),
        ("nothing", "nothing: No such file"),
    ] {
        let output = tidegate(&["scan", path, "d"], at, b"");
        assert!(output.code == 2 && output.stderr.contains(says), "{path}: {output:?}");
        assert!(output.stdout.contains("personal.contact.email"), "{path}: {output:?}");
        assert!(output.stderr.contains("1 file could not be read"), "{path}: {output:?}");
    }
    let piped = run(
        "sh",
        &["-c", "cat d/a.txt > d/pipe & exec \"$0\" scan --json d/pipe", env!("CARGO_BIN_EXE_tidegate")],
        at,
        b"",
    );
    assert!(piped.success().contains("personal.contact.email"));
    let standard = tidegate(&["scan", "--json", "-"], at, b"ann@mail.example.com").success();
    assert!(standard.contains("\"file\":\"-\"") && standard.contains("personal.contact.email"));
    // A reader that may read everything sees no such error.
    fs::set_permissions(at.join("d/a.txt"), fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read(at.join("d/a.txt")).is_err() {
        let output = tidegate(&["scan", "d"], at, b"");
        assert!(output.code == 2 && output.stderr.contains("d/a.txt: Permission denied"), "{output:?}");
    }
}

#[test]
fn memory_does_not_grow_with_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let line = "2026-11-24T03:04:05Z INFO request served in 12 ms by node-17, ann@mail.example.com wrote\n";
    let peak = |lines: usize| -> u64 {
        fs::write(at.join("a.log"), line.repeat(lines)).unwrap();
        let output = run("python3", &["-c", PEAK, env!("CARGO_BIN_EXE_tidegate"), "a.log"], at, b"").success();
        output.trim().parse().unwrap()
    };
    // A bound on what is listed is reached in both.
    let (small, large) = (peak(250_000), peak(1_500_000));
    assert!(large < small + small / 4, "{small} KiB for 22 MB, {large} KiB for 130 MB");
}

/// Runs a scan and prints the most memory it had, in KiB.
const PEAK: &str = "
import resource, subprocess, sys
subprocess.run([sys.argv[1], 'scan', '--json', sys.argv[2]], stdout=subprocess.DEVNULL, check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
";
