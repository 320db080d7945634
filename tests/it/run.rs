//! The main job, end to end, with the built program.

use crate::support::{Rolltape, program, root, temp};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

fn suite() -> PathBuf {
    root().join("suites/deepseek-api")
}

fn sloppy() -> String {
    format!("cassette:{}", root().join("trajectories/deepseek-api-sloppy").display())
}

/// Tasks that need no more than bash, and for which there are two tapes.
const FOUR: [&str; 4] = ["bad-key", "hello", "models-and-balance", "retry-429"];

/// `--task …` for each of the four.
fn four<'a>() -> impl Iterator<Item = &'a str> {
    FOUR.into_iter().flat_map(|task| ["--task", task])
}

/// `rolltape run suites/deepseek-api --out DIR …`
fn whole(out: &Path, more: &[&str]) -> Rolltape {
    let suite = suite();
    let mut arguments = vec!["run", suite.to_str().expect("UTF-8"), "--out", out.to_str().expect("UTF-8")];
    arguments.extend(more);
    Rolltape::new(&arguments)
}

/// The same with the four tasks only, as each run costs time.
fn run(out: &Path, more: &[&str]) -> Rolltape {
    let mut arguments: Vec<&str> = four().collect();
    arguments.extend(more);
    whole(out, &arguments)
}

fn run_id(out: &Path) -> String {
    let text = std::fs::read_to_string(out.join("run.json")).expect("run.json");
    let manifest: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    manifest["id"].as_str().expect("an id").to_owned()
}

fn outcomes(out: &Path) -> BTreeMap<String, String> {
    let journal = std::fs::read_to_string(out.join("attempts.jsonl")).expect("attempts.jsonl");
    journal
        .lines()
        .map(|line| {
            let record: serde_json::Value = serde_json::from_str(line).expect("JSON");
            let text = |key: &str| record[key].as_str().expect("text").to_owned();
            (text("attempt_id"), text("outcome"))
        })
        .collect()
}

#[test]
fn the_main_command_passes_and_leaves_a_whole_run() {
    let folder = temp();
    let out = folder.path().join("run");
    let output = whole(&out, &[]).run().expect_code(0);
    for name in FOUR {
        assert!(output.stdout.contains(name), "{}", output.stdout);
    }
    for file in [
        "run.json",
        "trajectories.jsonl",
        "attempts.jsonl",
        "cassette.jsonl",
        "report.html",
        "report.md",
        "junit.xml",
        "attempts.csv",
        "summary.json",
    ] {
        assert!(out.join(file).is_file(), "{file} is missing");
    }
    assert!(out.join("artefacts").is_dir());
    // Without python3 or the environments of real clients some are skipped, and that is no failure.
    let seen = outcomes(&out);
    assert!(seen.len() >= 16 && seen.values().all(|word| word == "passed" || word == "skipped"), "{seen:?}");
    assert!(seen.values().filter(|word| *word == "passed").count() >= 4, "{seen:?}");
    let drifted = |line: &str| line.contains("\"drift\":[") && !line.contains("\"drift\":[]");
    let journal = std::fs::read_to_string(out.join("attempts.jsonl")).expect("attempts.jsonl");
    assert!(!journal.lines().any(drifted), "{journal}");
    let checked = Rolltape::new(&["check", out.to_str().expect("UTF-8")]).run().expect_code(0);
    assert!(checked.stdout.contains("0 errors") || !checked.stdout.contains("error"), "{}", checked.stdout);
}

#[test]
fn two_runs_give_the_same_derived_files() {
    let folder = temp();
    let reports = |name: &str, jobs: &str| -> Vec<String> {
        let out = folder.path().join(name);
        run(&out, &["-q", "-j", jobs]).run().expect_code(0);
        let id = run_id(&out);
        ["table", "csv", "json", "jsonl", "junit", "markdown", "html"]
            .iter()
            .map(|format| {
                let path = out.to_str().expect("UTF-8");
                let output =
                    Rolltape::new(&["report", path, "--format", format, "--no-timing"]).run().expect_code(0);
                output.stdout.replace(&id, "<run>").replace(path, "<dir>")
            })
            .collect()
    };
    let first = reports("a", "1");
    let second = reports("b", "8");
    for (a, b) in first.iter().zip(&second) {
        assert_eq!(a, b);
        assert!(!a.is_empty());
    }
}

#[test]
fn a_sloppy_model_is_told_apart() {
    let folder = temp();
    let out = folder.path().join("run");
    run(&out, &["--backend", &sloppy()]).run().expect_code(1);
    let words: Vec<String> = outcomes(&out).into_values().collect();
    assert!(words.iter().any(|word| word == "passed"), "{words:?}");
    assert!(words.iter().any(|word| word == "invalid"), "{words:?}");
    let findings = Rolltape::new(&["check", out.to_str().expect("UTF-8"), "--format", "json"]).run();
    assert_eq!(findings.code, 1);
    let report: serde_json::Value = serde_json::from_str(&findings.stdout).expect("JSON");
    for rule in ["FC002", "FC003", "FC004", "FC007"] {
        assert!(report["by_rule"].get(rule).is_some(), "{rule} in {}", report["by_rule"]);
    }
}

#[test]
fn no_key_and_no_nonce_is_written() {
    let folder = temp();
    let out = folder.path().join("run");
    run(&out, &["-q"]).run().expect_code(0);
    let shape = regex::Regex::new("sk-[0-9a-f]{32}").expect("a regex");
    for entry in walkdir::WalkDir::new(&out) {
        let entry = entry.expect("an entry");
        if entry.file_type().is_file() {
            let bytes = std::fs::read(entry.path()).expect("a file");
            let text = String::from_utf8_lossy(&bytes);
            assert!(!shape.is_match(&text), "a key is in {}", entry.path().display());
        }
    }
}

#[test]
fn dry_run_runs_nothing() {
    let folder = temp();
    let out = folder.path().join("run");
    let output = run(&out, &["--dry-run", "--attempts", "2"]).run().expect_code(0);
    assert!(!out.exists());
    assert_eq!(output.stdout.lines().count(), 9, "{}", output.stdout);
    assert!(output.stdout.contains("0 USD"), "{}", output.stdout);
}

fn error(arguments: &[&str]) -> String {
    let folder = temp();
    let output = Rolltape::new(arguments).cwd(folder.path()).run();
    assert!(
        std::fs::read_dir(folder.path()).expect("a folder").next().is_none(),
        "something was left behind"
    );
    output.masked(root(), "<root>").replace(&folder.path().display().to_string(), "<cwd>")
}

#[test]
fn wrong_usage_is_told() {
    let suite = suite();
    let suite = suite.to_str().expect("UTF-8");
    insta::assert_snapshot!("run_unknown_task", error(&["run", suite, "--task", "helo"]));
    insta::assert_snapshot!("run_unknown_agent", error(&["run", suite, "--agent", "codeactt"]));
    insta::assert_snapshot!("run_unknown_backend", error(&["run", suite, "--backend", "casette:x"]));
    insta::assert_snapshot!("run_unknown_format", error(&["run", suite, "--format", "xml"]));
    insta::assert_snapshot!("run_bad_rate", error(&["run", suite, "--fail-under", "2"]));
    insta::assert_snapshot!("run_missing_suite", error(&["run", "no/such/suite"]));
    insta::assert_snapshot!("run_missing_cassette", error(&["run", suite, "--backend", "cassette:no-such"]));
    insta::assert_snapshot!("run_unknown_layer", error(&["run", suite, "--require", "selinux"]));
    insta::assert_snapshot!("resume_no_run", error(&["resume", "."]));
}

/// Runs with an agent that takes long enough to be interrupted: a command that sleeps.
fn slow_suite(folder: &Path, tasks: usize) -> PathBuf {
    use std::fmt::Write as _;
    let suite = folder.join("slow");
    std::fs::create_dir(&suite).expect("a folder");
    let mut text = String::from(
        "schema = 1\nname = \"slow\"\n[defaults]\nagent = \"codeact\"\nbackend = \"scripted:script.toml\"\n",
    );
    let mut script = String::from("schema = 1\n");
    for n in 0..tasks {
        let _ = write!(
            text,
            "[[task]]\nid = \"t{n}\"\nprompt = \"wait\"\nscore = [{{ kind = \"includes\", text = \"done\" }}]\n"
        );
        let _ = write!(
            script,
            "[[reply]]\ntask = \"t{n}\"\ntext = '''\n<function=execute_bash>\n<parameter=command>sleep 0.{}</parameter>\n</function>'''\n[[reply]]\ntask = \"t{n}\"\ntext = '''\n<function=finish>\n<parameter=message>done</parameter>\n</function>'''\n",
            n % 5
        );
    }
    std::fs::write(suite.join("suite.toml"), text).expect("a file");
    std::fs::write(suite.join("script.toml"), script).expect("a file");
    suite
}

/// Sends the signal once `finished` attempts are in the journal.
fn interrupted(signal: &str, finished: usize) -> (tempfile::TempDir, PathBuf, i32) {
    let folder = temp();
    let suite = slow_suite(folder.path(), 12);
    let out = folder.path().join("run");
    let arguments = ["run", suite.to_str().expect("UTF-8"), "--out", out.to_str().expect("UTF-8"), "-j", "2"];
    let mut child = Rolltape::new(&arguments).cwd(folder.path()).spawn();
    let journal = out.join("attempts.jsonl");
    let end = std::time::Instant::now() + Duration::from_secs(30);
    while std::fs::read_to_string(&journal).map_or(0, |text| text.lines().count()) < finished {
        assert!(std::time::Instant::now() < end, "no attempt ended");
        std::thread::sleep(Duration::from_millis(3));
    }
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().expect("kill");
    assert!(sent.success());
    let code = program::finish(&mut child, Duration::from_secs(20)).expect("it ends");
    (folder, out, code)
}

/// Resumes, and compares with a run that nobody broke.
fn resumed_is_whole(folder: &Path, out: &Path) {
    let resume = Rolltape::new(&["resume", out.to_str().expect("UTF-8")]).cwd(folder).run();
    resume.expect_code(0);
    let seen = outcomes(out);
    assert_eq!(seen.len(), 12);
    assert!(seen.values().all(|word| word == "passed"), "{seen:?}");
    let unbroken = folder.join("unbroken");
    let suite = folder.join("slow");
    let arguments = ["run", suite.to_str().expect("UTF-8"), "-q", "--out", unbroken.to_str().expect("UTF-8")];
    Rolltape::new(&arguments).cwd(folder).run().expect_code(0);
    let report = |dir: &Path| {
        let path = dir.to_str().expect("UTF-8");
        let made = Rolltape::new(&["report", path, "--format", "jsonl", "--no-timing"]).run().expect_code(0);
        let id = run_id(dir);
        made.stdout.replace(&id, "<run>")
    };
    assert_eq!(report(out), report(&unbroken));
}

#[test]
fn an_interrupt_keeps_what_is_finished() {
    need!("kill");
    let (folder, out, code) = interrupted("-INT", 2);
    assert_eq!(code, 130);
    resumed_is_whole(folder.path(), &out);
}

#[test]
fn a_termination_says_143() {
    need!("kill");
    let (folder, out, code) = interrupted("-TERM", 3);
    assert_eq!(code, 143);
    resumed_is_whole(folder.path(), &out);
}

#[test]
fn a_kill_at_any_moment_loses_and_doubles_nothing() {
    need!("kill");
    for finished in [1, 4, 9] {
        let (folder, out, code) = interrupted("-KILL", finished);
        assert_eq!(code, 137);
        resumed_is_whole(folder.path(), &out);
        let journal = std::fs::read_to_string(out.join("attempts.jsonl")).expect("a journal");
        assert_eq!(journal.lines().count(), 12, "each attempt is in the journal once");
    }
}

#[test]
fn failures_can_be_bounded_and_rates_asked_for() {
    let folder = temp();
    let out = folder.path().join("a");
    run(&out, &["--agent", "nop", "-j", "1", "--max-fail", "1"]).run().expect_code(1);
    let words: Vec<String> = outcomes(&out).into_values().collect();
    assert_eq!(words.iter().filter(|word| *word == "failed").count(), 1, "{words:?}");
    assert_eq!(words.iter().filter(|word| *word == "cancelled").count(), 3, "{words:?}");
    // Three of the four sloppy attempts succeed.
    for (rate, code) in [("0.75", 0), ("0.76", 1)] {
        let out = folder.path().join(rate);
        run(&out, &["--backend", &sloppy(), "--fail-under", rate]).run().expect_code(code);
    }
}

#[test]
fn several_suites_and_several_back_ends_are_one_run() {
    let folder = temp();
    let slow = slow_suite(folder.path(), 2);
    let out = folder.path().join("run");
    let (suite, slow) = (suite().display().to_string(), slow.display().to_string());
    let mut both = vec!["run", &suite, &slow, "--out", out.to_str().expect("UTF-8"), "--task", "t?"];
    both.extend(four());
    Rolltape::new(&both).cwd(folder.path()).run().expect_code(0);
    assert_eq!(outcomes(&out).len(), 6);
    let out = folder.path().join("two");
    let clean = format!("cassette:{}", root().join("trajectories/deepseek-api").display());
    run(&out, &["--backend", &clean, "--backend", &sloppy()]).run().expect_code(1);
    let seen = outcomes(&out);
    assert_eq!(seen.len(), 8);
    assert_eq!(seen.values().filter(|word| *word == "passed").count(), 6, "{seen:?}");
}

#[test]
fn the_reader_of_stdout_may_go_away() {
    let folder = temp();
    let out = folder.path().join("run");
    let mut child = run(&out, &[]).spawn();
    drop(child.stdout.take());
    let code = program::finish(&mut child, Duration::from_secs(60)).expect("it ends");
    assert_eq!(code, 0);
    assert!(out.join("report.html").is_file());
}

#[test]
fn no_home_and_a_narrow_umask_are_fine() {
    let folder = temp();
    let out = folder.path().join("run");
    let line = format!(
        "umask 077; exec env -u HOME {} run {} --out {} --task hello",
        env!("CARGO_BIN_EXE_rolltape"),
        suite().display(),
        out.display()
    );
    let status = Command::new("sh").args(["-c", &line]).current_dir("/").output().expect("sh");
    assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stderr));
}
