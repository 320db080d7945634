//! Bad input for the readers whose samples stand in no other file: ATIF in all versions, run folders, the logs of
//! OpenHands, and every kind of content part of the chat-like formats.

use super::abuse::{Abuse, abuse, bare_facts, comes_back};
use rolltape::formats::{self, ReadOutput, atif_lines};
use rolltape::model::{Reply, Source, Step};
use serde_json::{Value, json};

/// Everything that the format has, in few words.
fn everything() -> Value {
    json!({
        "schema_version": "ATIF-v1.8", "session_id": "s", "trajectory_id": "t", "notes": "n",
        "continued_trajectory_ref": "c", "extra": {"k": 1},
        "agent": {"name": "a", "version": "1", "model_name": "m", "extra": {"k": 1},
            "tool_definitions": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]},
        "steps": [
            {"step_id": 1, "source": "system", "message": "be"},
            {"step_id": 2, "source": "user", "timestamp": "2026-01-01T00:00:00Z", "is_copied_context": true, "message": [
                {"type": "text", "text": "\u{e9}"},
                {"type": "image", "source": {"media_type": "image/png", "path": "p"}},
                {"type": "audio", "source": {"media_type": "audio/wav", "path": "q", "duration_sec": 1.5}}]},
            {"step_id": 3, "source": "agent", "message": "go", "model_name": "m2", "reasoning_effort": "low",
                "reasoning_content": "r", "llm_call_count": 1, "extra": {"k": 1},
                "tool_calls": [
                    {"tool_call_id": "c", "function_name": "f", "arguments": {"x": 1}, "extra": {"k": 1}},
                    {"tool_call_id": "d", "function_name": "f", "arguments": "{\"x\": 1}"}],
                "observation": {"results": [
                    {"source_call_id": "c", "content": [{"type": "text", "text": "o"}], "extra": {"k": 1},
                        "subagent_trajectory_ref": [{"trajectory_id": "u", "session_id": "s"}]},
                    {"source_call_id": "d", "content": "o"}]},
                "metrics": {"prompt_tokens": 5, "completion_tokens": 2, "cached_tokens": 1, "cost_usd": 0.5,
                    "prompt_token_ids": [1], "completion_token_ids": [2], "logprobs": [-0.5], "extra": {"k": 1}}}],
        "final_metrics": {"total_prompt_tokens": 5, "total_completion_tokens": 2, "total_cached_tokens": 1,
            "total_cost_usd": 0.5, "total_steps": 3, "extra": {"k": 1}},
        "subagent_trajectories": [{"schema_version": "ATIF-v1.7", "trajectory_id": "u",
            "agent": {"name": "b", "version": "2"}, "steps": [{"step_id": 1, "source": "user", "message": "d"}]}]
    })
}

fn read(text: &str) -> ReadOutput {
    formats::read_bytes("x", text.as_bytes(), Some("atif")).expect("read")
}

#[test]
fn bad_input_for_atif_is_kept_or_said() {
    abuse("atif", everything().to_string().as_bytes());
}

/// What we put where the format has no place for it is read with the same care.
#[test]
fn bad_input_for_our_own_part_of_atif_is_kept_or_said() {
    let mut trajectory = super::atif::full();
    trajectory.schema_version = Some("ATIF-v1.2".to_owned());
    let mut step = Step::new(4, Source::Agent, "t");
    step.model = Some("m".to_owned());
    step.reply = Some(Reply { text: "t".to_owned(), native: true, ..Reply::default() });
    trajectory.steps.push(step);
    let mut user = Step::new(5, Source::User, "t");
    (user.model, user.llm_calls) = (Some("m".to_owned()), Some(1));
    user.reasoning_effort = Some(json!({"a": 1}));
    trajectory.steps.push(user);
    trajectory.agent.raw_tools = Some(vec![json!(7)]);
    let files = vec![("x".to_owned(), atif_lines::line(&trajectory).into_bytes())];
    // Numbers of steps and kinds of parts are read, and are no facts of their own.
    let structure = &["rolltape.step_id", "rolltape.message.type", "rolltape.content.type"];
    Abuse { name: "atif", files, structure }.run();
}

#[test]
fn bad_input_for_run_folders_is_kept_or_said() {
    let line = json!({"schema_version": "ATIF-v1.8", "agent": {"name": "a", "version": "1"},
        "steps": [{"step_id": 1, "source": "agent", "message": "\u{e9}"}]});
    let files = [("run.json", String::new()), ("trajectories.jsonl", format!("{line}\n{line}\n"))];
    let files = files.map(|(name, text)| (format!("run/{name}"), text.into_bytes())).into();
    Abuse { name: "rolltape-run", files, structure: &[] }.run();
}

/// What has no place in the model is kept once and stays where it is, however often it is written and read.
#[test]
fn what_atif_does_not_have_stays_put() {
    let text = json!({"schema_version": "ATIF-v1.8", "agent": {"name": "a", "version": "1"},
        "notes": 5, "odd": 1, "extra": {"rolltape": {"unknown": {"odd": 0}}},
        "steps": [{"step_id": 9, "source": "agent", "message": 7, "tool_calls": [3, {"function_name": "f"}],
            "extra": {"rolltape": {"reply": {"text": 4, "native": true}, "frame": "no"}}}]});
    let first = read(&text.to_string());
    let mut told: Vec<&str> = first.warnings.iter().map(|warning| warning.message.as_str()).collect();
    told.sort_unstable();
    assert_eq!(
        told,
        [
            "'extra.rolltape.frame' is a string that ATIF does not have there: kept under extra.rolltape.unknown",
            "'notes' is a number that ATIF does not have there: kept under extra.rolltape.unknown",
            "'step_id' is a number that ATIF does not have there: kept under extra.rolltape.unknown",
            "ATIF does not have all that stands in 'reply': kept under extra.rolltape.unknown",
            "ATIF does not have all that stands in 'tool_calls': kept under extra.rolltape.unknown",
        ]
    );
    let [trajectory] = first.trajectories.as_slice() else { panic!("one trajectory") };
    assert_eq!(trajectory.extra["rolltape"]["unknown"], json!({"odd": 0, "notes": 5, "odd_": 1}));
    let unknown = json!({"frame": "no", "step_id": 9, "message": 7, "tool_calls": [3], "reply": {"text": 4}});
    assert_eq!(trajectory.steps[0].extra["rolltape"]["unknown"], unknown);
    assert!(trajectory.steps[0].reply.as_ref().is_some_and(|reply| reply.native));
    let again = read(&atif_lines::line(trajectory));
    assert_eq!((&again.warnings, &again.errors), (&vec![], &vec![]));
    assert_eq!(bare_facts(&again.trajectories[0]), bare_facts(trajectory));
}

/// Files hold lines of all versions, also of one that is to come and of one that never was.
#[test]
fn versions_of_atif_stand_in_one_file() {
    let versions = (0..=9).map(|minor| format!("ATIF-v1.{minor}")).chain(["ATIF-x".to_owned()]);
    let lines: Vec<String> = versions
        .map(|version| {
            let mut record = everything();
            record["schema_version"] = version.clone().into();
            record["subagent_trajectories"][0]["schema_version"] = "ATIF-v1.3".into();
            record["steps"][0]["message"] = version.into();
            record.to_string()
        })
        .collect();
    let output = formats::read_bytes("x", lines.join("\n").as_bytes(), None).expect("read");
    assert_eq!((output.format, output.trajectories.len()), ("atif", 10));
    for (minor, trajectory) in output.trajectories.iter().enumerate() {
        assert_eq!(trajectory.schema_version, Some(format!("ATIF-v1.{minor}")));
        assert_eq!(trajectory.steps[0].message.text(), format!("ATIF-v1.{minor}"));
        assert_eq!(trajectory.subagents[0].schema_version.as_deref(), Some("ATIF-v1.3"));
        comes_back(trajectory);
    }
    let said = |list: &[formats::ReadError]| {
        list.iter().map(|one| (one.line, one.message.clone())).collect::<Vec<_>>()
    };
    assert_eq!(
        said(&output.warnings),
        [(10, "the schema version 'ATIF-v1.9' is newer than ATIF-v1.8".to_owned())]
    );
    let none = "the schema version 'ATIF-x' is none of ATIF-v1.0 to ATIF-v1.8".to_owned();
    assert_eq!(said(&output.errors), [(11, none)]);
}

#[test]
fn bad_input_for_completion_logs_of_openhands_is_kept_or_said() {
    let history = json!([{"role": "system", "content": "s"}, {"role": "user", "content": [{"type": "text", "text": "u"}]},
        {"role": "assistant", "content": "a", "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "c", "name": "f", "content": "o"}]);
    let answer = |content: &str, calls: Value| {
        json!({"id": "r", "model": "m", "created": 17, "object": "chat.completion",
        "usage": {"prompt_tokens": 3, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 1}},
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": content, "tool_calls": calls}}]})
    };
    let calls =
        json!([{"id": "d", "type": "function", "function": {"name": "f", "arguments": "{\"x\": 1}"}}]);
    let native = json!({"messages": history, "tools": [{"type": "function", "function": {"name": "f"}}],
        "kwargs": {"stop": ["x"]}, "cost": 0.5, "latency_sec": 1.5, "timestamp": 1_700_000_000.5,
        "response": answer("", calls.clone())});
    abuse("openhands-completion-log", native.to_string().as_bytes());
    let text = json!({"messages": [{"role": "user", "content": "u"}], "raw_messages": [{"role": "user", "content": "u"}],
        "kwargs": {"tools": [{"type": "function", "function": {"name": "f"}}]},
        "response": answer("", calls), "raw_response": answer("<function=f>\n", Value::Null)});
    abuse("openhands-completion-log", text.to_string().as_bytes());
}

/// A native answer that was logged raw without its names: the converted one is read, and both are kept.
#[test]
fn a_hollow_reply_is_kept_beside_the_one_that_is_read() {
    let answer = |content: &str, call: Value| {
        let message = json!({"role": "assistant", "content": content, "tool_calls": [call]});
        json!({"choices": [{"index": 0, "finish_reason": "stop", "message": message}, "odd"]})
    };
    let call = json!({"id": "d", "type": "function", "function": {"name": "f", "arguments": "{}"}});
    let log = json!({"messages": [{"role": "user", "content": "u"}], "kwargs": {},
        "response": answer("converted", call), "raw_response": answer("only here", json!({}))});
    let output = formats::read_bytes("x", log.to_string().as_bytes(), None).expect("read");
    assert_eq!((output.format, &output.errors), ("openhands-completion-log", &vec![]));
    let trajectory = &output.trajectories[0];
    assert_eq!(trajectory.judged().next().map(|step| step.calls.len()), Some(1));
    let facts = bare_facts(trajectory).join("\n");
    assert!(facts.contains("only here") && facts.contains("odd"), "{facts}");
    comes_back(trajectory);
}

const LOG: &str = "sys \u{e9}\n\n----------\n\ntask\n\n----------\n\nlook\n<function=execute_bash>\n\
    <parameter=command>ls</parameter>\n</function>\n\n----------\n\nEXECUTION RESULT of [execute_bash]:\nx\n";

#[test]
fn bad_input_for_prompt_logs_is_kept_or_said() {
    abuse("openhands-prompt-log", LOG.as_bytes());
    let files = [
        ("prompt_001.log", &LOG[..LOG.find("\n\n----------\n\nlook").expect("the reply")]),
        ("response_001.log", "look\n<function=execute_bash>\n<parameter=command>ls</parameter>\n</function>"),
        ("prompt_002.log", LOG),
        ("response_002.log", "<function=finish>\n</function>"),
    ];
    let files = files.map(|(name, text)| (format!("logs/{name}"), text.as_bytes().to_vec())).into();
    Abuse { name: "openhands-prompt-log", files, structure: &[] }.run();
}

/// Content parts of each kind, in each role, for the readers that share them.
#[test]
fn bad_content_parts_are_kept_or_said() {
    let parts = json!([{"type": "text", "text": "\u{e9}", "annotations": [{"a": 1}], "logprobs": [0.5], "cache_control": {"type": "e"}},
        "bare", {"type": "image_url", "image_url": {"url": "u", "detail": "low"}},
        {"type": "input_audio", "input_audio": {"data": "d", "format": "wav"}}, {"type": "file", "file": {"file_id": "f"}}]);
    let answer = json!([{"type": "text", "text": "a"}, {"type": "refusal", "refusal": "no"}]);
    let messages = json!([{"role": "user", "content": parts}, {"role": "assistant", "content": answer,
        "tool_calls": [{"id": "c", "type": "custom", "custom": {"name": "f", "input": "i"}}]},
        {"role": "tool", "tool_call_id": "c", "content": [{"type": "text", "text": "o"}]}]);
    values("openai-chat", json!({ "messages": messages }).to_string().as_bytes());
    let reply = json!({"choices": [{"index": 0, "message": {"role": "assistant", "content": answer}}]});
    let log = json!({"messages": messages, "kwargs": {}, "response": reply});
    values("openhands-completion-log", log.to_string().as_bytes());
    let items = json!([{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "u"},
        {"type": "input_image", "image_url": "u", "detail": "low"}, {"type": "input_file", "file_id": "f"}]},
        {"type": "message", "role": "assistant", "content": [
            {"type": "output_text", "text": "a", "annotations": [{"type": "url_citation", "url": "u"}], "logprobs": [0.5]},
            {"type": "refusal", "refusal": "no"}]}]);
    values("openai-responses", json!({"input": items, "model": "m"}).to_string().as_bytes());
    let blocks = json!([{"role": "user", "content": [{"type": "text", "text": "u", "cache_control": {"type": "e"}},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "d"}},
        {"type": "document", "title": "t", "source": {"type": "url", "url": "u"}}]},
        {"role": "assistant", "content": [{"type": "text", "text": "a", "citations": [{"type": "c"}]},
            {"type": "server_tool_use", "id": "s", "name": "w", "input": {"q": 1}}]}]);
    values("anthropic", json!({"system": "s", "messages": blocks, "model": "m"}).to_string().as_bytes());
    let contents = json!([{"role": "user", "parts": [{"text": "u"}, {"inlineData": {"mimeType": "image/png", "data": "d"}},
        {"fileData": {"fileUri": "f", "mimeType": "image/png"}}]},
        {"role": "model", "parts": [{"text": "a", "thoughtSignature": "s"}, {"executableCode": {"language": "P", "code": "c"}}]}]);
    values("gemini", json!({ "contents": contents }).to_string().as_bytes());
}

/// The same where messages stand inside the records of other formats.
#[test]
fn bad_content_parts_in_logs_are_kept_or_said() {
    for (name, path) in [
        ("openai-completion-log", "openai-completion-log/proxy.jsonl"),
        ("langchain", "langchain/state.jsonl"),
        ("verifiers", "verifiers/results.jsonl"),
        ("swe-agent", "swe-agent/native.traj"),
        ("mini-swe-agent", "mini-swe-agent/v2.traj.json"),
        ("tau-bench", "tau-bench/results.json"),
    ] {
        let text =
            std::fs::read_to_string(crate::support::fixture(&format!("formats/{path}"))).expect("a file");
        let records: Vec<Value> = match serde_json::from_str(&text) {
            Ok(record) => vec![record],
            Err(_) => text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect(),
        };
        let lines = records.into_iter().map(|mut record| {
            in_parts(&mut record);
            format!("{record}\n")
        });
        values(name, lines.collect::<String>().as_bytes());
    }
    let codex = json!({"type": "response_item", "payload": {"type": "message", "role": "assistant", "content": [
        {"type": "output_text", "text": "a", "annotations": [1]}, {"type": "input_image", "image_url": "u"}]}});
    let meta = json!({"type": "session_meta", "payload": {"id": "c", "cli_version": "1"}});
    values("codex", format!("{meta}\n{codex}\n").as_bytes());
    let gemini = json!({"sessionId": "g", "projectHash": "h", "messages": [
        {"id": "1", "type": "user", "content": [{"text": "t"}, {"inlineData": {"mimeType": "m", "data": "d"}}]},
        {"id": "2", "type": "gemini", "content": [{"text": "t", "thoughtSignature": "s"}]}]});
    values("gemini-cli", gemini.to_string().as_bytes());
    let claude = json!({"type": "assistant", "uuid": "a", "sessionId": "s", "timestamp": "2026-03-01T10:00:02Z",
        "message": {"id": "m", "role": "assistant", "model": "x", "content": [
            {"type": "thinking", "thinking": "t", "signature": "s"}, {"type": "text", "text": "a", "citations": [1]},
            {"type": "image", "source": {"type": "url", "url": "u"}}]}});
    values("claude-code", claude.to_string().as_bytes());
    let inspect = json!({"version": 2, "eval": {"task": "t", "model": "y"}, "samples": [{"id": 1, "epoch": 1,
        "input": "x", "target": "", "messages": [{"role": "user", "content": [
            {"type": "text", "text": "t", "refusal": true, "citations": [{"type": "u"}]},
            {"type": "image", "image": "u", "detail": "low"}, {"type": "audio", "audio": "u", "format": "wav"},
            {"type": "data", "data": {"d": 1}}]}]}]});
    values("inspect-eval", inspect.to_string().as_bytes());
}

fn values(name: &str, sample: &[u8]) {
    Abuse { name, files: vec![("x".to_owned(), sample.to_vec())], structure: &[] }.values();
}

/// Makes two parts of each text of a message.
fn in_parts(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (key, item) in members.iter_mut() {
                match item.as_str().filter(|_| key == "content") {
                    Some(text) => {
                        *item = json!([{"type": "text", "text": text, "cache_control": {"type": "e"}},
                            {"type": "image_url", "image_url": {"url": "u"}}]);
                    }
                    None => in_parts(item),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(in_parts),
        _ => {}
    }
}
