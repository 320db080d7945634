//! `[[service]]` of `suite.toml`: its own keys, and the options of its kind.

use super::parts::{
    Key, any_object, duration, flag, key, list_of, name, object, one_of, pattern, string, strings, within,
};
use crate::service::{self, llm_schema as llm};
use serde_json::{Map, Value, json};

/// One alternative a kind.
pub(super) fn services() -> Value {
    let kinds = service::ALL.iter().map(|kind| {
        let mut keys = vec![
            key("name", "Name; also in the variable ROLLTAPE_SERVICE_<NAME>_URL", name()).required(),
            key("kind", kind.about, json!({"const": kind.name})).required(),
            key("hosts", "Host names that resolve to it inside the sandbox", strings()),
            key("port", "Port inside the sandbox", within(1, 65535)),
            key("key_env", "Variable in which the agent finds its key", string()),
        ];
        keys.extend(options(kind.name));
        Value::Object(object(keys))
    });
    list_of(json!({"oneOf": kinds.collect::<Vec<_>>()}))
}

/// The options of a kind of service.
fn options(kind: &str) -> Vec<Key> {
    match kind {
        "llm" => {
            let fault = pattern(&llm::fault_pattern());
            let models = json!({"type": "array", "minItems": 1, "items": {"type": "string", "minLength": 1}});
            vec![
                key(
                    "fault",
                    "Planned failures: FAULT[-COUNT][@PATH], for example 429-once or reset-2@all",
                    json!({"anyOf": [fault, list_of(fault.clone())]}),
                ),
                key("retry_after", "Seconds of Retry-After on a 429", within(0, llm::MAX_RETRY_AFTER)),
                key("strict_retry", "Whether what comes too early gets another 429", flag()),
                key("balance", "What /user/balance tells", json!({"type": ["string", "number"]})),
                key("currency", "Its currency", one_of(llm::CURRENCIES)),
                key("models", "Names of the models", json!(models)),
                key(
                    "delay_ms",
                    "Pause before an answer, and before each further piece of a stream",
                    within(0, llm::MAX_DELAY_MS),
                ),
                key("rate_limit", "Completions in a time; more get 429", json!(rate_limit())),
                key("concurrency", "Completions at once; more get 429", within(1, llm::MAX_COUNT)),
                key("gather", "Completions are held back until so many wait", within(2, llm::MAX_COUNT)),
                key("reasoning", "Words in the reasoning of a reasoning model", string()),
                key(
                    "tool_arguments",
                    "By name, values laid over the arguments of a tool call, where the tool has such a parameter",
                    any_object(),
                ),
            ]
        }
        _ => Vec::new(),
    }
}

fn rate_limit() -> Map<String, Value> {
    object([
        key("requests", "So many", within(1, llm::MAX_COUNT)).required(),
        key("per", "In so much time, at most an hour", duration()).required(),
    ])
}
