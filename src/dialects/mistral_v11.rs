//! Mistral from version 11 on: `[TOOL_CALLS]name[ARGS]{…}`, call after call; version 11 has `[CALL_ID]` before the
//! arguments, version 13 has no id.
//!
//! Source: the encoders of mistral-common 1.13; runtime as in SGLang 0.5.23, which takes both Mistral dialects.

use super::common::{self, Finder, Place};
use super::foreign::name_at;
use super::json_call;
use super::mistral::{self, MARK};
use super::reading::Reading;
use super::{
    Call, Dialect, Flaw, FlawKind, Incremental, Markup, Resume, Runtime, RuntimeReading, TextArguments,
    TextCall, python, tool_list,
};
use crate::model::{Arguments, Span, ToolCall, ToolDef};
use crate::util::json::{NoteKind, View, parse_at};
use serde_json::{Value, json};
use std::fmt::Write as _;

pub(super) static ITEM: Dialect = Dialect {
    name: "mistral-v11",
    about: "[TOOL_CALLS]name[ARGS]{…}: Mistral from tokenizer version 11 on",
    markers: &[MARK],
    parse,
    incremental: Some(Incremental { ends: &["}"], read_on }),
    runtimes: &[Runtime { name: "sglang-mistral-v11", read: mistral::read, write }],
    describe,
    render,
    observe,
    read_observations: mistral::read_observations,
};

const ARGS: &str = "[ARGS]";
const CALL_ID: &str = "[CALL_ID]";

fn parse(text: &str) -> Markup {
    let mut markup = Markup::default();
    let mut finder = Finder::new(text, [MARK]);
    let mut at = 0;
    while let Some(start) = finder.next(0, at) {
        let tag = Span::new(start, start + MARK.len());
        at = tag.end;
        let own = name_at(text, ITEM.name, tag) == ITEM.name || at == text.len();
        if own && !common::mentioned(text, tag) {
            let limit = finder.next(0, at).unwrap_or(text.len());
            at = call_at(text, tag, limit, &mut markup);
        }
    }
    common::observations(text, &[("[TOOL_RESULTS]", Place::Anywhere)], &mut markup);
    common::around(text, ITEM.name, markup)
}

/// Calls whose arguments are a whole object: only such an end is one, whatever follows.
fn read_on(text: &str, from: Resume) -> (Vec<TextCall>, Resume) {
    let mut markup = Markup::default();
    let mut finder = Finder::new(text, [MARK]);
    let (mut at, mut next) = (from.at, from);
    while let Some(start) = finder.next(0, at) {
        let tag = Span::new(start, start + MARK.len());
        at = tag.end;
        if name_at(text, ITEM.name, tag) != ITEM.name || common::mentioned(text, tag) {
            continue;
        }
        let limit = finder.next(0, at).unwrap_or(text.len());
        let before = markup.calls.len();
        at = call_at(text, tag, limit, &mut markup);
        let whole = |call: &TextCall| {
            call.closed && call.arguments.as_ref().is_some_and(|given| given.value.parsed.is_some())
        };
        if !markup.calls.get(before).is_some_and(whole) || common::may_be_mentioned(text, tag) {
            markup.calls.truncate(before);
            break;
        }
        next.at = at;
    }
    (markup.calls, next)
}

/// Reads the call behind the mark; gives the position to go on from.
fn call_at(text: &str, tag: Span, limit: usize, markup: &mut Markup) -> usize {
    let near = &text[tag.end..text.floor_char_boundary(limit.min(tag.end + common::TAG_LIMIT))];
    let Some(args) = near.find(ARGS).map(|at| tag.end + at) else {
        markup.fragments.push(common::line_from(text, tag.start));
        return tag.end;
    };
    let head = Span::new(tag.end, args);
    let id_at = head.text(text).find(CALL_ID).map(|at| head.start + at);
    let name_span = common::trimmed(text, Span::new(head.start, id_at.unwrap_or(head.end)));
    let mut call = common::call(Span::new(tag.start, args + ARGS.len()), name_span.text(text), name_span);
    if call.name.contains(char::is_whitespace) {
        call.flaws.push(Flaw { kind: FlawKind::NameNotPlain, span: name_span });
    }
    if let Some(id_at) = id_at {
        let id = common::trimmed(text, Span::new(id_at + CALL_ID.len(), head.end));
        if !mistral::is_id(id.text(text)) {
            call.flaws.push(Flaw { kind: FlawKind::BadCallId, span: id });
        }
    }
    let body = json_call::blanks(text.as_bytes(), args + ARGS.len());
    let mut notes = Vec::new();
    let (span, parsed) = match parse_at(text.as_bytes(), body, &mut notes) {
        Ok(node) => {
            let view = View::new(text.as_bytes(), &node);
            call.closed = true;
            (Span::new(node.start, node.end), view.is_object().then(|| view.object()))
        }
        Err(error) => {
            // Without a bracket that closes it, the value goes on to the next call.
            call.closed = !error.torn;
            (common::trimmed(text, Span::new(body.min(limit), limit)), None)
        }
    };
    if notes.iter().any(|note| note.kind == NoteKind::RepeatedKey) {
        call.flaws.push(Flaw { kind: FlawKind::RepeatedKey, span });
    }
    if span.is_empty() {
        call.closed = false;
    }
    call.span.end = span.end.max(call.span.end);
    let end = call.span.end;
    let raw = Some(span.text(text).to_owned());
    call.arguments = Some(TextArguments { span, value: Arguments { raw, parsed } });
    markup.calls.push(call);
    end
}

/// SGLang's loop over calls of this form, from the mark on. Brackets of the marks may be missing.
pub(super) fn read_compact(
    text: &str,
    mark: usize,
    content: &str,
    tools: &[ToolDef],
    mut reading: Reading,
) -> RuntimeReading {
    let mut at = mark;
    // Behind each call the rest is stripped and searched anew, so that text between calls is skipped.
    while let Some((name, arguments, start, end)) = compact(text, at) {
        reading.dropped(text, at, start);
        let value = json!({ "name": name, "arguments": arguments });
        if let Err(refused) = reading.sglang(&value, tools, Span::new(start, end)) {
            return refused;
        }
        at = end;
    }
    if reading.is_empty() {
        return reading.finish(content);
    }
    mistral::with_suffix(reading, text, at, content)
}

/// The first call at or after `from`: name, arguments, where it begins and ends.
fn compact(text: &str, from: usize) -> Option<(&str, Value, usize, usize)> {
    const BEGIN: &str = "[TOOL_CALLS";
    const ARGS_BEGIN: &str = "[ARGS";
    let bytes = text.as_bytes();
    let blanks = |at: usize| at + (text[at..].len() - text[at..].trim_start().len());
    let bracket = |at: usize| at + usize::from(bytes.get(at) == Some(&b']'));
    let start = from + text[from..].find(BEGIN)?;
    let head = blanks(bracket(start + BEGIN.len()));
    let args = head + text[head..].find(ARGS_BEGIN)?;
    let name = python::strip(&text[head..args]);
    let body = blanks(bracket(args + ARGS_BEGIN.len()));
    let (open, close) = match bytes.get(body)? {
        b'{' => (b'{', b'}'),
        b'[' => (b'[', b']'),
        _ => return None,
    };
    let end = mistral::bracket_end(bytes, body, open, close)?;
    let value = json_call::load(&text[body..end])?;
    (!name.is_empty()).then_some((name, value, start, end))
}

fn describe(tools: &[ToolDef]) -> String {
    tool_list::describe(
        tools,
        "[TOOL_CALLS]NAME[ARGS]{\"FIRST\": \"value\", \"SECOND\": 2}",
        &[
            "The arguments are one JSON object. Text may stand before the mark; nothing comes after the object.",
            tool_list::NAMES,
            "The result arrives between [TOOL_RESULTS] and [/TOOL_RESULTS]. Wait for it, never write it yourself.",
        ],
    )
}

/// As version 13 has it.
fn render(content: &str, calls: &[Call<'_>]) -> Result<String, String> {
    common::plain_content(content, &[MARK], parse)?;
    if calls.is_empty() {
        return Ok(content.to_owned());
    }
    let mut out = mistral::before_mark(content);
    for call in calls {
        let named = call.name.starts_with(|c: char| c.is_alphanumeric() || c == '_');
        if !named || call.name.contains(['[', '\n']) || call.name.trim() != call.name {
            return Err(
                "a function name begins with no letter, or holds a bracket, a newline or outer blanks"
                    .to_owned(),
            );
        }
        let json = Value::Object(call.arguments.clone()).to_string();
        let json = json.replace("[TOOL_CALLS", "[\\u0054OOL_CALLS").replace("[ARGS", "[\\u0041RGS");
        let _ = write!(out, "{MARK}{}{ARGS}{json}", call.name);
    }
    Ok(out)
}

fn write(content: &str, calls: &[ToolCall]) -> Result<String, String> {
    common::write_with(render, content, calls)
}

/// As version 13 has it.
fn observe(_: &str, output: &str) -> String {
    format!("[TOOL_RESULTS]{output}[/TOOL_RESULTS]")
}
