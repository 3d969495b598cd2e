//! People are planted in every part of a message. None of their values may come out of any door but the message's own.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::harness::{Gateway, Nginx, Origin, Person, Setup, person, pupils, tidegate};

/// A value and the shapes it could be written in.
fn shapes(value: &str) -> Vec<Vec<u8>> {
    let encoded: String = value.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let plain_ascii_escaped: String = value
        .bytes()
        .map(|byte| if byte.is_ascii() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect();
    let escaped: String =
        value.chars().map(|c| if c.is_ascii() { c.to_string() } else { format!("\\u{:04x}", c as u32) }).collect();
    let utf16: Vec<u8> = value.encode_utf16().flat_map(u16::to_le_bytes).collect();
    vec![
        value.into(),
        encoded.into(),
        plain_ascii_escaped.into(),
        escaped.into(),
        crate::harness::hex(value.as_bytes()).into(),
        utf16,
    ]
}

#[track_caller]
fn assert_absent(what: &str, content: &[u8], people: &[Person], secrets: &[&str]) {
    let values =
        people.iter().flat_map(|who| who.values().map(str::to_owned)).chain(secrets.iter().map(|s| (*s).to_owned()));
    for value in values {
        for shape in shapes(&value) {
            if let Some(at) = memchr::memmem::find(content, &shape) {
                let around = &content[at.saturating_sub(200)..content.len().min(at + 100)];
                panic!("{what} holds {value}: …{}…", String::from_utf8_lossy(around));
            }
        }
    }
}

fn assert_directory_clean(directory: &Path, people: &[Person], secrets: &[&str]) {
    for entry in fs::read_dir(directory).unwrap().flatten() {
        if entry.file_type().unwrap().is_dir() {
            assert_directory_clean(&entry.path(), people, secrets);
        } else {
            let content = fs::read(entry.path()).unwrap();
            assert_absent(&entry.path().display().to_string(), &content, people, secrets);
        }
    }
}

/// Sends people in every part of requests to an origin of a country; returns every answer that the gateway itself gave.
fn plant(gateway: &Gateway, base: &str, who: &Person) -> Vec<Vec<u8>> {
    let path = format!("{base}/v1/people/{}/{}", who.id, who.card);
    let query = format!("{base}/v1/search?id={}&card_number={}&mail={}", who.id, who.card, who.email);
    let name = percent_encoding::utf8_percent_encode(&who.name, percent_encoding::NON_ALPHANUMERIC);
    let query_name = format!("{base}/v1/search?姓名={name}&手机号={}&银行卡号={}", who.mobile, who.card);
    let header = format!("x-customer: {} 银行卡号 {}", who.id, who.card);
    let cookie = format!("cookie: card={}; id={}", who.card, who.id);
    let referer = format!("referer: http://shop.example/?card={}", who.card);
    let json = json!({ "people": [who.json()] }).to_string();
    let form = format!("email={}&card_number={}&id={}", who.email, who.card, who.id);
    let part = format!("card={}", who.card);
    let file = format!("file=姓名：{} 身份证号：{} 银行卡号：{};filename={}.txt", who.name, who.id, who.card, who.id);
    let requests: Vec<Vec<&str>> = vec![
        vec![&path],
        vec![&query],
        vec![&query_name],
        vec!["-H", &header, base],
        vec!["-H", &cookie, base],
        vec!["-H", &referer, base],
        vec!["-X", "PUT", "-H", "content-type: application/json", "-d", &json, base],
        vec!["-d", &form, base],
        vec!["-F", &part, "-F", &file, base],
        vec!["-H", "content-type: application/json", "-H", "content-encoding: gzip", "-d", &json, base],
        vec!["-H", "content-type: application/xml", "-d", &json, base],
        vec!["-A", &who.card, "-H", "accept: text/html", &query],
        vec!["-H", "content-type: application/grpc", "-d", &json, base],
    ];
    let answers = requests.iter().map(|arguments| gateway.curl(arguments));
    let own = answers.filter(|reply| reply.header("proxy-status").is_some());
    own.map(|reply| [format!("{:?}", reply.headers).into_bytes(), reply.body].concat()).collect()
}

#[test]
fn nothing_a_message_carried_is_found_anywhere_afterwards() {
    let (setup, root) = Setup::new().trusting_root();
    let origin = Origin::start();
    let names = ["api.us.example", "api.cn.example"];
    let nginx = Nginx::start(setup.directory(), &root, &names, &origin);
    let gateway = setup.start();
    let people: Vec<Person> = (1..12).map(person).collect();
    let mut answers = Vec::new();
    // Refused and let go, in clear and intercepted, to an origin that answers, one that fails, and one that is not there.
    for (who, base) in people.iter().zip([
        format!("http://api.us.example:{}", origin.port()),
        format!("http://api.cn.example:{}", origin.port()),
        format!("https://api.us.example:{}", nginx.port()),
        format!("https://api.cn.example:{}", nginx.port()),
        format!("http://api.cn.example:{}/reset", origin.port()),
        format!("http://api.cn.example:{}/garbage", origin.port()),
        format!("http://api.cn.example:{}", crate::harness::free_port()),
        "http://no-such-name.invalid".to_owned(),
        "http://169.254.169.254".to_owned(),
        format!("https://api.sg.example:{}", nginx.port()),
    ]) {
        answers.extend(plant(&gateway, &base, who));
    }
    let last = &people[10];
    answers.push(malformed(&gateway, &origin, last));
    assert!(answers.len() > 30, "the gateway refused {} of the requests", answers.len());
    let secrets = ["SecretPassw0rdOfNobody"];
    gateway.curl(&["--proxy-user", "nobody:SecretPassw0rdOfNobody", "http://api.us.example/"]);
    for answer in &answers {
        assert_absent("a refusal", answer, &people, &secrets);
    }
    for path in
        ["/metrics", "/api/v1/decisions", "/api/v1/ledger", "/api/v1/packs", "/api/v1/mechanisms", "/", "/-/ready"]
    {
        assert_absent(path, &gateway.admin(path).body, &people, &secrets);
    }
    let setup = gateway.setup.clone();
    assert_directory_clean(&setup.state(), &people, &secrets);
    let log = gateway.stop();
    assert!(log.contains("INFO"), "there is a log to look in");
    assert_absent("the log", log.as_bytes(), &people, &secrets);
    assert_directory_clean(&setup.state(), &people, &secrets);
}

/// Requests that are wrong in form, with people in them.
fn malformed(gateway: &Gateway, origin: &Origin, who: &Person) -> Vec<u8> {
    let host = format!("api.us.example:{}", origin.port());
    let requests = [
        format!("GET http://{host}/{} HTTP/1.1\nhost: {host}\n\n", who.id),
        format!("GET /{} HTTP/1.1\r\n\r\n", who.id),
        format!("{} / HTTP/1.1\r\nhost: {host}\r\n\r\n", who.id),
        format!("GET http://{host}/ HTTP/1.1\r\nhost: {host}\r\n{} : x\r\n\r\n", who.id),
        format!("GET http://{host}/ HTTP/1.1\r\nhost: {}\r\nhost: {host}\r\n\r\n", who.id),
        format!("TRACE http://{host}/{} HTTP/1.1\r\nhost: {host}\r\n\r\n", who.id),
        format!("CONNECT {}.{host} HTTP/1.1\r\nhost: {host}\r\n\r\n", who.id),
        format!("POST http://{host}/ HTTP/1.1\r\nhost: {host}\r\ncontent-length: {}x\r\n\r\n", who.id),
        format!("POST http://{host}/{} HTTP/1.1\r\nhost: {host}\r\ncontent-length: 1000\r\n\r\n{}", who.id, who.card),
    ];
    let mut answers = Vec::new();
    for request in requests {
        answers.extend(gateway.raw().send(request).finish().rest());
    }
    answers
}

#[test]
fn people_in_a_judged_response_are_found_nowhere_either() {
    let (origin, port) = (Origin::start(), crate::harness::free_port());
    origin.serve("/people", "application/json", pupils(1, 4, Person::json));
    let tables = format!(
        "[[listener]]\nname = \"inbound\"\naddress = \"127.0.0.1:{port}\"\nmode = \"reverse\"\nclient_country = \"US\"\n\
         [[route]]\nhost = \"api.own.example\"\nupstream = \"http://127.0.0.1:{}\"\ncountry = \"CN\"\n",
        origin.port()
    );
    let gateway = Setup::new().tables(&tables).start();
    let resolve = format!("api.own.example:{port}:127.0.0.1");
    let reply = gateway.direct_curl(&["--resolve", &resolve, &format!("http://api.own.example:{port}/people")]);
    let people = [person(1), person(2), person(3)];
    assert_eq!(reply.status, 451, "{}", reply.text());
    assert_absent("the refusal", &reply.body, &people, &[]);
    let setup = gateway.setup.clone();
    assert_absent("the log", gateway.stop().as_bytes(), &people, &[]);
    assert_directory_clean(&setup.state(), &people, &[]);
}

#[test]
fn a_scan_shows_values_only_when_it_is_asked_to() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("people.json");
    fs::write(&file, pupils(1, 4, Person::json)).unwrap();
    let file = file.display().to_string();
    let people = [person(1), person(2), person(3)];
    for arguments in [
        vec!["scan", &file],
        vec!["scan", "--json", &file],
        vec!["decide", "--from", "CN", "--to", "US", "--json", &file],
    ] {
        let output = tidegate(&arguments, directory.path(), b"");
        assert_absent(&arguments.join(" "), output.stdout.as_bytes(), &people, &[]);
        assert_absent(&arguments.join(" "), output.stderr.as_bytes(), &people, &[]);
    }
    let shown = tidegate(&["scan", "--show", "--json", &file], directory.path(), b"").success();
    assert!(shown.contains(&person(1).card), "{shown}");
}
