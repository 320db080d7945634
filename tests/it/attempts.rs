//! Attempts of little suites of our own, run by the built program: outcomes, scores, exit codes.

use crate::support::{Output, Rolltape, data, temp};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A message that runs one bash command.
pub(crate) fn bash(command: &str) -> String {
    format!("<function=execute_bash>\n<parameter=command>\n{command}\n</parameter>\n</function>")
}

/// A message that ends the attempt.
pub(crate) fn finish(words: &str) -> String {
    format!("<function=finish>\n<parameter=message>{words}</parameter>\n</function>")
}

/// A suite with a script beside it.
pub(crate) struct Lab {
    folder: PathBuf,
    suite: String,
    script: String,
}

impl Lab {
    pub(crate) fn new(parent: &Path, name: &str) -> Self {
        let suite = format!(
            "schema = 1\nname = \"{name}\"\n[defaults]\nagent = \"codeact\"\nbackend = \"scripted:script.toml\"\n"
        );
        Self { folder: parent.join(name), suite, script: "schema = 1\n".to_owned() }
    }

    /// A task with the lines `more` (its scorers among them), and what the model says.
    pub(crate) fn task(&mut self, id: &str, more: &str, replies: &[String]) {
        // Writing to a string can't fail.
        let _ = writeln!(self.suite, "[[task]]\nid = \"{id}\"\nprompt = \"do {id}\"\n{more}");
        for reply in replies {
            let usage = "usage = { prompt_tokens = 100, completion_tokens = 10 }";
            let _ = writeln!(self.script, "[[reply]]\ntask = \"{id}\"\n{usage}\ntext = '''\n{reply}'''");
        }
    }

    pub(crate) fn write(&self) -> &Path {
        std::fs::create_dir_all(&self.folder).expect("a folder");
        std::fs::write(self.folder.join("suite.toml"), &self.suite).expect("a file");
        std::fs::write(self.folder.join("script.toml"), &self.script).expect("a file");
        &self.folder
    }
}

/// `rolltape -q run SUITES --out OUT …`
pub(crate) fn run(suites: &[&Path], out: &Path, more: &[&str]) -> Output {
    let mut arguments = vec!["-q", "run"];
    arguments.extend(suites.iter().map(|suite| suite.to_str().expect("UTF-8")));
    arguments.extend(["--out", out.to_str().expect("UTF-8"), "-j", "4"]);
    arguments.extend(more);
    Rolltape::new(&arguments).run()
}

/// The records of a run by `suite/task`; more than one attempt a task is not told apart.
pub(crate) fn records(out: &Path) -> BTreeMap<String, Value> {
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

/// What an agent may leave in the place of its program, and what is read of it on the host: nothing.
#[test]
fn what_is_no_regular_file_is_not_kept() {
    let folder = temp();
    let mut lab = Lab::new(folder.path(), "left");
    let both = "score = [{ kind = \"file\", path = \"app.sh\", contains = \"root\" }, \
                { kind = \"command\", run = \"bash app.sh\", carry = [\"app.sh\"] }]";
    for (id, command) in [
        ("big", "head -c 20000000 /dev/zero > app.sh"),
        ("fifo", "mkfifo app.sh"),
        ("folder", "mkdir app.sh"),
        ("sparse", "truncate -s 100G app.sh"),
        ("symlink", "ln -s /etc/passwd app.sh"),
    ] {
        lab.task(id, both, &[bash(command), finish("done")]);
    }
    let out = folder.path().join("run");
    run(&[lab.write()], &out, &[]).expect_code(1);
    insta::assert_snapshot!(told(&records(&out)));
}

/// The links of the hostile workspace, made by an agent: whatever is declared, by their names or through them, no
/// link is followed out of it or for ever, and nothing of the host is in any file of the run.
#[test]
fn the_links_of_the_hostile_workspace_stay_links() {
    need!("python3");
    let Some(generator) = data("hostile_inputs.py") else { return };
    let folder = temp();
    let made = Command::new("python3").arg(generator).arg(folder.path()).output().expect("python3 runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let manifest = std::fs::read(folder.path().join("manifest.json")).expect("a file");
    let manifest: Value = serde_json::from_slice(&manifest).expect("JSON");
    let cases = manifest.as_array().expect("a list").iter();
    let cases: Vec<_> = cases.filter(|case| case["target"] == "workspace").collect();
    assert_eq!(cases.len(), 1, "a case that this test does not know");
    // A secret of the host in the place of what the links were made for: every test of leaking needs one.
    let secret = folder.path().join("secret.txt");
    std::fs::write(&secret, "a-secret-of-the-host").expect("a file");
    let mut commands =
        vec!["mkdir links && cd links".to_owned(), format!("ln -s {} secret", secret.display())];
    let mut declared = vec!["links".to_owned(), "links/secret".to_owned()];
    let mut names = Vec::new();
    for entry in
        std::fs::read_dir(folder.path().join(cases[0]["file"].as_str().expect("a file"))).expect("a folder")
    {
        let entry = entry.expect("an entry");
        let name = entry.file_name().into_string().expect("UTF-8");
        match std::fs::read_link(entry.path()) {
            Ok(target) => {
                commands.push(format!("ln -s {} {name}", target.display()));
                names.push(name);
            }
            Err(_) => commands.push(format!("mkdir {name}")),
        }
    }
    names.sort();
    assert_eq!(names, ["abs", "dangling", "dirloop", "loop", "up"]);
    declared.extend(names.iter().map(|name| format!("links/{name}")));
    declared.extend(
        ["dirloop/abs", "dirloop/dirloop/dirloop/secret", "loop/x"].map(|path| format!("links/{path}")),
    );
    let scorers: Vec<String> =
        declared.iter().map(|path| format!("{{ kind = \"file\", path = \"{path}\" }}")).collect();
    let carry = serde_json::to_string(&declared).expect("JSON");
    // Were a link carried as what it leads to, a file would be there.
    let command =
        format!("{{ kind = \"command\", run = \"test -z \\\"$(find links)\\\"\", carry = {carry} }}");
    let mut lab = Lab::new(folder.path(), "hostile");
    let view = "<function=str_replace_editor>\n<parameter=command>view</parameter>\n<parameter=path>/workspace/links</parameter>\n</function>";
    let replies = [bash(&commands.join(" && ")), view.to_owned(), finish("done")];
    lab.task("links", &format!("score = [{}, {command}]", scorers.join(", ")), &replies);
    lab.write();
    for more in [&[][..], &["--sandbox", "none"]] {
        let out = folder.path().join(format!("run-{}", more.len()));
        run(&[&lab.folder], &out, more).expect_code(1);
        insta::allow_duplicates! { insta::assert_snapshot!("hostile_workspace", told(&records(&out))) };
        let mut folders = vec![out.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry")) {
                assert!(!entry.file_type().expect("a kind").is_symlink(), "{:?}", entry.path());
                if entry.path().is_dir() {
                    folders.push(entry.path());
                } else {
                    let bytes = std::fs::read(entry.path()).expect("a file");
                    let text = String::from_utf8_lossy(&bytes);
                    assert!(!text.contains("a-secret-of-the-host"), "{:?}", entry.path());
                }
            }
        }
    }
}

/// What lives on after the agent can't change what is judged, and a limit is judged like any other end.
#[test]
fn daemons_are_dead_and_limits_are_scored() {
    let folder = temp();
    let mut lab = Lab::new(folder.path(), "ends");
    let good = "echo 'exit 0' > app.sh";
    let evil = "while :; do echo 'exit 3' > app.sh; sleep 0.05; done";
    let limited = |limit: &str| format!("limits = {{ {limit} }}\n{PROGRAM}");
    let three = |finish_too: bool| {
        let mut replies = vec![bash(good), bash("true"), bash("true")];
        replies.extend(finish_too.then(|| finish("done")));
        replies
    };
    let daemons = [
        bash(&format!("nohup bash -c 'sleep 1; {evil}' >/dev/null 2>&1 &")),
        bash(&format!("(setsid bash -c 'trap \"\" TERM HUP INT; sleep 1; {evil}' >/dev/null 2>&1 &)")),
        bash(good),
        finish("done"),
    ];
    lab.task("daemons", PROGRAM, &daemons);
    lab.task("tokens", &limited("tokens = 200"), &three(true));
    lab.task("turns", &limited("turns = 3"), &three(false));
    lab.task("turns-of-no-use", &format!("limits = {{ turns = 1 }}\n{PROGRAM}"), &[bash("true")]);
    lab.task("wall", &limited("wall = \"2s\""), &[bash(good), bash("sleep 60")]);
    let out = folder.path().join("run");
    run(&[lab.write()], &out, &[]).expect_code(1);
    let records = records(&out);
    insta::assert_snapshot!(told(&records));
    for (name, record) in &records {
        assert!(record["trajectory"]["len"].as_u64().is_some_and(|len| len > 0), "{name} has no trajectory");
    }
}

#[test]
fn a_script_that_runs_out_is_an_error_and_unmet_needs_are_skips() {
    let folder = temp();
    let mut lab = Lab::new(folder.path(), "errs");
    lab.task("no-program", &format!("needs = [\"no-such-program\"]\n{WORDS}"), &[finish("done")]);
    lab.task("no-reply", WORDS, &[]);
    lab.task(
        "no-variable",
        &format!("mounts = [{{ env = \"ROLLTAPE_NO_VARIABLE\", at = \"/opt/x\" }}]\n{WORDS}"),
        &[],
    );
    lab.task("runs-out", WORDS, &[bash("true")]);
    lab.task("works", WORDS, &[finish("done")]);
    let out = folder.path().join("run");
    run(&[lab.write()], &out, &[]).expect_code(3);
    insta::assert_snapshot!(told(&records(&out)).replace(&folder.path().display().to_string(), "<dir>"));
    // Skips alone are no work done.
    let skipped = folder.path().join("skipped");
    run(&[&lab.folder], &skipped, &["--task", "no-program", "--task", "no-variable"]).expect_code(3);
}

/// Weights, `reward = "all"`, `ask`, and a policy that lets the last word stand without a call.
#[test]
fn rewards_and_policies_are_those_of_the_task() {
    let folder = temp();
    let mut lab = Lab::new(folder.path(), "rules");
    let two = "score = [{ kind = \"includes\", text = \"done\", weight = 3 }, { kind = \"equals\", text = \"no\" }]";
    lab.task("mean", two, &[finish("done")]);
    lab.task("all", &format!("reward = \"all\"\n{two}"), &[finish("done")]);
    let question = ["Which key?".to_owned(), finish("done")];
    lab.task("ask", &format!("policy = {{ calls = \"exactly-one\", ask = \"allow\" }}\n{WORDS}"), &question);
    lab.task("deny", WORDS, &question);
    lab.task("last-word", &format!("policy = \"at-most-one\"\n{WORDS}"), &["I am done.".to_owned()]);
    let no = "no".to_owned();
    lab.task("gives-up", WORDS, &[no.clone(), no.clone(), no.clone(), finish("done")]);
    let recovers = [no.clone(), no.clone(), bash("true"), no.clone(), no, finish("done")];
    lab.task("recovers", WORDS, &recovers);
    let out = folder.path().join("run");
    run(&[lab.write()], &out, &[]).expect_code(1);
    let told: Vec<String> = records(&out)
        .iter()
        .map(|(name, record)| {
            let field = |key: &str| record[key].to_string();
            format!(
                "{name}: {} success {} format {} reward {} turns {}",
                field("outcome"),
                field("success"),
                field("format_ok"),
                field("reward"),
                field("turns")
            )
        })
        .collect();
    insta::assert_snapshot!(told.join("\n"));
}

/// Names that come by chance are not written, and telling an address or a nonce is no leak; telling a key is.
#[test]
fn what_differs_by_chance_is_not_written_and_is_no_secret() {
    let folder = temp();
    let mut lab = Lab::new(folder.path(), "chance");
    lab.suite.push_str("[[service]]\nname = \"one\"\nkind = \"llm\"\nkey_env = \"ONE_KEY\"\n");
    let look = "pwd; echo $HOME $TMPDIR $ROLLTAPE_SERVICE_ONE_URL";
    let raw = [
        "--data '{\"model\":\"deepseek-chat\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}' $url/chat/completions",
        "$url/models",
        "$url/user/balance",
    ]
    .map(|request| format!("curl -s -H \"Authorization: Bearer $ONE_KEY\" {request}"))
    .join("; ");
    let raw = format!("url=$ROLLTAPE_SERVICE_ONE_URL; {raw}; echo $ONE_KEY | head -c 3");
    let probe = "score = [{ kind = \"command\", run = \"pwd; echo $ROLLTAPE_TESTS; cat app.sh\" }]";
    lab.task(
        "look",
        probe,
        &[bash(look), bash("curl -s http://127.0.0.1:8080/"), bash(&raw), finish("done")],
    );
    lab.write();
    for level in ["process", "auto"] {
        let out = folder.path().join(level);
        let output = run(&[&lab.folder], &out, &["--level", level]);
        if level == "process" && output.code == 2 {
            eprintln!("SKIP: this machine has no level process: {}", output.stderr);
            continue;
        }
        output.expect_code(1);
        for (name, record) in records(&out) {
            assert_eq!(record["findings"], serde_json::json!([]), "{name} at level {level}");
        }
        // Other keys, nonces, ports and folders are no drift.
        let (again, tape) =
            (folder.path().join(format!("{level}-again")), format!("cassette:{}", out.display()));
        run(&[&lab.folder], &again, &["--level", level, "--seed", "9", "--backend", &tape]).expect_code(1);
        for (name, record) in records(&again) {
            assert_eq!(record["drift"], serde_json::json!([]), "{name} at level {level}");
        }
        for entry in walkdir::WalkDir::new(&out) {
            let entry = entry.expect("an entry");
            if entry.file_type().is_file() {
                let bytes = std::fs::read(entry.path()).expect("a file");
                let text = String::from_utf8_lossy(&bytes);
                assert!(!text.contains("rolltape-run-"), "{}", entry.path().display());
            }
        }
    }
}

#[test]
fn hidden_tests_read_what_the_program_under_test_can_not() {
    need!("setpriv");
    let folder = temp();
    let mut lab = Lab::new(folder.path(), "hidden");
    // The program gives away what it can read; the test wants what only the test can know.
    let peek = r#"cat /tests/answer "$ROLLTAPE_TESTS/answer" 2>/dev/null"#;
    let test =
        r#"[ "$(cat "$ROLLTAPE_TESTS/answer")" = 42 ] && [ "$($ROLLTAPE_AS_AGENT bash app.sh)" = "$1" ]"#;
    let task = |wanted: &str| {
        format!(
            "tests = {{ answer = \"42\\n\", \"test.sh\" = '''{test}''' }}\n\
             score = [{{ kind = \"command\", run = 'bash \"$ROLLTAPE_TESTS/test.sh\" \"{wanted}\"', carry = [\"app.sh\"] }}]"
        )
    };
    let write = |program: &str| bash(&format!("cat > app.sh <<'END'\n{program}\nEND"));
    lab.task("honest", &task("hello"), &[write("echo hello"), finish("done")]);
    lab.task("peeks", &task(""), &[write(peek), finish("done")]);
    let out = folder.path().join("out");
    run(&[lab.write()], &out, &[]);
    let records = records(&out);
    assert_eq!(records["hidden/honest"]["outcome"], "passed", "{}", records["hidden/honest"]);
    // Only in level overlay are the two different users.
    let manifest = std::fs::read_to_string(out.join("run.json")).expect("a manifest");
    if manifest.contains("namespaces:overlay") {
        let peeks = &records["hidden/peeks"];
        assert_eq!(peeks["outcome"], "passed", "nothing could be read: {peeks}");
    }
}

/// What became of attempts that ran into limits of their sandboxes, and what was kept of it.
#[test]
fn limits_of_the_sandbox_end_an_attempt_or_name_why_it_failed() {
    let folder = temp();
    let mut lab = Lab::new(folder.path(), "limits");
    let with = |keys: &str| format!("{keys}\n{PROGRAM}");
    let good = bash("echo 'exit 0' > app.sh");
    let full = bash("head -c 100000000 /dev/zero > $TMPDIR/big; sleep 1");
    let tidied = bash("rm $TMPDIR/big; echo 'exit 0' > app.sh");
    lab.task("cpu", &with("limits = { cpu = \"500ms\" }"), &[good.clone(), bash("while :; do :; done")]);
    let slow = bash("echo 'exit 0' > app.sh; sleep 60");
    lab.task("command", &with("limits = { command = \"1s\" }"), &[slow, finish("done")]);
    let busy = bash("echo 'exit 0' > app.sh; (sleep 0.1; while :; do :; done)");
    lab.task("command-cpu", &with("limits = { command_cpu = \"600ms\" }"), &[busy, finish("done")]);
    let idle = bash("echo 'exit 0' > app.sh; sleep 1; echo rested");
    lab.task("command-idle", &with("limits = { command_cpu = \"600ms\" }"), &[idle, finish("done")]);
    lab.task("output", &with("sandbox = { output = \"1MiB\" }"), &[good, bash("yes")]);
    lab.task("disk", &with("sandbox = { disk = \"8MiB\" }"), &[full.clone(), finish("done")]);
    lab.task("disk-outlived", &with("sandbox = { disk = \"8MiB\" }"), &[full, tidied, finish("done")]);
    let out = folder.path().join("run");
    run(&[lab.write()], &out, &[]).expect_code(1);
    let records = records(&out);
    insta::assert_snapshot!(told(&records));
    let tape = std::fs::read_to_string(out.join("trajectories.jsonl")).expect("trajectories");
    assert!(tape.contains("[The command ran over the limit of 1 seconds and was killed.]"), "{tape}");
    let cpu = "[The command ran over the limit of 0.6 seconds of CPU time and was killed.]";
    assert_eq!(tape.matches(cpu).count(), 1, "{tape}");
    assert!(tape.contains("rested"), "{tape}");
    let kept = evidence(&out, &records["limits/disk-outlived"], "sandbox:limits");
    assert_eq!(kept, serde_json::json!(["disk"]));
}

/// A piece of evidence of a record.
pub(crate) fn evidence(out: &Path, record: &Value, name: &str) -> Value {
    let list = record["evidence"].as_array().expect("a list");
    let found = list.iter().find(|one| one["name"] == name).expect("the evidence");
    let file = out.join("artefacts").join(found["sha256"].as_str().expect("a digest"));
    serde_json::from_str(&std::fs::read_to_string(file).expect("an artefact")).expect("JSON")
}

#[test]
fn hosts_that_a_suite_allows_are_reached_and_each_request_is_kept() {
    let folder = temp();
    let server = crate::sandbox_verb::network::Server::start();
    let mut lab = Lab::new(folder.path(), "allowed");
    let network = format!("sandbox = {{ network = {{ allow = [\"mirror.example={}\"] }} }}", server.at);
    let ask = |url: &str| crate::sandbox_verb::network::ask(&format!("GET {url}"), "");
    let both = bash(&format!("{} {}", ask("http://mirror.example/a"), ask("http://other.example/b")));
    lab.task("asks", &format!("{network}\n{WORDS}"), &[both, finish("done")]);
    let out = folder.path().join("run");
    let told = run(&[lab.write()], &out, &[]).expect_code(0);
    assert!(
        told.stderr.contains("warning: task 'allowed/asks' reaches the network: allow:mirror.example="),
        "{}",
        told.stderr
    );
    let kept = evidence(&out, &records(&out)["allowed/asks"], "sandbox:network");
    let expected = serde_json::json!([
        {"method": "GET", "host": "mirror.example", "port": 80, "path": "/a", "status": 200},
        {"method": "GET", "host": "other.example", "port": 80, "path": "/b", "status": 403,
         "refused": "it is not in the list"},
    ]);
    assert_eq!(kept, expected);
}

#[test]
fn carried_files_are_known_by_their_digests() {
    let folder = temp();
    let mut lab = Lab::new(folder.path(), "carried");
    let score =
        "score = [{ kind = \"command\", run = \"bash app.sh\", carry = [\"app.sh\", \"link\", \"none\"] }]";
    lab.task("own", score, &[bash("printf 'exit 0' > app.sh; ln -s /etc/passwd link"), finish("done")]);
    let out = folder.path().join("run");
    run(&[lab.write()], &out, &[]).expect_code(0);
    let kept = evidence(&out, &records(&out)["carried/own"], "sandbox:carried");
    let digest = rolltape::util::digest::sha256_hex(b"exit 0");
    let expected = serde_json::json!({
        "app.sh": { "bytes": 6, "sha256": digest },
        "link": { "not_kept": "link is a symbolic link, not a regular file" },
        "none": null,
    });
    assert_eq!(kept, expected);
}

#[test]
fn cells_that_run_over_a_limit_are_interrupted_or_killed() {
    need!("python3");
    let folder = temp();
    let mut lab = Lab::new(folder.path(), "cells");
    let cell = |code: &str| {
        format!("<function=execute_ipython_cell>\n<parameter=code>\n{code}\n</parameter>\n</function>")
    };
    let with = |keys: &str| format!("limits = {{ {keys} }}\n{WORDS}");
    let (sleeps, spins) = ("import time\ntime.sleep(60)", "while True:\n    pass");
    let stubborn = "import time\nwhile True:\n    try:\n        time.sleep(60)\n    except KeyboardInterrupt:\n        pass";
    let kept = cell("print('kept', mine)");
    let say = [cell("mine = 7"), cell(sleeps), kept.clone(), finish("done")];
    lab.task("wall", &with("command = \"2s\""), &say);
    let say = [cell("mine = 8"), cell(spins), kept, finish("done")];
    lab.task("cpu", &with("command_cpu = \"1500ms\""), &say);
    lab.task(
        "stubborn",
        &with("command = \"3s\""),
        &[cell(stubborn), cell("print('fresh')"), finish("done")],
    );
    let out = folder.path().join("run");
    run(&[lab.write()], &out, &[]).expect_code(0);
    let tape = std::fs::read_to_string(out.join("trajectories.jsonl")).expect("trajectories");
    for said in [
        "[The cell ran over the limit of 2 seconds and was interrupted.]",
        "kept 7",
        "[The cell ran over the limit of 1.5 seconds of CPU time and was interrupted.]",
        "kept 8",
        "[The cell ran over the limit of 3 seconds and was killed.]",
        "fresh",
    ] {
        assert!(tape.contains(said), "{said}: {tape}");
    }
}
