//! What the strict parsers of all dialects do alike once their calls are found.

use super::{Markup, foreign_marks};
use crate::model::Span;
use memchr::memmem;

pub(super) const THINK: &str = "<think>";
pub(super) const THINK_END: &str = "</think>";

/// Fills in what stands around the calls: the text behind the first one, reasoning, marks of other dialects.
pub(super) fn around(text: &str, own: &'static str, mut markup: Markup) -> Markup {
    markup.after_first = markup.calls.first().and_then(|call| {
        let rest = Span::new(call.span.end, text.len());
        (!rest.is_empty()).then_some(rest)
    });
    markup.reasoning = reasoning(text, &markup);
    let inside = |span: Span| markup.calls.iter().any(|call| call.span.contains(span));
    markup.foreign = foreign_marks(text, own).filter(|(_, span)| !inside(*span)).collect();
    markup
}

/// Blocks of `<think>`, outside of calls; an unclosed one goes to the end. Some chat templates put the opening
/// tag into the prompt: then the block begins with the message.
fn reasoning(text: &str, markup: &Markup) -> Vec<Span> {
    let bytes = text.as_bytes();
    let in_call = |at: usize| markup.calls.iter().any(|call| call.span.start <= at && at < call.span.end);
    let mut blocks: Vec<Span> = Vec::new();
    if let Some(close) = memmem::find(bytes, THINK_END.as_bytes())
        && !in_call(close)
        && memmem::find(&bytes[..close], THINK.as_bytes()).is_none()
    {
        blocks.push(Span::new(0, close + THINK_END.len()));
    }
    let mut at = blocks.last().map_or(0, |block| block.end);
    while let Some(open) = memmem::find(&bytes[at..], THINK.as_bytes()).map(|found| at + found) {
        if in_call(open) {
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
