//! The regex engines of Rust with the patterns of Tidegate's detectors and nothing else: no check digits, no field names,
//! no words. Also what the script beside this file needs to drive engines of other languages, and detectors by number.

use std::hint::black_box;

use regex_automata::meta;
use tidegate::detect::{BUILTIN, Detectors};
use toml::{Table, Value};

use super::{Line, compiled, corpora::Corpus, megabytes};

/// What an engine is given at once, as a gateway would.
const BLOCK: usize = 64 << 10;

/// Where Tidegate has code in place of a pattern.
const EMAIL: &str = r"[A-Za-z0-9._%+'-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}";

/// The patterns of detectors, each between word boundaries, which Tidegate implies: of all, or of those whose value is
/// evidence enough without a word or a field name.
fn patterns(sure: bool) -> Vec<String> {
    let of_file = |(_, text): &(&str, &str)| {
        let file: Table = text.parse().unwrap_or_default();
        let mut detectors = file.get("detector").and_then(Value::as_array).cloned().unwrap_or_default();
        detectors.retain(|detector| !(sure && detector.get("needs").is_some()));
        let pattern = |detector: Value| detector.get("pattern").and_then(Value::as_str).map(str::to_owned);
        detectors.into_iter().filter_map(pattern).collect::<Vec<_>>()
    };
    BUILTIN.iter().flat_map(of_file).chain([EMAIL.to_owned()]).map(bounded).collect()
}

/// Boundaries of ASCII words. A pattern with characters beyond ASCII stands anywhere.
fn bounded(pattern: String) -> String {
    if pattern.is_ascii() { format!(r"\b(?:{pattern})\b") } else { pattern }
}

/// Rates of the engines.
pub fn rates(corpora: &[Corpus], seconds: impl Fn(&mut dyn FnMut()) -> f64) -> Vec<Line> {
    let which = [("all", patterns(false)), ("sure", patterns(true))];
    which.iter().flat_map(|(which, patterns)| rates_of(which, patterns, corpora, &seconds)).collect()
}

fn rates_of(
    which: &str,
    patterns: &[String],
    corpora: &[Corpus],
    seconds: &dyn Fn(&mut dyn FnMut()) -> f64,
) -> Vec<Line> {
    // These engines have no automaton for the boundaries of other scripts.
    let patterns: Vec<String> = patterns.iter().map(|pattern| pattern.replace(r"\b", r"(?-u:\b)")).collect();
    let set = regex::bytes::RegexSetBuilder::new(&patterns).size_limit(1 << 30).dfa_size_limit(64 << 20).build();
    let config = meta::Config::new().nfa_size_limit(Some(1 << 30)).hybrid_cache_capacity(64 << 20);
    let many = meta::Builder::new().configure(config).build_many(&patterns);
    let (Ok(set), Ok(many)) = (set, many) else {
        return Vec::new();
    };
    let rate = |corpus: &Corpus, find: &dyn Fn(&[u8])| {
        let blocks: Vec<&[u8]> = corpus.messages.iter().flat_map(|message| message.chunks(BLOCK)).collect();
        megabytes(corpus) / seconds(&mut || blocks.iter().for_each(|block| find(block)))
    };
    let each = |name: &str, find: &dyn Fn(&[u8])| -> Line {
        (format!("{name}, {which}: {} patterns", patterns.len()), corpora.iter().map(|one| rate(one, find)).collect())
    };
    vec![
        each("regex RegexSet", &|block| drop(black_box(set.matches(block)))),
        each("regex-automata", &|block| {
            black_box(many.find_iter(block).count());
        }),
    ]
}

/// Leaves corpora, patterns and the small message where other programs find them.
pub fn write(directory: &str, corpora: &[Corpus], order: &[u8]) {
    let file = |name: &str, bytes: &[u8]| {
        if let Err(error) = std::fs::write(std::path::Path::new(directory).join(name), bytes) {
            eprintln!("{directory}/{name}: {error}");
            std::process::exit(2);
        }
    };
    for corpus in corpora {
        file(&format!("{}.bin", corpus.name), &corpus.messages.concat());
    }
    file("order.bin", order);
    file("patterns-all.txt", patterns(false).join("\n").as_bytes());
    file("patterns-sure.txt", patterns(true).join("\n").as_bytes());
}

/// So many detectors: those of the build, taken evenly from all files, and an organisation's own beyond that.
pub fn some_detectors(wanted: usize) -> Detectors {
    let files: Vec<(String, Table)> =
        BUILTIN.iter().map(|(name, text)| ((*name).to_owned(), text.parse().unwrap_or_default())).collect();
    let list = |file: &Table| file.get("detector").and_then(Value::as_array).cloned().unwrap_or_default();
    let total: usize = files.iter().map(|(_, file)| list(file).len()).sum();
    let mut seen = 0;
    let mut kept = 0;
    let mut sources: Vec<(String, String)> = Vec::new();
    for (name, mut file) in files {
        let mut detectors = list(&file);
        detectors.retain(|detector| {
            seen += 1;
            let alone = !detector.get("needs").and_then(Value::as_str).is_some_and(|needs| needs.starts_with("with"));
            let keep = kept * total < seen * wanted.min(total) && (alone || wanted >= total);
            kept += usize::from(keep);
            keep
        });
        file.insert("detector".to_owned(), Value::Array(detectors));
        sources.push((name, file.to_string()));
    }
    let own: String = (kept..wanted).map(own).collect();
    sources.push(("own.toml".to_owned(), own));
    compiled(&[], &sources)
}

/// A detector as an organisation writes it: a badge number, a file number, a token.
fn own(number: usize) -> String {
    let (digits, letter) = (6 + number % 7, char::from(b'A' + (number % 26) as u8));
    let (pattern, example, needs) = match number % 6 {
        0 => (
            format!("{letter}{letter}[0-9]{{{digits}}}"),
            format!("badge{number} {letter}{letter}{}", "7".repeat(digits)),
            "needs = \"context\"",
        ),
        1 => (
            format!("[0-9]{{{digits}}}-[0-9]{{3}}"),
            format!("badge{number} {}-123", "7".repeat(digits)),
            "needs = \"context\"",
        ),
        _ => (format!("own{number}_[A-Za-z0-9]{{32}}"), format!("own{number}_{}", "a1".repeat(16)), ""),
    };
    let words = if needs.is_empty() { String::new() } else { format!("context = [\"badge{number}\"]") };
    format!(
        "[[detector]]\nid = \"own.{number}\"\ntitle = \"Number {number}\"\ncategory = \"personal.identifier\"\n\
         pattern = '{pattern}'\n{words}\n{needs}\nexamples = ['{example}']\n\n"
    )
}
