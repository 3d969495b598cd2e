//! What an operator watches: metrics, health, the decisions API, the console.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::harness::{Origin, Person, Sample, Setup, get, person, pupils};

/// Every metric a dashboard may use, with its type and its labels.
const METRICS: &[(&str, &str, &[&str])] = &[
    ("transfers_total", "counter", &["direction", "action", "exporter", "importer"]),
    ("rules_fired_total", "counter", &["pack", "rule", "action"]),
    ("findings_total", "counter", &["category"]),
    ("inspected_bytes_total", "counter", &["format"]),
    ("opaque_bytes_total", "counter", &["reason"]),
    ("decision_seconds", "histogram", &[]),
    ("decode_seconds", "histogram", &[]),
    ("detect_seconds", "histogram", &[]),
    ("upstream_requests_total", "counter", &[]),
    ("upstream_errors_total", "counter", &["error"]),
    ("connections_open", "gauge", &["listener"]),
    ("held_bytes", "gauge", &["listener"]),
    ("spooled_bytes", "gauge", &["listener"]),
    ("counter_people", "gauge", &["pack", "counter"]),
    ("counter_limit", "gauge", &["pack", "counter"]),
    ("counter_next_limit", "gauge", &["pack", "counter"]),
    ("counter_next_limit_ratio", "gauge", &["pack", "counter"]),
    ("ledger_spooled_people", "gauge", &[]),
    ("mechanism_expiry_timestamp_seconds", "gauge", &["mechanism"]),
    ("failures_total", "counter", &["stage", "outcome"]),
    ("config_last_reload_successful", "gauge", &[]),
    ("config_last_reload_success_timestamp_seconds", "gauge", &[]),
    ("rules_info", "gauge", &["pack", "version", "hash"]),
    ("build_info", "gauge", &["version"]),
];

/// Metrics that have no value before a day is over.
const IN_TIME: [&str; 2] = ["counter_new_people_per_day", "counter_forecast_timestamp_seconds"];

#[test]
fn every_metric_of_the_contract_is_there_with_its_type_and_its_labels() {
    let contract = "[[mechanism]]\nid = \"SC-1\"\nkind = \"standard-contract\"\nimporter = [\"*.sg.example\"]\n\
                    from = 2026-01-15\nuntil = 2099-01-14\nfiled = 2026-01-20\n";
    let (origin, gateway) = (Origin::start(), Setup::new().tables(contract).start());
    let url = format!("http://api.us.example:{}/", origin.port());
    // Traffic that moves every metric: people, something large, something unreadable, something malformed, an upstream
    // that is not there.
    let large = gateway.setup.path("large.txt");
    std::fs::write(&large, vec![b'x'; 2 << 20]).unwrap();
    gateway.curl(&["-T", &large.display().to_string(), &url]);
    gateway.post(&url, &pupils(1, 4, Person::contact));
    gateway.post(&url, &pupils(1, 4, Person::json));
    gateway.curl(&["-H", "content-type: image/x-unknown", "-d", "\u{1}\u{2}\u{3}", &url]);
    gateway.curl(&["-H", "content-encoding: gzip", "-d", "not gzip", &url]);
    gateway.curl(&[&format!("http://api.us.example:{}/", crate::harness::free_port())]);
    let text = gateway.admin("/metrics").text();
    let kinds: BTreeMap<&str, &str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')).collect();
    let samples = gateway.metrics();
    for (name, kind, labels) in METRICS {
        let full = format!("tidegate_{name}");
        assert_eq!(kinds.get(full.as_str()), Some(kind), "{full}");
        let suffix = if *kind == "histogram" { "_count" } else { "" };
        let found: Vec<&Sample> = samples.iter().filter(|sample| sample.name == format!("{full}{suffix}")).collect();
        assert!(!found.is_empty(), "{full} has no sample");
        let wanted: BTreeSet<&str> = labels.iter().copied().collect();
        for sample in found {
            let given: BTreeSet<&str> = sample.labels.iter().map(|(label, _)| label.as_str()).collect();
            assert!(wanted.is_subset(&given), "{full} lacks a label: {sample:?}");
        }
    }
    assert!(!text.contains("us.example"), "a metric names a host");
    assert_no_more(&kinds);
    gateway.stop();
}

/// What starts with the gateway's name is in the contract; nobody has to guess what a name means.
fn assert_no_more(kinds: &BTreeMap<&str, &str>) {
    let names = METRICS.iter().map(|(name, ..)| *name).chain(IN_TIME);
    let known: BTreeSet<String> = names.map(|name| format!("tidegate_{name}")).collect();
    let more: Vec<&&str> =
        kinds.keys().filter(|name| name.starts_with("tidegate_") && !known.contains(**name)).collect();
    assert!(more.is_empty(), "not in the contract: {more:?}");
}

#[test]
fn transfers_are_counted_by_action_and_places() {
    let (origin, gateway) = (Origin::start(), Setup::new().start());
    let base = |country: &str| format!("http://api.{country}.example:{}/", origin.port());
    gateway.post(&base("us"), "{\"a\":1}");
    gateway.post(&base("sg"), &pupils(1, 4, Person::contact));
    gateway.post(&base("us"), &pupils(1, 4, Person::json));
    let count = |action: &str, importer: &str| {
        let labels = [("direction", "request"), ("action", action), ("exporter", "CN"), ("importer", importer)];
        gateway.metric("tidegate_transfers_total", &labels)
    };
    assert_eq!((count("permit", "US"), count("log", "SG"), count("block", "US")), (1.0, 1.0, 1.0));
    assert_eq!(gateway.metric("tidegate_upstream_requests_total", &[]), 2.0, "a blocked transfer asks no upstream");
    assert_eq!(gateway.metric("tidegate_findings_total", &[("category", "personal.financial.card")]), 3.0);
    assert_eq!(gateway.metric("tidegate_held_bytes", &[]), 0.0);
    gateway.stop();
}

#[test]
fn a_decision_can_be_looked_up_and_is_the_same_everywhere() {
    let (origin, gateway) = (Origin::start(), Setup::new().start());
    let refused = gateway
        .post(&format!("http://api.us.example:{}/v1/people", origin.port()), &pupils(1, 3, Person::json))
        .json();
    let listed = gateway.admin("/api/v1/decisions").json();
    let listed = listed.as_array().or_else(|| listed["decisions"].as_array()).expect("a list").clone();
    let newest = &listed[0];
    assert_eq!(newest["id"], refused["decision"]);
    assert_eq!(newest["reasons"], refused["reasons"]);
    assert_eq!(*newest, gateway.last_record(), "the record and the API say the same");
    for (field, value) in [
        ("mode", "enforce"),
        ("action", "block"),
        ("listener", "egress"),
        ("direction", "request"),
        ("method", "POST"),
        ("path", "/v1/people"),
    ] {
        assert_eq!(newest[field], value, "{newest:#}");
    }
    assert_eq!(newest["importer"]["host"], "api.us.example");
    assert_eq!(newest["importer"]["address"], "127.0.0.1");
    let content = &newest["content"];
    assert_eq!(content["bytes"], content["inspected"], "{content}");
    assert_eq!(content["formats"], json!(["json"]), "{content}");
    assert_eq!(
        content["categories"]["personal.identifier.national"],
        json!({ "count": 2, "people": 2 }),
        "{content}"
    );
    assert!(newest["rules"].as_str().unwrap().starts_with("sha256:"), "{newest:#}");
    gateway.stop();
}

#[test]
fn a_decision_can_be_asked_for_without_sending_or_counting_anything() {
    let (origin, gateway) = (Origin::start(), Setup::new().start());
    let reply = gateway.admin_post("/api/v1/decide?to=api.us.example", &pupils(1, 3, Person::json));
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.json()["action"], "block", "{}", reply.text());
    assert!(!reply.text().contains(&person(1).card));
    assert_eq!(gateway.records().len(), 0);
    assert_eq!(gateway.metric("tidegate_counter_people", &[]), 0.0);
    origin.assert_untouched();
    gateway.stop();
}

#[test]
fn ledger_packs_and_mechanisms_can_be_listed() {
    let contract = "[[mechanism]]\nid = \"SC-1\"\nkind = \"standard-contract\"\nimporter = [\"*.sg.example\"]\n\
                    from = 2026-01-15\nuntil = 2099-01-14\nfiled = 2026-01-20\n";
    let (origin, gateway) = (Origin::start(), Setup::new().tables(contract).start());
    gateway.post(&format!("http://api.us.example:{}/", origin.port()), &pupils(1, 4, Person::contact));
    for (path, words) in [
        ("/api/v1/ledger", vec!["cn", "plain", "3"]),
        ("/api/v1/packs", vec!["cn", "organisation", "2026-"]),
        ("/api/v1/mechanisms", vec!["SC-1", "standard-contract", "2099-01-14"]),
        ("/api/v1/openapi.json", vec!["openapi", "/api/v1/decisions"]),
    ] {
        let reply = gateway.admin(path);
        assert_eq!(reply.status, 200, "{path}");
        let _: Value = reply.json();
        for word in words {
            assert!(reply.text().contains(word), "{path} lacks {word}: {}", reply.text());
        }
    }
    let link = gateway.admin("/packs/cn");
    assert_eq!(link.status, 200, "the page a refusal links to");
    gateway.stop();
}

#[test]
fn health_and_readiness_answer_and_the_console_opens() {
    let gateway = Setup::new().start();
    assert_eq!(gateway.admin("/-/healthy").status, 200);
    assert_eq!(gateway.admin("/-/ready").status, 200);
    let console = gateway.admin("/");
    assert_eq!(console.status, 200);
    assert!(console.header("content-type").unwrap().starts_with("text/html"));
    assert!(console.header("content-security-policy").is_some(), "{console:?}");
    assert_eq!(gateway.admin("/no-such-page").status, 404);
    gateway.stop();
}

#[test]
fn the_admin_door_answers_only_those_who_mean_it() {
    let gateway = Setup::new().start();
    // A page in a browser can send requests to loopback; it cannot choose these headers.
    let port = gateway.setup.admin;
    let mut foreign = crate::harness::Raw::connect(port);
    foreign.send(format!("POST /-/reload HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\norigin: http://evil.example\r\ncontent-length: 0\r\n\r\n"));
    assert_eq!(foreign.reply().status, 403);
    let mut rebound = crate::harness::Raw::connect(port);
    rebound.send(format!("GET /api/v1/decisions HTTP/1.1\r\nhost: evil.example:{port}\r\n\r\n"));
    assert!(matches!(rebound.reply().status, 403 | 421), "a name that was bound to loopback");
    gateway.stop();
}

#[test]
fn an_admin_door_with_a_token_asks_for_it() {
    let setup = Setup::new();
    std::fs::write(setup.path("admin.token"), "invented-token\n").unwrap();
    let file = setup.path("admin.token").display().to_string();
    let gateway = setup.admin(&format!("token_file = \"{file}\"")).start();
    assert_eq!(gateway.admin("/api/v1/decisions").status, 401);
    let url = format!("http://127.0.0.1:{}/api/v1/decisions", gateway.setup.admin);
    assert_eq!(gateway.direct_curl(&["-H", "authorization: Bearer wrong", &url]).status, 401);
    assert_eq!(gateway.direct_curl(&["-H", "authorization: Bearer invented-token", &url]).status, 200);
    gateway.stop();
}

#[test]
fn a_request_in_flight_is_seen_in_the_gauges_and_gone_afterwards() {
    let (origin, gateway) = (Origin::start(), Setup::new().start());
    let host = format!("api.us.example:{}", origin.port());
    let mut connection = gateway.raw();
    connection.send(get(&host, "/slow/1000"));
    crate::harness::eventually("the connection is counted", || {
        gateway.metric("tidegate_connections_open", &[("listener", "egress")]) >= 1.0
    });
    assert_eq!(connection.reply().status, 200);
    drop(connection);
    crate::harness::eventually("the connection is gone", || {
        gateway.metric("tidegate_connections_open", &[("listener", "egress")]) == 0.0
    });
    gateway.stop();
}
