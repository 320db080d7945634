//! `--tools FILE`: tool definitions as OpenAI, Anthropic or MCP clients write them.

use crate::cli::CliError;
use crate::model::ToolDef;
use serde_json::Value;
use std::path::Path;

/// Reads a list of tools, or an object with one under `tools`.
pub(super) fn read(path: &Path) -> Result<Vec<ToolDef>, CliError> {
    let bad = |what: String| {
        CliError::usage(format!("{}: {what}", path.display()))
            .hint("a tool list is a JSON array of {\"name\", \"description\", \"parameters\"}, or of OpenAI's {\"type\": \"function\", \"function\": …}")
    };
    let bytes = std::fs::read(path).map_err(|error| bad(format!("the tool list can't be read: {error}")))?;
    let value: Value =
        serde_json::from_slice(&bytes).map_err(|error| bad(format!("the tool list is not JSON: {error}")))?;
    let list = value.get("tools").unwrap_or(&value);
    let Some(list) = list.as_array() else { return Err(bad("the tool list is not an array".to_owned())) };
    let tools = list.iter().enumerate().map(|(index, tool)| {
        let inner = tool.get("function").unwrap_or(tool);
        let Some(name) = inner.get("name").and_then(Value::as_str) else {
            return Err(bad(format!("tool {} has no name", index + 1)));
        };
        let keys = ["parameters", "input_schema", "inputSchema"];
        let parameters = keys.iter().find_map(|key| inner.get(key)).cloned().unwrap_or(Value::Null);
        let description = inner.get("description").and_then(Value::as_str).unwrap_or("").to_owned();
        Ok(ToolDef { name: name.to_owned(), description, parameters })
    });
    tools.collect()
}
