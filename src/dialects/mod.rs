//! Text call grammars: how a call is written in plain text. One file a dialect.
//!
//! Two views of the same bytes: [`Markup`] is what the grammar sees (strict), [`RuntimeReading`] is
//! what a named runtime's parser makes of it, repairs included. Must not know: files, rules, agents.

mod common;
mod fenced;
mod foreign;
mod glm;
mod invoke;
mod json_call;
mod literal;
mod python;
mod reading;
mod stream;
mod tokens;
mod tool_list;

use crate::model::{Arguments, Object, Span, ToolDef};

pub use foreign::{detect, foreign_marks, marks, next_mark};
pub use stream::{Event, Finished, Stream};

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
    /// The call stands without the tags that should be around it.
    MissingWrapper,
    /// A parameter ends where the next one opens, without a closing tag.
    UnclosedParameter,
    /// Several calls stand in a list where the grammar has one.
    ListOfCalls,
    /// The arguments stand under another key than the grammar's.
    OtherKey,
    /// A call that has no arguments at all, not even empty ones.
    MissingArguments,
    /// A key stands twice in one JSON object.
    RepeatedKey,
    /// The JSON around the arguments is broken.
    BrokenObject,
    /// Python literals stand where JSON should.
    PythonLiterals,
    /// An id is not of the kind that the grammar asks for.
    BadCallId,
    /// What stands between the opening of a call or parameter and its value is not what the grammar has there.
    BadHeader,
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
    /// No call was found, and one is demanded.
    NoCall,
    /// More calls were found than the runtime takes.
    SeveralCalls,
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

/// A parse that can be taken up again, so that calls are known before their message ends.
pub struct Incremental {
    /// Strings at whose sight a call may have become complete. None of them needs to mean that one has.
    pub ends: &'static [&'static str],
    /// Reads on where an earlier reading stopped. Gives the calls from there on that stay what they are whatever
    /// follows the text, in order and without a gap, and where to go on. Linear in what lies behind `from.at`.
    pub read_on: fn(text: &str, from: Resume) -> (Vec<TextCall>, Resume),
}

/// Where to go on with a parse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Resume {
    /// What lies before is not looked at again.
    pub at: usize,
    /// The opening tag of the section that is open there and has calls already.
    pub section: Option<Span>,
}

/// A text dialect.
pub struct Dialect {
    /// Name as in `--dialect NAME`.
    pub name: &'static str,
    /// One line for `list dialects`.
    pub about: &'static str,
    /// Strings one of which stands in every call. Empty for a grammar that plain prose or code may look
    /// like: such a dialect is never found in a text, only used when it is named. No call begins before the first
    /// of them that stands outside of calls and open sections.
    pub markers: &'static [&'static str],
    /// Strict parse. Linear in the length of the text.
    pub parse: fn(text: &str) -> Markup,
    /// How a reply that still comes in is read; `None` where only the end of a message tells what is a call in it
    /// and what is text.
    pub incremental: Option<Incremental>,
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
    Dialect: openhands, codeact_legacy, hermes, qwen3_coder, llama3_json, llama_pythonic, mistral, mistral_v11,
    react, swe_agent_thought_action, swe_agent_xml, swe_agent_bash_block, mini_swe_agent,
    deepseek_v3, deepseek_v31, deepseek_v32, kimi_k2, glm_45, glm_47, minimax, harmony
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
