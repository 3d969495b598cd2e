//! A mistake in a file stops the start, is found with its place, and says what was meant.

use std::fs;

use crate::harness::{Setup, free_port, tidegate};

/// A configuration with one mistake.
struct Mistake {
    what: &'static str,
    /// Added to a sound configuration, at its end.
    tables: &'static str,
    /// The line of the mistake within `tables`, counted from 1.
    line: usize,
    /// Words the message must have.
    says: &'static [&'static str],
}

const MISTAKES: &[Mistake] = &[
    Mistake { what: "unknown key", tables: "[failure]\ndecod = \"closed\"", line: 2, says: &["decod", "decode"] },
    Mistake {
        what: "unknown table",
        tables: "[failures]\ndecode = \"closed\"",
        line: 1,
        says: &["failures", "failure"],
    },
    Mistake { what: "unknown value", tables: "[failure]\ndecode = \"ajar\"", line: 2, says: &["ajar", "closed"] },
    Mistake {
        what: "unknown country",
        tables: "[[importer]]\nhost = [\"a.example\"]\ncountry = \"UK\"",
        line: 3,
        says: &["UK", "`GB`"],
    },
    Mistake {
        what: "no country at all",
        tables: "[[importer]]\nhost = [\"a.example\"]\ncountry = \"Atlantis\"",
        line: 3,
        says: &["Atlantis"],
    },
    Mistake { what: "wrong type", tables: "[failure]\ndecode = 3", line: 2, says: &["decode", "string"] },
    Mistake { what: "not TOML", tables: "[failure\ndecode = 3", line: 1, says: &[] },
    Mistake {
        what: "bad network",
        tables: "[[application]]\nname = \"a\"\nclient = [\"10.0.0.0/33\"]",
        line: 3,
        says: &["10.0.0.0/33"],
    },
    Mistake {
        what: "bad date",
        tables: "[[mechanism]]\nid = \"m\"\nkind = \"standard-contract\"\nimporter = [\"a.example\"]\nfrom = 2026-02-30\nuntil = 2027-01-01",
        line: 5,
        says: &[],
    },
    Mistake {
        what: "dates in the wrong order",
        tables: "[[mechanism]]\nid = \"m\"\nkind = \"standard-contract\"\nimporter = [\"a.example\"]\nfrom = 2027-01-01\nuntil = 2026-01-01",
        line: 6,
        says: &[],
    },
    Mistake {
        what: "unknown mechanism",
        tables: "[[mechanism]]\nid = \"m\"\nkind = \"standard-contrakt\"\nimporter = [\"a.example\"]\nfrom = 2026-01-01\nuntil = 2027-01-01",
        line: 3,
        says: &["standard-contrakt", "standard-contract"],
    },
    Mistake {
        what: "unknown category",
        tables: "[[mechanism]]\nid = \"m\"\nkind = \"standard-contract\"\nimporter = [\"a.example\"]\ncategories = [\"personel\"]\nfrom = 2026-01-01\nuntil = 2027-01-01",
        line: 5,
        says: &["personel", "personal"],
    },
    Mistake {
        what: "unknown fact",
        tables: "[[importer]]\nhost = [\"a.example\"]\nfacts = { importer-lsted = true }",
        line: 3,
        says: &["importer-lsted", "importer-listed"],
    },
];

#[test]
fn a_mistake_in_the_configuration_stops_the_start_and_is_shown_with_its_line() {
    for mistake in MISTAKES {
        let setup = Setup::new();
        let file = setup.write();
        let sound = fs::read_to_string(&file).unwrap();
        fs::write(&file, format!("{sound}\n{}\n", mistake.tables)).unwrap();
        let line = sound.lines().count() + 1 + mistake.line;
        // A check that finds something has the answer no; a start that cannot be is an error.
        for (command, code) in [("serve", 2), ("check", 1)] {
            let output = tidegate(&[command, "--config", &file.display().to_string()], setup.directory(), b"");
            let said = format!("{}{}", output.stdout, output.stderr);
            assert_eq!(output.code, code, "{} by {command}: {said}", mistake.what);
            assert!(
                said.contains(&format!("tidegate.toml:{line}")),
                "{} by {command}, line {line}: {said}",
                mistake.what
            );
            for word in mistake.says {
                assert!(said.contains(word), "{} by {command} lacks {word}: {said}", mistake.what);
            }
        }
        assert!(
            !setup.state().join("ledger.redb").exists(),
            "{}: nothing is touched before everything is right",
            mistake.what
        );
    }
}

#[test]
fn a_ca_that_cannot_be_read_stops_the_start_and_is_named() {
    let table = "[interception]\nca_certificate = \"/nonexistent/ca.pem\"\nca_key = \"/nonexistent/ca.key\"\n";
    let setup = Setup::new().tables(table);
    let file = setup.write().display().to_string();
    for (command, code) in [("serve", 2), ("check", 1)] {
        let output = tidegate(&[command, "--config", &file], setup.directory(), b"");
        let said = format!("{}{}", output.stdout, output.stderr);
        assert_eq!(output.code, code, "{command}: {said}");
        assert!(said.contains("/nonexistent/ca.pem"), "{command}: {said}");
    }
}

#[test]
fn all_mistakes_are_shown_at_once() {
    let setup = Setup::new()
        .tables("[failure]\ndecod = \"closed\"\n[[importer]]\nhost = [\"a.example\"]\ncountry = \"XX\"\n");
    let file = setup.write().display().to_string();
    let output = tidegate(&["check", "--config", &file], setup.directory(), b"");
    let said = format!("{}{}", output.stdout, output.stderr);
    assert!(said.contains("decod") && said.contains("XX"), "{said}");
}

#[test]
fn a_mistake_in_a_rule_file_stops_the_start_and_is_shown_with_its_line() {
    let pack = |rule: &str| {
        format!(
            "id = \"house\"\ntitle = \"House rules\"\nkind = \"organisation\"\nupdated = 2026-11-22\n\
             [source.house]\ntitle = \"House rules\"\n[[rule]]\nid = \"a\"\ncite = \"house 1\"\n{rule}\nwhy = \"Why.\"\n"
        )
    };
    for (what, rule, line, word) in [
        ("a misspelt condition", "when.imprter = [\"RU\"]\naction = \"block\"", 10, "importer"),
        ("an unknown country", "when.importer = [\"RUS\"]\naction = \"block\"", 10, "RUS"),
        ("an unknown category", "when.data = [\"personal.helth\"]\naction = \"block\"", 10, "personal.health"),
        ("an unknown action", "when.importer = [\"RU\"]\naction = \"stop\"", 11, "block"),
        ("a counter nobody declared", "when.counter.people = { at_least = 1 }\naction = \"block\"", 10, "people"),
        ("an unknown key", "when.importer = [\"RU\"]\naktion = \"block\"", 11, "action"),
    ] {
        let setup = Setup::new().rules(&[("house.toml", &pack(rule))]).packs("enabled = [\"house\"]");
        let file = setup.write().display().to_string();
        let output = tidegate(&["serve", "--config", &file], setup.directory(), b"");
        let said = format!("{}{}", output.stdout, output.stderr);
        assert_eq!(output.code, 2, "{what}: {said}");
        assert!(said.contains(&format!("house.toml:{line}")) && said.contains(word), "{what}: {said}");
    }
}

#[test]
fn an_unknown_pack_and_a_missing_file_are_named() {
    let setup = Setup::new().packs("enabled = [\"cn\", \"organization\"]");
    let file = setup.write().display().to_string();
    let output = tidegate(&["check", "--config", &file], setup.directory(), b"");
    let said = format!("{}{}", output.stdout, output.stderr);
    assert_eq!(output.code, 1, "{said}");
    assert!(said.contains("organization") && said.contains("organisation"), "{said}");
    let output = tidegate(&["serve", "--config", "nowhere.toml"], setup.directory(), b"");
    assert_eq!(output.code, 2);
    assert!(output.stderr.contains("nowhere.toml"), "{}", output.stderr);
}

#[test]
fn an_address_that_is_taken_is_named() {
    let setup = Setup::new();
    let _taken = std::net::TcpListener::bind(("127.0.0.1", setup.port)).unwrap();
    let file = setup.write().display().to_string();
    let output = tidegate(&["serve", "--config", &file], setup.directory(), b"");
    assert_ne!(output.code, 0);
    let said = format!("{}{}", output.stdout, output.stderr);
    assert!(said.contains(&format!("127.0.0.1:{}", setup.port)), "{said}");
}

#[test]
fn an_admin_door_beyond_loopback_needs_a_token() {
    let setup = Setup::new();
    let file = setup.write();
    let text = fs::read_to_string(&file).unwrap();
    let open = text.replace(&format!("127.0.0.1:{}", setup.admin), &format!("0.0.0.0:{}", free_port()));
    fs::write(&file, open).unwrap();
    let output = tidegate(&["serve", "--config", &file.display().to_string()], setup.directory(), b"");
    let said = format!("{}{}", output.stdout, output.stderr);
    assert_eq!(output.code, 2, "{said}");
    assert!(said.contains("token_file"), "{said}");
}
