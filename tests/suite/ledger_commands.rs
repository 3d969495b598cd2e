//! What people see of the counters: `tidegate ledger`, with and without a gateway that has them, early warnings in
//! decisions, metrics and checks.

use std::fs;

use serde_json::Value;

use crate::harness::{Gateway, Origin, Output, Person, Setup, pupils, tidegate};

/// Ten people in twelve months, and a hundred in a calendar year at each importer.
const PACK: &str = r#"
id = "house"
title = "House rules"
kind = "organisation"
time_zone = "Asia/Shanghai"
updated = 2026-11-22
[source.house]
title = "House rules"
[class.anyone]
title = "people"
categories = ["personal"]
[counter.ten]
class = "anyone"
window = "rolling 12 months"
per = "exporter"
[counter.each]
class = "anyone"
window = "calendar-year"
per = "importer"
[[rule]]
id = "more-than-ten"
cite = "house 1"
when.counter.ten = { more_than = 10 }
action = "block"
why = "More than ten people."
[[rule]]
id = "hundred"
cite = "house 2"
when.counter.each = { at_least = 100 }
action = "block"
why = "A hundred people."
"#;

pub fn setup() -> Setup {
    Setup::new().rules(&[("house.toml", PACK)]).packs("enabled = [\"cn\", \"house\"]").log("info")
}

pub fn run(setup: &Setup, arguments: &[&str], input: &str) -> Output {
    let file = setup.write().display().to_string();
    let mut all = vec!["ledger"];
    all.extend(arguments);
    all.extend(["--config", &file]);
    tidegate(&all, setup.directory(), input.as_bytes())
}

#[track_caller]
pub fn shown(setup: &Setup, pack: &str, counter: &str) -> Value {
    let text = run(setup, &["show", "--json"], "").success();
    let answer: Value = serde_json::from_str(&text).unwrap();
    let rows = answer["counters"].as_array().unwrap();
    rows.iter().find(|row| row["pack"] == pack && row["counter"] == counter).expect("the counter is shown").clone()
}

fn send(gateway: &Gateway, origin: &Origin, from: u32, to: u32) -> u16 {
    let url = format!("http://api.us.example:{}/", origin.port());
    gateway.post(&url, &pupils(from, to, Person::contact)).status
}

/// The newest record of a request: answers of the origin are judged too.
pub fn last_request(gateway: &Gateway) -> Value {
    let records = gateway.records();
    records.into_iter().rfind(|record| record["direction"] == "request").expect("a request was decided")
}

#[test]
fn every_counter_is_shown_from_the_start_with_its_bounds() {
    let gateway = setup().start();
    let counters = gateway.admin("/api/v1/ledger").json();
    let plain = counters["counters"].as_array().unwrap().iter().find(|row| row["counter"] == "plain").unwrap();
    assert_eq!(
        (&plain["people"], &plain["next_limit"], &plain["limit"]),
        (&0.into(), &100_000.into(), &1_000_000.into())
    );
    let labels = [("pack", "cn"), ("counter", "plain")];
    for (metric, value) in [("people", 0.0), ("limit", 1e6), ("next_limit", 1e5), ("next_limit_ratio", 0.0)] {
        let name = format!("tidegate_counter_{metric}");
        let sample = gateway.metrics().into_iter().find(|sample| {
            sample.name == name && labels.iter().all(|(label, value)| sample.label(label) == Some(value))
        });
        assert_eq!(sample.expect("the gauge is there").value, value, "{name}");
    }
    // A pack that is not on has none.
    assert!(!gateway.admin("/metrics").text().contains("plain-until-2024"), "a counter of the past has no gauge");
    gateway.stop();
}

#[test]
fn a_decision_warns_from_eighty_percent_of_a_bound_on() {
    let (origin, gateway) = (Origin::start(), setup().start());
    let warned = || last_request(&gateway)["warnings"].to_string().contains("counter-near-limit:house/ten");
    assert_eq!(send(&gateway, &origin, 0, 8), 200);
    assert!(!warned(), "8 of 11 is not near");
    assert_eq!(send(&gateway, &origin, 8, 9), 200);
    assert!(warned(), "{}", last_request(&gateway));
    assert_eq!(send(&gateway, &origin, 9, 12), 403, "12 are more than ten");
    assert!(warned(), "nobody was added, and it is near");
    let ratio = gateway.metric("tidegate_counter_next_limit_ratio", &[("pack", "house"), ("counter", "ten")]);
    assert!((ratio - 9.0 / 11.0).abs() < 1e-9, "{ratio}");
    // A rehearsal warns as well, and counts nobody.
    let rehearsed = gateway
        .admin_post("/api/v1/decide?to=US&from=CN&content_type=application/json", &pupils(9, 10, Person::contact));
    assert!(rehearsed.text().contains("counter-near-limit:house/ten"), "{}", rehearsed.text());
    gateway.stop();
    let late = setup().tables("[ledger]\nwarn_at = 95").start();
    assert_eq!(send(&late, &origin, 0, 9), 200);
    assert!(!last_request(&late)["warnings"].to_string().contains("near-limit"), "{}", last_request(&late));
    late.stop();
}

#[test]
fn a_mechanism_that_ends_is_announced_at_60_30_and_7_days() {
    let contract = "[[mechanism]]\nid = \"SC-1\"\nkind = \"standard-contract\"\nimporter = [\"*.sg.example\"]\n\
                    from = 2026-01-15\nuntil = 2026-12-10\nfiled = 2026-01-20\n";
    let gateway = Setup::new().tables(contract).clock("2026-10-10T12:00:00Z").start();
    let origin = Origin::start();
    for (day, notice) in
        [("2026-10-10", None), ("2026-10-11", Some(60)), ("2026-11-11", Some(30)), ("2026-12-03", Some(7))]
    {
        gateway.set_clock(&format!("{day}T12:00:00Z"));
        let url = format!("http://api.sg.example:{}/", origin.port());
        assert_eq!(gateway.post(&url, &pupils(0, 1, Person::json)).status, 200);
        let warnings = gateway.last_record()["warnings"].to_string();
        let expected = notice.map(|days| format!("\"mechanism-ends-in-{days}-days:SC-1\""));
        match expected {
            Some(expected) => assert!(warnings.contains(&expected), "{day}: {warnings}"),
            None => assert!(!warnings.contains("mechanism-ends"), "{day}: {warnings}"),
        }
    }
    let mechanisms = gateway.admin("/api/v1/mechanisms").json();
    assert_eq!(mechanisms["mechanisms"][0]["days_left"], 7, "{mechanisms}");
    assert_eq!(mechanisms["mechanisms"][0]["ends"], "2026-12-10T16:00:00Z", "{mechanisms}");
    gateway.stop();
}

#[test]
fn show_and_forecast_answer_with_a_gateway_and_without() {
    let setup = setup().clock("2026-11-10T04:00:00Z");
    let (origin, gateway) = (Origin::start(), setup.start());
    assert_eq!(send(&gateway, &origin, 0, 3), 200);
    gateway.set_clock("2026-11-20T04:00:00Z");
    assert_eq!(send(&gateway, &origin, 3, 5), 200);
    gateway.set_clock("2026-11-20T04:00:01Z");
    let through_the_gateway = run(&setup, &["show"], "");
    assert!(through_the_gateway.stderr.contains("a gateway has the ledger"), "{}", through_the_gateway.stderr);
    let text = through_the_gateway.success();
    let row = text.lines().find(|line| line.starts_with("house/ten")).unwrap();
    let cells: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(cells[..5], ["house/ten", "5", "11", "45.5", "%"], "{row}");
    assert!(text.contains("house/ten: 5 people, next bound 11") && text.contains('█'), "{text}");
    assert!(text.contains("house/each for api.us.example"), "{text}");
    assert!(!text.contains('\u{1b}'), "no colour where nobody looks");
    // Three people in ten whole days: eleven are reached in twenty days.
    let forecast = run(&setup, &["forecast"], "").success();
    assert!(forecast.contains("New people a day: 0.3 (95 %: ") && forecast.contains("over 10 days"), "{forecast}");
    assert!(forecast.contains("The bound is reached about 2026-12-10, at the earliest 2026-1"), "{forecast}");
    assert_eq!(run(&setup, &["forecast", "--within", "30"], "").code, 1);
    assert_eq!(run(&setup, &["forecast", "--within", "10"], "").code, 0);
    let likely = gateway.metrics().into_iter().find(|sample| {
        sample.name == "tidegate_counter_forecast_timestamp_seconds"
            && sample.label("counter") == Some("ten")
            && sample.label("estimate") == Some("likely")
    });
    assert_eq!(likely.unwrap().value, "2026-12-10T00:00:00Z".parse::<jiff::Timestamp>().unwrap().as_second() as f64);
    gateway.stop();
    // Without a gateway the command's own clock counts, which is not moved: who is in the window is not asked here.
    assert_eq!(shown(&setup, "house", "ten")["next_limit"], 11);
    assert_eq!(run(&setup, &["show", "--pack", "nobody"], "").success().lines().count(), 1);
}

#[test]
fn what_is_exported_can_be_imported_and_counts_once() {
    let setup = setup();
    let (origin, gateway) = (Origin::start(), setup.start());
    assert_eq!(send(&gateway, &origin, 0, 5), 200);
    let running = run(&setup, &["export"], "").success();
    gateway.stop();
    let exported = run(&setup, &["export"], "").success();
    assert_eq!(running, exported, "the gateway lists whom the file holds");
    let mut lines = exported.lines();
    assert_eq!(lines.next(), Some("pack,counter,party,day,digest,generation"));
    assert_eq!(
        lines.clone().filter(|line| line.starts_with("house/ten") || line.starts_with("house,ten")).count(),
        5
    );
    assert_eq!(lines.count(), 15, "five people in three counters: {exported}");
    let again = run(&setup, &["import", "-", "--basis", "the same again"], &exported).success();
    assert!(again.contains("house/ten: 5 people brought in; it showed 5 and shows 5"), "{again}");
    assert_eq!(shown(&setup, "house", "ten")["people"], 5);
    // Into an empty ledger under the same key.
    fs::remove_file(setup.state().join("ledger.redb")).unwrap();
    let anew = run(&setup, &["import", "-", "--basis", "moved"], &exported).success();
    assert!(anew.contains("house/each for api.us.example: 5 people brought in; it showed 0 and shows 5"), "{anew}");
    let gateway = setup.start();
    assert_eq!(send(&gateway, &origin, 0, 5), 200);
    assert_eq!(gateway.metric("tidegate_counter_people", &[("counter", "ten")]), 5.0, "they are the same people");
    gateway.stop();
}

#[test]
fn numbers_count_as_people_nobody_has_seen_until_their_window_ends() {
    let setup = setup().clock("2026-11-20T04:00:00Z");
    let gateway = setup.start();
    let list = "pack,counter,day,people,basis\nhouse,ten,2026-01-15,6,\"CRM, January\"\ncn,plain,2026-02-01,70000,HR system\n";
    let said = run(&setup, &["import", "-"], list).success();
    assert!(said.contains("house/ten: 6 people brought in; it showed 0 and shows 6"), "{said}");
    assert!(said.contains("cn/plain: 70,000 people brought in; it showed 0 and shows 70,000"), "{said}");
    let again = run(&setup, &["import", "-"], list).success();
    assert!(again.contains("house/ten: 6 people brought in; it showed 6 and shows 6"), "{again}");
    let origin = Origin::start();
    assert_eq!(send(&gateway, &origin, 0, 4), 200);
    assert_eq!(send(&gateway, &origin, 4, 5), 403, "ten of eleven are there");
    // Twelve months after the day they are said to have left, they are out of the window.
    gateway.set_clock("2027-01-16T04:00:00Z");
    assert_eq!(send(&gateway, &origin, 4, 5), 200);
    assert_eq!(gateway.metric("tidegate_counter_people", &[("counter", "ten")]), 5.0);
    let audit: Vec<Value> = audit(&setup).into_iter().filter(|record| record["event"] == "ledger-import").collect();
    assert_eq!(audit.len(), 10, "70,000 come in four portions, twice, and six people twice: {audit:?}");
    assert!(audit.iter().any(|record| record["basis"] == "CRM, January" && record["people"] == 6), "{audit:?}");
    assert!(gateway.admin("/api/v1/decisions").text().find("ledger-import").is_none());
    gateway.stop();
}

#[test]
fn above_every_bound_and_the_margin_a_count_is_an_estimate_that_says_its_error() {
    let setup = setup();
    let gateway = setup.start();
    let exact = "pack,counter,people,basis\nhouse,ten,60000,exact\n";
    run(&setup, &["import", "-"], exact).success();
    let row = shown(&setup, "house", "ten");
    assert_eq!((&row["people"], &row["error"]), (&60_000.into(), &Value::Null));
    let more = "pack,counter,people,basis\nhouse,ten,40000,estimated\n";
    run(&setup, &["import", "-"], more).success();
    let row = shown(&setup, "house", "ten");
    let people = row["people"].as_u64().unwrap();
    assert!((100_000..103_000).contains(&people), "three standard errors above, never below: {row}");
    assert_eq!(row["error"], 0.008_125);
    let text = run(&setup, &["show"], "").success();
    assert!(text.lines().any(|line| line.starts_with("house/ten") && line.contains("±0.8 %")), "{text}");
    gateway.stop();
}

/// Every record, those that are no decision too.
pub fn audit(setup: &Setup) -> Vec<Value> {
    let files = fs::read_dir(setup.state().join("audit")).unwrap().map(|entry| entry.unwrap().path());
    let texts = files
        .filter(|file| file.extension().is_some_and(|end| end == "jsonl"))
        .map(|file| fs::read_to_string(file).unwrap());
    texts
        .flat_map(|text| text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>())
        .collect()
}

#[test]
fn raw_data_is_digested_on_the_way_in_and_kept_nowhere() {
    let setup = setup();
    let (origin, gateway) = (Origin::start(), setup.start());
    assert_eq!(send(&gateway, &origin, 0, 2), 200);
    let file = setup.path("sent.json");
    fs::write(&file, pupils(0, 6, Person::contact)).unwrap();
    let name = file.display().to_string();
    let arguments = ["import", "--raw", &name, "--pack", "house", "--counter", "ten", "--basis", "sent in spring"];
    let said = run(&setup, &arguments, "").success();
    assert!(
        said.contains("house/ten: 6 people brought in; it showed 2 and shows 6"),
        "the same digests as in traffic: {said}"
    );
    gateway.stop();
    fs::remove_file(file).unwrap();
    for entry in fs::read_dir(setup.state()).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file())
    {
        let bytes = fs::read(&entry).unwrap();
        assert!(!bytes.windows(17).any(|window| window == b"tidegate-invented"), "{}", entry.display());
    }
    let empty =
        run(&setup, &["import", "--raw", "-", "--pack", "house", "--counter", "ten", "--basis", "x"], "nobody");
    assert_eq!(empty.code, 2);
    assert!(empty.stderr.contains("0 people found"), "{}", empty.stderr);
}

#[test]
fn an_import_that_makes_no_sense_counts_nobody_and_says_why() {
    let setup = setup();
    setup.start().stop();
    let mistakes = [
        ("pack,counter,people,basis\nhouse,tan,5,x\n", "no pack has the counter `house/tan`"),
        ("pack,counter,people,basis\nhouse,each,5,x\n", "counts for each importer"),
        ("pack,counter,party,people,basis\nhouse,ten,a.example,5,x\n", "for the exporter as a whole"),
        ("pack,counter,day,people,basis\nhouse,ten,2199-01-01,5,x\n", "yet to come"),
        ("pack,counter,digest,basis\nhouse,ten,zz,x\n", "32 hexadecimal digits"),
        ("pack,counter,people\nhouse,ten,5\n", "no `basis`"),
        ("pack,counter,people,basis\nhouse,ten,many,x\n", "-:2: `many` is no number"),
        ("name,mail\nA,b@c.example\n", "a list begins with its columns"),
        ("pack,counter,people,basiss\n", "nobody knows the column `basiss`"),
    ];
    for (list, expected) in mistakes {
        let output = run(&setup, &["import", "-"], list);
        assert_eq!(output.code, 2, "{list}");
        assert!(output.stderr.contains(expected), "{list}: {}", output.stderr);
    }
    assert_eq!(shown(&setup, "house", "ten")["people"], 0);
}

/// Turns bits of every page of a file that a digest stands on.
fn damage(file: &std::path::Path, digest: &str) {
    let bytes_of = |hex: &str| -> Vec<u8> {
        (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()).collect()
    };
    let (digest, mut bytes) = (bytes_of(digest), fs::read(file).unwrap());
    // A person may also stand on pages that were given up, and nobody misses those: every one of them is turned.
    let places = bytes.windows(digest.len()).enumerate().filter(|(_, window)| *window == digest);
    let pages: std::collections::BTreeSet<usize> = places.map(|(at, _)| at / 4096 * 4096).collect();
    assert!(!pages.is_empty(), "the person is in the file");
    for page in pages {
        bytes[page..page + 4096].iter_mut().for_each(|byte| *byte ^= 0x5a);
    }
    fs::write(file, bytes).unwrap();
}

#[test]
fn a_damaged_ledger_is_refused_and_repaired_by_the_command_it_names() {
    let (origin, gateway) = (Origin::start(), Setup::new().log("info").start());
    for first in (0..2000).step_by(500) {
        assert_eq!(send(&gateway, &origin, first, first + 500), 200);
    }
    let setup = gateway.setup.clone();
    gateway.stop();
    let whole = run(&setup, &["repair"], "").success();
    assert!(whole.contains("nothing is wrong"), "{whole}");
    let people = run(&setup, &["export"], "").success();
    let somebody = people.lines().nth(1000).unwrap().split(',').nth(4).unwrap().to_owned();
    damage(&setup.state().join("ledger.redb"), &somebody);
    let (status, log) = Gateway::spawn(setup.clone()).wait();
    assert!(!status.success());
    assert!(log.contains("ledger.redb") && log.contains("tidegate ledger repair"), "{log}");
    let refused = run(&setup, &["show"], "");
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("tidegate ledger repair"), "{}", refused.stderr);
    let repaired = run(&setup, &["repair"], "");
    assert!(repaired.code <= 1 && repaired.stdout.contains("repaired; the damaged file is kept as"), "{repaired:?}");
    assert!(repaired.stdout.contains("cn/plain: "), "{repaired:?}");
    let gateway = setup.start();
    let counted = gateway.metric("tidegate_counter_people", &[("counter", "plain")]);
    assert!(counted >= 2000.0, "2,000 people left, {counted} are counted after the repair");
    gateway.stop();
}
