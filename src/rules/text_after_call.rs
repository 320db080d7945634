//! FC003 text-after-call: a runtime drops what follows the call, and the model believes that it was said.

use super::{At, Check, Found, Message, Rule, View, Weight};
use crate::model::{Severity, Span};

pub(super) static ITEM: Rule = Rule {
    id: "FC003",
    name: "text-after-call",
    about: "text follows the call",
    since: "0.1.0",
    severity: Severity::Error,
    manual: include_str!("text_after_call.md"),
    check: Check::Message(check),
};

fn check(_: &View, message: &Message, found: &mut Found) {
    let Some(after) = message.markup.after_first else { return };
    let Some(first) = message.text_calls().next() else { return };
    // A call inside reasoning that comes before is FC014's.
    let mut at = after.start.max(first.span.end);
    // What a message invents after its call is FC013's from there on.
    let end = message.markup.observations.iter().map(|span| span.start).filter(|start| *start >= at).min();
    let end = end.unwrap_or(message.text.len());
    let mut pieces = Vec::new();
    for call in message.text_calls().skip(1) {
        pieces.push(Span::new(at, call.span.start.min(end).max(at)));
        at = call.span.end.max(at);
    }
    pieces.push(Span::new(at, end.max(at)));
    for piece in pieces {
        let text = piece.text(&message.text);
        let trimmed = text.trim();
        if trimmed.is_empty() {
            continue;
        }
        let start = piece.start + (text.len() - text.trim_start().len());
        let span = Span::new(start, start + trimmed.lines().next().unwrap_or("").trim_end().len());
        let (severity, sentence) = if is_remnant(trimmed) {
            (Severity::Warning, "a remnant of other markup follows the call")
        } else {
            (Severity::Error, "text follows the call")
        };
        found.add(At::message(message, Some(span)), Weight::strict(severity), sentence);
        return;
    }
}

/// Closing tags and fences that models leave behind.
fn is_remnant(text: &str) -> bool {
    text.split_whitespace().all(|word| {
        matches!(
            word,
            "</think>"
                | "</tool_call>"
                | "```"
                | "</s>"
                | "</tool_calls>"
                | "<|eot_id|>"
                | "<|eom_id|>"
                | "<|im_end|>"
                | "<|python_end|>"
        )
    })
}
