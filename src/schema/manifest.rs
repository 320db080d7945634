//! `run.json`.

use super::Schema;
use super::parts::{any_object, flag, key, list_of, object, one_of, or_null, plain, string, whole};
use super::record::{subject, version};
use crate::model::LAYERS;
use serde_json::{Map, Value, json};

pub(super) static ITEM: Schema = Schema { name: "manifest", about: "run.json: what a run was made of", body };

fn body() -> Map<String, Value> {
    let named =
        || list_of(json!(object([plain("name", string()).required(), plain("digest", string()).required()])));
    let layer = object([
        plain("name", one_of(&LAYERS)).required(),
        plain("on", flag()).required(),
        key("reason", "Why not, when it was off", or_null(string())).required(),
    ]);
    object([
        key("schema_version", "Version of the file's shape", version()).required(),
        key("id", "Id of the run", string()).required(),
        key("suites", "Suites and digests of all their files", named()).required(),
        key("tasks", "Tasks in plan order", named()).required(),
        plain("subjects", list_of(json!(subject(true)))).required(),
        key("attempts", "Of each task and subject", whole(1)).required(),
        key("planned", "Attempts in all", whole(0)).required(),
        plain("seed", whole(0)).required(),
        key("sandbox", "Back end and level", string()).required(),
        plain("layers", list_of(json!(layer))).required(),
        plain("policy", string()).required(),
        plain("reading", string()).required(),
        plain("versions", any_object()).required(),
        key("invocation", "What a resume needs", any_object()).required(),
        key("timing", "What depends on the clock", any_object()).required(),
    ])
}
