//! The strings whose sight matters in a message: own markup, observations, reasoning, other dialects.

use crate::model::Span;
use aho_corasick::AhoCorasick;
use std::sync::LazyLock;

/// What a marker stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// Opening tag of a call.
    Call,
    /// An observation's heading.
    Observation,
    /// A turn of somebody else, at the start of a line; counts only after a call.
    Turn,
    /// `<think>`.
    ThinkOpen,
    /// `</think>`.
    ThinkClose,
    /// Markup of the named dialect.
    Foreign(&'static str),
}

/// Markers and what they stand for. `<tool_call>` alone is looked at again in [`next`].
static MARKS: &[(&str, Mark)] = &[
    ("<function=", Mark::Call),
    ("EXECUTION RESULT of [", Mark::Observation),
    ("\nUSER:", Mark::Turn),
    ("\nOBSERVATION:", Mark::Turn),
    ("<think>", Mark::ThinkOpen),
    ("</think>", Mark::ThinkClose),
    ("<tool_call>", Mark::Foreign("hermes")),
    ("<execute_bash>", Mark::Foreign("codeact-xml")),
    ("<execute_ipython>", Mark::Foreign("codeact-xml")),
    ("<execute_browse>", Mark::Foreign("codeact-xml")),
    ("<\u{ff5c}tool\u{2581}calls\u{2581}begin\u{ff5c}>", Mark::Foreign("deepseek-v3")),
    ("<\u{ff5c}tool\u{2581}call\u{2581}begin\u{ff5c}>", Mark::Foreign("deepseek-v3")),
    ("<\u{ff5c}DSML\u{ff5c}", Mark::Foreign("deepseek-dsml")),
    ("[TOOL_CALLS]", Mark::Foreign("mistral")),
    ("<|python_tag|>", Mark::Foreign("llama3-json")),
    ("<|python_start|>", Mark::Foreign("llama4-pythonic")),
    ("<|tool_calls_section_begin|>", Mark::Foreign("kimi-k2")),
    ("<|tool_call_begin|>", Mark::Foreign("kimi-k2")),
    ("<minimax:tool_call>", Mark::Foreign("minimax-m2")),
    ("<invoke name=", Mark::Foreign("anthropic-xml")),
    ("<|channel|>commentary to=", Mark::Foreign("harmony")),
    ("<seed:tool_call>", Mark::Foreign("seed-oss")),
    ("<|START_ACTION|>", Mark::Foreign("cohere")),
    ("<|tool_call_start|>", Mark::Foreign("lfm2")),
];

static AUTOMATON: LazyLock<Option<AhoCorasick>> =
    LazyLock::new(|| AhoCorasick::new(MARKS.iter().map(|(text, _)| text)).ok());

/// The next marker at or after `from`.
pub(super) fn next(text: &str, from: usize) -> Option<(Mark, Span)> {
    let automaton = AUTOMATON.as_ref()?;
    let mut from = from;
    loop {
        // `find` with a range keeps offsets; a match never begins inside a character.
        let found = automaton.find(aho_corasick::Input::new(text).range(from..text.len()))?;
        let span = Span::new(found.start(), found.end());
        let mark = MARKS[found.pattern().as_usize()].1;
        match tool_call(text, mark, span) {
            Some(Mark::Turn) => return Some((mark, Span::new(span.start + 1, span.end))),
            Some(mark) => return Some((mark, span)),
            None => from = span.end,
        }
    }
}

/// `<tool_call>` wraps JSON (Hermes), `<arg_key>` pairs (GLM), or our own tags (Qwen3-Coder), which
/// are judged as what they are.
fn tool_call(text: &str, mark: Mark, span: Span) -> Option<Mark> {
    if mark != Mark::Foreign("hermes") {
        return Some(mark);
    }
    let rest = text[span.end..].trim_start();
    if rest.starts_with("<function=") {
        None
    } else if rest.starts_with(['{', '[']) || rest.is_empty() {
        Some(mark)
    } else {
        Some(Mark::Foreign("glm-4.5"))
    }
}
