//! The schemas know every key of the files they are for, and the example shows every key of its schema.

use serde_json::{Value, json};

use super::*;

fn schema(of: Of) -> Value {
    serde_json::from_str(of.text()).unwrap()
}

fn toml(text: &str) -> Value {
    serde_json::to_value(toml::from_str::<toml::Table>(text).unwrap()).unwrap()
}

/// Follows references, and of several forms takes the one of the value's kind.
fn form<'s>(root: &'s Value, schema: &'s Value, value: &Value) -> &'s Value {
    if let Some(name) = schema["$ref"].as_str().and_then(|name| name.strip_prefix("#/$defs/")) {
        return form(root, &root["$defs"][name], value);
    }
    let kind = match value {
        Value::Array(_) => "array",
        Value::Object(_) => "object",
        _ => return schema,
    };
    let forms = schema["anyOf"].as_array();
    forms
        .and_then(|forms| forms.iter().map(|one| form(root, one, value)).find(|one| one["type"] == kind))
        .unwrap_or(schema)
}

/// Paths of a value that the schema does not know.
fn unknown(root: &Value, schema: &Value, value: &Value, path: &str, found: &mut Vec<String>) {
    let schema = form(root, schema, value);
    match value {
        // How a date of TOML arrives here.
        Value::Object(members) if members.keys().any(|key| key.starts_with("$__toml")) => {}
        Value::Object(members) => {
            for (key, value) in members {
                let known = schema["properties"].get(key).or_else(|| schema.get("additionalProperties"));
                match known.filter(|known| known.is_object()) {
                    Some(known) => unknown(root, known, value, &format!("{path}.{key}"), found),
                    None => found.push(format!("{path}.{key}")),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| unknown(root, &schema["items"], item, path, found)),
        _ => {}
    }
}

fn holds(of: Of, name: &str, value: &Value) {
    let root = schema(of);
    let mut found = Vec::new();
    unknown(&root, &root, value, "", &mut found);
    assert!(found.is_empty(), "{name}: {found:?}");
}

#[test]
fn configuration() {
    let example = include_str!("../../../docs/tidegate.example.toml");
    let value = toml(example);
    holds(Of::Config, "example", &value);
    let root = schema(Of::Config);
    for (section, known) in root["properties"].as_object().unwrap() {
        let shape = if known["type"] == "array" { &known["items"] } else { known };
        let keys: Vec<String> =
            shape["properties"].as_object().map(|keys| keys.keys().cloned().collect()).unwrap_or_default();
        let keys = if keys.is_empty() { vec![section.clone()] } else { keys };
        for key in keys {
            let headings = [format!("[{key}]"), format!(".{key}]")];
            let shown = example.lines().map(|line| line.trim_start_matches("# ")).any(|line| {
                line.starts_with(&format!("{key} = ")) || headings.iter().any(|heading| line.contains(heading))
            });
            assert!(shown, "the example does not show `{key}` of {section}");
        }
    }
}

#[test]
fn packs_and_scenarios() {
    for (name, text) in crate::policy::BUILTIN_LAWS.iter().chain(crate::policy::BUILTIN_POLICIES) {
        holds(Of::Pack, name, &toml(text));
    }
    for (name, text) in crate::policy::BUILTIN_SCENARIOS {
        holds(Of::Scenario, name, &toml(text));
    }
}

#[test]
fn decisions() {
    let party = json!({ "host": "a.example", "address": "203.0.113.7", "country": ["SG"], "basis": "declared", "operator": "A" });
    let value = json!({
        "id": "0198c2", "time": "2026-11-22T03:04:05.678Z", "mode": "enforce", "action": "block", "listener": "egress",
        "application": "crm", "direction": "request", "method": "POST", "path": "/v1/people",
        "exporter": { "country": ["CN"], "basis": "application" }, "importer": party,
        "content": { "bytes": 4123, "inspected": 4123, "opaque": 0, "formats": ["json"],
                     "categories": { "personal.contact.email": { "count": 3, "people": 2 } }, "people": 2,
                     "groups": [{ "categories": ["personal.contact.email"], "people": 2 }] },
        "reasons": [{ "pack": "cn", "rule": "r", "cite": "c", "action": "block", "why": "w", "needs": ["n"],
                      "counter": { "before": 9999, "adding": 1, "limit": 10000 } }],
        "mechanisms": ["SC-2026-014"], "warnings": [], "rules": "sha256:0"
    });
    holds(Of::Decision, "the documented decision", &value);
}
