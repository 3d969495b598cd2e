//! Importer lists: who is on one is decided with what the list says, by host and by declared name.

use std::fs;

use serde_json::{Value, json};

use crate::harness::{Origin, Output, Person, Setup, eventually, pupils, tidegate};

const DPF: &str = "name,aliases,hosts,from,until\n\
    \"Example, Inc.\",Example Cloud,*.us.example,2024-01-01,2098-12-31\n\
    Partner LLC,,,,\nGone Corp,,gone.example,2020-01-01,2021-12-31\n";

/// An exporter in Germany, a list of participants, and importers without answers of their own.
fn german(list: &str, importers: &str) -> Setup {
    let lists = "[[importer_list]]\nname = \"dpf\"\nfile = \"dpf.csv\"\nfacts = { importer-status = \"dpf\" }\n";
    let setup = Setup::new().exporter("country = \"DE\"\n").packs("enabled = [\"eu\"]");
    let setup = setup.tables(lists).tables(importers);
    fs::write(setup.path("dpf.csv"), list).unwrap();
    setup
}

fn decide(setup: &Setup, to: &str) -> Value {
    let file = setup.write().display().to_string();
    let arguments = ["decide", "--json", "--config", &file, "--to", to, "--content-type", "application/json", "-"];
    let output = tidegate(&arguments, setup.directory(), pupils(1, 3, Person::contact).as_bytes());
    serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

fn check(setup: &Setup) -> Output {
    let file = setup.write().display().to_string();
    tidegate(&["check", "--config", &file], setup.directory(), b"")
}

#[test]
fn an_importer_is_on_a_list_by_its_host_or_its_declared_name() {
    let importers = "[[importer]]\nhost = \"crm.partner.example\"\ncountry = \"US\"\nname = \"ＰＡＲＴＮＥＲ  llc.\"\n\
        [[importer]]\nhost = \"gone.example\"\ncountry = \"US\"\n\
        [[importer]]\nhost = \"gmbh.example\"\ncountry = \"US\"\noperator = \"Partner GmbH\"\n";
    let setup = german(DPF, importers);
    let by_host = decide(&setup, "api.us.example");
    assert_eq!(by_host["action"], "log", "{by_host:#}");
    assert_eq!(by_host["lists"], json!([{ "list": "dpf", "entry": "Example, Inc.", "by": "host" }]));
    assert_eq!(by_host["facts"]["importer-status"], "dpf");
    let by_name = decide(&setup, "crm.partner.example");
    assert_eq!((&by_name["action"], &by_name["lists"][0]["by"]), (&json!("log"), &json!("name")), "{by_name:#}");
    for nobody in ["gone.example", "gmbh.example"] {
        let decision = decide(&setup, nobody);
        assert_eq!((&decision["action"], &decision["lists"]), (&json!("block"), &Value::Null), "{decision:#}");
    }
}

#[test]
fn a_restricted_recipient_is_stopped_in_traffic_and_a_changed_list_counts_at_once() {
    let lists =
        "[[importer_list]]\nname = \"restricted\"\nfile = \"restricted.toml\"\nfacts = { importer-listed = true }\n";
    let setup = Setup::new().tables(lists);
    let entry = |host: &str| format!("[[entry]]\nname = \"Example Corp\"\nhosts = [\"{host}\"]\nfrom = 2024-01-01\n");
    fs::write(setup.path("restricted.toml"), entry("api.us.example")).unwrap();
    let (origin, gateway) = (Origin::start(), setup.start());
    let send = |country: &str| {
        gateway.post(&format!("http://api.{country}.example:{}/", origin.port()), &pupils(1, 3, Person::contact))
    };
    let refused = send("us");
    assert_eq!((refused.status, &refused.json()["reasons"][0]["rule"]), (451, &json!("listed-recipient")));
    assert_eq!(refused.json()["lists"], json!([{ "list": "restricted", "entry": "Example Corp", "by": "host" }]));
    assert_eq!(gateway.last_record()["lists"][0]["entry"], "Example Corp");
    assert_eq!(send("sg").status, 200);
    fs::write(setup.path("restricted.toml"), "[[entry]]\nnmae = \"x\"\n").unwrap();
    let wrong = gateway.admin_post("/-/reload", "");
    assert_eq!(wrong.status, 400, "{}", wrong.text());
    assert!(
        wrong.text().contains("restricted.toml") && wrong.text().contains("did you mean `name`?"),
        "{}",
        wrong.text()
    );
    assert_eq!(send("us").status, 451, "a wrong list keeps the running one");
    fs::write(setup.path("restricted.toml"), entry("api.sg.example")).unwrap();
    eventually("the changed list is noticed", || send("us").status == 200);
    assert_eq!(send("sg").status, 451);
    gateway.stop();
}

#[test]
fn mistakes_in_a_list_are_named_with_their_place() {
    for (list, says) in [
        ("name,hots\nA,b.example\n", vec!["dpf.csv:1:6: error: unknown column `hots`", "did you mean `hosts`?"]),
        ("name,until\nA,2024-02-30\n", vec!["dpf.csv:2:3: error: `2024-02-30` is not a date"]),
        ("name,hosts\nA,https://a.example\n", vec!["dpf.csv:2:3: error:", "is not a host name"]),
        (
            "name,fact.importer-status\nA,dfp\n",
            vec!["dpf.csv:2:3: error: `dfp` is not a value", "did you mean `dpf`?"],
        ),
        ("name\nA,B\n", vec!["dpf.csv:2:1: error: 2 fields where the header has 1"]),
        ("name,hosts\n,\n", vec!["dpf.csv:2:1: error: an entry has a name or a host"]),
        ("name\n\"A\n", vec!["dpf.csv:2:1: error: a quoted field has no closing quote"]),
    ] {
        let output = check(&german(list, ""));
        assert_eq!(output.code, 1, "{list}: {output:?}");
        for part in says {
            assert!(output.stdout.contains(part), "{list}: {}", output.stdout);
        }
    }
}

#[test]
fn an_importers_own_answer_wins_and_the_contradiction_is_told() {
    let importers = "[[importer]]\nhost = \"crm.partner.example\"\ncountry = \"US\"\nname = \"Partner LLC\"\n\
        facts = { importer-status = \"none\" }\n";
    let setup = german(DPF, importers);
    let output = check(&setup);
    assert_eq!(output.code, 0, "{output:?}");
    assert!(output.stdout.contains("importer-status = none, and `Partner LLC` of list `dpf` says dpf"), "{output:?}");
    assert_eq!(decide(&setup, "crm.partner.example")["action"], "block");
}

#[test]
fn a_hundred_thousand_entries_are_a_list_and_one_more_is_not() {
    let entries = |number: usize| {
        let mut text = "name,hosts\n".to_owned();
        (0..number).for_each(|n| text.push_str(&format!("Company {n} Inc.,h{n}.invented.example\n")));
        text.push_str("Example,*.us.example\n");
        text
    };
    let setup = german(&entries(99_999), "");
    assert_eq!(decide(&setup, "api.us.example")["lists"][0]["entry"], "Example");
    let output = check(&german(&entries(100_000), ""));
    assert_eq!(output.code, 1, "{output:?}");
    assert!(output.stdout.contains("a list has at most 100000 entries"), "{}", output.stdout);
}
