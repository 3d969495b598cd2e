//! Permitted, logged, blocked: by the packs a user has after the first start, and what a refusal says.

use serde_json::{Value, json};

use crate::harness::{Origin, Person, Setup, person, pupils};

/// The shape of a private key; the digits were typed at random.
const PRIVATE_KEY: &str = "-----BEGIN EC PRIVATE KEY-----\n\
    MHcCAQEEIIrYSSNQFaA2Hwf1duRSxKtLYX5CB04fSeQ6tF1aY/PuoAoGCCqGSM49AwEHoUQDQgAEPR3tU2Fta9ktY+6P9G0cWO+0kETA6SFs38GecTyu\n\
    dlHz6xvCdz8q+KEP1hjNKqKhk1Uv0qSH1hDVw7ZkGWVYAQ==\n-----END EC PRIVATE KEY-----\n";

fn url(country: &str, origin: &Origin, path: &str) -> String {
    format!("http://api.{country}.example:{}{path}", origin.port())
}

#[test]
fn a_message_about_nobody_is_permitted_and_arrives_as_it_was_sent() {
    let (origin, gateway) = (Origin::start(), Setup::new().start());
    let reply = gateway.post(&url("us", &origin, "/v1/orders?page=2"), r#"{"colour":"blue","count":3}"#);
    assert_eq!(reply.status, 200, "{}", reply.text());
    let arrived = origin.only_request();
    assert_eq!((arrived.method.as_str(), arrived.target.as_str()), ("POST", "/v1/orders?page=2"));
    assert_eq!(arrived.body, br#"{"colour":"blue","count":3}"#);
    assert_eq!(arrived.header("content-type"), Some("application/json"));
    assert_eq!(arrived.header("host"), Some(format!("api.us.example:{}", origin.port()).as_str()));
    let record = gateway.last_record();
    assert_eq!(record["action"], "permit", "{record}");
    assert_eq!(record["exporter"]["country"], json!(["CN"]));
    assert_eq!(record["importer"]["country"], json!(["US"]));
    assert_eq!(record["importer"]["basis"], "declared");
    assert_eq!(record["content"]["people"], 0);
    gateway.stop();
}

#[test]
fn a_few_people_in_plain_data_may_go_abroad_and_are_logged_and_counted() {
    let (origin, gateway) = (Origin::start(), Setup::new().start());
    let reply = gateway.post(&url("us", &origin, "/v1/people"), &pupils(1, 4, Person::contact));
    assert_eq!(reply.status, 200, "{}", reply.text());
    let record = gateway.last_record();
    assert_eq!(record["action"], "log", "{record}");
    assert_eq!(record["content"]["people"], 3, "{record}");
    assert_eq!(record["content"]["categories"]["personal.contact.email"]["people"], 3, "{record}");
    assert!(!record["reasons"].as_array().unwrap().is_empty(), "a logged transfer says why: {record}");
    assert_eq!(gateway.metric("tidegate_counter_people", &[("pack", "cn"), ("counter", "plain")]), 3.0);
    gateway.stop();
}

#[test]
fn the_same_people_are_counted_once() {
    let (origin, gateway) = (Origin::start(), Setup::new().start());
    for country in ["us", "sg", "us"] {
        let reply = gateway.post(&url(country, &origin, "/v1/people"), &pupils(1, 4, Person::contact));
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
    assert_eq!(gateway.metric("tidegate_counter_people", &[("pack", "cn"), ("counter", "plain")]), 3.0);
    gateway.stop();
}

#[test]
fn people_may_move_within_their_own_country() {
    let (origin, gateway) = (Origin::start(), Setup::new().start());
    let reply = gateway.post(&url("cn", &origin, "/v1/people"), &pupils(1, 4, Person::json));
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(origin.requests().len(), 1);
    gateway.stop();
}

#[test]
fn a_refusal_links_to_where_the_admin_door_can_be_reached() {
    let origin = Origin::start();
    let link = |setup: Setup| {
        let setup = setup.admin_everywhere("invented-token");
        let (gateway, port) = (setup.start(), setup.admin);
        let reply = gateway.post(&url("us", &origin, "/"), &pupils(1, 3, Person::json));
        gateway.stop();
        reply.header("link").unwrap().replace(&port.to_string(), "PORT")
    };
    assert_eq!(link(Setup::new()), "<http://127.0.0.1:PORT/packs/cn>; rel=\"blocked-by\"");
    let named = Setup::new().admin("url = \"https://gate.example\"");
    assert_eq!(link(named), "<https://gate.example:443/packs/cn>; rel=\"blocked-by\"");
}

#[test]
fn sensitive_people_are_stopped_with_a_legal_refusal_that_names_no_value() {
    let (origin, gateway) = (Origin::start(), Setup::new().start());
    let reply = gateway.post(&url("us", &origin, "/v1/people"), &pupils(1, 3, Person::json));
    assert_eq!(reply.status, 451, "{}", reply.text());
    origin.assert_untouched();
    assert_eq!(reply.header("content-type"), Some("application/problem+json"));
    let link = reply.header("link").unwrap();
    assert!(link.contains("/packs/cn>") && link.contains("rel=\"blocked-by\""), "{link}");
    let problem = reply.json();
    check_legal_problem(&problem);
    let status = reply.header("proxy-status").unwrap();
    let id = problem["decision"].as_str().unwrap();
    assert!(status.starts_with("tidegate; error=http_request_denied; details=\""), "{status}");
    assert!(status.contains(&format!("decision={id} rule=cn/")), "{status}");
    for who in [person(1), person(2)] {
        for value in who.values() {
            assert!(!reply.text().contains(value), "{}", reply.text());
        }
    }
    let record = gateway.last_record();
    assert_eq!((&record["action"], &record["id"]), (&json!("block"), &problem["decision"]));
    gateway.stop();
}

#[track_caller]
fn check_legal_problem(problem: &Value) {
    assert_eq!((&problem["status"], &problem["action"]), (&json!(451), &json!("block")), "{problem:#}");
    for text in ["type", "title", "detail", "decision"] {
        assert!(problem[text].as_str().is_some_and(|text| !text.is_empty()), "{text}: {problem:#}");
    }
    assert_eq!(problem["exporter"]["country"], json!(["CN"]));
    assert_eq!(problem["importer"]["country"], json!(["US"]));
    let reasons = problem["reasons"].as_array().unwrap();
    let reason = reasons.iter().find(|reason| reason["action"] == "block").expect("a blocking reason");
    assert_eq!(reason["pack"], "cn");
    assert!(reason["cite"].as_str().is_some_and(|cite| !cite.is_empty()), "{reason}");
    let needs = reason["needs"].as_array().unwrap();
    assert!(needs.contains(&json!("standard-contract")), "{reason}");
    let found = problem["found"].as_array().unwrap();
    let card =
        found.iter().find(|found| found["category"] == "personal.financial.card").expect("the cards are found");
    assert_eq!((&card["count"], &card["people"]), (&json!(2), &json!(2)), "{card}");
    assert_eq!(card["where"], json!(["/people/*/银行卡号"]), "{card}");
    assert!(!problem["passes_if"].as_array().unwrap().is_empty(), "{problem:#}");
}

#[test]
fn a_contract_that_is_held_lets_sensitive_people_go_to_whom_it_names_and_to_nobody_else() {
    let contract = "[[mechanism]]\nid = \"SC-2026-014\"\nkind = \"standard-contract\"\nimporter = [\"*.sg.example\"]\n\
                    categories = [\"personal\"]\nfrom = 2026-01-15\nuntil = 2099-01-14\nfiled = 2026-01-20\n";
    let (origin, gateway) = (Origin::start(), Setup::new().tables(contract).start());
    let people = pupils(1, 3, Person::json);
    let reply = gateway.post(&url("sg", &origin, "/"), &people);
    assert_eq!(reply.status, 200, "{}", reply.text());
    let record = gateway.last_record();
    assert_eq!(record["action"], "log", "{record}");
    assert_eq!(record["mechanisms"], json!(["SC-2026-014"]), "{record}");
    assert_eq!(gateway.post(&url("us", &origin, "/"), &people).status, 451);
    assert_eq!(origin.requests().len(), 1);
    gateway.stop();
}

#[test]
fn secrets_are_stopped_by_the_organisations_own_policy() {
    let (origin, gateway) = (Origin::start(), Setup::new().start());
    let body = json!({ "note": "please use this", "pem": PRIVATE_KEY }).to_string();
    let reply = gateway.post(&url("us", &origin, "/v1/notes"), &body);
    assert_eq!(reply.status, 403, "{}", reply.text());
    assert_eq!(reply.header("content-type"), Some("application/problem+json"));
    assert_eq!(reply.header("link"), None, "only a legal refusal links to what blocks it");
    assert!(reply.header("proxy-status").unwrap().contains("rule=organisation/no-secrets"), "{reply:?}");
    assert!(!reply.text().contains("MHcCAQEE"), "{}", reply.text());
    origin.assert_untouched();
    gateway.stop();
}

#[test]
fn a_secret_is_found_wherever_it_stands_in_the_request() {
    let (origin, gateway) = (Origin::start(), Setup::new().start());
    let token = format!("AKIA{}", "Z7QXK4M2PW6TN3RB");
    let secret = "aws_secret_access_key=kW8vZq3nR5tY7uXpL2mB9cD4fG6hJ1sA0eTiOoUy";
    let key = PRIVATE_KEY.replace('\n', "%0A").replace('+', "%2B").replace(' ', "%20");
    let base = url("us", &origin, "/v1/notes");
    let query = format!("{base}?pem={key}");
    let header = format!("x-note: {token} {secret}");
    let form = format!("pem={key}");
    let requests: [&[&str]; 3] = [&[&query], &["-H", &header, &base], &["-d", &form, &base]];
    for arguments in requests {
        let reply = gateway.curl(arguments);
        assert_eq!(reply.status, 403, "{arguments:?}: {}", reply.text());
    }
    origin.assert_untouched();
    gateway.stop();
}

#[test]
fn people_in_the_url_are_stopped_before_any_connection() {
    let (origin, gateway) = (Origin::start(), Setup::new().start());
    let card = person(5).card;
    for path in [format!("/v1/cards/{card}"), format!("/v1/cards?card_number={card}&name=x")] {
        let reply = gateway.curl(&[&url("us", &origin, &path)]);
        assert_eq!(reply.status, 451, "{}", reply.text());
        assert!(!reply.text().contains(&card));
    }
    origin.assert_untouched();
    for record in gateway.records() {
        assert_eq!(record["path"].as_str().map(|path| path.contains(&card)), Some(false), "{record}");
    }
    gateway.stop();
}

#[test]
fn a_place_alone_can_stop_a_message_before_any_connection() {
    let pack = r#"
        id = "house"
        title = "House rules"
        kind = "organisation"
        updated = 2026-11-22
        [source.house]
        title = "House rules"
        [[rule]]
        id = "not-there"
        cite = "house 1"
        when.importer = ["RU"]
        action = "block"
        why = "We send nothing there."
    "#;
    let setup = Setup::new().rules(&[("house.toml", pack)]).packs("enabled = [\"cn\", \"organisation\", \"house\"]");
    let (origin, gateway) = (Origin::start(), setup.start());
    let reply = gateway.curl(&[&url("ru", &origin, "/")]);
    assert_eq!(reply.status, 403, "{}", reply.text());
    assert_eq!(reply.json()["reasons"][0]["rule"], "not-there");
    let tunnel = gateway.curl(&[&format!("https://api.ru.example:{}/", origin.port()), "-k"]);
    assert!(tunnel.status == 403 || tunnel.connect == 403, "{tunnel:?}");
    origin.assert_untouched();
    assert_eq!(gateway.curl(&[&url("de", &origin, "/")]).status, 200);
    gateway.stop();
}

#[test]
fn a_place_nobody_knows_is_foreign_and_adequate_to_nobody() {
    let (origin, gateway) = (Origin::start(), Setup::new().name("nowhere.invented", "127.0.0.1").start());
    let reply = gateway.post(&format!("http://nowhere.invented:{}/", origin.port()), &pupils(1, 3, Person::json));
    assert_eq!(reply.status, 451, "{}", reply.text());
    assert_eq!(reply.json()["importer"]["country"], json!(["ZZ"]), "{}", reply.text());
    origin.assert_untouched();
    gateway.stop();
}

#[test]
fn in_observe_mode_everything_passes_and_the_record_says_what_would_have_been() {
    let (origin, gateway) = (Origin::start(), Setup::new().top("mode = \"observe\"").start());
    let reply = gateway.post(&url("us", &origin, "/"), &pupils(1, 3, Person::json));
    assert_eq!(reply.status, 200, "{}", reply.text());
    let record = gateway.last_record();
    assert_eq!((&record["mode"], &record["action"]), (&json!("observe"), &json!("block")), "{record}");
    gateway.stop();
}

#[test]
fn a_pack_that_is_observed_is_recorded_and_not_enforced() {
    let setup = Setup::new().packs("enabled = [\"organisation\"]\nobserve = [\"cn\"]\n");
    let (origin, gateway) = (Origin::start(), setup.start());
    let reply = gateway.post(&url("us", &origin, "/"), &pupils(1, 3, Person::json));
    assert_eq!(reply.status, 200, "{}", reply.text());
    let record = gateway.last_record();
    let reasons = record["reasons"].as_array().unwrap();
    assert!(reasons.iter().any(|reason| reason["pack"] == "cn" && reason["enforced"] == false), "{record}");
    gateway.stop();
}

#[test]
fn a_browser_gets_a_page_and_a_reader_of_chinese_gets_chinese() {
    let (origin, gateway) = (Origin::start(), Setup::new().start());
    let people = pupils(1, 3, Person::json);
    let post = |headers: &[&str]| {
        let mut arguments = vec!["-H", "content-type: application/json", "--data-binary", people.as_str()];
        headers.iter().for_each(|header| arguments.extend(["-H", header]));
        let target = url("us", &origin, "/");
        arguments.push(&target);
        gateway.curl(&arguments)
    };
    let page = post(&["accept: text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"]);
    assert_eq!(page.status, 451);
    assert!(page.header("content-type").unwrap().starts_with("text/html"), "{page:?}");
    assert!(page.text().contains("<html"), "{}", page.text());
    let chinese = post(&["accept-language: zh-CN,zh;q=0.9,en;q=0.5"]);
    let detail = chinese.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c)), "{detail}");
    gateway.stop();
}

#[test]
fn an_application_is_known_by_its_credentials_and_brings_its_own_place() {
    let secret = Setup::new();
    std::fs::write(secret.path("crm.password"), "invented-password\n").unwrap();
    let table = format!(
        "[[application]]\nname = \"crm\"\nuser = \"crm\"\npassword_file = \"{}\"\ncountry = \"SG\"\n",
        secret.path("crm.password").display()
    );
    let (origin, gateway) = (Origin::start(), secret.tables(&table).start());
    let people = pupils(1, 3, Person::json);
    let target = url("us", &origin, "/");
    let with = |user: &str| {
        gateway.curl(&["--proxy-user", user, "-H", "content-type: application/json", "-d", &people, &target])
    };
    let known = with("crm:invented-password");
    assert_eq!(known.status, 200, "{}", known.text());
    assert_eq!(gateway.last_record()["application"], "crm");
    assert_eq!(origin.only_request().header("proxy-authorization"), None, "credentials are for the proxy alone");
    let wrong = with("crm:guess");
    assert_eq!(wrong.status, 407, "{}", wrong.text());
    assert!(wrong.header("proxy-authenticate").is_some());
    assert_eq!(origin.requests().len(), 1);
    gateway.stop();
}
