//! Trajectory to `.traj`: every step in the history, every reply in the trajectory as well.

use super::super::{Changes, Writer};
use crate::model::{Message, Object, ObservationResult, Source, Step, ToolCall, Trajectory};
use serde_json::{Value, json};

pub(super) const WRITER: Writer = Writer::Document { extension: "traj", write };

/// Members of a step's extra that belong to the trajectory's entry.
const ENTRY: &str = "trajectory";

fn write(trajectory: &Trajectory, changes: &mut Changes) -> Vec<u8> {
    let mut out = Object::new();
    out.insert("environment".to_owned(), "main".into());
    out.insert(ENTRY.to_owned(), Value::Array(trajectory.steps.iter().filter_map(entry).collect()));
    let mut history = Vec::new();
    for step in &trajectory.steps {
        messages(step, &mut history, changes);
    }
    out.insert("history".to_owned(), Value::Array(history));
    out.insert("info".to_owned(), json!({}));
    // The producer's own members win over what stands in for them.
    for (key, value) in &trajectory.extra {
        out.insert(key.clone(), value.clone());
    }
    if let Some(model) = trajectory.agent.model.as_ref().filter(|_| !out.contains_key("replay_config")) {
        out.insert("replay_config".to_owned(), json!({"agent": {"model": {"name": model}}}));
    }
    let mut bytes = serde_json::to_vec_pretty(&Value::Object(out)).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

fn content(message: &Message) -> Value {
    match message {
        Message::Text(text) => text.clone().into(),
        Message::Parts(parts) => {
            let part = |part: &crate::model::ContentPart| match (&part.text, &part.source) {
                (Some(text), _) => json!({"type": "text", "text": text}),
                (None, Some(source)) => Value::Object(source.clone()),
                (None, None) => json!({"type": part.kind}),
            };
            Value::Array(parts.iter().map(part).collect())
        }
    }
}

fn messages(step: &Step, history: &mut Vec<Value>, changes: &mut Changes) {
    let mut message = Object::new();
    let role = match step.source {
        Source::System => "system",
        Source::User => "user",
        Source::Agent => "assistant",
    };
    message.insert("role".to_owned(), role.into());
    let native = step.reply.as_ref().is_none_or(|reply| reply.native);
    let text = match &step.reply {
        // Calls in text stand in the raw reply.
        Some(reply) if !native => reply.text.clone().into(),
        _ => content(&step.message),
    };
    message.insert("content".to_owned(), text);
    if step.source == Source::Agent {
        if native && !step.calls.is_empty() {
            message.insert("tool_calls".to_owned(), Value::Array(step.calls.iter().map(call).collect()));
        }
        if let Some(reasoning) = &step.reasoning {
            message.insert("reasoning_content".to_owned(), reasoning.clone().into());
        }
    }
    if step.frame {
        // A demonstration has no entry in the trajectory, and is not judged.
        message.insert("is_demo".to_owned(), true.into());
    }
    for (key, value) in step.extra.iter().filter(|(key, _)| *key != ENTRY) {
        message.insert(key.clone(), value.clone());
    }
    let orphan = step.source != Source::Agent && step.observation.is_some() && step.message.text().is_empty();
    if !orphan {
        history.push(message.into());
    }
    for result in step.observation.iter().flat_map(|observation| &observation.results) {
        history.push(observed(result, native && !step.calls.is_empty()));
    }
    if step.source == Source::Agent
        && step.observation.as_ref().is_some_and(|seen| seen.results.len() > 1)
        && !native
    {
        changes.note("results written as several user messages", Some(step.id));
    }
}

fn call(call: &ToolCall) -> Value {
    let arguments = match (&call.arguments.raw, &call.arguments.parsed) {
        (Some(raw), _) => raw.clone(),
        (None, Some(parsed)) => Value::Object(parsed.clone()).to_string(),
        (None, None) => String::new(),
    };
    let mut out = call.extra.clone();
    out.insert("type".to_owned(), "function".into());
    out.insert("id".to_owned(), call.id.clone().into());
    out.insert("function".to_owned(), json!({"name": call.name, "arguments": arguments}));
    out.into()
}

fn observed(result: &ObservationResult, native: bool) -> Value {
    let mut out = Object::new();
    out.insert("role".to_owned(), if native { "tool" } else { "user" }.into());
    out.insert("content".to_owned(), result.content.as_ref().map_or(Value::Null, content));
    if let Some(name) = &result.name {
        out.insert("name".to_owned(), name.clone().into());
    }
    if let Some(id) = result.call_id.as_ref().filter(|_| native) {
        out.insert("tool_call_ids".to_owned(), json!([id]));
    }
    out.extend(result.extra.clone());
    out.into()
}

/// What the agent did with a reply.
fn entry(step: &Step) -> Option<Value> {
    if step.source != Source::Agent || step.frame {
        return None;
    }
    let text = |key: &str| step.extra.get(key).and_then(Value::as_str);
    let reply = step.judged_text();
    let first = step.observation.as_ref().and_then(|observation| observation.results.first());
    let observation =
        first.and_then(|result| result.content.as_ref()).map(|content| content.text().into_owned());
    let mut out = Object::new();
    out.insert("action".to_owned(), text("action").unwrap_or_default().into());
    out.insert("observation".to_owned(), observation.unwrap_or_default().into());
    out.insert("response".to_owned(), reply.clone().into());
    out.insert("thought".to_owned(), text("thought").unwrap_or(&reply).into());
    match step.extra.get(ENTRY) {
        Some(Value::Object(kept)) => out.extend(kept.clone()),
        _ => {
            out.insert("state".to_owned(), json!({}));
        }
    }
    Some(out.into())
}
