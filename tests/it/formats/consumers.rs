//! What is written is loaded by the models of those who consume it: the clients of the APIs, and Harbor.

use crate::support::{self, Rolltape, needs::venv_folder, root};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Converts to a format and has all of it loaded.
fn loads(format: &str, more: &[&str], inputs: &[PathBuf], folder: &Path) {
    let out = folder.join(format!("{format}{}.jsonl", more.join("")));
    let mut arguments = vec!["convert", "--to", format, "-o", out.to_str().expect("a name")];
    arguments.extend(more);
    arguments.extend(inputs.iter().map(|path| path.to_str().expect("a name")));
    let output = Rolltape::new(&arguments).run();
    // Folders of real data hold damaged files too: they are said, and the rest is converted.
    assert!(matches!(output.code, 0 | 2), "{}", output.stderr);
    let output = Command::new(venv_folder("formats").join("bin/python"))
        .arg(root().join("tests/it/formats/consumers.py"))
        .arg(format)
        .arg(&out)
        .output()
        .expect("python");
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && text.contains("all is well with"), "{text:.3000}");
    assert!(!text.contains("well with 0"), "{text}");
}

fn inputs() -> Vec<PathBuf> {
    let mut inputs = vec![support::fixture("formats"), root().join("reports/sample/trajectories.jsonl")];
    inputs.extend(support::data_dir());
    inputs
}

#[test]
fn clients_load_what_is_written() {
    need!(venv("formats"));
    let folder = support::temp();
    for format in ["openai-chat", "openai-responses", "anthropic", "gemini"] {
        loads(format, &[], &inputs(), folder.path());
        loads(format, &["--calls-as", "native"], &inputs(), folder.path());
        loads(format, &["--calls-as", "openhands"], &inputs(), folder.path());
    }
}

#[test]
fn harbor_loads_what_is_written() {
    need!(venv("formats"));
    let folder = support::temp();
    loads("atif", &[], &inputs(), folder.path());
    loads("atif", &["--calls-as", "native"], &inputs(), folder.path());
}
