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
