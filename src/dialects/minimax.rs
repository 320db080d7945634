//! MiniMax M2: `<minimax:tool_call>` around `<invoke name="NAME">` with `<parameter name="NAME">` inside.
//!
//! Text is written as it is, everything else as JSON, and the tags do not say which it was: values stay parameters,
//! whose text the tool's schema gives a type. M3 writes other tags and is no part of this. Source: the chat template
//! of MiniMax-M2; runtime as in SGLang 0.5.23.

use super::common::Place;
use super::invoke::{self, Tags};
use super::reading::Reading;
use super::tokens::{self, Body, Grammar, Head, Params, Sections, Token, Tokens};
use super::{
    Call, Dialect, Incremental, Markup, Resume, Runtime, RuntimeReading, TextCall, TextResult, common,
    tool_list,
};
use crate::model::{Object, Span, ToolCall, ToolDef};
use aho_corasick::AhoCorasick;
use serde_json::{Number, Value, json};
use std::sync::LazyLock;

pub(super) static ITEM: Dialect = Dialect {
    name: "minimax",
    about: "<minimax:tool_call> with <invoke name=\"NAME\"> and parameters inside: MiniMax M2",
    markers: &[SECTION_OPEN],
    parse,
    incremental: Some(Incremental { ends: &[CLOSE, SECTION_CLOSE], read_on }),
    runtimes: &[Runtime { name: "sglang-minimax-m2", read, write }],
    describe,
    render,
    observe,
    read_observations,
};

const SECTION_OPEN: &str = "<minimax:tool_call>";
const SECTION_CLOSE: &str = "</minimax:tool_call>";
const OPEN: &str = "<invoke";
const CLOSE: &str = "</invoke>";
const PARAM_OPEN: &str = "<parameter";
const PARAM_CLOSE: &str = "</parameter>";
const RESULT_OPEN: &str = "<response>";
const RESULT_CLOSE: &str = "</response>";

const TAGS: Tags = Tags {
    lead: "\n",
    section: [SECTION_OPEN, SECTION_CLOSE],
    call: [OPEN, CLOSE],
    param: [PARAM_OPEN, PARAM_CLOSE],
};

static TOKENS: &Tokens = &[
    (SECTION_OPEN, Token::SectionOpen),
    (SECTION_CLOSE, Token::SectionClose),
    (OPEN, Token::Open),
    (CLOSE, Token::Close),
    (PARAM_OPEN, Token::Inner),
];
static AUTOMATON: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| tokens::automaton(TOKENS));

static GRAMMAR: Grammar = Grammar {
    name: "minimax",
    tokens: TOKENS,
    automaton: &AUTOMATON,
    sections: Sections::Required,
    body: Body::Params(Params { head, param: head, finish: |_, _, _| {} }),
    results: &[(RESULT_OPEN, Place::LineAfterCall)],
};

fn parse(text: &str) -> Markup {
    tokens::parse(&GRAMMAR, text)
}

fn read_on(text: &str, from: Resume) -> (Vec<TextCall>, Resume) {
    tokens::read_on(&GRAMMAR, text, from)
}

/// Calls and parameters have the same kind of tag.
fn head(text: &str, open: Span) -> Option<Head> {
    let (name, at) = tokens::name_attribute(text, open.end)?;
    let plain = text[open.end..].starts_with(" name");
    let tags = [PARAM_OPEN, PARAM_CLOSE, CLOSE];
    text[at..].starts_with('>').then_some(Head { name, end: at + 1, tags, whole: false, plain })
}

/// SGLang: sections that close are read, a call or parameter in them need not; an open section stays text.
fn read(text: &str, tools: &[ToolDef], next_id: u32) -> RuntimeReading {
    let mut reading = Reading::new(next_id);
    let mut content = String::new();
    let mut at = 0;
    while let Some(start) = text[at..].find(SECTION_OPEN).map(|found| at + found) {
        let Some(close) = text[start..].find(SECTION_CLOSE).map(|found| start + found) else { break };
        content.push_str(&text[at..start]);
        at = close + SECTION_CLOSE.len();
        // Its last call may take the closing tag of the section in.
        for (span, name, body) in parts(text, Span::new(start, at), "<invoke name=\"", CLOSE) {
            let name = name.text(text).trim();
            if !body.1 {
                reading.repair("accepted-unclosed-call", span);
            }
            let tool = tools.iter().find(|tool| tool.name == name);
            let mut arguments = Object::new();
            for (_, key, (value, closed)) in parts(text, body.0, "<parameter name=\"", PARAM_CLOSE) {
                if !closed {
                    reading.repair("accepted-unclosed-parameter", key);
                }
                let given = value.text(text).trim_matches('\n');
                if given.len() != value.len() {
                    reading.repair("trimmed-value", value);
                }
                let key = key.text(text).trim();
                let schema = tool.and_then(|tool| tool.parameters.get("properties")?.get(key));
                arguments.insert(key.to_owned(), convert(given, schema));
            }
            let value = json!({"name": name, "arguments": arguments});
            if let Err(refused) = reading.sglang(&value, tools, span) {
                return refused;
            }
        }
    }
    content.push_str(&text[at..]);
    reading.finish(&content)
}

/// Blocks from `open` to `close` or the end: whole, name, and body with whether it is closed. Those whose tag does not
/// end with a quote and a bracket are left out.
fn parts(text: &str, inside: Span, open: &str, close: &str) -> Vec<(Span, Span, (Span, bool))> {
    let mut found = Vec::new();
    let mut at = inside.start;
    while let Some(start) = text[at..inside.end].find(open).map(|len| at + len) {
        let name = start + open.len();
        let closed = text[name..inside.end].find(close).map(|len| name + len);
        let end = closed.unwrap_or(inside.end);
        at = closed.map_or(inside.end, |at| at + close.len());
        if let Some(len) = text[name..end].find("\">") {
            let body = Span::new(name + len + 2, end);
            found.push((Span::new(start, at), Span::new(name, name + len), (body, closed.is_some())));
        }
    }
    found
}

/// The first of the schema's types that the text can be, in the detector's order; without a schema it is text.
fn convert(text: &str, schema: Option<&Value>) -> Value {
    let lower = text.to_lowercase();
    let mut types = Vec::new();
    match schema {
        Some(schema) => types_of(schema, 0, &mut types),
        None => types.push("string".to_owned()),
    }
    let has = |names: [&str; 2]| types.iter().any(|kind| names.contains(&kind.as_str()));
    if ["null", "none", "nil"].contains(&lower.as_str()) || has(["null", "null"]) {
        return Value::Null;
    }
    let number = || text.trim().parse::<f64>().ok();
    if has(["integer", "int"])
        && let Ok(number) = text.trim().parse::<i64>()
    {
        return number.into();
    }
    if has(["number", "float"])
        && let Some(number) = number()
    {
        let whole = number.fract() == 0.0 && number.abs() < 9e15;
        let kept = if whole { Some(Number::from(number as i64)) } else { Number::from_f64(number) };
        if let Some(kept) = kept {
            return Value::Number(kept);
        }
    }
    if has(["boolean", "bool"]) {
        match lower.trim() {
            "true" | "1" | "yes" | "on" => return Value::Bool(true),
            "false" | "0" | "no" | "off" => return Value::Bool(false),
            _ => {}
        }
    }
    if has(["object", "array"])
        && let Some(value) = tokens::load(text)
    {
        return value;
    }
    if has(["string", "str"]) || types.iter().any(|kind| kind == "text") {
        return Value::from(text);
    }
    tokens::load(text).unwrap_or_else(|| Value::from(text))
}

/// All types that a schema allows; a string if it names none.
fn types_of(schema: &Value, depth: usize, types: &mut Vec<String>) {
    let before = types.len();
    match schema.get("type") {
        Some(Value::String(one)) => types.push(one.to_lowercase()),
        Some(Value::Array(list)) => {
            types.extend(list.iter().filter_map(Value::as_str).map(str::to_lowercase));
        }
        _ => {}
    }
    for value in schema.get("enum").and_then(Value::as_array).into_iter().flatten() {
        let kind = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(number) if number.is_f64() => "number",
            Value::Number(_) => "integer",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        types.push(kind.to_owned());
    }
    let choices = ["anyOf", "oneOf", "allOf"].iter().filter_map(|key| schema.get(*key)?.as_array()).flatten();
    for choice in choices.filter(|_| depth < 32) {
        types_of(choice, depth + 1, types);
    }
    if types.len() == before {
        types.push("string".to_owned());
    }
}

fn write(content: &str, calls: &[ToolCall]) -> Result<String, String> {
    common::write_with(render, content, calls)
}

fn describe(tools: &[ToolDef]) -> String {
    let form = format!(
        "{SECTION_OPEN}\n{OPEN} name=\"NAME\">\n{PARAM_OPEN} name=\"FIRST\">text as it is{PARAM_CLOSE}\n\
         {PARAM_OPEN} name=\"SECOND\">[1, 2]{PARAM_CLOSE}\n{CLOSE}\n{SECTION_CLOSE}"
    );
    tool_list::describe(
        tools,
        &form,
        &[
            "Text is written as it is, every other type as JSON. Thoughts may stand before the section; nothing comes after it.",
            tool_list::NAMES,
            tool_list::WAIT,
        ],
    )
}

fn render(content: &str, calls: &[Call<'_>]) -> Result<String, String> {
    common::plain_content(content, &[SECTION_OPEN, SECTION_CLOSE], parse)?;
    invoke::write(&TAGS, content, calls, |_| "")
}

fn observe(_: &str, output: &str) -> String {
    format!("{RESULT_OPEN}{output}{RESULT_CLOSE}")
}

fn read_observations(text: &str) -> Vec<TextResult> {
    let spans = common::results_in_tags(text, RESULT_OPEN, RESULT_CLOSE, false);
    spans.into_iter().map(|content| TextResult { name: None, content }).collect()
}
