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
