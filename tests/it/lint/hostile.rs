//! Suites that do not parse, hang, err or are interrupted.

use super::{findings, lint, put};
use crate::support::{Rolltape, program, temp};
use serde_json::Value;
use std::os::unix::process::ExitStatusExt as _;
use std::time::{Duration, Instant};
use tempfile::TempDir;

fn suite(text: &str) -> TempDir {
    let folder = temp();
    put(&folder.path().join("s"), "suite.toml", format!("schema = 1\nname = \"s\"\n{text}").as_bytes());
    folder
}

const SUM: &str = "[[task]]\nid = \"sum\"\nprompt = \"Write seven.\"\nscore = [{ kind = \"file\", path = \"out\", equals = \"seven\" }]\n";

#[test]
fn wrong_use_is_told() {
    let folder = suite("[[task]]\nid = \"a b\"\nprompt = 3\n");
    let mut told = String::new();
    for arguments in [
        &["lint"][..],
        &["lint", "nowhere"],
        &["lint", "s"],
        &["lint", "s", "--format", "yaml"],
        &["lint", "s", "--select", "SL099"],
        &["lint", "s", "--ignore", "cheat-score"],
        &["lint", "s", "--select", "SL001", "--no-run"],
        &["lint", "s", "--wall", "soon"],
        &["explain", "SL0055"],
    ] {
        let output = Rolltape::new(arguments).cwd(folder.path()).run().expect_code(2);
        told += &format!("$ rolltape {}\n{}\n", arguments.join(" "), output.stderr);
    }
    insta::assert_snapshot!("lint_refused", told);
    let folder = suite(SUM);
    let output = lint(folder.path(), &["--task", "some"]).expect_code(2);
    assert_eq!(output.stderr, "error: no task matches 'some'\nhint: the tasks are sum\n");
}

#[test]
fn a_solution_that_hangs_is_named_with_its_limit() {
    need!("bash");
    let folder = suite(&format!(
        "{SUM}limits = {{ wall = \"1s\" }}\nsolution = \"sleep 100\"\n[task.cheats]\nslow = \"sleep 100\"\n"
    ));
    let found = findings(folder.path(), &["--select", "SL001,SL005"]);
    assert_eq!(found.len(), 1, "a cheat that hangs scores 0: {found:?}");
    assert_eq!(found[0]["text"], "the solution ran into the limit 'wall' and scores 0");
    // Where the task has no limit, the lint has one.
    let folder = suite(&format!("{SUM}solution = \"sleep 100\"\n"));
    let begin = Instant::now();
    let found = findings(folder.path(), &["--select", "SL001", "--wall", "1s"]);
    assert_eq!(found[0]["text"], "the solution ran into the limit 'wall' and scores 0");
    assert!(begin.elapsed() < Duration::from_secs(60));
}

#[test]
fn a_proof_that_errs_is_no_zero() {
    need!("bash");
    // The kernel takes no longer argument, so neither script can be run.
    let long = format!("# {}", "x".repeat(130 << 10));
    let folder = suite(&format!("{SUM}solution = \"{long}\"\n[task.cheats]\nlong = \"{long}\"\n"));
    let output = lint(folder.path(), &["--select", "SL001,SL005", "--format", "json"]).expect_code(3);
    let value: Value = serde_json::from_str(&output.stdout).expect("JSON");
    assert_eq!(value["findings"], serde_json::json!([]), "nothing is proven, and nothing found");
    assert_eq!(value["errors"].as_array().map(Vec::len), Some(2));
    insta::assert_snapshot!("lint_erred", output.stderr);
    let junit = lint(folder.path(), &["--select", "SL001", "--format", "junit"]).expect_code(3);
    assert!(junit.stdout.contains("errors=\"1\""), "{}", junit.stdout);
}

#[test]
fn what_is_skipped_everywhere_is_no_success() {
    need!("bash");
    let folder = suite(&format!("{SUM}needs = [\"no-such-program\"]\n"));
    let output = lint(folder.path(), &["--select", "SL00"]).expect_code(3);
    assert!(
        output.stdout.contains("SL006 not-proven: task 'sum': nothing is proven here: no program named"),
        "{output:?}"
    );
}

#[test]
fn an_empty_folder_of_cheats_has_none() {
    let folder = temp();
    let suite = folder.path().join("s");
    put(&suite, "suite.toml", b"schema = 1\nname = \"s\"\n");
    put(&suite, "tasks/t/task.toml", b"[metadata.rolltape]\nscore = [{ kind = \"file\", path = \"out\" }]\n");
    put(&suite, "tasks/t/instruction.md", b"Do it.\n");
    std::fs::create_dir(suite.join("tasks/t/cheats")).expect("a folder");
    let found = findings(folder.path(), &["--select", "SL011"]);
    assert_eq!(found[0]["text"], "the task has no cheats/NAME.sh that could be proven to score 0");
    assert_eq!(found[0]["path"], "s/tasks/t/task.toml");
}

#[test]
fn an_interrupted_lint_ends_as_such() {
    need!("bash");
    let folder = suite(&format!("{SUM}solution = \"sleep 100\"\n"));
    let mut child = Rolltape::new(&["lint", "s", "--select", "SL001"]).cwd(folder.path()).spawn();
    std::thread::sleep(Duration::from_millis(1500));
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it lives");
    let code = program::finish(&mut child, Duration::from_secs(30));
    let status = child.wait().expect("it ended");
    assert_eq!(code, Some(130), "{status:?} {:?}", status.signal());
}
