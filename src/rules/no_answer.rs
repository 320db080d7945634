//! RE003 no-answer: what is thought and not said helps nobody.

use super::think::{blocks, tags};
use super::{At, Check, Found, Message, Rule, View, Weight};
use crate::model::{Severity, Span};

pub(super) static ITEM: Rule = Rule {
    id: "RE003",
    name: "no-answer",
    about: "reasoning is there, and neither an answer nor a call",
    since: "0.1.0",
    severity: Severity::Warning,
    manual: include_str!("no_answer.md"),
    check: Check::Message(check),
};

fn check(_: &View, message: &Message, found: &mut Found) {
    // A call inside the reasoning is FC014's, a reply that was cut FC005's.
    if message.was_cut() || message.strict_calls() > 0 || message.hidden_calls().next().is_some() {
        return;
    }
    let apart = message.step.reasoning.as_deref().is_some_and(|text| !text.trim().is_empty());
    if apart && message.text.trim().is_empty() {
        let text = "the reasoning is followed by neither an answer nor a call";
        found.add(At::message(message, None), Weight::both(Severity::Warning), text);
        return;
    }
    let tags = tags(message);
    let Some(first) = tags.first() else { return };
    let inside = blocks(message, &tags);
    if inside.iter().all(|block| block.text(&message.text).trim().is_empty()) {
        return;
    }
    // All that is neither tag nor reasoning.
    let mut at = 0;
    let mut blank = true;
    let mut spans: Vec<Span> = inside.into_iter().chain(tags.iter().map(|tag| tag.span)).collect();
    spans.sort_unstable();
    for span in spans {
        blank &= at >= span.start || message.text[at..span.start].trim().is_empty();
        at = at.max(span.end);
    }
    blank &= message.text[at.min(message.text.len())..].trim().is_empty();
    if blank {
        let text = "the reasoning is followed by neither an answer nor a call";
        found.add(At::message(message, Some(first.span)), Weight::both(Severity::Warning), text);
    }
}
