//! Trajectory to a request of Gemini's API, one object a line.
//!
//! The first system messages become the system instruction; a later one has no place and becomes the user's, with a
//! remark. The results of a step are one content of the user. The API's ids are optional and always written, so that
//! results stay with their calls. Unknown keys are an error for the API and its clients: extra fields are written
//! only where they came from there.

use super::super::json_out::Json;
use super::super::{Changes, chat, media, openai_chat, text_calls};
use super::{ANSWER, THOUGHTS};
use crate::model::{Message, Object, ObservationResult, Source, Step, ToolCall, Trajectory};
use serde_json::{Value, json};

/// Keys of a record that are not extra.
const RECORD: [&str; 8] = [
    "contents",
    "tools",
    "systemInstruction",
    "system_instruction",
    "model",
    "id",
    "usageMetadata",
    "usage_metadata",
];

/// Keys of a content that are not extra.
const CONTENT: [&str; 5] = ["role", "parts", "part", THOUGHTS, ANSWER];

/// One trajectory as one line, without the newline.
pub(super) fn line(trajectory: &Trajectory, changes: &mut Changes) -> Vec<u8> {
    let steps = &trajectory.steps;
    let head = steps.iter().take_while(|step| step.source == Source::System && step.extra.is_empty()).count();
    let own = trajectory.origin.format == super::NAME;
    let mut out = Json::sized(4096);
    out.object(|out| {
        out.maybe("id", trajectory.id.as_deref());
        out.maybe("model", trajectory.agent.model.as_deref());
        if head > 0 {
            out.object_at("systemInstruction", |out| {
                out.list_at("parts", |out| {
                    steps[..head].iter().for_each(|step| parts(out, &step.message, own));
                });
            });
        }
        out.list_at("contents", |out| {
            steps[head..].iter().for_each(|step| put_step(out, step, own, changes));
        });
        put_tools(out, trajectory);
        out.rest(&trajectory.extra, &RECORD);
    });
    out.done()
}

fn put_tools(out: &mut Json, trajectory: &Trajectory) {
    if let Some(whole) = trajectory.agent.extra.get("tools") {
        out.value("tools", whole);
        return;
    }
    let Some(tools) = chat::tool_list(&trajectory.agent) else { return };
    let own = trajectory.origin.format == super::NAME;
    if trajectory.agent.raw_tools.is_none() && openai_chat::told_in_prompt(trajectory) {
        return;
    }
    out.list_at("tools", |out| {
        out.object(|out| {
            out.list_at("functionDeclarations", |out| {
                for tool in &tools {
                    out.item(&declaration(tool, own));
                }
            });
        });
    });
}

/// A tool's definition in this API's shape; `own`: it came from there. Its `parameters` are a subset of a schema, into
/// which those of other logs may not fit.
fn declaration(value: &Value, own: bool) -> Value {
    let keys = ["parametersJsonSchema", "parameters_json_schema"];
    let bare = ["type", "function", "input_schema"].iter().all(|key| value.get(key).is_none());
    if own && bare || keys.iter().any(|key| value.get(key).is_some()) {
        return value.clone();
    }
    let Some((tool, _)) = chat::function_parts(value) else { return value.clone() };
    let mut out = json!({"name": tool.name});
    if !tool.description.is_empty() {
        out["description"] = tool.description.into();
    }
    if !tool.parameters.is_null() {
        out["parametersJsonSchema"] = tool.parameters;
    }
    out
}

fn put_step(out: &mut Json, step: &Step, own: bool, changes: &mut Changes) {
    let extra = |out: &mut Json, extra: &Object| {
        if own {
            out.rest(extra, &CONTENT);
        }
    };
    let text = text_calls::dialect_of(step);
    let results = step.observation.as_ref().map_or(&[][..], |observation| &observation.results);
    match step.source {
        Source::Agent => out.object(|out| {
            out.text("role", "model");
            out.list_at("parts", |out| {
                thoughts(out, step);
                match (&step.reply, text) {
                    (Some(reply), Some(_)) => text_part(out, &reply.text, None),
                    _ => parts(out, &step.message, own),
                }
                if text.is_none() {
                    step.calls.iter().for_each(|call| put_call(out, call, step.id, own, changes));
                }
            });
            extra(out, &step.extra);
        }),
        // Results that no model call stands before.
        _ if !results.is_empty() && step.message.text().is_empty() && step.extra.is_empty() => {}
        source => out.object(|out| {
            if source == Source::System {
                changes.note("system message written as one of the user", Some(step.id));
            }
            out.text("role", "user");
            out.list_at("parts", |out| parts(out, &step.message, own));
            extra(out, &step.extra);
        }),
    }
    match text {
        Some(dialect) => {
            for result in results {
                out.object(|out| {
                    out.text("role", "user");
                    let text = text_calls::observed(dialect, step, result);
                    out.list_at("parts", |out| text_part(out, &text, None));
                    extra(out, &result.extra);
                });
            }
        }
        None if results.is_empty() => {}
        None => out.object(|out| {
            out.text("role", "user");
            out.list_at("parts", |out| {
                for result in results {
                    put_result(out, step, result, own);
                }
            });
        }),
    }
}

fn thoughts(out: &mut Json, step: &Step) {
    if let Some(Value::Array(list)) = step.extra.get(THOUGHTS) {
        for part in list {
            out.item(part);
        }
    } else if let Some(text) = &step.reasoning {
        out.item(&super::plain_thought(text));
    }
}

fn beside(out: &mut Json, extra: &Object, own: bool) {
    if own && let Some(Value::Object(outer)) = extra.get("part") {
        out.rest(outer, &["functionCall", "functionResponse"]);
    }
}

fn put_call(out: &mut Json, call: &ToolCall, step: u64, own: bool, changes: &mut Changes) {
    out.object(|out| {
        out.object_at("functionCall", |out| {
            out.text("id", &call.id);
            out.text("name", &call.name);
            match (&call.arguments.parsed, &call.arguments.raw) {
                (Some(parsed), _) => out.map("args", parsed),
                (None, _) => changes.note("arguments that are no object have no place", Some(step)),
            }
            if own {
                out.rest(&call.extra, &["id", "name", "args", "part"]);
            }
        });
        beside(out, &call.extra, own);
    });
}

fn put_result(out: &mut Json, step: &Step, result: &ObservationResult, own: bool) {
    let call = step.calls.iter().find(|call| Some(&call.id) == result.call_id.as_ref());
    let name = result.name.as_deref().or(call.map(|call| call.name.as_str()));
    let text = result.content.as_ref().map(Message::text);
    out.object(|out| {
        out.object_at("functionResponse", |out| {
            out.maybe("id", result.call_id.as_deref());
            out.text("name", name.unwrap_or_default());
            let whole = || serde_json::from_str::<Value>(text.as_deref()?).ok();
            match (result.extra.get(ANSWER), &text) {
                (Some(Value::Null), Some(_)) if whole().is_some() => {
                    out.value("response", &whole().unwrap_or_default());
                }
                (Some(Value::String(key)), Some(text)) => {
                    out.object_at("response", |out| out.text(key, text));
                }
                (_, Some(text)) => out.object_at("response", |out| out.text("output", text)),
                (_, None) => {}
            }
            if own {
                out.rest(&result.extra, &["id", "name", "response", "part", ANSWER]);
            }
        });
        beside(out, &result.extra, own);
    });
}

/// The parts of a message; an empty text is none.
fn parts(out: &mut Json, message: &Message, own: bool) {
    match message {
        Message::Text(text) if text.is_empty() => {}
        Message::Text(text) => text_part(out, text, None),
        Message::Parts(list) => {
            for part in list {
                match &part.text {
                    Some(text) => text_part(out, text, part.source.as_ref().filter(|_| own)),
                    None => out.item(&media::gemini(part)),
                }
            }
        }
    }
}

fn text_part(out: &mut Json, text: &str, more: Option<&Object>) {
    out.object(|out| {
        out.text("text", text);
        if let Some(more) = more {
            out.rest(more, &["text", "thought"]);
        }
    });
}
