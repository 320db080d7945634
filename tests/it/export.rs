//! `export` as a user runs it: rows, splits, pairs, groups, secrets, the proof, bad input, real consumers.

mod bad;
mod consumers;
mod proof;
mod rows;

use crate::support::{Output, Rolltape, root, temp};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Sources and exports of one test.
struct Bench {
    folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        Self { folder: temp() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file of JSON lines.
    fn lines(&self, name: &str, rows: &[Value]) -> String {
        let text: String = rows.iter().map(|row| format!("{row}\n")).collect();
        fs::write(self.path(name), text).unwrap();
        name.to_owned()
    }

    /// Runs `export` in the folder.
    fn export(&self, arguments: &[&str]) -> Output {
        let all: Vec<&str> = ["export"].iter().chain(arguments).copied().collect();
        Rolltape::new(&all).cwd(self.folder.path()).run()
    }

    /// Exports to `out` and reads its rows.
    fn rows(&self, source: &str, target: &str, more: &[&str]) -> Vec<Value> {
        let out = self.path("out");
        let _ = fs::remove_dir_all(&out);
        let all: Vec<&str> =
            [source, "--target", target, "-o", "out", "--verify"].iter().chain(more).copied().collect();
        self.export(&all).expect_code(0);
        rows_of(&out.join("train.jsonl"))
    }

    /// Reasons in `rejected.jsonl` of the last export.
    fn reasons(&self) -> Vec<String> {
        let rejected = rows_of(&self.path("out/rejected.jsonl"));
        rejected.iter().map(|line| line["reason"].as_str().unwrap().to_owned()).collect()
    }
}

fn rows_of(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The committed run: text calls, two subjects.
fn sample() -> String {
    root().join("reports/sample").display().to_string()
}

/// A native dialogue of one call; `arguments` as the model wrote them.
fn native(question: &str, arguments: &str) -> Value {
    json!({
        "tools": [{"type": "function", "function": {"name": "look", "description": "Looks.", "parameters":
            {"type": "object", "properties": {"path": {"type": "string"}, "depth": {"type": "integer"}}}}}],
        "messages": [
            {"role": "system", "content": "You help."},
            {"role": "user", "content": question},
            {"role": "assistant", "content": null, "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "look", "arguments": arguments}}]},
            {"role": "tool", "tool_call_id": "c1", "name": "look", "content": "two files"},
            {"role": "assistant", "content": "There are two files."},
        ],
    })
}

/// A dialogue without calls.
fn plain(question: &str, answer: &str) -> Value {
    json!({"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]})
}
