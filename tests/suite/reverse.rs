//! The gateway in front of an API: routes by host, over TLS or not, and answers that are judged before they leave.

use serde_json::json;

use crate::harness::{Gateway, Nginx, Origin, Person, Reply, Root, Setup, free_port, pupils};

/// A reverse listener whose clients are in a country, in front of an upstream in China.
struct Api {
    port: u16,
    gateway: Gateway,
}

impl Api {
    fn start(setup: Setup, clients: &str, upstream: &str, more: &str) -> Api {
        let port = free_port();
        let tables = format!(
            "[[listener]]\nname = \"api\"\naddress = \"127.0.0.1:{port}\"\nmode = \"reverse\"\nclient_country = \"{clients}\"\n{more}\n\
             [[route]]\nhost = \"api.own.example\"\nupstream = \"{upstream}\"\ncountry = \"CN\"\n"
        );
        Api { port, gateway: setup.tables(&tables).start() }
    }

    fn curl(&self, arguments: &[&str]) -> Reply {
        let resolve = format!("*:{}:127.0.0.1", self.port);
        self.gateway.direct_curl(&[&["--resolve", resolve.as_str()], arguments].concat())
    }

    fn url(&self, path: &str) -> String {
        format!("http://api.own.example:{}{path}", self.port)
    }
}

fn plain(origin: &Origin) -> String {
    format!("http://127.0.0.1:{}", origin.port())
}

#[test]
fn a_request_goes_to_the_upstream_of_its_host() {
    let origin = Origin::start();
    let api = Api::start(Setup::new(), "CN", &plain(&origin), "");
    let reply = api.curl(&["-d", "a=1", &api.url("/v1/things?x=1")]);
    assert_eq!(reply.status, 200, "{}", reply.text());
    let arrived = origin.only_request();
    assert_eq!((arrived.target.as_str(), arrived.body.as_slice()), ("/v1/things?x=1", b"a=1".as_slice()));
    assert_eq!(arrived.header("host"), Some(format!("api.own.example:{}", api.port).as_str()));
    let stranger = api.curl(&[&format!("http://other.example:{}/", api.port)]);
    assert!(matches!(stranger.status, 404 | 421 | 502), "{stranger:?}");
    assert_eq!(origin.requests().len(), 1);
    api.gateway.stop();
}

#[test]
fn an_answer_about_people_to_a_client_abroad_is_an_export_and_is_stopped() {
    let origin = Origin::start();
    origin.serve("/people", "application/json", pupils(1, 4, Person::json));
    origin.serve("/things", "application/json", r#"{"things":[1,2,3]}"#);
    let api = Api::start(Setup::new(), "US", &plain(&origin), "");
    let things = api.curl(&[&api.url("/things")]);
    assert_eq!((things.status, things.text().as_str()), (200, r#"{"things":[1,2,3]}"#));
    let people = api.curl(&[&api.url("/people")]);
    assert_eq!(people.status, 451, "{}", people.text());
    assert_eq!(people.header("content-type"), Some("application/problem+json"));
    assert!(!people.text().contains("62170000"), "{}", people.text());
    let record = api.gateway.last_record();
    assert_eq!(record["direction"], "response", "{record}");
    assert_eq!((&record["exporter"]["country"], &record["importer"]["country"]), (&json!(["CN"]), &json!(["US"])));
    assert_eq!(record["content"]["people"], 3);
    api.gateway.stop();
}

#[test]
fn the_same_answer_to_a_client_at_home_is_none() {
    let origin = Origin::start();
    origin.serve("/people", "application/json", pupils(1, 4, Person::json));
    let api = Api::start(Setup::new(), "CN", &plain(&origin), "");
    let people = api.curl(&[&api.url("/people")]);
    assert_eq!(people.status, 200, "{}", people.text());
    assert!(people.text().contains("62170000"));
    api.gateway.stop();
}

#[test]
fn an_answer_larger_than_memory_is_held_and_arrives_whole() {
    let origin = Origin::start();
    let api = Api::start(Setup::new().log("info"), "US", &plain(&origin), "");
    let reply = api.curl(&[&api.url("/download/20000000")]);
    assert_eq!((reply.status, reply.body.len()), (200, 20_000_000));
    let mut people = vec![b' '; 5_000_000];
    people.extend_from_slice(pupils(1, 4, Person::json).as_bytes());
    origin.serve("/late", "application/json", people);
    assert_eq!(api.curl(&[&api.url("/late")]).status, 451);
    api.gateway.stop();
}

#[test]
fn an_upstream_over_tls_is_asked_by_name_and_verified() {
    let (setup, root) = Setup::new().trusting_root();
    let origin = Origin::start();
    let nginx = Nginx::start(setup.directory(), &root, &["api.own.example"], &origin);
    let api = Api::start(setup, "CN", &format!("https://127.0.0.1:{}", nginx.port()), "");
    let reply = api.curl(&[&api.url("/")]);
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(origin.only_request().header("x-origin-name"), Some("api.own.example"));
    api.gateway.stop();
}

#[test]
fn an_upstream_with_the_wrong_certificate_gets_nothing() {
    let (setup, root) = Setup::new().trusting_root();
    let origin = Origin::start();
    let wrong_name = Nginx::start(setup.directory(), &root, &["elsewhere.example"], &origin);
    let api = Api::start(setup, "CN", &format!("https://127.0.0.1:{}", wrong_name.port()), "");
    assert_eq!(api.curl(&["-d", "a=1", &api.url("/")]).status, 502);
    api.gateway.stop();
    let setup = Setup::new();
    let stranger = Root::make(setup.directory(), "stranger");
    let nobody_vouches = Nginx::start(setup.directory(), &stranger, &["api.own.example"], &origin);
    let api = Api::start(setup, "CN", &format!("https://127.0.0.1:{}", nobody_vouches.port()), "");
    assert_eq!(api.curl(&["-d", "a=1", &api.url("/")]).status, 502);
    assert_eq!(origin.requests().len(), 0);
    api.gateway.stop();
}

#[test]
fn a_route_may_name_the_server_it_verifies() {
    let (setup, root) = Setup::new().trusting_root();
    let origin = Origin::start();
    let nginx = Nginx::start(setup.directory(), &root, &["backend.own.example"], &origin);
    let upstream = format!("https://127.0.0.1:{}", nginx.port());
    let port = free_port();
    let tables = format!(
        "[[listener]]\nname = \"api\"\naddress = \"127.0.0.1:{port}\"\nmode = \"reverse\"\n\
         [[route]]\nhost = \"api.own.example\"\nupstream = \"{upstream}\"\ncountry = \"CN\"\nsni = \"backend.own.example\"\n"
    );
    let api = Api { port, gateway: setup.tables(&tables).start() };
    assert_eq!(api.curl(&[&api.url("/")]).status, 200);
    assert_eq!(origin.only_request().header("x-origin-name"), Some("backend.own.example"));
    api.gateway.stop();
}

/// The lines of a listener with a certificate of the root, and the root's file for curl.
fn tls_lines(setup: &Setup, root: &Root) -> (String, String) {
    let (certificate, key) = root.sign(&["api.own.example"]);
    let lines = format!("certificate = \"{}\"\nkey = \"{}\"", certificate.display(), key.display());
    (lines, setup.path("root.pem").display().to_string())
}

#[test]
fn a_reverse_listener_speaks_tls_with_its_own_certificate() {
    let (setup, root) = Setup::new().trusting_root();
    let (lines, file) = tls_lines(&setup, &root);
    let origin = Origin::start();
    let api = Api::start(setup, "CN", &plain(&origin), &lines);
    for (flag, version) in [("--http1.1", "1.1"), ("--http2", "2")] {
        let reply = api.curl(&[flag, "--cacert", &file, &format!("https://api.own.example:{}/", api.port)]);
        assert_eq!((reply.status, reply.version.as_str()), (200, version), "{}", reply.text());
    }
    api.gateway.stop();
}

#[test]
fn an_answer_in_http2_is_judged_too() {
    let (setup, root) = Setup::new().trusting_root();
    let (lines, file) = tls_lines(&setup, &root);
    let origin = Origin::start();
    origin.serve("/people", "application/json", pupils(1, 4, Person::json));
    let api = Api::start(setup, "US", &plain(&origin), &lines);
    let get = |path: &str| {
        api.curl(&["--http2", "--cacert", &file, &format!("https://api.own.example:{}{path}", api.port)])
    };
    let people = get("/people");
    assert_eq!((people.status, people.version.as_str()), (451, "2"), "{}", people.text());
    let large = get("/download/3000000");
    assert_eq!((large.status, large.version.as_str(), large.body.len()), (200, "2", 3_000_000));
    api.gateway.stop();
}
