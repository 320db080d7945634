//! Tapes of streams and of native calls: what a server sent is what a replay says.

use crate::support;
use crate::support::scripted::{Scripted, streamed};
use rolltape::backend::{
    self, Backend, BackendName, Budget, ChatMessage, Metered, ModelReply, Opening, Role, Settings, wire,
};
use rolltape::model::{AttemptId, CassetteLine, Object, ToolDef};
use rolltape::util::redact::Redactor;
use rolltape::util::tell::Tell;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;

const CHAT: [&str; 5] = [
    r#"{"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":null,"reasoning_content":"I look"}}]}"#,
    r#"{"model":"m","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"look","arguments":"{\"at\": \"se"}}]}}]}"#,
    r#"{"model":"m","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"a\"}"}},{"index":1,"id":"b","function":{"name":"look","arguments":"{"}}]}}]}"#,
    r#"{"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":4,"completion_tokens":2}}"#,
    "[DONE]",
];

const MESSAGES: [&str; 9] = [
    r#"{"type":"message_start","message":{"type":"message","model":"m","content":[],"usage":{"input_tokens":4,"output_tokens":1}}}"#,
    r#"{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"I look","signature":"c2ln"}}"#,
    r#"{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"a","name":"look","input":{}}}"#,
    r#"{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"at\": \"se"}}"#,
    r#"{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"a\"}"}}"#,
    r#"{"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"b","name":"look","input":{}}}"#,
    r#"{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{"}}"#,
    r#"{"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":2}}"#,
    r#"{"type":"message_stop"}"#,
];

fn open(kind: &str, url: &str) -> Arc<dyn Backend> {
    let kind = backend::ALL.iter().find(|item| item.name == kind).unwrap();
    let settings =
        Settings { base_url: Some(url.to_owned()), model: Some("m".to_owned()), ..Settings::default() };
    let opening = Opening { arg: None, base: Path::new("/"), settings: &settings, var: &|_| None };
    (kind.open)(&opening).map_err(|(message, _)| message).unwrap()
}

/// Two turns with native tools; the second tells what the calls gave.
fn talk(backend: &Arc<dyn Backend>, seen: &str) -> (Vec<ModelReply>, Vec<CassetteLine>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let id = AttemptId { suite: "s".into(), task: "t".into(), subject: "a".into(), n: 1 };
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let listener = Tell::new(move |exchanged| drop(sender.send(exchanged)));
    let params = Object::new();
    let mut metered =
        Metered::new(Arc::clone(backend), id, params, Budget::default(), Redactor::default(), Some(listener));
    let tools =
        [ToolDef { name: "look".into(), description: "looks".into(), parameters: json!({"type": "object"}) }];
    let mut messages = vec![ChatMessage::new(Role::User, "look")];
    let replies = runtime.block_on(async {
        let first = metered.complete(&messages, Some(&tools)).await.unwrap();
        messages.push(ChatMessage {
            reasoning: first.reasoning.clone(),
            calls: first.calls.clone(),
            ..ChatMessage::new(Role::Assistant, first.text.clone())
        });
        for (id, text) in [("a", seen), ("b", "these are no arguments")] {
            messages.push(ChatMessage { call_id: Some(id.into()), ..ChatMessage::new(Role::Tool, text) });
        }
        vec![first, metered.complete(&messages, Some(&tools)).await.unwrap()]
    });
    let mut lines = Vec::new();
    while let Ok(exchanged) = receiver.try_recv() {
        lines.push(exchanged.line);
    }
    (replies, lines)
}

#[test]
fn native_calls_of_both_protocols_replay_from_their_events() {
    for (kind, events) in [("openai_chat", &CHAT[..]), ("anthropic", &MESSAGES[..])] {
        let later: Vec<String> = events
            .iter()
            .map(|event| event.replace(r#""id":"a""#, r#""id":"c""#).replace(r#""id":"b""#, r#""id":"d""#))
            .collect();
        let later: Vec<&str> = later.iter().map(String::as_str).collect();
        let server = Scripted::start(vec![streamed(events), streamed(&later)]);
        let (told, lines) = talk(&open(kind, &server.url()), "the sea");
        let calls: Vec<_> =
            told[0].calls.iter().map(|call| (call.id.as_str(), call.arguments.raw.as_deref())).collect();
        assert_eq!(calls, [("a", Some("{\"at\": \"sea\"}")), ("b", Some("{"))], "{kind}");
        assert_eq!(told[0].reasoning.as_deref(), Some("I look"), "{kind}");

        let folder = support::temp();
        let text: String = lines.iter().map(|line| wire::line_to_json(line) + "\n").collect();
        let stored: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        let data: Vec<&str> =
            stored["sse"].as_array().unwrap().iter().map(|event| event["data"].as_str().unwrap()).collect();
        assert_eq!(data, events, "{kind}");
        std::fs::write(folder.path().join("cassette.jsonl"), text).unwrap();
        let cassette = backend::open(&BackendName::parse("cassette:cassette.jsonl"), folder.path()).unwrap();
        assert_eq!(cassette.model().as_deref(), Some("m"));

        let (again, relined) = talk(&cassette, "the sea");
        assert_eq!(relined, lines, "{kind}");
        for (then, now) in told.iter().zip(&again) {
            assert_eq!((&now.calls, &now.text, &now.drift), (&then.calls, &then.text, &None), "{kind}");
            assert_eq!((&now.finish_reason, now.usage), (&then.finish_reason, then.usage), "{kind}");
        }
        let (drifted, _) = talk(&cassette, "the shore");
        insta::allow_duplicates! {
            insta::assert_snapshot!(drifted[1].drift.as_ref().unwrap().diff, @"
            --- tape
            +++ now
            @@ -1,4 +1,4 @@
             [tool a]
            -the sea
            +the shore
             [tool b]
             these are no arguments
            ");
        }
        if kind == "anthropic" {
            // Thinking goes back with its calls, signature included.
            let body = server.requests()[1].split_once("\r\n\r\n").unwrap().1.to_owned();
            let body: Value = serde_json::from_str(&body).unwrap();
            let blocks = &body["messages"][1]["content"];
            assert_eq!(
                (&blocks[0]["type"], &blocks[0]["signature"]),
                (&json!("thinking"), &json!("c2ln")),
                "{blocks}"
            );
            assert_eq!(body["messages"][2]["content"][1]["tool_use_id"], "b", "{body}");
        }
    }
}

#[test]
fn a_tape_that_was_cut_is_told() {
    let later =
        CHAT.map(|event| event.replace(r#""id":"a""#, r#""id":"c""#).replace(r#""id":"b""#, r#""id":"d""#));
    let server = Scripted::start(vec![streamed(&CHAT), streamed(&later.each_ref().map(String::as_str))]);
    let (_, mut lines) = talk(&open("openai_chat", &server.url()), "x");
    lines[0].sse.as_mut().unwrap().truncate(3);
    let folder = support::temp();
    std::fs::write(folder.path().join("cassette.jsonl"), wire::line_to_json(&lines[0]) + "\n").unwrap();
    let cassette = backend::open(&BackendName::parse("cassette:cassette.jsonl"), folder.path()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let id = AttemptId { suite: "s".into(), task: "t".into(), subject: "a".into(), n: 1 };
    let mut metered = Metered::new(cassette, id, Object::new(), Budget::default(), Redactor::default(), None);
    let stop = runtime.block_on(metered.complete(&[ChatMessage::new(Role::User, "look")], None)).unwrap_err();
    let told = format!("{stop:?}").replace(&folder.path().display().to_string(), "[dir]");
    insta::assert_snapshot!(told, @r#"Error(RunError { class: BackendProtocol, message: "the reply of task 't', attempt 1, turn 1 in [dir]/cassette.jsonl can't be replayed: its stream was cut off" })"#);
}
