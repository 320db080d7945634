//! Strict parse: what the model wrote, before any runtime repairs it.
//!
//! Invariant: linear in the length of the text; every span lies on character boundaries. A call is
//! counted only where it stands outside the parameter values of another one.

use super::super::{Flaw, FlawKind, Markup, Resume, TextCall, TextParam, foreign_marks};
use super::markers::{self, Mark};
use crate::model::Span;
use memchr::memmem;

pub(super) const FN_OPEN: &str = "<function=";
pub(super) const FN_CLOSE: &str = "</function>";
pub(super) const PARAM_OPEN: &str = "<parameter=";
pub(super) const OBSERVATION: &str = "EXECUTION RESULT of [";
pub(super) const PARAM_CLOSE: &str = "</parameter>";

/// Parses one assistant message.
pub(super) fn parse(text: &str) -> Markup {
    let mut markup = Markup::default();
    let mut closers = Closers::new(text);
    let mut at = 0;
    while let Some((mark, span)) = markers::next(text, at) {
        at = span.end;
        match mark {
            Mark::Call => at = call_at(text, span, &mut closers, &mut markup),
            Mark::Observation => markup.observations.push(line_from(text, span.start)),
            Mark::Turn => {
                if !markup.calls.is_empty() {
                    markup.observations.push(line_from(text, span.start));
                }
            }
            // What stands inside a block that is already known opens no second one.
            Mark::ThinkOpen if markup.reasoning.last().is_some_and(|block| block.end > span.start) => {}
            Mark::ThinkOpen => {
                let end = memmem::find(&text.as_bytes()[span.end..], b"</think>");
                let end = end.map_or(text.len(), |found| span.end + found + "</think>".len());
                markup.reasoning.push(Span::new(span.start, end));
            }
            Mark::ThinkClose => {
                // Some chat templates put the opening tag into the prompt.
                if markup.reasoning.is_empty() && markup.calls.is_empty() {
                    markup.reasoning.push(Span::new(0, span.end));
                }
            }
        }
    }
    let inside = |span: Span| markup.calls.iter().any(|call| call.span.contains(span));
    // Qwen3-Coder wraps the same tags as ours, which are judged as what they are.
    let foreign = foreign_marks(text, "openhands").filter(|(name, _)| *name != "qwen3-coder");
    markup.foreign = foreign.filter(|(_, span)| !inside(*span) && !quoted(text, *span)).collect();
    markup.after_first = markup.calls.first().and_then(|call| {
        let rest = Span::new(call.span.end, text.len());
        (!rest.is_empty()).then_some(rest)
    });
    markup
}

/// Goes on with a message that still comes in.
pub(in crate::dialects) fn read_on(text: &str, from: Resume) -> (Vec<TextCall>, Resume) {
    let mut markup = Markup::default();
    let mut closers = Closers::new(text);
    let mut at = from.at;
    while let Some((mark, span)) = markers::next(text, at) {
        at = span.end;
        if mark != Mark::Call {
            continue;
        }
        // Behind a quote the rest of the line tells whether it is a call, and that may not be here yet.
        if span.start > 0 && text.as_bytes()[span.start - 1] == b'`' {
            break;
        }
        at = call_at(text, span, &mut closers, &mut markup);
    }
    let complete = |call: &TextCall| call.closed && call.params.iter().all(|param| param.closed);
    let calls: Vec<TextCall> = markup.calls.into_iter().take_while(complete).collect();
    let at = calls.last().map_or(from.at, |call| call.span.end);
    (calls, Resume { at, section: None })
}

/// Reads the call whose opening tag begins at `open`; gives the position to go on from.
fn call_at(text: &str, open: Span, closers: &mut Closers, markup: &mut Markup) -> usize {
    // A name needs its bracket on the same line, and one byte at least.
    let bracket = tag_end(text, open.end).filter(|&at| at > open.end && text.as_bytes()[at] == b'>');
    let Some(bracket) = bracket else {
        markup.fragments.push(line_from(text, open.start));
        return open.end;
    };
    let name_span = Span::new(open.end, bracket);
    let tag = Span::new(open.start, name_span.end + 1);
    if quoted(text, tag) {
        return tag.end;
    }
    let mut call = TextCall {
        span: tag,
        name: name_span.text(text).to_owned(),
        name_span,
        params: Vec::new(),
        arguments: None,
        closed: false,
        flaws: Vec::new(),
        nested: Vec::new(),
    };
    if !is_plain(&call.name) {
        call.flaws.push(Flaw { kind: FlawKind::NameNotPlain, span: name_span });
    }
    check_newline(text, tag, &mut call);
    body(text, tag.end, closers, &mut call);
    let end = call.span.end;
    for flaw in call.flaws.iter().filter(|flaw| flaw.kind == FlawKind::StrayText) {
        if let Some(found) = flaw.span.text(text).find(OBSERVATION) {
            markup.observations.push(line_from(text, flaw.span.start + found));
        }
    }
    markup.calls.push(call);
    end
}

/// The opening tag of a call must be followed by a newline at once.
fn check_newline(text: &str, tag: Span, call: &mut TextCall) {
    let rest = &text.as_bytes()[tag.end..];
    if rest.is_empty() || rest[0] == b'\n' {
        return;
    }
    let kind = if rest.starts_with(b"\r\n") { FlawKind::CarriageReturn } else { FlawKind::NoNewlineAfterTag };
    call.flaws.push(Flaw { kind, span: tag });
}

/// Reads parameters up to the closing tag, or to where the call stops.
fn body(text: &str, from: usize, closers: &mut Closers, call: &mut TextCall) {
    let mut at = from;
    let mut gap = from;
    loop {
        let Some((tag, start)) = next_tag(text, at) else {
            stop_unclosed(text, gap, call);
            return;
        };
        match tag {
            Tag::ParamOpen => {
                stray(text, gap, start, call);
                let Some(end) = param_at(text, start, closers, call) else {
                    at = start + PARAM_OPEN.len();
                    gap = start;
                    continue;
                };
                call.span.end = end;
                at = end;
            }
            Tag::FnOpen => {
                stray(text, gap, start, call);
                let name = start + FN_OPEN.len();
                let end = tag_end(text, name).map_or(name, |at| at + 1);
                call.nested.push(Span::new(start, end));
                // What it swallowed is not looked at again, also if it never closes.
                call.span.end = end;
                at = end;
            }
            Tag::FnClose => {
                stray(text, gap, start, call);
                call.closed = true;
                call.span.end = start + FN_CLOSE.len();
                return;
            }
        }
        gap = at;
    }
}

/// The message ends before the call does.
fn stop_unclosed(text: &str, gap: usize, call: &mut TextCall) {
    let rest = text[gap..].trim_end();
    let Some(cut) = rest.rfind("</").filter(|&cut| FN_CLOSE.starts_with(&rest[cut..])) else {
        return;
    };
    let span = Span::new(gap + cut, gap + rest.len());
    stray(text, gap, span.start, call);
    call.flaws.push(Flaw { kind: FlawKind::PartialClosingTag, span });
    call.span.end = span.end;
}

/// Reads the parameter that opens at `start`; `None` if that is no parameter tag at all.
fn param_at(text: &str, start: usize, closers: &mut Closers, call: &mut TextCall) -> Option<usize> {
    let name_start = start + PARAM_OPEN.len();
    let Some(name_end) = tag_end(text, name_start).filter(|&at| text.as_bytes()[at] == b'>') else {
        return equals_form(text, start, call);
    };
    if name_end == name_start {
        return None;
    }
    if memmem::find(&text.as_bytes()[name_start..name_end], b"</parameter").is_some() {
        return equals_form(text, start, call);
    }
    let name_span = Span::new(name_start, name_end);
    let name = name_span.text(text).to_owned();
    if !is_plain(&name) {
        call.flaws.push(Flaw { kind: FlawKind::NameNotPlain, span: name_span });
    }
    let value_start = name_end + 1;
    let (value_end, end, closed) = value_end(text, value_start, closers);
    call.params.push(TextParam { name, name_span, value: Span::new(value_start, value_end), closed });
    Some(end)
}

/// `<parameter=name=value</parameter>`, where the value holds no `<`.
fn equals_form(text: &str, start: usize, call: &mut TextCall) -> Option<usize> {
    let name_start = start + PARAM_OPEN.len();
    let stop = name_start + memchr::memchr(b'<', &text.as_bytes()[name_start..])?;
    let equals = name_start + memchr::memchr(b'=', &text.as_bytes()[name_start..stop])?;
    let word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    if equals == name_start || !text.as_bytes()[name_start..equals].iter().all(word) {
        return None;
    }
    if !text[stop..].starts_with(PARAM_CLOSE) {
        return None;
    }
    let end = stop + PARAM_CLOSE.len();
    let name_span = Span::new(name_start, equals);
    call.flaws.push(Flaw { kind: FlawKind::EqualsForGreater, span: Span::new(start, end) });
    call.params.push(TextParam {
        name: name_span.text(text).to_owned(),
        name_span,
        value: Span::new(equals + 1, stop),
        closed: true,
    });
    Some(end)
}

/// Where a value ends: `(end of the value, end of its closing tag, closed)`.
///
/// A value runs to the first closing tag. If a call is closed or a new one opened before that, and
/// a parameter opens in between, then that closing tag belongs to the later parameter and this one
/// was never closed.
fn value_end(text: &str, start: usize, closers: &mut Closers) -> (usize, usize, bool) {
    let close = closers.param_close(start);
    let limit = close.unwrap_or(text.len());
    let leaves = closers.fn_close(start).filter(|&at| at < limit).into_iter();
    let enters = closers.line_call(start).filter(|&at| at < limit);
    let first = leaves.chain(enters).min();
    if let Some(first) = first {
        let reopened = closers.param_open(first).is_some_and(|at| at < limit);
        if close.is_none() || reopened {
            return (first, first, false);
        }
    }
    match close {
        Some(close) => (close, close + PARAM_CLOSE.len(), true),
        None => (text.len(), text.len(), false),
    }
}

#[derive(Clone, Copy)]
enum Tag {
    ParamOpen,
    FnOpen,
    FnClose,
}

fn next_tag(text: &str, from: usize) -> Option<(Tag, usize)> {
    let bytes = text.as_bytes();
    memchr::memchr_iter(b'<', &bytes[from..]).map(|at| from + at).find_map(|at| {
        let rest = &bytes[at..];
        if rest.starts_with(PARAM_OPEN.as_bytes()) {
            Some((Tag::ParamOpen, at))
        } else if rest.starts_with(FN_OPEN.as_bytes()) {
            Some((Tag::FnOpen, at))
        } else if rest.starts_with(FN_CLOSE.as_bytes()) {
            Some((Tag::FnClose, at))
        } else {
            None
        }
    })
}

/// Notes text between parameters that belongs to none, and CRLF inside the markup.
fn stray(text: &str, from: usize, to: usize, call: &mut TextCall) {
    let between = &text[from..to];
    let trimmed = between.trim_start();
    if !trimmed.is_empty() {
        let start = from + (between.len() - trimmed.len());
        let span = Span::new(start, start + trimmed.trim_end().len());
        call.flaws.push(Flaw { kind: FlawKind::StrayText, span });
    } else if between.contains('\r') && !call.flaws.iter().any(|flaw| flaw.kind == FlawKind::CarriageReturn) {
        call.flaws.push(Flaw { kind: FlawKind::CarriageReturn, span: Span::new(from, to) });
    }
}

/// Whether the tag stands alone in inline code quotes: a mention, not a call.
fn quoted(text: &str, tag: Span) -> bool {
    let bytes = text.as_bytes();
    let before = tag.start.checked_sub(1).and_then(|at| bytes.get(at));
    let fence = tag.start >= 3 && &bytes[tag.start - 3..tag.start] == b"```";
    before == Some(&b'`') && !fence && {
        // The closing quote has to come on the same line, before any parameter.
        let line = &bytes[tag.end..line_from(text, tag.end).end];
        memchr::memchr(b'`', line)
            .is_some_and(|quote| memmem::find(&line[..quote], PARAM_OPEN.as_bytes()).is_none())
    }
}

/// The longest tag or heading that is looked at. Without a bound, a text of nothing but openings on
/// one line would be searched to its end once for each of them.
const TAG_LIMIT: usize = 1024;

/// Where the next `>` or newline stands, if near.
fn tag_end(text: &str, from: usize) -> Option<usize> {
    let window = &text.as_bytes()[from..text.len().min(from + TAG_LIMIT)];
    memchr::memchr2(b'>', b'\n', window).map(|at| from + at)
}

/// From `start` to the end of its line, or to the limit.
fn line_from(text: &str, start: usize) -> Span {
    let limit = text.floor_char_boundary(text.len().min(start + TAG_LIMIT));
    let end = memchr::memchr(b'\n', &text.as_bytes()[start..limit]).map_or(limit, |n| start + n);
    Span::new(start, end)
}

fn is_plain(name: &str) -> bool {
    !name.chars().any(|c| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '<' | '='))
}

/// Positions of the next tags, each text searched only once however many values there are.
struct Closers<'a> {
    text: &'a [u8],
    known: [(usize, Option<usize>); 4],
}

impl<'a> Closers<'a> {
    const NEEDLES: [&'static str; 4] = [PARAM_CLOSE, FN_CLOSE, "\n<function=", PARAM_OPEN];

    fn new(text: &'a str) -> Self {
        Self { text: text.as_bytes(), known: [(usize::MAX, None); 4] }
    }

    /// First occurrence at or after `from`; answers are remembered while they stay ahead.
    fn next(&mut self, which: usize, from: usize) -> Option<usize> {
        let (asked, answer) = self.known[which];
        let fresh = asked <= from && answer.is_none_or(|at| at >= from);
        if !fresh {
            let found = memmem::find(&self.text[from..], Self::NEEDLES[which].as_bytes()).map(|at| from + at);
            self.known[which] = (from, found);
        }
        self.known[which].1
    }

    fn param_close(&mut self, from: usize) -> Option<usize> {
        self.next(0, from)
    }

    fn fn_close(&mut self, from: usize) -> Option<usize> {
        self.next(1, from)
    }

    /// An opening tag of a call at the start of a line.
    fn line_call(&mut self, from: usize) -> Option<usize> {
        self.next(2, from).map(|at| at + 1)
    }

    fn param_open(&mut self, from: usize) -> Option<usize> {
        self.next(3, from)
    }
}
