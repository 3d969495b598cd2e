//! HL7 version 2 messages: a segment a line, fields by position (HL7 2.5.1, chapters 2 and 3).
//!
//! A message is a record; next of kin and the insured stand in records of their own. Fields with a meaning go by words
//! for it, and every other field is text.

use crate::decode::charset::{Reader, Step};
use crate::decode::inside::HOLD;
use crate::decode::output::Output;
use crate::transfer::Container;

/// Most fields of a segment that are told apart; what follows is one text.
const FIELDS: usize = 256;

/// A segment's fields by position, with the words for them.
const SEGMENTS: &[(&str, &[(usize, &str)])] = &[
    (
        "PID",
        &[
            (2, "patient id"),
            (3, "patient id"),
            (4, "patient id"),
            (5, "patient name"),
            (6, "mother name"),
            (7, "date of birth"),
            (9, "patient name"),
            (10, "race"),
            (11, "home address"),
            (13, "phone"),
            (14, "phone"),
            (17, "religion"),
            (18, "account number"),
            (19, "ssn"),
            (20, "driver licence"),
            (22, "ethnic group"),
        ],
    ),
    ("NK1", &[(2, "contact name"), (4, "home address"), (5, "phone"), (6, "phone"), (16, "date of birth")]),
    ("GT1", &[(3, "guardian name"), (5, "home address"), (6, "phone"), (8, "date of birth"), (12, "ssn")]),
    (
        "IN1",
        &[
            (2, "insurance plan"),
            (16, "member name"),
            (18, "date of birth"),
            (19, "home address"),
            (36, "policy number"),
        ],
    ),
    ("DG1", &[(3, "diagnosis code"), (4, "diagnosis")]),
    ("AL1", &[(3, "allergy"), (5, "symptom")]),
    ("IAM", &[(3, "allergy"), (5, "symptom")]),
    ("OBX", &[(5, "lab result")]),
    ("OBR", &[(4, "examination"), (13, "medical history")]),
    ("PR1", &[(3, "treatment"), (4, "treatment")]),
    ("PRB", &[(3, "diagnosis")]),
    ("RXA", &[(5, "vaccination")]),
    ("RXE", &[(2, "medication")]),
    ("RXO", &[(1, "medication")]),
    ("RXD", &[(2, "medication")]),
    ("NTE", &[(3, "medical note")]),
];

/// Segments about somebody else than the patient.
const OTHERS: [&str; 3] = ["NK1", "GT1", "IN1"];

/// Words for numbers by the code of their type (table 0203).
const NUMBERS: &[(&str, &str)] = &[
    ("MR", "mrn"),
    ("SS", "ssn"),
    ("PPN", "passport number"),
    ("DL", "driver licence"),
    ("NI", "national id"),
    ("NH", "health insurance number"),
    ("HC", "health insurance number"),
    ("MC", "health insurance number"),
];

/// Reads messages.
#[derive(Debug)]
pub(in crate::decode) struct Hl7 {
    /// Separators of fields, components, repetitions.
    field: char,
    component: char,
    repetition: char,
    /// A message has begun.
    is_open: bool,
    lines: u64,
}

/// Whether text is such a message: a header that declares its separators.
pub(in crate::decode) fn sniff(text: &str) -> bool {
    let mut text = text.trim_start_matches('\u{b}').chars();
    let name: String = text.by_ref().take(3).collect();
    let signs: Vec<char> = text.take(5).collect();
    let is_sign = |c: &char| c.is_ascii_punctuation();
    matches!(name.as_str(), "MSH" | "FHS" | "BHS")
        && matches!(signs.as_slice(), [field, rest @ ..] if rest.len() == 4
            && is_sign(field) && rest.iter().take(3).all(|sign| is_sign(sign) && sign != field))
}

impl Hl7 {
    /// A reader.
    pub(in crate::decode) fn new() -> Hl7 {
        Hl7 { field: '|', component: '^', repetition: '~', is_open: false, lines: 0 }
    }

    fn segment(&mut self, line: &str, offset: u64, out: &mut Output<'_>) {
        let blank = line.len() - line.trim_start_matches(|c: char| c.is_control()).len();
        let line = line.get(blank..).unwrap_or("").trim_end_matches(|c: char| c.is_control());
        let offset = offset + blank as u64;
        let name = line.get(..3).unwrap_or("");
        if name == "MSH" {
            self.separators(line);
            self.close(out);
            self.is_open = true;
            out.open(Container::Object);
        }
        let known = SEGMENTS.iter().find(|(known, _)| *known == name);
        let Some((_, fields)) = known else { return out.text(line, None, offset) };
        let other = OTHERS.contains(&name);
        if other {
            out.at.enter_plain(name);
            out.open(Container::Object);
        }
        let mut at = offset;
        for (position, text) in line.splitn(FIELDS, self.field).enumerate() {
            let words = fields.iter().find(|(known, _)| *known == position).map(|(_, words)| *words);
            match words.filter(|_| !text.is_empty()) {
                Some(words) => self.field(words, text, at, out),
                None => out.text(text, None, at),
            }
            at += (text.len() + self.field.len_utf8()) as u64;
        }
        if other {
            out.close();
            out.at.leave();
        }
    }

    /// A field with a meaning: each of its repetitions, in words.
    fn field(&self, words: &str, text: &str, offset: u64, out: &mut Output<'_>) {
        let mut at = offset;
        for text in text.split(self.repetition) {
            let parts: Vec<&str> = text.split(self.component).collect();
            let kind = parts.get(4).copied().unwrap_or("");
            let words = match words {
                "patient id" => NUMBERS.iter().find(|(code, _)| *code == kind).map_or(words, |(_, words)| words),
                words => words,
            };
            out.at.enter(words);
            repetition(words, text, &parts, at, out);
            out.at.leave();
            at += (text.len() + self.repetition.len_utf8()) as u64;
        }
    }

    /// A header says which signs separate.
    fn separators(&mut self, line: &str) {
        let mut signs = line.chars().skip(3);
        if let (Some(field), Some(component), Some(repetition)) = (signs.next(), signs.next(), signs.next()) {
            (self.field, self.component, self.repetition) = (field, component, repetition);
        }
    }

    fn close(&mut self, out: &mut Output<'_>) {
        if std::mem::take(&mut self.is_open) {
            out.close();
        }
    }
}

/// One value of a field, in words.
fn repetition(words: &str, text: &str, parts: &[&str], at: u64, out: &mut Output<'_>) {
    let first = parts.first().copied().unwrap_or("");
    let joined =
        |parts: &[&str]| parts.iter().copied().filter(|part| !part.is_empty()).collect::<Vec<&str>>().join(" ");
    let is_number = words.ends_with("id") || words.ends_with("number");
    if is_number || matches!(words, "mrn" | "ssn" | "driver licence") {
        // Numbers stand in front; assigning authorities follow.
        out.text(first, Some(words), at);
        rest(text, first.len(), at, out);
    } else if words == "date of birth" {
        let day = text.get(..8).unwrap_or(text);
        out.text(day, Some(words), at);
        rest(text, day.len(), at, out);
    } else if words.starts_with("diagnosis") {
        parts.iter().for_each(|part| out.text(part, Some(words), at));
    } else if words.ends_with("name") {
        let name = parts.get(..parts.len().min(3)).unwrap_or_default();
        out.text(&joined(name), Some(words), at);
        rest(text, name.iter().map(|part| part.len() + 1).sum(), at, out);
    } else {
        out.text(&joined(parts), Some(words), at);
    }
}

/// What is left of a field behind what was emitted under its words.
fn rest(text: &str, from: usize, offset: u64, out: &mut Output<'_>) {
    out.text(text.get(from..).unwrap_or(""), None, offset + from as u64);
}

impl Reader for Hl7 {
    fn read(&mut self, text: &str, offset: u64, last: bool, out: &mut Output<'_>) -> Step {
        let mut at = 0;
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
            let end = memchr::memchr2(b'\r', b'\n', rest.as_bytes());
            if end.is_none() && !last && rest.len() <= HOLD {
                break;
            }
            let length = end.unwrap_or(rest.len());
            self.lines += u64::from(length > 0);
            out.at.set_line(Some(self.lines));
            self.segment(rest.get(..length).unwrap_or(rest), offset + at as u64, out);
            at += length + usize::from(end.is_some());
        }
        out.at.set_line(None);
        Step::Read(at)
    }

    fn finish(&mut self, out: &mut Output<'_>) {
        self.close(out);
    }
}
