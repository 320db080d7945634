//! Data sets: rows become tasks, slips are told at their lines, and runs without a sandbox are whole.

use crate::support::{Rolltape, fixture, program, temp};
use rolltape::cli::suite_files::{load, render};
use rolltape::suite::{FileSpec, Suite, SuiteError, parse};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const HEAD: &str =
    "schema = 1\nname = \"s\"\n[defaults]\nagent = \"chat\"\nbackend = \"echo\"\n[[dataset]]\n";

fn parsed(set: &str, rows: &[(&str, &str)]) -> Result<Suite, Vec<SuiteError>> {
    let spec = |text: &str| FileSpec { bytes: text.as_bytes().to_vec(), executable: false };
    let mut files: BTreeMap<String, FileSpec> =
        rows.iter().map(|(name, text)| ((*name).to_owned(), spec(text))).collect();
    files.insert("suite.toml".to_owned(), spec(&format!("{HEAD}{set}")));
    parse("s", &files)
}

const SET: &str =
    "file = \"r.jsonl\"\nprompt = \"{{q}}\"\nscore = [{ kind = \"equals\", text = \"{{a}}\" }]\n";

fn errors(set: &str, rows: &[(&str, &str)]) -> String {
    render(&parsed(set, rows).expect_err("the suite has errors"))
}

fn ids(suite: &Suite) -> Vec<&str> {
    suite.tasks.iter().map(|task| task.id.as_str()).collect()
}

#[test]
fn the_fixture_makes_a_task_of_each_row_in_order() {
    let suite = load(&fixture("capitals")).expect("a good suite");
    assert_eq!(ids(&suite), ["inline", "France", "Peru", "Chad", "json-0001", "json-0002"]);
    assert_eq!(suite.tasks[3].prompt, "The capital of Chad is N'Djamena, with 1.6e6 people.");
    let json = &suite.tasks[4];
    assert_eq!(json.score[0].options["subset"], json!({"city": {"name": "Oslo", "tags": ["fjord", "cold"]}}));
    let turns: Vec<_> = suite.tasks[4..].iter().map(|task| task.limits.turns).collect();
    assert_eq!(turns, [Some(3), Some(1)]);
    let digests: BTreeSet<&str> = suite.tasks.iter().map(|task| task.digest.as_str()).collect();
    assert_eq!(digests.len(), 6);
}

#[test]
fn the_digest_of_a_task_follows_its_row_and_no_other() {
    let rows = "{\"q\": \"a\", \"a\": 1}\n{\"q\": \"b\", \"a\": 2}\n";
    let digests = |rows: &str| -> Vec<String> {
        let suite = parsed(SET, &[("r.jsonl", rows)]).expect("a good suite");
        suite.tasks.into_iter().map(|task| task.digest).collect()
    };
    let before = digests(rows);
    let after = digests(&rows.replace("\"a\": 2", "\"a\": 3"));
    assert_eq!(before[0], after[0]);
    assert_ne!(before[1], after[1]);
}

#[test]
fn the_same_rows_in_every_kind_of_file_are_the_same_tasks() {
    let tasks = |name: &str, text: &str| {
        let set = SET.replace("r.jsonl", name);
        let suite = parsed(&format!("name = \"x\"\n{set}"), &[(name, text)]).expect("a good suite");
        suite
            .tasks
            .into_iter()
            .map(|task| (task.id, task.prompt, task.score[0].options.clone()))
            .collect::<Vec<_>>()
    };
    let lines = tasks("r.jsonl", "\u{feff}{\"q\":\"a\\nb\",\"a\":\"1\"}\r\n{\"q\":\"ü\",\"a\":\"\"}\r\n");
    assert_eq!(lines.len(), 2);
    assert_eq!(tasks("d/r.json", "[{\"q\":\"a\\nb\",\"a\":\"1\"},\n{\"q\":\"ü\",\"a\":\"\"}]"), lines);
    assert_eq!(tasks("r.csv", "\u{feff}q,a\r\n\"a\nb\",1\r\nü,\r\n"), lines);
    assert_eq!(tasks("r.tsv", "a\tq\n1\t\"a\nb\"\n\tü"), lines);
}

#[test]
fn some_rows_are_taken_by_limit_and_by_sample() {
    let rows: String = (1..=100).fold(String::new(), |mut text, n| {
        let _ = writeln!(text, "{{\"q\": \"{n}\", \"a\": {n}}}");
        text
    });
    let taken = |more: &str| {
        let suite = parsed(&format!("{more}{SET}"), &[("r.jsonl", &rows)]).expect("a good suite");
        ids(&suite).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(taken("limit = 2\n"), ["r-0001", "r-0002"]);
    let some = taken("sample = 10\n");
    assert_eq!(some.len(), 10);
    assert!(some.is_sorted(), "{some:?}");
    assert_eq!(some, taken("sample = 10\nseed = 0\n"));
    assert_ne!(some, taken("sample = 10\nseed = 1\n"));
    assert_eq!(taken("sample = 500\n").len(), 100);
    // What lies behind the limit is not read at all.
    assert!(parsed(&format!("limit = 1\n{SET}"), &[("r.jsonl", "{\"q\":\"a\",\"a\":1}\nnonsense")]).is_ok());
}

#[test]
fn rows_that_are_read_on_many_cores_keep_their_order_and_their_lines() {
    let row = |n: usize| format!("{{\"q\": \"question {n}\", \"a\": {n}}}\n");
    let rows: String = (1..=1000).map(row).collect();
    let suite = parsed(SET, &[("r.jsonl", &rows)]).expect("a good suite");
    for (n, task) in (1..).zip(&suite.tasks) {
        assert_eq!((&*task.id, &*task.prompt), (&*format!("r-{n:04}"), &*format!("question {n}")));
    }
    assert_eq!(suite.tasks.len(), 1000);
    let bad: String =
        (1..=1000).map(|n| if n % 400 == 0 { "{\"q\": \"x\"}\n".to_owned() } else { row(n) }).collect();
    let told = errors(SET, &[("r.jsonl", &bad)]);
    let lines: Vec<&str> = told.lines().filter(|line| line.contains("r.jsonl:")).collect();
    assert!(lines.len() == 2 && lines[0].contains(":400") && lines[1].contains(":800"), "{told}");
}

#[test]
fn many_rows_are_read_and_more_than_the_limit_are_refused() {
    let line = "{\"q\":\"why\",\"a\":1}\n";
    let suite = parsed(SET, &[("r.jsonl", &line.repeat(10_000))]).expect("a good suite");
    assert_eq!(suite.tasks.len(), 10_000);
    assert_eq!(suite.tasks[9_999].id, "r-10000");
    let told = errors(SET, &[("r.jsonl", &line.repeat(200_001))]);
    assert!(told.contains("more than 200000 rows") && told.contains("limit = N"), "{told}");
}

#[test]
fn slips_of_rows_are_told_at_their_lines() {
    let mut told = String::new();
    for (what, set, rows) in [
        (
            "columns that some rows lack",
            SET.to_owned(),
            "{\"q\":\"a\",\"a\":1}\n{\"q\":\"b\"}\n\n{\"x\":null}\n{\"q\":null,\"a\":1}\n{\"q\":\" \",\"a\":1}\n",
        ),
        ("a column that no row has", SET.replace("{{a}}", "{{anser}}"), "{\"q\":\"a\",\"answer\":1}\n"),
        ("lines that are no rows", SET.to_owned(), "{\"q\":\"a\",\"a\":1}\n{\"q\":}\n[1]\n"),
        ("no rows", SET.to_owned(), "\n\n"),
        (
            "ids",
            format!("id = \"{{{{q}}}}\"\n{SET}"),
            "{\"q\":\"a/b\",\"a\":1}\n{\"q\":\"x\",\"a\":1}\n{\"q\":\"x\",\"a\":1}\n",
        ),
        (
            "settings",
            format!("limits = {{ turns = \"{{{{a}}}}\" }}\n{SET}"),
            "{\"q\":\"a\",\"a\":\"many\"}\n{\"q\":\"a\",\"a\":2}\n{\"q\":\"a\",\"a\":null}\n",
        ),
    ] {
        let _ = write!(told, "# {what}\n{}", errors(&set, &[("r.jsonl", rows)]));
    }
    let csv = SET.replace("jsonl", "csv");
    for (what, rows) in [
        ("a ragged CSV", "q,a\n\"x\ny\",1\nonly\n1,2,3\n"),
        ("a quote that never closes", "q,a\nx,1\n\"y,2\nz,3\n"),
        ("headers", "q,a,a,\n1,2,3,4\n"),
    ] {
        let _ = match parsed(&csv, &[("r.csv", rows)]) {
            Ok(suite) => writeln!(told, "# {what}: {} tasks", suite.tasks.len()),
            Err(errors) => write!(told, "# {what}\n{}", render(&errors)),
        };
    }
    insta::assert_snapshot!("slips_of_rows", told);
}

#[test]
fn slips_of_templates_are_told_at_their_keys() {
    let mut told = String::new();
    let row = [("r.jsonl", "{\"q\":\"a\",\"a\":1}\n"), ("data/q.csv", "q\n1\n")];
    for set in [
        SET.replace("r.jsonl", "rows.jsonl"),
        SET.replace("r.jsonl", "../r.jsonl"),
        SET.replace("r.jsonl", "r.xlsx"),
        SET.replace("file = \"r.jsonl\"\n", ""),
        SET.replace("{{q}}", "{{q"),
        SET.replace("{{a}}", "{{a}} {{}}"),
        format!("{SET}limt = 3\nseed = 1\nsample = 0\n"),
        format!("name = \"a b\"\n{SET}"),
        SET.replace("prompt", "prompts"),
    ] {
        told.push_str(&errors(&set, &row));
        told.push('\n');
    }
    insta::assert_snapshot!("slips_of_templates", told);
}

#[test]
fn many_slips_are_counted() {
    let rows = "{\"q\":\"a\",\"a\":1}\n".to_owned() + &"{\"q\":\"a\"}\n".repeat(500);
    let told = errors(SET, &[("r.jsonl", &rows)]);
    assert_eq!(told.matches("lacks the column 'a'").count(), 20, "{told}");
    assert!(told.contains("480 more errors like these follow"), "{told}");
    let twice = "{\"q\":\"a\",\"a\":1}\n".repeat(300);
    let told = errors(&format!("id = \"x\"\n{SET}"), &[("r.jsonl", &twice)]);
    assert_eq!(told.matches("two tasks named 'x'").count(), 20, "{told}");
    assert!(told.contains("279 more errors"), "{told}");
}

/// A suite of so many rows for `echo`, in a folder.
fn rows_suite(folder: &Path, rows: usize) -> PathBuf {
    let suite = folder.join("rows");
    fs::create_dir_all(&suite).expect("a folder");
    let set = SET.replace("{{a}}", "{{q}}");
    fs::write(suite.join("suite.toml"), format!("{HEAD}{set}")).expect("a file");
    let text = (0..rows).fold(String::new(), |mut text, n| {
        let _ = writeln!(text, "{{\"q\": \"row {n}\"}}");
        text
    });
    fs::write(suite.join("r.jsonl"), text).expect("a file");
    suite
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

fn manifest(out: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(out.join("run.json")).expect("run.json")).expect("JSON")
}

#[test]
fn the_fixture_runs_without_a_sandbox_and_says_so() {
    let folder = temp();
    let out = folder.path().join("run");
    let suite = fixture("capitals");
    let done = Rolltape::new(&["run", text(&suite), "--out", text(&out)]).run().expect_code(0);
    assert!(done.stderr.contains("running 6 attempts of 6 tasks without a sandbox"), "{}", done.stderr);
    let manifest = manifest(&out);
    assert_eq!((&manifest["sandbox"], &manifest["layers"]), (&json!("not used"), &json!([])));
    assert_eq!(manifest["policy"], "any");
    let checked = Rolltape::new(&["check", text(&out), "--policy", "any"]).run().expect_code(0);
    assert!(!checked.stdout.contains("FC0"), "{}", checked.stdout);
    // A layer that is asked for is looked for, needed or not.
    let asked = ["run", text(&suite), "--sandbox", "none", "--require", "seccomp", "--dry-run"];
    Rolltape::new(&asked).cwd(folder.path()).run().expect_code(3);
}

#[test]
fn a_task_that_looks_into_a_sandbox_gets_one() {
    let folder = temp();
    let suite = folder.path().join("mixed");
    fs::create_dir_all(&suite).expect("a folder");
    let toml = "schema = 1\nname = \"mixed\"\n[defaults]\nagent = \"chat\"\nbackend = \"echo\"\n\
        [[task]]\nid = \"bare\"\nprompt = \"hi\"\nscore = [{ kind = \"equals\", text = \"hi\" }]\n\
        [[task]]\nid = \"looks\"\nprompt = \"hi\"\nfiles = { \"n.txt\" = \"about 1,200\" }\nscore = [\
        { kind = \"number\", on = \"file:n.txt\", value = 1200 },\
        { kind = \"number\", on = \"output\", run = \"cat n.txt; echo; echo 7\", value = 7 },\
        { kind = \"json\", on = \"output\", run = \"exit 3\", subset = 1, name = \"fails\" }]\n";
    fs::write(suite.join("suite.toml"), toml).expect("a file");
    let out = folder.path().join("run");
    let run = ["run", text(&suite), "--sandbox", "none", "--out", text(&out), "--format", "jsonl"];
    let done = Rolltape::new(&run).run().expect_code(1);
    assert_eq!(manifest(&out)["sandbox"], "none:none, not used by 1 of 2 attempts");
    let records: Vec<Value> =
        done.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let scores = |record: &Value| -> Vec<(f64, String)> {
        let scores = record["scores"].as_array().expect("scores").iter();
        scores.map(|s| (s["value"].as_f64().expect("a value"), s["reason"].to_string())).collect()
    };
    assert_eq!(records[0]["outcome"], "passed");
    let looks = scores(&records[1]);
    assert_eq!(looks.iter().map(|(value, _)| *value).collect::<Vec<_>>(), [1.0, 1.0, 0.0]);
    assert!(looks[2].1.contains("exit code 3"), "{looks:?}");
}

#[test]
fn a_kill_in_the_middle_of_a_thousand_rows_loses_and_doubles_nothing() {
    need!("kill");
    const ROWS: usize = 1000;
    let folder = temp();
    let suite = rows_suite(folder.path(), ROWS);
    let lines =
        |out: &Path| fs::read_to_string(out.join("attempts.jsonl")).unwrap_or_default().lines().count();
    let mut broken = None;
    for n in 0..10 {
        let out = folder.path().join(format!("run-{n}"));
        let mut child = Rolltape::new(&["-q", "run", text(&suite), "-j", "1", "--out", text(&out)]).spawn();
        let until = Instant::now() + Duration::from_secs(60);
        while lines(&out) == 0 && Instant::now() < until {
            std::thread::yield_now();
        }
        let _ = Command::new("kill").args(["-KILL", &child.id().to_string()]).status().expect("kill");
        let _ = program::finish(&mut child, Duration::from_secs(20));
        if (1..ROWS).contains(&lines(&out)) {
            broken = Some(out);
            break;
        }
    }
    let broken = broken.expect("a run that was killed in the middle");
    Rolltape::new(&["-q", "resume", text(&broken)]).run().expect_code(0);
    let journal = fs::read_to_string(broken.join("attempts.jsonl")).expect("a journal");
    let seen: BTreeSet<String> = journal
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON")["attempt_id"].to_string())
        .collect();
    assert_eq!((journal.lines().count(), seen.len()), (ROWS, ROWS), "each row once");
    let whole = folder.path().join("whole");
    Rolltape::new(&["-q", "run", text(&suite), "--out", text(&whole)]).run().expect_code(0);
    let report = |out: &Path| {
        let made = Rolltape::new(&["report", text(out), "--format", "jsonl", "--no-timing"]).run();
        made.expect_code(0).stdout
    };
    assert_eq!(report(&broken), report(&whole));
}

#[test]
fn a_bad_data_set_ends_the_run_before_it_begins() {
    let folder = temp();
    let suite = rows_suite(folder.path(), 3);
    let path = suite.join("r.jsonl");
    let rows = fs::read_to_string(&path).expect("rows") + "{\"question\": \"why\"}\n{\"q\": \n";
    fs::write(&path, rows).expect("a file");
    let output = Rolltape::new(&["run", "rows"]).cwd(folder.path()).run().expect_code(2);
    insta::assert_snapshot!("bad_data_set", output.masked(folder.path(), "<folder>"));
    assert!(!folder.path().join("reports").exists());
}
