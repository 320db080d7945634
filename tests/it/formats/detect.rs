//! Formats told by content: with a margin, and, where none fits, the nearest one first.

use crate::support;
use rolltape::formats::{self, By, Told};
use serde_json::{Map, Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// Files of the shared data, by the beginning of their paths; the others there are no transcripts.
const SHARED: [(&str, &str); 34] = [
    ("adp-openhands/sample_sft", "sharegpt"),
    ("adp-openhands/sample_std", "adp"),
    ("bfcl/BFCL_", "bfcl"),
    ("bfcl/possible_answer/", "bfcl"),
    ("claude-code/representative", "claude-code"),
    ("claude-code/sample_session", "claude-code"),
    ("claude-code/todowrite", "claude-code"),
    ("cli-sessions/claude", "claude-code"),
    ("cli-sessions/codex-session", "codex"),
    ("cli-sessions/gemini-cli", "gemini-cli"),
    ("inspect-ai/2025-02", "inspect-eval"),
    ("inspect-ai/2025-05", "inspect-eval"),
    ("inspect-ai/log_", "inspect-eval"),
    ("mini-swe-agent/local", "mini-swe-agent"),
    ("openhands-eval-output/resolver", "openhands-eval-output"),
    ("openhands-llm-logs/fncall-llm", "openai-chat"),
    ("openhands-llm-logs/llm-logs/", "openhands-completion-log"),
    ("openhands-llm-logs/nonfncall-llm-logs/", "openhands-completion-log"),
    ("openhands-prompt-logs/CodeActAgent/test_browse_internet/prompt_001", "openhands-prompt-log"),
    ("openhands-prompt-logs/CodeActAgent/test_browse_internet/prompt_005", "openhands-prompt-log"),
    ("openhands-prompt-logs/CodeActAgent/test_edits/prompt_", "openhands-prompt-log"),
    ("openhands-prompt-logs/CodeActAgent/test_ipython/prompt_", "openhands-prompt-log"),
    ("openhands-v0-events/basic", "openhands-v0-events"),
    ("openhands-v1-events/events", "openhands-v1-events"),
    ("seed/deepseek_transcript", "openhands-prompt-log"),
    ("sweagent/6e44", "swe-agent"),
    ("sweagent/eps", "swe-agent"),
    ("sweagent/function", "swe-agent"),
    ("sweagent/humaneval", "swe-agent"),
    ("sweagent/m1867__function", "swe-agent"),
    ("sweagent/m1867__xml", "swe-agent"),
    ("sweagent/networking", "swe-agent"),
    ("tau-bench/gpt-4o", "tau-bench"),
    ("tau2-bench/simulations/", "tau2"),
];

/// What the fixtures are: the folder says it, but for these.
fn fixture(path: &str) -> Option<&str> {
    let (folder, file) = path.split_once('/')?;
    match (folder, file) {
        // Scripts, and files that are only a part of a folder.
        (_, "consume.py" | "open.py" | "base_state.json") | ("tau2-folder", "results.json") => None,
        ("tau2-folder", _) => Some("tau2"),
        ("otel", _) => Some("otel-genai"),
        _ => Some(folder),
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut rest = vec![folder.to_owned()];
    while let Some(folder) = rest.pop() {
        for entry in fs::read_dir(folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() { rest.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    files
}

/// Every file whose format is known: its name, its format, its bytes.
fn known() -> Vec<(String, String, Vec<u8>)> {
    let mut all = Vec::new();
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/formats");
    let relative = |path: &Path, root: &Path| path.strip_prefix(root).expect("inside").display().to_string();
    for path in files(&own) {
        let name = relative(&path, &own);
        if let Some(format) = fixture(&name) {
            all.push((name.clone(), format.to_owned(), fs::read(&path).expect("a file")));
        }
    }
    assert!(all.len() > 30, "only {} fixtures", all.len());
    if let Some(data) = support::data_dir() {
        for path in files(&data) {
            let name = relative(&path, &data);
            if let Some((_, format)) = SHARED.iter().find(|(begin, _)| name.starts_with(begin)) {
                all.push((name.clone(), (*format).to_owned(), fs::read(&path).expect("a file")));
            }
        }
    }
    all
}

fn told(bytes: &[u8]) -> Result<Told, String> {
    let read = formats::read_bytes("x", bytes, None).map_err(|error| error.message)?;
    Ok(read.told.into_iter().next().expect("it is told"))
}

/// The format that an error names first.
fn nearest(message: &str) -> &str {
    let first = message.split_once("(not ").or(message.split_once("may be ")).map_or("", |(_, first)| first);
    first.split([',', ':', ' ']).next().unwrap_or_default()
}

#[test]
fn every_known_file_is_told_with_a_margin() {
    let mut wrong = Vec::new();
    for (name, format, bytes) in known() {
        match told(&bytes) {
            Ok(Told { format: found, by: By::Content { confidence, runner_up }, .. })
                if found == format
                    && confidence >= 60
                    && confidence - runner_up.map_or(0, |(_, second)| second) >= 15 => {}
            Ok(told) => wrong.push(format!("{name}: {told}, not {format}")),
            Err(error) => wrong.push(format!("{name}: {error}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The first record of a file of JSON, if it is an object.
fn first_object(bytes: &[u8]) -> Option<Map<String, Value>> {
    let text = std::str::from_utf8(bytes).ok()?;
    let whole = serde_json::from_str(text).ok();
    let first = whole.or_else(|| serde_json::from_str(text.lines().next()?).ok())?;
    match first {
        Value::Object(object) => Some(object),
        Value::Array(items) => items.into_iter().find_map(|item| match item {
            Value::Object(object) if !object.contains_key("role") => Some(object),
            _ => None,
        }),
        _ => None,
    }
}

/// Formats whose records are chats and something else.
const CHATS: [&str; 2] = ["mini-swe-agent", "openhands-completion-log"];

/// Keys without which nothing is left that the format could be known by.
const ALL_THERE_IS: [(&str, &str); 3] =
    [("openai-chat", "messages"), ("sharegpt", "conversations"), ("openai-completion-log", "request")];

#[test]
fn a_record_with_one_key_wrong_is_near_to_its_format() {
    let mut wrong = Vec::new();
    let mut tried = 0;
    for (name, format, bytes) in known() {
        let Some(record) = first_object(&bytes) else { continue };
        for key in record.keys().filter(|key| !ALL_THERE_IS.contains(&(&*format, key))) {
            let mut without = record.clone();
            let value = without.shift_remove(key).expect("it is there");
            let mut misspelt = without.clone();
            misspelt.insert(format!("{}x{}", &key[..1], &key[1..]), value);
            for (what, record) in [("without", &without), ("misspelt", &misspelt)] {
                if record.len() < 2 {
                    continue;
                }
                tried += 1;
                let text = Value::Object(record.clone()).to_string();
                match told(text.as_bytes()) {
                    Ok(told) if told.format == format => {}
                    // What is left of it is a chat as good as any.
                    Ok(told) if told.format == "openai-chat" && CHATS.contains(&&*format) => {}
                    Ok(told) => wrong.push(format!("{name} {what} {key}: {told}")),
                    Err(error) if nearest(&error) == format => {}
                    Err(error) => wrong.push(format!("{name} {what} {key}: {error}")),
                }
            }
        }
    }
    assert!(tried > 100, "only {tried} records");
    assert!(wrong.is_empty(), "{} of {tried}:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn near_misses_name_the_format_and_what_is_wrong() {
    let step = json!({"step_id": 1, "source": "user", "message": "go"});
    let turn =
        json!({"action": "ls", "observation": "a", "response": "Look.", "thought": "Look.", "state": {}});
    let message = json!({"role": "user", "content": "go"});
    let event = json!({"id": 0, "timestamp": "t", "source": "martian", "args": {"content": "go"}});
    let cases = [
        ("ATIF of a wrong version", json!({"schema_version": "ATF-2", "session_id": "s", "steps": [step]})),
        (
            "ATIF whose steps are misspelt",
            json!({"schema_version": "1.4", "stpes": [step], "agent": {"name": "a"}}),
        ),
        ("a chat without roles", json!({"messages": [{"content": "go"}, {"content": "so"}]})),
        ("a chat whose roles are misspelt", json!({"messages": [{"rol": "user", "content": "go"}]})),
        ("a chat whose list is misspelt", json!({"mesages": [message], "model": "m"})),
        ("events without a kind of action", json!([event, event])),
        ("a .traj without history", json!({"trajectory": [turn], "info": {}, "environment": "e"})),
        (
            "a session's line without ids",
            json!({"type": "user", "message": message, "timestamp": "t", "cwd": "/"}),
        ),
        (
            "a session's line of a new kind",
            json!({"type": "usr", "message": message, "uuid": "u", "timestamp": "t"}),
        ),
        ("contents without parts", json!({"contents": [{"role": "user", "text": "go"}]})),
        ("spans without a model's", json!({"resourceSpans": [{"scopeSpans": []}]})),
        ("ShareGPT of other keys", json!({"conversations": [{"speaker": "human", "text": "go"}]})),
        ("nothing known", json!({"a": 1})),
        (
            "two at once",
            json!({"id": "1", "question": [], "function": [], "prompt": [], "completion": [],
            "reward": 1, "example_id": 2}),
        ),
    ];
    let mut said = String::new();
    for (what, record) in cases {
        let outcome = match told(record.to_string().as_bytes()) {
            Ok(told) => told.to_string(),
            Err(error) => error,
        };
        said += &format!("{what}\n    {}\n", outcome.replace("; ", ";\n    "));
    }
    insta::assert_snapshot!("near_misses", said);
}

#[test]
fn a_wrong_word_inside_does_not_hide_the_format() {
    let chat =
        json!({"messages": [{"role": "user", "content": "go"}, {"role": "asistant", "content": "so"}]});
    let atif = json!({"schema_version": "ATIF-v9.9", "session_id": "s", "agent": {"name": "a", "version": "1"},
        "steps": [{"step_id": 1, "source": "martian", "message": "go"}]});
    let event = |source: &str| {
        json!({"id": 0, "timestamp": "t", "source": source, "message": "m",
        "action": "message", "args": {"content": "go"}})
    };
    let events = json!([event("user"), event("martian")]);
    for (format, record, what) in [
        ("openai-chat", chat, "asistant"),
        ("atif", atif, "martian"),
        ("openhands-v0-events", events, "martian"),
    ] {
        let read = formats::read_bytes("x", record.to_string().as_bytes(), None).expect("it is told");
        assert_eq!(read.told[0].format, format);
        // An error, or kept as it was written.
        let kept = format!("{:?}{:?}{:?}", read.errors, read.warnings, read.trajectories);
        assert!(kept.contains(what), "{format}: {kept}");
    }
}
