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

/// Names as people write them in paths, keys and headers: short words in lower case that no detector knows.
const NAMES: [&str; 3] = ["ouyanglihua", "OUYANGLIHUA", "marybelle"];

/// Puts people where a message has names and not values: path words, keys, parts, files, columns, parameters, methods,
/// host labels. Returns every answer the gateway itself gave.
fn plant_as_names(gateway: &Gateway, base: &str, who: &Person) -> Vec<Vec<u8>> {
    let card = json!({ "银行卡号": who.card });
    let keys: Vec<String> = [who.name.as_str(), &who.email, &who.id, "ouyanglihua", "marybelle.ouyanglihua"]
        .iter()
        .map(|name| json!({ "people": { *name: card } }).to_string())
        .collect();
    let path = format!("{base}/v1/users/ouyanglihua/marybelle");
    let chinese = format!("{base}/用户/{}", who.name);
    let escaped = format!(
        "{base}/users/%6Fuyanglihua/{}",
        percent_encoding::utf8_percent_encode(&who.name, percent_encoding::NON_ALPHANUMERIC)
    );
    let query = format!("{base}/v1/search?ouyanglihua={}&{}={}", who.card, who.email, who.card);
    let header = format!("x-ouyanglihua: 银行卡号 {}", who.card);
    let cookie = format!("cookie: ouyanglihua={}", who.card);
    let part = format!("ouyanglihua={};filename={}.txt;type=text/plain", who.card, who.name);
    let named = format!("{}={}", who.email, who.card);
    let table = format!("{},ouyanglihua\n{},{}\n", who.name, who.card, who.id);
    let markup = format!("<people><ouyanglihua><card_number>{}</card_number></ouyanglihua></people>", who.card);
    let mut requests: Vec<Vec<&str>> = vec![
        vec![&path],
        vec![&chinese],
        vec![&escaped],
        vec![&query],
        vec!["-H", &header, base],
        vec!["-H", &cookie, base],
        vec!["-F", &part, base],
        vec!["-F", &named, base],
        vec!["-H", "content-type: text/csv", "--data-binary", &table, base],
        vec!["-H", "content-type: application/xml", "-d", &markup, base],
        vec!["-H", "content-type: text/plain; charset=ouyanglihua; owner=marybelle", "-d", &who.card, base],
        vec!["-H", "content-type: ouyanglihua/marybelle", "-d", &who.card, base],
        vec!["-H", "content-type: multipart/form-data; boundary=ouyanglihua", "-d", &who.card, base],
        vec!["-H", "content-encoding: ouyanglihua", "-d", &who.card, base],
        vec!["-X", "OUYANGLIHUA", base],
        vec!["-X", "OUYANGLIHUA", "-d", &who.card, base],
        vec!["-H", "forwarded: for=ouyanglihua;by=marybelle", base],
        vec!["--proxy-user", "ouyanglihua:marybelle", base],
        vec!["-H", "accept: ouyanglihua/marybelle", "-H", "accept-language: ouyanglihua", &path],
    ];
    for body in &keys {
        requests.push(vec!["-H", "content-type: application/json", "-d", body, base]);
        requests.push(vec!["-H", "content-type: application/json", "-H", "accept: text/html", "-d", body, base]);
    }
    let answers = requests.iter().filter_map(|arguments| gateway.try_curl(arguments).ok());
    let own = answers.filter(|reply| reply.header("proxy-status").is_some());
    own.map(|reply| [format!("{:?}", reply.headers).into_bytes(), reply.body].concat()).collect()
}

#[test]
fn names_that_are_values_are_found_nowhere_either() {
    let who = person(21);
    let (setup, root) = Setup::new().trusting_root();
    let origin = Origin::start();
    let label = format!("{}.us.example", who.id);
    let nginx = Nginx::start(setup.directory(), &root, &["api.us.example"], &origin);
    let gateway = setup.name(&label.to_lowercase(), "127.0.0.1").start();
    let plain = format!("http://api.us.example:{}", origin.port());
    let mut answers = plant_as_names(&gateway, &plain, &who);
    answers.extend(plant_as_names(&gateway, &format!("https://api.us.example:{}", nginx.port()), &who));
    answers.extend(plant_as_names(&gateway, &format!("http://{label}:{}", origin.port()), &who));
    // A trailer, a server name that is not the tunnel's, a path that is no address, and a target of a single word.
    let host = format!("api.us.example:{}", origin.port());
    let trailer = format!(
        "POST http://{host}/ HTTP/1.1\r\nhost: {host}\r\ntransfer-encoding: chunked\r\ntrailer: x-ouyanglihua\r\n\r\n\
         5\r\nhello\r\n0\r\nx-ouyanglihua: {}\r\n\r\n",
        who.card
    );
    answers.extend([gateway.raw().send(trailer).finish().rest()]);
    let proxy = format!("127.0.0.1:{}", gateway.setup.port);
    for name in ["ouyanglihua.us.example", "marybelle"] {
        let arguments = ["s_client", "-proxy", &proxy, "-connect", &host, "-servername", name];
        crate::harness::run("/usr/bin/openssl", &arguments, gateway.setup.directory(), b"Q\n");
    }
    for line in [
        "GET ouyanglihua HTTP/1.1",
        "GET http://ouyanglihua:marybelle@api.us.example/ HTTP/1.1",
        "CONNECT ouyanglihua HTTP/1.1",
    ] {
        answers.push(gateway.raw().send(format!("{line}\r\nhost: {host}\r\n\r\n")).finish().rest());
    }
    assert!(answers.len() > 30, "the gateway refused {} of the requests", answers.len());
    let people = [who];
    for answer in &answers {
        let text = String::from_utf8_lossy(answer);
        assert_absent("a refusal", answer, &people, &NAMES);
        assert!(!text.contains("欧阳"), "{text}");
    }
    for path in ["/metrics", "/api/v1/decisions", "/api/v1/ledger", "/"] {
        assert_absent(path, &gateway.admin(path).body, &people, &NAMES);
    }
    // Useful all the same: the generic words of a path and of a key are there.
    let records: Vec<String> = gateway.records().iter().map(ToString::to_string).collect();
    assert!(records.iter().any(|record| record.contains("/v1/users/*/*")), "{records:#?}");
    assert!(records.iter().any(|record| record.contains("\"*.us.example\"")), "{records:#?}");
    assert!(answers.iter().any(|answer| String::from_utf8_lossy(answer).contains("/people/*/银行卡号")));
    let setup = gateway.setup.clone();
    let log = gateway.stop();
    assert_absent("the log", log.as_bytes(), &people, &NAMES);
    assert_directory_clean(&setup.state(), &people, &NAMES);
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
    let keyed = directory.path().join("keyed.json").display().to_string();
    fs::write(&keyed, json!({ "ouyanglihua": { &people[0].name: { "银行卡号": people[1].card } } }).to_string())
        .unwrap();
    for arguments in [vec!["scan", &keyed], vec!["scan", "--json", &keyed]] {
        let output = tidegate(&arguments, directory.path(), b"");
        assert_absent(&arguments.join(" "), output.stdout.as_bytes(), &people, &NAMES);
        assert!(output.stdout.contains("银行卡号"), "{}", output.stdout);
    }
    let shown = tidegate(&["scan", "--show", "--json", &file], directory.path(), b"").success();
    assert!(shown.contains(&person(1).card), "{shown}");
}
