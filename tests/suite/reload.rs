//! A change of rules or configuration takes effect while traffic flows, and a wrong one changes nothing.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::harness::{Gateway, Origin, Person, Raw, Setup, eventually, post, pupils};

const BLOCK_GERMANY: &str = r#"
id = "house"
title = "House rules"
kind = "organisation"
updated = 2026-11-22
[source.house]
title = "House rules"
[[rule]]
id = "not-there"
cite = "house 1"
when.importer = ["DE"]
action = "block"
why = "We send nothing there."
"#;

fn with_house_rules() -> Setup {
    let rules = BLOCK_GERMANY.replace("DE", "RU");
    Setup::new().rules(&[("house.toml", &rules)]).packs("enabled = [\"cn\", \"organisation\", \"house\"]")
}

fn status(gateway: &Gateway, country: &str, origin: &Origin) -> u16 {
    gateway.curl(&[&format!("http://api.{country}.example:{}/", origin.port())]).status
}

fn change_rules(gateway: &Gateway, content: &str) {
    // As editors do: a new file takes the place of the old.
    let file = gateway.setup.path("rules/house.toml");
    let new = gateway.setup.path("house.new");
    fs::write(&new, content).unwrap();
    fs::rename(new, file).unwrap();
}

#[test]
fn a_changed_rule_takes_effect_by_signal_by_request_and_by_itself() {
    let (origin, gateway) = (Origin::start(), with_house_rules().start());
    assert_eq!((status(&gateway, "de", &origin), status(&gateway, "ru", &origin)), (200, 403));
    change_rules(&gateway, BLOCK_GERMANY);
    assert_eq!(gateway.admin_post("/-/reload", "").status, 200);
    assert_eq!((status(&gateway, "de", &origin), status(&gateway, "ru", &origin)), (403, 200));
    change_rules(&gateway, &BLOCK_GERMANY.replace("DE", "RU"));
    gateway.signal("HUP");
    eventually("the signal reloads", || status(&gateway, "de", &origin) == 200);
    change_rules(&gateway, BLOCK_GERMANY);
    eventually("the change is noticed", || status(&gateway, "de", &origin) == 403);
    assert_eq!(gateway.metric("tidegate_config_last_reload_successful", &[]), 1.0);
    gateway.stop();
}

#[test]
fn a_wrong_rule_file_is_named_and_keeps_the_running_rules() {
    let (origin, gateway) = (Origin::start(), with_house_rules().start());
    change_rules(&gateway, &BLOCK_GERMANY.replace("when.importer", "when.imporetr"));
    let answer = gateway.admin_post("/-/reload", "");
    assert!((400..=599).contains(&answer.status), "{answer:?}");
    let diagnostic = answer.json()["diagnostics"][0].clone();
    assert!(diagnostic["file"].as_str().unwrap().ends_with("house.toml"), "{diagnostic}");
    assert_eq!(diagnostic["line"], 11, "{diagnostic}");
    assert!(diagnostic["help"].as_str().unwrap().contains("importer"), "it suggests what was meant: {diagnostic}");
    eventually("the failure shows", || gateway.metric("tidegate_config_last_reload_successful", &[]) == 0.0);
    assert_eq!((status(&gateway, "de", &origin), status(&gateway, "ru", &origin)), (200, 403));
    gateway.signal("HUP");
    eventually("the log names the file", || gateway.log().contains("house.toml:11"));
    assert_eq!((status(&gateway, "de", &origin), status(&gateway, "ru", &origin)), (200, 403));
    change_rules(&gateway, BLOCK_GERMANY);
    assert_eq!(gateway.admin_post("/-/reload", "").status, 200);
    assert_eq!(gateway.metric("tidegate_config_last_reload_successful", &[]), 1.0);
    gateway.stop();
}

#[test]
fn a_wrong_configuration_keeps_the_running_one() {
    let (origin, gateway) = (Origin::start(), Setup::new().start());
    let file = gateway.setup.path("tidegate.toml");
    let good = fs::read_to_string(&file).unwrap();
    fs::write(&file, good.replace("country = \"CN\"\n", "country = \"XX\"\n")).unwrap();
    let answer = gateway.admin_post("/-/reload", "");
    assert!((400..=599).contains(&answer.status) && answer.text().contains("tidegate.toml"), "{}", answer.text());
    let people = pupils(1, 3, Person::json);
    let reply = gateway.post(&format!("http://api.us.example:{}/", origin.port()), &people);
    assert_eq!(reply.status, 451, "{}", reply.text());
    fs::write(
        &file,
        good.replace("[packs]\nenabled = [\"cn\", \"organisation\"]", "[packs]\nenabled = [\"organisation\"]"),
    )
    .unwrap();
    assert_eq!(gateway.admin_post("/-/reload", "").status, 200);
    let reply = gateway.post(&format!("http://api.us.example:{}/", origin.port()), &people);
    assert_eq!(reply.status, 200, "{}", reply.text());
    gateway.stop();
}

#[test]
fn no_request_fails_while_rules_are_reloaded() {
    let (origin, gateway) = (Origin::start(), with_house_rules().log("info").start());
    let (done, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    let host = format!("api.us.example:{}", origin.port());
    let port = gateway.setup.port;
    std::thread::scope(|scope| {
        for client in 0..4 {
            let (done, answered, host) = (&done, &answered, &host);
            scope.spawn(move || {
                while !done.load(Ordering::SeqCst) {
                    let mut connection = Raw::connect(port);
                    for _ in 0..25 {
                        let body = format!("{{\"client\":{client}}}");
                        let reply = connection.send(post(host, "/", &body)).reply();
                        assert_eq!(reply.status, 200, "{}", reply.text());
                        answered.fetch_add(1, Ordering::SeqCst);
                    }
                }
            });
        }
        for round in 0..12 {
            let before = answered.load(Ordering::SeqCst);
            match round % 3 {
                0 => gateway.signal("HUP"),
                1 => assert_eq!(gateway.admin_post("/-/reload", "").status, 200),
                _ => change_rules(&gateway, &BLOCK_GERMANY.replace("We send", &format!("Round {round}: we send"))),
            }
            eventually("traffic flows on", || answered.load(Ordering::SeqCst) > before + 100);
        }
        done.store(true, Ordering::SeqCst);
    });
    assert_eq!(origin.requests().len(), answered.load(Ordering::SeqCst));
    gateway.stop();
}
