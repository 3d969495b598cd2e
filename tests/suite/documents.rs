//! What the README says is there is there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::harness::{Setup, run, tidegate};

fn project() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn readme() -> String {
    fs::read_to_string(project().join("README.md")).unwrap()
}

/// The fenced blocks of a kind.
fn blocks(text: &str, kind: &str) -> Vec<String> {
    let fence = format!("```{kind}\n");
    text.split(&fence).skip(1).filter_map(|rest| rest.split("\n```").next()).map(str::to_owned).collect()
}

#[test]
fn every_command_in_the_readme_exists() {
    let text = readme();
    let mut commands = BTreeSet::new();
    for block in blocks(&text, "sh") {
        for line in block.lines() {
            for piece in line.split(['|', ';', '&']) {
                let words: Vec<&str> = piece.split_whitespace().collect();
                match words.as_slice() {
                    ["tidegate" | "target/release/tidegate", command, ..] => {
                        commands.insert((*command).to_owned());
                    }
                    ["cargo", "run", "--release", "--", command, ..] => {
                        commands.insert((*command).to_owned());
                    }
                    [file, ..]
                        if file.starts_with("tests/") || file.starts_with("benches/") || file.starts_with(".ci/") =>
                    {
                        assert!(project().join(file).is_file(), "{file}");
                    }
                    _ => {}
                }
            }
        }
    }
    assert!(commands.len() >= 5, "{commands:?}");
    let directory = tempfile::tempdir().unwrap();
    for command in commands.iter().filter(|command| !command.starts_with('-')) {
        let output = tidegate(&[command, "--help"], directory.path(), b"");
        assert_eq!(output.code, 0, "tidegate {command}: {output:?}");
    }
}

#[test]
fn every_link_in_the_readme_leads_somewhere() {
    for target in readme().split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
        if target.starts_with("http") || target.starts_with('#') {
            continue;
        }
        let path = target.split('#').next().unwrap();
        assert!(project().join(path).exists(), "the README links to {path}");
    }
}

#[test]
fn the_configuration_in_the_readme_is_sound() {
    for block in blocks(&readme(), "toml") {
        if !block.contains("[[listener]]") {
            continue;
        }
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("tidegate.toml"), &block).unwrap();
        let output = tidegate(&["check"], directory.path(), b"");
        assert_eq!(output.code, 0, "{block}\n{output:?}");
    }
}

#[test]
fn the_pack_in_the_readme_works() {
    let packs: Vec<String> =
        blocks(&readme(), "toml").into_iter().filter(|block| block.contains("[[rule]]")).collect();
    assert!(!packs.is_empty());
    for pack in packs {
        let id = pack.lines().find_map(|line| line.strip_prefix("id = \"")?.strip_suffix('"')).unwrap();
        let setup = Setup::new().rules(&[("readme.toml", &pack)]).packs(&format!("enabled = [\"{id}\"]"));
        let file = setup.write().display().to_string();
        let output = tidegate(&["check", "--config", &file], setup.directory(), b"");
        assert_eq!(output.code, 0, "{pack}\n{output:?}");
    }
}

#[test]
fn scripts_can_be_read_and_executed() {
    for script in ["tests/run", ".ci/run", "benches/run", "benches/detect/run"] {
        let file: &Path = &project().join(script);
        let name = file.display().to_string();
        let python = "import sys; compile(open(sys.argv[1]).read(), sys.argv[1], 'exec')";
        match fs::read_to_string(file).unwrap().lines().next().unwrap() {
            "#!/usr/bin/env bash" => run("/bin/bash", &["-n", &name], &project(), b"").success(),
            "#!/usr/bin/env python3" => run("/usr/bin/python3", &["-c", python, &name], &project(), b"").success(),
            other => panic!("{script} starts with {other}"),
        };
        use std::os::unix::fs::PermissionsExt;
        assert_ne!(fs::metadata(file).unwrap().permissions().mode() & 0o100, 0, "{script} can be executed");
    }
}
