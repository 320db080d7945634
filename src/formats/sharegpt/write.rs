//! Steps to items: text as `gpt`, calls as `function_call`, what came back as `observation`.

use super::super::chat::tool_value;
use super::{CALL, MODEL, RESULT};
use crate::formats::Changes;
use crate::model::{Message, Object, ObservationResult, Source as Speaker, Step, ToolCall, Trajectory};
use serde_json::Value;

/// Writes one conversation as a line.
pub(super) fn line(trajectory: &Trajectory, changes: &mut Changes) -> Vec<u8> {
    let mut record = Object::new();
    record.extend(trajectory.id.as_ref().map(|id| ("id".to_owned(), id.clone().into())));
    record.extend(trajectory.agent.model.as_ref().map(|model| ("model".to_owned(), model.clone().into())));
    let mut items = Vec::new();
    for step in &trajectory.steps {
        add(step, &mut items, changes);
    }
    record.insert("conversations".to_owned(), items.into());
    let agent = &trajectory.agent;
    let tools = match (&agent.raw_tools, &agent.tools) {
        (Some(raw), _) => Some(raw.clone()),
        (None, Some(tools)) => Some(tools.iter().map(tool_value).collect()),
        (None, None) => None,
    };
    record.extend(tools.map(|tools| ("tools".to_owned(), Value::Array(tools).to_string().into())));
    if !trajectory.subagents.is_empty() {
        changes.note("subagents left out", None);
    }
    merge(&mut record, &trajectory.extra);
    Value::Object(record).to_string().into_bytes()
}

fn add(step: &Step, items: &mut Vec<Value>, changes: &mut Changes) {
    let text = said(&step.message, step.id, changes);
    match step.source {
        Speaker::System => items.push(whole("system", text, &step.extra)),
        Speaker::User => {
            // A step that only holds results said nothing.
            if step.observation.is_none() || !text.is_empty() {
                items.push(whole(word(&step.extra, "human", &["user"]), text, &step.extra));
            }
        }
        Speaker::Agent => agent(step, text, items),
    }
    if step.source != Speaker::Agent && !step.calls.is_empty() {
        changes.note("calls of no agent left out", Some(step.id));
    }
    for result in step.observation.iter().flat_map(|seen| &seen.results) {
        items.push(observation(result, step.id, changes));
    }
}

fn said(message: &Message, step: u64, changes: &mut Changes) -> String {
    if let Message::Parts(parts) = message {
        let texts = parts.iter().filter(|part| part.text.is_some()).count();
        if texts < parts.len() {
            changes.note("parts left out", Some(step));
        }
        if texts > 1 {
            changes.note("parts joined", Some(step));
        }
    }
    message.text().into_owned()
}

/// Text and calls of the model: what stands beside them goes to the first item.
fn agent(step: &Step, text: String, items: &mut Vec<Value>) {
    let mut extra = Object::new();
    extra.extend(step.reasoning.as_ref().map(|text| ("reasoning_content".to_owned(), text.clone().into())));
    merge(&mut extra, &step.extra);
    // Calls right behind another text of the model would be read as that one's.
    let open = items.last().is_some_and(|last| {
        last["from"].as_str().is_some_and(|from| MODEL.contains(&from) || CALL.contains(&from))
    });
    if step.calls.is_empty() || !text.is_empty() || open {
        // Text that holds broken markup of a call stands there as it was written.
        let broken = step.reply.as_ref().filter(|reply| !reply.native && step.calls.is_empty());
        let text = broken.map_or(text, |reply| reply.text.clone());
        items.push(whole(word(&extra, "gpt", &MODEL), text, &extra));
        extra.clear();
    }
    if !step.calls.is_empty() {
        let calls: Vec<Value> = step.calls.iter().map(call).collect();
        let value = match calls.as_slice() {
            [one] => one.to_string(),
            _ => Value::from(calls).to_string(),
        };
        let item = step.calls[0].extra.get("item").and_then(Value::as_object);
        merge(&mut extra, item.unwrap_or(&Object::new()));
        items.push(whole(word(&extra, "function_call", &CALL), value, &extra));
    }
}

/// The word for the speaker that the source had, if it is one of those that mean the same.
fn word<'a>(extra: &'a Object, usual: &'a str, same: &[&str]) -> &'a str {
    extra.get("from").and_then(Value::as_str).filter(|word| same.contains(word)).unwrap_or(usual)
}

fn whole(from: &str, value: String, extra: &Object) -> Value {
    let mut item =
        Object::from_iter([("from".to_owned(), Value::from(from)), ("value".to_owned(), value.into())]);
    merge(&mut item, extra);
    item.into()
}

fn call(call: &ToolCall) -> Value {
    let mut value = Object::new();
    if !call.id.is_empty() {
        value.insert("id".to_owned(), call.id.clone().into());
    }
    value.insert("name".to_owned(), call.name.clone().into());
    match (&call.arguments.parsed, &call.arguments.raw) {
        (Some(parsed), _) => value.insert("arguments".to_owned(), parsed.clone().into()),
        (None, Some(raw)) => value.insert("arguments".to_owned(), raw.clone().into()),
        (None, None) => None,
    };
    // What stood beside the calls stands in their item again.
    let beside = |key: &str, value: &Value| key == "item" && value.is_object();
    let own = call.extra.iter().filter(|(key, value)| !beside(key, value));
    merge(&mut value, &own.map(|(key, value)| (key.clone(), value.clone())).collect());
    value.into()
}

fn observation(result: &ObservationResult, step: u64, changes: &mut Changes) -> Value {
    let text = result.content.as_ref().map(|content| said(content, step, changes)).unwrap_or_default();
    let mut extra = Object::new();
    extra.extend(result.call_id.as_ref().map(|id| ("tool_call_id".to_owned(), id.clone().into())));
    extra.extend(result.name.as_ref().map(|name| ("name".to_owned(), name.clone().into())));
    merge(&mut extra, &result.extra);
    whole(word(&result.extra, "observation", &RESULT), text, &extra)
}

/// Adds members that are not there yet.
fn merge(to: &mut Object, from: &Object) {
    for (key, value) in from {
        if !to.contains_key(key) {
            to.insert(key.clone(), value.clone());
        }
    }
}
