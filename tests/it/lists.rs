//! `list` and `completions`.

use crate::runs;
use crate::support::{Output, Rolltape, rolltape, temp};
use rolltape::store::Recorder;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

fn list(folder: &Path, arguments: &[&str]) -> Output {
    let all: Vec<&str> = ["list", "runs"].iter().chain(arguments).copied().collect();
    Rolltape::new(&all).env("COLUMNS", "140").cwd(folder).run()
}

fn states(folder: &Path) -> Vec<(String, String)> {
    let output = list(folder, &["--format", "json"]).expect_code(0);
    let value: Value = serde_json::from_str(&output.stdout).unwrap();
    let text = |run: &Value, key: &str| run[key].as_str().unwrap_or_default().to_owned();
    value.as_array().unwrap().iter().map(|run| (text(run, "run"), text(run, "state"))).collect()
}

/// Moves the start of a run, whose manifest is otherwise kept.
fn start(run: &Path, at: &str) {
    let path = run.join("run.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("2026-11-23T16:19:00Z", at)).unwrap();
}

#[test]
fn runs_are_listed_newest_first_with_their_state() {
    let folder = temp();
    let reports = folder.path().join("reports");
    runs::write(&reports.join("b-old"), 3);
    runs::write(&reports.join("a-new"), 8);
    start(&reports.join("a-new"), "2026-11-24T08:00:00Z");
    // Cut in the middle of its last record, as a death of the harness leaves it.
    runs::write(&reports.join("c-torn"), 4);
    let journal = reports.join("c-torn/attempts.jsonl");
    let text = fs::read_to_string(&journal).unwrap();
    fs::write(&journal, &text[..text.len() - 40]).unwrap();
    // A changed record, a broken manifest, none at all.
    runs::write(&reports.join("d-changed"), 3);
    let journal = reports.join("d-changed/attempts.jsonl");
    let text = fs::read_to_string(&journal).unwrap();
    fs::write(&journal, text.replacen("passed", "failed", 1)).unwrap();
    runs::write(&reports.join("e-broken"), 2);
    fs::write(reports.join("e-broken/run.json"), "{\"schema_version\": \"1.0\"").unwrap();
    runs::write(&reports.join("f-lost"), 2);
    fs::remove_file(reports.join("f-lost/run.json")).unwrap();
    fs::create_dir(reports.join("g-no-run")).unwrap();
    let output = list(folder.path(), &[]).expect_code(0);
    assert_eq!(output.stderr, "");
    insta::assert_snapshot!("list_runs", output.masked(folder.path(), "HERE"));
    for columns in ["80", "120", "160"] {
        let text = Rolltape::new(&["list", "runs"]).env("COLUMNS", columns).cwd(folder.path()).run().stdout;
        let widest = text.lines().filter(|line| line.contains('│')).map(rolltape::util::text::width).max();
        assert!(widest <= columns.parse().ok(), "{text}");
    }
    let states = states(folder.path());
    let of = |name: &str| states.iter().find(|(run, _)| run == name).map(|(_, state)| state.as_str());
    assert_eq!(states[0].0, "a-new");
    assert_eq!(of("a-new"), Some("unfinished"), "one of its attempts was cancelled");
    assert_eq!(of("b-old"), Some("finished"));
    assert_eq!(of("c-torn"), Some("unfinished"));
    for name in ["d-changed", "e-broken", "f-lost"] {
        assert_eq!(of(name), Some("damaged"), "{name}");
    }
    assert_eq!(of("g-no-run"), None);
}

#[test]
fn a_run_is_running_while_its_lock_is_held() {
    let folder = temp();
    let dir = folder.path().join("reports/live");
    let mut recorder = Recorder::create(&dir).unwrap();
    let mut sink = recorder.sink();
    for event in runs::events(3, 0..1).into_iter().take(4) {
        sink.on(&event).unwrap();
    }
    let deadline = Instant::now() + Duration::from_secs(20);
    while states(folder.path()) != [("live".to_owned(), "running".to_owned())] {
        assert!(Instant::now() < deadline, "{:?}", states(folder.path()));
        std::thread::sleep(Duration::from_millis(20));
    }
    drop(sink);
    recorder.finish().unwrap();
    assert_eq!(states(folder.path()), [("live".to_owned(), "unfinished".to_owned())]);
}

#[test]
fn a_thousand_runs_are_listed_at_once() {
    let folder = temp();
    let made = folder.path().join("made");
    runs::write(&made, 8);
    for n in 0..1000 {
        let dir = folder.path().join(format!("many/{n:04}"));
        fs::create_dir_all(&dir).unwrap();
        fs::copy(made.join("run.json"), dir.join("run.json")).unwrap();
        fs::copy(made.join("attempts.jsonl"), dir.join("attempts.jsonl")).unwrap();
    }
    let output = list(folder.path(), &["--dir", "many", "--format", "json"]).expect_code(0);
    assert_eq!(serde_json::from_str::<Value>(&output.stdout).unwrap().as_array().unwrap().len(), 1000);
}

#[test]
fn every_kind_is_listed() {
    let kinds = rolltape(&["list", "x"]).expect_code(2).stderr;
    let kinds = kinds.split_once("it is one of ").unwrap().1.trim();
    for kind in kinds.split(", ").filter(|kind| *kind != "runs") {
        let text = rolltape(&["list", kind]).expect_code(0).stdout;
        let value: Value =
            serde_json::from_str(&rolltape(&["list", kind, "--format", "json"]).expect_code(0).stdout)
                .unwrap();
        assert_eq!(text.lines().count(), value.as_array().unwrap().len(), "{kind}");
        assert!(value[0]["name"].is_string() && value[0]["about"].is_string(), "{kind}");
    }
    for kind in ["formats", "dialects", "rules", "scorers", "backends", "agents", "sandboxes", "runs"] {
        assert!(kinds.split(", ").any(|known| known == kind), "{kind}");
    }
}

#[test]
fn what_can_not_be_listed_is_told() {
    let folder = temp();
    let mut told = String::new();
    for arguments in [
        &["list", "runss"][..],
        &["list", "agents", "--dir", "x"],
        &["list", "runs", "--dir", "none"],
        &["list", "runs", "--format", "jsno"],
        &["list", "runs"],
        &["schema", "sute"],
        &["completions", "tcsh"],
    ] {
        told += &Rolltape::new(arguments).cwd(folder.path()).run().masked(folder.path(), "HERE");
        told.push('\n');
    }
    insta::assert_snapshot!("list_errors", told);
}

#[test]
fn every_shell_has_its_completions() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = rolltape(&["completions", shell]).expect_code(0).stdout;
        assert!(script.contains("compare") && script.contains("allow-changed"), "{shell}");
    }
}

#[test]
fn bash_completes_verbs_and_options() {
    need!("bash");
    let folder = temp();
    let script = folder.path().join("rolltape.bash");
    fs::write(&script, rolltape(&["completions", "bash"]).expect_code(0).stdout).unwrap();
    let asked = |words: &[&str]| {
        let line = format!(
            "source {}; COMP_WORDS=({}); COMP_CWORD={}; _rolltape rolltape '{}' '{}'; echo \"${{COMPREPLY[*]}}\"",
            script.display(),
            words.join(" "),
            words.len() - 1,
            words[words.len() - 1],
            words[words.len() - 2],
        );
        let done = std::process::Command::new("bash").args(["--norc", "-c", &line]).output().unwrap();
        assert!(done.stderr.is_empty(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8_lossy(&done.stdout).trim().to_owned()
    };
    assert_eq!(asked(&["rolltape", "comp"]), "compare completions");
    assert_eq!(asked(&["rolltape", "compare", "--allow"]), "--allow-changed");
    assert_eq!(json!(asked(&["rolltape", "run", "--fail"])), json!("--fail-under"));
}
