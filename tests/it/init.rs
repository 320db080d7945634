//! A new suite works at once, proves itself, and is never half made.

use crate::support::{Output, Rolltape, rolltape, temp};
use std::fs;
use std::path::Path;

fn here(folder: &Path, arguments: &[&str]) -> Output {
    Rolltape::new(arguments).cwd(folder).run()
}

/// Passed and scored attempts of a run.
fn success(folder: &Path, arguments: &[&str]) -> (u64, u64) {
    let all: Vec<&str> = arguments.iter().chain(&["--format", "json"]).copied().collect();
    let output = here(folder, &all);
    let value: serde_json::Value =
        serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    let success = &value["totals"]["success"];
    (success["passed"].as_u64().unwrap(), success["of"].as_u64().unwrap())
}

#[test]
fn the_suite_works_at_once_and_proves_itself() {
    let folder = temp();
    let here_ = folder.path();
    let told = here(here_, &["init", "new/my suite"]).expect_code(0);
    insta::assert_snapshot!("init_told", told.masked(here_, "HERE"));
    here(here_, &["run", "new/my suite"]).expect_code(0);
    let suite = "new/my suite";
    // Without Landlock and user namespaces the task with hidden tests is skipped, and says so.
    let (passed, scored) = success(here_, &["run", suite]);
    assert!(passed == scored && scored >= 1, "{passed}/{scored}");
    assert_eq!(success(here_, &["run", suite, "--agent", "oracle"]), (scored, scored));
    assert_eq!(success(here_, &["run", suite, "--agent", "nop"]), (0, scored));
    assert_eq!(success(here_, &["run", suite, "--agent", "cheat:only-talk"]), (0, scored));
    let (passed, _) = success(here_, &["run", suite, "--agent", "cheat:known-answer", "--task", "total"]);
    assert_eq!(passed, 0);
    let readme = fs::read_to_string(here_.join(suite).join("README.md")).unwrap();
    assert!(readme.contains("rolltape run 'new/my suite'") && !readme.contains('@'), "{readme}");
}

#[test]
fn hidden_tests_run_at_every_level() {
    let folder = temp();
    here(folder.path(), &["init", "s"]).expect_code(0);
    for level in ["overlay", "user", "process"] {
        let output = here(folder.path(), &["run", "s", "--level", level, "--task", "total"]);
        if output.code == 3 && output.stderr.contains("level") {
            eprintln!("SKIP: this machine has no level {level}");
            continue;
        }
        let output = output.expect_code(if level == "process" { output_code(folder.path()) } else { 0 });
        assert!(!output.stdout.contains("no program named"), "{}", output.stdout);
    }
}

/// What a run at the level `process` ends with: nothing is executed where Landlock is missing.
fn output_code(folder: &Path) -> i32 {
    let landlock =
        here(folder, &["run", "s", "--level", "process", "--require", "landlock", "--task", "total"]);
    if landlock.code == 0 { 0 } else { 3 }
}

#[test]
fn an_empty_folder_will_do_and_any_other_is_left_alone() {
    let folder = temp();
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).unwrap();
    here(&empty, &["init", "."]).expect_code(0);
    assert!(fs::read_to_string(empty.join("suite.toml")).unwrap().contains("name = \"empty\""));
    here(&empty, &["run", ".", "--task", "greeting"]).expect_code(0);
    let full = folder.path().join("full");
    fs::create_dir(&full).unwrap();
    fs::write(full.join("mine.txt"), "mine").unwrap();
    let mut told = String::new();
    for arguments in
        [&["init", "full"][..], &["init", "full/mine.txt"], &["init", "full/mine.txt/deep"], &["init"]]
    {
        told += &here(folder.path(), arguments).masked(folder.path(), "HERE");
        told.push('\n');
    }
    insta::assert_snapshot!("init_refused", told);
    let left: Vec<_> = fs::read_dir(&full).unwrap().collect();
    assert_eq!(left.len(), 1, "nothing was put into it");
    // A name that was taken on the way leaves nothing either.
    let names = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["empty", "full"]);
}

#[test]
fn a_full_disk_leaves_no_half_made_folder() {
    need!("bash");
    let folder = temp();
    // No file may grow: every write fails.
    let line = format!("ulimit -f 0; trap '' XFSZ; exec {} init s", env!("CARGO_BIN_EXE_rolltape"));
    let mut bash = std::process::Command::new("bash");
    let done = bash.args(["-c", &line]).current_dir(folder.path()).output().unwrap();
    assert_eq!(done.status.code(), Some(3), "{}", String::from_utf8_lossy(&done.stderr));
    assert!(String::from_utf8_lossy(&done.stderr).starts_with("error: can't make the suite 's'"));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let line = line.replace("init s", "init empty");
    let done =
        std::process::Command::new("bash").args(["-c", &line]).current_dir(folder.path()).output().unwrap();
    assert_eq!(done.status.code(), Some(3));
    assert_eq!(fs::read_dir(&empty).unwrap().count(), 0);
    rolltape(&["init", empty.to_str().unwrap()]).expect_code(0);
}
