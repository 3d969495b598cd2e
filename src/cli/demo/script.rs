//! What the demo sends: the steps of `script.toml`, and the content they stand for.

use std::fmt::Write as _;
use std::io;

use serde::Deserialize;

/// The script of the demo.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Script {
    #[serde(rename = "step")]
    pub(super) steps: Vec<Step>,
    families: Vec<String>,
    given: Vec<String>,
    diagnoses: Vec<String>,
}

/// One message.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Step {
    /// What happens, for the reader.
    pub(super) say: String,
    /// Who sends.
    pub(super) application: String,
    /// `METHOD host/path`.
    send: String,
    customers: Option<[usize; 2]>,
    patients: Option<[usize; 2]>,
    r#type: Option<String>,
    text: Option<String>,
    #[serde(default)]
    encrypted: bool,
}

impl Step {
    pub(super) fn method(&self) -> &str {
        self.send.split_once(' ').map_or("", |(method, _)| method)
    }

    pub(super) fn host(&self) -> &str {
        self.target().split_once('/').map_or("", |(host, _)| host)
    }

    pub(super) fn path(&self) -> &str {
        self.target().split_once('/').map_or("", |(_, path)| path)
    }

    fn target(&self) -> &str {
        self.send.split_once(' ').map_or("", |(_, target)| target)
    }
}

impl Script {
    pub(super) fn read() -> io::Result<Script> {
        toml::from_str(include_str!("script.toml")).map_err(io::Error::other)
    }

    /// Media type and bytes of a step.
    pub(super) fn content(&self, step: &Step) -> (String, Vec<u8>) {
        let json = |bytes| ("application/json".to_owned(), bytes);
        match (step.customers, step.patients, &step.text) {
            (Some(range), ..) => json(list(range, |number| self.customer(number))),
            (_, Some(range), _) => json(list(range, |number| self.patient(number))),
            (.., Some(text)) => (step.r#type.clone().unwrap_or_default(), text.as_bytes().to_vec()),
            _ if step.encrypted => ("application/zip".to_owned(), archive()),
            _ => json(Vec::new()),
        }
    }

    fn customer(&self, number: usize) -> String {
        let (family, given) = self.name(number);
        let mailbox = format!("{given}.{family}{number}").to_ascii_lowercase();
        format!("{{\"name\":\"{given} {family}\",\"email\":\"{mailbox}@mail-harbour.cn\"}}")
    }

    fn patient(&self, number: usize) -> String {
        let (family, given) = self.name(number);
        let diagnosis = pick(&self.diagnoses, number);
        format!(
            "{{\"patient_name\":\"{given} {family}\",\"email\":\"patient{number}@mail-harbour.cn\",\"diagnosis\":\"{diagnosis}\"}}"
        )
    }

    fn name(&self, number: usize) -> (&str, &str) {
        (pick(&self.families, number), pick(&self.given, number / self.families.len().max(1)))
    }
}

fn pick(list: &[String], number: usize) -> &str {
    list.get(number % list.len().max(1)).map_or("", String::as_str)
}

fn list([from, to]: [usize; 2], each: impl Fn(usize) -> String) -> Vec<u8> {
    let mut text = String::from("{\"people\":[");
    for number in from..to {
        // Writing to a string cannot fail.
        let _ = write!(text, "{}\n{}", if number == from { "" } else { "," }, each(number));
    }
    text.push_str("\n]}\n");
    text.into_bytes()
}

/// A ZIP archive of one stored member whose encryption bit is set.
fn archive() -> Vec<u8> {
    const NAME: &[u8] = b"backup.sql";
    const SIZE: u32 = 48_000;
    let secret = (0..SIZE).map(|at| at.wrapping_mul(2_654_435_761).to_be_bytes()[0]);
    // Version, flags (encrypted), method (stored), time, date, CRC, both sizes, lengths of the name and the extra field.
    let mut common = vec![20, 0, 1, 0, 0, 0, 0, 0, 0x21, 0x5c, 1, 2, 3, 4];
    common.extend(SIZE.to_le_bytes());
    common.extend(SIZE.to_le_bytes());
    common.extend([NAME.len() as u8, 0, 0, 0]);
    let mut bytes = b"PK\x03\x04".to_vec();
    bytes.extend(&common);
    bytes.extend(NAME);
    bytes.extend(secret);
    let directory = bytes.len() as u32;
    bytes.extend(b"PK\x01\x02\x14\x00");
    bytes.extend(&common);
    bytes.extend([0; 14]);
    bytes.extend(NAME);
    let length = bytes.len() as u32 - directory;
    bytes.extend(b"PK\x05\x06\x00\x00\x00\x00\x01\x00\x01\x00");
    bytes.extend(length.to_le_bytes());
    bytes.extend(directory.to_le_bytes());
    bytes.extend([0, 0]);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_reads_and_every_step_has_a_place_to_go() {
        let script = Script::read().unwrap();
        assert!(script.steps.iter().all(|step| !step.host().is_empty() && !step.method().is_empty()));
        assert!(script.steps.iter().all(|step| step.text.is_none() || step.r#type.is_some()));
    }
}
