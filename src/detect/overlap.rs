//! One value, one finding: of matches that overlap, the strongest stays.

use super::scan::Hit;

/// Leaves no two hits that overlap, in the order of the text.
pub(super) fn settle(hits: &mut Vec<Hit>) {
    if hits.len() < 2 {
        return;
    }
    hits.sort_unstable_by_key(|hit| (hit.start, hit.end, hit.detector));
    let overlaps = hits.windows(2).any(|pair| matches!(pair, [a, b] if b.start < a.end));
    if overlaps {
        let kept = std::mem::take(hits);
        groups(&kept).for_each(|group| hits.extend(strongest(group)));
    }
}

/// Runs of hits that hang together by overlapping.
fn groups(hits: &[Hit]) -> impl Iterator<Item = &[Hit]> {
    let mut end = 0;
    hits.chunk_by(move |a, b| {
        end = end.max(a.end);
        let together = b.start < end;
        if !together {
            end = 0;
        }
        together
    })
}

fn strongest(group: &[Hit]) -> Vec<Hit> {
    if let [only] = group {
        return vec![*only];
    }
    let mut by_strength: Vec<&Hit> = group.iter().collect();
    by_strength.sort_by(|a, b| {
        let length = |hit: &Hit| hit.end - hit.start;
        b.confidence.total_cmp(&a.confidence).then(length(b).cmp(&length(a))).then(a.detector.cmp(&b.detector))
    });
    let mut kept: std::collections::BTreeMap<usize, Hit> = std::collections::BTreeMap::new();
    for hit in by_strength {
        let before = kept.range(..hit.end).next_back();
        if before.is_none_or(|(_, known)| known.end <= hit.start) {
            kept.insert(hit.start, *hit);
        }
    }
    kept.into_values().collect()
}
