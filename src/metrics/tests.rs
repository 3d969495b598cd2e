//! Every metric of the list is shown under its name with its labels, and the reference says the same.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::*;
use crate::transfer::{Action, Basis, Category, Direction, Mode, Party, Reason, Tally};

fn party(countries: &[&str]) -> Party {
    let countries = countries.iter().map(|code| Country::parse(code).unwrap()).collect();
    let place = Place { countries, ..Place::in_country(Country::UNKNOWN, Basis::Declared) };
    Party { host: Some("secret-host.example".into()), address: None, place }
}

fn decision() -> Decision {
    let category = |path| Category::parse(path).unwrap();
    Decision {
        id: Uuid::nil(),
        time: jiff::Timestamp::UNIX_EPOCH,
        mode: Mode::Enforce,
        action: Action::Block,
        cause: None,
        listener: "egress".into(),
        application: None,
        direction: Direction::Request,
        method: "POST",
        path: "/secret-path".into(),
        exporter: party(&["CN"]),
        importer: party(&["SG", "US"]),
        content: Content {
            bytes: 140,
            inspected: 100,
            opaque: BTreeMap::from([(category("opaque.encrypted"), 40)]),
            formats: BTreeSet::from(["gzip", "json"]),
            categories: BTreeMap::from([(category("personal.contact.email"), Tally { count: 3, people: 2 })]),
            ..Content::default()
        },
        found: Vec::new(),
        reasons: vec![Reason::plain("cn".into(), "assessment".into(), "".into(), Action::Block, "".into())],
        mechanisms: Vec::new(),
        warnings: Vec::new(),
        passes_if: Vec::new(),
        routes: Vec::new(),
        unanswered: Vec::new(),
        counters: Vec::new(),
        facts: BTreeMap::new(),
        lists: Vec::new(),
        held: None,
        rules: "".into(),
    }
}

fn counter(pack: &str, counter: &str, people: u64, limit: Option<u64>) -> CounterShown {
    CounterShown {
        pack: pack.into(),
        counter: counter.into(),
        people,
        limit,
        next_limit: limit,
        ratio: limit.map(|limit| people as f64 / limit as f64),
        new_per_day: Some(0.25),
        reached: [None, Some(1_800_000_000), None],
    }
}

fn everything() -> Metrics {
    let metrics = Metrics::new();
    metrics.decided(&decision(), 0.001);
    metrics.decoded(0.001);
    metrics.detected(0.001);
    metrics.upstream_request();
    drop((metrics.connection_opened("egress"), metrics.held("egress", 1), metrics.spooled("egress", 1)));
    metrics.counters(&[counter("cn", "plain", 5, Some(10)), counter("eu", "all", 7, None)]);
    metrics.mechanisms([("SC-1", 1_800_000_000)]);
    metrics.rules([("cn", "2026-11-22", "sha256:0")]);
    metrics.reloaded(true);
    metrics
}

#[test]
fn every_metric_of_the_list_is_shown_and_no_other() {
    let shown = everything().0.registry.gather();
    let shown: BTreeMap<&str, Vec<&str>> = shown
        .iter()
        .map(|family| {
            let labels = family.get_metric()[0].get_label();
            (family.name(), labels.iter().map(|label| label.name()).collect())
        })
        .collect();
    let listed: BTreeMap<&str, Vec<&str>> = NAMES
        .iter()
        .map(|name| {
            // Shown in the order of their names.
            let labels: BTreeSet<&str> = name.labels.iter().copied().collect();
            (name.name, labels.into_iter().collect())
        })
        .collect();
    assert_eq!(shown, listed);
}

#[test]
fn a_decision_becomes_numbers_and_nothing_of_the_message_is_shown() {
    let text = everything().render();
    for line in [
        r#"tidegate_transfers_total{action="block",direction="request",exporter="CN",importer="ZZ"} 1"#,
        r#"tidegate_rules_fired_total{action="block",pack="cn",rule="assessment"} 1"#,
        r#"tidegate_findings_total{category="personal.contact.email"} 3"#,
        r#"tidegate_inspected_bytes_total{format="json"} 100"#,
        r#"tidegate_opaque_bytes_total{reason="encrypted"} 40"#,
        r#"tidegate_decision_seconds_count 1"#,
        r#"tidegate_counter_people{counter="plain",pack="cn"} 5"#,
        r#"tidegate_counter_people{counter="all",pack="eu"} 7"#,
        r#"tidegate_counter_limit{counter="plain",pack="cn"} 10"#,
        r#"tidegate_counter_next_limit_ratio{counter="plain",pack="cn"} 0.5"#,
        r#"tidegate_counter_forecast_timestamp_seconds{counter="plain",estimate="likely",pack="cn"} 1800000000"#,
        r#"tidegate_failures_total{outcome="closed",stage="ledger"} 0"#,
        r#"tidegate_connections_open{listener="egress"} 0"#,
        r#"tidegate_config_last_reload_successful 1"#,
    ] {
        assert!(text.lines().any(|shown| shown == line), "`{line}` is missing in\n{text}");
    }
    assert!(!text.contains("secret") && !text.contains(r#"tidegate_counter_limit{counter="all""#));
}

#[test]
fn series_that_are_no_longer_named_go_away() {
    let metrics = everything();
    metrics.counters(&[counter("cn", "other", 1, Some(2))]);
    metrics.mechanisms([]);
    metrics.rules([("cn", "2026-12-01", "sha256:1")]);
    let text = metrics.render();
    assert!(text.contains(r#"tidegate_counter_people{counter="other",pack="cn"} 1"#));
    assert!(!text.contains(r#"counter="plain""#) && !text.contains("SC-1") && !text.contains("2026-11-22"));
}

#[test]
fn what_is_held_is_let_go_with_its_value() {
    let metrics = Metrics::new();
    let mut first = metrics.held("egress", 10);
    let second = metrics.held("egress", 5);
    first.add(7);
    let shown =
        |bytes: u64| metrics.render().contains(&format!("tidegate_held_bytes{{listener=\"egress\"}} {bytes}\n"));
    assert!(shown(22));
    drop(first);
    assert!(shown(5));
    drop(second);
    assert!(shown(0));
}

#[test]
fn the_reference_lists_every_metric_as_it_is() {
    let reference = include_str!("../../docs/metrics.md");
    let rows: Vec<&str> = reference.lines().filter(|line| line.starts_with("| `tidegate_")).collect();
    let expected: Vec<String> = NAMES
        .iter()
        .map(|name| {
            let labels: Vec<String> = name.labels.iter().map(|label| format!("`{label}`")).collect();
            format!("| `{}` | {} | {} | {} |", name.name, name.kind, labels.join(", "), name.help)
        })
        .collect();
    assert_eq!(rows, expected, "write the table of docs/metrics.md as:\n{}", expected.join("\n"));
    for value in Stage::ALL.iter().map(|stage| stage.as_str()).chain(UpstreamError::ALL.iter().map(|e| e.as_str())) {
        assert!(reference.contains(&format!("`{value}`")), "the reference does not explain `{value}`");
    }
}
