//! Wrong, hostile and broken input gets a clear answer, reaches nobody, and leaves the gateway as it was.

use std::io::Write;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};

use crate::harness::{Gateway, Origin, Person, Setup, curl_failure, get, person, post, pupils};

fn host(origin: &Origin) -> String {
    format!("api.us.example:{}", origin.port())
}

/// The gateway still does its work.
#[track_caller]
fn assert_well(gateway: &Gateway) {
    let origin = Origin::start();
    assert_eq!(gateway.raw().send(get(&host(&origin), "/")).reply().status, 200);
    let people = pupils(1, 3, Person::json);
    assert_eq!(gateway.raw().send(post(&host(&origin), "/", &people)).reply().status, 451);
}

#[test]
fn a_malformed_request_is_answered_and_goes_nowhere() {
    let (origin, gateway) = (Origin::start(), Setup::new().start());
    let h = host(&origin);
    let many: String = (0..2000).map(|n| format!("x-{n}: y\r\n")).collect();
    let long = "a".repeat(900 << 10);
    #[rustfmt::skip]
    let cases: Vec<(&str, String, &[u16])> = vec![
        ("not HTTP", "\u{0}\u{1}\u{2}\u{3}hello\r\n\r\n".into(), &[400]),
        ("a bare line feed ends the head", format!("GET http://{h}/ HTTP/1.1\nhost: {h}\n\n"), &[400]),
        ("a bare line feed in one line", format!("GET http://{h}/ HTTP/1.1\r\nhost: {h}\nx-a: b\r\n\r\n"), &[400]),
        ("no Host", "GET / HTTP/1.1\r\n\r\n".into(), &[400]),
        ("no Host beside an absolute target", format!("GET http://{h}/ HTTP/1.1\r\n\r\n"), &[400]),
        ("two Hosts", format!("GET http://{h}/ HTTP/1.1\r\nhost: {h}\r\nhost: {h}\r\n\r\n"), &[400]),
        ("another Host than the target", format!("GET http://{h}/ HTTP/1.1\r\nhost: other.example\r\n\r\n"), &[400]),
        ("TRACE", format!("TRACE http://{h}/ HTTP/1.1\r\nhost: {h}\r\n\r\n"), &[405, 501]),
        ("a version from the future", format!("GET http://{h}/ HTTP/3.7\r\nhost: {h}\r\n\r\n"), &[400, 505]),
        ("no version", format!("GET http://{h}/\r\nhost: {h}\r\n\r\n"), &[400]),
        ("a space before the colon", format!("GET http://{h}/ HTTP/1.1\r\nhost : {h}\r\n\r\n"), &[400]),
        ("a folded header", format!("GET http://{h}/ HTTP/1.1\r\nhost: {h}\r\nx-a: b\r\n c\r\n\r\n"), &[400]),
        ("a NUL in a header", format!("GET http://{h}/ HTTP/1.1\r\nhost: {h}\r\nx-a: b\u{0}c\r\n\r\n"), &[400]),
        ("a header of 900 kB", format!("GET http://{h}/ HTTP/1.1\r\nhost: {h}\r\nx-a: {long}\r\n\r\n"), &[431]),
        ("a target of 900 kB", format!("GET http://{h}/{long} HTTP/1.1\r\nhost: {h}\r\n\r\n"), &[414, 431]),
        ("2000 headers", format!("GET http://{h}/ HTTP/1.1\r\nhost: {h}\r\n{many}\r\n"), &[431]),
        ("a negative length", format!("POST http://{h}/ HTTP/1.1\r\nhost: {h}\r\ncontent-length: -5\r\n\r\nhello"), &[400]),
        ("a signed length", format!("POST http://{h}/ HTTP/1.1\r\nhost: {h}\r\ncontent-length: +5\r\n\r\nhello"), &[400]),
        ("two lengths", format!("POST http://{h}/ HTTP/1.1\r\nhost: {h}\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!"), &[400]),
        ("a length no file has", format!("POST http://{h}/ HTTP/1.1\r\nhost: {h}\r\ncontent-length: 99999999999999999999\r\n\r\nhello"), &[400, 413]),
        ("chunked not last", format!("POST http://{h}/ HTTP/1.1\r\nhost: {h}\r\ntransfer-encoding: chunked, gzip\r\n\r\n0\r\n\r\n"), &[400, 501]),
        ("a chunk size that is no number", format!("POST http://{h}/ HTTP/1.1\r\nhost: {h}\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n"), &[400]),
        ("chunked in HTTP/1.0", format!("POST http://{h}/ HTTP/1.0\r\nhost: {h}\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"), &[400]),
        ("a user in the authority", format!("GET http://a@{h}/ HTTP/1.1\r\nhost: a@{h}\r\n\r\n"), &[400]),
        ("a scheme nobody speaks", format!("GET gopher://{h}/ HTTP/1.1\r\nhost: {h}\r\n\r\n"), &[400, 501]),
        ("an origin-form target to a proxy", "GET / HTTP/1.1\r\nhost: \r\n\r\n".into(), &[400]),
        ("a CONNECT without a port", "CONNECT api.us.example HTTP/1.1\r\nhost: api.us.example\r\n\r\n".into(), &[400]),
        ("a CONNECT to a path", format!("CONNECT http://{h}/ HTTP/1.1\r\nhost: {h}\r\n\r\n"), &[400]),
        ("a head that ends early", format!("GET http://{h}/ HTTP/1.1\r\nhost: {h}\r\nx-a"), &[400, 408]),
        ("a body that ends early", format!("POST http://{h}/ HTTP/1.1\r\nhost: {h}\r\ncontent-length: 10\r\n\r\nhello"), &[400]),
        ("chunks that end early", format!("POST http://{h}/ HTTP/1.1\r\nhost: {h}\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n"), &[400]),
    ];
    for (what, request, expected) in cases {
        let reply = gateway.raw().send(request).finish().try_reply();
        let status = reply.as_ref().ok().and_then(|reply| reply.as_ref()).map(|reply| reply.status);
        assert!(status.is_some_and(|status| expected.contains(&status)), "{what}: {reply:?}");
    }
    origin.assert_untouched();
    assert_well(&gateway);
    gateway.stop();
}

#[test]
fn length_and_chunks_together_hide_no_request() {
    let (origin, gateway) = (Origin::start(), Setup::new().start());
    let h = host(&origin);
    let mut connection = gateway.raw();
    connection.send(format!(
        "POST http://{h}/outer HTTP/1.1\r\nhost: {h}\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n\
         0\r\n\r\nGET http://{h}/hidden HTTP/1.1\r\nhost: {h}\r\n\r\n"
    ));
    connection.finish().rest();
    assert!(origin.requests().iter().all(|request| request.target == "/outer"), "{:?}", origin.requests());
    gateway.stop();
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// POSTs a body with these headers.
fn send(gateway: &Gateway, origin: &Origin, headers: &[&str], body: &[u8]) -> crate::harness::Reply {
    let h = host(origin);
    let mut request = format!("POST http://{h}/ HTTP/1.1\r\nhost: {h}\r\ncontent-length: {}\r\n", body.len());
    headers.iter().for_each(|header| request.push_str(&format!("{header}\r\n")));
    let mut connection = gateway.raw();
    connection.send(request + "\r\n").send(body);
    connection.reply()
}

#[test]
fn an_encoding_is_seen_through() {
    let (origin, gateway) = (Origin::start(), Setup::new().start());
    let people = pupils(1, 3, Person::json);
    let json = "content-type: application/json";
    let gbk = format!("{{\"银行卡号\":\"{}\"}}", person(1).card);
    let (gbk, _, _) = encoding_rs::GB18030.encode(&gbk);
    let utf16: Vec<u8> = std::iter::once(0xfeff).chain(people.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let twice = gzip(&gzip(people.as_bytes()));
    let cases: [(&str, &[&str], &[u8]); 7] = [
        ("gzip", &[json, "content-encoding: gzip"], &gzip(people.as_bytes())),
        ("deflate", &[json, "content-encoding: deflate"], &zlib(people.as_bytes())),
        ("gzip twice", &[json, "content-encoding: gzip, gzip"], &twice),
        ("a gzip file that says nothing", &["content-type: application/octet-stream"], &gzip(people.as_bytes())),
        ("GB 18030", &["content-type: application/json; charset=gb18030"], &gbk),
        ("UTF-16", &["content-type: application/json; charset=utf-16"], &utf16),
        ("no type at all", &[], people.as_bytes()),
    ];
    for (what, headers, body) in cases {
        let reply = send(&gateway, &origin, headers, body);
        assert_eq!(reply.status, 451, "{what}: {}", reply.text());
    }
    origin.assert_untouched();
    gateway.stop();
}

#[test]
fn what_is_not_what_it_says_is_refused() {
    let (origin, gateway) = (Origin::start(), Setup::new().start());
    let people = pupils(1, 3, Person::contact);
    let json = "content-type: application/json";
    let cut = gzip(people.as_bytes());
    let cases: [(&str, &[&str], &[u8]); 4] = [
        ("plain text called gzip", &[json, "content-encoding: gzip"], b"{\"a\":1}"),
        ("a cut gzip stream", &[json, "content-encoding: gzip"], &cut[..cut.len() / 2]),
        ("an encoding nobody knows", &[json, "content-encoding: x-nobody"], b"{\"a\":1}"),
        ("an unknown encoding within a known one", &[json, "content-encoding: x-nobody, gzip"], &gzip(b"{\"a\":1}")),
    ];
    for (what, headers, body) in cases {
        let reply = send(&gateway, &origin, headers, body);
        assert_eq!(reply.status, 415, "{what}: {}", reply.text());
    }
    origin.assert_untouched();
    assert!(gateway.metric("tidegate_failures_total", &[("stage", "decode"), ("outcome", "closed")]) >= 4.0);
    assert_well(&gateway);
    gateway.stop();
}

#[test]
fn a_decompression_bomb_is_refused_in_bounded_memory() {
    let (origin, gateway) = (Origin::start(), Setup::new().start());
    let json = "content-type: application/json";
    let once = gzip(&vec![b' '; 200 << 20]);
    let before = gateway.memory_kib("VmHWM");
    for body in [once.clone(), gzip(&once)] {
        let encoding =
            if body.len() == once.len() { "content-encoding: gzip" } else { "content-encoding: gzip, gzip" };
        let reply = send(&gateway, &origin, &[json, encoding], &body);
        assert_eq!(reply.status, 413, "{}", reply.text());
    }
    let grown = gateway.memory_kib("VmHWM") - before;
    assert!(grown < 64 << 10, "the bomb took {grown} KiB");
    origin.assert_untouched();
    assert_well(&gateway);
    gateway.stop();
}

#[test]
fn json_of_any_depth_is_read_to_its_bottom() {
    let (origin, gateway) = (Origin::start(), Setup::new().log("debug").start());
    for depth in [100, 10_000, 200_000] {
        let body = format!("{}{{\"银行卡号\":\"{}\"}}{}", "[".repeat(depth), person(1).card, "]".repeat(depth));
        let reply = send(&gateway, &origin, &["content-type: application/json"], body.as_bytes());
        assert!(matches!(reply.status, 451 | 413 | 415), "{depth}: {} {}", reply.status, reply.text());
    }
    origin.assert_untouched();
    assert_well(&gateway);
    gateway.stop();
}

#[test]
fn documents_in_documents_of_any_depth_bring_nothing_down() {
    let (origin, gateway) = (Origin::start(), Setup::new().log("debug").start());
    let card = format!("card number: {}\r\n", person(1).card);
    let mail = |depth: usize| "Content-Type: message/rfc822\r\n\r\n".repeat(depth);
    // Parts, and behind them what looks like parts again.
    let parts =
        |depth: usize| (0..depth).map(|at| format!("--m{at}\r\nA: b\r\n\r\nx\r\n--m{at}--\r\n")).collect::<String>();
    for (label, body, wanted) in [
        ("message/rfc822", format!("{}\r\n{card}", mail(3)), 451),
        ("message/rfc822", format!("{}\r\n{card}", mail(50_000)), 413),
        ("text/plain", format!("{}{card}", parts(2)), 451),
        ("text/plain", format!("{}{card}", parts(20_000)), 451),
    ] {
        let reply = send(&gateway, &origin, &[&format!("content-type: {label}")], body.as_bytes());
        assert_eq!(reply.status, wanted, "{label}: {}", reply.text());
    }
    origin.assert_untouched();
    assert_well(&gateway);
    gateway.stop();
}

#[test]
fn broken_text_hides_nobody() {
    let (origin, gateway) = (Origin::start(), Setup::new().start());
    let card = person(1).card;
    let cases: [(&str, Vec<u8>); 5] = [
        (
            "invalid UTF-8 around",
            [b"{\"a\":\"\xff\xfe\xc3\x28\",\"card_number\":\"", card.as_bytes(), b"\xed\xa0\x80\"}"].concat(),
        ),
        ("JSON that ends early", format!("{{\"card_number\":\"{card}\",\"x\":").into_bytes()),
        ("JSON that is none", format!("card number: {card}").into_bytes()),
        ("escapes", format!("{{\"card_number\":\"\\u0036{}\"}}", &card[1..]).into_bytes()),
        ("a byte order mark", format!("\u{feff}{{\"card_number\":\"{card}\"}}").into_bytes()),
    ];
    for (what, body) in cases {
        let reply = send(&gateway, &origin, &["content-type: application/json"], &body);
        assert!(matches!(reply.status, 451 | 415), "{what}: {} {}", reply.status, reply.text());
    }
    origin.assert_untouched();
    gateway.stop();
}

#[test]
fn addresses_that_are_not_public_are_refused_however_they_are_written() {
    let (origin, gateway) = (Origin::start_on("127.0.0.2"), Setup::new().name("inside.example", "127.0.0.2").start());
    let port = origin.port();
    let hosts = [
        "127.0.0.2",
        "127.2",
        "2130706434",
        "0x7f000002",
        "0177.0.0.2",
        "0.0.0.0",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "169.254.169.254",
        "224.0.0.1",
        "255.255.255.255",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.2]",
        "[::ffff:169.254.169.254]",
        "[64:ff9b::7f00:2]",
        "[fe80::1]",
        "[fd00:ec2::254]",
        "[ff02::1]",
        "inside.example",
    ];
    for host in hosts {
        let authority = format!("{host}:{port}");
        let plain = gateway.raw().send(get(&authority, "/")).reply();
        // A name that only looks like an address may also simply not resolve.
        assert!(matches!(plain.status, 403 | 400 | 502), "{host}: {plain:?}");
        if plain.status == 403 {
            assert!(plain.header("proxy-status").unwrap().contains("gateway/private-address"), "{host}: {plain:?}");
        }
        let mut tunnel = gateway.raw();
        tunnel.send(format!("CONNECT {authority} HTTP/1.1\r\nhost: {authority}\r\n\r\n"));
        let opened = tunnel.head().unwrap().unwrap();
        if opened.status == 200 {
            let inside = tunnel.send(format!("GET / HTTP/1.1\r\nhost: {authority}\r\n\r\n")).reply();
            assert!(matches!(inside.status, 403 | 400 | 502), "{host}: {inside:?}");
        }
    }
    for host in ["127.0.0.2", "169.254.169.254", "10.0.0.1", "[::1]", "[::ffff:127.0.0.2]", "inside.example"] {
        let reply = gateway.raw().send(get(&format!("{host}:{port}"), "/")).reply();
        assert_eq!(reply.status, 403, "{host}: {}", reply.text());
    }
    origin.assert_untouched();
    gateway.stop();
}

#[test]
fn an_unencrypted_message_to_a_port_that_speaks_tls_fails_clearly() {
    let (origin, gateway) = (Origin::start(), Setup::new().start());
    // TLS to an origin that speaks none: the client is told, and the origin has only seen a handshake.
    let reply = gateway.curl(&[&format!("https://{}/", host(&origin))]);
    assert_eq!(reply.status, 502, "{}", reply.text());
    curl_failure(
        gateway.try_curl(&[
            "--tls-max",
            "1.1",
            "--ciphers",
            "DEFAULT@SECLEVEL=0",
            &format!("https://{}/", host(&origin)),
        ]),
        &[35],
    );
    assert!(origin.requests().iter().all(|request| request.body.is_empty()));
    assert_well(&gateway);
    gateway.stop();
}

#[test]
fn http2_refuses_trace_and_a_header_of_900_kb_as_well() {
    let (origin, gateway) = (Origin::start(), Setup::new().start());
    let port = origin.port().to_string();
    let ended = gateway.python("http2_large_header.py", &["api.us.example", &port]).success();
    assert!(["431", "ended", "closed"].contains(&ended.trim()), "{ended}");
    let url = format!("http://{}/", host(&origin));
    let trace = gateway.curl(&["-p", "--http2-prior-knowledge", "-X", "TRACE", &url]);
    assert_eq!((trace.status, trace.version.as_str()), (405, "2"), "{}", trace.text());
    origin.assert_untouched();
    assert_well(&gateway);
    gateway.stop();
}

#[test]
fn a_storm_of_reset_streams_does_not_bring_it_down() {
    let (origin, gateway) = (Origin::start(), Setup::new().log("info").start());
    let port = origin.port().to_string();
    gateway.python("http2_resets.py", &["api.us.example", &port]).success();
    assert_well(&gateway);
    gateway.stop();
}
