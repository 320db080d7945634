//! Pieces of schemas.

use serde_json::{Map, Value, json};

/// A key of an object.
pub(super) struct Key {
    name: &'static str,
    required: bool,
    value: Value,
}

/// A key with what it means and its values.
pub(super) fn key(name: &'static str, about: &str, mut value: Value) -> Key {
    if let Some(object) = value.as_object_mut() {
        object.insert("description".to_owned(), json!(about));
    }
    Key { name, required: false, value }
}

/// A key whose name says all.
pub(super) fn plain(name: &'static str, value: Value) -> Key {
    Key { name, required: false, value }
}

impl Key {
    /// The same, and it must be there.
    pub(super) fn required(self) -> Self {
        Self { required: true, ..self }
    }

    pub(super) fn is(&self, name: &str) -> bool {
        self.name == name
    }

    /// The same with other values.
    pub(super) fn changed(self, change: fn(Value) -> Value) -> Self {
        Self { value: change(self.value), ..self }
    }
}

/// An object with these keys and no others.
pub(super) fn object(keys: impl IntoIterator<Item = Key>) -> Map<String, Value> {
    let mut out = open(keys);
    out.insert("additionalProperties".to_owned(), json!(false));
    out
}

/// An object with these keys and any others.
pub(super) fn open(keys: impl IntoIterator<Item = Key>) -> Map<String, Value> {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for key in keys {
        if key.required {
            required.push(key.name);
        }
        properties.insert(key.name.to_owned(), key.value);
    }
    let mut out = Map::new();
    out.insert("type".to_owned(), json!("object"));
    out.insert("properties".to_owned(), Value::Object(properties));
    if !required.is_empty() {
        out.insert("required".to_owned(), json!(required));
    }
    out
}

pub(super) fn string() -> Value {
    json!({"type": "string"})
}

pub(super) fn strings() -> Value {
    json!({"type": "array", "items": string()})
}

/// A string or a list of strings.
pub(super) fn string_or_list() -> Value {
    json!({"type": ["string", "array"], "items": string()})
}

/// Free keys with values of one kind.
pub(super) fn map_of(value: Value) -> Value {
    json!({"type": "object", "additionalProperties": value})
}

pub(super) fn any_object() -> Value {
    json!({"type": "object"})
}

pub(super) fn flag() -> Value {
    json!({"type": "boolean"})
}

pub(super) fn whole(least: u64) -> Value {
    json!({"type": "integer", "minimum": least})
}

pub(super) fn within(least: u64, most: u64) -> Value {
    json!({"type": "integer", "minimum": least, "maximum": most})
}

/// A number above zero.
pub(super) fn positive() -> Value {
    json!({"type": "number", "exclusiveMinimum": 0})
}

pub(super) fn number() -> Value {
    json!({"type": "number"})
}

pub(super) fn one_of(words: &[&str]) -> Value {
    json!({"type": "string", "enum": words})
}

pub(super) fn list_of(item: Value) -> Value {
    json!({"type": "array", "items": item})
}

pub(super) fn pattern(pattern: &str) -> Value {
    json!({"type": "string", "pattern": pattern})
}

/// `"500ms"`, `"1h30m"`.
pub(super) fn duration() -> Value {
    json!({"type": "string", "pattern": "^([0-9]+(ms|s|m|h|d))+$", "examples": ["30s", "10m", "1h30m"]})
}

/// `"512MiB"`.
pub(super) fn size() -> Value {
    json!({"type": "string", "pattern": "^[0-9]+\\s*(B|KiB|MiB|GiB|TiB|kB|KB|MB|GB|TB)$", "examples": ["512MiB", "1GiB"]})
}

/// A word that can be a part of an attempt id.
pub(super) fn id() -> Value {
    pattern("^[^.\\s/\\\\][^\\s/\\\\]*$")
}

/// A name that is safe in variables and files.
pub(super) fn name() -> Value {
    pattern("^[A-Za-z0-9_-]+$")
}

pub(super) fn sha256() -> Value {
    pattern("^[0-9a-f]{64}$")
}

/// The same, or null for what is unknown or does not apply.
pub(super) fn or_null(value: Value) -> Value {
    json!({"anyOf": [value, {"type": "null"}]})
}
