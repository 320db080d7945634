//! The tool list in a system prompt: one function a line, as JSON.

use crate::model::ToolDef;
use serde_json::json;
use std::fmt::Write as _;

/// One JSON object a line: name, description and the schema of the arguments.
pub(super) fn lines(tools: &[ToolDef]) -> String {
    let mut out = String::new();
    for tool in tools {
        let line = json!({
            "name": tool.name,
            "description": tool.description,
            "parameters": tool.parameters,
        });
        let _ = writeln!(out, "{line}");
    }
    out
}

/// The frame that all dialects with named functions share: the list, how to write a call, what counts.
pub(super) fn describe(tools: &[ToolDef], form: &str, rules: &[&str]) -> String {
    let mut out = format!(
        "These functions can be called, one on each line, with the JSON Schema of their arguments:\n\n{}\n\
         To call one, write it in exactly this form:\n\n{form}\n\nWhat counts:\n",
        lines(tools)
    );
    for rule in rules {
        let _ = writeln!(out, "- {rule}");
    }
    out
}

/// Rules that hold wherever functions have names.
pub(super) const NAMES: &str = "Names are those of the list, and every required argument is there.";
/// The turn ends with the call.
pub(super) const WAIT: &str = "The result comes with the next message. Wait for it, never write it yourself.";
