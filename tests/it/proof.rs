//! Every shipped task proves itself: the solution scores 1, doing nothing and every cheat score 0.
//!
//! The whole program runs: agent, sandbox, service, probes, records. Nothing is told from the exit code
//! alone, because a harness error must not pass for a cheat that was caught.

use crate::support::needs::venv_folder;
use crate::support::{Output, Rolltape, root, temp};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

fn suite() -> std::path::PathBuf {
    root().join("suites/deepseek-api")
}

/// Runs tasks with an agent that asks no model, and gives the records of the run.
fn records(agent: &str, tasks: &[&str]) -> (Output, Vec<Value>) {
    let folder = temp();
    let out = folder.path().join("run");
    let (suite, out) = (suite().display().to_string(), out.display().to_string());
    let mut arguments = vec!["run", &suite, "--agent", agent, "--out", &out, "--format", "json"];
    for task in tasks {
        arguments.extend(["--task", task]);
    }
    let mut program = Rolltape::new(&arguments).timeout(Duration::from_mins(5));
    for (name, value) in tasks.iter().flat_map(|task| environments(task)) {
        program = program.env(name, value.display().to_string());
    }
    let output = program.run();
    let records = journal(folder.path());
    (output, records)
}

/// All attempt records in journals below a folder.
fn journal(folder: &Path) -> Vec<Value> {
    let mut records = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder").filter_map(Result::ok) {
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else if entry.file_name() == "attempts.jsonl" {
                let text = fs::read_to_string(entry.path()).expect("a journal");
                let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
                records.extend(lines.filter_map(|line| find_record(&line).cloned()));
            }
        }
    }
    records
}

/// The record in a journal line, which may be wrapped beside its checksum.
fn find_record(line: &Value) -> Option<&Value> {
    if line.get("task_id").is_some() {
        return Some(line);
    }
    line.as_object()?.values().find(|value| value.get("task_id").is_some())
}

fn tasks() -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(suite().join("tasks"))
        .expect("the tasks")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

fn cheats(task: &str) -> BTreeSet<String> {
    fs::read_dir(suite().join("tasks").join(task).join("cheats"))
        .expect("the cheats")
        .filter_map(|entry| Some(entry.ok()?.path().file_stem()?.to_str()?.to_owned()))
        .collect()
}

/// The reward of a record whose every score is a number.
#[track_caller]
fn reward(record: &Value, output: &Output) -> f64 {
    let scores = record["scores"].as_array().unwrap_or_else(|| panic!("no scores: {record}"));
    assert!(!scores.is_empty(), "no scores: {record}\n{}", output.stderr);
    for score in scores {
        assert!(score["value"].is_number(), "not judged: {record}\n{}", output.stderr);
    }
    record["reward"].as_f64().unwrap_or_else(|| panic!("no reward: {record}\n{}", output.stderr))
}

/// The two environments of the tasks that run real clients; nothing where a task needs none.
fn environments(task: &str) -> Vec<(&'static str, PathBuf)> {
    let mut environments = Vec::new();
    if CLIENTS.contains(&task) {
        environments.push(("ROLLTAPE_VENV", venv_folder("clients")));
        environments.push(("ROLLTAPE_VENV_OLD", venv_folder("old-clients")));
    }
    environments
}

/// Tasks for bash and curl, for python3's standard library, and for packages.
const BASH: &[&str] = &["bad-key", "hello", "models-and-balance", "retry-429"];
const PYTHON: &[&str] = &[
    "chat-memory",
    "concurrent",
    "fim",
    "json-mode",
    "key-out-of-logs",
    "missing-key",
    "no-balance",
    "reasoner",
    "streaming",
    "tool-call",
];
const CLIENTS: &[&str] = &["old-and-new-client", "wrong-method"];

/// What every task of a list scores with an agent, judged and not skipped.
#[track_caller]
fn all_score(agent: &str, tasks: &[&str], outcome: &str, wanted: f64, code: i32) {
    let (output, records) = records(agent, tasks);
    assert_eq!(records.len(), tasks.len(), "stdout:\n{}\nstderr:\n{}", output.stdout, output.stderr);
    for record in &records {
        assert_eq!(record["outcome"], outcome, "{record}");
        assert!((reward(record, &output) - wanted).abs() < f64::EPSILON, "{record}");
    }
    output.expect_code(code);
}

fn every_cheat_fails(task: &str) {
    for cheat in cheats(task) {
        let (output, records) = records(&format!("cheat:{cheat}"), &[task]);
        assert_eq!(records.len(), 1, "{task} {cheat}:\n{}\n{}", output.stdout, output.stderr);
        assert_eq!(records[0]["outcome"], "failed", "{task} {cheat}: {}", records[0]);
        assert!(reward(&records[0], &output).abs() < f64::EPSILON, "{task} {cheat}: {}", records[0]);
        output.expect_code(1);
    }
}

#[test]
fn no_task_is_left_out_here() {
    let mut known: Vec<&str> = [BASH, PYTHON, CLIENTS].concat();
    known.sort_unstable();
    assert_eq!(tasks(), known);
}

macro_rules! bash_alone {
    () => {};
}
macro_rules! python {
    () => {
        need!("python3")
    };
}
macro_rules! clients {
    () => {
        need!(userns, venv("clients"), venv("old-clients"))
    };
}

/// Solution, nothing and cheats of one list of tasks, in one test each.
macro_rules! proofs {
    ($($list:ident, $needs:ident, $solutions:ident, $nothing:ident: $($cheats:ident $task:literal),*;)*) => {
        $(
            #[test]
            fn $solutions() {
                $needs!();
                all_score("oracle", $list, "passed", 1.0, 0);
            }

            #[test]
            fn $nothing() {
                $needs!();
                all_score("nop", $list, "failed", 0.0, 1);
            }

            $(
                #[test]
                fn $cheats() {
                    $needs!();
                    assert!($list.contains(&$task));
                    every_cheat_fails($task);
                }
            )*
        )*

        #[test]
        fn every_task_has_its_cheats_tried() {
            let tried: BTreeSet<&str> = [$($($task),*),*].into();
            assert_eq!(tasks(), tried.into_iter().collect::<Vec<_>>());
        }
    };
}

proofs! {
    BASH, bash_alone, solutions_in_bash_score_one, doing_nothing_in_bash_scores_zero:
        cheats_of_hello "hello",
        cheats_of_bad_key "bad-key",
        cheats_of_models_and_balance "models-and-balance",
        cheats_of_retry_429 "retry-429";
    PYTHON, python, solutions_in_python_score_one, doing_nothing_in_python_scores_zero:
        cheats_of_chat_memory "chat-memory",
        cheats_of_concurrent "concurrent",
        cheats_of_fim "fim",
        cheats_of_json_mode "json-mode",
        cheats_of_key_out_of_logs "key-out-of-logs",
        cheats_of_missing_key "missing-key",
        cheats_of_no_balance "no-balance",
        cheats_of_reasoner "reasoner",
        cheats_of_streaming "streaming",
        cheats_of_tool_call "tool-call";
    CLIENTS, clients, solutions_with_real_clients_score_one, doing_nothing_with_real_clients_scores_zero:
        cheats_of_old_and_new_client "old-and-new-client",
        cheats_of_wrong_method "wrong-method";
}
