//! `sharegpt`.

use super::abuse::{Abuse, bare_facts, there_and_back, written};
use super::openhands_v0::{clean, fixture, said, shape};
use crate::support;
use rolltape::formats::{self, Locator};
use rolltape::model::Source;
use serde_json::Value;

const NAME: &str = "sharegpt";

const NATIVE: &str = r#"{"id":"s1","system":"be good","tools":"[{\"name\":\"f\",\"description\":\"d\",\"parameters\":{\"type\":\"object\"}}]","score":0.5,
"conversations":[{"from":"human","value":"do"},{"from":"gpt","value":"Both <é>.","weight":1},
{"from":"function_call","value":"[{\"name\":\"f\",\"arguments\":{\"a\":1}},{\"name\":\"g\",\"arguments\":\"{broken\"}]"},
{"from":"observation","value":"one"},{"from":"tool","value":"two","name":"g"},
{"from":"function_call","value":"{\"name\": \"f\", \"arguments\": {}}"},{"from":"observation","value":"three"},
{"from":"function_call","value":"no call at all"},{"from":"gpt","value":"bye"}]}"#;

#[test]
fn text_and_calls_that_follow_each_other_are_one_message() {
    let output = clean(NAME, NATIVE.as_bytes());
    assert_eq!(output.warnings, []);
    let [trajectory] = output.trajectories.as_slice() else { panic!("one trajectory") };
    assert_eq!(shape(trajectory), [(2, 2), (1, 1), (1, 0), (0, 0)]);
    assert_eq!(trajectory.steps[0].source, Source::System);
    assert_eq!(trajectory.agent.tools.as_ref().map(|tools| tools[0].name.as_str()), Some("f"));
    let first = &trajectory.steps[2];
    assert_eq!((first.message.text().as_ref(), first.extra["weight"].as_u64()), ("Both <\u{e9}>.", Some(1)));
    assert_eq!(first.calls[1].arguments.raw.as_deref(), Some("{broken"));
    let results = &first.observation.as_ref().expect("results").results;
    assert_eq!(results[1].call_id.as_ref(), Some(&first.calls[1].id));
    assert_eq!(trajectory.steps[4].calls[0].arguments.raw.as_deref(), Some("no call at all"));
    assert_eq!(trajectory.extra["score"], 0.5);
    let mut locator = Locator::new(NATIVE.as_bytes());
    let found = locator.locate(first.judged_place().expect("a place"), "Both ".len());
    let line = NATIVE.lines().nth(found.line as usize - 1).expect("the line");
    assert_eq!(line.chars().nth(found.column as usize - 1), Some('<'));
}

#[test]
fn calls_in_text_are_found_and_answered() {
    let text = r#"{"conversations":[{"from":"human","value":"do"},{"from":"gpt","value":"Look\n<function=f>\n<parameter=p>v</parameter>\n</function>"},
        {"from":"human","value":"EXECUTION RESULT of [f]:\nout"},{"from":"gpt","value":"bye"}]}"#;
    let output = clean(NAME, text.as_bytes());
    let trajectory = &output.trajectories[0];
    assert_eq!(shape(trajectory), [(1, 1), (0, 0)]);
    assert_eq!(trajectory.steps[1].message.text(), "Look");
    assert_eq!(
        trajectory.steps[1].reply.as_ref().and_then(|reply| reply.dialect.as_deref()),
        Some("openhands")
    );
    let result = &trajectory.steps[1].observation.as_ref().expect("a result").results[0];
    assert_eq!((result.name.as_deref(), result.call_id.as_deref()), (Some("f"), Some("toolu_01")));
}

#[test]
fn what_is_written_comes_back() {
    let own = clean(NAME, NATIVE.as_bytes()).trajectories.remove(0);
    let (again, loss) = there_and_back(NAME, &own);
    assert!(loss.is_none(), "{loss:#?}");
    assert_eq!(bare_facts(&again), bare_facts(&own));
    for (format, file) in [
        ("openhands-v0-events", "openhands-v0-events/parallel.json"),
        ("openhands-v1-events", "openhands-v1-events/events.jsonl"),
    ] {
        let trajectory = clean(format, &fixture(file)).trajectories.remove(0);
        let (again, loss) = there_and_back(NAME, &trajectory);
        assert_eq!(shape(&again), shape(&trajectory), "{format}");
        assert!(!loss.reordered);
        assert_eq!(said(&again), said(&trajectory));
        let places = [
            "step.message.user",
            "usage.",
            "totals.",
            "reply.",
            "step.timestamp",
            "step.llm_calls",
            "agent.",
            "step.metrics.",
        ];
        for lost in loss.lost.iter().chain(&loss.changed) {
            assert!(places.iter().any(|place| lost.field.starts_with(place)), "{format}: {lost:?}");
        }
    }
}

#[test]
fn real_training_data_is_read_as_it_stands() {
    let Some(path) = support::data("adp-openhands/sample_sft_openhands.first2.json") else { return };
    let bytes = std::fs::read(path).expect("the file");
    let output = clean(NAME, &bytes);
    let records: Vec<Value> = serde_json::from_slice(&bytes).expect("JSON");
    assert_eq!(output.trajectories.len(), records.len());
    for (trajectory, record) in output.trajectories.iter().zip(&records) {
        let items = record["conversations"].as_array().expect("items");
        let count = |from: &str, part: &str| {
            items
                .iter()
                .filter(|item| {
                    item["from"] == from && item["value"].as_str().is_some_and(|text| text.contains(part))
                })
                .count()
        };
        assert_eq!(trajectory.judged().count(), count("gpt", ""));
        let calls: usize = trajectory.judged().map(|step| step.calls.len()).sum();
        assert_eq!(calls, count("gpt", "<function="));
        let seen: usize = shape(trajectory).iter().map(|(_, seen)| seen).sum();
        assert_eq!(seen, count("human", "EXECUTION RESULT of ["));
        assert!(
            trajectory.agent.tools.as_ref().is_some_and(|tools| !tools.is_empty()),
            "tools of the prompt"
        );
    }
}

#[test]
fn unknown_speakers_are_kept_and_said() {
    let text = r#"{"conversations":[{"from":"human","value":"do"},{"from":"oracle","value":"it is so"},{"value":"nobody"}]}"#;
    let output = formats::read_bytes("x", text.as_bytes(), None).expect("read");
    assert_eq!(output.warnings.len(), 2, "{:?}", output.warnings);
    let facts = bare_facts(&output.trajectories[0]).join("\n");
    assert!(facts.contains("oracle") && facts.contains("it is so") && facts.contains("nobody"));
}

#[test]
fn bad_conversations_are_kept_or_said() {
    let text = NATIVE.replace('\n', "");
    Abuse { name: NAME, files: vec![("x".to_owned(), text.into_bytes())], structure: &[] }.run();
    let lines = r#"{"conversations":[{"from":"system","value":"s"},{"from":"gpt","value":"a"}]}
{"conversation":[{"from":"user","value":"q"},{"from":"gpt","value":"<function=f>\n</function>"},{"from":"human","value":"EXECUTION RESULT of [f]:\nx"}],"tools":[{"name":"f"}]}
"#;
    Abuse { name: NAME, files: vec![("x".to_owned(), lines.into())], structure: &[] }.run();
}

/// The converter of LLaMA-Factory, as far as it can be told from its documentation: parts by turn, calls as JSON.
#[test]
fn what_is_written_is_what_trainers_load() {
    let own =
        clean("openhands-v0-events", &fixture("openhands-v0-events/parallel.json")).trajectories.remove(0);
    let (files, _) = written(NAME, &own);
    let record: Value = serde_json::from_slice(&files[0].1).expect("one line of JSON");
    for item in record["conversations"].as_array().expect("items") {
        let from = item["from"].as_str().expect("a speaker");
        let value = item["value"].as_str().expect("a text");
        assert!(["system", "human", "gpt", "function_call", "observation"].contains(&from), "{from}");
        if from == "function_call" {
            let calls: Value = serde_json::from_str(value).expect("calls are JSON");
            let calls = if calls.is_array() { calls } else { Value::from(vec![calls]) };
            for call in calls.as_array().expect("a list") {
                assert!(call["name"].is_string() && call["arguments"].is_object(), "{call}");
            }
        }
    }
    let tools: Value =
        serde_json::from_str(record["tools"].as_str().expect("a text")).expect("tools are JSON");
    assert!(tools.is_array());
}
