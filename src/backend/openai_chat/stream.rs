//! The chunks of a streamed chat completion, put together. Pure; for live streams and for tapes alike.

use super::super::recorded::Fault;
use super::super::{ModelReply, chat};
use crate::model::{Arguments, Object, SseChunk, ToolCall};
use serde_json::Value;

const DONE: &str = "[DONE]";

/// Whether the stream is over after this event.
pub(super) fn is_end(data: &str) -> bool {
    data.trim() == DONE
}

/// A call that comes in pieces.
#[derive(Default)]
struct Growing {
    index: Option<u64>,
    id: String,
    name: String,
    arguments: String,
}

#[derive(Default)]
struct Growth {
    text: String,
    reasoning: Option<String>,
    calls: Vec<Growing>,
    finish_reason: Option<String>,
    any: bool,
}

/// The reply that the chunks make. A stream without a finish reason was cut.
pub(in crate::backend) fn assemble(chunks: &[SseChunk]) -> Result<ModelReply, Fault> {
    let mut growth = Growth::default();
    let mut reply = ModelReply { status: 200, ..ModelReply::default() };
    for (n, chunk) in (1..).zip(chunks) {
        if is_end(&chunk.data) {
            break;
        }
        let value: Value = match serde_json::from_str(&chunk.data) {
            Ok(value) => value,
            Err(error) if error.is_eof() && n == chunks.len() => return Err(Fault::Cut),
            Err(error) => {
                let why = error.to_string();
                let why = why.split(" at line ").next().unwrap_or(&why).to_owned();
                let start: String = chunk.data.chars().take(80).collect();
                return Err(Fault::Broken(format!("event {n} is no JSON ({why}): '{start}'")));
            }
        };
        if value.get("error").is_some_and(|error| !error.is_null()) {
            return Err(Fault::Error(value));
        }
        if let Some(model) = value.get("model").and_then(Value::as_str) {
            reply.model.get_or_insert_with(|| model.to_owned());
        }
        if let Some(usage) = value.get("usage").filter(|usage| usage.is_object()) {
            reply.usage = Some(chat::usage(usage));
        }
        let choices = value.get("choices").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        // Other choices than the first are kept in the events, and nothing is made of them.
        let first =
            choices.iter().find(|choice| choice.get("index").and_then(Value::as_u64).unwrap_or(0) == 0);
        if let Some(choice) = first {
            growth.add(choice, n)?;
        }
    }
    if growth.finish_reason.is_none() {
        let empty = !growth.any && chunks.iter().any(|chunk| is_end(&chunk.data));
        return Err(if empty { Fault::Broken("it has no choice".to_owned()) } else { Fault::Cut });
    }
    Ok(ModelReply {
        text: growth.text,
        reasoning: growth.reasoning,
        calls: growth.calls.into_iter().map(Growing::into_call).collect(),
        finish_reason: growth.finish_reason,
        ..reply
    })
}

impl Growth {
    fn add(&mut self, choice: &Value, n: usize) -> Result<(), Fault> {
        self.any = true;
        if let Some(reason) = choice.get("finish_reason").and_then(Value::as_str) {
            self.finish_reason.get_or_insert_with(|| reason.to_owned());
        }
        let Some(delta) =
            choice.get("delta").or_else(|| choice.get("message")).filter(|delta| !delta.is_null())
        else {
            return Ok(());
        };
        let broken = |why: &str| Fault::Broken(format!("event {n}: {why}"));
        self.text.push_str(&chat::content(delta).map_err(|why| broken(&why))?);
        if let Some(reasoning) = chat::reasoning(delta) {
            self.reasoning.get_or_insert_default().push_str(reasoning);
        }
        match delta.get("tool_calls") {
            None | Some(Value::Null) => {}
            Some(Value::Array(pieces)) => {
                for piece in pieces {
                    self.call(piece).map_err(broken)?;
                }
            }
            Some(_) => return Err(broken("its tool calls are not a list")),
        }
        Ok(())
    }

    /// A piece of a call. Pieces belong together by index; some servers give every call the index 0, so a new id
    /// with a new name begins another one.
    fn call(&mut self, piece: &Value) -> Result<(), &'static str> {
        let index = piece.get("index").and_then(Value::as_u64);
        let id = piece.get("id").and_then(Value::as_str).unwrap_or_default();
        let function = piece.get("function").unwrap_or(&Value::Null);
        let name = function.get("name").and_then(Value::as_str).unwrap_or_default();
        let known = match index {
            Some(_) => self.calls.iter().rposition(|call| call.index == index),
            None if id.is_empty() => self.calls.len().checked_sub(1),
            None => self.calls.iter().rposition(|call| call.id == id),
        };
        let known = known.filter(|at| {
            let call = &self.calls[*at];
            id.is_empty() || call.id.is_empty() || call.id == id || name.is_empty()
        });
        let call = match known {
            Some(at) => &mut self.calls[at],
            None => {
                self.calls.push(Growing { index, ..Growing::default() });
                let last = self.calls.len() - 1;
                &mut self.calls[last]
            }
        };
        if call.id.is_empty() {
            id.clone_into(&mut call.id);
        }
        // A name may come in pieces, or again with each piece.
        if call.arguments.is_empty() && call.name != name {
            call.name.push_str(name);
        }
        match function.get("arguments") {
            None | Some(Value::Null) => {}
            Some(Value::String(text)) => call.arguments.push_str(text),
            Some(object @ Value::Object(_)) => call.arguments.push_str(&object.to_string()),
            Some(_) => return Err("the arguments of a tool call are neither text nor an object"),
        }
        Ok(())
    }
}

impl Growing {
    fn into_call(self) -> ToolCall {
        ToolCall {
            id: self.id,
            name: self.name,
            arguments: Arguments::text(self.arguments),
            extra: Object::new(),
            place: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn chunks(data: &[Value]) -> Vec<SseChunk> {
        let mut all: Vec<SseChunk> =
            data.iter().map(|value| SseChunk { t_ms: 0, data: value.to_string() }).collect();
        all.push(SseChunk { t_ms: 0, data: DONE.to_owned() });
        all
    }

    fn delta(delta: Value) -> Value {
        json!({"model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": null}]})
    }

    fn end(reason: &str) -> Value {
        json!({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
    }

    #[test]
    fn text_reasoning_usage_and_calls_come_together() {
        let call = |index: u64, function: Value| {
            delta(json!({"tool_calls": [{"index": index, "function": function}]}))
        };
        let reply = assemble(&chunks(&[
            delta(json!({"role": "assistant", "content": null, "reasoning_content": "th"})),
            delta(json!({"reasoning": "ink"})),
            delta(json!({"content": "he"})),
            delta(json!({"content": "llo"})),
            delta(json!({"tool_calls": [
                {"index": 0, "id": "a", "type": "function", "function": {"name": "look", "arguments": ""}},
                {"index": 1, "id": "a", "type": "function", "function": {"name": "look", "arguments": "{}"}},
            ]})),
            call(0, json!({"arguments": "{\"x\": \"\\ud8"})),
            call(0, json!({"name": "look", "arguments": "3d\\ude00\"}"})),
            json!({"choices": [{"index": 1, "delta": {"content": "another choice"}}]}),
            end("tool_calls"),
            end("stop"),
            json!({"choices": [], "usage": {
                "prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 4}
            }}),
        ]))
        .unwrap();
        assert_eq!((reply.text.as_str(), reply.reasoning.as_deref()), ("hello", Some("think")));
        assert_eq!(reply.finish_reason.as_deref(), Some("tool_calls"));
        assert_eq!(reply.usage.unwrap().cached_tokens, Some(4));
        let calls: Vec<_> = reply.calls.iter().map(|call| (call.id.as_str(), call.name.as_str())).collect();
        // An id that stands twice is kept: the rules judge it.
        assert_eq!(calls, [("a", "look"), ("a", "look")]);
        assert_eq!(reply.calls[0].arguments.parsed.as_ref().unwrap()["x"], "\u{1f600}");
    }

    #[test]
    fn calls_of_one_index_or_of_none_are_told_apart() {
        for index in [json!(0), Value::Null] {
            let piece = |id: &str, name: &str, arguments: &str| {
                delta(json!({"tool_calls": [
                    {"index": index, "id": id, "function": {"name": name, "arguments": arguments}}
                ]}))
            };
            let reply = assemble(&chunks(&[
                piece("a", "one", "{\"n\""),
                piece("", "", ": 1}"),
                piece("b", "two", "{}"),
                end("tool_calls"),
            ]))
            .unwrap();
            let calls: Vec<_> =
                reply.calls.iter().map(|call| (call.name.as_str(), call.arguments.raw.as_deref())).collect();
            assert_eq!(calls, [("one", Some("{\"n\": 1}")), ("two", Some("{}"))]);
        }
    }

    #[test]
    fn what_is_not_whole_is_no_reply() {
        let cut = chunks(&[delta(json!({"content": "hel"}))]);
        assert_eq!(assemble(&cut), Err(Fault::Cut));
        assert_eq!(assemble(&cut[..1]), Err(Fault::Cut));
        assert_eq!(assemble(&[]), Err(Fault::Cut));
        assert!(matches!(assemble(&chunks(&[json!({"choices": []})])), Err(Fault::Broken(_))));
        assert!(matches!(assemble(&chunks(&[json!({"error": {"message": "x"}})])), Err(Fault::Error(_))));
        let half = |data: &str| SseChunk { t_ms: 0, data: data.to_owned() };
        assert_eq!(assemble(&[half("{\"choices\": [")]), Err(Fault::Cut));
        assert!(matches!(assemble(&[half("{\"choices\": ["), half("[DONE]")]), Err(Fault::Broken(_))));
    }
}
