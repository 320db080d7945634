//! A real model: its recording replays, and its server is asked, recorded, replayed and checked.

use crate::support::{self, Rolltape};
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::BufRead as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const MODEL: &str = "smollm2-135m-instruct";

fn suite() -> String {
    support::root().join("trajectories/smollm2/suite").display().to_string()
}

fn lines(path: &Path) -> Vec<Value> {
    support::read(path).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn run(folder: &Path, backend: &str, out: &str, more: &[&str]) {
    let suite = suite();
    let mut arguments = vec!["run", &suite, "--backend", backend, "-j", "1", "--out", out];
    arguments.extend(more);
    // Two turns are the limit, and the model never finishes.
    Rolltape::new(&arguments).cwd(folder).timeout(Duration::from_mins(8)).run().expect_code(1);
}

/// What must be the same in a replay.
fn told(folder: &Path) -> Vec<Value> {
    let records = lines(&folder.join("attempts.jsonl"));
    let fields =
        ["task_id", "outcome", "limit", "success", "format_ok", "findings", "messages", "calls", "usage"];
    records.iter().map(|record| fields.iter().map(|field| record[*field].clone()).collect()).collect()
}

fn rules(records: &[Value]) -> BTreeSet<String> {
    let findings = records.iter().flat_map(|record| record["findings"].as_array().unwrap());
    findings.map(|finding| finding["rule"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_recording_of_a_real_model_replays() {
    let tape = support::root().join("trajectories/smollm2");
    for line in lines(&tape.join("cassette.jsonl")) {
        assert!(line["sse"].as_array().is_some_and(|events| events.len() > 5), "it was streamed");
        assert!(line["body"].is_null());
    }
    let folder = support::temp();
    run(folder.path(), &format!("cassette:{}", tape.display()), "out", &[]);
    let records = lines(&folder.path().join("out/attempts.jsonl"));
    assert_eq!(records.len(), 3);
    assert!(
        records.iter().all(|record| record["outcome"] == "limit" && record["messages"] == 2),
        "{records:?}"
    );
    assert_eq!(records[0]["format_ok"], true);
    // Examples are part of the frame: they hold calls, and are not counted.
    assert_eq!(records[0]["calls"], 2);
    let found = rules(&records);
    for rule in ["FC001", "FC005", "FC016"] {
        assert!(found.contains(rule), "{rule}: {found:?}");
    }
    let drift: Vec<&Value> = records.iter().map(|record| &record["drift"]).collect();
    assert!(drift.iter().all(|drift| drift.as_array().unwrap().is_empty()), "{drift:?}");
}

/// The server; it ends when its stdin is closed.
pub(crate) struct Server {
    child: Child,
    pub(crate) url: String,
}

impl Server {
    pub(crate) fn start() -> Self {
        let mut child = Command::new(support::needs::venv_folder("llm").join("bin/python"))
            .arg(support::fixture("llm/serve.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut url = String::new();
        std::io::BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        assert!(url.starts_with("http://127.0.0.1:"), "{url}");
        Self { child, url: url.trim().to_owned() }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        if support::program::finish(&mut self.child, Duration::from_secs(10)).is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

#[test]
fn a_real_server_is_streamed_recorded_replayed_and_checked() {
    need!(venv("llm"));
    let server = Server::start();
    let folder = support::temp();
    let folder = folder.path();
    // Figures are those of a busy machine: the first prompt alone may take half a minute.
    let more = "model = \"smollm2-135m-instruct\"\nmax_retries = 0\nparams = { max_tokens = 24, temperature = 0, seed = 1 }\n\
                timeouts = { first_byte = \"4m\", idle = \"2m\" }\n";
    let url = &server.url;
    let config = format!(
        "[backend.llama_cpp]\nbase_url = \"{url}/v1\"\n{more}[backend.messages]\nkind = \"anthropic\"\nbase_url = \"{url}\"\n{more}\
         [backend.other]\nkind = \"openai_chat\"\nbase_url = \"{url}/nowhere\"\n{more}"
    );
    std::fs::write(folder.join("rolltape.toml"), config).unwrap();

    let two = ["--task", "list", "--task", "sum"];
    run(folder, "llama_cpp", "chat", &two);
    let exchanges = lines(&folder.join("chat/cassette.jsonl"));
    assert_eq!(exchanges.len(), 4);
    for line in &exchanges {
        let events = line["sse"].as_array().unwrap();
        let times: Vec<u64> = events.iter().map(|event| event["t_ms"].as_u64().unwrap()).collect();
        assert!(times.is_sorted() && times[0] < times[times.len() - 1], "{times:?}");
        assert!(line["usage"]["prompt_tokens"].as_u64().unwrap() > 1000, "{line}");
    }
    // The same prompt again comes out of the server's cache, and it says so.
    assert!(exchanges[2]["usage"]["cached_tokens"].as_u64().unwrap() > 0);

    run(folder, "cassette:chat", "replayed", &two);
    assert_eq!(told(&folder.join("chat")), told(&folder.join("replayed")));

    let live = rules(&lines(&folder.join("chat/attempts.jsonl")));
    assert!(live.contains("FC001") || live.contains("FC005"), "{live:?}");
    let checked = Rolltape::new(&["check", "chat", "--format", "json"]).cwd(folder).run().expect_code(1);
    let checked: Value = serde_json::from_str(&checked.stdout).unwrap();
    let by_rule = checked["by_rule"].as_object().unwrap();
    assert_eq!(by_rule.keys().cloned().collect::<BTreeSet<_>>(), live);
    assert_eq!(checked["messages"], 4);

    // The same model through the Messages API.
    run(folder, "messages", "spoken", &["--task", "sum"]);
    run(folder, "cassette:spoken", "respoken", &["--task", "sum"]);
    assert_eq!(told(&folder.join("spoken")), told(&folder.join("respoken")));
    let spoken = lines(&folder.join("spoken/cassette.jsonl"));
    assert!(spoken[0]["sse"][0]["data"].as_str().unwrap().contains("message_start"), "{}", spoken[0]);
    assert!(spoken[0]["usage"]["completion_tokens"].as_u64().is_some(), "{}", spoken[0]);
    assert_eq!(lines(&folder.join("spoken/attempts.jsonl"))[0]["subject"]["model"], MODEL);

    // What a real server says to a path that it has not.
    let suite = suite();
    let arguments = ["run", &suite, "--backend", "other", "--task", "sum", "--out", "lost"];
    let lost = Rolltape::new(&arguments).cwd(folder).run().expect_code(3);
    assert!(lost.stdout.contains("has no chat/completions below its base_url"), "{}", lost.stdout);
}
