//! What GLM 4.5 and 4.7 have in common: a name and pairs of `<arg_key>` and `<arg_value>` in `<tool_call>`.
//!
//! The grammar writes text as it is and everything else as JSON, and does not say which it was: `5` may be either.
//! So values stay parameters, whose text the tool's schema gives a type.

use super::reading::Reading;
use super::tokens::{self, Head, Token, Tokens};
use super::{Call, Flaw, FlawKind, Markup, RuntimeReading, TextCall, TextResult, common, tool_list};
use crate::model::{Object, Span, ToolDef};
use aho_corasick::AhoCorasick;
use regex::Regex;
use serde_json::{Value, json};
use std::sync::LazyLock;

pub(super) const OPEN: &str = "<tool_call>";
pub(super) const CLOSE: &str = "</tool_call>";
const KEY_OPEN: &str = "<arg_key>";
const KEY_CLOSE: &str = "</arg_key>";
const VALUE_OPEN: &str = "<arg_value>";
const VALUE_CLOSE: &str = "</arg_value>";
const RESULT_OPEN: &str = "<tool_response>";
const RESULT_CLOSE: &str = "</tool_response>";

pub(super) static TOKENS: &Tokens = &[(OPEN, Token::Open), (CLOSE, Token::Close), (KEY_OPEN, Token::Inner)];
pub(super) const ENDS: &[&str] = &[CLOSE];
pub(super) static AUTOMATON: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| tokens::automaton(TOKENS));

pub(super) const RESULTS: &[(&str, common::Place)] = &[(RESULT_OPEN, common::Place::Anywhere)];

/// The name goes to the end of its line or to the next tag.
pub(super) fn head(text: &str, open: Span) -> Option<Head> {
    let near = &text[open.end..text.floor_char_boundary(text.len().min(open.end + common::TAG_LIMIT))];
    let end = open.end + near.find(['\n', '<']).unwrap_or(near.len());
    let name = common::trimmed(text, Span::new(open.end, end));
    // JSON and other tags are calls of other dialects.
    if name.is_empty() || name.text(text).starts_with(['{', '[']) {
        return None;
    }
    let plain = name == Span::new(open.end, end);
    Some(Head { name, end, tags: [KEY_OPEN, VALUE_CLOSE, CLOSE], whole: false, plain })
}

pub(super) fn param(text: &str, open: Span) -> Option<Head> {
    let near = &text[open.end..text.floor_char_boundary(text.len().min(open.end + common::TAG_LIMIT))];
    let len = near.find('<').filter(|len| *len > 0 && near[*len..].starts_with(KEY_CLOSE))?;
    let name = Span::new(open.end, open.end + len);
    let rest = &text[name.end + KEY_CLOSE.len()..];
    let blank = rest.len() - rest.trim_start().len();
    let end = name.end + KEY_CLOSE.len() + blank + VALUE_OPEN.len();
    let plain = common::trimmed(text, name) == name && !name.text(text).contains('\n');
    rest[blank..].starts_with(VALUE_OPEN).then_some(Head {
        name,
        end,
        tags: [KEY_OPEN, VALUE_CLOSE, CLOSE],
        whole: false,
        plain,
    })
}

/// Notes that no newline follows the name.
pub(super) fn newline_after_name(text: &str, body: Span, call: &mut TextCall) {
    if !body.is_empty() && !body.text(text).starts_with('\n') || (body.is_empty() && call.closed) {
        call.flaws.push(Flaw { kind: FlawKind::NoNewlineAfterTag, span: call.name_span });
        call.flaws.sort_by_key(|flaw| flaw.span.start);
    }
}

/// The mark is told by what stands behind it, which does not tell the versions apart.
pub(super) fn own_marks(mut markup: Markup) -> Markup {
    markup.foreign.retain(|(name, _)| !name.starts_with("glm-"));
    markup
}

static PAIR: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?s)<arg_key>(.*?)</arg_key>(?:\\n|\s)*<arg_value>(.*?)</arg_value>").ok());

/// SGLang. `split` gives name and pairs of what stands between the tags of a call, or drops it.
pub(super) fn read(
    text: &str,
    tools: &[ToolDef],
    next_id: u32,
    split: fn(&str) -> Option<(&str, &str)>,
    keeps_text_behind: bool,
) -> RuntimeReading {
    let Some(first) = text.find(OPEN) else { return RuntimeReading::Message { content: text.to_owned() } };
    let mut reading = Reading::new(next_id);
    let mut content = text[..first].to_owned();
    let mut at = first;
    let mut seen = first;
    while let Some(start) = text[at..].find(OPEN).map(|found| at + found) {
        let inside = start + OPEN.len();
        let Some(close) = text[inside..].find(CLOSE).map(|found| inside + found) else { break };
        let span = Span::new(start, close + CLOSE.len());
        if keeps_text_behind {
            content.push_str(&text[seen..start]);
        } else {
            reading.dropped(text, seen, start);
        }
        (at, seen) = (span.end, span.end);
        let Some((name, pairs)) = split(&text[inside..close]) else {
            reading.repair("dropped-call", span);
            continue;
        };
        let offset = close - pairs.len();
        let arguments = arguments(name, pairs, offset, tools, keeps_text_behind, &mut reading);
        let value = json!({"name": name, "parameters": arguments});
        if let Err(refused) = reading.sglang(&value, tools, span) {
            return refused;
        }
    }
    if keeps_text_behind {
        content.push_str(&text[seen..]);
    } else {
        reading.dropped(text, seen, text.len());
    }
    reading.finish(content.trim())
}

fn arguments(
    name: &str,
    pairs: &str,
    offset: usize,
    tools: &[ToolDef],
    keeps_text: bool,
    reading: &mut Reading,
) -> Object {
    let tool = tools.iter().find(|tool| tool.name == name);
    let properties = tool.and_then(|tool| tool.parameters.get("properties")).and_then(Value::as_object);
    let mut object = Object::new();
    let Some(pattern) = PAIR.as_ref() else { return object };
    let mut at = 0;
    for found in pattern.captures_iter(pairs) {
        let (Some(whole), Some(key), Some(value)) = (found.get(0), found.get(1), found.get(2)) else {
            continue;
        };
        reading.dropped(pairs, at, whole.start());
        at = whole.end();
        let span = Span::new(offset + value.start(), offset + value.end());
        let key = key.as_str().trim();
        let kind = properties.and_then(|known| known.get(key)?.get("type")?.as_str());
        let text = value.as_str().trim();
        let typed = match convert(text, kind) {
            // The newer one leaves text that is JSON of another type as it is.
            Value::String(_)
                if keeps_text
                    && kind == Some("string")
                    && tokens::load(text).is_some_and(|json| !json.is_string()) =>
            {
                Value::from(value.as_str())
            }
            typed => typed,
        };
        if kind == Some("string") && typed.as_str() != Some(value.as_str()) {
            reading.repair("changed-text", span);
        }
        if object.insert(key.to_owned(), typed).is_some() {
            reading.repair("dropped-repeated-parameter", span);
        }
    }
    object
}

/// JSON if it is JSON, else text, which loses quotes around it; what the schema calls a string is written as Python
/// writes the JSON that it is.
fn convert(text: &str, kind: Option<&str>) -> Value {
    let parsed = tokens::load(text);
    if kind != Some("string") {
        return parsed.unwrap_or_else(|| Value::String(text.to_owned()));
    }
    match parsed {
        Some(Value::String(inner)) => Value::String(inner),
        Some(Value::Bool(flag)) => Value::from(if flag { "True" } else { "False" }),
        Some(Value::Null) => Value::from("None"),
        Some(_) => Value::from(text),
        None => {
            let quoted =
                text.len() >= 2 && ['"', '\''].iter().any(|q| text.starts_with(*q) && text.ends_with(*q));
            Value::from(if quoted { &text[1..text.len() - 1] } else { text })
        }
    }
}

pub(super) fn describe(tools: &[ToolDef], lines: bool) -> String {
    let line = if lines { "\n" } else { "" };
    let form = format!(
        "{OPEN}NAME{line}{KEY_OPEN}FIRST{KEY_CLOSE}{line}{VALUE_OPEN}text as it is{VALUE_CLOSE}{line}\
         {KEY_OPEN}SECOND{KEY_CLOSE}{line}{VALUE_OPEN}[1, 2]{VALUE_CLOSE}{line}{CLOSE}"
    );
    tool_list::describe(
        tools,
        &form,
        &[
            "Text is written as it is, every other type as JSON. Thoughts may stand before the call; nothing comes after it.",
            tool_list::NAMES,
            tool_list::WAIT,
        ],
    )
}

pub(super) fn render(
    content: &str,
    calls: &[Call<'_>],
    parse: fn(&str) -> Markup,
    lines: bool,
) -> Result<String, String> {
    common::plain_content(content, &[OPEN, CLOSE], parse)?;
    let line = if lines { "\n" } else { "" };
    let mut out = content.to_owned();
    for call in calls {
        if !out.is_empty() {
            out.push('\n');
        }
        name("a function name", call.name)?;
        if call.name.starts_with(['{', '[']) {
            return Err("a function name begins with a bracket".to_owned());
        }
        out.push_str(&format!("{OPEN}{}{line}", call.name));
        for (key, value) in call.arguments {
            name("a parameter name", key)?;
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            if text.contains(VALUE_CLOSE) {
                return Err(format!("the value of '{key}' holds {VALUE_CLOSE}"));
            }
            out.push_str(&format!("{KEY_OPEN}{key}{KEY_CLOSE}{line}{VALUE_OPEN}{text}{VALUE_CLOSE}{line}"));
        }
        out.push_str(CLOSE);
    }
    Ok(out)
}

fn name(what: &str, name: &str) -> Result<(), String> {
    if name.is_empty()
        || name.len() > common::TAG_LIMIT / 2
        || name.contains(['<', '\n'])
        || name.trim() != name
    {
        return Err(format!("{what} is empty, too long or holds a bracket, a newline or blanks at its ends"));
    }
    Ok(())
}

pub(super) fn observe(_: &str, output: &str) -> String {
    format!("{RESULT_OPEN}\n{output}\n{RESULT_CLOSE}")
}

pub(super) fn read_observations(text: &str) -> Vec<TextResult> {
    let spans = common::results_in_tags(text, RESULT_OPEN, RESULT_CLOSE, true);
    spans.into_iter().map(|content| TextResult { name: None, content }).collect()
}
