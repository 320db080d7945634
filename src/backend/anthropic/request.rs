//! A conversation as the Messages API wants it: the system's words apart, roles in turn, results as blocks.

use super::super::{ChatMessage, Request, Role, chat};
use super::reply::THINKING;
use crate::model::{Object, ToolCall};
use serde_json::{Value, json};

/// The whole body of a request.
pub(super) fn body(request: &Request, model: &str, stream: bool) -> Value {
    let mut body = Object::new();
    body.insert("model".to_owned(), model.into());
    let system: Vec<&str> = request
        .messages
        .iter()
        .filter(|message| message.role == Role::System && !message.content.is_empty())
        .map(|message| message.content.as_str())
        .collect();
    if !system.is_empty() {
        body.insert("system".to_owned(), system.join("\n\n").into());
    }
    body.insert("messages".to_owned(), messages(request.messages));
    body.extend(request.params.clone());
    if let Some(tools) = request.tools.as_ref().filter(|tools| !tools.is_empty()) {
        let tool = |tool: &crate::model::ToolDef| json!({"name": tool.name, "description": tool.description, "input_schema": tool.parameters});
        body.insert("tools".to_owned(), tools.iter().map(tool).collect());
    }
    body.insert("stream".to_owned(), stream.into());
    Value::Object(body)
}

/// Messages in turn: what follows in the same role becomes one message, what is empty is left out, as the server
/// refuses both.
fn messages(all: &[ChatMessage]) -> Value {
    let mut out: Vec<(&str, Vec<Value>)> = Vec::new();
    for message in all {
        let (role, blocks) = match message.role {
            Role::System => continue,
            Role::User => ("user", text(&message.content)),
            Role::Assistant => ("assistant", spoken(message)),
            Role::Tool => ("user", vec![result(message)]),
        };
        match out.last_mut() {
            _ if blocks.is_empty() => {}
            Some((last, list)) if *last == role => list.extend(blocks),
            _ => out.push((role, blocks)),
        }
    }
    let message = |(role, blocks): (&str, Vec<Value>)| {
        // One text stands as it is: every server that speaks the protocol takes that.
        let single = match &blocks[..] {
            [block] if block["type"] == "text" => Some(block["text"].clone()),
            _ => None,
        };
        json!({"role": role, "content": single.unwrap_or(Value::Array(blocks))})
    };
    out.into_iter().map(message).collect()
}

fn text(content: &str) -> Vec<Value> {
    if content.trim().is_empty() { Vec::new() } else { vec![json!({"type": "text", "text": content})] }
}

/// What the model said: its thinking as it came, its text, its calls.
fn spoken(message: &ChatMessage) -> Vec<Value> {
    let thinking = message.calls.iter().filter_map(|call| call.extra.get(THINKING)?.as_array()).flatten();
    let mut blocks: Vec<Value> = thinking.cloned().collect();
    blocks.extend(text(&message.content));
    blocks.extend(message.calls.iter().map(call));
    blocks
}

fn call(call: &ToolCall) -> Value {
    let input = call.arguments.parsed.clone().unwrap_or_else(|| {
        // The protocol knows objects only; what the model wrote must not get lost.
        let raw = chat::arguments(call);
        if raw.is_empty() { Object::new() } else { Object::from_iter([("arguments".to_owned(), raw.into())]) }
    });
    json!({"type": "tool_use", "id": call.id, "name": call.name, "input": input})
}

fn result(message: &ChatMessage) -> Value {
    json!({
        "type": "tool_result",
        "tool_use_id": message.call_id.as_deref().unwrap_or_default(),
        "content": message.content,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Arguments;

    #[test]
    fn a_conversation_with_calls_is_told_in_blocks() {
        let thinking = json!([{"type": "thinking", "thinking": "hm", "signature": "s"}]);
        let call = |id: &str, raw: &str, extra: Object| ToolCall {
            id: id.to_owned(),
            name: "look".to_owned(),
            arguments: Arguments::text(raw.to_owned()),
            extra,
            place: None,
        };
        let mut spoken = ChatMessage::new(Role::Assistant, "I look.");
        let extra = Object::from_iter([(THINKING.to_owned(), thinking)]);
        spoken.calls = vec![call("a", "{\"x\":1}", extra), call("b", "{\"x\"", Object::new())];
        let tool = |id: &str| ChatMessage {
            call_id: Some(id.to_owned()),
            ..ChatMessage::new(Role::Tool, format!("result of {id}"))
        };
        let told = messages(&[
            ChatMessage::new(Role::System, "apart"),
            ChatMessage::new(Role::User, "one"),
            ChatMessage::new(Role::Assistant, " "),
            ChatMessage::new(Role::User, "two"),
            spoken,
            tool("a"),
            tool("b"),
            ChatMessage::new(Role::User, "go on"),
        ]);
        insta::assert_snapshot!(serde_json::to_string_pretty(&told).unwrap());
    }
}
