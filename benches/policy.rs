//! How long the packs think: a decision on content that has been read, with all packs of the build, and with an
//! organisation's pack of a hundred and of ten thousand rules.
//!
//!     cargo bench --bench policy
//!
//! One thread, nothing else. Each figure is the fastest of many rounds, which is what the code takes
//! when the machine does nothing else; a round is long enough for the clock. `decide` is
//! what holds up a message (which counters it touches, and the decision); advice is given afterwards, to who was refused.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use tidegate::diagnostic::Source;
use tidegate::policy::{Case, Enabled, FactSet, Ground, Packs, builtin};
use tidegate::transfer::{
    Basis, Category, CategorySet, Content, Count, Country, Digest, Direction, Party, Person, Place, Tally,
};

/// Rounds of each figure, and how long one lasts at least.
const ROUNDS: usize = 31;
const ROUND: Duration = Duration::from_millis(5);

/// What a transfer carries: name, kinds, people.
const CONTENTS: [(&str, &[&str], u64); 3] = [
    ("nothing found", &[], 0),
    (
        "20 people, 4 kinds",
        &["personal.name", "personal.contact.email", "personal.health", "personal.contact.phone"],
        20,
    ),
    ("1,000 people, 2 kinds", &["personal.name", "personal.financial.card"], 1_000),
];

/// From where to where.
const PAIRS: [(&str, &str); 4] = [("CN", "US"), ("US", "CN"), ("DE", "IN"), ("FR", "DE")];

fn main() -> ExitCode {
    let laws = compile(&builtin());
    let all: Vec<String> = laws.iter().map(|pack| pack.id.to_string()).collect();
    println!("{} packs, {} rules", laws.iter().count(), laws.iter().map(|pack| pack.rules.len()).sum::<usize>());
    println!("compiling them takes {:.1} ms", compiling());
    println!("\n{:<12} {:<24} {:>10} {:>10} {:>10}", "", "", "interest", "decide", "advice");
    for (from, to) in PAIRS {
        for (title, kinds, people) in CONTENTS {
            let asked = Asked::new(from, to, kinds, people, &all);
            let (interest, decide, advise) = asked.measure(&laws);
            println!("{from} to {to:<6} {title:<24} {interest:>7.2} us {decide:>7.2} us {advise:>7.2} us");
        }
    }
    let (few, many) = (organisation(100), organisation(10_000));
    println!("\n{:<37} {few:>7.2} us\n{:<37} {many:>7.2} us", "organisation's pack, 100 rules", "10,000 rules");
    println!("{:<37} {:>7.2}", "ratio", many / few);
    ExitCode::SUCCESS
}

fn compile(sources: &[Source]) -> Packs {
    match Packs::compile(sources) {
        Ok(packs) => packs,
        Err(problems) => {
            problems.iter().for_each(|problem| eprintln!("{problem}\n"));
            std::process::exit(2)
        }
    }
}

/// Milliseconds that reading and compiling all packs of the build takes, which is part of every start.
fn compiling() -> f64 {
    let once = || {
        let start = Instant::now();
        black_box(compile(&builtin()));
        start.elapsed().as_secs_f64() * 1e3
    };
    fastest((0..5).map(|_| once()))
}

/// Microseconds of a decision with a pack of `rules` rules of many shapes beside the packs of the build.
fn organisation(rules: usize) -> f64 {
    let mut sources = builtin();
    sources.push(Source::new("bench.toml", pack(rules)));
    let packs = compile(&sources);
    let ids: Vec<String> = packs.iter().map(|pack| pack.id.to_string()).collect();
    let (_, kinds, people) = CONTENTS[1];
    Asked::new("CN", "US", kinds, people, &ids).measure(&packs).1
}

/// Rules as an organisation has them: about its applications, hosts, countries, projects and kinds of data.
fn pack(rules: usize) -> String {
    let countries: Vec<Country> = Country::all();
    let kinds: Vec<&str> = Category::all().map(Category::as_str).filter(|path| path.contains('.')).collect();
    let mut text = String::from(
        "id = \"bench\"\ntitle = \"Bench\"\nkind = \"organisation\"\nupdated = 2026-11-24\n\
         source.policy = { title = \"Policy\" }\n\
         fact.project = { type = \"text\", default = \"none\", about = \"transfer\", ask = \"Which project?\" }\n\
         fact.audited = { type = \"bool\", default = false, about = \"importer\", ask = \"Audited?\" }\n",
    );
    let mut seen = HashSet::new();
    let countries = countries.iter().cycle();
    // Each kind seven times in a row, so that countries and kinds do not go in step.
    let kinds = kinds.iter().flat_map(|kind| [kind; 7]).cycle();
    for (number, (country, kind)) in (0..rules).zip(countries.zip(kinds)) {
        let when = match number % 5 {
            0 => format!("application = \"app-{number}\", data = [\"{kind}\"]"),
            1 => format!("importer_host = \"*.partner-{number}.example\", fact.audited = false"),
            2 => format!("importer = \"{country}\", fact.project = \"project-{number}\""),
            3 => format!("fact.project = \"project-{number}\", data = [\"{kind}\"]"),
            _ => {
                format!("exporter = \"{country}\", application = [\"app-{number}\", \"app-x\"], data = [\"{kind}\"]")
            }
        };
        assert!(seen.insert(when.clone()));
        let _ = writeln!(
            text,
            "[[rule]]\nid = \"r{number}\"\ncite = \"policy {number}\"\nwhen = {{ {when} }}\naction = \"block\"\nwhy = \"W\""
        );
    }
    text
}

/// A transfer, owned.
struct Asked {
    exporter: Party,
    importer: Party,
    content: Content,
    facts: FactSet,
    enabled: Enabled,
}

impl Asked {
    fn new(from: &str, to: &str, kinds: &[&str], people: u64, packs: &[String]) -> Asked {
        let categories = CategorySet::of(kinds.iter().filter_map(|path| Category::parse(path).ok()));
        let person = |number: u64| {
            let mut digest = [0; 16];
            digest[..8].copy_from_slice(&number.to_be_bytes());
            Person { digest: Digest(digest), categories }
        };
        let mut content = Content { people: (0..people).map(person).collect(), ..Content::default() };
        for kind in categories.iter() {
            content.categories.insert(kind, Tally { count: people, people });
        }
        Asked {
            exporter: party(from, None),
            importer: party(to, Some("api.partner-77.example")),
            content,
            facts: FactSet::default(),
            enabled: Enabled { enforce: packs.iter().map(|id| id.as_str().into()).collect(), observe: Vec::new() },
        }
    }

    fn case(&self) -> Case<'_> {
        Case {
            now: "2026-11-24T12:00:00Z".parse().unwrap_or_default(),
            direction: Direction::Request,
            exporter: &self.exporter,
            importer: &self.importer,
            application: Some("app-77"),
            facts: &self.facts,
            content: &self.content,
            mechanisms: &[],
            enabled: &self.enabled,
        }
    }

    /// Microseconds of asking for interest, of deciding, and of advising.
    fn measure(&self, packs: &Packs) -> (f64, f64, f64) {
        let case = self.case();
        let counted = |adding: usize| Count { before: 0, adding: adding as u64 };
        let decide = || {
            let touches = packs.touches(&case);
            let counts: Vec<Count> = touches.iter().map(|touch| counted(touch.people.len())).collect();
            let outcome = packs.decide(&case, &touches, &counts);
            (touches, outcome)
        };
        let interest = time(|| packs.interest(&case));
        let plain = time(decide);
        let (touches, outcome) = decide();
        let advise = time(|| {
            let mut outcome = outcome.clone();
            packs.advise(&case, &touches, &mut outcome, Ground::default());
            outcome
        });
        (interest, plain, advise)
    }
}

fn party(country: &str, host: Option<&str>) -> Party {
    let countries = Country::parse(country).into_iter().collect();
    let place = Place { countries, basis: Basis::Declared, operator: None, operator_country: None };
    Party { host: host.map(Into::into), address: None, place }
}

/// Microseconds of one call.
fn time<T>(call: impl Fn() -> T) -> f64 {
    let mut calls = 1u32;
    let round = |calls: u32| {
        let start = Instant::now();
        (0..calls).for_each(|_| drop(black_box(call())));
        start.elapsed()
    };
    while round(calls) < ROUND {
        calls *= 2;
    }
    fastest((0..ROUNDS).map(|_| round(calls).as_secs_f64() * 1e6 / f64::from(calls)))
}

fn fastest(figures: impl Iterator<Item = f64>) -> f64 {
    figures.fold(f64::INFINITY, f64::min)
}
