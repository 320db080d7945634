//! ATIF: what is written passes the format's rules, and comes back the same.

use crate::support;
use proptest::prelude::*;
use rolltape::formats::{self, atif_lines};
use rolltape::model::{
    AgentInfo, Arguments, ContentPart, FinalMetrics, Message, Object, Observation, ObservationResult, Origin,
    Reply, Source, Step, ToolCall, ToolDef, Trajectory, Usage,
};
use serde_json::{Value, json};

/// The same trajectory without what depends on the file that it was read from.
fn bare(mut trajectory: Trajectory) -> Trajectory {
    trajectory.origin = Origin::default();
    trajectory.schema_version = None;
    for step in &mut trajectory.steps {
        step.place = None;
        step.calls.iter_mut().for_each(|call| call.place = None);
        if let Some(reply) = &mut step.reply {
            reply.place = None;
        }
        for result in step.observation.iter_mut().flat_map(|observation| &mut observation.results) {
            result.place = None;
        }
    }
    trajectory.subagents = trajectory.subagents.into_iter().map(bare).collect();
    trajectory
}

fn back(trajectory: &Trajectory) -> Trajectory {
    let line = atif_lines::line(trajectory);
    valid(&serde_json::from_str(&line).expect("JSON"));
    let mut output = formats::read_bytes("x", line.as_bytes(), Some("atif")).expect("read");
    assert_eq!((&output.errors, &output.warnings), (&vec![], &vec![]), "{line}");
    output.trajectories.pop().expect("one trajectory")
}

fn there_and_back(trajectory: &Trajectory) {
    assert_eq!(bare(back(trajectory)), bare(trajectory.clone()));
}

/// Keys of an object: required, and optional with `extra` only where it is named.
fn keys(object: &Value, required: &[&str], optional: &[&str]) {
    let object = object.as_object().unwrap_or_else(|| panic!("no object: {object}"));
    for key in required {
        assert!(object.contains_key(*key), "'{key}' is missing in {object:?}");
    }
    for (key, value) in object {
        assert!(
            required.contains(&key.as_str()) || optional.contains(&key.as_str()),
            "'{key}' is not allowed"
        );
        assert!(!value.is_null(), "'{key}' is null");
        assert!(key != "extra" || value.is_object());
    }
}

fn content(value: &Value) {
    let Some(parts) = value.as_array() else {
        assert!(value.is_string(), "{value}");
        return;
    };
    for part in parts {
        match part["type"].as_str() {
            Some("text") => keys(part, &["type", "text"], &[]),
            Some("image") => {
                keys(part, &["type", "source"], &[]);
                keys(&part["source"], &["media_type", "path"], &[]);
                let kind = part["source"]["media_type"].as_str().unwrap_or_default();
                assert!(["image/jpeg", "image/png", "image/gif", "image/webp"].contains(&kind));
            }
            Some("audio") => keys(&part["source"], &["media_type", "path"], &["duration_sec"]),
            other => panic!("part type {other:?}"),
        }
    }
}

/// The rules of the format's validator.
pub(super) fn valid(trajectory: &Value) {
    keys(
        trajectory,
        &["schema_version", "agent", "steps"],
        &[
            "session_id",
            "trajectory_id",
            "notes",
            "final_metrics",
            "continued_trajectory_ref",
            "subagent_trajectories",
            "extra",
        ],
    );
    assert_eq!(trajectory["schema_version"], "ATIF-v1.8");
    keys(&trajectory["agent"], &["name", "version"], &["model_name", "tool_definitions", "extra"]);
    for tool in trajectory["agent"]["tool_definitions"].as_array().into_iter().flatten() {
        assert!(tool.is_object());
    }
    for (n, step) in trajectory["steps"].as_array().expect("steps").iter().enumerate() {
        valid_step(n as u64 + 1, step);
    }
    if let Some(metrics) = trajectory.get("final_metrics") {
        let optional = [
            "total_prompt_tokens",
            "total_completion_tokens",
            "total_cached_tokens",
            "total_cost_usd",
            "total_steps",
            "extra",
        ];
        keys(metrics, &[], &optional);
    }
    let mut ids = std::collections::BTreeSet::new();
    for subagent in trajectory["subagent_trajectories"].as_array().into_iter().flatten() {
        valid(subagent);
        assert!(ids.insert(subagent["trajectory_id"].as_str().expect("an id")), "ids are unique");
    }
}

fn valid_step(number: u64, step: &Value) {
    let agent_only = ["model_name", "reasoning_effort", "reasoning_content", "tool_calls", "metrics"];
    let mut optional = vec!["timestamp", "observation", "is_copied_context", "llm_call_count", "extra"];
    optional.extend(agent_only);
    keys(step, &["step_id", "source", "message"], &optional);
    assert_eq!(step["step_id"], number);
    let agent = step["source"] == "agent";
    assert!(agent || agent_only.iter().all(|key| step.get(key).is_none()), "{step}");
    assert!(agent || ["system", "user"].contains(&step["source"].as_str().unwrap_or_default()));
    if agent && step["llm_call_count"] == 0 {
        assert!(step.get("metrics").is_none() && step.get("reasoning_content").is_none());
    }
    content(&step["message"]);
    let mut ids = Vec::new();
    for call in step["tool_calls"].as_array().into_iter().flatten() {
        keys(call, &["tool_call_id", "function_name", "arguments"], &["extra"]);
        assert!(call["arguments"].is_object());
        ids.push(&call["tool_call_id"]);
    }
    let Some(observation) = step.get("observation") else { return };
    keys(observation, &["results"], &[]);
    for result in observation["results"].as_array().expect("results") {
        keys(result, &[], &["source_call_id", "content", "subagent_trajectory_ref", "extra"]);
        assert!(result.get("source_call_id").is_none_or(|id| ids.contains(&id)), "{result}");
        if let Some(value) = result.get("content") {
            content(value);
        }
    }
}

/// A trajectory that has everything, and much of it where ATIF has no place for it.
pub(super) fn full() -> Trajectory {
    let object = |value: Value| value.as_object().cloned().expect("an object");
    let mut system = Step::new(1, Source::System, "be good");
    system.reasoning = Some("odd, but kept".to_owned());
    system.timestamp = Some("yesterday".to_owned());
    let mut agent = Step::new(7, Source::Agent, "before");
    agent.timestamp = Some("2026-11-23T10:00:00Z".to_owned());
    agent.reasoning = Some("thought".to_owned());
    agent.reasoning_effort = Some(json!(0.5));
    agent.llm_calls = Some(0);
    agent.usage = Some(Usage { prompt_tokens: Some(10), cost_usd: Some(0.25), ..Usage::default() });
    agent.metrics_extra = object(json!({"logprobs": [-0.5], "extra": {"speed": 3}}));
    agent.reply = Some(Reply {
        text: "before\n<function=f>\n".to_owned(),
        finish_reason: Some("stop".to_owned()),
        dialect: Some("openhands".to_owned()),
        native: false,
        place: None,
    });
    let call = |id: &str, arguments| ToolCall {
        id: id.to_owned(),
        name: "f".to_owned(),
        arguments,
        extra: object(json!({"index": 0})),
        place: None,
    };
    agent.calls = vec![
        call("a", Arguments::text("{\"x\": 1.0,  \"y\": 2}".to_owned())),
        call("b", Arguments::text("{broken".to_owned())),
        call("c", Arguments { raw: None, parsed: None }),
        call("d", Arguments::object(object(json!({"z": [null]})))),
    ];
    let result = |id: Option<&str>, content| ObservationResult {
        call_id: id.map(str::to_owned),
        name: Some("f".to_owned()),
        content,
        ..ObservationResult::default()
    };
    let image =
        ContentPart { kind: "image".to_owned(), text: None, source: Some(object(json!({"url": "u"}))) };
    let text = ContentPart { kind: "text".to_owned(), text: Some("t".to_owned()), source: None };
    let mut with_reference = result(None, None);
    with_reference.subagents = vec![object(json!({"trajectory_path": "sub.json"}))];
    agent.observation = Some(Observation {
        results: vec![
            result(Some("a"), Some(Message::Text("out".to_owned()))),
            result(Some("elsewhere"), Some(Message::Parts(vec![text.clone(), image]))),
            with_reference,
        ],
    });
    let mut user = Step::new(3, Source::User, "");
    user.message = Message::Parts(vec![text]);
    user.calls = vec![call("u", Arguments::object(Object::new()))];
    user.usage = Some(Usage::zero());
    user.frame = true;
    user.copied = Some(true);
    user.extra = object(json!({"note": 1, "rolltape": {"later": true}}));
    let inner = |id: Option<&str>| Trajectory { id: id.map(str::to_owned), ..Trajectory::default() };
    Trajectory {
        id: Some("t".to_owned()),
        session_id: Some("s".to_owned()),
        agent: AgentInfo {
            name: "codeact".to_owned(),
            version: "1".to_owned(),
            model: Some("m".to_owned()),
            tools: Some(vec![ToolDef {
                name: "f".to_owned(),
                description: String::new(),
                parameters: json!({"type": "object", "properties": {}}),
            }]),
            raw_tools: None,
            extra: object(json!({"k": [1]})),
        },
        steps: vec![system, agent, user],
        notes: Some("n".to_owned()),
        final_metrics: Some(FinalMetrics {
            usage: Usage { completion_tokens: Some(4), ..Usage::default() },
            total_steps: Some(3),
            extra: object(json!({"q": "r"})),
        }),
        continued_ref: Some("next.json".to_owned()),
        subagents: vec![inner(Some("same")), inner(Some("same")), inner(None)],
        extra: object(json!({"free": {"a": 1}})),
        ..Trajectory::default()
    }
}

#[test]
fn a_full_trajectory_comes_back() {
    there_and_back(&full());
}

#[test]
fn real_logs_come_back() {
    let files = [
        "seed/deepseek_transcript.txt",
        "openhands-llm-logs/fncall-llm-message.json",
        "openhands-llm-logs/nonfncall-llm-logs/litellm_proxy__deepseek__deepseek-chat-1757015054.055.json",
        "openhands-llm-logs/nonfncall-llm-logs/litellm_proxy__deepseek__deepseek-chat-1757015062.589.json",
    ];
    for file in files {
        let Some(path) = support::data(file) else { return };
        let bytes = std::fs::read(&path).expect("the file");
        let output = formats::read_bytes(file, &bytes, None).expect("read");
        for trajectory in &output.trajectories {
            there_and_back(trajectory);
            let again = back(trajectory);
            super::logs::places_hold(&again, atif_lines::line(trajectory).as_bytes());
        }
    }
}

#[test]
fn older_and_newer_versions() {
    let with = |version: &str| json!({"schema_version": version, "agent": {"name": "a", "version": "1"}, "steps": []});
    for minor in 0..=8 {
        let text = with(&format!("ATIF-v1.{minor}")).to_string();
        let output = formats::read_bytes("x", text.as_bytes(), None).expect("read");
        assert_eq!(
            (output.format, output.trajectories.len(), output.warnings.len()),
            ("atif", 1, 0),
            "1.{minor}"
        );
    }
    let output = formats::read_bytes("x", with("ATIF-v1.9").to_string().as_bytes(), None).expect("read");
    assert_eq!((output.trajectories.len(), output.warnings.len()), (1, 1));
    let output = formats::read_bytes("x", with("ATIF-x").to_string().as_bytes(), None).expect("read");
    assert_eq!((output.trajectories.len(), output.errors.len()), (0, 1));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_chat_comes_back(messages in prop::collection::vec((0..5_usize, any::<String>(), any::<String>()), 0..8)) {
        let messages: Vec<Value> = messages
            .into_iter()
            .map(|(kind, a, b)| match kind {
                0 => json!({"role": "system", "content": a}),
                1 => json!({"role": "user", "content": [{"type": "text", "text": a}, {"type": "text", "text": b}]}),
                2 => json!({"role": "assistant", "content": a, "tool_calls": [
                    {"id": b, "type": "function", "function": {"name": a, "arguments": b}}]}),
                3 => json!({"role": "tool", "tool_call_id": b, "content": a}),
                _ => json!({"role": "assistant", "content": format!("{a}<function=f>\n<parameter=p>{b}</parameter>")}),
            })
            .collect();
        let text = json!({ "messages": messages }).to_string();
        let output = formats::read_bytes("x", text.as_bytes(), Some("openai-chat")).expect("read");
        for trajectory in &output.trajectories {
            there_and_back(trajectory);
        }
    }
}
