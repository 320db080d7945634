//! Tokens and cost: `metrics` of a step, `final_metrics` of a trajectory.

use super::super::fields::Fields;
use super::super::source::Refusal;
use super::members::insert;
use crate::model::{FinalMetrics, Object, Usage};
use crate::util::json::View;
use serde_json::{Number, Value};

/// Lists of `metrics` that [`Usage`] has no field for.
const LISTS: [&str; 3] = ["prompt_token_ids", "completion_token_ids", "logprobs"];

/// The figures of `final_metrics`.
const TOTALS: [&str; 4] =
    ["total_prompt_tokens", "total_completion_tokens", "total_cached_tokens", "total_cost_usd"];

/// Reads `metrics`: figures, and everything else as written.
pub(super) fn read(mut metrics: Fields<'_>, warnings: &mut Vec<Refusal>) -> (Usage, Object) {
    let usage = figures(&mut metrics, ["prompt_tokens", "completion_tokens", "cached_tokens", "cost_usd"]);
    for key in LISTS {
        metrics.drop_if(key, |_| false);
    }
    tell(&metrics, warnings);
    let mut rest = metrics.rest();
    if let Some(Value::Object(extra)) = rest.get_mut("extra") {
        let mut extra = std::mem::take(extra);
        // The writer puts into the one `extra` what is no list of its own.
        let apart =
            |key: &String| key != "extra" && !(is_list(key, rest.get(key)) || rest.get(key).is_none());
        for key in extra.keys().filter(|key| apart(key)).cloned().collect::<Vec<_>>() {
            rest.shift_remove(&key).into_iter().for_each(|value| insert(&mut extra, &key, value));
        }
        rest.insert("extra".to_owned(), extra.into());
    }
    (usage, rest)
}

/// Reads `final_metrics`.
pub(super) fn read_final(mut metrics: Fields<'_>, warnings: &mut Vec<Refusal>) -> FinalMetrics {
    let usage = figures(&mut metrics, TOTALS);
    let total_steps = metrics.uint("total_steps");
    let mut extra = metrics.member("extra").map(View::object).unwrap_or_default();
    tell(&metrics, warnings);
    metrics.left().for_each(|(key, value)| insert(&mut extra, &key, value.value()));
    FinalMetrics { usage, total_steps, extra }
}

fn figures(metrics: &mut Fields<'_>, keys: [&'static str; 4]) -> Usage {
    metrics.drop_if("extra", |_| false);
    Usage {
        prompt_tokens: metrics.uint(keys[0]),
        completion_tokens: metrics.uint(keys[1]),
        cached_tokens: metrics.uint(keys[2]),
        cost_usd: metrics.float(keys[3]),
    }
}

/// Tells of the first figure that the format does not have, which stays among the others.
fn tell(metrics: &Fields<'_>, warnings: &mut Vec<Refusal>) {
    let known = |key: &str, value: View<'_>| {
        LISTS.contains(&key) && value.is_array() || key == "extra" && value.is_object()
    };
    if let Some((key, value)) = metrics.left().find(|(key, value)| !known(key, *value)) {
        let kind = value.type_name();
        let what =
            format!("'{key}' is {kind} that ATIF does not have among these metrics: kept in their extra");
        warnings.push((value.offset(), what));
    }
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
        if is_list(key, Some(value)) {
            out.insert(key.clone(), value.clone());
        } else if let (true, Value::Object(inner)) = (key == "extra", value) {
            inner.iter().for_each(|(key, value)| insert(&mut extra, key, value.clone()));
        } else {
            insert(&mut extra, key, value.clone());
        }
    }
    if !extra.is_empty() {
        out.insert("extra".to_owned(), extra.into());
    }
    Some(out.into())
}

/// Writes `final_metrics`.
pub(super) fn write_final(metrics: &FinalMetrics) -> Value {
    let mut out = put(metrics.usage, TOTALS);
    if let Some(steps) = metrics.total_steps {
        out.insert("total_steps".to_owned(), steps.into());
    }
    if !metrics.extra.is_empty() {
        out.insert("extra".to_owned(), metrics.extra.clone().into());
    }
    out.into()
}

/// Whether it is one of the lists that the format has a key for.
fn is_list(key: &str, value: Option<&Value>) -> bool {
    LISTS.contains(&key) && value.is_some_and(Value::is_array)
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
