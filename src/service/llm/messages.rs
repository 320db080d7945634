//! The messages of a chat, checked as DeepSeek checks them.

use super::answer::Answer;
use super::body::{Body, refused, wrong};
use serde_json::Value;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    System,
    User,
    Assistant,
    Tool,
}

/// One message, as far as an answer depends on it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Message {
    pub(super) role: Role,
    pub(super) text: String,
    /// Calls of an assistant message: id and name.
    pub(super) calls: Vec<(String, String)>,
    /// Call that a tool message answers.
    pub(super) call_id: Option<String>,
    /// Whether the answer shall go on from this assistant message.
    pub(super) prefix: bool,
}

/// Reads all messages; at least one is there.
pub(super) fn read(body: Body<'_>, beta: bool) -> Result<Vec<Message>, Answer> {
    let list = body
        .object()
        .get("messages")
        .and_then(Value::as_array)
        .ok_or_else(|| wrong("The field 'messages' must be a list"))?;
    let mut messages = Vec::new();
    for value in list {
        messages.push(message(value)?);
    }
    let last = list.last().ok_or_else(|| wrong("The field 'messages' must not be empty"))?;
    let early = &messages[..messages.len() - 1];
    if early.iter().any(|message| message.prefix) {
        return Err(refused("Only the last message may have 'prefix': true"));
    }
    let prefix = messages.last().is_some_and(|message| message.prefix);
    if prefix && !beta {
        return Err(refused("'prefix' is only available below /beta (set base_url to end in /beta)"));
    }
    for value in list {
        let told = value.get("reasoning_content").is_some_and(|value| !value.is_null());
        // In a prefix it is the beginning of the reasoning that shall go on.
        if told && !(prefix && std::ptr::eq(value, last)) {
            return Err(refused("The reasoning_content is not allowed in the messages of a request"));
        }
    }
    follow(&messages)?;
    Ok(messages)
}

fn message(value: &Value) -> Result<Message, Answer> {
    let given = |name: &str| value.get(name).filter(|value| !value.is_null());
    let role = match value.get("role").and_then(Value::as_str) {
        Some("system") => Role::System,
        Some("user") => Role::User,
        Some("assistant") => Role::Assistant,
        Some("tool") => Role::Tool,
        _ => return Err(wrong("Every message needs a 'role': system, user, assistant or tool")),
    };
    let text = match given("content") {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => {
            parts.iter().filter_map(|part| part.get("text").and_then(Value::as_str)).collect()
        }
        None => String::new(),
        Some(_) => return Err(wrong("The 'content' of a message must be text")),
    };
    let mut calls = Vec::new();
    if let Some(list) = given("tool_calls").filter(|_| role == Role::Assistant) {
        let list = list.as_array().ok_or_else(|| wrong("The 'tool_calls' of a message must be a list"))?;
        for call in list {
            let id = call.get("id").and_then(Value::as_str);
            let function = call.get("function");
            let name = function.and_then(|function| function.get("name")).and_then(Value::as_str);
            let arguments = function.and_then(|function| function.get("arguments")).and_then(Value::as_str);
            match (id, name, arguments) {
                (Some(id), Some(name), Some(_)) => calls.push((id.to_owned(), name.to_owned())),
                _ => {
                    return Err(wrong(
                        "Every one of 'tool_calls' needs an 'id' and a 'function' with 'name' and 'arguments' as text",
                    ));
                }
            }
        }
    }
    let call_id = given("tool_call_id").and_then(Value::as_str).map(str::to_owned);
    if role == Role::Tool && call_id.is_none() {
        return Err(wrong("A message of the role 'tool' needs a 'tool_call_id'"));
    }
    let prefix = given("prefix").is_some_and(|value| value == &Value::Bool(true));
    if prefix && role != Role::Assistant {
        return Err(refused("'prefix' is only for a message of the role 'assistant'"));
    }
    Ok(Message { role, text, calls, call_id, prefix })
}

/// Every call is answered once, right after the message that made it, and nothing else is answered.
fn follow(messages: &[Message]) -> Result<(), Answer> {
    let mut open: Vec<&str> = Vec::new();
    for message in messages {
        if message.role == Role::Tool {
            let id = message.call_id.as_deref().unwrap_or_default();
            let Some(at) = open.iter().position(|open| *open == id) else {
                return Err(refused(
                    "Messages with role 'tool' must be a response to a preceding message with 'tool_calls'",
                ));
            };
            open.remove(at);
            continue;
        }
        if !open.is_empty() {
            break;
        }
        open = message.calls.iter().map(|(id, _)| id.as_str()).collect();
    }
    if open.is_empty() {
        Ok(())
    } else {
        Err(refused(
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each \
             'tool_call_id'. (insufficient tool messages following tool_calls message)",
        ))
    }
}
