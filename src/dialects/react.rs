//! ReAct: `Action:` with a name, `Action Input:` with text or JSON, each at the start of a line.
//!
//! Source: Yao et al., "ReAct: Synergizing Reasoning and Acting in Language Models" (2022), in the form that agent
//! libraries took over; runtime as LangChain's parser for a single input. Plain prose may look like it, so that the
//! dialect is only used where it is named. Input that is no JSON object is one parameter named `input`.

use super::common::{self, Place};
use super::reading::{Reading, error, one_text, wrong_count};
use super::{
    Call, Dialect, Flaw, FlawKind, Markup, Runtime, RuntimeReading, TextArguments, TextCall, TextParam,
    TextResult, python, tool_list,
};
use crate::model::{Arguments, Span, ToolCall, ToolDef};
use crate::util::json::{NoteKind, View, parse_at};
use regex::Regex;
use serde_json::Value;
use std::sync::LazyLock;

pub(super) static ITEM: Dialect = Dialect {
    name: "react",
    about: "Action: NAME and Action Input: TEXT on lines of their own: ReAct",
    markers: &[],
    parse,
    incremental: None,
    runtimes: &[Runtime { name: "langchain-react", read, write }],
    describe,
    render,
    observe,
    read_observations,
};

const ACTION: &str = "Action:";
const INPUT: &str = "Action Input:";
const OBSERVATION: &str = "Observation:";
const THOUGHT: &str = "Thought:";
const ANSWER: &str = "Final Answer:";

fn parse(text: &str) -> Markup {
    let mut markup = Markup::default();
    let mut pending: Option<TextCall> = None;
    let mut input: Option<usize> = None;
    let mut at = 0;
    while at < text.len() {
        let next = memchr::memchr(b'\n', &text.as_bytes()[at..]).map_or(text.len(), |found| at + found + 1);
        let line = &text[at..next];
        let heading =
            [INPUT, ACTION, OBSERVATION, THOUGHT, ANSWER].into_iter().find(|word| line.starts_with(word));
        match heading {
            Some(INPUT) if pending.is_some() && input.is_none() => input = Some(at + INPUT.len()),
            Some(heading) => {
                flush(text, &mut pending, &mut input, at, &mut markup);
                if heading == ACTION {
                    let name = common::trimmed(text, Span::new(at + ACTION.len(), next));
                    if name.is_empty() {
                        markup.fragments.push(common::line_from(text, at));
                    } else {
                        pending = Some(common::call(Span::new(at, name.end), name.text(text), name));
                    }
                } else if heading == INPUT {
                    markup.fragments.push(common::line_from(text, at));
                }
            }
            None => {}
        }
        at = next;
    }
    flush(text, &mut pending, &mut input, text.len(), &mut markup);
    common::observations(text, &[(OBSERVATION, Place::LineAfterCall)], &mut markup);
    common::around(text, ITEM.name, markup)
}

/// Ends the call that is open, if one is; `end` is where the next heading stands.
fn flush(
    text: &str,
    pending: &mut Option<TextCall>,
    input: &mut Option<usize>,
    end: usize,
    markup: &mut Markup,
) {
    let from = input.take();
    let Some(mut call) = pending.take() else { return };
    let Some(from) = from else {
        call.flaws.push(Flaw { kind: FlawKind::MissingArguments, span: call.name_span });
        markup.calls.push(call);
        return;
    };
    call.closed = true;
    let value = common::trimmed(text, Span::new(from, end));
    call.span.end = value.end.max(from);
    if value.text(text).starts_with('{') {
        let mut notes = Vec::new();
        let (span, parsed) = match parse_at(text.as_bytes(), value.start, &mut notes) {
            // Behind the object the model goes on to talk.
            Ok(node) if node.end <= value.end => {
                let parsed = View::new(text.as_bytes(), &node).object();
                (Span::new(node.start, node.end), Some(parsed))
            }
            _ => (value, None),
        };
        if notes.iter().any(|note| note.kind == NoteKind::RepeatedKey) {
            call.flaws.push(Flaw { kind: FlawKind::RepeatedKey, span });
        }
        call.span.end = span.end;
        let raw = Some(span.text(text).to_owned());
        call.arguments = Some(TextArguments { span, value: Arguments { raw, parsed } });
    } else {
        let name_span = Span::new(value.start, value.start);
        call.params.push(TextParam { name: "input".to_owned(), name_span, value, closed: true });
    }
    markup.calls.push(call);
}

static CALL: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?s)Action\s*\d*\s*:\s*(.*?)Action\s*\d*\s*Input\s*\d*\s*:\s*(.*)").ok());

fn read(text: &str, _: &[ToolDef], next_id: u32) -> RuntimeReading {
    let found = CALL.as_ref().and_then(|pattern| pattern.captures(text));
    let found = found.and_then(|found| Some((found.get(0)?, found.get(1)?, found.get(2)?)));
    let Some((whole, name, input)) = found else {
        return match text.rsplit_once(ANSWER) {
            Some((_, answer)) => Reading::new(next_id).finish(python::strip(answer)),
            None => wrong_count("OutputParserException", format!("Could not parse LLM output: `{text}`"), 0),
        };
    };
    if text.contains(ANSWER) {
        let sentence = "Parsing LLM output produced both a final answer and a parse-able action:";
        return error("OutputParserException", format!("{sentence} {text}"));
    }
    let value = input.as_str().trim_matches(' ').trim_matches('"');
    let mut reading = one_text(python::strip(name.as_str()), "input", value, next_id);
    if input.as_str().contains("\nAction:") || input.as_str().contains("\nObservation:") {
        reading.repair("merged-into-input", Span::new(input.start(), input.end()));
    }
    let content = text[..whole.start()].to_owned();
    reading.finish(&content)
}

fn describe(tools: &[ToolDef]) -> String {
    tool_list::describe(
        tools,
        "Thought: what you think\nAction: NAME\nAction Input: {\"FIRST\": \"value\", \"SECOND\": 2}",
        &[
            "One action in every message, and nothing behind its input.",
            tool_list::NAMES,
            "The result arrives with the next message, headed `Observation:`. Wait for it, never write it yourself.",
            "Without anything left to do, write `Final Answer:` and the answer, and no action.",
        ],
    )
}

fn render(content: &str, calls: &[Call<'_>]) -> Result<String, String> {
    common::plain_content(content, &[ACTION, INPUT], parse)?;
    let Some(call) = common::at_most_one(calls)? else { return Ok(content.to_owned()) };
    if call.name.is_empty() || call.name.trim() != call.name || call.name.contains('\n') {
        return Err("a function name is empty, or holds a newline or outer blanks".to_owned());
    }
    // JSON on one line: no heading can stand at the start of one inside it.
    let input = Value::Object(call.arguments.clone());
    let lead = if content.is_empty() { String::new() } else { format!("{content}\n") };
    Ok(format!("{lead}{ACTION} {}\n{INPUT} {input}", call.name))
}

fn write(content: &str, calls: &[ToolCall]) -> Result<String, String> {
    common::write_with(render, content, calls)
}

fn observe(_: &str, output: &str) -> String {
    format!("{OBSERVATION} {output}")
}

fn read_observations(text: &str) -> Vec<TextResult> {
    let Some(content) = common::result_behind(text, OBSERVATION) else { return Vec::new() };
    let blank = usize::from(content.text(text).starts_with(' '));
    vec![TextResult { name: None, content: Span::new(content.start + blank, content.end) }]
}
