//! `task.toml` of a task folder, in Harbor's layout.

use super::parts::{any_object, flag, key, object, open, positive, string, whole};
use super::{Schema, settings};
use serde_json::{Map, Value, json};

pub(super) static ITEM: Schema =
    Schema { name: "task", about: "task.toml of a task folder; ours is [metadata.rolltape]", body };

fn body() -> Map<String, Value> {
    let own = object(settings::task());
    let metadata = open([key("rolltape", "Policy, limits, services and scorers", json!(own)).required()]);
    let free = || json!({});
    object([
        key("version", "Version of the layout", free()),
        key("schema_version", "Version of the layout", free()),
        key("task", "Harbor's; not read", free()),
        key("metadata", "Free, but for the table rolltape", json!(metadata)).required(),
        key(
            "agent",
            "The agent's limits",
            json!(object([key("timeout_sec", "Wall clock in seconds", positive())])),
        ),
        key("verifier", "Not read", json!(object([key("timeout_sec", "Not read", free())]))),
        key("environment", "What the sandbox has", json!(environment())),
        key("solution", "Harbor's; not read", any_object()),
        key("source", "Where the task comes from; not read", free()),
    ])
}

fn environment() -> Map<String, Value> {
    object([
        key("docker_image", "An image; the task is skipped without one", string()),
        key("build_timeout_sec", "Not read", json!({})),
        key("cpus", "Processors", positive()),
        key("memory_mb", "Memory in MiB", positive()),
        key("storage_mb", "Disk in MiB", positive()),
        key("gpus", "Graphics processors; more than 0: skipped", whole(0)),
        key("allow_internet", "Whether it needs the internet: then it is skipped", flag()),
    ])
}
