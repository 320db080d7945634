//! Python calls in a list, `[f(a=1), g(b="x")]`: Llama 3.2 and 4; OLMo 3 has them line by line in `<function_calls>`.
//!
//! Source: Meta's prompt formats of Llama 3.2 and Llama 4; runtimes as in SGLang 0.5.23 and vLLM 0.33. A list
//! counts at the start of a line or behind `<|python_start|>`; by that tag alone is the dialect found in a text.

use super::common::{self, Finder, Place};
use super::literal::{NoLiteral, Reader};
use super::reading::Reading;
use super::{
    Call, Dialect, Flaw, FlawKind, Markup, Runtime, RuntimeReading, TextArguments, TextResult, llama3_json,
    python, tool_list,
};
use crate::model::{Arguments, Object, Span, ToolCall, ToolDef};
use regex::Regex;
use serde_json::Value;
use std::sync::LazyLock;

pub(super) static ITEM: Dialect = Dialect {
    name: "llama-pythonic",
    about: "[f(a=1), g(b=\"x\")]: Llama 3.2 and 4, OLMo 3",
    markers: &[],
    parse,
    incremental: None,
    runtimes: &[
        Runtime { name: "vllm-pythonic", read: read_vllm, write },
        Runtime { name: "sglang-pythonic", read: read_sglang, write },
    ],
    describe,
    render,
    observe: llama3_json::observe,
    read_observations,
};

const START: &str = "<|python_start|>";
const END: &str = "<|python_end|>";
const BLOCK: &str = "<function_calls>";
const BLOCK_END: &str = "</function_calls>";

/// A call as it stands in the text.
struct Found {
    start: usize,
    name_span: Span,
    /// Inside the brackets.
    inside: Span,
    /// `None` if an argument is no literal.
    arguments: Option<Object>,
    flaws: Vec<Flaw>,
    /// Whether its closing bracket is there.
    closed: bool,
}

fn parse(text: &str) -> Markup {
    let mut markup = Markup::default();
    let mut finder = Finder::new(text, [START, "\n[", BLOCK]);
    let first = text.len() - text.trim_start().len();
    let mut at = 0;
    if text[first..].starts_with('[') {
        at = list(text, first, first, &mut markup);
    }
    loop {
        let next = [finder.next(0, at), finder.next(1, at), finder.next(2, at)];
        let Some(start) = next.into_iter().flatten().min() else { break };
        at = if next[0] == Some(start) {
            let behind = start + START.len();
            let body = behind + (text[behind..].len() - text[behind..].trim_start().len());
            list(text, start, body, &mut markup).max(behind)
        } else if next[2] == Some(start) {
            lines(text, start, &mut markup)
        } else {
            list(text, start + 1, start + 1, &mut markup)
        };
    }
    common::observations(text, &[("<|start_header_id|>", Place::Anywhere)], &mut markup);
    common::around(text, ITEM.name, markup)
}

/// Reads the list whose bracket is at `body`; gives the position to go on from.
fn list(text: &str, start: usize, body: usize, markup: &mut Markup) -> usize {
    let mut reader = Reader::new(text, body);
    if !reader.take(b'[') || !begins_call(text, reader.at) {
        if body > start {
            markup.fragments.push(common::line_from(text, start));
        }
        return body.max(start + 1).min(text.len());
    }
    let (found, whole) = items(&mut reader, text, b',', Some(b']'));
    push(text, start, found, reader.at, whole, END, markup)
}

/// Reads the lines of a block of OLMo 3.
fn lines(text: &str, start: usize, markup: &mut Markup) -> usize {
    let mut reader = Reader::new(text, start + BLOCK.len());
    reader.blanks();
    if !begins_call(text, reader.at) {
        markup.fragments.push(common::line_from(text, start));
        return start + BLOCK.len();
    }
    let (found, _) = items(&mut reader, text, b'\n', None);
    let rest = text[reader.at..].trim_start();
    push(text, start, found, reader.at, rest.starts_with(BLOCK_END), BLOCK_END, markup)
}

/// Makes calls of what was found; the first one begins where the markup does, and each ends where the next begins.
fn push(
    text: &str,
    start: usize,
    found: Vec<Found>,
    end: usize,
    whole: bool,
    tag: &str,
    markup: &mut Markup,
) -> usize {
    let behind = end + (text[end..].len() - text[end..].trim_start().len());
    let end = if text[behind..].starts_with(tag) { behind + tag.len() } else { end };
    let starts: Vec<usize> = found.iter().map(|found| found.start).collect();
    let count = found.len();
    for (n, found) in found.into_iter().enumerate() {
        let from = if n == 0 { start } else { found.start };
        let span = Span::new(from, starts.get(n + 1).copied().unwrap_or(end));
        let mut call = common::call(span, found.name_span.text(text), found.name_span);
        let raw = found.arguments.is_none().then(|| found.inside.text(text).to_owned());
        let value = Arguments { raw, parsed: found.arguments };
        call.arguments = Some(TextArguments { span: found.inside, value });
        call.flaws = found.flaws;
        call.closed = found.closed && (whole || n + 1 < count);
        markup.calls.push(call);
    }
    end
}

/// Whether a name with an opening bracket stands there.
fn begins_call(text: &str, at: usize) -> bool {
    let near = &text.as_bytes()[at..text.len().min(at + common::TAG_LIMIT)];
    let name = near.iter().skip_while(|byte| byte.is_ascii_whitespace());
    let mut rest = name.skip_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.'));
    let blank = near.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(0);
    near.get(blank).is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'_')
        && rest.next() == Some(&b'(')
}

/// Calls with `divider` between them, and whether `close` stands behind the last one.
fn items(reader: &mut Reader<'_>, text: &str, divider: u8, close: Option<u8>) -> (Vec<Found>, bool) {
    let mut found = Vec::new();
    loop {
        if divider == b'\n' {
            // Lines are divided by blanks alone.
            reader.blanks();
            if !begins_call(text, reader.at) {
                return (found, true);
            }
        } else {
            reader.blanks();
            if close.is_some_and(|close| !found.is_empty() && reader.take(close)) {
                return (found, true);
            }
        }
        let start = reader.at;
        match item(reader, text) {
            Some(call) => {
                let closed = call.closed;
                found.push(call);
                if !closed {
                    return (found, false);
                }
            }
            None => {
                reader.at = start;
                return (found, false);
            }
        }
        let end = reader.at;
        if divider != b'\n' {
            reader.blanks();
            if !reader.take(divider) {
                let whole = close.is_some_and(|close| reader.take(close));
                if !whole {
                    reader.at = end;
                }
                return (found, whole);
            }
        }
    }
}

/// One call; `None` if that is none.
fn item(reader: &mut Reader<'_>, text: &str) -> Option<Found> {
    let start = reader.at;
    let name = reader.identifier().ok()?;
    let name_span = Span::new(start, start + name.len());
    let mut flaws = Vec::new();
    if name.contains('.') {
        flaws.push(Flaw { kind: FlawKind::NameNotPlain, span: name_span });
    }
    if !reader.take(b'(') {
        return None;
    }
    let open = reader.at;
    let mut arguments = Some(Object::new());
    loop {
        reader.blanks();
        if reader.take(b')') {
            let inside = Span::new(open, reader.at - 1);
            return Some(Found { start, name_span, inside, arguments, flaws, closed: true });
        }
        let argument = reader.at;
        let key = keyword(reader);
        let from = reader.at;
        let value = match reader.value() {
            Ok(value) if ends(reader) => Some(value),
            Err(NoLiteral { torn: true, .. }) => {
                return Some(torn(reader, text, start, name_span, open, flaws));
            }
            _ => {
                reader.at = from;
                None
            }
        };
        if value.is_none() && !skip(reader) {
            return Some(torn(reader, text, start, name_span, open, flaws));
        }
        match (key, value) {
            (Some(key), Some(value)) => {
                let twice = arguments.as_mut().and_then(|arguments| arguments.insert(key.to_owned(), value));
                if twice.is_some() {
                    let span = Span::new(argument, argument + key.len());
                    flaws.push(Flaw { kind: FlawKind::RepeatedKey, span });
                }
            }
            (None, Some(_)) => {
                flaws.push(Flaw { kind: FlawKind::StrayText, span: Span::new(argument, reader.at) });
            }
            (_, None) => arguments = None,
        }
        reader.blanks();
        if !reader.take(b',') && reader.peek() != Some(b')') {
            return Some(torn(reader, text, start, name_span, open, flaws));
        }
    }
}

/// Whether an argument ends here.
fn ends(reader: &mut Reader<'_>) -> bool {
    let at = reader.at;
    reader.blanks();
    let end = matches!(reader.peek(), Some(b',' | b')') | None);
    reader.at = at;
    end
}

/// The name in front of `=`, which is gone past; nothing happens without one.
fn keyword<'t>(reader: &mut Reader<'t>) -> Option<&'t str> {
    let start = reader.at;
    let name = reader.identifier().ok();
    reader.blanks();
    if name.is_some() && reader.take(b'=') && reader.peek() != Some(b'=') {
        reader.blanks();
        return name;
    }
    reader.at = start;
    None
}

/// A call that the text ends in.
fn torn(
    reader: &mut Reader<'_>,
    text: &str,
    start: usize,
    name_span: Span,
    open: usize,
    flaws: Vec<Flaw>,
) -> Found {
    reader.at = text.len();
    let inside = Span::new(open, text.trim_end().len().max(open));
    Found { start, name_span, inside, arguments: None, flaws, closed: false }
}

/// Goes past an expression of any kind, to the comma or bracket behind it; `false` if the text ends before.
fn skip(reader: &mut Reader<'_>) -> bool {
    let mut depth = 0usize;
    while let Some(byte) = reader.peek() {
        match byte {
            b'"' | b'\'' => {
                let at = reader.at;
                if reader.value().is_err() {
                    reader.at = at + 1;
                }
                continue;
            }
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b',' if depth == 0 => return true,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        reader.at += 1;
    }
    false
}

/// From the first bracket in front of a call to the last one behind a call.
static PATTERN: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?s)\[(?:[a-zA-Z]\w*\(\),?\s*)*[a-zA-Z]\w*\((?:\)|[a-zA-Z]\w*=.*\))\s*\]").ok()
});

/// The calls of a text whose first statement is a list of calls; `None` if it is no such text.
fn whole_list(text: &str) -> Option<Vec<Found>> {
    let mut reader = Reader::new(text, 0);
    if !reader.take(b'[') || !begins_call(text, reader.at) {
        return None;
    }
    let (found, whole) = items(&mut reader, text, b',', Some(b']'));
    let twice = |found: &Found| found.flaws.iter().any(|flaw| flaw.kind == FlawKind::RepeatedKey);
    let valid = whole && !found.iter().any(twice) && statements(&mut reader, text);
    valid.then_some(found)
}

/// Whether nothing follows but more statements, lists of calls or literals: only the first statement counts.
fn statements(reader: &mut Reader<'_>, text: &str) -> bool {
    loop {
        while reader.take(b' ') {}
        let divided = reader.take(b';') || reader.take(b'\n');
        let blank = reader.at;
        reader.blanks();
        if reader.peek().is_none() {
            return true;
        }
        // A line that begins with a blank is an error of Python.
        let indented = reader.at > blank && text.as_bytes()[blank..reader.at].contains(&b'\n');
        if !divided || indented {
            return false;
        }
        let start = reader.at;
        if reader.value().is_err() {
            reader.at = start;
            if !reader.take(b'[') || !items(reader, text, b',', Some(b']')).1 {
                return false;
            }
        }
        // A list behind a value is an index into it.
        while reader.take(b'[') {
            if !items(reader, text, b',', Some(b']')).1 {
                return false;
            }
        }
    }
}

/// The list must begin the message and be all of it, or the whole text is a message.
fn read_vllm(text: &str, _: &[ToolDef], next_id: u32) -> RuntimeReading {
    let message = || RuntimeReading::Message { content: text.to_owned() };
    let begins =
        PATTERN.as_ref().and_then(|pattern| pattern.find(text)).is_some_and(|found| found.start() == 0);
    let Some(found) = (if begins { whole_list(text) } else { None }) else { return message() };
    let mut reading = Reading::new(next_id);
    for found in found {
        let name = found.name_span.text(text);
        let Some(arguments) = found.arguments.filter(|_| !name.contains('.')) else { return message() };
        positional(&found.flaws, 0, &mut reading);
        if let Err(refused) = reading.call(name, Value::Object(arguments)) {
            return refused;
        }
    }
    reading.finish("")
}

/// The list may stand anywhere; a call that it can't convert or does not know is dropped.
fn read_sglang(text: &str, tools: &[ToolDef], next_id: u32) -> RuntimeReading {
    let stripped = python::strip(text);
    let plain = stripped.replace(START, "").replace(END, "");
    let Some(matched) = PATTERN.as_ref().and_then(|pattern| pattern.find(&plain)) else {
        return RuntimeReading::Message { content: plain };
    };
    let content = format!("{}{}", &plain[..matched.start()], &plain[matched.end()..]);
    // Where tags were taken away, only the whole text can be pointed at.
    let moved = plain.len() != stripped.len();
    let offset = (stripped.as_ptr() as usize - text.as_ptr() as usize) + matched.start();
    let mut reading = Reading::new(next_id);
    if moved {
        reading.repair("removed-tags", Span::new(0, text.len()));
    }
    let Some(found) = whole_list(matched.as_str()) else { return RuntimeReading::Message { content } };
    for found in found {
        let name = found.name_span.text(matched.as_str());
        let at = Span::new(found.name_span.start + offset, found.name_span.end + offset);
        let at = if moved { Span::new(0, text.len()) } else { at };
        let known = tools.iter().any(|tool| tool.name == name);
        match found.arguments.filter(|_| !name.contains('.')) {
            _ if !known => reading.repair("dropped-unknown-function", at),
            None => reading.repair("dropped-call", at),
            Some(arguments) => {
                if !moved {
                    positional(&found.flaws, offset, &mut reading);
                }
                if let Err(refused) = reading.call(name, Value::Object(arguments)) {
                    return refused;
                }
            }
        }
    }
    reading.finish(&content)
}

/// Arguments without a name are dropped by both.
fn positional(flaws: &[Flaw], offset: usize, reading: &mut Reading) {
    for flaw in flaws.iter().filter(|flaw| flaw.kind == FlawKind::StrayText) {
        let span = Span::new(flaw.span.start + offset, flaw.span.end + offset);
        reading.repair("dropped-argument", span);
    }
}

fn describe(tools: &[ToolDef]) -> String {
    tool_list::describe(
        tools,
        "[NAME(FIRST=\"value\", SECOND=2)]",
        &[
            "The message is that one list and nothing else. Values are Python literals: True, False, None, texts in quotes.",
            tool_list::NAMES,
            tool_list::WAIT,
        ],
    )
}

/// With text before them, the calls stand behind the tag; else the list is bare.
fn render(content: &str, calls: &[Call<'_>]) -> Result<String, String> {
    common::plain_content(content, &["[", START, BLOCK], parse)?;
    if calls.is_empty() {
        return Ok(content.to_owned());
    }
    let mut list = Vec::with_capacity(calls.len());
    for call in calls {
        identifier("a function name", call.name)?;
        let mut arguments = Vec::with_capacity(call.arguments.len());
        for (key, value) in call.arguments {
            identifier("an argument name", key)?;
            arguments.push(format!("{key}={}", literal(value)));
        }
        list.push(format!("{}({})", call.name, arguments.join(", ")));
    }
    let list = format!("[{}]", list.join(", "));
    Ok(if content.is_empty() { list } else { format!("{content}{START}{list}{END}") })
}

fn identifier(what: &str, name: &str) -> Result<(), String> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || !name.chars().all(word) {
        return Err(format!("{what} is no identifier of Python"));
    }
    Ok(())
}

/// A value as Python writes it; texts as JSON has them, with tags told in another way.
fn literal(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Array(items) => format!("[{}]", items.iter().map(literal).collect::<Vec<_>>().join(", ")),
        Value::Object(object) => {
            let pairs = object.iter().map(|(key, value)| format!("{}: {}", text(key), literal(value)));
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
        }
        Value::String(value) => text(value),
        Value::Number(number) => number.to_string(),
    }
}

fn text(value: &str) -> String {
    Value::String(value.to_owned()).to_string().replace("<|", "\\u003c|")
}

fn write(content: &str, calls: &[ToolCall]) -> Result<String, String> {
    common::write_with(render, content, calls)
}

fn read_observations(text: &str) -> Vec<TextResult> {
    llama3_json::read_observations(text)
}
