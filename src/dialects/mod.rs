//! Text call grammars: how a call is written in plain text. One file a dialect.
//!
//! Two views of the same bytes: [`Markup`] is what the grammar sees (strict), [`RuntimeReading`] is
//! what a named runtime's parser makes of it, repairs included. Must not know: files, rules, agents.

mod common;
mod foreign;

use crate::model::{Arguments, Object, Span, ToolDef};

pub use foreign::{detect, foreign_marks, marks, next_mark};

/// What a strict parse finds in one message.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Markup {
    /// Calls in order; a call that opens inside another one's body is in its `nested`.
    pub calls: Vec<TextCall>,
    /// Text from the end of the first call to the end of the message, other calls left in.
    pub after_first: Option<Span>,
    /// Places where markup was begun that never became a call, for example a cut `<function=exec`.
    pub fragments: Vec<Span>,
    /// Observations that the message itself contains (`EXECUTION RESULT of [`).
    pub observations: Vec<Span>,
    /// Markup of another dialect, with that dialect's name.
    pub foreign: Vec<(&'static str, Span)>,
    /// Reasoning blocks inside the text (`<think>…</think>`), unclosed ones to the end.
    pub reasoning: Vec<Span>,
}

/// One call in text.
#[derive(Debug, Clone, PartialEq)]
pub struct TextCall {
    /// From `<` of the opening tag to the end of the closing tag, or to where the call stops.
    pub span: Span,
    /// Function name as written, blanks and quotes included.
    pub name: String,
    /// Where the name stands.
    pub name_span: Span,
    /// Parameters in order, repeated ones included.
    pub params: Vec<TextParam>,
    /// The arguments, in dialects that write them as one value instead of parameters.
    pub arguments: Option<TextArguments>,
    /// Whether the closing tag is there.
    pub closed: bool,
    /// Deviations from the grammar that a parser may repair.
    pub flaws: Vec<Flaw>,
    /// Opening tags of other calls before this one closed.
    pub nested: Vec<Span>,
}

/// Arguments that are written as one value, JSON as a rule.
#[derive(Debug, Clone, PartialEq)]
pub struct TextArguments {
    /// Where the value stands.
    pub span: Span,
    /// The value as written, and as an object if it is one.
    pub value: Arguments,
}

/// One parameter.
#[derive(Debug, Clone, PartialEq)]
pub struct TextParam {
    /// Name as written.
    pub name: String,
    /// Where the name stands.
    pub name_span: Span,
    /// The value, exactly as written.
    pub value: Span,
    /// Whether the closing tag is there.
    pub closed: bool,
}

/// A deviation from the grammar.
#[derive(Debug, Clone, PartialEq)]
pub struct Flaw {
    /// What it is.
    pub kind: FlawKind,
    /// Where.
    pub span: Span,
}

/// Kinds of deviations, all of them known repairs of some runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FlawKind {
    /// `<parameter=name=value</parameter>`.
    EqualsForGreater,
    /// No newline between the opening tag and what follows.
    NoNewlineAfterTag,
    /// Blanks or quotes in a function or parameter name.
    NameNotPlain,
    /// CRLF inside the markup.
    CarriageReturn,
    /// Text between parameters that belongs to none.
    StrayText,
    /// The closing tag is cut: `</`, `</func`.
    PartialClosingTag,
}

/// What a runtime makes of a message.
#[derive(Debug, Clone, PartialEq)]
pub enum RuntimeReading {
    /// No call: the whole text is a message to the user.
    Message {
        /// The text as the runtime keeps it.
        content: String,
    },
    /// The calls that the runtime sees, one at least.
    Calls {
        /// The text beside the calls as the runtime keeps it.
        content: String,
        /// The calls in order.
        calls: Vec<RuntimeCall>,
        /// Repairs and silent losses on the way, in order.
        repairs: Vec<Repair>,
    },
    /// The runtime refuses the message.
    Error {
        /// Class of the error, for example `FunctionCallValidationError`.
        class: &'static str,
        /// The runtime's own sentence; names inside `{…}` are sorted.
        message: String,
        /// What is wrong.
        kind: RefusalKind,
    },
}

/// A call as a runtime has it after conversion.
#[derive(Debug, Clone, PartialEq)]
pub struct RuntimeCall {
    /// Id that the runtime gives.
    pub id: String,
    /// Function name after aliases.
    pub name: String,
    /// Converted arguments.
    pub arguments: Object,
}

/// Why a runtime refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefusalKind {
    /// No such function.
    UnknownFunction,
    /// No such parameter.
    UnknownParameter(String),
    /// A value is not of its type.
    BadType(String),
    /// A value is not in the list.
    BadEnum(String),
    /// Required parameters are missing.
    MissingParameters(Vec<String>),
    /// Anything else.
    Other,
}

/// Something that a runtime did silently.
#[derive(Debug, Clone, PartialEq)]
pub struct Repair {
    /// Short name, for example `appended-closing-tag`, `dropped-suffix`, `dropped-call`.
    pub kind: &'static str,
    /// Where in the raw text.
    pub span: Span,
}

/// A runtime whose parser is rebuilt here.
pub struct Runtime {
    /// Name as in `--reading runtime:NAME`.
    pub name: &'static str,
    /// Reads one assistant message. `next_id` is the number of the next call id, from 1.
    pub read: fn(text: &str, tools: &[ToolDef], next_id: u32) -> RuntimeReading,
    /// Writes calls into text; an error is the runtime's own refusal.
    pub write: fn(content: &str, calls: &[crate::model::ToolCall]) -> Result<String, String>,
}

/// A call to be written.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// Id, for dialects that write one.
    pub id: &'a str,
    /// Function name.
    pub name: &'a str,
    /// Arguments.
    pub arguments: &'a Object,
}

/// A result that a user message holds as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextResult {
    /// Tool that it claims to come from, where the dialect writes one.
    pub name: Option<String>,
    /// Its text.
    pub content: Span,
}

/// A text dialect.
pub struct Dialect {
    /// Name as in `--dialect NAME`.
    pub name: &'static str,
    /// One line for `list dialects`.
    pub about: &'static str,
    /// Strings one of which stands in every call. Empty for a grammar that plain prose or code may look
    /// like: such a dialect is never found in a text, only used when it is named.
    pub markers: &'static [&'static str],
    /// Strict parse. Linear in the length of the text.
    pub parse: fn(text: &str) -> Markup,
    /// Runtimes that speak it, oldest first.
    pub runtimes: &'static [Runtime],
    /// Renders the tool list and the format rules for the system prompt, in our own words.
    pub describe: fn(tools: &[ToolDef]) -> String,
    /// Writes an assistant message: the text and its calls. The error is a clause that says what the
    /// dialect can't hold, for example a value with its closing tag inside.
    pub render: fn(content: &str, calls: &[Call<'_>]) -> Result<String, String>,
    /// Writes an observation as a user message.
    pub observe: fn(tool: &str, output: &str) -> String,
    /// Reads what `observe` writes: the results that a user message holds; none in a plain message.
    pub read_observations: fn(text: &str) -> Vec<TextResult>,
}

registry! {
    /// All dialects.
    Dialect: openhands
}

/// What readers need to know of OpenHands' prompts beside the grammar.
pub mod openhands_prompt {
    pub use super::openhands::{Frame, ToolStyle, frame, read_observation, read_tools, tools_description};
}

/// The dialect of that name.
pub fn find(name: &str) -> Option<&'static Dialect> {
    ALL.iter().copied().find(|dialect| dialect.name == name)
}

/// The runtime of that name, with its dialect.
pub fn find_runtime(name: &str) -> Option<(&'static Dialect, &'static Runtime)> {
    ALL.iter().copied().find_map(|dialect| {
        dialect.runtimes.iter().find(|runtime| runtime.name == name).map(|runtime| (dialect, runtime))
    })
}
