//! `show` as a user runs it: what it looks like, what it is asked for, what is hostile, and its pager.

use crate::runs;
use crate::support::{self, Output, Rolltape};
use serde_json::{Value, json};
use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::Command;

/// A step of ATIF.
fn step(id: u64, source: &str, message: &str, more: Value) -> Value {
    let mut step = json!({ "step_id": id, "source": source, "message": message });
    for (key, value) in more.as_object().into_iter().flatten() {
        step[key] = value.clone();
    }
    step
}

fn call(id: &str, name: &str, arguments: Value) -> Value {
    json!({ "tool_call_id": id, "function_name": name, "arguments": arguments })
}

fn trajectory(id: &str, steps: &[Value]) -> Value {
    json!({ "schema_version": "ATIF-v1.8", "trajectory_id": id, "session_id": "s",
        "agent": { "name": "tester", "version": "1.0", "model_name": "m-1" }, "steps": steps })
}

fn key() -> String {
    format!("sk-{}", "0".repeat(32))
}

/// Chinese, emoji, tabs, escapes, a secret, a raw reply with two calls, and a subagent.
fn rich() -> Value {
    let reply = "好的，先看看。\n\n<function=execute_bash>\n<parameter=command>ls</parameter>\n</function>\n然后 done";
    let inner =
        trajectory("inner", &[step(1, "user", "look closer", json!({})), step(2, "agent", "", json!({}))]);
    let mut whole = trajectory(
        "rich",
        &[
            step(1, "system", "You work.\n\tTabs\tstay\taligned.", json!({})),
            step(2, "user", "请列出文件 😀 然后结束", json!({ "timestamp": "2026-01-02T03:04:05Z" })),
            step(
                3,
                "agent",
                "好的，先看看。",
                json!({ "reasoning_content": "Two ways:\n1. ask\n2. look",
                    "metrics": { "prompt_tokens": 1200, "completion_tokens": 34, "cost_usd": 0.01 },
                    "tool_calls": [call("c1", "execute_bash", json!({ "command": "ls", "timeout": 5 }))],
                    "observation": { "results": [{ "source_call_id": "c1",
                        "content": "\u{1b}[31mred\u{1b}[0m\r\n::error::pwned\n##vso[task.x]\nname\tsize\n文件\t3" }] },
                    "extra": { "rolltape": { "reply": { "text": reply, "dialect": "openhands" } } } }),
            ),
            step(
                4,
                "agent",
                &format!(
                    "The key is {} and that is all that there is to say about it, in a line that is long.",
                    key()
                ),
                json!({ "tool_calls": [
                    call("c2", "write", json!({ "path": "a.py", "text": "def f():\n\treturn {\n    }\n", "opts": {} })),
                    call("c3", "finish", json!({})) ],
                    "observation": { "results": [
                        { "source_call_id": "c2", "content": "" },
                        { "source_call_id": "c9", "content": "late" } ] } }),
            ),
        ],
    );
    whole["subagent_trajectories"] = json!([inner]);
    whole
}

fn folder_with(files: &[(&str, String)]) -> tempfile::TempDir {
    let folder = support::temp();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).expect("a file");
    }
    folder
}

fn show(folder: &Path, arguments: &[&str]) -> Output {
    let arguments: Vec<&str> = ["show"].into_iter().chain(arguments.iter().copied()).collect();
    Rolltape::new(&arguments).cwd(folder).env("COLUMNS", "72").run()
}

#[test]
fn a_trajectory_looks_like_this() {
    let folder = folder_with(&[("rich.json", rich().to_string())]);
    let whole = show(folder.path(), &["rich.json"]).expect_code(0);
    insta::assert_snapshot!("show", whole.stdout);
    assert_eq!(whole.stderr, "");
    for line in whole.stdout.lines() {
        assert!(rolltape::util::text::width(line) <= 72, "{line}");
    }
    let plain = show(folder.path(), &["rich.json", "--no-findings", "--step=..2"]).expect_code(0).stdout;
    insta::assert_snapshot!("show_steps", plain);
    let coloured = show(folder.path(), &["rich.json", "--color=always"]).expect_code(0).stdout;
    assert_eq!(without_colour(&coloured), whole.stdout, "colour moves nothing");
    assert!(coloured.contains("\u{1b}[4m"), "what was found is underlined");
}

fn without_colour(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("\u{1b}[") {
        out.push_str(&rest[..at]);
        rest = &rest[at + 2..];
        rest = &rest[rest.find('m').expect("a colour ends") + 1..];
    }
    out + rest
}

#[test]
fn every_format_can_be_shown() {
    let chat = r#"{"messages":[{"role":"user","content":"go"},{"role":"assistant","content":"<function=finish>\n</function>"}]}"#;
    let folder = folder_with(&[("chat.json", chat.to_owned())]);
    let file = show(folder.path(), &["chat.json"]).expect_code(0).stdout;
    assert!(file.contains("▸ finish") && file.contains("(openai-chat)"), "{file}");
    let piped = Rolltape::new(&["show", "-"]).stdin(chat).run().expect_code(0).stdout;
    assert!(piped.contains("▸ finish") && piped.starts_with("file       - (openai-chat)"), "{piped}");
    let Some(data) = support::data_dir() else { return };
    let mut shown = 0;
    for entry in walkdir(&data) {
        let output = Rolltape::new(&["show".as_ref(), entry.as_os_str(), "-t".as_ref(), "1".as_ref()]).run();
        assert!(matches!(output.code, 0 | 2), "{}: {output:?}", entry.display());
        if output.code == 0 {
            shown += 1;
            steers_nothing(&entry.display().to_string(), &output.stdout);
        } else {
            assert!(
                output.stderr.starts_with("error: ") || output.stderr.contains("\nerror: "),
                "{output:?}"
            );
        }
    }
    assert!(shown > 10, "only {shown} files of real data were shown");
}

fn walkdir(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    let mut rest = vec![folder.to_owned()];
    while let Some(folder) = rest.pop() {
        for entry in fs::read_dir(folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() { rest.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    files
}

fn steers_nothing(what: &str, text: &str) {
    let harmful = text.chars().find(|c| {
        (c.is_control() && *c != '\n') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    });
    assert_eq!(harmful, None, "{what}");
    let lower = text.to_lowercase();
    assert!(!["##[", "##vso[", "##teamcity["].iter().any(|marker| lower.contains(marker)), "{what}");
    let command = text.lines().find(|line| line.trim_start().starts_with("::"));
    assert_eq!(command, None, "{what}");
}

#[test]
fn hostile_trajectories_steer_nothing() {
    need!("python3");
    let Some(generator) = support::data("hostile_inputs.py") else { return };
    let folder = support::temp();
    let made = Command::new("python3").arg(generator).arg(folder.path()).output().expect("python3 runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let mut cases = 0;
    for file in walkdir(&folder.path().join("report")) {
        cases += 1;
        let path = file.display().to_string();
        for more in [&[][..], &["--full"], &["--no-findings", "--step=2"]] {
            let arguments: Vec<&str> = [path.as_str()].iter().chain(more).copied().collect();
            let output = show(folder.path(), &arguments).expect_code(0);
            steers_nothing(&path, &output.stdout);
        }
    }
    assert!(cases > 10, "only {cases} cases");
}

#[test]
fn hostile_names_steer_nothing() {
    let evil = "::error::x\u{1b}[31m\u{202e}##[y]";
    let mut one = trajectory(evil, &[step(1, "user", evil, json!({}))]);
    one["agent"]["name"] = evil.into();
    one["agent"]["model_name"] = evil.into();
    one["notes"] = evil.into();
    one["steps"][0]["timestamp"] = evil.into();
    let two = format!("{one}\n{one}\n");
    let folder = folder_with(&[("::error::\u{1b}[2J.json", one.to_string()), ("two.jsonl", two)]);
    steers_nothing("a name", &show(folder.path(), &["::error::\u{1b}[2J.json"]).expect_code(0).stdout);
    let several = show(folder.path(), &["two.jsonl"]).expect_code(2);
    steers_nothing("a table", &several.stderr);
    steers_nothing(
        "an error",
        &show(folder.path(), &["two.jsonl", "-t", evil, "--step=1"]).expect_code(0).stdout,
    );
    steers_nothing("a word", &show(folder.path(), &["two.jsonl", "-t", "\u{1b}[2J"]).expect_code(2).stderr);
}

#[test]
fn long_texts_are_cut_and_the_cut_is_counted() {
    let lines: String = (1..=300).map(|n| format!("line {n}\n")).collect();
    let huge = "0123456789".repeat(1 << 20);
    let result = |id: &str, content: &str| json!({ "source_call_id": id, "content": content });
    let observed = json!({
        "tool_calls": [call("a", "run", json!({})), call("b", "run", json!({}))],
        "observation": { "results": [result("a", &lines), result("b", &huge)] } });
    let long = trajectory("long", &[step(1, "user", "go", json!({})), step(2, "agent", "Look.", observed)]);
    let folder = folder_with(&[("long.json", long.to_string())]);
    let cut = show(folder.path(), &["long.json"]).expect_code(0).stdout;
    insta::assert_snapshot!("show_cut", cut);
    let full = show(folder.path(), &["long.json", "--full"]).expect_code(0).stdout;
    assert!(full.contains("line 150") && !full.contains("--full shows"));
    let digits = full.chars().filter(char::is_ascii_digit).count();
    assert!(digits > 10 << 20, "only {digits} of ten million digits are there");
}

#[test]
fn an_empty_trajectory_is_shown_as_what_it_is() {
    let folder = folder_with(&[("empty.json", trajectory("empty", &[]).to_string())]);
    let output = show(folder.path(), &["empty.json"]);
    insta::assert_snapshot!(
        "show_empty",
        format!("exit {}\n{}{}", output.code, output.stderr, output.stdout)
    );
}

#[test]
fn the_raw_text_is_exact_but_for_secrets() {
    let reply = "a\u{1b}[31m\r\n\tb <function=f>\n";
    let step_2 = step(
        2,
        "agent",
        "a",
        json!({ "extra": { "rolltape": { "reply": { "text": reply, "dialect": "openhands" } } } }),
    );
    let whole = trajectory("raw", &[step(1, "user", &format!("use {}", key()), json!({})), step_2]);
    let folder = folder_with(&[("raw.json", whole.to_string())]);
    assert_eq!(show(folder.path(), &["raw.json", "--raw", "--step", "2"]).expect_code(0).stdout, reply);
    let stars = "*".repeat(key().len());
    assert_eq!(
        show(folder.path(), &["raw.json", "--raw", "--step=1"]).expect_code(0).stdout,
        format!("use {stars}")
    );
    let both = show(folder.path(), &["raw.json", "--raw"]).expect_code(0).stdout;
    assert_eq!(both, format!("── 1 user\nuse {stars}\n── 2 agent\n{reply}"));
}

#[test]
fn one_of_several_is_named_or_listed() {
    let one = |id: &str, text: &str| trajectory(id, &[step(1, "user", text, json!({}))]).to_string();
    let lines = format!("{}\n{}\n", one("first", "go 一"), one("second", "stop"));
    let folder = folder_with(&[("two.jsonl", lines), ("odd#2.json", one("third", "x"))]);
    let mut all = String::new();
    for arguments in [
        &["two.jsonl"][..],
        &["two.jsonl#3"],
        &["two.jsonl", "-t", "secnd"],
        &["two.jsonl#1", "-t", "2"],
        &["two.jsonl#2", "--step", "7"],
        &["two.jsonl#2", "--step", "4..2"],
        &["two.jsonl#2", "--step", "x"],
        &["two.jsonl", "--from", "atiff"],
        &["absent.json"],
        &["."],
    ] {
        let output = show(folder.path(), arguments).expect_code(2);
        assert_eq!(output.stdout, "");
        all += &format!("$ show {}\n{}", arguments.join(" "), output.stderr);
    }
    insta::assert_snapshot!("show_which", all);
    for (arguments, text) in
        [(&["two.jsonl#2"][..], "stop"), (&["two.jsonl", "-t", "first"], "go 一"), (&["odd#2.json"], "third")]
    {
        let output = show(folder.path(), arguments).expect_code(0).stdout;
        assert!(output.contains(text), "{output}");
    }
}

#[test]
fn an_attempt_of_a_run_is_shown_with_its_verdicts() {
    let folder = support::temp();
    runs::write(&folder.path().join("reports/20261123T161900-demo-3f2a"), 8);
    let run = "20261123T161900-demo-3f2a";
    let listed = show(folder.path(), &[run]).expect_code(2);
    insta::assert_snapshot!("show_run", listed.stderr);
    let one = show(folder.path(), &[run, "-t", "demo/sloppy/codeact@scripted/1"]).expect_code(0).stdout;
    assert!(one.contains("attempt    demo/sloppy/codeact@scripted/1\noutcome    invalid\n"), "{one}");
    // The findings of the record, not of another judgement.
    assert!(one.contains("FC002 error: 2 calls where exactly one is allowed"), "{one}");
}

#[test]
fn a_bad_record_is_told_and_the_good_one_shown() {
    let good = trajectory("good", &[step(1, "user", "go", json!({}))]);
    let folder = folder_with(&[("torn.jsonl", format!("{good}\n{{\"torn"))]);
    let output = show(folder.path(), &["torn.jsonl"]).expect_code(2);
    assert!(output.stdout.contains("── 1 user"), "{}", output.stdout);
    assert!(output.stderr.contains("torn.jsonl:2: "), "{}", output.stderr);
}

/// What a terminal of so many rows and 60 columns shows without colour, and the exit code.
fn in_terminal(folder: &Path, rows: u16, pager: &str, arguments: &[&str]) -> (String, Option<i32>) {
    on_screen(folder, (rows, 60), &[("PAGER", pager), ("NO_COLOR", "1")], arguments)
}

/// What a terminal of so many rows and columns shows, and the exit code.
fn on_screen(
    folder: &Path,
    (rows, columns): (u16, u16),
    variables: &[(&str, &str)],
    arguments: &[&str],
) -> (String, Option<i32>) {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    grantpt(&ours).expect("granted");
    unlockpt(&ours).expect("unlocked");
    let size = rustix::termios::Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(&ours, size).expect("a size");
    let name = ptsname(&ours, Vec::new()).expect("a name").into_string().expect("UTF-8");
    let its = fs::OpenOptions::new().read(true).write(true).open(name).expect("the other side");
    let arguments: Vec<&str> = ["show"].into_iter().chain(arguments.iter().copied()).collect();
    let program = Rolltape::new(&arguments).cwd(folder).env_remove("NO_COLOR").env_remove("COLUMNS");
    let program = variables.iter().fold(program, |program, (name, value)| program.env(*name, *value));
    let mut command = program.command();
    command.stdout(its.try_clone().expect("a copy")).stderr(its);
    let mut child = command.spawn().expect("the built program starts");
    // Our copies of its side go, so that the reading ends when the program does.
    drop(command);
    let mut bytes = Vec::new();
    // The end of a terminal is an error of its own.
    let _ = fs::File::from(ours).read_to_end(&mut bytes);
    let code = child.wait().expect("it ends").code();
    (String::from_utf8_lossy(&bytes).replace("\r\n", "\n"), code)
}

const PAGER: &str = "while IFS= read -r line; do echo \"PAGED:$line\"; done";

#[test]
fn what_is_longer_than_the_terminal_is_paged() {
    need!("sh");
    let steps: Vec<Value> = (1..=20).map(|id| step(id, "user", "some words", json!({}))).collect();
    let good = trajectory("long", &steps);
    let short = trajectory("short", &[step(1, "user", "\u{1b}[31mgo", json!({}))]);
    let folder = folder_with(&[
        ("long.json", good.to_string()),
        ("short.json", short.to_string()),
        ("torn.jsonl", format!("{good}\n{{\"torn")),
    ]);
    let at = folder.path();
    let (paged, code) = in_terminal(at, 30, PAGER, &["long.json"]);
    assert_eq!(code, Some(0));
    assert!(paged.lines().count() > 60 && paged.lines().all(|line| line.starts_with("PAGED:")), "{paged}");
    let (left, code) = in_terminal(at, 30, "read -r line; echo \"PAGED:$line\"; false", &["torn.jsonl"]);
    assert_eq!(code, Some(2), "the exit code is ours");
    assert_eq!(left.lines().filter(|line| line.starts_with("PAGED:")).count(), 1, "{left}");
    for (rows, pager, arguments) in [
        (30, PAGER, &["short.json"][..]),
        (30, PAGER, &["long.json", "--no-pager"]),
        (200, PAGER, &["long.json"]),
        (30, "", &["long.json"]),
        (30, "no-such-pager-at-all", &["long.json"]),
    ] {
        let (shown, code) = in_terminal(at, rows, pager, arguments);
        assert!(!shown.contains("PAGED:"), "{pager} {arguments:?}: {shown}");
        assert!(shown.contains("1 user") && code == Some(0), "{pager} {arguments:?}: {shown}");
        let width = shown.lines().map(rolltape::util::text::width).max().unwrap_or(0);
        assert!(width <= 60, "{pager} {arguments:?}: {width} columns\n{shown}");
    }
    let raw = in_terminal(at, 30, "", &["short.json", "--raw", "--step=1"]).0;
    assert_eq!(raw, "␛[31mgo\n", "on a terminal escapes are made visible");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    need!("sh");
    let steps: Vec<Value> = (1..=5000).map(|id| step(id, "user", "some words", json!({}))).collect();
    let folder = folder_with(&[("long.json", trajectory("long", &steps).to_string())]);
    let program = env!("CARGO_BIN_EXE_rolltape");
    let script = format!("('{program}' show long.json; echo $? >&2) | (read -r _line)");
    let output = Command::new("sh").args(["-c", &script]).current_dir(folder.path()).output().expect("sh");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "0\n");
}

#[test]
fn a_narrow_terminal_is_kept_to() {
    let wide = "数一数船。".repeat(30);
    let mut many = String::new();
    for n in 0..3 {
        let id = format!("一个很长的名字-{n}-{}", "x".repeat(40));
        many += &format!("{}\n", trajectory(&id, &[step(1, "user", &wide, json!({}))]));
    }
    let folder = folder_with(&[("rich.json", rich().to_string()), ("many.jsonl", many)]);
    let plain = [("PAGER", "cat"), ("NO_COLOR", "1")];
    for columns in [40, 53, 80, 132] {
        for arguments in [&["rich.json"][..], &["many.jsonl", "-t", "2"], &["many.jsonl"]] {
            let (shown, _) = on_screen(folder.path(), (50, columns), &plain, arguments);
            assert!(!shown.contains('\u{1b}'), "{arguments:?}: {shown}");
            // What the program says of its errors is wrapped by the terminal.
            let own =
                shown.lines().filter(|line| !["error: ", "hint: "].iter().any(|word| line.starts_with(word)));
            let most = own.map(rolltape::util::text::width).max().unwrap_or(0);
            assert!((30..=usize::from(columns)).contains(&most), "{columns} {arguments:?}: {most}\n{shown}");
        }
    }
    let (coloured, _) = on_screen(folder.path(), (50, 40), &[("PAGER", "cat")], &["rich.json"]);
    let (plain, _) = on_screen(folder.path(), (50, 40), &plain, &["rich.json"]);
    assert!(coloured.contains("\u{1b}["));
    assert_eq!(without_colour(&coloured), plain, "colour moves nothing");
    let (empty, _) =
        on_screen(folder.path(), (50, 40), &[("PAGER", "cat"), ("NO_COLOR", "")], &["rich.json"]);
    assert_eq!(empty, coloured, "an empty NO_COLOR says nothing");
}
