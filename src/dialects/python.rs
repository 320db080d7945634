//! The few habits of Python that show through the runtimes: `strip`, `int`, `str`, `repr`, `json.dumps`.

use crate::model::Object;
use serde_json::Value;
use std::fmt::Write as _;

/// What `str.strip` takes away: Unicode white space and the four separators U+001C to U+001F.
fn is_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{1c}'..='\u{1f}')
}

/// `str.strip()`.
pub(super) fn strip(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// `str.lstrip()`.
pub(super) fn lstrip(text: &str) -> &str {
    text.trim_start_matches(is_space)
}

/// `str.rstrip()`.
pub(super) fn rstrip(text: &str) -> &str {
    text.trim_end_matches(is_space)
}

/// `int(text)`: blanks around, a sign, single underscores between digits. The digits come back
/// as text, since Python's integers have no end.
pub(super) fn int(text: &str) -> Option<String> {
    let text = strip(text);
    let (sign, digits) = match text.strip_prefix(['+', '-']) {
        Some(rest) => (if text.starts_with('-') { "-" } else { "" }, rest),
        None => ("", text),
    };
    let grouped = !digits.is_empty() && digits.split('_').all(|group| !group.is_empty());
    if !grouped || !digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_') {
        return None;
    }
    let plain = digits.replace('_', "");
    let plain = plain.trim_start_matches('0');
    Some(if plain.is_empty() { "0".to_owned() } else { format!("{sign}{plain}") })
}

/// An integer as JSON; one that no JSON number here can hold stays text.
pub(super) fn int_value(digits: String) -> Value {
    if let Ok(small) = digits.parse::<i64>() {
        Value::from(small)
    } else if let Ok(large) = digits.parse::<u64>() {
        Value::from(large)
    } else {
        Value::String(digits)
    }
}

/// `repr` of a value that came from JSON.
pub(super) fn repr(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Number(number) => number_repr(number),
        Value::String(text) => string_repr(text),
        Value::Array(items) => format!("[{}]", items.iter().map(repr).collect::<Vec<_>>().join(", ")),
        Value::Object(object) => {
            let pairs = object.iter().map(|(key, item)| format!("{}: {}", string_repr(key), repr(item)));
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
        }
    }
}

/// `str` of a value that came from JSON.
pub(super) fn str(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => repr(other),
    }
}

/// `repr` of a string: single quotes, unless it holds one and no double quote.
pub(super) fn string_repr(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::with_capacity(text.len() + 2);
    out.push(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            c if (c as u32) < 0x20 || (0x7f..0xa1).contains(&(c as u32)) => {
                let _ = write!(out, "\\x{:02x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push(quote);
    out
}

/// A set of names as Python would show it, but sorted: its own order is random.
pub(super) fn sorted_set<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    names.dedup();
    if names.is_empty() {
        return "set()".to_owned();
    }
    format!("{{{}}}", names.into_iter().map(string_repr).collect::<Vec<_>>().join(", "))
}

/// `json.dumps(value)`: blanks after `,` and `:`, everything beyond ASCII escaped.
pub(super) fn dumps(value: &Value) -> String {
    let mut out = String::new();
    dump(value, &mut out);
    out
}

/// `json.dumps` of an object.
pub(super) fn dumps_object(object: &Object) -> String {
    let mut out = String::new();
    dump_object(object, &mut out);
    out
}

fn dump(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
        Value::Number(number) => out.push_str(&number_repr(number)),
        Value::String(text) => dump_string(text, out),
        Value::Array(items) => {
            out.push('[');
            for (n, item) in items.iter().enumerate() {
                if n > 0 {
                    out.push_str(", ");
                }
                dump(item, out);
            }
            out.push(']');
        }
        Value::Object(object) => dump_object(object, out),
    }
}

fn dump_object(object: &Object, out: &mut String) {
    out.push('{');
    for (n, (key, item)) in object.iter().enumerate() {
        if n > 0 {
            out.push_str(", ");
        }
        dump_string(key, out);
        out.push_str(": ");
        dump(item, out);
    }
    out.push('}');
}

fn dump_string(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            ' '..='\u{7e}' => out.push(c),
            c => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out.push('"');
}

/// `repr` of a number: floats keep their point, and exponents have a sign and two digits.
fn number_repr(number: &serde_json::Number) -> String {
    match number.as_f64().filter(|_| number.is_f64()) {
        Some(float) => float_repr(float),
        None => number.to_string(),
    }
}

fn float_repr(float: f64) -> String {
    let size = float.abs();
    if size != 0.0 && !(1e-4..1e16).contains(&size) {
        let text = format!("{float:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, exponent) = exponent.strip_prefix('-').map_or(("+", exponent), |rest| ("-", rest));
        return format!("{digits}e{sign}{exponent:0>2}");
    }
    format!("{float:?}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn int_reads_what_python_reads() {
        for (text, want) in [(" 5 ", Some("5")), ("1_0", Some("10")), ("-07", Some("-7")), ("+0", Some("0"))]
        {
            assert_eq!(int(text).as_deref(), want, "{text:?}");
        }
        for text in ["5.0", "", "_1", "1__0", "- 1", "0x1", "1_"] {
            assert_eq!(int(text), None, "{text:?}");
        }
    }

    #[test]
    fn values_look_like_python() {
        assert_eq!(str(&json!(true)), "True");
        assert_eq!(str(&json!(null)), "None");
        assert_eq!(str(&json!(1.0)), "1.0");
        assert_eq!(str(&json!(1e16)), "1e+16");
        assert_eq!(str(&json!(1.5e-7)), "1.5e-07");
        assert_eq!(dumps(&json!({"a": [1, "\u{e9}\u{1f600}"]})), r#"{"a": [1, "\u00e9\ud83d\ude00"]}"#);
        assert_eq!(repr(&json!(["it's", "a\"b'c\n"])), r#"["it's", 'a"b\'c\n']"#);
    }
}
