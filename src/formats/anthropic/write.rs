//! Trajectory to a request of the Messages API, one object a line.
//!
//! The first system messages become `system`; results that follow each other are one message of the user. A system
//! message that comes later has no place and becomes the user's, with a remark.

use super::super::json_out::Json;
use super::super::{Changes, chat, media, openai_chat, text_calls};
use super::THINKING;
use crate::model::{Message, ObservationResult, Source, Step, ToolCall, Trajectory};
use serde_json::{Value, json};

/// Keys of a record that are not extra.
const RECORD: [&str; 5] = ["messages", "tools", "system", "model", "id"];

/// Keys of a message that are not extra.
const MESSAGE: [&str; 6] = ["role", "content", "usage", "stop_reason", "model", THINKING];

/// One trajectory as one line, without the newline.
pub(super) fn line(trajectory: &Trajectory, changes: &mut Changes) -> Vec<u8> {
    let steps = &trajectory.steps;
    let head = steps.iter().take_while(|step| step.source == Source::System && step.extra.is_empty()).count();
    let mut out = Json::sized(4096);
    out.object(|out| {
        out.maybe("id", trajectory.id.as_deref());
        out.maybe("model", trajectory.agent.model.as_deref());
        match &steps[..head] {
            [] => {}
            [one] => content_at(out, "system", &one.message),
            several => {
                out.list_at("system", |out| several.iter().for_each(|step| blocks(out, &step.message)));
            }
        }
        out.list_at("messages", |out| steps[head..].iter().for_each(|step| put_step(out, step, changes)));
        if let Some(tools) = chat::tool_list(&trajectory.agent)
            && (trajectory.agent.raw_tools.is_some() || !openai_chat::told_in_prompt(trajectory))
        {
            out.list_at("tools", |out| tools.iter().for_each(|tool| out.item(&definition(tool))));
        }
        out.rest(&trajectory.extra, &RECORD);
    });
    out.done()
}

/// A tool's definition in this API's shape.
fn definition(value: &Value) -> Value {
    if value.get("input_schema").is_some() {
        return value.clone();
    }
    let Some((tool, more)) = chat::function_parts(value) else { return value.clone() };
    let mut out = json!({"name": tool.name});
    if !tool.description.is_empty() {
        out["description"] = tool.description.into();
    }
    out["input_schema"] =
        if tool.parameters.is_null() { json!({"type": "object", "properties": {}}) } else { tool.parameters };
    for (key, value) in more {
        out[key] = value;
    }
    out
}

fn put_step(out: &mut Json, step: &Step, changes: &mut Changes) {
    let text = text_calls::dialect_of(step);
    let results = step.observation.as_ref().map_or(&[][..], |observation| &observation.results);
    match step.source {
        Source::Agent => out.object(|out| {
            out.text("role", "assistant");
            match (&step.reply, text) {
                (Some(reply), Some(_)) if step.reasoning.is_none() => out.text("content", &reply.text),
                (Some(reply), Some(_)) => out.list_at("content", |out| {
                    thinking(out, step, changes);
                    text_block(out, &reply.text);
                }),
                _ => assistant(out, step, changes),
            }
            out.rest(&step.extra, &MESSAGE);
        }),
        // Results that no model call stands before.
        _ if !results.is_empty() && step.message.text().is_empty() && step.extra.is_empty() => {}
        source => out.object(|out| {
            if source == Source::System {
                changes.note("system message written as one of the user", Some(step.id));
            }
            out.text("role", "user");
            content_at(out, "content", &step.message);
            out.rest(&step.extra, &["role", "content"]);
        }),
    }
    match text {
        Some(dialect) => {
            for result in results {
                out.object(|out| {
                    out.text("role", "user");
                    out.text("content", &text_calls::observed(dialect, step, result));
                    out.rest(&result.extra, &["role", "content"]);
                });
            }
        }
        None if results.is_empty() => {}
        None => out.object(|out| {
            out.text("role", "user");
            out.list_at("content", |out| {
                for result in results {
                    out.object(|out| put_result(out, result));
                }
            });
        }),
    }
}

fn assistant(out: &mut Json, step: &Step, changes: &mut Changes) {
    let plain = step.calls.is_empty() && step.reasoning.is_none() && !step.extra.contains_key(THINKING);
    if plain {
        content_at(out, "content", &step.message);
        return;
    }
    out.list_at("content", |out| {
        thinking(out, step, changes);
        blocks(out, &step.message);
        for call in &step.calls {
            out.object(|out| put_call(out, call, step.id, changes));
        }
    });
}

fn thinking(out: &mut Json, step: &Step, changes: &mut Changes) {
    if let Some(Value::Array(list)) = step.extra.get(THINKING) {
        for block in list {
            out.item(block);
        }
    } else if let Some(text) = &step.reasoning {
        changes.note("reasoning written without a signature", Some(step.id));
        out.item(&super::plain_thinking(text));
    }
}

fn put_call(out: &mut Json, call: &ToolCall, step: u64, changes: &mut Changes) {
    out.text("type", "tool_use");
    out.text("id", &call.id);
    out.text("name", &call.name);
    match (&call.arguments.parsed, &call.arguments.raw) {
        (Some(parsed), _) => out.map("input", parsed),
        (None, _) => {
            changes.note("arguments that are no object have no place", Some(step));
            out.object_at("input", |_| {});
        }
    }
    let extra = &call.extra;
    out.rest(extra, &["type", "id", "name", "input"]);
}

fn put_result(out: &mut Json, result: &ObservationResult) {
    out.text("type", "tool_result");
    out.text("tool_use_id", result.call_id.as_deref().unwrap_or_default());
    if let Some(message) = &result.content {
        content_at(out, "content", message);
    }
    out.rest(&result.extra, &["type", "tool_use_id", "content"]);
}

fn content_at(out: &mut Json, key: &str, message: &Message) {
    match message {
        Message::Text(text) => out.text(key, text),
        Message::Parts(_) => out.list_at(key, |out| blocks(out, message)),
    }
}

/// The blocks of a message; an empty text is none.
fn blocks(out: &mut Json, message: &Message) {
    match message {
        Message::Text(text) if text.is_empty() => {}
        Message::Text(text) => text_block(out, text),
        Message::Parts(parts) => {
            for part in parts {
                match &part.text {
                    Some(text) => out.object(|out| {
                        out.text("type", "text");
                        out.text("text", text);
                        if let Some(more) = &part.source {
                            out.rest(more, &["type", "text"]);
                        }
                    }),
                    None => out.item(&media::anthropic(part)),
                }
            }
        }
    }
}

fn text_block(out: &mut Json, text: &str) {
    out.object(|out| {
        out.text("type", "text");
        out.text("text", text);
    });
}
