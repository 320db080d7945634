//! Trajectory to items of the Responses API: one object with `input` a line.

use super::super::json_out::Json;
use super::super::{Changes, chat, media, openai_chat, text_calls};
use super::REASONING;
use crate::model::{ContentPart, Message, Object, ObservationResult, Source, Step, ToolCall, Trajectory};
use serde_json::{Value, json};

/// Keys of a record that are not extra.
const RECORD: [&str; 7] = ["input", "output", "items", "instructions", "tools", "model", "id"];

/// Keys of a message that are not extra.
const MESSAGE: [&str; 4] = ["type", "role", "content", REASONING];

/// One trajectory as one line, without the newline.
pub(super) fn line(trajectory: &Trajectory, changes: &mut Changes) -> Vec<u8> {
    let mut out = Json::sized(4096);
    out.object(|out| {
        out.maybe("id", trajectory.id.as_deref());
        out.maybe("model", trajectory.agent.model.as_deref());
        out.list_at("input", |out| {
            let mut reasoning = 0;
            for step in &trajectory.steps {
                put_step(out, step, &mut reasoning, changes);
            }
        });
        if let Some(tools) = chat::tool_list(&trajectory.agent)
            && (trajectory.agent.raw_tools.is_some() || !openai_chat::told_in_prompt(trajectory))
        {
            out.list_at("tools", |out| tools.iter().for_each(|tool| out.item(&definition(tool))));
        }
        out.rest(&trajectory.extra, &RECORD);
    });
    out.done()
}

/// A tool's definition in this API's shape: the function's members stand beside its type.
fn definition(value: &Value) -> Value {
    let own =
        value.get("type").is_some() && value.get("function").is_none() && value.get("input_schema").is_none();
    if own {
        return value.clone();
    }
    let Some((tool, more)) = chat::function_parts(value) else { return value.clone() };
    let mut out = json!({"type": "function", "name": tool.name});
    if !tool.description.is_empty() {
        out["description"] = tool.description.into();
    }
    if !tool.parameters.is_null() {
        out["parameters"] = tool.parameters;
    }
    for (key, value) in more {
        out[key] = value;
    }
    out
}

fn put_step(out: &mut Json, step: &Step, reasoning: &mut u64, changes: &mut Changes) {
    let text = text_calls::dialect_of(step);
    let results = step.observation.as_ref().map_or(&[][..], |observation| &observation.results);
    match step.source {
        Source::Agent => {
            think(out, step, reasoning, changes);
            let (items, said) = apart(&step.message);
            let raw = text.and(step.reply.as_ref()).map(|reply| Message::Text(reply.text.clone()));
            let said = raw.unwrap_or(said);
            let silent = matches!(&said, Message::Text(text) if text.is_empty());
            let extra = step.extra.keys().any(|key| key != REASONING);
            // A turn that is nothing but a call has no message; one of nothing at all has an empty one.
            let nothing = step.calls.is_empty() && items.is_empty() && step.reasoning.is_none();
            if !silent || extra || nothing && !step.extra.contains_key(REASONING) {
                out.object(|out| message(out, "assistant", &said, step));
            }
            for item in &items {
                out.item(item);
            }
            if text.is_none() {
                step.calls.iter().for_each(|call| out.object(|out| put_call(out, call, step, changes)));
            }
        }
        // Results that no model call stands before.
        _ if !results.is_empty() && step.message.text().is_empty() && step.extra.is_empty() => {}
        source => out.object(|out| {
            let role = match source {
                Source::System => step.extra.get("role").and_then(Value::as_str).unwrap_or("system"),
                _ => "user",
            };
            message(out, role, &step.message, step);
        }),
    }
    for result in results {
        match text {
            Some(dialect) => out.object(|out| {
                out.text("role", "user");
                out.text("content", &text_calls::observed(dialect, step, result));
                out.rest(&result.extra, &MESSAGE);
            }),
            None => out.object(|out| put_result(out, result)),
        }
    }
}

fn think(out: &mut Json, step: &Step, number: &mut u64, changes: &mut Changes) {
    if let Some(Value::Array(list)) = step.extra.get(REASONING) {
        for item in list {
            out.item(item);
        }
    } else if let Some(text) = &step.reasoning {
        *number += 1;
        changes.note("ids of reasoning made", Some(step.id));
        out.item(&super::reasoning_item(&format!("rs_{number}"), text));
    }
}

/// Items that the reader put into a message, and the message without them.
fn apart(message: &Message) -> (Vec<Value>, Message) {
    let Message::Parts(parts) = message else { return (Vec::new(), message.clone()) };
    let item = |part: &&ContentPart| {
        let kind = part.kind.as_str();
        part.text.is_none()
            && (kind.ends_with("_call") || kind.ends_with("_output") || kind.ends_with("_item"))
    };
    let items: Vec<Value> = parts.iter().filter(item).map(|part| part.source.clone().into()).collect();
    let mut rest: Vec<ContentPart> = parts.iter().filter(|part| !item(part)).cloned().collect();
    let message = match rest.as_mut_slice() {
        [] => Message::Text(String::new()),
        [ContentPart { text: Some(text), source: None, .. }] => Message::Text(std::mem::take(text)),
        _ => Message::Parts(rest),
    };
    (items, message)
}

fn message(out: &mut Json, role: &str, message: &Message, step: &Step) {
    if role != "assistant" {
        out.text("role", role);
        content(out, "content", message, "input_text");
        out.rest(&step.extra, &MESSAGE);
        return;
    }
    out.text("type", "message");
    out.text("role", role);
    let id = step.extra.get("id").and_then(Value::as_str);
    // What the model said in parts is an output message, which has an id and a status.
    let parts = match message {
        Message::Text(text) if id.is_none() => return finish(out, |out| out.text("content", text), step),
        Message::Text(text) => vec![chat::text_part(text.clone())],
        Message::Parts(parts) => parts.clone(),
    };
    out.text("id", id.map_or_else(|| format!("msg_{}", step.id), str::to_owned).as_str());
    if !step.extra.contains_key("status") {
        out.text("status", "completed");
    }
    let parts = parts.into_iter().map(|mut part| {
        if part.text.is_some() {
            part.source.get_or_insert_default().entry("annotations").or_insert_with(|| json!([]));
        }
        part
    });
    let message = Message::Parts(parts.collect());
    finish(out, |out| content(out, "content", &message, "output_text"), step);
}

fn finish(out: &mut Json, content: impl FnOnce(&mut Json), step: &Step) {
    content(out);
    out.rest(&step.extra, &[&MESSAGE[..], &["id"]].concat());
}

fn content(out: &mut Json, key: &str, message: &Message, kind: &str) {
    match message {
        Message::Text(text) => out.text(key, text),
        Message::Parts(parts) => out.list_at(key, |out| {
            for part in parts {
                match &part.text {
                    Some(text) => out.object(|out| {
                        out.text("type", kind);
                        out.text("text", text);
                        if let Some(more) = &part.source {
                            out.rest(more, &["type", "text"]);
                        }
                    }),
                    None => out.item(&media::responses(part)),
                }
            }
        }),
    }
}

fn put_call(out: &mut Json, call: &ToolCall, step: &Step, changes: &mut Changes) {
    let custom = chat::is_custom(call);
    out.text("type", if custom { chat::CUSTOM } else { "function_call" });
    if let Some(id) = call.extra.get("item_id") {
        out.value("id", id);
    }
    out.text("call_id", &call.id);
    out.text("name", &call.name);
    let key = if custom { "input" } else { "arguments" };
    match (&call.arguments.raw, &call.arguments.parsed) {
        (Some(raw), _) => out.text(key, raw),
        (None, Some(parsed)) => out.text_of(key, parsed),
        (None, None) => {
            changes.note("missing arguments written as empty text", Some(step.id));
            out.text(key, "");
        }
    }
    let own = ["type", "id", "item_id", "call_id", "name", "arguments", "input"];
    out.rest(&call.extra, &[&own[..], &foreign(&call.extra)].concat());
}

fn put_result(out: &mut Json, result: &ObservationResult) {
    let custom = result.extra.get("type").is_some_and(|kind| kind == "custom_tool_call_output");
    out.text("type", if custom { "custom_tool_call_output" } else { "function_call_output" });
    out.text("call_id", result.call_id.as_deref().unwrap_or_default());
    match &result.content {
        Some(message) => content(out, "output", message, "input_text"),
        None => out.text("output", ""),
    }
    out.rest(&result.extra, &[&["type", "call_id", "output"][..], &foreign(&result.extra)].concat());
}

/// Members of another log that the API has as well, with other values: they are left out. It knows three words for a
/// status, and ids are texts.
fn foreign(extra: &Object) -> Vec<&'static str> {
    let known = ["in_progress", "completed", "incomplete"];
    let mut foreign = Vec::new();
    if extra
        .get("status")
        .is_some_and(|status| !status.as_str().is_some_and(|status| known.contains(&status)))
    {
        foreign.push("status");
    }
    if extra.get("id").is_some_and(|id| !id.is_string()) {
        foreign.push("id");
    }
    foreign
}
