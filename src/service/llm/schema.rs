//! Arguments of a call, made after the JSON schema of a tool's parameters and the words of the user.
//!
//! The required properties are filled, or all where none is required. A value is, in this order: `const`, a word of
//! `enum` that the user wrote, the first of `enum`, `default`; for text the quoted words of the user, else the last word
//! with a capital, else the last word; for a number the first that the user wrote, within its limits.

use crate::model::Object;
use serde_json::{Map, Value, json};

/// Schemas that are nested deeper get null.
const DEPTH: usize = 16;
/// Values that are made for one call; further ones are null.
const VALUES: usize = 500;
/// Characters of the user's words that are looked at.
const ASKED: usize = 2000;

/// Arguments for an object schema.
pub(super) fn arguments(parameters: &Value, asked: &str) -> Object {
    let end = asked.char_indices().nth(ASKED).map_or(asked.len(), |(at, _)| at);
    Maker { asked: &asked[..end], left: VALUES }.object(parameters, 0)
}

struct Maker<'a> {
    asked: &'a str,
    /// Values that may still be made: a schema of few bytes can ask for very many.
    left: usize,
}

impl Maker<'_> {
    fn object(&mut self, schema: &Value, depth: usize) -> Object {
        let mut out = Map::new();
        let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return out };
        let required: Vec<&str> = schema
            .get("required")
            .and_then(Value::as_array)
            .map(|names| names.iter().filter_map(Value::as_str).take(VALUES).collect())
            .unwrap_or_default();
        for (name, property) in properties {
            if required.is_empty() || required.contains(&name.as_str()) {
                out.insert(name.clone(), self.value(property, depth + 1));
            }
        }
        out
    }

    fn value(&mut self, schema: &Value, depth: usize) -> Value {
        if depth > DEPTH || self.left == 0 {
            return Value::Null;
        }
        self.left -= 1;
        if let Some(fixed) = schema.get("const") {
            return fixed.clone();
        }
        if let Some(words) = schema.get("enum").and_then(Value::as_array).filter(|words| !words.is_empty()) {
            let lower = self.asked.to_lowercase();
            let said = |word: &&Value| word.as_str().is_some_and(|word| lower.contains(&word.to_lowercase()));
            return words.iter().find(said).unwrap_or(&words[0]).clone();
        }
        if let Some(usual) = schema.get("default") {
            return usual.clone();
        }
        for key in ["anyOf", "oneOf", "allOf"] {
            if let Some(first) = schema.get(key).and_then(Value::as_array).and_then(|all| all.first()) {
                return self.value(first, depth + 1);
            }
        }
        match kind(schema) {
            "object" => Value::Object(self.object(schema, depth)),
            "array" => {
                let least = schema.get("minItems").and_then(Value::as_u64).unwrap_or(1).clamp(1, 16);
                let item = schema.get("items").unwrap_or(&Value::Null);
                let mut items = Vec::new();
                for _ in 0..least {
                    items.push(self.value(item, depth + 1));
                }
                Value::Array(items)
            }
            "integer" => json!(number(schema, self.asked).round() as i64),
            "number" => json!(number(schema, self.asked)),
            "boolean" => json!(true),
            "null" => Value::Null,
            _ => Value::String(text(schema, self.asked)),
        }
    }
}

fn kind(schema: &Value) -> &str {
    match schema.get("type") {
        Some(Value::String(kind)) => kind,
        Some(Value::Array(kinds)) => {
            kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null").unwrap_or("null")
        }
        _ if schema.get("properties").is_some() => "object",
        _ if schema.get("items").is_some() => "array",
        _ => "string",
    }
}

fn number(schema: &Value, asked: &str) -> f64 {
    let limit = |name: &str| schema.get(name).and_then(Value::as_f64);
    let least = limit("minimum").or_else(|| limit("exclusiveMinimum").map(|least| least + 1.0));
    let most = limit("maximum").or_else(|| limit("exclusiveMaximum").map(|most| most - 1.0));
    let said = asked
        .split(|c: char| !(c.is_ascii_digit() || c == '.' || c == '-'))
        .find_map(|word| word.trim_end_matches(['.', '-']).parse::<f64>().ok());
    let number = said.or(least).unwrap_or(1.0);
    number.max(least.unwrap_or(f64::MIN)).min(most.unwrap_or(f64::MAX))
}

fn text(schema: &Value, asked: &str) -> String {
    let quoted =
        asked.split(['"', '\u{201c}', '\u{201d}']).nth(1).map(str::trim).filter(|text| !text.is_empty());
    let words: Vec<&str> = asked
        .split_whitespace()
        .map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()))
        .filter(|word| !word.is_empty())
        .collect();
    let capital = words.iter().skip(1).rfind(|word| word.chars().next().is_some_and(char::is_uppercase));
    let mut text = quoted.or(capital.or(words.last()).copied()).unwrap_or("text").to_owned();
    let limit = |name: &str| schema.get(name).and_then(Value::as_u64).map(|length| length.min(1024) as usize);
    if let Some(most) = limit("maxLength") {
        text = text.chars().take(most).collect();
    }
    let missing = limit("minLength").unwrap_or(0).saturating_sub(text.chars().count());
    text + &"x".repeat(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_follow_their_schema_and_the_user() {
        let schema = json!({"type": "object", "required": ["city", "days", "unit", "tags", "place", "exact"], "properties": {
            "city": {"type": "string"},
            "days": {"type": "integer", "minimum": 1, "maximum": 5},
            "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
            "tags": {"type": "array", "items": {"type": "string", "maxLength": 3}, "minItems": 2},
            "place": {"type": "object", "properties": {"kind": {"const": "town"}, "big": {"type": ["null", "boolean"]}}},
            "exact": {"anyOf": [{"type": "number"}, {"type": "null"}]},
            "optional": {"type": "string"},
        }});
        let asked = "What is the weather in Ulm for 9 days, in Fahrenheit please?";
        let expected = json!({
            "city": "Fahrenheit", "days": 5, "unit": "fahrenheit", "tags": ["Fah", "Fah"],
            "place": {"kind": "town", "big": true}, "exact": 9.0,
        });
        assert_eq!(Value::Object(arguments(&schema, asked)), expected);
        assert_eq!(arguments(&schema, "the weather in \"Ulm\"")["city"], "Ulm");
        assert_eq!(Value::Object(arguments(&json!({}), asked)), json!({}));
        let validator = jsonschema::validator_for(&schema).unwrap();
        for asked in [asked, "", "\"\"", "-3.5 and -", "你好", "…"] {
            let made = Value::Object(arguments(&schema, asked));
            assert!(validator.is_valid(&made), "{asked}: {made}");
        }
    }

    #[test]
    fn hostile_schemas_end() {
        let mut deep = json!({"type": "string"});
        for _ in 0..100 {
            deep = json!({"type": "object", "properties": {"a": deep}});
        }
        assert!(serde_json::to_string(&Value::Object(arguments(&deep, ""))).unwrap().len() < 200);
        let mut arrays = json!({"type": "string"});
        for _ in 0..15 {
            arrays = json!({"type": "array", "minItems": 16, "items": arrays});
        }
        let made = arguments(&json!({"properties": {"a": arrays}}), &"word ".repeat(100_000));
        assert!(serde_json::to_string(&Value::Object(made)).unwrap().len() < 50_000);
        let wide = json!({"properties": {"a": {"type": "array", "minItems": 1e9}, "b": {"minLength": 1e18}}});
        arguments(&wide, "");
    }
}
