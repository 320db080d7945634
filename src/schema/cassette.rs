//! A line of `cassette.jsonl`.

use super::Schema;
use super::parts::{any_object, key, list_of, object, one_of, or_null, plain, string, whole};
use super::record::{usage, version};
use serde_json::{Map, Value, json};

pub(super) static ITEM: Schema =
    Schema { name: "cassette", about: "a line of cassette.jsonl: one recorded model exchange", body };

fn body() -> Map<String, Value> {
    let chunk = object([plain("t_ms", whole(0)).required(), plain("data", string()).required()]);
    object([
        key("schema", "Version of the line's shape", version()).required(),
        key("scope", "Who asked", one_of(&["agent", "judge"])).required(),
        plain("suite", string()),
        plain("task", string()).required(),
        plain("subject", string()).required(),
        plain("attempt", whole(1)).required(),
        plain("turn", whole(1)).required(),
        key("prefix_sha256", "Digest of the replies so far", string()).required(),
        plain("new_messages", list_of(any_object())),
        plain("params", any_object()),
        plain("tools_sha256", string()),
        plain("status", whole(0)).required(),
        key("body", "The whole answer", json!({})),
        key("sse", "The answer as it was streamed", list_of(json!(chunk))),
        key("usage", "Null is unknown", or_null(json!(usage()))),
    ])
}
