//! What the demo sends. All people, companies and keys in it are made up.

use std::fmt::Write as _;

/// One message of the script.
pub(super) struct Step {
    /// What happens, for the reader.
    pub(super) say: &'static str,
    pub(super) application: &'static str,
    pub(super) method: &'static str,
    pub(super) host: &'static str,
    pub(super) path: &'static str,
    pub(super) content: Content,
}

/// What a message carries.
#[derive(Clone, Copy)]
pub(super) enum Content {
    Nothing,
    /// Customers with names and addresses, from one number to another.
    Customers(u32, u32),
    /// Patients with diagnoses, from one number to another.
    Patients(u32, u32),
    Text(&'static str, &'static str),
    /// A file nobody here has the key of.
    Encrypted,
}

const fn step(
    say: &'static str,
    application: &'static str,
    to: (&'static str, &'static str, &'static str),
    content: Content,
) -> Step {
    Step { say, application, method: to.0, host: to.1, path: to.2, content }
}

/// The script, in order.
pub(super) const SCRIPT: [Step; 17] = [
    step(
        "The shop asks a partner in Singapore for its catalogue.",
        "shop",
        ("GET", "demo-partner.example", "/v1/catalogue"),
        Content::Nothing,
    ),
    step(
        "The shop books a parcel in Germany for a customer who ordered there: necessary for the contract, so exempt.",
        "shop",
        ("POST", "demo-parcel.example", "/v1/labels"),
        Content::Customers(0, 1),
    ),
    step(
        "Customer records go to the partner: few people, nothing sensitive.",
        "crm",
        ("POST", "demo-partner.example", "/v1/people"),
        Content::Customers(100, 140),
    ),
    step(
        "Health data goes to the partner: sensitive, and a filed standard contract is held.",
        "clinic",
        ("POST", "demo-partner.example", "/v1/records"),
        Content::Patients(0, 25),
    ),
    step(
        "The same kind of data goes to the United States, where no mechanism is held.",
        "clinic",
        ("POST", "demo-research.example", "/v2/studies/cohort"),
        Content::Patients(500, 512),
    ),
    step(
        "A build job uploads a private key.",
        "build",
        ("PUT", "demo-backup.example", "/artifacts/config"),
        Content::Text("application/x-pem-file", KEY),
    ),
    step(
        "A build job uploads its result, which carries nothing of anyone.",
        "build",
        ("PUT", "demo-backup.example", "/artifacts/site"),
        Content::Text("text/css", "body { margin: 0; color: #123; }\n"),
    ),
    step(
        "Customer records go to a host that nobody declared and no table knows.",
        "crm",
        ("POST", "demo-nowhere.example", "/import"),
        Content::Customers(140, 144),
    ),
    step(
        "An encrypted backup goes to Japan: nobody could read it, and the record says so.",
        "build",
        ("PUT", "demo-backup.example", "/nightly"),
        Content::Encrypted,
    ),
    step(
        "The clinic sends a first large batch to the partner: the counter rises.",
        "clinic",
        ("POST", "demo-partner.example", "/v1/records"),
        Content::Patients(1_000, 5_000),
    ),
    step(
        "The same patients again: people are counted once.",
        "clinic",
        ("POST", "demo-partner.example", "/v1/records"),
        Content::Patients(1_000, 3_000),
    ),
    step(
        "A second large batch: close to the threshold of the security assessment.",
        "clinic",
        ("POST", "demo-partner.example", "/v1/records"),
        Content::Patients(5_000, 10_970),
    ),
    step(
        "Twenty more patients would cross it.",
        "clinic",
        ("POST", "demo-partner.example", "/v1/records"),
        Content::Patients(10_970, 10_990),
    ),
    step(
        "Four of them would not.",
        "clinic",
        ("POST", "demo-partner.example", "/v1/records"),
        Content::Patients(10_970, 10_974),
    ),
    step(
        "A document with a secrecy mark is attached to a support ticket.",
        "crm",
        ("POST", "demo-partner.example", "/v1/tickets"),
        Content::Text("text/plain; charset=utf-8", MARKED),
    ),
    step(
        "The shop asks for the catalogue again.",
        "shop",
        ("GET", "demo-partner.example", "/v1/catalogue"),
        Content::Nothing,
    ),
    step(
        "Another parcel for a customer in Germany.",
        "shop",
        ("POST", "demo-parcel.example", "/v1/labels"),
        Content::Customers(1, 2),
    ),
];

impl Content {
    /// Media type and bytes.
    pub(super) fn write(self) -> (&'static str, Vec<u8>) {
        match self {
            Content::Nothing => ("application/json", Vec::new()),
            Content::Customers(from, to) => ("application/json", list(from, to, customer)),
            Content::Patients(from, to) => ("application/json", list(from, to, patient)),
            Content::Text(kind, text) => (kind, text.as_bytes().to_vec()),
            Content::Encrypted => ("application/octet-stream", archive()),
        }
    }
}

fn list(from: u32, to: u32, each: fn(&mut String, u32)) -> Vec<u8> {
    let mut text = String::from("{\"people\":[");
    for number in from..to {
        text.push_str(if number == from { "\n" } else { ",\n" });
        each(&mut text, number);
    }
    text.push_str("\n]}\n");
    text.into_bytes()
}

fn customer(text: &mut String, number: u32) {
    let (family, given) = name(number);
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        "{{\"name\":\"{given} {family}\",\"email\":\"{}.{}{number}@mail-harbour.cn\"}}",
        given.to_ascii_lowercase(),
        family.to_ascii_lowercase()
    );
}

fn patient(text: &mut String, number: u32) {
    let (family, given) = name(number);
    let _ = write!(
        text,
        "{{\"patient_name\":\"{given} {family}\",\"email\":\"p{number}@mail-harbour.cn\",\"diagnosis\":\"{}\"}}",
        DIAGNOSES.get(number as usize % DIAGNOSES.len()).unwrap_or(&"")
    );
}

fn name(number: u32) -> (&'static str, &'static str) {
    let pick = |list: &[&'static str], at: u32| list.get(at as usize % list.len().max(1)).copied().unwrap_or("");
    (pick(&FAMILIES, number), pick(&GIVEN, number / 7))
}

const FAMILIES: [&str; 10] = ["Wang", "Li", "Zhang", "Liu", "Chen", "Yang", "Zhao", "Huang", "Zhou", "Wu"];
const GIVEN: [&str; 8] = ["Fang", "Wei", "Min", "Jing", "Lei", "Qiang", "Xia", "Ping"];
const DIAGNOSES: [&str; 5] =
    ["E11.9 type 2 diabetes mellitus", "I10 essential hypertension", "J45.9 asthma", "F32.1 depressive episode", "M54.5 low back pain"];

const MARKED: &str = "机密★10年\n\n关于港口扩建工程的内部报告\n";

/// The shape of a key, with nothing behind it.
const KEY: &str = "-----BEGIN PRIVATE KEY-----\n\
    MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQDemoDemoDemoDe\n\
    moDemoDemoDemoDemoDemoDemoDemoDemoDemoDemoDemoDemoDemoDemoDemoDe\n\
    moDemoDemoDemoDemoDemoDemoDemoDemoDemoDemoDemoDemoDemoDemoDemo==\n\
    -----END PRIVATE KEY-----\n";

/// A ZIP archive with one stored member whose encryption bit is set.
fn archive() -> Vec<u8> {
    let name = b"backup.sql";
    let secret: Vec<u8> = (0u32..48_000).map(|at| (at.wrapping_mul(2_654_435_761) >> 23) as u8).collect();
    let size = (secret.len() as u32).to_le_bytes();
    // Version, flags (encrypted), method (stored), time, date, CRC, sizes, length of the name, length of the extra field.
    let mut common = vec![20, 0, 1, 0, 0, 0, 0, 0, 0x21, 0x5c, 1, 2, 3, 4];
    common.extend([size, size].concat());
    common.extend([name.len() as u8, 0, 0, 0]);
    let mut bytes = b"PK\x03\x04".to_vec();
    bytes.extend(&common);
    bytes.extend(name);
    bytes.extend(&secret);
    let directory = bytes.len() as u32;
    bytes.extend(b"PK\x01\x02\x14\x00");
    bytes.extend(&common);
    bytes.extend([0; 14]);
    bytes.extend(name);
    let length = bytes.len() as u32 - directory;
    bytes.extend(b"PK\x05\x06\x00\x00\x00\x00\x01\x00\x01\x00");
    bytes.extend(length.to_le_bytes());
    bytes.extend(directory.to_le_bytes());
    bytes.extend([0, 0]);
    bytes
}
