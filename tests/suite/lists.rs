//! The organisation's own lists: records, words and documents that are found without their values standing anywhere.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::harness::{Origin, Output, Setup, eventually, tidegate};

/// A directory with a configuration that uses these lists.
fn directory(lists: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("tidegate.toml"), format!("state = \"state\"\n{lists}")).unwrap();
    directory
}

#[track_caller]
fn make(directory: &Path, arguments: &[&str]) -> String {
    tidegate(&[&["list"], arguments].concat(), directory, b"").success()
}

/// What a scan of some content finds, by detector and value.
#[track_caller]
fn found(directory: &Path, name: &str, content: &str) -> Vec<(String, String)> {
    fs::write(directory.join(name), content).unwrap();
    let output = tidegate(&["scan", "--json", "--show", name], directory, b"").success();
    let value: Value = serde_json::from_str(&output).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let findings = value["findings"].as_array().unwrap().iter();
    let own = findings.filter(|finding| text(&finding["detector"]).starts_with("list."));
    own.map(|finding| (text(&finding["detector"]), finding["value"].as_str().unwrap_or("").to_owned())).collect()
}

fn people(directory: &Path, name: &str, content: &str) -> Value {
    fs::write(directory.join(name), content).unwrap();
    let output = tidegate(&["scan", "--json", name], directory, b"").success();
    serde_json::from_str::<Value>(&output).unwrap()["content"]["people"].clone()
}

const CUSTOMERS: &str = "[[data_list]]\nname = \"customers\"\nfile = \"customers.list\"\n\
    category = \"personal.financial.account\"\nperson = true\n";

/// A number nobody would mistake for another kind.
fn account(n: u64) -> String {
    format!("KX{:09}", n * 7919 % 1_000_000_007)
}

#[test]
fn a_million_values_fit_into_16_mebibytes_and_one_of_them_is_found_in_every_format() {
    let directory = directory(CUSTOMERS);
    let at = directory.path();
    let mut table = "account,since\n".to_owned();
    (0..1_000_000).for_each(|n| writeln!(table, "{},2020-01-01", account(n)).unwrap());
    fs::write(at.join("customers.csv"), &table).unwrap();
    let made = make(at, &["records", "customers.csv", "--column", "account", "--out", "customers.list"]);
    assert!(made.contains("1000000 values in 1000000 rows"), "{made}");
    let bytes = fs::read(at.join("customers.list")).unwrap();
    assert!(bytes.len() < 16 << 20, "{} bytes", bytes.len());
    let planted = account(765_432);
    assert!(!bytes.windows(planted.len()).any(|window| window == planted.as_bytes()), "no value stands in the list");
    let shown = make(at, &["show", "customers.list"]);
    let number = |before: &str| -> f64 {
        let text = shown.split(before).next().unwrap().split_whitespace().last().unwrap();
        text.parse().unwrap_or_else(|error| panic!("{error}: {shown}"))
    };
    assert!(number(" bytes in memory") < f64::from(16 << 20) && number(" bits an entry") <= 134.3, "{shown}");
    assert!(shown.contains("wrong with a probability of 5.4e-14"), "{shown}");

    let hit = vec![("list.customers".to_owned(), planted.clone())];
    let near = format!("{}0", &planted[..10]);
    assert_ne!(near, planted);
    for (name, content) in [
        ("a.json", json!([{ "ref": planted, "n": 1 }, { "ref": near }]).to_string()),
        ("a.csv", format!("a,b,c\n1,{planted},2\n3,{near},4\n5,x{planted},6\n")),
        ("a.txt", format!("Please see {planted}, not {planted}9 nor A{planted}; {near}.")),
    ] {
        assert_eq!(found(at, name, &content), hit, "{name}");
    }
    // However it is written.
    let grouped = format!("{} {} {}", &planted[..5], &planted[5..8], &planted[8..]);
    assert_eq!(found(at, "b.txt", &format!("see {grouped}.")), [("list.customers".to_owned(), grouped)]);
    assert_eq!(found(at, "b.txt", &format!("see {}.", planted.to_lowercase())).len(), 1);
    assert_eq!(people(at, "c.json", &json!([planted, account(1), planted]).to_string()), 2);
}

#[test]
fn names_addresses_and_words_in_any_script_are_found_whole() {
    let lists = "[[data_list]]\nname = \"people\"\nfile = \"people.list\"\ncategory = \"personal.name\"\nperson = true\n\
        [[data_list]]\nname = \"projects\"\nfile = \"projects.list\"\ncategory = \"business.trade-secret\"\n";
    let directory = directory(lists);
    let at = directory.path();
    fs::write(at.join("people.txt"), "Anna-Lena Müller\n张伟国\nO'Neil, Mary\nIva\n").unwrap();
    fs::write(at.join("projects.txt"), "Falcon\nBlue Harvest\n蓝色丰收\nпроект Заря\n").unwrap();
    let made = make(at, &["records", "people.txt", "--out", "people.list"]);
    assert!(made.contains("3 values in 3 rows") && made.contains("1 value passed over: too short"), "{made}");
    make(at, &["words", "projects.txt", "--out", "projects.list"]);
    let hits = |text: &str| -> Vec<String> { found(at, "a.txt", text).into_iter().map(|(_, value)| value).collect() };
    assert_eq!(hits("Hello ANNA LENA MÜLLER and Anna-Lena Müllers"), ["ANNA LENA MÜLLER"]);
    assert_eq!(hits("客户张伟国来电，张伟不在。"), ["张伟国"]);
    assert_eq!(hits("Dear O’Neil, Mary!"), ["O’Neil, Mary"]);
    assert_eq!(
        hits("falcon, falconry, Blue\nHarvest, blue sky harvest, 蓝色丰收计划, Проект «Заря»"),
        ["falcon", "Blue\nHarvest", "蓝色丰收", "Проект «Заря",]
    );
    assert_eq!(hits("ｆａｌｃｏｎ"), ["falcon"]);
}

#[test]
fn columns_that_say_too_little_alone_count_together_in_one_record() {
    let directory = directory(&format!("{CUSTOMERS}together = 2\n"));
    let at = directory.path();
    let rows = "surname,pin,city\nSmith,4711,Springfield\nSmith,4712,Shelbyville\nJones,4711,Springfield\n";
    fs::write(at.join("customers.csv"), rows).unwrap();
    let columns = ["--column", "surname", "--column", "pin", "--column", "city"];
    let made = make(at, &[&["records", "customers.csv"][..], &columns, &["--out", "customers.list"]].concat());
    assert!(made.contains("9 values in 3 rows"), "{made}");
    let hits = |name: &str, text: &str| found(at, name, text).len();
    assert_eq!(hits("a.json", r#"{"name":"Smith","code":"4712"}"#), 2);
    assert_eq!(hits("a.json", r#"{"name":"Jones","code":"4712"}"#), 0, "of different rows");
    assert_eq!(hits("a.json", r#"[{"name":"Smith"},{"code":"4712"}]"#), 0, "of different records");
    assert_eq!(hits("a.json", r#"{"name":"Smith","contact":{"code":"4712"}}"#), 2, "a part of the record");
    assert_eq!(hits("a.csv", "x,y\nSmith,4711\nJones,4712\n"), 2);
    assert_eq!(hits("a.txt", "Mr Smith asked about 4712."), 2);
    assert_eq!(hits("a.txt", &format!("Mr Smith {} 4712", "went on and on ".repeat(60))), 0, "far apart");
    assert_eq!(people(at, "b.json", r#"[{"a":"Smith","b":"4711"},{"a":"Smith","b":"4712","c":"Shelbyville"}]"#), 2);
}

#[test]
fn copies_of_parts_of_marked_documents_are_found() {
    let list =
        "[[data_list]]\nname = \"contracts\"\nfile = \"contracts.list\"\ncategory = \"business.trade-secret\"\n";
    let directory = directory(list);
    let at = directory.path();
    let sentence = |n: usize, of: &str| {
        let (item, schedule) = ((n * 31 + of.len()) % 97, (n * 17 + of.len()) % 89);
        format!("In clause {n} the {of} party keeps item {item} of schedule {schedule} away from others.\n")
    };
    let document = |of: &str| (0..200).map(|n| sentence(n, of)).collect::<String>();
    fs::create_dir(at.join("marked")).unwrap();
    fs::write(at.join("marked/a.txt"), document("first")).unwrap();
    fs::write(at.join("marked/b.html"), format!("<html><body><p>{}</p></body></html>", document("second"))).unwrap();
    let made = make(at, &["documents", "marked", "--out", "contracts.list"]);
    assert!(made.contains("of 2 documents"), "{made}");
    let part: String = (50..60).map(|n| sentence(n, "second")).collect();
    let detectors = |name: &str, text: &str| -> Vec<String> {
        found(at, name, text).into_iter().map(|(detector, _)| detector).collect()
    };
    assert_eq!(detectors("copy.txt", &format!("Hi,\n\n{}\nRegards", part.to_uppercase())), ["list.contracts#2"]);
    assert_eq!(detectors("copy.json", &json!({ "message": part, "to": "x" }).to_string()), ["list.contracts#2"]);
    // One sentence is no copy, and neither is text that only speaks alike.
    assert!(detectors("near.txt", &sentence(50, "second")).is_empty());
    let alike: String =
        (0..200).map(|n| format!("Clause {n} says the party takes item {} from there.\n", n * 3)).collect();
    assert!(detectors("near.txt", &alike).is_empty());
    fs::write(at.join("tidegate.toml"), format!("state = \"state\"\n{list}passages = 1\n")).unwrap();
    assert_eq!(detectors("near.txt", &sentence(50, "second")), ["list.contracts#2"]);
}

#[test]
fn a_changed_list_counts_at_once_and_a_wrong_one_keeps_the_running_one() {
    let list = "[[data_list]]\nname = \"projects\"\nfile = \"projects.list\"\ncategory = \"business.confidential\"\n";
    let setup = Setup::new().tables(list);
    let file = setup.write().display().to_string();
    let make = |word: &str| {
        fs::write(setup.path("projects.txt"), word).unwrap();
        let out = setup.path("projects.list").display().to_string();
        let arguments = ["list", "words", "projects.txt", "--out", &out, "--config", &file];
        tidegate(&arguments, setup.directory(), b"").success();
    };
    make("Blue Harvest");
    let (origin, gateway) = (Origin::start(), setup.start());
    let send = |text: &str| {
        let url = format!("http://api.us.example:{}/", origin.port());
        gateway.post(&url, &json!({ "subject": text }).to_string()).status
    };
    assert_eq!((send("about blue harvest"), send("about Red Dawn")), (403, 200));
    let record = gateway.records().into_iter().find(|record| record["action"] == "block").unwrap();
    assert_eq!(record["content"]["categories"]["business.confidential"]["count"], 1);
    make("Red Dawn");
    eventually("the changed list is noticed", || send("about Red Dawn") == 403);
    assert_eq!(send("about blue harvest"), 200);
    let path = setup.path("projects.list");
    let mut bytes = fs::read(&path).unwrap();
    *bytes.get_mut(100).unwrap() ^= 1;
    fs::write(&path, bytes).unwrap();
    let wrong = gateway.admin_post("/-/reload", "");
    assert_eq!(wrong.status, 400, "{}", wrong.text());
    assert!(wrong.text().contains("projects.list is damaged"), "{}", wrong.text());
    assert_eq!(send("about Red Dawn"), 403, "the running list stays");
    gateway.stop();
}

#[test]
fn mistakes_are_named_with_their_place_and_what_to_do() {
    let directory = directory("");
    let at = directory.path();
    fs::write(at.join("own.txt"), "Falcon\nBlue Harvest\n").unwrap();
    fs::write(at.join("own.csv"), "a,b\nFalcon,4711\n").unwrap();
    make(at, &["words", "own.txt", "--out", "words.list"]);
    make(at, &["records", "own.csv", "--column", "a", "--out", "records.list"]);
    let bytes = fs::read(at.join("words.list")).unwrap();
    let damaged = |name: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = bytes.clone();
        change(&mut bytes);
        fs::write(at.join(name), bytes).unwrap();
    };
    damaged("short.list", &|bytes| bytes.truncate(120));
    damaged("flipped.list", &|bytes| *bytes.get_mut(70).unwrap() ^= 4);
    damaged("long.list", &|bytes| bytes.push(0));
    damaged("huge.list", &|bytes| bytes[24..32].fill(0xff));
    damaged("other.list", &|bytes| bytes[48] ^= 1);
    let check = |lines: &str| -> Output {
        let list = format!("state = \"state\"\n[[data_list]]\nname = \"own\"\n{lines}");
        fs::write(at.join("tidegate.toml"), list).unwrap();
        tidegate(&["check"], at, b"")
    };
    let secret = "category = \"business.confidential\"\n";
    for (lines, says) in [
        ("file = \"short.list\"\n", "short.list is damaged: it has 120 bytes where its header says"),
        ("file = \"flipped.list\"\n", "flipped.list is damaged: its seal does not fit its content; make it again"),
        ("file = \"long.list\"\n", "long.list is damaged"),
        ("file = \"huge.list\"\n", "huge.list is damaged: its header makes no sense"),
        ("file = \"other.list\"\n", "other.list was made under another key"),
        ("file = \"own.txt\"\n", "own.txt is no list: make one with `tidegate list`"),
        ("file = \"nothing.list\"\n", "nothing.list cannot be read"),
        ("file = \"words.list\"\nperson = true\n", "only rows of records are people"),
        ("file = \"records.list\"\nperson = true\n", "people are counted under personal categories only"),
        ("file = \"records.list\"\ntogether = 2\n", "the list has 1 of columns"),
        ("file = \"records.list\"\npassages = 2\n", "this has no effect: it is for lists of documents"),
        ("file = \"words.list\"\npersn = true\n", "did you mean `person`?"),
    ] {
        let output = check(&format!("{lines}{secret}"));
        assert_eq!(output.code, 1, "{lines}: {output:?}");
        assert!(
            output.stdout.contains(says) && output.stdout.contains("tidegate.toml:"),
            "{lines}: {}",
            output.stdout
        );
    }
    assert!(check("file = \"words.list\"\ncategory = \"busines\"\n").stdout.contains("did you mean"));
    assert_eq!(check(&format!("file = \"words.list\"\n{secret}")).code, 0);
    fs::remove_dir_all(at.join("state")).unwrap();
    let output = check(&format!("file = \"words.list\"\n{secret}"));
    assert!(output.stdout.contains("there is no key to read lists with"), "{}", output.stdout);
    let output = tidegate(&["list", "records", "own.csv", "--column", "c", "--out", "x.list"], at, b"");
    assert!(output.code == 2 && output.stderr.contains("no row has a column `c`"), "{output:?}");
    assert!(!at.join("x.list").exists());
}
