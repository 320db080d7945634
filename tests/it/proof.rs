//! Every shipped task proves itself: the solution scores 1, doing nothing and every cheat score 0.
//!
//! The whole program runs: agent, sandbox, service, probes, records. Nothing is told from the exit code
//! alone, because a harness error must not pass for a cheat that was caught.

use crate::support::{Output, Rolltape, root, temp};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

fn suite() -> std::path::PathBuf {
    root().join("suites/deepseek-api")
}

/// Runs the suite with an agent that asks no model, and gives the records of the run.
fn records(agent: &str, task: &str) -> (Output, Vec<Value>) {
    let folder = temp();
    let out = folder.path().join("run");
    let suite = suite();
    let arguments: Vec<&std::ffi::OsStr> = vec![
        "run".as_ref(),
        suite.as_os_str(),
        "--agent".as_ref(),
        agent.as_ref(),
        "--task".as_ref(),
        task.as_ref(),
        "--out".as_ref(),
        out.as_os_str(),
        "--format".as_ref(),
        "json".as_ref(),
    ];
    let output = Rolltape::new(&arguments).timeout(Duration::from_mins(5)).run();
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

#[test]
fn the_solution_of_every_task_scores_one() {
    let (output, records) = records("oracle", "*");
    assert_eq!(records.len(), tasks().len(), "stdout:\n{}\nstderr:\n{}", output.stdout, output.stderr);
    for record in &records {
        assert_eq!(record["outcome"], "passed", "{record}");
        assert!((reward(record, &output) - 1.0).abs() < f64::EPSILON, "{record}");
    }
    output.expect_code(0);
}

#[test]
fn doing_nothing_scores_zero_everywhere() {
    let (output, records) = records("nop", "*");
    assert_eq!(records.len(), tasks().len(), "stdout:\n{}\nstderr:\n{}", output.stdout, output.stderr);
    for record in &records {
        assert_eq!(record["outcome"], "failed", "{record}");
        assert!(reward(record, &output).abs() < f64::EPSILON, "{record}");
    }
    output.expect_code(1);
}

fn every_cheat_fails(task: &str) {
    for cheat in cheats(task) {
        let (output, records) = records(&format!("cheat:{cheat}"), task);
        assert_eq!(records.len(), 1, "{task} {cheat}:\n{}\n{}", output.stdout, output.stderr);
        assert_eq!(records[0]["outcome"], "failed", "{task} {cheat}: {}", records[0]);
        assert!(reward(&records[0], &output).abs() < f64::EPSILON, "{task} {cheat}: {}", records[0]);
        output.expect_code(1);
    }
}

#[test]
fn every_cheat_of_hello_scores_zero() {
    every_cheat_fails("hello");
}

#[test]
fn every_cheat_of_bad_key_scores_zero() {
    every_cheat_fails("bad-key");
}

#[test]
fn every_cheat_of_models_and_balance_scores_zero() {
    every_cheat_fails("models-and-balance");
}

#[test]
fn every_cheat_of_retry_429_scores_zero() {
    every_cheat_fails("retry-429");
}

#[test]
fn no_task_is_left_out_here() {
    assert_eq!(tasks(), ["bad-key", "hello", "models-and-balance", "retry-429"]);
}
