//! What is done with a hostile input, and what must hold whatever it is. The binaries of libFuzzer and the suite run the
//! same functions.
//!
//! The first byte of an input chooses how the message labels itself, the second the size of the chunks it arrives in; the
//! rest is the message. It is read in one piece and in chunks. Each time: no panic, containers in balance, every byte
//! accounted for, no more text than the message can account for; and both times the same.

use std::io::{self, BufRead, Read};
use std::sync::LazyLock;

use http::{HeaderMap, HeaderName, HeaderValue};
use tidegate::decode::{self, Account, Hints, Limits};
use tidegate::detect::{Collector, Detectors, Finding, Keep};
use tidegate::transfer::{CONTEXT, Container, DigestKey, Locator, Piece, Sink};

/// What is done with an input.
pub type Target = fn(&[u8]);

/// What a target is called, and what it does.
pub const TARGETS: &[(&str, Target)] = &[
    ("archive", archive),
    ("encoding", encoding),
    ("file", file),
    ("head", head),
    ("json", json),
    ("mail", mail),
    ("markup", markup),
    ("scan", scan),
    ("text", text),
    ("tree", tree),
];

/// ZIP with office files, tar.
pub fn archive(input: &[u8]) {
    body(&[typed("")], input);
}

/// Content encodings and charsets.
pub fn encoding(input: &[u8]) {
    const LABELS: &[Label] = &[
        coded("gzip"),
        coded("deflate"),
        coded("br"),
        coded("zstd"),
        coded("deflate, gzip"),
        coded("aws-chunked"),
        in_charset("utf-8"),
        in_charset("utf-16"),
        in_charset("gb18030"),
        in_charset("big5"),
        in_charset("shift_jis"),
        in_charset("euc-jp"),
        in_charset("euc-kr"),
        in_charset("iso-2022-jp"),
        in_charset("windows-1252"),
        in_charset("utf-7"),
        typed(""),
    ];
    body(LABELS, input);
}

/// PDF, pictures, databases, old office files: what shows how it begins.
pub fn file(input: &[u8]) {
    body(&[typed("")], input);
}

/// JSON, labelled or not.
pub fn json(input: &[u8]) {
    body(&[typed("application/json"), typed("application/x-ndjson"), typed("")], input);
}

/// Multipart and e-mail.
pub fn mail(input: &[u8]) {
    const LABELS: &[Label] = &[
        typed("multipart/form-data; boundary=b"),
        typed("multipart/mixed; boundary=b"),
        typed("message/rfc822"),
        typed(""),
    ];
    body(LABELS, input);
}

/// XML and HTML.
pub fn markup(input: &[u8]) {
    body(&[typed("application/xml"), typed("text/html"), typed("application/soap+xml"), typed("")], input);
}

/// Forms, tables and everything else in lines.
pub fn text(input: &[u8]) {
    const LABELS: &[Label] = &[
        typed("application/x-www-form-urlencoded"),
        typed("text/csv"),
        typed("text/tab-separated-values"),
        typed("text/event-stream"),
        typed("text/vcard"),
        typed("text/calendar"),
        typed("application/yaml"),
        typed("application/graphql"),
        typed("application/rtf"),
        typed("text/plain"),
        typed(""),
    ];
    body(LABELS, input);
}

/// Binary trees.
pub fn tree(input: &[u8]) {
    const LABELS: &[Label] = &[
        typed("application/msgpack"),
        typed("application/cbor"),
        typed("application/protobuf"),
        typed("application/grpc"),
        typed("application/grpc-web-text"),
    ];
    body(LABELS, input);
}

/// Target and fields of a request.
pub fn head(input: &[u8]) {
    const NAMES: [&str; 7] =
        ["cookie", "set-cookie", "authorization", "referer", "x-user", "subject", "content-disposition"];
    let mut lines = input.split(|byte| *byte == b'\n');
    let target = String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
    let fields = lines.zip(NAMES.iter().cycle()).take(32);
    let fields = fields
        .filter_map(|(value, name)| Some((HeaderName::from_static(name), HeaderValue::from_bytes(value).ok()?)));
    let headers: HeaderMap = fields.collect();
    let read = || {
        let mut heard = Heard::default();
        let account = decode::head(&target, &headers, &mut heard);
        check(&heard, &account);
        (heard, account)
    };
    assert!(read() == read(), "the same head is heard differently");
}

/// The scanner: a text under a field name, as one piece and as two that overlap.
pub fn scan(input: &[u8]) {
    const KEYS: [Option<&str>; 8] = [
        None,
        Some("id_card"),
        Some("phone"),
        Some("name"),
        Some("password"),
        Some("latitude"),
        Some("classification"),
        Some("身份证号"),
    ];
    let [choice, cut, text @ ..] = input else { return };
    let text = String::from_utf8_lossy(text);
    // A piece is no longer than this.
    let text = &text[..text.floor_char_boundary(32 * 1024)];
    let key = KEYS[usize::from(*choice) % KEYS.len()];
    let found = findings(key, text, text.len());
    for finding in &found {
        let range = finding.start as usize..finding.end as usize;
        assert!(range.start < range.end && text.get(range.clone()).is_some(), "{} at {range:?}", finding.detector);
        assert!((0.5..=1.0).contains(&finding.confidence), "{} of {}", finding.confidence, finding.detector);
    }
    assert!(found == findings(key, text, text.len()), "the same text is found different");
    // Nothing is lost at a seam, and nothing is made up.
    let cut = text.floor_char_boundary(text.len() * usize::from(*cut) / 256);
    if key.is_none() {
        let halves = findings(key, text, cut);
        assert_eq!(placed(&found), placed(&halves), "cut at {cut}");
    }
}

/// How a message labels itself.
#[derive(Debug, Clone, Copy)]
struct Label {
    content_type: &'static str,
    content_encoding: &'static str,
    charset: &'static str,
}

const fn typed(content_type: &'static str) -> Label {
    Label { content_type, content_encoding: "", charset: "" }
}

const fn coded(content_encoding: &'static str) -> Label {
    Label { content_type: "", content_encoding, charset: "" }
}

const fn in_charset(charset: &'static str) -> Label {
    Label { content_type: "text/plain", content_encoding: "", charset }
}

const CHUNKS: [usize; 8] = [1, 2, 3, 7, 64, 1000, 4096, 16_384];

/// Reads a body whole and in chunks.
fn body(labels: &[Label], input: &[u8]) {
    let [label, chunk, body @ ..] = input else { return };
    let label = labels[usize::from(*label) % labels.len()];
    let chunk = CHUNKS[usize::from(*chunk) % CHUNKS.len()];
    let (heard, account) = read(label, body, usize::MAX);
    let (again, same) = read(label, body, chunk);
    // How much of a broken stream its decompressor hands out before it says so depends on what it was given at once.
    let compressed = ["gzip", "deflate", "br", "zstd", "zip"].iter().any(|name| account.formats.contains(name));
    if !(compressed && account.bytes > account.inspected) {
        assert_eq!(account, same, "in chunks of {chunk}");
        assert!(heard == again, "in chunks of {chunk}: {again:?} instead of {heard:?}");
    }
}

fn read(label: Label, body: &[u8], chunk: usize) -> (Heard, Account) {
    let given = |text: &'static str| Some(text).filter(|text| !text.is_empty());
    let hints = Hints {
        content_type: given(label.content_type),
        content_encoding: given(label.content_encoding),
        charset: given(label.charset),
        file_name: None,
    };
    // Enough for every bound to be reached by a small input. The ratio is not, because where it ends a stream depends on
    // how the stream arrives.
    let limits = Limits { decoded: 1 << 20, expansion: u32::MAX, depth: 6, parts: 1000 };
    let mut heard = Heard::default();
    let account = decode::body(&hints, &mut Chunks { bytes: body, size: chunk }, &limits, &mut heard)
        .expect("memory can be read");
    // Nothing but a byte order mark is nothing.
    assert!(body.len() <= 4 || account.bytes > 0, "{account:?}");
    check(&heard, &account);
    (heard, account)
}

/// What holds of every message.
fn check(heard: &Heard, account: &Account) {
    assert_eq!(heard.depth, 0, "containers left open");
    assert_eq!(account.bytes, account.inspected + account.opaque.values().sum::<u64>(), "{account:?}");
    assert!(heard.longest <= 64 * 1024, "a piece of {} bytes", heard.longest);
    // A value is shown once as it stands and once for each document in it; a byte of a number may be thirty digits. Cells
    // that share a string each show it, up to a bound of their own.
    let most = 64 * account.bytes + (64 << 20);
    assert!(heard.bytes <= most, "{} bytes of text out of {account:?}", heard.bytes);
}

/// What a sink heard, in few bytes.
#[derive(Debug, Default, PartialEq, Eq)]
struct Heard {
    /// FNV-1a over pieces and containers.
    hash: u64,
    pieces: u64,
    bytes: u64,
    depth: i64,
    longest: usize,
}

impl Heard {
    fn note(&mut self, kind: u8, bytes: &[u8]) {
        for byte in [kind].iter().chain(bytes) {
            self.hash = (self.hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

impl Sink for Heard {
    fn open(&mut self, container: Container) {
        self.depth += 1;
        self.note(1, &[container as u8]);
    }

    fn close(&mut self) {
        self.depth -= 1;
        assert!(self.depth >= 0, "closed more than was opened");
        self.note(2, &[]);
    }

    fn piece(&mut self, piece: Piece<'_>) {
        let report = piece.text.get(piece.report.clone()).expect("a report on character bounds");
        self.pieces += 1;
        self.bytes += report.len() as u64;
        self.longest = self.longest.max(piece.text.len());
        self.note(3, report.as_bytes());
        self.note(4, piece.key.unwrap_or("").as_bytes());
        self.note(5, piece.at.exact().as_bytes());
        self.note(6, &piece.offset.to_le_bytes());
    }
}

/// A reader that hands out chunks of one size.
struct Chunks<'b> {
    bytes: &'b [u8],
    size: usize,
}

impl Read for Chunks<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

impl BufRead for Chunks<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        Ok(&self.bytes[..self.bytes.len().min(self.size)])
    }

    fn consume(&mut self, count: usize) {
        self.bytes = &self.bytes[count..];
    }
}

/// Every detector of the build.
static DETECTORS: LazyLock<Detectors> = LazyLock::new(|| Detectors::builtin().expect("detectors that compile"));

/// What is found in a text that comes in two pieces, cut at `cut`.
fn findings(key: Option<&str>, text: &str, cut: usize) -> Vec<Finding> {
    let secret = DigestKey::new(&[7; 32]);
    let mut collector: Collector<'_> =
        DETECTORS.collector_on(&secret, Keep::Findings, jiff::civil::date(2026, 11, 22));
    let at = Locator::body();
    let mut piece = |from: usize, to: usize| {
        let start = text.floor_char_boundary(from.saturating_sub(CONTEXT));
        let shown = &text[start..text.ceil_char_boundary((to + CONTEXT).min(text.len()))];
        let report = from - start..to - start;
        if !report.is_empty() {
            collector.piece(Piece { text: shown, report, key, offset: start as u64, at: &at });
        }
    };
    piece(0, cut);
    piece(cut, text.len());
    collector.finish().findings
}

/// Which detector found something where.
fn placed(findings: &[Finding]) -> Vec<(&str, u64, u64)> {
    let mut placed: Vec<_> = findings.iter().map(|found| (&*found.detector, found.start, found.end)).collect();
    placed.sort_unstable();
    placed
}
