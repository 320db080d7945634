//! Chat messages and chat completions as JSON of the OpenAI protocol.
//!
//! In-process back ends make one of their reply, so that every cassette has the same shape and replays alike.

use super::{ChatMessage, ModelReply};
use crate::model::{Arguments, Object, ToolCall, Usage};
use serde_json::{Value, json};

/// A message as the protocol has it; what is empty is left out, but for the content.
pub(super) fn message(message: &ChatMessage) -> Object {
    let mut object = Object::new();
    object.insert("role".to_owned(), message.role.as_str().into());
    object.insert("content".to_owned(), message.content.as_str().into());
    if let Some(reasoning) = &message.reasoning {
        object.insert("reasoning_content".to_owned(), reasoning.as_str().into());
    }
    if !message.calls.is_empty() {
        object.insert("tool_calls".to_owned(), message.calls.iter().map(call).collect());
    }
    if let Some(id) = &message.call_id {
        object.insert("tool_call_id".to_owned(), id.as_str().into());
    }
    object
}

/// A native call; its arguments are text, as written where that is known.
fn call(call: &ToolCall) -> Value {
    let function = json!({"name": call.name, "arguments": arguments(call)});
    json!({"id": call.id, "type": "function", "function": function})
}

/// The text of a call's arguments.
pub(super) fn arguments(call: &ToolCall) -> String {
    match (&call.arguments.raw, &call.arguments.parsed) {
        (Some(raw), _) => raw.clone(),
        (None, Some(object)) => Value::Object(object.clone()).to_string(),
        (None, None) => String::new(),
    }
}

/// The native calls of a message; the error is a clause.
pub(super) fn calls(message: &Value) -> Result<Vec<ToolCall>, String> {
    let list = match message.get("tool_calls") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(list)) => list,
        Some(_) => return Err("the tool calls of its message are not a list".to_owned()),
    };
    let read = |item: &Value| {
        let function = item.get("function").ok_or("a tool call of its message has no function")?;
        let text = |holder: &Value, key: &str| holder.get(key).and_then(Value::as_str).map(str::to_owned);
        let arguments = match function.get("arguments") {
            Some(Value::String(text)) => Arguments::text(text.clone()),
            // Some servers send the object itself.
            Some(Value::Object(object)) => Arguments::object(object.clone()),
            None | Some(Value::Null) => Arguments::text(String::new()),
            Some(_) => {
                return Err("the arguments of a tool call of its message are neither text nor an object");
            }
        };
        Ok(ToolCall {
            id: text(item, "id").unwrap_or_default(),
            name: text(function, "name").ok_or("a tool call of its message has no name")?,
            arguments,
            extra: Object::new(),
            place: None,
        })
    };
    list.iter().map(read).collect::<Result<_, &str>>().map_err(str::to_owned)
}

/// The body of a chat completion that says what `reply` says. What is unknown is left out.
pub(super) fn to_body(reply: &ModelReply) -> Value {
    let mut message = json!({"role": "assistant", "content": reply.text});
    if let Some(reasoning) = &reply.reasoning {
        message["reasoning_content"] = reasoning.as_str().into();
    }
    if !reply.calls.is_empty() {
        message["tool_calls"] = reply.calls.iter().map(call).collect();
    }
    let mut body = json!({"object": "chat.completion"});
    if let Some(model) = &reply.model {
        body["model"] = model.as_str().into();
    }
    body["choices"] = json!([{"index": 0, "message": message, "finish_reason": reply.finish_reason}]);
    if let Some(usage) = reply.usage {
        let mut told = json!({});
        for (name, count) in [
            ("prompt_tokens", usage.prompt_tokens),
            ("completion_tokens", usage.completion_tokens),
            ("total_tokens", usage.total_tokens()),
            ("prompt_cache_hit_tokens", usage.cached_tokens),
        ] {
            if let Some(count) = count {
                told[name] = count.into();
            }
        }
        body["usage"] = told;
    }
    body
}

/// Reads the body of a chat completion; the error is a clause that says what is wrong with it.
pub(super) fn from_body(body: &Value) -> Result<ModelReply, String> {
    if let Some(message) = body.get("error").and_then(|error| error.get("message")).and_then(Value::as_str) {
        return Err(format!("it is an error: {message}"));
    }
    let choice = body.get("choices").and_then(|choices| choices.get(0)).ok_or("it has no choice")?;
    let message = choice.get("message").ok_or("its choice has no message")?;
    let text = content(message)?;
    let word = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    Ok(ModelReply {
        text,
        calls: calls(message)?,
        reasoning: reasoning(message).map(str::to_owned),
        finish_reason: word(choice, "finish_reason"),
        usage: body.get("usage").filter(|usage| usage.is_object()).map(usage),
        model: word(body, "model"),
        status: 200,
        body: Some(body.clone()),
        sse: None,
        drift: None,
    })
}

/// The text of a message, or of a piece of one.
pub(super) fn content(message: &Value) -> Result<String, String> {
    match message.get("content") {
        Some(Value::String(text)) => Ok(text.clone()),
        // A reply of native calls only has null here.
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::Array(parts)) if parts.iter().all(|part| part["text"].is_string()) => {
            Ok(parts.iter().filter_map(|part| part["text"].as_str()).collect())
        }
        Some(_) => Err("the content of its message is not text".to_owned()),
    }
}

/// The reasoning of a message, or of a piece of one; servers differ in its name.
pub(super) fn reasoning(message: &Value) -> Option<&str> {
    ["reasoning_content", "reasoning"].iter().find_map(|key| message.get(key)?.as_str())
}

/// Tokens as a chat completion tells them. What can't be is unknown.
pub(super) fn usage(told: &Value) -> Usage {
    let count = |key: &str| told.get(key).and_then(Value::as_u64);
    let details = || told.get("prompt_tokens_details")?.get("cached_tokens")?.as_u64();
    sane(Usage {
        prompt_tokens: count("prompt_tokens"),
        completion_tokens: count("completion_tokens"),
        cached_tokens: count("prompt_cache_hit_tokens").or_else(details),
        cost_usd: None,
    })
}

/// More tokens than this no request has; a limit or a bill must not follow from such a figure.
const MAX_TOKENS: u64 = 1_000_000_000;

/// Usage without figures that can't be true.
pub(super) fn sane(usage: Usage) -> Usage {
    let possible = |count: &u64| *count <= MAX_TOKENS;
    let prompt_tokens = usage.prompt_tokens.filter(possible);
    Usage {
        prompt_tokens,
        completion_tokens: usage.completion_tokens.filter(possible),
        cached_tokens: usage.cached_tokens.filter(|cached| prompt_tokens.is_some_and(|all| *cached <= all)),
        ..usage
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_comes_back_from_its_body() {
        let full = ModelReply {
            text: "a\nb".to_owned(),
            reasoning: Some("why".to_owned()),
            calls: vec![ToolCall {
                id: "c1".to_owned(),
                name: "look".to_owned(),
                arguments: Arguments::text("{\"a\": 1".to_owned()),
                extra: Object::new(),
                place: None,
            }],
            finish_reason: Some("length".to_owned()),
            usage: Some(Usage {
                prompt_tokens: Some(5),
                completion_tokens: Some(6),
                cached_tokens: Some(1),
                cost_usd: None,
            }),
            model: Some("m".to_owned()),
            status: 200,
            ..ModelReply::default()
        };
        let absurd =
            json!({"prompt_tokens": 4, "prompt_cache_hit_tokens": 5, "completion_tokens": 10_u64.pow(12)});
        assert_eq!(usage(&absurd), Usage { prompt_tokens: Some(4), ..Usage::default() });
        assert_eq!(usage(&json!({"prompt_tokens": -1, "completion_tokens": "7"})), Usage::default());
        for reply in [full, ModelReply { status: 200, ..ModelReply::default() }] {
            let body = to_body(&reply);
            assert_eq!(from_body(&body), Ok(ModelReply { body: Some(body.clone()), ..reply }));
        }
    }

    #[test]
    fn what_is_no_completion_is_said() {
        let told = [
            json!({}),
            json!({"choices": []}),
            json!({"choices": [{}]}),
            json!({"choices": [{"message": {"content": 7}}]}),
            json!({"error": {"message": "Insufficient Balance"}}),
        ]
        .map(|body| from_body(&body).unwrap_err());
        insta::assert_snapshot!(told.join("\n"), @r"
        it has no choice
        it has no choice
        its choice has no message
        the content of its message is not text
        it is an error: Insufficient Balance
        ");
    }
}
