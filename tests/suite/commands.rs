//! The commands, as a person or a script runs them: their answers, their exit codes, their JSON.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::harness::{Output, Person, Setup, pupils, tidegate};

fn in_clean_directory(arguments: &[&str], input: &str) -> Output {
    let directory = tempfile::tempdir().unwrap();
    tidegate(arguments, directory.path(), input.as_bytes())
}

#[track_caller]
fn answer(output: &Output) -> Value {
    serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

#[test]
fn every_command_explains_itself_with_an_example() {
    let overview = in_clean_directory(&["--help"], "").success();
    for command in [
        "serve", "demo", "check", "scan", "list", "where", "decide", "test", "replay", "laws", "audit", "ca", "trust",
    ] {
        assert!(overview.contains(command), "{command} is not listed: {overview}");
        let help = in_clean_directory(&[command, "--help"], "").success();
        assert!(help.contains(&format!("tidegate {command}")), "{command}: no example in {help}");
    }
    assert_eq!(in_clean_directory(&["--version"], "").success().split_whitespace().next(), Some("tidegate"));
}

#[test]
fn a_wrong_command_line_ends_with_2() {
    for arguments in [
        vec!["chekc"],
        vec!["check", "--jsn"],
        vec!["decide", "--from", "Atlantis", "--to", "US"],
        vec!["where"],
        vec!["scan", "/nonexistent"],
    ] {
        let output = in_clean_directory(&arguments, "");
        assert_eq!(output.code, 2, "{arguments:?}: {output:?}");
        assert!(!output.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn a_wrong_configuration_ends_with_2_and_only_check_has_it_as_its_answer() {
    let setup = Setup::new().tables("[failure]\ndecod = \"closed\"\n");
    let file = setup.write().display().to_string();
    let content = setup.path("people.json").display().to_string();
    fs::write(&content, "{}").unwrap();
    for (command, code) in [
        (vec!["check"], 1),
        (vec!["check", "--json"], 1),
        (vec!["serve"], 2),
        (vec!["scan", &content], 2),
        (vec!["where", "192.0.2.1"], 2),
        (vec!["decide", "--from", "CN", "--to", "US", &content], 2),
        (vec!["test"], 2),
        (vec!["trust"], 2),
    ] {
        let output = tidegate(&[&command[..], &["--config", &file]].concat(), setup.directory(), b"");
        assert_eq!(output.code, code, "{command:?}: {output:?}");
        assert!(format!("{}{}", output.stdout, output.stderr).contains("decod"), "{command:?}: {output:?}");
    }
    // A file that is not there is no finding of a check.
    assert_eq!(tidegate(&["check", "--config", "/nonexistent.toml"], setup.directory(), b"").code, 2);
}

#[test]
fn check_finds_nothing_wrong_with_the_defaults_or_a_sound_file() {
    in_clean_directory(&["check"], "").success();
    let setup = Setup::new();
    let file = setup.write().display().to_string();
    let output = tidegate(&["check", "--config", &file], setup.directory(), b"");
    let text = output.success();
    assert!(text.contains("critical-infrastructure"), "a fact nobody has answered is listed: {text}");
    let output = tidegate(&["check", "--json", "--config", &file], setup.directory(), b"");
    assert_eq!(output.code, 0);
    answer(&output);
}

#[test]
fn check_warns_of_a_mechanism_that_ends_soon() {
    let today = jiff::Timestamp::now().to_zoned_datetime(jiff::tz::TimeZone::UTC).date();
    let until = today.checked_add(jiff::Span::new().days(30)).unwrap();
    let table = format!(
        "[[mechanism]]\nid = \"SC-ENDS\"\nkind = \"standard-contract\"\nimporter = [\"*.sg.example\"]\nfrom = 2024-01-15\nuntil = {until}\nfiled = 2024-01-16\n"
    );
    let setup = Setup::new().tables(&table);
    let file = setup.write().display().to_string();
    let output = tidegate(&["check", "--config", &file], setup.directory(), b"");
    assert_eq!(output.code, 0, "a warning is no failure: {output:?}");
    let said = format!("{}{}", output.stdout, output.stderr);
    assert!(said.contains("SC-ENDS") && said.contains(&until.to_string()), "{said}");
}

#[test]
fn scan_counts_kinds_and_people() {
    let output = in_clean_directory(
        &["scan", "--json", "--content-type", "application/json", "-"],
        &pupils(1, 4, Person::json),
    );
    assert_eq!(output.code, 0, "{output:?}");
    let answer = answer(&output);
    assert_eq!(answer["content"]["people"], 3, "{answer}");
    assert_eq!(answer["content"]["categories"]["personal.identifier.national"]["count"], 3, "{answer}");
    let findings = answer["findings"].as_array().unwrap();
    let first = &findings[0];
    for field in ["category", "detector", "confidence", "where", "start", "end"] {
        assert!(!first[field].is_null(), "{field} in {first}");
    }
    let human = in_clean_directory(&["scan", "-"], &pupils(1, 4, Person::json)).success();
    assert!(human.contains("personal.financial.card"), "{human}");
}

#[test]
fn scan_reads_files_and_the_headers_beside_them() {
    let directory = tempfile::tempdir().unwrap();
    let text = format!("{{\"银行卡号\":\"{}\"}}", crate::harness::person(1).card);
    let (gbk, _, _) = encoding_rs::GB18030.encode(&text);
    fs::write(directory.path().join("a.bin"), gbk).unwrap();
    fs::write(directory.path().join("a.bin.headers"), "content-type: application/json; charset=gb18030\r\n").unwrap();
    fs::write(directory.path().join("b.txt"), "nothing here").unwrap();
    let output = tidegate(&["scan", "--json", "a.bin", "b.txt"], directory.path(), b"");
    let lines: Vec<Value> = output.success().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2, "one object a line and file");
    assert_eq!(lines[0]["content"]["categories"]["personal.financial.card"]["count"], 1, "{}", lines[0]);
    assert_eq!(lines[0]["file"], "a.bin");
    assert_eq!(lines[1]["content"]["people"], 0);
}

#[test]
fn where_says_where_a_host_is_and_why() {
    let setup = Setup::new();
    let file = setup.write().display().to_string();
    let output = tidegate(&["where", "api.us.example", "--json", "--config", &file], setup.directory(), b"");
    let answer = output.success();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert!(answer.to_string().contains("\"US\"") && answer.to_string().contains("declared"), "{answer}");
    let human = in_clean_directory(&["where", "s3.eu-central-1.amazonaws.com"], "").success();
    assert!(human.contains("DE"), "a region in the name is known without asking anybody: {human}");
}

#[test]
fn decide_says_what_would_become_of_content_and_its_exit_code_is_the_answer() {
    let people = pupils(1, 3, Person::json);
    let blocked = in_clean_directory(
        &["decide", "--json", "--from", "CN", "--to", "US", "--content-type", "application/json", "-"],
        &people,
    );
    assert_eq!(blocked.code, 1, "{blocked:?}");
    assert_eq!(answer(&blocked)["action"], "block");
    let home = in_clean_directory(
        &["decide", "--json", "--from", "CN", "--to", "CN", "--content-type", "application/json", "-"],
        &people,
    );
    assert_eq!(home.code, 0, "{home:?}");
    let exempt = in_clean_directory(
        &[
            "decide",
            "--json",
            "--from",
            "CN",
            "--to",
            "US",
            "--fact",
            "purpose=contract-necessity",
            "--content-type",
            "application/json",
            "-",
        ],
        &people,
    );
    assert_eq!(exempt.code, 0, "{exempt:?}");
    let human = in_clean_directory(&["decide", "--from", "CN", "--to", "US", "-"], &people);
    assert!(human.stdout.contains("standard contract") || human.stdout.contains("standard-contract"), "{human:?}");
}

#[test]
fn decide_takes_the_day_into_account() {
    let people = pupils(1, 3, Person::json);
    let arguments = |day: &'static str| {
        vec![
            "decide",
            "--json",
            "--from",
            "CN",
            "--to",
            "US",
            "--date",
            day,
            "--content-type",
            "application/json",
            "-",
        ]
    };
    // Before the law there was nothing to hold.
    let before = in_clean_directory(&arguments("2015-01-01"), &people);
    assert_eq!(before.code, 0, "{before:?}");
    assert_eq!(in_clean_directory(&arguments("2026-11-16"), &people).code, 1);
}

#[test]
fn the_packs_pass_their_own_tests() {
    let output = in_clean_directory(&["test", "--json"], "");
    assert_eq!(output.code, 0, "{output:?}");
    let answer = answer(&output);
    assert_eq!(answer["failed"], 0, "{answer}");
    assert!(answer["passed"].as_u64().unwrap() > 50, "{answer}");
    assert_eq!(answer["examples"]["failed"], 0, "{answer}");
    assert!(answer["examples"]["passed"].as_u64().unwrap() > 100, "{answer}");
}

#[test]
fn a_scenario_that_does_not_hold_fails_the_test() {
    let directory = tempfile::tempdir().unwrap();
    let scenario = "[[scenario]]\nid = \"t-1\"\ntitle = \"A sensitive person\"\npack = \"cn\"\ndate = 2026-11-16\nexporter = \"CN\"\n\
                    importer = \"US\"\npeople = { sensitive = 1 }\nexpect = \"permit\"\n";
    fs::write(directory.path().join("mine.toml"), scenario).unwrap();
    let output = tidegate(&["test", "mine.toml", "--json"], directory.path(), b"");
    assert_eq!(output.code, 1, "{output:?}");
    let answer = answer(&output);
    let failed = answer["scenarios"].as_array().unwrap().iter().find(|scenario| scenario["id"] == "t-1").unwrap();
    assert_eq!(
        (&failed["ok"], &failed["expect"], &failed["got"]["action"]),
        (&json!(false), &json!("permit"), &json!("needs"))
    );
}

#[test]
fn a_ca_is_made_once_and_kept() {
    let directory = tempfile::tempdir().unwrap();
    tidegate(&["ca", "init"], directory.path(), b"").success();
    let (certificate, key) = ca_files(directory.path());
    let before = fs::read(&certificate).unwrap();
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600, "the key is for its owner alone");
    let again = tidegate(&["ca", "init"], directory.path(), b"");
    assert_ne!(again.code, 0, "a CA that clients trust is not replaced by accident");
    assert_eq!(fs::read(&certificate).unwrap(), before);
    let text = crate::harness::run(
        "/usr/bin/openssl",
        &["x509", "-in", &certificate.display().to_string(), "-noout", "-text"],
        directory.path(),
        b"",
    )
    .success();
    assert!(text.contains("CA:TRUE"), "{text}");
}

fn ca_files(directory: &Path) -> (std::path::PathBuf, std::path::PathBuf) {
    let state = directory.join("tidegate-state");
    (state.join("ca.pem"), state.join("ca.key"))
}

#[test]
fn trust_prints_what_each_client_needs() {
    let directory = tempfile::tempdir().unwrap();
    tidegate(&["ca", "init"], directory.path(), b"").success();
    for (client, word) in [
        ("curl", "CURL_CA_BUNDLE"),
        ("node", "NODE_EXTRA_CA_CERTS"),
        ("python", "REQUESTS_CA_BUNDLE"),
        ("java", "trustStore"),
        ("go", "SSL_CERT_FILE"),
        ("git", "http.sslCAInfo"),
        ("docker", "https_proxy"),
        ("system", "update-ca-certificates"),
    ] {
        let text = tidegate(&["trust", "--for", client], directory.path(), b"").success();
        assert!(text.contains(word) && text.contains("ca.pem"), "{client}: {text}");
    }
}

#[test]
fn what_trust_prints_for_curl_works() {
    let gateway = Setup::new().start();
    let file = gateway.setup.path("tidegate.toml").display().to_string();
    let text = tidegate(&["trust", "--for", "curl", "--config", &file], gateway.setup.directory(), b"").success();
    let line = text
        .lines()
        .map(str::trim)
        .find(|line| line.starts_with("export CURL_CA_BUNDLE="))
        .unwrap_or_else(|| panic!("{text}"));
    let script = format!(
        "{line}\ncurl -sS -o answer -w '%{{http_code}}' -x http://127.0.0.1:{} https://169.254.169.254/",
        gateway.setup.port
    );
    let output = crate::harness::run("/bin/bash", &["-c", &script], gateway.setup.directory(), b"");
    // The refusal comes from inside the intercepted connection: curl has verified the certificate by then.
    assert_eq!(output.stdout, "403", "{output:?}");
    gateway.stop();
}

#[test]
fn the_demo_permits_logs_and_blocks_real_traffic() {
    let output = in_clean_directory(&["demo", "--once", "--fast"], "").success();
    for line in ["permit  ", "log     ", "block   "] {
        assert!(output.lines().any(|decision| decision.starts_with(line)), "{line}: {output}");
    }
    for status in ["200", "403", "451"] {
        assert!(output.contains(&format!("The client got {status}.")), "{status}: {output}");
    }
}
