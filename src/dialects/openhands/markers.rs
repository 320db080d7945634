//! The strings whose sight matters in a message: own markup, observations, reasoning.

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
}

/// Markers and what they stand for.
static MARKS: &[(&str, Mark)] = &[
    ("<function=", Mark::Call),
    ("EXECUTION RESULT of [", Mark::Observation),
    ("\nUSER:", Mark::Turn),
    ("\nOBSERVATION:", Mark::Turn),
    ("<think>", Mark::ThinkOpen),
    ("</think>", Mark::ThinkClose),
];

static AUTOMATON: LazyLock<Option<AhoCorasick>> =
    LazyLock::new(|| AhoCorasick::new(MARKS.iter().map(|(text, _)| text)).ok());

/// The strings themselves.
pub(in crate::dialects) fn looked_for() -> impl Iterator<Item = &'static str> {
    MARKS.iter().map(|(text, _)| *text)
}

/// The next marker at or after `from`.
pub(super) fn next(text: &str, from: usize) -> Option<(Mark, Span)> {
    // `find` with a range keeps offsets; a match never begins inside a character.
    let found = AUTOMATON.as_ref()?.find(aho_corasick::Input::new(text).range(from..text.len()))?;
    let mark = MARKS[found.pattern().as_usize()].1;
    // The newline before a turn is not part of it.
    let start = found.start() + usize::from(mark == Mark::Turn);
    Some((mark, Span::new(start, found.end())))
}
