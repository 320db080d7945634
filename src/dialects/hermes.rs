//! Hermes, Qwen2.5 and Qwen3: `<tool_call>` around a JSON object with `name` and `arguments`, block after block.
//!
//! Source: the chat templates of Hermes 2 Pro and Qwen2.5; runtimes as in SGLang 0.5.23 and vLLM 0.33.

use super::common::{self, Finder, Place};
use super::foreign::name_at;
use super::json_call::{self, Keys, Read};
use super::reading::Reading;
use super::{
    Call, Dialect, Flaw, FlawKind, Incremental, Markup, Resume, Runtime, RuntimeReading, TextCall,
    TextResult, python, tool_list,
};
use crate::model::{Span, ToolCall, ToolDef};
use crate::util::json::{Kind, parse_at};
use serde_json::Value;

pub(super) static ITEM: Dialect = Dialect {
    name: "hermes",
    about: "<tool_call> around {\"name\", \"arguments\"}: Hermes, Qwen2.5, Qwen3",
    markers: &[OPEN],
    parse,
    incremental: Some(Incremental { ends: &[CLOSE], read_on }),
    runtimes: &[
        Runtime { name: "sglang-qwen25", read: read_qwen25, write },
        Runtime { name: "sglang-hermes", read: read_sglang, write },
        Runtime { name: "vllm-hermes", read: read_vllm, write },
    ],
    describe,
    render,
    observe,
    read_observations,
};

pub(super) const OPEN: &str = "<tool_call>";
pub(super) const CLOSE: &str = "</tool_call>";

static KEYS: Keys = Keys { arguments: &["arguments"], other: &["parameters"], also: &[] };

fn parse(text: &str) -> Markup {
    let mut markup = Markup::default();
    let mut finder = Finder::new(text, [OPEN, CLOSE]);
    let mut at = 0;
    while let Some(start) = finder.next(0, at) {
        let tag = Span::new(start, start + OPEN.len());
        at = tag.end;
        if common::mentioned(text, tag) || name_at(text, ITEM.name, tag) != ITEM.name {
            continue;
        }
        (at, _) = block(text, tag, &mut finder, &mut markup);
    }
    common::observations(text, &[("<tool_response>", Place::Anywhere)], &mut markup);
    common::around(text, ITEM.name, markup)
}

/// Blocks whose JSON is whole and whose tag is closed; what is behind one that is not may turn out to be inside of it.
fn read_on(text: &str, from: Resume) -> (Vec<TextCall>, Resume) {
    let mut markup = Markup::default();
    let mut finder = Finder::new(text, [OPEN, CLOSE]);
    let (mut at, mut next) = (from.at, from);
    while let Some(start) = finder.next(0, at) {
        let tag = Span::new(start, start + OPEN.len());
        at = tag.end;
        if common::mentioned(text, tag) || name_at(text, ITEM.name, tag) != ITEM.name {
            continue;
        }
        let before = markup.calls.len();
        let (end, whole) = block(text, tag, &mut finder, &mut markup);
        if !whole || common::may_be_mentioned(text, tag) {
            markup.calls.truncate(before);
            break;
        }
        at = end;
        next.at = end;
    }
    (markup.calls, next)
}

/// Reads the block whose opening tag is `tag`; gives the position to go on from, and whether nothing is missing of it.
fn block(text: &str, tag: Span, finder: &mut Finder<'_, 2>, markup: &mut Markup) -> (usize, bool) {
    let body = json_call::blanks(text.as_bytes(), tag.end);
    let next = [finder.next(0, body), finder.next(1, body)];
    let limit = next.into_iter().flatten().min().unwrap_or(text.len());
    if text[body..].starts_with('[') {
        return list(text, tag, body, finder, markup);
    }
    match json_call::object(text, body, limit, &KEYS) {
        Read::Call(object) => {
            let (end, closed, flaws) = close(text, object.end, finder);
            let whole = closed && object.whole;
            let mut call = object.into_call(Span::new(tag.start, end), closed);
            call.flaws.extend(flaws);
            markup.calls.push(call);
            (end, whole)
        }
        Read::Nothing(seen) => {
            markup.fragments.push(common::line_from(text, tag.start));
            (seen.max(tag.end), false)
        }
    }
}

/// A list of calls in one pair of tags.
fn list(
    text: &str,
    tag: Span,
    body: usize,
    finder: &mut Finder<'_, 2>,
    markup: &mut Markup,
) -> (usize, bool) {
    let mut notes = Vec::new();
    let parsed = parse_at(text.as_bytes(), body, &mut notes);
    let items = match &parsed {
        Ok(node) => match &node.kind {
            Kind::Array(items) => items.as_slice(),
            _ => &[],
        },
        Err(_) => &[],
    };
    let calls: Vec<_> = items
        .iter()
        .filter_map(|item| match json_call::whole(text, item, &KEYS, &notes) {
            Read::Call(object) => Some((item.start, *object)),
            Read::Nothing(_) => None,
        })
        .collect();
    if calls.is_empty() {
        markup.fragments.push(common::line_from(text, tag.start));
        let seen = parsed.map_or_else(|error| error.offset, |node| node.end);
        return (text.floor_char_boundary(seen.max(tag.end)), false);
    }
    let (end, closed, flaws) = close(text, parsed.map_or(body, |node| node.end), finder);
    let starts: Vec<usize> = calls.iter().map(|(start, _)| *start).collect();
    for (n, (_, object)) in calls.into_iter().enumerate() {
        let start = if n == 0 { tag.start } else { starts[n] };
        let span = Span::new(start, starts.get(n + 1).copied().unwrap_or(end));
        let mut call = object.into_call(span, closed);
        if n == 0 {
            call.flaws.push(Flaw { kind: FlawKind::ListOfCalls, span: tag });
            call.flaws.extend(flaws.iter().cloned());
        }
        markup.calls.push(call);
    }
    // It has calls, so its JSON is whole.
    (end, closed)
}

/// Where a block ends whose JSON ends at `from`, whether its tag is there, and what stands in between.
fn close(text: &str, from: usize, finder: &mut Finder<'_, 2>) -> (usize, bool, Vec<Flaw>) {
    let mut flaws = Vec::new();
    let open = finder.next(0, from).unwrap_or(text.len());
    match finder.next(1, from).filter(|close| *close < open) {
        Some(close) => {
            common::stray(text, from, close, &mut flaws);
            (close + CLOSE.len(), true, flaws)
        }
        None => {
            let rest = common::trimmed(text, Span::new(from, open));
            if !rest.is_empty() && CLOSE.starts_with(rest.text(text)) {
                flaws.push(Flaw { kind: FlawKind::PartialClosingTag, span: rest });
                return (rest.end, false, flaws);
            }
            (from, false, flaws)
        }
    }
}

/// Texts between the tags as the pattern of vLLM and SGLang finds them: what is asked for, its block, and
/// whether that is closed.
fn blocks<'t>(text: &'t str, open: &str, close: &str, unclosed: bool) -> Vec<(&'t str, Span, bool)> {
    let mut blocks = Vec::new();
    let mut at = 0;
    while let Some(start) = text[at..].find(open).map(|found| at + found) {
        let body = start + open.len();
        match text[body..].find(close).map(|found| body + found) {
            Some(end) => {
                blocks.push((&text[body..end], Span::new(start, end + close.len()), true));
                at = end + close.len();
            }
            None => {
                if unclosed {
                    blocks.push((&text[body..], Span::new(start, text.len()), false));
                }
                break;
            }
        }
    }
    blocks
}

fn message(text: &str) -> RuntimeReading {
    RuntimeReading::Message { content: text.to_owned() }
}

/// Names what stands behind the first block and outside of all blocks: it is dropped.
fn note_losses(text: &str, blocks: &[(&str, Span, bool)], reading: &mut Reading) {
    for (n, (_, span, closed)) in blocks.iter().enumerate() {
        if !closed {
            reading.repair("accepted-unclosed-call", *span);
        }
        let next = blocks.get(n + 1).map_or(text.len(), |(_, next, _)| next.start);
        reading.dropped(text, span.end, next);
    }
}

/// Any error in any block makes the whole text a message.
fn read_vllm(text: &str, _: &[ToolDef], next_id: u32) -> RuntimeReading {
    let blocks = blocks(text, OPEN, CLOSE, true);
    let Some((_, first, _)) = blocks.first() else { return message(text) };
    let mut reading = Reading::new(next_id);
    for (body, ..) in &blocks {
        let Some(Value::Object(call)) = json_call::load(body) else { return message(text) };
        let (Some(Value::String(name)), Some(arguments)) = (call.get("name"), call.get("arguments")) else {
            return message(text);
        };
        if let Err(refused) = reading.call(name, arguments.clone()) {
            return refused;
        }
    }
    note_losses(text, &blocks, &mut reading);
    reading.finish(&text[..first.start])
}

fn read_sglang(text: &str, tools: &[ToolDef], next_id: u32) -> RuntimeReading {
    let blocks = blocks(text, OPEN, CLOSE, true);
    let Some((_, first, _)) = blocks.first() else { return message(text) };
    let mut reading = Reading::new(next_id);
    for (body, span, _) in blocks.iter().filter(|(body, ..)| !body.is_empty()) {
        let Some(value) = json_call::load(python::strip(body)) else { return message(text) };
        match reading.sglang(&value, tools, *span) {
            Err(RuntimeReading::Error { class: "AttributeError", .. }) => return message(text),
            Err(refused) => return refused,
            Ok(()) => {}
        }
    }
    note_losses(text, &blocks, &mut reading);
    reading.finish(python::strip(&text[..first.start]))
}

/// Asks for a newline behind the opening and before the closing tag; a block that is not JSON is dropped.
fn read_qwen25(text: &str, tools: &[ToolDef], next_id: u32) -> RuntimeReading {
    let open = "<tool_call>\n";
    let Some(first) = text.find(open) else { return message(text) };
    let blocks = blocks(text, open, "\n</tool_call>", false);
    let mut reading = Reading::new(next_id);
    for (body, span, _) in &blocks {
        match json_call::load(python::strip(body)) {
            Some(value) => {
                if let Err(refused) = reading.sglang(&value, tools, *span) {
                    return refused;
                }
            }
            None => reading.repair("dropped-call", *span),
        }
    }
    note_losses(text, &blocks, &mut reading);
    reading.finish(python::strip(&text[..first]))
}

fn describe(tools: &[ToolDef]) -> String {
    tool_list::describe(
        tools,
        "<tool_call>\n{\"name\": \"NAME\", \"arguments\": {\"FIRST\": \"value\", \"SECOND\": 2}}\n</tool_call>",
        &[
            "The block holds one JSON object and nothing else. Thoughts may stand before it; nothing comes after it.",
            tool_list::NAMES,
            "The result arrives between <tool_response> and </tool_response>. Wait for it, never write it yourself.",
        ],
    )
}

fn render(content: &str, calls: &[Call<'_>]) -> Result<String, String> {
    common::plain_content(content, &[OPEN], parse)?;
    let mut out = content.to_owned();
    for call in calls {
        if !out.is_empty() {
            out.push('\n');
        }
        // JSON can say the tags in another way, so that no value ends the block.
        let json = json_call::written(call.name, "arguments", call.arguments);
        let json = json.replace(OPEN, "\\u003ctool_call>").replace(CLOSE, "\\u003c/tool_call>");
        out.push_str(&format!("{OPEN}\n{json}\n{CLOSE}"));
    }
    Ok(out)
}

fn write(content: &str, calls: &[ToolCall]) -> Result<String, String> {
    common::write_with(render, content, calls)
}

pub(super) fn observe(_: &str, output: &str) -> String {
    format!("<tool_response>\n{output}\n</tool_response>")
}

pub(super) fn read_observations(text: &str) -> Vec<TextResult> {
    let spans = common::results_in_tags(text, "<tool_response>", "</tool_response>", true);
    spans.into_iter().map(|content| TextResult { name: None, content }).collect()
}
