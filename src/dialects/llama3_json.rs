//! Llama 3.x: `{"name": …, "parameters": {…}}`, after `<|python_tag|>` or bare, with `;` between calls.
//!
//! Source: Meta's prompt format of Llama 3.1 and 3.2; runtimes as in SGLang 0.5.23 and vLLM 0.33. A bare object
//! looks like any JSON, so that the dialect is found in a text only by its tag.

use super::common::{self, Finder, Place};
use super::json_call::{self, Keys, Read};
use super::literal::{self, Reader};
use super::reading::Reading;
use super::{
    Call, Dialect, Flaw, FlawKind, Markup, Runtime, RuntimeReading, TextArguments, TextCall, TextResult,
    python, tool_list,
};
use crate::model::{Arguments, Span, ToolCall, ToolDef};
use serde_json::Value;
use std::collections::HashMap;

pub(super) static ITEM: Dialect = Dialect {
    name: "llama3-json",
    about: "{\"name\", \"parameters\"}, bare or after <|python_tag|>: Llama 3.x",
    markers: &[],
    parse,
    incremental: None,
    runtimes: &[
        Runtime { name: "sglang-llama3", read: read_sglang, write },
        Runtime { name: "vllm-llama3-json", read: read_vllm, write },
    ],
    describe,
    render,
    observe,
    read_observations,
};

const TAG: &str = "<|python_tag|>";
const RESULT: &str = "<|start_header_id|>ipython<|end_header_id|>";
const TURN_END: &str = "<|eot_id|>";

static KEYS: Keys = Keys { arguments: &["parameters", "arguments"], other: &[], also: &["type"] };

fn parse(text: &str) -> Markup {
    let mut markup = Markup::default();
    let mut finder = Finder::new(text, [TAG, "\n{"]);
    let mut at = 0;
    while let Some((start, body)) = candidate(text, at, &mut finder) {
        at = chain(text, start, body, &mut finder, &mut markup);
    }
    let headings = [("<|start_header_id|>", Place::Anywhere)];
    common::observations(text, &headings, &mut markup);
    common::around(text, ITEM.name, markup)
}

/// Where a call may begin at or after `at`, and its bracket: behind the tag, or at the start of a line.
fn candidate(text: &str, at: usize, finder: &mut Finder<'_, 2>) -> Option<(usize, usize)> {
    if at == 0 {
        let start = text.len() - text.trim_start().len();
        if text[start..].starts_with('{') {
            return Some((start, start));
        }
    }
    let tag = finder.next(0, at);
    let line = finder.next(1, at);
    match (tag, line) {
        (Some(tag), line) if line.is_none_or(|line| tag < line) => {
            Some((tag, json_call::blanks(text.as_bytes(), tag + TAG.len())))
        }
        (_, Some(line)) => Some((line + 1, line + 1)),
        _ => None,
    }
}

/// Reads calls that follow each other; gives the position to go on from.
fn chain(text: &str, start: usize, body: usize, finder: &mut Finder<'_, 2>, markup: &mut Markup) -> usize {
    let bytes = text.as_bytes();
    let tagged = body > start;
    let (mut start, mut body) = (start, body);
    loop {
        let next = [finder.next(0, body), finder.next(1, body)];
        let limit = next.into_iter().flatten().min().unwrap_or(text.len());
        let (mut call, end) = match read_one(text, start, body, limit) {
            Ok(found) if tagged || found.0.arguments.is_some() => found,
            Ok((_, end)) => return end.max(start + 1),
            Err(seen) => {
                if tagged {
                    markup.fragments.push(common::line_from(text, start));
                }
                return seen.max(start + 1).max(if tagged { start + TAG.len() } else { 0 });
            }
        };
        let semicolon = json_call::blanks(bytes, end);
        let more = json_call::blanks(bytes, semicolon + 1);
        let goes_on = bytes.get(semicolon) == Some(&b';') && bytes.get(more) == Some(&b'{');
        call.span.end = if goes_on { more } else { end };
        markup.calls.push(call);
        if !goes_on {
            return end.max(start + 1);
        }
        (start, body) = (more, more);
    }
}

/// The call at `body`, and one past it; the error is how far the text was looked at.
fn read_one(text: &str, start: usize, body: usize, limit: usize) -> Result<(TextCall, usize), usize> {
    if let Some(found) = python_call(text, start, body) {
        return Ok(found);
    }
    match json_call::object(text, body, limit, &KEYS) {
        Read::Call(object) => {
            let (end, whole) = (object.end, object.whole);
            Ok((object.into_call(Span::new(start, end), whole), end))
        }
        Read::Nothing(seen) => Err(seen),
    }
}

/// A call written as a Python dictionary.
fn python_call(text: &str, start: usize, body: usize) -> Option<(TextCall, usize)> {
    let bytes = text.as_bytes();
    let quote = json_call::blanks(bytes, body + 1);
    if bytes.get(body) != Some(&b'{') || bytes.get(quote) != Some(&b'\'') {
        return None;
    }
    let mut reader = Reader::new(text, body);
    let Ok(Value::Object(object)) = reader.value() else { return None };
    let name = object.get("name")?.as_str()?;
    let whole = Span::new(body, reader.at);
    let key = whole.text(text).find("'name'").map_or(body, |at| body + at + "'name'".len());
    let at = text[key..whole.end].find(name).map_or(key, |at| key + at);
    let name_span =
        if text[at..].starts_with(name) { Span::new(at, at + name.len()) } else { Span::new(at, at) };
    let mut call = common::call(Span::new(start, whole.end), name, name_span);
    call.flaws.push(Flaw { kind: FlawKind::PythonLiterals, span: Span::new(body, quote + 1) });
    let arguments = object.get("parameters").or(object.get("arguments"));
    call.arguments = arguments.map(|value| TextArguments {
        span: whole,
        value: Arguments { raw: None, parsed: value.as_object().cloned() },
    });
    call.closed = true;
    Some((call, whole.end))
}

/// Every brace outside of an object that was read must begin a call, or the whole text is a message.
fn read_vllm(text: &str, _: &[ToolDef], next_id: u32) -> RuntimeReading {
    let message = || RuntimeReading::Message { content: text.to_owned() };
    let mut reading = Reading::new(next_id);
    let mut end = None;
    let mut last = 0;
    for start in memchr::memchr_iter(b'{', text.as_bytes()) {
        if end.is_some_and(|end| start <= end) {
            continue;
        }
        let Some((Value::Object(call), stop)) = json_call::load_at(text, start) else { return message() };
        let arguments = call.get("arguments").or(call.get("parameters"));
        let (Some(Value::String(name)), Some(arguments)) = (call.get("name"), arguments) else {
            return message();
        };
        if let Err(refused) = reading.call(name, arguments.clone()) {
            return refused;
        }
        note_text(text, last, start, &mut reading);
        end = Some(stop);
        last = stop;
    }
    note_text(text, last, text.len(), &mut reading);
    // Text beside the calls is not kept; without a call all of it is.
    if end.is_none() { message() } else { reading.finish("") }
}

/// Text beside the calls that is more than what divides them.
fn note_text(text: &str, from: usize, to: usize, reading: &mut Reading) {
    let between = &text[from..to];
    let rest = between.replace(TAG, "");
    if !rest.trim().trim_matches(';').trim().is_empty() {
        reading.repair("dropped-text", common::trimmed(text, Span::new(from, to)));
    }
}

fn read_sglang(text: &str, tools: &[ToolDef], next_id: u32) -> RuntimeReading {
    let (content, offset) = match text.find(TAG) {
        Some(tag) => (&text[..tag], tag + TAG.len()),
        None if text.starts_with('{') => ("", 0),
        None => return RuntimeReading::Message { content: text.to_owned() },
    };
    let action = &text[offset..];
    let braces = Braces::of(action);
    let mut reading = Reading::new(next_id);
    let (mut at, mut safe) = (0, 0);
    while at < action.len() {
        let found = raw_decode(action, at).map(|found| (found, false));
        let found = found.or_else(|| Some((python_dict(action, at, &braces)?, true)));
        let Some(((value, end), repaired)) = found else {
            let skipped = at + action[at..].chars().next().map_or(1, char::len_utf8);
            let Some(next) = action[skipped..].find("{\"name\":") else { break };
            at = skipped + next;
            continue;
        };
        let span = Span::new(offset + at, offset + end);
        if repaired {
            reading.repair("converted-python-dict", span);
        }
        if let Err(refused) = reading.sglang(&value, tools, span) {
            return refused;
        }
        // One character is skipped, whatever it is.
        at = end + action[end..].chars().next().map_or(1, char::len_utf8);
        safe = at;
    }
    let trailing = action.get(safe..).map_or("", python::strip);
    reading.finish(&format!("{content}{trailing}"))
}

/// A value of JSON at `at`, where no blank may stand before it.
fn raw_decode(text: &str, at: usize) -> Option<(Value, usize)> {
    if text.as_bytes().get(at).is_some_and(u8::is_ascii_whitespace) {
        return None;
    }
    json_call::load_at(text, at)
}

/// What stands up to the bracket that closes the first one, as a Python dictionary.
fn python_dict(text: &str, at: usize, braces: &Braces) -> Option<(Value, usize)> {
    let end = braces.close(at)?;
    let value = literal::eval(python::strip(text.get(at..end)?))?;
    value.is_object().then_some((value, end))
}

/// Where braces close, those in texts included.
struct Braces {
    /// How deep each byte lies.
    depth: Vec<i32>,
    /// Places right behind closing braces, by the depth there.
    closed: HashMap<i32, Vec<usize>>,
}

impl Braces {
    fn of(text: &str) -> Self {
        let mut depth = Vec::with_capacity(text.len() + 1);
        let mut closed: HashMap<i32, Vec<usize>> = HashMap::new();
        let mut now = 0;
        for (at, byte) in text.bytes().enumerate() {
            depth.push(now);
            match byte {
                b'{' => now += 1,
                b'}' => {
                    now -= 1;
                    closed.entry(now).or_default().push(at + 1);
                }
                _ => {}
            }
        }
        Self { depth, closed }
    }

    /// Where as many braces have closed as have opened since `at`.
    fn close(&self, at: usize) -> Option<usize> {
        let places = self.closed.get(self.depth.get(at)?)?;
        places.get(places.partition_point(|place| *place <= at)).copied()
    }
}

fn describe(tools: &[ToolDef]) -> String {
    tool_list::describe(
        tools,
        "{\"name\": \"NAME\", \"parameters\": {\"FIRST\": \"value\", \"SECOND\": 2}}",
        &["The message is that one JSON object and nothing else.", tool_list::NAMES, tool_list::WAIT],
    )
}

/// With text before them, the calls stand behind the tag; else they are bare.
fn render(content: &str, calls: &[Call<'_>]) -> Result<String, String> {
    common::plain_content(content, &[TAG, "{"], parse)?;
    if calls.is_empty() {
        return Ok(content.to_owned());
    }
    let list = calls.iter().map(|call| json_call::written(call.name, "parameters", call.arguments));
    let list = list.map(|json| json.replace(TAG, "\\u003c|python_tag|>")).collect::<Vec<_>>().join("; ");
    Ok(if content.is_empty() { list } else { format!("{content}{TAG}{list}") })
}

fn write(content: &str, calls: &[ToolCall]) -> Result<String, String> {
    common::write_with(render, content, calls)
}

pub(super) fn observe(_: &str, output: &str) -> String {
    format!("{RESULT}\n\n{output}{TURN_END}")
}

pub(super) fn read_observations(text: &str) -> Vec<TextResult> {
    let results = common::results_in_tags(text, RESULT, TURN_END, false);
    let shorten = |span: Span| {
        let lines = span.text(text);
        Span::new(span.start + (lines.len() - lines.strip_prefix("\n\n").unwrap_or(lines).len()), span.end)
    };
    results.into_iter().map(|span| TextResult { name: None, content: shorten(span) }).collect()
}
