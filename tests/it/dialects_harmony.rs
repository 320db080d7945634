//! Harmony against its own library.

use crate::support;
use rolltape::dialects::{Call, Dialect, find};
use rolltape::model::Object;
use serde_json::{Value, json};
use std::io::Write as _;
use std::process::{Command, Stdio};

fn harmony() -> &'static Dialect {
    find("harmony").expect("the dialect")
}

/// What the library makes of each text, and a conversation that it writes.
fn library(texts: &[String]) -> Value {
    let python = support::needs::venv_folder("harmony").join("bin/python");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/dialects_harmony.py");
    let mut child = Command::new(python)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python starts");
    child.stdin.take().expect("stdin").write_all(json!(texts).to_string().as_bytes()).expect("texts");
    let output = child.wait_with_output().expect("an answer");
    assert!(output.status.success(), "the library fails");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Calls that the library sees: messages for a tool, with their texts.
fn library_calls(reply: &Value) -> Vec<(String, String)> {
    let messages = reply["messages"].as_array().expect("messages");
    let calls = messages.iter().filter(|message| message["role"] == "assistant");
    let calls = calls.filter_map(|message| {
        let name = message["recipient"].as_str().filter(|name| *name != "assistant")?;
        let name = name.strip_prefix("functions.").unwrap_or(name);
        Some((name.to_owned(), message["text"].as_str().expect("text").trim().to_owned()))
    });
    calls.collect()
}

fn own_calls(text: &str) -> Vec<(String, String)> {
    let markup = (harmony().parse)(text);
    let calls = markup.calls.iter().map(|call| {
        let value = call.arguments.as_ref().map(|arguments| arguments.span);
        let value = value.or(call.params.first().map(|param| param.value));
        (call.name.clone(), value.map_or("", |span| span.text(text)).trim().to_owned())
    });
    calls.collect()
}

#[test]
fn replies_are_read_as_the_oracle_reads_them() {
    need!(venv("harmony"));
    let arguments: Object =
        [("text".to_owned(), json!("é <|call|> < b")), ("n".to_owned(), json!([1, null]))]
            .into_iter()
            .collect();
    let call = Call { id: "c", name: "look-up.it", arguments: &arguments };
    let mut texts = vec![
        (harmony().render)("", &[call]).expect("a call"),
        (harmony().render)("I look.", &[call]).expect("a call"),
        (harmony().render)("The answer.", &[]).expect("an answer"),
    ];
    texts.extend(
        [
            "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>4<|return|>",
            " to=functions.f<|channel|>commentary <|constrain|>json<|message|>{\"a\": 1}<|call|>",
            "<|channel|>commentary to=functions.f<|message|>{\"a\": 1}<|call|>",
            "<|channel|>commentary to=functions.f <|constrain|>json<|message|>{\"a\": 1}",
            "<|channel|>commentary to=browser.search code<|message|>{\"q\": 1}<|call|>",
            "<|channel|>analysis to=python code<|message|>print(1)<|call|>",
            "<|channel|>commentary<|message|>First.<|end|><|start|>assistant to=functions.f<|channel|>commentary json<|message|>{}<|call|>",
            "<|channel|>commentary to=functions.f<|message|>{\"a\"<|call|>",
            "<|channel|>commentary to=functions.f<|message|>{}<|end|>",
        ]
        .map(str::to_owned),
    );
    let answer = library(&texts);
    for (text, reply) in texts.iter().zip(answer["read"].as_array().expect("replies")) {
        assert!(reply["error"].is_null(), "the library refuses {text}");
        assert_eq!(own_calls(text), library_calls(reply), "{text}");
    }
    let written = answer["written"].as_str().expect("a conversation");
    let markup = (harmony().parse)(written);
    assert_eq!(own_calls(written), [("f".to_owned(), "{\"a\": 1}".to_owned())], "{written}");
    assert!(markup.calls[0].closed && markup.calls[0].flaws.is_empty(), "{written}");
    assert_eq!(markup.reasoning.len(), 1, "{written}");
    assert_eq!(markup.observations.len(), 1, "{written}");
    let result = (harmony().observe)("f", "done");
    assert!(written.contains(&result), "{written}");
    assert_eq!((harmony().read_observations)(&result)[0].content.text(&result), "done");
}
