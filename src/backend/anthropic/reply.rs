//! A message of the Messages API as a reply.

use super::super::{ModelReply, chat};
use crate::model::{Arguments, Object, ToolCall, Usage};
use serde_json::Value;

/// Where the first call of a reply keeps the thinking that came before it: it has to go back with the call.
pub(super) const THINKING: &str = "anthropic_thinking";

/// Whether a recorded body is of this protocol.
pub(in crate::backend) fn is_message(body: &Value) -> bool {
    body["type"] == "message" && body["content"].is_array()
}

/// Reads a message; the error is a clause that says what is wrong with it.
pub(in crate::backend) fn from_message(body: &Value) -> Result<ModelReply, String> {
    if let Some(message) = body.get("error").and_then(|error| error.get("message")).and_then(Value::as_str) {
        return Err(format!("it is an error: {message}"));
    }
    let blocks = body.get("content").and_then(Value::as_array).ok_or("it has no list of content blocks")?;
    let mut reply = ModelReply { status: 200, body: Some(body.clone()), ..ModelReply::default() };
    let mut thinking = Vec::new();
    for block in blocks {
        let field = |key: &str| block.get(key).and_then(Value::as_str);
        match field("type").ok_or("a content block has no type")? {
            "text" => reply.text.push_str(field("text").ok_or("a text block has no text")?),
            "thinking" | "redacted_thinking" => {
                if let Some(text) = field("thinking") {
                    reply.reasoning.get_or_insert_default().push_str(text);
                }
                thinking.push(block.clone());
            }
            "tool_use" => reply.calls.push(ToolCall {
                id: field("id").unwrap_or_default().to_owned(),
                name: field("name").ok_or("a tool_use block has no name")?.to_owned(),
                arguments: match block.get("input") {
                    Some(Value::Object(input)) => Arguments::object(input.clone()),
                    Some(Value::String(raw)) => Arguments::text(raw.clone()),
                    None | Some(Value::Null) => Arguments::object(Object::new()),
                    Some(_) => return Err("the input of a tool_use block is no object".to_owned()),
                },
                extra: Object::new(),
                place: None,
            }),
            // Blocks that we do not know stay in the body.
            _ => {}
        }
    }
    if let Some(first) = reply.calls.first_mut().filter(|_| !thinking.is_empty()) {
        first.extra.insert(THINKING.to_owned(), Value::Array(thinking));
    }
    let word = |key: &str| body.get(key).and_then(Value::as_str).map(str::to_owned);
    reply.finish_reason = word("stop_reason");
    reply.model = word("model");
    reply.usage = body.get("usage").filter(|usage| usage.is_object()).map(usage);
    Ok(reply)
}

/// The protocol counts cached tokens beside the others; ours are all tokens of the prompt.
fn usage(told: &Value) -> Usage {
    let count = |key: &str| told.get(key).and_then(Value::as_u64);
    let read = count("cache_read_input_tokens");
    let beside = read.unwrap_or(0).saturating_add(count("cache_creation_input_tokens").unwrap_or(0));
    chat::sane(Usage {
        prompt_tokens: count("input_tokens").map(|tokens| tokens.saturating_add(beside)),
        completion_tokens: count("output_tokens"),
        cached_tokens: read,
        cost_usd: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn blocks_become_text_reasoning_and_calls() {
        let body = json!({
            "type": "message", "model": "m", "stop_reason": "tool_use",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": "sig"},
                {"type": "redacted_thinking", "data": "x"},
                {"type": "text", "text": "I "}, {"type": "text", "text": "look."},
                {"type": "tool_use", "id": "a", "name": "look", "input": {"x": 1}},
                {"type": "of_tomorrow"},
            ],
            "usage": {"input_tokens": 3, "cache_read_input_tokens": 4, "cache_creation_input_tokens": 5, "output_tokens": 6},
        });
        assert!(is_message(&body));
        let reply = from_message(&body).unwrap();
        assert_eq!((reply.text.as_str(), reply.reasoning.as_deref()), ("I look.", Some("hm")));
        let usage = reply.usage.unwrap();
        assert_eq!(
            (usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens),
            (Some(12), Some(4), Some(6))
        );
        assert_eq!(reply.calls[0].arguments.parsed.as_ref().unwrap()["x"], 1);
        // Thinking is kept as it came, what is redacted too.
        assert_eq!(reply.calls[0].extra[THINKING][0]["signature"], "sig");
        assert_eq!(reply.calls[0].extra[THINKING][1]["data"], "x");
        for broken in [
            json!({}),
            json!({"content": [{}]}),
            json!({"content": [{"type": "tool_use", "name": "x", "input": 1}]}),
        ] {
            assert!(from_message(&broken).is_err(), "{broken}");
        }
    }
}
