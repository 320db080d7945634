//! Model back ends: what answers the agent. One file a back end.
//!
//! Invariant: a reply is kept raw; a partial reply is never taken for a whole one; an error is
//! typed. Must not know: agents, tasks' meaning, the store.

mod bound;
mod call_ids;
mod chat;
mod files;
mod http;
mod metered;
mod presets;
mod purse;
mod recorded;
pub mod server;
mod sse;
mod troubles;
pub mod wire;

pub use crate::model::Role;

use crate::model::{
    AttemptId, Drift, ErrorClass, LimitKind, Object, Price, Reply, RunError, Scope, Source, SseChunk, Step,
    ToolCall, ToolDef, Usage,
};
use crate::util::suggest::nearest;
use async_trait::async_trait;
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;

pub use crate::suite::BackendSettings as Settings;
pub use bound::ASSUMED_OUTPUT;
pub use metered::{Ask, Budget, Metered};
pub use presets::{PRESETS, Preset};
pub use purse::{Amount, Caps, Held, Purse};
pub use troubles::Troubles;

registry! {
    /// All kinds of back ends.
    BackendKind: openai_chat, anthropic, scripted, cassette, echo
}

/// One message of the conversation so far.
#[derive(Debug, Clone, PartialEq)]
pub struct ChatMessage {
    /// Who.
    pub role: Role,
    /// Text.
    pub content: String,
    /// Reasoning of the model that goes back to it with its message.
    pub reasoning: Option<String>,
    /// Native calls of the model, with their arguments as written.
    pub calls: Vec<ToolCall>,
    /// The call that a message of role `tool` answers.
    pub call_id: Option<String>,
}

impl ChatMessage {
    /// A message that is only text.
    pub fn new(role: Role, content: impl Into<String>) -> Self {
        Self { role, content: content.into(), reasoning: None, calls: Vec::new(), call_id: None }
    }
}

/// A request for one reply. Borrowed, as a conversation grows and is asked about every turn.
#[derive(Debug, Clone, PartialEq)]
pub struct Request<'a> {
    /// The attempt that asks.
    pub attempt: AttemptId,
    /// Agent or judge.
    pub scope: Scope,
    /// Turn, from 1.
    pub turn: u32,
    /// The whole conversation.
    pub messages: &'a [ChatMessage],
    /// Sampling parameters.
    pub params: Object,
    /// Native tools, if the agent uses them.
    pub tools: Option<&'a [ToolDef]>,
    /// Index of the first message that is new since the last turn.
    pub new_from: usize,
    /// SHA-256 over the redacted replies so far: text, then `\x01name\x01arguments` of each native call, then a NUL byte.
    pub prefix_sha256: String,
    /// Where a back end tells what it had to try again.
    pub troubles: Troubles,
}

impl Request<'_> {
    /// Messages that are new since the last turn, without the model's own: those are in the digest.
    pub fn new_messages(&self) -> impl Iterator<Item = &ChatMessage> {
        let first = self.new_from == 0;
        self.messages
            .iter()
            .skip(self.new_from)
            .filter(move |message| first || message.role != Role::Assistant)
    }
}

/// One reply.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ModelReply {
    /// Raw text.
    pub text: String,
    /// Native calls in order, with their arguments as written.
    pub calls: Vec<ToolCall>,
    /// Reasoning that came apart.
    pub reasoning: Option<String>,
    /// Finish reason as given.
    pub finish_reason: Option<String>,
    /// Usage as given; `None` is unknown.
    pub usage: Option<Usage>,
    /// Model that answered, as it named itself.
    pub model: Option<String>,
    /// HTTP status.
    pub status: u16,
    /// Whole body as received (for an in-process back end: a chat completion made of the reply).
    pub body: Option<Value>,
    /// Stream as received.
    pub sse: Option<Vec<SseChunk>>,
    /// Observation that differs from the tape.
    pub drift: Option<Drift>,
}

impl ModelReply {
    /// It as the step of a trajectory: the raw text stands beside what is shown, which is all of it at first.
    pub fn step(&self, dialect: Option<&str>, native: bool) -> Step {
        Step {
            reasoning: self.reasoning.clone(),
            calls: self.calls.clone(),
            usage: self.usage,
            model: self.model.clone(),
            llm_calls: Some(1),
            reply: Some(Reply {
                text: self.text.clone(),
                finish_reason: self.finish_reason.clone(),
                dialect: dialect.map(str::to_owned),
                native,
                place: None,
            }),
            ..Step::new(0, Source::Agent, self.text.clone())
        }
    }
}

/// Why there is no reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// A limit was reached before or by this call.
    Limit(LimitKind),
    /// The harness could not get a reply.
    Error(RunError),
}

impl From<RunError> for Stop {
    fn from(error: RunError) -> Self {
        Stop::Error(error)
    }
}

/// A model endpoint.
#[async_trait]
pub trait Backend: Send + Sync {
    /// Whether nothing is spent: replies come from a tape, from a script or from the harness itself.
    fn on_tape(&self) -> bool;
    /// Model that it asks for, if it has one.
    fn model(&self) -> Option<String>;
    /// Parameters that it adds to every request, for the record.
    fn params(&self) -> Object;
    /// What its tokens cost; `None` is unknown.
    fn price(&self) -> Option<Price> {
        None
    }
    /// What the user should know of how it was opened, for example lines of a tape that could not be read.
    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }
    /// Values that must not be written, each with its placeholder.
    fn secrets(&self) -> Vec<(String, String)> {
        Vec::new()
    }
    /// What came up while it was asked, for the end of a run: retries, and other models that answered.
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }
    /// One reply. `request.messages` are unredacted; `restore` maps placeholders of stored text to
    /// this attempt's values.
    async fn complete(
        &self,
        request: &Request<'_>,
        secrets: &crate::util::redact::Redactor,
    ) -> Result<ModelReply, RunError>;
}

/// How a back end is named: `NAME[:ARG]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendName {
    /// Registered name.
    pub name: String,
    /// Model or path.
    pub arg: Option<String>,
}

impl BackendName {
    /// Splits at the first colon.
    pub fn parse(text: &str) -> Self {
        match text.split_once(':') {
            Some((name, arg)) => Self { name: name.to_owned(), arg: Some(arg.to_owned()) },
            None => Self { name: text.to_owned(), arg: None },
        }
    }

    /// The part that stands in a subject id: no slash, no path but its last part.
    pub fn label(&self) -> String {
        match &self.arg {
            Some(arg) => {
                let last = arg.trim_end_matches('/').rsplit('/').next().unwrap_or(arg);
                format!("{}:{last}", self.name)
            }
            None => self.name.clone(),
        }
    }
}

/// Why something named by the user can't be opened: one sentence, and a hint.
pub type OpenError = (String, Option<String>);

/// A kind of back end.
pub struct BackendKind {
    /// Name as in `--backend NAME`.
    pub name: &'static str,
    /// One line for `list backends`.
    pub about: &'static str,
    /// Whether it asks a server, so that a configuration sets it up.
    pub asks: bool,
    /// Opens it.
    pub open: fn(opening: &Opening<'_>) -> Result<Arc<dyn Backend>, OpenError>,
}

/// What a back end is opened with.
#[derive(Clone, Copy)]
pub struct Opening<'a> {
    /// What stands after the colon: a model or a path.
    pub arg: Option<&'a str>,
    /// Folder to which a relative path refers.
    pub base: &'a Path,
    /// Its table in the configuration, or an empty one.
    pub settings: &'a Settings,
    /// A variable of the environment; keys come from here and from nowhere else.
    pub var: &'a (dyn Fn(&str) -> Option<String> + Sync),
}

/// Opens a back end by name, without configuration or environment; relative paths are from `base`. An unknown name comes with a did-you-mean.
pub fn open(name: &BackendName, base: &Path) -> Result<Arc<dyn Backend>, OpenError> {
    if let Some(kind) = ALL.iter().find(|kind| kind.name == name.name) {
        let settings = Settings::default();
        return (kind.open)(&Opening { arg: name.arg.as_deref(), base, settings: &settings, var: &|_| None });
    }
    let names = || ALL.iter().map(|kind| kind.name);
    let hint = match nearest(&name.name, names()) {
        Some(near) => format!("did you mean '{near}'?"),
        None => format!("it is one of {}", names().collect::<Vec<_>>().join(", ")),
    };
    Err((format!("no back end is named '{}'", name.name), Some(hint)))
}

/// A harness error of a back end that left the tape.
pub fn cassette_miss(message: impl Into<String>) -> RunError {
    RunError::new(ErrorClass::CassetteMiss, message)
}
