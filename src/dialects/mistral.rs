//! Mistral before version 11: `[TOOL_CALLS]` and a JSON list of calls, each with an id of nine letters and digits.
//!
//! Source: the encoders of mistral-common 1.13 (versions 2, 3 and 7); runtime as in SGLang 0.5.23.

use super::common::{self, Finder, Place};
use super::foreign::name_at;
use super::json_call::{self, Keys, Read};
use super::reading::Reading;
use super::{
    Call, Dialect, Flaw, FlawKind, Incremental, Markup, Resume, Runtime, RuntimeReading, TextCall,
    TextResult, python, tool_list,
};
use crate::model::{Span, ToolCall, ToolDef};
use serde_json::Value;

pub(super) static ITEM: Dialect = Dialect {
    name: "mistral",
    about: "[TOOL_CALLS] [{\"name\", \"arguments\", \"id\"}, …]: Mistral before tokenizer version 11",
    markers: &[MARK],
    parse,
    incremental: Some(Incremental { ends: &["]", "}"], read_on }),
    runtimes: &[Runtime { name: "sglang-mistral", read, write }],
    describe,
    render,
    observe,
    read_observations,
};

pub(super) const MARK: &str = "[TOOL_CALLS]";
const RESULTS: &str = "[TOOL_RESULTS]";
const RESULTS_END: &str = "[/TOOL_RESULTS]";
const CONTENT: &str = "[TOOL_CONTENT]";

static KEYS: Keys = Keys { arguments: &["arguments"], other: &["parameters"], also: &["id"] };

fn parse(text: &str) -> Markup {
    let mut markup = Markup::default();
    let mut finder = Finder::new(text, [MARK]);
    let mut at = 0;
    while let Some(start) = finder.next(0, at) {
        let tag = Span::new(start, start + MARK.len());
        at = tag.end;
        if !common::mentioned(text, tag) && name_at(text, ITEM.name, tag) == ITEM.name {
            let limit = finder.next(0, at).unwrap_or(text.len());
            at = list(text, tag, limit, &mut markup);
        }
    }
    common::observations(text, &[(RESULTS, Place::Anywhere)], &mut markup);
    common::around(text, ITEM.name, markup)
}

/// Lists that are closed: only then is it known where the last call of one ends.
fn read_on(text: &str, from: Resume) -> (Vec<TextCall>, Resume) {
    let mut markup = Markup::default();
    let mut finder = Finder::new(text, [MARK]);
    let (mut at, mut next) = (from.at, from);
    while let Some(start) = finder.next(0, at) {
        let tag = Span::new(start, start + MARK.len());
        at = tag.end;
        if common::mentioned(text, tag) || name_at(text, ITEM.name, tag) != ITEM.name {
            continue;
        }
        let limit = finder.next(0, at).unwrap_or(text.len());
        let before = markup.calls.len();
        at = list(text, tag, limit, &mut markup);
        let whole = markup.calls.len() > before && markup.calls.last().is_some_and(|call| call.closed);
        if !whole || common::may_be_mentioned(text, tag) {
            markup.calls.truncate(before);
            break;
        }
        next.at = at;
    }
    (markup.calls, next)
}

/// Reads the list behind the mark; gives the position to go on from.
fn list(text: &str, tag: Span, limit: usize, markup: &mut Markup) -> usize {
    let bytes = text.as_bytes();
    let first = markup.calls.len();
    let bracket = json_call::blanks(bytes, tag.end);
    let alone = bytes.get(bracket) == Some(&b'{');
    if bytes.get(bracket) != Some(&b'[') && !alone {
        markup.fragments.push(common::line_from(text, tag.start));
        return tag.end;
    }
    let mut at = if alone { bracket } else { bracket + 1 };
    let mut closed = false;
    let mut start = tag.start;
    loop {
        at = json_call::blanks(bytes, at);
        if !alone && bytes.get(at) == Some(&b']') {
            at += 1;
            closed = true;
            break;
        }
        let object = match json_call::object(text, at, limit.max(at), &KEYS) {
            Read::Call(object) => object,
            Read::Nothing(seen) => {
                markup.fragments.push(common::line_from(text, at.min(text.len())));
                at = seen.max(at);
                break;
            }
        };
        let (end, whole) = (object.end, object.whole);
        let bad_id = object.id.as_ref().filter(|(id, _)| !is_id(id)).map(|(_, span)| *span);
        let mut call = object.into_call(Span::new(start, end), true);
        call.flaws.extend(bad_id.map(|span| Flaw { kind: FlawKind::BadCallId, span }));
        if alone {
            call.flaws.push(Flaw { kind: FlawKind::MissingWrapper, span: tag });
        }
        markup.calls.push(call);
        at = end;
        let comma = json_call::blanks(bytes, end);
        if !whole || alone {
            closed = alone && whole;
            break;
        }
        if bytes.get(comma) == Some(&b',') {
            at = json_call::blanks(bytes, comma + 1);
            start = at;
        } else if bytes.get(comma) != Some(&b']') {
            break;
        } else {
            at = comma;
        }
    }
    // Each call ends where the next one begins, and the last one with the list.
    let starts: Vec<usize> = markup.calls[first..].iter().skip(1).map(|call| call.span.start).collect();
    let count = markup.calls.len() - first;
    for (n, call) in markup.calls[first..].iter_mut().enumerate() {
        call.span.end = starts.get(n).copied().unwrap_or(at);
        call.closed = closed || n + 1 < count;
    }
    if count == 0 && closed {
        // An empty list calls nothing.
        markup.fragments.push(common::line_from(text, tag.start));
    }
    at.max(tag.end)
}

/// Nine letters and digits.
pub(super) fn is_id(id: &str) -> bool {
    id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Both forms are taken by one parser: a JSON list behind the mark and a blank, else name by name.
pub(super) fn read(text: &str, tools: &[ToolDef], next_id: u32) -> RuntimeReading {
    const BEGIN: &str = "[TOOL_CALLS";
    let Some(mark) = text.find(BEGIN) else { return RuntimeReading::Message { content: text.to_owned() } };
    let content = python::strip(&text[..mark]);
    let mut reading = Reading::new(next_id);
    let Some(list) = text[mark..].find("[TOOL_CALLS] [") else {
        return super::mistral_v11::read_compact(text, mark, content, tools, reading);
    };
    let bracket = mark + list + MARK.len() + 1;
    let Some(end) = bracket_end(text.as_bytes(), bracket, b'[', b']') else {
        return RuntimeReading::Message { content: content.to_owned() };
    };
    let span = Span::new(bracket, end);
    match json_call::load(span.text(text)) {
        Some(value) => {
            if let Err(refused) = reading.sglang(&value, tools, span) {
                return refused;
            }
        }
        None => reading.repair("dropped-call", span),
    }
    // What follows is looked for behind the first place that reads like the list.
    let end = text[mark..].find(span.text(text)).map_or(end, |at| mark + at + span.len());
    with_suffix(reading, text, end, content)
}

/// Ends a reading whose last call ends at `end`: what stands behind it is moved to the content.
pub(super) fn with_suffix(mut reading: Reading, text: &str, end: usize, content: &str) -> RuntimeReading {
    let trailing = python::strip(&text[end..]);
    if !trailing.is_empty() {
        reading.repair("moved-suffix", common::trimmed(text, Span::new(end, text.len())));
    }
    reading.finish(python::strip(&format!("{content} {trailing}")))
}

/// One past the bracket that closes the one at `at`, texts in quotes aside.
pub(super) fn bracket_end(bytes: &[u8], at: usize, open: u8, close: u8) -> Option<usize> {
    let (mut depth, mut quoted, mut escaped) = (0usize, false, false);
    for (n, byte) in bytes.iter().enumerate().skip(at) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            byte if *byte == open => depth += 1,
            byte if *byte == close => {
                depth -= 1;
                if depth == 0 {
                    return Some(n + 1);
                }
            }
            _ => {}
        }
    }
    None
}

fn describe(tools: &[ToolDef]) -> String {
    tool_list::describe(
        tools,
        "[TOOL_CALLS] [{\"name\": \"NAME\", \"arguments\": {\"FIRST\": \"value\"}, \"id\": \"a1B2c3D4e\"}]",
        &[
            "The id has nine letters and digits. Text may stand before the mark; nothing comes after the list.",
            tool_list::NAMES,
            "The result arrives between [TOOL_RESULTS] and [/TOOL_RESULTS]. Wait for it, never write it yourself.",
        ],
    )
}

fn render(content: &str, calls: &[Call<'_>]) -> Result<String, String> {
    common::plain_content(content, &[MARK], parse)?;
    if calls.is_empty() {
        return Ok(content.to_owned());
    }
    let mut list = Vec::with_capacity(calls.len());
    for call in calls {
        if !is_id(call.id) {
            return Err(format!("the id '{}' has not nine letters and digits", call.id));
        }
        let json =
            json_call::written(call.name, "arguments", call.arguments).replace(MARK, "[\\u0054OOL_CALLS]");
        let json = json.strip_suffix('}').unwrap_or(&json);
        list.push(format!("{json}, \"id\": {}}}", Value::from(call.id)));
    }
    Ok(format!("{}{MARK} [{}]", before_mark(content), list.join(", ")))
}

/// The text before a mark; behind a code quote, a mark would be a mention.
pub(super) fn before_mark(content: &str) -> String {
    if content.ends_with('`') { format!("{content}\n") } else { content.to_owned() }
}

fn write(content: &str, calls: &[ToolCall]) -> Result<String, String> {
    common::write_with(render, content, calls)
}

/// As version 7 has it, without an id.
fn observe(_: &str, output: &str) -> String {
    format!("{RESULTS}{CONTENT}{output}{RESULTS_END}")
}

/// Results of versions 3 (JSON), 7 and 11 (an id, then the text) and 13 (the text alone).
pub(super) fn read_observations(text: &str) -> Vec<TextResult> {
    let result = |span: Span| {
        let inside = span.text(text);
        let content = inside.find(CONTENT).map(|at| span.start + at + CONTENT.len());
        TextResult { name: None, content: Span::new(content.unwrap_or(span.start), span.end) }
    };
    common::results_in_tags(text, RESULTS, RESULTS_END, false).into_iter().map(result).collect()
}
