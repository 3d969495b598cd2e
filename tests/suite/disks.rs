//! A full disk: what needs it is refused, nothing leaves unrecorded or uncounted, and the gateway works on when it can.

use std::fs;

use crate::harness::{Origin, Person, Setup, eventually, post, pupils};

const MIB: u64 = 1 << 20;

fn host(origin: &Origin) -> String {
    format!("api.us.example:{}", origin.port())
}

/// Fills today's and tomorrow's audit file up to the limit, so that not one byte more can be written.
fn fill_audit(setup: &Setup, limit: u64) {
    let directory = setup.state().join("audit");
    fs::create_dir_all(&directory).unwrap();
    let today = jiff::Timestamp::now().to_zoned_datetime(jiff::tz::TimeZone::UTC).date();
    for day in [today, today.tomorrow().unwrap()] {
        let line = format!("{{\"filler\":\"{}\"}}\n", "x".repeat(1024 - 14));
        assert_eq!(line.len(), 1024);
        fs::write(directory.join(format!("audit-{day}.jsonl")), line.repeat((limit / 1024) as usize)).unwrap();
    }
}

#[test]
fn when_the_audit_log_is_full_nothing_leaves() {
    let setup = Setup::new().file_limit(8 * MIB);
    fill_audit(&setup, 8 * MIB);
    let (origin, gateway) = (Origin::start(), setup.start_unready());
    let reply = gateway.raw().send(post(&host(&origin), "/", "{\"a\":1}")).reply();
    assert_eq!(reply.status, 503, "{}", reply.text());
    assert_eq!(reply.header("content-type"), Some("application/problem+json"));
    origin.assert_untouched();
    assert!(gateway.metric("tidegate_failures_total", &[("stage", "audit"), ("outcome", "closed")]) >= 1.0);
    gateway.stop();
}

#[test]
fn a_gateway_that_cannot_record_is_not_ready_until_it_can() {
    let setup = Setup::new().file_limit(8 * MIB);
    fill_audit(&setup, 8 * MIB);
    let (origin, gateway) = (Origin::start(), setup.start_unready());
    let ready = gateway.admin("/-/ready");
    assert_eq!((ready.status, &ready.json()["ready"]), (503, &false.into()), "{}", ready.text());
    assert!(ready.json()["problems"][0].as_str().unwrap().contains("recorded"), "{}", ready.text());
    for entry in fs::read_dir(setup.state().join("audit")).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    eventually("there is room for records", || gateway.admin("/-/ready").status == 200);
    assert_eq!(gateway.raw().send(post(&host(&origin), "/", "{\"a\":1}")).reply().status, 200);
    assert_eq!(gateway.records().len(), 1, "asking leaves nothing behind");
    gateway.stop();
}

#[test]
fn a_failure_that_is_open_lets_go_and_says_so() {
    let setup = Setup::new().file_limit(8 * MIB).tables("[failure]\naudit = \"open\"\n");
    fill_audit(&setup, 8 * MIB);
    let (origin, gateway) = (Origin::start(), setup.start());
    assert_eq!(gateway.raw().send(post(&host(&origin), "/", "{\"a\":1}")).reply().status, 200);
    assert!(gateway.metric("tidegate_failures_total", &[("stage", "audit"), ("outcome", "open")]) >= 1.0);
    assert!(gateway.log().contains("audit"));
    gateway.stop();
}

#[test]
fn when_there_is_no_room_to_spool_a_large_message_is_refused_and_a_small_one_passes() {
    let (origin, gateway) = (Origin::start(), Setup::new().file_limit(8 * MIB).start());
    let h = host(&origin);
    let large = "x".repeat(20 * MIB as usize);
    let mut connection = gateway.raw();
    connection.send(format!("POST http://{h}/ HTTP/1.1\r\nhost: {h}\r\ncontent-length: {}\r\n\r\n", large.len()));
    let reply = connection.send(large).reply();
    assert_eq!(reply.status, 503, "{}", reply.text());
    origin.assert_untouched();
    assert_eq!(gateway.raw().send(post(&h, "/", "{\"a\":1}")).reply().status, 200);
    assert_eq!(gateway.metric("tidegate_spooled_bytes", &[]), 0.0, "what was spooled so far is given back");
    gateway.stop();
}

#[test]
fn when_the_ledger_cannot_grow_nobody_leaves_uncounted() {
    // A first run shows how large an empty ledger is; the second may hardly write more.
    let setup = Setup::new();
    setup.start().stop();
    let size = fs::metadata(setup.state().join("ledger.redb")).unwrap().len();
    let (origin, gateway) = (Origin::start(), setup.log("info").file_limit(size.max(MIB)).start());
    let h = host(&origin);
    let mut connection = gateway.raw();
    let mut left = 0;
    for first in (0..120_000).step_by(2000) {
        let reply = connection.send(post(&h, "/", &pupils(first, first + 2000, Person::contact))).reply();
        match reply.status {
            200 => left += 2000,
            503 => break,
            other => panic!("{other}: {}", reply.text()),
        }
    }
    assert!(left < 90_000, "the ledger never filled: the test needs a smaller limit ({size} bytes)");
    assert_eq!(origin.requests().len() * 2000, left);
    let counted = gateway.metric("tidegate_counter_people", &[("pack", "cn"), ("counter", "plain")]);
    assert!(counted >= left as f64, "{left} people left, {counted} are counted");
    assert!(gateway.metric("tidegate_failures_total", &[("stage", "ledger"), ("outcome", "closed")]) >= 1.0);
    gateway.stop();
}
