//! Replies out of what was recorded of them, whichever protocol they were spoken in: its content tells.

use super::{ModelReply, anthropic, chat, openai_chat};
use crate::model::SseChunk;
use serde_json::Value;

/// Why the events of a stream make no reply.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Fault {
    /// The server told an error in the middle; the whole event.
    Error(Value),
    /// It ended before its end.
    Cut,
    /// It is no such stream: a clause.
    Broken(String),
}

impl Fault {
    fn why(self) -> String {
        match self {
            Fault::Error(value) => format!("it holds an error: {value}"),
            Fault::Cut => "its stream was cut off".to_owned(),
            Fault::Broken(why) => why,
        }
    }
}

/// The reply that a body says. The error is a clause.
pub(super) fn from_body(body: &Value) -> Result<ModelReply, String> {
    if anthropic::is_message(body) { anthropic::from_message(body) } else { chat::from_body(body) }
}

/// The reply that the events of a stream say. The error is a clause.
pub(super) fn from_stream(chunks: &[SseChunk]) -> Result<ModelReply, String> {
    let first = chunks.iter().find_map(|chunk| serde_json::from_str::<Value>(&chunk.data).ok());
    let of_messages = first.is_some_and(|value| value.get("type").is_some());
    let reply = if of_messages { anthropic::assemble(chunks) } else { openai_chat::assemble(chunks) };
    reply.map(|reply| ModelReply { sse: Some(chunks.to_vec()), ..reply }).map_err(Fault::why)
}

/// The model that a recorded reply names.
pub(super) fn model(body: Option<&Value>, sse: Option<&[SseChunk]>) -> Option<String> {
    let name = |value: &Value| {
        let holder = value.get("message").filter(|message| message.is_object()).unwrap_or(value);
        holder.get("model").and_then(Value::as_str).map(str::to_owned)
    };
    let streamed = || sse?.iter().find_map(|chunk| name(&serde_json::from_str::<Value>(&chunk.data).ok()?));
    body.and_then(name).or_else(streamed)
}
