//! Where people are counted: a fleet on Redis, its key, and what happens while the store is slow, gone, or not the one it
//! was.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::harness::{Gateway, Origin, Person, Redis, Server, Setup, eventually, pupils, tidegate};

/// The lines of `[ledger]`, with a key that every gateway of the test is given.
pub fn on(setup: Setup, store: &str, lines: &str) -> Setup {
    let key = setup.path("fleet.key");
    with_key(setup, store, lines, &key, "5e")
}

/// The same with a key file of a byte repeated.
fn with_key(setup: Setup, store: &str, lines: &str, key: &Path, byte: &str) -> Setup {
    fs::write(key, byte.repeat(32)).unwrap();
    fs::set_permissions(key, fs::Permissions::from_mode(0o600)).unwrap();
    setup.log("info").tables(&format!("[ledger]\nstore = \"{store}\"\nkey_file = \"{}\"\n{lines}", key.display()))
}

pub fn at(redis: &Redis) -> String {
    format!("redis://127.0.0.1:{}/0", redis.port())
}

pub fn send(gateway: &Gateway, origin: &Origin, from: u32, to: u32) -> u16 {
    let url = format!("http://api.us.example:{}/", origin.port());
    gateway.post(&url, &pupils(from, to, Person::contact)).status
}

pub fn counted(gateway: &Gateway) -> f64 {
    gateway.metric("tidegate_counter_people", &[("pack", "cn"), ("counter", "plain")])
}

#[test]
fn gateways_of_a_fleet_count_the_same_people_once() {
    for server in Server::ALL {
        let (origin, store) = (Origin::start(), server.start());
        let [first, second] = [(); 2].map(|()| on(Setup::new(), &at(&store), "").start());
        assert_eq!(send(&first, &origin, 0, 10), 200);
        assert_eq!(send(&second, &origin, 5, 15), 200);
        assert_eq!(send(&second, &origin, 5, 15), 200, "a retry");
        for gateway in [&first, &second] {
            assert_eq!(counted(gateway), 15.0);
        }
        assert!(!first.setup.state().join("ledger.redb").exists());
        // What is in the store says nothing of anybody: digests, days and counts.
        let keys = store.command(&["keys", "*"]);
        assert!(!keys.is_empty() && keys.lines().all(|key| key.starts_with("{tidegate}:")), "{keys}");
        first.stop();
        second.stop();
    }
}

#[test]
fn a_key_from_the_environment_is_the_key_of_the_fleet() {
    let (origin, redis) = (Origin::start(), Redis::start());
    let lines = format!("[ledger]\nstore = \"{}\"\nkey_variable = \"FLEET_KEY\"\n", at(&redis));
    let of = |key: &str| Setup::new().log("info").tables(&lines).variable("FLEET_KEY", key);
    let (first, second) = (of(&"5e".repeat(32)).start(), on(Setup::new(), &at(&redis), "").start());
    assert_eq!(send(&first, &origin, 0, 10), 200);
    assert_eq!(send(&second, &origin, 5, 15), 200);
    assert_eq!(counted(&first), 15.0);
    assert!(!first.setup.state().join("digest.key").exists());
    for (key, says) in [("77".repeat(32), "is not the one"), ("5e".repeat(31), "FLEET_KEY")] {
        let (status, log) = Gateway::spawn(of(&key)).wait();
        assert!(!status.success() && log.contains(says), "{log}");
        assert!(!log.contains(&key), "the key is told to nobody");
    }
    first.stop();
    second.stop();
}

#[test]
fn a_gateway_with_another_key_does_not_start() {
    let (origin, redis) = (Origin::start(), Redis::start());
    let first = on(Setup::new(), &at(&redis), "").start();
    assert_eq!(send(&first, &origin, 0, 3), 200);
    let other = Setup::new();
    let key = other.path("other.key");
    let (status, log) = Gateway::spawn(with_key(other, &at(&redis), "", &key, "77")).wait();
    assert!(!status.success());
    assert!(log.contains("is not the one") && log.contains("redis://127.0.0.1"), "{log}");
    let readable = Setup::new();
    let key = readable.path("fleet.key");
    let readable = on(readable, &at(&redis), "");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let (status, log) = Gateway::spawn(readable).wait();
    assert!(!status.success());
    assert!(log.contains("chmod 600"), "{log}");
    first.stop();
}

#[test]
fn a_restart_of_redis_keeps_the_counts_and_the_gateway_comes_back_by_itself() {
    let (origin, mut redis) = (Origin::start(), Redis::start());
    let gateway = on(Setup::new(), &at(&redis), "").start();
    assert_eq!(send(&gateway, &origin, 0, 10), 200);
    redis.kill();
    let refused =
        gateway.post(&format!("http://api.us.example:{}/", origin.port()), &pupils(20, 21, Person::contact));
    assert_eq!(refused.status, 503);
    assert!(refused.text().contains("could not count the people"), "{}", refused.text());
    eventually("the gateway is not ready", || gateway.admin("/-/ready").status == 503);
    assert_eq!(origin.requests().len(), 1);
    redis.restart();
    eventually("the gateway is ready again", || gateway.admin("/-/ready").status == 200);
    assert_eq!(send(&gateway, &origin, 5, 15), 200);
    assert_eq!(counted(&gateway), 15.0);
    gateway.stop();
}

#[test]
fn with_an_open_failure_people_are_kept_here_sealed_and_counted_when_redis_is_back() {
    let (origin, mut redis) = (Origin::start(), Redis::start());
    let setup = on(Setup::new(), &at(&redis), "").tables("[failure]\nledger = \"open\"");
    let gateway = setup.start();
    assert_eq!(send(&gateway, &origin, 0, 10), 200);
    redis.kill();
    assert_eq!(send(&gateway, &origin, 5, 20), 200);
    assert!(gateway.last_record()["warnings"].to_string().contains("ledger-failed"));
    let spool = setup.state().join("ledger.spool");
    let sealed = fs::read(&spool).unwrap();
    assert_eq!(fs::metadata(&spool).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!sealed.windows(5).any(|bytes| bytes == b"plain"), "the spool can be read");
    // Neither a kill nor a start without the store loses anybody.
    drop(gateway.kill());
    let started = Gateway::spawn(setup);
    eventually("the gateway runs", || std::net::TcpStream::connect(("127.0.0.1", started.setup.port)).is_ok());
    assert_eq!(send(&started, &origin, 20, 30), 200);
    redis.restart();
    eventually("those who were kept are in the store", || !spool.exists());
    assert_eq!(counted(&started), 30.0);
    assert_eq!(origin.requests().len(), 3);
    started.stop();
}

#[test]
fn a_spool_that_is_full_closes_an_open_failure() {
    let (origin, mut redis) = (Origin::start(), Redis::start());
    let setup = on(Setup::new(), &at(&redis), "spool = \"2 KiB\"").tables("[failure]\nledger = \"open\"");
    let gateway = setup.start();
    redis.kill();
    assert_eq!(send(&gateway, &origin, 0, 5), 200);
    assert_eq!(send(&gateway, &origin, 100, 200), 503);
    assert_eq!(send(&gateway, &origin, 0, 5), 200, "they are kept already");
    gateway.stop();
}

#[test]
fn a_store_that_does_not_answer_in_time_is_a_failure_and_no_wait() {
    let (origin, redis) = (Origin::start(), Redis::start());
    let gateway = on(Setup::new(), &at(&redis), "timeout = \"300 ms\"").start();
    assert_eq!(send(&gateway, &origin, 0, 1), 200);
    redis.freeze();
    assert_eq!(send(&gateway, &origin, 1, 2), 503);
    redis.thaw();
    eventually("the store is asked again", || gateway.admin("/-/ready").status == 200);
    // Who was asked about may have been counted: the bias is to count too many.
    assert_eq!(send(&gateway, &origin, 1, 3), 200);
    assert_eq!(counted(&gateway), 3.0);
    let log = gateway.stop();
    assert!(log.contains("no answer within"), "{log}");
}

#[test]
fn a_store_that_was_emptied_is_not_counted_in() {
    let (origin, redis) = (Origin::start(), Redis::start());
    let setup = on(Setup::new(), &at(&redis), "");
    let gateway = setup.start();
    assert_eq!(send(&gateway, &origin, 0, 5), 200);
    redis.command(&["flushall"]);
    assert_eq!(send(&gateway, &origin, 5, 6), 503);
    gateway.stop();
    let (status, log) = Gateway::spawn(setup.clone()).wait();
    assert!(!status.success());
    assert!(log.contains("ledger.fleet") && log.contains("empty or holds another ledger"), "{log}");
    fs::remove_file(setup.state().join("ledger.fleet")).unwrap();
    let gateway = setup.start();
    assert_eq!(send(&gateway, &origin, 5, 6), 200);
    assert_eq!(counted(&gateway), 1.0);
    gateway.stop();
}

#[test]
fn a_store_that_is_less_durable_than_it_should_be_is_named_in_the_log() {
    let redis = Redis::start();
    let log = on(Setup::new(), &at(&redis), "").start().stop();
    assert!(!log.contains("can lose people"), "{log}");
    redis.command(&["config", "set", "appendfsync", "everysec"]);
    let log = on(Setup::new(), &at(&redis), "").start().stop();
    assert!(log.contains("can lose people") && log.contains("everysec"), "{log}");
}

#[test]
fn replicas_that_are_asked_for_have_to_be_there() {
    let (origin, redis) = (Origin::start(), Redis::start());
    let gateway = on(Setup::new(), &at(&redis), "replicas = 1\ntimeout = \"2 s\"").start();
    assert_eq!(send(&gateway, &origin, 0, 1), 503);
    let _replica = redis.replica();
    assert_eq!(send(&gateway, &origin, 1, 2), 200);
    gateway.stop();
}

#[test]
fn redis_is_reached_over_tls_with_certificates_of_both_sides() {
    let origin = Origin::start();
    let (setup, root) = Setup::new().trusting_root();
    let roots = setup.path("root.pem");
    let redis = Redis::with_tls(&root, &roots);
    let (certificate, key) = root.sign(&["gateway.example"]);
    let store = format!("rediss://localhost:{}", redis.port());
    let lines = format!(
        "ca_certificate = \"{}\"\nclient_certificate = \"{}\"\nclient_key = \"{}\"",
        roots.display(),
        certificate.display(),
        key.display()
    );
    let gateway = on(setup, &store, &lines).start();
    assert_eq!(send(&gateway, &origin, 0, 4), 200);
    assert_eq!(counted(&gateway), 4.0);
    gateway.stop();
}

#[test]
fn a_server_that_shows_a_certificate_of_nobody_we_trust_is_not_asked() {
    let origin = Origin::start();
    let (setup, root) = Setup::new().trusting_root();
    let redis = Redis::with_tls(&root, &setup.path("root.pem"));
    let store = format!("rediss://localhost:{}", redis.port());
    let gateway = Gateway::spawn(on(setup, &store, ""));
    eventually("the gateway answers", || std::net::TcpStream::connect(("127.0.0.1", gateway.setup.port)).is_ok());
    assert_eq!(send(&gateway, &origin, 0, 4), 503);
    gateway.stop();
}

#[test]
fn a_cluster_keeps_the_ledger_in_one_slot() {
    let (origin, nodes) = (Origin::start(), Redis::cluster());
    let hosts: Vec<String> = nodes.iter().map(|node| format!("127.0.0.1:{}", node.port())).collect();
    let gateway = on(Setup::new(), &format!("redis+cluster://{}", hosts.join(",")), "").start();
    assert_eq!(send(&gateway, &origin, 0, 10), 200);
    assert_eq!(send(&gateway, &origin, 5, 15), 200);
    assert_eq!(counted(&gateway), 15.0);
    let holding = nodes.iter().filter(|node| !node.command(&["keys", "*"]).is_empty()).count();
    assert_eq!(holding, 1);
    gateway.stop();
}

#[test]
fn in_either_store_people_who_are_exempt_or_whose_data_stayed_are_not_counted() {
    let (origin, redis) = (Origin::start(), Redis::start());
    let crm =
        "[[application]]\nname = \"crm\"\nclient = [\"127.0.0.1\"]\nfacts = { purpose = \"contract-necessity\" }\n";
    for setup in [Setup::new(), on(Setup::new(), &at(&redis), "")] {
        let gateway = setup.clone().start();
        let url = format!("http://api.us.example:{}/", origin.port());
        assert_eq!(gateway.post(&url, &pupils(0, 5, Person::json)).status, 451);
        assert_eq!(counted(&gateway), 0.0);
        assert_eq!(send(&gateway, &origin, 0, 3), 200);
        gateway.stop();
        let gateway = setup.tables(crm).start();
        assert_eq!(send(&gateway, &origin, 10, 20), 200);
        assert_eq!(gateway.post(&url, &pupils(10, 20, Person::json)).status, 200);
        let people = |counter| gateway.metric("tidegate_counter_people", &[("pack", "cn"), ("counter", counter)]);
        assert_eq!((people("plain"), people("sensitive")), (3.0, 0.0));
        gateway.stop();
    }
}

#[test]
fn a_rotated_key_keeps_the_counts_of_one_gateway_and_of_a_fleet() {
    let (origin, redis) = (Origin::start(), Redis::start());
    let rotate = |setup: &Setup, more: &[&str]| {
        let config = setup.write().display().to_string();
        let arguments = [&["--config", &config, "ledger", "rotate"], more].concat();
        tidegate(&arguments, setup.directory(), b"").success()
    };
    let alone = Setup::new();
    let gateway = alone.start();
    assert_eq!(send(&gateway, &origin, 0, 10), 200);
    gateway.stop();
    rotate(&alone, &[]);
    let gateway = alone.start();
    assert_eq!(send(&gateway, &origin, 5, 15), 200);
    assert_eq!(counted(&gateway), 15.0);
    gateway.stop();

    let [first, second] = [(); 2].map(|()| on(Setup::new(), &at(&redis), ""));
    let [gateway, other] = [&first, &second].map(Setup::start);
    assert_eq!(send(&gateway, &origin, 0, 10), 200);
    rotate(&first, &[]);
    fs::copy(first.path("fleet.key"), second.path("fleet.key")).unwrap();
    gateway.stop();
    let gateway = first.start();
    for either in [&gateway, &other] {
        assert_eq!(send(either, &origin, 5, 15), 200);
    }
    other.stop();
    let other = second.start();
    rotate(&first, &["--finish"]);
    for either in [&other, &gateway] {
        assert_eq!(send(either, &origin, 10, 20), 200);
        assert_eq!(counted(either), 20.0);
    }
    gateway.stop();
    other.stop();
}

#[test]
fn a_damaged_file_names_the_command_that_repairs_it() {
    let (origin, gateway) = (Origin::start(), Setup::new().start());
    assert_eq!(send(&gateway, &origin, 0, 10), 200);
    let setup = gateway.setup.clone();
    gateway.stop();
    let file = setup.state().join("ledger.redb");
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 8;
    bytes[middle..].iter_mut().step_by(512).for_each(|byte| *byte ^= 0xff);
    fs::write(&file, bytes).unwrap();
    let (status, log) = Gateway::spawn(setup).wait();
    assert!(!status.success());
    assert!(log.contains("tidegate ledger repair"), "{log}");
}

#[test]
fn a_gateway_of_a_fleet_is_asked_what_it_would_decide_with_the_counts_of_the_fleet() {
    let (origin, redis) = (Origin::start(), Redis::start());
    let setup = on(Setup::new(), &at(&redis), "");
    let gateway = setup.start();
    assert_eq!(send(&gateway, &origin, 0, 10), 200);
    let file = setup.path("people.json");
    fs::write(&file, pupils(10, 12, Person::contact)).unwrap();
    let (config, file) = (setup.write().display().to_string(), file.display().to_string());
    let output = tidegate(&["--config", &config, "decide", "--to", "US", "--json", &file], setup.directory(), b"");
    assert!(!output.stderr.contains("cannot be asked"), "{output:?}");
    assert_eq!(counted(&gateway), 10.0, "a question counts nobody");
    gateway.stop();
}
