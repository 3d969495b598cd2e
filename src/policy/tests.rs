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
    let report = scenario::run(&packs, &sources(BUILTIN_SCENARIOS));
    let wrong: Vec<_> = report.scenarios.iter().filter(|ran| !ran.ok).collect();
    assert!(report.problems.is_empty() && wrong.is_empty(), "{}{wrong:#?}", shown(&report.problems));
    for pack in &report.coverage {
        assert!(pack.never_fired.is_empty() && pack.never_silent.is_empty(), "{pack:#?}");
    }
}

#[derive(serde::Deserialize)]
struct Broken {
    head: String,
    case: Vec<Mistake>,
}

#[derive(serde::Deserialize)]
struct Mistake {
    rule: Option<String>,
    also: Option<String>,
    says: String,
    help: Option<String>,
}

#[test]
fn each_mistake_is_named_where_it_stands() {
    let broken: Broken = toml::from_str(include_str!("read/broken.toml")).unwrap();
    for case in &broken.case {
        let rule = case.rule.as_deref().unwrap_or_default();
        let also = case.also.as_deref().unwrap_or_default();
        let text = format!("{}\n{rule}]\n{also}\n", broken.head);
        let mistake = if rule.is_empty() { also.to_owned() } else { format!("{rule}]") };
        let line = text.lines().position(|line| line == mistake).unwrap() + 1;
        let problems = Packs::compile(&[Source::new("x.toml", &*text)]).expect_err(&case.says);
        let said = |problem: &&Diagnostic| problem.message.contains(&case.says) && problem.line == line;
        let found = problems.iter().find(said).unwrap_or_else(|| panic!("{}: {}", case.says, shown(&problems)));
        if let Some(help) = &case.help {
            assert_eq!(found.help.as_deref(), Some(&**help), "{}", case.says);
        }
        assert!(found.column > 0);
    }
}
