//! `--tools FILE`: tool definitions as OpenAI, Anthropic, Gemini or MCP clients write them, or the description of
//! OpenHands' prompt.

use crate::cli::CliError;
use crate::dialects::openhands_prompt;
use crate::model::ToolDef;
use serde_json::Value;
use std::path::Path;

/// How a described tool begins.
const DESCRIBED: &str = "---- BEGIN FUNCTION #1";

/// Reads a list of tools, an object with one under `tools`, or a text that describes them.
pub(super) fn read(path: &Path) -> Result<Vec<ToolDef>, CliError> {
    let bad = |what: String| {
        CliError::usage(format!("{}: {what}", path.display()))
            .hint("a tool list is a JSON array of {\"name\", \"description\", \"parameters\"}, or of OpenAI's {\"type\": \"function\", \"function\": …}")
    };
    let bytes = std::fs::read(path)
        .map_err(|error| bad(format!("the tool list can't be read: {}", crate::store::io_text(&error))))?;
    let tools = match serde_json::from_slice::<Value>(&bytes) {
        Ok(value) => match list(&value) {
            Some(list) => {
                list.iter().flat_map(flat).enumerate().map(|(index, tool)| one(index, tool)).collect()
            }
            None => described_in(&value).map_or_else(|| Err("the tool list is not an array".to_owned()), Ok),
        },
        Err(error) => {
            let text = String::from_utf8_lossy(&bytes);
            described(&text).map_or_else(|| Err(format!("the tool list is not JSON: {error}")), Ok)
        }
    };
    let tools: Vec<ToolDef> = tools.map_err(&bad)?;
    for (index, tool) in tools.iter().enumerate() {
        if tools[..index].iter().any(|other| other.name == tool.name) {
            return Err(bad(format!("the tool '{}' stands twice in the list", tool.name)));
        }
        if let Err(why) = crate::rules::check_schema(&tool.parameters) {
            return Err(bad(format!("the parameters of '{}' are no JSON Schema: {why}", tool.name)));
        }
    }
    Ok(tools)
}

/// The list itself, under `tools`, or in the result of MCP's `tools/list`.
fn list(value: &Value) -> Option<&Vec<Value>> {
    let inner = value.get("result").and_then(|result| result.get("tools"));
    value.get("tools").or(inner).unwrap_or(value).as_array()
}

/// An entry that holds several declarations, as Gemini's do, in its parts.
fn flat(entry: &Value) -> Vec<&Value> {
    let inner = entry.get("functionDeclarations").or_else(|| entry.get("function_declarations"));
    match inner.and_then(Value::as_array) {
        Some(list) => list.iter().collect(),
        None => vec![entry],
    }
}

fn one(index: usize, tool: &Value) -> Result<ToolDef, String> {
    let inner = tool.get("function").unwrap_or(tool);
    let Some(name) = inner.get("name").and_then(Value::as_str) else {
        return Err(format!("tool {} has no name", index + 1));
    };
    let keys = ["parameters", "input_schema", "inputSchema", "parametersJsonSchema"];
    let parameters = keys.iter().find_map(|key| inner.get(key)).cloned().unwrap_or(Value::Null);
    let parameters = if tool_of_gemini(&parameters) { lower_types(parameters) } else { parameters };
    let description = inner.get("description").and_then(Value::as_str).unwrap_or("").to_owned();
    Ok(ToolDef { name: name.to_owned(), description, parameters })
}

/// Gemini writes the types of its schemas in capitals.
fn tool_of_gemini(parameters: &Value) -> bool {
    parameters.get("type").and_then(Value::as_str) == Some("OBJECT")
}

fn lower_types(value: Value) -> Value {
    match value {
        Value::Object(object) => {
            let lower = |(key, value): (String, Value)| match value {
                Value::String(word) if key == "type" => (key, Value::String(word.to_ascii_lowercase())),
                value => (key, lower_types(value)),
            };
            Value::Object(object.into_iter().map(lower).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(lower_types).collect()),
        other => other,
    }
}

fn described(text: &str) -> Option<Vec<ToolDef>> {
    text.contains(DESCRIBED).then(|| openhands_prompt::read_tools(text)).flatten()
}

/// The description in the first string of a record that has one, such as a message of the system.
fn described_in(value: &Value) -> Option<Vec<ToolDef>> {
    match value {
        Value::String(text) => described(text),
        Value::Array(items) => items.iter().find_map(described_in),
        Value::Object(object) => object.values().find_map(described_in),
        _ => None,
    }
}
