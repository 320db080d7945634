//! Kimi K2: a section of calls, each with an id that names the function, and JSON.
//!
//! The id is `functions.NAME:N`, where `N` counts the calls of the whole conversation. Some replies have the number
//! alone. Source: Moonshot's guide to K2's calls; runtime as in SGLang 0.5.23.

use super::common::Place;
use super::reading::{self, Reading};
use super::tokens::{self, Body, Grammar, Region, Sections, Token, Tokens};
use super::{
    Call, Dialect, Flaw, FlawKind, Incremental, Markup, Resume, Runtime, RuntimeCall, RuntimeReading,
    TextCall, TextResult, common, deepseek_v3, tool_list,
};
use crate::model::{Object, Span, ToolCall, ToolDef};
use aho_corasick::AhoCorasick;
use regex::Regex;
use serde_json::Value;
use std::sync::LazyLock;

pub(super) static ITEM: Dialect = Dialect {
    name: "kimi-k2",
    about: "<|tool_call_begin|>functions.NAME:N, then JSON, in a section: Kimi K2",
    markers: &[SECTION_OPEN, OPEN],
    parse,
    incremental: Some(Incremental { ends: &[SEP, CLOSE, SECTION_CLOSE], read_on }),
    runtimes: &[Runtime { name: "sglang-kimi-k2", read, write }],
    describe,
    render,
    observe,
    read_observations,
};

const SECTION_OPEN: &str = "<|tool_calls_section_begin|>";
const SECTION_CLOSE: &str = "<|tool_calls_section_end|>";
const OPEN: &str = "<|tool_call_begin|>";
const CLOSE: &str = "<|tool_call_end|>";
const SEP: &str = "<|tool_call_argument_begin|>";
const ALL: &[&str] = &[SECTION_OPEN, SECTION_CLOSE, OPEN, CLOSE, SEP];
/// What comes before the name in an id.
const SPACE: &str = "functions.";
/// Heading of a result, with the id of its call.
const RESULT: &str = "## Return of ";

static TOKENS: &Tokens = &[
    (SECTION_OPEN, Token::SectionOpen),
    (SECTION_CLOSE, Token::SectionClose),
    (OPEN, Token::Open),
    (CLOSE, Token::Close),
    (SEP, Token::Inner),
];
static AUTOMATON: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| tokens::automaton(TOKENS));

static GRAMMAR: Grammar = Grammar {
    name: "kimi-k2",
    tokens: TOKENS,
    automaton: &AUTOMATON,
    sections: Sections::Expected,
    body: Body::Value(call),
    results: &[(RESULT, Place::LineAfterCall)],
};

fn parse(text: &str) -> Markup {
    tokens::parse(&GRAMMAR, text)
}

fn read_on(text: &str, from: Resume) -> (Vec<TextCall>, Resume) {
    tokens::read_on(&GRAMMAR, text, from)
}

fn call(text: &str, region: &Region) -> TextCall {
    let id = common::trimmed(text, region.head);
    let whole = id.text(text);
    let (named, number) = match whole.rsplit_once(':') {
        Some((named, number)) if is_number(number) => (named, true),
        _ if is_number(whole) => ("", false),
        _ => (whole, false),
    };
    let start = if named.starts_with(SPACE) { id.start + SPACE.len() } else { id.start };
    let name = Span::new(start, (id.start + named.len()).max(start));
    let mut call = common::call(region.head, name.text(text), name);
    if !number || !named.starts_with(SPACE) {
        call.flaws.push(Flaw { kind: FlawKind::BadCallId, span: id });
    }
    if !name.is_empty() {
        deepseek_v3::plain_name(&mut call, name);
    }
    call.arguments = tokens::json_arguments(text, region.value, &mut call.flaws);
    deepseek_v3::missing(&mut call, region);
    call
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

static CALL: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let pattern = r"(?s)<\|tool_call_begin\|>\s*([^\s<|]+)\s*<\|tool_call_argument_begin\|>\s*(\{.*?\})\s*<\|tool_call_end\|>";
    Regex::new(pattern).ok()
});
static ID: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^(?:functions\.)?([\w.\-]+):(\d+)$").ok());

/// SGLang: what does not fit is dropped without a word; a bare number is given the tool whose parameters fit best.
/// Arguments are not decoded: those that are no JSON are told as the refusal that they come to.
fn read(text: &str, tools: &[ToolDef], next_id: u32) -> RuntimeReading {
    let message = || RuntimeReading::Message { content: text.to_owned() };
    let (Some(first), Some(pattern), Some(id)) = (text.find(SECTION_OPEN), CALL.as_ref(), ID.as_ref()) else {
        return message();
    };
    let mut reading = Reading::new(next_id);
    let mut calls = Vec::new();
    let mut seen = first + SECTION_OPEN.len();
    for found in pattern.captures_iter(text) {
        let (Some(whole), Some(head), Some(arguments)) = (found.get(0), found.get(1), found.get(2)) else {
            continue;
        };
        let span = Span::new(whole.start(), whole.end());
        dropped(&mut reading, text, seen, span.start);
        seen = seen.max(span.end);
        let value = tokens::load(arguments.as_str());
        let named = id.captures(head.as_str()).and_then(|id| Some(id.get(1)?.as_str().to_owned()));
        let inferred = is_number(head.as_str()).then(|| infer(tools, value.as_ref())).flatten();
        let Some(name) = named.clone().or(inferred) else {
            reading.repair("dropped-call", span);
            continue;
        };
        if named.is_none() {
            reading.repair("inferred-function", Span::new(head.start(), head.end()));
        }
        let Some(Value::Object(arguments)) = value else {
            return reading::error("JSONDecodeError", format!("the arguments of '{name}' are not an object"));
        };
        calls.push(RuntimeCall { id: head.as_str().to_owned(), name, arguments });
    }
    let close = text[seen..].find(SECTION_CLOSE).map(|found| seen + found);
    dropped(&mut reading, text, seen, close.unwrap_or(text.len()));
    if let Some(close) = close {
        reading.dropped(text, close + SECTION_CLOSE.len(), text.len());
    }
    reading.finish_with(calls, &text[..first])
}

fn dropped(reading: &mut Reading, text: &str, from: usize, to: usize) {
    let span = common::trimmed(text, Span::new(from, to.max(from)));
    if !span.is_empty() {
        let kind = if span.text(text).contains(OPEN) { "dropped-call" } else { "dropped-suffix" };
        reading.repair(kind, span);
    }
}

/// The only tool, or the one with the most parameters that are given, less those that it does not have.
fn infer(tools: &[ToolDef], value: Option<&Value>) -> Option<String> {
    if let [only] = tools {
        return Some(only.name.clone());
    }
    let given: &Object = value?.as_object()?;
    let mut best: Option<(i64, &ToolDef)> = None;
    for tool in tools {
        let Some(known) = tool.parameters.get("properties").and_then(Value::as_object) else { continue };
        if known.is_empty() {
            continue;
        }
        let overlap = given.keys().filter(|key| known.contains_key(*key)).count() as i64;
        let score = 2 * overlap - given.len() as i64;
        if score >= 0 && best.is_none_or(|(other, _)| score > other) {
            best = Some((score, tool));
        }
    }
    best.map(|(_, tool)| tool.name.clone())
}

fn write(content: &str, calls: &[ToolCall]) -> Result<String, String> {
    common::write_with(render, content, calls)
}

fn describe(tools: &[ToolDef]) -> String {
    let form = format!(
        "{SECTION_OPEN}{OPEN}functions.NAME:0{SEP}{{\"FIRST\": \"value\", \"SECOND\": 2}}{CLOSE}{SECTION_CLOSE}"
    );
    tool_list::describe(
        tools,
        &form,
        &[
            "The number counts the calls of the whole conversation from 0. The arguments are one JSON object.",
            "Thoughts may stand before the section; nothing comes after it.",
            tool_list::NAMES,
            tool_list::WAIT,
        ],
    )
}

/// The number comes from the call's id where that is one of this dialect, else from the call's place in the message.
fn render(content: &str, calls: &[Call<'_>]) -> Result<String, String> {
    common::plain_content(content, ALL, parse)?;
    if calls.is_empty() {
        return Ok(content.to_owned());
    }
    let mut out = format!("{content}{SECTION_OPEN}");
    for (place, call) in calls.iter().enumerate() {
        deepseek_v3::name(call.name)?;
        let own = call.id.strip_prefix(SPACE).and_then(|rest| rest.rsplit_once(':'));
        let number = own.filter(|(name, number)| *name == call.name && is_number(number));
        let number = number.map_or_else(|| place.to_string(), |(_, number)| number.to_owned());
        let json = tokens::json_without(ALL, call.arguments);
        out.push_str(&format!("{OPEN}{SPACE}{}:{number}{SEP}{json}{CLOSE}", call.name));
    }
    out.push_str(SECTION_CLOSE);
    Ok(out)
}

fn observe(tool: &str, output: &str) -> String {
    format!("{RESULT}{tool}\n{output}")
}

fn read_observations(text: &str) -> Vec<TextResult> {
    let Some(rest) = text.strip_prefix(RESULT) else { return Vec::new() };
    let Some((id, _)) = rest.split_once('\n') else { return Vec::new() };
    let name = id.strip_prefix(SPACE).unwrap_or(id);
    let name = name.rsplit_once(':').filter(|(_, number)| is_number(number)).map_or(name, |(name, _)| name);
    let content = Span::new(RESULT.len() + id.len() + 1, text.len());
    vec![TextResult { name: (!name.is_empty()).then(|| name.to_owned()), content }]
}
