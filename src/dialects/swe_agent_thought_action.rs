//! SWE-agent's `thought_action`: a discussion, then a command in a code block.
//!
//! Source: SWE-agent 1.1, `ThoughtActionParser`: every block that lies in no other one is looked at, and the last one
//! is run. Any Markdown looks like it, so that the dialect is only used where it is named.

use super::fenced::{self, Fence};
use super::reading::{one_text, wrong_count};
use super::{Call, Dialect, Markup, Runtime, RuntimeReading, TextCall, common};
use crate::model::{Span, ToolCall, ToolDef};
use regex::Regex;
use std::sync::LazyLock;

pub(super) static ITEM: Dialect = Dialect {
    name: "swe-agent-thought-action",
    about: "a discussion and a command in a code block: SWE-agent's thought_action",
    markers: &[],
    parse,
    incremental: None,
    runtimes: &[Runtime { name: "swe-agent-thought-action", read, write }],
    describe,
    render,
    observe: fenced::observe,
    read_observations: fenced::read_observations,
};

fn parse(text: &str) -> Markup {
    fenced::around(text, ITEM.name, blocks(text))
}

/// Blocks that lie in no other one; what opens inside them is nested.
fn blocks(text: &str) -> Vec<TextCall> {
    let mut calls = Vec::new();
    let mut open: Vec<Fence<'_>> = Vec::new();
    let mut nested: Vec<Span> = Vec::new();
    for fence in fenced::fences(text) {
        if !fence.info.is_empty() || open.is_empty() {
            if !open.is_empty() {
                nested.push(fence.line);
            }
            open.push(fence);
        } else if let Some(start) = open.pop()
            && open.is_empty()
        {
            let mut call = fenced::block(text, &start, Some(&fence));
            call.nested = std::mem::take(&mut nested);
            calls.push(call);
        }
    }
    if let Some(start) = open.into_iter().next() {
        let mut call = fenced::block(text, &start, None);
        call.nested = nested;
        calls.push(call);
    }
    calls
}

static FENCE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(?m)^```(\S*)\s*\n|^```\s*$").ok());

/// The last block that lies in no other one.
fn read(text: &str, _: &[ToolDef], next_id: u32) -> RuntimeReading {
    let mut open: Vec<Span> = Vec::new();
    let mut found: Vec<(Span, Span)> = Vec::new();
    let fences = FENCE.as_ref().map(|pattern| pattern.captures_iter(text));
    for fence in fences.into_iter().flatten() {
        let Some(whole) = fence.get(0) else { continue };
        let span = Span::new(whole.start(), whole.end());
        let info = fence.get(1);
        if !open.is_empty() && info.is_none_or(|info| info.is_empty()) {
            if let Some(start) = open.pop()
                && open.is_empty()
            {
                found.push((start, span));
            }
        } else if info.is_some() {
            open.push(span);
        }
    }
    let Some((start, end)) = found.pop() else {
        return wrong_count("FormatError", "No action found in model response.", 0);
    };
    let mut reading = one_text(fenced::NAME, fenced::KEY, &text[start.end..end.start], next_id);
    for (start, end) in found {
        reading.repair("dropped-call", Span::new(start.start, end.end));
    }
    reading.finish(&format!("{}{}", &text[..start.start], &text[end.end..]))
}

fn describe(_: &[ToolDef]) -> String {
    fenced::describe("```\ncommand\n```", "The result arrives with the next message, headed `OBSERVATION:`.")
}

fn render(content: &str, calls: &[Call<'_>]) -> Result<String, String> {
    common::plain_content(content, &["```"], parse)?;
    fenced::rendered(content, calls, "")
}

fn write(content: &str, calls: &[ToolCall]) -> Result<String, String> {
    common::write_with(render, content, calls)
}
