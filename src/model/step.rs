//! One step of a trajectory: a message, its tool calls and what came back.

use super::{Object, Place, Usage};
use serde_json::Value;

/// Who speaks in a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// Instructions.
    System,
    /// The user, or what stands for one.
    User,
    /// The model under test.
    Agent,
}

impl Source {
    /// The word that ATIF uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Source::System => "system",
            Source::User => "user",
            Source::Agent => "agent",
        }
    }
}

/// The content of a message.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// Plain text.
    Text(String),
    /// Text, images and audio.
    Parts(Vec<ContentPart>),
}

impl Message {
    /// All text of the message, parts joined without a separator.
    pub fn text(&self) -> std::borrow::Cow<'_, str> {
        match self {
            Message::Text(text) => text.as_str().into(),
            Message::Parts(parts) => {
                parts.iter().filter_map(|part| part.text.as_deref()).collect::<String>().into()
            }
        }
    }
}

/// One part of a multimodal message.
#[derive(Debug, Clone, PartialEq)]
pub struct ContentPart {
    /// `text`, `image` or `audio`.
    pub kind: String,
    /// Text of a text part.
    pub text: Option<String>,
    /// `{media_type, path, …}` of the other kinds.
    pub source: Option<Object>,
}

/// Arguments of a call: as written, and as parsed when they parse.
#[derive(Debug, Clone, PartialEq)]
pub struct Arguments {
    /// The text as the model wrote it, where the format keeps one.
    pub raw: Option<String>,
    /// The object, if there is one.
    pub parsed: Option<Object>,
}

impl Arguments {
    /// Arguments that came as an object.
    pub fn object(object: Object) -> Self {
        Self { raw: None, parsed: Some(object) }
    }

    /// Arguments that came as text: parsed when they hold a JSON object.
    pub fn text(raw: String) -> Self {
        let parsed = match serde_json::from_str::<Value>(&raw) {
            Ok(Value::Object(object)) => Some(object),
            _ => None,
        };
        Self { raw: Some(raw), parsed }
    }
}

/// A call of a tool.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolCall {
    /// Id that results refer to.
    pub id: String,
    /// Name of the function, as written.
    pub name: String,
    /// Arguments.
    pub arguments: Arguments,
    /// Other fields of the call (`extra` in ATIF).
    pub extra: Object,
    /// Where the call stands in the file as a JSON value, if it came as one.
    pub place: Option<Place>,
}

/// What came back from the calls of one step.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Observation {
    /// One entry a result.
    pub results: Vec<ObservationResult>,
}

/// One result.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ObservationResult {
    /// Id of the call, if the format pairs by id.
    pub call_id: Option<String>,
    /// Name of the tool that the result claims to come from, where the format has one.
    pub name: Option<String>,
    /// Content, if there was any.
    pub content: Option<Message>,
    /// References to embedded or external subagent trajectories, as written.
    pub subagents: Vec<Object>,
    /// Where the text stands in the file.
    pub place: Option<Place>,
    /// Other fields.
    pub extra: Object,
}

/// What the model really sent: kept beside every parsed form.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Reply {
    /// Raw text of the reply, call markup included, after redaction.
    pub text: String,
    /// `stop`, `length`, `tool_calls` … as the back end said.
    pub finish_reason: Option<String>,
    /// Name of the text dialect in which the calls are written, or `native`.
    pub dialect: Option<String>,
    /// Whether calls came as native objects beside the text.
    pub native: bool,
    /// Where `text` starts in the file.
    pub place: Option<Place>,
}

/// One step.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Number from 1, without gaps.
    pub id: u64,
    /// Who speaks.
    pub source: Source,
    /// The message as it is shown: for an agent with text calls, the text before the call.
    pub message: Message,
    /// Reasoning that came apart from the content.
    pub reasoning: Option<String>,
    /// Tool calls of the step, in order.
    pub calls: Vec<ToolCall>,
    /// What the calls returned.
    pub observation: Option<Observation>,
    /// Tokens and cost.
    pub usage: Option<Usage>,
    /// The raw reply; present on agent steps whose raw text is known.
    pub reply: Option<Reply>,
    /// Time, ISO 8601, as written.
    pub timestamp: Option<String>,
    /// Model of this step, when it differs from the agent's.
    pub model: Option<String>,
    /// Reasoning effort as written (a string or a number).
    pub reasoning_effort: Option<Value>,
    /// Copied from an earlier context: not for training.
    pub copied: Option<bool>,
    /// How many model calls made this step.
    pub llm_calls: Option<u64>,
    /// Where `message` starts in the file.
    pub place: Option<Place>,
    /// Whether the message belongs to the prompt frame (in-context example) and is not counted.
    pub frame: bool,
    /// Other fields (`extra` in ATIF).
    pub extra: Object,
    /// Other fields of the metrics (`metrics.extra` and token ids in ATIF), as written.
    pub metrics_extra: Object,
}

impl Step {
    /// A step that only says something.
    pub fn new(id: u64, source: Source, text: impl Into<String>) -> Self {
        Self {
            id,
            source,
            message: Message::Text(text.into()),
            reasoning: None,
            calls: Vec::new(),
            observation: None,
            usage: None,
            reply: None,
            timestamp: None,
            model: None,
            reasoning_effort: None,
            copied: None,
            llm_calls: None,
            place: None,
            frame: false,
            extra: Object::new(),
            metrics_extra: Object::new(),
        }
    }

    /// The text that the rules judge: the raw reply if it is known, else the message.
    pub fn judged_text(&self) -> std::borrow::Cow<'_, str> {
        match &self.reply {
            Some(reply) => reply.text.as_str().into(),
            None => self.message.text(),
        }
    }

    /// Where [`Step::judged_text`] starts in the file.
    pub fn judged_place(&self) -> Option<Place> {
        match &self.reply {
            Some(reply) => reply.place,
            None => self.place,
        }
    }
}
