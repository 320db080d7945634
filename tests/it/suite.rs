//! Suites: every error at its place, task folders, the loader, and the shipped suite.

use crate::support::{root, temp};
use rolltape::cli::suite_files::{load, render};
use rolltape::suite::{FileSpec, Suite, SuiteError, parse};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

fn files(list: &[(&str, &str)]) -> BTreeMap<String, FileSpec> {
    let spec = |text: &str| FileSpec { bytes: text.as_bytes().to_vec(), executable: false };
    list.iter().map(|(path, text)| ((*path).to_owned(), spec(text))).collect()
}

fn parsed(list: &[(&str, &str)]) -> Result<Suite, Vec<SuiteError>> {
    parse("s", &files(list))
}

/// The errors as the terminal shows them.
fn errors(list: &[(&str, &str)]) -> String {
    render(&parsed(list).expect_err("the suite has errors"))
}

const GOOD: &str = r#"
schema = 1
name = "s"
[[task]]
id = "t"
prompt = "Say hi."
score = [{ kind = "includes", text = "hi" }, { kind = "includes", text = "h", name = "h", weight = 2 }]
"#;

#[test]
fn a_small_suite_parses() {
    let suite = parsed(&[("suite.toml", GOOD)]).expect("a good suite");
    assert_eq!((suite.name.as_str(), suite.tasks.len()), ("s", 1));
    let task = &suite.tasks[0];
    assert_eq!((task.id.as_str(), task.prompt.as_str()), ("t", "Say hi."));
    let scorers: Vec<_> =
        task.score.iter().map(|score| (score.name.as_str(), score.weight, score.line)).collect();
    assert_eq!(scorers, [("includes", 1.0, 7), ("h", 2.0, 7)]);
    assert_eq!(task.sandbox.memory, Some(1 << 30));
}

#[test]
fn examples_come_from_the_task_or_from_the_defaults() {
    let defaults = "[defaults]\nexample = [{ user = \"a\", assistant = \"b\" }]\n";
    let tasks = |own: &str| GOOD.replace("[[task]]", &format!("{defaults}[[task]]\n{own}"));
    let of = |own: &str| parsed(&[("suite.toml", &tasks(own))]).expect("a good suite").tasks.remove(0);
    let plain = parsed(&[("suite.toml", GOOD)]).expect("a good suite").tasks.remove(0);
    let (shown, none) = (of(""), of("example = []"));
    assert_eq!((shown.examples[0].user.as_str(), shown.examples[0].assistant.as_str()), ("a", "b"));
    assert_eq!((none.examples.len(), &none.digest), (0, &plain.digest));
    assert_ne!(shown.digest, plain.digest);
    assert_eq!(of("example = [{ user = \"c\", assistant = \"d\" }]").examples[0].user, "c");
    let told = errors(&[("suite.toml", &tasks("example = [{ user = \"c\", asistant = \"d\" }]\n"))]);
    insta::assert_snapshot!(told, @r#"
    error: s/suite.toml:7:12: an example of task 't' has no 'assistant'
    hint: it is what the model is to say to that, with its call
    error: s/suite.toml:7:26: an example of task 't' has an unknown key 'asistant'
    hint: did you mean 'assistant'?
    found 2 errors
    "#);
}

#[test]
fn networks_and_limits_of_the_sandbox_are_read_and_slips_are_told() {
    let with = |lines: &str| GOOD.replace("[[task]]", &format!("[defaults]\n{lines}\n[[task]]"));
    let of = |lines: &str| parsed(&[("suite.toml", &with(lines))]).expect("a good suite").tasks.remove(0);
    let plain = parsed(&[("suite.toml", GOOD)]).expect("a good suite").tasks.remove(0);
    let network = |text: &str| of(&format!("sandbox = {{ network = {text} }}")).sandbox.network.to_string();
    assert_eq!(network("\"full\""), "full");
    assert_eq!(
        network("{ allow = [\"A.test:81\", \"*.b.test\", \"127.0.0.1:8000\"] }"),
        "allow:a.test:81,*.b.test,127.0.0.1:8000"
    );
    assert_eq!(
        (network("\"none\""), &of("sandbox = { network = \"none\" }").digest),
        ("none".to_owned(), &plain.digest)
    );
    let task =
        of("limits = { cpu = \"30s\" }\nsandbox = { inodes = 5000, open_files = 64, output = \"1MiB\" }");
    let limits = (task.limits.cpu.map(|cpu| cpu.as_secs()), task.sandbox.inodes, task.sandbox.open_files);
    assert_eq!((limits, task.sandbox.output), ((Some(30), Some(5000), Some(64)), Some(1 << 20)));
    assert_ne!(task.digest, plain.digest);
    let slips = "limits = { cpu = 3 }\n\
                 sandbox = { network = { allow = [\"http://a.test\", \"10.0.0.1\"], deny = [] }, inodes = 5, output = \"1\" }";
    let told = errors(&[("suite.toml", &with(slips))]);
    insta::assert_snapshot!(told);
    let told = errors(&[("suite.toml", &with("sandbox = { network = { alow = [] } }"))]);
    insta::assert_snapshot!("network_without_allow", told);
}

#[test]
fn bom_and_crlf_are_simply_read() {
    let text = format!("\u{feff}{}", GOOD.replace('\n', "\r\n"));
    let suite = parsed(&[("suite.toml", &text)]).expect("a good suite");
    let plain = parsed(&[("suite.toml", GOOD)]).expect("a good suite");
    assert_eq!(suite.tasks, plain.tasks);
}

#[test]
fn digests_follow_what_counts() {
    let digest = |text: &str| parsed(&[("suite.toml", text)]).expect("a good suite").tasks[0].digest.clone();
    let base = digest(GOOD);
    assert_eq!(base.len(), 64);
    assert_eq!(base, digest(&GOOD.replace("[[task]]", "\n# moved by a comment\n[[task]]")));
    for (from, to) in [("Say hi.", "Say ho."), ("weight = 2", "weight = 3"), ("text = \"h\"", "text = \"i\"")]
    {
        assert_ne!(base, digest(&GOOD.replace(from, to)), "{from}");
    }
    let limits = GOOD.replace("[[task]]", "[defaults]\nlimits = { turns = 3 }\n[[task]]");
    assert_ne!(base, digest(&limits));
}

#[test]
fn all_errors_come_at_once() {
    let text = r#"
schema = 1
name = "a/b"
extra = 1

[defaults]
agent = 7
policy = "exactly-once"
limits = { turns = 0, wall = "10 minutes", tokens = "many", usd = -1, wal = "1m" }
sandbox = { root = "host", network = "open", memory = "1GIB", cpus = "two", disk = 5, require = ["seccmp"] }

[[service]]
name = "deep seek"
kind = "llm"
port = 70000

[[service]]
kind = "llm"

[[task]]
id = "hello/world"
prompt = "x"
promt = "y"
needs = "curl"
files = { "../up" = "x", "ok.txt" = 3 }
services = ["deepsek"]
mounts = [{ env = "V", at = "relative" }]
score = [{ kind = "regex", pattern = "(" }, { weight = 0, kind = "file", name = "a b" }]

[[task]]
id = "twice"
policy = { calls = "any", ask = "maybe", reading = "runtime:openhand-v1", dialect = "openhand" }
score = []

[[task]]
id = "twice"
prompt = "日本語 \u00e9"
score = [{ kind = "regex", name = "r", pattern = "a" }, { kind = "regex", name = "r", pattern = "b" }]
"#;
    insta::assert_snapshot!(errors(&[("suite.toml", text)]));
}

#[test]
fn columns_count_characters() {
    let text = "schema = 1\nname = \"s\"\ntask = [{ id = \"日本\", prompt = \"é\", wrong = 1, score = [{ kind = \"equals\" }] }]\n";
    let found = parsed(&[("suite.toml", text)]).expect_err("an unknown key");
    let line = text.lines().nth(2).expect("the third line");
    let column = line.chars().position(|c| c == 'w').expect("the key") as u64 + 1;
    assert_eq!((found[0].line, found[0].column), (3, column));
}

#[test]
fn text_that_is_not_toml_is_said_and_nothing_else() {
    insta::assert_snapshot!(errors(&[(
        "suite.toml",
        "schema = 1\nname = \nsurprise = 2\n[[task]\nid = \"x\"\n"
    )]));
}

#[test]
fn empty_missing_newer_and_binary_suites_are_refused() {
    let newer = "schema = 2\nname = \"s\"\nnovelty = true\n";
    let mut binary = files(&[("suite.toml", "schema = 1\nname = \"s")]);
    if let Some(file) = binary.get_mut("suite.toml") {
        file.bytes.extend([0xff, 0xfe, b'"', b'\n']);
    }
    let binary = render(&parse("s", &binary).expect_err("no UTF-8"));
    let all = [
        errors(&[]),
        errors(&[("suite.toml", "")]),
        errors(&[("suite.toml", "schema = 1\nname = \"s\"\n")]),
        errors(&[("suite.toml", newer)]),
        binary,
    ];
    insta::assert_snapshot!(all.join("---\n"));
}

const SUITE: &str =
    "schema = 1\nname = \"s\"\n[[service]]\nname = \"api\"\nkind = \"llm\"\nfault = \"none\"\n";
const HARBOR: &str = r#"
schema_version = "1.4"
source = "somewhere"
[metadata]
author = "someone"
difficulty = "easy"
[metadata.rolltape]
needs = ["curl"]
sandbox = { pids = 32 }
service = { api = { fault = "429-once" } }
score = [{ kind = "command", run = "bash \"$ROLLTAPE_TESTS/test.sh\"" }]
[agent]
timeout_sec = 90.5
[verifier]
timeout_sec = 30
[environment]
build_timeout_sec = 600.0
allow_internet = false
cpus = 2
memory_mb = 512
storage_mb = 2048
"#;

#[test]
fn a_folder_in_harbors_layout_is_a_task() {
    let suite = parsed(&[
        ("suite.toml", SUITE),
        ("tasks/one/task.toml", HARBOR),
        ("tasks/one/instruction.md", "Do it.\n"),
        ("tasks/one/environment/Dockerfile", "FROM scratch\n"),
        ("tasks/one/environment/data/in.txt", "1\n"),
        ("tasks/one/tests/test.sh", "exit 0\n"),
        ("tasks/one/solution/solve.sh", "true\n"),
        ("tasks/one/cheats/lazy.sh", "echo done\n"),
        ("tasks/one/README.md", "for people\n"),
        ("two/task.toml", HARBOR),
        ("two/instruction.md", "Do it too.\n"),
    ])
    .expect("a good suite");
    let ids: Vec<_> = suite.tasks.iter().map(|task| task.id.as_str()).collect();
    assert_eq!(ids, ["one", "two"]);
    let one = &suite.tasks[0];
    assert_eq!(one.prompt, "Do it.\n");
    assert_eq!(one.limits.wall.map(|wall| wall.as_millis()), Some(90_500));
    assert_eq!((one.sandbox.memory, one.sandbox.disk), (Some(512 << 20), Some(2 << 30)));
    assert_eq!((one.sandbox.cpus, one.sandbox.pids), (Some(2.0), Some(32)));
    assert_eq!(one.files.keys().collect::<Vec<_>>(), ["data/in.txt"]);
    assert_eq!(one.hidden.keys().collect::<Vec<_>>(), ["test.sh"]);
    assert_eq!(one.solution.as_ref().map(|script| script.text.as_str()), Some("true\n"));
    assert_eq!(one.cheats.keys().collect::<Vec<_>>(), ["lazy"]);
    assert_eq!(one.services[0].options["fault"], "429-once");
    assert_eq!(one.needs, ["curl"], "the task chose its sandbox itself");
    assert_eq!(one.score[0].file, "s/tasks/one/task.toml");
    let imaged = HARBOR.replace("sandbox = { pids = 32 }", "").replace("cpus = 2", "docker_image = \"x\"");
    let suite = parsed(&[
        ("suite.toml", SUITE),
        ("tasks/one/task.toml", &imaged),
        ("tasks/one/instruction.md", "Do it.\n"),
    ])
    .expect("a good suite");
    assert_eq!(suite.tasks[0].needs, ["curl", "image"]);
}

#[test]
fn slips_in_task_folders_are_said() {
    let bare = "[metadata.rolltape]\nscore = [{ kind = \"includes\", text = \"x\" }]\n";
    insta::assert_snapshot!(errors(&[
        (
            "suite.toml",
            &format!("{SUITE}\n[[task]]\nid = \"same\"\nprompt = \"x\"\nscore = [{{ kind = \"regex\" }}]\n")
        ),
        ("tasks/same/task.toml", bare),
        ("tasks/same/instruction.md", "x"),
        ("tasks/silent/task.toml", bare),
        ("tasks/blank/task.toml", bare),
        ("tasks/blank/instruction.md", " \n"),
        ("tasks/no-toml/instruction.md", "x"),
        ("tasks/bad name/task.toml", bare),
        ("tasks/bad name/instruction.md", "x"),
        (
            "tasks/slips/task.toml",
            "[metadata.rolltap]\n[agent]\ntimeout = 3\n[environment]\nmemory_mb = 0\nenv = { A = \"b\" }\n[[steps]]\n"
        ),
        ("tasks/slips/instruction.md", "x"),
        ("tasks/slips/test/run.sh", "x"),
        ("tasks/slips/solution/helper.py", "x"),
        ("tasks/slips/cheats/notes.txt", "x"),
        ("tasks/scores/task.toml", "[metadata.rolltape]\npolicy = \"sometimes\"\nneed = []\n"),
        ("tasks/scores/instruction.md", "x"),
    ]));
}

#[test]
fn scorers_are_checked_with_the_suite() {
    let folder = temp();
    let text = format!(
        "{SUITE}{}",
        r#"
[[task]]
id = "t"
prompt = "x"
score = [
  { kind = "regexp", pattern = "a" },
  { kind = "regex", patern = "a", pattern = "(?=a)" },
  { kind = "service", run = "x", carry = ["../a"], service = "apy", requests = [{ pth = "/", auth = "good" }], prints = "nonces", timeout = "soon" },
  { kind = "service" },
  { kind = "file", exists = false, contains = "x" },
  { kind = "includes", text = "", on = "stdout" },
  { kind = "command", exit = "zero" },
  { kind = "equals" },
]
"#
    );
    fs::write(folder.path().join("suite.toml"), text).expect("a suite file");
    let errors = render(&load(folder.path()).expect_err("bad scorers"));
    insta::assert_snapshot!(errors.replace(&folder.path().display().to_string(), "FOLDER"));
}

#[test]
fn the_loader_tells_what_it_can_not_read() {
    let folder = temp();
    let shown = |path: &Path| {
        let errors = render(&load(path).expect_err("an error"));
        errors.replace(&folder.path().display().to_string(), "FOLDER")
    };
    let mut all = vec![shown(&folder.path().join("nowhere")), shown(folder.path())];
    fs::write(folder.path().join("notes.txt"), "x").expect("a file");
    all.push(shown(&folder.path().join("notes.txt")));
    fs::write(folder.path().join("suite.toml"), GOOD).expect("a file");
    assert!(load(&folder.path().join("suite.toml")).is_ok(), "the file names its folder");
    std::os::unix::fs::symlink("/etc/hostname", folder.path().join("out")).expect("a link");
    std::os::unix::fs::symlink("nothing", folder.path().join("dangling")).expect("a link");
    std::os::unix::fs::symlink("notes.txt", folder.path().join("inside")).expect("a link");
    let made = std::process::Command::new("mkfifo").arg(folder.path().join("pipe")).status();
    assert!(made.is_ok_and(|status| status.success()), "mkfifo works");
    all.push(shown(folder.path()));
    insta::assert_snapshot!(all.join("---\n"));
}

#[test]
fn an_unreadable_file_is_said() {
    need!(not_root);
    use std::os::unix::fs::PermissionsExt as _;
    let folder = temp();
    fs::write(folder.path().join("suite.toml"), GOOD).expect("a file");
    let locked = folder.path().join("suite.toml");
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o000)).expect("permissions");
    let errors = load(folder.path()).expect_err("an unreadable file");
    assert_eq!(errors[0].message, "this can't be read: permission denied");
}

#[test]
fn the_shipped_suite_loads() {
    let suite =
        load(&root().join("suites/deepseek-api")).unwrap_or_else(|errors| panic!("{}", render(&errors)));
    let ids: Vec<_> = suite.tasks.iter().map(|task| task.id.as_str()).collect();
    assert_eq!(
        ids,
        [
            "bad-key",
            "chat-memory",
            "concurrent",
            "fim",
            "hello",
            "json-mode",
            "key-out-of-logs",
            "missing-key",
            "models-and-balance",
            "no-balance",
            "old-and-new-client",
            "reasoner",
            "retry-429",
            "streaming",
            "tool-call",
            "wrong-method",
        ]
    );
    for task in &suite.tasks {
        assert!(task.solution.is_some(), "{} has a solution", task.id);
        assert!(task.cheats.len() >= 4, "{} has cheats", task.id);
        assert_eq!(task.services[0].key_env.as_deref(), Some("DEEPSEEK_API_KEY"));
    }
}

/// Task and text of every reply of a script under `trajectories/`.
fn script(name: &str) -> Vec<(String, String)> {
    let text =
        fs::read_to_string(root().join("trajectories").join(name).join("script.toml")).expect("a script");
    let script: toml::Table = text.parse().expect("TOML");
    let replies = script["reply"].as_array().expect("replies");
    let string = |reply: &toml::Value, key: &str| reply[key].as_str().expect("a string").to_owned();
    replies.iter().map(|reply| (string(reply, "task"), string(reply, "text"))).collect()
}

#[test]
fn the_clean_script_keeps_the_call_format_and_the_sloppy_one_does_not() {
    let dialect = rolltape::dialects::find("openhands").expect("the dialect");
    let suite = load(&root().join("suites/deepseek-api")).expect("the shipped suite");
    let clean = |text: &str| {
        let markup = (dialect.parse)(text);
        matches!(&markup.calls[..], [call] if call.closed)
            && markup.fragments.is_empty()
            && markup.after_first.is_none_or(|rest| rest.text(text).trim().is_empty())
    };
    for (name, tasks, wanted) in [("deepseek-api", suite.tasks.len(), 0), ("deepseek-api-sloppy", 4, 8)] {
        let replies = script(name);
        let told = suite.tasks.iter().filter(|task| replies.iter().any(|(id, _)| *id == task.id)).count();
        assert_eq!(told, tasks, "{name}");
        assert!(replies.iter().all(|(id, _)| suite.tasks.iter().any(|task| task.id == *id)), "{name}");
        let bad: Vec<_> = replies.iter().filter(|(_, text)| !clean(text)).map(|(id, _)| id).collect();
        assert_eq!(bad.len(), wanted, "{name}: {bad:?}");
    }
}

#[test]
fn hosts_are_names_of_one_service_and_have_the_ports_of_the_web() {
    let service =
        |name: &str, more: &str| format!("[[service]]\nname = \"{name}\"\nkind = \"llm\"\n{more}\n");
    let text = [
        GOOD.to_owned(),
        service("low", "port = 80"),
        service(
            "a",
            "port = 443\nhosts = [\"api.example\", \"https://x.example\", \"127.0.0.1\", \"a\\nb\"]",
        ),
        service("b", "hosts = [\"api.example\", \"b.example\", \"b.example\"]"),
        service("c", "port = 443"),
        service("d", "hosts = \"d.example\""),
    ]
    .join("\n");
    insta::assert_snapshot!(errors(&[("suite.toml", &text)]), @r#"
    error: s/suite.toml:18:9: "https://x.example" in 'hosts' of service 'a' is no host name
    hint: it is a name like "api.example.com", without scheme, port and path
    error: s/suite.toml:18:9: "127.0.0.1" in 'hosts' of service 'a' is no host name
    hint: it is a name like "api.example.com", without scheme, port and path
    error: s/suite.toml:18:9: "a\nb" in 'hosts' of service 'a' is no host name
    hint: it is a name like "api.example.com", without scheme, port and path
    error: s/suite.toml:18:9: service 'a' and service 'low' both want the ports 80 and 443
    hint: a service with 'hosts' answers on both; give the other one another 'port'
    error: s/suite.toml:23:9: service 'b' and service 'a' both have the host 'api.example'
    error: s/suite.toml:23:9: service 'b' has the host 'b.example' twice
    error: s/suite.toml:28:8: the services 'a' and 'c' both have the port 443
    error: s/suite.toml:28:8: service 'c' and service 'a' both want the ports 80 and 443
    hint: a service with 'hosts' answers on both; give the other one another 'port'
    error: s/suite.toml:33:9: 'hosts' of service 'd' must be a list of strings, but it is a string
    found 9 errors
    "#);
    let alone = [GOOD.to_owned(), service("a", "port = 443\nhosts = [\"api.example\"]")].join("\n");
    insta::assert_snapshot!(errors(&[("suite.toml", &alone)]), @r#"
    error: s/suite.toml:12:8: service 'a' has 'hosts', so its port 443 is for TLS
    hint: 'port' is for plain HTTP; leave it out
    "#);
}

#[test]
fn services_do_not_share_names_variables_or_ports() {
    let service =
        |name: &str, more: &str| format!("[[service]]\nname = \"{name}\"\nkind = \"llm\"\n{more}\n");
    let text = [
        GOOD.to_owned(),
        service("a-b", "port = 9000\nkey_env = \"KEY\""),
        service("a_b", ""),
        service("c", "port = 9000"),
        service("d", "key_env = \"KEY\""),
    ]
    .join("\n");
    insta::assert_snapshot!(errors(&[("suite.toml", &text)]), @"
    error: s/suite.toml:16:8: the services 'a-b' and 'a_b' would share one variable
    error: s/suite.toml:23:8: the services 'a-b' and 'c' both have the port 9000
    error: s/suite.toml:28:11: the services 'a-b' and 'd' both have their key in KEY
    found 3 errors
    ");
}
