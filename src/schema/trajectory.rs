//! A trajectory in ATIF (v1.0 to v1.8), as `trajectories.jsonl` has one a line.
//!
//! Rules that no schema can say (steps without gaps, results that name a call of their step) are not in it.

use super::Schema;
use super::parts::{
    any_object, flag, key, list_of, number, object, one_of, or_null, pattern, plain, string, whole,
};
use serde_json::{Map, Value, json};

pub(super) static ITEM: Schema =
    Schema { name: "trajectory", about: "a line of trajectories.jsonl: ATIF v1.0 to v1.8", body };

fn body() -> Map<String, Value> {
    let mut out = object([
        plain("schema_version", pattern("^ATIF-v1\\.[0-8]$")).required(),
        plain("session_id", string()),
        plain("trajectory_id", string()),
        plain("agent", json!(agent())).required(),
        plain("steps", list_of(json!(step()))).required(),
        plain("notes", string()),
        plain("final_metrics", json!(totals())),
        plain("continued_trajectory_ref", string()),
        plain("subagent_trajectories", list_of(json!({"$ref": "#"}))),
        plain("extra", any_object()),
    ]);
    out.insert("$defs".to_owned(), json!({"content": content()}));
    out
}

fn agent() -> Map<String, Value> {
    object([
        plain("name", string()).required(),
        plain("version", string()).required(),
        plain("model_name", string()),
        plain("tool_definitions", list_of(any_object())),
        plain("extra", any_object()),
    ])
}

/// Text, or parts of several kinds.
fn content() -> Value {
    let source = object([
        plain("media_type", string()).required(),
        plain("path", string()).required(),
        plain("duration_sec", number()),
    ]);
    let part = object([
        plain("type", one_of(&["text", "image", "audio"])).required(),
        plain("text", string()),
        plain("source", json!(source)),
    ]);
    json!({"type": ["string", "array"], "items": part})
}

fn step() -> Map<String, Value> {
    let content = || json!({"$ref": "#/$defs/content"});
    let call = object([
        plain("tool_call_id", string()).required(),
        plain("function_name", string()).required(),
        plain("arguments", any_object()).required(),
        plain("extra", any_object()),
    ]);
    let subagent = object([
        plain("trajectory_id", string()),
        plain("trajectory_path", string()),
        plain("session_id", string()),
        plain("extra", any_object()),
    ]);
    let result = object([
        plain("source_call_id", string()),
        plain("content", or_null(content())),
        plain("subagent_trajectory_ref", list_of(json!(subagent))),
        plain("extra", any_object()),
    ]);
    let observation = object([plain("results", list_of(json!(result))).required()]);
    object([
        key("step_id", "1, 2, 3 … without gaps", whole(1)).required(),
        plain("source", one_of(&["system", "user", "agent"])).required(),
        plain("message", content()).required(),
        plain("timestamp", string()),
        plain("model_name", string()),
        plain("reasoning_effort", json!({"type": ["string", "number"]})),
        plain("reasoning_content", string()),
        plain("tool_calls", list_of(json!(call))),
        plain("observation", json!(observation)),
        plain("metrics", json!(metrics())),
        plain("is_copied_context", flag()),
        plain("llm_call_count", whole(0)),
        plain("extra", any_object()),
    ])
}

fn metrics() -> Map<String, Value> {
    object([
        key("prompt_tokens", "Cached ones included", whole(0)),
        plain("completion_tokens", whole(0)),
        plain("cached_tokens", whole(0)),
        plain("cost_usd", number()),
        plain("prompt_token_ids", list_of(whole(0))),
        plain("completion_token_ids", list_of(whole(0))),
        plain("logprobs", json!({"type": "array"})),
        plain("extra", any_object()),
    ])
}

fn totals() -> Map<String, Value> {
    object([
        plain("total_prompt_tokens", whole(0)),
        plain("total_completion_tokens", whole(0)),
        plain("total_cached_tokens", whole(0)),
        plain("total_cost_usd", number()),
        plain("total_steps", whole(0)),
        plain("extra", any_object()),
    ])
}
