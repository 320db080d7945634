//! `suite.toml`.

use super::dataset::dataset;
use super::parts::{id, key, list_of, object, string};
use super::services::services;
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
        key("service", "Servers that run beside every attempt, started afresh", services()),
        key(
            "task",
            "Inline tasks; others are folders with a task.toml",
            list_of(json!(object(settings::inline_task(true)))),
        ),
        key("dataset", "Tasks from the rows of a file", list_of(json!(dataset()))),
    ])
}
