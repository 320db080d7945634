//! `openhands-eval-output`: `output.jsonl` of OpenHands' evaluations and of its resolver, one instance a line.
//!
//! `history` is a list of events, of pairs `[action, observation]`, or of events without `args` and `extras`.
//! `metrics` are totals. Scores, patches and errors stay under their own names in the trajectory's `extra`.
//! Source of the shape: `evaluation/utils/shared` and `openhands/resolver` of OpenHands 0.62 and earlier.

use super::chat::expected;
use super::events::Value;
use super::fields::Fields;
use super::openhands_v0_events::conversation::Conversation;
use super::source::Refusal;
use super::{Format, Reader, Sniff, Source};
use crate::model::{FinalMetrics, Trajectory, Usage};
use crate::util::json::View;

pub(super) static ITEM: Format = Format {
    name: "openhands-eval-output",
    about: "output.jsonl of OpenHands' evaluations and resolver: one instance a line, events under \"history\"",
    sniff,
    marks: &[&[
        "history",
        "history[].action|observation=*",
        "instance_id",
        "test_result",
        "instruction",
        "metadata",
        "metrics|git_patch|issue",
    ]],
    read: Reader::Records(convert),
    folder: None,
    write: None,
};

fn sniff(source: &Source<'_>) -> Sniff {
    let Some(record) = source.first().filter(|record| record.is_object()) else {
        return Sniff::new(0, "holds no JSON object");
    };
    let marks = ["instance_id", "test_result", "instruction", "metrics", "issue", "git_patch", "metadata"];
    let marks = marks.iter().filter(|key| record.get(key).is_some()).count();
    if record.get("trajectory").is_some() || record.get("messages").is_some() {
        return Sniff::new(0, "has a \"trajectory\" or \"messages\" beside its \"history\"");
    }
    let Some(history) = record.get("history") else {
        return match record.get("instance_id").and(record.get("test_result")) {
            Some(_) => Sniff::new(60, "has no \"history\""),
            None => Sniff::new(0, "has no \"history\""),
        };
    };
    let event = history.items().next().map(|first| first.items().next().unwrap_or(first));
    let is_event = |event: View<'_>| event.get("action").is_some() || event.get("observation").is_some();
    match event {
        Some(event) if !is_event(event) => Sniff::new(0, "has a \"history\" without actions or observations"),
        _ if marks == 0 => Sniff::new(20, "has nothing but a \"history\""),
        Some(_) => Sniff::new(95, ""),
        None => Sniff::new(if marks > 1 { 70 } else { 40 }, "has an empty \"history\""),
    }
}

fn convert(record: View<'_>, warnings: &mut Vec<Refusal>) -> Result<Trajectory, Refusal> {
    if !record.is_object() {
        return Err(expected(record, "a record", "an object"));
    }
    let mut fields = Fields::of(record);
    let mut conversation = Conversation::new();
    let history = fields.any("history");
    if let Some(history) = history {
        if !history.is_array() {
            return Err(expected(history, "\"history\"", "a list"));
        }
        for item in history.items() {
            if item.is_array() {
                let pair = item.items().filter(|event| !event.is_null());
                pair.for_each(|view| conversation.add(Value { view, file: 0 }));
            } else {
                conversation.add(Value { view: item, file: 0 });
            }
        }
    }
    let (mut trajectory, remarks) = conversation.finish();
    warnings.extend(remarks.into_iter().map(|(_, remark)| remark));
    "openhands".clone_into(&mut trajectory.agent.name);
    trajectory.id = fields.string("instance_id");
    if let Some(metrics) = fields.object("metrics") {
        trajectory.final_metrics = Some(totals(metrics));
    }
    let config = record.get("metadata").and_then(|metadata| metadata.get("llm_config"));
    let model = config.and_then(|config| config.text_at("model"));
    trajectory.agent.model = trajectory.agent.model.or(model);
    trajectory.extra.extend(fields.rest());
    Ok(trajectory)
}

/// The figures of `metrics`, which are sums over the whole run, and what else stands there.
fn totals(mut metrics: Fields<'_>) -> FinalMetrics {
    let tokens = metrics.view().get("accumulated_token_usage");
    let number = |key: &str| tokens.and_then(|tokens| tokens.get(key)?.uint());
    let usage = Usage {
        prompt_tokens: number("prompt_tokens"),
        completion_tokens: number("completion_tokens"),
        cached_tokens: number("cache_read_tokens"),
        cost_usd: metrics.float("accumulated_cost"),
    };
    FinalMetrics { usage, total_steps: None, extra: metrics.rest() }
}
