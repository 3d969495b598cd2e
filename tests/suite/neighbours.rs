//! What stands beside the gateway: a balancer or proxy in front that says who the client is, and a proxy behind it
//! through which everything goes out.

use std::net::Ipv4Addr;

use crate::harness::{Gateway, NextProxy, Nginx, Origin, Person, Setup, free_port, get, post, pupils};

fn host(origin: &Origin) -> String {
    format!("api.us.example:{}", origin.port())
}

/// Where the newest record says the sender is. Without an address table the unknown stands beside a country.
fn sender(gateway: &Gateway) -> String {
    gateway.last_record()["exporter"]["country"][0].as_str().unwrap().to_owned()
}

/// A gateway whose clients are placed by their address.
fn by_address(listener: &str) -> Setup {
    Setup::new().listener(&format!("client_country = \"by-address\"\n{listener}"))
}

/// A version 2 PROXY header for a client.
fn binary(client: [u8; 4]) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    header.extend(client);
    header.extend(Ipv4Addr::LOCALHOST.octets());
    header.extend([0xdc, 4, 1, 0xbb]);
    header
}

#[test]
fn a_balancer_says_by_the_proxy_protocol_who_the_client_is() {
    let setup = by_address("proxy_protocol = true\ntrusted_proxies = [\"127.0.0.1/32\"]");
    let (origin, gateway) = (Origin::start(), setup.start());
    let request = get(&host(&origin), "/");
    let mut ipv6 = b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24".to_vec();
    ipv6.extend("240e:4c:4008::1".parse::<std::net::Ipv6Addr>().unwrap().octets());
    ipv6.extend([0; 16]);
    ipv6.extend([0xdc, 4, 1, 0xbb]);
    let cases: [(&str, Vec<u8>, &str); 7] = [
        ("version 1", b"PROXY TCP4 77.88.8.8 127.0.0.1 56324 443\r\n".into(), "RU"),
        ("version 1 over IPv6", b"PROXY TCP6 240e:4c:4008::1 ::1 56324 443\r\n".into(), "CN"),
        ("version 1 without a client", b"PROXY UNKNOWN\r\n".into(), "ZZ"),
        ("version 2", binary([114, 114, 114, 114]), "CN"),
        ("version 2 over IPv6", ipv6, "CN"),
        ("version 2, the balancer itself", b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0".into(), "ZZ"),
        ("version 1 again", b"PROXY TCP4 114.114.114.114 127.0.0.1 1 2\r\n".into(), "CN"),
    ];
    for (what, header, country) in cases {
        let mut connection = gateway.raw();
        assert_eq!(connection.send(header).send(&request).reply().status, 200, "{what}");
        assert_eq!(sender(&gateway), country, "{what}");
    }
    assert_eq!(origin.requests().len(), 7);
    gateway.stop();
}

#[test]
fn a_proxy_header_that_is_wrong_or_missing_ends_the_connection() {
    let limits = "idle = \"500 ms\"";
    let setup = by_address("proxy_protocol = true\ntrusted_proxies = [\"127.0.0.1/32\"]").limits(limits);
    let (origin, gateway) = (Origin::start(), setup.start());
    let request = get(&host(&origin), "/");
    let long = format!("PROXY TCP4 {}\r\n", "7".repeat(200));
    let cases: [(&str, Vec<u8>); 9] = [
        ("none", Vec::new()),
        ("a family nobody knows", b"PROXY TCP9 77.88.8.8 127.0.0.1 1 2\r\n".into()),
        ("no address", b"PROXY TCP4 jane 127.0.0.1 1 2\r\n".into()),
        ("no port", b"PROXY TCP4 77.88.8.8 127.0.0.1\r\n".into()),
        ("a line without end", long.into()),
        ("version 3", b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0c\x01\x01\x01\x01\x01\x01\x01\x01\0\x01\0\x01".into()),
        (
            "an unknown command",
            b"\r\n\r\n\0\r\nQUIT\n\x2f\x11\0\x0c\x01\x01\x01\x01\x01\x01\x01\x01\0\x01\0\x01".into(),
        ),
        ("addresses that are too short", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x04\x01\x01\x01\x01".into()),
        ("more than anybody sends", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff".into()),
    ];
    for (what, header) in cases {
        let mut connection = gateway.raw();
        connection.send(header).send(&request);
        assert!(connection.is_closed(), "{what}: still open");
    }
    let mut half = gateway.raw();
    assert!(half.send("PROXY TCP4 77.88").is_closed(), "half a header: still open");
    origin.assert_untouched();
    gateway.stop();
}

#[test]
fn a_proxy_header_from_somebody_else_ends_the_connection() {
    let setup = by_address("proxy_protocol = true\ntrusted_proxies = [\"10.0.0.0/8\"]");
    let (origin, gateway) = (Origin::start(), setup.start());
    let mut connection = gateway.raw();
    connection.send("PROXY TCP4 77.88.8.8 127.0.0.1 1 2\r\n").send(get(&host(&origin), "/"));
    assert!(connection.is_closed());
    origin.assert_untouched();
    let log = gateway.stop();
    assert!(log.contains("an address that is not trusted") && !log.contains("77.88.8.8"), "{log}");
}

#[test]
fn a_forwarding_header_counts_only_from_a_proxy_that_is_trusted() {
    let origin = Origin::start();
    let cases = [
        ("Forwarded: for=77.88.8.8", "RU"),
        ("Forwarded: for=\"[240e:4c:4008::1]:4711\";proto=https", "CN"),
        ("X-Forwarded-For: 77.88.8.8", "RU"),
        // Whoever stands in front of the last trusted hop may have written anything.
        ("X-Forwarded-For: 77.88.8.8, 114.114.114.114, 127.0.0.1", "CN"),
        ("Forwarded: for=114.114.114.114\r\nX-Forwarded-For: 77.88.8.8", "CN"),
        ("X-Forwarded-For: jane", "ZZ"),
    ];
    for (trusted, listener) in [(true, "trusted_proxies = [\"127.0.0.1/32\"]"), (false, "")] {
        let gateway = by_address(listener).start();
        for (header, country) in cases {
            let host = host(&origin);
            let request = format!("GET http://{host}/ HTTP/1.1\r\nhost: {host}\r\n{header}\r\n\r\n");
            assert_eq!(gateway.raw().send(request).reply().status, 200, "{header}");
            assert_eq!(sender(&gateway), if trusted { country } else { "ZZ" }, "{header}, trusted: {trusted}");
        }
        gateway.stop();
    }
}

#[test]
fn everything_goes_through_the_next_proxy_which_is_asked_for_the_judged_address() {
    let (setup, root) = Setup::new().trusting_root();
    let origin = Origin::start();
    let nginx = Nginx::start(setup.directory(), &root, &["api.us.example", "pinned.us.example"], &origin);
    let next = NextProxy::start(200);
    let setup = setup
        .upstream(&format!("proxy = \"http://127.0.0.1:{}\"", next.port()))
        .name("pinned.us.example", "127.0.0.1")
        .tables("[interception]\nbypass = [\"pinned.us.example\"]\n");
    let gateway = setup.start();
    let plain = format!("http://{}/plain", host(&origin));
    let intercepted = format!("https://api.us.example:{}/intercepted", nginx.port());
    assert_eq!(gateway.post(&plain, "{\"a\":1}").status, 200);
    assert_eq!(gateway.post(&intercepted, "{\"a\":2}").status, 200);
    let root_file = setup.path("root.pem").display().to_string();
    let pinned = format!("https://pinned.us.example:{}/tunnelled", nginx.port());
    assert_eq!(gateway.curl(&["--cacert", &root_file, &pinned]).status, 200);
    let paths: Vec<String> = origin.requests().into_iter().map(|request| request.target).collect();
    assert_eq!(paths, ["/plain", "/intercepted", "/tunnelled"]);
    let asked = next.asked();
    assert_eq!(asked.len(), 3, "{asked:?}");
    for (head, port) in asked.iter().zip([origin.port(), nginx.port(), nginx.port()]) {
        // The address and nothing else: neither the name nor anything of the message.
        assert_eq!(head, &format!("CONNECT 127.0.0.1:{port} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n"));
    }
    gateway.stop();
}

#[test]
fn what_may_not_leave_does_not_reach_the_next_proxy_either() {
    let (origin, next) = (Origin::start_on("127.0.0.2"), NextProxy::start(200));
    let gateway = Setup::new()
        .upstream(&format!("proxy = \"http://127.0.0.1:{}\"", next.port()))
        .name("inside.us.example", "127.0.0.2")
        .start();
    let people = pupils(1, 3, Person::json);
    let h = host(&origin);
    assert_eq!(gateway.raw().send(post(&h, "/", &people)).reply().status, 451);
    // The address is judged here, not there: a name that leads inside is refused as without a proxy.
    for host in ["inside.us.example", "169.254.169.254", "10.0.0.1"] {
        assert_eq!(gateway.raw().send(get(&format!("{host}:{}", origin.port()), "/")).reply().status, 403, "{host}");
    }
    assert_eq!(next.asked(), Vec::<String>::new());
    origin.assert_untouched();
    gateway.stop();
}

#[test]
fn a_next_proxy_that_refuses_or_is_not_there_is_a_bad_gateway() {
    let origin = Origin::start();
    let refusing = NextProxy::start(403);
    for port in [refusing.port(), free_port()] {
        let gateway = Setup::new().upstream(&format!("proxy = \"http://127.0.0.1:{port}\"")).start();
        let reply = gateway.raw().send(get(&host(&origin), "/")).reply();
        assert_eq!(reply.status, 502, "{}", reply.text());
        assert!(reply.header("proxy-status").unwrap().contains("error="), "{reply:?}");
        gateway.stop();
    }
    origin.assert_untouched();
}
