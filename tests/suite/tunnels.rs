//! CONNECT: intercepted in HTTP/1.1 and HTTP/2, with and without a server name, or tunnelled untouched.

use serde_json::json;

use crate::harness::{Gateway, Nginx, Origin, Person, Root, Setup, get, post, pupils};

struct Tls {
    origin: Origin,
    nginx: Nginx,
    gateway: Gateway,
    _root: Root,
}

/// A TLS origin whose root the gateway trusts, and the client does not.
fn tls(adjust: impl FnOnce(Setup) -> Setup) -> Tls {
    let (setup, root) = Setup::new().trusting_root();
    let origin = Origin::start();
    let names = ["api.us.example", "api.cn.example", "pinned.us.example"];
    let nginx = Nginx::start(setup.directory(), &root, &names, &origin);
    let gateway = adjust(setup.name("pinned.us.example", "127.0.0.1")).start();
    Tls { origin, nginx, gateway, _root: root }
}

impl Tls {
    fn url(&self, path: &str) -> String {
        format!("https://api.us.example:{}{path}", self.nginx.port())
    }
}

#[test]
fn an_intercepted_connection_speaks_either_version_of_http_and_is_judged() {
    let tls = tls(|setup| setup);
    for (flag, version) in [("--http1.1", "1.1"), ("--http2", "2")] {
        let post = ["-H", "content-type: application/json", "-d"];
        let harmless = tls.gateway.curl(&[&post[..], &[r#"{"a":1}"#, flag, &tls.url("/v1")]].concat());
        assert_eq!((harmless.status, harmless.version.as_str()), (200, version), "{}", harmless.text());
        let people = pupils(1, 3, Person::json);
        let before = tls.origin.requests().len();
        let refused = tls.gateway.curl(&[&post[..], &[&people, flag, &tls.url("/v1/people")]].concat());
        assert_eq!((refused.status, refused.version.as_str()), (451, version), "{}", refused.text());
        assert_eq!(tls.origin.requests().len(), before);
    }
    let arrived = tls.origin.requests();
    assert_eq!(arrived[0].header("x-origin-name"), Some("api.us.example"), "the upstream is asked by name");
    assert_eq!(arrived[0].body, br#"{"a":1}"#);
    tls.gateway.stop();
}

#[test]
fn the_client_sees_a_certificate_of_the_organisations_ca() {
    let tls = tls(|setup| setup);
    let reply = tls.gateway.curl(&["-v", &tls.url("/")]);
    assert_eq!(reply.status, 200);
    let without = tls.gateway.try_curl(&["--cacert", "/etc/ssl/certs/ca-certificates.crt", &tls.url("/")]);
    crate::harness::curl_failure(without, &[60]);
    tls.gateway.stop();
}

#[test]
fn a_client_that_sends_no_server_name_gets_the_certificate_of_the_connect() {
    let tls = tls(|setup| setup);
    let port = tls.nginx.port().to_string();
    let output = tls.gateway.python("no_server_name.py", &["api.us.example", &port]).success();
    assert!(output.contains("HTTP/1.1 200"), "{output}");
    assert!(output.contains("DNS:api.us.example"), "{output}");
    tls.gateway.stop();
}

#[test]
fn a_host_on_the_bypass_list_is_tunnelled_and_shows_its_own_certificate() {
    let tls = tls(|setup| setup.tables("[interception]\nbypass = [\"pinned.us.example\"]\n"));
    let root = tls.gateway.setup.path("root.pem").display().to_string();
    let url = format!("https://pinned.us.example:{}/", tls.nginx.port());
    let reply = tls.gateway.curl(&["--cacert", &root, &url]);
    assert_eq!(reply.status, 200, "{}", reply.text());
    let record = tls.gateway.last_record();
    assert_eq!(record["method"], "CONNECT", "{record}");
    assert_eq!(record["action"], "log", "what nobody could read went abroad, and that is logged: {record}");
    assert!(record["content"]["opaque_reasons"]["opaque.encrypted"].is_number(), "{record}");
    tls.gateway.stop();
}

#[test]
fn without_interception_every_tunnel_is_opaque() {
    let tls = tls(|setup| setup.listener("intercept = false"));
    let root = tls.gateway.setup.path("root.pem").display().to_string();
    let reply = tls.gateway.curl(&["--cacert", &root, &tls.url("/")]);
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(tls.gateway.last_record()["method"], "CONNECT");
    tls.gateway.stop();
}

#[test]
fn connect_works_on_a_connection_that_carried_requests_before() {
    let origin = Origin::start();
    let gateway = Setup::new().start();
    let host = format!("api.us.example:{}", origin.port());
    let mut connection = gateway.raw();
    for path in ["/one", "/two"] {
        let reply = connection.send(get(&host, path)).reply();
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
    let people = pupils(1, 3, Person::json);
    let refused = connection.send(post(&host, "/", &people)).reply();
    assert_eq!(refused.status, 451, "{}", refused.text());
    connection.send(format!("CONNECT {host} HTTP/1.1\r\nhost: {host}\r\n\r\n"));
    assert_eq!(connection.head().unwrap().unwrap().status, 200);
    let inside = connection.send(format!("GET /inside HTTP/1.1\r\nhost: {host}\r\n\r\n")).reply();
    assert_eq!(inside.status, 200, "{}", inside.text());
    let targets: Vec<String> = origin.requests().into_iter().map(|request| request.target).collect();
    assert_eq!(targets, ["/one", "/two", "/inside"]);
    gateway.stop();
}

#[test]
fn what_is_sent_inside_a_tunnel_goes_where_the_tunnel_leads() {
    let (origin, elsewhere) = (Origin::start(), Origin::start());
    let gateway = Setup::new().start();
    let host = format!("api.cn.example:{}", origin.port());
    let other = format!("api.us.example:{}", elsewhere.port());
    for request in [
        format!("GET / HTTP/1.1\r\nhost: {other}\r\n\r\n"),
        format!("GET http://{other}/ HTTP/1.1\r\nhost: {other}\r\n\r\n"),
        format!("CONNECT {other} HTTP/1.1\r\nhost: {other}\r\n\r\n"),
    ] {
        let mut connection = gateway.raw();
        connection.send(format!("CONNECT {host} HTTP/1.1\r\nhost: {host}\r\n\r\n"));
        assert_eq!(connection.head().unwrap().unwrap().status, 200);
        let reply = connection.send(&request).reply();
        assert!((400..500).contains(&reply.status), "{request}: {reply:?}");
    }
    elsewhere.assert_untouched();
    gateway.stop();
}

#[test]
fn an_upstream_that_nobody_vouches_for_is_not_spoken_to() {
    let tls = tls(|setup| setup);
    let stranger = Root::make(tls.gateway.setup.directory(), "stranger");
    let nginx = Nginx::start(tls.gateway.setup.directory(), &stranger, &["api.us.example"], &tls.origin);
    let reply = tls.gateway.curl(&[&format!("https://api.us.example:{}/", nginx.port())]);
    assert_eq!(reply.status, 502, "{}", reply.text());
    assert!(reply.header("proxy-status").unwrap().contains("tls"), "{reply:?}");
    let wrong_name = format!("https://api.sg.example:{}/", tls.nginx.port());
    assert_eq!(tls.gateway.curl(&[&wrong_name]).status, 502);
    assert_eq!(tls.origin.requests().len(), 0);
    tls.gateway.stop();
}

#[test]
fn a_connect_that_may_not_be_is_refused_before_any_connection() {
    let (origin, gateway) =
        (Origin::start_on("127.0.0.2"), Setup::new().tables("[interception]\nbypass = [\"127.0.0.2\"]\n").start());
    let reply = gateway.curl(&["-k", &format!("https://127.0.0.2:{}/", origin.port())]);
    assert_eq!(reply.connect, 403, "{reply:?}");
    origin.assert_untouched();
    assert_eq!(gateway.last_record()["action"], json!("block"));
    gateway.stop();
}

#[test]
fn python_requests_goes_through_the_proxy_like_curl() {
    let tls = tls(|setup| setup);
    let people = pupils(1, 3, Person::json);
    let output = tls.gateway.python("requests_post.py", &[&tls.url("/v1"), r#"{"a":1}"#, &people]).success();
    assert_eq!(output.split_whitespace().collect::<Vec<_>>(), ["200", "451"], "{output}");
    tls.gateway.stop();
}

#[test]
fn a_redirected_connection_goes_where_its_host_or_server_name_says() {
    let (origin, port) = (Origin::start(), crate::harness::free_port());
    let table =
        format!("[[listener]]\nname = \"redirected\"\naddress = \"127.0.0.1:{port}\"\nmode = \"transparent\"\n");
    let gateway = Setup::new().tables(&table).start();
    let ca = gateway.ca().display().to_string();
    let redirect = format!("::127.0.0.1:{port}");
    let people = pupils(1, 3, Person::json);
    let url = format!("http://api.us.example:{}/", origin.port());
    let plain = gateway.direct_curl(&["--connect-to", &redirect, &url]);
    assert_eq!(plain.status, 200, "{}", plain.text());
    let json = ["-H", "content-type: application/json", "-d", &people, "--connect-to", &redirect, "--cacert", &ca];
    for (flag, url) in [
        ("--http1.1", url.as_str()),
        ("--http1.1", "https://api.us.example/"),
        ("--http2", "https://api.us.example/"),
    ] {
        let refused = gateway.direct_curl(&[&json[..], &[flag, url]].concat());
        assert_eq!(refused.status, 451, "{url}: {}", refused.text());
    }
    assert_eq!(origin.requests().len(), 1);
    gateway.stop();
}

#[test]
fn a_connect_in_http2_or_inside_a_tunnel_is_refused_clearly() {
    let (origin, gateway) = (Origin::start(), Setup::new().start());
    let port = origin.port().to_string();
    let answer = gateway.python("http2_connect.py", &["api.us.example", &port]).success();
    assert_eq!(answer.trim(), "405");
    let host = format!("api.us.example:{port}");
    let connect = format!("CONNECT {host} HTTP/1.1\r\nhost: {host}\r\n\r\n");
    let mut tunnel = gateway.raw();
    assert_eq!(tunnel.send(&connect).head().unwrap().unwrap().status, 200);
    assert_eq!(tunnel.send(&connect).reply().status, 405);
    origin.assert_untouched();
    gateway.stop();
}

#[test]
fn http2_without_tls_is_spoken_and_judged_inside_a_tunnel() {
    let (origin, gateway) = (Origin::start(), Setup::new().start());
    let url = format!("http://api.us.example:{}/", origin.port());
    let people = pupils(1, 3, Person::json);
    for (body, status) in [("{\"a\":1}", 200), (people.as_str(), 451)] {
        let json = ["-p", "--http2-prior-knowledge", "-H", "content-type: application/json", "-d", body, &url];
        let reply = gateway.curl(&json);
        assert_eq!((reply.status, reply.version.as_str()), (status, "2"), "{}", reply.text());
    }
    assert_eq!(origin.only_request().body, b"{\"a\":1}");
    gateway.stop();
}
