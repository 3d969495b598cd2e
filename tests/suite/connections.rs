//! Connections: kept alive, pipelined, slow, idle.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread;

use crate::harness::{Origin, Person, Setup, get, post, pupils};

fn host(origin: &Origin) -> String {
    format!("api.us.example:{}", origin.port())
}

#[test]
fn a_connection_lives_on_after_a_refusal() {
    let (origin, gateway) = (Origin::start(), Setup::new().start());
    let (host, people) = (host(&origin), pupils(1, 3, Person::json));
    let mut connection = gateway.raw();
    for round in 0..3 {
        assert_eq!(connection.send(get(&host, "/before")).reply().status, 200, "round {round}");
        assert_eq!(connection.send(post(&host, "/", &people)).reply().status, 451, "round {round}");
    }
    assert_eq!(connection.send(get(&host, "/after")).reply().status, 200);
    assert_eq!(origin.requests().len(), 4);
    gateway.stop();
}

#[test]
fn pipelined_requests_are_answered_in_order_and_each_is_judged() {
    let (origin, gateway) = (Origin::start(), Setup::new().start());
    let (host, people) = (host(&origin), pupils(1, 3, Person::json));
    let mut connection = gateway.raw();
    let all = [
        get(&host, "/slow/50"),
        post(&host, "/second", "{\"n\":2}"),
        post(&host, "/third", &people),
        get(&host, "/fourth"),
    ];
    connection.send(all.concat());
    let statuses: Vec<u16> = (0..all.len()).map(|_| connection.reply().status).collect();
    assert_eq!(statuses, [200, 200, 451, 200]);
    let targets: Vec<String> = origin.requests().into_iter().map(|request| request.target).collect();
    assert_eq!(targets, ["/slow/50", "/second", "/fourth"]);
    gateway.stop();
}

#[test]
fn a_request_behind_a_chunked_one_is_answered() {
    let (origin, gateway) = (Origin::start(), Setup::new().start());
    let host = host(&origin);
    let chunked = format!("POST http://{host}/first HTTP/1.1\r\nhost: {host}\r\ntransfer-encoding: chunked\r\n\r\n");
    let body = "4;a=b\r\n{\"n\"\r\n3\r\n:1}\r\n0\r\nx-sum: 1\r\n\r\n";
    let all = [&chunked, body, &get(&host, "/second"), &chunked, body, &get(&host, "/fourth")].concat();
    let mut connection = gateway.raw();
    // All at once, and then cut in two in the middle of the framing.
    for cut in [0, chunked.len() + 2, chunked.len() + body.len() + 7] {
        connection.send(&all[..cut]).send(&all[cut..]);
        let statuses: Vec<u16> = (0..4).map(|_| connection.reply().status).collect();
        assert_eq!(statuses, [200; 4]);
    }
    let requests = origin.requests();
    assert_eq!(requests.len(), 12);
    assert_eq!((requests[0].target.as_str(), &requests[0].body[..]), ("/first", &b"{\"n\":1}"[..]));
    gateway.stop();
}

#[test]
fn a_request_hidden_in_the_body_of_another_is_body() {
    let (origin, gateway) = (Origin::start(), Setup::new().start());
    let host = host(&origin);
    let hidden = get(&host, "/hidden");
    let mut connection = gateway.raw();
    assert_eq!(connection.send(post(&host, "/outer", &hidden)).reply().status, 200);
    assert_eq!(connection.send(get(&host, "/next")).reply().status, 200);
    let targets: Vec<String> = origin.requests().into_iter().map(|request| request.target).collect();
    assert_eq!(targets, ["/outer", "/next"]);
    gateway.stop();
}

#[test]
fn an_idle_or_slow_client_of_http1_is_let_go() {
    let setup = Setup::new().limits("idle = \"500 ms\"\nreceive = \"1 s\"");
    let (origin, gateway) = (Origin::start(), setup.start());
    let host = host(&origin);
    let unfinished = [
        ("nothing at all", String::new()),
        ("half a request line", "GET /hal".to_owned()),
        ("half a head", format!("GET http://{host}/ HTTP/1.1\r\nhost: {host}\r\nx-a: ")),
        ("half a body", format!("POST http://{host}/ HTTP/1.1\r\nhost: {host}\r\ncontent-length: 10\r\n\r\n12345")),
        (
            "half a chunk",
            format!("POST http://{host}/ HTTP/1.1\r\nhost: {host}\r\ntransfer-encoding: chunked\r\n\r\n9\r\n123"),
        ),
        ("a tunnel with nothing in it", format!("CONNECT {host} HTTP/1.1\r\nhost: {host}\r\n\r\n")),
        ("half a TLS handshake", format!("CONNECT {host} HTTP/1.1\r\nhost: {host}\r\n\r\n\u{16}\u{3}\u{1}\u{2}")),
    ];
    for (what, bytes) in unfinished {
        let mut connection = gateway.raw();
        connection.send(bytes);
        assert!(connection.is_closed(), "{what}: still open");
    }
    let mut kept = gateway.raw();
    assert_eq!(kept.send(get(&host, "/")).reply().status, 200);
    assert!(kept.is_closed(), "after a request: still open");
    assert_eq!(origin.requests().len(), 1);
    gateway.stop();
}

#[test]
fn a_client_that_never_stops_sending_a_little_is_let_go() {
    let setup = Setup::new().limits("idle = \"500 ms\"\nreceive = \"1 s\"");
    let (origin, gateway) = (Origin::start(), setup.start());
    let host = host(&origin);
    let mut connection = gateway.raw();
    connection.send(format!("POST http://{host}/ HTTP/1.1\r\nhost: {host}\r\ncontent-length: 100000\r\n\r\n"));
    let mut sent = 0;
    // The connection ends long before the body would: a send fails once the gateway has reset it.
    while connection.still_takes("x") {
        sent += 1;
        assert!(sent < 1000, "the gateway goes on reading");
        thread::sleep(std::time::Duration::from_millis(50));
    }
    origin.assert_untouched();
    gateway.stop();
}

#[test]
fn an_idle_or_slow_client_of_http2_is_let_go() {
    let setup = Setup::new().limits("idle = \"500 ms\"\nreceive = \"1 s\"");
    let (origin, gateway) = (Origin::start(), setup.start());
    let port = origin.port().to_string();
    for what in ["silent", "idle", "half-headers", "half-body"] {
        let output = gateway.python("http2_slow.py", &["api.us.example", &port, what]);
        assert_eq!(output.code, 0, "{what}: {output:?}");
    }
    gateway.stop();
}

#[test]
fn an_upstream_that_does_not_answer_is_given_up() {
    let setup = Setup::new().upstream("read_timeout = \"300 ms\"");
    let (origin, gateway) = (Origin::start(), setup.start());
    let reply = gateway.curl(&[&format!("http://{}/slow/20000", host(&origin))]);
    assert_eq!(reply.status, 504, "{}", reply.text());
    assert!(reply.header("proxy-status").unwrap().contains("connection_read_timeout"), "{reply:?}");
    gateway.stop();
}

#[test]
fn many_clients_at_once_each_get_their_own_answer() {
    let (origin, gateway) = (Origin::start(), Setup::new().log("info").start());
    let host = host(&origin);
    let port = gateway.setup.port;
    thread::scope(|scope| {
        for client in 0..16 {
            let host = &host;
            scope.spawn(move || {
                let mut connection = crate::harness::Raw::connect(port);
                for turn in 0..50 {
                    let body = format!("{{\"client\":{client},\"turn\":{turn}}}");
                    let reply = connection.send(post(host, "/", &body)).reply();
                    assert_eq!(reply.status, 200, "{}", reply.text());
                    assert_eq!(reply.json()["sha256"], crate::harness::sha256(body.as_bytes()));
                }
            });
        }
    });
    assert_eq!(origin.requests().len(), 800);
    assert_eq!(gateway.records().len(), 800);
    gateway.stop();
}

/// An upstream that switches protocols and then sends back what it gets.
fn echo_after_upgrade() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.extend(byte);
        }
        let switched = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
        stream.write_all(switched.as_bytes()).unwrap();
        let mut bytes = [0; 1024];
        while let Ok(read @ 1..) = stream.read(&mut bytes) {
            stream.write_all(&bytes[..read]).unwrap();
        }
    });
    port
}

#[test]
fn a_websocket_is_decided_as_opaque_and_carries_both_ways() {
    let gateway = Setup::new().start();
    let host = format!("api.us.example:{}", echo_after_upgrade());
    let mut connection = gateway.raw();
    connection.send(format!(
        "GET http://{host}/socket HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    ));
    assert_eq!(connection.head().unwrap().unwrap().status, 101);
    for message in ["ping", "pong and more"] {
        connection.send(message);
        assert_eq!(connection.exactly(message.len()), message.as_bytes());
    }
    drop(connection);
    let record = gateway.last_record();
    assert_eq!(record["content"]["opaque_reasons"]["opaque.undecodable"], 0, "{record}");
    assert_eq!(record["action"], "log");
    gateway.stop();
}
