//! From detector files to detectors: every problem of every file is reported, at its place.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;

use crate::diagnostic::{Diagnostic, Source};
use crate::transfer::{Category, Country};

use super::Detectors;
use super::automaton::Automaton;
use super::column;
use super::context::ContextTable;
use super::detector::{Confidence, Detector, Example, Finder, Needs, Stands};
use super::evidence::Demands;
use super::key::KeyTable;
use super::marked::Marked;
use super::prefilter::{Entry, Prefilter};
use super::raw::{RawConfidence, RawDetector, RawFile, RawShape};
use super::set::CAPACITY;
use super::shape::{self, Email, ValueShape};
use super::sums;
use super::tools::Toolbox;

/// A detector with what is only needed until the tables are built.
struct Draft {
    detector: Detector,
    context: Vec<String>,
    fields: Vec<String>,
    not_fields: Vec<String>,
    /// The id named by `needs = "with ..."`, and where it is written.
    partner: Option<(String, usize, Range<usize>)>,
}

impl Draft {
    /// Whether the value alone says what it is, by a mark at its beginning.
    fn is_marked(&self) -> bool {
        let alone = self.context.is_empty() && self.fields.is_empty() && !self.detector.near_han;
        alone
            && self.detector.is_certain()
            && matches!(&self.detector.finder, Finder::Pattern(automaton) if Marked::fits(automaton))
    }
}

/// Compiles all files.
pub(super) fn compile(sources: &[Source]) -> Result<Detectors, Vec<Diagnostic>> {
    let mut problems = Vec::new();
    let mut files = Vec::new();
    for (number, source) in sources.iter().enumerate() {
        match toml::from_str::<RawFile>(&source.text) {
            Ok(file) => files.push((number, source, file)),
            Err(error) => problems.push(parse_error(source, &error)),
        }
    }
    let mut drafts = Vec::new();
    let mut seen: HashMap<String, String> = HashMap::new();
    for (number, source, file) in &files {
        for raw in &file.detector {
            let before = problems.len();
            let draft = Reader { number: *number, source, problems: &mut problems }.detector(raw.as_ref());
            let id = raw.as_ref().id.as_ref();
            if let Some(first) = seen.insert(id.clone(), source.name.clone()) {
                problems
                    .push(source.error(raw.as_ref().id.span(), format!("the id `{id}` is already taken in {first}")));
            }
            if problems.len() == before {
                drafts.extend(draft);
            }
        }
    }
    if problems.is_empty() { assemble(sources, drafts, &files) } else { Err(problems) }
}

fn parse_error(source: &Source, error: &toml::de::Error) -> Diagnostic {
    let diagnostic = source.toml_error(error);
    let message = error.message();
    let mut quoted = message.split('`').skip(1).step_by(2);
    match quoted.next() {
        Some(given) if message.starts_with("unknown field") => diagnostic.suggest(given, quoted),
        _ => diagnostic,
    }
}

type File<'a> = (usize, &'a Source, RawFile);

fn assemble(sources: &[Source], mut drafts: Vec<Draft>, files: &[File<'_>]) -> Result<Detectors, Vec<Diagnostic>> {
    // Detectors that take a bit come first: their position is their bit.
    drafts.sort_by_cached_key(|draft| (!draft.detector.is_scanned(), draft.is_marked()));
    let scanned = drafts.iter().filter(|draft| draft.detector.is_scanned() && !draft.is_marked()).count();
    if scanned > CAPACITY {
        let message = format!(
            "{scanned} detectors with a pattern that could begin like other text; at most {CAPACITY} can be scanned for"
        );
        let help = "a pattern that begins with a mark of its own, and needs no word or field, is not counted";
        return Err(vec![Diagnostic::file("detectors", message).help(help)]);
    }
    let mut marked = Marked::default();
    for (index, draft) in drafts.iter().enumerate().filter(|(_, draft)| draft.is_marked()) {
        if let Finder::Pattern(automaton) = &draft.detector.finder {
            marked.add(index, automaton);
        }
    }
    link_partners(sources, &mut drafts)?;
    let mut detectors = Detectors {
        list: Vec::new(),
        scanned,
        demands: Demands::default(),
        emails: Vec::new(),
        checked: Vec::new(),
        prefilter: Prefilter::build(automata(&drafts, false), &marked),
        whole_prefilter: Prefilter::build(automata(&drafts, true), &marked),
        marked,
        keys: KeyTable::default(),
        context: ContextTable::default(),
        toolbox: Toolbox::default(),
        lists: super::DataLists::default(),
        sources: sources.to_vec(),
        hash: digest(sources),
    };
    for (_, _, file) in files {
        file.negative.keys.iter().for_each(|name| detectors.keys.add_negative(name));
        file.negative.words.iter().for_each(|words| detectors.context.add_negative(words));
        file.parts.keys.iter().for_each(|name| detectors.keys.add_part(name));
        file.credentials.keys.iter().for_each(|name| detectors.keys.add_credential(name));
    }
    for (index, draft) in drafts.into_iter().enumerate() {
        enter(&mut detectors, index, draft);
    }
    Ok(detectors)
}

/// Patterns by number; those of detectors that need a field name only if asked for.
fn automata(drafts: &[Draft], all: bool) -> impl Iterator<Item = Entry<'_>> {
    drafts.iter().enumerate().filter_map(move |(index, draft)| match &draft.detector.finder {
        Finder::Pattern(_) if draft.is_marked() => None,
        Finder::Pattern(automaton) if all || draft.detector.needs != Needs::Key => {
            Some(Entry { index, automaton, is_open: draft.detector.stands == Stands::Start })
        }
        _ => None,
    })
}

fn enter(detectors: &mut Detectors, index: usize, draft: Draft) {
    let is_scanned = draft.detector.is_scanned();
    for name in &draft.fields {
        detectors.keys.add(name, index);
        // A field name in running text vouches for a value as it does in front of it.
        if is_scanned && !name.starts_with('=') {
            detectors.context.add(name, index);
        }
    }
    draft.not_fields.iter().for_each(|word| detectors.keys.add_veto(word, index));
    if is_scanned {
        draft.context.iter().for_each(|words| detectors.context.add(words, index));
        detectors.demands.add(index, &draft.detector);
        if column::is_checked(&draft.detector) {
            detectors.checked.push(index);
        }
        if matches!(draft.detector.finder, Finder::Email(_)) {
            detectors.emails.push(index);
        }
    }
    detectors.list.push(draft.detector);
}

fn link_partners(sources: &[Source], drafts: &mut [Draft]) -> Result<(), Vec<Diagnostic>> {
    let places: HashMap<String, usize> =
        drafts.iter().enumerate().map(|(index, draft)| (draft.detector.id.to_string(), index)).collect();
    let mut problems = Vec::new();
    for draft in drafts {
        let Some((id, file, span)) = draft.partner.take() else {
            continue;
        };
        match places.get(&id) {
            Some(&index) => draft.detector.needs = Needs::Partner(index),
            None => problems.extend(sources.get(file).map(|source| {
                source
                    .error(span, format!("`needs` names a detector that does not exist: `{id}`"))
                    .suggest(&id, places.keys().map(String::as_str))
            })),
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

fn digest(sources: &[Source]) -> String {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    for source in sources {
        for part in [&source.name, &source.text] {
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part.as_bytes());
        }
    }
    context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads the detectors of one file.
struct Reader<'a> {
    number: usize,
    source: &'a Source,
    problems: &'a mut Vec<Diagnostic>,
}

impl Reader<'_> {
    fn problem(&mut self, span: Range<usize>, message: impl Into<String>) {
        self.problems.push(self.source.error(span, message));
    }

    fn detector(&mut self, raw: &RawDetector) -> Option<Draft> {
        let category = self.category(&raw.category);
        let ended = raw.ended.as_ref().and_then(|path| self.category(path));
        let country = raw.country.as_ref().and_then(|code| self.country(code));
        let finder = self.finder(raw);
        let checks = raw.check.iter().filter_map(|check| self.check(check)).collect();
        let (needs, partner) = self.needs(raw);
        let stands = self.stands(raw);
        self.words(raw);
        let confidence = self.confidence(raw);
        let examples = self.examples(&raw.examples);
        let counter_examples = self.examples(&raw.counter_examples);
        if examples.is_empty() {
            self.problem(raw.id.span(), "a detector needs at least one example");
        }
        let category = category?;
        let detector = Detector {
            id: Arc::from(raw.id.as_ref().as_str()),
            title: Arc::from(raw.title.as_str()),
            category,
            country,
            finder: finder?,
            checks,
            confidence,
            needs,
            stands,
            near_han: raw.near.iter().any(|script| script == "han"),
            calling_code: raw.calling_code.clone(),
            scheme: scheme(raw.scheme.as_deref(), category, country),
            ended,
            examples,
            counter_examples,
        };
        let (context, fields, not_fields) = (raw.context.clone(), raw.fields.clone(), raw.not_fields.clone());
        Some(Draft { detector, context, fields, not_fields, partner })
    }

    fn category(&mut self, path: &Spanned<String>) -> Option<Category> {
        match Category::parse(path.as_ref()) {
            Ok(category) => Some(category),
            Err(error) => {
                let diagnostic = self.source.error(path.span(), format!("unknown category `{}`", error.given));
                self.problems.push(match error.nearest {
                    Some(nearest) => diagnostic.help(format!("did you mean `{nearest}`?")),
                    None => diagnostic,
                });
                None
            }
        }
    }

    fn country(&mut self, code: &Spanned<String>) -> Option<Country> {
        let country = Country::parse(code.as_ref()).ok();
        if country.is_none() {
            self.problem(code.span(), format!("`{}` is not an ISO 3166-1 country code", code.as_ref()));
        }
        country
    }

    fn finder(&mut self, raw: &RawDetector) -> Option<Finder> {
        match (&raw.pattern, &raw.shape) {
            (Some(pattern), None) => match Automaton::build(pattern.as_ref()) {
                Ok(automaton) => Some(Finder::Pattern(Box::new(automaton))),
                Err(message) => {
                    self.problem(pattern.span(), message);
                    None
                }
            },
            (None, Some(shape)) => self.shape(shape.as_ref(), shape.span()),
            _ => {
                self.problem(raw.id.span(), "a detector has either a `pattern` or a `shape`");
                None
            }
        }
    }

    fn shape(&mut self, raw: &RawShape, span: Range<usize>) -> Option<Finder> {
        let lower = |list: &[String]| list.iter().map(|text| text.to_ascii_lowercase()).collect();
        let value = match raw.name.as_str() {
            "email" => {
                return Some(Finder::Email(Email { endings: lower(&raw.endings), except: lower(&raw.except) }));
            }
            "name" => ValueShape::Name,
            "date" => ValueShape::Date,
            "address" => ValueShape::Address,
            "text" => ValueShape::Text,
            "number" => ValueShape::Number {
                min: raw.min.unwrap_or(f64::MIN),
                max: raw.max.unwrap_or(f64::MAX),
                decimals: raw.decimals.unwrap_or(0),
            },
            "true" => ValueShape::True,
            "password" => ValueShape::Password,
            "any" => ValueShape::Any,
            other => {
                let diagnostic = self.source.error(span, format!("unknown shape `{other}`"));
                self.problems.push(diagnostic.suggest(other, shape::NAMES.iter().copied()));
                return None;
            }
        };
        Some(Finder::Field(value))
    }

    fn check(&mut self, raw: &Spanned<super::raw::RawCheck>) -> Option<super::checks::Check> {
        match sums::check(raw.as_ref()) {
            Ok(check) => Some(check),
            Err(message) => {
                let diagnostic = self.source.error(raw.span(), message);
                self.problems.push(diagnostic.suggest(&raw.as_ref().name, super::checks::NAMES.iter().copied()));
                None
            }
        }
    }

    fn needs(&mut self, raw: &RawDetector) -> (Needs, Option<(String, usize, Range<usize>)>) {
        let Some(needs) = &raw.needs else {
            return (Needs::Nothing, None);
        };
        let named = match needs.as_ref().as_str() {
            "context" => Needs::Context,
            "key" => Needs::Key,
            "person" => Needs::Person,
            "row" => Needs::Row,
            other => match other.strip_prefix("with ") {
                Some(id) => return (Needs::Nothing, Some((id.to_owned(), self.number, needs.span()))),
                None => {
                    let message = format!("`needs` is `context`, `key`, `person`, `row` or `with ID`, not `{other}`");
                    self.problem(needs.span(), message);
                    Needs::Nothing
                }
            },
        };
        (named, None)
    }

    fn stands(&mut self, raw: &RawDetector) -> Stands {
        let Some(stands) = &raw.stands else {
            return Stands::Word;
        };
        match stands.as_ref().as_str() {
            "word" => Stands::Word,
            "line" => Stands::Line,
            "start" => Stands::Start,
            other => {
                self.problem(stands.span(), format!("`stands` is `word`, `line` or `start`, not `{other}`"));
                Stands::Word
            }
        }
    }

    /// Settings without an effect are mistakes.
    fn words(&mut self, raw: &RawDetector) {
        let by_name = raw.shape.as_ref().is_some_and(|shape| shape.as_ref().name != "email");
        let needs = raw.needs.as_ref().map(|needs| needs.as_ref().as_str());
        let message = match needs {
            _ if by_name && raw.fields.is_empty() => "a detector of this shape finds nothing without `fields`",
            _ if by_name && !raw.context.is_empty() => {
                "a detector of this shape looks at field names only, not at `context`"
            }
            _ if !raw.near.iter().all(|script| script == "han") => "`near` knows only the script `han`",
            Some("row") if !raw.fields.is_empty() => {
                "this detector looks at values without a field name: `fields` say nothing"
            }
            Some("key") if raw.fields.is_empty() => "this detector needs a key and lists no `fields`",
            Some("context") if raw.fields.is_empty() && raw.context.is_empty() => {
                "this detector needs context and lists neither `context` nor `fields`"
            }
            _ => return,
        };
        self.problem(raw.id.span(), message);
    }

    fn confidence(&mut self, raw: &RawDetector) -> Confidence {
        let RawConfidence { alone, context, key } = raw.confidence;
        let needs_more = matches!(raw.needs.as_ref().map(|needs| needs.as_ref().as_str()), Some("context" | "key"));
        let by_name = raw.shape.as_ref().is_some_and(|shape| shape.as_ref().name != "email");
        let alone = alone.unwrap_or(if needs_more || by_name { 0.3 } else { 0.9 });
        let context = context.unwrap_or_else(|| alone.max(0.8).min(key.unwrap_or(1.0)));
        let confidence = Confidence { alone, context, key: key.unwrap_or_else(|| context.max(0.9)) };
        let all = [confidence.alone, confidence.context, confidence.key];
        if all.iter().any(|value| !(0.0..=1.0).contains(value)) || !all.is_sorted() {
            self.problem(
                raw.id.span(),
                "confidence lies between 0 and 1 and does not fall from `alone` to `context` to `key`",
            );
        }
        confidence
    }

    fn examples(&mut self, raw: &[Spanned<toml::Value>]) -> Vec<Example> {
        raw.iter().filter_map(|value| self.example(value)).collect()
    }

    fn example(&mut self, value: &Spanned<toml::Value>) -> Option<Example> {
        let example = |key: Option<String>, text: &str, beside: BTreeMap<String, String>| {
            Some(Example { file: self.number, span: value.span(), key, text: text.to_owned(), beside })
        };
        let fields = match value.as_ref() {
            toml::Value::String(text) => return example(None, text, BTreeMap::new()),
            toml::Value::Table(fields) => fields,
            _ => &toml::Table::new(),
        };
        let text = |name: &str| fields.get(name).and_then(toml::Value::as_str);
        let beside = fields.get("beside").and_then(toml::Value::as_table);
        let beside = beside.into_iter().flatten();
        let beside = beside.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect();
        if fields.keys().all(|name| matches!(name.as_str(), "key" | "text" | "beside"))
            && let Some(found) = text("text")
        {
            return example(text("key").map(str::to_owned), found, beside);
        }
        self.problem(value.span(), "an example is a text, or a table of `text`, `key` and `beside`");
        None
    }
}

fn scheme(given: Option<&str>, category: Category, country: Option<Country>) -> Arc<str> {
    match (given, country) {
        (Some(given), _) => Arc::from(given),
        (None, Some(country)) if category.as_str().starts_with("personal.identifier") => {
            Arc::from(format!("{category}:{country}"))
        }
        _ => Arc::from(category.as_str()),
    }
}
