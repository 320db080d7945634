//! One attack in the whole program: a suite with the attack and a plain task after it, a run, and what it told.

use super::case::{Case, Oracle};
use super::ground::Ground;
use super::reference;
use crate::sandbox::keeper::{Job, Told, keep};
use rolltape::sandbox::Level;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// A finished run.
pub(super) struct Run {
    pub(super) told: Told,
    /// Records by task.
    pub(super) records: BTreeMap<String, Value>,
    /// Answers of the tools by task, in order.
    pub(super) answers: BTreeMap<String, Vec<String>>,
    /// Layers that were off, with the reason.
    pub(super) off: BTreeMap<String, String>,
    /// Everything that was written, by file.
    pub(super) written: Vec<(String, String)>,
    /// The command as it was given.
    pub(super) command: String,
}

/// A word of a shell command.
pub(super) fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// The attack as the shell tool gets it. What is aimed at the tool itself goes to its own shell.
fn typed(case: &Case, command: &str) -> String {
    if case.oracle == Oracle::Tool {
        return command.to_owned();
    }
    let words: Vec<String> = case.interp.iter().map(|word| quoted(word)).chain([quoted(command)]).collect();
    words.join(" ")
}

struct Script(String);

impl Script {
    fn say(&mut self, task: &str, text: &str) {
        // A JSON string is a TOML string.
        let _ = writeln!(self.0, "[[reply]]\ntask = \"{task}\"\ntext = {}", Value::from(text));
    }

    fn bash(&mut self, task: &str, command: &str) {
        let timeout = "<parameter=timeout>20</parameter>\n";
        let call = format!(
            "<function=execute_bash>\n<parameter=command>{command}</parameter>\n{timeout}</function>"
        );
        self.say(task, &call);
    }

    fn finish(&mut self, task: &str, words: &str) {
        self.say(task, &format!("<function=finish>\n<parameter=message>{words}</parameter>\n</function>"));
    }
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
    fs::write(path, text).expect("a file");
}

/// A repository that holds the answer in a later commit, a tag, a branch and a remote.
pub(super) fn repository(folder: &Path) {
    let script = "set -e; git init -q .; git config user.email a@example.com; git config user.name a
        echo 'def add(a,b): return 0' > solution.py; git add .; git commit -qm one; git checkout -qb later
        echo 'def add(a,b): return a+b' > solution.py; git commit -qam two; git tag fixed
        git remote add origin https://example.com/x.git; git checkout -q -";
    fs::create_dir_all(folder).expect("a folder");
    let made = std::process::Command::new("sh").args(["-c", script]).current_dir(folder).output();
    let made = made.expect("a shell");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

fn suite(case: &Case, ground: &Ground, command: &str) {
    let at = |path: &str| ground.path("suite").join(path);
    let (mark, mut script) = (ground.mark(), Script("schema = 1\n".to_owned()));
    let disk = case.disk.unwrap_or(1024);
    let (memory, pids) = (case.memory.unwrap_or(1024), case.pids.unwrap_or(256));
    let limits = format!(
        "limits = {{ turns = 9, wall = \"90s\" }}\n\
         sandbox = {{ memory = \"{memory}MiB\", pids = {pids}, disk = \"{disk}MiB\" }}\n"
    );
    write(
        &at("suite.toml"),
        &format!(
            "# {mark}\nschema = 1\nname = \"attacks\"\n[defaults]\nagent = \"codeact\"\nbackend = \"scripted:script.toml\"\n{limits}"
        ),
    );
    for (task, score) in reference::tasks(case) {
        let folder = format!("tasks/{task}");
        write(&at(&format!("{folder}/task.toml")), &format!("[metadata.rolltape]\n{score}"));
        write(&at(&format!("{folder}/instruction.md")), &format!("Write add(a, b). {mark}\n"));
        if case.git {
            repository(&at(&format!("{folder}/environment")));
        }
        write(&at(&format!("{folder}/environment/solution.py")), "def add(a,b): return 0\n");
        for (name, text) in reference::hidden() {
            write(&at(&format!("{folder}/tests/{name}")), &format!("# {mark}\n{text}"));
        }
        script.bash(&task, &typed(case, command));
        script.bash(&task, "echo next $((40 + 2)); pwd");
        script.finish(&task, "done");
    }
    // Also what a neighbour sees, and whether it can work beside a bomb.
    // The token in two parts, as it must not be in what is written.
    let (one, two) = ground.token.split_at(8);
    let plain = format!(
        "for i in 1 2 3 4 5; do sleep 0.$i & done; wait; t={one}; t=$t{two}; \
         ls -d /usr/bin/$t /etc/$t /tmp/$t 2>/dev/null; ls -A; echo fine > answer.txt"
    );
    write(&at("tasks/plain/task.toml"), &format!("[metadata.rolltape]\n{}", reference::plain()));
    write(&at("tasks/plain/instruction.md"), "Say fine.\n");
    script.bash("plain", &plain);
    script.finish("plain", "fine");
    write(&at("script.toml"), &script.0);
}

/// Runs an attack in a level and reads what came of it.
pub(super) fn run(case: &Case, level: Level, ground: &Ground) -> Run {
    run_as(case, level, ground, &|argv| argv.iter().map(|word| (*word).to_owned()).collect())
}

/// The same, the program started by other means.
pub(super) fn run_as(
    case: &Case,
    level: Level,
    ground: &Ground,
    started: &dyn Fn(&[&str]) -> Vec<String>,
) -> Run {
    let command = ground.fill(&case.command);
    suite(case, ground, &command);
    let workers = if case.pids.is_some() { "2" } else { "1" };
    let argv = [
        env!("CARGO_BIN_EXE_rolltape"),
        "run",
        "suite",
        "--out",
        "out",
        "-j",
        workers,
        if level == Level::None { "--sandbox" } else { "--level" },
        level.as_str(),
        "--format",
        "json",
    ];
    let mut env: BTreeMap<String, String> = ground.environment().into_iter().collect();
    env.insert("PATH".to_owned(), std::env::var("PATH").unwrap_or_default());
    let told = keep(&Job { argv: started(&argv), env, folder: ground.path("") });
    let lines = |name: &str| -> Vec<Value> {
        let text = fs::read_to_string(ground.path("out").join(name)).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    };
    let manifest: Value = fs::read(ground.path("out/run.json"))
        .map_or(Value::Null, |bytes| serde_json::from_slice(&bytes).expect("JSON"));
    let mut run = Run {
        told,
        records: BTreeMap::new(),
        answers: BTreeMap::new(),
        off: off(&manifest),
        written: written(ground),
        command,
    };
    for record in lines("attempts.jsonl") {
        run.records.insert(record["task_id"].as_str().expect("a task").to_owned(), record);
    }
    for trajectory in lines("trajectories.jsonl") {
        let id =
            trajectory["trajectory_id"].as_str().or(trajectory["session_id"].as_str()).unwrap_or_default();
        let task = id.split('/').nth(1).unwrap_or_default().to_owned();
        run.answers.insert(task, answers(&trajectory));
    }
    run
}

fn answers(trajectory: &Value) -> Vec<String> {
    let steps = trajectory["steps"].as_array().into_iter().flatten();
    let results = steps.filter_map(|step| step["observation"]["results"].as_array()).flatten();
    results.map(|result| result["content"].as_str().unwrap_or_default().to_owned()).collect()
}

/// Layers that the manifest says are off.
fn off(manifest: &Value) -> BTreeMap<String, String> {
    let layers = manifest["layers"].as_array().into_iter().flatten();
    let missing = layers.filter(|layer| layer["on"] == false);
    missing
        .map(|layer| {
            let text = |key: &str| layer[key].as_str().unwrap_or_default().to_owned();
            (text("name"), text("reason"))
        })
        .collect()
}

/// What the run printed and what it left in its folder.
fn written(ground: &Ground) -> Vec<(String, String)> {
    let files = walkdir::WalkDir::new(ground.path("out")).into_iter().flatten();
    let files = files.filter(|entry| entry.file_type().is_file()).map(walkdir::DirEntry::into_path);
    let printed = ["stdout", "stderr"].map(|name| ground.path(name));
    let text = |path: std::path::PathBuf| {
        let bytes = fs::read(&path).unwrap_or_default();
        (path.display().to_string(), String::from_utf8_lossy(&bytes).into_owned())
    };
    files.chain(printed).map(text).collect()
}
