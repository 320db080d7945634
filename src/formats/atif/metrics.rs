//! Tokens and cost: `metrics` of a step, `final_metrics` of a trajectory.

use crate::model::{FinalMetrics, Object, Usage};
use crate::util::json::View;
use serde_json::{Number, Value};

/// Lists of `metrics` that [`Usage`] has no field for.
const LISTS: [&str; 3] = ["prompt_token_ids", "completion_token_ids", "logprobs"];

/// Reads `metrics`: figures, and everything else as written.
pub(super) fn read(metrics: View<'_>) -> (Usage, Object) {
    let (usage, rest) = figures(metrics, ["prompt_tokens", "completion_tokens", "cached_tokens", "cost_usd"]);
    (usage, rest)
}

/// Reads `final_metrics`.
pub(super) fn read_final(metrics: View<'_>) -> FinalMetrics {
    let keys = ["total_prompt_tokens", "total_completion_tokens", "total_cached_tokens", "total_cost_usd"];
    let (usage, mut rest) = figures(metrics, keys);
    let total_steps = metrics.get("total_steps").and_then(View::uint);
    if total_steps.is_some() {
        rest.shift_remove("total_steps");
    }
    let mut extra = match rest.shift_remove("extra") {
        Some(Value::Object(extra)) => extra,
        Some(other) => Object::from_iter([("extra".to_owned(), other)]),
        None => Object::new(),
    };
    extra.extend(rest);
    FinalMetrics { usage, total_steps, extra }
}

fn figures(metrics: View<'_>, keys: [&str; 4]) -> (Usage, Object) {
    let number = |key: &str| metrics.get(key).and_then(View::uint);
    let usage = Usage {
        prompt_tokens: number(keys[0]),
        completion_tokens: number(keys[1]),
        cached_tokens: number(keys[2]),
        cost_usd: metrics.get(keys[3]).and_then(View::float),
    };
    let known =
        [usage.prompt_tokens.is_some(), usage.completion_tokens.is_some(), usage.cached_tokens.is_some()];
    let taken = |key: &str| {
        keys.iter().zip(known).any(|(name, known)| *name == key && known)
            || (key == keys[3] && usage.cost_usd.is_some())
    };
    let rest = metrics.members().filter(|(key, value)| !taken(key) && !value.is_null());
    let rest = rest.map(|(key, value)| (key.into_owned(), value.value())).collect();
    (usage, rest)
}

/// Writes `metrics`; fields that it has no place for go under its `extra`.
pub(super) fn write(usage: Option<Usage>, rest: &Object) -> Option<Value> {
    if usage.is_none() && rest.is_empty() {
        return None;
    }
    let mut out =
        put(usage.unwrap_or_default(), ["prompt_tokens", "completion_tokens", "cached_tokens", "cost_usd"]);
    let mut extra = Object::new();
    for (key, value) in rest {
        if LISTS.contains(&key.as_str()) && value.is_array() {
            out.insert(key.clone(), value.clone());
        } else if let (true, Value::Object(inner)) = (key == "extra", value) {
            extra.extend(inner.clone());
        } else {
            extra.insert(key.clone(), value.clone());
        }
    }
    if !extra.is_empty() {
        out.insert("extra".to_owned(), extra.into());
    }
    Some(out.into())
}

/// Writes `final_metrics`.
pub(super) fn write_final(metrics: &FinalMetrics) -> Value {
    let keys = ["total_prompt_tokens", "total_completion_tokens", "total_cached_tokens", "total_cost_usd"];
    let mut out = put(metrics.usage, keys);
    if let Some(steps) = metrics.total_steps {
        out.insert("total_steps".to_owned(), steps.into());
    }
    if !metrics.extra.is_empty() {
        out.insert("extra".to_owned(), metrics.extra.clone().into());
    }
    out.into()
}

fn put(usage: Usage, keys: [&str; 4]) -> Object {
    let counts = [usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens];
    let mut out: Object = keys
        .iter()
        .zip(counts)
        .filter_map(|(key, count)| Some(((*key).to_owned(), Value::from(count?))))
        .collect();
    if let Some(cost) = usage.cost_usd.and_then(Number::from_f64) {
        out.insert(keys[3].to_owned(), cost.into());
    }
    out
}
