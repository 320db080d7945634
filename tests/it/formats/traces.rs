//! Rollouts of verifiers, messages of LangChain, spans of OpenTelemetry.

use super::abuse::{abuse, comes_back};
use super::benchmarks::{fixture, read, shape};
use crate::support::needs;
use rolltape::formats;
use rolltape::model::{Source, Trajectory};
use std::process::Command;

#[test]
fn old_rollouts_of_verifiers_are_chat_or_text() {
    let output = read("x", &fixture("verifiers/results.jsonl"), "verifiers");
    let [chat, text] = output.trajectories.as_slice() else { panic!("two rollouts") };
    assert_eq!((shape(chat), shape(text)), (vec![(1, 1), (0, 0)], vec![(0, 0)]));
    let call = &chat.steps[2].calls[0];
    assert_eq!((call.id.as_str(), call.name.as_str()), ("k", "f"));
    assert_eq!(call.arguments.parsed.as_ref().map(|object| object["x"].clone()), Some(1.into()));
    let totals = chat.final_metrics.as_ref().expect("totals");
    assert_eq!(
        (totals.usage.prompt_tokens, &totals.extra["final_input_tokens"]),
        (Some(10), &serde_json::json!(9.0))
    );
    assert_eq!(chat.agent.tools.as_ref().map(Vec::len), Some(1));
    assert_eq!(
        (text.judged().next().map(|step| step.judged_text()), &text.extra["reward"]),
        (Some(" 2".into()), &serde_json::json!(1.0))
    );
}

#[test]
fn a_graph_of_verifiers_is_a_trajectory_a_branch() {
    let output = read("x", &fixture("verifiers/traces.jsonl"), "verifiers");
    let [trace] = output.trajectories.as_slice() else { panic!("one trace") };
    assert_eq!(shape(trace), [(1, 1), (0, 0)]);
    let [branch] = trace.subagents.as_slice() else { panic!("one more branch") };
    // The question is a copy, the last answer was put there.
    assert_eq!(
        branch.judged().map(|step| step.judged_text().into_owned()).collect::<Vec<_>>(),
        ["other way"]
    );
    assert_eq!(branch.steps[0].copied, Some(true));
    let usage = trace.steps[1].usage.expect("usage");
    assert_eq!((usage.prompt_tokens, usage.cached_tokens, usage.cost_usd), (Some(10), Some(4), Some(0.01)));
    assert_eq!(trace.steps[2].reasoning.as_deref(), Some("hm"));
    assert_eq!((trace.agent.name.as_str(), trace.agent.model.as_deref()), ("solver", Some("m-9")));
    assert_eq!(trace.extra["rewards"]["ok"]["weight"], 2.0);
    assert_eq!((trace.id.as_deref(), branch.id.as_deref()), (Some("t0"), Some("t0#1")));
    let circle = r#"{"task":{},"nodes":[{"parent":0,"message":{"role":"user","content":"q"}}]}"#;
    let error = formats::read_bytes("x", circle.as_bytes(), None).expect("read").errors.remove(0);
    assert_eq!(error.message, "the parent of node 0 is no earlier node");
}

#[test]
fn messages_of_langchain_are_read_in_every_form() {
    let output = read("x", &fixture("langchain/state.jsonl"), "langchain");
    let [flat, made] = output.trajectories.as_slice() else { panic!("two states") };
    assert_eq!((shape(flat), shape(made)), (vec![(2, 1)], vec![(0, 0)]));
    assert_eq!(flat.steps[1].calls[1].extra["invalid"], true);
    assert_eq!(flat.steps[1].calls[1].arguments.parsed, None);
    let output = read("x", &fixture("langchain/run.jsonl"), "langchain");
    let run = &output.trajectories[0];
    assert_eq!(run.judged().map(|step| step.judged_text().into_owned()).collect::<Vec<_>>(), ["a"]);
    assert_eq!(
        run.steps.iter().map(|step| step.source).collect::<Vec<_>>(),
        [Source::Agent, Source::User, Source::Agent]
    );
}

#[test]
fn spans_of_a_conversation_become_its_messages() {
    let output = read("x", &fixture("otel/spans.json"), "otel-genai");
    let [trajectory] = output.trajectories.as_slice() else { panic!("one conversation") };
    assert_eq!(shape(trajectory), [(1, 1), (0, 0)]);
    assert_eq!(trajectory.steps.len(), 3, "each message once");
    assert_eq!(trajectory.steps[1].reasoning.as_deref(), Some("hm"));
    assert_eq!(trajectory.steps[2].message.text(), "bye");
    assert_eq!(trajectory.steps[1].usage.and_then(|usage| usage.prompt_tokens), Some(7));
    assert_eq!(trajectory.steps[1].timestamp.as_deref(), Some("2023-11-14T22:13:20.00000001Z"));
    // Without content a model call is still one, and its tool span a call.
    let output = read("x", &fixture("otel/bare.jsonl"), "otel-genai");
    assert_eq!(shape(&output.trajectories[0]), [(1, 0)]);
    assert_eq!(output.trajectories[0].steps[0].calls[0].name, "g");
}

/// What a maker prints, run by the Python of the environment `formats`.
fn made(maker: &str) -> Vec<u8> {
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/makers").join(maker);
    let output = Command::new(needs::venv_folder("formats").join("bin/python"))
        // Nothing of it stays in the tree.
        .arg("-B")
        .arg(script)
        .output()
        .expect("python runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn said(trajectory: &Trajectory) -> Vec<(Source, String)> {
    trajectory.steps.iter().map(|step| (step.source, step.message.text().into_owned())).collect()
}

#[test]
fn what_langchain_itself_writes_is_read() {
    need!(venv("formats"));
    let output = read("made", &made("langchain_messages.py"), "langchain");
    assert_eq!(output.trajectories.len(), 4);
    for trajectory in &output.trajectories {
        assert_eq!(shape(trajectory), [(3, 2), (0, 0)]);
        assert_eq!(said(trajectory), said(&output.trajectories[0]));
        let usage = trajectory.steps[2].usage.expect("usage");
        assert_eq!((usage.prompt_tokens, usage.cached_tokens), (Some(12), Some(4)));
        let finish =
            trajectory.judged().map(|step| step.reply.as_ref().and_then(|reply| reply.finish_reason.clone()));
        assert_eq!(finish.collect::<Vec<_>>(), [Some("tool_calls".to_owned()), Some("end_turn".to_owned())]);
        comes_back(trajectory);
    }
}

#[test]
fn what_opentelemetry_itself_writes_is_read() {
    need!(venv("formats"));
    let output = read("made", &made("otel_spans.py"), "otel-genai");
    let [trajectory] = output.trajectories.as_slice() else { panic!("one conversation") };
    assert_eq!(shape(trajectory), [(1, 1), (0, 0)]);
    assert_eq!(trajectory.steps.len(), 3);
    assert_eq!((trajectory.agent.name.as_str(), trajectory.session_id.as_deref()), ("a", Some("conv-1")));
    comes_back(trajectory);
}

#[test]
fn what_verifiers_itself_writes_is_read() {
    need!(venv("formats"));
    let output = read("made", &made("verifiers_trace.py"), "verifiers");
    let [trajectory] = output.trajectories.as_slice() else { panic!("one trace") };
    assert_eq!(shape(trajectory), [(1, 1), (0, 0)]);
    assert_eq!(
        said(trajectory),
        [
            (Source::System, "Be short.".to_owned()),
            (Source::User, "What stands in a.txt?".to_owned()),
            (Source::Agent, "I look.".to_owned()),
            (Source::Agent, "It is one.".to_owned()),
        ]
    );
    assert_eq!(trajectory.agent.tools, None, "an empty list tells of no tools");
    assert_eq!(trajectory.steps[2].reasoning.as_deref(), Some("It may be one."));
    let finish =
        trajectory.judged().map(|step| step.reply.as_ref().and_then(|reply| reply.finish_reason.clone()));
    assert_eq!(finish.collect::<Vec<_>>(), [Some("tool_calls".to_owned()), Some("stop".to_owned())]);
    comes_back(trajectory);
}

#[test]
fn what_terminal_bench_itself_writes_is_read() {
    need!(venv("formats"));
    let output = read("results.json", &made("terminal_bench_results.py"), "terminal-bench");
    let said: Vec<_> = output.trajectories.iter().flat_map(said).collect();
    assert_eq!(
        said,
        [(Source::User, "Write hello to hello.txt.".to_owned()), (Source::User, "Wait.".to_owned())]
    );
    let told = serde_json::to_string(&output.trajectories[1].extra).expect("JSON");
    assert!(told.contains("agent_timeout"), "{told}");
    output.trajectories.iter().for_each(comes_back);
}

#[test]
fn bad_input_of_verifiers_is_kept_or_said() {
    abuse("verifiers", &fixture("verifiers/results.jsonl"));
    abuse("verifiers", &fixture("verifiers/traces.jsonl"));
}

#[test]
fn bad_input_of_langchain_is_kept_or_said() {
    abuse("langchain", &fixture("langchain/state.jsonl"));
    abuse("langchain", &fixture("langchain/run.jsonl"));
}

#[test]
fn bad_input_of_otel_is_kept_or_said() {
    abuse("otel-genai", &fixture("otel/bare.jsonl"));
}
