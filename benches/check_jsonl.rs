//! `rolltape check` on a generated JSONL of chats whose assistant messages hold text calls.

#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "a bench prints")]

mod common;

use common::{ROLLTAPE, figure, folder, timed};
use serde_json::json;
use std::io::{BufWriter, Write};
use std::process::Command;

/// Bytes of the generated file; `ROLLTAPE_BENCH_MB` sets another size.
fn size() -> u64 {
    let mb = std::env::var_os("ROLLTAPE_BENCH_MB").and_then(|text| text.to_str()?.parse::<u64>().ok());
    mb.unwrap_or(200) * 1_000_000
}

fn main() {
    let folder = folder();
    let path = folder.path().join("chats.jsonl");
    let mut file = BufWriter::new(std::fs::File::create(&path).unwrap_or_else(|error| panic!("{error}")));
    let (mut bytes, mut chats) = (0_u64, 0_u64);
    while bytes < size() {
        let line = chat(chats);
        file.write_all(line.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
        bytes += line.len() as u64;
        chats += 1;
    }
    file.into_inner().unwrap_or_else(|error| panic!("{error}"));
    println!("{chats} chats, {:.1} MB", bytes as f64 / 1e6);
    for (what, threads) in [("one thread", Some("1")), ("all cores", None)] {
        let mut command = Command::new(ROLLTAPE);
        command.args(["check", "--format", "json"]).arg(&path);
        if let Some(threads) = threads {
            command.env("RAYON_NUM_THREADS", threads);
        }
        // Exit code 1: the file has planted violations.
        let (wall, cpu) = timed(&mut command, 1);
        let speed =
            |time: std::time::Duration| format!("{:.0} MB/s", bytes as f64 / 1e6 / time.as_secs_f64());
        figure(&format!("check, {what}, by wall clock"), &speed(wall), "≥ 1,000 MB/s one core", "1,500 MB/s");
        figure(&format!("check, {what}, by CPU time"), &speed(cpu), "", "");
    }
}

/// A chat of 15 turns of about 36 KB; one in fifty has a message with two calls.
fn chat(number: u64) -> String {
    let mut messages = vec![
        json!({"role": "system", "content": "You work in a shell. Call exactly one function in each message.\n".repeat(20)}),
        json!({"role": "user", "content": format!("Task {number}: find the cause and mend it.")}),
    ];
    for turn in 0..15 {
        let call = |command: String| {
            format!("<function=execute_bash>\n<parameter=command>\n{command}\n</parameter>\n</function>")
        };
        let mut text = format!("I look at part {turn} of the tree first.\n\n");
        text.push_str(&call(format!(
            "cd /workspace/project && grep -rn 'name_{number}_{turn}' src | head -50"
        )));
        if number % 50 == 7 && turn == 3 {
            text.push_str(&call("ls".to_owned()));
        }
        messages.push(json!({"role": "assistant", "content": text}));
        let row = format!("src/module_{turn}.rs:{number}: let name = \"value\\t{turn}\"; // → kept\n");
        messages.push(json!({"role": "user", "content": format!("EXECUTION RESULT of [execute_bash]:\n{}", row.repeat(30))}));
    }
    let mut line = json!({"messages": messages}).to_string();
    line.push('\n');
    line
}
