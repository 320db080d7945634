//! Requests and logs of the APIs: read, abused, and there and back.

use super::abuse::{Abuse, bare_facts, there_and_back};
use crate::support;
use rolltape::formats::{self, ReadOutput};
use rolltape::model::{Source, Trajectory};

fn sample(path: &str) -> (Vec<u8>, ReadOutput) {
    let bytes = std::fs::read(support::fixture(path)).expect("the fixture");
    let output = formats::read_bytes(path, &bytes, None).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((&output.errors, &output.warnings), (&vec![], &vec![]), "{path}");
    (bytes, output)
}

fn one(path: &str, format: &str) -> Trajectory {
    let (bytes, mut output) = sample(path);
    assert_eq!((output.format, output.trajectories.len()), (format, 1));
    let trajectory = output.trajectories.remove(0);
    super::logs::places_hold(&trajectory, &bytes);
    trajectory
}

/// Steps, calls of each agent step, and contents of the results.
fn shape(trajectory: &Trajectory) -> (usize, Vec<usize>, Vec<String>) {
    let agents = trajectory.steps.iter().filter(|step| step.source == Source::Agent);
    let results = trajectory.steps.iter().flat_map(|step| &step.observation).flat_map(|all| &all.results);
    (
        trajectory.steps.len(),
        agents.map(|step| step.calls.len()).collect(),
        results
            .map(|result| result.content.as_ref().map_or_else(String::new, |text| text.text().into()))
            .collect(),
    )
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn a_request_of_anthropic_is_read() {
    let trajectory = one("formats/anthropic/ferry.json", "anthropic");
    assert_eq!(shape(&trajectory), (5, vec![2, 0], owned(&["1.5 m", "no such port"])));
    let step = &trajectory.steps[2];
    assert_eq!(step.message.text(), "I look at “both” ports.");
    assert_eq!(step.reasoning.as_deref(), Some("Both ports."));
    assert_eq!(step.calls[1].id, "toolu_b");
    assert_eq!(step.observation.as_ref().expect("results").results[1].extra["is_error"], true);
    assert_eq!(trajectory.steps[3].message.text(), "Hurry.");
    let usage = trajectory.steps[4].usage.expect("usage");
    assert_eq!(
        (usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens),
        (Some(17), Some(5), Some(3))
    );
    assert_eq!(trajectory.agent.tools.as_ref().expect("tools")[0].parameters["required"][0], "port");
}

#[test]
fn a_request_of_gemini_is_read() {
    let trajectory = one("formats/gemini/ferry.json", "gemini");
    assert_eq!(shape(&trajectory), (4, vec![2, 0], owned(&["1.5 m", "{\"metres\":2,\"ok\":true}"])));
    let step = &trajectory.steps[2];
    let answers = &step.observation.as_ref().expect("results").results;
    let ids: Vec<&str> = step.calls.iter().map(|call| call.id.as_str()).collect();
    assert_eq!(ids, ["call_01", "call_02"]);
    assert_eq!(
        [&answers[0].call_id, &answers[1].call_id],
        [&Some("call_01".to_owned()), &Some("call_02".to_owned())]
    );
    assert_eq!(step.reasoning.as_deref(), Some("Both ports."));
    assert_eq!(trajectory.steps[3].usage.and_then(|usage| usage.prompt_tokens), Some(12));
}

#[test]
fn items_of_the_responses_api_are_read() {
    let trajectory = one("formats/openai-responses/ferry.json", "openai-responses");
    assert_eq!(shape(&trajectory), (5, vec![2, 1, 0], owned(&["1.5 m", "no such port", "1"])));
    assert_eq!(trajectory.steps[2].reasoning.as_deref(), Some("Both ports."));
    assert_eq!(trajectory.steps[2].calls[0].arguments.raw.as_deref(), Some("{\"port\": \"Ry\"}"));
    assert_eq!(trajectory.steps[3].calls[0].arguments.raw.as_deref(), Some("select 1"));
    assert_eq!(trajectory.steps[4].usage.and_then(|usage| usage.cached_tokens), Some(4));
}

#[test]
fn logs_of_proxies_are_one_call_each() {
    let (_, output) = sample("formats/openai-completion-log/proxy.jsonl");
    assert_eq!((output.format, output.trajectories.len()), ("openai-completion-log", 3));
    let judged: Vec<usize> = output.trajectories.iter().map(|one| one.judged().count()).collect();
    assert_eq!(judged, [1, 1, 1]);
    let reason =
        |n: usize| output.trajectories[n].steps.last().and_then(|step| step.reply.clone()?.finish_reason);
    assert_eq!(
        [reason(0), reason(1), reason(2)].map(Option::unwrap_or_default),
        ["stop", "tool_calls", "length"]
    );
    let first = &output.trajectories[0];
    assert_eq!(
        first.steps.last().and_then(|step| step.timestamp.clone()).as_deref(),
        Some("2023-11-14T22:13:20Z")
    );
    assert_eq!(first.extra["duration_ms"], 120);
    assert_eq!(first.extra["request"]["temperature"], 0.5);
    assert_eq!(output.trajectories[1].extra["other_choices"][0]["message"]["content"], "no");
    assert_eq!(output.trajectories[1].extra["response"]["status_code"], 200);
}

fn abused(name: &str, path: &str, structure: &[&str]) {
    let bytes = std::fs::read(support::fixture(&format!("formats/{path}"))).expect("the fixture");
    Abuse { name, files: vec![("x".to_owned(), bytes)], structure }.run();
}

#[test]
fn bad_input_for_anthropic_is_kept_or_said() {
    // The prompt's tokens are kept as their sum.
    abused("anthropic", "anthropic/ferry.json", &["usage.input_tokens"]);
}

#[test]
fn bad_input_for_gemini_is_kept_or_said() {
    abused("gemini", "gemini/ferry.json", &["systemInstruction.role"]);
}

#[test]
fn bad_input_for_openai_responses_is_kept_or_said() {
    abused("openai-responses", "openai-responses/ferry.json", &[]);
}

#[test]
fn bad_input_for_openai_completion_log_is_kept_or_said() {
    abused("openai-completion-log", "openai-completion-log/proxy.jsonl", &[]);
}

#[test]
fn bad_input_for_openai_chat_is_kept_or_said() {
    abused("openai-chat", "openai-chat/ferry.json", &[]);
}

#[test]
fn a_request_comes_back_from_its_own_writer() {
    for (name, path) in [
        ("anthropic", "anthropic/ferry.json"),
        ("gemini", "gemini/ferry.json"),
        ("openai-responses", "openai-responses/ferry.json"),
        ("openai-chat", "openai-chat/ferry.json"),
    ] {
        let before = one(&format!("formats/{path}"), name);
        let (after, loss) = there_and_back(name, &before);
        let figures = |fact: &String| {
            !fact.starts_with("usage.")
                && !fact.starts_with("step.metrics")
                && !fact.starts_with("reply.finish")
        };
        let kept = |trajectory| bare_facts(trajectory).into_iter().filter(figures).collect::<Vec<_>>();
        assert_eq!(kept(&after), kept(&before), "{name}: {loss:#?}");
    }
}
