//! mini-swe-agent's text mode: one command in a ```` ```mswea_bash_command ```` block (version 2), in a ```` ```bash ````
//! block (version 1), or in `<mswea_bash_command>` (its XML configuration).
//!
//! Source: mini-swe-agent 1.17 and 2.4. Where a message holds a mark of version 2, its ```` ```bash ```` blocks are
//! samples and no commands. By the marks of version 2 alone is the dialect found in a text.

use super::common::{self, Place};
use super::fenced;
use super::reading::{one_text, wrong_count};
use super::{Call, Dialect, Markup, Runtime, RuntimeReading, TextResult, python};
use crate::model::{Span, ToolCall, ToolDef};
use regex::Regex;
use std::sync::LazyLock;

pub(super) static ITEM: Dialect = Dialect {
    name: "mini-swe-agent",
    about: "one command in ```mswea_bash_command, ```bash or <mswea_bash_command>: mini-swe-agent",
    markers: &[],
    parse,
    incremental: None,
    runtimes: &[
        Runtime { name: "mini-swe-agent-v1", read: read_v1, write: write_v1 },
        Runtime { name: "mini-swe-agent-xml", read: read_xml, write: write_xml },
        Runtime { name: "mini-swe-agent-v2", read: read_v2, write },
    ],
    describe,
    render,
    observe,
    read_observations,
};

const INFO: &str = "mswea_bash_command";
const OPEN: &str = "<mswea_bash_command>";
const CLOSE: &str = "</mswea_bash_command>";

fn parse(text: &str) -> Markup {
    let mut calls = fenced::blocks(text, INFO);
    calls.extend(fenced::tagged(text, OPEN, CLOSE));
    calls.sort_by_key(|call| call.span.start);
    // A tag inside a block, or the other way round, belongs to the command.
    let mut end = 0;
    calls.retain(|call| {
        let free = call.span.start >= end;
        end = if free { call.span.end } else { end };
        free
    });
    if calls.is_empty() {
        calls = fenced::blocks(text, "bash");
    }
    let mut markup = Markup { calls, ..Markup::default() };
    let headings = [("<returncode>", Place::LineAfterCall), ("<output>", Place::LineAfterCall)];
    common::observations(text, &headings, &mut markup);
    common::around(text, ITEM.name, markup)
}

static V1: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(?s)```bash\s*\n(.*?)\n```").ok());
static V2: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?s)```mswea_bash_command\s*\n(.*?)\n```").ok());
static XML: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?s)<mswea_bash_command>(.*?)</mswea_bash_command>").ok());

/// Exactly one action, or a format error; the content stays whole.
fn read(
    text: &str,
    next_id: u32,
    pattern: &LazyLock<Option<Regex>>,
    refusal: fn(usize) -> String,
) -> RuntimeReading {
    let found = pattern.as_ref().map(|pattern| pattern.captures_iter(text));
    let found: Vec<&str> =
        found.into_iter().flatten().filter_map(|found| Some(found.get(1)?.as_str())).collect();
    match found.as_slice() {
        [command] => one_text(fenced::NAME, fenced::KEY, python::strip(command), next_id).finish(text),
        other => wrong_count("FormatError", refusal(other.len()), other.len()),
    }
}

fn read_v1(text: &str, _: &[ToolDef], next_id: u32) -> RuntimeReading {
    read(text, next_id, &V1, |_| "Please always provide EXACTLY ONE action in triple backticks.".to_owned())
}

fn counted(count: usize) -> String {
    format!("Expected exactly 1 action, found {count}.")
}

fn read_v2(text: &str, _: &[ToolDef], next_id: u32) -> RuntimeReading {
    read(text, next_id, &V2, counted)
}

fn read_xml(text: &str, _: &[ToolDef], next_id: u32) -> RuntimeReading {
    read(text, next_id, &XML, counted)
}

fn describe(_: &[ToolDef]) -> String {
    fenced::describe(
        "```mswea_bash_command\ncommand\n```",
        "The result arrives with the next message, its text between <output> and </output>.",
    )
}

fn plain(content: &str) -> Result<(), String> {
    common::plain_content(content, &["```mswea_bash_command", OPEN, "```bash"], parse)
}

fn render(content: &str, calls: &[Call<'_>]) -> Result<String, String> {
    plain(content)?;
    fenced::rendered(content, calls, INFO)
}

fn write(content: &str, calls: &[ToolCall]) -> Result<String, String> {
    common::write_with(render, content, calls)
}

fn write_v1(content: &str, calls: &[ToolCall]) -> Result<String, String> {
    common::write_with(
        |content, calls| {
            plain(content)?;
            fenced::rendered(content, calls, "bash")
        },
        content,
        calls,
    )
}

fn write_xml(content: &str, calls: &[ToolCall]) -> Result<String, String> {
    common::write_with(render_xml, content, calls)
}

fn render_xml(content: &str, calls: &[Call<'_>]) -> Result<String, String> {
    plain(content)?;
    let Some(command) = fenced::only_command(calls)? else { return Ok(content.to_owned()) };
    if let Some(tag) = [OPEN, CLOSE].into_iter().find(|tag| command.contains(tag)) {
        return Err(format!("the value of '{}' holds {tag}", fenced::KEY));
    }
    let lead = if content.is_empty() { String::new() } else { format!("{content}\n\n") };
    Ok(format!("{lead}{OPEN}{command}{CLOSE}"))
}

fn observe(_: &str, output: &str) -> String {
    format!("<output>\n{output}\n</output>")
}

/// Where a code or a warning stands beside the output, the whole message is the result.
fn read_observations(text: &str) -> Vec<TextResult> {
    let content = if text.starts_with("<output>") {
        match text.trim_end().strip_suffix("</output>") {
            Some(body) => common::without_lines(text, Span::new("<output>".len(), body.len())),
            None => Span::new("<output>".len(), text.len()),
        }
    } else if text.starts_with("<returncode>") || text.starts_with("<exception>") {
        Span::new(0, text.len())
    } else {
        return Vec::new();
    };
    vec![TextResult { name: None, content }]
}
