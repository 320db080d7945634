//! CodeAct of OpenHands before function calling: code in `<execute_bash>`, `<execute_ipython>`, `<execute_browse>`.
//!
//! A stop word at the closing tag was the rule, so that a call without one is the common raw form. Runtime as in
//! OpenDevin and OpenHands 0.9 to 0.11: first a bash block, then an IPython block, then a browsing block.

use super::common::{self, Finder, Place};
use super::reading::one_text;
use super::{
    Call, Dialect, Flaw, FlawKind, Incremental, Markup, Resume, Runtime, RuntimeReading, TextCall, TextParam,
    TextResult, python,
};
use crate::model::{Span, ToolCall, ToolDef};

pub(super) static ITEM: Dialect = Dialect {
    name: "codeact-legacy",
    about: "code inside <execute_bash>, <execute_ipython> or <execute_browse>: OpenHands until 2024",
    markers: &["<execute_bash>", "<execute_ipython>", "<execute_browse>"],
    parse,
    incremental: Some(Incremental {
        ends: &["</execute_bash>", "</execute_ipython>", "</execute_browse>"],
        read_on,
    }),
    runtimes: &[Runtime { name: "openhands-codeact", read, write }],
    describe,
    render,
    observe,
    read_observations,
};

struct Kind {
    open: &'static str,
    close: &'static str,
    /// Name of the function that the tag stands for.
    name: &'static str,
    /// Name of its one parameter.
    key: &'static str,
}

static KINDS: [Kind; 3] = [
    Kind { open: "<execute_bash>", close: "</execute_bash>", name: "execute_bash", key: "command" },
    Kind { open: "<execute_ipython>", close: "</execute_ipython>", name: "execute_ipython", key: "code" },
    Kind { open: "<execute_browse>", close: "</execute_browse>", name: "execute_browse", key: "code" },
];

const HEADING: &str = "OBSERVATION:";

/// Needles: opening tags, closing tags, what ends a call that has no closing tag.
type Tags<'a> = Finder<'a, 9>;

fn tags(text: &str) -> Tags<'_> {
    let [a, b, c] = &KINDS;
    let needles =
        [a.open, b.open, c.open, a.close, b.close, c.close, "\n<execute_", "\nOBSERVATION:", "\nUSER:"];
    Finder::new(text, needles)
}

/// The next opening tag at or after `at`, and its kind.
fn opening(finder: &mut Tags<'_>, at: usize) -> Option<(Span, usize)> {
    let (start, kind) = (0..3).filter_map(|kind| Some((finder.next(kind, at)?, kind))).min()?;
    Some((Span::new(start, start + KINDS[kind].open.len()), kind))
}

fn parse(text: &str) -> Markup {
    let mut markup = Markup::default();
    let mut finder = tags(text);
    let mut at = 0;
    while let Some((tag, kind)) = opening(&mut finder, at) {
        at = if common::mentioned(text, tag) {
            tag.end
        } else {
            call_at(text, tag, kind, &mut finder, &mut markup)
        };
    }
    let headings = [(HEADING, Place::LineAfterCall), ("USER:", Place::LineAfterCall)];
    common::observations(text, &headings, &mut markup);
    common::around(text, ITEM.name, markup)
}

/// Calls whose closing tag is there; without it, only the end of the message tells that a stop word took it away.
fn read_on(text: &str, from: Resume) -> (Vec<TextCall>, Resume) {
    let mut markup = Markup::default();
    let mut finder = tags(text);
    let (mut at, mut next) = (from.at, from);
    while let Some((tag, kind)) = opening(&mut finder, at) {
        at = tag.end;
        if common::mentioned(text, tag) {
            continue;
        }
        if common::may_be_mentioned(text, tag) {
            break;
        }
        at = call_at(text, tag, kind, &mut finder, &mut markup);
        if markup.calls.pop_if(|call| !call.closed).is_some() {
            break;
        }
        next.at = at;
    }
    (markup.calls, next)
}

/// Reads the call whose opening tag is `tag`; gives the position to go on from.
fn call_at(text: &str, tag: Span, kind: usize, finder: &mut Tags<'_>, markup: &mut Markup) -> usize {
    let own = &KINDS[kind];
    let name_span = Span::new(tag.start + 1, tag.end - 1);
    let mut call = common::call(tag, own.name, name_span);
    let close = finder.next(3 + kind, tag.end);
    let value = match close {
        Some(close) => {
            call.closed = true;
            call.span.end = close + own.close.len();
            Span::new(tag.end, close)
        }
        None => {
            let stop = (6..9).filter_map(|needle| finder.next(needle, tag.end)).min().unwrap_or(text.len());
            let body = text[tag.end..stop].trim_end();
            let cut = body.rfind("</").filter(|cut| own.close.starts_with(&body[*cut..]));
            let end = tag.end + cut.unwrap_or(body.len());
            call.span.end = tag.end + body.len();
            if cut.is_some() {
                let span = Span::new(end, call.span.end);
                call.flaws.push(Flaw { kind: FlawKind::PartialClosingTag, span });
            }
            Span::new(tag.end, end)
        }
    };
    // The tag of the call closes its one value too, and a stop word takes it away.
    call.params.push(TextParam {
        name: own.key.to_owned(),
        name_span: Span::new(tag.end, tag.end),
        value,
        closed: true,
    });
    let end = call.span.end;
    markup.calls.push(call);
    end
}

fn read(text: &str, _: &[ToolDef], next_id: u32) -> RuntimeReading {
    let mut fixed = text.to_owned();
    let mut added = None;
    for kind in &KINDS {
        let cut = kind.close.trim_end_matches('>');
        if fixed.contains(cut) && !fixed.contains(kind.close) {
            fixed = fixed.replace(cut, kind.close);
            added = Some("completed-closing-tag");
        }
        if fixed.contains(kind.open) && !fixed.contains(kind.close) {
            fixed.push_str(kind.close);
            added = Some("appended-closing-tag");
        }
    }
    let found = KINDS.iter().enumerate().find_map(|(n, kind)| {
        let start = fixed.find(kind.open)?;
        let body = start + kind.open.len();
        let rest = &fixed[body..];
        // Browsing goes to the last closing tag, the others to the first.
        let len = if n == 2 { rest.rfind(kind.close) } else { rest.find(kind.close) }?;
        Some((kind, start, body, body + len))
    });
    let Some((kind, start, body, end)) = found else {
        return RuntimeReading::Message { content: text.to_owned() };
    };
    let behind = end + kind.close.len();
    let block = &fixed[start..behind];
    let content = fixed.replace(block, "");
    let mut reading = one_text(kind.name, kind.key, python::strip(&fixed[body..end]), next_id);
    if let Some(kind) = added {
        reading.repair(kind, Span::new(text.trim_end().len(), text.len()));
    }
    if let Some(at) = KINDS.iter().filter_map(|kind| fixed[behind..].find(kind.open)).min() {
        let at = text.floor_char_boundary((behind + at).min(text.len()));
        reading.repair("dropped-call", Span::new(at, text.len()));
    }
    reading.finish(python::strip(&content))
}

fn describe(_: &[ToolDef]) -> String {
    "You work by code that is run for you. Write one of these blocks in a message, and nothing behind it:\n\n\
     <execute_bash>\na command of the shell\n</execute_bash>\n\n\
     <execute_ipython>\nPython for a session that stays open\n</execute_ipython>\n\n\
     <execute_browse>\nactions of a browser\n</execute_browse>\n\n\
     What counts:\n\
     - One block in every message, never two. Thoughts may stand before it. Every tag is closed.\n\
     - The result arrives with the next message, headed `OBSERVATION:`. Wait for it, never write it yourself.\n"
        .to_owned()
}

fn render(content: &str, calls: &[Call<'_>]) -> Result<String, String> {
    common::plain_content(content, &["<execute_"], parse)?;
    let Some(call) = common::at_most_one(calls)? else { return Ok(content.to_owned()) };
    let Some(kind) = KINDS.iter().find(|kind| kind.name == call.name) else {
        return Err(format!("'{}' is none of execute_bash, execute_ipython and execute_browse", call.name));
    };
    let value = common::only_text(call, kind.key)?;
    if value.contains(kind.close) {
        return Err(format!("the value of '{}' holds {}", kind.key, kind.close));
    }
    let lead = if content.is_empty() { String::new() } else { format!("{content}\n\n") };
    Ok(format!("{lead}{}{value}{}", kind.open, kind.close))
}

fn write(content: &str, calls: &[ToolCall]) -> Result<String, String> {
    common::write_with(render, content, calls)
}

fn observe(_: &str, output: &str) -> String {
    format!("{HEADING}\n{output}")
}

fn read_observations(text: &str) -> Vec<TextResult> {
    let content = common::result_behind(text, HEADING);
    content.into_iter().map(|content| TextResult { name: None, content }).collect()
}
