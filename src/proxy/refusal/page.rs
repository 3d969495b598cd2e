//! A refusal as a page, for people who meet it in a browser.

use std::fmt::Write as _;

use serde_json::Value;

use super::words::Language;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:3rem auto;padding:0 1rem;\
color:#1b1f24;background:#fff}h1{font-size:1.5rem}h2{font-size:1.05rem;margin-top:2rem}code{font-size:.9em}\
li{margin:.4rem 0}@media(prefers-color-scheme:dark){body{color:#e6e8eb;background:#14171a}}";

/// Renders the problem as HTML.
pub(super) fn render(problem: &Value, language: Language) -> String {
    let mut page = format!(
        "<!doctype html><html lang=\"{}\"><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>{title}</title><style>{STYLE}</style><h1>{status} {title}</h1><p>{}</p>",
        language.tag(),
        text(problem, "detail"),
        title = text(problem, "title"),
        status = problem.get("status").and_then(Value::as_u64).unwrap_or_default(),
    );
    list(&mut page, problem, language, "reasons", |reason| {
        let rule = format!("<code>{}/{}</code>", text(reason, "pack"), text(reason, "rule"));
        format!("{rule} {} <em>{}</em>", text(reason, "why"), text(reason, "cite"))
    });
    list(&mut page, problem, language, "found", |found| {
        let count = found.get("count").and_then(Value::as_u64).unwrap_or_default();
        let places: Vec<String> = found
            .get("where")
            .and_then(Value::as_array)
            .map(|places| places.iter().filter_map(Value::as_str).map(escape).collect())
            .unwrap_or_default();
        format!("<code>{}</code> × {count}: {}", text(found, "category"), places.join(", "))
    });
    list(&mut page, problem, language, "unanswered", |open| {
        format!("<code>{}</code> {}", text(open, "fact"), text(open, "ask"))
    });
    list(&mut page, problem, language, "passes_if", |way| escape(way.as_str().unwrap_or_default()));
    if let Some(id) = problem.get("decision").and_then(Value::as_str) {
        // Writing to a string cannot fail.
        let _ = write!(page, "<p>{}: <code>{}</code></p>", language.heading("decision"), escape(id));
    }
    page.push_str("</html>\n");
    page
}

fn list(page: &mut String, problem: &Value, language: Language, key: &str, item: impl Fn(&Value) -> String) {
    let Some(items) = problem.get(key).and_then(Value::as_array).filter(|items| !items.is_empty()) else { return };
    let _ = write!(page, "<h2>{}</h2><ul>", language.heading(key));
    for entry in items {
        let _ = write!(page, "<li>{}</li>", item(entry));
    }
    page.push_str("</ul>");
}

fn text(value: &Value, key: &str) -> String {
    escape(value.get(key).and_then(Value::as_str).unwrap_or_default())
}

fn escape(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut escaped, c| {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            c => escaped.push(c),
        }
        escaped
    })
}
