//! `think`: a place for the agent to reason; nothing happens.

use super::{Tool, ToolFuture, ToolOutput, Toolbox, args};
use crate::model::{Object, ToolDef};
use serde_json::json;

pub(super) static ITEM: Tool = Tool { name: "think", about: "keeps a thought; nothing happens", define, run };

fn define() -> ToolDef {
    ToolDef {
        name: ITEM.name.to_owned(),
        description:
            "Writes down a thought: a plan, a comparison of ways, the likely cause of a failure. It \
                      changes nothing and fetches nothing."
                .to_owned(),
        parameters: json!({
            "type": "object",
            "properties": { "thought": { "type": "string", "description": "The thought." } },
            "required": ["thought"],
        }),
    }
}

fn run<'a>(_toolbox: &'a mut Toolbox, arguments: &'a Object) -> ToolFuture<'a> {
    Box::pin(async move {
        Ok(match args::text(arguments, "thought") {
            Ok(_) => ToolOutput::text("Your thought has been logged."),
            Err(text) => ToolOutput::error(text),
        })
    })
}
