//! Configuration as people write it: defaults, mistakes and where they are, what a reload changes.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::*;
use crate::transfer::Mode;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    text: String,
    says: Vec<String>,
}

/// A directory with the files configurations name.
fn directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in [("secret", "s3cret\n"), ("empty", "\n"), ("cert.pem", "x")] {
        std::fs::write(directory.path().join(name), text).unwrap();
    }
    directory
}

fn write(directory: &Path, text: &str) -> Origin {
    let file = directory.join("tidegate.toml");
    std::fs::write(&file, text).unwrap();
    Origin::new(Some(file), None)
}

fn load(text: &str) -> Result<Snapshot, Vec<Diagnostic>> {
    let directory = directory();
    Snapshot::load(&write(directory.path(), text))
}

fn sound(text: &str) -> Snapshot {
    load(text).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

/// `line:column message | help`, as the cases write it.
fn matches(problem: &Diagnostic, said: &str) -> bool {
    let (message, help) = said.split_once(" | ").unwrap_or((said, ""));
    format!("{}:{} {}", problem.line, problem.column, problem.message).starts_with(message)
        && problem.help.as_deref().unwrap_or("").starts_with(help)
}

#[test]
fn every_mistake_is_named_at_its_place() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/config/mistakes.toml");
    let cases: Cases = toml::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let mut wrong = String::new();
    for case in cases.case {
        let problems = load(&case.text).err().unwrap_or_default();
        let right = problems.len() == case.says.len()
            && problems.iter().zip(&case.says).all(|(problem, said)| matches(problem, said));
        if !right {
            let found: String = problems.iter().map(|problem| format!("{problem}\n")).collect();
            wrong.push_str(&format!("{}\nexpected {:#?}\nfound\n{found}\n", case.name, case.says));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn without_a_file_there_is_an_intercepting_proxy_and_no_law() {
    let snapshot = Snapshot::load(&Origin::default()).unwrap();
    let settings = &snapshot.settings;
    let [door] = settings.listeners.as_slice() else { panic!("one listener") };
    assert_eq!((door.address.to_string().as_str(), door.intercept), ("127.0.0.1:3128", true));
    assert_eq!(settings.admin.address.to_string(), "127.0.0.1:9180");
    assert_eq!(settings.state, PathBuf::from("tidegate-state"));
    assert_eq!((settings.mode, settings.limits.hold), (Mode::Enforce, 1 << 20));
    assert_eq!(snapshot.enabled.enforce.iter().map(|id| &**id).collect::<Vec<_>>(), ["organisation"]);
    assert!(snapshot.warnings.iter().any(|warning| warning.message.contains("no law pack is on")));
}

#[test]
fn the_law_of_every_country_we_are_in_is_on() {
    let enforced = |snapshot: &Snapshot| snapshot.enabled.enforce.iter().map(|id| id.to_string()).collect::<Vec<_>>();
    let from = Origin::new(None, Some(Country::parse("CN").unwrap()));
    assert!(enforced(&Snapshot::load(&from).unwrap()).contains(&"cn".to_owned()));
    let both = sound(
        "[exporter]\ncountry = \"CN\"\n[[application]]\nname = \"a\"\nclient = \"10.0.0.0/8\"\ncountry = \"FR\"",
    );
    assert!(enforced(&both).contains(&"cn".to_owned()) && enforced(&both).contains(&"eu".to_owned()));
    let observed = sound("[exporter]\ncountry = \"CN\"\n[packs]\nobserve = [\"cn\"]");
    assert!(!enforced(&observed).contains(&"cn".to_owned()));
    assert_eq!(&*observed.enabled.observe[0], "cn");
}

#[test]
fn the_example_is_sound() {
    let directory = directory();
    let files = ["partners.pem", "partners.key", "analytics.password", "admin.token", "extra-roots.pem"];
    for file in files {
        std::fs::write(directory.path().join(file), "x").unwrap();
    }
    let list = "Organization,Domains\nPartner Pte Ltd,*.partner.example\n";
    std::fs::write(directory.path().join("dpf-participants.csv"), list).unwrap();
    let text = include_str!("../../docs/tidegate.example.toml");
    // Address data is binary and has its own tests.
    let text: String = text
        .lines()
        .filter(|line| !line.starts_with("addresses") && !line.starts_with("ranges"))
        .fold(String::new(), |mut text, line| {
            text.push_str(line);
            text.push('\n');
            text
        });
    let snapshot = Snapshot::load(&write(directory.path(), &text)).unwrap_or_else(|problems| panic!("{problems:#?}"));
    assert_eq!(snapshot.settings.listeners.len(), 3);
    assert_eq!(snapshot.settings.applications[1].credentials.as_ref().unwrap().password, "x");
    assert_eq!(snapshot.mechanisms[0].extra["module"], "1");
    assert_eq!(snapshot.settings.audit_directory, directory.path().join("tidegate-state/audit"));
}

#[test]
fn every_key_is_documented() {
    let (example, reference) =
        (include_str!("../../docs/tidegate.example.toml"), include_str!("../../docs/configuration.md"));
    let keys = example.lines().map(|line| line.trim_start_matches("# ")).filter_map(|line| line.split_once(" = "));
    for key in keys.map(|(key, _)| key).filter(|key| key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')) {
        let named = reference.contains(&format!("`{key}`")) || reference.contains(&format!(".{key}`"));
        assert!(named, "`{key}` is not in docs/configuration.md");
    }
}

#[test]
fn mechanisms_that_end_and_idle_answers_are_warned_of() {
    let snapshot = sound(
        "[exporter]\ncountry = \"CN\"\n[[importer]]\nhost = \"a.example\"\nfacts = { importer-status = \"dpf\" }\n\
         [[mechanism]]\nid = \"old\"\nkind = \"standard-contract\"\nuntil = 2024-01-01",
    );
    let said: Vec<&str> = snapshot.warnings.iter().map(|warning| &*warning.message).collect();
    assert!(said.iter().any(|text| text.contains("mechanism `old` ended on 2024-01-01")), "{said:?}");
    assert!(said.contains(&"fact `importer-status` is asked by no pack that is on"), "{said:?}");
    assert!(snapshot.unanswered().iter().any(|question| &*question.fact == "critical-infrastructure"));
}

#[test]
fn a_reload_applies_what_it_can_and_names_the_rest() {
    let directory = directory();
    let live = Live::start(write(directory.path(), "state = \"a\"\n[exporter]\ncountry = \"CN\"")).unwrap();
    write(directory.path(), "state = \"b\"\n[exporter]\ncountry = \"CN\"\n[limits]\nhold = \"2 MiB\"");
    let reloaded = live.reload().unwrap();
    assert_eq!(reloaded.changed, ["limits"]);
    assert_eq!(reloaded.restart, ["state directory", "audit directory", "interception CA"]);
    assert_eq!(live.now().settings.limits.hold, 2 << 20);
    assert_eq!(live.now().settings.state, directory.path().join("a"));
    write(directory.path(), "mode = \"enforced\"");
    assert!(live.reload().is_err());
    assert_eq!(live.now().settings.limits.hold, 2 << 20);
}

#[test]
fn a_rules_directory_replaces_what_it_has() {
    let directory = directory();
    let rules = directory.path().join("rules");
    std::fs::create_dir_all(rules.join("laws")).unwrap();
    let law = crate::policy::BUILTIN_LAWS.iter().find(|(name, _)| *name == "laws/cn.toml").unwrap().1;
    std::fs::write(rules.join("laws/cn.toml"), law).unwrap();
    let snapshot = Snapshot::load(&write(directory.path(), "rules = \"rules\"")).unwrap();
    let ids: Vec<&str> = snapshot.packs.iter().map(|pack| &*pack.id).collect();
    assert_eq!(ids, ["cn", "organisation"]);
    assert!(!snapshot.detectors.is_empty() && snapshot.rules.scenarios.len() == 1, "those of the pack of the build");
    std::fs::write(rules.join("categories.toml"), "[category]\n").unwrap();
    let problems = Live::start(Origin::new(Some(directory.path().join("tidegate.toml")), None)).unwrap_err();
    assert!(problems[0].message.contains("differs from the table of this build"));
}

#[tokio::test]
async fn a_changed_file_is_noticed() {
    let directory = directory();
    let live = Live::start(write(directory.path(), "[exporter]\nname = \"a\"")).unwrap();
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let watching = live.clone().watch(std::time::Duration::from_millis(20), move |outcome| {
        let _ = tell.send(outcome.is_ok());
    });
    let watching = tokio::spawn(watching);
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    write(directory.path(), "[exporter]\nname = \"b\"");
    assert_eq!(told.recv().await, Some(true));
    assert_eq!(live.now().settings.exporter.name.as_deref(), Some("b"));
    watching.abort();
}
