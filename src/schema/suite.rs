//! `suite.toml`.

use super::parts::{id, key, list_of, map_of, object, string};
use super::{Schema, settings};
use serde_json::{Map, Value, json};

pub(super) static ITEM: Schema =
    Schema { name: "suite", about: "suite.toml: a suite and its inline tasks", body };

fn body() -> Map<String, Value> {
    let mut defaults = vec![
        key("agent", "Agent if the command line names none", string()),
        key("backend", "Back end if the command line names none, NAME[:ARG]", string()),
    ];
    defaults.extend(settings::shared());
    object([
        key("schema", "Version of this file's shape", json!({"type": "integer", "minimum": 1, "maximum": 1}))
            .required(),
        key("name", "The first part of every attempt id", id()).required(),
        key("description", "What the suite is about", string()),
        key("defaults", "What tasks have unless they say otherwise", json!(object(defaults))),
        key("service", "Servers that run beside every attempt, started afresh", settings::services()),
        key("task", "Inline tasks; others are folders with a task.toml", list_of(json!(inline_task()))),
    ])
}

fn inline_task() -> Map<String, Value> {
    let files = || map_of(string());
    let mut keys = vec![
        key("id", "Id inside the suite", id()).required(),
        key("prompt", "What the agent is asked", string()).required(),
        key("files", "Files of the workspace: path and text; one that starts with #! is executable", files()),
        key(
            "tests",
            "Hidden files, under $ROLLTAPE_TESTS when scored; they run the agent's program with $ROLLTAPE_AS_AGENT before it",
            files(),
        ),
        key("solution", "Bash script that solves the task", string()),
        key("cheats", "Bash scripts by name that must score 0", files()),
    ];
    keys.extend(settings::task());
    object(keys)
}
