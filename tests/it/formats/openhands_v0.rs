//! `openhands-v0-events` and `openhands-eval-output`.

use super::abuse::{Abuse, comes_back};
use super::logs::places_hold;
use crate::support;
use rolltape::formats::{self, Locator, ReadOutput};
use rolltape::model::{Source, Trajectory};

pub(super) fn fixture(path: &str) -> Vec<u8> {
    std::fs::read(support::fixture(&format!("formats/{path}"))).expect("the fixture")
}

/// Reads bytes in the format that they are told to have; nothing is wrong with them.
pub(super) fn clean(format: &str, bytes: &[u8]) -> ReadOutput {
    let output = formats::read_bytes("x", bytes, None).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((output.format, output.errors.as_slice()), (format, [].as_slice()));
    output.trajectories.iter().for_each(|trajectory| {
        places_hold(trajectory, bytes);
        comes_back(trajectory);
    });
    output
}

/// For each assistant message its calls and its results.
pub(super) fn shape(trajectory: &Trajectory) -> Vec<(usize, usize)> {
    let results =
        |step: &rolltape::model::Step| step.observation.as_ref().map_or(0, |seen| seen.results.len());
    trajectory.judged().map(|step| (step.calls.len(), results(step))).collect()
}

/// Who said what, empty messages apart.
pub(super) fn said(trajectory: &Trajectory) -> Vec<(Source, String)> {
    let steps = trajectory.steps.iter().filter(|step| !step.message.text().is_empty());
    steps.map(|step| (step.source, step.message.text().into_owned())).collect()
}

#[test]
fn parallel_calls_of_one_reply_are_one_message() {
    let bytes = fixture("openhands-v0-events/parallel.json");
    let output = clean("openhands-v0-events", &bytes);
    assert_eq!(output.warnings, []);
    let [trajectory] = output.trajectories.as_slice() else { panic!("one trajectory") };
    assert_eq!(shape(trajectory), [(2, 2), (0, 0), (1, 0)]);
    let sources: Vec<Source> = trajectory.steps.iter().map(|step| step.source).collect();
    assert_eq!(
        sources,
        [Source::System, Source::User, Source::Agent, Source::Agent, Source::User, Source::Agent]
    );
    assert_eq!(trajectory.agent.model.as_deref(), Some("small-model"));
    assert_eq!(trajectory.agent.version, "0.62.0");
    assert_eq!(trajectory.agent.tools.as_ref().map(Vec::len), Some(1));
    let first = &trajectory.steps[2];
    assert_eq!(first.message.text(), "Both files \u{e9}.");
    // What the model wrote, not the runtime's action.
    assert_eq!(first.calls[0].arguments.raw.as_deref(), Some("{\"command\": \"cat a\"}"));
    assert_eq!(first.calls[1].name, "str_replace_editor");
    let usage = first.usage.expect("usage");
    assert_eq!((usage.prompt_tokens, usage.completion_tokens), (Some(100), Some(20)));
    let results = &first.observation.as_ref().expect("results").results;
    assert_eq!(results[0].extra["exit_code"], 0);
    assert_eq!(results[1].call_id.as_deref(), Some("c2"));
    let prompt: u64 = trajectory.judged().filter_map(|step| step.usage?.prompt_tokens).sum();
    let totals = trajectory.final_metrics.as_ref().expect("totals").usage;
    assert_eq!((prompt, totals.prompt_tokens, totals.cost_usd), (250, Some(250), Some(0.03)));
    assert_eq!(trajectory.steps[1].extra["other_events"].as_array().map(Vec::len), Some(2));
    let mut locator = Locator::new(&bytes);
    let place = first.judged_place().expect("a place");
    let found = locator.locate(place, "Both files ".len());
    assert_eq!(found.line, 6);
    assert!(locator.line_text(locator.byte(place, 0)).contains("\"id\": 4"));
}

#[test]
fn events_are_read_as_a_list_as_lines_and_from_a_folder() {
    let bytes = fixture("openhands-v0-events/parallel.json");
    let list = clean("openhands-v0-events", &bytes);
    let events: Vec<serde_json::Value> = serde_json::from_slice(&bytes).expect("JSON");
    let lines: String = events.iter().map(|event| format!("{event}\n")).collect();
    let lines = clean("openhands-v0-events", lines.as_bytes());
    let wrapped = serde_json::json!({ "trajectory": events }).to_string();
    let wrapped = clean("openhands-v0-events", wrapped.as_bytes());
    // Twelve files, so that 10 comes behind 9 and not behind 1.
    let mut files: Vec<(String, Vec<u8>)> = events
        .iter()
        .enumerate()
        .map(|(n, event)| (format!("s/events/{n}.json"), event.to_string().into_bytes()))
        .collect();
    files.push(("s/event_cache/0-25.json".to_owned(), bytes.clone()));
    files.sort();
    let folder = formats::read_files(&files, None).expect("read");
    assert_eq!((folder.errors.as_slice(), folder.warnings.as_slice()), ([].as_slice(), [].as_slice()));
    let facts = |output: &ReadOutput| super::abuse::bare_facts(&output.trajectories[0]);
    for other in [&lines, &wrapped, &folder] {
        assert_eq!(other.trajectories.len(), 1);
        assert_eq!(facts(other), facts(&list));
    }
    let place = folder.trajectories[0].steps[2].judged_place().expect("a place");
    assert_eq!(folder.trajectories[0].origin.files[place.file as usize - 1], "s/events/4.json");
}

#[test]
fn real_event_lists() {
    let Some(folder) = support::data("openhands-v0-events") else { return };
    for path in
        super::logs::walk(&folder).iter().filter(|path| path.extension().is_some_and(|end| end == "json"))
    {
        let bytes = std::fs::read(path).expect("the file");
        let output = clean("openhands-v0-events", &bytes);
        assert_eq!(output.warnings, [], "{}", path.display());
        let events: Vec<serde_json::Value> = serde_json::from_slice(&bytes).expect("JSON");
        let mut responses: Vec<&str> = events
            .iter()
            .filter_map(|event| event["tool_call_metadata"]["model_response"]["id"].as_str())
            .collect();
        responses.sort_unstable();
        responses.dedup();
        let said =
            events.iter().filter(|event| event["source"] == "agent" && event["action"] == "message").count();
        let [trajectory] = output.trajectories.as_slice() else { panic!("one trajectory") };
        assert_eq!(trajectory.judged().count(), responses.len() + said, "{}", path.display());
        let calls: usize = trajectory.judged().map(|step| step.calls.len()).sum();
        assert_eq!(
            calls,
            events
                .iter()
                .filter(|event| {
                    event.get("action").is_some() && event.get("tool_call_metadata").is_some()
                })
                .count()
        );
        assert!(trajectory.judged().filter(|step| step.usage.is_some()).count() == responses.len());
    }
}

#[test]
fn unknown_kinds_are_kept_and_said() {
    let mut events: Vec<serde_json::Value> =
        serde_json::from_slice(&fixture("openhands-v0-events/parallel.json")).expect("JSON");
    events.insert(
        8,
        serde_json::json!({"id": 70, "source": "agent", "action": "levitate", "args": {"h": "high-up"}}),
    );
    events.insert(
        9,
        serde_json::json!({"id": 71, "observation": "aura", "content": "bright-glow", "cause": 99}),
    );
    events.insert(10, serde_json::json!({"id": 72, "odd": "neither-of-both"}));
    let text = serde_json::Value::from(events).to_string();
    let output = formats::read_bytes("x", text.as_bytes(), None).expect("read");
    assert_eq!(output.warnings.len(), 3, "{:?}", output.warnings);
    let facts = super::abuse::bare_facts(&output.trajectories[0]).join("\n");
    for kept in ["high-up", "bright-glow", "neither-of-both"] {
        assert!(facts.contains(kept), "{kept}");
    }
    // A result whose action is not there stays an orphan.
    let orphans =
        output.trajectories[0].steps.iter().flat_map(|step| &step.observation).flat_map(|seen| &seen.results);
    assert_eq!(orphans.filter(|result| result.call_id.as_deref() == Some("99")).count(), 1);
}

#[test]
fn bad_event_lists_are_kept_or_said() {
    let text = r#"[{"id":1,"timestamp":"t","source":"user","message":"hi","action":"message","args":{"content":"hi","image_urls":["u"]}},
{"id":2,"source":"agent","message":"r","action":"run","tool_call_metadata":{"function_name":"f","tool_call_id":"c","model_response":{"id":"r","model":"m","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"é","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]}}],"usage":{"prompt_tokens":3,"completion_tokens":4}},"total_calls_in_response":1},"args":{"command":"x"}},
{"id":3,"source":"agent","cause":2,"observation":"run","content":"out","extras":{"exit_code":1}},
{"id":4,"source":"agent","action":"message","args":{"content":"bye"}}]"#;
    Abuse { name: "openhands-v0-events", files: vec![("x".to_owned(), text.into())], structure: &[] }.run();
    let events: Vec<serde_json::Value> = serde_json::from_str(text).expect("JSON");
    let lines: String = events.iter().map(|event| format!("{event}\n")).collect();
    Abuse { name: "openhands-v0-events", files: vec![("x".to_owned(), lines.into())], structure: &[] }.run();
}
