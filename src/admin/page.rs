//! `GET /packs/{id}`: a pack for people to read. Refusals link here (`rel="blocked-by"`), so it explains itself to a
//! reader who knows nothing of the gateway.

use std::fmt::{self, Write as _};
use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::{StatusCode, header};

use super::AdminState;
use super::inventory::standing;
use super::problem::Problem;
use crate::policy::{Authority, Confidence, Exemption, Fact, FactType, Need, Pack, Rule};
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
    let whose = match &*pack.jurisdiction {
        [] => "The organisation's own rules".to_owned(),
        countries => format!("Law of {}", names(countries)),
    };
    format!(
        r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<link rel="icon" href="/console/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/console/console.css">
</head>
<body>
<main class="page">
<header>
<p class="under"><a href="/">Tidegate</a></p>
<h1>{title}</h1>
<p>{whose}, as rules that a gateway applies to each message that leaves. This pack is <strong>{standing}</strong>.
It was last checked on {updated}.</p>
<p class="under"><code>{hash}</code></p>
</header>
{rules}{needs}{exemptions}{questions}{sources}</main>
</body>
</html>
"#,
        title = Text(&pack.title),
        whose = Text(&whose),
        updated = pack.updated,
        hash = Text(&pack.hash),
        rules = section("Rules", &pack.rules, rule),
        needs = section("What can be held or done", &pack.needs, need),
        exemptions = section("Exemptions", &pack.exemptions, exemption),
        questions = section("What it asks of the organisation", &pack.facts, question),
        sources = section("Texts it rests on", &pack.sources, source),
    )
}

fn section<T>(title: &str, items: &[T], each: fn(&T) -> String) -> String {
    if items.is_empty() {
        return String::new();
    }
    let items: String = items.iter().map(each).collect();
    format!("<section>\n<h2>{title}</h2>\n{items}</section>\n")
}

fn rule(rule: &Rule) -> String {
    let from = rule.valid_from.map(|day| format!(", in force from {day}")).unwrap_or_default();
    let until = rule.valid_until.map(|day| format!(", until {day}")).unwrap_or_default();
    format!(
        "<article class=\"card\" id=\"rule-{id}\">\n\
         <div class=\"reason-head\"><span class=\"pill {action}\">{action}</span><h3>{id}</h3></div>\n\
         <p>{why}</p>\n<p class=\"under\">{cite}{from}{until}{doubt}</p>\n{needs}</article>\n",
        id = Text(&rule.id),
        action = rule.action.as_str(),
        why = Text(&rule.why),
        cite = Text(&rule.cite),
        doubt = match rule.confidence {
            Confidence::High => "",
            Confidence::Medium => ". Most read it so",
            Confidence::Low => ". The reading is unsettled",
        },
        needs = satisfied_by(&rule.needs),
    )
}

fn satisfied_by(needs: &[Arc<str>]) -> String {
    if needs.is_empty() {
        return String::new();
    }
    let links: String =
        needs.iter().map(|id| format!(" <a class=\"chip\" href=\"#need-{0}\">{0}</a>", Text(id))).collect();
    format!("<p class=\"needs\"><span class=\"soft\">Satisfied by one of</span>{links}</p>\n")
}

fn need(need: &Need) -> String {
    let (id, title) = (Text(&need.id), Text(&need.title));
    format!("<article class=\"card\" id=\"need-{id}\">\n<h3>{id}</h3>\n<p>{title}</p>\n</article>\n")
}

fn exemption(exemption: &Exemption) -> String {
    let (id, why, cite) = (Text(&exemption.id), Text(&exemption.why), Text(&exemption.cite));
    format!("<article class=\"card\">\n<h3>{id}</h3>\n<p>{why}</p>\n<p class=\"under\">{cite}</p>\n</article>\n")
}

/// The question only: what the organisation answered is not for everyone who was refused.
fn question(fact: &Fact) -> String {
    let takes = match &fact.kind {
        FactType::Bool => "yes or no".to_owned(),
        FactType::Int => "a number".to_owned(),
        FactType::Text(words) if words.is_empty() => "a word".to_owned(),
        FactType::Text(words) => format!("one of {}", words.join(", ")),
    };
    format!(
        "<article class=\"card\">\n<h3>{}</h3>\n<p>{}</p>\n\
         <p class=\"under\">{}; while nobody has answered, {}</p>\n</article>\n",
        Text(&fact.name),
        Text(&fact.ask),
        Text(&takes),
        Text(&fact.default.to_string()),
    )
}

fn source(source: &Authority) -> String {
    let from = source.in_force.map(|day| format!(", in force from {day}")).unwrap_or_default();
    format!("<p>{}{from}</p>\n", Text(&source.title))
}

fn names(countries: &[Country]) -> String {
    match countries {
        [one] => one.name().to_owned(),
        many if many.len() > 6 => format!("{} countries", many.len()),
        many => many.iter().map(|country| country.name()).collect::<Vec<_>>().join(", "),
    }
}

/// Text of a pack on its way into HTML.
struct Text<'a>(&'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '&' => f.write_str("&amp;"),
            '"' => f.write_str("&quot;"),
            '\'' => f.write_str("&#39;"),
            c => f.write_char(c),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_a_pack_cannot_become_markup() {
        assert_eq!(Text("<a href=\"'&").to_string(), "&lt;a href=&quot;&#39;&amp;");
    }
}
