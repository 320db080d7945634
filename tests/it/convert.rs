//! `rolltape convert` as a user meets it.

use crate::support::{self, Output, Rolltape};
use rolltape::formats::{self, Writer};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

fn chat(n: usize) -> String {
    json!({"id": format!("chat-{n}"), "messages": [
        {"role": "user", "content": format!("Look at {n}.")},
        {"role": "assistant", "content": "I look.", "tool_calls": [{"id": "a", "type": "function",
            "function": {"name": "look", "arguments": format!("{{\"n\": {n}}}")}}]},
        {"role": "tool", "tool_call_id": "a", "content": "seen"},
    ]})
    .to_string()
}

/// A folder with good, bad and foreign files.
fn folder() -> TempDir {
    let folder = support::temp();
    let put = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("written");
    put("one.json", &chat(1));
    put("many.jsonl", &format!("{}\n{}\n{}\n", chat(1), chat(2), chat(3)));
    put("bad.jsonl", &format!("{}\n{{\"messages\": 7}}\n{}\n", chat(1), chat(2)));
    put("notes.txt", "just a note\n");
    // What only ATIF holds: a time, tokens.
    put(
        "atif.json",
        r#"{"schema_version": "ATIF-v1.8", "agent": {"name": "a", "version": "1"}, "steps": [
            {"step_id": 1, "source": "user", "message": "hi", "timestamp": "2026-01-01T00:00:00Z"},
            {"step_id": 2, "source": "agent", "message": "key sk-00000000000000000000000000000000000000000000 ", "timestamp": "2026-01-01T00:00:01Z",
             "metrics": {"prompt_tokens": 5}}]}"#,
    );
    folder
}

fn convert(folder: &Path, arguments: &[&str]) -> Output {
    Rolltape::new(&[&["convert"], arguments].concat()).cwd(folder).run()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn lines_go_to_stdout_in_the_order_of_the_input() {
    let folder = folder();
    let out = convert(folder.path(), &["many.jsonl", "one.json", "--to", "anthropic"]).expect_code(0);
    let ids: Vec<Value> = out
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON")["id"].clone())
        .collect();
    assert_eq!(ids, ["chat-1", "chat-2", "chat-3", "chat-1"]);
    let again = Rolltape::new(&["convert", "-", "--to", "anthropic"])
        .stdin(fs::read(folder.path().join("many.jsonl")).expect("read"))
        .run()
        .expect_code(0);
    assert!(out.stdout.starts_with(&again.stdout));
    let note = "note: arguments written anew, equal in value ×3 (first: -:1, step 2)\n";
    assert_eq!(again.stderr, format!("{note}converted: 3 trajectories\n"));
}

#[test]
fn good_records_are_converted_beside_bad_ones() {
    let folder = folder();
    let out = convert(folder.path(), &["bad.jsonl", "--to", "atif", "-o", "out.jsonl"]).expect_code(2);
    assert!(
        out.stderr.contains("error: bad.jsonl:2: \"messages\" must be a list, not a number"),
        "{}",
        out.stderr
    );
    assert_eq!(fs::read_to_string(folder.path().join("out.jsonl")).expect("written").lines().count(), 2);
    // A walk passes by what is no transcript.
    let out = convert(folder.path(), &[".", "--to", "openai-chat", "-o", "/dev/null/x"]).expect_code(2);
    assert!(out.stderr.contains("can't be written"), "{}", out.stderr);
}

#[test]
fn what_is_lost_is_reported_and_may_be_denied() {
    let folder = folder();
    let arguments = ["atif.json", "--to", "openai-chat", "-o", "out.jsonl", "--loss-report", "loss.json"];
    let out = convert(folder.path(), &arguments).expect_code(0);
    assert!(
        out.stderr
            .starts_with("lost: step.timestamp ×2, agent.name ×1, agent.version ×1, usage.prompt_tokens ×1"),
        "{}",
        out.stderr
    );
    let text = fs::read_to_string(folder.path().join("loss.json")).expect("the report");
    let report: Value = serde_json::from_str(&text).expect("JSON");
    let schema: Value =
        serde_json::from_str(&support::rolltape(&["schema", "loss-report"]).expect_code(0).stdout)
            .expect("a schema");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let errors: Vec<String> = validator.iter_errors(&report).map(|error| error.to_string()).collect();
    assert_eq!(errors, Vec::<String>::new());
    assert_eq!(report["trajectories"][0]["path"], "atif.json");
    let time = report["trajectories"][0]["lost"]
        .as_array()
        .expect("a list")
        .iter()
        .find(|lost| lost["field"] == "step.timestamp");
    assert_eq!(
        time,
        Some(&json!({"field": "step.timestamp", "count": 2, "bytes": 40, "step": 1, "line": 2, "column": 58,
            "example": "2026-01-01T00:00:00Z"}))
    );
    assert_eq!(report["totals"]["lost"]["step.timestamp"], json!({"count": 2, "bytes": 40}));
    // Denied: nothing is written, but the report is.
    fs::remove_file(folder.path().join("out.jsonl")).expect("removed");
    fs::remove_file(folder.path().join("loss.json")).expect("removed");
    let out = convert(folder.path(), &[&arguments[..], &["--deny-loss"]].concat()).expect_code(1);
    assert!(out.stderr.ends_with("error: 1 of 1 trajectory would lose something, and nothing was written\nhint: loss.json tells what, and where\n"), "{}", out.stderr);
    assert!(!folder.path().join("out.jsonl").exists() && folder.path().join("loss.json").exists());
    let out = convert(folder.path(), &["atif.json", "--to", "openai-chat", "--deny-loss"]).expect_code(1);
    assert_eq!(out.stdout, "");
    // Nothing is lost on the way to ATIF.
    let out = convert(folder.path(), &["many.jsonl", "--to", "atif", "--deny-loss"]).expect_code(0);
    assert_eq!(out.stdout.lines().count(), 3);
}

#[test]
fn a_secret_is_no_example() {
    let folder = folder();
    let text = r#"{"schema_version": "ATIF-v1.8", "agent": {"name": "a", "version": "1"}, "notes":
        "key sk-00000000000000000000000000000000000000000000 \u001b[31m", "steps": []}"#;
    fs::write(folder.path().join("secret.json"), text).expect("written");
    let out = convert(
        folder.path(),
        &["secret.json", "--to", "openai-chat", "-o", "x.jsonl", "--loss-report", "loss.json"],
    )
    .expect_code(0);
    let report = fs::read_to_string(folder.path().join("loss.json")).expect("the report");
    assert!(
        !report.contains("00000000") && report.contains("\"notes\"") && !report.contains('\u{1b}'),
        "{report}\n{}",
        out.stderr
    );
}

#[test]
fn wrong_usage_is_said_in_one_sentence() {
    let folder = folder();
    let said = |arguments: &[&str]| convert(folder.path(), arguments).expect_code(2).stderr;
    let wrong = [
        said(&["one.json", "--to", "antropic"]),
        said(&["one.json", "--to", "rolltape-run"]).split("hint").next().unwrap_or_default().to_owned(),
        said(&["one.json", "--to", "atif", "--from", "openai-chats"]),
        said(&["one.json", "--to", "atif", "--calls-as", "openhand"]),
        said(&["none.json", "--to", "atif"]),
        said(&["notes.txt", "--to", "atif"]).split(" (not").next().unwrap_or_default().to_owned(),
        said(&["one.json", "--to", "atif", "-o", "no/such/folder.jsonl"]),
        said(&["one.json", "--to", "atif", "-o", "."]),
        said(&["one.json"]),
    ];
    insta::assert_snapshot!(wrong.join("\n"), @r"
    error: no format is named 'antropic'
    hint: did you mean 'anthropic'?

    error: 'rolltape-run' can be read but not written

    error: no format is named 'openai-chats'
    hint: did you mean 'openai-chat'?

    error: no form of calls is named 'openhand'
    hint: did you mean 'openhands'?

    error: none.json: there is no such file or folder
    hint: paths are relative to the current folder

    error: notes.txt: of no known format, and near to none
    error: no/such/folder.jsonl can't be written: there is no such folder
    hint: name a file in a folder that exists with -o

    error: '.' is a folder
    hint: 'atif' goes into one file: name it with '-o FILE'

    error: the following required arguments were not provided: --to <FORMAT>
    hint: usage: rolltape convert --to <FORMAT> <PATH>...
    hint: '--help' tells all options
    ");
}

#[test]
fn every_format_goes_where_its_kind_goes() {
    let folder = folder();
    let run = |arguments: &[&str]| convert(folder.path(), &[&["many.jsonl", "one.json"], arguments].concat());
    for format in formats::ALL {
        let Some(writer) = format.write else { continue };
        let name = format.name;
        let out = format!("out-{name}");
        match writer {
            Writer::Lines(_) | Writer::Collection { .. } => {
                let file = format!("{out}.json");
                run(&["--to", name, "-o", &file]).expect_code(0);
                // A file is replaced whole.
                run(&["--to", name, "-o", &file]).expect_code(0);
                assert!(run(&["--to", name, "-o", "."]).expect_code(2).stderr.contains("'.' is a folder"));
                run(&["--to", name]).expect_code(0);
            }
            Writer::Document { .. } | Writer::Folder(_) => {
                run(&["--to", name, "-o", &out]).expect_code(0);
                let made = names(&folder.path().join(&out));
                assert_eq!(made.len(), 4, "{name}: {made:?}");
                let has = |stem: &str| made.iter().any(|name| name.split('.').next() == Some(stem));
                assert!(["many", "many#2", "many#3", "one"].into_iter().all(has), "{made:?}");
                let again = run(&["--to", name, "-o", &out]).expect_code(2);
                assert!(again.stderr.contains("is not empty\nhint: name a new folder"), "{}", again.stderr);
                fs::write(folder.path().join(&out).join("other"), "stays").expect("written");
                run(&["--to", name, "-o", &out, "--force"]).expect_code(0);
                assert_eq!(names(&folder.path().join(&out)).len(), 5, "{name}");
                fs::remove_file(folder.path().join(&out).join("other")).expect("removed");
                run(&["--to", name]).expect_code(2);
            }
        }
        let left: Vec<String> =
            names(folder.path()).into_iter().filter(|name| name.starts_with('.')).collect();
        assert_eq!(left, Vec::<String>::new(), "{name}");
        let made = names(folder.path()).into_iter().find(|made| made.starts_with(&out)).expect("made");
        let back = convert(folder.path(), &[&made, "--from", name, "--to", "atif"]).expect_code(0);
        assert_eq!(back.stdout.lines().count(), 4, "{name}: {}", back.stderr);
    }
}

#[test]
fn a_killed_conversion_leaves_nothing_under_the_name() {
    let folder = support::temp();
    let line = format!("{}\n", chat(7));
    fs::write(folder.path().join("big.jsonl"), line.repeat(60_000)).expect("written");
    let start = || {
        Command::new(env!("CARGO_BIN_EXE_rolltape"))
            .args(["convert", "big.jsonl", "--to", "atif", "-o", "out.jsonl"])
            .current_dir(folder.path())
            .stderr(Stdio::null())
            .spawn()
            .expect("started")
    };
    let unfinished =
        || names(folder.path()).iter().filter(|name| name.starts_with(".out.jsonl.unfinished-")).count();
    let mut child = start();
    let limit = Instant::now() + Duration::from_secs(60);
    let filled = || {
        fs::read_dir(folder.path()).into_iter().flatten().flatten().any(|entry| {
            entry.file_name().to_string_lossy().starts_with(".out")
                && entry.metadata().is_ok_and(|meta| meta.len() > 0)
        })
    };
    while !filled() && Instant::now() < limit {
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().expect("killed");
    let status = child.wait().expect("ended");
    assert!(!status.success(), "it was killed in the middle");
    assert!(!folder.path().join("out.jsonl").exists());
    assert_eq!(unfinished(), 1);
    // One that was killed before its first byte is told by its age.
    let empty = |name: &str| fs::File::create(folder.path().join(name)).expect("made");
    let old = std::time::SystemTime::now() - Duration::from_secs(120);
    empty(".out.jsonl.unfinished-old").set_modified(old).expect("aged");
    let young = ".out.jsonl.unfinished-new";
    empty(young);
    // The next one sweeps, and ends.
    assert!(start().wait().expect("ended").success());
    assert!(folder.path().join(young).exists(), "it may be another conversion's that begins now");
    assert_eq!(unfinished(), 1);
    let lines = fs::read_to_string(folder.path().join("out.jsonl")).expect("whole").lines().count();
    assert_eq!(lines, 60_000);
}

/// Lines that are turned on their bytes, others, bad ones, blanks: wherever windows are cut, all of it comes out the
/// same, and in the order of the file.
#[test]
fn where_windows_are_cut_does_not_matter() {
    let folder = support::temp();
    // Text as an argument is the same either way, a number is not.
    let chat = |n: usize| chat(n).replace(&format!(": {n}}}"), &format!(": \\\"{n}\\\"}}"));
    let text = chat(1).replace("I look.", "<think>I look.");
    let lines =
        [chat(1), text, String::new(), "{\"messages\": 7}".to_owned(), chat(2), chat(3)[..40].to_owned()];
    let all = lines.iter().map(|line| format!("{line}\n")).collect::<String>().repeat(40) + &chat(4);
    fs::write(folder.path().join("f.jsonl"), all).expect("written");
    for form in ["openhands", "native"] {
        let run = |window: &str, threads: &str| {
            let arguments = [
                "f.jsonl",
                "--to",
                "openai-chat",
                "--calls-as",
                form,
                "--loss-report",
                "l.json",
                "--window",
                window,
            ];
            let out = Rolltape::new(&[&["convert"][..], &arguments].concat())
                .cwd(folder.path())
                .env("RAYON_NUM_THREADS", threads)
                .run()
                .expect_code(2);
            let report = fs::read_to_string(folder.path().join("l.json")).expect("a report");
            (out.stdout, out.stderr, report)
        };
        let whole = run("1MiB", "1");
        assert!(whole.0.lines().count() > 100 && whole.1.contains("f.jsonl:4"), "{whole:?}");
        for (window, threads) in [("1KiB", "1"), ("1KiB", "3"), ("2KiB", "2"), ("7KiB", "4")] {
            assert_eq!(run(window, threads), whole, "{window} {threads}");
        }
    }
}

#[test]
fn a_line_over_the_limit_is_one_error() {
    let folder = support::temp();
    let long = chat(2).replace("I look.", &"long ".repeat(1000));
    fs::write(folder.path().join("f.jsonl"), format!("{}\n{long}\n{}\n", chat(1), chat(3))).expect("written");
    let out = convert(folder.path(), &["f.jsonl", "--to", "atif", "--line-limit", "4KiB"]).expect_code(2);
    assert!(
        out.stderr.contains("f.jsonl:2") && out.stderr.contains("longer than the limit"),
        "{}",
        out.stderr
    );
    assert_eq!(out.stdout.lines().count(), 2, "{}", out.stdout);
    let out = convert(folder.path(), &["f.jsonl", "--to", "atif", "--line-limit", "much"]).expect_code(2);
    assert!(out.stderr.contains("the value of --line-limit, 'much', is no size"), "{}", out.stderr);
}
