//! Real consumers: `datasets` loads every target, TRL prepares its rows with shipped chat templates.

use super::{Bench, native, plain, sample};
use crate::support::needs::venv_folder;
use crate::support::root;
use serde_json::{Value, json};
use std::process::Command;

/// Runs the Python side on exported folders.
fn consume(bench: &Bench, what: &[&str]) {
    let cache = bench.path("cache");
    let output = Command::new(venv_folder("training").join("bin/python"))
        .arg(root().join("tests/it/export/consumers.py"))
        .args(what)
        .current_dir(bench.folder.path())
        .env("HF_HOME", &cache)
        .env("HF_HUB_OFFLINE", "1")
        .env("TRANSFORMERS_VERBOSITY", "error")
        .output()
        .unwrap();
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}");
    assert!(text.contains("all is well"), "{text}");
}

/// Dialogues of many shapes: plain ones, calls with differing arguments, text that looks like numbers.
fn many() -> Vec<Value> {
    let mut rows = vec![plain("42", "null"), plain("2026-01-01", "[1, 2]")];
    for n in 0..6 {
        let arguments = match n % 3 {
            0 => json!({"path": format!("/{n}"), "depth": n}),
            1 => json!({"path": "é \"quoted\" \\ \n line"}),
            _ => json!({}),
        };
        rows.push(native(&format!("What is in {n}?"), &arguments.to_string()));
    }
    rows.push(plain("2026-01-01T00:00:00", "<think>\nhm\n</think>\n\nyes"));
    rows
}

#[test]
fn every_target_loads_and_renders() {
    need!(venv("training"));
    let bench = Bench::new();
    bench.lines("a.jsonl", &many());
    let run = sample();
    let split = ["--split", "train=0.6,validation=0.4"];
    let mut folders = Vec::new();
    for target in ["openai-sft", "trl-sft", "trl-grpo", "sharegpt"] {
        let out = format!("native-{target}");
        bench
            .export(&["a.jsonl", "--target", target, "-o", &out, "--verify", split[0], split[1]])
            .expect_code(0);
        folders.push((target, out));
    }
    for target in ["openai-sft", "trl-sft", "trl-dpo", "trl-grpo", "sharegpt"] {
        let out = format!("run-{target}");
        bench.export(&[&run, "--target", target, "-o", &out]).expect_code(0);
        folders.push((target, out));
    }
    for target in ["trl-sft", "trl-grpo"] {
        let out = format!("objects-{target}");
        bench.export(&[&run, "--target", target, "--calls", "native", "-o", &out]).expect_code(0);
        folders.push((target, out));
    }
    // Two answers to one question: a call, and none although one is due.
    let mut call = native("Which?", r#"{"path": "/x"}"#);
    call["messages"].as_array_mut().unwrap().truncate(3);
    let mut talk = call.clone();
    talk["messages"][2] = json!({"role": "assistant", "content": "I don't know."});
    bench.lines("two.jsonl", &[call, talk]);
    bench.export(&["two.jsonl", "--target", "trl-dpo", "-o", "two", "--verify"]).expect_code(0);
    folders.push(("trl-dpo", "two".to_owned()));
    let words: Vec<String> = folders.iter().map(|(target, out)| format!("{target}={out}")).collect();
    consume(&bench, &words.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn a_late_shape_in_a_large_file_loads() {
    need!(venv("training"));
    let bench = Bench::new();
    // Over two chunks of the loader without a call, and then one.
    let mut rows: Vec<Value> = (0..2600).map(|n| plain(&format!("Q{n}"), &"x".repeat(10_000))).collect();
    rows.push(native("late", r#"{"path": "/late"}"#));
    let source = bench.lines("a.jsonl", &rows);
    bench.export(&[&source, "--target", "trl-sft", "-o", "big"]).expect_code(0);
    assert!(std::fs::metadata(bench.path("big/train.jsonl")).unwrap().len() > 24 << 20);
    consume(&bench, &["trl-sft=big"]);
}
