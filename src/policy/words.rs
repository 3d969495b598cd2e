//! The conditions of a pack in words, for people who read law and not TOML.
//!
//! Words are made from the file and not from what it was compiled to: the file still has the names of its terms, lists and
//! classes. A key this does not know is shown as it is written, so that nothing of a condition is left out.

use std::collections::BTreeMap;

use toml::{Table, Value};

use crate::transfer::Country;

/// A pack's names with what they stand for.
#[derive(Debug, Default)]
pub struct Words {
    table: Table,
}

/// The keys that compare numbers of people, which a table of rules shows in a column of their own.
const THRESHOLDS: [&str; 3] = ["counter", "counted", "carries"];

/// Thresholds of a term that a rule repeats.
const FEW: usize = 2;

impl Words {
    /// The words of a pack that was compiled from this text.
    pub fn of(text: &str) -> Words {
        Words { table: toml::from_str(text).unwrap_or_default() }
    }

    /// When a rule or exemption speaks: its `when` and `unless`, thresholds left out where they stand alone.
    pub fn when(&self, section: &str, id: &str) -> String {
        let Some(part) = self.part(section, id) else { return String::new() };
        let plain = |table: &Table| {
            let kept = table.iter().filter(|(key, _)| !THRESHOLDS.contains(&key.as_str()));
            self.all(&kept.map(|(key, value)| (key.clone(), value.clone())).collect())
        };
        let when = part.get("when").and_then(Value::as_table).map(plain).unwrap_or_default();
        let unless = part.get("unless").and_then(Value::as_table).map(|unless| self.all(unless));
        match (when.is_empty(), unless) {
            (_, None) => when,
            (true, Some(unless)) => format!("unless {unless}"),
            (false, Some(unless)) => format!("{when}, unless {unless}"),
        }
    }

    /// The numbers of people a rule compares, those of the terms it names among them.
    pub fn thresholds(&self, id: &str) -> Vec<String> {
        let mut found = Vec::new();
        if let Some(when) = self.part("rule", id).and_then(|rule| rule.get("when")) {
            self.collect(when, &mut found);
        }
        found.dedup();
        found
    }

    /// Every term with its condition in words.
    pub fn terms(&self) -> BTreeMap<String, String> {
        let terms = self.section("term").into_iter().flatten();
        terms.filter_map(|(name, term)| Some((name.clone(), self.all(term.as_table()?)))).collect()
    }

    /// Every list: its title, and who is on it when.
    pub fn lists(&self) -> BTreeMap<String, String> {
        let lists = self.section("list").into_iter().flatten();
        lists.filter_map(|(name, list)| Some((name.clone(), self.list(list.as_table()?)))).collect()
    }

    /// Which transfers the pack speaks about.
    pub fn scope(&self) -> String {
        let Some(scope) = self.table.get("scope").and_then(Value::as_table) else {
            return "every transfer".to_owned();
        };
        let mut parts = Vec::new();
        for (key, value) in scope {
            parts.push(match key.as_str() {
                "exporter_not" => format!("exporter not in {}", self.places(value)),
                "importer_not" => format!("recipient not in {}", self.places(value)),
                "when" => value.as_table().map(|when| self.all(when)).unwrap_or_default(),
                "unless" => format!("unless {}", value.as_table().map(|when| self.all(when)).unwrap_or_default()),
                key => self.one(key, value),
            });
        }
        parts.join(", ")
    }

    /// The web address of a source, where the pack has one.
    pub fn url(&self, source: &str) -> Option<&str> {
        self.section("source")?.get(source)?.get("url")?.as_str()
    }

    fn section(&self, name: &str) -> Option<&Table> {
        self.table.get(name)?.as_table()
    }

    /// A rule by id, or an entry of a section by name.
    fn part(&self, section: &str, id: &str) -> Option<&Table> {
        match self.table.get(section)? {
            Value::Array(all) => {
                all.iter().filter_map(Value::as_table).find(|part| part.get("id").and_then(Value::as_str) == Some(id))
            }
            section => section.get(id)?.as_table(),
        }
    }

    fn all(&self, table: &Table) -> String {
        let parts: Vec<String> = table.iter().map(|(key, value)| self.one(key, value)).collect();
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" and ")
    }

    fn one(&self, key: &str, value: &Value) -> String {
        let each = |say: &dyn Fn(&str, &Value) -> String| {
            let entries = value.as_table().into_iter().flatten();
            entries.map(|(name, value)| say(name, value)).collect::<Vec<_>>().join(" and ")
        };
        match key {
            "all" => self.several(value, " and "),
            "any" => format!("({})", self.several(value, ", or ")),
            "not" => format!("not ({})", value.as_table().map(|table| self.all(table)).unwrap_or_default()),
            "is" => words(value).iter().map(|term| format!("*{term}*")).collect::<Vec<_>>().join(" and "),
            "fact" => each(&|name, value| format!("`{name}` {}", answer(value))),
            "counter" | "counted" => each(&|name, value| self.counter(name, value)),
            "carries" => each(&|class, value| format!("{} {} in one message", bounds(value), self.class(class))),
            "people" => format!("the content is about {}", or(words(value).iter().map(|class| self.class(class)))),
            "data" => format!("the content has {}", or(words(value).iter().map(|kind| format!("`{kind}`")))),
            "exporter" => format!("exporter in {}", self.places(value)),
            "importer" => format!("recipient in {}", self.places(value)),
            "operator" => format!("the recipient's operator answers to the law of {}", self.places(value)),
            "foreign" => {
                if value.as_bool() == Some(false) { "inside one country" } else { "across a border" }.to_owned()
            }
            "importer_host" => {
                format!("recipient's host {}", or(words(value).iter().map(|host| format!("`{host}`"))))
            }
            "importer_basis" => format!("recipient's place known by {}", or(words(value).into_iter())),
            "direction" => format!("the message is a {}", or(words(value).into_iter())),
            "application" => format!("sent by {}", or(words(value).into_iter())),
            "day" => days(value),
            "held" => format!("held: {}", or(words(value).iter().map(|need| self.need(need)))),
            key => format!("`{key} = {value}`"),
        }
    }

    fn several(&self, value: &Value, between: &str) -> String {
        let parts = value.as_array().into_iter().flatten().filter_map(Value::as_table);
        parts.map(|part| self.all(part)).collect::<Vec<_>>().join(between)
    }

    fn counter(&self, name: &str, value: &Value) -> String {
        let Some(counter) = self.section("counter").and_then(|all| all.get(name)) else { return name.to_owned() };
        let classes = counter.get("class").map(words).unwrap_or_default();
        let window = match counter.get("window").and_then(Value::as_str).unwrap_or_default() {
            "calendar-year" => " in the calendar year".to_owned(),
            "ever" => " ever".to_owned(),
            window => match (window.strip_prefix("rolling "), window.strip_suffix(" calendar-years")) {
                (Some(span), _) => format!(" within {span}"),
                (_, Some(years)) => format!(" in {years} calendar years, this one included"),
                _ => format!(" ({window})"),
            },
        };
        let per =
            if counter.get("per").and_then(Value::as_str) == Some("importer") { " to one recipient" } else { "" };
        format!("{} {}{per}{window}", bounds(value), or(classes.iter().map(|class| self.class(class))))
    }

    fn class(&self, name: &str) -> String {
        self.titled("class", name).unwrap_or_else(|| format!("people in class `{name}`"))
    }

    fn need(&self, name: &str) -> String {
        self.titled("need", name).unwrap_or_else(|| name.to_owned())
    }

    fn titled(&self, section: &str, name: &str) -> Option<String> {
        Some(self.section(section)?.get(name)?.get("title")?.as_str()?.to_owned())
    }

    /// Countries by name, lists by title.
    fn places(&self, value: &Value) -> String {
        or(words(value).iter().map(|word| match Country::parse(word) {
            Ok(country) => country.name().to_owned(),
            Err(_) => self.titled("list", word).unwrap_or_else(|| word.clone()),
        }))
    }

    fn list(&self, list: &Table) -> String {
        let mut parts: Vec<String> = list.get("countries").map(codes).into_iter().collect();
        for row in list.get("row").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_table) {
            let mut text = row.get("countries").map(codes).unwrap_or_default();
            let limits = [days(&Value::Table(row.clone())), self.conditions(row)];
            let limits: Vec<String> = limits.into_iter().filter(|limit| !limit.is_empty()).collect();
            if !limits.is_empty() {
                text.push_str(&format!(" ({})", limits.join("; ")));
            }
            parts.push(text);
        }
        let title = list.get("title").and_then(Value::as_str).map(|title| format!("{title}: ")).unwrap_or_default();
        format!("{title}{}", parts.join(", "))
    }

    fn conditions(&self, row: &Table) -> String {
        let told = |key: &str| row.get(key).and_then(Value::as_table).map(|table| self.all(table));
        let unless = told("unless").map(|unless| format!("unless {unless}"));
        told("when").into_iter().chain(unless).collect::<Vec<_>>().join(", ")
    }

    /// The numbers of a term, or where to find them when there are many.
    fn collect_term(&self, term: &str, found: &mut Vec<String>) {
        let mut inside = Vec::new();
        if let Some(part) = self.section("term").and_then(|terms| terms.get(term)) {
            self.collect(part, &mut inside);
        }
        if inside.len() > FEW { found.push(format!("see *{term}*")) } else { found.extend(inside) }
    }

    fn collect(&self, value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Array(parts) => parts.iter().for_each(|part| self.collect(part, found)),
            Value::Table(table) => table.iter().for_each(|(key, value)| match (key.as_str(), value) {
                (key, Value::Table(asked)) if THRESHOLDS.contains(&key) => asked.iter().for_each(|(name, value)| {
                    let mut one = Table::new();
                    one.insert(name.clone(), value.clone());
                    found.push(self.one(key, &Value::Table(one)));
                }),
                ("is", terms) => words(terms).iter().for_each(|term| self.collect_term(term, found)),
                (_, value) => self.collect(value, found),
            }),
            _ => {}
        }
    }
}

/// One word or several.
fn words(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => items.iter().map(bare).collect(),
        value => vec![bare(value)],
    }
}

fn bare(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn codes(value: &Value) -> String {
    words(value).join(" ")
}

fn or(parts: impl Iterator<Item = String>) -> String {
    let parts: Vec<String> = parts.collect();
    match parts.split_last() {
        Some((last, before)) if !before.is_empty() => format!("{} or {last}", before.join(", ")),
        Some((last, _)) => last.clone(),
        None => String::new(),
    }
}

fn answer(value: &Value) -> String {
    match value {
        Value::Boolean(true) => "is yes".to_owned(),
        Value::Boolean(false) => "is no".to_owned(),
        Value::Table(_) => format!("is {}", bounds(value)),
        value => format!("is {}", or(words(value).into_iter())),
    }
}

/// `{ at_least = 10_000 }` as `at least 10,000`.
fn bounds(value: &Value) -> String {
    let Some(table) = value.as_table() else { return grouped(value) };
    let said = table.iter().map(|(bound, number)| format!("{} {}", bound.replace('_', " "), grouped(number)));
    said.collect::<Vec<_>>().join(" and ")
}

/// A number with its thousands apart.
fn grouped(value: &Value) -> String {
    let Some(number) = value.as_integer() else { return value.to_string() };
    let digits = number.unsigned_abs().to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if number < 0 { format!("-{text}") } else { text }
}

fn days(value: &Value) -> String {
    let day =
        |key: &str| value.get(key).map(|day| format!("{} {}", if key == "from" { "from" } else { "until" }, day));
    ["from", "until"].into_iter().filter_map(day).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_reads_as_a_sentence() {
        let words = Words::of(
            r#"
            class.sensitive = { title = "people with sensitive data" }
            counter.s = { class = "sensitive", window = "calendar-year", per = "exporter" }
            list.near = { title = "Neighbours", countries = ["HK"] }
            term.abroad.not.importer = ["near"]
            [[rule]]
            id = "r"
            when.is = "abroad"
            when.counter.s = { at_least = 10_000 }
            unless.any = [{ fact.held = true }, { day.from = 2026-01-01 }]
            "#,
        );
        assert_eq!(words.when("rule", "r"), "*abroad*, unless (`held` is yes, or from 2026-01-01)");
        assert_eq!(words.thresholds("r"), ["at least 10,000 people with sensitive data in the calendar year"]);
        assert_eq!(words.terms()["abroad"], "not (recipient in Neighbours)");
        assert_eq!(words.lists()["near"], "Neighbours: HK");
    }
}
