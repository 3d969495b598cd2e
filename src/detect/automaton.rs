//! One pattern as an anchored automaton: where can a match that starts here end, and what can it begin with.
//!
//! A pattern is compiled to a dense automaton once, within limits, and must have a longest match: then looking at one
//! spot costs a bounded number of steps whatever the text is. The automaton keeps going after a match, so every end is
//! known and the check decides between them. What the prefilter needs to know is read off the automaton and not
//! declared by the author, so it cannot be declared wrongly.

use regex_automata::dfa::{Automaton as _, StartKind, dense};
use regex_automata::nfa::thompson;
use regex_automata::util::primitives::StateID;
use regex_automata::util::syntax;
use regex_automata::{Anchored, MatchKind};

/// Longest match in bytes a pattern may have.
pub(super) const LONGEST: usize = 512;

const BOUNDARIES: &str = "the pattern looks at what stands around it; boundaries are implied";

const AUTOMATON_BYTES: usize = 2 << 20;
const DETERMINIZE_BYTES: usize = 16 << 20;
const NFA_BYTES: usize = 1 << 20;

/// A compiled pattern.
#[derive(Debug)]
pub(super) struct Automaton {
    dfa: dense::DFA<Vec<u32>>,
    start: StateID,
    longest: usize,
    /// One bit for each length of which any run of digits is a match.
    digit_runs: u64,
}

impl Automaton {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// Why the pattern is not accepted, for its author.
    pub(super) fn build(pattern: &str) -> Result<Automaton, String> {
        let config = dense::Config::new()
            .start_kind(StartKind::Anchored)
            .match_kind(MatchKind::All)
            .accelerate(false)
            .dfa_size_limit(Some(AUTOMATON_BYTES))
            .determinize_size_limit(Some(DETERMINIZE_BYTES));
        let dfa = dense::Builder::new()
            .configure(config)
            .syntax(syntax::Config::new().utf8(false))
            .thompson(thompson::Config::new().utf8(false).nfa_size_limit(Some(NFA_BYTES)))
            .build(pattern)
            .map_err(|error| refusal(&error))?;
        let Some(start) = dfa.universal_start_state(Anchored::Yes) else {
            return Err(BOUNDARIES.to_owned());
        };
        let begins = |byte: u8| !dfa.is_dead_state(dfa.next_state(start, byte));
        if (0..=b' ').any(begins) || (0x80..0xc0).any(begins) {
            return Err("a match begins with a letter, a digit or a mark, not with a blank".to_owned());
        }
        let longest = longest_path(&dfa, start)
            .ok_or("the pattern has no longest match: give every repetition an upper bound, such as {0,64}")?;
        if longest > LONGEST + 1 {
            return Err(format!(
                "a match of this pattern can be {longest} bytes long; at most {LONGEST} are looked at"
            ));
        }
        let mut automaton = Automaton { dfa, start, longest, digit_runs: 0 };
        automaton.digit_runs = automaton.whole_digit_runs();
        let one = automaton.after_any(&[start]);
        let two = automaton.after_any(&one);
        if std::iter::once(&start).chain(&one).chain(&two).any(|&state| automaton.can_end(state)) {
            return Err("the pattern matches text of less than three bytes".to_owned());
        }
        Ok(automaton)
    }

    /// Offsets in `bytes` at which a match that starts at `from` can end, in rising order.
    pub(super) fn ends(&self, bytes: &[u8], from: usize, ends: &mut Vec<usize>) {
        ends.clear();
        let mut state = self.start;
        let rest = bytes.get(from..).unwrap_or_default();
        let rest = rest.get(..self.longest).unwrap_or(rest);
        for (offset, &byte) in rest.iter().enumerate() {
            state = self.dfa.next_state(state, byte);
            if self.dfa.is_special_state(state) {
                if !self.dfa.is_match_state(state) {
                    return;
                }
                ends.push(from + offset);
            }
        }
        if from + self.longest >= bytes.len() && self.dfa.is_match_state(self.dfa.next_eoi_state(state)) {
            ends.push(bytes.len());
        }
    }

    /// Whether any digits of this length are a match.
    #[inline]
    pub(super) fn takes_digits(&self, length: usize) -> bool {
        length < 64 && (self.digit_runs >> length) & 1 != 0
    }

    fn whole_digit_runs(&self) -> u64 {
        let mut states = vec![self.start];
        let mut runs = 0;
        for length in 1..64 {
            let goes_on =
                |state: &StateID| (b'0'..=b'9').all(|digit| self.is_alive(self.dfa.next_state(*state, digit)));
            if !states.iter().all(goes_on) {
                break;
            }
            states = self.after(&states, &[b'0'..=b'9']);
            runs |= u64::from(states.iter().all(|&state| self.can_end(state))) << length;
        }
        runs
    }

    /// Bytes of the shortest match.
    pub(super) fn shortest(&self) -> usize {
        let mut states = vec![self.start];
        (0..self.longest)
            .find(|_| {
                let ends = states.iter().any(|&state| self.can_end(state));
                states = self.after_any(&states);
                ends
            })
            .unwrap_or(self.longest)
    }

    /// For each of the first `depth` bytes of a match, which bytes can stand there. From where a match can already have
    /// ended every byte can.
    pub(super) fn beginnings(&self, depth: usize) -> Vec<[bool; 256]> {
        let mut states = vec![self.start];
        let mut ended = false;
        (0..depth)
            .map(|_| {
                ended |= states.iter().any(|&state| self.can_end(state));
                let mut possible = [ended; 256];
                for (byte, slot) in (0..=255u8).zip(possible.iter_mut()) {
                    *slot |= states.iter().any(|&state| self.is_alive(self.dfa.next_state(state, byte)));
                }
                states = self.after_any(&states);
                possible
            })
            .collect()
    }

    /// The first three bytes a match can have.
    pub(super) fn first_triples(&self) -> Vec<[u8; 3]> {
        let alive = |state: StateID| {
            (0..=255u8)
                .map(move |byte| (byte, self.dfa.next_state(state, byte)))
                .filter(|(_, next)| self.is_alive(*next))
        };
        let mut triples = Vec::new();
        for (first, state) in alive(self.start) {
            for (second, state) in alive(state) {
                triples.extend(alive(state).map(|(third, _)| [first, second, third]));
            }
        }
        triples
    }

    /// For each length (up to `most`) of a run of bytes of an alphabet at the start of a match: can the match end there,
    /// and with which of some sets of bytes can it go on.
    pub(super) fn runs(&self, alphabet: &[Bytes], most: usize, next: &[&[Bytes]]) -> Vec<RunEnd> {
        let mut states = vec![self.start];
        (0..=most)
            .map(|_| {
                let ends = states.iter().any(|&state| self.can_end(state));
                let goes_on = next.iter().map(|bytes| !self.after(&states, bytes).is_empty()).collect();
                states = self.after(&states, alphabet);
                RunEnd { ends, goes_on }
            })
            .collect()
    }

    fn after_any(&self, states: &[StateID]) -> Vec<StateID> {
        self.after(states, &[0..=255])
    }

    /// Where the automaton can be one byte later. Bytes it does not tell apart are tried once.
    fn after(&self, states: &[StateID], bytes: &[Bytes]) -> Vec<StateID> {
        let classes = self.dfa.byte_classes();
        let units: Vec<u8> = bytes
            .iter()
            .flat_map(|range| classes.representatives(range.clone()).filter_map(|unit| unit.as_u8()))
            .collect();
        let mut next: Vec<StateID> = states
            .iter()
            .flat_map(|&state| units.iter().map(move |&byte| self.dfa.next_state(state, byte)))
            .filter(|&state| self.is_alive(state))
            .collect();
        next.sort_unstable();
        next.dedup();
        next
    }

    fn is_alive(&self, state: StateID) -> bool {
        !self.dfa.is_dead_state(state) && !self.dfa.is_quit_state(state)
    }

    /// Whether a match can end at this state, whatever follows. Matches are seen one byte late.
    fn can_end(&self, state: StateID) -> bool {
        self.dfa.is_match_state(self.dfa.next_eoi_state(state))
    }
}

/// A range of bytes.
pub(super) type Bytes = std::ops::RangeInclusive<u8>;

/// What can stand behind a run.
pub(super) struct RunEnd {
    /// The match may end there.
    pub(super) ends: bool,
    /// It may go on with a byte of each of the sets asked about.
    pub(super) goes_on: Vec<bool>,
}

fn refusal(error: &dense::BuildError) -> String {
    if error.is_size_limit_exceeded() {
        return "the pattern is too costly: its automaton is larger than 2 MiB".to_owned();
    }
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = cause.to_string();
        source = cause.source();
    }
    if text.contains("word boundaries") {
        return BOUNDARIES.to_owned();
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Length of the longest path from `start` to a dead end, or nothing if there is a cycle.
fn longest_path(dfa: &dense::DFA<Vec<u32>>, start: StateID) -> Option<usize> {
    let units: Vec<u8> = dfa.byte_classes().representatives(0..=255u8).filter_map(|unit| unit.as_u8()).collect();
    let successors = |state: StateID| -> Vec<StateID> {
        let mut next: Vec<StateID> = units.iter().map(|&byte| dfa.next_state(state, byte)).collect();
        next.retain(|&state| !dfa.is_dead_state(state) && !dfa.is_quit_state(state));
        next.sort_unstable();
        next.dedup();
        next
    };
    // Depth first without recursion: a state is open while its successors are being measured.
    let mut measured = std::collections::HashMap::new();
    let mut open = std::collections::HashSet::from([start]);
    let mut stack = vec![(start, successors(start), 0usize)];
    while let Some((state, pending, length)) = stack.last_mut() {
        let Some(next) = pending.pop() else {
            let (state, length) = (*state, *length);
            measured.insert(state, length);
            open.remove(&state);
            stack.pop();
            if let Some((_, _, parent)) = stack.last_mut() {
                *parent = (*parent).max(length + 1);
            }
            continue;
        };
        match measured.get(&next) {
            Some(known) => *length = (*length).max(known + 1),
            None if !open.insert(next) => return None,
            None => stack.push((next, successors(next), 0)),
        }
    }
    measured.get(&start).copied()
}
