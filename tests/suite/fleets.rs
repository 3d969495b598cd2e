//! A fleet in bad times: an outage of its store from beginning to end, a damaged spool, a fail-over; and people of the past
//! who come in while gateways run.

use std::fs;

use crate::harness::{Gateway, Origin, Person, Redis, Server, Setup, eventually, free_port, post, pupils};
use crate::ledger_commands::{audit, last_request, run, setup as with_house, shown};
use crate::ledger_store::{at, counted, on, send};

/// People who wait on this machine, as the gauge says it.
fn waiting(gateway: &Gateway) -> f64 {
    gateway.metric("tidegate_ledger_spooled_people", &[])
}

fn failures(gateway: &Gateway) -> f64 {
    gateway.metric("tidegate_failures_total", &[("stage", "ledger"), ("outcome", "open")])
}

fn open(setup: Setup) -> Setup {
    setup.tables("[failure]\nledger = \"open\"")
}

#[test]
fn an_open_outage_is_seen_on_the_gauge_and_ends_with_exact_counts() {
    for server in Server::ALL {
        let (origin, mut store) = (Origin::start(), server.start());
        let [gateway, other] = [(); 2].map(|()| open(on(Setup::new(), &at(&store), "")).start());
        assert_eq!(send(&gateway, &origin, 0, 10), 200);
        assert_eq!((counted(&gateway), waiting(&gateway)), (10.0, 0.0));

        store.kill();
        let mut connection = gateway.raw();
        let host = format!("api.us.example:{}", origin.port());
        for (from, to, wait) in [(8, 12, 4.0), (12, 30, 22.0), (12, 30, 22.0), (40, 41, 23.0)] {
            let reply = connection.send(post(&host, "/", &pupils(from, to, Person::contact))).reply();
            assert_eq!(reply.status, 200, "{}", reply.text());
            assert_eq!(waiting(&gateway), wait, "after {from}..{to}, each person once however many counters");
        }
        assert!(failures(&gateway) >= 4.0);
        let spool = fs::read(gateway.setup.state().join("ledger.spool")).unwrap();
        assert!(!spool.windows(5).any(|bytes| bytes == b"plain"), "the spool can be read");
        // The other gateway does not see them, and has people of its own, some of them the same.
        assert_eq!(send(&other, &origin, 28, 35), 200);
        assert_eq!(waiting(&other), 7.0);

        store.restart();
        for gateway in [&gateway, &other] {
            eventually("nobody waits any more", || waiting(gateway) == 0.0);
            assert!(!gateway.setup.state().join("ledger.spool").exists());
            assert_eq!(gateway.admin("/-/ready").status, 200);
        }
        let left = origin.people().len() as f64;
        assert_eq!((counted(&gateway), counted(&other), left), (36.0, 36.0, 36.0));
        // Nobody of them is new.
        assert_eq!(send(&other, &origin, 0, 35), 200);
        assert_eq!(counted(&gateway), 36.0);
        gateway.stop();
        other.stop();
    }
}

#[test]
fn a_damaged_spool_is_refused_and_repaired_with_the_lost_said_and_counted() {
    let (origin, mut redis) = (Origin::start(), Redis::start());
    let setup = open(on(Setup::new(), &at(&redis), ""));
    let gateway = setup.start();
    redis.kill();
    for (from, to) in [(0, 10), (10, 30), (30, 37)] {
        assert_eq!(send(&gateway, &origin, from, to), 200);
    }
    gateway.kill();
    let none = run(&setup, &["repair"], "").success();
    assert!(none.contains("nothing is wrong with the people of 3 transfers"), "{none}");

    let spool = setup.state().join("ledger.spool");
    let mut bytes = fs::read(&spool).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&spool, &bytes).unwrap();
    let (status, log) = Gateway::spawn(setup.clone()).wait();
    assert!(!status.success());
    assert!(log.contains("ledger.spool") && log.contains("tidegate ledger repair"), "{log}");

    let repaired = run(&setup, &["repair"], "");
    assert_eq!(repaired.code, 1, "{repaired:?}");
    assert!(
        repaired.stdout.contains("2 transfers read") && repaired.stdout.contains("at most 20 people stood"),
        "{repaired:?}"
    );
    assert!(repaired.stdout.contains("cn/plain: counts 20 unknown people more"), "{repaired:?}");
    assert_eq!(fs::read(setup.state().join("ledger.spool.damaged-1")).unwrap(), bytes);

    redis.restart();
    let gateway = setup.start();
    eventually("nobody waits any more", || waiting(&gateway) == 0.0);
    assert_eq!(counted(&gateway), 37.0, "as many as left: those who were lost count as strangers");
    assert_eq!(send(&gateway, &origin, 10, 30), 200);
    assert_eq!(counted(&gateway), 57.0, "who is sent again counts once more, and never too few");
    gateway.stop();
}

#[test]
fn commands_beside_a_gateway_leave_its_spool_to_it() {
    let (origin, mut redis) = (Origin::start(), Redis::start());
    let setup = open(on(with_house(), &at(&redis), ""));
    let gateway = setup.start();
    assert_eq!(send(&gateway, &origin, 0, 1), 200);
    redis.kill();
    assert_eq!(send(&gateway, &origin, 1, 4), 200);
    redis.restart();
    // While the gateway brings them back or has not yet, a command neither takes them away nor cuts the file.
    for _ in 0..5 {
        assert!(shown(&setup, "house", "ten")["people"].as_u64().unwrap() >= 1);
    }
    eventually("nobody waits any more", || waiting(&gateway) == 0.0);
    redis.kill();
    assert_eq!(send(&gateway, &origin, 4, 6), 200);
    assert!(setup.state().join("ledger.spool").exists(), "the next outage is written to a file that is there");
    assert_eq!(run(&setup, &["repair"], "").code, 2, "a repair waits for the gateway to stop");
    let mut second = setup.clone();
    (second.port, second.admin) = (free_port(), free_port());
    let (status, log) = Gateway::spawn(second).wait();
    assert!(!status.success() && log.contains("in use by another process"), "{log}");
    drop(gateway.kill());
    redis.restart();
    let gateway = setup.start();
    eventually("nobody waits any more", || waiting(&gateway) == 0.0);
    assert_eq!(shown(&setup, "house", "ten")["people"], 6);
    gateway.stop();
}

#[test]
fn people_of_the_past_come_in_while_gateways_of_a_fleet_run() {
    for server in Server::ALL {
        let (origin, store) = (Origin::start(), server.start());
        let [setup, other] = [(); 2].map(|()| on(with_house(), &at(&store), ""));
        let [gateway, second] = [&setup, &other].map(Setup::start);
        assert_eq!(send(&gateway, &origin, 0, 3), 200);
        // Four by number, and three as the data that was sent: one of them is known.
        let list = "pack,counter,people,basis\nhouse,ten,4,\"CRM, spring\"\ncn,plain,70000,HR system\n";
        for before in [(3, 7), (7, 7)] {
            let said = run(&setup, &["import", "-"], list).success();
            let expected = format!("house/ten: 4 people brought in; it showed {} and shows {}", before.0, before.1);
            assert!(said.contains(&expected), "{said}");
        }
        let file = setup.path("sent.json");
        fs::write(&file, pupils(2, 5, Person::contact)).unwrap();
        let name = file.display().to_string();
        let raw = ["import", "--raw", &name, "--pack", "house", "--counter", "ten", "--basis", "sent in spring"];
        let said = run(&setup, &raw, "").success();
        assert!(said.contains("house/ten: 3 people brought in; it showed 7 and shows 9"), "{said}");

        // Shown by the command and by both gateways, audited, and judged at the next transfer through either.
        assert_eq!(shown(&setup, "house", "ten")["people"], 9);
        for gateway in [&gateway, &second] {
            assert_eq!(gateway.metric("tidegate_counter_people", &[("counter", "ten")]), 9.0);
            assert_eq!(gateway.metric("tidegate_counter_people", &[("pack", "cn"), ("counter", "plain")]), 70_003.0);
        }
        let notes: Vec<_> = audit(&setup).into_iter().filter(|record| record["event"] == "ledger-import").collect();
        assert!(notes.iter().any(|note| note["basis"] == "sent in spring" && note["people"] == 3), "{notes:?}");
        assert_eq!(send(&second, &origin, 4, 6), 200, "nine, and the tenth");
        assert!(last_request(&second)["warnings"].to_string().contains("counter-near-limit:house/ten"));
        assert_eq!(send(&gateway, &origin, 10, 11), 403, "the eleventh is more than ten");
        assert_eq!(send(&gateway, &origin, 0, 6), 200, "who is known may leave again");
        gateway.stop();
        second.stop();
    }
}

#[test]
fn a_forecast_of_a_fleet_knows_who_leaves_a_rolling_window() {
    let (origin, redis) = (Origin::start(), Redis::start());
    let setup = on(with_house(), &at(&redis), "").clock("2025-12-01T04:00:00Z");
    let gateway = setup.start();
    // Eight who leave the window on 2 December 2026, and one a day in the days before that.
    assert_eq!(send(&gateway, &origin, 0, 8), 200);
    gateway.set_clock("2026-11-20T04:00:00Z");
    assert_eq!(send(&gateway, &origin, 8, 9), 200);
    gateway.set_clock("2026-11-30T04:00:00Z");
    let counters = gateway.admin("/api/v1/ledger").json();
    let rows = counters["counters"].as_array().unwrap();
    let forecast = &rows.iter().find(|row| row["counter"] == "ten").unwrap()["forecast"];
    // One in 28 days: nine and two more would be eleven in two months, if eight did not leave.
    let (early, likely) = (forecast["early"].as_str().unwrap(), forecast["likely"].as_str());
    assert!(early < "2027-02", "{forecast}");
    assert!(likely.is_none_or(|day| day > "2027-06"), "as if nobody left: {forecast}");
    gateway.stop();
}

#[test]
fn with_replicas_a_fail_over_that_sentinels_make_loses_nobody() {
    for server in Server::ALL {
        let (origin, mut master) = (Origin::start(), server.start());
        let replicas = [master.replica(), master.replica()];
        let sentinel = Redis::sentinel(&master);
        eventually("the sentinel knows the replicas", || {
            let known = sentinel.command(&["sentinel", "replicas", "main"]);
            replicas.iter().all(|replica| known.contains(&replica.port().to_string()))
        });
        let store = format!("redis+sentinel://127.0.0.1:{}/main", sentinel.port());
        let [gateway, other] =
            [(); 2].map(|()| on(Setup::new(), &store, "replicas = 1\ntimeout = \"600 ms\"").start());
        assert_eq!(send(&gateway, &origin, 0, 10), 200);

        // The replicas stand still: what the master alone has does not leave, whichever gateway is asked and however often.
        replicas.iter().for_each(Redis::freeze);
        assert_eq!(send(&gateway, &origin, 10, 20), 503);
        assert_eq!(send(&other, &origin, 10, 20), 503, "the master knows them, and no replica does");
        assert_eq!(send(&other, &origin, 0, 10), 503, "nor can a replica say that it has the others");
        assert_eq!(origin.people().len(), 10);
        master.kill();
        replicas.iter().for_each(Redis::thaw);
        eventually("a replica is the master", || replicas.iter().any(Redis::is_master));
        eventually("the gateways count on it", || send(&gateway, &origin, 20, 30) == 200);
        eventually("the gateways count on it", || send(&other, &origin, 25, 35) == 200);
        let left = origin.people().len() as f64;
        let shown = counted(&gateway);
        assert!(shown >= left, "{left} people left, {shown} are counted");
        assert_eq!(send(&other, &origin, 0, 10), 200);
        assert_eq!(counted(&other), shown, "somebody whose data left was forgotten");
        gateway.stop();
        other.stop();
    }
}
