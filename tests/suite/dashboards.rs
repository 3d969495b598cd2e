//! Dashboards and alerts ask only for metrics and labels the gateway has, in expressions Prometheus can read.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot read its files has failed")]

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::fs;
use std::path::Path;

use promql_parser::label::Matchers;
use promql_parser::parser::{self, Expr, VectorSelector};
use promql_parser::util::{ExprVisitor, walk_expr};
use serde_json::Value;
use tidegate::metrics::{Kind, NAMES};

use crate::harness::run;

/// Labels Prometheus itself puts on what it scrapes.
const TARGET: [&str; 2] = ["instance", "job"];

const BOARDS: [&str; 2] = ["compliance.json", "operator.json"];

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("dashboards").join(name)).unwrap()
}

fn board(name: &str) -> Value {
    serde_json::from_str(&read(name)).unwrap()
}

/// The panels that show something.
fn panels(board: &Value) -> Vec<&Value> {
    board["panels"].as_array().unwrap().iter().filter(|panel| panel["type"] != "row").collect()
}

/// Every expression of a file with the text in which its labels are shown.
fn expressions(name: &str) -> Vec<(String, String)> {
    if !name.ends_with(".json") {
        return alerts(&read(name));
    }
    let board = board(name);
    let targets = panels(&board).into_iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    targets.map(|target| (text(&target["expr"]), text(&target["legendFormat"]))).collect()
}

/// Alerts keep an expression on one line, so that they can be read without a YAML parser.
fn alerts(text: &str) -> Vec<(String, String)> {
    let rules: Vec<&str> = text.split("- alert: ").skip(1).collect();
    let expression = |rule: &&str| {
        let line =
            rule.lines().find_map(|line| line.trim().strip_prefix("expr: ")).expect("an alert has an expression");
        (line.to_owned(), rule.replace("$labels.", ""))
    };
    rules.iter().map(expression).collect()
}

/// Labels of a series by its name: those of the metric, and `le` for the buckets of a histogram.
fn labels_of(series: &str) -> Option<BTreeSet<&'static str>> {
    let exact = NAMES.iter().find(|name| name.name == series && name.kind != Kind::Histogram);
    if let Some(name) = exact {
        return Some(name.labels.iter().copied().collect());
    }
    NAMES.iter().filter(|name| name.kind == Kind::Histogram).find_map(|name| {
        let labels = name.labels.iter().copied();
        match series.strip_prefix(name.name)? {
            "_bucket" => Some(labels.chain(["le"]).collect()),
            "_sum" | "_count" => Some(labels.collect()),
            _ => None,
        }
    })
}

/// What an expression asks for: the labels of its series, and what is wrong.
#[derive(Default)]
struct Asked {
    known: BTreeSet<&'static str>,
    problems: Vec<String>,
}

impl Asked {
    fn of(expression: &Expr) -> Asked {
        let mut asked = Asked::default();
        let Ok(_) = walk_expr(&mut asked, expression);
        asked
    }

    fn series(&mut self, selector: &VectorSelector) {
        let Some(name) = &selector.name else {
            self.problems.push("a selector without a name".to_owned());
            return;
        };
        match labels_of(name) {
            Some(labels) => {
                self.matchers(name, &labels, &selector.matchers);
                self.known.extend(labels);
            }
            None => self.problems.push(format!("no metric `{name}`")),
        }
    }

    fn matchers(&mut self, name: &str, labels: &BTreeSet<&str>, matchers: &Matchers) {
        for matcher in matchers.matchers.iter().chain(matchers.or_matchers.iter().flatten()) {
            let label = matcher.name.as_str();
            if !labels.contains(label) && !TARGET.contains(&label) {
                self.problems.push(format!("`{name}` has no label `{label}`"));
            }
        }
    }

    /// Labels an expression is grouped or joined by have to be labels of what is in it.
    fn grouping(&mut self, labels: &[String], inner: &[&Expr]) {
        let known: BTreeSet<&str> = inner.iter().flat_map(|inner| Asked::of(inner).known).collect();
        let unknown =
            labels.iter().filter(|label| !known.contains(label.as_str()) && !TARGET.contains(&label.as_str()));
        self.problems.extend(unknown.map(|label| format!("no label `{label}` to group by")));
    }
}

impl ExprVisitor for Asked {
    type Error = Infallible;

    fn pre_visit(&mut self, expression: &Expr) -> Result<bool, Infallible> {
        match expression {
            Expr::VectorSelector(selector) => self.series(selector),
            Expr::MatrixSelector(matrix) => self.series(&matrix.vs),
            Expr::Aggregate(aggregate) => {
                if let Some(modifier) = &aggregate.modifier {
                    self.grouping(&modifier.labels().labels, &[&aggregate.expr]);
                }
            }
            Expr::Binary(binary) => {
                if let Some(matching) = binary.modifier.as_ref().and_then(|modifier| modifier.matching.as_ref()) {
                    self.grouping(&matching.labels().labels, &[&binary.lhs, &binary.rhs]);
                }
            }
            _ => (),
        }
        Ok(true)
    }
}

/// `{{label}}` in the names of series, and in annotations, where `{{ $value | … }}` is something else.
fn shown_labels(text: &str) -> Vec<&str> {
    let inside = text.split("{{").skip(1).filter_map(|rest| rest.split_once("}}"));
    inside.map(|(label, _)| label.trim()).filter(|label| !label.starts_with('$')).collect()
}

#[test]
fn every_expression_asks_for_metrics_and_labels_that_exist() {
    let mut problems = Vec::new();
    let mut count = 0;
    for name in BOARDS.into_iter().chain(["alerts.yml"]) {
        for (text, shown) in expressions(name) {
            count += 1;
            let readable = text.replace("$__rate_interval", "5m").replace("$__range", "1h");
            let asked = match parser::parse(&readable) {
                Ok(expression) => Asked::of(&expression),
                Err(error) => Asked { problems: vec![error], ..Asked::default() },
            };
            let unknown = shown_labels(&shown).into_iter().filter(|label| !asked.known.contains(label));
            let unknown = unknown.map(|label| format!("shows `{label}`, which it does not have"));
            problems
                .extend(asked.problems.iter().cloned().chain(unknown).map(|what| format!("{name}: {what}: {text}")));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(count > 50, "only {count} expressions were found");
}

/// Prometheus itself reads the alerts, and fires each of them when it should and not before.
#[test]
fn alerts_fire_when_they_should() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let check = run("/usr/bin/promtool", &["check", "rules", "dashboards/alerts.yml"], root, b"");
    assert_eq!(check.code, 0, "{}{}", check.stdout, check.stderr);
    let mut tests: Vec<String> = fs::read_dir(root.join("tests/data/alerts"))
        .unwrap()
        .map(|entry| entry.unwrap().path().display().to_string())
        .collect();
    tests.sort();
    let mut arguments = vec!["test", "rules"];
    arguments.extend(tests.iter().map(String::as_str));
    let tested = run("/usr/bin/promtool", &arguments, root, b"");
    assert_eq!(tested.code, 0, "{}{}", tested.stdout, tested.stderr);
}

#[test]
fn the_check_sees_what_is_wrong() {
    let wrong = [
        ("tidegate_transfer_total", "no metric"),
        ("up", "no metric"),
        ("tidegate_decision_seconds", "no metric"),
        ("tidegate_transfers_total{host=\"x\"}", "has no label `host`"),
        ("sum by (rule) (tidegate_transfers_total)", "no label `rule`"),
        ("sum by (le) (rate(tidegate_decision_seconds_sum[5m]))", "no label `le`"),
        ("tidegate_counter_people / on (listener) tidegate_counter_limit", "no label `listener`"),
    ];
    for (text, expected) in wrong {
        let problems = Asked::of(&parser::parse(text).unwrap()).problems;
        assert!(problems.iter().any(|problem| problem.contains(expected)), "{text}: {problems:?}");
    }
    assert_eq!(shown_labels("{{ pack }}/{{counter}} {{ $value | humanize }}"), ["pack", "counter"]);
}

#[test]
fn every_metric_is_looked_at() {
    let all: String = BOARDS.into_iter().flat_map(expressions).map(|(text, _)| text + "\n").collect();
    let unseen: Vec<&str> = NAMES.iter().map(|name| name.name).filter(|name| !all.contains(name)).collect();
    assert!(unseen.is_empty(), "no panel shows {unseen:?}");
}

#[test]
fn dashboards_can_be_imported_anywhere() {
    for name in BOARDS {
        let board = board(name);
        assert!(board["schemaVersion"].as_u64().unwrap() >= 39, "{name}");
        assert!(
            board["templating"]["list"].as_array().unwrap().iter().any(|variable| variable["type"] == "datasource")
        );
        let mut titles = BTreeSet::new();
        for panel in panels(&board) {
            let title = panel["title"].as_str().unwrap();
            assert!(
                titles.insert(title.to_owned() + panel["type"].as_str().unwrap()),
                "{name}: two panels `{title}`"
            );
            for text in [&panel["title"], &panel["description"], &panel["fieldConfig"]["defaults"]["unit"]] {
                assert!(text.as_str().is_some_and(|text| !text.is_empty()), "{name}: `{title}` says too little");
            }
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{name}: `{title}`");
        }
        let text = read(name);
        assert!(!text.contains("://") && !text.contains("localhost"), "{name} names a host");
    }
}
