//! DeepSeek V3.2, V4 and V4.1 (DSML): a section of `invoke` tags with typed parameters.
//!
//! V3.2 names its section `function_calls`, V4 `tool_calls`; V4.1 has ` calls`, and a blank before every tag name. A
//! body may also be one JSON object, and an `invoke` without arguments may close itself. `string="true"` marks text
//! that is taken as it is, `string="false"` JSON: so beside the parameters a call has its typed `arguments`, unless a
//! value is not what its tag says. Source: DeepSeek's encoding files; runtime as in SGLang 0.5.23, whose detectors
//! for the three differ in the names of their tags alone.

use super::common::Place;
use super::invoke::{self, Tags};
use super::reading::Reading;
use super::tokens::{self, Body, Grammar, Head, Params, Sections, Token, Tokens};
use super::{
    Call, Dialect, Incremental, Markup, Resume, Runtime, RuntimeReading, TextArguments, TextCall, TextResult,
    common, tool_list,
};
use crate::model::{Arguments, Object, Span, ToolCall, ToolDef};
use aho_corasick::AhoCorasick;
use regex::Regex;
use serde_json::{Value, json};
use std::sync::LazyLock;

pub(super) static ITEM: Dialect = Dialect {
    name: "deepseek-v3.2",
    about: "<\u{ff5c}DSML\u{ff5c}invoke name=\"NAME\"> with typed parameters: DeepSeek V3.2, V4 and V4.1",
    markers: &["<\u{ff5c}DSML\u{ff5c}"],
    parse,
    incremental: Some(Incremental { ends: ENDS, read_on }),
    runtimes: &[Runtime { name: "sglang-dsml", read, write }],
    describe,
    render,
    observe,
    read_observations,
};

const SECTION_OPEN: &str = "<\u{ff5c}DSML\u{ff5c}function_calls>";
const SECTION_CLOSE: &str = "</\u{ff5c}DSML\u{ff5c}function_calls>";
const OPEN: &str = "<\u{ff5c}DSML\u{ff5c}invoke";
const CLOSE: &str = "</\u{ff5c}DSML\u{ff5c}invoke>";
const PARAM_OPEN: &str = "<\u{ff5c}DSML\u{ff5c}parameter";
const PARAM_CLOSE: &str = "</\u{ff5c}DSML\u{ff5c}parameter>";
const SPACED_CLOSE: &str = "</\u{ff5c}DSML\u{ff5c} invoke>";
const SPACED_PARAM_OPEN: &str = "<\u{ff5c}DSML\u{ff5c} parameter";
const SPACED_PARAM_CLOSE: &str = "</\u{ff5c}DSML\u{ff5c} parameter>";
const RESULT_OPEN: &str = "<tool_result>";
const RESULT_CLOSE: &str = "</tool_result>";

const TAGS: Tags = Tags {
    lead: "\n\n",
    section: [SECTION_OPEN, SECTION_CLOSE],
    call: [OPEN, CLOSE],
    param: [PARAM_OPEN, PARAM_CLOSE],
};

static TOKENS: &Tokens = &[
    (SECTION_OPEN, Token::SectionOpen),
    (SECTION_CLOSE, Token::SectionClose),
    ("<\u{ff5c}DSML\u{ff5c}tool_calls>", Token::SectionOpen),
    ("</\u{ff5c}DSML\u{ff5c}tool_calls>", Token::SectionClose),
    ("<\u{ff5c}DSML\u{ff5c} calls>", Token::SectionOpen),
    ("</\u{ff5c}DSML\u{ff5c} calls>", Token::SectionClose),
    (OPEN, Token::Open),
    (CLOSE, Token::Close),
    ("<\u{ff5c}DSML\u{ff5c} invoke", Token::Open),
    (SPACED_CLOSE, Token::Close),
    (PARAM_OPEN, Token::Inner),
    (SPACED_PARAM_OPEN, Token::Inner),
];
const ENDS: &[&str] = &[
    CLOSE,
    SPACED_CLOSE,
    SECTION_CLOSE,
    "</\u{ff5c}DSML\u{ff5c}tool_calls>",
    "</\u{ff5c}DSML\u{ff5c} calls>",
];
static AUTOMATON: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| tokens::automaton(TOKENS));

static GRAMMAR: Grammar = Grammar {
    name: "deepseek-v3.2",
    tokens: TOKENS,
    automaton: &AUTOMATON,
    sections: Sections::Expected,
    body: Body::Params(Params { head, param, finish }),
    results: &[("<function_results>", Place::Anywhere), (RESULT_OPEN, Place::Anywhere)],
};

fn parse(text: &str) -> Markup {
    tokens::parse(&GRAMMAR, text)
}

fn read_on(text: &str, from: Resume) -> (Vec<TextCall>, Resume) {
    tokens::read_on(&GRAMMAR, text, from)
}

/// What opens a parameter, closes one, closes the call: V4.1 has a blank before each name.
fn tags(text: &str, open: Span) -> [&'static str; 3] {
    if open.text(text).ends_with(" invoke") || open.text(text).ends_with(" parameter") {
        [SPACED_PARAM_OPEN, SPACED_PARAM_CLOSE, SPACED_CLOSE]
    } else {
        [PARAM_OPEN, PARAM_CLOSE, CLOSE]
    }
}

fn head(text: &str, open: Span) -> Option<Head> {
    let (name, at) = tokens::name_attribute(text, open.end)?;
    let rest = text[at..].trim_start_matches([' ', '\t', '\n', '\r']);
    let blank = text.len() - at - rest.len();
    let whole = rest.starts_with("/>");
    let end = at + blank + if whole { 2 } else { 1 };
    let plain = blank == 0 || whole;
    (whole || rest.starts_with('>')).then(|| Head { name, end, tags: tags(text, open), whole, plain })
}

fn param(text: &str, open: Span) -> Option<Head> {
    let (name, at) = tokens::name_attribute(text, open.end)?;
    let near = &text[at..text.floor_char_boundary(text.len().min(at + common::TAG_LIMIT))];
    let (attribute, _) = near.split_once('>').filter(|(attribute, _)| !attribute.contains('<'))?;
    let plain = matches!(attribute, " string=\"true\"" | " string=\"false\"");
    Some(Head { name, end: at + attribute.len() + 1, tags: tags(text, open), whole: false, plain })
}

/// Builds the arguments: the object that stands in the body, or the parameters with the types that their tags say.
fn finish(text: &str, body: Span, call: &mut TextCall) {
    if call.params.is_empty() && body.text(text).trim_start().starts_with('{') {
        let end = call.nested.first().map_or(body.end, |nested| nested.start);
        call.flaws.retain(|flaw| !(flaw.kind == super::FlawKind::StrayText && body.contains(flaw.span)));
        call.arguments = tokens::json_arguments(text, Span::new(body.start, end), &mut call.flaws);
        let end = call.arguments.as_ref().map_or(0, |arguments| arguments.span.end);
        call.span.end = call.span.end.max(end);
        return;
    }
    let mut object = Object::new();
    for param in &call.params {
        let value = param.value.text(text);
        // A tag that does not say what its value is leaves the types open: then there are parameters alone.
        let typed = match text[param.name_span.end..param.value.start].split('"').nth(2) {
            Some("true") => Some(Value::String(value.to_owned())),
            Some("false") => tokens::load(value),
            _ => return,
        };
        let Some(typed) = typed else {
            let raw = Some(value.to_owned());
            call.arguments =
                Some(TextArguments { span: param.value, value: Arguments { raw, parsed: None } });
            return;
        };
        object.insert(param.name.clone(), typed);
    }
    if call.closed || !call.params.is_empty() {
        let span = Span::new(body.start, body.end.min(call.span.end));
        call.arguments = Some(TextArguments { span, value: Arguments::object(object) });
    }
}

struct Patterns {
    /// Opening tag of the section, and of a call in it.
    open: (String, String),
    section: Option<Regex>,
    invoke: Option<Regex>,
    param: Option<Regex>,
}

static PATTERNS: LazyLock<Vec<Patterns>> = LazyLock::new(|| {
    let names = [("function_calls", ""), ("tool_calls", ""), (" calls", " ")];
    let patterns = names.iter().map(|(block, lead)| {
        let dsml = "\u{ff5c}DSML\u{ff5c}";
        let invoke = format!("{dsml}{lead}invoke");
        let param = format!("{dsml}{lead}parameter");
        let regex = |text: String| Regex::new(&text).ok();
        Patterns {
            open: (format!("<{dsml}{block}>"), format!("<{invoke}")),
            section: regex(format!("(?s)<{dsml}{block}>(.*?)</{dsml}{block}>")),
            invoke: regex(format!("(?s)<{invoke}\\s+name=\"([^\"]+)\"\\s*(?:(/>)|>(.*?)(</{invoke}>|$))")),
            param: regex(format!(
                "(?s)<{param}\\s+name=\"([^\"]+)\"\\s+string=\"([^\"]+)\"\\s*>(.*?)</{param}>"
            )),
        }
    });
    patterns.collect()
});

/// SGLang: calls that do not fit are dropped one by one; what stands behind the first section is never text.
fn read(text: &str, tools: &[ToolDef], next_id: u32) -> RuntimeReading {
    let message = || RuntimeReading::Message { content: text.to_owned() };
    let Some(patterns) = PATTERNS
        .iter()
        .find(|patterns| text.contains(&patterns.open.0))
        .or_else(|| PATTERNS.iter().find(|patterns| text.contains(&patterns.open.1)))
    else {
        return message();
    };
    let (Some(section), Some(invoke)) = (&patterns.section, &patterns.invoke) else { return message() };
    let mut reading = Reading::new(next_id);
    let (content, parts): (&str, Vec<Span>) = match text.find(&patterns.open.0) {
        Some(first) => {
            let found = section.captures_iter(text).filter_map(|found| found.get(1));
            let spans: Vec<Span> = found.map(|part| Span::new(part.start(), part.end())).collect();
            let before = &text[..first];
            (before.strip_suffix("\n\n").unwrap_or(before), spans)
        }
        None => {
            let start = text.find(&patterns.open.1).unwrap_or(0);
            reading.repair("accepted-call-without-section", Span::new(start, start + patterns.open.1.len()));
            (text[..start].strip_suffix("\n\n").unwrap_or(&text[..start]), vec![Span::new(start, text.len())])
        }
    };
    let mut seen = parts.first().map_or(text.len(), |part| part.start);
    for part in &parts {
        for found in invoke.captures_iter(part.text(text)) {
            let (Some(whole), Some(name)) = (found.get(0), found.get(1)) else { continue };
            let span = Span::new(part.start + whole.start(), part.start + whole.end());
            reading.dropped(text, seen.max(part.start), span.start);
            seen = span.end;
            let complete = found.get(2).is_some() || found.get(4).is_some_and(|end| !end.is_empty());
            let body = found.get(3).map_or("", |body| body.as_str());
            let offset = part.start + found.get(3).map_or(0, |body| body.start());
            let arguments = if complete { arguments(body, offset, patterns, &mut reading) } else { None };
            let Some(arguments) = arguments else {
                reading.repair("dropped-call", span);
                continue;
            };
            let value = json!({"name": name.as_str().trim(), "parameters": arguments});
            if let Err(refused) = reading.sglang(&value, tools, span) {
                return refused;
            }
        }
    }
    let end = parts.last().map_or(text.len(), |part| part.end);
    let close = text[end..].find('>').map_or(text.len(), |len| end + len + 1);
    reading.dropped(text, close, text.len());
    reading.finish(content)
}

fn arguments(body: &str, offset: usize, patterns: &Patterns, reading: &mut Reading) -> Option<Value> {
    if body.trim().starts_with('{') {
        return tokens::load(body).filter(Value::is_object);
    }
    let param = patterns.param.as_ref()?;
    let mut object = Object::new();
    let mut left = String::new();
    let mut at = 0;
    for found in param.captures_iter(body) {
        let (whole, name, kind, value) = (found.get(0)?, found.get(1)?, found.get(2)?, found.get(3)?);
        left.push_str(&body[at..whole.start()]);
        at = whole.end();
        let span = Span::new(offset + value.start(), offset + value.end());
        let text = value.as_str().trim();
        let typed = if kind.as_str() == "true" { None } else { tokens::load(text) };
        if kind.as_str() == "true" && text.len() != value.len() {
            reading.repair("trimmed-value", span);
        } else if kind.as_str() != "true" && typed.is_none() {
            reading.repair("kept-bad-json-as-text", span);
        }
        let typed = typed.unwrap_or_else(|| Value::String(text.to_owned()));
        if object.insert(name.as_str().to_owned(), typed).is_some() {
            reading.repair("dropped-repeated-parameter", span);
        }
    }
    left.push_str(&body[at..]);
    let malformed = left.contains("\u{ff5c}DSML\u{ff5c}") || (object.is_empty() && !left.trim().is_empty());
    if !malformed && !left.trim().is_empty() {
        reading.repair("dropped-text-in-call", Span::new(offset, offset + body.len()));
    }
    (!malformed).then_some(Value::Object(object))
}

fn write(content: &str, calls: &[ToolCall]) -> Result<String, String> {
    common::write_with(render, content, calls)
}

fn describe(tools: &[ToolDef]) -> String {
    let form = format!(
        "{SECTION_OPEN}\n{OPEN} name=\"NAME\">\n{PARAM_OPEN} name=\"FIRST\" string=\"true\">text as it is{PARAM_CLOSE}\n\
         {PARAM_OPEN} name=\"SECOND\" string=\"false\">[1, 2]{PARAM_CLOSE}\n{CLOSE}\n{SECTION_CLOSE}"
    );
    tool_list::describe(
        tools,
        &form,
        &[
            "string=\"true\" marks text, which is taken as it is; string=\"false\" marks JSON of any other type.",
            "Thoughts may stand before the section; nothing comes after it.",
            tool_list::NAMES,
            tool_list::WAIT,
        ],
    )
}

/// Writes the section of V3.2, which V4's differs from by its name alone.
fn render(content: &str, calls: &[Call<'_>]) -> Result<String, String> {
    common::plain_content(content, &["<\u{ff5c}DSML\u{ff5c}", "</\u{ff5c}DSML\u{ff5c}"], parse)?;
    invoke::write(&TAGS, content, calls, |value| {
        if value.is_string() { " string=\"true\"" } else { " string=\"false\"" }
    })
}

fn observe(_: &str, output: &str) -> String {
    format!("{RESULT_OPEN}{output}{RESULT_CLOSE}")
}

/// V3.2 writes an outer tag around its results, V4 and later only the inner one.
fn read_observations(text: &str) -> Vec<TextResult> {
    let (before, inside) = match text.trim().strip_prefix("<function_results>") {
        Some(rest) => {
            let lead = text.len() - text.trim_start().len();
            (lead + "<function_results>".len(), rest.strip_suffix("</function_results>").unwrap_or(rest))
        }
        None => (0, text),
    };
    let one = |open, close| common::results_in_tags(inside, open, close, false);
    let mut spans = one(RESULT_OPEN, RESULT_CLOSE);
    if spans.is_empty() && before > 0 {
        spans = one("<result>", "</result>");
    }
    let shifted = spans.into_iter().map(|span| Span::new(span.start + before, span.end + before));
    shifted.map(|content| TextResult { name: None, content }).collect()
}
