//! `GET /packs/{id}`: a pack for people to read. Refusals link here (`rel="blocked-by"`), so it explains itself to a
//! reader who knows nothing of the gateway.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::{StatusCode, header};

use super::AdminState;
use super::inventory::standing;
use super::problem::Problem;
use crate::policy::{FactType, Pack, Rule};
use crate::transfer::Country;

/// `GET /packs/{id}`
pub(super) async fn pack(
    State(state): State<AdminState>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let missing = || Problem::new(StatusCode::NOT_FOUND, "No pack has this id.");
    let Path(id) = id.map_err(|_| missing())?;
    let snapshot = state.live.now();
    let pack = snapshot.packs.get(&id).ok_or_else(missing)?;
    let html = document(pack, standing(&snapshot, &pack.id));
    Ok(([(header::CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response())
}

fn document(pack: &Pack, standing: &str) -> String {
    let mut page = Page::default();
    page.raw("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">");
    page.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">");
    page.raw("<meta name=\"color-scheme\" content=\"light dark\"><title>").text(&pack.title).raw("</title>");
    page.raw("<link rel=\"icon\" href=\"/console/icon.svg\" type=\"image/svg+xml\">");
    page.raw("<link rel=\"stylesheet\" href=\"/console/console.css\"></head><body><main class=\"page\">");
    head(&mut page, pack, standing);
    page.section("Rules", &pack.rules, rule);
    page.section("What can be held or done", &pack.needs, |page, need| {
        page.raw("<article class=\"card\" id=\"need-").text(&need.id).raw("\"><h3>").text(&need.id).raw("</h3><p>");
        page.text(&need.title).raw("</p></article>");
    });
    page.section("Exemptions", &pack.exemptions, |page, exemption| {
        page.raw("<article class=\"card\" id=\"exemption-").text(&exemption.id).raw("\"><h3>").text(&exemption.id);
        page.raw("</h3><p>")
            .text(&exemption.why)
            .raw("</p><p class=\"under\">")
            .text(&exemption.cite)
            .raw("</p></article>");
    });
    questions(&mut page, pack);
    sources(&mut page, pack);
    page.raw("</main></body></html>\n");
    page.html
}

fn head(page: &mut Page, pack: &Pack, standing: &str) {
    let whose = match &*pack.jurisdiction {
        [] => "The organisation's own rules".to_owned(),
        countries => format!("Law of {}", names(countries)),
    };
    page.raw("<header><p class=\"under\"><a href=\"/\">Tidegate</a></p><h1>").text(&pack.title).raw("</h1><p>");
    page.text(&whose).text(", as rules that a gateway applies to each message that leaves. ");
    page.raw("This pack is <strong>").text(standing).raw("</strong>. It was last checked on ");
    page.text(&pack.updated.to_string())
        .raw(".</p><p class=\"under\"><code>")
        .text(&pack.hash)
        .raw("</code></p></header>");
}

fn rule(page: &mut Page, rule: &Rule) {
    let action = rule.action.as_str();
    page.raw("<article class=\"card\" id=\"rule-")
        .text(&rule.id)
        .raw("\"><div class=\"reason-head\"><span class=\"pill ");
    page.raw(action).raw("\">").raw(action).raw("</span><h3>").text(&rule.id).raw("</h3></div><p>");
    page.text(&rule.why).raw("</p><p class=\"under\">").text(&rule.cite);
    if let Some(from) = rule.valid_from {
        page.raw(", in force from ").text(&from.to_string());
    }
    if let Some(until) = rule.valid_until {
        page.raw(", until ").text(&until.to_string());
    }
    let confidence = serde_json::to_value(rule.confidence).ok();
    let confidence = confidence.as_ref().and_then(serde_json::Value::as_str).unwrap_or("high");
    page.raw(", confidence of the reading: ").text(confidence).raw("</p>");
    if !rule.needs.is_empty() {
        page.raw("<p class=\"needs\"><span class=\"soft\">Satisfied by one of</span>");
        for need in &rule.needs {
            page.raw(" <a class=\"chip\" href=\"#need-").text(need).raw("\">").text(need).raw("</a>");
        }
        page.raw("</p>");
    }
    page.raw("</article>");
}

/// The questions only: what the organisation answered is not for everyone who was refused.
fn questions(page: &mut Page, pack: &Pack) {
    page.section("What it asks of the organisation", &pack.facts, |page, fact| {
        page.raw("<article class=\"card\"><h3>")
            .text(&fact.name)
            .raw("</h3><p>")
            .text(&fact.ask)
            .raw("</p><p class=\"under\">");
        match &fact.kind {
            FactType::Bool => page.raw("yes or no"),
            FactType::Int => page.raw("a number"),
            FactType::Text(words) if words.is_empty() => page.raw("a word"),
            FactType::Text(words) => page.raw("one of ").text(&words.join(", ")),
        };
        page.raw("; while not answered, ").text(&fact.default.to_string()).raw("</p></article>");
    });
}

fn sources(page: &mut Page, pack: &Pack) {
    if pack.sources.is_empty() {
        return;
    }
    page.raw("<section><h2>Texts it rests on</h2><ul>");
    for source in &pack.sources {
        page.raw("<li>").text(&source.title);
        if let Some(from) = source.in_force {
            page.raw(", in force from ").text(&from.to_string());
        }
        page.raw("</li>");
    }
    page.raw("</ul></section>");
}

fn names(countries: &[Country]) -> String {
    match countries {
        [one] => one.name().to_owned(),
        many if many.len() > 6 => format!("{} countries", many.len()),
        many => many.iter().map(|country| country.name()).collect::<Vec<_>>().join(", "),
    }
}

/// HTML in the making. Whatever comes from a pack goes in by `text`.
#[derive(Default)]
struct Page {
    html: String,
}

impl Page {
    fn raw(&mut self, html: &str) -> &mut Page {
        self.html.push_str(html);
        self
    }

    fn text(&mut self, text: &str) -> &mut Page {
        for c in text.chars() {
            match c {
                '<' => self.html.push_str("&lt;"),
                '>' => self.html.push_str("&gt;"),
                '&' => self.html.push_str("&amp;"),
                '"' => self.html.push_str("&quot;"),
                '\'' => self.html.push_str("&#39;"),
                c => self.html.push(c),
            }
        }
        self
    }

    fn section<T>(&mut self, title: &str, items: &[T], each: impl Fn(&mut Page, &T)) {
        if items.is_empty() {
            return;
        }
        self.raw("<section><h2>").text(title).raw("</h2>");
        items.iter().for_each(|item| each(self, item));
        self.raw("</section>");
    }
}
