//! Qwen3-Coder, Nemotron 3 and Step 3.5: OpenHands' tags inside `<tool_call>`, each value on lines of its own.
//!
//! Source: the chat template of Qwen3-Coder; runtime as in SGLang 0.5.23. The strict view is OpenHands' grammar
//! with the outer tags, and a parameter ends where the next one opens, as no value can hold such a tag.

use super::common::{self, Finder, Place};
use super::hermes::{CLOSE, OPEN};
use super::reading::Reading;
use super::{
    Call, Dialect, Flaw, FlawKind, Incremental, Markup, Resume, Runtime, RuntimeReading, TextCall, TextParam,
    hermes, json_call, literal, openhands, python, tool_list,
};
use crate::model::{Object, Span, ToolCall, ToolDef};
use memchr::memmem;
use serde_json::{Number, Value};
use std::fmt::Write as _;

pub(super) static ITEM: Dialect = Dialect {
    name: "qwen3-coder",
    about: "<tool_call> around <function=NAME> with <parameter=NAME> inside: Qwen3-Coder, Nemotron 3, Step 3.5",
    markers: &[OPEN, FN_OPEN],
    parse,
    incremental: Some(Incremental { ends: &[CLOSE], read_on }),
    runtimes: &[Runtime { name: "sglang-qwen3-coder", read, write }],
    describe,
    render,
    observe: hermes::observe,
    read_observations: hermes::read_observations,
};

const FN_OPEN: &str = "<function=";
const FN_CLOSE: &str = "</function>";
const PARAM_OPEN: &str = "<parameter=";
const PARAM_CLOSE: &str = "</parameter>";

fn parse(text: &str) -> Markup {
    let mut markup = (openhands::ITEM.parse)(text);
    let mut before = 0;
    let ends: Vec<usize> =
        markup.calls.iter().skip(1).map(|call| call.span.start).chain([text.len()]).collect();
    for (call, limit) in markup.calls.iter_mut().zip(ends) {
        split(text, call);
        wrap(text, call, before, limit);
        before = call.span.end;
    }
    markup.observations.clear();
    common::observations(text, &[("<tool_response>", Place::Anywhere)], &mut markup);
    let mut markup = common::around(text, ITEM.name, markup);
    // The inner tags alone are this dialect's own, begun or told as a call without its outer tags.
    markup.foreign.retain(|(name, _)| *name != openhands::ITEM.name);
    markup
}

/// Calls in both tags: how one without them is told depends on what stands before and behind it.
fn read_on(text: &str, from: Resume) -> (Vec<TextCall>, Resume) {
    let (inner, _) = openhands::read_on(text, from);
    let mut next = from;
    let mut calls = Vec::new();
    for mut call in inner {
        split(text, &mut call);
        wrap(text, &mut call, next.at, text.len());
        let own = call.span.text(text);
        if !own.starts_with(OPEN) || !own.ends_with(CLOSE) {
            break;
        }
        next.at = call.span.end;
        calls.push(call);
    }
    (calls, next)
}

/// Ends each parameter where the next one opens.
fn split(text: &str, call: &mut TextCall) {
    let mut params = Vec::with_capacity(call.params.len());
    for mut param in std::mem::take(&mut call.params) {
        loop {
            let value = param.value.text(text);
            let next = memmem::find_iter(value.as_bytes(), PARAM_OPEN.as_bytes()).find_map(|found| {
                let name = found + PARAM_OPEN.len();
                let near = &value.as_bytes()[name..value.len().min(name + common::TAG_LIMIT)];
                let len = memchr::memchr2(b'>', b'\n', near).filter(|len| *len > 0 && near[*len] == b'>')?;
                Some((found, len))
            });
            let Some((found, len)) = next else { break };
            let start = param.value.start + found;
            let name_span = Span::new(start + PARAM_OPEN.len(), start + PARAM_OPEN.len() + len);
            let rest = TextParam {
                name: name_span.text(text).to_owned(),
                name_span,
                value: Span::new(name_span.end + 1, param.value.end),
                closed: param.closed,
            };
            param.value.end = start;
            param.closed = false;
            call.flaws.push(Flaw { kind: FlawKind::UnclosedParameter, span: param.name_span });
            params.push(std::mem::replace(&mut param, rest));
        }
        params.push(param);
    }
    call.params = params;
}

/// Takes the outer tags into the call, or notes that they are missing.
fn wrap(text: &str, call: &mut TextCall, before: usize, limit: usize) {
    let lead = text[before..call.span.start].trim_end();
    if lead.ends_with(OPEN) {
        call.span.start = before + lead.len() - OPEN.len();
    } else {
        // A second function in the same pair of tags.
        let shared = before > 0 && lead.is_empty() && text[..before].ends_with(FN_CLOSE);
        let kind = if shared { FlawKind::ListOfCalls } else { FlawKind::MissingWrapper };
        call.flaws.push(Flaw { kind, span: Span::new(call.span.start, call.name_span.end) });
        if shared {
            call.span.start = before;
        }
    }
    if !call.closed {
        return;
    }
    let rest = &text[call.span.end..limit.max(call.span.end)];
    let blank = rest.len() - rest.trim_start().len();
    if rest[blank..].starts_with(CLOSE) {
        call.span.end += blank + CLOSE.len();
        return;
    }
    // The next function may go on in the same pair of tags; without an outer tag there is none to close.
    let goes_on = rest[blank..].is_empty() && limit < text.len();
    call.closed = goes_on || call.flaws.iter().any(|flaw| flaw.kind == FlawKind::MissingWrapper);
}

/// Texts between two tags, closed or not: the text, its span with the tags, whether it is closed.
fn between<'t>(text: &'t str, open: &str, close: &str) -> Vec<(&'t str, Span, bool)> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(start) = text[at..].find(open).map(|len| at + len) {
        let body = start + open.len();
        let close_at = text[body..].find(close).map(|len| body + len);
        let end = close_at.unwrap_or(text.len());
        at = close_at.map_or(text.len(), |at| at + close.len());
        found.push((&text[body..end], Span::new(start, at), close_at.is_some()));
    }
    found
}

fn read(text: &str, tools: &[ToolDef], next_id: u32) -> RuntimeReading {
    let Some(first) = text.find(OPEN) else { return RuntimeReading::Message { content: text.to_owned() } };
    let mut reading = Reading::new(next_id);
    let wrapped = between(text, OPEN, CLOSE);
    let mut blocks: Vec<(&str, usize)> = Vec::new();
    for (n, (body, span, closed)) in wrapped.iter().enumerate() {
        if *closed {
            blocks.push((body, span.start + OPEN.len()));
            let next = wrapped.get(n + 1).map_or(text.len(), |(_, next, _)| next.start);
            reading.dropped(text, span.end, next);
        } else if !blocks.is_empty() {
            reading.repair("dropped-call", *span);
        }
    }
    if blocks.is_empty() && text.contains(FN_OPEN) {
        reading.repair("accepted-unclosed-call", Span::new(first, text.len()));
        blocks.push((text, 0));
    }
    for (block, offset) in blocks {
        for (body, span, closed) in between(block, FN_OPEN, FN_CLOSE) {
            let Some((name, params)) = body.split_once('>') else { continue };
            let span = Span::new(span.start + offset, span.end + offset);
            if !closed {
                reading.repair("accepted-unclosed-function", span);
            }
            let arguments = arguments(name, params, tools, span, &mut reading);
            if let Err(refused) = reading.call(name, Value::Object(arguments)) {
                return refused;
            }
        }
    }
    reading.finish(&text[..first])
}

fn arguments(name: &str, body: &str, tools: &[ToolDef], span: Span, reading: &mut Reading) -> Object {
    let tool = tools.iter().find(|tool| tool.name == name);
    let properties = tool.and_then(|tool| tool.parameters.get("properties")).and_then(Value::as_object);
    let mut arguments = Object::new();
    let mut finder = Finder::new(body, [PARAM_OPEN, PARAM_CLOSE]);
    let mut at = 0;
    while let Some(start) = finder.next(0, at).map(|found| found + PARAM_OPEN.len()) {
        let close = finder.next(1, start);
        // A value also ends at the next parameter and at the end of the text, or at the last newline of that.
        let last = body.strip_suffix('\n').unwrap_or(body).len().max(start);
        let end = close.into_iter().chain(finder.next(0, start)).chain([last]).min().unwrap_or(last);
        let closed = close == Some(end);
        if !closed {
            reading.repair("accepted-unclosed-parameter", span);
        }
        at = end + if closed { PARAM_CLOSE.len() } else { 0 };
        let Some((key, value)) = body[start..end].split_once('>') else { continue };
        let value = value.strip_prefix('\n').unwrap_or(value);
        let value = value.strip_suffix('\n').unwrap_or(value);
        let schema = properties.and_then(|properties| properties.get(key));
        arguments.insert(key.to_owned(), convert(value, schema));
    }
    arguments
}

/// The value by the type of its schema; what does not fit stays text, or is false where a boolean is asked for.
fn convert(value: &str, schema: Option<&Value>) -> Value {
    if value.eq_ignore_ascii_case("null") {
        return Value::Null;
    }
    let text = || Value::String(value.to_owned());
    let Some(schema) = schema else { return text() };
    let kind = kind_of(schema).to_lowercase();
    let begins = |words: &[&str]| words.iter().any(|word| kind.starts_with(word));
    if ["string", "str", "text", "varchar", "char", "enum"].contains(&kind.as_str()) {
        text()
    } else if begins(&["int", "uint", "long", "short", "unsigned"]) {
        python::int(value).map_or_else(text, python::int_value)
    } else if begins(&["num", "float"]) {
        number(value).unwrap_or_else(text)
    } else if ["boolean", "bool", "binary"].contains(&kind.as_str()) {
        Value::Bool(value.eq_ignore_ascii_case("true"))
    } else {
        let container = ["object", "array", "arr"].contains(&kind.as_str()) || begins(&["dict", "list"]);
        let json = if container { json_call::load(value) } else { None };
        json.or_else(|| literal::eval(value)).unwrap_or_else(text)
    }
}

fn number(value: &str) -> Option<Value> {
    let whole = !value.contains(['.', 'e', 'E']);
    let number: f64 = python::strip(value).replace('_', "").parse().ok()?;
    if whole && number.fract() == 0.0 {
        return python::int(value).map(python::int_value);
    }
    Number::from_f64(number).map(Value::Number)
}

/// The type that a schema names first, nulls aside; text where it names none.
fn kind_of(schema: &Value) -> &str {
    match schema.get("type") {
        Some(Value::String(kind)) => return kind,
        Some(Value::Array(kinds)) => {
            let kinds = kinds.iter().filter_map(Value::as_str);
            return kinds.into_iter().find(|kind| *kind != "null").unwrap_or("string");
        }
        _ => {}
    }
    let options = schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Value::as_array);
    let kinds: Vec<&str> =
        options.into_iter().flatten().map(kind_of).filter(|kind| *kind != "null").collect();
    if kinds.contains(&"string") { "string" } else { kinds.first().copied().unwrap_or("string") }
}

fn describe(tools: &[ToolDef]) -> String {
    tool_list::describe(
        tools,
        "<tool_call>\n<function=NAME>\n<parameter=FIRST>\nvalue\n</parameter>\n<parameter=SECOND>\na value that has\n\
         several lines\n</parameter>\n</function>\n</tool_call>",
        &[
            "Each value stands on lines of its own; text as it is, everything else as JSON. Every tag is closed.",
            "Thoughts may stand before the block; nothing comes after it.",
            tool_list::NAMES,
            "The result arrives between <tool_response> and </tool_response>. Wait for it, never write it yourself.",
        ],
    )
}

fn render(content: &str, calls: &[Call<'_>]) -> Result<String, String> {
    common::plain_content(content, &[FN_OPEN], parse)?;
    let mut out = content.to_owned();
    for call in calls {
        if !out.is_empty() {
            out.push('\n');
        }
        common::plain_name("a function name", call.name)?;
        let _ = write!(out, "{OPEN}\n{FN_OPEN}{}>\n", call.name);
        for (key, value) in call.arguments {
            common::plain_name("a parameter name", key)?;
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let held = [PARAM_CLOSE, PARAM_OPEN, FN_CLOSE, CLOSE].into_iter().find(|tag| value.contains(tag));
            if let Some(tag) = held {
                return Err(format!("the value of '{key}' holds {tag}"));
            }
            let _ = write!(out, "{PARAM_OPEN}{key}>\n{value}\n{PARAM_CLOSE}\n");
        }
        let _ = write!(out, "{FN_CLOSE}\n{CLOSE}");
    }
    Ok(out)
}

fn write(content: &str, calls: &[ToolCall]) -> Result<String, String> {
    common::write_with(render, content, calls)
}
