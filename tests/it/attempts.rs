//! Attempts of little suites of our own, run by the built program: outcomes, scores, exit codes.

use crate::support::{Output, Rolltape, temp};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// A message that runs one bash command.
fn bash(command: &str) -> String {
    format!("<function=execute_bash>\n<parameter=command>\n{command}\n</parameter>\n</function>")
}

/// A message that ends the attempt.
fn finish(words: &str) -> String {
    format!("<function=finish>\n<parameter=message>{words}</parameter>\n</function>")
}

/// A suite with a script beside it.
struct Lab {
    folder: PathBuf,
    suite: String,
    script: String,
}

impl Lab {
    fn new(parent: &Path, name: &str) -> Self {
        let suite = format!(
            "schema = 1\nname = \"{name}\"\n[defaults]\nagent = \"codeact\"\nbackend = \"scripted:script.toml\"\n"
        );
        Self { folder: parent.join(name), suite, script: "schema = 1\n".to_owned() }
    }

    /// A task with the lines `more` (its scorers among them), and what the model says.
    fn task(&mut self, id: &str, more: &str, replies: &[String]) {
        // Writing to a string can't fail.
        let _ = writeln!(self.suite, "[[task]]\nid = \"{id}\"\nprompt = \"do {id}\"\n{more}");
        for reply in replies {
            let usage = "usage = { prompt_tokens = 100, completion_tokens = 10 }";
            let _ = writeln!(self.script, "[[reply]]\ntask = \"{id}\"\n{usage}\ntext = '''\n{reply}'''");
        }
    }

    fn write(&self) -> &Path {
        std::fs::create_dir_all(&self.folder).expect("a folder");
        std::fs::write(self.folder.join("suite.toml"), &self.suite).expect("a file");
        std::fs::write(self.folder.join("script.toml"), &self.script).expect("a file");
        &self.folder
    }
}

/// `rolltape -q run SUITES --out OUT …`
fn run(suites: &[&Path], out: &Path, more: &[&str]) -> Output {
    let mut arguments = vec!["-q", "run"];
    arguments.extend(suites.iter().map(|suite| suite.to_str().expect("UTF-8")));
    arguments.extend(["--out", out.to_str().expect("UTF-8"), "-j", "4"]);
    arguments.extend(more);
    Rolltape::new(&arguments).run()
}

/// The records of a run by `suite/task`; more than one attempt a task is not told apart.
fn records(out: &Path) -> BTreeMap<String, Value> {
    let journal = std::fs::read_to_string(out.join("attempts.jsonl")).expect("attempts.jsonl");
    let record = |line| serde_json::from_str::<Value>(line).expect("JSON");
    let name = |record: &Value| {
        format!("{}/{}", record["suite"].as_str().expect("text"), record["task_id"].as_str().expect("text"))
    };
    journal.lines().map(record).map(|record| (name(&record), record)).collect()
}

/// Outcome, limit, success and the reasons of all scores, one line a task.
fn told(records: &BTreeMap<String, Value>) -> String {
    let mut text = String::new();
    for (name, record) in records {
        let limit = record["limit"].as_str().map(|limit| format!(" ({limit})")).unwrap_or_default();
        let word = record["outcome"].as_str().expect("text");
        let _ = writeln!(text, "{name}: {word}{limit}, success {}", record["success"]);
        for reason in [&record["skipped"], &record["error"]["message"]] {
            if let Some(reason) = reason.as_str() {
                let _ = writeln!(text, "  {reason}");
            }
        }
        for score in record["scores"].as_array().expect("a list") {
            let (scorer, value) = (score["scorer"].as_str().expect("text"), &score["value"]);
            let _ = writeln!(text, "  {scorer} {value}: {}", score["reason"].as_str().expect("text"));
        }
    }
    text
}

const WORDS: &str = "score = [{ kind = \"includes\", text = \"done\" }]";
const PROGRAM: &str = "score = [{ kind = \"command\", run = \"bash app.sh\", carry = [\"app.sh\"] }]";

#[test]
fn two_suites_that_share_a_task_id_replay_from_one_tape() {
    let folder = temp();
    let mut suites = Vec::new();
    for name in ["first", "second"] {
        let mut lab = Lab::new(folder.path(), name);
        let score = format!("score = [{{ kind = \"equals\", text = \"{name}\" }}]");
        lab.task("same", &score, &[bash(&format!("echo {name}")), finish(name)]);
        suites.push(lab);
    }
    let paths: Vec<&Path> = suites.iter().map(Lab::write).collect();
    let tape = folder.path().join("tape");
    run(&paths, &tape, &[]).expect_code(0);
    let backend = format!("cassette:{}", tape.display());
    let again = folder.path().join("again");
    run(&paths, &again, &["--backend", &backend]).expect_code(0);
    for (name, record) in records(&again) {
        assert_eq!(record["drift"], serde_json::json!([]), "{name}");
    }
    // A suite of another name has no tape here: two others could be meant.
    let mut third = Lab::new(folder.path(), "third");
    third.task("same", WORDS, &[]);
    third.write();
    let lost = folder.path().join("lost");
    run(&[&folder.path().join("third")], &lost, &["--backend", &backend]).expect_code(3);
    let message = told(&records(&lost)).replace(&folder.path().display().to_string(), "<dir>");
    insta::assert_snapshot!(message);
}
