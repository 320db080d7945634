//! What the two OpenHands runtimes make of a message, repairs and refusals included.
//!
//! Rebuilt from the behaviour measured in `notes` (oracle test in `tests/it/oracle.rs`): the first
//! match wins, what follows it is dropped, only `integer` and `array` are converted.

use super::super::python;
use super::super::{RefusalKind, Repair, RuntimeCall, RuntimeReading};
use super::grammar::{FN_CLOSE, FN_OPEN};
use crate::model::{Object, Span, ToolDef};
use regex::Regex;
use serde_json::Value;
use std::borrow::Cow;
use std::sync::LazyLock;

/// What the two versions do differently.
pub(super) struct Habits {
    /// Pattern of a call.
    pub call: &'static LazyLock<Option<Regex>>,
    /// Whether values are stripped before they are looked at.
    pub strips_values: bool,
    /// Whether a closing tag is appended even where one already ends the text.
    pub always_appends: bool,
    /// Whether wrappers of Nemotron models are taken off first.
    pub unwraps: bool,
    /// Other names under which tools are known.
    pub aliases: &'static [(&'static str, &'static str)],
    /// Required parameters that nobody misses.
    pub never_missing: &'static [&'static str],
    /// Whether a parameter that a tool without properties does not know crashes the parser.
    pub crashes_without_properties: bool,
}

macro_rules! pattern {
    ($name:ident, $text:literal) => {
        pub(super) static $name: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new($text).ok());
    };
}

pattern!(CALL_V0, r"(?s)<function=([^>]+)>\n(.*?)</function>");
pattern!(CALL_V1, r"(?s)<function=([^>]+)>\n?(.*?)</function>");
pattern!(PARAM, r"(?s)<parameter=([^>]+)>(.*?)</parameter>");
pattern!(EQUALS, r"<parameter=([a-zA-Z0-9_]+)=([^<]*)</parameter>");
pattern!(THINK, r"</think>\s*<function=");
pattern!(WRAP_OPEN, r"<tool_call>\s*<function=");
pattern!(WRAP_CLOSE, r"</function>\s*</tool_call>");

/// Reads one assistant message the way the runtime does.
pub(super) fn read(text: &str, tools: &[ToolDef], next_id: u32, habits: &Habits) -> RuntimeReading {
    let mut repairs = Vec::new();
    let fixed = fix(text, habits, &mut repairs);
    let matched = habits.call.as_ref().and_then(|pattern| pattern.captures(&fixed));
    let Some((whole, name, body)) = matched.as_ref().and_then(|m| Some((m.get(0)?, m.get(1)?, m.get(2)?)))
    else {
        return RuntimeReading::Message { content: text.to_owned() };
    };
    let body = normalise(body.as_str(), text, &mut repairs);
    let mut name = name.as_str();
    let mut tool = tools.iter().find(|tool| tool.name == name);
    if tool.is_none()
        && let Some((_, known)) = habits.aliases.iter().find(|(alias, _)| *alias == name)
    {
        name = known;
        tool = tools.iter().find(|tool| tool.name == name);
        if tool.is_some() {
            repairs.push(Repair { kind: "renamed-function", span: name_in(text) });
        }
    }
    let Some(tool) = tool else {
        let known = tools.iter().map(|tool| python::string_repr(&tool.name)).collect::<Vec<_>>().join(", ");
        let message = format!("Function '{name}' not found in available tools: [{known}]");
        return refusal(RefusalKind::UnknownFunction, message);
    };
    let pairs = params(&body);
    let arguments = match arguments(&pairs, tool, habits) {
        Ok(arguments) => arguments,
        Err(refusal) => return *refusal,
    };
    note_losses(text, &fixed, whole.end(), &mut repairs);
    let content = fixed.split(FN_OPEN).next().unwrap_or("");
    RuntimeReading::Calls {
        content: python::strip(content).to_owned(),
        calls: vec![RuntimeCall { id: format!("toolu_{next_id:02}"), name: name.to_owned(), arguments }],
        repairs,
    }
}

fn refusal(kind: RefusalKind, message: String) -> RuntimeReading {
    RuntimeReading::Error { class: "FunctionCallValidationError", message, kind }
}

/// Takes off wrappers and puts a missing closing tag in, as the runtime does before it looks.
fn fix<'a>(text: &'a str, habits: &Habits, repairs: &mut Vec<Repair>) -> Cow<'a, str> {
    let mut fixed = Cow::Borrowed(text);
    if habits.unwraps {
        for (pattern, keep) in [(&THINK, FN_OPEN), (&WRAP_OPEN, FN_OPEN), (&WRAP_CLOSE, FN_CLOSE)] {
            let Some(pattern) = pattern.as_ref() else { continue };
            if let Some(found) = pattern.find(&fixed) {
                let span = if matches!(fixed, Cow::Borrowed(_)) {
                    Span::new(found.start(), found.end())
                } else {
                    Span::new(0, text.len())
                };
                repairs.push(Repair { kind: "removed-wrapper", span });
                fixed = Cow::Owned(pattern.replace_all(&fixed, keep).into_owned());
            }
        }
    }
    let mut opens = memchr::memmem::find_iter(fixed.as_bytes(), FN_OPEN.as_bytes());
    if opens.next().is_none() || opens.next().is_some() {
        return fixed;
    }
    let at_end = Span::new(python::rstrip(text).len(), text.len());
    if fixed.ends_with("</") {
        repairs.push(Repair { kind: "completed-closing-tag", span: at_end });
        return Cow::Owned(format!("{}function>", python::rstrip(&fixed)));
    }
    if habits.always_appends || !python::rstrip(&fixed).ends_with(FN_CLOSE) {
        // Appended behind a tag that is there already, it changes nothing.
        if !fixed.contains(FN_CLOSE) {
            repairs.push(Repair { kind: "appended-closing-tag", span: at_end });
        }
        return Cow::Owned(format!("{fixed}\n{FN_CLOSE}"));
    }
    fixed
}

/// `<parameter=name=value</parameter>` becomes the proper form.
fn normalise<'a>(body: &'a str, text: &str, repairs: &mut Vec<Repair>) -> Cow<'a, str> {
    let Some(pattern) = EQUALS.as_ref() else { return Cow::Borrowed(body) };
    if let Some(found) = pattern.find(body) {
        let start = text.find(found.as_str()).unwrap_or(0);
        repairs.push(Repair { kind: "fixed-parameter-tag", span: Span::new(start, start + found.len()) });
    }
    pattern.replace_all(body, "<parameter=${1}>${2}</parameter>")
}

/// Name and value of each parameter, in order.
fn params(body: &str) -> Vec<(&str, &str)> {
    let Some(pattern) = PARAM.as_ref() else { return Vec::new() };
    let found = pattern.captures_iter(body);
    found.filter_map(|m| Some((m.get(1)?.as_str(), m.get(2)?.as_str()))).collect()
}

/// Checks and converts, parameter by parameter, then looks for what is missing.
fn arguments(pairs: &[(&str, &str)], tool: &ToolDef, habits: &Habits) -> Result<Object, Box<RuntimeReading>> {
    let properties = tool.parameters.get("properties").and_then(Value::as_object);
    let function = &tool.name;
    let mut arguments = Object::new();
    for &(name, raw) in pairs {
        let raw = if habits.strips_values { python::strip(raw) } else { raw };
        let known = properties.filter(|known| !known.is_empty());
        if let Some(known) = known.filter(|known| !known.contains_key(name)) {
            let allowed = python::sorted_set(known.keys().map(String::as_str));
            return Err(Box::new(refusal(
                RefusalKind::UnknownParameter(name.to_owned()),
                format!(
                    "Parameter '{name}' is not allowed for function '{function}'. Allowed parameters: {allowed}"
                ),
            )));
        }
        if known.is_none() && habits.crashes_without_properties {
            let key = if tool.parameters.is_null() { "parameters" } else { name };
            return Err(Box::new(RuntimeReading::Error {
                class: "KeyError",
                message: python::string_repr(key),
                kind: RefusalKind::UnknownParameter(name.to_owned()),
            }));
        }
        let schema = known.and_then(|known| known.get(name));
        let value = convert(name, raw, schema)?;
        if let Some(allowed) = schema.and_then(|schema| schema.get("enum")).and_then(Value::as_array)
            && !allowed.contains(&value)
        {
            let list = python::repr(&Value::Array(allowed.clone()));
            return Err(Box::new(refusal(
                RefusalKind::BadEnum(name.to_owned()),
                format!("Parameter '{name}' is expected to be one of {list}."),
            )));
        }
        arguments.insert(name.to_owned(), value);
    }
    let required = tool.parameters.get("required").and_then(Value::as_array);
    let missing: Vec<&str> = required
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .filter(|name| !arguments.contains_key(*name) && !habits.never_missing.contains(name))
        .collect();
    if missing.is_empty() {
        return Ok(arguments);
    }
    let set = python::sorted_set(missing.iter().copied());
    Err(Box::new(refusal(
        RefusalKind::MissingParameters(missing.into_iter().map(str::to_owned).collect()),
        format!("Missing required parameters for function '{function}': {set}"),
    )))
}

/// Only `integer` and `array` are converted; numbers, booleans and objects stay text.
fn convert(name: &str, raw: &str, schema: Option<&Value>) -> Result<Value, Box<RuntimeReading>> {
    let bad = |what: &str| {
        let message = format!("Parameter '{name}' is expected to be {what}.");
        Box::new(refusal(RefusalKind::BadType(name.to_owned()), message))
    };
    match schema.and_then(|schema| schema.get("type")).and_then(Value::as_str) {
        Some("integer") => python::int(raw).map(python::int_value).ok_or_else(|| bad("an integer")),
        Some("array") => serde_json::from_str(raw).map_err(|_| bad("an array")),
        _ => Ok(Value::String(raw.to_owned())),
    }
}

/// Names what the runtime silently drops behind the call that it took.
fn note_losses(text: &str, fixed: &str, end: usize, repairs: &mut Vec<Repair>) {
    // Behind the match the two texts differ only by what was appended.
    let rest = fixed[end..].trim_end().trim_end_matches(FN_CLOSE).trim();
    if rest.is_empty() {
        return;
    }
    let start = text.find(rest).unwrap_or_else(|| text.floor_char_boundary(end.min(text.len())));
    let kind = if rest.contains(FN_OPEN) { "dropped-call" } else { "dropped-suffix" };
    repairs.push(Repair { kind, span: Span::new(start, text.len()) });
}

/// Where the name of the first call stands.
fn name_in(text: &str) -> Span {
    let start = text.find(FN_OPEN).map_or(0, |at| at + FN_OPEN.len());
    let end = text[start..].find('>').map_or(text.len(), |len| start + len);
    Span::new(start, end)
}
