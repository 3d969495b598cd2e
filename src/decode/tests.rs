//! Runs the cases of `tests/data/decode`: each as one slice and in chunks of several sizes.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead, Read};
use std::path::Path;

use base64::Engine as _;
use serde::Deserialize;

use crate::transfer::{Container, Piece, Sink};

use super::{Account, Hints, Limits, body};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    /// The input: text, or base64 of bytes.
    text: Option<String>,
    base64: Option<String>,
    /// Put around the input so many times: before and after.
    wrap: Option<(String, String, usize)>,
    /// Encodings applied to the input here: `gzip`, `zlib`, `deflate`, `zstd`.
    #[serde(default)]
    encode: Vec<String>,
    /// The input ends so many bytes early.
    #[serde(default)]
    cut: usize,
    content_type: Option<String>,
    content_encoding: Option<String>,
    charset: Option<String>,
    file_name: Option<String>,
    decoded: Option<u64>,
    expansion: Option<u32>,
    depth: Option<u32>,
    parts: Option<u64>,
    /// Location, key and text of each piece.
    pieces: Option<Vec<(String, String, String)>>,
    /// How many pieces there are, where they are too many to list.
    count: Option<usize>,
    /// Containers: a letter and brackets around dots for pieces.
    shape: Option<String>,
    formats: Option<Vec<String>>,
    bytes: Option<u64>,
    #[serde(default)]
    opaque: BTreeMap<String, u64>,
    /// The reason for which an expansion ratio stops reading. Where exactly depends on how the bytes arrive.
    stops: Option<String>,
}

/// What a sink heard.
#[derive(Debug, Default, PartialEq, Eq, Clone)]
struct Heard {
    pieces: Vec<(String, String, String)>,
    shape: String,
    depth: usize,
    longest: usize,
}

impl Sink for Heard {
    fn open(&mut self, container: Container) {
        self.depth += 1;
        self.shape.push_str(match container {
            Container::Object => "o(",
            Container::List => "l(",
            Container::Row => "r(",
            Container::Form => "f(",
            Container::Part => "p(",
            Container::Element => "e(",
            Container::Head => "h(",
        });
    }

    fn close(&mut self) {
        self.depth = self.depth.checked_sub(1).expect("closed more than was opened");
        self.shape.push(')');
    }

    fn piece(&mut self, piece: Piece<'_>) {
        self.shape.push('.');
        self.longest = self.longest.max(piece.text.len());
        let text = piece.text.get(piece.report.clone()).expect("a report on character bounds").to_owned();
        let key = piece.key.unwrap_or("").to_owned();
        self.pieces.push((piece.at.exact(), key, text));
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

fn run(input: &[u8], size: usize, hints: &Hints<'_>, limits: &Limits) -> (Heard, Account) {
    let mut heard = Heard::default();
    let account = body(hints, &mut Chunks { bytes: input, size }, limits, &mut heard).unwrap();
    assert_eq!(heard.depth, 0, "containers left open: {}", heard.shape);
    assert!(heard.longest <= 64 * 1024, "a piece of {} bytes", heard.longest);
    assert_eq!(account.bytes, account.inspected + account.opaque.values().sum::<u64>(), "{account:?}");
    assert!(input.is_empty() || account.bytes > 0, "{account:?}");
    (heard, account)
}

/// Reads an input in one piece and in chunks; what is heard must be the same each time.
fn run_all(input: &[u8], hints: &Hints<'_>, limits: &Limits) -> (Heard, Account) {
    let (heard, account) = run(input, usize::MAX, hints, limits);
    for size in [1, 2, 3, 7, 64, 1000, 4096, 65_537] {
        let (again, same) = run(input, size, hints, limits);
        let differing = again.pieces.iter().zip(&heard.pieces).position(|(one, other)| one != other);
        if let Some(at) = differing {
            panic!("in chunks of {size}, piece {at}: {} instead of {}", brief(&again, at), brief(&heard, at));
        }
        assert_eq!((again.pieces.len(), same), (heard.pieces.len(), account.clone()), "in chunks of {size}");
        assert!(again.shape == heard.shape, "the containers differ in chunks of {size}");
    }
    (heard, account)
}

fn brief(heard: &Heard, at: usize) -> String {
    let (place, key, text) = &heard.pieces[at];
    format!("{place:?} {key:?} {} bytes {:?}", text.len(), text.chars().take(60).collect::<String>())
}

fn encoded(coding: &str, input: &[u8]) -> Vec<u8> {
    use flate2::Compression;
    use flate2::bufread::{DeflateEncoder, GzEncoder, ZlibEncoder};
    let mut output = Vec::new();
    let level = Compression::new(6);
    match coding {
        "gzip" => GzEncoder::new(input, level).read_to_end(&mut output),
        "zlib" => ZlibEncoder::new(input, level).read_to_end(&mut output),
        "deflate" => DeflateEncoder::new(input, level).read_to_end(&mut output),
        "zstd" => zstd::stream::encode_all(input, 3).map(|bytes| output = bytes).map(|()| 0),
        other => panic!("no encoder for {other}"),
    }
    .unwrap();
    output
}

impl Case {
    fn input(&self) -> Vec<u8> {
        let mut input = match (&self.text, &self.base64) {
            (Some(text), None) => text.clone().into_bytes(),
            (None, Some(text)) => base64::prelude::BASE64_STANDARD.decode(text.replace(['\n', ' '], "")).unwrap(),
            _ => panic!("{}: either text or base64", self.name),
        };
        if let Some((before, after, times)) = &self.wrap {
            let middle = String::from_utf8(input).unwrap();
            input = format!("{}{middle}{}", before.repeat(*times), after.repeat(*times)).into_bytes();
        }
        let mut input = self.encode.iter().fold(input, |input, coding| encoded(coding, &input));
        input.truncate(input.len() - self.cut);
        input
    }

    fn check(&self) {
        let defaults = Limits::default();
        let limits = Limits {
            decoded: self.decoded.unwrap_or(defaults.decoded),
            expansion: self.expansion.unwrap_or(defaults.expansion),
            depth: self.depth.unwrap_or(defaults.depth),
            parts: self.parts.unwrap_or(defaults.parts),
        };
        let hints = Hints {
            content_type: self.content_type.as_deref(),
            content_encoding: self.content_encoding.as_deref(),
            charset: self.charset.as_deref(),
            file_name: self.file_name.as_deref(),
        };
        if let Some(reason) = &self.stops {
            for size in [usize::MAX, 1000] {
                let (heard, account) = run(&self.input(), size, &hints, &limits);
                assert!(account.bytes < 4 << 20 && !heard.pieces.is_empty(), "{account:?}");
                assert!(account.opaque.keys().map(|category| category.as_str()).eq([reason.as_str()]), "{account:?}");
            }
            return;
        }
        let (heard, account) = run_all(&self.input(), &hints, &limits);
        let opaque: BTreeMap<String, u64> =
            account.opaque.iter().map(|(reason, bytes)| (reason.as_str().replace("opaque.", ""), *bytes)).collect();
        if let Some(pieces) = &self.pieces {
            assert_eq!(&heard.pieces, pieces);
        }
        if let Some(count) = self.count {
            assert_eq!(heard.pieces.len(), count, "{:?}", heard.pieces.iter().take(10).collect::<Vec<_>>());
        }
        if let Some(shape) = &self.shape {
            assert_eq!(&heard.shape, shape);
        }
        if let Some(formats) = &self.formats {
            assert_eq!(account.formats.iter().copied().collect::<Vec<_>>(), *formats);
        }
        if let Some(bytes) = self.bytes {
            assert_eq!(account.bytes, bytes);
        }
        assert_eq!(opaque, self.opaque);
    }
}

#[test]
fn every_case_of_the_data_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/decode");
    let mut failed = Vec::new();
    let mut total = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let cases: Cases =
            toml::from_str(&fs::read_to_string(&path).unwrap()).unwrap_or_else(|e| panic!("{path:?}: {e}"));
        for case in cases.case {
            total += 1;
            if std::panic::catch_unwind(|| case.check()).is_err() {
                failed.push(format!("{}: {}", path.file_name().unwrap().display(), case.name));
            }
        }
    }
    assert!(failed.is_empty(), "{} of {total} cases failed: {failed:#?}", failed.len());
}

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }
}

/// Fragments of all formats, sound and broken.
const FRAGMENTS: &[&[u8]] = &[
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b"\":",
    b",",
    b"\"a\": \"x\"",
    b"\"id\":110101199003070000",
    b"\\u0031",
    b"\\ud83d\\ude00",
    b"\\",
    b"\\\"",
    b"\n",
    b"\r\n",
    b" ",
    b"true",
    b"nul",
    b"-1.5e3",
    b"{\"a\":[\"b\",1]}",
    b"\"{\\\"a\\\":\\\"b\\\"}\"",
    b"eyJtYWlsIjoiYUB4LmV4YW1wbGUifQ==",
    b"name=Ann+Lee&",
    b"=",
    b"&",
    b"%41",
    b"%25",
    b"%",
    b"+",
    b"<a b='c'>",
    b"</a>",
    b"<",
    b">",
    b"<!--",
    b"-->",
    b"<![CDATA[",
    b"]]>",
    b"<!DOCTYPE a [",
    b"]>",
    b"<?xml ?>",
    b"&amp;",
    b"&#49;",
    b"&",
    b"<br/>",
    b"<script>",
    b"</script>",
    b"--b\r\n",
    b"\r\n--b\r\n",
    b"\r\n--b--\r\n",
    b"Content-Disposition: form-data; name=\"n\"\r\n\r\n",
    b"Content-Transfer-Encoding: base64\r\n\r\n",
    b"Content-Transfer-Encoding: quoted-printable\r\n\r\n",
    b"=C3=BC=\r\n",
    b";",
    b"\t",
    b"data: ",
    b"event: x\n",
    b"a,b\n",
    b"1,\"2\n3\"\n",
    "\u{5f20}\u{4e09}".as_bytes(),
    "\u{fc}".as_bytes(),
    b"\xd5\xc5\xc8\xfd",
    b"\xff",
    b"\xe4\xbd",
    b"13800138000",
    b"ann@x.example",
    b"word ",
];

const TYPES: &[Option<&str>] = &[
    None,
    Some("application/json"),
    Some("application/x-ndjson"),
    Some("text/plain"),
    Some("application/x-www-form-urlencoded"),
    Some("multipart/form-data; boundary=b"),
    Some("multipart/mixed; boundary=b"),
    Some("application/xml"),
    Some("text/html; charset=gbk"),
    Some("text/csv"),
    Some("text/event-stream"),
];

#[test]
fn chunks_of_any_size_give_the_same_pieces() {
    let mut dice = Dice(7);
    let limits = Limits::default();
    for _ in 0..3000 {
        let mut input = Vec::new();
        // Few kinds of fragments in one input, so that they meet.
        let kinds: Vec<usize> = (0..2 + dice.below(10)).map(|_| dice.below(FRAGMENTS.len())).collect();
        for _ in 0..dice.below(60) {
            input.extend_from_slice(FRAGMENTS[kinds[dice.below(kinds.len())]]);
        }
        let hints = Hints { content_type: TYPES[dice.below(TYPES.len())], ..Hints::default() };
        let outcome = std::panic::catch_unwind(|| run_all(&input, &hints, &limits));
        assert!(outcome.is_ok(), "{hints:?}: {:?}", String::from_utf8_lossy(&input));
    }
}

#[test]
fn long_tokens_leave_in_blocks_that_lose_nothing() {
    let long = "\u{5f20}0123456789 \\u4e09".repeat(9000);
    let bodies = [
        ("application/json", format!("{{\"a\": \"{long}\", \"{long}\": 1}}")),
        ("application/json", format!("[\"{{{long}}}\", \"x\"]")),
        ("text/plain", long.clone()),
        ("text/csv", format!("a,b\n1,\"{long}\"\n")),
        ("application/xml", format!("<a b=\"1\"><c>{long}&amp;</c><!--{long}--></a>")),
        ("application/x-www-form-urlencoded", format!("a={}&b=1", long.repeat(6))),
    ];
    for (content_type, body) in &bodies {
        let hints = Hints { content_type: Some(content_type), ..Hints::default() };
        let (heard, _) = run_all(body.as_bytes(), &hints, &Limits::default());
        let text: String = heard.pieces.iter().map(|(_, _, text)| text.as_str()).collect();
        assert_eq!(text.matches("0123456789").count(), body.matches("0123456789").count(), "{content_type}");
    }
}

#[test]
fn reading_that_fails_is_an_error_and_decoding_that_fails_is_not() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::InvalidData.into())
        }
    }
    for content_encoding in [None, Some("gzip"), Some("br"), Some("zstd"), Some("deflate")] {
        let start = encoded(content_encoding.map_or("gzip", |_| "gzip"), "0123456789".repeat(50_000).as_bytes());
        let half = start.get(..start.len() / 2).unwrap();
        let mut source = io::BufReader::new(half.chain(Broken));
        let hints = Hints { content_encoding, ..Hints::default() };
        assert!(body(&hints, &mut source, &Limits::default(), &mut Heard::default()).is_err());
    }
}

/// Expected pieces of a head: location, key, text.
fn heads(target: &str, fields: &[(&str, &[u8])], expected: &[(&str, &str, &str)]) -> Account {
    let mut headers = http::HeaderMap::new();
    for (name, value) in fields {
        let name = http::HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.append(name, http::HeaderValue::from_bytes(value).unwrap());
    }
    let mut heard = Heard::default();
    let account = super::head(target, &headers, &mut heard);
    assert_eq!(heard.depth, 0);
    let expected: Vec<_> = expected.iter().map(|(a, b, c)| (a.to_string(), b.to_string(), c.to_string())).collect();
    assert_eq!(heard.pieces, expected);
    account
}

#[test]
fn heads_are_read_where_data_fits() {
    heads(
        "/users/ann%40x.example/%25E5%25BC%25A0?mail=b%2540x.example&q=a+b",
        &[("host", b"x.example"), ("content-length", b"3"), ("x-user", b"c@x.example")],
        &[
            ("path:/0", "", "users"),
            ("path:/1", "", "ann@x.example"),
            ("path:/2", "", "\u{5f20}"),
            ("query:/mail", "mail", "b@x.example"),
            ("query:/q", "q", "a b"),
            ("header:/x-user", "x-user", "c@x.example"),
        ],
    );
    let account = heads(
        "https://user:pa%3Ass@x.example:80/a?{\"b\":1}",
        &[
            ("authorization", b"Basic YW5uOnNlY3JldA=="),
            ("proxy-authorization", b"Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJl"),
            ("cookie", b"session=abc; mail=a%40x.example"),
            ("x-name", b"\xd5\xc5\xc8\xfd"),
        ],
        &[
            ("path:", "", "user:pa:ss"),
            ("path:/0", "", "a"),
            ("query:/b", "b", "1"),
            ("header:/authorization", "authorization", "ann:secret"),
            (
                "header:/proxy-authorization",
                "proxy-authorization",
                "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJl",
            ),
            ("header:/proxy-authorization/alg", "alg", "HS256"),
            ("header:/proxy-authorization/sub", "sub", "ann"),
            ("header:/cookie/session", "session", "abc"),
            ("header:/cookie/mail", "mail", "a@x.example"),
            ("header:/x-name", "x-name", "\u{5f20}\u{4e09}"),
        ],
    );
    assert_eq!(account.bytes, account.inspected);
}
