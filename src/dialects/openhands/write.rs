//! Calls and observations written as text, and observations read back.

use super::grammar::OBSERVATION as HEADING;
use super::python;
use crate::model::{Object, ToolCall};
use serde_json::Value;
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

/// One call with its values exactly as given: text stays text, the rest is JSON.
pub(super) fn render(name: &str, arguments: &Object) -> String {
    let mut out = format!("<function={name}>\n");
    for (key, value) in arguments {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let _ = writeln!(out, "<parameter={key}>{value}</parameter>");
    }
    out.push_str("</function>");
    out
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
