//! `rolltape lint`: every lint by the examples of its manual, and what hostile suites do to it.

mod git;
mod hostile;

use crate::support::{Output, Rolltape, root, temp};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// `rolltape -q lint s …` in a folder.
pub(super) fn lint(folder: &Path, more: &[&str]) -> Output {
    let mut arguments = vec!["-q", "lint", "s"];
    arguments.extend(more);
    Rolltape::new(&arguments).cwd(folder).run()
}

/// Puts a file below a folder.
pub(super) fn put(folder: &Path, path: &str, bytes: &[u8]) {
    let path = folder.join(path);
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    fs::write(path, bytes).expect("a file");
}

/// The findings of a lint with `--format json`.
#[track_caller]
pub(super) fn findings(folder: &Path, more: &[&str]) -> Vec<Value> {
    let mut arguments = vec!["--format", "json"];
    arguments.extend(more);
    let output = lint(folder, &arguments);
    let value: Value =
        serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    value["findings"].as_array().expect("findings").clone()
}

/// Files of the example under a heading of a manual.
fn example(manual: &str, heading: &str) -> Vec<(String, String)> {
    let Some((_, rest)) = manual.split_once(&format!("\n## {heading}\n")) else { return Vec::new() };
    let section = rest.split("\n## ").next().expect("a section");
    let blocks = section.split("\n````file ").skip(1);
    blocks
        .map(|block| {
            let (path, text) = block.split_once('\n').expect("a path");
            // No text in the shape of a key stands in the tree.
            let key = "a1B2c3D4".repeat(4);
            let text = text.split("````").next().expect("an end").replace("@KEY@", &key);
            (path.to_owned(), text)
        })
        .collect()
}

/// Ids that a lint of these files finds.
fn found(files: &[(String, String)], id: &str) -> BTreeSet<String> {
    let folder = temp();
    for (path, text) in files {
        put(&folder.path().join("s"), path, text.as_bytes());
    }
    let found = findings(folder.path(), &["--select", id]);
    found.iter().map(|finding| finding["lint"].as_str().expect("an id").to_owned()).collect()
}

#[test]
fn examples_of_manuals_are_found_and_good_ones_are_not() {
    need!("bash");
    let mut without = Vec::new();
    for lint in rolltape::lint::ALL {
        let (bad, good) = (example(lint.manual, "Bad"), example(lint.manual, "Good"));
        if bad.is_empty() {
            without.push(lint.id);
            continue;
        }
        assert_eq!(found(&bad, lint.id), BTreeSet::from([lint.id.to_owned()]), "{}: bad", lint.id);
        assert_eq!(found(&good, lint.id), BTreeSet::new(), "{}: good", lint.id);
    }
    // A repository can't stand in a page: its tests are in `lint/git.rs`.
    assert_eq!(without, ["SL020"]);
}

#[test]
fn every_lint_has_its_manual_and_an_id_of_its_own() {
    let mut ids = BTreeSet::new();
    for lint in rolltape::lint::ALL {
        assert!(ids.insert(lint.id) && ids.insert(lint.name), "{} stands twice", lint.id);
        assert!(lint.id.starts_with("SL") && lint.id.len() == 5, "{}", lint.id);
        let title = format!("# {} {}\n", lint.id, lint.name);
        assert!(lint.manual.starts_with(&title), "{}", lint.id);
        for heading in ["What", "Why", "How to mend it"] {
            assert!(lint.manual.contains(&format!("\n## {heading}\n")), "{}: {heading}", lint.id);
        }
    }
    let told = Rolltape::new(&["explain", "cheat-scores"]).run().expect_code(0);
    assert!(told.stdout.starts_with("SL005 cheat-scores (error, since 0.1.0)\n"), "{}", told.stdout);
    let listed = Rolltape::new(&["list", "lints"]).run().expect_code(0);
    assert_eq!(listed.stdout.lines().count(), rolltape::lint::ALL.len());
}

#[test]
fn what_init_makes_is_clean() {
    need!("bash");
    let folder = temp();
    Rolltape::new(&["init", "s"]).cwd(folder.path()).run().expect_code(0);
    let found = findings(folder.path(), &[]);
    // Where nothing hides the checks, the task with hidden ones is skipped, and said to be.
    assert!(found.iter().all(|finding| finding["lint"] == "SL006"), "{found:?}");
    lint(folder.path(), &[]).expect_code(0);
}

#[test]
fn the_shipped_suite_is_clean() {
    need!("bash", "curl");
    let suite = root().join("suites/deepseek-api").display().to_string();
    Rolltape::new(&["lint", &suite, "--no-run", "--fail-on", "info"]).run().expect_code(0);
    // All its proofs are made one by one in `proof.rs`.
    let output = Rolltape::new(&["-q", "lint", &suite, "--task", "hello", "--fail-on", "info"]).run();
    assert!(output.code == 0, "{output:?}");
    assert!(!output.stdout.contains(" 0 proofs"), "{}", output.stdout);
}

/// A suite with something wrong in several ways.
fn wrong() -> tempfile::TempDir {
    let folder = temp();
    let suite = r#"schema = 1
name = "wrong"

[[task]]
id = "a"
prompt = "Say seven, % or : here."
score = [{ kind = "includes", text = "seven" }]

[[task]]
id = "b"
prompt = "Write seven into out.txt."
solution = "echo 7 > out.txt"
needs = ["gpu"]
score = [{ kind = "file", path = "out.txt", equals = "seven" }]
"#;
    put(&folder.path().join("s"), "suite.toml", suite.as_bytes());
    folder
}

#[test]
fn outputs_say_the_same() {
    need!("bash");
    let folder = wrong();
    let mut told = String::new();
    for format in ["text", "json", "junit", "github"] {
        let output = lint(folder.path(), &["--format", format]).expect_code(1);
        told += &format!("--- {format}\n{}\n", output.stdout);
    }
    let stamps = regex::Regex::new(r#" (timestamp|time|uuid)="[^"]*""#).expect("a pattern");
    insta::assert_snapshot!("lint_outputs", stamps.replace_all(&told, ""));
}

#[test]
fn what_fails_is_the_users_choice() {
    let folder = wrong();
    // Without runs there are warnings and information only.
    lint(folder.path(), &["--no-run"]).expect_code(0);
    lint(folder.path(), &["--no-run", "--fail-on", "warning"]).expect_code(1);
    lint(folder.path(), &["--no-run", "--fail-on", "warning", "--select", "SL011"]).expect_code(0);
    lint(folder.path(), &["--no-run", "--fail-on", "info", "--select", "no-cheats"]).expect_code(1);
    let all = "SL010,SL011,SL013,SL014,SL023";
    lint(folder.path(), &["--no-run", "--fail-on", "info", "--ignore", all]).expect_code(0);
    assert!(findings(folder.path(), &["--no-run", "--task", "b"]).iter().all(|one| one["task"] == "b"));
}
