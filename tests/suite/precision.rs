//! What looks like data about people and is none: everything here is benign, made from a fixed seed, so whatever is found
//! is wrong. At most one payload in a hundred may be flagged, and fewer than one finding is made in a megabyte.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use base64::Engine as _;
use serde_json::{Value, json};

use crate::harness::tidegate;

/// Payloads of each kind.
const EACH: u64 = 120;

/// SplitMix64: the same numbers everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn digits(&mut self, length: u32) -> String {
        (0..length)
            .map(|at| char::from(b'0' + (self.below(if at == 0 { 9 } else { 10 }) as u8) + u8::from(at == 0)))
            .collect()
    }

    fn hex(&mut self, length: usize) -> String {
        (0..length).map(|_| char::from(b"0123456789abcdef"[self.below(16) as usize])).collect()
    }

    fn uuid(&mut self) -> String {
        format!("{}-{}-4{}-a{}-{}", self.hex(8), self.hex(4), self.hex(3), self.hex(3), self.hex(12))
    }

    fn pick<'w>(&mut self, words: &[&'w str]) -> &'w str {
        words[self.below(words.len() as u64) as usize]
    }

    fn price(&mut self) -> String {
        format!("{}.{:02}", self.below(2000), self.below(100))
    }

    fn version(&mut self) -> String {
        format!("{}.{}.{}", self.below(30), self.below(40), self.below(200))
    }

    fn time(&mut self) -> String {
        let (month, day) = (1 + self.below(12), 1 + self.below(28));
        format!(
            "2026-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
            self.below(24),
            self.below(60),
            self.below(60),
            self.below(1000)
        )
    }
}

const WORDS: &[&str] = &[
    "index", "buffer", "render", "update", "cache", "module", "stream", "token", "layer", "widget", "parser",
    "queue", "handler", "matrix", "socket", "policy", "worker", "socket", "frame", "batch", "panel", "signal",
    "vector", "region",
];

type Make = fn(&mut Random) -> String;

/// Kinds of payloads: name, ending, maker.
const KINDS: &[(&str, &str, Make)] = &[
    ("orders", "json", orders),
    ("times", "json", times),
    ("uuids", "json", uuids),
    ("hashes", "txt", hashes),
    ("prices", "csv", prices),
    ("versions", "json", versions),
    ("diffs", "diff", diff),
    ("minified", "js", minified),
    ("logs", "log", log),
    ("images", "json", image),
    ("skus", "csv", skus),
    ("metrics", "txt", metrics),
    ("locks", "toml", lock),
];

fn orders(r: &mut Random) -> String {
    let order = |r: &mut Random| {
        json!({
            "order_id": r.digits(10), "orderNumber": format!("{}-{}", r.digits(3), r.digits(7)),
            "tracking": format!("1Z{}", r.digits(16)), "invoice": format!("INV-2026-{}", r.digits(6)),
            "items": r.below(9), "sku": r.digits(12), "barcode": r.digits(13), "weight_g": r.below(9000),
            "status": r.pick(&["open", "paid", "shipped"]),
        })
    };
    Value::Array((0..20).map(|_| order(r)).collect()).to_string()
}

fn times(r: &mut Random) -> String {
    let event = |r: &mut Random| {
        let seconds = 1_760_000_000 + r.below(30_000_000);
        json!({ "ts": seconds, "ms": seconds * 1000 + r.below(1000), "ns": format!("{}{:09}", seconds, r.below(1_000_000_000)),
                "at": r.time(), "day": format!("2026{:02}{:02}", 1 + r.below(12), 1 + r.below(28)), "value": r.below(100_000) })
    };
    Value::Array((0..30).map(|_| event(r)).collect()).to_string()
}

fn uuids(r: &mut Random) -> String {
    let item = |r: &mut Random| json!({ "id": r.uuid(), "parent": r.uuid(), "trace_id": r.hex(32), "span_id": r.hex(16), "etag": format!("W/\"{}\"", r.hex(40)) });
    json!({ "items": (0..20).map(|_| item(r)).collect::<Vec<Value>>() }).to_string()
}

fn hashes(r: &mut Random) -> String {
    (0..40).fold(String::new(), |mut text, _| {
        let _ = writeln!(text, "{}  src/{}/{}.rs", r.hex(64), r.pick(WORDS), r.pick(WORDS));
        text
    })
}

fn prices(r: &mut Random) -> String {
    (0..40).fold("item,price,tax,total,currency,quantity\n".to_owned(), |mut text, _| {
        let _ = writeln!(
            text,
            "{}-{},{},{},{},EUR,{}",
            r.pick(WORDS),
            r.below(900),
            r.price(),
            r.price(),
            r.price(),
            r.below(500)
        );
        text
    })
}

fn versions(r: &mut Random) -> String {
    let packages: serde_json::Map<String, Value> = (0..40)
        .map(|n| (format!("@{}/{}-{n}", r.pick(WORDS), r.pick(WORDS)), json!(format!("^{}", r.version()))))
        .collect();
    json!({ "name": "invented", "version": r.version(), "dependencies": packages }).to_string()
}

fn diff(r: &mut Random) -> String {
    let (a, b) = (r.hex(7), r.hex(7));
    let file = format!("src/{}.c", r.pick(WORDS));
    let head = format!("diff --git a/{file} b/{file}\nindex {a}..{b} 100644\n--- a/{file}\n+++ b/{file}\n");
    (0..30).fold(head, |mut text, _| {
        let line = 10 + r.below(5000);
        let _ = writeln!(text, "@@ -{line},7 +{line},9 @@ static int {}_{}(void)", r.pick(WORDS), r.pick(WORDS));
        let _ = writeln!(
            text,
            "-\tconst u32 mask = 0x{}; /* {} */\n+\tconst u32 mask = {}U;",
            r.hex(8),
            r.below(1 << 40),
            r.below(1 << 32)
        );
        text
    })
}

fn minified(r: &mut Random) -> String {
    (0..120).fold("!function(){\"use strict\";".to_owned(), |mut text, _| {
        let (a, b) = (r.pick(WORDS), r.pick(WORDS));
        let _ = write!(
            text,
            "var {}{}=function(t,e){{return t.{a}({},{})?e[{}]:t.{b}||\"#{}\"}},",
            a,
            r.below(99),
            r.below(1 << 31),
            r.below(9999),
            r.below(400),
            r.hex(6)
        );
        let _ = write!(
            text,
            "n{}=[{},{},{},{}];",
            r.below(999),
            r.below(1 << 33),
            r.below(1 << 20),
            r.below(255),
            r.below(65_536)
        );
        text
    })
}

fn log(r: &mut Random) -> String {
    (0..60).fold(String::new(), |mut text, _| {
        let _ = writeln!(
            text,
            "{} INFO [{}-{}] {}.{}: request {} took {} ms, {} bytes, pid={} thread=0x{} batch {}",
            r.time(),
            r.pick(WORDS),
            r.below(64),
            r.pick(WORDS),
            r.pick(WORDS),
            r.uuid(),
            r.below(5000),
            r.below(9_999_999),
            r.below(65_536),
            r.hex(12),
            r.digits(11)
        );
        text
    })
}

fn image(r: &mut Random) -> String {
    let bytes: Vec<u8> = b"\x89PNG\r\n\x1a\n".iter().copied().chain((0..3000).map(|_| r.below(256) as u8)).collect();
    let data = base64::engine::general_purpose::STANDARD.encode(bytes);
    json!({ "icon": format!("data:image/png;base64,{data}"), "width": r.below(512), "raw": data }).to_string()
}

fn skus(r: &mut Random) -> String {
    (0..50).fold("sku,ean,stock,warehouse,lot\n".to_owned(), |mut text, _| {
        let _ = writeln!(
            text,
            "{}-{}-{},{},{},W{},{}",
            r.pick(WORDS).to_uppercase(),
            r.digits(4),
            r.hex(3),
            r.digits(13),
            r.below(900),
            r.below(20),
            r.digits(9)
        );
        text
    })
}

fn metrics(r: &mut Random) -> String {
    (0..60).fold(String::new(), |mut text, _| {
        let _ = writeln!(
            text,
            "{}_{}_total{{shard=\"{}\",le=\"0.{}\"}} {}.{} {}",
            r.pick(WORDS),
            r.pick(WORDS),
            r.below(64),
            r.below(999),
            r.below(1 << 40),
            r.below(99),
            1_760_000_000_000 + r.below(1 << 34)
        );
        text
    })
}

fn lock(r: &mut Random) -> String {
    (0..25).fold("version = 4\n".to_owned(), |mut text, _| {
        let _ = writeln!(
            text,
            "\n[[package]]\nname = \"{}-{}\"\nversion = \"{}\"\nchecksum = \"{}\"",
            r.pick(WORDS),
            r.pick(WORDS),
            r.version(),
            r.hex(64)
        );
        text
    })
}

#[test]
fn benign_payloads_are_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let mut random = Random(20_261_124);
    for (kind, ending, make) in KINDS {
        fs::create_dir(directory.path().join(kind)).unwrap();
        for n in 0..EACH {
            fs::write(directory.path().join(format!("{kind}/{n:03}.{ending}")), make(&mut random)).unwrap();
        }
    }
    let output = tidegate(&["scan", "--json", "--show", "."], directory.path(), b"").success();
    let (mut payloads, mut flagged, mut findings, mut bytes) = (0u64, 0u64, 0u64, 0u64);
    let mut wrong: BTreeMap<String, (u64, String)> = BTreeMap::new();
    for line in output.lines() {
        let scanned: Value = serde_json::from_str(line).unwrap();
        // A change of source code is source code; it is about nobody.
        let found = scanned["findings"].as_array().unwrap().iter();
        let found: Vec<&Value> = found.filter(|finding| finding["category"] != "business.source-code").collect();
        payloads += 1;
        flagged += u64::from(!found.is_empty());
        findings += found.len() as u64;
        bytes += scanned["content"]["bytes"].as_u64().unwrap();
        for finding in found {
            let kind = scanned["file"].as_str().unwrap().split('/').nth(1).unwrap();
            let entry = wrong.entry(format!("{kind}: {}", finding["detector"])).or_default();
            entry.0 += 1;
            entry.1 = format!("{} at {}", finding["value"], finding["where"]);
        }
    }
    assert_eq!(payloads, EACH * KINDS.len() as u64);
    let list = wrong.iter().map(|(what, (count, last))| format!("{count:>5}  {what}: {last}\n")).collect::<String>();
    println!("{flagged} of {payloads} payloads flagged, {findings} findings in {bytes} bytes\n{list}");
    assert!(flagged * 100 <= payloads, "{flagged} of {payloads} benign payloads are flagged\n{list}");
    assert!(findings * 1_000_000 < bytes, "{findings} findings in {bytes} benign bytes\n{list}");
}
