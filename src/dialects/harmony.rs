//! Harmony (gpt-oss): messages with a role, a channel and a recipient; a call is a message to a tool.
//!
//! Reads what a model writes behind `<|start|>assistant`, and the text of whole conversations. A call ends with
//! `<|call|>`, which ends the turn; a message on `commentary` without a recipient is a preamble and no call; what is
//! said on `analysis` is reasoning. The prefix `functions.` of a recipient is no part of the function's name. The tool
//! `python` takes code as it is, which becomes the parameter `code`. Source: the guide and the library openai-harmony;
//! runtime as in vLLM 0.33, which reads through that library.

use super::tokens;
use super::{
    Call, Dialect, Flaw, FlawKind, Incremental, Markup, Resume, Runtime, TextCall, TextParam, TextResult,
    common, tool_list,
};
use crate::model::{Span, ToolCall, ToolDef};
use aho_corasick::{AhoCorasick, Input};
use std::sync::LazyLock;

mod runtime;

pub(super) static ITEM: Dialect = Dialect {
    name: "harmony",
    about: "<|channel|>commentary to=functions.NAME, then JSON and <|call|>: gpt-oss",
    markers: &[START, CHANNEL, RECIPIENT],
    parse,
    incremental: Some(Incremental { ends: &["<|call|>"], read_on }),
    runtimes: &[Runtime { name: "vllm-harmony", read: runtime::read, write }],
    describe,
    render,
    observe,
    read_observations,
};

const START: &str = "<|start|>";
const CHANNEL: &str = "<|channel|>";
/// A recipient may come before the channel, where the model goes on from `<|start|>assistant`.
const RECIPIENT: &str = "to=functions.";
const SPACE: &str = "functions.";
const ALL: &[&str] = &[START, CHANNEL, "<|message|>", "<|constrain|>", "<|end|>", "<|call|>", "<|return|>"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Start,
    Channel,
    Message,
    Constrain,
    End,
    Call,
    Return,
}

static KINDS: [Token; 7] =
    [Token::Start, Token::Channel, Token::Message, Token::Constrain, Token::End, Token::Call, Token::Return];
static AUTOMATON: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| AhoCorasick::new(ALL).ok());

fn next_token(text: &str, from: usize) -> Option<(Token, Span)> {
    let found = AUTOMATON.as_ref()?.find(Input::new(text).range(from..text.len()))?;
    Some((KINDS[found.pattern().as_usize()], Span::new(found.start(), found.end())))
}

/// One message of a conversation.
struct Part {
    /// Tokens included; it ends where the text does, or the next message begins, if nothing closes it.
    span: Span,
    /// Empty where the text begins behind `<|start|>assistant`.
    role: Span,
    channel: Span,
    recipient: Option<Span>,
    content_type: Option<Span>,
    content: Span,
    close: Option<Token>,
    /// Whether the header is written as the grammar has it.
    plain: bool,
}

impl Part {
    fn by_assistant(&self, text: &str) -> bool {
        matches!(self.role.text(text), "" | "assistant")
    }

    /// The tool that the message is for.
    fn tool(&self, text: &str) -> Option<Span> {
        let recipient = self.recipient.filter(|_| self.by_assistant(text))?;
        (!matches!(recipient.text(text), "" | "assistant" | "user" | "all")).then_some(recipient)
    }

    /// Whether it is what a tool said.
    fn is_result(&self, text: &str) -> bool {
        !matches!(self.role.text(text), "" | "assistant" | "system" | "developer" | "user")
    }

    /// Name of the function: the recipient without the name space of all functions.
    fn name(recipient: Span, text: &str) -> Span {
        let bare = recipient.text(text).starts_with(SPACE) && recipient.len() > SPACE.len();
        Span::new(recipient.start + if bare { SPACE.len() } else { 0 }, recipient.end)
    }
}

/// What the walk over a text meets.
enum Met {
    Part(Box<Part>),
    /// Tokens that belong to no message.
    Fragment(Span),
}

/// The messages of a text from a place on.
struct Parts<'t> {
    text: &'t str,
    at: usize,
    begin: bool,
}

impl<'t> Parts<'t> {
    fn new(text: &'t str, at: usize) -> Self {
        // Blanks before a recipient are no message.
        Self { text, at, begin: at <= 64 && text.get(..at).is_some_and(|lead| lead.trim().is_empty()) }
    }
}

impl Iterator for Parts<'_> {
    type Item = Met;

    fn next(&mut self) -> Option<Met> {
        let (token, span) = next_token(self.text, self.at)?;
        let begin = std::mem::take(&mut self.begin);
        if matches!(token, Token::End | Token::Call | Token::Return) {
            self.at = span.end;
            return Some(Met::Fragment(span));
        }
        let mut header = Header::default();
        let mut start = span.start;
        if token == Token::Start {
            header.section = Some(Token::Start);
            self.at = span.end;
        } else {
            // The text goes on from a header that stands in the prompt.
            let lead = &self.text[..span.start];
            let blank = lead.len() - lead.trim_start().len();
            if begin && lead[blank..].starts_with(RECIPIENT) {
                start = blank;
                header.words(self.text, Span::new(blank, span.start));
            } else if token == Token::Constrain {
                // A type of content alone begins no message.
                self.at = span.end;
                return Some(Met::Fragment(span));
            }
            self.at = span.start;
        }
        let mut from = self.at;
        loop {
            let Some((token, span)) = next_token(self.text, self.at) else {
                self.at = self.text.len();
                return Some(Met::Fragment(Span::new(start, self.text.len())));
            };
            match token {
                Token::Channel | Token::Constrain => {
                    header.words(self.text, Span::new(from, span.start));
                    header.section = Some(token);
                    self.at = span.end;
                    from = span.end;
                }
                Token::Message => {
                    header.words(self.text, Span::new(from, span.start));
                    self.at = span.end;
                    return Some(Met::Part(Box::new(self.content(start, span.end, header))));
                }
                Token::Start => {
                    self.at = span.start;
                    return Some(Met::Fragment(Span::new(start, span.start)));
                }
                Token::End | Token::Call | Token::Return => {
                    self.at = span.end;
                    return Some(Met::Fragment(Span::new(start, span.end)));
                }
            }
        }
    }
}

impl Parts<'_> {
    /// Reads up to what closes the message. A header's tokens in it are text.
    fn content(&mut self, start: usize, from: usize, header: Header) -> Part {
        let mut at = from;
        let (close, content_end, end) = loop {
            match next_token(self.text, at) {
                Some((Token::Start, span)) => break (None, span.start, span.start),
                Some((Token::Channel | Token::Message | Token::Constrain, span)) => at = span.end,
                Some((token, span)) => break (Some(token), span.start, span.end),
                None => break (None, self.text.len(), self.text.len()),
            }
        };
        self.at = end;
        let empty = Span::new(from, from);
        Part {
            span: Span::new(start, end),
            role: header.role.unwrap_or(Span::new(start, start)),
            channel: header.channel.unwrap_or(empty),
            recipient: header.recipient,
            content_type: header.content_type,
            content: Span::new(from, content_end),
            close,
            plain: !header.odd,
        }
    }
}

/// A header as it is read.
#[derive(Default)]
struct Header {
    /// The token before the words.
    section: Option<Token>,
    role: Option<Span>,
    channel: Option<Span>,
    recipient: Option<Span>,
    content_type: Option<Span>,
    odd: bool,
}

impl Header {
    /// Takes the words between two tokens.
    fn words(&mut self, text: &str, span: Span) {
        let inside = span.text(text);
        for word in inside.split_whitespace() {
            // The word is a part of the text.
            let start = span.start + (word.as_ptr() as usize - inside.as_ptr() as usize);
            let here = Span::new(start, start + word.len());
            let (place, here) = match self.section {
                _ if word.starts_with("to=") => (&mut self.recipient, Span::new(start + 3, here.end)),
                Some(Token::Start) if self.role.is_none() => (&mut self.role, here),
                Some(Token::Channel) if self.channel.is_none() => (&mut self.channel, here),
                _ => (&mut self.content_type, here),
            };
            self.odd |= place.is_some();
            place.get_or_insert(here);
        }
    }
}

fn parse(text: &str) -> Markup {
    let mut markup = Markup::default();
    let mut reasoning = Vec::new();
    for met in Parts::new(text, 0) {
        let part = match met {
            Met::Part(part) => part,
            Met::Fragment(span) => {
                markup
                    .fragments
                    .push(Span::new(span.start, common::line_from(text, span.start).end.min(span.end)));
                continue;
            }
        };
        if let Some(call) = call(text, &part) {
            markup.calls.push(call);
        } else if part.is_result(text) {
            markup.observations.push(common::line_from(text, part.span.start));
        } else if part.by_assistant(text) && part.channel.text(text) == "analysis" {
            reasoning.push(part.span);
        } else if part.close == Some(Token::Call) {
            // A call for nobody.
            markup.fragments.push(Span::new(part.span.start, part.content.start));
        }
    }
    let mut markup = common::around(text, ITEM.name, markup);
    // Tags in what is said on a channel are text of that channel.
    let apart: Vec<Span> = markup
        .reasoning
        .iter()
        .copied()
        .filter(|block| !reasoning.iter().any(|part| overlap(*part, *block)))
        .collect();
    markup.reasoning = reasoning.into_iter().chain(apart.into_iter().take(1)).collect();
    markup.reasoning.sort_unstable();
    markup
}

fn overlap(one: Span, other: Span) -> bool {
    one.start < other.end && other.start < one.end
}

fn call(text: &str, part: &Part) -> Option<TextCall> {
    let recipient = part.tool(text)?;
    let name = Part::name(recipient, text);
    let mut call = common::call(part.span, name.text(text), name);
    call.closed = part.close == Some(Token::Call);
    if !part.plain || !matches!(part.channel.text(text), "commentary" | "analysis") {
        call.flaws
            .push(Flaw { kind: FlawKind::BadHeader, span: Span::new(part.span.start, part.content.start) });
    }
    let json = part.content_type.is_some_and(|kind| kind.text(text).contains("json"));
    if name.text(text) == "python" && !json {
        let name_span = Span::new(part.content.start, part.content.start);
        let closed = call.closed;
        call.params.push(TextParam { name: "code".to_owned(), name_span, value: part.content, closed });
    } else {
        let mut content = part.content;
        if part.close.is_none()
            && content.end == text.len()
            && let Some(cut) = content.text(text).rfind('<').map(|at| content.start + at)
            && "<|call|>".starts_with(&text[cut..])
        {
            call.flaws.push(Flaw { kind: FlawKind::PartialClosingTag, span: Span::new(cut, text.len()) });
            content.end = cut;
        }
        call.arguments = tokens::json_arguments(text, content, &mut call.flaws);
        if call.arguments.is_none() && call.closed {
            call.flaws.push(Flaw { kind: FlawKind::MissingArguments, span: name });
        }
    }
    Some(call)
}

fn read_on(text: &str, from: Resume) -> (Vec<TextCall>, Resume) {
    let parts = Parts::new(text, from.at).filter_map(|met| match met {
        Met::Part(part) => call(text, &part),
        Met::Fragment(_) => None,
    });
    let calls: Vec<TextCall> = parts.take_while(tokens::is_complete).collect();
    let at = calls.last().map_or(from.at, |call| call.span.end);
    (calls, Resume { at, section: None })
}

fn write(content: &str, calls: &[ToolCall]) -> Result<String, String> {
    common::write_with(render, content, calls)
}

fn describe(tools: &[ToolDef]) -> String {
    let form = format!(
        "{CHANNEL}commentary to={SPACE}NAME <|constrain|>json<|message|>{{\"FIRST\": \"value\", \"SECOND\": 2}}<|call|>"
    );
    tool_list::describe(
        tools,
        &form,
        &[
            "One call in a message, and nothing behind it. Thoughts go to the channel analysis, notes to the user before \
             the call to commentary, and an answer without a call to final.",
            tool_list::NAMES,
            tool_list::WAIT,
        ],
    )
}

/// A preamble and a call, or an answer.
fn render(content: &str, calls: &[Call<'_>]) -> Result<String, String> {
    let tokens_in = |text: &str| ALL.iter().find(|token| text.contains(**token));
    if let Some(token) = tokens_in(content) {
        return Err(format!("the text beside the calls holds {token}"));
    }
    let Some(call) = common::at_most_one(calls)? else {
        return Ok(format!("{CHANNEL}final<|message|>{content}<|return|>"));
    };
    if call.name.is_empty() || call.name.contains(char::is_whitespace) || call.name.contains('<') {
        return Err("a function name is empty or holds blanks or a bracket".to_owned());
    }
    let json = tokens::json_without(ALL, call.arguments);
    let preamble = if content.is_empty() {
        String::new()
    } else {
        format!("{CHANNEL}commentary<|message|>{content}<|end|>{START}assistant")
    };
    let name = call.name;
    Ok(format!("{preamble}{CHANNEL}commentary to={SPACE}{name} <|constrain|>json<|message|>{json}<|call|>"))
}

fn observe(tool: &str, output: &str) -> String {
    format!("{START}{SPACE}{tool} to=assistant{CHANNEL}commentary<|message|>{output}<|end|>")
}

fn read_observations(text: &str) -> Vec<TextResult> {
    if !text.trim_start().starts_with(START) {
        return Vec::new();
    }
    let results = Parts::new(text, 0).filter_map(|met| match met {
        Met::Part(part) if part.is_result(text) => {
            let name = Part::name(part.role, text).text(text).to_owned();
            Some(TextResult { name: Some(name), content: part.content })
        }
        _ => None,
    });
    results.collect()
}
