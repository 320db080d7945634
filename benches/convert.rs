//! `rolltape convert` from file to file on a generated JSONL of chats: calls in text to calls as objects, and back.

#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "a bench prints")]

mod common;

use common::{ROLLTAPE, figure, folder, timed};
use serde_json::{Value, json};
use std::io::{BufWriter, Write};
use std::process::Command;

/// Bytes of the generated file; `ROLLTAPE_BENCH_MB` sets another size.
fn size() -> u64 {
    let mb = std::env::var_os("ROLLTAPE_BENCH_MB").and_then(|text| text.to_str()?.parse::<u64>().ok());
    mb.unwrap_or(200) * 1_000_000
}

fn main() {
    let folder = folder();
    for (what, form, write) in [
        ("text to calls", "native", as_text as fn(u64) -> Value),
        ("calls to text", "openhands", as_calls as fn(u64) -> Value),
    ] {
        let path = folder.path().join(format!("{form}.jsonl"));
        let mut file = BufWriter::new(std::fs::File::create(&path).unwrap_or_else(|error| panic!("{error}")));
        let (mut bytes, mut chats) = (0_u64, 0_u64);
        while bytes < size() {
            let line = format!("{}\n", write(chats));
            file.write_all(line.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
            bytes += line.len() as u64;
            chats += 1;
        }
        file.into_inner().unwrap_or_else(|error| panic!("{error}"));
        println!("{chats} chats, {:.1} MB", bytes as f64 / 1e6);
        for (where_, threads) in [("one thread", Some("1")), ("all cores", None)] {
            let out = folder.path().join("out.jsonl");
            let mut command = Command::new(ROLLTAPE);
            command
                .args(["convert", "--to", "openai-chat", "--calls-as", form, "-q", "-o"])
                .arg(&out)
                .arg(&path);
            if let Some(threads) = threads {
                command.env("RAYON_NUM_THREADS", threads);
            }
            let (wall, cpu) = timed(&mut command, 0);
            let speed =
                |time: std::time::Duration| format!("{:.0} MB/s", bytes as f64 / 1e6 / time.as_secs_f64());
            figure(
                &format!("{what}, {where_}, by wall clock"),
                &speed(wall),
                "≥ 500 MB/s one core",
                "900 MB/s",
            );
            figure(&format!("{what}, {where_}, by CPU time"), &speed(cpu), "", "");
        }
    }
}

fn row(number: u64, turn: u64) -> String {
    format!("src/module_{turn}.rs:{number}: let name = \"value\\t{turn}\"; // → kept\n").repeat(30)
}

fn head(number: u64) -> Vec<Value> {
    vec![
        json!({"role": "system", "content": "You work in a shell. Call exactly one function in each message.\n".repeat(20)}),
        json!({"role": "user", "content": format!("Task {number}: find the cause and mend it.")}),
    ]
}

fn command(number: u64, turn: u64) -> String {
    format!("cd /workspace/project && grep -rn 'name_{number}_{turn}' src | head -50")
}

/// A chat of 15 turns of about 36 KB whose calls stand in text.
fn as_text(number: u64) -> Value {
    let mut messages = head(number);
    for turn in 0..15 {
        let call = command(number, turn);
        let text = format!(
            "I look at part {turn} of the tree first.\n\n<function=execute_bash>\n<parameter=command>{call}</parameter>\n</function>"
        );
        messages.push(json!({"role": "assistant", "content": text}));
        let result = format!("EXECUTION RESULT of [execute_bash]:\n{}", row(number, turn));
        messages.push(json!({"role": "user", "content": result}));
    }
    json!({ "messages": messages })
}

/// The same with calls as objects, and a tool list.
fn as_calls(number: u64) -> Value {
    let mut messages = head(number);
    for turn in 0..15 {
        let id = format!("call_{number}_{turn}");
        let arguments = json!({"command": command(number, turn)}).to_string();
        messages.push(json!({"role": "assistant", "content": format!("I look at part {turn} of the tree first."),
            "tool_calls": [{"id": id, "type": "function", "function": {"name": "execute_bash", "arguments": arguments}}]}));
        messages.push(json!({"role": "tool", "tool_call_id": id, "content": row(number, turn)}));
    }
    let schema =
        json!({"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]});
    let tool = json!({"name": "execute_bash", "description": "Runs a command.", "parameters": schema});
    json!({"messages": messages, "tools": [{"type": "function", "function": tool}]})
}
