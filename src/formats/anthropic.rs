//! `anthropic`: requests of Anthropic's Messages API, or a list of its messages.
//!
//! Source of the shapes: the API reference of the Messages API and the types of its Python client. A message of the
//! user that holds only results is no turn of the user: the results go to the steps of their calls.

mod write;

use super::chat::{self, Chat, Content, content, expected};
use super::fields::Fields;
use super::source::Refusal;
use super::{Format, Reader, Sniff, Source, Writer};
use crate::model::{
    Arguments, ContentPart, Message, Object, ObservationResult, Source as Role, ToolCall, Trajectory, Usage,
};
use crate::util::json::View;
use serde_json::{Number, Value};

const NAME: &str = "anthropic";

/// The key of a step's extra that holds reasoning blocks which are more than text.
const THINKING: &str = "thinking_blocks";

pub(super) static ITEM: Format = Format {
    name: NAME,
    about: "Anthropic's Messages API: system, messages of blocks, tools",
    sniff,
    marks: &[&[
        "messages",
        "messages[].role=user|assistant",
        "messages[].content[].type=text|tool_use|tool_result|thinking|image",
        "system",
        "tools[].input_schema",
    ]],
    read: Reader::Records(convert),
    folder: None,
    write: Some(Writer::Lines(write::line)),
};

/// Whether a message holds blocks that only this API has.
fn has_blocks(message: View<'_>) -> bool {
    message.get("content").is_some_and(|content| {
        content.items().any(|block| {
            let kind = block.text_at("type").unwrap_or_default();
            matches!(&*kind, "tool_use" | "tool_result" | "thinking" | "redacted_thinking")
        })
    })
}

fn sniff(source: &Source<'_>) -> Sniff {
    let Some(record) = source.first() else { return Sniff::new(0, "holds no JSON object or list") };
    let messages = if record.is_array() { Some(record) } else { record.get("messages") };
    let Some(messages) = messages.filter(|messages| messages.is_array()) else {
        return Sniff::new(0, "has no \"messages\"");
    };
    let fits = |message: View<'_>| {
        !message.is_object()
            || message.text_at("role").is_none_or(|role| matches!(&*role, "user" | "assistant" | "system"))
    };
    if !messages.items().all(fits) || messages.items().any(|message| message.get("tool_calls").is_some()) {
        return Sniff::new(0, "has roles or calls of another API");
    }
    if record.get("trajectory_format").is_some() || record.get("response").is_some() {
        return Sniff::new(0, "is a log that holds messages");
    }
    let tools = record.get("tools").and_then(|tools| tools.items().next());
    if messages.items().any(has_blocks) {
        return Sniff::new(85, "");
    }
    if tools.is_some_and(|tool| tool.get("input_schema").is_some()) || has_system(record) {
        return Sniff::new(82, "");
    }
    Sniff::new(10, "has no content blocks of this API and no \"system\" beside its messages")
}

/// Whether the system prompt stands beside the messages.
pub(super) fn has_system(record: View<'_>) -> bool {
    record.some("system").is_some_and(|system| {
        system.text().is_some()
            || (system.is_array() && system.items().all(|block| block.get("text").is_some()))
    })
}

fn convert(record: View<'_>, warnings: &mut Vec<Refusal>) -> Result<Trajectory, Refusal> {
    let mut trajectory = Trajectory::default();
    let mut chat = Chat::new();
    let messages = if record.is_array() {
        record
    } else {
        let mut fields = Fields::of(record);
        let Some(messages) = fields.list("messages") else {
            return Err(match record.get("messages") {
                Some(other) => expected(other, "\"messages\"", "a list"),
                None => (record.offset(), "has no \"messages\"".to_owned()),
            });
        };
        if let Some(system) = fields.take("system", |system| system.text().is_some() || system.is_array()) {
            chat.push(Role::System, content(Some(system))?);
        }
        if let Some(list) = fields.list("tools") {
            (trajectory.agent.tools, trajectory.agent.raw_tools) = chat::tools(list);
        }
        trajectory.agent.model = fields.string("model");
        trajectory.id = fields.string("id");
        trajectory.extra = fields.rest();
        messages
    };
    for message in messages.items() {
        add(&mut chat, message, warnings)?;
    }
    trajectory.steps = chat.steps;
    if trajectory.agent.tools.is_none() {
        trajectory.agent.tools = chat::tools_in_prompt(&trajectory.steps);
    }
    Ok(trajectory)
}

/// Adds one message.
fn add(chat: &mut Chat, message: View<'_>, warnings: &mut Vec<Refusal>) -> Result<(), Refusal> {
    if !message.is_object() {
        return Err(expected(message, "a message", "an object"));
    }
    let mut fields = Fields::of(message);
    let role = fields.must_text("role")?;
    let Some(role) = role else { return Err((message.offset(), "a message has no \"role\"".to_owned())) };
    fields.mark("content");
    let body = message.some("content");
    match role.as_str() {
        "assistant" => assistant(chat, fields, body, warnings),
        "user" => user(chat, fields, body),
        "system" => {
            chat.push(Role::System, content(body)?).extra = fields.rest();
            Ok(())
        }
        other => {
            let at = message.get("role").map_or(0, View::offset);
            Err((at, format!("the role '{other}' is none of user, assistant, system")))
        }
    }
}

fn kind(block: View<'_>) -> String {
    block.text_at("type").unwrap_or_default()
}

/// Blocks that `wanted` picks, read as a message's content.
fn pick(body: View<'_>, wanted: impl Fn(View<'_>) -> bool) -> Result<Content, Refusal> {
    let mut parts = Vec::new();
    let mut places = Vec::new();
    for block in body.items().filter(|block| wanted(*block)) {
        if !block.is_object() && block.text().is_none() {
            return Err(expected(block, "a content block", "an object"));
        }
        let text = chat::part_text(block).filter(|text| text.text().is_some());
        places.extend(text.map(View::place));
        parts.push(chat::part(block));
    }
    let place = match places.as_slice() {
        [one] => Some(*one),
        [] => None,
        _ => Some(body.parts_place()),
    };
    let message = match parts.as_mut_slice() {
        [] => Message::Text(String::new()),
        [ContentPart { text: Some(text), source: None, .. }] => Message::Text(std::mem::take(text)),
        _ => Message::Parts(parts),
    };
    Ok(Content { message, place })
}

fn user(chat: &mut Chat, fields: Fields<'_>, body: Option<View<'_>>) -> Result<(), Refusal> {
    let Some(body) = body.filter(|body| body.is_array()) else {
        let said = content(body)?;
        chat.told(said, fields.rest());
        return Ok(());
    };
    let is_result = |block: View<'_>| kind(block) == "tool_result";
    let mut results = 0;
    for block in body.items().filter(|block| is_result(*block)) {
        results += 1;
        let mut fields = Fields::of(block);
        fields.mark("type");
        let call_id = fields.must_text("tool_use_id")?;
        fields.mark("content");
        let said = match block.some("content") {
            Some(inner) if inner.is_array() => pick(inner, |_| true)?,
            inner => content(inner)?,
        };
        chat.attach(ObservationResult {
            call_id,
            content: Some(said.message),
            place: said.place,
            extra: fields.rest(),
            ..ObservationResult::default()
        });
    }
    let extra = fields.rest();
    if body.items().any(|block| !is_result(block)) || results == 0 || !extra.is_empty() {
        chat.told(pick(body, |block| !is_result(block))?, extra);
    }
    Ok(())
}

fn assistant(
    chat: &mut Chat,
    mut fields: Fields<'_>,
    body: Option<View<'_>>,
    warnings: &mut Vec<Refusal>,
) -> Result<(), Refusal> {
    let usage = fields.member("usage").map(usage);
    let finish_reason = fields.string("stop_reason");
    let model = fields.string("model");
    let mut extra = fields.rest();
    let (mut calls, mut reasoning, mut blocks) = (Vec::new(), Vec::new(), Vec::new());
    let said = match body.filter(|body| body.is_array()) {
        None => content(body)?,
        Some(body) => {
            let mut behind = None;
            for block in body.items() {
                match kind(block).as_str() {
                    "tool_use" => calls.push(call(block)?),
                    "thinking" | "redacted_thinking" => {
                        reasoning.extend(block.text_at("thinking"));
                        blocks.push(block.value());
                    }
                    _ if !calls.is_empty() => behind = behind.or(Some(block.offset())),
                    _ => {}
                }
            }
            if let Some(at) = behind {
                warnings.push((at, "a block behind a call is read as standing before the calls".to_owned()));
            }
            pick(body, |block| {
                !matches!(kind(block).as_str(), "tool_use" | "thinking" | "redacted_thinking")
            })?
        }
    };
    let reasoning = Some(reasoning.join("\n\n")).filter(|text| !text.is_empty());
    if reasoning.as_deref().map(|text| vec![plain_thinking(text)]).unwrap_or_default() != blocks {
        extra.insert(THINKING.to_owned(), blocks.into());
    }
    let step = chat.said(said, calls);
    step.extra = extra;
    step.reasoning = reasoning;
    step.model = model;
    if let Some((usage, rest)) = usage {
        (step.usage, step.metrics_extra) = (Some(usage), rest);
    }
    if let Some(reply) = &mut step.reply {
        reply.finish_reason = finish_reason;
    }
    Ok(())
}

/// A reasoning block that holds nothing but its text.
fn plain_thinking(text: &str) -> Value {
    serde_json::json!({"type": "thinking", "thinking": text, "signature": ""})
}

fn call(block: View<'_>) -> Result<ToolCall, Refusal> {
    let mut fields = Fields::of(block);
    fields.mark("type");
    fields.mark("name");
    let id = fields.must_text("id")?.unwrap_or_default();
    fields.mark("input");
    let arguments = match block.get("input") {
        Some(input) if input.is_object() => Arguments::object(input.object()),
        other => chat::arguments(other),
    };
    Ok(ToolCall {
        id,
        name: chat::call_name(block)?,
        arguments,
        extra: fields.rest(),
        place: Some(block.value_place()),
    })
}

/// Tokens: the prompt's are those of the three kinds together. What else stands there is given beside.
fn usage(usage: View<'_>) -> (Usage, Object) {
    let mut fields = Fields::of(usage);
    let mut number = |key| fields.take(key, |value| value.uint().is_some()).and_then(View::uint);
    let (input, output) = (number("input_tokens"), number("output_tokens"));
    let (read, made) = (number("cache_read_input_tokens"), number("cache_creation_input_tokens"));
    let prompt = input.map(|input| input + read.unwrap_or(0) + made.unwrap_or(0));
    let mut rest = fields.rest();
    if let Some(made) = made {
        rest.insert("cache_creation_input_tokens".to_owned(), Value::Number(Number::from(made)));
    }
    let usage =
        Usage { prompt_tokens: prompt, completion_tokens: output, cached_tokens: read, cost_usd: None };
    (usage, rest)
}
