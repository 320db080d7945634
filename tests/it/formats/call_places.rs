//! Native calls have a place: a finding about one points at its JSON in the file.

use super::abuse::written;
use proptest::prelude::*;
use rolltape::formats::{self, Locator};
use rolltape::model::{Finding, Location, Place, Policy, ToolDef};
use rolltape::rules::{self, Options};
use serde_json::{Value, json};

/// Formats of one trajectory a record, in which calls are objects.
const FORMATS: [&str; 5] = ["openai-chat", "openai-responses", "anthropic", "gemini", "atif"];

/// The text from a line and a column on, found in the plainest way.
fn from_there<'a>(text: &'a str, at: &Location) -> &'a str {
    let line_start = match at.line {
        1 => 0,
        n => text.match_indices('\n').nth(n as usize - 2).map_or(text.len(), |(at, _)| at + 1),
    };
    let line = &text[line_start..];
    let column = line.char_indices().nth(at.column as usize - 1).map_or(line.len(), |(at, _)| at);
    &line[column..]
}

/// The JSON value that a text begins with.
fn begins_with(text: &str) -> Value {
    serde_json::Deserializer::from_str(text).into_iter::<Value>().next().expect("a value").expect("JSON")
}

/// The name in a call of any of the formats.
fn name(call: &Value) -> Option<&str> {
    [&call["name"], &call["function_name"], &call["function"]["name"], &call["function"]]
        .into_iter()
        .find_map(Value::as_str)
}

/// Findings of a file, each with where it stands; no tool is known, so that each call is one that there is not.
fn findings(text: &str, format: &str) -> Vec<(Finding, Place, Location)> {
    let output = formats::read_bytes("x", text.as_bytes(), Some(format)).expect("read");
    assert_eq!((&output.errors, output.trajectories.is_empty()), (&vec![], false), "{text}");
    let none: [ToolDef; 0] = [];
    let options = Options { tools: Some(&none), ..Options::default() };
    let mut locator = Locator::new(text.as_bytes());
    let mut all = Vec::new();
    for trajectory in &output.trajectories {
        let judged = rules::judge_with(trajectory, &Policy::default(), &options);
        for (finding, place) in judged.findings.into_iter().zip(judged.places) {
            let Some(place) = place else { continue };
            let start = locator.byte(place, finding.span.map_or(0, |span| span.start));
            all.push((finding, place, locator.position(start)));
        }
    }
    all
}

/// Each call that is called once is found where it stands.
fn all_are_found(text: &str, format: &str, names: &[String]) {
    let found = findings(text, format);
    for wanted in names {
        let quoted = format!("'{wanted}'");
        let own =
            found.iter().find(|(finding, ..)| finding.rule == "FC006" && finding.text.contains(&quoted));
        let (finding, place, at) = own.unwrap_or_else(|| panic!("{format}: {wanted} is not found in {text}"));
        assert_eq!((place.value, finding.span), (true, None), "{format}: {finding:?}");
        let call = begins_with(from_there(text, at));
        assert_eq!(
            name(&call),
            Some(wanted.as_str()),
            "{format}: {at:?} is not the call of {wanted} in {text}"
        );
        let end = Locator::new(text.as_bytes()).value_end(*place).expect("an end");
        assert_eq!(begins_with(&text[place.offset as usize..end]), call);
    }
}

/// A conversation of turns: what the model says, and how many calls it makes.
fn chat(turns: &[(String, usize)]) -> (Value, Vec<String>) {
    let (mut messages, mut names) = (vec![json!({"role": "user", "content": "go"})], Vec::new());
    for (said, count) in turns {
        let mut calls = Vec::new();
        for _ in 0..*count {
            let name = format!("call{}_", names.len());
            let arguments = json!({"text": said, "{": ["}\"", said]}).to_string();
            calls.push(json!({"id": format!("i{name}"), "type": "function", "function": {"name": name, "arguments": arguments}}));
            names.push(name);
        }
        let mut message = json!({"role": "assistant", "content": said});
        if *count > 0 {
            message["tool_calls"] = calls.clone().into();
        }
        messages.push(message);
        for call in &calls {
            messages.push(json!({"role": "tool", "tool_call_id": call["id"], "content": said}));
        }
    }
    (json!({ "messages": messages }), names)
}

/// A completion log whose reply is the last message.
fn completion_log(chat: &Value) -> Value {
    let mut messages = chat["messages"].as_array().cloned().expect("a list");
    messages.retain(|message| message["role"] != "tool");
    let reply = messages.pop().expect("a message");
    json!({"messages": messages, "kwargs": {}, "response": {"choices": [{"message": reply}]}})
}

fn holds(turns: &[(String, usize)]) {
    let (chat, names) = chat(turns);
    let pretty = |value: &Value| serde_json::to_string_pretty(value).expect("JSON");
    let output = formats::read_bytes("x", chat.to_string().as_bytes(), Some("openai-chat")).expect("read");
    let trajectory = &output.trajectories[0];
    for format in FORMATS {
        let (files, _) = written(format, trajectory);
        let record: Value = serde_json::from_slice(&files[0].1).expect("JSON");
        all_are_found(&pretty(&record), format, &names);
        // As the second of some lines, behind a mark.
        let lines = format!("\u{feff}{record}\n{record}\r\n");
        let both = findings(&lines, format);
        let second = lines.find('\n').expect("an end") + 1;
        for wanted in &names {
            let quoted = format!("'{wanted}'");
            let own: Vec<_> = both
                .iter()
                .filter(|(finding, ..)| finding.rule == "FC006" && finding.text.contains(&quoted))
                .collect();
            let lines_of: Vec<u64> = own.iter().map(|(_, _, at)| at.line).collect();
            assert_eq!(lines_of, [1, 2], "{format}");
            assert_eq!(own[1].1.offset as usize - second, own[0].1.offset as usize - 3, "{format}");
            let bare = lines.trim_start_matches('\u{feff}');
            for (_, _, at) in own {
                assert_eq!(name(&begins_with(from_there(bare, at))), Some(wanted.as_str()), "{format}");
            }
        }
    }
    let last = turns.last().map_or(0, |(_, count)| *count);
    let log = completion_log(&chat);
    for text in [pretty(&log), format!("{log}\n{log}\n")] {
        all_are_found(&text, "openhands-completion-log", &names[names.len() - last..]);
        all_are_found(&text, "openai-completion-log", &names[names.len() - last..]);
    }
}

#[test]
fn a_finding_about_a_native_call_points_at_it() {
    holds(&[("look".to_owned(), 2), (String::new(), 1), ("a \u{1f600}\n\"b\"".to_owned(), 3)]);
}

#[test]
fn sessions_and_traces_place_their_calls() {
    for (format, path) in [
        ("claude-code", "claude-code"),
        ("codex", "codex"),
        ("gemini-cli", "gemini-cli"),
        ("tau2", "tau2"),
        ("langchain", "langchain"),
        ("swe-agent", "swe-agent"),
        ("verifiers", "verifiers"),
        ("openhands-v0-events", "openhands-v0-events"),
        ("openhands-v1-events", "openhands-v1-events"),
    ] {
        let folder = crate::support::fixture(&format!("formats/{path}"));
        let mut calls = 0;
        for file in super::logs::walk(&folder) {
            let bytes = std::fs::read(&file).expect("a file");
            let Ok(output) = formats::read_bytes("x", &bytes, None) else { continue };
            let steps = output
                .trajectories
                .iter()
                .filter(|one| output.format == format && one.origin.files.is_empty());
            let steps = steps.flat_map(|trajectory| &trajectory.steps);
            for call in steps.flat_map(|step| &step.calls) {
                let Some(place) = call.place else { continue };
                calls += 1;
                let end = Locator::new(&bytes).value_end(place).expect("a value");
                let text = String::from_utf8_lossy(&bytes[place.offset as usize..end]).into_owned();
                assert!(text.contains(&call.name), "{format}: {} is not in {text}", call.name);
            }
        }
        assert!(calls > 0, "{format} places no call");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_native_call_is_found_where_it_stands(turns in prop::collection::vec((any::<String>(), 0..3_usize), 1..4)) {
        holds(&turns);
    }
}

/// What the inside of a JSON string says from a byte on.
fn said(text: &str, from: usize) -> String {
    String::from_utf8(rolltape::util::json::inside(&text.as_bytes()[from..])).expect("text")
}

#[test]
fn calls_in_a_text_of_sharegpt_are_found_in_it() {
    let call = |name: &str| json!({"name": name, "arguments": {"text": "\u{e9}\n\"{"}});
    let item = |from: &str, value: String| json!({"from": from, "value": value});
    let record = json!({"conversations": [
        item("human", "go".to_owned()),
        item("function_call", format!(" {}", call("one"))),
        item("observation", "ok".to_owned()),
        item("function_call", format!("[{}, \n{}]", call("two"), call("three"))),
        item("observation", "ok".to_owned()),
        item("function_call", "no call".to_owned()),
    ]});
    for text in [record.to_string(), serde_json::to_string_pretty(&record).expect("JSON")] {
        let found = findings(&text, "sharegpt");
        for name in ["one", "two", "three"] {
            let own = found.iter().find(|(finding, ..)| finding.text.contains(&format!("'{name}'")));
            let (_, place, at) = own.unwrap_or_else(|| panic!("{name} is not found"));
            assert_eq!(begins_with(&said(&text, place.offset as usize))["name"], name);
            let raw = from_there(&text, at);
            assert!(raw.starts_with("{\\\"") && raw[..60].contains(name), "{raw:.80}");
        }
        let (_, _, at) = found.iter().find(|(finding, ..)| finding.rule == "FC017").expect("no JSON");
        assert_eq!(begins_with(from_there(&text, at)), "no call");
    }
}

#[test]
fn calls_of_bfcl_and_actions_of_swe_agent_are_found_where_they_stand() {
    let result = json!({"id": "a", "result": [{"one": "{\"x\": 1}"}, {"two": {"y": 2}, "three": {"z": 3}}],
        "input_token_count": 1, "output_token_count": 1});
    let action = json!({"environment": "e", "history": [], "info": {}, "replay_config": null, "trajectory": [
        {"response": "I look.", "action": "look \"around\"", "observation": "ok", "thought": "", "state": {}}]});
    let cases = [
        ("bfcl", &result, "one", json!({"one": "{\"x\": 1}"})),
        ("bfcl", &result, "two", json!({"y": 2})),
        ("bfcl", &result, "three", json!({"z": 3})),
        ("swe-agent", &action, "look", json!("look \"around\"")),
    ];
    for (format, record, name, wanted) in cases {
        let text = serde_json::to_string_pretty(record).expect("JSON");
        let found = findings(&text, format);
        let own = found.iter().find(|(finding, ..)| finding.text.contains(&format!("'{name}'")));
        let (_, _, at) = own.unwrap_or_else(|| panic!("{format}: {name} is not found"));
        assert_eq!(begins_with(from_there(&text, at)), wanted, "{format}");
    }
}

/// A value as OTLP nests it.
fn any_value(value: &Value) -> Value {
    match value {
        Value::Array(items) => {
            json!({"arrayValue": {"values": items.iter().map(any_value).collect::<Vec<_>>()}})
        }
        Value::Object(members) => {
            let pairs = members.iter().map(|(key, value)| json!({"key": key, "value": any_value(value)}));
            json!({"kvlistValue": {"values": pairs.collect::<Vec<_>>()}})
        }
        other => json!({"stringValue": other}),
    }
}

#[test]
fn texts_and_calls_of_spans_are_found_in_both_encodings() {
    let texts = ["\u{e9} \"go\"\n\\ here", "\u{1f600}\t\"x\" here", "\"seen\"\n\u{e9} here"];
    let input = json!([
        {"role": "user", "parts": [{"type": "text", "content": texts[0]}]},
        {"role": "assistant", "parts": [{"type": "tool_call", "id": "a", "name": "f\u{e9}", "arguments": {"x": "\"\n"}}]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "a", "response": texts[2]}]},
    ]);
    let output = json!([{"role": "assistant", "parts": [
        {"type": "text", "content": texts[1]},
        {"type": "tool_call", "id": "b", "name": "g", "arguments": {"x": "\u{e9}"}},
    ]}]);
    for nested in [true, false] {
        let written = |value: &Value| {
            if nested { json!({"stringValue": format!(" {value:#}")}) } else { any_value(value) }
        };
        let attributes = json!([
            {"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}},
            {"key": "gen_ai.input.messages", "value": written(&input)},
            {"key": "gen_ai.output.messages", "value": written(&output)},
        ]);
        let span = json!({"traceId": "t", "spanId": "s", "name": "chat", "startTimeUnixNano": "1", "attributes": attributes});
        let text = format!("{:#}", json!({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}));
        let read = formats::read_bytes("x", text.as_bytes(), Some("otel-genai")).expect("read");
        let steps = &read.trajectories[0].steps;
        assert_eq!(steps.len(), 3, "{steps:?}");
        let result = &steps[1].observation.as_ref().expect("a result").results[0];
        let places = [steps[0].place, steps[2].judged_place(), result.place];
        let locator = Locator::new(text.as_bytes());
        for (said, place) in texts.iter().zip(places) {
            let place = place.expect("a place");
            for (at, rest) in said.match_indices(|c: char| c.is_alphanumeric()) {
                let byte = locator.byte(place, at);
                // What is no ASCII is written as it is, so that each letter stands where it is said to.
                assert!(text[byte..].starts_with(rest), "{said}: {at} is at {:.20}", &text[byte..]);
            }
            let end = locator.end_byte(place, said.len());
            assert!(text[..end].ends_with("here"), "{:.20}", &text[end..]);
        }
        for (step, name) in [(1, "f\u{e9}"), (2, "g")] {
            let place = steps[step].calls[0].place.expect("a place");
            let start = place.offset as usize;
            if nested {
                assert_eq!(begins_with(&said(&text, start))["name"], name);
            } else {
                let end = locator.value_end(place).expect("an end");
                let part: Value = serde_json::from_str(&text[start..end]).expect("JSON");
                assert!(part["kvlistValue"].to_string().contains(name), "{part}");
            }
        }
    }
}
