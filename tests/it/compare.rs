//! Subjects side by side: figures that were worked out by hand, and what is told beside them.

use crate::runs;
use crate::support::{Output, Rolltape, rolltape, root, temp};
use rolltape::model::{
    AttemptRecord, ErrorClass, Event, Finding, Finished, Object, Outcome, ReadingKind, RunError, RunSummary,
    Severity, Subject, Usage,
};
use rolltape::store::Recorder;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

fn subject(id: &str) -> Subject {
    Subject {
        id: id.to_owned(),
        agent: "codeact".to_owned(),
        backend: id.trim_start_matches("codeact@").to_owned(),
        model: None,
        params: Object::new(),
    }
}

/// An attempt of `subject` at `task`; passed attempts have 100 tokens a turn, and take 10 ms for each of them.
fn attempt(subject: &Subject, task: &str, n: u32, outcome: Outcome, turns: u64) -> AttemptRecord {
    let id = rolltape::model::AttemptId {
        suite: "demo".to_owned(),
        task: task.to_owned(),
        subject: subject.id.clone(),
        n,
    };
    let mut record = AttemptRecord::new(0, id, subject.clone());
    record.success = outcome.is_scored().then_some(outcome == Outcome::Passed);
    record.reward = record.success.map(|yes| if yes { 1.0 } else { 0.0 });
    record.format_ok = (turns > 0).then_some(true);
    (record.turns, record.calls, record.messages) = (turns, turns, turns);
    record.usage = Usage {
        prompt_tokens: Some(80 * turns),
        completion_tokens: Some(20 * turns),
        cached_tokens: None,
        cost_usd: None,
    };
    record.cost_usd = Some(0.001 * turns as f64);
    record.task_digest = "0badcafe".repeat(8);
    record.timing = runs::object(json!({"agent_ms": 10 * turns, "duration_ms": 10 * turns + 5}));
    record.outcome = outcome;
    record
}

fn slip(record: &mut AttemptRecord, rule: &'static str, severity: Severity) {
    if severity == Severity::Error {
        record.format_ok = Some(false);
    }
    record.findings.push(Finding {
        rule,
        name: "multiple-calls",
        severity,
        readings: vec![ReadingKind::Strict],
        step: Some(2),
        message: Some(0),
        span: None,
        location: None,
        text: "2 calls".to_owned(),
    });
}

/// Writes a run whose attempts end in this order; their place in the plan is that in `records`.
fn write(dir: &Path, id: &str, subjects: &[Subject], records: &[AttemptRecord], order: &[usize]) {
    let mut manifest = runs::manifest(records.len() as u64);
    id.clone_into(&mut manifest.id.0);
    manifest.subjects = subjects.to_vec();
    let mut recorder = Recorder::create(dir).unwrap();
    let mut sink = recorder.sink();
    sink.on(&Event::RunStarted(Box::new(manifest))).unwrap();
    for at in order {
        let mut record = records[*at].clone();
        record.seq = *at as u64;
        let trajectory = runs::trajectory(0, "nothing");
        sink.on(&Event::AttemptFinished(Arc::new(Finished { record, trajectory, evidence: Vec::new() })))
            .unwrap();
    }
    sink.on(&Event::RunFinished(RunSummary::default())).unwrap();
    recorder.finish().unwrap();
}

fn broken() -> Outcome {
    Outcome::Error(RunError::new(ErrorClass::Backend, "the back end went away"))
}

/// Two subjects, four tasks, two attempts each; everything that can be special is there once.
fn demo() -> (Vec<Subject>, Vec<AttemptRecord>) {
    let (one, two) = (subject("codeact@openai:one"), subject("codeact@openai:two"));
    let mut records = vec![
        // Both good, the second quicker.
        attempt(&one, "easy", 1, Outcome::Passed, 4),
        attempt(&one, "easy", 2, Outcome::Passed, 6),
        attempt(&two, "easy", 1, Outcome::Passed, 3),
        attempt(&two, "easy", 2, Outcome::Passed, 3),
        // One of two against none of one, for the other is an error.
        attempt(&one, "hard", 1, Outcome::Passed, 8),
        attempt(&one, "hard", 2, Outcome::Failed, 10),
        attempt(&two, "hard", 1, Outcome::Failed, 12),
        attempt(&two, "hard", 2, broken(), 1),
        // Never scored on one side.
        attempt(&one, "flaky", 1, Outcome::Passed, 2),
        attempt(&one, "flaky", 2, Outcome::Passed, 2),
        attempt(&two, "flaky", 1, broken(), 0),
        attempt(&two, "flaky", 2, Outcome::Skipped("curl is not installed".to_owned()), 0),
        // A cost that is not known.
        attempt(&one, "dear", 1, Outcome::Failed, 2),
        attempt(&two, "dear", 1, Outcome::Passed, 2),
    ];
    records[13].cost_usd = None;
    slip(&mut records[2], "FC002", Severity::Error);
    slip(&mut records[2], "FC002", Severity::Error);
    slip(&mut records[6], "FC002", Severity::Info);
    // The cost of an error is in no mean.
    records[7].cost_usd = Some(99.0);
    (vec![one, two], records)
}

fn written(dir: &Path) {
    let (subjects, records) = demo();
    write(dir, "20261123T161900-demo-3f2a", &subjects, &records, &(0..records.len()).collect::<Vec<_>>());
}

fn compare(arguments: &[&str]) -> Output {
    let all: Vec<&str> = std::iter::once("compare").chain(arguments.iter().copied()).collect();
    rolltape(&all)
}

fn json_of(arguments: &[&str]) -> Value {
    let output = compare(&[arguments, &["--format", "json"]].concat()).expect_code(0);
    serde_json::from_str(&output.stdout).unwrap()
}

#[track_caller]
fn near(value: &Value, wanted: f64) {
    let found = value.as_f64().unwrap_or_else(|| panic!("{value} is no number"));
    assert!((found - wanted).abs() < 1e-9, "{found} is not {wanted}");
}

#[test]
fn figures_are_those_worked_out_by_hand() {
    let folder = temp();
    let run = folder.path().join("run");
    written(&run);
    let value = json_of(&[run.to_str().unwrap()]);
    let (one, two, pair) = (&value["sides"][0], &value["sides"][1], &value["pairs"][0]);
    assert_eq!(one["success"], json!({"passed": 5, "of": 7}));
    assert_eq!(two["success"], json!({"passed": 3, "of": 4}));
    assert_eq!(two["beside"], json!({"error": 2, "skipped": 1, "cancelled": 0}));
    assert_eq!(
        (&two["format"]["ok"], &two["format"]["of"], &two["format"]["messages"]),
        (&json!(3), &json!(4), &json!(20))
    );
    let rules = &two["format"]["by_rule"];
    assert_eq!(
        (&rules[0]["severity"], &rules[0]["findings"], &rules[0]["attempts"]),
        (&json!("error"), &json!(2), &json!(1))
    );
    near(&rules[0]["per_message"], 0.1);
    near(&rules[0]["per_attempt"], 0.5);
    assert_eq!(rules[1]["severity"], "info");
    // Turns of the first: 2 2 2 4 6 8 10; of the second: 2 3 3 12. Type 7 at 0.95.
    near(&one["figures"]["turns"]["p50"], 4.0);
    near(&one["figures"]["turns"]["p95"], 8.0 + 0.7 * 2.0);
    near(&two["figures"]["turns"]["p95"], 3.0 + 0.85 * 9.0);
    near(&two["figures"]["timing_turn_ms"]["p50"], 10.0);
    assert_eq!(
        (&two["figures"]["cost_usd"]["known"], &two["figures"]["cost_usd"]["of"]),
        (&json!(3), &json!(4))
    );
    near(&two["figures"]["cost_usd"]["sum"], 0.018);
    assert_eq!(two["figures"]["cached_tokens"]["mean"], Value::Null);
    // Paired: easy 1 and 1, hard 1/2 and 0, dear 0 and 1.
    assert_eq!(pair["tasks"], json!(["demo/easy", "demo/hard", "demo/dear"]));
    assert_eq!(pair["unpaired"], json!([{"task": "demo/flaky", "reason": "it has no scored attempt"}]));
    let metric = |name: &str| &pair["metrics"][name];
    near(&metric("success")["baseline"], 0.5);
    near(&metric("success")["side"], 2.0 / 3.0);
    near(&metric("success")["difference"], 1.0 / 6.0);
    let verdicts = |name: &str| ["better", "worse", "equal"].map(|key| metric(name)[key].clone());
    assert_eq!(verdicts("success"), [1, 1, 1].map(Value::from));
    // Turns: 5 and 3, 9 and 12, 2 and 2: less is better.
    assert_eq!(verdicts("turns"), [1, 1, 1].map(Value::from));
    near(&metric("turns")["difference"], (3.0 + 12.0 + 2.0 - 5.0 - 9.0 - 2.0) / 3.0);
    // Of 'dear' the cost is not known: two tasks count.
    assert_eq!((&metric("cost_usd")["tasks"], &metric("cost_usd")["tasks_unknown"]), (&json!(2), &json!(1)));
    near(&metric("cost_usd")["difference"], (0.003 + 0.012 - 0.005 - 0.009) / 2.0);
    assert_eq!(metric("cached_tokens")["difference"], Value::Null);
    assert_eq!(pair["by_task"][1]["success"], json!([0.5, 0.0]));
    assert_eq!(pair["by_task"][2]["cost_usd"], Value::Null);
    assert_eq!(value["significance"], Value::Null);
}

#[test]
fn every_form_is_as_it_was() {
    let folder = temp();
    let run = folder.path().join("run");
    written(&run);
    let run = run.to_str().unwrap();
    let at = |columns: &str, arguments: &[&str]| {
        let all: Vec<&str> = ["compare", run].iter().chain(arguments).copied().collect();
        Rolltape::new(&all).env("COLUMNS", columns).run().expect_code(0).stdout
    };
    insta::assert_snapshot!("compare_table", at("120", &[]));
    insta::assert_snapshot!("compare_narrow", at("80", &["--no-timing"]));
    insta::assert_snapshot!("compare_markdown", at("120", &["--format", "markdown"]));
    insta::assert_snapshot!("compare_csv", at("120", &["--format", "csv", "--no-timing"]));
    let timed = at("120", &["--format", "json", "--no-timing"]);
    assert!(!timed.contains("timing") && !at("80", &["--no-timing"]).contains("time"));
    let file = folder.path().join("out.md");
    compare(&[run, "--format", "markdown", "-o", file.to_str().unwrap()]).expect_code(0);
    assert_eq!(fs::read_to_string(file).unwrap(), at("120", &["--format", "markdown"]));
    // The reports of the run itself.
    insta::assert_snapshot!("compare_in_table", at_report(run, "table").replace(run, "RUN"));
    let markdown = at_report(run, "markdown");
    let section = markdown.split("\n## ").find(|section| section.starts_with("Comparison")).unwrap();
    insta::assert_snapshot!("compare_in_markdown", section);
    let times = markdown.split("\n## ").find(|section| section.starts_with("Timing")).unwrap();
    assert!(
        times.contains("| B `codeact@openai:two` | 35 ms (+3 ms) | 111 ms | 10 ms (=) | 10 ms |"),
        "{times}"
    );
}

fn at_report(run: &str, format: &str) -> String {
    Rolltape::new(&["report", run, "--format", format]).env("COLUMNS", "120").run().expect_code(0).stdout
}

#[test]
fn the_order_in_which_attempts_ended_leaves_no_trace() {
    let folder = temp();
    let (subjects, records) = demo();
    let mut seen = Vec::new();
    for (name, order) in
        [("a", (0..records.len()).collect::<Vec<_>>()), ("b", (0..records.len()).rev().collect::<Vec<_>>())]
    {
        let dir = folder.path().join(name);
        write(&dir, "20261123T161900-demo-3f2a", &subjects, &records, &order);
        seen.push(
            ["table", "json", "csv", "markdown"]
                .map(|form| compare(&[dir.to_str().unwrap(), "--format", form]).expect_code(0).stdout),
        );
    }
    assert_eq!(seen[0], seen[1]);
}

#[test]
fn many_subjects_fit_into_a_narrow_terminal() {
    let folder = temp();
    let subjects: Vec<Subject> = (0..9).map(|n| subject(&format!("codeact@model-{n}"))).collect();
    let records: Vec<AttemptRecord> =
        subjects.iter().map(|subject| attempt(subject, "easy", 1, Outcome::Passed, 2)).collect();
    write(&folder.path().join("run"), "many", &subjects, &records, &(0..9).collect::<Vec<_>>());
    let text = Rolltape::new(&["compare", "run"]).env("COLUMNS", "80").cwd(folder.path()).run();
    let text = text.expect_code(0).stdout;
    for line in text.lines().filter(|line| line.contains('│')) {
        assert!(rolltape::util::text::width(line) <= 80, "{line}");
    }
    for letter in ["A", "E", "I"] {
        assert!(text.lines().any(|line| line.contains(&format!("│ {letter} "))), "{letter} in {text}");
    }
    assert!(text.contains("I against A, 1 task paired"));
}

#[test]
fn runs_are_compared_with_the_first() {
    let folder = temp();
    let (subjects, mut records) = demo();
    let all: Vec<usize> = (0..records.len()).collect();
    let reports = folder.path().join("reports");
    write(&reports.join("old:1"), "old", &subjects, &records, &all);
    // The later run changed a task, and its second subject passes everything.
    for record in &mut records {
        if record.id.task == "hard" {
            record.task_digest = "c0ffee11".repeat(8);
        }
        if record.subject.id.ends_with("two") {
            record.outcome = Outcome::Passed;
            record.success = Some(true);
        }
    }
    write(&reports.join("new"), "new", &subjects, &records, &all);
    let here = |arguments: &[&str]| {
        let arguments: Vec<&str> = ["compare", "--format", "json"].iter().chain(arguments).copied().collect();
        let output = Rolltape::new(&arguments).cwd(folder.path()).run().expect_code(0);
        serde_json::from_str::<Value>(&output.stdout).unwrap()
    };
    let value = here(&["old:1", "reports/new"]);
    let sides: Vec<String> = value["sides"]
        .as_array()
        .unwrap()
        .iter()
        .map(|side| format!("{}:{}", side["run"].as_str().unwrap(), side["subject"].as_str().unwrap()))
        .collect();
    let wanted = [
        "old:codeact@openai:one",
        "old:codeact@openai:two",
        "new:codeact@openai:one",
        "new:codeact@openai:two",
    ];
    assert_eq!(sides, wanted);
    let pairs: Vec<(&str, &str)> = value["pairs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|pair| (pair["side"].as_str().unwrap(), pair["baseline"].as_str().unwrap()))
        .collect();
    assert_eq!(pairs, [("C", "A"), ("D", "B")], "each against the same subject of the first run");
    assert_eq!(value["pairs"][1]["changed"], json!(["demo/hard"]));
    assert_eq!(value["pairs"][1]["tasks"], json!(["demo/easy", "demo/dear"]));
    let allowed = here(&["old:1", "new", "--allow-changed"]);
    assert_eq!(allowed["pairs"][1]["tasks"], json!(["demo/easy", "demo/hard", "demo/dear"]));
    assert!(allowed["notes"].to_string().contains("1 task changed between the runs and paired all the same"));
    // One subject of each, named after the folder that has a colon itself.
    let two = here(&["old:1:codeact@openai:one", "new:codeact@openai:two"]);
    assert_eq!(two["sides"].as_array().unwrap().len(), 2);
    near(&two["pairs"][0]["metrics"]["success"]["difference"], 1.0 / 3.0);
    let turned = here(&["new", "--baseline", "codeact@openai:two"]);
    assert_eq!(turned["sides"][0]["subject"], "codeact@openai:two");
}

#[test]
fn what_binds_the_format_differently_is_told() {
    let folder = temp();
    let run = folder.path().join("run");
    let (mut subjects, records) = demo();
    subjects[1].params = runs::object(json!({"stop": ["</function"]}));
    write(&run, "stops", &subjects, &records, &(0..10).collect::<Vec<_>>());
    let output = compare(&[run.to_str().unwrap()]).expect_code(0);
    assert!(output.stdout.contains("'codeact@openai:two' has [\"</function\"]: their format compliance"));
    assert!(
        output.stdout.contains("run 'stops' is unfinished: 10 of 14 attempts ended"),
        "{}",
        output.stdout
    );
    let table = at_report(run.to_str().unwrap(), "table");
    assert!(table.contains("their format compliance is not the same measure"), "{table}");
}

#[test]
fn damage_is_a_warning_and_the_rest_is_compared() {
    let folder = temp();
    let run = folder.path().join("run");
    written(&run);
    let path = run.join("attempts.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen("\"passed\"", "\"failed\"", 1)).unwrap();
    let output = compare(&[run.to_str().unwrap()]).expect_code(0);
    assert!(output.stderr.contains("warning: attempts.jsonl:1"), "{}", output.stderr);
    assert!(output.stdout.contains("note: the records of run '20261123T161900-demo-3f2a' are damaged"));
}

#[test]
fn what_can_not_be_compared_is_told_in_one_sentence() {
    let folder = temp();
    let here = folder.path();
    written(&here.join("reports/20261123T161900-demo-3f2a"));
    runs::write(&here.join("reports/other"), 3);
    let mut told = String::new();
    for arguments in [
        &["other"][..],
        &["other:codeact@scriptde"],
        &["20261123T161900-demo-3f2a", "--baseline", "two"],
        &["20261123T161900-demo-3f2a", "other"],
        &["20261123T161900-demo-3f2b"],
        &["reports", "other"],
        &["20261123T161900-demo-3f2a", "--format", "tabel"],
        &["20261123T161900-demo-3f2a", "-o", "none/deep"],
        &[],
    ] {
        let all: Vec<&str> = std::iter::once("compare").chain(arguments.iter().copied()).collect();
        told +=
            &format!("$ {}\n{}\n", all.join(" "), Rolltape::new(&all).cwd(here).run().masked(here, "HERE"));
    }
    insta::assert_snapshot!("compare_errors", told);
}

/// The shipped tapes, in one run: figures counted from the tapes themselves.
#[test]
fn two_tapes_are_two_subjects() {
    let folder = temp();
    let out = folder.path().join("run");
    let tape = |name: &str| format!("cassette:{}", root().join("trajectories").join(name).display());
    let (good, sloppy) = (tape("deepseek-api"), tape("deepseek-api-sloppy"));
    let suite = root().join("suites/deepseek-api");
    let out = out.to_str().unwrap();
    let tasks = ["--task", "hello", "--task", "models-and-balance"];
    let arguments = ["run", suite.to_str().unwrap(), "--backend", &good, "--backend", &sloppy, "--out", out];
    let all: Vec<&str> = arguments.iter().chain(&tasks).copied().collect();
    let output = Rolltape::new(&all).timeout(Duration::from_mins(2)).run().expect_code(0);
    assert!(output.stdout.contains("B  codeact@cassette:deepseek-api-sloppy"), "{}", output.stdout);
    let value = json_of(&[out]);
    for (side, name) in [(0, "deepseek-api"), (1, "deepseek-api-sloppy")] {
        let text = fs::read_to_string(root().join("trajectories").join(name).join("cassette.jsonl")).unwrap();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let used: Vec<&Value> = lines
            .iter()
            .filter(|line| ["hello", "models-and-balance"].contains(&line["task"].as_str().unwrap()))
            .collect();
        let sum: u64 = used.iter().map(|line| line["usage"]["prompt_tokens"].as_u64().unwrap()).sum();
        near(&value["sides"][side]["figures"]["prompt_tokens"]["sum"], sum as f64);
        near(&value["sides"][side]["figures"]["turns"]["sum"], used.len() as f64);
    }
    let pair = &value["pairs"][0]["metrics"];
    near(&pair["format_ok"]["difference"], -1.0);
    assert_eq!((&pair["success"]["equal"], &pair["format_ok"]["worse"]), (&json!(2), &json!(2)));
}
