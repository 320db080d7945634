//! Calls and observations written as text, and observations read back.

use super::super::common::plain_name;
use super::super::python;
use super::super::{Call, TextResult};
use super::grammar::{FN_CLOSE, FN_OPEN, OBSERVATION as HEADING, PARAM_CLOSE, PARAM_OPEN};
use crate::model::{Object, Span, ToolCall};
use serde_json::Value;
use std::borrow::Cow;
use std::fmt::Write as _;

/// A whole assistant message. Both runtimes write exactly one call, or none.
pub(super) fn message(content: &str, calls: &[ToolCall], wraps_lines: bool) -> Result<String, String> {
    let [call] = calls else {
        if calls.is_empty() {
            return Ok(content.to_owned());
        }
        return Err(format!(
            "Expected exactly one tool call in the message. More than one tool call is not supported. \
             But got {} tool calls. Content: {content}",
            calls.len()
        ));
    };
    let refused = || "Failed to convert tool call to string.".to_owned();
    if call.id.is_empty() {
        return Err(refused());
    }
    let Some(arguments) = &call.arguments.parsed else { return Err(refused()) };
    let text = format!("{content}\n\n{}", call_text(&call.name, arguments, wraps_lines));
    Ok(python::lstrip(&text).to_owned())
}

/// One call. Lists and objects as JSON, everything else as Python's `str` has it.
fn call_text(name: &str, arguments: &Object, wraps_lines: bool) -> String {
    let mut out = format!("<function={name}>\n");
    for (key, value) in arguments {
        let text = match value {
            Value::Array(_) => python::dumps(value),
            Value::Object(object) => python::dumps_object(object),
            other => python::str(other),
        };
        let wrap = if wraps_lines && value.is_string() && text.contains('\n') { "\n" } else { "" };
        let _ = writeln!(out, "<parameter={key}>{wrap}{text}{wrap}</parameter>");
    }
    out.push_str("</function>");
    out
}

/// A message with its calls behind the text, values exactly as given: text stays text, the rest is JSON.
pub(super) fn render(content: &str, calls: &[Call<'_>]) -> Result<String, String> {
    let mut out = content.to_owned();
    for call in calls {
        if !out.is_empty() {
            out.push_str("\n\n");
        }
        plain_name("a function name", call.name)?;
        let _ = writeln!(out, "{FN_OPEN}{}>", call.name);
        for (key, value) in call.arguments {
            plain_name("a parameter name", key)?;
            let value = value.as_str().map_or_else(|| Cow::Owned(value.to_string()), Cow::Borrowed);
            if value.contains(PARAM_CLOSE) {
                return Err(format!("the value of '{key}' holds {PARAM_CLOSE}"));
            }
            let _ = writeln!(out, "{PARAM_OPEN}{key}>{value}{PARAM_CLOSE}");
        }
        out.push_str(FN_CLOSE);
    }
    Ok(out)
}

/// A user message that holds an observation.
pub(super) fn observe(tool: &str, output: &str) -> String {
    format!("{HEADING}{tool}]:\n{output}")
}

/// Tool name and content of an observation, as both runtimes read it: searched anywhere in the
/// text, so that prose that quotes the heading becomes an observation too. `None`: a plain message.
pub fn read_observation(text: &str) -> Option<(&str, &str)> {
    let name_start = text.find(HEADING)? + HEADING.len();
    // The name may hold anything but a bracket, a colon and a newline in a row.
    let len = text[name_start..].find("]:\n")?;
    let name = &text[name_start..name_start + len];
    Some((name, python::strip(&text[name_start + len + "]:\n".len()..])))
}

/// The one result of a user message that begins with the heading, as a span of it. A heading that is damaged
/// names no tool.
pub(super) fn read_observations(text: &str) -> Vec<TextResult> {
    if !text.starts_with(HEADING) {
        return Vec::new();
    }
    // Unlike the runtimes, nothing is stripped: what was observed is kept as it is.
    let head = read_observation(text).map(|(name, _)| (name, HEADING.len() + name.len() + "]:\n".len()));
    let (name, start) = head.map_or((None, 0), |(name, start)| (Some(name.to_owned()), start));
    vec![TextResult { name, content: Span::new(start, text.len()) }]
}
