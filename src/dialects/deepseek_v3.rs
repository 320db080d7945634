//! DeepSeek V3 and R1: a section of calls, each with the word `function`, its name and fenced JSON.
//!
//! Source: the chat templates of DeepSeek-V3 and R1; runtime as in SGLang 0.5.23. Bars are U+FF5C and blocks U+2581;
//! look-alikes are other text.

use super::common::Place;
use super::reading::Reading;
use super::tokens::{self, Body, Grammar, Region, Sections, Token, Tokens};
use super::{
    Call, Dialect, Flaw, FlawKind, Incremental, Markup, Resume, Runtime, RuntimeReading, TextCall,
    TextResult, common, tool_list,
};
use crate::model::{Object, Span, ToolCall, ToolDef};
use aho_corasick::AhoCorasick;
use memchr::memmem;
use serde_json::json;
use std::sync::LazyLock;

pub(super) static ITEM: Dialect = Dialect {
    name: "deepseek-v3",
    about: "<\u{ff5c}tool\u{2581}calls\u{2581}begin\u{ff5c}>, then name and JSON in a fence: DeepSeek V3 and R1",
    markers: &[SECTION_OPEN, OPEN],
    parse,
    incremental: Some(Incremental { ends: ENDS, read_on }),
    runtimes: &[Runtime { name: "sglang-deepseek-v3", read, write }],
    describe,
    render,
    observe,
    read_observations,
};

pub(super) const SECTION_OPEN: &str = "<\u{ff5c}tool\u{2581}calls\u{2581}begin\u{ff5c}>";
pub(super) const SECTION_CLOSE: &str = "<\u{ff5c}tool\u{2581}calls\u{2581}end\u{ff5c}>";
pub(super) const OPEN: &str = "<\u{ff5c}tool\u{2581}call\u{2581}begin\u{ff5c}>";
pub(super) const CLOSE: &str = "<\u{ff5c}tool\u{2581}call\u{2581}end\u{ff5c}>";
pub(super) const SEP: &str = "<\u{ff5c}tool\u{2581}sep\u{ff5c}>";
pub(super) const RESULT_OPEN: &str = "<\u{ff5c}tool\u{2581}output\u{2581}begin\u{ff5c}>";
pub(super) const RESULT_CLOSE: &str = "<\u{ff5c}tool\u{2581}output\u{2581}end\u{ff5c}>";
const RESULTS_OPEN: &str = "<\u{ff5c}tool\u{2581}outputs\u{2581}begin\u{ff5c}>";
const RESULTS_CLOSE: &str = "<\u{ff5c}tool\u{2581}outputs\u{2581}end\u{ff5c}>";
const FENCE_OPEN: &str = "\n```json\n";
const FENCE_CLOSE: &str = "\n```";

pub(super) static TOKENS: &Tokens = &[
    (SECTION_OPEN, Token::SectionOpen),
    (SECTION_CLOSE, Token::SectionClose),
    (OPEN, Token::Open),
    (CLOSE, Token::Close),
    (SEP, Token::Inner),
];
pub(super) const ENDS: &[&str] = &[SEP, CLOSE, SECTION_CLOSE];
pub(super) static AUTOMATON: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| tokens::automaton(TOKENS));

static GRAMMAR: Grammar = Grammar {
    name: "deepseek-v3",
    tokens: TOKENS,
    automaton: &AUTOMATON,
    sections: Sections::Expected,
    body: Body::Value(call),
    results: &[(RESULTS_OPEN, Place::Anywhere), (RESULT_OPEN, Place::Anywhere)],
};

fn parse(text: &str) -> Markup {
    let mut markup = tokens::parse(&GRAMMAR, text);
    // What was begun in vain does not tell the versions apart.
    markup.foreign.retain(|(name, _)| *name != "deepseek-v3.1");
    markup
}

fn read_on(text: &str, from: Resume) -> (Vec<TextCall>, Resume) {
    tokens::read_on(&GRAMMAR, text, from)
}

fn call(text: &str, region: &Region) -> TextCall {
    let value = region.value.text(text);
    let name_len = value.find('\n').unwrap_or(value.len());
    let name = common::trimmed(text, Span::new(region.value.start, region.value.start + name_len));
    let mut call = common::call(region.head, name.text(text), name);
    if region.head.text(text) != "function" {
        let span = if region.head.is_empty() { name } else { region.head };
        call.flaws.push(Flaw { kind: FlawKind::BadHeader, span });
    }
    plain_name(&mut call, name);
    let mut rest = Span::new(region.value.start + name_len, region.value.end);
    let fenced = rest.text(text);
    let opened = fenced.strip_prefix(FENCE_OPEN);
    let closed = opened.is_some_and(|inside| inside.ends_with(FENCE_CLOSE));
    if opened.is_some() {
        rest.start += FENCE_OPEN.len();
    }
    if closed {
        rest.end -= FENCE_CLOSE.len();
    } else if region.closed || (opened.is_none() && !FENCE_OPEN.starts_with(fenced)) {
        call.flaws.push(Flaw { kind: FlawKind::BadHeader, span: rest });
    }
    call.arguments = tokens::json_arguments(text, rest, &mut call.flaws);
    missing(&mut call, region);
    call
}

/// A call that is over and has no arguments.
pub(super) fn missing(call: &mut TextCall, region: &Region) {
    if call.arguments.is_none() && region.closed {
        call.flaws.push(Flaw { kind: FlawKind::MissingArguments, span: call.name_span });
    }
}

/// Blanks and quotes are no part of a name.
pub(super) fn plain_name(call: &mut TextCall, name: Span) {
    let odd = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '<');
    if call.name.is_empty() || call.name.contains(odd) {
        call.flaws.push(Flaw { kind: FlawKind::NameNotPlain, span: name });
    }
}

/// SGLang: every block from an opening token to the next closing one must fit, or the whole message is text.
fn read(text: &str, tools: &[ToolDef], next_id: u32) -> RuntimeReading {
    read_blocks(text, tools, next_id, |block| {
        let (head, fenced) = block.rsplit_once(FENCE_OPEN)?;
        let (_, name) = head.rsplit_once(SEP)?;
        Some((name.to_owned(), fenced.strip_suffix(FENCE_CLOSE)?.to_owned()))
    })
}

/// What both of SGLang's detectors for these tokens do; `split` gives name and arguments of what a block holds.
pub(super) fn read_blocks(
    text: &str,
    tools: &[ToolDef],
    next_id: u32,
    split: fn(&str) -> Option<(String, String)>,
) -> RuntimeReading {
    let whole = || RuntimeReading::Message { content: text.to_owned() };
    let Some(first) = text.find(SECTION_OPEN) else { return whole() };
    let mut reading = Reading::new(next_id);
    let mut at = 0;
    let mut seen = first + SECTION_OPEN.len();
    while let Some(start) = memmem::find(&text.as_bytes()[at..], OPEN.as_bytes()).map(|found| at + found) {
        let inside = start + OPEN.len();
        let close = memmem::find(&text.as_bytes()[inside..], CLOSE.as_bytes()).map(|found| inside + found);
        let Some(close) = close else {
            reading.repair("dropped-call", Span::new(start, text.len()));
            seen = text.len();
            break;
        };
        let span = Span::new(start, close + CLOSE.len());
        let parts = split(&text[inside..close]);
        let value = parts.and_then(|(name, arguments)| {
            Some(json!({"name": name, "parameters": tokens::load(&arguments)?}))
        });
        // One block that does not fit, and no call of the message counts.
        let Some(value) = value else { return whole() };
        reading.dropped(text, seen, start);
        if start < first {
            reading.repair("accepted-call-before-section", span);
        }
        if let Err(refused) = reading.sglang(&value, tools, span) {
            return refused;
        }
        at = span.end;
        seen = seen.max(at);
    }
    match memmem::find(&text.as_bytes()[seen..], SECTION_CLOSE.as_bytes()) {
        Some(close) => {
            reading.dropped(text, seen, seen + close);
            reading.dropped(text, seen + close + SECTION_CLOSE.len(), text.len());
        }
        None => {
            reading.dropped(text, seen, text.len());
            reading.repair("accepted-unclosed-section", Span::new(first, first + SECTION_OPEN.len()));
        }
    }
    reading.finish(text[..first].trim())
}

fn write(content: &str, calls: &[ToolCall]) -> Result<String, String> {
    common::write_with(render, content, calls)
}

fn describe(tools: &[ToolDef]) -> String {
    let form = format!(
        "{SECTION_OPEN}{OPEN}function{SEP}NAME{FENCE_OPEN}{{\"FIRST\": \"value\", \"SECOND\": 2}}{FENCE_CLOSE}{CLOSE}{SECTION_CLOSE}"
    );
    tool_list::describe(
        tools,
        &form,
        &[
            "The fence holds one JSON object. Thoughts may stand before the section; nothing comes after it.",
            tool_list::NAMES,
            tool_list::WAIT,
        ],
    )
}

pub(super) const ALL_TOKENS: &[&str] = &[SECTION_OPEN, SECTION_CLOSE, OPEN, CLOSE, SEP];

fn render(content: &str, calls: &[Call<'_>]) -> Result<String, String> {
    section(content, calls, parse, |name, json| {
        format!("{OPEN}function{SEP}{name}{FENCE_OPEN}{json}{FENCE_CLOSE}{CLOSE}")
    })
}

/// A message with a section of calls, one on a line.
pub(super) fn section(
    content: &str,
    calls: &[Call<'_>],
    parse: fn(&str) -> Markup,
    call: fn(&str, &str) -> String,
) -> Result<String, String> {
    common::plain_content(content, ALL_TOKENS, parse)?;
    if calls.is_empty() {
        return Ok(content.to_owned());
    }
    let mut written = Vec::with_capacity(calls.len());
    for one in calls {
        name(one.name)?;
        let object: &Object = one.arguments;
        written.push(call(one.name, &tokens::json_without(ALL_TOKENS, object)));
    }
    Ok(format!("{content}{SECTION_OPEN}{}{SECTION_CLOSE}", written.join("\n")))
}

/// A name that is read back as it was.
pub(super) fn name(name: &str) -> Result<(), String> {
    let odd = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '<');
    if name.is_empty() || name.contains(odd) {
        return Err("a function name is empty or holds blanks, quotes or a bracket".to_owned());
    }
    Ok(())
}

pub(super) fn observe(_: &str, output: &str) -> String {
    format!("{RESULTS_OPEN}{RESULT_OPEN}{output}{RESULT_CLOSE}{RESULTS_CLOSE}")
}

pub(super) fn read_observations(text: &str) -> Vec<TextResult> {
    // The outer pair may be there or not: V3.1 writes the inner one alone.
    let lead = text.len() - text.trim_start().len();
    let start = if text[lead..].starts_with(RESULTS_OPEN) { lead + RESULTS_OPEN.len() } else { lead };
    let inside = text[start..].trim_end();
    let inside = inside.strip_suffix(RESULTS_CLOSE).filter(|_| start > lead).unwrap_or(inside);
    let spans = common::results_in_tags(inside, RESULT_OPEN, RESULT_CLOSE, false);
    let shifted = spans.into_iter().map(|span| Span::new(span.start + start, span.end + start));
    shifted.map(|content| TextResult { name: None, content }).collect()
}
