//! What unmodified clients of model APIs send and get: OpenAI's chat and Responses, Anthropic's Messages, Gemini.

use super::abuse::comes_back;
use super::benchmarks::shape;
use crate::local_model::Server;
use crate::support::needs;
use rolltape::formats;
use rolltape::model::{Source, Trajectory};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::process::Command;

/// The records of each format, in the order in which they were made.
fn made() -> BTreeMap<String, Vec<String>> {
    let server = Server::start();
    let script =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/makers/client_logs.py");
    let output = Command::new(needs::venv_folder("formats").join("bin/python"))
        .arg("-B")
        .arg(script)
        .arg(&server.url)
        .output()
        .expect("python runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut records: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in String::from_utf8(output.stdout).expect("text").lines() {
        let line: Value = serde_json::from_str(line).expect("JSON");
        let format = line["format"].as_str().expect("a format").to_owned();
        records.entry(format).or_default().push(line["record"].to_string());
    }
    records
}

/// Everything but the model's own words, which are its own.
fn frame(trajectory: &Trajectory) -> Value {
    let steps = trajectory.steps.iter().map(|step| {
        let calls = step.calls.iter().map(|call| json!([call.name, call.arguments.parsed]));
        let results = step.observation.iter().flat_map(|seen| &seen.results);
        let results = results.map(|result| result.content.as_ref().map(|content| content.text()));
        json!([step.source.as_str(), calls.collect::<Vec<_>>(), results.collect::<Vec<_>>()])
    });
    let tools = trajectory.agent.tools.iter().flatten().map(|tool| tool.name.clone());
    json!({"steps": steps.collect::<Vec<_>>(), "tools": tools.collect::<Vec<_>>()})
}

#[test]
fn what_clients_themselves_log_is_read() {
    need!(venv("llm"), venv("formats"));
    let records = made();
    let names: Vec<&str> = records.keys().map(String::as_str).collect();
    assert_eq!(names, ["anthropic", "gemini", "openai-completion-log", "openai-responses"]);
    for (name, lines) in &records {
        assert_eq!(lines.len(), 2, "{name}: as the client dumps it by either way");
        for line in lines {
            // Told by its content.
            let output = formats::read_bytes("x.jsonl", line.as_bytes(), None).expect("known");
            assert!(
                output.errors.is_empty() && output.warnings.is_empty(),
                "{name}: {:?} {:?}",
                output.errors,
                output.warnings
            );
            assert_eq!(output.format, *name, "{line}");
            let [trajectory] = output.trajectories.as_slice() else { panic!("{name}: one trajectory") };
            // A completion log is of one call: what was before it is its frame.
            let judged: &[(usize, usize)] =
                if name == "openai-completion-log" { &[(0, 0)] } else { &[(1, 1), (0, 0)] };
            assert_eq!(shape(trajectory), judged, "{name}");
            let expected = json!({
                "steps": [
                    ["system", [], []],
                    ["user", [], []],
                    ["agent", [["read_file", {"path": "a.txt"}]], ["one"]],
                    ["agent", [], []],
                ],
                "tools": ["read_file"],
            });
            assert_eq!(frame(trajectory), expected, "{name}");
            assert_eq!(trajectory.steps[1].message.text(), "What stands in a.txt?");
            let last = trajectory.steps.last().expect("steps");
            assert!(last.source == Source::Agent && !last.message.text().is_empty(), "{name}");
            if name.starts_with("openai") {
                let usage = last.usage.unwrap_or_else(|| panic!("{name}: usage"));
                assert!(
                    usage.prompt_tokens > Some(10) && usage.completion_tokens == Some(16),
                    "{name}: {usage:?}"
                );
            }
            comes_back(trajectory);
        }
    }
}
