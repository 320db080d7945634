//! Trajectories to one log of version 2, as JSON.
//!
//! Members that Inspect AI does not know it passes by; so everything of `extra` stays where it was. A trajectory
//! without events of Inspect's own gets one model event a reply, for usage, time and stop reason.

use super::super::chat::tool_value;
use super::super::{Changes, Writer};
use super::LOG;
use crate::model::{ContentPart, Message, Object, ObservationResult, Source, Step, ToolCall, Trajectory};
use serde_json::{Value, json};
use std::collections::HashMap;

pub(super) const WRITER: Writer = Writer::Collection { extension: "json", write };

/// Stop reasons that a log may hold, and words of others for the same.
const REASONS: [(&str, &str); 9] = [
    ("stop", "stop"),
    ("max_tokens", "max_tokens"),
    ("model_length", "model_length"),
    ("tool_calls", "tool_calls"),
    ("content_filter", "content_filter"),
    ("unknown", "unknown"),
    ("length", "max_tokens"),
    ("end_turn", "stop"),
    ("tool_use", "tool_calls"),
];

fn write(trajectories: &[Trajectory], changes: &mut [Changes]) -> Vec<u8> {
    let mut log = header(trajectories);
    let mut samples = Vec::new();
    let mut epochs: HashMap<String, u64> = HashMap::new();
    for (n, (trajectory, changes)) in trajectories.iter().zip(changes).enumerate() {
        let id = sample_id(trajectory, n + 1);
        // Samples are told apart by id and epoch.
        let epoch = epochs.entry(id.to_string()).or_default();
        *epoch += 1;
        samples.push(sample(trajectory, id, *epoch, changes));
    }
    log.insert("samples".to_owned(), samples.into());
    let mut bytes = serde_json::to_vec_pretty(&Value::Object(log)).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

/// The log's own members if a trajectory has them, else the few that a log must have.
fn header(trajectories: &[Trajectory]) -> Object {
    let whole = |trajectory: &Trajectory| match trajectory.extra.get(LOG) {
        Some(Value::Object(log)) if log.get("eval").is_some_and(|eval| eval.get("dataset").is_some()) => {
            Some(log.clone())
        }
        _ => None,
    };
    if let Some(mut log) = trajectories.iter().find_map(whole) {
        log.entry("version").or_insert_with(|| 2.into());
        return log;
    }
    let model = trajectories.iter().find_map(|trajectory| trajectory.agent.model.clone());
    let time = trajectories.iter().flat_map(|one| &one.steps).find_map(|step| step.timestamp.clone());
    let time = time.filter(|time| time.parse::<jiff::Timestamp>().is_ok());
    let ids: Vec<Value> = trajectories.iter().enumerate().map(|(n, one)| sample_id(one, n + 1)).collect();
    let head = json!({
        "version": 2,
        "status": "success",
        "eval": {
            "eval_id": "",
            "run_id": "",
            "created": time.unwrap_or_else(|| "1970-01-01T00:00:00+00:00".to_owned()),
            "task": "converted",
            "task_id": "",
            "task_version": 0,
            "task_attribs": {},
            "task_args": {},
            "dataset": {"samples": ids.len(), "sample_ids": ids, "shuffled": false},
            "model": model.unwrap_or_else(|| "unknown".to_owned()),
            "model_args": {},
            "config": {},
            "packages": {},
        },
        "plan": {"name": "plan", "steps": [], "config": {}},
        "stats": {"started_at": "", "completed_at": "", "model_usage": {}},
    });
    let Value::Object(mut head) = head else { return Object::new() };
    // A sample that is not the first of its log knows the log in a few words.
    if let Some(Value::Object(few)) = trajectories.first().and_then(|one| one.extra.get(LOG)) {
        for (key, value) in few {
            match (head.get_mut(key), value) {
                (Some(Value::Object(own)), Value::Object(more)) => own.extend(more.clone()),
                _ => {
                    head.insert(key.clone(), value.clone());
                }
            }
        }
    }
    head
}

/// Whether a trajectory is a sample of such a log, so that its extra members are the sample's.
fn is_own(trajectory: &Trajectory) -> bool {
    ["epoch", "target"].iter().all(|key| trajectory.extra.contains_key(*key))
}

/// Whether a message may hold a member: those that Inspect AI knows have types.
fn may_hold(key: &str, value: &Value) -> bool {
    match key {
        "role" | "content" | "tool_calls" | "tool_call_id" | "function" => false,
        "id" | "model" => value.is_string(),
        "source" => value.as_str().is_some_and(|word| ["input", "generate", "operator"].contains(&word)),
        "metadata" => value.is_object(),
        "error" => value.get("type").is_some() && value.get("message").is_some(),
        _ => true,
    }
}

fn sample_id(trajectory: &Trajectory, number: usize) -> Value {
    let own = trajectory.extra.get("id").filter(|id| id.is_string() || id.is_u64());
    own.cloned().or_else(|| Some(trajectory.id.clone()?.into())).unwrap_or_else(|| number.into())
}

fn sample(trajectory: &Trajectory, id: Value, epoch: u64, changes: &mut Changes) -> Value {
    let mut out = Object::new();
    out.insert("id".to_owned(), id);
    out.insert("epoch".to_owned(), epoch.into());
    let first = trajectory.steps.iter().find(|step| step.source == Source::User);
    out.insert(
        "input".to_owned(),
        first.map_or_else(String::new, |step| step.message.text().into_owned()).into(),
    );
    out.insert("target".to_owned(), "".into());
    let mut messages = Vec::new();
    let mut events = Vec::new();
    for step in &trajectory.steps {
        put(step, trajectory, &mut messages, &mut events, changes);
    }
    out.insert("messages".to_owned(), messages.into());
    // A sample that has no uuid is given none.
    if let Some(id) = trajectory.id.as_ref().filter(|_| !is_own(trajectory)) {
        out.insert("uuid".to_owned(), id.clone().into());
    }
    out.insert("events".to_owned(), events.into());
    let rest: Object = trajectory.extra.clone().into_iter().filter(|(key, _)| key != LOG).collect();
    if is_own(trajectory) {
        out.extend(rest);
    } else if !rest.is_empty() {
        changes.note("other members written as metadata", None);
        out.insert("metadata".to_owned(), rest.into());
    }
    for _ in &trajectory.subagents {
        changes.note("embedded trajectories have no place", None);
    }
    out.into()
}

/// The messages of a step, and the event that made it.
fn put(
    step: &Step,
    trajectory: &Trajectory,
    messages: &mut Vec<Value>,
    events: &mut Vec<Value>,
    changes: &mut Changes,
) {
    let agent = step.source == Source::Agent;
    let results = step.observation.as_ref().map_or(&[][..], |seen| &seen.results);
    let orphans = !agent && !results.is_empty() && step.message.text().is_empty() && step.extra.is_empty();
    if !orphans {
        let mut message = Object::new();
        let role = match step.source {
            Source::System => "system",
            Source::User => "user",
            Source::Agent => "assistant",
        };
        let made = format!("message-{}", step.id);
        let has_events = is_own(trajectory) && trajectory.extra.contains_key("events");
        if agent && !has_events && !step.extra.contains_key("id") && tells(step) {
            message.insert("id".to_owned(), made.into());
            changes.note("ids made", Some(step.id));
        }
        message.insert("role".to_owned(), role.into());
        message.insert("content".to_owned(), said(step));
        if agent {
            // Calls in text stand in the text.
            let native = step.reply.as_ref().is_none_or(|reply| reply.native);
            if native && !step.calls.is_empty() {
                let calls = step.calls.iter().map(|one| call(one, step.id, changes)).collect();
                message.insert("tool_calls".to_owned(), Value::Array(calls));
            }
            if let Some(model) = &step.model {
                message.insert("model".to_owned(), model.clone().into());
            }
        }
        let inner =
            step.extra.iter().filter(|(key, value)| *key != "reasoning_parts" && may_hold(key, value));
        message.extend(inner.map(|(key, value)| (key.clone(), value.clone())));
        if agent && !has_events && tells(step) {
            events.push(event(step, trajectory, &message));
        }
        messages.push(message.into());
    }
    messages.extend(results.iter().map(result));
}

/// Whether a step knows what only a model event can hold.
fn tells(step: &Step) -> bool {
    let reason = step.reply.as_ref().is_some_and(|reply| reply.finish_reason.is_some());
    step.usage.is_some() || step.timestamp.is_some() || reason
}

fn said(step: &Step) -> Value {
    let mut parts = match step.extra.get("reasoning_parts") {
        Some(Value::Array(thoughts)) => thoughts.clone(),
        _ => step.reasoning.iter().map(|text| json!({"type": "reasoning", "reasoning": text})).collect(),
    };
    let native = step.reply.as_ref().is_none_or(|reply| reply.native);
    let whole = match &step.reply {
        Some(reply) if !native => Message::Text(reply.text.clone()),
        _ => step.message.clone(),
    };
    if parts.is_empty() {
        return content(&whole);
    }
    match content(&whole) {
        Value::Array(more) => parts.extend(more),
        Value::String(text) if text.is_empty() => {}
        text => parts.push(json!({"type": "text", "text": text})),
    }
    parts.into()
}

fn content(message: &Message) -> Value {
    match message {
        Message::Text(text) => text.clone().into(),
        Message::Parts(parts) => parts.iter().map(|part| Value::Object(written(part))).collect(),
    }
}

/// A content part: one of Inspect AI's own, an image of another API, else data.
fn written(part: &ContentPart) -> Object {
    let source = part.source.clone().unwrap_or_default();
    let of = |kind: &str, key: &str, value: Value| {
        Object::from_iter([("type".to_owned(), kind.into()), (key.to_owned(), value)])
    };
    if let Some(text) = &part.text {
        let mut out = of("text", "text", text.clone().into());
        let typed = source
            .into_iter()
            .filter(|(key, _)| !matches!(&**key, "type" | "text" | "refusal" | "citations"));
        out.extend(typed);
        return out;
    }
    let kind = source.get("type").and_then(Value::as_str).unwrap_or_default();
    let has = |keys: &[&str]| keys.iter().all(|key| source.get(*key).is_some_and(Value::is_string));
    let own = match kind {
        "reasoning" | "image" | "document" => has(&[kind]),
        "audio" | "video" => has(&[kind, "format"]),
        "data" => source.get("data").is_some_and(Value::is_object),
        "tool_use" => has(&["tool_type", "id", "name", "arguments", "result"]),
        _ => false,
    };
    if own {
        return source;
    }
    let text = |pointer: &str| {
        let value = Value::Object(source.clone());
        value.pointer(pointer).and_then(Value::as_str).map(str::to_owned)
    };
    if let Some(url) = text("/image_url/url").or_else(|| text("/image_url")).or_else(|| text("/source/url")) {
        return of("image", "image", url.into());
    }
    if let Some((media, data)) = text("/source/media_type").zip(text("/source/data")) {
        return of("image", "image", format!("data:{media};base64,{data}").into());
    }
    of("data", "data", source.into())
}

fn call(call: &ToolCall, step: u64, changes: &mut Changes) -> Value {
    let mut out = Object::new();
    out.insert("id".to_owned(), call.id.clone().into());
    out.insert("function".to_owned(), call.name.clone().into());
    let parsed = match (&call.arguments.parsed, &call.arguments.raw) {
        (Some(parsed), _) => parsed.clone(),
        (None, Some(raw)) if !call.extra.contains_key("parse_error") => {
            // As Inspect tells of arguments that it can't parse.
            changes.note("arguments that are no object are in the parse error", Some(step));
            let told = format!(
                "Error parsing the following tool call arguments:\n\n{raw}\n\nError details: not an object"
            );
            out.insert("parse_error".to_owned(), told.into());
            Object::new()
        }
        _ => Object::new(),
    };
    out.insert("arguments".to_owned(), parsed.into());
    out.insert("type".to_owned(), "function".into());
    let typed = |key: &str, value: &Value| match key {
        "id" | "function" => false,
        // What stood in the place of arguments that could not be parsed.
        "arguments" => value.is_object() && call.arguments.parsed.is_none(),
        "parse_error" => value.is_string(),
        "type" => value == "function" || value == "custom",
        "view" => value.is_object(),
        _ => true,
    };
    let rest = call.extra.iter().filter(|(key, value)| typed(key, value));
    out.extend(rest.map(|(key, value)| (key.clone(), value.clone())));
    out.into()
}

fn result(result: &ObservationResult) -> Value {
    let mut out = Object::new();
    out.insert("role".to_owned(), "tool".into());
    out.insert("content".to_owned(), result.content.as_ref().map_or("".into(), content));
    if let Some(id) = &result.call_id {
        out.insert("tool_call_id".to_owned(), id.clone().into());
    }
    if let Some(name) = &result.name {
        out.insert("function".to_owned(), name.clone().into());
    }
    let rest = result.extra.iter().filter(|(key, value)| may_hold(key, value));
    out.extend(rest.map(|(key, value)| (key.clone(), value.clone())));
    out.into()
}

fn event(step: &Step, trajectory: &Trajectory, message: &Object) -> Value {
    let model = step.model.as_ref().or(trajectory.agent.model.as_ref());
    let model = model.cloned().unwrap_or_else(|| "unknown".to_owned());
    let reason = step.reply.as_ref().and_then(|reply| reply.finish_reason.as_deref());
    let mut choice = json!({ "message": message });
    if let Some(reason) = reason {
        let known = REASONS.iter().find(|(from, _)| *from == reason);
        choice["stop_reason"] = known.map_or("unknown", |(_, to)| *to).into();
    }
    let mut output = json!({"model": model, "choices": [choice]});
    if let Some(usage) = &step.usage {
        let cached = usage.cached_tokens;
        let input = usage.prompt_tokens.map(|prompt| prompt.saturating_sub(cached.unwrap_or(0)));
        let mut tokens = Object::new();
        let mut put = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                tokens.insert(key.to_owned(), value);
            }
        };
        put("input_tokens", input.map(Value::from));
        put("output_tokens", usage.completion_tokens.map(Value::from));
        put("total_tokens", usage.total_tokens().map(Value::from));
        put("input_tokens_cache_read", cached.map(Value::from));
        put("total_cost", usage.cost_usd.map(Value::from));
        output["usage"] = tokens.into();
    }
    let tools = match (&trajectory.agent.raw_tools, &trajectory.agent.tools) {
        (Some(raw), _) => raw.clone(),
        (None, Some(tools)) => tools.iter().map(tool_value).collect(),
        (None, None) => Vec::new(),
    };
    let tools: Vec<Value> = tools.iter().map(info).collect();
    let mut event = json!({
        "event": "model", "working_start": 0.0, "model": model, "input": [], "tools": tools,
        "tool_choice": "auto", "config": {}, "output": output,
    });
    let dated = step.timestamp.as_ref().filter(|time| time.parse::<jiff::Timestamp>().is_ok());
    if let Some(time) = dated {
        event["timestamp"] = time.clone().into();
    }
    event
}

/// A tool as a model event tells of it: its parameters are an object schema.
fn info(tool: &Value) -> Value {
    let function = tool.get("function").unwrap_or(tool);
    let text = |key: &str| function.get(key).and_then(Value::as_str).unwrap_or_default();
    let schema = function.get("parameters").or_else(|| function.get("input_schema"));
    let schema = schema.filter(|schema| schema.get("type").is_some_and(|kind| kind == "object"));
    json!({
        "name": text("name"),
        "description": text("description"),
        "parameters": schema.cloned().unwrap_or_else(|| json!({"type": "object", "properties": {}})),
    })
}
