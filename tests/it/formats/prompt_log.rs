//! The prompt log, written and read again.

use super::abuse::{comes_back, there_and_back, written};
use super::openhands_v0::{clean, fixture, said, shape};
use crate::support;
use rolltape::formats;

const NAME: &str = "openhands-prompt-log";

#[test]
fn the_seed_is_written_as_it_was() {
    let Some(path) = support::data("seed/deepseek_transcript.txt") else { return };
    let bytes = std::fs::read(path).expect("the file");
    let trajectory = clean(NAME, &bytes).trajectories.remove(0);
    let (_, loss) = there_and_back(NAME, &trajectory);
    assert!(loss.is_none(), "{loss:#?}");
    assert_eq!(written(NAME, &trajectory).1.list, []);
}

#[test]
fn old_prompts_are_written_as_they_were() {
    let Some(folder) = support::data("openhands-prompt-logs") else { return };
    let mut seen = 0;
    for path in super::logs::walk(&folder) {
        if !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("prompt_")) {
            continue;
        }
        seen += 1;
        let bytes = std::fs::read(&path).expect("the file");
        // A first prompt holds no call that would tell the format of a file alone.
        let output = formats::read_bytes("x", &bytes, Some(NAME)).expect("read");
        assert_eq!(output.errors, [], "{}", path.display());
        let [trajectory] = output.trajectories.as_slice() else { panic!("one trajectory") };
        comes_back(trajectory);
        let (files, changes) = written(NAME, trajectory);
        let again = formats::read_bytes("x", &files[0].1, Some(NAME)).expect("read").trajectories.remove(0);
        let loss = formats::loss(trajectory, &again, &changes);
        assert_eq!(shape(&again), shape(trajectory), "{}", path.display());
        let names = loss.lost.iter().chain(&loss.changed).chain(&loss.made);
        assert!(names.clone().next().is_none() && !loss.reordered, "{}: {loss:#?}", path.display());
        // What came back is found, whatever syntax the call has and whether it was cut.
        let blocks = String::from_utf8_lossy(&bytes).matches("\n----------\n\nOBSERVATION:").count();
        assert_eq!(
            shape(trajectory).iter().map(|(_, seen)| seen).sum::<usize>(),
            blocks,
            "{}",
            path.display()
        );
    }
    assert!(seen >= 16);
}

#[test]
fn native_calls_are_written_as_text_one_a_block() {
    let v0 =
        clean("openhands-v0-events", &fixture("openhands-v0-events/parallel.json")).trajectories.remove(0);
    let (files, changes) = written(NAME, &v0);
    let text = String::from_utf8(files[0].1.clone()).expect("text");
    let blocks: Vec<&str> = text.split("\n\n----------\n\n").collect();
    assert_eq!(blocks.len(), 9, "{text}");
    assert!(blocks[0].starts_with("be good\n\n") && blocks[0].contains("execute_bash"));
    assert_eq!(
        blocks[2],
        "Both files \u{e9}.\n\n<function=execute_bash>\n<parameter=command>cat a</parameter>\n</function>"
    );
    assert_eq!(blocks[3], "EXECUTION RESULT of [execute_bash]:\nA\n");
    assert!(changes.list.iter().any(|change| change.what == "calls split"));
    let again = clean(NAME, &files[0].1).trajectories.remove(0);
    assert_eq!(shape(&again), [(1, 1), (1, 1), (0, 0), (1, 0)]);
    let tools = again.agent.tools.as_ref().expect("tools");
    assert_eq!(tools[0].name, "execute_bash");
    let texts = |list: Vec<(rolltape::model::Source, String)>| -> Vec<String> {
        list.into_iter().skip(1).map(|(_, text)| text).collect()
    };
    assert_eq!(texts(said(&again)), texts(said(&v0)));
}

#[test]
fn a_conversation_without_a_system_prompt_keeps_its_roles() {
    let text = r#"{"messages":[{"role":"user","content":"do\n"},{"role":"assistant","content":"\nok\n\n"},
        {"role":"user","content":"more"},{"role":"assistant","content":"<function=f>\n</function>"}]}"#;
    let chat = formats::read_bytes("x", text.as_bytes(), None).expect("read").trajectories.remove(0);
    let (again, loss) = there_and_back(NAME, &chat);
    assert_eq!(said(&again), said(&chat));
    assert!(loss.lost.is_empty() && loss.changed.is_empty() && !loss.reordered, "{loss:#?}");
    let first =
        r#"{"messages":[{"role":"assistant","content":"hello"},{"role":"user","content":"----------\nx"}]}"#;
    let chat = formats::read_bytes("x", first.as_bytes(), None).expect("read").trajectories.remove(0);
    let (_, changes) = written(NAME, &chat);
    assert!(changes.list.iter().any(|change| change.what.contains("ten dashes")), "{changes:?}");
}

#[test]
fn a_completion_log_keeps_what_it_holds_beside_the_reply() {
    let text = r#"{"messages":[{"role":"system","content":"s"}],"raw_messages":[{"role":"system","content":"raw-prompt"}],
        "tools":[{"name":"f"}],"kwargs":{"stop":["</function"],"tools":[{"name":"f"}]},"cost":0.5,"odd":"odd-one",
        "response":{"id":"r","model":"m","created":17,"odd":"odd-two","usage":{"prompt_tokens":3,"completion_tokens":4,"odd":"odd-three"},
        "choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"","tool_calls":[{"id":"converted-call","type":"function","function":{"name":"f","arguments":"{}"}}]}}]},
        "raw_response":{"id":"r","model":"m","_response_ms":6.5,"choices":[{"index":0,"odd":"odd-four","finish_reason":"stop","message":{"role":"assistant","content":"<function=f>\n"}}]}}"#;
    let trajectory = clean("openhands-completion-log", text.as_bytes()).trajectories.remove(0);
    let facts = super::abuse::bare_facts(&trajectory).join("\n");
    for kept in
        ["raw-prompt", "odd-one", "odd-two", "odd-three", "odd-four", "converted-call", "6.5", "</function"]
    {
        assert!(facts.contains(kept), "{kept} is lost in {facts}");
    }
    let step = trajectory.judged().next().expect("one reply");
    assert_eq!(step.judged_text(), "<function=f>\n");
    assert_eq!(step.usage.and_then(|usage| usage.cost_usd), Some(0.5));
    assert_eq!(trajectory.extra["kwargs"].as_object().map(serde_json::Map::len), Some(1));
}

#[test]
fn real_completion_logs_come_back() {
    let Some(folder) = support::data("openhands-llm-logs") else { return };
    for path in
        super::logs::walk(&folder).iter().filter(|path| path.extension().is_some_and(|end| end == "json"))
    {
        let bytes = std::fs::read(path).expect("the file");
        let output = formats::read_bytes("x", &bytes, None).expect("read");
        output.trajectories.iter().for_each(comes_back);
        let record: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
        if let Some(raw) = record.get("raw_messages") {
            assert_eq!(output.trajectories[0].extra["raw_messages"], *raw);
        }
    }
}
