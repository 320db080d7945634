//! What `convert --loss-report` writes.

use super::Schema;
use super::parts::{flag, key, list_of, map_of, object, or_null, pattern, plain, string, whole};
use serde_json::{Map, Value, json};

pub(super) static ITEM: Schema =
    Schema { name: "loss-report", about: "what 'convert --loss-report' tells of each trajectory", body };

fn body() -> Map<String, Value> {
    object([
        key("schema_version", "Version of the file's shape", pattern("^1\\.[0-9]+$")).required(),
        key("to", "Format that was written", string()).required(),
        key("calls_as", "Form of the calls that was asked for", or_null(string())).required(),
        key("trajectories", "Those of which there is something to tell", list_of(json!(trajectory())))
            .required(),
        plain("totals", json!(totals())).required(),
    ])
}

fn trajectory() -> Map<String, Value> {
    let fields = || list_of(json!(field()));
    let note = object([
        key("what", "What the writer did", string()).required(),
        plain("count", whole(1)).required(),
        key("step", "The first one", or_null(whole(1))).required(),
    ]);
    object([
        key("path", "File that it was read from", string()).required(),
        key("line", "Line of its record", whole(1)).required(),
        key("number", "Number among those of the file", whole(1)).required(),
        key("id", "Its own id", or_null(string())).required(),
        key("name", "Name of its file or folder, where it has one", string()).required(),
        key("lost", "What is gone", fields()).required(),
        key("changed", "What has another value", fields()).required(),
        key("made", "What was not there before", fields()).required(),
        key("reordered", "What is left stands in another order", flag()).required(),
        plain("notes", list_of(json!(note))).required(),
    ])
}

fn field() -> Map<String, Value> {
    object([
        key("field", "For example step.timestamp", string()).required(),
        plain("count", whole(1)).required(),
        key("bytes", "Of all its values", whole(0)).required(),
        key("step", "Step of the first one; null: the trajectory as a whole", or_null(whole(1))).required(),
        key("line", "Line of that step in its file, where it is known", or_null(whole(1))).required(),
        plain("column", or_null(whole(1))).required(),
        key("example", "The first value, cut, without secrets", string()).required(),
    ])
}

fn totals() -> Map<String, Value> {
    let sum =
        || map_of(json!(object([plain("count", whole(1)).required(), plain("bytes", whole(0)).required()])));
    object([
        plain("trajectories", whole(0)).required(),
        plain("with_loss", whole(0)).required(),
        plain("reordered", whole(0)).required(),
        plain("lost", sum()).required(),
        plain("changed", sum()).required(),
        plain("made", sum()).required(),
        plain("notes", map_of(whole(1))).required(),
    ])
}
