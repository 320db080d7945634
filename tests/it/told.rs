//! What users see of how a format was told: `-v`, `by_format`, and the error where nothing fits.

use crate::support::{self, Rolltape};
use serde_json::{Value, json};
use std::fs;

/// A folder of files of several formats.
fn mixed() -> tempfile::TempDir {
    let folder = support::temp();
    let chat = json!({"messages": [{"role": "user", "content": "go"},
        {"role": "assistant", "content": "<function=finish>\n</function>"}]});
    let rollout = json!({"messages": [], "prompt": [], "completion": [{"role": "assistant", "content": "so"}],
        "reward": 1, "example_id": 2});
    let atif = json!({"schema_version": "ATIF-v1.8", "session_id": "s", "agent": {"name": "a", "version": "1"},
        "steps": [{"step_id": 1, "source": "user", "message": "go"}]});
    let event = |id: u64, source: &str| {
        json!({"id": id, "timestamp": "t", "source": source, "action": "message",
        "message": "m", "args": {"content": "go"}})
    };
    for (name, text) in [
        ("a.json", chat.to_string()),
        ("b.jsonl", format!("{chat}\n{chat}\n")),
        ("c.json", atif.to_string()),
        ("d.json", rollout.to_string()),
        ("e/events/0.json", event(0, "user").to_string()),
        ("e/events/1.json", event(1, "agent").to_string()),
        ("note.txt", "no transcript\n".to_owned()),
    ] {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, text).expect("written");
    }
    folder
}

const SAID: &str = "a.json: openai-chat (confidence 80)
b.jsonl: openai-chat (confidence 80)
c.json: atif (confidence 100)
d.json: verifiers (confidence 90, runner-up openai-chat 60)
e/events/0.json: openhands-v0-events (2 files that belong together)
";

#[test]
fn verbose_says_what_each_file_was_read_as() {
    let folder = mixed();
    let run = |arguments: &[&str]| Rolltape::new(arguments).cwd(folder.path()).run();
    let files = ["a.json", "b.jsonl", "c.json", "d.json", "e"];
    let check: Vec<&str> = ["check", "-v", "--select", "SE"].into_iter().chain(files).collect();
    assert_eq!(run(&check).stderr, SAID);
    let convert: Vec<&str> =
        ["convert", "-v", "--to", "atif", "-o", "out.jsonl"].into_iter().chain(files).collect();
    let said = run(&convert).stderr;
    assert!(said.starts_with(SAID), "{said}");
    let said = run(&["show", "-v", "."]).stderr;
    assert!(said.starts_with(&SAID.replace('\n', "\n./").replacen("a.json", "./a.json", 1)[..40]), "{said}");
    let said = run(&["show", "-v", "a.json", "--from", "openai-chat"]).stderr;
    assert_eq!(said, "a.json: openai-chat (as --from says)\n");
    for quiet in [&["check", "--select", "SE", "a.json"][..], &["check", "-q", "a.json"], &["show", "a.json"]]
    {
        assert_eq!(run(quiet).stderr, "", "{quiet:?}");
    }
}

#[test]
fn the_json_output_counts_files_by_format() {
    let folder = mixed();
    for threads in ["1", "3"] {
        let output = Rolltape::new(&["check", ".", "--format", "json", "--select", "SE"])
            .cwd(folder.path())
            .env("RAYON_NUM_THREADS", threads)
            .run()
            .expect_code(0);
        let told: Value = serde_json::from_str(&output.stdout).expect("JSON");
        let wanted = json!({"atif": 1, "openai-chat": 2, "openhands-v0-events": 2, "verifiers": 1});
        assert_eq!((&told["by_format"], &told["files"]), (&wanted, &json!(6)));
    }
}

#[test]
fn a_near_miss_is_told_with_what_it_lacks() {
    let text = r#"{"trajectory": [{"action": "ls", "observation": "a", "thought": "t"}], "info": {}}"#;
    let output = Rolltape::new(&["check", "-"]).stdin(text).run().expect_code(2);
    let first = "error: -: of no known format (not swe-agent, 4 of 8 marks: it has no \"history\"; not ";
    assert!(output.stderr.starts_with(first), "{}", output.stderr);
    assert!(output.stderr.contains("\nhint: name its format with --from"), "{}", output.stderr);
}
