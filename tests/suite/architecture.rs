//! The shape of the source: who may use whom, how long files and functions may grow, what stands at the top.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Module -> modules it may use. Dependencies run down the journey; the vocabulary stands at the bottom.
const EDGES: &[(&str, &[&str])] = &[
    ("transfer", &["diagnostic"]),
    ("diagnostic", &[]),
    ("place", &["transfer", "diagnostic"]),
    ("decode", &["transfer"]),
    ("detect", &["transfer", "diagnostic"]),
    ("policy", &["transfer", "diagnostic"]),
    ("ledger", &["transfer"]),
    ("audit", &["transfer"]),
    ("metrics", &["transfer"]),
    ("config", &["transfer", "diagnostic", "place", "decode", "detect", "policy", "ledger"]),
    ("gate", &["transfer", "decode", "detect", "policy", "ledger", "audit", "metrics", "config"]),
    ("proxy", &["transfer", "gate", "place", "config", "metrics"]),
    ("admin", &["transfer", "diagnostic", "gate", "config", "ledger", "audit", "metrics", "policy"]),
    (
        "cli",
        &[
            "transfer",
            "diagnostic",
            "place",
            "decode",
            "detect",
            "policy",
            "ledger",
            "audit",
            "metrics",
            "config",
            "gate",
            "proxy",
            "admin",
        ],
    ),
];

/// What may stand at the top of the repository.
const TOP: &[&str] = &[
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "benches",
    "build.rs",
    "clippy.toml",
    "dashboards",
    "docs",
    "rules",
    "rustfmt.toml",
    "src",
    "tests",
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// Every Rust file of `src` with its path below it and its text.
fn code() -> Vec<(String, String)> {
    let src = root().join("src");
    let name = |path: &Path| path.strip_prefix(&src).unwrap().to_string_lossy().into_owned();
    sources(&src).iter().map(|path| (name(path), fs::read_to_string(path).unwrap())).collect()
}

fn module_of(file: &str) -> &str {
    file.split('/').next().unwrap().trim_end_matches(".rs")
}

/// The modules a text names after `crate::`.
fn uses(text: &str) -> BTreeSet<String> {
    let word = |rest: &str| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    text.split("crate::").skip(1).map(word).filter(|name| !name.is_empty()).collect()
}

#[test]
fn modules_use_only_what_stands_below_them() {
    let allowed: BTreeMap<&str, &[&str]> = EDGES.iter().copied().collect();
    let mut wrong = Vec::new();
    for (file, text) in code() {
        let module = module_of(&file);
        if matches!(module, "lib" | "main") {
            continue;
        }
        let may = allowed.get(module).unwrap_or_else(|| panic!("module `{module}` is not in the list of edges"));
        for used in uses(&text) {
            if allowed.contains_key(used.as_str()) && used != module && !may.contains(&used.as_str()) {
                wrong.push(format!("{file} uses {used}"));
            }
        }
    }
    assert!(wrong.is_empty(), "edges that are not allowed:\n{}", wrong.join("\n"));
}

#[test]
fn only_the_proxy_knows_the_framework() {
    let knowing: Vec<String> = code()
        .into_iter()
        .filter(|(file, text)| module_of(file) != "proxy" && text.contains("pingora::"))
        .map(|(file, _)| file)
        .collect();
    assert!(knowing.is_empty(), "{knowing:?}");
}

#[test]
fn only_one_place_builds_a_peer_and_only_the_gate_clears() {
    let with = |needle: &str| -> Vec<String> {
        let product = code().into_iter().filter(|(file, _)| !file.ends_with("tests.rs"));
        product.filter(|(_, text)| text.contains(needle)).map(|(file, _)| file).collect()
    };
    assert_eq!(with("HttpPeer::new"), ["proxy/peer.rs"]);
    assert_eq!(with("TcpStream::connect("), ["proxy/peer.rs"]);
    assert_eq!(with("Clearance::grant("), ["gate/mod.rs"]);
}

#[test]
fn policy_is_pure() {
    for (file, text) in code().into_iter().filter(|(file, _)| module_of(file) == "policy") {
        for impure in ["std::fs", "std::net", "tokio", "SystemTime", "Instant::now", "Timestamp::now", "async "] {
            assert!(!text.contains(impure), "{file} names `{impure}`");
        }
    }
}

#[test]
fn files_stay_short_and_say_what_they_are() {
    for (file, text) in code() {
        assert!(text.lines().count() <= 600, "{file} has {} lines", text.lines().count());
        assert!(text.starts_with("//!"), "{file} does not begin with //!");
    }
}

#[test]
fn the_top_of_the_repository_is_what_it_should_be() {
    let mut names: Vec<String> = fs::read_dir(root())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| !name.starts_with('.') && name != "target" && name != "tidegate-state")
        .collect();
    names.sort();
    let surprising: Vec<&String> = names.iter().filter(|name| !TOP.contains(&name.as_str())).collect();
    assert!(surprising.is_empty(), "{surprising:?}");
}
