//! The OpenAI protocol from the other side: requests read, replies written, whole and streamed.
//!
//! For programs that ask a back end through the harness. Must not know: HTTP.

use super::{ChatMessage, ModelReply, Role, chat};
use crate::model::{Object, ToolDef};
use serde_json::{Value, json};

/// Members of a request that are not passed on as parameters: read here, or of no meaning to another server.
const OWN: &[&str] =
    &["model", "messages", "tools", "stream", "stream_options", "n", "user", "metadata", "store"];

/// What a program asks for.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Wanted {
    /// Model, as the program names it.
    pub model: String,
    /// The whole conversation.
    pub messages: Vec<ChatMessage>,
    /// Native tools, if it has any.
    pub tools: Vec<ToolDef>,
    /// All other parameters as written.
    pub params: Object,
    /// Whether the reply is streamed.
    pub stream: bool,
    /// Whether the stream ends with the usage.
    pub stream_usage: bool,
}

/// Reads the body of a request for a chat completion.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub fn read(body: &Value) -> Result<Wanted, String> {
    let Some(object) = body.as_object() else { return Err("the body is no JSON object".to_owned()) };
    let list = object.get("messages").and_then(Value::as_array);
    let list = list.filter(|list| !list.is_empty()).ok_or("'messages' must be a list with a message")?;
    if let Some(old) = ["functions", "function_call"].iter().find(|key| object.contains_key(**key)) {
        return Err(format!("'{old}' is not served; send 'tools'"));
    }
    if object.get("n").is_some_and(|n| !n.is_null() && n.as_u64() != Some(1)) {
        return Err("'n' must be 1: one reply a request is recorded".to_owned());
    }
    let messages = (0..)
        .zip(list)
        .map(|(at, item)| message(item).map_err(|why| format!("'messages[{at}]' can't be used: {why}")));
    let params = object.iter().filter(|(key, value)| !OWN.contains(&key.as_str()) && !value.is_null());
    Ok(Wanted {
        model: text(body, "model").unwrap_or_default(),
        messages: messages.collect::<Result<_, _>>()?,
        tools: tools(object.get("tools"))?,
        params: params.map(|(key, value)| (key.clone(), value.clone())).collect(),
        stream: object.get("stream").and_then(Value::as_bool) == Some(true),
        stream_usage: body.pointer("/stream_options/include_usage").and_then(Value::as_bool) == Some(true),
    })
}

fn text(holder: &Value, key: &str) -> Option<String> {
    holder.get(key).and_then(Value::as_str).map(str::to_owned)
}

fn message(item: &Value) -> Result<ChatMessage, String> {
    let role = match item.get("role").and_then(Value::as_str) {
        Some("system" | "developer") => Role::System,
        Some("user") => Role::User,
        Some("assistant") => Role::Assistant,
        Some("tool") => Role::Tool,
        Some(other) => return Err(format!("the role '{other}' is not served")),
        None => return Err("it has no role".to_owned()),
    };
    let call_id = text(item, "tool_call_id");
    if role == Role::Tool && call_id.is_none() {
        return Err("a tool message needs a tool_call_id".to_owned());
    }
    Ok(ChatMessage {
        reasoning: text(item, "reasoning_content"),
        calls: chat::calls(item)?,
        call_id,
        ..ChatMessage::new(role, content(item.get("content"))?)
    })
}

fn content(value: Option<&Value>) -> Result<String, String> {
    match value {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Array(parts)) => {
            let part = |part: &Value| text(part, "text").ok_or("only parts of text are served");
            Ok(parts.iter().map(part).collect::<Result<Vec<_>, _>>()?.concat())
        }
        Some(_) => Err("its content is neither text nor a list of parts".to_owned()),
    }
}

fn tools(list: Option<&Value>) -> Result<Vec<ToolDef>, String> {
    let list = match list {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(list)) => list,
        Some(_) => return Err("'tools' is not a list".to_owned()),
    };
    let read = |tool: &Value| {
        let function = tool.get("function")?;
        Some(ToolDef {
            name: text(function, "name")?,
            description: text(function, "description").unwrap_or_default(),
            parameters: function.get("parameters").cloned().unwrap_or_else(|| json!({"type": "object"})),
        })
    };
    let read = |(at, tool)| read(tool).ok_or_else(|| format!("'tools[{at}]' is no function with a name"));
    list.iter().enumerate().map(read).collect()
}

/// The body of a chat completion with this number; `model` is named if the reply names none.
pub fn body(reply: &ModelReply, number: u32, model: &str) -> Value {
    let mut body = chat::to_body(reply);
    let message = &mut body["choices"][0]["message"];
    if !reply.calls.is_empty() && reply.text.is_empty() {
        message["content"] = Value::Null;
    }
    body["choices"][0]["finish_reason"] = finish(reply).into();
    body["id"] = id(number).into();
    // No clock: what a program sees is the same in every run.
    body["created"] = 0.into();
    body["model"] = reply.model.as_deref().unwrap_or(model).into();
    body
}

fn id(number: u32) -> String {
    format!("chatcmpl-{number}")
}

fn finish(reply: &ModelReply) -> &str {
    let usual = if reply.calls.is_empty() { "stop" } else { "tool_calls" };
    reply.finish_reason.as_deref().unwrap_or(usual)
}

/// The same as a stream of events.
pub fn stream(reply: &ModelReply, number: u32, model: &str, usage: bool) -> String {
    let whole = body(reply, number, model);
    let chunk = |delta: Value, finish: Option<&str>| {
        json!({
            "id": whole["id"], "object": "chat.completion.chunk", "created": 0, "model": whole["model"],
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        })
    };
    let mut chunks = vec![chunk(json!({"role": "assistant", "content": ""}), None)];
    if let Some(reasoning) = &reply.reasoning {
        chunks.push(chunk(json!({"reasoning_content": reasoning}), None));
    }
    if !reply.text.is_empty() {
        chunks.push(chunk(json!({"content": reply.text}), None));
    }
    for (index, call) in
        whole["choices"][0]["message"]["tool_calls"].as_array().into_iter().flatten().enumerate()
    {
        let mut call = call.clone();
        call["index"] = index.into();
        chunks.push(chunk(json!({"tool_calls": [call]}), None));
    }
    chunks.push(chunk(json!({}), Some(finish(reply))));
    if usage {
        let mut last = chunk(json!({}), None);
        last["choices"] = json!([]);
        last["usage"] = whole.get("usage").cloned().unwrap_or(Value::Null);
        chunks.push(last);
    }
    let mut out: String = chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect();
    out.push_str("data: [DONE]\n\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Arguments, ToolCall};

    #[test]
    fn a_request_is_read_with_all_that_it_says() {
        let wanted = read(&json!({
            "model": "m", "temperature": 0.5, "top_p": null, "stream": true,
            "stream_options": {"include_usage": true}, "n": 1,
            "messages": [
                {"role": "developer", "content": [{"type": "text", "text": "be "}, {"type": "text", "text": "good"}]},
                {"role": "assistant", "content": null, "reasoning_content": "hm", "tool_calls": [
                    {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{\"a\": 1"}}]},
                {"role": "tool", "tool_call_id": "c", "content": "one"},
            ],
            "tools": [{"type": "function", "function": {"name": "f"}}],
        }))
        .unwrap();
        assert_eq!((wanted.model.as_str(), wanted.stream, wanted.stream_usage), ("m", true, true));
        assert_eq!(Value::Object(wanted.params), json!({"temperature": 0.5}));
        assert_eq!((wanted.messages[0].role, wanted.messages[0].content.as_str()), (Role::System, "be good"));
        assert_eq!(wanted.messages[1].reasoning.as_deref(), Some("hm"));
        assert_eq!(wanted.messages[1].calls[0].arguments.raw.as_deref(), Some("{\"a\": 1"));
        assert_eq!(wanted.messages[2].call_id.as_deref(), Some("c"));
        assert_eq!(wanted.tools[0].parameters, json!({"type": "object"}));
    }

    #[test]
    fn what_is_no_request_is_said() {
        let user = json!([{"role": "user", "content": "x"}]);
        let told = [
            json!([]),
            json!({}),
            json!({"messages": []}),
            json!({"messages": [{"content": "x"}]}),
            json!({"messages": [{"role": "ghost", "content": "x"}]}),
            json!({"messages": [{"role": "user", "content": 7}]}),
            json!({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}),
            json!({"messages": [{"role": "tool", "content": "x"}]}),
            json!({"messages": user, "n": 2}),
            json!({"messages": user, "functions": []}),
            json!({"messages": user, "tools": {}}),
            json!({"messages": user, "tools": [{"type": "web_search"}]}),
        ]
        .map(|body| read(&body).unwrap_err());
        insta::assert_snapshot!(told.join("\n"), @r"
        the body is no JSON object
        'messages' must be a list with a message
        'messages' must be a list with a message
        'messages[0]' can't be used: it has no role
        'messages[0]' can't be used: the role 'ghost' is not served
        'messages[0]' can't be used: its content is neither text nor a list of parts
        'messages[0]' can't be used: only parts of text are served
        'messages[0]' can't be used: a tool message needs a tool_call_id
        'n' must be 1: one reply a request is recorded
        'functions' is not served; send 'tools'
        'tools' is not a list
        'tools[0]' is no function with a name
        ");
    }

    #[test]
    fn a_stream_says_what_the_whole_says() {
        let call = ToolCall {
            id: "c".to_owned(),
            name: "f".to_owned(),
            arguments: Arguments::text("{}".to_owned()),
            extra: Object::new(),
            place: None,
        };
        let reply = ModelReply {
            text: "so".to_owned(),
            reasoning: Some("why".to_owned()),
            calls: vec![call],
            ..ModelReply::default()
        };
        insta::assert_snapshot!(body(&reply, 3, "m"), @r#"{"object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"so","reasoning_content":"why","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},"finish_reason":"tool_calls"}],"id":"chatcmpl-3","created":0,"model":"m"}"#);
        insta::assert_snapshot!(stream(&reply, 3, "m", true), @r#"
        data: {"id":"chatcmpl-3","object":"chat.completion.chunk","created":0,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}

        data: {"id":"chatcmpl-3","object":"chat.completion.chunk","created":0,"model":"m","choices":[{"index":0,"delta":{"reasoning_content":"why"},"finish_reason":null}]}

        data: {"id":"chatcmpl-3","object":"chat.completion.chunk","created":0,"model":"m","choices":[{"index":0,"delta":{"content":"so"},"finish_reason":null}]}

        data: {"id":"chatcmpl-3","object":"chat.completion.chunk","created":0,"model":"m","choices":[{"index":0,"delta":{"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"},"index":0}]},"finish_reason":null}]}

        data: {"id":"chatcmpl-3","object":"chat.completion.chunk","created":0,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}

        data: {"id":"chatcmpl-3","object":"chat.completion.chunk","created":0,"model":"m","choices":[],"usage":null}

        data: [DONE]
        "#);
    }
}
