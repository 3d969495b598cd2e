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
        let text = piece.text[piece.report.clone()].to_owned();
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

fn encoded(coding: &str, input: Vec<u8>) -> Vec<u8> {
    use flate2::Compression;
    use flate2::bufread::{DeflateEncoder, GzEncoder, ZlibEncoder};
    let mut output = Vec::new();
    let level = Compression::new(6);
    match coding {
        "gzip" => GzEncoder::new(&input[..], level).read_to_end(&mut output),
        "zlib" => ZlibEncoder::new(&input[..], level).read_to_end(&mut output),
        "deflate" => DeflateEncoder::new(&input[..], level).read_to_end(&mut output),
        "zstd" => zstd::stream::encode_all(&input[..], 3).map(|bytes| output = bytes).map(|()| 0),
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
        let mut input = self.encode.iter().fold(input, |input, coding| encoded(coding, input));
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
