//! `codeact`: text calls in the `openhands` dialect.
//!
//! The model writes, the rules judge (strict reading, the task's policy), and only a message without a violation
//! runs. A violation runs nothing: the model is told what was wrong, and three in a row end the attempt as invalid.
//! So what ran and what the reports call compliant can't differ.

mod arguments;
mod prompt;
mod verdict;

use super::{Agent, AgentEnd, AgentKind, Session, StepLog};
use crate::backend::{ChatMessage, Metered, ModelReply, OpenError, Role, Stop};
use crate::dialects::{self, Dialect};
use crate::model::{
    AgentInfo, ErrorClass, Message, Observation, ObservationResult, Reply, RunError, Source, Step, ToolDef,
};
use crate::suite::Task;
use crate::tools::Toolbox;
use async_trait::async_trait;
use verdict::Verdict;

pub(super) static ITEM: AgentKind = AgentKind {
    name: "codeact",
    about: "text calls, as many a message as the policy allows; three violations in a row end it",
    uses_model: true,
    open,
};

const DIALECT: &str = "openhands";
/// Violations in a row that end the attempt.
const MAX_VIOLATIONS: u32 = 3;

struct CodeAct {
    dialect: &'static Dialect,
    tools: Vec<ToolDef>,
}

fn open(arg: Option<&str>) -> Result<Box<dyn Agent>, OpenError> {
    super::takes_nothing(ITEM.name, arg)?;
    let dialect =
        dialects::find(DIALECT).ok_or_else(|| (format!("no dialect is named '{DIALECT}'"), None))?;
    Ok(Box::new(CodeAct { dialect, tools: Toolbox::definitions() }))
}

#[async_trait]
impl Agent for CodeAct {
    fn info(&self) -> AgentInfo {
        AgentInfo { tools: Some(self.tools.clone()), ..super::info(ITEM.name) }
    }

    async fn run(&self, session: Session<'_>) -> AgentEnd {
        let Some(model) = session.model else {
            let error =
                RunError::new(ErrorClass::Internal, "the agent 'codeact' was started without a back end");
            return AgentEnd::Stopped(Stop::Error(error));
        };
        let talk = Talk {
            agent: self,
            task: session.task,
            tools: session.tools,
            model,
            log: session.log,
            messages: Vec::new(),
            calls: 0,
        };
        talk.run().await
    }
}

/// One conversation.
struct Talk<'a> {
    agent: &'a CodeAct,
    task: &'a Task,
    tools: &'a mut Toolbox,
    model: &'a mut Metered,
    log: &'a mut StepLog,
    messages: Vec<ChatMessage>,
    /// Calls so far, for their ids.
    calls: u64,
}

impl Talk<'_> {
    async fn run(mut self) -> AgentEnd {
        self.say(Role::System, prompt::system(self.agent.dialect, &self.agent.tools, self.task.policy.calls));
        for example in &self.task.examples {
            self.show(Role::User, &example.user);
            self.show(Role::Assistant, &example.assistant);
        }
        self.say(Role::User, self.task.prompt.clone());
        let mut violations = 0;
        loop {
            let reply = match self.model.complete(&self.messages, None).await {
                Ok(reply) => reply,
                Err(stop) => return AgentEnd::Stopped(stop),
            };
            self.messages.push(ChatMessage::new(Role::Assistant, reply.text.clone()));
            match verdict::of(&reply, self.agent.dialect, &self.agent.tools, &self.task.policy) {
                Verdict::Violation(what) => {
                    self.log.push(step(&reply, reply.text.clone()), "breaks the call format");
                    violations += 1;
                    if violations == MAX_VIOLATIONS {
                        return AgentEnd::Invalid;
                    }
                    self.say(Role::User, prompt::violation(&what, self.task.policy.calls));
                }
                Verdict::Question => {
                    self.log.push(step(&reply, reply.text.clone()), "asks the user");
                    violations = 0;
                    self.say(Role::User, prompt::NOBODY.to_owned());
                }
                Verdict::Done => {
                    self.log.push(step(&reply, reply.text.clone()), "says the last word");
                    return AgentEnd::Finished(Some(reply.text));
                }
                Verdict::Calls { before, calls } => {
                    violations = 0;
                    if let Some(end) = self.act(&reply, before, calls).await {
                        return end;
                    }
                }
            }
        }
    }

    /// Runs the calls of one message in order; an end if one of them ends the attempt.
    async fn act(
        &mut self,
        reply: &ModelReply,
        before: String,
        calls: Vec<verdict::Call>,
    ) -> Option<AgentEnd> {
        let mut step = step(reply, before);
        let mut summary = Vec::new();
        for call in calls {
            self.calls += 1;
            summary.push(call.summary());
            step.calls.push(call.into_tool_call(self.calls));
        }
        let calls = step.calls.clone();
        // In the log before anything runs: what is stopped halfway is still told.
        self.log.push(step, summary.join("; "));
        let mut told = Vec::new();
        for call in &calls {
            let arguments = call.arguments.parsed.clone().unwrap_or_default();
            let output = match self.tools.call(&call.name, &arguments).await {
                Ok(output) => output,
                Err(error) => {
                    let message = format!("the tool '{}' lost its sandbox: {error}", call.name);
                    return Some(AgentEnd::Stopped(Stop::Error(RunError::new(ErrorClass::Sandbox, message))));
                }
            };
            let mut result = ObservationResult {
                call_id: Some(call.id.clone()),
                name: Some(call.name.clone()),
                content: Some(Message::Text(output.text.clone())),
                ..ObservationResult::default()
            };
            if let Some(code) = output.exit_code {
                result.extra.insert("exit_code".to_owned(), code.into());
            }
            if let Some(step) = self.log.last_mut() {
                step.observation.get_or_insert_with(Observation::default).results.push(result);
            }
            if let Some(words) = output.finished {
                return Some(AgentEnd::Finished(Some(words)));
            }
            told.push((self.agent.dialect.observe)(&call.name, &output.text));
        }
        self.messages.push(ChatMessage::new(Role::User, told.join("\n\n")));
        None
    }

    /// A message of an example: the model sees it, and nobody judges it.
    fn show(&mut self, role: Role, text: &str) {
        let source = if role == Role::Assistant { Source::Agent } else { Source::User };
        self.log.push(Step { frame: true, ..Step::new(0, source, text) }, "example");
        self.messages.push(ChatMessage::new(role, text));
    }

    /// A message of the harness: into the conversation and into the log.
    fn say(&mut self, role: Role, text: String) {
        let (source, summary) = match role {
            Role::System => (Source::System, "instructions"),
            _ => (Source::User, "user"),
        };
        self.log.push(Step::new(0, source, text.clone()), summary);
        self.messages.push(ChatMessage::new(role, text));
    }
}

/// The step of one reply; the raw text stands beside what is shown.
fn step(reply: &ModelReply, shown: String) -> Step {
    Step {
        reasoning: reply.reasoning.clone(),
        usage: reply.usage,
        model: reply.model.clone(),
        llm_calls: Some(1),
        reply: Some(Reply {
            text: reply.text.clone(),
            finish_reason: reply.finish_reason.clone(),
            dialect: Some(DIALECT.to_owned()),
            native: false,
            place: None,
        }),
        ..Step::new(0, Source::Agent, shown)
    }
}
