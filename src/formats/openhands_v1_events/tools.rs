//! Tool definitions in a `SystemPromptEvent`.

use crate::model::ToolDef;
use crate::util::json::View;
use serde_json::{Value, json};

/// Reads a list of tools: of an MCP server, in the shape of OpenAI's API, or of the SDK, which names the class of a
/// tool's arguments and not their schema. The second value holds all as written, if the first does not say it all.
pub(super) fn read(list: View<'_>) -> (Vec<ToolDef>, Option<Vec<Value>>) {
    let raw: Vec<Value> = list.items().map(View::value).collect();
    let read: Vec<ToolDef> = raw.iter().filter_map(one).collect();
    let same = raw.len() == read.len() && raw.iter().zip(&read).all(|(raw, read)| *raw == write(read));
    (read, (!same).then_some(raw))
}

fn one(tool: &Value) -> Option<ToolDef> {
    let inner = tool.get("mcp_tool").or_else(|| tool.get("function")).unwrap_or(tool);
    let text = |key: &str| inner.get(key).or_else(|| tool.get(key)).and_then(Value::as_str);
    let schema = ["inputSchema", "input_schema", "parameters"].iter().find_map(|key| inner.get(*key));
    let name = text("name").or_else(|| text("title"))?;
    Some(ToolDef {
        name: name.to_owned(),
        description: text("description").unwrap_or_default().to_owned(),
        parameters: schema.cloned().unwrap_or(Value::Null),
    })
}

/// A tool as one of an MCP server: the only kind that the SDK loads without the tool's own class.
pub(super) fn write(tool: &ToolDef) -> Value {
    let schema =
        if tool.parameters.is_object() { tool.parameters.clone() } else { json!({"type": "object"}) };
    json!({
        "description": tool.description,
        "action_type": "MCPToolAction",
        "observation_type": "MCPToolObservation",
        "mcp_tool": {"name": tool.name, "description": tool.description, "inputSchema": schema},
        "kind": "MCPToolDefinition",
    })
}
