//! FC014 call-in-reasoning: a call in the reasoning is thought, not made; some parsers take it all the same.

use super::{At, Check, Found, Message, Rule, View, Weight};
use crate::model::{Severity, Span};

pub(super) static ITEM: Rule = Rule {
    id: "FC014",
    name: "call-in-reasoning",
    about: "a call stands inside the reasoning",
    since: "0.1.0",
    severity: Severity::Warning,
    manual: include_str!("call_in_reasoning.md"),
    check: Check::Message(check),
};

fn check(view: &View, message: &Message, found: &mut Found) {
    let only = message.strict_calls() == 0;
    let strict = if only { Severity::Error } else { Severity::Warning };
    let text =
        if only { "the only call stands inside the reasoning" } else { "a call stands inside the reasoning" };
    if let Some(call) = message.hidden_calls().next() {
        let span = Span::new(call.span.start, (call.name_span.end + 1).min(call.span.end));
        // A parser that looks for the first tag finds this one.
        let runtime = message.runtime_takes_call().then_some(Severity::Warning);
        found.add(At::message(message, Some(span)), Weight { strict: Some(strict), runtime }, text);
    } else if message.call_in_separate_reasoning(view.dialect) {
        found.add(At::message(message, None), Weight::strict(strict), text);
    }
}
