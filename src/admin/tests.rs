//! The door as a client sees it: a real socket, requests written by hand.

use std::net::SocketAddr;
use std::path::Path;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::config::Origin;

const CONFIGURATION: &str = r#"
mode = "enforce"
state = "state"

[exporter]
name = "Example Ltd"
country = "CN"

[[application]]
name = "crm"
client = ["127.0.0.1/32"]

[[mechanism]]
id = "SC-1"
kind = "standard-contract"
importer = ["*.partner.example"]
categories = ["personal"]
from = 2026-01-15
until = 2099-01-14
filed = 2026-01-20
"#;

/// A served door; it stops when dropped.
struct Door {
    address: SocketAddr,
    directory: tempfile::TempDir,
    _stop: tokio::sync::oneshot::Sender<()>,
}

fn state(directory: &Path, token: Option<&str>) -> AdminState {
    let file = directory.join("tidegate.toml");
    let admin = token.map(|token| {
        std::fs::write(directory.join("token"), token).unwrap();
        "[admin]\ntoken_file = \"token\"\n"
    });
    std::fs::write(&file, format!("{CONFIGURATION}{}", admin.unwrap_or(""))).unwrap();
    let live = Live::start(Origin::new(Some(file), None)).unwrap();
    let settings = &live.now().settings;
    let ledger = Ledger::open(&settings.state).unwrap();
    let audit = Arc::new(Audit::open(&settings.audit_directory).unwrap());
    let metrics = Metrics::new();
    let key = ledger.key();
    let gate = Gate::new(live.clone(), ledger.clone(), audit.clone(), metrics.clone(), key);
    AdminState { live, gate, ledger, audit, metrics }
}

struct Reply {
    status: u16,
    head: String,
    body: String,
}

impl Door {
    async fn open(token: Option<&str>) -> Door {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let directory = tempfile::tempdir().unwrap();
        let state = state(directory.path(), token);
        tokio::spawn(async move {
            serve(listener, state, async {
                let _ = stopped.await;
            })
            .await
        });
        Door { address, directory, _stop: stop }
    }

    async fn ask(&self, line: &str, headers: &str) -> Reply {
        let host = if headers.to_ascii_lowercase().contains("host:") { "" } else { "Host: localhost\r\n" };
        self.raw(&format!("{line} HTTP/1.1\r\n{host}{headers}Connection: close\r\n\r\n")).await
    }

    async fn raw(&self, request: &str) -> Reply {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Reply { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
    }

    async fn get(&self, path: &str) -> Reply {
        self.ask(&format!("GET {path}"), "").await
    }
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.body))
    }
}

#[tokio::test]
async fn every_answer_is_hardened_and_every_error_is_a_problem() {
    let door = Door::open(None).await;
    for (line, status) in [
        ("GET /", 200),
        ("GET /nothing", 404),
        ("GET /packs/nothing", 404),
        ("GET /console/..%2f..%2fmod.rs", 404),
        ("GET /api/v1/decisions/x", 400),
        ("GET /api/v1/decisions/0198c2aa-0000-7000-8000-000000000000", 404),
        ("GET /api/v1/decisions?limit=1001", 400),
        ("GET /api/v1/decisions?limt=1", 400),
        ("GET /api/v1/decisions?action=maybe", 400),
        ("DELETE /api/v1/decisions", 405),
        ("GET /-/reload", 405),
        ("POST /api/v1/decide", 400),
        ("POST /api/v1/decide?to=SG&as=nobody", 400),
        ("POST /api/v1/decide?to=SG&fact=nothing=1", 400),
        ("POST /api/v1/decide?to=https://a.example/", 400),
        ("POST /api/v1/decide?to=SG&date=soon", 400),
    ] {
        let reply = door.ask(line, "").await;
        assert_eq!(reply.status, status, "{line}: {}", reply.body);
        for header in [
            "content-security-policy: default-src 'none'",
            "x-content-type-options: nosniff",
            "x-frame-options: deny",
        ] {
            assert!(reply.head.contains(header), "{line} has no {header}");
        }
        if status >= 400 {
            assert!(reply.head.contains("application/problem+json"), "{line}: {}", reply.head);
            assert_eq!(reply.json()["status"], status);
        }
    }
    let refused = door.ask("DELETE /api/v1/ledger", "").await;
    assert!(refused.head.contains("allow: get,head"), "{}", refused.head);
}

#[tokio::test]
async fn a_name_that_was_rebound_to_loopback_gets_nothing() {
    let door = Door::open(None).await;
    for host in ["evil.example", "evil.example:9180", "127.0.0.1.evil.example"] {
        assert_eq!(door.ask("GET /api/v1/decisions", &format!("Host: {host}\r\n")).await.status, 403, "{host}");
    }
    for host in ["localhost:9180", "127.0.0.1", "[::1]:9180"] {
        assert_eq!(door.ask("GET /api/v1/decisions", &format!("Host: {host}\r\n")).await.status, 200, "{host}");
    }
}

#[tokio::test]
async fn only_our_own_page_may_change_something() {
    let door = Door::open(None).await;
    let post = |headers: &'static str| door.ask("POST /-/reload", headers);
    assert_eq!(post("").await.status, 200);
    assert_eq!(post("Origin: http://localhost\r\n").await.status, 200);
    assert_eq!(post("Origin: http://evil.example\r\n").await.status, 403);
    assert_eq!(post("Origin: null\r\n").await.status, 403);
    assert_eq!(post("Sec-Fetch-Site: cross-site\r\n").await.status, 403);
}

#[tokio::test]
async fn with_a_token_only_what_needs_no_secret_is_public() {
    let door = Door::open(Some("correct-horse")).await;
    for route in routes() {
        let path = route.path.replace("{id}", "x").replace("{file}", "x");
        for wrong in ["", "Authorization: Bearer wrong\r\n", "Authorization: Basic Y29ycmVjdC1ob3JzZQ==\r\n"] {
            let asks = [
                door.ask(&format!("GET {path}"), wrong).await.status,
                door.ask(&format!("POST {path}"), wrong).await.status,
            ];
            assert_eq!(asks.contains(&401), route.access == Access::Token, "{path} {wrong}");
            assert!(route.access == Access::Public || !asks.contains(&200), "{path} {wrong}");
        }
    }
    let reply = door.ask("GET /api/v1/ledger", "Authorization: bearer correct-horse\r\n").await;
    assert_eq!(reply.status, 200);
    assert!(door.get("/metrics").await.head.contains("www-authenticate: bearer"));
}

#[tokio::test]
async fn the_description_lists_the_routes_of_the_router_and_their_methods() {
    let described: Value = serde_json::from_str(document::OPENAPI).unwrap();
    let described = described["paths"].as_object().unwrap();
    let mut listed: Vec<&str> = routes().iter().map(|route| route.path).collect();
    listed.sort_unstable();
    assert_eq!(listed, described.keys().map(String::as_str).collect::<Vec<_>>());

    let door = Door::open(None).await;
    for route in routes() {
        let item = &described[route.path];
        let path = route.path.replace("{id}", "x").replace("{file}", "x");
        for method in ["get", "post", "put", "delete", "patch"] {
            let reply = door.ask(&format!("{} {path}", method.to_ascii_uppercase()), "").await;
            assert_eq!(reply.status == 405, item.get(method).is_none(), "{method} {path}: {}", reply.status);
        }
        let public = item["get"].get("security").is_some_and(|security| security == &serde_json::json!([]));
        assert_eq!(public, route.access == Access::Public, "{path}");
    }
}

#[tokio::test]
async fn readiness_says_what_the_gateway_would_do() {
    let door = Door::open(None).await;
    let ready = door.get("/-/ready").await;
    assert_eq!(ready.status, 200, "{}", ready.body);
    let ready = ready.json();
    assert_eq!((&ready["ready"], &ready["mode"]), (&Value::Bool(true), &Value::from("enforce")));
    assert_eq!(ready["exporter"]["country"], "CN");
    assert_eq!(ready["listeners"][0]["mode"], "forward");
    let script = door.get("/proxy.pac").await;
    assert!(script.body.contains("return \"PROXY 127.0.0.1:"), "{}", script.body);
    assert!(!script.body.contains(";DIRECT") && !script.body.contains("; DIRECT"));
}

#[tokio::test]
async fn a_reload_with_mistakes_says_them_and_keeps_what_runs() {
    let door = Door::open(None).await;
    let file = door.directory.path().join("tidegate.toml");
    std::fs::write(&file, CONFIGURATION.replace("mode = \"enforce\"", "mode = \"observe\"")).unwrap();
    let reply = door.ask("POST /-/reload", "").await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(reply.json()["changed"][0], "mode");
    std::fs::write(&file, "mod = \"enforce\"").unwrap();
    let reply = door.ask("POST /-/reload", "").await;
    assert_eq!(reply.status, 400, "{}", reply.body);
    let problem = reply.json();
    assert_eq!((&problem["kept"], &problem["diagnostics"][0]["line"]), (&Value::Bool(true), &Value::from(1)));
    assert_eq!(door.get("/-/ready").await.json()["mode"], "observe");
}

#[tokio::test]
async fn packs_and_mechanisms_are_shown_with_what_is_missing() {
    let door = Door::open(None).await;
    let packs = door.get("/api/v1/packs").await.json();
    let pack = packs["packs"].as_array().unwrap().iter().find(|pack| pack["id"] == "cn").unwrap().clone();
    assert_eq!(pack["state"], "enabled");
    assert!(pack["rules"].as_array().unwrap().iter().all(|rule| rule["cite"].is_string() && rule["why"].is_string()));
    assert!(pack["facts"].as_array().unwrap().iter().all(|fact| fact["answered"] == false));
    let mechanisms = door.get("/api/v1/mechanisms").await.json();
    assert_eq!(mechanisms["mechanisms"][0]["state"], "valid");
    assert!(mechanisms["mechanisms"][0]["days_left"].as_i64().unwrap() > 20_000);
    let page = door.get("/packs/cn").await;
    assert!(page.head.contains("text/html") && page.body.contains("id=\"rule-contract-sensitive\""), "{}", page.body);
    assert!(!page.body.contains("<script"));
    assert!(
        door.get("/metrics").await.body.contains("tidegate_mechanism_expiry_timestamp_seconds{mechanism=\"SC-1\"}")
    );
}

#[tokio::test]
async fn a_rehearsal_answers_with_a_decision_and_bounds_the_body() {
    let door = Door::open(None).await;
    let request = "POST /api/v1/decide?to=SG&from=CN&content_type=text/plain&date=2026-11-24 HTTP/1.1\r\nHost: localhost\r\n\
                   Content-Length: 5\r\nConnection: close\r\n\r\nhello";
    let reply = door.raw(request).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    let decision = reply.json();
    assert_eq!(decision["importer"]["country"][0], "SG");
    assert_eq!(decision["exporter"]["country"][0], "CN");
    assert_eq!(decision["time"], "2026-11-24T12:00:00Z");
    assert!(decision["found"].is_array());
    assert!(door.get("/api/v1/decisions").await.json()["decisions"].as_array().unwrap().is_empty());
    let large = "POST /api/v1/decide?to=SG HTTP/1.1\r\nHost: localhost\r\nContent-Length: 16777217\r\nConnection: close\r\n\r\n";
    assert_eq!(door.raw(large).await.status, 413);
}
