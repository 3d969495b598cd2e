//! Never over the statute: many clients race at a bound, and exactly those leave who fit.

use std::collections::BTreeSet;

use crate::harness::{Fate, Load, Origin, Person, Reply, Server, Setup, mixed, pupils, singly};
use crate::ledger_store::{at, on};

/// Sensitive data of so many people since 1 January needs a security assessment, which nobody here holds.
const BOUND: u64 = 10_000;

const CLIENTS: usize = 64;

/// What lets sensitive people go below that bound.
const CONTRACT: &str = "[[mechanism]]\nid = \"SC-1\"\nkind = \"standard-contract\"\nimporter = [\"*.sg.example\"]\n\
                        from = 2026-01-15\nuntil = 2099-01-14\nfiled = 2026-01-20\n";

fn setup() -> Setup {
    Setup::new().tables(CONTRACT).log("info")
}

/// Name, number and card: sensitive.
fn load(ports: Vec<u16>, origin: &Origin) -> Load {
    Load { clients: CLIENTS, ports, host: format!("api.sg.example:{}", origin.port()), shape: Person::json }
}

/// What a refusal at the bound says the counter showed and the message would have added.
#[track_caller]
fn at_the_bound(reply: &Reply) -> (u64, u64) {
    assert_eq!(reply.status, 451, "{}", reply.text());
    let problem = reply.json();
    let reasons = problem["reasons"].as_array().unwrap();
    let reason = reasons.iter().find(|reason| reason["rule"] == "assessment-sensitive");
    let counter = &reason.unwrap_or_else(|| panic!("{problem:#}"))["counter"];
    assert_eq!(counter["limit"], BOUND);
    (counter["before"].as_u64().unwrap(), counter["adding"].as_u64().unwrap())
}

/// Sends people in mixed messages up to beyond the bound, a tenth of the messages twice, then everybody who was in a
/// refused message alone. Nobody may have been refused who would have fitted.
fn race(load: &Load, origin: &Origin) {
    let mut messages = mixed(0, 10_600);
    let again: Vec<_> = messages.iter().step_by(10).cloned().collect();
    messages.extend(again);
    let left_over = refused(&load.send(&messages));
    let singles = load.send(&singly(left_over.iter().copied()));
    let late = refused(&singles);
    assert_eq!(origin.people().len() as u64, BOUND - 1, "people at the origin");
    assert_eq!(
        late.len(),
        left_over.len() + origin.people().len() - people_of(&messages, &left_over),
        "each has one answer"
    );
    let single = singles.iter().find_map(|(_, reply)| reply.as_ref().filter(|reply| reply.status != 200));
    assert_eq!(at_the_bound(single.expect("somebody is refused")), (BOUND - 1, 1));
}

/// How many of the people in some messages are not among those left over.
fn people_of(messages: &[std::ops::Range<u32>], left_over: &BTreeSet<u32>) -> usize {
    let all: BTreeSet<u32> = messages.iter().flat_map(Clone::clone).collect();
    all.difference(left_over).count()
}

/// The people of refused messages. Every refusal has to be at the bound, and every other message has to have left.
fn refused(fates: &[Fate]) -> BTreeSet<u32> {
    let (mut refused, mut left) = (BTreeSet::new(), BTreeSet::new());
    for (people, reply) in fates {
        let reply = reply.as_ref().expect("every message has an answer");
        if reply.status == 200 {
            left.extend(people.clone());
            continue;
        }
        let (before, adding) = at_the_bound(reply);
        assert!(before + adding >= BOUND, "{before} and {adding} more would fit");
        refused.extend(people.clone());
    }
    refused.retain(|person| !left.contains(person));
    refused
}

#[test]
fn of_64_clients_at_a_bound_of_10_000_exactly_9_999_people_leave() {
    let (origin, gateway) = (Origin::start(), setup().start());
    let load = load(vec![gateway.setup.port], &origin);
    race(&load, &origin);
    let shown = || gateway.metric("tidegate_counter_people", &[("pack", "cn"), ("counter", "sensitive")]);
    assert_eq!(shown(), (BOUND - 1) as f64);
    // Who has left may leave again, and again, and counts once.
    let known = origin.people().into_iter().next().unwrap();
    for (_, reply) in load.send(&singly([known; 100])) {
        assert_eq!(reply.unwrap().status, 200);
    }
    assert_eq!(shown(), (BOUND - 1) as f64);
    gateway.stop();
}

#[test]
fn of_64_clients_of_three_gateways_on_one_redis_exactly_9_999_people_leave() {
    three_gateways_on(Server::Redis);
}

#[test]
fn of_64_clients_of_three_gateways_on_one_valkey_exactly_9_999_people_leave() {
    three_gateways_on(Server::Valkey);
}

fn three_gateways_on(server: Server) {
    let (origin, store) = (Origin::start(), server.start());
    let gateways = [(); 3].map(|()| on(setup(), &at(&store), "").start());
    let load = load(gateways.iter().map(|gateway| gateway.setup.port).collect(), &origin);
    race(&load, &origin);
    for gateway in gateways {
        let shown = gateway.metric("tidegate_counter_people", &[("pack", "cn"), ("counter", "sensitive")]);
        assert_eq!(shown, (BOUND - 1) as f64);
        gateway.stop();
    }
}

#[test]
fn exempt_people_and_blocked_transfers_are_not_counted() {
    let exempt = "[[application]]\nname = \"orders\"\nclient = [\"127.0.0.0/8\"]\nfacts = { purpose = \"contract-necessity\" }\n";
    let (origin, gateway) = (Origin::start(), Setup::new().tables(exempt).start());
    let url = |country: &str| format!("http://api.{country}.example:{}/", origin.port());
    let counted = || {
        let counters = gateway.admin("/api/v1/ledger").json();
        counters["counters"]
            .as_array()
            .unwrap()
            .iter()
            .map(|counter| counter["people"].as_u64().unwrap())
            .sum::<u64>()
    };
    assert_eq!(gateway.post(&url("us"), &pupils(0, 5, Person::json)).status, 200);
    assert_eq!(counted(), 0, "exempt people count nowhere");
    let setup = gateway.setup.clone();
    gateway.stop();
    // The same without the exemption: sensitive data without a contract is stopped, and the stop counts nobody.
    let gateway = Setup::new().start();
    for _ in 0..3 {
        assert_eq!(gateway.post(&url("us"), &pupils(0, 5, Person::json)).status, 451);
    }
    assert_eq!(gateway.metric("tidegate_counter_people", &[]), 0.0);
    gateway.stop();
    drop(setup);
}
