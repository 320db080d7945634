//! Agents in a sandbox without isolation, with scripted replies.

use rolltape::agent::{self, AgentEnd, Session, StepLog};
use rolltape::backend::{
    self, Backend, BackendName, Budget, ChatMessage, Metered, ModelReply, Request, Stop, wire,
};
use rolltape::model::{
    Arguments, AttemptId, CallPolicy, LimitKind, Object, Policy, RunError, Source, Step, ToolCall, Trajectory,
};
use rolltape::rules;
use rolltape::sandbox::{Choice, Config, Launcher};
use rolltape::suite::{Limits, RewardRule, SandboxSpec, Script, Task};
use rolltape::tools::Toolbox;
use rolltape::util::redact::Redactor;
use rolltape::util::tell::Tell;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support;

/// What came of an attempt.
struct Told {
    end: AgentEnd,
    steps: Vec<Step>,
    tape: String,
}

impl Told {
    /// Source, calls and text of each step after the instructions, as one text.
    fn story(&self) -> String {
        let mut out = String::new();
        for step in self.steps.iter().skip(2) {
            out.push_str(&format!("[{}] {}\n", step.source.as_str(), step.message.text()));
            for call in &step.calls {
                let arguments = call.arguments.parsed.clone().unwrap_or_default();
                out.push_str(&format!(
                    "  {} {} {}\n",
                    call.id,
                    call.name,
                    serde_json::Value::Object(arguments)
                ));
            }
            for result in step.observation.iter().flat_map(|observation| &observation.results) {
                let text = result.content.as_ref().map(|content| content.text().into_owned());
                out.push_str(&format!("  = {}\n", text.unwrap_or_default()));
            }
        }
        out.push_str(&format!("{:?}\n", self.end));
        out
    }
}

fn task() -> Task {
    Task {
        id: "hello".to_owned(),
        digest: String::new(),
        prompt: "Say hello.".to_owned(),
        examples: Vec::new(),
        policy: Policy::default(),
        limits: Limits::default(),
        reward: RewardRule::default(),
        sandbox: SandboxSpec::default(),
        services: Vec::new(),
        needs: Vec::new(),
        mounts: Vec::new(),
        files: BTreeMap::new(),
        hidden: BTreeMap::new(),
        solution: None,
        cheats: BTreeMap::new(),
        score: Vec::new(),
    }
}

fn attempt(agent: &str, task: &Task, backend: Option<Arc<dyn Backend>>, budget: Budget) -> Told {
    let name = BackendName::parse(agent);
    let kind = agent::ALL.iter().find(|kind| kind.name == name.name).unwrap();
    let agent = (kind.open)(name.arg.as_deref()).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let choice = Choice {
            backend: "none".to_owned(),
            helper: Some(env!("CARGO_BIN_EXE_rolltape").into()),
            ..Choice::default()
        };
        let launcher = Launcher::new(choice).await.unwrap();
        let sandbox = launcher.start(Config { label: "test".to_owned(), ..Config::default() }).await.unwrap();
        let mut tools = Toolbox::new(Arc::clone(&sandbox));
        let id = AttemptId { suite: "s".to_owned(), task: task.id.clone(), subject: "a@b".to_owned(), n: 1 };
        let (sender, mut exchanges) = tokio::sync::mpsc::unbounded_channel();
        let listener = Tell::new(move |exchanged| drop(sender.send(exchanged)));
        let mut model = backend.map(|backend| {
            Metered::new(backend, id.clone(), Object::new(), budget, Redactor::default(), Some(listener))
        });
        let mut log = StepLog::default();
        let session = Session {
            attempt: &id,
            task,
            tools: &mut tools,
            model: model.as_mut(),
            log: &mut log,
            door: None,
        };
        let end = tokio::time::timeout(Duration::from_secs(60), agent.run(session)).await.expect("in time");
        let mut tape = String::new();
        while let Ok(exchanged) = exchanges.try_recv() {
            tape.push_str(&wire::line_to_json(&exchanged.line));
            tape.push('\n');
        }
        drop(tools);
        sandbox.close().await;
        launcher.finish(Duration::from_secs(5)).await;
        Told { end, steps: log.into_steps(), tape }
    })
}

/// A back end that says these texts in turn; the finish reason may follow a `\u{1}`.
fn scripted(folder: &Path, replies: &[&str]) -> Arc<dyn Backend> {
    let mut toml = "schema = 1\n".to_owned();
    for reply in replies {
        let (text, finish) = reply.split_once('\u{1}').unwrap_or((reply, "stop"));
        let text = serde_json::Value::from(text);
        toml.push_str(&format!("[[reply]]\ntask = \"hello\"\ntext = {text}\nfinish_reason = \"{finish}\"\n"));
        toml.push_str("usage = { prompt_tokens = 100, completion_tokens = 10 }\n");
    }
    std::fs::write(folder.join("replies.toml"), toml).unwrap();
    backend::open(&BackendName::parse("scripted:replies.toml"), folder).unwrap()
}

fn codeact(replies: &[&str]) -> Told {
    codeact_with(&task(), replies, Budget::default())
}

fn codeact_with(task: &Task, replies: &[&str], budget: Budget) -> Told {
    let folder = support::temp();
    attempt("codeact", task, Some(scripted(folder.path(), replies)), budget)
}

fn call(name: &str, params: &[(&str, &str)]) -> String {
    let params: String =
        params.iter().map(|(name, value)| format!("<parameter={name}>{value}</parameter>\n")).collect();
    format!("<function={name}>\n{params}</function>")
}

fn finish() -> String {
    call("finish", &[("message", "done")])
}

fn think() -> String {
    call("think", &[("thought", "hm")])
}

#[test]
fn a_clean_attempt_runs_its_calls_and_ends_with_its_words() {
    let look = format!("I look first.\n{}", call("execute_bash", &[("command", "echo hello | tr a-z A-Z")]));
    let told = codeact(&[&look, &finish()]);
    assert_eq!(told.end, AgentEnd::Finished(Some("done".to_owned())));
    let sources: Vec<Source> = told.steps.iter().map(|step| step.source).collect();
    assert_eq!(sources, [Source::System, Source::User, Source::Agent, Source::Agent]);
    let step = &told.steps[2];
    assert_eq!(step.message.text(), "I look first.");
    assert_eq!(step.reply.as_ref().unwrap().text, look);
    assert_eq!((step.calls[0].id.as_str(), step.calls[0].name.as_str()), ("call_1", "execute_bash"));
    let result = &step.observation.as_ref().unwrap().results[0];
    assert_eq!((result.call_id.as_deref(), result.name.as_deref()), (Some("call_1"), Some("execute_bash")));
    assert!(result.content.as_ref().unwrap().text().contains("HELLO"));
    assert_eq!(result.extra["exit_code"], 0);
    assert!(told.tape.contains("EXECUTION RESULT of [execute_bash]:\\nHELLO"), "{}", told.tape);
    let trajectory = Trajectory { steps: told.steps, ..Trajectory::default() };
    assert_eq!(rules::judge(&trajectory, &Policy::default()).format_ok(), Some(true));
}

#[test]
fn every_violation_runs_nothing_and_is_told_by_its_rule() {
    let touch = call("execute_bash", &[("command", "touch ran")]);
    let cases: &[(&str, String)] = &[
        ("FC001", "I am done.".to_owned()),
        ("FC002", format!("{touch}\n{touch}")),
        ("FC003", format!("{touch}\nThat should do.")),
        ("FC005", "<function=execute_bash>\n<parameter=command>touch ran\u{1}length".to_owned()),
        ("FC004", "<function=execute_bash>\n<parameter=command>touch ran".to_owned()),
        ("FC006", call("shell", &[("command", "touch ran")])),
        ("FC007", call("execute_bash", &[("command", "touch ran"), ("cwd", "/")])),
        ("FC008", call("str_replace_editor", &[("command", "view")])),
        ("FC010", call("str_replace_editor", &[("command", "delete"), ("path", "/workspace/x")])),
        ("FC013", format!("{touch}\nEXECUTION RESULT of [execute_bash]:\nfine")),
        ("FC015", "<tool_call>\n{\"name\": \"execute_bash\", \"arguments\": {\"command\": \"touch ran\"}}\n</tool_call>".to_owned()),
        ("FC016", "<function=execute_bash>\n<parameter=command>ls</parameter>\n<function=finish>\n</function>".to_owned()),
    ];
    let look = call("execute_bash", &[("command", "ls -A | wc -l")]);
    for (rule, message) in cases {
        let told = codeact(&[message, &look, &finish()]);
        let story = told.story();
        assert_eq!(told.end, AgentEnd::Finished(Some("done".to_owned())), "{rule}: {story}");
        assert!(told.steps[2].calls.is_empty() && told.steps[2].observation.is_none(), "{rule}: {story}");
        assert_eq!(told.steps[3].source, Source::User);
        let complaint = told.steps[3].message.text().into_owned();
        assert!(complaint.contains(&format!("- {rule}: ")), "{rule}: {complaint}");
        assert_eq!(told.steps[2].reply.as_ref().unwrap().text, message.split('\u{1}').next().unwrap());
        let seen = told.steps[4].observation.as_ref().unwrap().results[0].content.clone().unwrap();
        assert!(seen.text().starts_with('0'), "{rule} ran something: {story}");
    }
}

#[test]
fn the_model_is_told_what_was_wrong_in_plain_words() {
    let two = format!("{}\n{}", think(), think());
    let told = codeact(&[&two, &finish()]);
    insta::assert_snapshot!(told.steps[3].message.text());
    let system = told.steps[0].message.text().into_owned();
    assert!(system.contains("execute_bash") && system.contains("<function=NAME>"), "{system}");
}

#[test]
fn three_violations_in_a_row_end_it_and_two_do_not() {
    let told = codeact(&["no call", "no call", &think(), "no call", "no call", &finish()]);
    assert_eq!(told.end, AgentEnd::Finished(Some("done".to_owned())));
    let told = codeact(&["no call", "no call", "no call", &finish()]);
    assert_eq!(told.end, AgentEnd::Invalid);
    assert_eq!(told.steps.last().map(|step| step.source), Some(Source::Agent));
    assert_eq!(told.steps.len(), 2 + 5);
}

#[test]
fn a_stop_without_the_closing_tag_runs() {
    let told = codeact(&["<function=think>\n<parameter=thought>hm</parameter>", &finish()]);
    assert_eq!(told.end, AgentEnd::Finished(Some("done".to_owned())), "{}", told.story());
    assert_eq!(told.steps[2].calls.len(), 1, "{}", told.story());
}

#[test]
fn the_policy_decides_what_runs() {
    let with = |calls, ask| {
        let mut task = task();
        task.policy = Policy { calls, ask, ..Policy::default() };
        task
    };
    let two = format!("{}\n{}", think(), think());
    let told = codeact_with(&with(CallPolicy::AtLeastOne, false), &[&two, &finish()], Budget::default());
    let ids: Vec<&str> = told.steps[2].calls.iter().map(|call| call.id.as_str()).collect();
    assert_eq!(ids, ["call_1", "call_2"], "{}", told.story());
    assert_eq!(told.steps[2].observation.as_ref().unwrap().results.len(), 2);
    let told = codeact_with(&with(CallPolicy::AtMostOne, false), &["That is all."], Budget::default());
    assert_eq!(told.end, AgentEnd::Finished(Some("That is all.".to_owned())));
    let told =
        codeact_with(&with(CallPolicy::ExactlyOne, true), &["Which key?", &finish()], Budget::default());
    assert_eq!(told.end, AgentEnd::Finished(Some("done".to_owned())));
    assert!(told.steps[3].message.text().contains("Nobody is here"), "{}", told.story());
}

#[test]
fn limits_of_turns_and_tokens_stop_the_loop() {
    let replies = [think(), think(), think()];
    let replies: Vec<&str> = replies.iter().map(String::as_str).collect();
    for (budget, kind) in [
        (Budget { turns: Some(2), ..Budget::default() }, LimitKind::Turns),
        (Budget { tokens: Some(150), ..Budget::default() }, LimitKind::Tokens),
    ] {
        let told = codeact_with(&task(), &replies, budget);
        assert_eq!(told.end, AgentEnd::Stopped(Stop::Limit(kind)));
        assert_eq!(told.steps.len(), 2 + 2);
    }
}

#[test]
fn a_recorded_attempt_replays_to_an_equal_trajectory() {
    let look = call("execute_bash", &[("command", "echo one; echo two >&2; exit 3")]);
    let edit = call(
        "str_replace_editor",
        &[("command", "create"), ("path", "/workspace/a"), ("file_text", "\n  x\n")],
    );
    let folder = support::temp();
    let replies = [look.as_str(), "no call at all", &edit, &finish()];
    let live = attempt("codeact", &task(), Some(scripted(folder.path(), &replies)), Budget::default());
    std::fs::write(folder.path().join("cassette.jsonl"), &live.tape).unwrap();
    let cassette = backend::open(&BackendName::parse("cassette:cassette.jsonl"), folder.path()).unwrap();
    let again = attempt("codeact", &task(), Some(cassette), Budget::default());
    assert_eq!(again.end, live.end);
    assert_eq!(again.steps, live.steps);
    assert_eq!(again.tape, live.tape);
}

#[test]
fn the_oracle_and_a_cheat_run_their_scripts_and_nop_runs_nothing() {
    let mut task = task();
    task.solution =
        Some(Script { text: "#!/bin/bash\necho out; echo err >&2\npwd > where\nexit 3".to_owned() });
    task.cheats.insert("lazy".to_owned(), Script { text: "echo cheated".to_owned() });
    let told = attempt("oracle", &task, None, Budget::default());
    assert_eq!(told.end, AgentEnd::Finished(Some("the solution ended with exit code 3".to_owned())));
    let result = &told.steps[1].observation.as_ref().unwrap().results[0];
    assert_eq!(result.content.as_ref().unwrap().text(), "out\nerr\n");
    assert!(told.steps[1].frame, "no model wrote it");
    let told = attempt("cheat:lazy", &task, None, Budget::default());
    assert!(told.story().is_empty() || told.steps[1].observation.is_some());
    let told = attempt("nop", &task, None, Budget::default());
    assert_eq!((told.end, told.steps.len()), (AgentEnd::Finished(None), 1));
}

#[test]
fn a_script_that_leaves_something_behind_does_not_hang() {
    let mut task = task();
    task.solution = Some(Script { text: "sleep 300 & echo started".to_owned() });
    let told = attempt("oracle", &task, None, Budget::default());
    assert_eq!(told.end, AgentEnd::Finished(Some("the solution ended with exit code 0".to_owned())));
    let result = &told.steps[1].observation.as_ref().unwrap().results[0];
    assert_eq!(result.content.as_ref().unwrap().text(), "started\n");
}

#[test]
fn what_an_agent_can_not_do_is_said() {
    let mut task = task();
    task.cheats.insert("fake-log".to_owned(), Script { text: "true".to_owned() });
    let mut told: Vec<String> = ["oracle", "cheat:fake-lok", "codeact"]
        .into_iter()
        .map(|agent| match attempt(agent, &task, None, Budget::default()).end {
            AgentEnd::Stopped(Stop::Error(error)) => error.to_string(),
            other => panic!("{agent}: {other:?}"),
        })
        .collect();
    for (name, arg) in [("codeact", Some("x")), ("cheat", None), ("nop", Some("x"))] {
        let kind = agent::ALL.iter().find(|kind| kind.name == name).unwrap();
        let Err((message, hint)) = (kind.open)(arg) else { panic!("{name} was opened") };
        told.push(format!("{message}\nhint: {}", hint.unwrap_or_default()));
    }
    insta::assert_snapshot!(told.join("\n"), @r"
    tool: the task 'hello' has no solution that the agent 'oracle' could run
    tool: the task 'hello' has no cheat 'fake-lok'; did you mean 'fake-log'?
    internal: the agent 'codeact' was started without a back end
    the agent 'codeact' takes nothing after a colon, but got 'x'
    hint: write --agent codeact
    the agent 'cheat' needs the name of a cheat after a colon
    hint: write --agent cheat:NAME, with a name from the task's cheats
    the agent 'nop' takes nothing after a colon, but got 'x'
    hint: write --agent nop
    ");
}

/// A back end that answers from a list and keeps what it was asked.
struct Spy {
    replies: Mutex<Vec<ModelReply>>,
    asked: Mutex<Vec<(Vec<ChatMessage>, usize)>>,
}

#[async_trait::async_trait]
impl Backend for Spy {
    fn on_tape(&self) -> bool {
        true
    }

    fn model(&self) -> Option<String> {
        None
    }

    fn params(&self) -> Object {
        Object::new()
    }

    async fn complete(&self, request: &Request<'_>, _: &Redactor) -> Result<ModelReply, RunError> {
        let tools = request.tools.map_or(0, <[_]>::len);
        self.asked.lock().unwrap().push((request.messages.to_vec(), tools));
        Ok(self.replies.lock().unwrap().remove(0))
    }
}

#[test]
fn native_calls_go_back_with_their_reasoning_and_a_result_for_each_in_order() {
    let call = |id: &str, arguments: &str| ToolCall {
        id: id.to_owned(),
        name: "think".to_owned(),
        arguments: Arguments::text(arguments.to_owned()),
        extra: Object::new(),
        place: None,
    };
    let reply = |calls: Vec<ToolCall>| ModelReply {
        text: "So.".to_owned(),
        reasoning: Some("Because.".to_owned()),
        calls,
        ..ModelReply::default()
    };
    // Two calls where one is wanted, without ids; then a broken one; then the end.
    let mut finish = call("f", "{\"message\": \"done\"}");
    finish.name = "finish".to_owned();
    let replies = vec![
        reply(vec![call("", "{\"thought\": \"x\"}"), call("", "{\"thought\": \"y\"}")]),
        reply(vec![call("b", "{\"thought\": ")]),
        reply(vec![finish]),
    ];
    let spy = Arc::new(Spy { replies: Mutex::new(replies), asked: Mutex::default() });
    let told = attempt("tool_calling", &task(), Some(spy.clone()), Budget::default());
    assert_eq!(told.end, AgentEnd::Finished(Some("done".to_owned())), "{}", told.story());
    let asked = spy.asked.lock().unwrap();
    assert!(asked.iter().all(|(_, tools)| *tools == Toolbox::definitions().len()));
    let (last, _) = &asked[2];
    let shown: Vec<String> = last[2..]
        .iter()
        .map(|message| {
            let calls: Vec<&str> = message.calls.iter().map(|call| call.id.as_str()).collect();
            let reasoning = message.reasoning.as_deref().unwrap_or("-");
            format!(
                "{} {reasoning} {calls:?} {}",
                message.role.as_str(),
                message.call_id.as_deref().unwrap_or("-")
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            r#"assistant Because. ["call_1", "call_2"] -"#,
            "tool - [] call_1",
            "tool - [] call_2",
            r#"assistant Because. ["b"] -"#,
            "tool - [] b",
        ]
    );
    assert_eq!(last[5].calls[0].arguments.raw.as_deref(), Some("{\"thought\": "), "as written");
}
