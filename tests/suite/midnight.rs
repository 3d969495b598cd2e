//! The ends of windows and mechanisms, with the gateway's clock moved over midnight while it runs.

use jiff::Timestamp;

use crate::harness::{Gateway, Origin, Person, Reply, Setup, eventually, pupils};

/// Midnight in Shanghai between 2026 and 2027.
const NEW_YEAR: &str = "2026-12-31T16:00:00Z";

fn post(gateway: &Gateway, country: &str, origin: &Origin, body: &str) -> Reply {
    gateway.post(&format!("http://api.{country}.example:{}/", origin.port()), body)
}

fn counted(gateway: &Gateway, pack: &str, counter: &str) -> f64 {
    gateway.metric("tidegate_counter_people", &[("pack", pack), ("counter", counter)])
}

/// When the gateway took its latest decision, by its own clock.
fn decided(gateway: &Gateway) -> Timestamp {
    gateway.last_record()["time"].as_str().unwrap().parse().unwrap()
}

#[test]
fn the_year_of_a_counter_begins_at_midnight_in_shanghai() {
    let midnight: Timestamp = NEW_YEAR.parse().unwrap();
    let (origin, gateway) = (Origin::start(), Setup::new().clock("2026-12-31T15:50:00Z").start());
    assert_eq!(post(&gateway, "us", &origin, &pupils(0, 10, Person::contact)).status, 200);
    assert!(decided(&gateway) < midnight);
    assert_eq!(counted(&gateway, "cn", "plain"), 10.0);
    gateway.set_clock("2026-12-31T15:59:58Z");
    assert_eq!(post(&gateway, "us", &origin, &pupils(10, 12, Person::contact)).status, 200);
    assert_eq!(counted(&gateway, "cn", "plain"), 12.0, "two seconds before midnight it is the old year");
    // The clock runs over midnight while messages flow.
    eventually("the new year has begun", || {
        assert_eq!(post(&gateway, "us", &origin, "{\"a\":1}").status, 200);
        decided(&gateway) >= midnight
    });
    assert_eq!(counted(&gateway, "cn", "plain"), 0.0, "the new year begins with nobody, before anybody is sent");
    assert_eq!(post(&gateway, "us", &origin, &pupils(5, 8, Person::contact)).status, 200);
    assert_eq!(counted(&gateway, "cn", "plain"), 3.0, "people of the old year count again");
    gateway.stop();
}

#[test]
fn a_clock_that_is_set_back_forgets_nobody() {
    let (origin, gateway) = (Origin::start(), Setup::new().clock("2026-12-31T15:00:00Z").start());
    assert_eq!(post(&gateway, "us", &origin, &pupils(0, 10, Person::contact)).status, 200);
    gateway.set_clock("2027-01-05T00:00:00Z");
    assert_eq!(post(&gateway, "us", &origin, &pupils(8, 13, Person::contact)).status, 200);
    assert_eq!(counted(&gateway, "cn", "plain"), 5.0);
    gateway.set_clock("2026-12-30T00:00:00Z");
    assert_eq!(post(&gateway, "us", &origin, &pupils(9, 14, Person::contact)).status, 200);
    assert!(counted(&gateway, "cn", "plain") >= 14.0, "the old year shows everybody it ever showed, and more");
    gateway.set_clock("2027-01-05T00:01:00Z");
    assert!(counted(&gateway, "cn", "plain") >= 5.0, "and the new one did not lose anybody");
    let setup = gateway.kill();
    let gateway = setup.start();
    assert!(counted(&gateway, "cn", "plain") >= 5.0, "nor does a start after that");
    gateway.stop();
}

const ROLLING: &str = r#"
id = "rolling"
title = "Twelve months that roll"
kind = "organisation"
updated = 2026-11-22
[source.house]
title = "House rules"
[class.anyone]
title = "people"
categories = ["personal"]
[counter.people]
class = "anyone"
window = "rolling 12 months"
per = "exporter"
[[rule]]
id = "many"
cite = "house 1"
when.counter.people = { at_least = 1000 }
action = "block"
why = "A thousand people in twelve months."
"#;

#[test]
fn twelve_months_roll_over_a_leap_day() {
    let setup = Setup::new().rules(&[("rolling.toml", ROLLING)]).packs("enabled = [\"rolling\"]");
    let (origin, gateway) = (Origin::start(), setup.clock("2027-02-27T12:00:00Z").start());
    let send = |moment: &str, from: u32, to: u32| {
        gateway.set_clock(moment);
        assert_eq!(post(&gateway, "us", &origin, &pupils(from, to, Person::contact)).status, 200);
    };
    send("2027-02-27T12:00:00Z", 0, 2);
    send("2027-02-28T12:00:00Z", 2, 5);
    // A year before 29 February 2028 is 28 February 2027.
    send("2028-02-29T12:00:00Z", 5, 6);
    let shows = |moment: &str, people: f64| {
        gateway.set_clock(moment);
        assert_eq!(counted(&gateway, "rolling", "people"), people, "{moment}");
    };
    shows("2028-02-27T12:00:00Z", 6.0);
    shows("2028-02-28T12:00:00Z", 4.0);
    shows("2028-02-29T23:59:00Z", 4.0);
    shows("2028-03-01T00:01:00Z", 1.0);
    shows("2029-02-28T12:00:00Z", 1.0);
    shows("2029-03-01T00:01:00Z", 0.0);
    gateway.stop();
}

#[test]
fn a_mechanism_ends_at_midnight_where_its_law_is_without_a_reload() {
    let contract = "[[mechanism]]\nid = \"SC-1\"\nkind = \"standard-contract\"\nimporter = [\"*.sg.example\"]\n\
                    from = 2026-01-15\nuntil = 2026-12-10\nfiled = 2026-01-20\n";
    let midnight: Timestamp = "2026-12-10T16:00:00Z".parse().unwrap();
    let setup = Setup::new().tables(contract).clock("2026-12-10T15:30:00Z");
    let (origin, gateway) = (Origin::start(), setup.start());
    let people = pupils(0, 2, Person::json);
    assert_eq!(post(&gateway, "sg", &origin, &people).status, 200);
    let record = gateway.last_record();
    assert_eq!(record["mechanisms"], serde_json::json!(["SC-1"]), "{record}");
    let end = gateway.metric("tidegate_mechanism_expiry_timestamp_seconds", &[("mechanism", "SC-1")]);
    assert_eq!(end, midnight.as_second() as f64);
    gateway.set_clock("2026-12-10T15:59:58Z");
    eventually("the contract has ended", || {
        let reply = post(&gateway, "sg", &origin, &people);
        let moment = decided(&gateway);
        let expected = if moment < midnight { 200 } else { 451 };
        assert_eq!(reply.status, expected, "at {moment}: {}", reply.text());
        reply.status == 451
    });
    gateway.stop();
}

/// A contract with a first day, filed on another.
fn contract(more: &str) -> String {
    format!(
        "[[mechanism]]\nid = \"SC-1\"\nkind = \"standard-contract\"\nimporter = [\"*.sg.example\"]\n\
         from = 2026-11-02\nuntil = 2029-01-14\n{more}"
    )
}

/// The newest record of a request, after sending one on a day.
fn sent_on(gateway: &Gateway, moment: &str, origin: &Origin) -> (u16, serde_json::Value) {
    gateway.set_clock(moment);
    let status = post(gateway, "sg", origin, &pupils(0, 2, Person::json)).status;
    let records = gateway.records();
    (status, records.into_iter().rfind(|record| record["direction"] == "request").unwrap())
}

#[test]
fn a_contract_that_is_not_filed_in_time_ends_at_midnight_where_its_law_says_so() {
    // Turkey: five business days from the signature, and after that no effect until it is notified.
    let turkish = "issuer = \"TR\"\nlanguage = \"tr\"\naltered = \"no\"\n";
    let setup = || {
        let setup = Setup::new().exporter("name = \"Example\"\ncountry = \"TR\"").packs("enabled = [\"tr\"]");
        setup.clock("2026-11-03T09:00:00Z")
    };
    let (origin, gateway) = (Origin::start(), setup().tables(&contract(turkish)).start());
    let (status, record) = sent_on(&gateway, "2026-11-03T09:00:00Z", &origin);
    assert_eq!(status, 200, "{record}");
    assert!(record["warnings"].to_string().contains("filing-due"), "{record}");
    assert!(record.to_string().contains("\"file_by\":\"2026-11-09\""), "{record}");
    let midnight: Timestamp = "2026-11-09T21:00:00Z".parse().unwrap();
    gateway.set_clock("2026-11-09T20:59:58Z");
    eventually("the deadline is over", || {
        let reply = post(&gateway, "sg", &origin, &pupils(0, 2, Person::json));
        let moment = decided(&gateway);
        assert_eq!(reply.status, if moment < midnight { 200 } else { 451 }, "at {moment}: {}", reply.text());
        reply.status == 451
    });
    gateway.stop();
    // Filed late it carries again from that day on, and every decision says that it was late.
    let gateway = setup().tables(&contract(&format!("{turkish}filed = 2026-11-12\n"))).start();
    let (status, record) = sent_on(&gateway, "2026-11-12T09:00:00Z", &origin);
    assert_eq!(status, 200, "{record}");
    assert!(record["warnings"].to_string().contains("filing-late"), "{record}");
    gateway.stop();
}

#[test]
fn a_contract_that_is_not_filed_in_time_is_warned_of_where_its_law_leaves_it_in_force() {
    // China: ten working days from the first day of the contract, and filing is no condition of its effect.
    let (origin, gateway) =
        (Origin::start(), Setup::new().tables(&contract("")).clock("2026-11-03T04:00:00Z").start());
    for (moment, warning) in [
        ("2026-11-03T04:00:00Z", "filing-due"),
        ("2026-11-16T15:59:00Z", "filing-due"),
        ("2026-11-16T16:00:01Z", "filing-late"),
        ("2026-12-01T04:00:00Z", "filing-late"),
    ] {
        let (status, record) = sent_on(&gateway, moment, &origin);
        assert_eq!(status, 200, "{record}");
        assert!(record["warnings"].to_string().contains(warning), "{moment}: {record}");
    }
    gateway.stop();
    let filed = Setup::new().tables(&contract("filed = 2026-11-16\n")).clock("2026-12-01T04:00:00Z").start();
    let (status, record) = sent_on(&filed, "2026-12-01T04:00:00Z", &origin);
    assert_eq!((status, record["warnings"].to_string().contains("filing")), (200, false), "{record}");
    filed.stop();
}
