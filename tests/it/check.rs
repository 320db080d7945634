//! `check`, `explain`, `list rules` as a user runs them: the seed's facts, outputs, bad input, exit codes.

use crate::support::{self, Rolltape, rolltape};
use serde_json::Value;
use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::path::Path;

const GOOD: &str = r#"{"messages":[{"role":"user","content":"go"},{"role":"assistant","content":"<function=finish>\n</function>"}]}"#;
const BAD: &str = r#"{"messages":[{"role":"user","content":"go"},{"role":"assistant","content":"What?"}]}"#;

fn json(path: &Path, more: &[&str], code: i32) -> Value {
    let mut arguments = vec!["check".to_owned(), path.display().to_string(), "--format=json".to_owned()];
    arguments.extend(more.iter().map(|word| (*word).to_owned()));
    let output = rolltape(&arguments).expect_code(code);
    serde_json::from_str(&output.stdout).expect("JSON")
}

fn of<'a>(report: &'a Value, rule: &str) -> Vec<&'a Value> {
    report["findings"].as_array().expect("a list").iter().filter(|finding| finding["rule"] == rule).collect()
}

#[test]
fn the_seed_is_judged_as_it_is() {
    let Some(path) = support::data("seed/deepseek_transcript.txt") else { return };
    let report = json(&path, &[], 1);
    for (key, value) in
        [("files", 1), ("trajectories", 1), ("messages", 15), ("calls", 14), ("compliant", 14)]
    {
        assert_eq!(report[key], value, "{key}");
    }
    let no_call = of(&report, "FC001");
    assert_eq!(no_call.len(), 1);
    assert_eq!((&no_call[0]["severity"], &no_call[0]["line"]), (&"error".into(), &569.into()));
    assert_eq!(of(&report, "FC023").len(), 1);
    let secret = of(&report, "SE001");
    assert_eq!(secret.len(), 1);
    assert_eq!((&secret[0]["line"], &secret[0]["column"]), (&578.into(), &44.into()));
    assert_eq!(report["findings"].as_array().map(Vec::len), Some(3));
    let asked = json(&path, &["--ask", "allow"], 0);
    assert_eq!((&asked["compliant"], &of(&asked, "FC001")[0]["severity"]), (&15.into(), &"info".into()));
}

#[test]
fn no_secret_is_shown() {
    let Some(path) = support::data("seed/deepseek_transcript.txt") else { return };
    for format in ["text", "json", "jsonl"] {
        let output = rolltape(&["check", "--format", format, &path.display().to_string()]);
        assert!(!output.stdout.contains(&"0".repeat(12)), "{format}: {}", output.stdout);
    }
}

/// A file in a folder of its own, checked by its bare name.
fn check(name: &str, bytes: impl AsRef<[u8]>, more: &[&str]) -> support::Output {
    let folder = support::temp();
    fs::write(folder.path().join(name), bytes).expect("a file");
    let arguments: Vec<&str> = ["check", name].into_iter().chain(more.iter().copied()).collect();
    Rolltape::new(&arguments).cwd(folder.path()).run()
}

fn shown(output: &support::Output) -> String {
    output.masked(Path::new("/nowhere-at-all"), "")
}

#[test]
fn text_looks_like_this() {
    let two = r#"{"messages":[{"role":"assistant","content":"好的:\n<function=f>\n</function>\n<function=g>\n</function> and so on"}]}"#;
    insta::assert_snapshot!("check_text", shown(&check("two.json", two, &[])));
    insta::assert_snapshot!(
        "check_text_runtime",
        shown(&check("two.json", two, &["--reading", "runtime:openhands-v0"]))
    );
    insta::assert_snapshot!("check_json", shown(&check("bad.json", BAD, &["--format", "json"])));
    insta::assert_snapshot!("check_jsonl", shown(&check("bad.json", BAD, &["--format", "jsonl"])));
}

#[test]
fn severities_and_selection_decide_the_exit_code() {
    check("good.json", GOOD, &[]).expect_code(0);
    check("bad.json", BAD, &[]).expect_code(1);
    check("bad.json", BAD, &["--ask", "allow"]).expect_code(0);
    check("bad.json", BAD, &["--ask", "allow", "--fail-on", "info"]).expect_code(1);
    check("bad.json", BAD, &["--ignore", "FC001"]).expect_code(0);
    check("bad.json", BAD, &["--select", "TR,SE"]).expect_code(0);
    check("bad.json", BAD, &["--select", "no-call"]).expect_code(1);
    check("bad.json", BAD, &["--policy", "at-most-one"]).expect_code(0);
    let none = check("bad.json", BAD, &["--select", "SE", "--format", "json"]);
    assert!(none.stdout.contains("\"compliant\": null"), "{}", none.stdout);
}

#[test]
fn wrong_words_are_told_with_a_hint() {
    let mut all = String::new();
    for more in [
        &["--policy", "exactly-onee"][..],
        &["--ask", "maybe"],
        &["--reading", "runtime:openhands-v7"],
        &["--reading", "loose"],
        &["--dialect", "openhand"],
        &["--from", "openai-chats"],
        &["--fail-on", "warnings"],
        &["--format", "yaml"],
        &["--select", "FC0023"],
        &["--ignore", "multiple-call"],
        &["--tools", "absent.json"],
        &["--tools", "good.json"],
        &["-o", "no/such/folder/out.json"],
    ] {
        let output = check("good.json", GOOD, more).expect_code(2);
        all += &format!("$ {}\n{}", more.join(" "), output.stderr);
    }
    all += &format!("$ explain FC99\n{}", rolltape(&["explain", "FC99"]).expect_code(2).stderr);
    insta::assert_snapshot!("check_wrong_words", all);
}

#[test]
fn bad_input_is_told_and_loses_nothing() {
    let lines = |middle: &[u8]| [GOOD.as_bytes(), b"\n", middle, b"\n", GOOD.as_bytes(), b"\n"].concat();
    let torn = [GOOD.as_bytes(), b"\n", &GOOD.as_bytes()[..40]].concat();
    let mut all = String::new();
    for (name, bytes) in [
        ("empty.jsonl", Vec::new()),
        ("binary", b"\x7fELF\0\0\x01\x02\xff".repeat(100)),
        ("notes.txt", b"just some notes\n".to_vec()),
        ("torn.jsonl", torn),
        ("nul.jsonl", lines(&[0; 64])),
        ("invalid.jsonl", lines(b"{\"messages\":[{\"role\":\"user\",\"content\":\"\xff\"}]}")),
        ("text-in-jsonl.jsonl", lines(b"not json")),
        ("half.json.gz", b"\x1f\x8b\x08\0\0\0\0\0\0\x03abc".to_vec()),
    ] {
        let output = check(name, bytes, &[]).expect_code(2);
        all += &format!("{name}\n{}{}\n", output.stderr, output.stdout);
    }
    insta::assert_snapshot!("check_bad_input", all);
}

#[test]
fn crlf_and_a_byte_order_mark_are_simply_read() {
    let text = format!("\u{feff}{GOOD}\r\n{BAD}\r\n");
    let output = check("crlf.jsonl", text, &["--format", "json"]).expect_code(1);
    let report: Value = serde_json::from_str(&output.stdout).expect("JSON");
    assert_eq!((&report["trajectories"], &report["messages"]), (&2.into(), &2.into()));
    assert_eq!(of(&report, "FC001")[0]["line"], 2);
    assert_eq!(report["errors"].as_array().map(Vec::len), Some(0));
}

#[test]
fn paths_that_are_no_transcripts() {
    let folder = support::temp();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("void")).expect("a folder");
    fs::create_dir(at("mixed")).expect("a folder");
    fs::write(at("mixed/a.json"), BAD).expect("a file");
    fs::write(at("mixed/notes.md"), "# Notes\n").expect("a file");
    fs::write(at("mixed/.hidden.json"), "{").expect("a file");
    rustix::fs::mkfifoat(rustix::fs::CWD, at("mixed/pipe"), 0o600.into()).expect("a pipe");
    let run = |arguments: &[&str]| Rolltape::new(arguments).cwd(folder.path()).run();
    let mut all = String::new();
    for arguments in [
        &["check", "absent.json"][..],
        &["check", "void"],
        &["check", "mixed/pipe"],
        &["check", "absent", "mixed"],
    ] {
        all += &format!("$ {}\n{}", arguments.join(" "), shown(&run(arguments).expect_code(2)));
    }
    all += &format!("$ check mixed\n{}", shown(&run(&["check", "mixed"]).expect_code(1)));
    insta::assert_snapshot!("check_paths", all);
}

#[test]
fn an_unreadable_file_is_told() {
    need!(not_root);
    use std::os::unix::fs::PermissionsExt as _;
    let folder = support::temp();
    fs::write(folder.path().join("closed.json"), GOOD).expect("a file");
    fs::set_permissions(folder.path().join("closed.json"), fs::Permissions::from_mode(0o000))
        .expect("a mode");
    let output = Rolltape::new(&["check", "closed.json"]).cwd(folder.path()).run().expect_code(2);
    assert_eq!(
        output.stderr,
        "error: closed.json: can't be read: permission denied\nhint: look at its mode and owner\n"
    );
}

#[test]
fn a_name_that_is_not_utf8_is_read() {
    let folder = support::temp();
    let name = std::ffi::OsString::from_vec(b"tr\xffck.json".to_vec());
    fs::write(folder.path().join(&name), BAD).expect("a file");
    let output = Rolltape::new(&["check".into(), name]).cwd(folder.path()).run().expect_code(1);
    assert!(output.stdout.starts_with("tr\u{fffd}ck.json:1:"), "{}", output.stdout);
}

#[test]
fn stdin_is_read_and_a_closed_stdout_is_no_error() {
    let output = Rolltape::new(&["check", "-"]).stdin(BAD).run().expect_code(1);
    assert!(output.stdout.starts_with("-:1:"), "{}", output.stdout);
    need!("sh");
    let folder = support::temp();
    fs::write(folder.path().join("many.jsonl"), format!("{BAD}\n").repeat(5000)).expect("a file");
    let program = env!("CARGO_BIN_EXE_rolltape");
    let script = format!("('{program}' check many.jsonl; echo $? >&2) | (read -r _line)");
    let output = std::process::Command::new("sh")
        .args(["-c", &script])
        .current_dir(folder.path())
        .output()
        .expect("sh");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "1\n");
}

#[test]
fn a_hundred_megabytes_in_one_line_end_soon() {
    let mut bytes = b"{\"messages\":[{\"role\":\"assistant\",\"content\":\"".to_vec();
    bytes.resize(100 << 20, b'x');
    bytes.extend(b"\"}]}\n");
    let output = check("long.jsonl", bytes, &[]);
    assert!(matches!(output.code, 1 | 2), "{output:?}");
    assert!(output.stdout.len() + output.stderr.len() < 4096);
    if output.code == 2 {
        assert!(output.stderr.contains("hint:"), "{}", output.stderr);
    }
}

#[test]
fn a_tool_list_can_be_given() {
    let call = GOOD.replace("finish", "look");
    check("call.json", &call, &[]).expect_code(0);
    let folder = support::temp();
    fs::write(folder.path().join("call.json"), &call).expect("a file");
    fs::write(
        folder.path().join("tools.json"),
        r#"[{"type":"function","function":{"name":"finish","parameters":{}}}]"#,
    )
    .expect("a file");
    let run = Rolltape::new(&["check", "call.json", "--tools", "tools.json"])
        .cwd(folder.path())
        .run()
        .expect_code(1);
    assert!(run.stdout.contains("FC006"), "{}", run.stdout);
}

#[test]
fn output_goes_whole_to_a_file() {
    let folder = support::temp();
    fs::write(folder.path().join("bad.json"), BAD).expect("a file");
    let run = Rolltape::new(&["check", "bad.json", "--format=json", "-o", "out.json"])
        .cwd(folder.path())
        .run()
        .expect_code(1);
    assert_eq!(run.stdout, "");
    let text = fs::read_to_string(folder.path().join("out.json")).expect("a report");
    assert!(serde_json::from_str::<Value>(&text).is_ok(), "{text}");
}

#[test]
fn model_text_can_not_steer_the_terminal() {
    let evil = BAD.replace("What?", "\\u001b]0;x\\u0007 \u{202e}What?");
    let output = check("evil.json", evil, &[]);
    assert!(!output.stdout.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{:?}", output.stdout);
}

#[test]
fn rules_are_listed_and_explained() {
    let list = rolltape(&["list", "rules"]).expect_code(0).stdout;
    assert_eq!(list.lines().count(), rolltape::rules::ALL.len());
    for word in ["FC002", "fc002", "multiple-calls"] {
        let manual = rolltape(&["explain", word]).expect_code(0).stdout;
        assert!(manual.starts_with("FC002 multiple-calls (error, since 0.1.0)\n"), "{manual}");
        assert!(manual.contains("## Why"), "{manual}");
    }
    assert!(rolltape(&["list", "formats"]).expect_code(0).stdout.contains("openhands-prompt-log"));
}

/// A finding in a later content part is shown there, whatever the file's line ends and first bytes.
#[test]
fn content_parts_keep_their_lines_and_columns() {
    let call = "<function=bash>\n<parameter=command>ls</parameter>\n</function>\nafter";
    let chat = serde_json::json!({ "messages": [
        { "role": "user", "content": "go" },
        { "role": "assistant", "content": [
            { "type": "text", "text": "\u{e9}\u{e9} first" }, { "type": "text", "text": call } ] },
    ] });
    let pretty = format!("{chat:#}");
    let place = |text: &str| {
        let (at, line) = text.lines().enumerate().find(|(_, line)| line.contains("after")).expect("the line");
        let column = line[..line.find("after").expect("the text")].chars().count() + 1;
        (at as u64 + 1, column as u64)
    };
    for text in [pretty.clone(), chat.to_string()] {
        for (name, mark, end) in [("plain", "", "\n"), ("crlf", "", "\r\n"), ("bom", "\u{feff}", "\r\n")] {
            let written = format!("{mark}{}", text.replace('\n', end));
            let output = check("chat.json", written, &["--format", "json", "--select", "FC003"]);
            let report: Value = serde_json::from_str(&output.stdout).expect("JSON");
            let found = of(&report, "FC003")[0].clone();
            let shown =
                (found["line"].as_u64().expect("a line"), found["column"].as_u64().expect("a column"));
            assert_eq!(shown, place(&text), "{name}");
        }
    }
    let output = check("chat.json", pretty, &["--select", "FC003"]);
    let carets = output.stdout.lines().find(|line| line.contains('^')).expect("carets");
    assert_eq!(carets.matches('^').count(), "after".len(), "{carets}");
}

/// Keys that stand twice in native arguments are found, escapes decoded; deeper ones are no parameters.
#[test]
fn a_native_argument_given_twice_is_found() {
    let chat = |arguments: &str| {
        serde_json::json!({ "messages": [
            { "role": "user", "content": "go" },
            { "role": "assistant", "content": null, "tool_calls": [
                { "id": "c1", "type": "function", "function": { "name": "bash", "arguments": arguments } } ] },
            { "role": "tool", "tool_call_id": "c1", "content": "ok" },
        ] })
        .to_string()
    };
    let found = |arguments: &str| {
        let output = check("chat.json", chat(arguments), &["--format", "json", "--select", "FC011"]);
        let report: Value = serde_json::from_str(&output.stdout).expect("JSON");
        of(&report, "FC011").len()
    };
    assert_eq!(found(r#"{"cmd": "ls", "c\u006dd": "pwd", "cmd": "id"}"#), 2);
    assert_eq!(found(r#"{"cmd": "ls", "env": {"a": 1, "a": 2}}"#), 0);
    assert_eq!(found(r#"{"cmd": "ls", "cwd": "/"}"#), 0);
}

/// What only looks like chat is passed by, and a reply beside the messages makes a completion log.
#[test]
fn near_relatives_of_chat_are_told_apart() {
    let log = r#"{"messages": [{"role": "user", "content": "hi"}],
        "response": {"choices": [{"finish_reason": "stop", "message": {"role": "assistant", "content": "ho"}}]}}"#;
    let output = check("log.json", log, &["--format", "json"]);
    let report: Value = serde_json::from_str(&output.stdout).expect("JSON");
    assert_eq!((&report["messages"], &report["errors"]), (&1.into(), &Value::Array(Vec::new())));
    for other in [
        r#"{"messages": [{"type": "user", "content": "hi"}, {"type": "gemini", "content": "ho"}]}"#,
        r#"{"messages": [{"role": "user", "text": "hi"}, {"role": "assistant", "text": "ho"}]}"#,
    ] {
        let folder = support::temp();
        fs::write(folder.path().join("other.json"), other).expect("a file");
        fs::write(folder.path().join("log.json"), log).expect("a file");
        let output = Rolltape::new(&["check", "."]).cwd(folder.path()).run();
        assert!(output.stderr.contains("passed by: 1 file of no known format"), "{}", output.stderr);
        assert!(!output.stderr.contains("error"), "{}", output.stderr);
    }
}
