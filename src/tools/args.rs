//! Arguments of a call, as models write them: a text dialect gives every value as a string.

use crate::model::{Object, ToolDef};
use serde_json::Value;

/// Checks names and presence against the schema. The error is text for the model.
pub(super) fn check(tool: &ToolDef, arguments: &Object) -> Result<(), String> {
    let name = &tool.name;
    let known = tool.parameters.get("properties").and_then(Value::as_object);
    for key in arguments.keys() {
        if !known.is_some_and(|known| known.contains_key(key)) {
            let allowed: Vec<&str> = known.into_iter().flatten().map(|(key, _)| key.as_str()).collect();
            let allowed = allowed.join(", ");
            return Err(format!("ERROR: `{name}` has no parameter `{key}`. Its parameters are: {allowed}."));
        }
    }
    let required = tool.parameters.get("required").and_then(Value::as_array);
    for key in required.into_iter().flatten().filter_map(Value::as_str) {
        if arguments.get(key).is_none_or(Value::is_null) {
            return Err(format!("ERROR: `{name}` needs the parameter `{key}`."));
        }
    }
    Ok(())
}

/// A text argument; `None` when absent or null.
pub(super) fn text<'a>(arguments: &'a Object, name: &str) -> Result<Option<&'a str>, String> {
    match arguments.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(format!("ERROR: The parameter `{name}` must be a string, not `{other}`.")),
    }
}

/// A truth value, also as the words `true` and `false` in any case.
pub(super) fn flag(arguments: &Object, name: &str) -> Result<bool, String> {
    match arguments.get(name) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(Value::String(word)) if word.trim().eq_ignore_ascii_case("true") => Ok(true),
        Some(Value::String(word)) if word.trim().is_empty() || word.trim().eq_ignore_ascii_case("false") => {
            Ok(false)
        }
        Some(other) => {
            Err(format!("ERROR: The parameter `{name}` must be `true` or `false`, not `{other}`."))
        }
    }
}

/// A number of seconds over 0, also as text.
pub(super) fn seconds(arguments: &Object, name: &str) -> Result<Option<f64>, String> {
    let value = match arguments.get(name) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) if text.trim().is_empty() => return Ok(None),
        Some(Value::String(text)) => text.trim().parse().ok(),
        Some(other) => other.as_f64(),
    };
    match value.filter(|value: &f64| value.is_finite() && *value > 0.0) {
        Some(value) => Ok(Some(value)),
        None => Err(format!("ERROR: The parameter `{name}` must be a number of seconds over 0.")),
    }
}

/// A whole number, also as text.
pub(super) fn integer(arguments: &Object, name: &str) -> Result<Option<i64>, String> {
    let value = match arguments.get(name) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) => text.trim().parse().ok(),
        Some(other) => other.as_i64(),
    };
    value.map(Some).ok_or_else(|| format!("ERROR: The parameter `{name}` must be a whole number."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(value: Value) -> Object {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn values_come_as_words_or_as_json() {
        let arguments =
            object(json!({"a": "TRUE", "b": false, "c": "maybe", "s": " 2.5 ", "t": -1, "n": "7"}));
        assert_eq!(flag(&arguments, "a"), Ok(true));
        assert_eq!(flag(&arguments, "b"), Ok(false));
        assert_eq!(flag(&arguments, "none"), Ok(false));
        assert!(flag(&arguments, "c").unwrap_err().contains("`c` must be `true` or `false`"));
        assert_eq!(seconds(&arguments, "s"), Ok(Some(2.5)));
        assert!(seconds(&arguments, "t").is_err());
        assert_eq!(integer(&arguments, "n"), Ok(Some(7)));
        assert!(text(&arguments, "t").unwrap_err().contains("must be a string"));
    }

    #[test]
    fn names_and_presence_follow_the_schema() {
        let tool = ToolDef {
            name: "x".into(),
            description: String::new(),
            parameters: json!({"type": "object", "properties": {"a": {}, "b": {}}, "required": ["a"]}),
        };
        assert_eq!(check(&tool, &object(json!({"a": 1}))), Ok(()));
        let unknown = check(&tool, &object(json!({"a": 1, "c": 2}))).unwrap_err();
        assert_eq!(unknown, "ERROR: `x` has no parameter `c`. Its parameters are: a, b.");
        assert_eq!(
            check(&tool, &object(json!({"a": null}))).unwrap_err(),
            "ERROR: `x` needs the parameter `a`."
        );
    }
}
