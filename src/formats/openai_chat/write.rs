//! Trajectory to messages of OpenAI's chat API, one object a line.
//!
//! Calls that are objects become `tool_calls` with their arguments as the text that the model wrote, and results
//! messages of the role `tool`. Calls that stand in text stay there, and their results are user messages in the
//! words of the dialect. What the reader keeps as extra goes back to where it stood.

use super::super::json_out::Json;
use super::super::{Changes, chat, media, text_calls};
use crate::model::{Message, ObservationResult, Source, Step, ToolCall, Trajectory};
use serde_json::Value;

/// Keys of a record that are not extra.
const RECORD: [&str; 3] = ["messages", "model", "id"];

/// Keys of an assistant message that are not extra.
const ASSISTANT: [&str; 5] = ["role", "content", "tool_calls", "function_call", "reasoning_content"];

/// One trajectory as one line, without the newline.
pub(super) fn line(trajectory: &Trajectory, changes: &mut Changes) -> Vec<u8> {
    let mut out = Json::sized(4096);
    out.object(|out| {
        out.maybe("id", trajectory.id.as_deref());
        out.maybe("model", trajectory.agent.model.as_deref());
        out.list_at("messages", |out| {
            for step in &trajectory.steps {
                put_step(out, step, changes);
            }
        });
        let tools = chat::tool_list(&trajectory.agent)
            .filter(|_| trajectory.agent.raw_tools.is_some() || !told_in_prompt(trajectory));
        if let Some(tools) = &tools {
            out.list_at("tools", |out| tools.iter().for_each(|tool| out.item(&definition(tool))));
        }
        // A list of functions may stand beside the tools; a list of tools that is not theirs would be taken for it.
        let own = |key: &str, value: &Value| {
            RECORD.contains(&key) || key == "tools" && (tools.is_some() || value.is_array())
        };
        for (key, value) in trajectory.extra.iter().filter(|(key, value)| !own(key, value)) {
            out.value(key, value);
        }
    });
    out.done()
}

/// A list of tools as a line holds it.
pub(in crate::formats) fn definitions(tools: &[Value]) -> Vec<u8> {
    Value::Array(tools.iter().map(definition).collect()).to_string().into_bytes()
}

/// A tool's definition in this API's shape; one that is no function stays as it is.
fn definition(value: &Value) -> Value {
    if value.get("function").is_some() {
        return value.clone();
    }
    let Some((tool, more)) = chat::function_parts(value) else { return value.clone() };
    let mut out = chat::tool_value(&tool);
    for (key, value) in more {
        // What belongs to the function in this API stands beside it in others.
        if key == "strict" { out["function"][key] = value } else { out[key] = value }
    }
    out
}

/// Whether the tools are those of the system prompt and all calls stand in text: a list beside the messages would
/// tell them a second time.
pub(in crate::formats) fn told_in_prompt(trajectory: &Trajectory) -> bool {
    let mut agents = trajectory.steps.iter().filter(|step| !step.calls.is_empty());
    agents.all(|step| text_calls::dialect_of(step).is_some())
        && trajectory.agent.tools.is_some()
        && chat::tools_in_prompt(&trajectory.steps) == trajectory.agent.tools
}

fn put_step(out: &mut Json, step: &Step, changes: &mut Changes) {
    let text = text_calls::dialect_of(step);
    let results = step.observation.as_ref().map_or(&[][..], |observation| &observation.results);
    match step.source {
        Source::Agent if text.is_some() => {
            let reply = step.reply.as_ref().map(|reply| reply.text.as_str());
            out.object(|out| {
                out.text("role", "assistant");
                out.text("content", reply.unwrap_or_default());
                out.maybe("reasoning_content", step.reasoning.as_deref());
                out.rest(&step.extra, &ASSISTANT);
            });
        }
        Source::Agent => out.object(|out| assistant(out, step, changes)),
        // Results that no model call stands before.
        _ if !results.is_empty() && step.message.text().is_empty() && step.extra.is_empty() => {}
        source => out.object(|out| {
            let role = match source {
                Source::System => step.extra.get("role").and_then(Value::as_str).unwrap_or("system"),
                _ => "user",
            };
            out.text("role", role);
            content(out, &step.message, false);
            out.rest(&step.extra, &["role", "content"]);
        }),
    }
    for result in results {
        match text {
            Some(dialect) => out.object(|out| {
                out.text("role", "user");
                out.text("content", &text_calls::observed(dialect, step, result));
                out.rest(&result.extra, &["role", "content"]);
            }),
            None => out.object(|out| tool(out, step, result)),
        }
    }
}

fn assistant(out: &mut Json, step: &Step, changes: &mut Changes) {
    out.text("role", "assistant");
    content(out, &step.message, !step.calls.is_empty());
    out.maybe("reasoning_content", step.reasoning.as_deref());
    let legacy = |call: &&ToolCall| call.extra.contains_key("legacy_function_call");
    if let Some(call) = step.calls.iter().find(legacy) {
        out.object_at("function_call", |out| function(out, call));
    }
    let calls: Vec<&ToolCall> = step.calls.iter().filter(|call| !legacy(call)).collect();
    if !calls.is_empty() {
        out.list_at("tool_calls", |out| {
            for call in calls {
                if call.arguments.parsed.is_none() && call.arguments.raw.is_none() {
                    changes.note("missing arguments written as empty text", Some(step.id));
                }
                out.object(|out| {
                    out.text("id", &call.id);
                    if chat::is_custom(call) {
                        return custom(out, call);
                    }
                    if !call.extra.contains_key("type") {
                        out.text("type", "function");
                    }
                    out.object_at("function", |out| {
                        function(out, call);
                        if let Some(Value::Object(more)) = call.extra.get("function") {
                            out.rest(more, &["name", "arguments"]);
                        }
                    });
                    out.rest(&call.extra, &["id", "function", "name", "arguments"]);
                });
            }
        });
    }
    out.rest(&step.extra, &ASSISTANT);
}

/// A call with free text.
fn custom(out: &mut Json, call: &ToolCall) {
    out.text("type", "custom");
    out.object_at("custom", |out| {
        out.text("name", &call.name);
        out.text("input", call.arguments.raw.as_deref().unwrap_or_default());
        if let Some(Value::Object(more)) = call.extra.get("custom") {
            out.rest(more, &["name", "input"]);
        }
    });
    out.rest(&call.extra, &["id", "type", "custom"]);
}

fn function(out: &mut Json, call: &ToolCall) {
    out.text("name", &call.name);
    match (&call.arguments.raw, &call.arguments.parsed) {
        (Some(raw), _) => out.text("arguments", raw),
        (None, Some(parsed)) => out.text_of("arguments", parsed),
        (None, None) => out.text("arguments", ""),
    }
}

fn tool(out: &mut Json, step: &Step, result: &ObservationResult) {
    let call = step.calls.iter().find(|call| Some(&call.id) == result.call_id.as_ref());
    let legacy = call.is_some_and(|call| call.extra.contains_key("legacy_function_call"));
    out.text("role", if legacy { "function" } else { "tool" });
    if !legacy {
        out.text("tool_call_id", result.call_id.as_deref().unwrap_or_default());
    }
    out.maybe("name", result.name.as_deref());
    match &result.content {
        Some(message) => content(out, message, false),
        None => out.text("content", ""),
    }
    out.rest(&result.extra, &["role", "content", "name", "tool_call_id"]);
}

/// Text, or parts; null in the place of an empty text beside calls.
fn content(out: &mut Json, message: &Message, beside_calls: bool) {
    match message {
        Message::Text(text) if text.is_empty() && beside_calls => out.value("content", &Value::Null),
        Message::Text(text) => out.text("content", text),
        Message::Parts(parts) => out.list_at("content", |out| {
            for part in parts {
                match &part.text {
                    Some(text) => out.object(|out| {
                        out.text("type", "text");
                        out.text("text", text);
                        if let Some(more) = &part.source {
                            out.rest(more, &["type", "text"]);
                        }
                    }),
                    None => out.item(&media::openai(part)),
                }
            }
        }),
    }
}
