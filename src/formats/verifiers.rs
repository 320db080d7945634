//! `verifiers`: rollouts of verifiers and prime-rl: `results.jsonl` of the 0.1 line, `traces.jsonl` of v1.
//!
//! An old rollout is a prompt and a completion, chat or string. A trace is a graph of messages: each path from a root
//! to a leaf is a branch; the first one is the trajectory, the others are subagents of it. Messages that an earlier
//! branch has already are copies there, and what no model call produced (`sampled: false`) is not judged. Source: verifiers 0.1.14 `types.py`, 0.4 `v1/trace.py`.

mod trace;

use super::chat::{self, Chat, expected};
use super::source::Refusal;
use super::{Format, Reader, Sniff, Source};
use crate::model::{FinalMetrics, Message, Object, Reply, Source as Speaker, Step, Trajectory, Usage};
use crate::util::json::View;

pub(super) static ITEM: Format = Format {
    name: "verifiers",
    about: "rollouts (results.jsonl) and traces (traces.jsonl) of verifiers and prime-rl",
    sniff,
    marks: &[
        &["prompt", "completion", "reward", "example_id", "is_truncated", "stop_condition"],
        &["nodes", "nodes[].message", "task", "verifiers", "agent"],
    ],
    read: Reader::Records(convert),
    folder: None,
    write: None,
};

fn sniff(source: &Source<'_>) -> Sniff {
    let Some(record) = source.first().filter(|record| record.is_object()) else {
        return Sniff::new(0, "holds no JSON object");
    };
    if is_trace(record) {
        return Sniff::new(95, "");
    }
    if record.get("prompt").is_some() && record.get("completion").is_some() {
        let more = ["example_id", "reward", "is_truncated", "stop_condition"];
        let known = more.iter().filter(|key| record.get(key).is_some()).count();
        return Sniff::new(if known > 1 { 90 } else { 40 }, "has a prompt and a completion, but no reward");
    }
    Sniff::new(0, "has neither \"prompt\" and \"completion\" nor \"nodes\"")
}

fn is_trace(record: View<'_>) -> bool {
    record.get("nodes").is_some_and(View::is_array) && record.get("task").is_some()
}

fn convert(record: View<'_>, warnings: &mut Vec<Refusal>) -> Result<Trajectory, Refusal> {
    if !record.is_object() {
        return Err(expected(record, "a record", "an object"));
    }
    if record.get("nodes").is_some() { trace::read(record, warnings) } else { rollout(record) }
}

/// `prompt` and `completion`.
fn rollout(record: View<'_>) -> Result<Trajectory, Refusal> {
    let missing = |key: &str| (record.offset(), format!("has no \"{key}\""));
    let prompt = record.get("prompt").ok_or_else(|| missing("prompt"))?;
    let completion = record.get("completion").ok_or_else(|| missing("completion"))?;
    let mut conversation = Chat::new();
    add(prompt, "\"prompt\"", Speaker::User, &mut conversation)?;
    // Answers in the prompt are examples.
    for step in conversation.steps.iter_mut().filter(|step| step.source == Speaker::Agent) {
        step.frame = true;
        step.copied = Some(true);
    }
    add(completion, "\"completion\"", Speaker::Agent, &mut conversation)?;
    let mut trajectory = Trajectory { steps: conversation.steps, ..Trajectory::default() };
    let mut known = vec!["prompt", "completion"];
    if let Some(list) = record.some("tool_defs").filter(|list| list.is_array()) {
        known.push("tool_defs");
        (trajectory.agent.tools, trajectory.agent.raw_tools) = chat::tools(list);
    }
    if let Some(tokens) = record.some("token_usage").filter(|tokens| tokens.is_object()) {
        known.push("token_usage");
        trajectory.final_metrics = Some(totals(tokens));
    }
    let rest = record.members().filter(|(key, _)| !known.contains(&&**key));
    trajectory.extra = rest.map(|(key, value)| (key.into_owned(), value.value())).collect();
    Ok(trajectory)
}

/// Messages, or one text of `speaker`.
fn add(value: View<'_>, what: &str, speaker: Speaker, conversation: &mut Chat) -> Result<(), Refusal> {
    if value.is_array() {
        return value.items().try_for_each(|message| conversation.add(message));
    }
    if value.is_null() {
        return Ok(());
    }
    if value.text().is_none() {
        return Err(expected(value, what, "a list of messages or a string"));
    }
    if speaker == Speaker::Agent {
        conversation.say(value);
    } else {
        let mut step =
            Step::new(conversation.steps.len() as u64 + 1, speaker, value.text().unwrap_or_default());
        step.place = Some(value.place());
        conversation.steps.push(step);
    }
    Ok(())
}

/// Figures are floats there, as they are sums over calls.
fn totals(tokens: View<'_>) -> FinalMetrics {
    let whole = |key: &str| tokens.get(key).and_then(View::float).filter(|n| n.fract() == 0.0 && *n >= 0.0);
    let usage = Usage {
        prompt_tokens: whole("input_tokens").map(|n| n as u64),
        completion_tokens: whole("output_tokens").map(|n| n as u64),
        ..Usage::default()
    };
    let taken = |key: &str| matches!(key, "input_tokens" | "output_tokens") && whole(key).is_some();
    let rest = tokens.members().filter(|(key, _)| !taken(key));
    let extra: Object = rest.map(|(key, value)| (key.into_owned(), value.value())).collect();
    FinalMetrics { usage, extra, ..FinalMetrics::default() }
}

/// The reply of a message that was sampled, with what its call says.
fn replied(step: &mut Step) -> &mut Reply {
    let text = match &step.message {
        Message::Text(text) => text.clone(),
        Message::Parts(_) => step.message.text().into_owned(),
    };
    let place = step.place;
    step.reply.get_or_insert_with(|| Reply { text, place, ..Reply::default() })
}
