//! Packs and scenarios under the commands that prove them: every kind of mistake is named with its place, in words and
//! in JSON, and the packs of the build have none.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::harness::{Output, tidegate};

/// A sound pack and its scenarios, to which one mistake is added.
const PACK: &str = r#"id = "own"
title = "Own"
kind = "organisation"
updated = 2026-11-24

[source.policy]
title = "Policy"

[fact.audited]
type = "bool"
default = false
about = "importer"
ask = "Audited?"

[class.plain]
categories = ["personal"]

[counter.plain]
class = "plain"
window = "calendar-year"
per = "exporter"

[need.contract]
title = "a contract"

[[rule]]
id = "volume"
cite = "policy 1"
when.fact.audited = false
when.counter.plain = { at_least = 10 }
needs = ["contract"]
otherwise = "block"
why = "Many people."
"#;

const SCENARIOS: &str = r#"[[scenario]]
id = "ten"
pack = "own"
date = 2026-11-24
exporter = "DE"
importer = "US"
people = { plain = 10 }
expect = "needs"
rules = ["volume"]

[[scenario]]
id = "nine"
pack = "own"
date = 2026-11-24
exporter = "DE"
importer = "US"
people = { plain = 9 }
expect = "permit"
silent = ["volume"]
"#;

struct Remark {
    what: &'static str,
    severity: &'static str,
    /// Added at the end of the pack, or of the scenarios.
    pack: &'static str,
    scenarios: &'static str,
    /// Words of the line it stands in.
    at: &'static str,
    says: &'static str,
    docs: &'static str,
}

const PLAIN: Remark =
    Remark { what: "", severity: "error", pack: "", scenarios: "", at: "", says: "", docs: "docs/rules.md#rule" };

const REMARKS: &[Remark] = &[
    Remark {
        what: "a rule that can never fire",
        pack: "[[rule]]\nid = \"dead\"\ncite = \"policy 2\"\nwhen.fact.audited = true\nunless.fact.audited = true\naction = \"log\"\nwhy = \"W\"",
        at: "id = \"dead\"",
        says: "this rule can never fire: no answer to fact `audited`",
        ..PLAIN
    },
    Remark {
        what: "a rule that another makes idle",
        severity: "warning",
        pack: "[[rule]]\nid = \"idle\"\ncite = \"policy 2\"\nwhen.fact.audited = false\nwhen.counter.plain = { more_than = 20 }\nneeds = [\"contract\"]\notherwise = \"block\"\nwhy = \"W\"",
        scenarios: "[[scenario]]\nid = \"many\"\npack = \"own\"\ndate = 2026-11-24\nexporter = \"DE\"\nimporter = \"US\"\npeople = { plain = 21 }\nexpect = \"needs\"",
        at: "id = \"idle\"",
        says: "rule `idle` changes nothing: whenever it fires, `volume` does",
        ..PLAIN
    },
    Remark {
        what: "contradictory bounds",
        pack: "[[rule]]\nid = \"none\"\ncite = \"policy 2\"\nwhen.counter.plain = { at_least = 10, less_than = 10 }\naction = \"log\"\nwhy = \"W\"",
        at: "less_than = 10 }",
        says: "no number is within the bounds of `plain`",
        docs: "docs/rules.md#conditions",
        ..PLAIN
    },
    Remark {
        what: "an unknown category",
        pack: "[[rule]]\nid = \"x\"\ncite = \"policy 2\"\nwhen.data = [\"secret.kee\"]\naction = \"log\"\nwhy = \"W\"",
        at: "secret.kee",
        says: "unknown category `secret.kee`",
        docs: "docs/rules.md#conditions",
        ..PLAIN
    },
    Remark {
        what: "an unknown country",
        pack: "[[rule]]\nid = \"x\"\ncite = \"policy 2\"\nwhen.importer = [\"UK\"]\naction = \"log\"\nwhy = \"W\"",
        at: "[\"UK\"]",
        says: "unknown country `UK`",
        docs: "docs/rules.md#conditions",
        ..PLAIN
    },
    Remark {
        what: "an unknown fact",
        pack: "[[rule]]\nid = \"x\"\ncite = \"policy 2\"\nwhen.fact.audit = true\naction = \"log\"\nwhy = \"W\"",
        at: "when.fact.audit = true",
        says: "unknown fact `audit`",
        docs: "docs/rules.md#conditions",
        ..PLAIN
    },
    Remark {
        what: "an unknown need",
        pack: "[[rule]]\nid = \"x\"\ncite = \"policy 2\"\nneeds = [\"contrac\"]\notherwise = \"block\"\nwhy = \"W\"",
        at: "[\"contrac\"]",
        says: "unknown need `contrac`",
        ..PLAIN
    },
    Remark {
        what: "a source that is never cited",
        pack: "[source.other]\ntitle = \"Other\"",
        at: "[source.other]",
        says: "source `other` is never cited",
        docs: "docs/rules.md#sourcename",
        ..PLAIN
    },
    Remark {
        what: "a citation of an unknown source",
        pack: "[[rule]]\nid = \"x\"\ncite = \"polcy 2\"\naction = \"log\"\nwhy = \"W\"",
        at: "polcy 2",
        says: "unknown source `polcy`",
        ..PLAIN
    },
    Remark {
        what: "a scenario without its pack",
        scenarios: "[[scenario]]\nid = \"x\"\npack = \"onw\"\ndate = 2026-11-24\nexporter = \"DE\"\nimporter = \"US\"\nexpect = \"permit\"",
        at: "pack = \"onw\"",
        says: "unknown pack `onw`",
        docs: "docs/rules.md#scenarios",
        ..PLAIN
    },
    Remark {
        what: "a scenario about a rule that is not there",
        scenarios: "[[scenario]]\nid = \"x\"\npack = \"own\"\ndate = 2026-11-24\nexporter = \"DE\"\nimporter = \"US\"\nexpect = \"permit\"\nsilent = [\"volum\"]",
        at: "silent = [\"volum\"]",
        says: "unknown rule `volum`",
        docs: "docs/rules.md#scenarios",
        ..PLAIN
    },
    Remark {
        what: "a rule without a scenario",
        severity: "warning",
        pack: "[[rule]]\nid = \"new\"\ncite = \"policy 2\"\nwhen.fact.audited = true\naction = \"log\"\nwhy = \"W\"",
        at: "id = \"new\"",
        says: "no scenario makes new of pack `own` speak",
        docs: "docs/rules.md#scenarios",
        ..PLAIN
    },
];

/// A directory with a configuration whose rules are one pack and its scenarios.
fn rules(pack: &str, scenarios: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir_all(directory.path().join("rules/tests")).unwrap();
    fs::write(directory.path().join("rules/own.toml"), pack).unwrap();
    fs::write(directory.path().join("rules/tests/own.toml"), scenarios).unwrap();
    fs::write(directory.path().join("tidegate.toml"), "rules = \"rules\"\n").unwrap();
    directory
}

fn json(arguments: &[&str], directory: &Path) -> (Value, i32) {
    let output: Output = tidegate(arguments, directory, b"");
    let value = serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    (value, output.code)
}

/// Remarks about the rules: others are about what this machine has.
fn about_rules(answer: &Value) -> Vec<&Value> {
    let remarks = ["errors", "warnings"].into_iter().flat_map(|kind| answer[kind].as_array().unwrap());
    remarks.filter(|remark| remark["file"].as_str().unwrap().contains("rules/")).collect()
}

#[test]
fn check_names_each_mistake_of_a_pack_and_of_its_scenarios() {
    for remark in REMARKS {
        let (pack, scenarios) =
            (format!("{PACK}\n{}\n", remark.pack), format!("{SCENARIOS}\n{}\n", remark.scenarios));
        let directory = rules(&pack, &scenarios);
        let (answer, code) = json(&["check", "--json"], directory.path());
        let found = about_rules(&answer);
        let said = found.iter().find(|one| one["message"].as_str().unwrap().contains(remark.says));
        let said = said.unwrap_or_else(|| panic!("{}: {answer}", remark.what));
        let text = if remark.pack.is_empty() { &scenarios } else { &pack };
        let line = text.lines().position(|line| line.contains(remark.at)).unwrap() + 1;
        assert_eq!(
            (said["line"].as_u64(), &said["severity"]),
            (Some(line as u64), &remark.severity.into()),
            "{said}"
        );
        assert_eq!(said["docs"], remark.docs, "{said}");
        assert_eq!(code, i32::from(remark.severity == "error"), "{}", remark.what);
        let human = tidegate(&["check"], directory.path(), b"").stdout;
        assert!(human.contains(&format!(":{line}:")) && human.contains("^\n"), "{human}");
        assert!(human.contains(&format!("see {}", remark.docs)), "{human}");
    }
}

#[test]
fn a_sound_pack_has_nothing_to_remark_on_and_full_coverage() {
    let directory = rules(PACK, SCENARIOS);
    let (answer, code) = json(&["check", "--json"], directory.path());
    assert_eq!((code, about_rules(&answer).len()), (0, 0), "{answer}");
    let (answer, code) = json(&["test", "--json"], directory.path());
    let own = answer["coverage"].as_array().unwrap().iter().find(|pack| pack["pack"] == "own").unwrap();
    assert_eq!((code, own["rules"].as_u64(), own["fired"].as_u64()), (0, Some(1), Some(1)), "{answer}");
    assert_eq!((own["never_fired"].as_array().unwrap().len(), own["never_silent"].as_array().unwrap().len()), (0, 0));
    let ten = answer["scenarios"].as_array().unwrap().iter().find(|one| one["id"] == "ten").unwrap();
    assert_eq!((&ten["ok"], &ten["expect"]), (&true.into(), &"needs".into()), "{ten}");
    assert_eq!(ten["got"]["action"], "needs", "{ten}");
    assert_eq!(ten["got"]["rules"], serde_json::json!(["volume"]));
}

#[test]
fn test_says_what_no_scenario_reaches_and_what_comes_out_otherwise() {
    let more =
        "[[rule]]\nid = \"new\"\ncite = \"policy 2\"\nwhen.fact.audited = true\naction = \"log\"\nwhy = \"W\"\n";
    let wrong = SCENARIOS.replace("silent = [\"volume\"]", "rules = [\"volume\"]");
    let directory = rules(&format!("{PACK}\n{more}"), &wrong);
    let output = tidegate(&["test"], directory.path(), b"");
    assert_eq!(output.code, 1);
    for part in ["no scenario makes speak: new", "FAILED nine (own)", "volume does not speak"] {
        assert!(output.stdout.contains(part), "{part}: {}", output.stdout);
    }
}

#[test]
fn the_packs_of_the_build_have_no_remark_and_full_coverage() {
    let directory = tempfile::tempdir().unwrap();
    let (answer, code) = json(&["check", "--json"], directory.path());
    assert_eq!((code, about_rules(&answer).len()), (0, 0), "{answer}");
    let (answer, code) = json(&["test", "--json"], directory.path());
    assert_eq!((code, &answer["untested"]), (0, &serde_json::json!([])));
    for pack in answer["coverage"].as_array().unwrap() {
        assert_eq!((&pack["fired"], &pack["never_fired"]), (&pack["rules"], &serde_json::json!([])), "{pack}");
        assert_eq!(pack["never_silent"], serde_json::json!([]), "{pack}");
    }
}

#[test]
fn the_law_of_any_day_is_looked_at() {
    let law = PACK
        .replace("kind = \"organisation\"", "kind = \"law\"\njurisdiction = \"DE\"")
        .replace("title = \"Policy\"", "title = \"Act\"\nin_force = 2027-01-01\n");
    let directory = rules(&law, SCENARIOS);
    let check = |date| json(&["check", "--json", "--from", "DE", "--date", date], directory.path()).0;
    let upcoming = check("2026-12-31")["upcoming"].clone();
    assert_eq!((&upcoming[0]["rule"], &upcoming[0]["from"]), (&"volume".into(), &"2027-01-01".into()), "{upcoming}");
    assert_eq!(check("2027-01-01")["upcoming"], serde_json::json!([]));
    let ten = |arguments: &[&str]| {
        let (answer, _) = json(&[&["test", "--json"], arguments].concat(), directory.path());
        let scenarios = answer["scenarios"].as_array().unwrap().clone();
        scenarios.into_iter().find(|one| one["id"] == "ten").unwrap()["got"]["action"].clone()
    };
    assert_eq!((ten(&[]), ten(&["--date", "2027-01-01"])), ("log".into(), "needs".into()));
}

#[test]
fn what_is_not_settled_is_listed() {
    let doubtful = PACK.replace("cite = \"policy 1\"", "cite = \"policy 1\"\nconfidence = \"low\"");
    let directory = rules(&doubtful, SCENARIOS);
    let (answer, _) = json(&["check", "--json"], directory.path());
    let part = &answer["unsettled"][0]["parts"][0];
    assert_eq!(
        (&part["part"], &part["name"], &part["confidence"]),
        (&"rule".into(), &"volume".into(), &"low".into())
    );
    assert!(tidegate(&["check"], directory.path(), b"").stdout.contains("volume (low)"));
}
