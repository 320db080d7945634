//! `[[dataset]]` of `suite.toml`: the keys of an inline task, in which `{{column}}` may stand for a value.

use super::parts::{Key, key, object, pattern, string, whole};
use super::settings::inline_task;
use crate::suite::DATASET_ENDINGS;
use serde_json::{Map, Value, json};

/// A string that is a placeholder and nothing else becomes the row's own value.
const WHOLE: &str = "^\\{\\{[^{}]+\\}\\}$";
/// In texts it may stand anywhere.
const INSIDE: &str = "\\{\\{[^{}]+\\}\\}";

/// A table `[[dataset]]`.
pub(super) fn dataset() -> Map<String, Value> {
    let endings = DATASET_ENDINGS.map(|ending| ending.replace('.', "\\."));
    let mut keys = vec![
        key("name", "What numbered tasks are named after; the file unless given", string()),
        key(
            "file",
            "File with the rows, in the suite's folder",
            pattern(&format!("({})$", endings.join("|"))),
        )
        .required(),
        key("limit", "Rows that are read, from the first", whole(1)),
        key("sample", "Rows that are chosen among them", whole(1)),
        key("seed", "What they are chosen by; 0 unless given", whole(0)),
    ];
    // Examples are the same for every row.
    let filled = |key: Key| if key.is("example") { key } else { key.changed(templated) };
    keys.extend(inline_task(false).into_iter().map(filled));
    object(keys)
}

/// The same, or placeholders for it and for all in it.
fn templated(mut value: Value) -> Value {
    let Some(schema) = value.as_object_mut() else { return value };
    inside(schema);
    if is_fixed(schema) || takes_text(schema) {
        return value;
    }
    let about = schema.shift_remove("description");
    let text = schema.get("type").is_some_and(|kind| kind == "string");
    let mut out = json!({"anyOf": [value, pattern(if text { INSIDE } else { WHOLE })]});
    if let (Some(out), Some(about)) = (out.as_object_mut(), about) {
        out.insert("description".to_owned(), about);
    }
    out
}

fn inside(schema: &mut Map<String, Value>) {
    for word in ["anyOf", "oneOf"] {
        for each in schema.get_mut(word).and_then(Value::as_array_mut).into_iter().flatten() {
            each.as_object_mut().into_iter().for_each(inside);
        }
    }
    if let Some(items) = schema.get_mut("items") {
        items.as_object_mut().into_iter().for_each(inside);
    }
    let Some(keys) = schema.get_mut("properties").and_then(Value::as_object_mut) else { return };
    // What a scorer is stands there once for all rows; its options differ.
    let scorer = keys.get("kind").and_then(Value::as_object).is_some_and(is_fixed);
    for (name, value) in keys.iter_mut() {
        if !(scorer && ["name", "weight"].contains(&name.as_str())) {
            *value = templated(value.take());
        }
    }
}

fn is_fixed(schema: &Map<String, Value>) -> bool {
    schema.contains_key("const")
}

/// Whether any text fits already.
fn takes_text(schema: &Map<String, Value>) -> bool {
    let bounds = ["pattern", "enum", "anyOf", "oneOf"].iter().any(|word| schema.contains_key(*word));
    let kind = match schema.get("type") {
        None => true,
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "string"),
        Some(kind) => kind == "string",
    };
    kind && !bounds
}
