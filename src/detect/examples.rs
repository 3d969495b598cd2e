//! A detector carries its proof: texts it must find and texts it must not.

use crate::diagnostic::Diagnostic;
use crate::transfer::{Container, DigestKey, Locator, Piece, Sink as _};

use super::detector::{Detector, Example};
use super::{Detectors, Keep};

/// How the examples of all detectors went.
#[derive(Debug, Clone, Default)]
pub struct Examples {
    /// Examples and counter-examples that hold.
    pub passed: usize,
    /// Those that do not, where they are written.
    pub failed: Vec<Diagnostic>,
}

pub(super) fn check(detectors: &Detectors) -> Examples {
    let key = DigestKey::ephemeral();
    let mut examples = Examples::default();
    for detector in &detectors.list {
        let wanted = detector.examples.iter().map(|example| (example, true));
        let unwanted = detector.counter_examples.iter().map(|example| (example, false));
        for (example, wanted) in wanted.chain(unwanted) {
            match verdict(detectors, detector, example, wanted, &key) {
                None => examples.passed += 1,
                Some(problem) => examples.failed.push(problem),
            }
        }
    }
    examples
}

fn verdict(
    detectors: &Detectors,
    detector: &Detector,
    example: &Example,
    wanted: bool,
    key: &DigestKey,
) -> Option<Diagnostic> {
    let found = found(detectors, example, key);
    if found.iter().any(|id| **id == *detector.id) == wanted {
        return None;
    }
    let message = match wanted {
        true if found.is_empty() => format!("`{}` does not find this example, and nothing else does", detector.id),
        true => format!("`{}` does not find this example; found: {}", detector.id, found.join(", ")),
        false => format!("`{}` finds this counter-example", detector.id),
    };
    detectors.sources.get(example.file).map(|source| source.error(example.span.clone(), message))
}

/// Which detectors find something in an example, taken as a record with the example's fields.
fn found(detectors: &Detectors, example: &Example, key: &DigestKey) -> Vec<String> {
    let mut collector = detectors.collector(key, Keep::Findings);
    let mut at = Locator::body();
    collector.open(Container::Object);
    let beside = example.beside.iter().map(|(key, text)| (Some(key.as_str()), text.as_str()));
    for (key, text) in std::iter::once((example.key.as_deref(), example.text.as_str())).chain(beside) {
        at.enter(key.unwrap_or("text"));
        collector.piece(Piece::whole(text, key, 0, &at));
        at.leave();
    }
    collector.close();
    let mut found: Vec<String> =
        collector.finish().findings.iter().map(|finding| finding.detector.to_string()).collect();
    found.dedup();
    found
}
