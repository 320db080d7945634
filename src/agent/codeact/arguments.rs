//! Arguments of a text call: from text to the types of the tool's schema.

use crate::dialects::TextCall;
use crate::model::{Object, ToolDef};
use serde_json::Value;

/// The arguments of a call that broke no rule.
///
/// Of a text value, one newline after the opening tag and one before the closing tag belong to the markup;
/// everything else, indentation included, is the value. Values of other types are JSON.
pub(super) fn of(call: &TextCall, text: &str, tools: &[ToolDef]) -> Object {
    let properties =
        tools.iter().find(|tool| tool.name == call.name).and_then(|tool| tool.parameters.get("properties"));
    call.params
        .iter()
        .map(|param| {
            let schema = properties.and_then(|properties| properties.get(&param.name));
            (param.name.clone(), value(param.value.text(text), schema))
        })
        .collect()
}

fn value(raw: &str, schema: Option<&Value>) -> Value {
    let kind = schema.and_then(|schema| schema.get("type")).and_then(Value::as_str).unwrap_or("string");
    if kind == "string" {
        let listed = schema.is_some_and(|schema| schema.get("enum").is_some());
        return if listed { raw.trim().into() } else { unwrapped(raw).into() };
    }
    // Python's spelling is what models that were trained on it write.
    let word = match raw.trim() {
        "True" => "true",
        "False" => "false",
        "None" => "null",
        other => other,
    };
    // What is no JSON stays text: the tool says what it wants instead.
    serde_json::from_str(word).unwrap_or_else(|_| unwrapped(raw).into())
}

fn unwrapped(raw: &str) -> &str {
    let raw = raw.strip_prefix("\r\n").or_else(|| raw.strip_prefix('\n')).unwrap_or(raw);
    raw.strip_suffix("\r\n").or_else(|| raw.strip_suffix('\n')).unwrap_or(raw)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_take_the_type_of_their_schema() {
        let of = |raw: &str, kind: &str| value(raw, Some(&json!({"type": kind})));
        assert_eq!(of("\n  indented\n\n", "string"), "  indented\n");
        assert_eq!(of("\r\na\r\n", "string"), "a");
        assert_eq!(of(" 12 ", "integer"), 12);
        assert_eq!(of("twelve", "integer"), "twelve");
        assert_eq!(of("\n[1, -1]\n", "array"), json!([1, -1]));
        assert_eq!(of("True", "boolean"), true);
        assert_eq!(of("1.5", "number"), 1.5);
        assert_eq!(value("12", None), "12");
        assert_eq!(value("\nview\n", Some(&json!({"type": "string", "enum": ["view"]}))), "view");
    }
}
