//! One call for each thing the packs of the build must do; the cases themselves are data.

use super::*;

fn sources(files: &[(&str, &str)]) -> Vec<Source> {
    files.iter().map(|(name, text)| Source::new(*name, *text)).collect()
}

fn shown(problems: &[Diagnostic]) -> String {
    problems.iter().map(|problem| format!("{problem}\n")).collect()
}

#[test]
fn the_packs_of_the_build_compile() {
    if let Err(problems) = Packs::builtin() {
        panic!("{}", shown(&problems));
    }
}

#[test]
fn the_scenarios_of_the_build_come_out_as_expected() {
    let packs = Packs::builtin().map_err(|problems| shown(&problems)).unwrap();
    let report = scenario::run(&packs, &sources(BUILTIN_SCENARIOS), None);
    let wrong: Vec<_> = report.scenarios.iter().filter(|ran| !ran.ok).collect();
    assert!(report.problems.is_empty() && wrong.is_empty(), "{}{wrong:#?}", shown(&report.problems));
    assert_eq!((packs.warnings(), report.untested.as_slice()), (&[][..], &[][..]));
    for pack in &report.coverage {
        assert!(pack.never_fired.is_empty() && pack.never_silent.is_empty(), "{pack:#?}");
    }
}

#[test]
fn every_text_a_law_of_the_build_rests_on_has_a_rank() {
    let packs = Packs::builtin().map_err(|problems| shown(&problems)).unwrap();
    for pack in packs.iter().filter(|pack| pack.is_law()) {
        let without: Vec<_> = pack.sources.iter().filter(|source| source.rank.is_none()).collect();
        assert!(without.is_empty(), "{}: {without:?}", pack.id);
    }
}

#[test]
fn every_part_of_the_language_does_what_its_scenarios_say() {
    let pack = Source::new("language.toml", include_str!("cases/language.toml"));
    let packs = Packs::compile(&[pack]).map_err(|problems| shown(&problems)).unwrap();
    let scenarios = Source::new("language-scenarios.toml", include_str!("cases/language-scenarios.toml"));
    let report = scenario::run(&packs, &[scenarios], None);
    let wrong: Vec<_> = report.scenarios.iter().filter(|ran| !ran.ok).collect();
    assert!(report.problems.is_empty() && wrong.is_empty(), "{}{wrong:#?}", shown(&report.problems));
    assert!(report.coverage.iter().all(|pack| pack.never_fired.is_empty() && pack.never_silent.is_empty()));
}

#[derive(serde::Deserialize)]
struct Broken {
    head: String,
    case: Vec<Mistake>,
    /// Packs that work, with something that is most likely not meant.
    remark: Vec<Mistake>,
    /// Packs with nothing to remark on.
    fine: Vec<Mistake>,
}

#[derive(serde::Deserialize)]
struct Mistake {
    rule: Option<String>,
    also: Option<String>,
    #[serde(default)]
    says: String,
    help: Option<String>,
    /// Nothing else may be said.
    #[serde(default)]
    alone: bool,
}

impl Mistake {
    /// The whole file, and the line of the mistake.
    fn file(&self, head: &str) -> (String, usize) {
        let rule = self.rule.as_deref().unwrap_or_default();
        let also = self.also.as_deref().unwrap_or_default();
        let text = format!("{head}\n{rule}]\n{also}\n");
        let mistake = if rule.is_empty() { also.to_owned() } else { format!("{rule}]") };
        let line = text.lines().position(|line| line == mistake).unwrap() + 1;
        (text, line)
    }
}

/// Whether a page of the project has a heading.
fn is_documented(docs: &str) -> bool {
    let (page, heading) = docs.split_once('#').unwrap();
    let plain = |line: &str| -> String {
        let kept = line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
        kept.chars().filter(|letter| letter.is_alphanumeric() || *letter == '-').collect()
    };
    let text = include_str!("../../docs/rules.md");
    page == "docs/rules.md" && text.lines().any(|line| line.starts_with('#') && plain(line) == heading)
}

#[test]
fn each_mistake_is_named_where_it_stands() {
    let broken: Broken = toml::from_str(include_str!("cases/broken.toml")).unwrap();
    for case in &broken.case {
        let (text, line) = case.file(&broken.head);
        let problems = Packs::compile(&[Source::new("x.toml", &*text)]).expect_err(&case.says);
        let said = |problem: &&Diagnostic| problem.message.contains(&case.says) && problem.line == line;
        let found = problems.iter().find(said).unwrap_or_else(|| panic!("{}: {}", case.says, shown(&problems)));
        if let Some(help) = &case.help {
            assert_eq!(found.help.as_deref(), Some(&**help), "{}", case.says);
        }
        assert!(!case.alone || problems.len() == 1, "{}: {}", case.says, shown(&problems));
        assert!(found.column > 0 && found.to_string().contains('^'));
        assert!(found.docs.is_some_and(is_documented), "{found}");
    }
}

#[test]
fn what_is_most_likely_not_meant_is_remarked_on() {
    let broken: Broken = toml::from_str(include_str!("cases/broken.toml")).unwrap();
    let warnings = |case: &Mistake| {
        let (text, _) = case.file(&broken.head);
        let packs = Packs::compile(&[Source::new("x.toml", &*text)]).map_err(|problems| shown(&problems)).unwrap();
        packs.warnings().to_vec()
    };
    for case in &broken.remark {
        let found = warnings(case);
        let remark = found.iter().find(|remark| remark.message.contains(&case.says));
        let remark = remark.unwrap_or_else(|| panic!("{}: {}", case.says, shown(&found)));
        assert!(!remark.is_error() && remark.line > 0 && remark.docs.is_some_and(is_documented));
        assert!(case.help.is_none() || remark.help == case.help, "{remark}");
        assert_eq!(found.len(), 1, "{}", shown(&found));
    }
    for case in &broken.fine {
        assert!(warnings(case).is_empty(), "{}", shown(&warnings(case)));
    }
}

/// A transfer to ask about: people by what is known of them, marks on content, and where it goes.
struct Asked {
    exporter: Party,
    importer: Party,
    content: Content,
    facts: FactSet,
    mechanisms: Vec<Mechanism>,
    enabled: Enabled,
}

fn country(code: &str) -> Country {
    Country::parse(code).unwrap()
}

fn category(path: &str) -> crate::transfer::Category {
    crate::transfer::Category::parse(path).unwrap()
}

impl Asked {
    fn from_to(exporter: &str, importer: &[&str]) -> Asked {
        let place = |countries: Vec<_>| crate::transfer::Place {
            countries,
            basis: crate::transfer::Basis::HostTable,
            operator: None,
            operator_country: None,
        };
        let importer = place(importer.iter().map(|code| country(code)).collect());
        Asked {
            exporter: Party { host: None, address: None, place: place(vec![country(exporter)]) },
            importer: Party { host: Some("api.partner.example".into()), address: None, place: importer },
            content: Content::default(),
            facts: FactSet::default(),
            mechanisms: Vec::new(),
            enabled: Enabled { enforce: vec!["cn".into(), "eu".into(), "organisation".into()], observe: Vec::new() },
        }
    }

    fn with_people(mut self, number: u8, kinds: &[&str]) -> Asked {
        let categories = crate::transfer::CategorySet::of(kinds.iter().map(|path| category(path)));
        let person = |n| crate::transfer::Person { digest: crate::transfer::Digest([n; 16]), categories };
        self.content.people.extend((0..number).map(person));
        for kind in kinds {
            let tally = crate::transfer::Tally { count: u64::from(number), people: u64::from(number) };
            self.content.categories.insert(category(kind), tally);
            self.content.found.push(crate::transfer::Found {
                category: category(kind),
                count: u64::from(number),
                people: u64::from(number),
                locations: vec![format!("/people/*/{kind}")],
            });
        }
        self
    }

    fn case(&self) -> Case<'_> {
        Case {
            now: "2026-11-24T16:30:00Z".parse().unwrap(),
            direction: Direction::Request,
            exporter: &self.exporter,
            importer: &self.importer,
            application: None,
            facts: &self.facts,
            content: &self.content,
            mechanisms: &self.mechanisms,
            enabled: &self.enabled,
        }
    }

    fn decide(&self, packs: &Packs, before: u64) -> Outcome {
        let touches = packs.touches(&self.case());
        let count =
            |touch: &crate::transfer::Touch| crate::transfer::Count { before, adding: touch.people.len() as u64 };
        let counts: Vec<_> = touches.iter().map(count).collect();
        let mut outcome = packs.decide(&self.case(), &touches, &counts);
        packs.advise(
            &self.case(),
            &touches,
            &mut outcome,
            Ground { found: &self.content.found, ..Ground::default() },
        );
        outcome
    }
}

#[test]
fn an_observed_pack_speaks_and_binds_nobody() {
    let packs = Packs::builtin().unwrap();
    let mut asked = Asked::from_to("CN", &["US"]).with_people(1, &["personal.health"]);
    asked.enabled = Enabled { enforce: Vec::new(), observe: vec!["cn".into()] };
    let outcome = asked.decide(&packs, 0);
    assert_eq!((outcome.action, outcome.cause), (Action::Permit, None));
    let reason = outcome.reasons.iter().find(|reason| &*reason.rule == "contract-sensitive").unwrap();
    assert!(!reason.enforced && reason.action == Action::Block);
}

#[test]
fn a_rule_not_yet_in_force_is_recorded_and_not_enforced() {
    let pack = r#"
        id = "later"
        title = "Later"
        kind = "law"
        jurisdiction = "DE"
        updated = 2026-01-01
        source.act = { title = "Act", in_force = 2027-01-01 }
        rule = [{ id = "all", cite = "act 1", action = "block", why = "Everything stops." }]
    "#;
    let packs = Packs::compile(&[Source::new("later.toml", pack)]).unwrap();
    let mut asked = Asked::from_to("DE", &["US"]);
    asked.enabled.enforce = vec!["later".into()];
    let outcome = asked.decide(&packs, 0);
    assert_eq!(outcome.action, Action::Log);
    assert!(outcome.reasons.iter().all(|reason| !reason.enforced && reason.action == Action::Block));
}

#[test]
fn people_count_in_their_class_and_not_when_exempt() {
    let packs = Packs::builtin().unwrap();
    let mut asked = Asked::from_to("CN", &["US"]).with_people(2, &["personal.name", "personal.health"]);
    asked.content.people[0].categories = crate::transfer::CategorySet::of([category("personal.name")]);
    let touches = packs.touches(&asked.case());
    let shown: Vec<_> = touches.iter().map(|t| (&*t.key.counter, t.people.len(), t.since.to_string())).collect();
    assert_eq!(shown, [("plain", 1, "2026-01-01".to_owned()), ("sensitive", 1, "2026-01-01".to_owned())]);
    assert_eq!(touches[0].day.to_string(), "2026-11-25", "the day is that of the pack's zone");
    asked.facts.insert("purpose", FactValue::Text("hr-management".into()));
    assert!(packs.touches(&asked.case()).is_empty());
}

#[test]
fn earlier_people_do_not_stop_a_transfer_without_people_of_their_class() {
    let packs = Packs::builtin().unwrap();
    let asked = Asked::from_to("CN", &["US"]).with_people(1, &["personal.name"]);
    let mut touches = packs.touches(&asked.case());
    touches[0].key.counter = "sensitive".into();
    let counts = [crate::transfer::Count { before: 50_000, adding: 0 }];
    assert_eq!(packs.decide(&asked.case(), &touches, &counts).action, Action::Log);
}

#[test]
fn content_is_asked_for_only_where_an_answer_could_matter() {
    let packs = Packs::builtin().unwrap();
    let mut asked = Asked::from_to("US", &["CA"]);
    asked.enabled.enforce = vec!["cn".into(), "eu".into()];
    assert_eq!(packs.interest(&asked.case()), Interest { speaks: false, content: false });
    asked.enabled.enforce = vec!["organisation".into()];
    assert_eq!(packs.interest(&asked.case()), Interest { speaks: true, content: true });
    asked.facts.insert("importer-in-organisation", FactValue::Bool(true));
    asked.importer.place = asked.exporter.place.clone();
    assert_eq!(packs.interest(&asked.case()), Interest { speaks: false, content: false });
}

#[test]
fn a_mechanism_counts_only_where_it_reaches_and_covers() {
    let packs = Packs::builtin().unwrap();
    let held = Mechanism {
        id: "SC-1".into(),
        kind: "standard-contract".into(),
        importers: vec![crate::transfer::HostPattern::parse("*.partner.example").unwrap()],
        countries: Vec::new(),
        categories: crate::transfer::CategorySet::of([category("personal.health")]),
        from: None,
        until: None,
        filed: None,
        extra: Default::default(),
        in_scope: true,
    };
    let mut asked = Asked::from_to("CN", &["US"]).with_people(1, &["personal.name", "personal.health"]);
    asked.mechanisms = vec![held.clone()];
    let outcome = asked.decide(&packs, 0);
    assert_eq!((outcome.action, outcome.mechanisms), (Action::Log, vec!["SC-1".into()]));
    let elsewhere = crate::transfer::HostPattern::parse("other.example").unwrap();
    asked.mechanisms = vec![Mechanism { importers: vec![elsewhere], ..held.clone() }];
    assert_eq!(asked.decide(&packs, 0).action, Action::Block);
    let less = crate::transfer::CategorySet::of([category("personal.contact")]);
    asked.mechanisms = vec![Mechanism { categories: less, ..held }];
    assert_eq!(asked.decide(&packs, 0).action, Action::Block);
}

#[test]
fn advice_names_changes_that_would_pass() {
    let packs = Packs::builtin().unwrap();
    let outcome = Asked::from_to("CN", &["CN", "US"]).with_people(30, &["personal.name"]).decide(&packs, 99_990);
    assert_eq!((outcome.action, outcome.cause), (Action::Block, Some(Cause::Law)));
    let advice = outcome.passes_if.join("\n");
    for part in [
        "Have a standard contract",
        "Leave out personal.name (at /people/*/",
        "at most 9 more people",
        "if it is in China",
    ] {
        assert!(advice.contains(part), "{advice}");
    }
    let outcome = Asked::from_to("DE", &["IN"]).with_people(1, &["personal.name"]).decide(&packs, 0);
    let advice = outcome.passes_if.join("\n");
    assert!(
        advice.contains("Also have an assessment of the law of the destination.") && advice.contains("Andorra"),
        "{advice}"
    );
    let outcome = Asked::from_to("ZZ", &["ZZ"]).with_people(1, &["secret.key"]).decide(&packs, 0);
    assert_eq!((outcome.action, outcome.cause), (Action::Block, Some(Cause::Policy)));
}

#[test]
fn the_pack_that_teaches_the_language_works() {
    let text = include_str!("../../docs/rules.md");
    let blocks: Vec<&str> = text.split("```toml\n").skip(1).filter_map(|block| block.split("```").next()).collect();
    let packs =
        Packs::compile(&[Source::new("docs/rules.md", blocks[0])]).map_err(|problems| shown(&problems)).unwrap();
    let report = scenario::run(&packs, &[Source::new("docs/rules.md", blocks[1])], None);
    assert_eq!((report.passed, report.failed), (2, 0), "{report:#?}");
}

#[test]
fn the_words_of_every_pack_are_offered_for_a_fact_that_several_ask() {
    let pack = |id: &str, words: &str| {
        format!(
            "id = \"{id}\"\ntitle = \"{id}\"\nkind = \"organisation\"\nupdated = 2026-11-22\n[source.book]\ntitle = \"Book\"\n\
             [fact.lane]\ntype = \"text\"\nvalues = [{words}]\ndefault = {}\nask = \"Which lane?\"\n\
             [[rule]]\nid = \"r\"\ncite = \"book 1\"\nwhen.fact.lane = {}\naction = \"block\"\nwhy = \"Because.\"\n",
            words.split(',').next().unwrap(),
            words.split(',').next().unwrap(),
        )
    };
    let packs = Packs::compile(&sources(&[
        ("a.toml", &pack("a", "\"north\", \"south\"")),
        ("b.toml", &pack("b", "\"east\"")),
    ]));
    let packs = packs.unwrap_or_else(|problems| panic!("{problems:?}"));
    let check = |word: &str| packs.check_fact("lane", &FactValue::Text(word.into()));
    assert!(check("south").is_ok() && check("east").is_ok());
    let help = check("xyzzyx").unwrap_err().help.unwrap();
    assert!(["north", "south", "east"].iter().all(|word| help.contains(word)), "{help}");
    assert!(
        check("nort").unwrap_err().help.unwrap().contains("north"),
        "a word of the first pack is still suggested"
    );
}
