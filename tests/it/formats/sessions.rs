//! Sessions of command-line agents: Claude Code, Codex CLI, Gemini CLI.

use super::abuse::{Abuse, abuse, comes_back};
use super::logs::places_hold;
use crate::support;
use rolltape::formats::{self, Locator, ReadOutput};
use rolltape::model::{Policy, Source, Step, Trajectory};
use rolltape::rules;
use std::path::{Path, PathBuf};

pub(super) fn fixture(path: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/formats").join(path);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn read(name: &str, bytes: &[u8], format: &str) -> ReadOutput {
    let output = formats::read_bytes(name, bytes, None).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((output.format, &output.errors), (format, &vec![]), "{name}");
    output
}

fn one(path: &str, format: &str) -> Trajectory {
    let bytes = fixture(path);
    let mut output = read(path, &bytes, format);
    assert_eq!(output.trajectories.len(), 1, "{path}");
    let trajectory = output.trajectories.remove(0);
    places_hold(&trajectory, &bytes);
    comes_back(&trajectory);
    trajectory
}

/// Calls and results of each judged message.
pub(super) fn shape(trajectory: &Trajectory) -> Vec<(usize, usize)> {
    let results = |step: &Step| step.observation.as_ref().map_or(0, |seen| seen.results.len());
    trajectory.judged().map(|step| (step.calls.len(), results(step))).collect()
}

fn usages(trajectory: &Trajectory) -> Vec<Option<(u64, u64, Option<u64>)>> {
    let usage = |step: &Step| {
        let usage = step.usage?;
        Some((usage.prompt_tokens?, usage.completion_tokens?, usage.cached_tokens))
    };
    trajectory.judged().map(usage).collect()
}

/// Files of the shared data whose names fit.
pub(super) fn shared(folder: &str, fits: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let Some(folder) = support::data(folder) else { return Vec::new() };
    let files = std::fs::read_dir(folder).expect("folder").map(|entry| entry.expect("entry").path());
    let mut files: Vec<PathBuf> =
        files.filter(|path| fits(&path.file_name().unwrap_or_default().to_string_lossy())).collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

/// How often a text stands in a file.
fn count(bytes: &[u8], text: &str) -> usize {
    String::from_utf8_lossy(bytes).matches(text).count()
}

#[test]
fn lines_of_one_message_of_claude_code_are_one_step() {
    let bytes = fixture("claude-code/session.jsonl");
    let output = read("s.jsonl", &bytes, "claude-code");
    let warnings: Vec<(u64, &str)> =
        output.warnings.iter().map(|warning| (warning.line, warning.message.as_str())).collect();
    assert_eq!(warnings, [(16, "a line stands twice: the first one counts")]);
    let trajectory = one("claude-code/session.jsonl", "claude-code");
    assert_eq!(shape(&trajectory), [(2, 2), (0, 0)]);
    // 10 + 5 written to the cache + 100 read from it; the last line has the final figures.
    assert_eq!(usages(&trajectory), [Some((115, 60, Some(100))), Some((30, 6, None))]);
    assert_eq!((trajectory.session_id.as_deref(), &*trajectory.agent.version), (Some("s-1"), "2.1.0"));
    assert_eq!(trajectory.agent.model.as_deref(), Some("claude-x"));
    let steps: Vec<&Step> = trajectory.judged().collect();
    assert_eq!(steps[1].model.as_deref(), Some("claude-y"));
    assert_eq!(steps[0].reasoning.as_deref(), Some("Two sources."));
    assert_eq!(steps[0].judged_text(), "I look in two places, für alle.");
    assert_eq!(steps[0].reply.as_ref().and_then(|reply| reply.finish_reason.as_deref()), Some("tool_use"));
    let results = &steps[0].observation.as_ref().expect("results").results;
    assert_eq!(results[0].call_id.as_deref(), Some("toolu_1"));
    assert_eq!(results[0].extra["toolUseResult"]["stdout"], "11:20");
    // What the program put in is no turn of the user.
    let frames: Vec<Source> =
        trajectory.steps.iter().filter(|step| step.frame).map(|step| step.source).collect();
    assert_eq!(frames, [Source::User, Source::System, Source::User]);
    assert_eq!(trajectory.extra["meta"].as_array().map(Vec::len), Some(3));
}

#[test]
fn a_branch_of_claude_code_that_was_left_is_embedded() {
    let trajectory = one("claude-code/session.jsonl", "claude-code");
    let [branch] = trajectory.subagents.as_slice() else { panic!("one branch") };
    assert_eq!((branch.id.as_deref(), &branch.extra["branch_of"]), (Some("branch-1"), &"u1".into()));
    assert_eq!(usages(branch), [Some((7, 3, None))]);
    assert_eq!(branch.steps[0].message.text(), "An answer that was taken back.");
}

fn claude_folder() -> Vec<(String, Vec<u8>)> {
    ["s.jsonl", "s/subagents/agent-f00d.jsonl"]
        .iter()
        .map(|name| {
            let path = format!("claude-code/{}", name.replacen('s', "session", 1));
            ((*name).to_owned(), fixture(&path))
        })
        .collect()
}

#[test]
fn subagents_of_claude_code_are_tied_to_their_calls() {
    let mut files = claude_folder();
    files.push(("s/subagents/agent-f00d.meta.json".to_owned(), b"{}".to_vec()));
    files.push(("other.jsonl".to_owned(), fixture("claude-code/session.jsonl")));
    let output = formats::read_files(&files, None).expect("read");
    assert_eq!(output.errors, []);
    assert_eq!(output.trajectories.len(), 2);
    let trajectory =
        output.trajectories.iter().find(|one| one.origin.path == "s.jsonl").expect("the session");
    let ids: Vec<_> = trajectory.subagents.iter().map(|one| one.id.as_deref()).collect();
    assert_eq!(ids, [Some("branch-1"), Some("f00d")]);
    assert_eq!(trajectory.subagents[1].origin.path, "s/subagents/agent-f00d.jsonl");
    let steps: Vec<&Step> = trajectory.judged().collect();
    let results = &steps[0].observation.as_ref().expect("results").results;
    assert_eq!(results[1].subagents[0]["trajectory_id"], "f00d");
    assert!(results[0].subagents.is_empty());
    comes_back(trajectory);
}

#[test]
fn a_sidechain_inside_a_session_is_tied_by_its_prompt() {
    let mut lines = fixture("claude-code/session.jsonl");
    let side = String::from_utf8(fixture("claude-code/session/subagents/agent-f00d.jsonl")).expect("text");
    lines.extend(side.replace("\"agentId\":\"f00d\",", "").into_bytes());
    let lines = String::from_utf8(lines).expect("text").replace("\"agentId\":\"f00d\",", "");
    let output = read("s.jsonl", lines.as_bytes(), "claude-code");
    let [trajectory] = output.trajectories.as_slice() else { panic!("one session") };
    let ids: Vec<_> = trajectory.subagents.iter().map(|one| one.id.as_deref()).collect();
    assert_eq!(ids, [Some("branch-1"), Some("sidechain-1")]);
    let steps: Vec<&Step> = trajectory.judged().collect();
    let results = &steps[0].observation.as_ref().expect("results").results;
    assert_eq!(results[1].subagents[0]["trajectory_id"], "sidechain-1");
}

#[test]
fn shared_claude_code_sessions_hold_what_a_scan_counts() {
    let files = shared("claude-code", |name| name.strip_suffix(".jsonl").is_some());
    let more = shared("cli-sessions", |name| name.starts_with("claude"));
    for path in files.into_iter().chain(more) {
        let bytes = std::fs::read(&path).expect("file");
        let name = path.to_string_lossy();
        let output = read(&name, &bytes, "claude-code");
        let all: Vec<&Trajectory> =
            output.trajectories.iter().flat_map(|one| std::iter::once(one).chain(&one.subagents)).collect();
        let compact = String::from_utf8_lossy(&bytes).replace("\": \"", "\":\"").into_bytes();
        let steps = || all.iter().flat_map(|one| &one.steps);
        let calls = steps().map(|step| step.calls.len()).sum::<usize>();
        let results = steps().filter_map(|step| step.observation.as_ref()).map(|seen| seen.results.len());
        assert_eq!(calls, count(&compact, "\"type\":\"tool_use\""), "{name}");
        assert_eq!(results.sum::<usize>(), count(&compact, "\"type\":\"tool_result\""), "{name}");
        // No message of these files is spread over lines.
        let agent = steps().filter(|step| step.source == Source::Agent).count();
        assert_eq!(agent, count(&compact, "\"type\":\"assistant\""), "{name}");
        for trajectory in &output.trajectories {
            places_hold(trajectory, &bytes);
            comes_back(trajectory);
        }
    }
}

#[test]
fn items_of_one_response_of_codex_are_one_step() {
    let trajectory = one("codex/rollout.jsonl", "codex");
    assert_eq!(shape(&trajectory), [(2, 2), (1, 1), (0, 0)]);
    assert_eq!(
        usages(&trajectory),
        [Some((100, 20, Some(40))), Some((150, 10, Some(100))), Some((50, 5, Some(0)))]
    );
    let steps: Vec<&Step> = trajectory.judged().collect();
    assert_eq!(steps[0].reasoning.as_deref(), Some("List the files."));
    assert_eq!(steps[0].calls[0].arguments.raw.as_deref(), Some("{\"cmd\":\"ls boats\"}"));
    assert_eq!(steps[0].calls[1].name, "apply_patch");
    assert_eq!(steps[0].calls[1].extra["item_type"], "custom_tool_call");
    assert_eq!(steps[1].calls[0].name, "local_shell");
    let result = &steps[1].observation.as_ref().expect("result").results[0];
    assert_eq!(result.content.as_ref().map(|said| said.text().into_owned()).as_deref(), Some("2"));
    assert_eq!(result.extra["output"]["success"], true);
    assert_eq!(
        (trajectory.agent.model.as_deref(), steps[2].model.as_deref()),
        (Some("gpt-x"), Some("gpt-y"))
    );
    assert_eq!(steps[2].reasoning_effort, Some("low".into()));
    assert_eq!((trajectory.session_id.as_deref(), &*trajectory.agent.version), (Some("c-1"), "0.99.0"));
    // Injected context and the compaction are not judged, nor are they the user's.
    let users = trajectory.steps.iter().filter(|step| step.source == Source::User && !step.frame);
    assert_eq!(users.map(|step| step.message.text().into_owned()).collect::<Vec<_>>(), ["Count the boats."]);
    assert_eq!(trajectory.steps.iter().filter(|step| step.frame).count(), 2);
}

#[test]
fn old_files_of_codex_have_no_envelope() {
    let trajectory = one("codex/old.jsonl", "codex");
    assert_eq!(shape(&trajectory), [(1, 1), (0, 0)]);
    assert_eq!(trajectory.session_id.as_deref(), Some("c-0"));
    assert_eq!(usages(&trajectory), [None, None]);
}

#[test]
fn shared_codex_sessions_hold_what_a_scan_counts() {
    for path in shared("cli-sessions", |name| {
        name.strip_suffix(".jsonl").is_some_and(|name| !name.starts_with("claude"))
    }) {
        let bytes = std::fs::read(&path).expect("file");
        let name = path.to_string_lossy();
        let output = read(&name, &bytes, "codex");
        let [trajectory] = output.trajectories.as_slice() else { panic!("{name}: one session") };
        let (calls, results): (Vec<_>, Vec<_>) = shape(trajectory).into_iter().unzip();
        assert_eq!(calls.iter().sum::<usize>(), count(&bytes, "\"type\":\"function_call\""), "{name}");
        assert_eq!(
            results.iter().sum::<usize>(),
            count(&bytes, "\"type\":\"function_call_output\""),
            "{name}"
        );
        places_hold(trajectory, &bytes);
        comes_back(trajectory);
    }
}

#[test]
fn a_session_of_gemini_cli_is_read() {
    let trajectory = one("gemini-cli/session.json", "gemini-cli");
    assert_eq!(shape(&trajectory), [(3, 2), (0, 0)]);
    // Thoughts are counted apart and paid as output.
    assert_eq!(usages(&trajectory), [Some((50, 15, Some(20))), None]);
    let steps: Vec<&Step> = trajectory.judged().collect();
    assert_eq!(steps[0].reasoning.as_deref(), Some("Plan\nList, then count."));
    let results = &steps[0].observation.as_ref().expect("results").results;
    assert_eq!(
        results[0].content.as_ref().map(|said| said.text().into_owned()).as_deref(),
        Some("gull\ngull")
    );
    assert_eq!((&results[0].extra["status"], results[0].extra.get("result")), (&"success".into(), None));
    assert_eq!(
        results[1].content.as_ref().map(|said| said.text().into_owned()).as_deref(),
        Some("no such file")
    );
    assert_eq!(results[1].extra["result"][0]["functionResponse"]["name"], "read_file");
    assert_eq!(steps[0].calls[2].extra["toolCall"]["status"], "cancelled");
    assert_eq!((&*steps[1].judged_text(), steps[1].model.as_deref()), ("Two gulls.", Some("gemini-y")));
    assert_eq!(trajectory.session_id.as_deref(), Some("g-1"));
    assert_eq!(trajectory.steps.iter().filter(|step| step.frame).count(), 1);
}

#[test]
fn records_of_gemini_cli_replace_and_take_back() {
    let trajectory = one("gemini-cli/session.jsonl", "gemini-cli");
    assert_eq!(usages(&trajectory), [Some((12, 3, Some(4)))]);
    assert_eq!(
        trajectory.judged().next().map(|step| step.judged_text().into_owned()).as_deref(),
        Some("Two gulls.")
    );
    assert_eq!(trajectory.extra["summary"], "Gulls");
    let [back] = trajectory.subagents.as_slice() else { panic!("one list was taken back") };
    assert_eq!((back.id.as_deref(), usages(back)), (Some("rewound-1"), vec![Some((9, 1, Some(0)))]));
    for path in shared("cli-sessions", |name| name.starts_with("gemini")) {
        let bytes = std::fs::read(&path).expect("file");
        let output = read(&path.to_string_lossy(), &bytes, "gemini-cli");
        assert_eq!(output.trajectories.len(), 1);
        places_hold(&output.trajectories[0], &bytes);
        comes_back(&output.trajectories[0]);
    }
}

/// The line and the character that a rule's finding of a file points at.
fn found_at(path: &str, rule: &str) -> (u64, String) {
    let bytes = fixture(path);
    let output = read(path, &bytes, formats::read_bytes(path, &bytes, None).expect("read").format);
    let trajectory = &output.trajectories[0];
    let judged = rules::judge(trajectory, &Policy::default());
    let mut all = judged.findings.iter().zip(&judged.places);
    let (finding, place) = all.find(|(finding, _)| finding.rule == rule).expect("a finding");
    let place = place.expect("a place");
    let byte = Locator::new(&bytes).byte(place, finding.span.map_or(0, |span| span.start));
    let at = Locator::new(&bytes).position(byte);
    let rest = String::from_utf8_lossy(&bytes[byte..]).chars().take(10).collect();
    (at.line, rest)
}

#[test]
fn findings_point_at_the_text() {
    assert_eq!(found_at("claude-code/session.jsonl", "FC001"), (15, "About 11:2".to_owned()));
    assert_eq!(found_at("codex/rollout.jsonl", "FC001"), (21, "Two.\"}]}}\n".to_owned()));
    assert_eq!(found_at("gemini-cli/session.jsonl", "FC001"), (8, "Two gulls.".to_owned()));
}

#[test]
fn claude_code_survives_bad_input() {
    let sample = concat!(
        r#"{"type":"user","uuid":"u","parentUuid":null,"sessionId":"s","message":{"role":"user","content":"hi"}}"#,
        "\n",
        r#"{"type":"assistant","uuid":"a","parentUuid":"u","sessionId":"s","timestamp":"2026-03-01T10:00:02Z","#,
        r#""message":{"id":"m","role":"assistant","model":"x","content":[{"type":"text","text":"é"},"#,
        r#"{"type":"tool_use","id":"t","name":"Bash","input":{"c":"l"}}],"stop_reason":"tool_use","#,
        r#""usage":{"input_tokens":1,"output_tokens":2}}}"#,
        "\n",
        r#"{"type":"user","uuid":"r","parentUuid":"a","sessionId":"s","toolUseResult":{"o":1},"message":"#,
        r#"{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":"k"}]}}"#,
        "\n",
    );
    abuse("claude-code", sample.as_bytes());
}

#[test]
fn a_folder_of_claude_code_survives_bad_input() {
    let line = r#"{"type":"user","uuid":"g","isSidechain":true,"agentId":"f","sessionId":"s","message":{"role":"user","content":"Go."}}"#;
    let main = concat!(
        r#"{"type":"assistant","uuid":"a","sessionId":"s","message":{"id":"m","role":"assistant","content":"#,
        r#"[{"type":"tool_use","id":"t","name":"Agent","input":{"prompt":"Go."}}]}}"#,
        "\n"
    );
    let files = vec![
        ("d/s.jsonl".to_owned(), main.as_bytes().to_vec()),
        ("d/s/subagents/agent-f.jsonl".to_owned(), line.as_bytes().to_vec()),
    ];
    Abuse { name: "claude-code", files, structure: &[] }.run();
}

#[test]
fn codex_survives_bad_input() {
    let sample = concat!(
        r#"{"timestamp":"2026-03-02T09:00:00Z","type":"session_meta","payload":{"id":"c","cli_version":"1"}}"#,
        "\n",
        r#"{"timestamp":"2026-03-02T09:00:01Z","type":"response_item","payload":{"type":"message","role":"assistant","content":[{"type":"output_text","text":"é"}]}}"#,
        "\n",
        r#"{"timestamp":"2026-03-02T09:00:01Z","type":"response_item","payload":{"type":"function_call","name":"f","arguments":"{}","call_id":"k"}}"#,
        "\n",
        r#"{"type":"event_msg","payload":{"type":"token_count","info":{"last_token_usage":{"input_tokens":1}}}}"#,
        "\n",
        r#"{"type":"response_item","payload":{"type":"function_call_output","call_id":"k","output":"o"}}"#,
        "\n",
    );
    abuse("codex", sample.as_bytes());
    let old = String::from_utf8(fixture("codex/old.jsonl")).expect("text");
    let old: String =
        old.lines().filter(|line| !line.contains("record_type")).map(|line| format!("{line}\n")).collect();
    abuse("codex", old.as_bytes());
}

#[test]
fn gemini_cli_survives_bad_input() {
    let sample = concat!(
        r#"{"sessionId":"g","projectHash":"h","messages":[{"id":"1","type":"user","content":"hi"},"#,
        r#"{"id":"2","timestamp":"2026-03-03T08:00:03Z","type":"gemini","content":"é","model":"x","#,
        r#""thoughts":[{"subject":"s","description":"d"}],"tokens":{"input":1,"output":2,"cached":0},"#,
        r#""toolCalls":[{"id":"c","name":"n","args":{"a":1},"result":[{"functionResponse":"#,
        r#"{"id":"c","name":"n","response":{"output":"o"}}}],"status":"success"}]}]}"#,
    );
    abuse("gemini-cli", sample.as_bytes());
    let lines = concat!(
        r#"{"sessionId":"g","projectHash":"h","startTime":"2026-03-03T08:00:00Z"}"#,
        "\n",
        r#"{"id":"1","type":"user","content":[{"text":"hi"}]}"#,
        "\n",
        r#"{"id":"2","type":"gemini","content":"é","toolCalls":[{"id":"c","name":"n","args":{},"result":"o"}]}"#,
        "\n",
        r#"{"$set":{"summary":"s"}}"#,
        "\n",
    );
    abuse("gemini-cli", lines.as_bytes());
}
