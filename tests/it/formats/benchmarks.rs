//! Trajectories of SWE-agent, mini-swe-agent, tau-bench and tau2.

use super::abuse::{Abuse, abuse, comes_back, there_and_back};
use crate::support;
use rolltape::formats::{self, ReadOutput};
use rolltape::model::{Source, Trajectory};
use std::path::{Path, PathBuf};

pub(super) fn fixture(path: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/formats").join(path);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub(super) fn read(name: &str, bytes: &[u8], format: &str) -> ReadOutput {
    let output = formats::read_bytes(name, bytes, None).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((output.format, &output.errors), (format, &vec![]), "{name}");
    output
}

fn one(path: &str, format: &str) -> Trajectory {
    let mut output = read(path, &fixture(path), format);
    assert_eq!(output.warnings, [], "{path}");
    assert_eq!(output.trajectories.len(), 1, "{path}");
    output.trajectories.remove(0)
}

/// Calls and results of each judged message.
pub(super) fn shape(trajectory: &Trajectory) -> Vec<(usize, usize)> {
    let results =
        |step: &rolltape::model::Step| step.observation.as_ref().map_or(0, |seen| seen.results.len());
    trajectory.judged().map(|step| (step.calls.len(), results(step))).collect()
}

/// Files of the shared data with one of these endings.
fn shared(folder: &str, endings: &[&str]) -> Vec<PathBuf> {
    let Some(folder) = support::data(folder) else { return Vec::new() };
    let files = std::fs::read_dir(folder).expect("folder").map(|entry| entry.expect("entry").path());
    let mut files: Vec<PathBuf> =
        files.filter(|path| endings.iter().any(|end| path.to_string_lossy().ends_with(end))).collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

#[test]
fn a_reply_that_ended_a_swe_agent_run_is_a_step() {
    let trajectory = one("swe-agent/native.traj", "swe-agent");
    assert_eq!(shape(&trajectory), [(1, 1), (1, 1)]);
    assert_eq!(trajectory.agent.model.as_deref(), Some("m-1"));
    let steps: Vec<_> = trajectory.judged().collect();
    assert_eq!(steps[0].calls[0].name, "bash");
    assert_eq!(steps[0].extra["trajectory"]["observation"], "a.py");
    assert_eq!((steps[1].calls[0].name.as_str(), &*steps[1].judged_text()), ("submit", "Done, ü."));
    assert_eq!(steps[1].calls[0].extra["from_action"], true);
    let (_, loss) = there_and_back("swe-agent", &trajectory);
    assert!(loss.is_none(), "{loss:#?}");
}

#[test]
fn a_demonstration_of_swe_agent_is_not_judged() {
    let trajectory = one("swe-agent/blocks.traj", "swe-agent");
    assert_eq!(trajectory.judged().count(), 1);
    assert_eq!(trajectory.steps.iter().filter(|step| step.frame).count(), 2);
    assert_eq!(shape(&trajectory), [(1, 1)]);
    let (_, loss) = there_and_back("swe-agent", &trajectory);
    assert!(loss.is_none(), "{loss:#?}");
}

#[test]
fn shared_swe_agent_runs_hold_what_a_scan_counts() {
    for path in shared("sweagent", &[".traj"]) {
        let bytes = std::fs::read(&path).expect("file");
        let output = read(&path.to_string_lossy(), &bytes, "swe-agent");
        let file: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
        let history = file["history"].as_array().expect("history");
        let role = |role: &str| history.iter().filter(|message| message["role"] == role).count();
        let entries = file["trajectory"].as_array().map_or(0, Vec::len);
        let trajectory = &output.trajectories[0];
        assert_eq!(trajectory.judged().count(), role("assistant").max(entries), "{}", path.display());
        let results: usize = shape(trajectory).iter().map(|(_, results)| results).sum();
        assert!(results >= role("tool"), "{}", path.display());
        // Whatever the parser, every reply of these runs makes one call.
        assert!(shape(trajectory).iter().all(|(calls, _)| *calls == 1), "{}", path.display());
        super::logs::places_hold(trajectory, &bytes);
        comes_back(trajectory);
        // Where history and trajectory differ, what is written differs again, and is said again.
        if output.warnings.is_empty() {
            let (_, loss) = there_and_back("swe-agent", trajectory);
            assert!(loss.lost.is_empty() && loss.changed.is_empty(), "{}: {loss:#?}", path.display());
        }
    }
}

#[test]
fn a_reply_that_broke_the_format_of_mini_swe_agent_is_put_back() {
    let trajectory = one("mini-swe-agent/v2.traj.json", "mini-swe-agent");
    assert_eq!(shape(&trajectory), [(0, 0), (1, 1)]);
    let steps: Vec<_> = trajectory.judged().collect();
    assert_eq!(steps[0].judged_text(), "no call here");
    let usage = steps[0].usage.expect("usage");
    assert_eq!((usage.prompt_tokens, usage.cached_tokens, usage.cost_usd), (Some(10), Some(4), Some(0.004)));
    assert_eq!(steps[0].reply.as_ref().and_then(|reply| reply.finish_reason.as_deref()), Some("length"));
    assert_eq!(trajectory.agent.version, "2.4.6");
    assert_eq!(trajectory.steps.last().map(|step| step.source), Some(Source::User));
}

#[test]
fn a_list_of_mini_swe_agent_is_told_from_plain_chat() {
    let trajectory = one("mini-swe-agent/v1.traj.json", "mini-swe-agent");
    assert_eq!(shape(&trajectory), [(1, 1), (2, 1)]);
    for path in shared("mini-swe-agent", &[".traj.json"]) {
        let bytes = std::fs::read(&path).expect("file");
        let output = read(&path.to_string_lossy(), &bytes, "mini-swe-agent");
        assert!(shape(&output.trajectories[0]).iter().all(|(calls, _)| *calls == 1), "{}", path.display());
    }
}

#[test]
fn tau_bench_counts_agree_with_a_scan() {
    let output = read("x", &fixture("tau-bench/results.json"), "tau-bench");
    assert_eq!(
        output.trajectories.iter().map(shape).collect::<Vec<_>>(),
        [vec![(0, 0), (1, 1)], vec![(0, 0)]]
    );
    assert_eq!(output.trajectories[0].extra["reward"], 1.0);
    for path in shared("tau-bench", &[".json"]) {
        let bytes = std::fs::read(&path).expect("file");
        let output = read(&path.to_string_lossy(), &bytes, "tau-bench");
        let file: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
        for (record, trajectory) in file.as_array().expect("list").iter().zip(&output.trajectories) {
            let messages = record["traj"].as_array().expect("traj");
            let calls: usize =
                messages.iter().map(|message| message["tool_calls"].as_array().map_or(0, Vec::len)).sum();
            let results = messages.iter().filter(|message| message["role"] == "tool").count();
            let found = shape(trajectory);
            assert_eq!(found.iter().map(|(calls, _)| calls).sum::<usize>(), calls);
            assert_eq!(found.iter().map(|(_, results)| results).sum::<usize>(), results);
            comes_back(trajectory);
        }
    }
}

#[test]
fn the_user_of_tau2_calls_as_well() {
    let trajectory = one("tau2/results.json", "tau2");
    assert_eq!(shape(&trajectory), [(0, 0), (2, 2)]);
    let user = trajectory.steps.iter().find(|step| step.source == Source::User && !step.calls.is_empty());
    let user = user.expect("a call of the user");
    assert_eq!(user.observation.as_ref().map(|seen| seen.results.len()), Some(1));
    assert_eq!(trajectory.agent.model.as_deref(), Some("m-3"));
    assert_eq!(trajectory.extra["reward_info"]["reward"], 1.0);
    assert_eq!(
        (&trajectory.extra["task"]["id"], &trajectory.extra["run"]["info"]["git_commit"]),
        (&"7".into(), &"abc".into())
    );
}

fn folder(root: &str) -> Vec<(String, Vec<u8>)> {
    ["results.json", "simulations/v-1.json"]
        .map(|name| (format!("{root}/{name}"), fixture(&format!("tau2-folder/{name}"))))
        .to_vec()
}

#[test]
fn a_voice_run_of_tau2_is_turns() {
    let output = formats::read_files(&folder("d"), None).expect("a folder");
    assert_eq!((output.format, &output.errors, &output.warnings), ("tau2", &vec![], &vec![]));
    let [trajectory] = output.trajectories.as_slice() else { panic!("one trajectory") };
    let said: Vec<(Source, String)> =
        trajectory.steps.iter().map(|step| (step.source, step.message.text().into_owned())).collect();
    let expected = [(Source::User, "hello"), (Source::Agent, "I look"), (Source::Agent, "done")];
    assert_eq!(said, expected.map(|(source, text)| (source, text.to_owned())));
    assert_eq!(shape(trajectory), [(1, 1), (0, 0)]);
    assert_eq!(trajectory.extra["ticks"].as_array().map(Vec::len), Some(5));
    let Some(path) = support::data("tau2-bench") else { return };
    let mut files = vec![path.join("results.json")];
    files.extend(shared("tau2-bench/simulations", &[".json"]));
    let files: Vec<(String, Vec<u8>)> = files
        .iter()
        .map(|path| (path.to_string_lossy().into_owned(), std::fs::read(path).expect("file")))
        .collect();
    let output = formats::read_files(&files, None).expect("a folder");
    assert_eq!((output.format, &output.errors), ("tau2", &vec![]));
    assert_eq!(output.trajectories.len(), files.len() - 1);
    output.trajectories.iter().for_each(comes_back);
}

#[test]
fn bad_input_of_swe_agent_is_kept_or_said() {
    abuse("swe-agent", &fixture("swe-agent/native.traj"));
}

#[test]
fn bad_input_of_swe_agent_blocks_is_kept_or_said() {
    abuse("swe-agent", &fixture("swe-agent/blocks.traj"));
}

#[test]
fn bad_input_of_mini_swe_agent_is_kept_or_said() {
    abuse("mini-swe-agent", &fixture("mini-swe-agent/v2.traj.json"));
    abuse("mini-swe-agent", &fixture("mini-swe-agent/v1.traj.json"));
}

#[test]
fn bad_input_of_tau_bench_is_kept_or_said() {
    abuse("tau-bench", &fixture("tau-bench/results.json"));
}

#[test]
fn bad_input_of_tau2_is_kept_or_said() {
    abuse("tau2", &fixture("tau2/results.json"));
    Abuse { name: "tau2", files: folder("d"), structure: &[] }.run();
}

#[test]
fn bfcl_prompts_results_and_answers_are_told_apart() {
    let prompts = read("x", &fixture("bfcl/prompt.json"), "bfcl").trajectories;
    assert_eq!(prompts.iter().map(|one| one.steps.len()).collect::<Vec<_>>(), [3, 1]);
    let tools = prompts[0].agent.tools.as_ref().expect("tools");
    assert_eq!(tools[0].parameters["properties"]["base"]["type"], "number");
    assert_eq!(tools[0].parameters["properties"]["tags"], serde_json::json!({"type": "array", "items": {}}));
    let raw = prompts[0].agent.raw_tools.as_ref().expect("tools as written");
    assert_eq!(raw[0]["parameters"]["type"], "dict");
    let results = read("x", &fixture("bfcl/result.json"), "bfcl").trajectories;
    assert_eq!(shape(&results[0]), [(2, 0)]);
    assert_eq!(results[0].steps[0].calls[1].arguments.parsed, None);
    assert_eq!(results[0].steps[0].usage.and_then(|usage| usage.prompt_tokens), Some(11));
    assert_eq!(shape(&results[1]), [(1, 0), (0, 0), (0, 0)]);
    assert_eq!(shape(&results[2]), [(0, 0)]);
    let answers = read("x", &fixture("bfcl/answer.json"), "bfcl").trajectories;
    assert_eq!(answers.iter().map(|one| one.judged().count()).collect::<Vec<_>>(), [0, 0]);
    assert_eq!(answers[0].steps[0].calls[0].name, "geo.area");
    assert_eq!(answers[1].steps.len(), 3);
}

#[test]
fn shared_bfcl_files_give_a_trajectory_a_line() {
    for path in shared("bfcl", &[".json"]).into_iter().chain(shared("bfcl/possible_answer", &[".json"])) {
        let bytes = std::fs::read(&path).expect("file");
        let output = read(&path.to_string_lossy(), &bytes, "bfcl");
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count();
        assert_eq!(output.trajectories.len(), lines, "{}", path.display());
        output.trajectories.iter().for_each(comes_back);
    }
}

#[test]
fn a_result_of_terminal_bench_has_nothing_to_judge() {
    let output = read("x", &fixture("terminal-bench/results.json"), "terminal-bench");
    let [solved, open] = output.trajectories.as_slice() else { panic!("two trials") };
    assert_eq!((solved.judged().count(), solved.steps[0].message.text()), (0, "Do a.".into()));
    assert_eq!(
        (&solved.extra["is_resolved"], &open.extra["is_resolved"]),
        (&true.into(), &serde_json::Value::Null)
    );
    let totals = solved.final_metrics.as_ref().expect("totals").usage;
    assert_eq!((totals.prompt_tokens, totals.completion_tokens), (Some(10), Some(3)));
    assert_eq!(open.final_metrics, None);
    assert_eq!(open.extra["run"]["accuracy"], 0.5);
}

#[test]
fn bad_input_of_bfcl_is_kept_or_said() {
    for file in ["prompt", "result", "answer"] {
        abuse("bfcl", &fixture(&format!("bfcl/{file}.json")));
    }
}

#[test]
fn bad_input_of_terminal_bench_is_kept_or_said() {
    abuse("terminal-bench", &fixture("terminal-bench/results.json"));
}
