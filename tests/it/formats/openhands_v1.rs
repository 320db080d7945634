//! `openhands-v1-events`: conversations of the OpenHands SDK.

use super::abuse::{Abuse, bare_facts, comes_back, there_and_back, written};
use super::openhands_v0::{clean, fixture, said, shape};
use crate::support;
use rolltape::formats::{self, Locator, ReadOutput};
use rolltape::model::Trajectory;
use serde_json::Value;
use std::process::Command;

const NAME: &str = "openhands-v1-events";

fn events() -> Vec<Value> {
    let bytes = fixture("openhands-v1-events/events.jsonl");
    bytes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
}

/// The fixture as a folder of one file an event.
fn folder() -> Vec<(String, Vec<u8>)> {
    let mut files = vec![
        ("s/base_state.json".to_owned(), fixture("openhands-v1-events/base_state.json")),
        ("s/meta.json".to_owned(), b"{}".to_vec()),
        ("s/events/.eventlog.lock".to_owned(), Vec::new()),
    ];
    files.extend(events().iter().enumerate().map(|(n, event)| {
        let name = format!("s/events/event-{n:05}-{}.json", event["id"].as_str().expect("an id"));
        (name, event.to_string().into_bytes())
    }));
    files
}

#[test]
fn actions_of_one_reply_are_one_message() {
    let bytes = fixture("openhands-v1-events/events.jsonl");
    let output = clean(NAME, &bytes);
    assert_eq!(output.warnings, []);
    let [trajectory] = output.trajectories.as_slice() else { panic!("one trajectory") };
    assert_eq!(shape(trajectory), [(2, 2), (1, 1), (1, 1), (0, 0)]);
    assert_eq!(trajectory.agent.model.as_deref(), Some("small-model"));
    assert_eq!(trajectory.agent.tools.as_ref().map(|tools| tools[0].name.as_str()), Some("shell"));
    assert_eq!(trajectory.agent.raw_tools, None);
    assert_eq!(trajectory.steps[1].message.text(), "Look at a and b \u{e9}.");
    let first = &trajectory.steps[2];
    assert_eq!(
        (first.message.text().as_ref(), first.reasoning.as_deref()),
        ("Both <files>.", Some("I should look."))
    );
    assert_eq!(first.calls[0].arguments.raw.as_deref(), Some("{\"command\": \"cat a\"}"));
    let results = &first.observation.as_ref().expect("results").results;
    let ids: Vec<_> = results.iter().map(|result| result.call_id.as_deref()).collect();
    assert_eq!(ids, [Some("c2"), Some("c1")]);
    // What can't be executed is a call all the same, as it was written.
    assert_eq!(trajectory.steps[4].calls[0].arguments.raw.as_deref(), Some("{\"command\":"));
    // The statistics of all models, once.
    let usage = trajectory.final_metrics.as_ref().expect("totals").usage;
    assert_eq!(
        (usage.prompt_tokens, usage.completion_tokens, usage.cost_usd),
        (Some(160), Some(30), Some(1.75))
    );
    assert!(trajectory.steps.iter().all(|step| step.usage.is_none()));
    let mut locator = Locator::new(&bytes);
    let place = first.judged_place().expect("a place");
    let found = locator.locate(place, "Both ".len());
    assert_eq!(found.line, 4);
    let line = locator.line_text(locator.byte(place, 0)).into_owned();
    assert_eq!(line.chars().nth(found.column as usize - 1), Some('<'));
}

#[test]
fn a_folder_a_list_and_lines_say_the_same() {
    let lines = clean(NAME, &fixture("openhands-v1-events/events.jsonl"));
    let list = clean(NAME, Value::from(events()).to_string().as_bytes());
    let mut files = folder();
    files.sort();
    let paths: Vec<String> = files.iter().map(|(path, _)| path.clone()).collect();
    assert_eq!(formats::plan(&paths).len(), 1, "one input");
    let output = formats::read_files(&files, None).expect("read");
    assert_eq!((output.errors.as_slice(), output.warnings.as_slice()), ([].as_slice(), [].as_slice()));
    let [whole] = output.trajectories.as_slice() else { panic!("one trajectory") };
    comes_back(whole);
    assert_eq!(whole.session_id.as_deref(), Some("11111111-1111-4111-8111-111111111111"));
    assert_eq!(whole.extra["base_state"]["execution_status"], "finished");
    let said = |output: &ReadOutput| {
        let mut one = output.trajectories[0].clone();
        (one.session_id, one.extra) = Default::default();
        bare_facts(&one)
    };
    assert_eq!(said(&output), said(&lines));
    assert_eq!(said(&list), said(&lines));
    let place = whole.steps[2].judged_place().expect("a place");
    let path = &whole.origin.files[place.file as usize - 1];
    assert!(path.contains("event-00003-"), "{path}");
    let bytes = &files.iter().find(|(name, _)| name == path).expect("the file").1;
    assert!(bytes[place.offset as usize..].starts_with(b"Both <files>."));
}

#[test]
fn real_events() {
    let Some(folder) = support::data("openhands-v1-events") else { return };
    for path in
        super::logs::walk(&folder).iter().filter(|path| path.extension().is_some_and(|end| end == "jsonl"))
    {
        let bytes = std::fs::read(path).expect("the file");
        let output = clean(NAME, &bytes);
        assert_eq!(output.warnings, [], "{}", path.display());
        let text = String::from_utf8(bytes).expect("text").replace("\": ", "\":");
        let count = |mark: &str| text.matches(mark).count();
        let [trajectory] = output.trajectories.as_slice() else { panic!("one trajectory") };
        let counts = shape(trajectory);
        assert_eq!(counts.iter().map(|(calls, _)| calls).sum::<usize>(), count("\"kind\":\"ActionEvent\""));
        assert_eq!(
            counts.iter().map(|(_, seen)| seen).sum::<usize>(),
            count("\"kind\":\"ObservationEvent\"")
        );
        let (calls, results) = ids(trajectory);
        let orphans = results.iter().filter(|id| !calls.contains(id)).count();
        assert_eq!(orphans, 1, "the sample has one result without its call");
        // 107,458 prompt tokens in the last statistics, not the sum of all of them.
        let last = text.rmatch_indices("\"prompt_tokens\":").nth(1).expect("statistics").0;
        let figure: String =
            text[last + "\"prompt_tokens\":".len()..].chars().take_while(char::is_ascii_digit).collect();
        let totals = trajectory.final_metrics.as_ref().expect("totals").usage;
        assert_eq!(totals.prompt_tokens.map(|tokens| tokens.to_string()), Some(figure));
        let (again, loss) = there_and_back(NAME, trajectory);
        assert!(loss.lost.is_empty() && loss.changed.is_empty() && !loss.reordered, "{loss:#?}");
        assert_eq!(shape(&again), counts);
    }
}

fn ids(trajectory: &Trajectory) -> (Vec<String>, Vec<String>) {
    let calls = trajectory.steps.iter().flat_map(|step| &step.calls).map(|call| call.id.clone()).collect();
    let seen = trajectory.steps.iter().flat_map(|step| &step.observation).flat_map(|seen| &seen.results);
    (calls, seen.filter_map(|result| result.call_id.clone()).collect())
}

#[test]
fn what_came_from_the_sdk_goes_back_whole() {
    let output = formats::read_files(&folder(), None).expect("read");
    let (again, loss) = there_and_back(NAME, &output.trajectories[0]);
    assert!(loss.is_none(), "{loss:#?}");
    let (files, _) = written(NAME, &again);
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names[..2],
        ["folder/base_state.json", "folder/events/event-00000-00000000-0000-4000-8000-000000000000.json"]
    );
    // Written twice, it is the same to the byte.
    assert_eq!(files, written(NAME, &output.trajectories[0]).0);
}

/// Trajectories of other formats.
fn foreign() -> Vec<Trajectory> {
    let v0 = clean("openhands-v0-events", &fixture("openhands-v0-events/parallel.json"));
    let chat = r#"{"messages":[{"role":"system","content":"s"},{"role":"user","content":[{"type":"text","text":"look"},
        {"type":"image_url","image_url":{"url":"https://example.com/a.png"}}]},
        {"role":"assistant","content":"Before\n<function=f>\n<parameter=p>v</parameter>\n</function>"},
        {"role":"user","content":"EXECUTION RESULT of [f]:\nout"},{"role":"assistant","content":"","tool_calls":[
        {"id":"n","type":"function","function":{"name":"g","arguments":"[broken"}}]},
        {"role":"tool","tool_call_id":"elsewhere","content":"orphan"}],
        "tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object"}}}]}"#;
    let chat = formats::read_bytes("x", chat.as_bytes(), None).expect("read");
    v0.trajectories.into_iter().chain(chat.trajectories).collect()
}

#[test]
fn what_came_from_elsewhere_keeps_what_was_said() {
    for trajectory in foreign() {
        let (again, loss) = there_and_back(NAME, &trajectory);
        assert_eq!(shape(&again), shape(&trajectory));
        assert!(!loss.reordered);
        assert_eq!(ids(&again), ids(&trajectory));
        for field in loss.lost.iter().chain(&loss.changed).map(|lost| lost.field.as_str()) {
            let beside = [
                "step.extra.",
                "call.extra.",
                "result.extra.",
                "usage.",
                "reply.",
                "step.metrics.",
                "extra.",
            ];
            let known = [
                "agent.version",
                "step.llm_calls",
                "result.name",
                "step.media",
                "step.timestamp",
                "totals.",
                "agent.model",
            ];
            assert!(beside.iter().chain(&known).any(|known| field.starts_with(known)), "{field} is lost");
        }
        assert_eq!(said(&again), said(&trajectory));
    }
}

#[test]
fn unknown_kinds_are_kept_and_said() {
    let mut all = events();
    all.insert(4, serde_json::json!({"id": "aaaaaaaa-1", "timestamp": "t", "source": "agent", "kind": "AuraEvent", "glow": "bright-glow"}));
    let text: String = all.iter().map(|event| format!("{event}\n")).collect();
    let output = formats::read_bytes("x", text.as_bytes(), None).expect("read");
    assert_eq!(output.warnings.len(), 1, "{:?}", output.warnings);
    assert_eq!(output.warnings[0].line, 5);
    assert!(output.warnings[0].message.contains("'AuraEvent'"));
    assert!(bare_facts(&output.trajectories[0]).join("\n").contains("bright-glow"));
}

#[test]
fn bad_events_are_kept_or_said() {
    let all = events();
    let picked = [1, 3, 5, 8, 10].map(|n: usize| all[n].clone());
    let lines: String = picked.iter().map(|event| format!("{event}\n")).collect();
    Abuse { name: NAME, files: vec![("x".to_owned(), lines.into_bytes())], structure: &[] }.run();
}

#[test]
fn bad_folders_are_kept_or_said() {
    let files = folder().into_iter().filter(|(name, _)| {
        ["base_state", "event-00000", "event-00012"].iter().any(|part| name.contains(part))
    });
    Abuse { name: NAME, files: files.collect(), structure: &[] }.run();
}

#[test]
fn the_sdk_opens_what_is_written() {
    need!(new_python, venv("openhands"));
    let own = formats::read_files(&folder(), None).expect("read").trajectories;
    let all: Vec<Trajectory> = own.into_iter().chain(foreign()).collect();
    let out = support::temp();
    for (n, trajectory) in all.iter().enumerate() {
        for (name, bytes) in written(NAME, trajectory).0 {
            let path = out.path().join(format!("{n}")).join(name.strip_prefix("folder/").expect("a name"));
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            std::fs::write(path, bytes).expect("a file");
        }
    }
    let python = support::needs::venv_folder("openhands").join("bin/python");
    let script = support::fixture("formats/openhands-v1-events/open.py");
    let output = Command::new(python)
        .env("OPENHANDS_SUPPRESS_BANNER", "1")
        .arg(script)
        .arg(out.path())
        .output()
        .expect("python runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told: Vec<Value> = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(told.len(), all.len());
    for (told, trajectory) in told.iter().zip(&all) {
        let counts = shape(trajectory);
        assert_eq!(told["actions"], counts.iter().map(|(calls, _)| calls).sum::<usize>());
        assert_eq!(told["results"], counts.iter().map(|(_, seen)| seen).sum::<usize>());
    }
}
