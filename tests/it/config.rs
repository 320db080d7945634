//! `rolltape.toml`: which file counts, what is said of a bad one, and runs against a server that it sets up.

use crate::support::scripted::{Act, Scripted, json, streamed, with_headers};
use crate::support::{self, Rolltape};
use serde_json::{Value, json as j};
use std::path::Path;
use tempfile::TempDir;

const SUITE: &str = r#"
schema = 1
name = "small"
[defaults]
agent = "codeact"
policy = "any"
[[defaults.example]]
user = "Say one."
assistant = "one"
[[task]]
id = "a"
prompt = "Say hello."
score = [{ kind = "regex", pattern = "hello" }]
[[task]]
id = "b"
prompt = "Say hello."
score = [{ kind = "regex", pattern = "hello" }]
[[task]]
id = "c"
prompt = "Say hello."
score = [{ kind = "regex", pattern = "hello" }]
"#;

fn key() -> String {
    format!("zk{}", "7".repeat(30))
}

fn folder(config: &str) -> TempDir {
    let folder = support::temp();
    write(folder.path(), "suite/suite.toml", SUITE);
    if !config.is_empty() {
        write(folder.path(), "rolltape.toml", config);
    }
    folder
}

fn write(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn own(url: &str) -> String {
    format!(
        "[backend.own]\nkind = \"openai_chat\"\nbase_url = \"{url}\"\nkey_env = \"OWN_KEY\"\nmodel = \"m\"\nmax_retries = 2\n"
    )
}

fn run(folder: &Path, more: &[&str]) -> Rolltape {
    let mut arguments = vec!["run", "suite", "--sandbox", "none", "-j", "1", "--out", "out"];
    arguments.extend(more);
    Rolltape::new(&arguments).cwd(folder).env("OWN_KEY", key())
}

fn says(text: &str) -> Vec<Act> {
    let event = |delta: Value, reason: Value| {
        j!({"model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}).to_string()
    };
    let mut events: Vec<String> =
        text.split_inclusive(' ').map(|part| event(j!({"content": part}), Value::Null)).collect();
    events.push(event(j!({}), "stop".into()));
    events.push(j!({"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 2}}).to_string());
    events.push("[DONE]".to_owned());
    streamed(&events.iter().map(String::as_str).collect::<Vec<_>>())
}

fn records(folder: &Path) -> Vec<Value> {
    let text = support::read(&folder.join("out/attempts.jsonl"));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Everything that is written anywhere below a folder.
fn all_bytes(folder: &Path) -> Vec<u8> {
    let files =
        walkdir::WalkDir::new(folder).into_iter().flatten().filter(|entry| entry.file_type().is_file());
    files.flat_map(|entry| std::fs::read(entry.path()).unwrap()).collect()
}

#[test]
fn a_streamed_run_is_recorded_and_replays_alike_without_the_key() {
    // The model says the key, in pieces and in one.
    let split = {
        let key = key();
        let (head, tail) = key.split_at(9);
        let part = |text: &str| j!({"choices": [{"index": 0, "delta": {"content": text}}]}).to_string();
        let stop =
            j!({"model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}).to_string();
        streamed(&[&part("hello "), &part(head), &part(tail), &stop, "[DONE]"])
    };
    let server = Scripted::start(vec![says("hello to you"), split, says(&format!("hello {}", key()))]);
    let folder = folder(&own(&server.url()));
    let first = run(folder.path(), &["--backend", "own", "--format", "json"]).run().expect_code(0);
    assert!(first.stderr.contains("with the key of OWN_KEY, says rolltape.toml:1"), "{}", first.stderr);
    let written = all_bytes(&folder.path().join("out"));
    assert!(!String::from_utf8_lossy(&written).contains(&key()[..12]), "the key was written");
    assert!(!(first.stdout + &first.stderr).contains(&key()));
    let tape = support::read(&folder.path().join("out/cassette.jsonl"));
    let lines: Vec<Value> = tape.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    // The events stay as they came; only what holds a key in pieces is told as a body.
    assert_eq!(lines.iter().map(|line| line["sse"].is_array()).collect::<Vec<_>>(), [true, false, true]);
    assert_eq!(lines[0]["sse"].as_array().unwrap().len(), 6);
    // Examples go before the prompt, and nobody judges them.
    let roles: Vec<&str> = lines[0]["new_messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| message["role"].as_str().unwrap())
        .collect();
    assert_eq!(roles, ["system", "user", "assistant", "user"]);
    let then = records(folder.path());
    assert!(then.iter().all(|record| record["messages"] == 1 && record["success"] == true), "{then:?}");

    std::fs::rename(folder.path().join("out"), folder.path().join("tape")).unwrap();
    let again = run(folder.path(), &["--backend", "cassette:tape"]).run().expect_code(0);
    assert!(!again.stderr.contains("own"), "{}", again.stderr);
    let now = records(folder.path());
    for (then, now) in then.iter().zip(&now) {
        // A tape holds the key's placeholder: that it was said is told where the key is known.
        let findings = |record: &Value| {
            let all = record["findings"].as_array().unwrap().iter();
            all.filter(|finding| finding["rule"] != "SE001").cloned().collect::<Vec<_>>()
        };
        assert_eq!(findings(then), findings(now));
        for field in ["outcome", "usage", "scores", "messages", "success"] {
            assert_eq!(then[field], now[field], "{field}");
        }
        assert_eq!(now["drift"], j!([]), "{now}");
    }
    assert_eq!(server.requests().len(), 3);
}

#[test]
fn a_refused_key_ends_the_run() {
    let refused = json(401, &j!({"error": {"message": format!("no such key: {}", key())}}));
    let server = Scripted::start(vec![refused]);
    let folder = folder(&own(&server.url()));
    let output = run(folder.path(), &["--backend", "own"]).run().expect_code(3);
    assert_eq!(server.requests().len(), 1);
    let told: Vec<&str> =
        output.stderr.lines().filter(|line| line.contains("nothing more was started")).collect();
    let [told] = told[..] else { panic!("{}", output.stderr) };
    insta::assert_snapshot!(told.replace(&server.authority(), "HOST"));
    let records = records(folder.path());
    let outcomes: Vec<&str> = records.iter().map(|record| record["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["error", "cancelled", "cancelled"]);
    assert_eq!(records[0]["error"]["class"], "backend_auth");
    assert!(!String::from_utf8_lossy(&all_bytes(&folder.path().join("out"))).contains(&key()));
    // With a good key the run goes on where it was.
    let server = Scripted::start(vec![says("hello")]);
    write(folder.path(), "rolltape.toml", &own(&server.url()));
    let resume = ["resume", "out", "--retry-errors"];
    Rolltape::new(&resume).cwd(folder.path()).env("OWN_KEY", key()).run().expect_code(0);
    assert_eq!(server.requests().len(), 3);
}

#[test]
fn retries_and_servers_that_fail_are_no_failures_of_the_model() {
    let busy = with_headers(503, &[("retry-after", "0")], "busy");
    let server = Scripted::start(vec![busy.clone(), says("hello"), says("bye"), busy]);
    let folder = folder(&own(&server.url()));
    let output = run(folder.path(), &["--backend", "own"]).run().expect_code(3);
    assert!(output.stderr.contains("3 requests had to be sent again"), "{}", output.stderr);
    let records = records(folder.path());
    let outcomes: Vec<&str> = records.iter().map(|record| record["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["passed", "failed", "error"]);
    assert_eq!(records[0]["timing"]["retries"][0]["turn"], 1);
    assert_eq!(records[1]["timing"]["retries"], Value::Null);
    assert_eq!(records[2]["success"], Value::Null);
}

#[test]
fn a_wall_that_a_failing_server_uses_up_is_no_limit_of_the_model() {
    let server = Scripted::start(vec![with_headers(503, &[("retry-after", "60")], "busy")]);
    let folder = folder(&own(&server.url()));
    write(
        folder.path(),
        "suite/suite.toml",
        &SUITE.replace("policy = \"any\"", "policy = \"any\"\nlimits = { wall = \"300ms\" }"),
    );
    run(folder.path(), &["--backend", "own", "--task", "a"]).run().expect_code(3);
    let record = &records(folder.path())[0];
    let message = record["error"]["message"].as_str().unwrap().replace(&server.authority(), "HOST");
    insta::assert_snapshot!(message, @"the wall clock ran out while the back end failed: the server HOST has too much to do (status 503: 'busy')");
}

#[test]
fn what_can_not_be_asked_is_told_before_anything_starts() {
    let folder = folder(concat!(
        "[backend.own]\nkind = \"openai_chat\"\nbase_url = \"http://127.0.0.1:9\"\nkey_env = \"OWN_KEY\"\n",
        "[backend.bare]\nkind = \"openai_chat\"\n",
    ));
    let told: Vec<String> =
        ["own", "own:m", "bare:m", "deepseek:deepseek-chat", "openai_chat:m", "anthropic", "owm", "ollama"]
            .into_iter()
            .map(|name| {
                let run = run(folder.path(), &["--backend", name])
                    .env("OWN_KEY", if name == "own" { "x" } else { "" });
                let output =
                    run.env_remove("DEEPSEEK_API_KEY").env_remove("ANTHROPIC_API_KEY").run().expect_code(2);
                format!("{name}\n{}", output.stderr)
            })
            .collect();
    assert!(!folder.path().join("out").exists());
    insta::assert_snapshot!(told.join("\n"));
    let twisted =
        run(folder.path(), &["--backend", "own:m"]).env("OWN_KEY", "two words").run().expect_code(2);
    assert!(!twisted.stderr.contains("two words"), "{}", twisted.stderr);
}

#[test]
fn errors_of_all_configurations_come_at_once() {
    let folder = folder("[backend.own]\nkind = \"openai-chat\"\nbaseurl = 1\n");
    let home = support::temp();
    write(home.path(), "rolltape/rolltape.toml", "[backends.x]\n");
    let at_home = |run: Rolltape| run.env("XDG_CONFIG_HOME", home.path());
    let output = at_home(run(folder.path(), &["--backend", "own"])).run().expect_code(2);
    insta::assert_snapshot!(output.masked(home.path(), "[home]"));
    std::fs::write(folder.path().join("rolltape.toml"), b"[backend.own]\nmodel = \"\xff\"\n").unwrap();
    let output = run(folder.path(), &["--backend", "own"]).run().expect_code(2);
    insta::assert_snapshot!(output.stderr);
    // Agents that ask no model, and tapes, are not in need of a configuration; a tape's errors are its own.
    run(folder.path(), &["--agent", "nop"]).run().expect_code(1);
}

#[test]
fn the_nearest_configuration_counts_and_the_command_line_before_all() {
    let server = Scripted::start(vec![says("hello")]);
    let table = |model: &str| own(&server.url()).replace("\"m\"", &format!("\"{model}\""));
    let folder = folder(&table("of-the-project"));
    let (home, other) = (support::temp(), support::temp());
    write(
        home.path(),
        "rolltape/rolltape.toml",
        &format!(
            "{}[backend.second]\nkind = \"openai_chat\"\nbase_url = \"{}\"\nmodel = \"of-the-user\"\n",
            table("hidden"),
            server.url()
        ),
    );
    write(other.path(), "c.toml", &table("of-the-variable"));
    std::fs::create_dir_all(folder.path().join("below/it")).unwrap();
    let last_model = || {
        let requests = server.requests();
        let body: Value =
            serde_json::from_str(requests.last().unwrap().split_once("\r\n\r\n").unwrap().1).unwrap();
        body["model"].as_str().unwrap().to_owned()
    };
    let ask = |more: &[&str], variables: &[(&str, &Path)]| {
        let mut arguments = vec!["-q", "run", "../../suite", "--sandbox", "none", "--task", "a", "--out"];
        let out = support::temp();
        let out = out.path().join("out").display().to_string();
        arguments.push(&out);
        arguments.extend(more);
        let mut run = Rolltape::new(&arguments).cwd(folder.path().join("below/it")).env("OWN_KEY", key());
        run = run.env("XDG_CONFIG_HOME", home.path());
        for (name, value) in variables {
            run = run.env(*name, *value);
        }
        run.run().expect_code(0);
        last_model()
    };
    assert_eq!(ask(&["--backend", "own"], &[]), "of-the-project");
    assert_eq!(ask(&["--backend", "own:flag"], &[]), "flag");
    assert_eq!(ask(&["--backend", "second"], &[]), "of-the-user");
    let variable = other.path().join("c.toml");
    assert_eq!(ask(&["--backend", "own"], &[("ROLLTAPE_CONFIG", &variable)]), "of-the-variable");
    assert_eq!(ask(&[], &[("ROLLTAPE_BACKEND", Path::new("second"))]), "of-the-user");
    assert_eq!(ask(&["--backend", "own"], &[("ROLLTAPE_BACKEND", Path::new("second"))]), "of-the-project");
    let lost = run(folder.path(), &["--backend", "own"])
        .env("ROLLTAPE_CONFIG", "/nonexistent/c.toml")
        .run()
        .expect_code(2);
    insta::assert_snapshot!(lost.stderr);
}
