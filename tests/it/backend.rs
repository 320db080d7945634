//! Back ends: recording, replaying by position, drift, and conversations that leave the tape.

use rolltape::backend::{
    self, Backend, BackendName, Budget, ChatMessage, Metered, ModelReply, Role, Stop, wire,
};
use rolltape::model::{AttemptId, CassetteLine, LimitKind, Object, RunError};
use rolltape::util::redact::Redactor;
use rolltape::util::tell::Tell;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

use crate::support;

const SCRIPT: &str = r#"
schema = 1
model = "scripted-1"

[[reply]]
task = "hello"
text = '''First I look.
<function=execute_bash>
<parameter=command>echo <key></parameter>
</function>'''
reasoning = "look before you leap"
usage = { prompt_tokens = 100, completion_tokens = 20, cached_tokens = 7 }

[[reply]]
task = "hello"
text = "cut off in the midd"
finish_reason = "length"

[[reply]]
task = "hello"
attempt = 2
text = "only the second attempt says this"
"#;

fn attempt(task: &str, subject: &str, n: u32) -> AttemptId {
    AttemptId { suite: "s".to_owned(), task: task.to_owned(), subject: subject.to_owned(), n }
}

fn block<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn user(text: &str) -> ChatMessage {
    ChatMessage::new(Role::User, text)
}

fn redactor(key: &str) -> Redactor {
    Redactor::new(vec![("<key>".to_owned(), key.to_owned())])
}

fn open(name: &str, base: &Path) -> Result<Arc<dyn Backend>, String> {
    backend::open(&BackendName::parse(name), base)
        .map_err(|(message, hint)| format!("{message}\nhint: {}", hint.unwrap_or_default()))
}

fn script(text: &str) -> (TempDir, Arc<dyn Backend>) {
    let folder = support::temp();
    std::fs::write(folder.path().join("replies.toml"), text).unwrap();
    let backend = open("scripted:replies.toml", folder.path()).unwrap();
    (folder, backend)
}

/// A conversation with these user messages: the replies, how it stopped, what was recorded.
fn talk(
    backend: &Arc<dyn Backend>,
    id: AttemptId,
    key: &str,
    prompts: &[&str],
) -> (Vec<ModelReply>, Option<Stop>, Vec<CassetteLine>) {
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let listener = Tell::new(move |exchanged| drop(sender.send(exchanged)));
    let params = Object::new();
    let mut metered =
        Metered::new(Arc::clone(backend), id, params, Budget::default(), redactor(key), Some(listener));
    let mut messages = vec![ChatMessage::new(Role::System, format!("the key is {key}"))];
    let mut replies = Vec::new();
    let mut stop = None;
    block(async {
        for prompt in prompts {
            messages.push(user(prompt));
            match metered.complete(&messages, None).await {
                Ok(reply) => {
                    messages.push(ChatMessage::new(Role::Assistant, reply.text.clone()));
                    replies.push(reply);
                }
                Err(why) => {
                    stop = Some(why);
                    break;
                }
            }
        }
    });
    let mut lines = Vec::new();
    while let Ok(exchanged) = receiver.try_recv() {
        lines.push(exchanged.line);
    }
    (replies, stop, lines)
}

fn save(folder: &Path, lines: &[CassetteLine]) {
    let text: String = lines.iter().map(|line| wire::line_to_json(line) + "\n").collect();
    std::fs::write(folder.join("cassette.jsonl"), text).unwrap();
}

/// The message of a harness error, with the folder masked.
fn error(stop: Option<Stop>, folder: &Path) -> String {
    match stop {
        Some(Stop::Error(RunError { class, message })) => {
            format!("{}: {}", class.as_str(), message.replace(&folder.display().to_string(), "[dir]"))
        }
        other => panic!("an error was expected, not {other:?}"),
    }
}

#[test]
fn what_was_recorded_replays_byte_for_byte() {
    let (folder, scripted) = script(SCRIPT);
    let prompts = ["do it", "EXECUTION RESULT of [execute_bash]:\nfine"];
    let (told, stop, lines) = talk(&scripted, attempt("hello", "codeact@scripted", 1), "sk-one", &prompts);
    assert_eq!((told.len(), stop, lines.len()), (2, None, 2));
    assert_eq!(told[0].usage.unwrap().cached_tokens, Some(7));
    assert_eq!(told[1].finish_reason.as_deref(), Some("length"));
    save(folder.path(), &lines);
    let stored = support::read(&folder.path().join("cassette.jsonl"));
    assert!(!stored.contains("sk-one") && stored.contains("the key is <key>"), "{stored}");

    // Another subject, another key: the tape's only subject stands for it.
    let cassette = open("cassette:cassette.jsonl", folder.path()).unwrap();
    assert!(cassette.on_tape());
    assert_eq!(cassette.model().as_deref(), Some("scripted-1"));
    let id = attempt("hello", "codeact@cassette", 1);
    let (again, stop, relined) = talk(&cassette, id, "sk-two", &prompts);
    assert_eq!(stop, None);
    assert!(again[0].text.contains("echo sk-two"), "{}", again[0].text);
    for (then, now) in told.iter().zip(&again) {
        assert_eq!(now.drift, None);
        assert_eq!(then.text, now.text.replace("sk-two", "<key>"));
        assert_eq!(
            (&then.reasoning, &then.finish_reason, then.usage, &then.model, then.status),
            (&now.reasoning, &now.finish_reason, now.usage, &now.model, now.status)
        );
    }
    let same_subject = |line: CassetteLine| CassetteLine { subject: "codeact@scripted".to_owned(), ..line };
    assert_eq!(relined.into_iter().map(same_subject).collect::<Vec<_>>(), lines);
}

#[test]
fn a_changed_observation_is_drift_and_no_error() {
    let (folder, scripted) = script(SCRIPT);
    let (_, _, lines) =
        talk(&scripted, attempt("hello", "a@scripted", 1), "sk-one", &["do it", "one\ntwo\nthree"]);
    save(folder.path(), &lines);
    let cassette = open(&format!("cassette:{}", folder.path().display()), Path::new("/")).unwrap();
    let (again, stop, _) =
        talk(&cassette, attempt("hello", "a@cassette", 1), "sk-two", &["do it", "one\n2 sk-two\nthree"]);
    assert_eq!(stop, None);
    assert_eq!(again[0].drift, None);
    let drift = again[1].drift.clone().unwrap();
    assert_eq!(drift.turn, 2);
    insta::assert_snapshot!(drift.diff, @r"
    --- tape
    +++ now
    @@ -1,3 +1,3 @@
     one
    -two
    +2 <key>
     three
    ");
    let flood = "x".repeat(100_000);
    let (again, _, _) = talk(&cassette, attempt("hello", "a@cassette", 1), "k", &["do it", &flood]);
    let diff = again[1].drift.clone().unwrap().diff;
    assert!(diff.len() < 4200 && diff.contains("bytes of the diff are not shown"), "{}", diff.len());
}

#[test]
fn leaving_the_tape_is_told_with_place_and_remedy() {
    let (folder, scripted) = script(SCRIPT);
    let id = |task, n| attempt(task, "codeact@cassette", n);
    let (_, _, mut lines) =
        talk(&scripted, attempt("hello", "codeact@scripted", 1), "k", &["do it", "go on"]);
    save(folder.path(), &lines);
    let cassette = open("cassette:cassette.jsonl", folder.path()).unwrap();
    let miss = |backend: &Arc<dyn Backend>, id, prompts: &[&str]| {
        error(talk(backend, id, "k", prompts).1, folder.path())
    };
    let mut told = vec![
        miss(&cassette, id("hello", 1), &["do it", "go on", "and on"]),
        miss(&cassette, id("hello", 4), &["do it"]),
        miss(&cassette, id("bye", 1), &["do it"]),
    ];
    // The second line's replies-so-far do not fit.
    lines[1].prefix_sha256 = "0".repeat(64);
    save(folder.path(), &lines);
    let other = open("cassette:cassette.jsonl", folder.path()).unwrap();
    told.push(miss(&other, id("hello", 1), &["do it", "go on"]));
    // Two subjects of the same agent.
    let more = lines.iter().map(|line| CassetteLine { subject: "codeact@other".to_owned(), ..line.clone() });
    save(folder.path(), &lines.iter().cloned().chain(more).collect::<Vec<_>>());
    let two = open("cassette:cassette.jsonl", folder.path()).unwrap();
    told.push(miss(&two, id("hello", 1), &["do it"]));
    // The one that has its very id is taken.
    assert_eq!(talk(&two, attempt("hello", "codeact@other", 1), "k", &["do it"]).1, None);
    // What the tape holds but can't be replayed.
    lines[0].status = 500;
    lines[1] = CassetteLine {
        body: None,
        turn: 1,
        attempt: 2,
        prefix_sha256: lines[0].prefix_sha256.clone(),
        ..lines[1].clone()
    };
    save(folder.path(), &lines);
    let broken = open("cassette:cassette.jsonl", folder.path()).unwrap();
    told.push(miss(&broken, id("hello", 1), &["do it"]));
    told.push(miss(&broken, id("hello", 2), &["do it"]));
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn a_script_that_runs_out_names_task_and_turn() {
    let (folder, scripted) = script(SCRIPT);
    let ask = |task, n, prompts: &[&str]| {
        error(talk(&scripted, attempt(task, "a@scripted", n), "k", prompts).1, folder.path())
    };
    let told = [ask("hello", 1, &["a", "b", "c"]), ask("hello", 2, &["a", "b"]), ask("other", 1, &["a"])];
    insta::assert_snapshot!(told.join("\n"), @r"
    backend: the script [dir]/replies.toml has 2 replies for task 'hello', attempt 1, and turn 3 asks for one more
    backend: the script [dir]/replies.toml has 1 reply for task 'hello', attempt 2, and turn 2 asks for one more
    backend: the script [dir]/replies.toml has no reply for task 'other', attempt 1
    ");
}

#[test]
fn what_can_not_be_opened_is_said_with_a_hint() {
    let folder = support::temp();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    write("typo.toml", b"schema = 1\n[[reply]]\ntask = \"a\"\ntxt = \"b\"\n");
    write("newer.toml", b"schema = 2\n");
    write("empty.toml", b"schema = 1\n");
    write("binary.toml", b"schema = 1\n\xff");
    write("empty.jsonl", b"");
    write("binary.jsonl", b"\0\xff\xfe\n");
    write("newer.jsonl", b"{\"schema\":\"2.0\",\"task\":\"hello\"}\n");
    std::fs::create_dir(folder.path().join("folder")).unwrap();
    let told: Vec<String> = [
        "scriptd:x",
        "ollama",
        "scripted",
        "cassette:",
        "echo:loud",
        "scripted:none.toml",
        "scripted:folder",
        "scripted:typo.toml",
        "scripted:newer.toml",
        "scripted:empty.toml",
        "scripted:binary.toml",
        "cassette:none",
        "cassette:folder",
        "cassette:empty.jsonl",
        "cassette:binary.jsonl",
        "cassette:newer.jsonl",
    ]
    .into_iter()
    .map(|name| match open(name, folder.path()) {
        Ok(_) => panic!("{name} was opened"),
        Err(text) => format!("{name}\n{}", text.replace(&folder.path().display().to_string(), "[dir]")),
    })
    .collect();
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn good_lines_of_a_torn_tape_are_kept_and_bad_ones_are_told() {
    let (folder, scripted) = script(SCRIPT);
    let (_, _, lines) = talk(&scripted, attempt("hello", "a@scripted", 1), "k", &["do it", "go on"]);
    let (one, two) = (wire::line_to_json(&lines[0]), wire::line_to_json(&lines[1]));
    let path = folder.path().join("cassette.jsonl");
    std::fs::write(&path, format!("{one}\r\n\0\0\0\n{two}\n{}", &two[..two.len() / 2])).unwrap();
    let cassette = open("cassette:cassette.jsonl", folder.path()).unwrap();
    let warnings = cassette.warnings().join("\n").replace(&folder.path().display().to_string(), "[dir]");
    insta::assert_snapshot!(warnings, @r"
    [dir]/cassette.jsonl: line 2 is no cassette line and was left out: expected value
    [dir]/cassette.jsonl: line 4 is cut off and was left out
    ");
    assert_eq!(talk(&cassette, attempt("hello", "a@cassette", 1), "k", &["do it", "go on"]).0.len(), 2);
}

#[test]
fn limits_stop_before_the_call() {
    let (_folder, scripted) = script(SCRIPT);
    for (budget, kind) in [
        (Budget { turns: Some(1), ..Budget::default() }, LimitKind::Turns),
        (Budget { tokens: Some(120), ..Budget::default() }, LimitKind::Tokens),
    ] {
        let id = attempt("hello", "a@scripted", 1);
        let mut metered =
            Metered::new(Arc::clone(&scripted), id, Object::new(), budget, Redactor::default(), None);
        let messages = [user("x")];
        block(async {
            assert!(metered.complete(&messages, None).await.is_ok());
            assert_eq!(metered.complete(&messages, None).await, Err(Stop::Limit(kind)));
        });
        assert_eq!(metered.turns(), 1);
    }
}

#[test]
fn echo_says_the_last_prompt() {
    let echo = open("echo", Path::new("/")).unwrap();
    let (replies, stop, lines) = talk(&echo, attempt("t", "a@echo", 1), "k", &["one", "two"]);
    assert_eq!(stop, None);
    assert_eq!(replies.iter().map(|reply| reply.text.as_str()).collect::<Vec<_>>(), ["one", "two"]);
    assert_eq!(lines[1].new_messages.len(), 1);
}
