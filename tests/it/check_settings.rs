//! `check` with a configuration, a baseline, figures, and copies without secrets.

use crate::support::{self, Output, Rolltape};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

const GOOD: &str = r#"{"messages":[{"role":"user","content":"go"},{"role":"assistant","content":"<function=finish>\n</function>"}]}"#;
const BAD: &str = r#"{"messages":[{"role":"user","content":"go"},{"role":"assistant","content":"What?"}]}"#;

/// A program without keys of this machine.
fn run(folder: &Path, arguments: &[&str]) -> Output {
    Rolltape::new(arguments).cwd(folder).env("XDG_CONFIG_HOME", folder.join("user")).run()
}

fn key() -> String {
    format!("sk-{}", "0".repeat(32))
}

#[test]
fn flags_count_before_the_project_and_the_project_before_the_user() {
    let folder = support::temp();
    let at = folder.path();
    fs::write(at.join("bad.json"), BAD).expect("a file");
    run(at, &["check", "bad.json"]).expect_code(1);
    fs::create_dir_all(at.join("user/rolltape")).expect("a folder");
    fs::write(at.join("user/rolltape/rolltape.toml"), "[check]\npolicy = \"any\"\n").expect("a file");
    run(at, &["check", "bad.json"]).expect_code(0);
    fs::write(at.join("rolltape.toml"), "[check]\npolicy = \"exactly-one\"\n").expect("a file");
    run(at, &["check", "bad.json"]).expect_code(1);
    run(at, &["check", "bad.json", "--policy", "at-most-one"]).expect_code(0);
    fs::write(at.join("rolltape.toml"), "[check]\nignore = [\"FC001\"]\n").expect("a file");
    run(at, &["check", "bad.json"]).expect_code(0);
    // A list on the command line takes the place of the configuration's.
    run(at, &["check", "bad.json", "--ignore", "FC002", "--policy", "exactly-one"]).expect_code(1);
}

#[test]
fn severities_of_the_configuration_count() {
    let folder = support::temp();
    let at = folder.path();
    let double =
        GOOD.replace("</function>", "<parameter=a>1</parameter>\\n<parameter=a>2</parameter>\\n</function>");
    fs::write(at.join("double.json"), double).expect("a file");
    let report = |code| -> Value {
        let output = run(at, &["check", "double.json", "--format=json"]).expect_code(code);
        serde_json::from_str(&output.stdout).expect("JSON")
    };
    assert_eq!(report(0)["compliant"], 1);
    fs::write(at.join("rolltape.toml"), "[check]\nseverity = { FC011 = \"error\" }\n").expect("a file");
    assert_eq!(report(1)["compliant"], 0);
    fs::write(at.join("rolltape.toml"), "[check.severity]\nFC = \"error\"\nduplicate-parameter = \"info\"\n")
        .expect("a file");
    let told = report(0);
    let of_rule = |rule: &str| {
        let list = told["findings"].as_array().expect("a list");
        list.iter().find(|finding| finding["rule"] == rule).map(|finding| finding["severity"].clone())
    };
    assert_eq!((of_rule("FC011"), &told["compliant"]), (Some("info".into()), &1.into()));
}

#[test]
fn slips_of_the_configuration_are_told_with_their_place() {
    let folder = support::temp();
    let at = folder.path();
    fs::write(at.join("good.json"), GOOD).expect("a file");
    let mut all = String::new();
    for text in [
        "[check]\npolicy = \"exactly-on\"\n",
        "[check]\nignore = [\"CO004\", \"FC99\"]\n",
        "[check]\nseverity = { FC011 = \"eror\" }\n",
        "[check]\nseverity = { FC9 = \"error\" }\n",
        "[check]\ntools = \"absent.json\"\n",
        "[check]\nsevrity = 1\n[redact]\nalow = []\n",
        "[redact]\nenv = [\"ROLLTAPE_TEST_UNSET\"]\n",
    ] {
        fs::write(at.join("rolltape.toml"), text).expect("a file");
        let output = run(at, &["check", "good.json"]).expect_code(2);
        all += &format!("{text}{}\n", output.stderr.replace(&*at.to_string_lossy(), "FOLDER"));
    }
    insta::assert_snapshot!("check_config_slips", all);
}

#[test]
fn a_baseline_accepts_by_content_and_tells_what_is_stale() {
    let folder = support::temp();
    let at = folder.path();
    fs::write(at.join("all.jsonl"), format!("{GOOD}\n{BAD}\n{BAD}\n")).expect("a file");
    run(at, &["check", "all.jsonl"]).expect_code(1);
    run(at, &["check", "all.jsonl", "--write-baseline", "base.json"]).expect_code(0);
    // Lines and names may change.
    fs::rename(at.join("all.jsonl"), at.join("moved.jsonl")).expect("a name");
    let moved = format!("{GOOD}\n{GOOD}\n{BAD}\n{GOOD}\n{BAD}\n");
    fs::write(at.join("moved.jsonl"), &moved).expect("a file");
    let output = run(at, &["check", "moved.jsonl", "--baseline", "base.json"]).expect_code(0);
    assert!(output.stderr.contains("baseline: 4 findings accepted\n"), "{}", output.stderr);
    assert!(!output.stderr.contains("no longer found"), "{}", output.stderr);
    // One more of the same, and another one, are new.
    for more in [BAD.to_owned(), BAD.replace("What?", "Who?")] {
        fs::write(at.join("more.jsonl"), format!("{moved}{more}\n")).expect("a file");
        let output = run(at, &["check", "more.jsonl", "--baseline", "base.json"]).expect_code(1);
        assert_eq!(output.stdout.matches("FC001").count(), 1, "{}", output.stdout);
    }
    fs::write(at.join("one.jsonl"), format!("{BAD}\n{GOOD}\n")).expect("a file");
    let output = run(at, &["check", "one.jsonl", "--baseline", "base.json"]).expect_code(0);
    let stale = "baseline: no longer found: FC001: the message makes no call\n";
    assert!(output.stderr.contains(stale), "{}", output.stderr);
    // What is off is not stale.
    let output = run(at, &["check", "one.jsonl", "--baseline", "base.json", "--ignore", "FC001,FC023"]);
    assert!(!output.stderr.contains("no longer found"), "{}", output.stderr);
    fs::write(at.join("rolltape.toml"), "[check]\nbaseline = \"base.json\"\n").expect("a file");
    run(at, &["check", "moved.jsonl"]).expect_code(0);
}

#[test]
fn a_baseline_holds_no_secret_and_bad_ones_are_told() {
    let folder = support::temp();
    let at = folder.path();
    fs::write(at.join("key.json"), BAD.replace("What?", &format!("The key is {}", key()))).expect("a file");
    run(at, &["check", "key.json", "--write-baseline", "base.json"]).expect_code(0);
    let text = fs::read_to_string(at.join("base.json")).expect("a baseline");
    assert!(text.contains("SE001") && !text.contains(&key()), "{text}");
    let mut all = String::new();
    for (name, text) in [
        ("absent.json", None),
        ("text.json", Some("findings")),
        ("other.json", Some("{\"schema\": \"other\"}")),
        (
            "newer.json",
            Some("{\"schema\": \"rolltape-baseline\", \"schema_version\": \"2.0\", \"findings\": []}"),
        ),
        (
            "half.json",
            Some(
                "{\"schema\": \"rolltape-baseline\", \"schema_version\": \"1.0\", \"findings\": [{\"rule\": \"FC001\"}]}",
            ),
        ),
        (
            "rule.json",
            Some(
                "{\"schema\": \"rolltape-baseline\", \"schema_version\": \"1.0\", \"findings\": [{\"rule\": \"FC01\", \"digest\": \"0\", \"count\": 1}]}",
            ),
        ),
    ] {
        if let Some(text) = text {
            fs::write(at.join(name), text).expect("a file");
        }
        all += &run(at, &["check", "key.json", "--baseline", name]).expect_code(2).stderr;
    }
    all += &run(at, &["check", "key.json", "--baseline", "base.json", "--write-baseline", "x"])
        .expect_code(2)
        .stderr;
    insta::assert_snapshot!("check_bad_baselines", all);
}

#[test]
fn statistics_count_rules_models_and_tools() {
    let folder = support::temp();
    let at = folder.path();
    let chat = |model: &str, content: &str| {
        json!({ "model": model, "messages": [
            { "role": "user", "content": "go" }, { "role": "assistant", "content": content } ] })
    };
    let call = "<function=finish>\n</function>";
    let rows =
        [chat("one", call), chat("one", "What?"), chat("two", call), chat("two", &format!("{call}\nmore"))];
    let text: String = rows.iter().map(|row| format!("{row}\n")).collect();
    fs::write(at.join("all.jsonl"), text).expect("a file");
    let output = run(at, &["check", "all.jsonl", "--statistics"]).expect_code(1);
    let (_, block) = output.stdout.split_once("\nstatistics").expect("a block");
    insta::assert_snapshot!("check_statistics", block);
    let output = run(at, &["check", "all.jsonl", "--statistics", "--format=json"]).expect_code(1);
    let report: Value = serde_json::from_str(&output.stdout).expect("JSON");
    let figures = &report["statistics"];
    assert_eq!((&figures["format_ok"]["hits"], &figures["format_ok"]["of"]), (&2.into(), &4.into()));
    // Wilson for 2 of 4 at 95 %: symmetric about one half.
    let bound = |key: &str| figures["format_ok"][key].as_f64().expect("a number");
    assert!((bound("low") - 0.150_03).abs() < 1e-4 && (bound("low") + bound("high") - 1.0).abs() < 1e-12);
    let output = run(at, &["check", "all.jsonl", "--statistics", "--select", "SE", "--format=json"]);
    let report: Value = serde_json::from_str(&output.stdout).expect("JSON");
    assert_eq!(report["statistics"]["format_ok"], Value::Null);
    let plain = run(at, &["check", "all.jsonl", "--format=json"]);
    assert!(!plain.stdout.contains("statistics"));
}

#[test]
fn copies_without_secrets_keep_everything_else() {
    let folder = support::temp();
    let at = folder.path();
    fs::create_dir_all(at.join("in/deep")).expect("a folder");
    let chat = |content: &str| BAD.replace("What?", content);
    let escaped = format!("caf\\u00e9 \\\"{}\\\"\\n", key());
    let lines = format!("{GOOD}\r\n{}\r\n  {BAD}", chat(&escaped));
    fs::write(at.join("in/a.jsonl"), &lines).expect("a file");
    fs::write(at.join("in/deep/notes.md"), format!("key: {}\n", key())).expect("a file");
    fs::write(at.join("in/deep/clean.json"), GOOD).expect("a file");
    fs::write(at.join("in/picture.png"), b"\x89PNG\0\0\0\rIHDR").expect("a file");
    let packed = zstd::stream::encode_all(lines.as_bytes(), 3).expect("zstd");
    fs::write(at.join("in/b.jsonl.zst"), packed).expect("a file");
    let output = run(at, &["check", "in", "--redact", "-o", "out", "--select", "SE"]).expect_code(0);
    assert!(output.stderr.contains("left out: in/picture.png is no text\n"), "{}", output.stderr);
    assert!(
        output.stderr.contains("redacted: 3 secrets in 3 files of 4, written to out\n"),
        "{}",
        output.stderr
    );
    assert!(output.stdout.contains("SE001"), "{}", output.stdout);
    let read = |name: &str| fs::read(at.join("out").join(name)).expect("a copy");
    let copy = String::from_utf8(read("a.jsonl")).expect("text");
    let (head, tail) = lines.split_once(&key()).expect("the key");
    assert!(copy.starts_with(head) && copy.ends_with(tail), "{copy}");
    assert!(!copy.contains(&key()) && copy.contains("<SECRET:"), "{copy}");
    assert_eq!(zstd::stream::decode_all(&*read("b.jsonl.zst")).expect("zstd"), copy.as_bytes());
    assert_eq!(read("deep/clean.json"), GOOD.as_bytes());
    assert!(!read("deep/notes.md").windows(32).any(|part| part == "0".repeat(32).as_bytes()));
    let output = run(at, &["check", "out", "--select", "SE", "--fail-on", "info"]).expect_code(0);
    assert!(!output.stdout.contains("SE001"), "{}", output.stdout);
    // Nothing is written over.
    let output = run(at, &["check", "in", "--redact", "-o", "out"]).expect_code(2);
    assert!(output.stderr.contains("out is not empty"), "{}", output.stderr);
    let output = run(at, &["check", "-", "--redact", "-o", "new"]).expect_code(2);
    assert!(output.stderr.contains("stdin can't be redacted"), "{}", output.stderr);
    let output = run(at, &["check", "in", "--redact"]).expect_code(2);
    assert!(output.stderr.contains("no folder is named"), "{}", output.stderr);
}

/// A chat in whose answer these texts are parts.
fn in_parts(texts: &[&str]) -> String {
    let parts: Vec<_> = texts.iter().map(|text| json!({ "type": "text", "text": text })).collect();
    json!({ "messages": [{ "role": "user", "content": "go" }, { "role": "assistant", "content": parts }] })
        .to_string()
}

#[test]
fn a_secret_in_several_parts_of_a_message_is_found_and_taken_out() {
    let folder = support::temp();
    let at = folder.path();
    let whole = key();
    let (one, rest) = whole.split_at(10);
    let (two, three) = rest.split_at(7);
    let before = "\u{e9}\n\"".to_owned() + one;
    let text = in_parts(&[&before, two, &format!("{three} behind")]);
    fs::write(at.join("parts.json"), &text).expect("a file");
    let output = run(at, &["check", "parts.json", "--redact", "-o", "out", "--select", "SE"]).expect_code(0);
    assert!(
        output.stderr.contains("redacted: 1 secret in 1 file of 1, written to out\n"),
        "{}",
        output.stderr
    );
    assert!(output.stdout.contains("SE001"), "{}", output.stdout);
    let copy = fs::read_to_string(at.join("out/parts.json")).expect("a copy");
    let value: serde_json::Value = serde_json::from_str(&copy).expect("JSON");
    let parts = &value["messages"][1]["content"];
    let first = parts[0]["text"].as_str().expect("text");
    assert!(first.starts_with("\u{e9}\n\"<SECRET:") && first.ends_with('>'), "{copy}");
    assert_eq!((&parts[1]["text"], &parts[2]["text"]), (&json!(""), &json!(" behind")), "{copy}");
}

/// Where parts are plain strings, only a reader knows that they are one text.
#[test]
fn a_secret_that_no_byte_holds_is_told_and_nothing_is_written() {
    let folder = support::temp();
    let at = folder.path();
    let whole = key();
    let (one, two) = whole.split_at(10);
    let chat = json!({ "messages": [{ "role": "user", "content": "go" }, { "role": "assistant", "content": [one, two] }] });
    fs::write(at.join("parts.json"), chat.to_string()).expect("a file");
    let output = run(at, &["check", "parts.json", "--redact", "-o", "out"]).expect_code(2);
    assert!(output.stderr.contains("that can't be taken out"), "{}", output.stderr);
    assert!(!output.stderr.contains(&key()) && !at.join("out").exists());
    let left: Vec<_> =
        fs::read_dir(at).expect("a folder").filter_map(Result::ok).map(|entry| entry.file_name()).collect();
    assert_eq!(left, ["parts.json"]);
}

#[test]
fn what_is_allowed_is_no_secret_and_what_is_set_here_is_one() {
    let folder = support::temp();
    let at = folder.path();
    let said = |text: &str| BAD.replace("What?", text);
    fs::write(at.join("key.json"), said(&key())).expect("a file");
    let strict = ["check", "key.json", "--select", "SE", "--fail-on", "warning"];
    run(at, &strict).expect_code(1);
    fs::write(at.join("allow.txt"), format!("\n {} \n", key())).expect("a file");
    run(at, &[&strict[..], &["--allow-secrets", "allow.txt"]].concat()).expect_code(0);
    fs::write(at.join("rolltape.toml"), format!("[redact]\nallow = [\"{}\"]\n", key())).expect("a file");
    run(at, &strict).expect_code(0);
    let output = run(at, &[&strict[..], &["--allow-secrets", "absent"]].concat()).expect_code(2);
    assert!(output.stderr.contains("can't read 'absent'"), "{}", output.stderr);
    // A value of no known shape, set in the environment.
    let value = "plain-words-of-mine";
    fs::write(at.join("key.json"), said(&format!("it is {value}, or cGxhaW4td29yZHMtb2YtbWluZQ==")))
        .expect("a file");
    fs::write(at.join("rolltape.toml"), "[redact]\nenv = [\"MINE\"]\n").expect("a file");
    let own = |arguments: &[&str]| Rolltape::new(arguments).cwd(at).env("MINE", value).run();
    let output = own(&strict).expect_code(1);
    assert!(!output.stdout.contains(value), "{}", output.stdout);
    assert_eq!(output.stdout.matches("(env.MINE)").count(), 2, "{}", output.stdout);
    own(&["check", "key.json", "--redact", "-o", "out", "--select", "SE"]).expect_code(0);
    let copy = fs::read_to_string(at.join("out/key.json")).expect("a copy");
    assert!(!copy.contains(value) && copy.contains("<SECRET:env.MINE>"), "{copy}");
}

#[test]
fn tool_lists_of_all_kinds_are_read() {
    let folder = support::temp();
    let at = folder.path();
    let schema = json!({ "type": "object", "properties": { "n": { "type": "integer" } }, "required": ["n"] });
    let gemini = json!({ "type": "OBJECT", "properties": { "n": { "type": "INTEGER" } }, "required": ["n"] });
    let described = "You may call:\n---- BEGIN FUNCTION #1: look ----\nDescription: Looks.\nParameters:\n  (1) n (integer, required): A number\n---- END FUNCTION #1 ----\n";
    let chat = |arguments: &str| {
        json!({ "messages": [
            { "role": "user", "content": "go" },
            { "role": "assistant", "content": null, "tool_calls": [
                { "id": "c1", "type": "function", "function": { "name": "look", "arguments": arguments } } ] },
            { "role": "tool", "tool_call_id": "c1", "content": "ok" } ] })
        .to_string()
    };
    fs::write(at.join("good.json"), chat("{\"n\": 1}")).expect("a file");
    fs::write(at.join("bad.json"), chat("{\"n\": \"x\"}")).expect("a file");
    for (name, text) in [
        ("openai.json", json!([{ "type": "function", "function": { "name": "look", "parameters": schema } }]).to_string()),
        ("responses.json", json!({ "tools": [{ "type": "function", "name": "look", "parameters": schema }] }).to_string()),
        ("anthropic.json", json!([{ "name": "look", "input_schema": schema }]).to_string()),
        ("mcp.json", json!({ "jsonrpc": "2.0", "id": 1, "result": { "tools": [{ "name": "look", "inputSchema": schema }] } }).to_string()),
        ("gemini.json", json!([{ "functionDeclarations": [{ "name": "look", "parameters": gemini }] }]).to_string()),
        ("prompt.txt", described.to_owned()),
        ("record.json", json!({ "messages": [{ "role": "system", "content": described }] }).to_string()),
    ] {
        fs::write(at.join(name), text).expect("a file");
        run(at, &["check", "good.json", "--tools", name]).expect_code(0);
        let output = run(at, &["check", "bad.json", "--tools", name]).expect_code(1);
        assert!(output.stdout.contains("parameter 'n' of 'look' is not an integer"), "{name}: {}", output.stdout);
    }
    let mut all = String::new();
    for (name, text) in [
        ("twice.json", json!([{ "name": "look" }, { "name": "look" }]).to_string()),
        ("schema.json", json!([{ "name": "look", "parameters": { "type": "objekt" } }]).to_string()),
        ("nameless.json", json!([{ "parameters": {} }]).to_string()),
        ("text.txt", "look(n)".to_owned()),
        ("object.json", json!({ "a": 1 }).to_string()),
    ] {
        fs::write(at.join(name), text).expect("a file");
        all += &run(at, &["check", "good.json", "--tools", name]).expect_code(2).stderr;
    }
    all += &run(at, &["check", "good.json", "--tools", "absent.json"]).expect_code(2).stderr;
    insta::assert_snapshot!("check_bad_tools", all);
}
