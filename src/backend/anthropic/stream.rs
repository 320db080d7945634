//! The events of a streamed message, put together into the message that would have come whole. Pure.

use super::super::ModelReply;
use super::super::recorded::Fault;
use super::reply::from_message;
use crate::model::SseChunk;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Whether the stream is over after this event.
pub(super) fn is_end(data: &str) -> bool {
    // Cheap for all events but the last one.
    data.contains("message_stop")
        && serde_json::from_str::<Value>(data).is_ok_and(|value| value["type"] == "message_stop")
}

/// The reply that the events make. A stream without a stop reason was cut.
pub(in crate::backend) fn assemble(chunks: &[SseChunk]) -> Result<ModelReply, Fault> {
    let mut message = Map::new();
    let mut blocks: BTreeMap<u64, Value> = BTreeMap::new();
    let mut inputs: BTreeMap<u64, String> = BTreeMap::new();
    let mut ended = false;
    for (n, chunk) in (1..).zip(chunks) {
        let broken = |why: &str| Fault::Broken(format!("event {n} {why}"));
        let value: Value = serde_json::from_str(&chunk.data).map_err(|_| {
            let start: String = chunk.data.chars().take(80).collect();
            broken(&format!("is no JSON: '{start}'"))
        })?;
        let index = value.get("index").and_then(Value::as_u64);
        match value.get("type").and_then(Value::as_str).unwrap_or_default() {
            "message_start" => match value.get("message") {
                Some(Value::Object(start)) => message.clone_from(start),
                _ => return Err(broken("starts no message")),
            },
            "content_block_start" => {
                let index = index.ok_or_else(|| broken("has no index"))?;
                let block = value.get("content_block").filter(|block| block.is_object());
                blocks.insert(index, block.cloned().ok_or_else(|| broken("has no block"))?);
            }
            "content_block_delta" => {
                let index = index.ok_or_else(|| broken("has no index"))?;
                let block =
                    blocks.get_mut(&index).ok_or_else(|| broken("adds to a block that never began"))?;
                grow(block, inputs.entry(index).or_default(), &value["delta"]);
            }
            "message_delta" => {
                ended |= value["delta"]["stop_reason"].is_string();
                lay(&mut message, value.get("delta"));
                if let Some(Value::Object(usage)) = value.get("usage") {
                    let told = message.entry("usage").or_insert_with(|| Value::Object(Map::new()));
                    if let Value::Object(told) = told {
                        told.extend(usage.clone());
                    }
                }
            }
            "error" => return Err(Fault::Error(value)),
            "message_stop" => break,
            // `ping`, the end of a block, and what is yet to come.
            _ => {}
        }
    }
    if !ended {
        return Err(Fault::Cut);
    }
    for (index, raw) in inputs {
        if let Some(block) = blocks.get_mut(&index).filter(|_| !raw.is_empty()) {
            block["input"] = raw.into();
        }
    }
    message.insert("content".to_owned(), blocks.into_values().collect());
    let reply = from_message(&Value::Object(message)).map_err(Fault::Broken)?;
    // The events are what came; the message is ours.
    Ok(ModelReply { body: None, ..reply })
}

fn lay(message: &mut Map<String, Value>, delta: Option<&Value>) {
    if let Some(Value::Object(delta)) = delta {
        message.extend(delta.clone());
    }
}

/// Adds a piece to a block: text, thinking, its signature, or the JSON of a call's input.
fn grow(block: &mut Value, input: &mut String, delta: &Value) {
    for key in ["text", "thinking", "signature"] {
        if let Some(piece) = delta.get(key).and_then(Value::as_str) {
            let so_far = block.get(key).and_then(Value::as_str).unwrap_or_default();
            block[key] = format!("{so_far}{piece}").into();
        }
    }
    if let Some(piece) = delta.get("partial_json").and_then(Value::as_str) {
        input.push_str(piece);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn chunks(data: &[Value]) -> Vec<SseChunk> {
        data.iter().map(|value| SseChunk { t_ms: 0, data: value.to_string() }).collect()
    }

    #[test]
    fn events_make_the_message_that_would_have_come_whole() {
        let delta =
            |index: u64, delta: Value| json!({"type": "content_block_delta", "index": index, "delta": delta});
        let start = |index: u64, block: Value| json!({"type": "content_block_start", "index": index, "content_block": block});
        let events = chunks(&[
            json!({"type": "message_start", "message": {"type": "message", "model": "m", "content": [], "stop_reason": null,
                "usage": {"input_tokens": 5, "cache_read_input_tokens": 2, "output_tokens": 1}}}),
            json!({"type": "ping"}),
            start(0, json!({"type": "thinking", "thinking": ""})),
            delta(0, json!({"type": "thinking_delta", "thinking": "hm"})),
            delta(0, json!({"type": "signature_delta", "signature": "sig"})),
            start(1, json!({"type": "text", "text": ""})),
            delta(1, json!({"type": "text_delta", "text": "I "})),
            delta(1, json!({"type": "text_delta", "text": "look."})),
            start(2, json!({"type": "tool_use", "id": "a", "name": "look", "input": {}})),
            delta(2, json!({"type": "input_json_delta", "partial_json": "{\"x\""})),
            delta(2, json!({"type": "input_json_delta", "partial_json": ": 1}"})),
            start(3, json!({"type": "tool_use", "id": "b", "name": "stop", "input": {}})),
            json!({"type": "content_block_stop", "index": 3}),
            json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 9}}),
            json!({"type": "message_stop"}),
        ]);
        assert!(is_end(&events[14].data) && !is_end(&events[7].data));
        let reply = assemble(&events).unwrap();
        assert_eq!((reply.text.as_str(), reply.reasoning.as_deref()), ("I look.", Some("hm")));
        assert_eq!(reply.finish_reason.as_deref(), Some("tool_use"));
        let usage = reply.usage.unwrap();
        assert_eq!(
            (usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens),
            (Some(7), Some(9), Some(2))
        );
        assert_eq!(reply.calls[0].arguments.raw.as_deref(), Some("{\"x\": 1}"));
        assert_eq!(reply.calls[0].extra["anthropic_thinking"][0]["signature"], "sig");
        assert_eq!(reply.calls[1].arguments.parsed, Some(Map::new()));
        assert_eq!(assemble(&events[..13]), Err(Fault::Cut));
        assert_eq!(assemble(&[]), Err(Fault::Cut));
        let error =
            chunks(&[json!({"type": "error", "error": {"type": "overloaded_error", "message": "x"}})]);
        assert!(matches!(assemble(&error), Err(Fault::Error(_))));
        assert!(matches!(assemble(&chunks(&[delta(0, json!({}))])), Err(Fault::Broken(_))));
    }
}
