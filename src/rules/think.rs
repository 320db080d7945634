//! Think tags in a message, those in code and calls left out.

use super::prose::pieces;
use super::view::Message;
use crate::model::Span;

/// Names of the tags.
const NAMES: &[&str] = &["think", "thinking", "reasoning", "thought"];

/// A think tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tag {
    pub(super) name: &'static str,
    pub(super) opens: bool,
    pub(super) span: Span,
}

/// Tags of the text in order; most texts have none, and cost one search.
pub(super) fn tags(message: &Message) -> Vec<Tag> {
    let mut out = Vec::new();
    let text: &str = &message.text;
    let bytes = text.as_bytes();
    let any =
        memchr::memmem::find(bytes, b"th").is_some() || memchr::memmem::find(bytes, b"reasoning>").is_some();
    if !any || memchr::memchr(b'<', bytes).is_none() {
        return out;
    }
    let calls: Vec<Span> = message.markup.calls.iter().map(|call| call.span).collect();
    pieces(text, &calls, false, &mut |base, piece| {
        for at in memchr::memchr_iter(b'<', piece.as_bytes()) {
            let rest = &piece[at + 1..];
            let (opens, rest) = match rest.strip_prefix('/') {
                Some(rest) => (false, rest),
                None => (true, rest),
            };
            let name =
                NAMES.iter().find(|name| rest.strip_prefix(**name).is_some_and(|rest| rest.starts_with('>')));
            if let Some(name) = name {
                let len = name.len() + 2 + usize::from(!opens);
                out.push(Tag { name, opens, span: Span::new(base + at, base + at + len) });
            }
        }
    });
    out
}

/// The reasoning that stands in the text: what balanced tags hold, and what an unclosed one begins.
pub(super) fn blocks(message: &Message, tags: &[Tag]) -> Vec<Span> {
    let mut out = Vec::new();
    let mut open: Option<Tag> = None;
    for tag in tags {
        match open {
            None if tag.opens => open = Some(*tag),
            Some(first) if !tag.opens && tag.name == first.name => {
                out.push(Span::new(first.span.end, tag.span.start));
                open = None;
            }
            _ => {}
        }
    }
    if let Some(first) = open {
        out.push(Span::new(first.span.end, message.text.len()));
    }
    out
}
