//! RE004 reasoning-leak: reasoning in the content is shown to the user, and trained on as if it were the answer.

use super::think::tags;
use super::{At, Check, Found, Message, Rule, View, Weight};
use crate::model::{Severity, Span};

pub(super) static ITEM: Rule = Rule {
    id: "RE004",
    name: "reasoning-leak",
    about: "reasoning stands in the content",
    since: "0.1.0",
    severity: Severity::Warning,
    manual: include_str!("reasoning_leak.md"),
    check: Check::Message(check),
};

/// Bytes of the reasoning that are looked for in the content.
const SAMPLE: usize = 80;

fn check(_: &View, message: &Message, found: &mut Found) {
    let apart = message.step.reasoning.as_deref().map(str::trim).filter(|text| !text.is_empty());
    if let Some(reasoning) = apart {
        // What a template writes beside the field is the same text again.
        let sample = &reasoning[..reasoning.floor_char_boundary(reasoning.len().min(SAMPLE))];
        if reasoning.len() >= SAMPLE
            && let Some(at) = memchr::memmem::find(message.text.as_bytes(), sample.as_bytes())
        {
            let line = sample.lines().next().map_or(0, str::len);
            let text = "the content repeats the reasoning that came apart from it";
            found.add(
                At::message(message, Some(Span::new(at, at + line))),
                Weight::both(Severity::Warning),
                text,
            );
            return;
        }
    }
    let tags = tags(message);
    let Some(first) = tags.first() else { return };
    let text = if !first.opens && !message.text[..first.span.start].trim().is_empty() {
        format!("the text before </{}> is reasoning, and no tag opens it", first.name)
    } else if apart.is_some() {
        "the content has think tags although the reasoning came apart from it".to_owned()
    } else {
        return;
    };
    found.add(At::message(message, Some(first.span)), Weight::both(Severity::Warning), text);
}
