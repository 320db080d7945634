//! FC002 multiple-calls: parsers of the exactly-one kind run the first call and drop the others without a word.

use super::{At, Check, Found, Message, Rule, View, Weight};
use crate::model::{CallPolicy, Severity, Span};

pub(super) static ITEM: Rule = Rule {
    id: "FC002",
    name: "multiple-calls",
    about: "a message makes more than one call",
    since: "0.1.0",
    severity: Severity::Error,
    manual: include_str!("multiple_calls.md"),
    check: Check::Message(check),
};

fn check(view: &View, message: &Message, found: &mut Found) {
    if matches!(view.policy.calls, CallPolicy::AtLeastOne | CallPolicy::Any) {
        return;
    }
    let count = message.strict_calls();
    if count < 2 {
        return;
    }
    let second = message.text_calls().nth(1).or_else(|| message.text_calls().next()).map(|call| {
        let end = (call.name_span.end + 1).min(call.span.end);
        Span::new(call.span.start, end)
    });
    let at = match message.native_calls() {
        [_, call, ..] if second.is_none() => At::call(message, call),
        _ => At::message(message, second),
    };
    // The runtime of text calls takes one and drops the rest: in its reading there is no second call.
    let several = message.runtime_calls(view) > 1 || message.runtime_refuses_several();
    let runtime = several.then_some(Severity::Error);
    let weight = Weight { strict: Some(Severity::Error), runtime };
    found.add(at, weight, format!("the message makes {count} calls instead of one"));
}
