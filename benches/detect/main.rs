//! How fast content is read: Tidegate beside a plain read of memory and the regex engines of Rust, one core.
//!
//!     cargo bench --bench detect                 the tables of this program
//!     cargo bench --bench detect -- --quick      a short look
//!     … -- --profile json body 3                 one corpus read three times, for a profiler
//!     benches/detect/run                         the same beside Hyperscan, Vectorscan and Presidio, and a record
//!
//! Megabytes (10^6 bytes) a second of decoded text. Each figure is the fastest of its rounds, in seconds of processor
//! time of this thread, so that company on the machine disturbs it little.

#![expect(clippy::indexing_slicing, reason = "tables of a bench, indexed below their length")]

mod corpora;

mod peers;

use std::hint::black_box;
use std::io::Write as _;
use std::time::{Duration, Instant};

use corpora::{Corpus, all, order, worst};
use flate2::Compression;
use flate2::write::GzEncoder;
use tidegate::decode::{Hints, Limits, body};
use tidegate::detect::{BUILTIN, Collector, Detectors, Findings, Keep};
use tidegate::diagnostic::Source;
use tidegate::transfer::{Container, DigestKey, Locator, Piece, Sink};

/// What a run is asked to do.
struct Options {
    quick: bool,
    json: bool,
    only: Option<String>,
}

/// One line of the table: what reads, and its rate on each corpus.
type Line = (String, Vec<f64>);

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let has = |name: &str| words.iter().any(|word| word == name);
    let value = |name: &str| words.iter().position(|word| word == name).and_then(|at| words.get(at + 1)).cloned();
    let options = Options { quick: has("--quick"), json: has("--json"), only: value("--only") };
    let size = if options.quick { 1 << 20 } else { 8 << 20 };
    if let Some(directory) = value("--write") {
        return peers::write(&directory, &all(size), &order());
    }
    let bench = Bench { detectors: compiled(BUILTIN, &[]), key: DigestKey::new(&[7; 32]), options };
    if let Some(at) = words.iter().position(|word| word == "--profile") {
        return bench.profile(words.get(at + 1..).unwrap_or_default());
    }
    let wanted = |part: &str| bench.options.only.as_deref().is_none_or(|only| only.split(',').any(|one| one == part));
    let corpora = all(size);
    let mut lines = Vec::new();
    if wanted("tidegate") {
        lines.extend(bench.tidegate(&corpora));
    }
    if wanted("peers") {
        lines.extend(peers::rates(&corpora, |work| bench.seconds(work)));
    }
    if bench.options.json {
        return println!("{}", serde_json::json!({ "lines": lines, "rest": bench.rest(&wanted) }));
    }
    table(&corpora, &lines);
    bench.rest(&wanted).iter().for_each(|line| println!("{line}"));
}

fn compiled(files: &[(&str, &str)], more: &[(String, String)]) -> Detectors {
    let built_in = files.iter().map(|(name, text)| Source::new(*name, *text));
    let sources: Vec<Source> =
        built_in.chain(more.iter().map(|(name, text)| Source::new(name.as_str(), text.as_str()))).collect();
    Detectors::compile(&sources).unwrap_or_else(|problems| {
        problems.iter().for_each(|problem| eprintln!("{problem}\n"));
        std::process::exit(2)
    })
}

fn table(corpora: &[Corpus], lines: &[Line]) {
    let names: Vec<String> = corpora.iter().map(|corpus| format!("{:>10}", corpus.name)).collect();
    corpora.iter().for_each(|corpus| println!("{:<10}{}", corpus.name, corpus.title));
    println!("\n{:<44}{}", "MB/s", names.concat());
    for (name, rates) in lines {
        let rates: Vec<String> = rates.iter().map(|rate| format!("{rate:>10.0}")).collect();
        println!("{name:<44}{}", rates.concat());
    }
}

/// What is measured with.
struct Bench {
    detectors: Detectors,
    key: DigestKey,
    options: Options,
}

impl Bench {
    /// Seconds of processor time that `work` takes, the fastest of several rounds.
    fn seconds(&self, work: &mut dyn FnMut()) -> f64 {
        let (rounds, least) = if self.options.quick { (3, 20) } else { (7, 150) };
        let least = Duration::from_millis(least);
        work();
        let round = |_| {
            let (start, clock) = (Instant::now(), processor());
            let mut times = 0;
            while times == 0 || start.elapsed() < least {
                work();
                times += 1;
            }
            (processor() - clock) / f64::from(times)
        };
        (0..rounds).map(round).fold(f64::MAX, f64::min)
    }

    fn tidegate(&self, corpora: &[Corpus]) -> Vec<Line> {
        let rate = |corpus: &Corpus, work: &mut dyn FnMut()| megabytes(corpus) / self.seconds(work);
        let each = |name: &str, measure: &dyn Fn(&Corpus) -> f64| -> Line {
            (name.to_owned(), corpora.iter().map(measure).collect())
        };
        vec![
            each("memory read (sum)", &|corpus| {
                // As much as no cache holds.
                let many: Vec<Vec<u8>> = std::iter::repeat_n(&corpus.messages, 24).flatten().cloned().collect();
                24.0 * rate(corpus, &mut || sum(&many))
            }),
            each("Tidegate, pieces to findings", &|corpus| {
                let recorded: Vec<Recorded> =
                    corpus.messages.iter().map(|message| self.record(corpus, message)).collect();
                rate(corpus, &mut || recorded.iter().for_each(|message| drop(black_box(self.replay(message)))))
            }),
            each("Tidegate, body to findings", &|corpus| {
                let hints = Hints { content_type: Some(corpus.content_type), ..Hints::default() };
                rate(corpus, &mut || corpus.messages.iter().for_each(|message| drop(self.read(&hints, message))))
            }),
            each("Tidegate, gzip body to findings", &|corpus| {
                let kind = Some(corpus.content_type);
                let hints = Hints { content_type: kind, content_encoding: Some("gzip"), ..Hints::default() };
                let packed: Vec<Vec<u8>> = corpus.messages.iter().map(|message| gzip(message)).collect();
                rate(corpus, &mut || packed.iter().for_each(|message| drop(self.read(&hints, message))))
            }),
            each("decoding alone", &|corpus| {
                let hints = Hints { content_type: Some(corpus.content_type), ..Hints::default() };
                rate(corpus, &mut || corpus.messages.iter().for_each(|message| read(&hints, message, &mut Nobody)))
            }),
        ]
    }

    /// The same work again and again: a corpus, `pieces`, `body`, `gzip` or `decoding`, how often.
    fn profile(&self, words: &[String]) {
        let [name, mode, times] = words else { return };
        for corpus in all(1 << 20).iter().filter(|corpus| corpus.name == name.as_str()) {
            let coding = (mode.as_str() == "gzip").then_some("gzip");
            let hints =
                Hints { content_type: Some(corpus.content_type), content_encoding: coding, ..Hints::default() };
            let packed: Vec<Vec<u8>> =
                corpus.messages.iter().map(|one| if coding.is_some() { gzip(one) } else { one.clone() }).collect();
            let recorded: Vec<Recorded> = packed.iter().map(|message| self.record(corpus, message)).collect();
            for _ in 0..times.parse().unwrap_or(1) {
                match mode.as_str() {
                    "pieces" => recorded.iter().for_each(|message| drop(black_box(self.replay(message)))),
                    "decoding" => packed.iter().for_each(|message| read(&hints, message, &mut Nobody)),
                    _ => packed.iter().for_each(|message| drop(self.read(&hints, message))),
                }
            }
        }
    }

    /// What is not a rate on a corpus.
    fn rest(&self, wanted: &dyn Fn(&str) -> bool) -> Vec<String> {
        let mut lines = Vec::new();
        if wanted("body") {
            lines.push(self.small());
        }
        if wanted("detectors") {
            lines.push(self.many());
        }
        if wanted("worst") {
            lines.extend(self.worst());
        }
        lines
    }

    /// A body of 4 KiB, which `benches/run` posts.
    fn small(&self) -> String {
        let order = order();
        let hints = Hints { content_type: Some("application/json"), ..Hints::default() };
        let whole = self.seconds(&mut || (0..100).for_each(|_| drop(self.read(&hints, &order)))) * 1e4;
        let decoding = self.seconds(&mut || (0..100).for_each(|_| read(&hints, &order, &mut Nobody))) * 1e4;
        let mut counted = Counted(0);
        read(&hints, &order, &mut counted);
        let pieces = counted.0;
        format!(
            "\n4 KiB of JSON, {pieces} values: {whole:.2} us, of which decoding {decoding:.2} us; {:.0} ns a value",
            whole * 1e3 / pieces as f64
        )
    }

    /// What a detector costs: 50 and 500 of them.
    fn many(&self) -> String {
        let text = |corpus: &Corpus, detectors: &Detectors| {
            let hints = Hints { content_type: Some(corpus.content_type), ..Hints::default() };
            let work =
                || corpus.messages.iter().for_each(|body| drop(black_box(self.read_with(detectors, &hints, body))));
            megabytes(corpus) / self.seconds(&mut { work })
        };
        let (few, many) = (peers::some_detectors(50), peers::some_detectors(500));
        let mut line = format!("\n{:<14}{:>10}{:>10}{:>8}\n", "detectors", few.len(), many.len(), "ratio");
        for corpus in all(1 << 20) {
            let (fast, slow) = (text(&corpus, &few), text(&corpus, &many));
            line += &format!("{:<14}{fast:>10.0}{slow:>10.0}{:>8.2}\n", corpus.name, fast / slow);
        }
        line
    }

    /// Inputs made to be slow: the rate, and the time that twice as much takes.
    fn worst(&self) -> Vec<String> {
        let size = if self.options.quick { 256 << 10 } else { 1 << 20 };
        let cases = worst(size).into_iter().zip(worst(2 * size));
        type Case = (&'static str, &'static str, Vec<u8>);
        let measure = |((name, kind, once), (_, _, twice)): (Case, Case)| {
            let hints = Hints { content_type: Some(kind), ..Hints::default() };
            let time = |body: &[u8]| self.seconds(&mut || drop(self.read(&hints, body)));
            let (one, two) = (time(&once), time(&twice));
            let growth = two / one * once.len() as f64 * 2.0 / twice.len() as f64;
            format!("{name:<44}{:>10.0}{growth:>10.2}", once.len() as f64 / 1e6 / one)
        };
        let head = format!("{:<44}{:>10}{:>10}", "inputs made to be slow", "MB/s", "2x takes");
        std::iter::once(head).chain(cases.map(measure)).collect()
    }

    fn read(&self, hints: &Hints<'_>, message: &[u8]) -> Findings {
        black_box(self.read_with(&self.detectors, hints, message))
    }

    #[inline(never)]
    fn read_with(&self, detectors: &Detectors, hints: &Hints<'_>, message: &[u8]) -> Findings {
        let mut collector = self.collector(detectors);
        read(hints, message, &mut collector);
        collector.finish()
    }

    /// The pieces of a message, as a collector is given them. What no decoder reads is taken as text, whatever it is.
    fn record(&self, corpus: &Corpus, message: &[u8]) -> Recorded {
        let mut recorder = Recorder { recorded: Recorded::default(), asked: self.collector(&self.detectors) };
        if corpus.content_type == "application/octet-stream" {
            recorder.piece(Piece::whole(&String::from_utf8_lossy(message), None, 0, &Locator::body()));
        } else {
            read(&Hints { content_type: Some(corpus.content_type), ..Hints::default() }, message, &mut recorder);
        }
        recorder.recorded
    }

    fn collector<'d>(&'d self, detectors: &'d Detectors) -> Collector<'d> {
        detectors.collector_on(&self.key, Keep::Counts, jiff::civil::date(2026, 11, 29))
    }

    #[inline(never)]
    fn replay(&self, message: &Recorded) -> Findings {
        let mut collector = self.collector(&self.detectors);
        for event in &message.events {
            match event {
                Event::Open(container) => collector.open(*container),
                Event::Close => collector.close(),
                Event::Piece(at) => message.pieces.get(*at).into_iter().for_each(|piece| piece.give(&mut collector)),
            }
        }
        collector.finish()
    }
}

fn read(hints: &Hints<'_>, mut message: &[u8], sink: &mut dyn Sink) {
    // Reading memory cannot fail.
    let _ = black_box(body(hints, &mut message, &Limits::default(), sink));
}

/// Seconds of processor time this thread has had, where the system says so; else time.
fn processor() -> f64 {
    let nanoseconds = |text: String| text.split_whitespace().next().and_then(|first| first.parse::<f64>().ok());
    let clock = std::fs::read_to_string("/proc/thread-self/schedstat").ok().and_then(nanoseconds);
    clock.map_or_else(
        || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64()),
        |nanoseconds| nanoseconds / 1e9,
    )
}

fn megabytes(corpus: &Corpus) -> f64 {
    corpus.messages.iter().map(Vec::len).sum::<usize>() as f64 / 1e6
}

fn sum(messages: &[Vec<u8>]) {
    let words = |message: &Vec<u8>| {
        let (words, _) = message.as_chunks::<8>();
        words.iter().fold(0u64, |sum, word| sum.wrapping_add(u64::from_le_bytes(*word)))
    };
    black_box(messages.iter().map(words).fold(0, u64::wrapping_add));
}

fn gzip(message: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    // Writing to memory cannot fail.
    let _ = encoder.write_all(message);
    encoder.finish().unwrap_or_default()
}

/// What a decoder gave, to be given again without decoding.
#[derive(Default)]
struct Recorded {
    events: Vec<Event>,
    pieces: Vec<Owned>,
}

enum Event {
    Open(Container),
    Close,
    Piece(usize),
}

struct Owned {
    text: String,
    report: std::ops::Range<usize>,
    key: Option<String>,
    offset: u64,
    at: Locator,
}

impl Owned {
    fn give(&self, sink: &mut dyn Sink) {
        let (report, key) = (self.report.clone(), self.key.as_deref());
        sink.piece(Piece { text: &self.text, report, key, offset: self.offset, at: &self.at });
    }
}

/// Writes down what a collector would be given.
struct Recorder<'d> {
    recorded: Recorded,
    asked: Collector<'d>,
}

impl Sink for Recorder<'_> {
    fn open(&mut self, container: Container) {
        self.recorded.events.push(Event::Open(container));
    }

    fn close(&mut self) {
        self.recorded.events.push(Event::Close);
    }

    fn least(&mut self, key: Option<&str>) -> usize {
        self.asked.least(key)
    }

    fn piece(&mut self, piece: Piece<'_>) {
        self.recorded.events.push(Event::Piece(self.recorded.pieces.len()));
        let (text, key) = (piece.text.to_owned(), piece.key.map(str::to_owned));
        let (report, offset, at) = (piece.report, piece.offset, piece.at.clone());
        self.recorded.pieces.push(Owned { text, report, key, offset, at });
    }
}

/// How many values a decoder finds.
struct Counted(usize);

impl Sink for Counted {
    fn open(&mut self, _: Container) {}
    fn close(&mut self) {}
    fn piece(&mut self, _: Piece<'_>) {
        self.0 += 1;
    }
}

/// A sink that does not look.
struct Nobody;

impl Sink for Nobody {
    fn open(&mut self, _: Container) {}
    fn close(&mut self) {}
    fn piece(&mut self, piece: Piece<'_>) {
        black_box(piece.text.len());
    }
}
