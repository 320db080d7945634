//! `str_replace_editor`: looks at files and edits them.

use super::editor::{self, Edit};
use super::{Tool, ToolFuture, ToolOutput, Toolbox, args};
use crate::model::{Object, ToolDef};
use serde_json::{Value, json};

pub(super) static ITEM: Tool =
    Tool { name: "str_replace_editor", about: "views, creates and edits files", define, run };

const DESCRIPTION: &str = "Looks at files and folders, creates files, edits them. What it did stays known, so that an \
edit can be undone.
* `view` shows a file with line numbers, or what lies in a folder, two levels deep.
* `create` writes a new file; a file that exists is not overwritten.
* `str_replace` puts `new_str` where `old_str` stands. `old_str` must stand there exactly once, with every blank and \
newline: take in enough lines around it to make it unique.
* `insert` puts `new_str` after the line `insert_line` (0: before the first).
* `undo_edit` takes back the last edit of the file.";

fn define() -> ToolDef {
    let property = |kind: &str, text: &str| json!({"type": kind, "description": text});
    ToolDef {
        name: ITEM.name.to_owned(),
        description: DESCRIPTION.to_owned(),
        parameters: json!({
            "type": "object",
            "properties": {
                "command": {
                    "type": "string",
                    "enum": editor::COMMANDS,
                    "description": "What to do.",
                },
                "path": property("string", "Absolute path of the file or folder, such as /workspace/app.py."),
                "file_text": property("string", "For `create`: the whole text of the file."),
                "old_str": property("string", "For `str_replace`: the text that stands there now."),
                "new_str": property("string", "For `str_replace` and `insert`: the new text."),
                "insert_line": property("integer", "For `insert`: the line after which the text goes."),
                "view_range": {
                    "type": "array",
                    "items": { "type": "integer" },
                    "description": "For `view` of a file: first and last line, from 1; -1 as last is the end.",
                },
            },
            "required": ["command", "path"],
        }),
    }
}

fn run<'a>(toolbox: &'a mut Toolbox, arguments: &'a Object) -> ToolFuture<'a> {
    Box::pin(async move {
        let edit = match read(arguments) {
            Ok(edit) => edit,
            Err(text) => return Ok(ToolOutput::error(text)),
        };
        let options = toolbox.options.clone();
        let sandbox = toolbox.sandbox.as_ref();
        let done = editor::run(sandbox.files(), &mut toolbox.history, &options, &edit).await;
        match done {
            Ok(text) => Ok(ToolOutput::text(editor::clip(text, options.max_view))),
            Err(editor::Failed::Text(text)) => {
                Ok(ToolOutput::error(editor::clip(format!("ERROR:\n{text}"), options.max_view)))
            }
            Err(editor::Failed::Sandbox(error)) => Err(error),
        }
    })
}

fn read(arguments: &Object) -> Result<Edit<'_>, String> {
    Ok(Edit {
        command: args::text(arguments, "command")?.unwrap_or_default(),
        path: args::text(arguments, "path")?.unwrap_or_default(),
        file_text: args::text(arguments, "file_text")?,
        old_str: args::text(arguments, "old_str")?,
        new_str: args::text(arguments, "new_str")?,
        insert_line: args::integer(arguments, "insert_line")?,
        view_range: range(arguments)?,
    })
}

/// Two whole numbers, as an array or as text that holds one.
fn range(arguments: &Object) -> Result<Option<(i64, i64)>, String> {
    let parsed;
    let value = match arguments.get("view_range") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) => {
            parsed = serde_json::from_str::<Value>(text).unwrap_or(Value::Null);
            &parsed
        }
        Some(value) => value,
    };
    let numbers: Option<Vec<i64>> =
        value.as_array().and_then(|values| values.iter().map(Value::as_i64).collect());
    match numbers.as_deref() {
        Some([first, last]) => Ok(Some((*first, *last))),
        _ => {
            let given = arguments.get("view_range").map_or_else(String::new, ToString::to_string);
            Err(format!(
                "ERROR:\nInvalid `view_range` parameter: {given}. It should be a list of two integers."
            ))
        }
    }
}
