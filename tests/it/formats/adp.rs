//! `adp`: the Agent Data Protocol's standard form.

use super::abuse::{Abuse, bare_facts, there_and_back, written};
use super::openhands_v0::{clean, fixture, said, shape};
use crate::support;
use rolltape::formats::{self, Locator};
use rolltape::model::Source;
use serde_json::Value;
use std::collections::HashSet;

const NAME: &str = "adp";

const SAMPLE: &str = r#"[{"schema_version":"1.3.1","id":"a1","details":{"reward":1,"kind":"x"},"available_code_languages":["bash"],"content":[
{"class_":"text_observation","content":"be good","name":null,"source":"system"},
{"class_":"text_observation","content":"do","name":"Ann","source":"user"},
{"class_":"code_action","language":"bash","content":"ls","description":"Look <é>.","tool_call_id":"c1","reasoning_content":"hm","reward":0.5},
{"class_":"text_observation","content":"a b","source":"environment","tool_call_id":"c1"},
{"class_":"api_action","function":"view","kwargs":{"path":"/a"},"description":"Two at once.","tool_call_id":"c2"},
{"class_":"api_action","function":"view","kwargs":{"path":"/b"},"description":"","tool_call_id":"c3"},
{"class_":"text_observation","content":"B","source":"environment","tool_call_id":"c3"},
{"class_":"web_observation","axtree":"root","html":"<p>","url":"https://example.com/","viewport_size":[1,2],"image_observation":null,"tool_call_id":"c2"},
{"class_":"message_action","content":"done","description":""}]}]"#;

#[test]
fn actions_are_calls_and_observations_answer_them() {
    let output = clean(NAME, SAMPLE.as_bytes());
    assert_eq!(output.warnings, []);
    let [trajectory] = output.trajectories.as_slice() else { panic!("one trajectory") };
    assert_eq!(shape(trajectory), [(1, 1), (2, 2), (0, 0)]);
    let first = &trajectory.steps[2];
    assert_eq!((first.calls[0].name.as_str(), first.reasoning.as_deref()), ("bash", Some("hm")));
    let seen = &trajectory.steps[3].observation.as_ref().expect("results").results;
    assert_eq!(seen.iter().map(|one| one.call_id.as_deref()).collect::<Vec<_>>(), [Some("c3"), Some("c2")]);
    assert_eq!(seen[1].content.as_ref().expect("a page").text(), "root");
    assert_eq!(trajectory.extra["details"]["reward"], 1);
    let mut locator = Locator::new(SAMPLE.as_bytes());
    let found = locator.locate(first.judged_place().expect("a place"), "Look ".len());
    let line = SAMPLE.lines().nth(found.line as usize - 1).expect("the line");
    assert_eq!((found.line, line.chars().nth(found.column as usize - 1)), (4, Some('<')));
}

#[test]
fn real_standard_data() {
    let Some(path) = support::data("adp-openhands/sample_std.first1.json") else { return };
    let bytes = std::fs::read(path).expect("the file");
    let output = clean(NAME, &bytes);
    assert_eq!(output.warnings, []);
    let records: Vec<Value> = serde_json::from_slice(&bytes).expect("JSON");
    assert_eq!(output.trajectories.len(), records.len());
    for (trajectory, record) in output.trajectories.iter().zip(&records) {
        let items = record["content"].as_array().expect("items");
        let count = |class: &str| items.iter().filter(|item| item["class_"] == class).count();
        let acts = count("code_action") + count("api_action");
        assert_eq!(trajectory.judged().count(), acts + count("message_action"));
        let pairs = shape(trajectory);
        assert_eq!(pairs.iter().map(|(calls, _)| calls).sum::<usize>(), acts);
        let users = trajectory.steps.iter().filter(|step| step.source == Source::User).count();
        let seen = pairs.iter().map(|(_, seen)| seen).sum::<usize>();
        assert_eq!(seen + users, count("text_observation") + count("web_observation"));
        // Each observation stands behind its action in this sample.
        assert_eq!((seen, users), (acts, 1));
        let (again, loss) = there_and_back(NAME, trajectory);
        assert!(loss.lost.is_empty() && loss.changed.is_empty() && !loss.reordered, "{loss:#?}");
        assert_eq!(shape(&again), pairs);
    }
}

/// What the protocol's models refuse.
fn valid(record: &Value) {
    let keys = |value: &Value, known: &[&str]| {
        for key in value.as_object().expect("an object").keys() {
            assert!(known.contains(&key.as_str()), "'{key}' in {value}");
        }
    };
    keys(
        record,
        &["schema_version", "id", "content", "details", "available_custom_tools", "available_code_languages"],
    );
    assert!(record["id"].is_string() && record["details"].is_object());
    let (mut open, mut closed) = (HashSet::new(), HashSet::new());
    let items = record["content"].as_array().expect("content");
    for (n, item) in items.iter().enumerate() {
        let class = item["class_"].as_str().expect("a class");
        let id = item.get("tool_call_id").map(|id| id.as_str().expect("an id").to_owned());
        let shared = ["class_", "tool_call_id", "reasoning_content", "reward", "description"];
        match class {
            "message_action" => {
                keys(item, &[&shared[..], &["content"]].concat());
                assert!(id.is_none() && item["content"].is_string());
            }
            "code_action" => keys(item, &[&shared[..], &["content", "language"]].concat()),
            "api_action" => {
                keys(item, &[&shared[..], &["function", "kwargs"]].concat());
                assert!(item["function"].is_string() && item["kwargs"].is_object());
            }
            "text_observation" => keys(item, &["class_", "content", "name", "source", "tool_call_id"]),
            "web_observation" => keys(
                item,
                &["class_", "axtree", "html", "url", "viewport_size", "image_observation", "tool_call_id"],
            ),
            other => panic!("class {other}"),
        }
        if class.ends_with("_action") && class != "message_action" {
            let next = items.get(n + 1).and_then(|next| next["class_"].as_str());
            let observed = next.is_some_and(|class| class.ends_with("_observation"));
            assert!(!observed || id.is_some(), "an action with a result has an id: {item}");
            assert!(id.is_none_or(|id| open.insert(id)), "an id stands once");
        } else if let Some(id) = id {
            assert!(open.contains(&id) && closed.insert(id), "a result has one call: {item}");
        }
    }
    assert_eq!(open, closed, "a call with an id has a result");
}

#[test]
fn what_is_written_passes_the_protocols_rules() {
    let own = clean(NAME, SAMPLE.as_bytes()).trajectories.remove(0);
    let (_, loss) = there_and_back(NAME, &own);
    assert!(loss.is_none(), "{loss:#?}");
    let mut all = vec![own];
    for (format, file) in [
        ("openhands-v0-events", "openhands-v0-events/parallel.json"),
        ("openhands-v1-events", "openhands-v1-events/events.jsonl"),
    ] {
        let trajectory = clean(format, &fixture(file)).trajectories.remove(0);
        let (again, loss) = there_and_back(NAME, &trajectory);
        assert_eq!(shape(&again), shape(&trajectory), "{format}");
        assert!(!loss.reordered);
        assert_eq!(said(&again), said(&trajectory));
        let whole = |field: &str| field == "call.name" || field == "result.content";
        assert!(!loss.lost.iter().chain(&loss.changed).any(|lost| whole(&lost.field)), "{loss:#?}");
        all.push(trajectory);
    }
    for trajectory in &all {
        let (files, _) = written(NAME, trajectory);
        valid(&serde_json::from_slice(&files[0].1).expect("one line of JSON"));
    }
}

#[test]
fn unknown_classes_are_kept_and_said() {
    let text = SAMPLE.replace("\"class_\":\"message_action\"", "\"class_\":\"dance_action\"");
    let output = formats::read_bytes("x", text.as_bytes(), None).expect("read");
    assert_eq!(output.warnings.len(), 1, "{:?}", output.warnings);
    assert!(output.warnings[0].message.contains("'dance_action'") && output.warnings[0].line == 10);
    assert!(bare_facts(&output.trajectories[0]).join("\n").contains("dance_action"));
}

#[test]
fn bad_trajectories_are_kept_or_said() {
    let text = SAMPLE.replace('\n', "");
    Abuse { name: NAME, files: vec![("x".to_owned(), text.into_bytes())], structure: &[] }.run();
}
