//! Commands of a shell in code blocks: what the dialects of SWE-agent and mini-swe-agent have in common.
//!
//! A command is a call of `bash` with one parameter, `command`. The newline before the closing fence is the fence's.

use super::common::{self, Place};
use super::{Call, Markup, TextCall, TextParam, TextResult};
use crate::model::Span;

/// Name of the function that a command calls.
pub(super) const NAME: &str = "bash";
/// Name of its parameter.
pub(super) const KEY: &str = "command";
/// Heading of a result in SWE-agent.
pub(super) const HEADING: &str = "OBSERVATION:";

/// A line that begins with three backticks and holds one word at most behind them.
pub(super) struct Fence<'t> {
    /// The word behind the backticks.
    pub(super) info: &'t str,
    /// From the backticks to the end of the line, the newline included.
    pub(super) line: Span,
}

/// All fences, in order.
pub(super) fn fences(text: &str) -> impl Iterator<Item = Fence<'_>> {
    let starts = memchr::memmem::find_iter(text.as_bytes(), b"```");
    let starts = starts.filter(|at| *at == 0 || text.as_bytes()[at - 1] == b'\n');
    starts.filter_map(|at| {
        let end = memchr::memchr(b'\n', &text.as_bytes()[at..]).map_or(text.len(), |found| at + found + 1);
        let info = text[at + 3..end].trim_end();
        (!info.contains(char::is_whitespace)).then_some(Fence { info, line: Span::new(at, end) })
    })
}

/// Blocks that open with a fence whose word is `info`, each up to the next bare fence.
pub(super) fn blocks(text: &str, info: &str) -> Vec<TextCall> {
    let mut calls = Vec::new();
    let mut open: Option<Fence<'_>> = None;
    for fence in fences(text) {
        match &open {
            Some(start) if fence.info.is_empty() => {
                calls.push(block(text, start, Some(&fence)));
                open = None;
            }
            None if fence.info == info => open = Some(fence),
            _ => {}
        }
    }
    calls.extend(open.map(|start| block(text, &start, None)));
    calls
}

/// The call between two fences.
pub(super) fn block(text: &str, open: &Fence<'_>, close: Option<&Fence<'_>>) -> TextCall {
    let from = open.line.end;
    let name = Span::new(open.line.start + 3, open.line.start + 3 + open.info.len());
    let (value, end) = match close {
        Some(close) => {
            // An empty block has no newline of its own.
            let stop = close.line.start - usize::from(close.line.start > from);
            let end = close.line.start + text[close.line.start..close.line.end].trim_end().len();
            (Span::new(from, stop), end)
        }
        None => (Span::new(from, text.len()), text.len()),
    };
    command(Span::new(open.line.start, end), name, value, close.is_some())
}

/// A call of the shell.
pub(super) fn command(span: Span, name_span: Span, value: Span, closed: bool) -> TextCall {
    let mut call = common::call(span, NAME, name_span);
    call.closed = closed;
    let name_span = Span::new(value.start, value.start);
    call.params.push(TextParam { name: KEY.to_owned(), name_span, value, closed });
    call
}

/// Calls between two tags; a call without its closing tag goes to the next opening tag or the end.
pub(super) fn tagged(text: &str, open: &'static str, close: &'static str) -> Vec<TextCall> {
    let mut finder = common::Finder::new(text, [open, close]);
    let mut calls = Vec::new();
    let mut at = 0;
    while let Some(start) = finder.next(0, at) {
        let tag = Span::new(start, start + open.len());
        at = tag.end;
        if common::mentioned(text, tag) {
            continue;
        }
        let end = finder.next(1, at);
        let limit = end.or_else(|| finder.next(0, at)).unwrap_or(text.len());
        let behind = limit + if end.is_some() { close.len() } else { 0 };
        let name = Span::new(start + 1, tag.end - 1);
        calls.push(command(Span::new(start, behind), name, Span::new(tag.end, limit), end.is_some()));
        at = behind;
    }
    calls
}

/// The markup around the calls, in a dialect whose results stand under SWE-agent's heading.
pub(super) fn around(text: &str, own: &'static str, calls: Vec<TextCall>) -> Markup {
    let mut markup = Markup { calls, ..Markup::default() };
    common::observations(text, &[(HEADING, Place::LineAfterCall)], &mut markup);
    common::around(text, own, markup)
}

/// The one command of a message, checked: the dialect holds no other function and no other argument.
pub(super) fn only_command<'a>(calls: &'a [Call<'a>]) -> Result<Option<&'a str>, String> {
    let Some(call) = common::at_most_one(calls)? else { return Ok(None) };
    if call.name != NAME {
        return Err(format!(
            "a message holds commands of the shell, and '{}' is another function",
            call.name
        ));
    }
    common::only_text(call, KEY).map(Some)
}

/// A message with a command in a code block behind the text. A line of the command that begins with a fence would
/// close the block.
pub(super) fn rendered(content: &str, calls: &[Call<'_>], info: &str) -> Result<String, String> {
    let Some(command) = only_command(calls)? else { return Ok(content.to_owned()) };
    if fences(command).next().is_some() || command.lines().any(|line| line.starts_with("```")) {
        return Err(format!("the value of '{KEY}' has a line that begins with ```"));
    }
    let lead = if content.is_empty() { String::new() } else { format!("{content}\n\n") };
    Ok(format!("{lead}```{info}\n{command}\n```"))
}

pub(super) fn observe(_: &str, output: &str) -> String {
    format!("{HEADING}\n{output}")
}

pub(super) fn read_observations(text: &str) -> Vec<TextResult> {
    let content = common::result_behind(text, HEADING);
    content.into_iter().map(|content| TextResult { name: None, content }).collect()
}

/// How to write a call, for a system prompt.
pub(super) fn describe(form: &str, result: &str) -> String {
    format!(
        "You work by commands of a shell that are run for you. Write one in a message, in exactly this form:\n\n{form}\n\n\
         What counts:\n\
         - One command in every message, never two. Thoughts may stand before it; nothing comes after it.\n\
         - {result} Wait for it, never write it yourself.\n"
    )
}
