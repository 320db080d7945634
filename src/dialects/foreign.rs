//! Which dialect a text is written in, and markup of other dialects in a text of one.
//!
//! The marks come from the registry; dialects that have no parser here are told by name only.

use super::{ALL, Dialect};
use crate::model::Span;
use aho_corasick::{AhoCorasick, Input, MatchKind};
use std::sync::LazyLock;

/// Marks of dialects that have no parser here.
static UNREAD: &[(&str, &str)] = &[
    ("<execute_bash>", "codeact-legacy"),
    ("<execute_ipython>", "codeact-legacy"),
    ("<execute_browse>", "codeact-legacy"),
    ("<tool_call>", "hermes"),
    ("<\u{ff5c}tool\u{2581}calls\u{2581}begin\u{ff5c}>", "deepseek-v3"),
    ("<\u{ff5c}tool\u{2581}call\u{2581}begin\u{ff5c}>", "deepseek-v3"),
    ("<\u{ff5c}DSML\u{ff5c}", "deepseek-v3.2"),
    ("[TOOL_CALLS]", "mistral"),
    ("<|python_tag|>", "llama3-json"),
    ("<|python_start|>", "llama-pythonic"),
    ("<|tool_calls_section_begin|>", "kimi-k2"),
    ("<|tool_call_begin|>", "kimi-k2"),
    ("<minimax:tool_call>", "minimax"),
    ("<|channel|>commentary to=", "harmony"),
    ("<invoke name=", "anthropic-xml"),
    ("<seed:tool_call>", "seed-oss"),
    ("<|START_ACTION|>", "cohere"),
    ("<|tool_call_start|>", "lfm2"),
];

struct Marks {
    automaton: Option<AhoCorasick>,
    names: Vec<&'static str>,
}

static MARKS: LazyLock<Marks> = LazyLock::new(|| {
    let read = ALL.iter().flat_map(|dialect| dialect.markers.iter().map(|mark| (*mark, dialect.name)));
    let (texts, names): (Vec<&str>, Vec<&'static str>) = read.chain(UNREAD.iter().copied()).unzip();
    // Where two dialects share a mark, the first one is taken; `name_at` looks again.
    let automaton = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(texts);
    Marks { automaton: automaton.ok(), names }
});

/// Every string whose sight can matter in a message: marks of all dialects, and what the strict parsers look for
/// beside them. A text without any of them is a text without markup to every parser but those without marks.
pub fn marks() -> impl Iterator<Item = &'static str> {
    let own = ALL.iter().flat_map(|dialect| dialect.markers.iter().copied());
    let unread = UNREAD.iter().map(|(mark, _)| *mark);
    own.chain(unread)
        .chain(super::openhands::looked_for())
        .chain([super::common::THINK, super::common::THINK_END])
}

/// The next mark of any dialect at or after `from`: the dialect's name, and where the mark stands.
pub fn next_mark(text: &str, from: usize) -> Option<(&'static str, Span)> {
    let found = MARKS.automaton.as_ref()?.find(Input::new(text).range(from..text.len()))?;
    let span = Span::new(found.start(), found.end());
    Some((name_at(text, MARKS.names[found.pattern().as_usize()], span), span))
}

/// Marks of all dialects but `own`, in order.
pub fn foreign_marks<'t>(text: &'t str, own: &'t str) -> impl Iterator<Item = (&'static str, Span)> + 't {
    let mut at = 0;
    let marks = std::iter::from_fn(move || {
        let (name, span) = next_mark(text, at)?;
        at = span.end;
        Some((name, span))
    });
    marks.filter(move |(name, _)| *name != own)
}

/// The dialect of a text, told by the first mark that stands in it; `None` without a mark, or if
/// its dialect has no parser here. Dialects without marks are never found.
pub fn detect(text: &str) -> Option<&'static Dialect> {
    let mut at = 0;
    while let Some((name, span)) = next_mark(text, at) {
        if let Some(dialect) = super::find(name) {
            return Some(dialect);
        }
        at = span.end;
    }
    None
}

/// `<tool_call>` wraps JSON (Hermes), `<arg_key>` pairs (GLM), or OpenHands' tags (Qwen3-Coder).
fn name_at(text: &str, name: &'static str, span: Span) -> &'static str {
    if span.text(text) != "<tool_call>" {
        return name;
    }
    let rest = text[span.end..].trim_start();
    if rest.starts_with("<function=") {
        "qwen3-coder"
    } else if rest.starts_with(['{', '[']) || rest.is_empty() {
        "hermes"
    } else {
        "glm-4.5"
    }
}
