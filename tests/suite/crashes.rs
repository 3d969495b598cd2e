//! kill -9 at random moments under load: what the ledger shows afterwards is never below what the origin received.
//!
//! A few kills by default. `TIDEGATE_TEST_KILLS=200` makes it as many as one wants; docs/ledger.md has the last long run.

use std::collections::BTreeSet;
use std::ops::Range;
use std::thread;
use std::time::Duration;

use crate::harness::{Gateway, Load, Origin, Person, Server, Setup, eventually, mixed, post, pupils};
use crate::ledger_store::{at, on};

const CLIENTS: usize = 8;

/// People nobody else sends, for one round.
const ROUND: u32 = 2_000;

fn kills() -> u32 {
    std::env::var("TIDEGATE_TEST_KILLS").map_or(25, |number| number.parse().unwrap())
}

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// What the ledger shows. The gauges of the metrics would not do: they keep their last value while a store cannot be asked.
fn counted(gateway: &Gateway) -> u64 {
    let mut people = None;
    eventually("the ledger can be asked", || {
        let answer = gateway.admin("/api/v1/ledger");
        if answer.status == 200 {
            let counters = answer.json();
            let mut rows = counters["counters"].as_array().unwrap().iter();
            people = rows.find(|row| row["counter"] == "plain").and_then(|row| row["people"].as_u64());
        }
        people.is_some()
    });
    people.unwrap()
}

/// Sends everybody whose data left once more. Whoever was not counted before would be counted now.
fn send_again(gateway: &Gateway, host: &str, left: &BTreeSet<u32>) {
    let mut connection = gateway.raw();
    for person in runs(left) {
        let reply = connection.send(post(host, "/", &pupils(person.start, person.end, Person::contact))).reply();
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
}

/// Numbers in a row, at most a thousand together.
fn runs(numbers: &BTreeSet<u32>) -> Vec<Range<u32>> {
    let mut runs: Vec<Range<u32>> = Vec::new();
    for number in numbers {
        match runs.last_mut() {
            Some(run) if run.end == *number && run.len() < 1000 => run.end += 1,
            _ => runs.push(*number..number + 1),
        }
    }
    runs
}

#[test]
fn a_gateway_killed_at_random_moments_never_shows_fewer_people_than_left() {
    let (origin, mut dice) = (Origin::start(), Dice(20_261_124));
    let host = format!("api.us.example:{}", origin.port());
    // Held, so that no bound stops the load of a long run.
    let contract = "[[mechanism]]\nid = \"SC-1\"\nkind = \"standard-contract\"\nimporter = [\"*.us.example\"]\n\
                    from = 2026-01-15\nuntil = 2099-01-14\nfiled = 2026-01-20\n";
    let (mut setup, mut seen, kills) = (Setup::new().tables(contract).log("info"), 0, kills());
    for kill in 0..kills {
        let gateway = setup.start();
        let shown = counted(&gateway);
        let left = origin.people().len() as u64;
        assert!(shown >= left, "after {kill} kills {left} people left and {shown} are counted");
        assert!(shown >= seen, "a kill took {} people out of the count", seen - shown);
        seen = shown;
        let first = kill % 200 * ROUND;
        let load =
            Load { clients: CLIENTS, ports: vec![gateway.setup.port], host: host.clone(), shape: Person::contact };
        let clients = thread::spawn(move || load.send(&mixed(first, first + ROUND)));
        thread::sleep(Duration::from_millis(5 + dice.below(250)));
        setup = gateway.kill();
        drop(clients.join().unwrap());
        if kill % 5 == 4 {
            // Once more while it starts and recovers.
            let starting = Gateway::spawn(setup.clone());
            thread::sleep(Duration::from_millis(dice.below(400)));
            setup = starting.kill();
        }
    }
    let gateway = setup.start();
    let (left, shown) = (origin.people(), counted(&gateway));
    assert!(shown >= left.len() as u64, "{} people left, {shown} are counted", left.len());
    assert!(left.len() as u64 > u64::from(kills) * 20, "only {} people left: the load is too light", left.len());
    send_again(&gateway, &host, &left);
    assert_eq!(counted(&gateway), shown, "somebody whose data left was not counted");
    println!("gateway: {kills} kills and {} while starting, {} people left, {shown} counted", kills / 5, left.len());
    gateway.stop();
}

#[test]
fn a_redis_killed_at_random_moments_never_shows_fewer_people_than_left() {
    stores_killed(Server::Redis, kills());
}

#[test]
fn a_valkey_killed_at_random_moments_never_shows_fewer_people_than_left() {
    stores_killed(Server::Valkey, kills().div_ceil(4));
}

fn stores_killed(server: Server, kills: u32) {
    let (origin, mut store, mut dice) = (Origin::start(), server.start(), Dice(42));
    let host = format!("api.us.example:{}", origin.port());
    let gateways = [(); 2].map(|()| on(Setup::new(), &at(&store), "timeout = \"1 s\"").start());
    let ports: Vec<u16> = gateways.iter().map(|gateway| gateway.setup.port).collect();
    for kill in 0..kills {
        let first = kill % 200 * ROUND;
        let load = Load { clients: CLIENTS, ports: ports.clone(), host: host.clone(), shape: Person::contact };
        let clients = thread::spawn(move || load.send(&mixed(first, first + ROUND / 4)));
        thread::sleep(Duration::from_millis(5 + dice.below(150)));
        store.kill();
        thread::sleep(Duration::from_millis(dice.below(50)));
        store.restart();
        for (_, reply) in clients.join().unwrap() {
            let status = reply.expect("the gateway answers, whatever its store does").status;
            assert!(matches!(status, 200 | 503), "{status}");
        }
        eventually("both gateways count again", || {
            gateways.iter().all(|gateway| gateway.admin("/-/ready").status == 200)
        });
        let (left, shown) = (origin.people().len() as u64, counted(&gateways[0]));
        assert!(shown >= left, "after {} kills {left} people left and {shown} are counted", kill + 1);
    }
    let (left, shown) = (origin.people(), counted(&gateways[0]));
    assert!(left.len() as u64 > u64::from(kills) * 20, "only {} people left: the load is too light", left.len());
    send_again(&gateways[1], &host, &left);
    assert_eq!(counted(&gateways[0]), shown, "somebody whose data left was not counted");
    println!("{server:?}: {kills} kills, {} people left, {shown} counted", left.len());
    gateways.into_iter().for_each(|gateway| drop(gateway.stop()));
}
