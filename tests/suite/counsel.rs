//! `decide` answers like counsel, a refusal says the same, and every change it names lets the message pass.

use std::fs;

use serde_json::{Value, json};

use crate::harness::{Origin, Output, Person, Setup, person, pupils, tidegate};

/// Rules with a counter whose bound a test can reach, and one that is not in force yet.
const HOUSE: &str = r#"
id = "house"
title = "House rules"
kind = "organisation"
updated = 2026-11-22
[source.house]
title = "House rules"
[class.reachable]
title = "people who can be reached"
categories = ["personal.contact"]
[counter.reachable]
class = "reachable"
window = "calendar-year"
per = "exporter"
[need.consent]
title = "the works council's consent, filed within 5 days"
filed.days = 5
[[rule]]
id = "many"
cite = "house 1"
when.importer = ["US"]
when.counter.reachable = { at_least = 4 }
needs = ["consent"]
otherwise = "block"
why = "Not more than three people a year."
confidence = "low"
[[rule]]
id = "later"
cite = "house 2"
when.importer = ["US"]
when.people = ["reachable"]
action = "block"
why = "From 2099 nobody goes there."
valid_from = 2099-01-01
"#;

fn house(more: &str) -> Setup {
    Setup::new().rules(&[("house.toml", HOUSE)]).packs("enabled = [\"house\"]").tables(more)
}

fn decide(setup: &Setup, to: &str, more: &[&str], body: &str) -> Output {
    let file = setup.write().display().to_string();
    let mut arguments = vec!["decide", "--config", &file, "--to", to, "--content-type", "application/json"];
    arguments.extend(more);
    arguments.push("-");
    tidegate(&arguments, setup.directory(), body.as_bytes())
}

#[track_caller]
fn answer(output: &Output) -> Value {
    serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

#[track_caller]
fn route<'a>(decision: &'a Value, change: &str) -> &'a Value {
    let routes = decision["routes"].as_array().unwrap_or_else(|| panic!("no routes in {decision:#}"));
    routes.iter().find(|route| route["change"] == change).unwrap_or_else(|| panic!("no {change} in {decision:#}"))
}

#[test]
fn the_page_has_the_outcome_the_rule_the_counters_what_is_ahead_and_what_would_pass() {
    let output = decide(&house(""), "US", &[], &pupils(1, 7, Person::contact));
    assert_eq!(output.code, 1, "{output:?}");
    let page = &output.stdout;
    assert!(page.starts_with("block: CN to US\n"), "{page}");
    for part in [
        "  block      house/many, House rules 1\n",
        "Not more than three people a year.",
        "0 people before, 6 more now, limit 4",
        "needs consent",
        "not settled; ask counsel (confidence low)",
        "  counted    house/reachable: people who can be reached since ",
        ": 0 before, 6 after, next bound 4",
        "  ahead      house/later, House rules 2: would block from 2099-01-01 on",
        "Send at most 3 more people counted as people who can be reached (this message adds 6).",
        "Have the works council's consent, filed within 5 days.",
    ] {
        assert!(page.contains(part), "`{part}` is not in\n{page}");
    }
}

#[test]
fn what_is_held_is_shown_with_its_last_day_and_its_filing() {
    let consent = "[[mechanism]]\nid = \"WC-7\"\nkind = \"consent\"\nfrom = 2026-01-10\nuntil = 2098-12-31\nfiled = 2026-01-12\n";
    let setup = house(consent);
    let people = pupils(1, 7, Person::contact);
    let output = decide(&setup, "US", &["--date", "2026-11-24"], &people);
    assert_eq!(output.code, 0, "{output:?}");
    let held = "met by consent: WC-7, valid until 2098-12-31, filed 2026-01-12 (due 2026-01-15)";
    assert!(output.stdout.contains(held), "{}", output.stdout);
    let decision = answer(&decide(&setup, "US", &["--date", "2026-11-24", "--json"], &people));
    assert_eq!(decision["reasons"][0]["met"]["mechanism"], "WC-7", "{decision:#}");
    assert_eq!(decision["held"][0]["id"], "WC-7", "{decision:#}");
    let later = decision["reasons"].as_array().unwrap().iter().find(|reason| reason["rule"] == "later").unwrap();
    assert_eq!((&later["binds_from"], &later["enforced"]), (&json!("2099-01-01"), &json!(false)));
}

#[test]
fn every_way_it_names_is_a_way_that_passes() {
    let setup = Setup::new();
    let body = json!({ "people": [person(1).json()], "note": "x" }).to_string();
    let decision = answer(&decide(&setup, "US", &["--json"], &body));
    assert_eq!(decision["action"], "block", "{decision:#}");
    // Fields: without them the same message passes.
    let fields = route(&decision, "leave-out")["fields"].as_array().unwrap().clone();
    assert_eq!(fields, [json!("/people/*/银行卡号")]);
    let mut left = person(1).json();
    left.as_object_mut().unwrap().remove("银行卡号");
    let without = decide(&setup, "US", &[], &json!({ "people": [left] }).to_string());
    assert_eq!(without.code, 0, "{without:?}");
    // An answer.
    let answered = route(&decision, "answer");
    let fact = format!("{}={}", answered["fact"].as_str().unwrap(), answered["values"][0].as_str().unwrap());
    assert_eq!(decide(&setup, "US", &["--fact", &fact], &body).code, 0, "{fact}");
    // Another country.
    let country = route(&decision, "elsewhere")["countries"][0].as_str().unwrap();
    assert_eq!(decide(&setup, country, &[], &body).code, 0, "{country}");
    // Something to hold.
    let kind = route(&decision, "hold")["needs"][0]["any"][0].as_str().unwrap();
    let held = format!("[[mechanism]]\nid = \"M\"\nkind = \"{kind}\"\n");
    assert_eq!(decide(&Setup::new().tables(&held), "US", &[], &body).code, 0, "{kind}");
    assert_eq!(decision["routes"].as_array().unwrap().len(), decision["passes_if"].as_array().unwrap().len());
}

#[test]
fn fewer_people_are_as_many_as_fit() {
    let setup = house("");
    let decision = answer(&decide(&setup, "US", &["--json"], &pupils(1, 7, Person::contact)));
    let fits = u32::try_from(route(&decision, "fewer-people")["fits"].as_u64().unwrap()).unwrap();
    assert_eq!(decide(&setup, "US", &[], &pupils(1, 1 + fits, Person::contact)).code, 0);
    assert_eq!(decide(&setup, "US", &[], &pupils(1, 2 + fits, Person::contact)).code, 1);
}

#[test]
fn another_region_of_the_same_provider_is_one_the_host_could_be_in() {
    let setup = Setup::new().exporter("country = \"DE\"\n").packs("enabled = [\"eu\"]");
    let body = pupils(1, 3, Person::contact);
    // The code of the region stands in the bucket's own name as well, which must stay.
    let host = |region: &str| format!("us-east-1-logs.s3.{region}.amazonaws.com");
    let decision = answer(&decide(&setup, &host("us-east-1"), &["--json"], &body));
    assert_eq!(decision["action"], "block", "{decision:#}");
    let region = route(&decision, "region");
    assert_eq!(
        (&region["provider"], &region["countries"]),
        (&json!("aws"), &json!(["DE"])),
        "at home first: {region}"
    );
    let moved = decide(&setup, &host(region["region"].as_str().unwrap()), &[], &body);
    assert_eq!(moved.code, 0, "{moved:?}");
    assert!(decision["routes"].as_array().unwrap().iter().all(|route| route["change"] != "elsewhere"));
}

#[test]
fn open_questions_say_how_it_would_end_and_what_was_answered_is_not_asked_again() {
    let body = pupils(1, 3, Person::contact);
    let decision = answer(&decide(&Setup::new(), "US", &["--json"], &body));
    assert_eq!(decision["action"], "log", "{decision:#}");
    let open = |decision: &Value| -> Vec<String> {
        let open = decision["unanswered"].as_array().cloned().unwrap_or_default();
        open.iter().map(|open| open["fact"].as_str().unwrap().to_owned()).collect()
    };
    assert!(open(&decision).contains(&"importer-listed".to_owned()), "{decision:#}");
    let listed = decision["unanswered"].as_array().unwrap().iter().find(|open| open["fact"] == "importer-listed");
    let listed = listed.unwrap();
    assert_eq!(listed["otherwise"], json!([{ "value": true, "action": "block" }]), "{listed}");
    assert_eq!((&listed["default"], &listed["about"]), (&json!(false), &json!("importer")));
    let again = answer(&decide(&Setup::new(), "US", &["--json", "--fact", "importer-listed=false"], &body));
    assert!(!open(&again).contains(&"importer-listed".to_owned()), "{again:#}");
    assert_eq!(again["facts"]["importer-listed"], false);
}

#[test]
fn a_key_that_is_a_value_is_in_no_advice() {
    let who = person(8);
    let body =
        json!({ "cards": { who.card.as_str(): who.card, who.email.as_str(): { "银行卡号": who.card } } }).to_string();
    for more in [&["--json"][..], &[]] {
        let output = decide(&Setup::new(), "US", more, &body);
        assert_eq!(output.code, 1, "{output:?}");
        for value in who.values() {
            assert!(!output.stdout.contains(value), "{}", output.stdout);
        }
    }
}

#[test]
fn a_refusal_and_the_api_say_what_decide_says() {
    let (origin, gateway) = (Origin::start(), Setup::new().start());
    let people = pupils(1, 3, Person::json);
    let url = format!("http://api.us.example:{}/v1/people", origin.port());
    let problem = gateway.post(&url, &people).json();
    let api = gateway.admin_post("/api/v1/decide?to=api.us.example&content_type=application/json", &people).json();
    for member in ["routes", "passes_if", "counters"] {
        assert_eq!(problem[member], api[member], "{member}");
    }
    let asked = |answer: &Value| answer["unanswered"].as_array().unwrap().len();
    assert!(asked(&problem) > 0 && asked(&problem) <= asked(&api), "{problem:#}");
    let record = gateway.last_record();
    assert_eq!(record["routes"], problem["routes"], "the record and so the console have the same");
    let post = |header: &str| {
        let kind = if header.contains("grpc") { "x-none: 1" } else { "content-type: application/json" };
        gateway.curl(&["-H", header, "-H", kind, "--data-binary", &people, &url])
    };
    let page = post("accept: text/html").text();
    assert!(
        page.contains("Leave out personal.financial.card (at /people/*/银行卡号).")
            && page.contains("<code>purpose</code>")
    );
    let chinese = post("accept-language: zh").json();
    assert!(chinese["passes_if"][0].as_str().unwrap().starts_with("去掉 personal.financial.card"), "{chinese:#}");
    let grpc = post("content-type: application/grpc");
    let message = grpc.header("grpc-message").unwrap_or_default().to_owned();
    assert!(grpc.header("grpc-status").is_some(), "{grpc:?}");
    assert!(message.contains("What would let it pass: ") || !message.contains("451"), "{message}");
    gateway.stop();
}

#[test]
fn the_document_of_laws_is_what_the_command_prints() {
    let directory = tempfile::tempdir().unwrap();
    let printed = tidegate(&["laws"], directory.path(), b"").success();
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/laws.md");
    let kept = fs::read_to_string(file).unwrap();
    let differs = printed.lines().zip(kept.lines()).find(|(printed, kept)| printed != kept);
    assert!(
        printed == kept,
        "docs/laws.md is not what the packs say; `cargo run -- laws > docs/laws.md` writes it anew. First: {differs:?}"
    );
    let json = tidegate(&["laws", "cn", "--json"], directory.path(), b"").success();
    let law: Value = serde_json::from_str(&json).unwrap();
    let rule = law["rules"].as_array().unwrap().iter().find(|rule| rule["id"] == "assessment-sensitive").unwrap();
    assert_eq!(
        rule["threshold"],
        json!(["at least 10,000 people with sensitive data in the calendar year"]),
        "{rule}"
    );
    assert_eq!(tidegate(&["laws", "cm"], directory.path(), b"").code, 2);
}
