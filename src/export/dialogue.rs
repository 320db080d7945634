//! The canonical row: what was said, before any target has its say.
//!
//! A dialogue is in one of two forms. Native: calls are objects and results are turns of the role
//! `tool`. Text: calls stand in the content and results are user turns.

use crate::model::Object;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

pub use crate::model::Role;

/// A call as an object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// Id that the result refers to.
    pub id: String,
    /// Name of the function.
    pub name: String,
    /// Arguments.
    pub arguments: Object,
    /// The arguments as the model wrote them, where the source keeps that.
    pub raw: Option<String>,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Turn {
    /// Who speaks.
    #[serde(serialize_with = "write_role", deserialize_with = "read_role")]
    pub role: Role,
    /// Text; never null.
    pub content: String,
    /// Reasoning in a field of its own.
    pub reasoning: Option<String>,
    /// Calls, in the native form.
    pub calls: Vec<Call>,
    /// Call that a tool turn answers.
    pub call_id: Option<String>,
    /// Tool that a tool turn comes from.
    pub name: Option<String>,
    /// Whether a model may learn it; only turns of the assistant are learned at all.
    pub train: bool,
    /// Whether the message breaks the call format.
    pub broken: bool,
    /// Step of the trajectory, from 1.
    pub step: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn write_role<S: Serializer>(role: &Role, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(role.as_str())
}

fn read_role<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Role, D::Error> {
    let word = String::deserialize(deserializer)?;
    Role::parse(&word).ok_or_else(|| D::Error::custom(format!("'{word}' is no role")))
}

impl Turn {
    /// A turn that only says something.
    pub fn new(role: Role, content: impl Into<String>, step: u64) -> Self {
        Self {
            role,
            content: content.into(),
            reasoning: None,
            calls: Vec::new(),
            call_id: None,
            name: None,
            train: role == Role::Assistant,
            broken: false,
            step,
        }
    }

    /// Whether both say the same to a model: what the source adds for us is left aside.
    pub fn says_the_same(&self, other: &Turn) -> bool {
        let calls = |turn: &Turn| -> Vec<(String, Object)> {
            turn.calls.iter().map(|call| (call.name.clone(), call.arguments.clone())).collect()
        };
        self.role == other.role
            && self.content == other.content
            && self.reasoning == other.reasoning
            && calls(self) == calls(other)
    }
}

/// A dialogue.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Dialogue {
    /// Tool definitions in OpenAI's shape; empty in the text form, where the system prompt holds them.
    pub tools: Vec<Value>,
    /// Whether calls are objects.
    pub native: bool,
    /// The turns; the last one is the assistant's.
    pub turns: Vec<Turn>,
}

impl Dialogue {
    /// Turns before the model first speaks.
    pub fn prompt(&self) -> &[Turn] {
        let end = self.turns.iter().position(|turn| turn.role == Role::Assistant);
        &self.turns[..end.unwrap_or(self.turns.len())]
    }

    /// Whether the model calls anything.
    pub fn has_calls(&self) -> bool {
        self.turns.iter().any(|turn| !turn.calls.is_empty())
    }
}

/// What was changed on the way to the canonical row, all of it asked for or said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Notes {
    /// Turns behind the model's last one, left out.
    pub trimmed: u64,
    /// Messages with several calls that became several turns.
    pub split: u64,
    /// Messages of the prompt frame that were cut or left out.
    pub frames: u64,
    /// Turns merged into the one before them, where a target wants sides to alternate.
    pub merged: u64,
    /// Calls that changed between text and objects.
    pub converted: u64,
    /// Calls although no tool list is known.
    pub toolless: u64,
    /// Assistant turns that are not learned.
    pub masked: u64,
}

impl Notes {
    /// Adds the counts of another row.
    pub fn add(&mut self, other: Notes) {
        self.trimmed += other.trimmed;
        self.split += other.split;
        self.frames += other.frames;
        self.merged += other.merged;
        self.converted += other.converted;
        self.toolless += other.toolless;
        self.masked += other.masked;
    }
}
