//! The frame around a conversation: tool list and format rules in the system prompt, the worked
//! example in the first user message.
//!
//! Block markers and headings are protocol strings that readers rely on; all other wording is ours.

use super::super::python;
use crate::model::{Span, ToolDef};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Which runtime's way of listing tools to follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToolStyle {
    /// Bare types.
    V0,
    /// Types with their items, and a detail line for arrays.
    V1,
}

/// Where the parts of a framed first user message stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// The worked example, its heading and end line included.
    pub example: Span,
    /// The task itself.
    pub task: Span,
}

const EXAMPLE_START: &str = "--------------------- START OF EXAMPLE ---------------------";
const EXAMPLE_END: &str = "--------------------- END OF EXAMPLE ---------------------";
const TASK_START: &str = "--------------------- NEW TASK DESCRIPTION ---------------------";
const TASK_END: &str = "--------------------- END OF NEW TASK DESCRIPTION ---------------------";
const NO_DESCRIPTION: &str = "No description provided";
const NO_PARAMETERS: &str = "No parameters are required for this function.";

/// Finds the worked example and the task in a first user message.
pub fn frame(text: &str) -> Option<Frame> {
    let start = text.find(EXAMPLE_START)?;
    let end = start + text[start..].find(EXAMPLE_END)? + EXAMPLE_END.len();
    let task_start = end + text[end..].find(TASK_START)? + TASK_START.len();
    let task_end = text[task_start..].rfind(TASK_END).map_or(text.len(), |at| task_start + at);
    let task = text[task_start..task_end].trim();
    let lead = text[task_start..task_end].len() - text[task_start..task_end].trim_start().len();
    let task = Span::new(task_start + lead, task_start + lead + task.len());
    Some(Frame { example: Span::new(start, end), task })
}

/// The tool list as the runtimes write it.
pub fn tools_description(tools: &[ToolDef], style: ToolStyle) -> String {
    let mut out = String::new();
    for (n, tool) in tools.iter().enumerate() {
        let number = n + 1;
        if n > 0 {
            out.push('\n');
        }
        let _ = writeln!(out, "---- BEGIN FUNCTION #{number}: {} ----", tool.name);
        if !tool.description.is_empty() {
            let _ = writeln!(out, "Description: {}", tool.description);
        }
        if tool.parameters.is_null() {
            let _ = writeln!(out, "{NO_PARAMETERS}");
        } else {
            out.push_str("Parameters:\n");
            parameters(&tool.parameters, style, &mut out);
        }
        let _ = writeln!(out, "---- END FUNCTION #{number} ----");
    }
    out
}

fn parameters(schema: &Value, style: ToolStyle, out: &mut String) {
    let required = schema.get("required").and_then(Value::as_array);
    let properties = schema.get("properties").and_then(Value::as_object);
    for (n, (name, property)) in properties.into_iter().flatten().enumerate() {
        let needed = required.is_some_and(|list| list.iter().any(|item| item.as_str() == Some(name)));
        let status = if needed { "required" } else { "optional" };
        let kind = match style {
            ToolStyle::V0 => property.get("type").map_or_else(|| "string".to_owned(), python::str),
            ToolStyle::V1 => type_name(property),
        };
        let text = property.get("description").and_then(Value::as_str).filter(|text| !text.trim().is_empty());
        let _ = writeln!(out, "  ({}) {name} ({kind}, {status}): {}", n + 1, text.unwrap_or(NO_DESCRIPTION));
        if let Some(values) = property.get("enum").and_then(Value::as_array) {
            let values = values.iter().map(|value| format!("`{}`", python::str(value)));
            let _ = writeln!(out, "Allowed values: [{}]", values.collect::<Vec<_>>().join(", "));
        }
        if style == ToolStyle::V1 && property.get("type").and_then(Value::as_str) == Some("array") {
            let items = property.get("items").map_or_else(|| "unknown".to_owned(), type_name);
            let _ = writeln!(out, "      Array items:\n        Type: {items}");
        }
    }
}

/// A type in a few words: `integer`, `array[string]`, `string or null`.
fn type_name(schema: &Value) -> String {
    let join = |list: &Vec<Value>, each: fn(&Value) -> String| {
        list.iter().map(each).collect::<Vec<_>>().join(" or ")
    };
    if let Some(options) = ["anyOf", "oneOf", "allOf"].iter().find_map(|key| schema.get(*key)?.as_array()) {
        return join(options, type_name);
    }
    match schema.get("type") {
        Some(Value::Array(types)) => join(types, python::str),
        Some(Value::String(kind)) if kind == "array" => match schema.get("items") {
            Some(items) if items.is_object() => format!("array[{}]", type_name(items)),
            _ => kind.clone(),
        },
        Some(kind) => python::str(kind),
        None if schema.get("enum").is_some() => "enum".to_owned(),
        None => "unknown".to_owned(),
    }
}

/// Tool list and format rules for a system prompt.
pub(super) fn describe(tools: &[ToolDef]) -> String {
    let list = tools_description(tools, ToolStyle::V1);
    format!(
        "These functions can be called:\n\n{list}\n\
         To call one, end the message with the call, in exactly this form:\n\n\
         <function=NAME>\n\
         <parameter=FIRST>value</parameter>\n\
         <parameter=SECOND>\n\
         a value that has\n\
         several lines\n\
         </parameter>\n\
         </function>\n\n\
         What counts:\n\
         - One call in every message, never two. Thoughts may stand before it; after `</function>` comes nothing.\n\
         - Names are those of the list, without blanks or quotes. Every required parameter is there, every tag is closed.\n\
         - The result arrives with the next message, headed `EXECUTION RESULT of [NAME]:`. Wait for it, never write it yourself.\n\
         - Without anything left to do, call the function that finishes the task, if the list has one.\n"
    )
}

/// Reads the tool list back out of a system prompt; `None` if the prompt has none.
///
/// Works on both styles, and on logs that lost their indentation.
pub fn read_tools(prompt: &str) -> Option<Vec<ToolDef>> {
    let mut tools = Vec::new();
    let mut lines = prompt.lines();
    while let Some(line) = lines.next() {
        let Some(name) = block_name(line) else { continue };
        let block: Vec<&str> =
            lines.by_ref().take_while(|line| !line.trim().starts_with("---- END FUNCTION #")).collect();
        tools.push(read_tool(name, &block));
    }
    (!tools.is_empty()).then_some(tools)
}

/// `---- BEGIN FUNCTION #1: name ----`
fn block_name(line: &str) -> Option<&str> {
    let rest = line.trim().strip_prefix("---- BEGIN FUNCTION #")?;
    let (number, name) = rest.split_once(": ")?;
    number.parse::<u32>().ok()?;
    name.strip_suffix(" ----")
}

fn read_tool(name: &str, block: &[&str]) -> ToolDef {
    // A description may hold the word as well: the list begins where a first parameter follows.
    let starts = |at: &usize| {
        block[*at].trim() == "Parameters:"
            && block.get(at + 1).is_none_or(|next| parameter_head(next, 1).is_some())
    };
    let list = (0..block.len()).find(starts);
    let none = block.iter().position(|line| line.trim() == NO_PARAMETERS);
    let end = list.or(none).unwrap_or(block.len());
    let description = block[..end].join("\n");
    let description = description.strip_prefix("Description: ").unwrap_or(&description).to_owned();
    let parameters = match list {
        Some(at) => read_parameters(&block[at + 1..]),
        None => Value::Null,
    };
    ToolDef { name: name.to_owned(), description, parameters }
}

/// Number, name, type and status of a line such as `(1) path (string, required): text`.
fn parameter_head(line: &str, number: usize) -> Option<(&str, &str, bool, &str)> {
    let rest = line.trim_start().strip_prefix(&format!("({number}) "))?;
    let (name, rest) = rest.split_once(" (")?;
    let (head, text) = rest.split_once("):")?;
    let (kind, status) = head.rsplit_once(", ")?;
    let required = match status {
        "required" => true,
        "optional" => false,
        _ => return None,
    };
    Some((name, kind, required, text.trim_start()))
}

fn read_parameters(lines: &[&str]) -> Value {
    let mut properties = crate::model::Object::new();
    let mut required = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let Some((name, kind, needed, text)) = parameter_head(lines[at], properties.len() + 1) else {
            at += 1;
            continue;
        };
        let next = (at + 1..lines.len())
            .find(|&n| parameter_head(lines[n], properties.len() + 2).is_some())
            .unwrap_or(lines.len());
        let mut schema = type_schema(kind);
        let mut description = vec![text];
        for line in &lines[at + 1..next] {
            if let Some(values) = allowed_values(line) {
                schema.insert("enum".to_owned(), values);
            } else if *line == "      Array items:" || line.starts_with("      Object properties:") {
                break;
            } else {
                description.push(line);
            }
        }
        let description = description.join("\n");
        if description != NO_DESCRIPTION {
            schema.insert("description".to_owned(), Value::String(description.trim_end().to_owned()));
        }
        properties.insert(name.to_owned(), Value::Object(schema));
        if needed {
            required.push(name);
        }
        at = next;
    }
    json!({"type": "object", "properties": properties, "required": required})
}

/// The schema behind a type in words; a union has no single type and stays open.
fn type_schema(kind: &str) -> crate::model::Object {
    let mut schema = crate::model::Object::new();
    if let Some(items) = kind.strip_prefix("array[").and_then(|rest| rest.strip_suffix(']')) {
        schema.insert("type".to_owned(), "array".into());
        schema.insert("items".to_owned(), Value::Object(type_schema(items)));
    } else if ["string", "integer", "number", "boolean", "array", "object", "null"].contains(&kind) {
        schema.insert("type".to_owned(), kind.into());
    }
    schema
}

/// The list in ``Allowed values: [`a`, `b`]``.
fn allowed_values(line: &str) -> Option<Value> {
    let list = line.trim().strip_prefix("Allowed values: [")?.strip_suffix(']')?;
    let values = list.split(", ").map(|value| value.trim_matches('`')).map(Value::from);
    Some(Value::Array(values.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tools() -> Vec<ToolDef> {
        vec![
            ToolDef {
                name: "edit".to_owned(),
                description: "Edits.\n\nParameters:\nare below".to_owned(),
                parameters: json!({"type": "object", "properties": {
                    "command": {"type": "string", "enum": ["view", "create"], "description": "What\nto do"},
                    "range": {"type": "array", "items": {"type": "integer"}},
                }, "required": ["command"]}),
            },
            ToolDef { name: "finish".to_owned(), description: "Ends.".to_owned(), parameters: Value::Null },
        ]
    }

    #[test]
    fn a_described_tool_list_is_read_back() {
        assert_eq!(read_tools(&describe(&tools())), Some(tools()));
        assert_eq!(read_tools("no list here"), None);
    }

    #[test]
    fn the_frame_is_found() {
        let text = format!(
            "intro\n{EXAMPLE_START}\nUSER: x\n{EXAMPLE_END}\nnote\n{TASK_START}\ndo it\n{TASK_END}\nPLEASE"
        );
        let found = frame(&text).expect("frame");
        assert_eq!(found.task.text(&text), "do it");
        assert!(found.example.text(&text).contains("USER: x"));
        assert_eq!(frame("do it"), None);
    }
}
