//! A line of `attempts.jsonl`, and of `report --format jsonl`.

use super::parts::{
    any_object, flag, key, list_of, number, object, one_of, or_null, pattern, plain, sha256, string, whole,
};
use super::{Schema, finding};
use crate::model::ErrorClass;
use serde_json::{Map, Value, json};

pub(super) static ITEM: Schema =
    Schema { name: "record", about: "a line of attempts.jsonl, or of 'report --format jsonl'", body };

/// How an attempt may end.
const OUTCOMES: [&str; 7] = ["passed", "failed", "invalid", "limit", "error", "cancelled", "skipped"];
/// Limits that may be hit.
const LIMITS: [&str; 9] = ["turns", "wall", "tokens", "usd", "oom", "pids", "disk", "output", "cpu"];

fn body() -> Map<String, Value> {
    let count = || whole(0);
    object([
        key("schema_version", "Version of the line's shape", version()).required(),
        key("seq", "Position in the plan, from 0", count()).required(),
        key("attempt_id", "suite/task/subject/n", pattern("^[^/]+/[^/]+/[^/]+/[0-9]+$")).required(),
        key("try", "Number of this try of the same attempt", whole(1)).required(),
        plain("suite", string()).required(),
        plain("task_id", string()).required(),
        key("task_digest", "Digest of the task as it was run", string()).required(),
        plain("subject_id", string()).required(),
        plain("subject", json!(subject(false))).required(),
        key("seed", "Seed from which keys and nonces were derived", count()).required(),
        key("outcome", "How it ended", one_of(&OUTCOMES)).required(),
        key("success", "Verdict of the scorers; null if nothing was scored", or_null(flag())).required(),
        key("format_ok", "Verdict of the FC rules; null without a judged message", or_null(flag()))
            .required(),
        key("reward", "Null if nothing was scored", or_null(number())).required(),
        plain("scores", list_of(json!(score()))).required(),
        plain("findings", list_of(json!(finding::body()))).required(),
        key("messages", "Judged assistant messages", count()).required(),
        plain("calls", count()).required(),
        plain("turns", count()).required(),
        plain("usage", json!(usage())).required(),
        key("cost_usd", "As recorded; null is unknown", or_null(number())).required(),
        key("spent_usd", "Spent in this run: 0 on tape", number()).required(),
        key(
            "drift",
            "Observations that differ from the tape",
            list_of(json!(object([plain("turn", whole(1)).required(), plain("diff", string()).required(),]))),
        )
        .required(),
        key("limit", "Which limit was hit", or_null(one_of(&LIMITS))).required(),
        key("error", "Why the harness could not do its work", or_null(json!(error()))).required(),
        key("skipped", "Why it was not run", or_null(string())).required(),
        key("parent", "Where it was forked from", or_null(json!(parent()))).required(),
        plain("evidence", list_of(json!(evidence()))).required(),
        key("trajectory", "Where its line lies in trajectories.jsonl", or_null(json!(trajectory()))),
        key("kept", "File in the run's folder that holds the state of its sandbox", string()),
        key("timing", "What depends on the clock", any_object()),
        key("checksum", "SHA-256 of the line before it; only in attempts.jsonl", sha256()),
    ])
}

pub(super) fn version() -> Value {
    pattern("^[0-9]+\\.[0-9]+$")
}

/// A subject; manifests give its id too.
pub(super) fn subject(with_id: bool) -> Map<String, Value> {
    let mut keys = vec![
        plain("agent", string()).required(),
        plain("backend", string()).required(),
        plain("model", or_null(string())).required(),
        key("params", "Parameters as sent", any_object()).required(),
    ];
    if with_id {
        keys.insert(0, plain("id", string()).required());
    }
    object(keys)
}

/// Tokens and cost; null is unknown.
pub(super) fn usage() -> Map<String, Value> {
    let tokens = || or_null(whole(0));
    object([
        plain("prompt_tokens", tokens()).required(),
        plain("completion_tokens", tokens()).required(),
        plain("cached_tokens", tokens()).required(),
        plain("cost_usd", or_null(number())).required(),
    ])
}

fn score() -> Map<String, Value> {
    object([
        plain("scorer", string()).required(),
        key("value", "0 to 1; null: it could not judge", or_null(number())).required(),
        plain("weight", number()).required(),
        plain("reason", string()).required(),
    ])
}

fn error() -> Map<String, Value> {
    let classes = ErrorClass::ALL.map(ErrorClass::as_str);
    object([plain("class", one_of(&classes)).required(), plain("message", string()).required()])
}

fn parent() -> Map<String, Value> {
    object([plain("attempt", string()).required(), plain("step", whole(0)).required()])
}

fn evidence() -> Map<String, Value> {
    object([plain("name", string()).required(), plain("sha256", sha256()).required()])
}

fn trajectory() -> Map<String, Value> {
    object([
        plain("offset", whole(0)).required(),
        plain("len", whole(0)).required(),
        plain("sha256", sha256()).required(),
    ])
}
