//! Bodies arrive whole, whatever their size and framing, and none leaves before it is judged.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use serde_json::json;

use crate::harness::{Gateway, Nginx, Origin, Person, Setup, eventually, person, pupils, sha256};

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

fn url(origin: &Origin, path: &str) -> String {
    format!("http://api.us.example:{}{path}", origin.port())
}

/// Text about nobody.
fn prose(size: usize) -> Vec<u8> {
    let line = b"All shall be well, and all manner of thing shall be well.\n";
    line.iter().copied().cycle().take(size).collect()
}

fn file(gateway: &Gateway, name: &str, content: &[u8]) -> PathBuf {
    let path = gateway.setup.path(name);
    fs::write(&path, content).unwrap();
    path
}

#[test]
fn bodies_around_every_buffers_edge_arrive_whole_with_a_length_and_in_chunks() {
    let (origin, gateway) = (Origin::start(), Setup::new().log("debug").start());
    for size in [0, 1, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, MIB - 1, MIB, MIB + 1] {
        let body = prose(size);
        let from = format!("@{}", file(&gateway, "body.txt", &body).display());
        for framing in ["x-framing: length", "transfer-encoding: chunked"] {
            let data = ["-H", "content-type: text/plain", "--data-binary", &from, "-H", framing, "-H", "expect:"];
            let reply = gateway.curl(&[&data[..], &[&url(&origin, "/v1/texts")]].concat());
            assert_eq!(reply.status, 200, "{size} {framing}: {}", reply.text());
            assert_eq!(reply.json(), json!({ "bytes": size, "sha256": sha256(&body) }), "{size} {framing}");
        }
    }
    assert_eq!(origin.requests().len(), 16);
    gateway.stop();
}

#[test]
fn http2_bodies_around_every_buffers_edge_arrive_whole() {
    let (setup, root) = Setup::new().trusting_root();
    let origin = Origin::start();
    let nginx = Nginx::start(setup.directory(), &root, &["api.us.example"], &origin);
    let gateway = setup.log("debug").start();
    for size in [1, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, MIB - 1, MIB, MIB + 1, 20 * MIB] {
        let body = prose(size);
        let from = format!("@{}", file(&gateway, "body.txt", &body).display());
        let data = ["--http2", "-H", "content-type: text/plain", "--data-binary", &from];
        let reply =
            gateway.curl(&[&data[..], &[&format!("https://api.us.example:{}/v1/texts", nginx.port())]].concat());
        assert_eq!((reply.status, reply.version.as_str()), (200, "2"), "{size}: {}", reply.text());
        assert_eq!(reply.json(), json!({ "bytes": size, "sha256": sha256(&body) }), "{size}");
    }
    let protocol = origin.requests()[0].header("x-origin-protocol").map(str::to_owned);
    assert_eq!(protocol.as_deref(), Some("HTTP/2.0"), "the gateway speaks HTTP/2 to an origin that offers it");
    gateway.stop();
}

#[test]
fn an_upload_of_300_mib_arrives_whole_in_memory_that_does_not_grow_with_it() {
    let (origin, gateway) = (Origin::start(), Setup::new().log("info").start());
    let path = gateway.setup.path("upload.txt");
    let block = prose(MIB);
    let mut out = fs::File::create(&path).unwrap();
    let mut hash = ring::digest::Context::new(&ring::digest::SHA256);
    for _ in 0..300 {
        out.write_all(&block).unwrap();
        hash.update(&block);
    }
    let expected = crate::harness::hex(hash.finish().as_ref());
    let before = gateway.memory_kib("VmHWM");
    let from = path.display().to_string();
    let reply = gateway.curl(&["-T", &from, "-H", "content-type: text/plain", &url(&origin, "/v1/uploads")]);
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.json(), json!({ "bytes": 300 * MIB, "sha256": expected }));
    let grown = gateway.memory_kib("VmHWM") - before;
    assert!(grown < 64 * KIB as u64, "300 MiB took {grown} KiB of memory");
    let content = &gateway.last_record()["content"];
    assert_eq!(content["bytes"], content["inspected"], "{content}");
    assert!(content["inspected"].as_u64().unwrap() >= 300 * MIB as u64, "{content}");
    gateway.stop();
}

#[test]
fn a_person_at_the_end_of_a_large_upload_is_found_before_a_byte_leaves() {
    let (origin, gateway) = (Origin::start(), Setup::new().log("info").start());
    let mut body = prose(20 * MIB);
    body.extend_from_slice(format!("\n银行卡号：{}\n", person(7).card).as_bytes());
    let from = file(&gateway, "upload.txt", &body).display().to_string();
    let reply = gateway.curl(&["-T", &from, "-H", "content-type: text/plain; charset=utf-8", &url(&origin, "/v1")]);
    assert_eq!(reply.status, 451, "{}", reply.text());
    origin.assert_untouched();
    gateway.stop();
}

#[test]
fn what_is_spooled_has_no_name_and_cannot_be_read() {
    let (origin, gateway) = (Origin::start(), Setup::new().start());
    let people = pupils(1, 30_000, Person::contact).into_bytes();
    assert!(people.len() > 2 * MIB);
    let host = format!("api.us.example:{}", origin.port());
    let mut connection = gateway.raw();
    connection.send(format!(
        "POST http://{host}/ HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        people.len()
    ));
    // All but the last byte: the gateway now holds the message and waits.
    let (last, most) = people.split_last().unwrap();
    connection.send(most);
    eventually("the message is spooled", || {
        let files = gateway.unlinked_files();
        files.iter().any(|file| fs::metadata(file).is_ok_and(|data| data.len() as usize > MIB))
    });
    for file in gateway.unlinked_files() {
        let spooled = fs::read(file).unwrap();
        for piece in ["tidegate-invented", "people", "email"] {
            assert!(memchr::memmem::find(&spooled, piece.as_bytes()).is_none(), "{piece} stands in the spool");
        }
    }
    assert!(gateway.metric("tidegate_spooled_bytes", &[("listener", "egress")]) > 0.0);
    let reply = connection.send([*last]).reply();
    assert_eq!(reply.status, 200, "{}", reply.text());
    eventually("the spool is given back", || {
        gateway.unlinked_files().is_empty() && gateway.metric("tidegate_spooled_bytes", &[]) == 0.0
    });
    gateway.stop();
}

#[test]
fn nothing_reaches_the_origin_while_a_body_is_still_on_its_way() {
    let (origin, gateway) = (Origin::start(), Setup::new().start());
    let host = format!("api.us.example:{}", origin.port());
    let mut connection = gateway.raw();
    connection.send(format!("POST http://{host}/ HTTP/1.1\r\nhost: {host}\r\ncontent-length: 10\r\n\r\n12345"));
    // Something else goes all the way there and back meanwhile.
    let other = Origin::start();
    assert_eq!(gateway.curl(&[&url(&other, "/")]).status, 200);
    origin.assert_untouched();
    assert_eq!(connection.send("67890").reply().status, 200);
    assert_eq!(origin.only_request().body, b"1234567890");
    gateway.stop();
}

#[test]
fn a_client_that_waits_for_100_continue_is_invited_and_may_go_on_afterwards() {
    let (origin, gateway) = (Origin::start(), Setup::new().start());
    let host = format!("api.us.example:{}", origin.port());
    let mut connection = gateway.raw();
    for body in ["first body", "second one"] {
        let head = format!(
            "POST http://{host}/ HTTP/1.1\r\nhost: {host}\r\nexpect: 100-continue\r\ncontent-length: 10\r\n\r\n"
        );
        assert_eq!(connection.send(head).head().unwrap().unwrap().status, 100);
        let reply = connection.send(body).reply();
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
    let bodies: Vec<Vec<u8>> = origin.requests().into_iter().map(|request| request.body).collect();
    assert_eq!(bodies, [b"first body", b"second one"]);
    gateway.stop();
}

#[test]
fn a_body_beyond_the_limit_is_refused_as_too_large() {
    let (origin, gateway) = (Origin::start(), Setup::new().limits("hold = \"64 KiB\"\nbody = \"1 MiB\"").start());
    let from = format!("@{}", file(&gateway, "body.txt", &prose(3 * MIB)).display());
    let data = ["-H", "content-type: text/plain", "--data-binary", &from];
    let reply = gateway.curl(&[&data[..], &[&url(&origin, "/")]].concat());
    assert_eq!(reply.status, 413, "{}", reply.text());
    origin.assert_untouched();
    gateway.stop();
}

#[test]
fn responses_come_back_as_the_origin_sent_them() {
    let (origin, gateway) = (Origin::start(), Setup::new().log("info").start());
    assert_eq!(gateway.curl(&[&url(&origin, "/chunked")]).json()["bytes"], 0);
    for size in [1, 64 * KIB + 1, 20 * MIB] {
        let reply = gateway.curl(&[&url(&origin, &format!("/download/{size}"))]);
        assert_eq!((reply.status, reply.body.len()), (200, size));
    }
    for status in [204, 304, 404, 500, 503] {
        // curl would wait for a body the origin should not send with 204 and 304.
        let reply = gateway.curl(&["--http1.1", "-I", &url(&origin, &format!("/status/{status}"))]);
        assert_eq!(reply.status, status);
    }
    gateway.stop();
}

#[test]
fn an_origin_that_fails_is_told_apart_from_a_refusal() {
    let (origin, gateway) = (Origin::start(), Setup::new().start());
    for path in ["/reset", "/garbage"] {
        let reply = gateway.curl(&[&url(&origin, path)]);
        assert_eq!(reply.status, 502, "{path}: {}", reply.text());
        assert!(reply.header("proxy-status").unwrap().starts_with("tidegate; error="), "{reply:?}");
    }
    let nobody = crate::harness::free_port();
    let reply = gateway.curl(&[&format!("http://api.us.example:{nobody}/")]);
    assert_eq!(reply.status, 502, "{}", reply.text());
    // 18: the transfer ended with bytes outstanding. The client must see that it is not whole.
    crate::harness::curl_failure(gateway.try_curl(&[&url(&origin, "/truncate")]), &[18, 56, 52]);
    let unknown = gateway.curl(&["http://no-such-name.invalid/"]);
    assert_eq!(unknown.status, 502, "{}", unknown.text());
    assert!(unknown.header("proxy-status").unwrap().contains("dns_error"), "{unknown:?}");
    gateway.stop();
}
