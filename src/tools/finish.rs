//! `finish`: the agent says that it is done.

use super::{Tool, ToolFuture, ToolOutput, Toolbox, args};
use crate::model::{Object, ToolDef};
use serde_json::json;

pub(super) static ITEM: Tool =
    Tool { name: "finish", about: "ends the attempt, with last words if the agent has any", define, run };

fn define() -> ToolDef {
    ToolDef {
        name: ITEM.name.to_owned(),
        description: "Ends the work. Call it once, when the task is done or when nothing more can be done."
            .to_owned(),
        parameters: json!({
            "type": "object",
            "properties": {
                "message": {
                    "type": "string",
                    "description": "What was done and what came out, in a few sentences for the user.",
                },
            },
            "required": [],
        }),
    }
}

fn run<'a>(_toolbox: &'a mut Toolbox, arguments: &'a Object) -> ToolFuture<'a> {
    Box::pin(async move {
        Ok(match args::text(arguments, "message") {
            Ok(message) => {
                let message = message.unwrap_or_default().to_owned();
                ToolOutput { text: message.clone(), finished: Some(message), ..ToolOutput::default() }
            }
            Err(text) => ToolOutput::error(text),
        })
    })
}
