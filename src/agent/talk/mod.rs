//! The conversation of the agents that call tools: ask, judge, act, tell.
//!
//! The model writes, the rules judge (strict reading, the task's policy), and only a message without a violation
//! runs. A violation runs nothing: the model is told what was wrong, and three in a row end the attempt as invalid.
//! So what ran and what the reports call compliant can't differ. How calls are written is up to a [`Speech`]; this
//! module must not know.

mod prompt;
mod verdict;

use super::{AgentEnd, Session, StepLog};
use crate::backend::{ChatMessage, Metered, ModelReply, Role, Stop};
use crate::model::{
    ErrorClass, Message, Object, Observation, ObservationResult, RunError, Source, Step, ToolCall, ToolDef,
};
use crate::suite::Task;
use crate::tools::{ToolOutput, Toolbox};
use crate::util::text::cut;
use std::collections::HashSet;
use verdict::Verdict;

/// Violations in a row that end the attempt.
const MAX_VIOLATIONS: u32 = 3;

/// A message that may run.
pub(super) struct Accepted {
    /// What is shown of it: its text without the calls.
    pub(super) shown: String,
    /// Its calls in order, with their arguments as objects.
    pub(super) calls: Vec<ToolCall>,
}

/// How calls and their results are written.
pub(super) trait Speech: Send + Sync {
    /// Name of the agent, for errors.
    fn agent(&self) -> &'static str;
    /// The word for it in steps: a dialect, or `native`.
    fn dialect(&self) -> &'static str;
    /// Whether calls are objects beside the text.
    fn native(&self) -> bool;
    /// What the instructions say of tools and of the way to call them.
    fn grammar(&self, tools: &[ToolDef]) -> String;
    /// The calls of a message that broke no rule; `made` were made before it.
    fn accept(&self, reply: &ModelReply, tools: &[ToolDef], made: u64) -> Accepted;
    /// Tells results, each with its call as the model knows it.
    fn results(&self, told: Vec<(ToolCall, String)>) -> Vec<ChatMessage>;
}

/// Holds the conversation of `session` until it ends.
pub(super) async fn run(speech: &dyn Speech, tools: &[ToolDef], session: Session<'_>) -> AgentEnd {
    let Some(model) = session.model else {
        let message = format!("the agent '{}' was started without a back end", speech.agent());
        return AgentEnd::Stopped(Stop::Error(RunError::new(ErrorClass::Internal, message)));
    };
    let talk = Talk {
        speech,
        defined: tools,
        task: session.task,
        tools: session.tools,
        model,
        log: session.log,
        messages: Vec::new(),
        made: 0,
        ids: HashSet::new(),
    };
    talk.run().await
}

/// One conversation.
struct Talk<'a> {
    speech: &'a dyn Speech,
    defined: &'a [ToolDef],
    task: &'a Task,
    tools: &'a mut Toolbox,
    model: &'a mut Metered,
    log: &'a mut StepLog,
    messages: Vec<ChatMessage>,
    /// Calls so far, for ids.
    made: u64,
    /// Ids in the messages.
    ids: HashSet<String>,
}

impl Talk<'_> {
    async fn run(mut self) -> AgentEnd {
        let calls = self.task.policy.calls;
        self.say(Role::System, prompt::system(self.speech, self.defined, calls));
        for example in &self.task.examples {
            self.show(Role::User, &example.user);
            self.show(Role::Assistant, &example.assistant);
        }
        self.say(Role::User, self.task.prompt.clone());
        let mut violations = 0;
        loop {
            let tools = self.speech.native().then_some(self.defined);
            let reply = match self.model.complete(&self.messages, tools).await {
                Ok(reply) => reply,
                Err(stop) => return AgentEnd::Stopped(stop),
            };
            let step = self.step(&reply);
            let sent = self.remember(&reply, &step);
            match verdict::of(&step, self.log.steps(), self.speech, self.defined, &self.task.policy) {
                Verdict::Violation(what) => {
                    self.log.push(step, "breaks the call format");
                    violations += 1;
                    if violations == MAX_VIOLATIONS {
                        return AgentEnd::Invalid;
                    }
                    self.refuse(sent, prompt::violation(&what, calls));
                }
                Verdict::Question => {
                    self.log.push(step, "asks the user");
                    violations = 0;
                    self.say(Role::User, prompt::NOBODY.to_owned());
                }
                Verdict::Done => {
                    self.log.push(step, "says the last word");
                    return AgentEnd::Finished(Some(reply.text));
                }
                Verdict::Calls => {
                    violations = 0;
                    let accepted = self.speech.accept(&reply, self.defined, self.made);
                    if let Some(end) = self.act(step, accepted, sent).await {
                        return end;
                    }
                }
            }
        }
    }

    /// The step of one reply; the raw text stands beside what is shown.
    fn step(&self, reply: &ModelReply) -> Step {
        let native = self.speech.native();
        let mut step = reply.step(Some(self.speech.dialect()), native);
        if !native {
            step.calls.clear();
        }
        step
    }

    /// Puts the reply into the conversation, and gives its calls as they stand there. A back end refuses a
    /// conversation with an id that is missing or stands twice, so that such a call gets one of ours; the step keeps
    /// what the model wrote.
    fn remember(&mut self, reply: &ModelReply, step: &Step) -> Vec<ToolCall> {
        let mut message = ChatMessage::new(Role::Assistant, reply.text.clone());
        if self.speech.native() {
            message.reasoning.clone_from(&reply.reasoning);
        }
        for call in &step.calls {
            let mut call = call.clone();
            let mut n = self.made + message.calls.len() as u64;
            while call.id.is_empty() || self.ids.contains(&call.id) {
                n += 1;
                call.id = format!("call_{n}");
            }
            self.ids.insert(call.id.clone());
            message.calls.push(call);
        }
        let sent = message.calls.clone();
        self.messages.push(message);
        sent
    }

    /// Tells what was wrong: as the result of every call, or as a message of the user where there is none.
    fn refuse(&mut self, sent: Vec<ToolCall>, complaint: String) {
        if sent.is_empty() {
            self.say(Role::User, complaint);
            return;
        }
        self.made += sent.len() as u64;
        let mut told = Vec::new();
        for (index, call) in sent.into_iter().enumerate() {
            let text = if index == 0 { complaint.clone() } else { prompt::NOT_RUN.to_owned() };
            if let Some(step) = self.log.last_mut()
                && let Some(written) = step.calls.get(index)
            {
                let result = result(written, &ToolOutput { text: text.clone(), ..ToolOutput::default() });
                step.observation.get_or_insert_with(Observation::default).results.push(result);
            }
            told.push((call, text));
        }
        self.messages.extend(self.speech.results(told));
    }

    /// Runs the calls of one message in order; an end if one of them ends the attempt.
    async fn act(&mut self, mut step: Step, accepted: Accepted, sent: Vec<ToolCall>) -> Option<AgentEnd> {
        let Accepted { shown, calls } = accepted;
        step.message = Message::Text(shown);
        let summary: Vec<String> = calls.iter().map(summary).collect();
        if !self.speech.native() {
            step.calls.clone_from(&calls);
        }
        self.made += calls.len() as u64;
        // In the log before anything runs: what is stopped halfway is still told.
        self.log.push(step, summary.join("; "));
        let mut told = Vec::new();
        for (index, call) in calls.into_iter().enumerate() {
            let arguments = call.arguments.parsed.clone().unwrap_or_default();
            let output = match self.tools.call(&call.name, &arguments).await {
                Ok(output) => output,
                Err(error) => {
                    let message = format!("the tool '{}' lost its sandbox: {error}", call.name);
                    return Some(AgentEnd::Stopped(Stop::Error(RunError::new(ErrorClass::Sandbox, message))));
                }
            };
            if let Some(step) = self.log.last_mut() {
                let results = &mut step.observation.get_or_insert_with(Observation::default).results;
                results.push(result(&call, &output));
            }
            if let Some(words) = output.finished {
                return Some(AgentEnd::Finished(Some(words)));
            }
            let known = sent.get(index).cloned().unwrap_or(call);
            told.push((known, output.text));
        }
        self.messages.extend(self.speech.results(told));
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

/// What a call gave back, for its step.
fn result(call: &ToolCall, output: &ToolOutput) -> ObservationResult {
    let mut extra = Object::new();
    if let Some(code) = output.exit_code {
        extra.insert("exit_code".to_owned(), code.into());
    }
    ObservationResult {
        call_id: Some(call.id.clone()),
        name: Some(call.name.clone()),
        content: Some(Message::Text(output.text.clone())),
        extra,
        ..ObservationResult::default()
    }
}

/// A call in one short line.
fn summary(call: &ToolCall) -> String {
    let mut values = call.arguments.parsed.iter().flat_map(Object::values);
    match values.find_map(|value| value.as_str()?.lines().next()) {
        Some(first) => format!("{} {}", call.name, cut(first, 60)),
        None => call.name.clone(),
    }
}
