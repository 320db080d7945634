//! What the strict parsers of all dialects do alike.

use super::{Call, Flaw, FlawKind, Markup, TextCall, foreign_marks};
use crate::model::{Object, Span, ToolCall};
use memchr::memmem;

pub(super) const THINK: &str = "<think>";
pub(super) const THINK_END: &str = "</think>";

/// The longest tag, heading or line that is looked at as one. Without a bound, a text of nothing but openings
/// on one line would be searched to its end once for each of them.
pub(super) const TAG_LIMIT: usize = 1024;

/// Fills in what stands around the calls: the text behind the first one, reasoning, marks of other dialects.
///
/// Calls must be in order and must not overlap.
pub(super) fn around(text: &str, own: &'static str, mut markup: Markup) -> Markup {
    markup.after_first = markup.calls.first().and_then(|call| {
        let rest = Span::new(call.span.end, text.len());
        (!rest.is_empty()).then_some(rest)
    });
    markup.reasoning = reasoning(text, &markup.calls);
    let foreign = foreign_marks(text, own)
        .filter(|(_, span)| !in_call(&markup.calls, span.start) && !mentioned(text, *span));
    markup.foreign = foreign.collect();
    markup
}

/// Whether a call covers that byte.
pub(super) fn in_call(calls: &[TextCall], at: usize) -> bool {
    let next = calls.partition_point(|call| call.span.start <= at);
    next.checked_sub(1).is_some_and(|last| at < calls[last].span.end)
}

/// Blocks of `<think>`, outside of calls; an unclosed one goes to the end. Some chat templates put the opening
/// tag into the prompt: then the block begins with the message.
fn reasoning(text: &str, calls: &[TextCall]) -> Vec<Span> {
    let bytes = text.as_bytes();
    let mut blocks: Vec<Span> = Vec::new();
    if let Some(close) = memmem::find(bytes, THINK_END.as_bytes())
        && !in_call(calls, close)
        && memmem::find(&bytes[..close], THINK.as_bytes()).is_none()
    {
        blocks.push(Span::new(0, close + THINK_END.len()));
    }
    let mut at = blocks.last().map_or(0, |block| block.end);
    while let Some(open) = memmem::find(&bytes[at..], THINK.as_bytes()).map(|found| at + found) {
        if in_call(calls, open) {
            at = open + THINK.len();
            continue;
        }
        let close = memmem::find(&bytes[open..], THINK_END.as_bytes());
        let end = close.map_or(text.len(), |found| open + found + THINK_END.len());
        blocks.push(Span::new(open, end));
        at = end;
    }
    blocks
}

/// Whether a tag stands alone in inline code quotes, which close on the same line: a mention, not a use.
pub(super) fn mentioned(text: &str, tag: Span) -> bool {
    behind_quote(text, tag)
        && memchr::memchr(b'`', &text.as_bytes()[tag.end..line_end(text, tag.end)]).is_some()
}

/// Whether a tag that is no mention becomes one if a quote follows on its line, which has not ended yet.
pub(super) fn may_be_mentioned(text: &str, tag: Span) -> bool {
    behind_quote(text, tag) && line_end(text, tag.end) == text.len()
}

/// Whether a quote of code stands right before a tag, and no fence.
fn behind_quote(text: &str, tag: Span) -> bool {
    text[..tag.start].ends_with('`') && !text[..tag.start].ends_with("```")
}

/// The end of the line that `at` stands in, or of what is looked at of it.
pub(super) fn line_end(text: &str, at: usize) -> usize {
    let limit = text.floor_char_boundary(text.len().min(at + TAG_LIMIT));
    memchr::memchr(b'\n', &text.as_bytes()[at..limit]).map_or(limit, |found| at + found)
}

/// From `start` to the end of its line.
pub(super) fn line_from(text: &str, start: usize) -> Span {
    Span::new(start, line_end(text, start))
}

/// Where a heading or tag of an observation counts as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Anywhere outside of calls.
    Anywhere,
    /// At the start of a line behind the first call.
    LineAfterCall,
}

/// Notes the headings of results that the message holds outside of its calls, in order.
pub(super) fn observations(text: &str, headings: &[(&str, Place)], markup: &mut Markup) {
    let first = markup.calls.first().map(|call| call.span.end);
    for (heading, place) in headings {
        for at in memmem::find_iter(text.as_bytes(), heading.as_bytes()) {
            let counts = match place {
                Place::Anywhere => true,
                Place::LineAfterCall => {
                    first.is_some_and(|end| at >= end) && (at == 0 || text.as_bytes()[at - 1] == b'\n')
                }
            };
            let tag = Span::new(at, at + heading.len());
            if counts && !in_call(&markup.calls, at) && !mentioned(text, tag) {
                markup.observations.push(line_from(text, at));
            }
        }
    }
    markup.observations.sort_unstable();
}

/// Where a text stands next: a question is answered from memory while the answer stays ahead, so that each part of the
/// text is searched only once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Next {
    asked: usize,
    answer: Option<usize>,
}

impl Next {
    /// Nothing is known yet.
    pub(super) const UNASKED: Self = Self { asked: usize::MAX, answer: None };

    /// First occurrence at or after `from`; it is always asked of the same text and needle.
    pub(super) fn at(&mut self, text: &[u8], needle: &str, from: usize) -> Option<usize> {
        if self.asked > from || self.answer.is_some_and(|at| at < from) {
            let rest = text.get(from..).unwrap_or_default();
            *self = Self { asked: from, answer: memmem::find(rest, needle.as_bytes()).map(|at| from + at) };
        }
        self.answer
    }
}

/// Positions of texts that are looked for again and again.
pub(super) struct Finder<'a, const N: usize> {
    text: &'a [u8],
    needles: [&'static str; N],
    known: [Next; N],
}

impl<'a, const N: usize> Finder<'a, N> {
    pub(super) fn new(text: &'a str, needles: [&'static str; N]) -> Self {
        Self { text: text.as_bytes(), needles, known: [Next::UNASKED; N] }
    }

    /// First occurrence of a needle at or after `from`.
    pub(super) fn next(&mut self, which: usize, from: usize) -> Option<usize> {
        self.known[which].at(self.text, self.needles[which], from)
    }
}

/// An empty call of that span and name.
pub(super) fn call(span: Span, name: &str, name_span: Span) -> TextCall {
    TextCall {
        span,
        name: name.to_owned(),
        name_span,
        params: Vec::new(),
        arguments: None,
        closed: false,
        flaws: Vec::new(),
        nested: Vec::new(),
    }
}

/// Notes what is not blank between `from` and `to` as text that belongs to nothing.
pub(super) fn stray(text: &str, from: usize, to: usize, flaws: &mut Vec<Flaw>) {
    let between = text.get(from..to).unwrap_or("");
    let trimmed = between.trim();
    if !trimmed.is_empty() {
        let start = from + (between.len() - between.trim_start().len());
        flaws.push(Flaw { kind: FlawKind::StrayText, span: Span::new(start, start + trimmed.len()) });
    }
}

/// `span` without the blanks at its ends.
pub(super) fn trimmed(text: &str, span: Span) -> Span {
    let inside = span.text(text);
    let start = span.start + (inside.len() - inside.trim_start().len());
    Span::new(start, start + inside.trim().len())
}

/// The results that a message of nothing but blocks of `open` … `close` holds.
///
/// A closing tag counts where the message ends behind it or another block opens, so that a result may hold one.
/// One newline at each end belongs to the tags where `lines` is set.
pub(super) fn results_in_tags(text: &str, open: &str, close: &str, lines: bool) -> Vec<Span> {
    let mut results = Vec::new();
    let mut at = text.len() - text.trim_start().len();
    while text[at..].starts_with(open) {
        let start = at + open.len();
        let ends = memmem::find_iter(&text.as_bytes()[start..], close.as_bytes()).map(|found| start + found);
        let last = ends.map(|end| (end, end + close.len())).find(|(_, behind)| {
            let rest = text[*behind..].trim_start();
            rest.is_empty() || rest.starts_with(open)
        });
        let (end, behind) = last.unwrap_or((text.len(), text.len()));
        let mut span = Span::new(start, end);
        if lines {
            span = without_lines(text, span);
        }
        results.push(span);
        at = behind + (text[behind..].len() - text[behind..].trim_start().len());
    }
    results
}

/// `span` without one newline at its start and one at its end.
pub(super) fn without_lines(text: &str, span: Span) -> Span {
    let inside = span.text(text);
    let start = span.start + usize::from(inside.starts_with('\n'));
    let end = span.end - usize::from(inside.len() > 1 && inside.ends_with('\n'));
    Span::new(start, end.max(start))
}

/// The one result of a message that begins with a heading; a newline behind it belongs to the heading.
pub(super) fn result_behind(text: &str, heading: &str) -> Option<Span> {
    let rest = text.strip_prefix(heading)?;
    let start = heading.len() + usize::from(rest.starts_with('\n'));
    Some(Span::new(start, text.len()))
}

/// Writes calls of a trajectory through a dialect's `render`.
pub(super) fn write_with(
    render: fn(&str, &[Call<'_>]) -> Result<String, String>,
    content: &str,
    calls: &[ToolCall],
) -> Result<String, String> {
    let mut list: Vec<Call<'_>> = Vec::with_capacity(calls.len());
    for call in calls {
        let Some(arguments) = &call.arguments.parsed else {
            return Err(format!("the arguments of '{}' are not a JSON object", call.name));
        };
        list.push(Call { id: &call.id, name: &call.name, arguments });
    }
    render(content, &list)
}

/// The only value of a call that takes a command: the text of its one argument of that name.
pub(super) fn only_text<'a>(call: &Call<'a>, key: &str) -> Result<&'a str, String> {
    let arguments: &'a Object = call.arguments;
    match (arguments.len(), arguments.get(key).and_then(serde_json::Value::as_str)) {
        (1, Some(text)) => Ok(text),
        _ => Err(format!("'{}' has other arguments than one text named '{key}'", call.name)),
    }
}

/// Refuses a second call where the dialect holds one.
pub(super) fn at_most_one<'a, 'b>(calls: &'a [Call<'b>]) -> Result<Option<&'a Call<'b>>, String> {
    if calls.len() > 1 {
        return Err(format!("a message holds one call, not {}", calls.len()));
    }
    Ok(calls.first())
}

/// Refuses a text that would be read as a call of its own beside the calls that are written.
pub(super) fn plain_content(content: &str, marks: &[&str], parse: fn(&str) -> Markup) -> Result<(), String> {
    let Some(mark) = marks.iter().find(|mark| memmem::find(content.as_bytes(), mark.as_bytes()).is_some())
    else {
        return Ok(());
    };
    let markup = parse(content);
    if markup.calls.is_empty() && markup.fragments.is_empty() {
        return Ok(());
    }
    Err(format!("the text beside the calls holds {}, which would be read as a call", mark.trim()))
}

/// Refuses a name that a tag can't hold: it ends at its bracket.
pub(super) fn plain_name(what: &str, name: &str) -> Result<(), String> {
    if name.is_empty() || name.contains(['>', '\n']) {
        return Err(format!("{what} is empty or holds a bracket or a newline"));
    }
    Ok(())
}
