//! Which dialect a text is written in, and markup of other dialects in a text of one.
//!
//! The marks come from the registry; beside them stand marks that only some calls of a dialect have, and those of
//! dialects that have no parser here, which are told by name only.

use super::{ALL, Dialect};
use crate::model::Span;
use aho_corasick::{AhoCorasick, Input, MatchKind};
use std::sync::LazyLock;

/// Marks that stand in some calls of a dialect and in no other's.
static SOMETIMES: &[(&str, &str)] = &[
    ("<|python_tag|>", "llama3-json"),
    ("<|python_start|>", "llama-pythonic"),
    ("```mswea_bash_command", "mini-swe-agent"),
    ("<mswea_bash_command>", "mini-swe-agent"),
];

/// Marks of dialects that have no parser here.
static UNREAD: &[(&str, &str)] = &[
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
    let (texts, names): (Vec<&str>, Vec<&'static str>) =
        read.chain(SOMETIMES.iter().chain(UNREAD).copied()).unzip();
    // Where two dialects share a mark, the first one is taken; `name_at` looks again.
    let automaton = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(texts);
    Marks { automaton: automaton.ok(), names }
});

/// Every string whose sight can matter in a message: marks of all dialects, and what the strict parsers look for
/// beside them. A text without any of them is a text without markup to every parser but those without marks.
pub fn marks() -> impl Iterator<Item = &'static str> {
    let own = ALL.iter().flat_map(|dialect| dialect.markers.iter().copied());
    let others = SOMETIMES.iter().chain(UNREAD).map(|(mark, _)| *mark);
    own.chain(others)
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

/// The dialect of a text, told by the first mark that stands in it, mentions in code quotes aside; `None`
/// without a mark of a dialect that has a parser here.
pub fn detect(text: &str) -> Option<&'static Dialect> {
    let mut at = 0;
    while let Some((name, span)) = next_mark(text, at) {
        if let Some(dialect) = super::find(name)
            && !super::common::mentioned(text, span)
        {
            return Some(dialect);
        }
        at = span.end;
    }
    None
}

/// Which of the dialects that share a mark it belongs to.
///
/// `<tool_call>` wraps JSON (Hermes), a bare name with `<arg_key>` pairs (GLM), or OpenHands' tags (Qwen3-Coder).
/// `[TOOL_CALLS]` is followed by a JSON list or, from version 11 on, by a name. DeepSeek V3 has a word before the name
/// of a call, V3.1 has not.
pub(super) fn name_at(text: &str, name: &'static str, span: Span) -> &'static str {
    const OPEN: &str = "<\u{ff5c}tool\u{2581}call\u{2581}begin\u{ff5c}>";
    const WORD: &str = "function<\u{ff5c}tool\u{2581}sep\u{ff5c}>";
    let rest = text[span.end..].trim_start();
    match span.text(text) {
        "<tool_call>" if rest.starts_with("<function=") => "qwen3-coder",
        "<tool_call>" if rest.starts_with(|c: char| c.is_alphanumeric() || c == '_') => "glm-4.5",
        "<tool_call>" => "hermes",
        "[TOOL_CALLS]" if rest.starts_with(|c: char| c.is_alphanumeric() || c == '_') => "mistral-v11",
        "[TOOL_CALLS]" => "mistral",
        _ if name == "deepseek-v3" => {
            let call = rest.strip_prefix(OPEN).unwrap_or(rest).trim_start();
            if call.is_empty() || call.starts_with(WORD) { name } else { "deepseek-v3.1" }
        }
        _ => name,
    }
}
