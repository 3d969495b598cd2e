//! Recorded transfers under candidate rules, and the log they are recorded in.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::harness::{Gateway, Origin, Output, Person, Setup, pupils, tidegate};

/// A gateway with an application, after some traffic: nobody, three people, two sensitive ones (stopped), three more.
fn traffic() -> Setup {
    let crm = "[[application]]\nname = \"crm\"\nclient = [\"127.0.0.1/32\"]\n";
    let setup = Setup::new().rules(&[]).tables(crm);
    let (origin, gateway) = (Origin::start(), setup.start());
    let send = |gateway: &Gateway, body: &str| {
        gateway.post(&format!("http://api.us.example:{}/v1/people", origin.port()), body).status
    };
    assert_eq!(send(&gateway, r#"{"colour":"blue"}"#), 200);
    assert_eq!(send(&gateway, &pupils(1, 4, Person::contact)), 200);
    assert_eq!(send(&gateway, &pupils(1, 3, Person::json)), 451);
    assert_eq!(send(&gateway, &pupils(4, 7, Person::contact)), 200);
    assert_eq!(gateway.curl(&["http://169.254.169.254/"]).status, 403);
    gateway.stop();
    setup
}

/// A copy of the rules with one text in one file replaced.
fn candidate(setup: &Setup, file: &str, from: &str, to: &str) -> PathBuf {
    let rules = setup.path("candidate");
    let _ = fs::remove_dir_all(&rules);
    let copied = crate::harness::run(
        "/bin/cp",
        &["-r", &setup.path("rules").display().to_string(), &rules.display().to_string()],
        setup.directory(),
        b"",
    );
    copied.success();
    let text = fs::read_to_string(rules.join(file)).unwrap();
    assert!(text.contains(from), "{from} is not in {file}");
    fs::write(rules.join(file), text.replacen(from, to, 1)).unwrap();
    rules
}

fn replay(setup: &Setup, rules: &std::path::Path, more: &[&str]) -> Output {
    let config = setup.path("tidegate.toml").display().to_string();
    let audit = setup.state().join("audit").display().to_string();
    let rules = rules.display().to_string();
    let mut arguments = vec!["replay", "--config", &config, "--rules", &rules];
    arguments.extend(more);
    arguments.push(&audit);
    tidegate(&arguments, setup.directory(), b"")
}

#[track_caller]
fn answer(output: &Output) -> Value {
    serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

const NO_MAIL: &str = r#"
[[rule]]
id = "no-mail-abroad"
cite = "policy 9"
when.data = ["personal.contact.email"]
when.foreign = true
action = "block"
why = "Addresses stay."

[[rule]]
id = "opaque-abroad""#;

#[test]
fn the_same_rules_change_nothing_and_new_ones_what_they_say() {
    let setup = traffic();
    let same = replay(&setup, &setup.path("rules"), &["--json", "--fail-on", "any"]);
    assert_eq!(same.code, 0, "{same:?}");
    let same = answer(&same);
    assert_eq!((&same["records"], &same["unchanged"]), (&json!(5), &json!(4)), "{same:#}");
    assert_eq!((&same["not_replayed"]["gateway"], &same["changes"]), (&json!(1), &json!([])), "{same:#}");
    assert_eq!(same["notes"], json!([]), "the record lacks nothing: {same:#}");

    let rules = candidate(&setup, "organisation.toml", "[[rule]]\nid = \"opaque-abroad\"", NO_MAIL.trim_start());
    let stricter = replay(&setup, &rules, &["--json"]);
    assert_eq!(stricter.code, 1, "{stricter:?}");
    let stricter = answer(&stricter);
    assert_eq!((&stricter["stricter"], &stricter["milder"]), (&json!(2), &json!(0)), "{stricter:#}");
    let change =
        &stricter["changes"].as_array().unwrap().iter().find(|change| change["change"] == "stricter").unwrap();
    assert_eq!((&change["pack"], &change["rule"]), (&json!("organisation"), &json!("no-mail-abroad")), "{change:#}");
    assert_eq!(
        (&change["application"], &change["transfers"], &change["people"]),
        (&json!("crm"), &json!(2), &json!(6))
    );
    assert_eq!((&change["from"], &change["to"]), (&json!("log"), &json!("block")));
    let human = replay(&setup, &rules, &["--fail-on", "never"]);
    assert_eq!(human.code, 0, "{human:?}");
    assert!(human.stdout.contains("stricter    organisation/no-mail-abroad  crm: log -> block"), "{}", human.stdout);
}

#[test]
fn a_lower_bound_is_crossed_where_the_counter_crossed_it() {
    let setup = traffic();
    let bound = "when.counter.plain = { at_least = 100_000, less_than = 1_000_000 }";
    let rules = candidate(&setup, "laws/cn.toml", bound, &bound.replace("100_000", "5"));
    let output = replay(&setup, &rules, &["--json"]);
    assert_eq!(output.code, 1, "{output:?}");
    let found = answer(&output);
    assert_eq!(found["stricter"], 1, "three people before, three more: only then five are reached: {found:#}");
    assert_eq!(found["changes"][0]["rule"], "contract-plain", "{found:#}");
    assert_eq!(found["changes"][0]["estimated"], false, "{found:#}");
}

#[test]
fn milder_rules_are_no_failure_unless_somebody_asks() {
    let setup = traffic();
    let bound = "when.counter.sensitive = { at_least = 1, less_than = 10_000 }";
    let rules = candidate(&setup, "laws/cn.toml", bound, &bound.replace("at_least = 1,", "at_least = 50,"));
    let output = replay(&setup, &rules, &["--json"]);
    let found = answer(&output);
    assert_eq!((output.code, &found["milder"]), (0, &json!(1)), "{found:#}");
    assert_eq!(found["changes"][0]["rule"], "contract-sensitive", "{found:#}");
    assert_eq!(replay(&setup, &rules, &["--fail-on", "milder"]).code, 1);
}

#[test]
fn records_of_an_earlier_version_are_decided_as_far_as_they_go() {
    let setup = traffic();
    let directory = setup.state().join("audit");
    let file = fs::read_dir(&directory).unwrap().next().unwrap().unwrap().path();
    let old: String = fs::read_to_string(&file)
        .unwrap()
        .lines()
        .map(|line| {
            let mut record: Value = serde_json::from_str(line).unwrap();
            let members = record.as_object_mut().unwrap();
            ["facts", "held", "counters", "routes", "unanswered"].iter().for_each(|name| drop(members.remove(*name)));
            members["content"].as_object_mut().unwrap().remove("groups");
            format!("{record}\n")
        })
        .collect();
    fs::write(&file, format!("{old}not a record\n")).unwrap();
    let output = replay(&setup, &setup.path("rules"), &["--json", "--fail-on", "any"]);
    assert_eq!(output.code, 0, "{output:?}");
    let found = answer(&output);
    assert_eq!(found["not_replayed"]["unreadable"], 1, "{found:#}");
    let notes = found["notes"].to_string();
    assert!(notes.contains("have no answers") && notes.contains("which kinds were known of whom"), "{notes}");
    let human = replay(&setup, &setup.path("rules"), &[]).stdout;
    assert!(human.contains("note: ") && human.contains("lines are no records"), "{human}");
}

#[test]
fn candidate_rules_with_a_mistake_are_a_mistake() {
    let setup = traffic();
    let rules = candidate(&setup, "organisation.toml", "action = \"block\"", "action = \"blokc\"");
    let output = replay(&setup, &rules, &[]);
    assert_eq!(output.code, 2, "{output:?}");
    assert!(output.stderr.contains("organisation.toml:") && output.stderr.contains("blokc"), "{output:?}");
}

#[test]
fn the_log_is_verified_and_shown() {
    let setup = traffic();
    let audit = setup.state().join("audit").display().to_string();
    let tidegate = |arguments: &[&str]| tidegate(arguments, setup.directory(), b"");
    let sound = tidegate(&["audit", "verify", "--json", &audit]);
    assert_eq!(sound.code, 0, "{sound:?}");
    let sound = answer(&sound);
    assert_eq!((&sound["records"], &sound["holds"]), (&json!(5), &json!(true)), "{sound:#}");
    let shown = tidegate(&["audit", "show", "--last", "2", &audit]).success();
    assert_eq!(shown.lines().count(), 2, "{shown}");
    assert!(shown.contains("log     crm  CN -> US api.us.example  personal.contact.email"), "{shown}");
    let last: Value =
        serde_json::from_str(&tidegate(&["audit", "show", "--json", "--last", "1", &audit]).success()).unwrap();
    let one = tidegate(&["audit", "show", "--id", last["id"].as_str().unwrap(), &audit]).success();
    assert!(one.contains(last["id"].as_str().unwrap()) && one.contains("\"chain\""), "{one}");
    // A record that is changed breaks the chain, and one that is cut off is missed by the value that was kept.
    let file = fs::read_dir(&audit).unwrap().next().unwrap().unwrap().path();
    let text = fs::read_to_string(&file).unwrap();
    let kept = sound["last"].as_str().unwrap();
    let whole: Vec<&str> = text.lines().collect();
    fs::write(&file, format!("{}\n", whole[..4].join("\n"))).unwrap();
    assert_eq!(tidegate(&["audit", "verify", &audit]).code, 0);
    assert_eq!(tidegate(&["audit", "verify", "--last", kept, &audit]).code, 1);
    fs::write(&file, text.replacen("\"action\":\"log\"", "\"action\":\"permit\"", 1)).unwrap();
    let broken = tidegate(&["audit", "verify", &audit]);
    assert_eq!(broken.code, 1, "{broken:?}");
    assert!(broken.stdout.contains("the chain is broken") && broken.stdout.contains(".jsonl:2"), "{broken:?}");
}
