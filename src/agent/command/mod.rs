//! `command:ARGV`: any program in the sandbox as agent.
//!
//! Its prompt stands in the place of `{prompt}` in ARGV, else it comes on standard input. Its model calls go to a
//! gateway of ours, through `OPENAI_BASE_URL`: counted, limited, recorded and put in order like those of any agent.
//! A program that fails is the agent's result, and scored; one that can't be started is an error. What it prints is
//! kept with the last step, and is its last word. Must not know: how its calls are served over HTTP.

mod gateway;
mod told;
mod words;

use super::{Agent, AgentEnd, AgentKind, Session, StepLog};
use crate::backend::{Ask, Metered, OpenError, Stop, server};
use crate::model::{AgentInfo, ErrorClass, LimitKind, RunError, Source, Step};
use crate::sandbox::{Command, Exit, Process, Reader};
use crate::tools::Clip;
use async_trait::async_trait;
use gateway::{Answer, Asked, Gateway};
use serde_json::json;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;
use told::Told;

pub(super) static ITEM: AgentKind = AgentKind {
    name: "command",
    about: "any program in the sandbox, its model calls recorded: command:ARGV, with {prompt} or on stdin",
    uses_model: true,
    open,
};

/// Stands for the task's prompt.
const PROMPT: &str = "{prompt}";
/// Bytes of an argument; the kernel takes none of more than 128 KiB.
const MAX_ARGUMENT: usize = 120 << 10;
/// Characters of each stream that are kept.
const MAX_OUTPUT: usize = 30_000;
/// How long output is awaited once the program has ended: something in the background may hold the pipe.
const GRACE: Duration = Duration::from_millis(300);
/// What the model is called where the back end has no name for it.
const NAMELESS: &str = "rolltape";

struct Program {
    argv: Vec<String>,
}

fn open(arg: Option<&str>) -> Result<Box<dyn Agent>, OpenError> {
    let hint = || {
        Some(
            "write --agent 'command:python3 agent.py {prompt}'; without {prompt} it comes on stdin"
                .to_owned(),
        )
    };
    let line = arg.unwrap_or_default();
    let Some(argv) = words::split(line) else {
        return Err((format!("a quote in the command line '{line}' is not closed"), hint()));
    };
    match argv.first() {
        Some(program) if !program.is_empty() => Ok(Box::new(Program { argv })),
        _ => Err(("the agent 'command' needs a program after a colon".to_owned(), hint())),
    }
}

#[async_trait]
impl Agent for Program {
    fn info(&self) -> AgentInfo {
        super::info(ITEM.name)
    }

    fn wants_door(&self) -> bool {
        true
    }

    async fn run(&self, session: Session<'_>) -> AgentEnd {
        let failed = |class, message: String| AgentEnd::Stopped(Stop::Error(RunError::new(class, message)));
        let (Some(model), Some(door)) = (session.model, session.door) else {
            let message = "the agent 'command' was started without a back end or without a door".to_owned();
            return failed(ErrorClass::Internal, message);
        };
        let prompt = &session.task.prompt;
        let by_argument = self.argv.iter().any(|word| word.contains(PROMPT));
        if by_argument && prompt.len() > MAX_ARGUMENT {
            let message = format!(
                "the prompt of task '{}' has {} bytes, too many for an argument; leave {PROMPT} out, and it comes on stdin",
                session.task.id,
                prompt.len()
            );
            return failed(ErrorClass::Tool, message);
        }
        let name = model.model().unwrap_or_else(|| NAMELESS.to_owned());
        let gateway = match Gateway::open(door, &name) {
            Ok(gateway) => gateway,
            Err(error) => {
                return failed(ErrorClass::Sandbox, format!("the agent's model can't be served: {error}"));
            }
        };
        let command = Command {
            argv: self.argv.iter().map(|word| word.replace(PROMPT, prompt)).collect(),
            env: [
                ("OPENAI_BASE_URL", gateway.url()),
                ("OPENAI_API_BASE", gateway.url()),
                ("OPENAI_API_KEY", gateway.key.clone()),
                ("ROLLTAPE_MODEL", name.clone()),
            ]
            .map(|(name, value)| (name.to_owned(), value))
            .into(),
            ..Command::default()
        };
        let process = match session.tools.sandbox.spawn(command).await {
            Ok(process) => process,
            Err(error) => {
                let message =
                    format!("the program '{}' of the agent can't be started: {error}", self.argv[0]);
                return failed(ErrorClass::Tool, message);
            }
        };
        let mut work = Work::new(process, session.log, prompt, by_argument);
        work.run(gateway, model, &name).await
    }
}

/// A program at work. However it ends, what it printed is kept when this is dropped.
struct Work<'a> {
    process: Process,
    log: &'a mut StepLog,
    prompt: &'a str,
    told: Told,
    out: Arc<Mutex<Clip>>,
    err: Arc<Mutex<Clip>>,
    /// Write the prompt, and read both streams.
    pipes: JoinSet<()>,
    exit: Option<Exit>,
    last_word: Option<String>,
}

impl<'a> Work<'a> {
    fn new(mut process: Process, log: &'a mut StepLog, prompt: &'a str, by_argument: bool) -> Self {
        let mut pipes = JoinSet::new();
        if let Some(mut stdin) = process.stdin.take() {
            let text = if by_argument { String::new() } else { prompt.to_owned() };
            pipes.spawn(async move {
                // A program that does not read its input is no error.
                let _ = stdin.write_all(text.as_bytes()).await;
                let _ = stdin.shutdown().await;
            });
        }
        let (out, err) = (clip(), clip());
        for (stream, into) in [(process.stdout.take(), &out), (process.stderr.take(), &err)] {
            if let Some(stream) = stream {
                pipes.spawn(drain(stream, Arc::clone(into)));
            }
        }
        Self { process, log, prompt, told: Told::default(), out, err, pipes, exit: None, last_word: None }
    }

    async fn run(&mut self, mut gateway: Gateway, model: &mut Metered, name: &str) -> AgentEnd {
        loop {
            tokio::select! {
                biased;
                Some(asked) = gateway.next() => {
                    if let Err(stop) = self.exchange(asked, model, name).await {
                        // Whoever froze the sandbox ends the program.
                        return AgentEnd::Stopped(stop);
                    }
                }
                exit = self.process.control.wait() => match exit {
                    Ok(exit) => {
                        self.exit = Some(exit);
                        break;
                    }
                    Err(error) => {
                        let message = format!("the agent's program lost its sandbox: {error}");
                        return AgentEnd::Stopped(Stop::Error(RunError::new(ErrorClass::Sandbox, message)));
                    }
                },
            }
        }
        let pipes = async { while self.pipes.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(GRACE, pipes).await;
        let words = rendered(&self.out);
        self.last_word = Some(words.clone());
        let words = words.trim();
        AgentEnd::Finished((!words.is_empty()).then(|| words.to_owned()))
    }

    /// One request of the program; an error ends the attempt.
    async fn exchange(&mut self, asked: Asked, model: &mut Metered, name: &str) -> Result<(), Stop> {
        let Asked { wanted, answer } = asked;
        let known = self.told.known(&wanted.messages);
        self.told.request(&wanted, self.log);
        let ask = Ask {
            tools: (!wanted.tools.is_empty()).then_some(wanted.tools.as_slice()),
            params: Some(&wanted.params),
            known: Some(known),
            ..Ask::new(&wanted.messages)
        };
        let replied = model.ask(ask).await;
        let told = match &replied {
            Ok(reply) if wanted.stream => Answer {
                status: 200,
                body: server::stream(reply, model.turns(), name, wanted.stream_usage),
                stream: true,
            },
            Ok(reply) => Answer::json(&server::body(reply, model.turns(), name)),
            Err(Stop::Limit(kind)) => Answer::error(429, "insufficient_quota", &limit(*kind)),
            Err(Stop::Error(_)) => Answer::error(502, "server_error", "the model can't be reached"),
        };
        if let Ok(reply) = &replied {
            self.told.reply(wanted, reply, self.log);
        }
        // A program that did not wait for its answer has it in its trajectory all the same.
        let _ = answer.send(told);
        replied.map(|_| ())
    }
}

impl Drop for Work<'_> {
    fn drop(&mut self) {
        if self.log.steps().is_empty() {
            // It asked no model: its prompt is all that there is to tell.
            self.log.push(Step::new(0, Source::User, self.prompt), "user");
        }
        let stdout = self.last_word.take().unwrap_or_else(|| rendered(&self.out));
        let code = self.exit.map(Exit::shell_code);
        let kept = json!({"exit_code": code, "stdout": stdout, "stderr": rendered(&self.err)});
        if let Some(step) = self.log.last_mut() {
            step.extra.insert("program".to_owned(), kept);
        }
    }
}

fn limit(kind: LimitKind) -> String {
    format!("the attempt's limit of {} is reached", kind.as_str())
}

fn clip() -> Arc<Mutex<Clip>> {
    Arc::new(Mutex::new(Clip::new(MAX_OUTPUT)))
}

fn rendered(clip: &Mutex<Clip>) -> String {
    clip.lock().unwrap_or_else(PoisonError::into_inner).render(MAX_OUTPUT)
}

async fn drain(mut from: Reader, into: Arc<Mutex<Clip>>) {
    let mut piece = vec![0; 8192];
    while let Ok(count) = from.read(&mut piece).await {
        if count == 0 {
            return;
        }
        into.lock().unwrap_or_else(PoisonError::into_inner).push(&piece[..count]);
    }
}
