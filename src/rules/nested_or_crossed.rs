//! FC016 nested-or-crossed: runtimes merge the parameters of both calls into one.

use super::{At, Check, Found, Message, Rule, View, Weight, quote};
use crate::model::Severity;

pub(super) static ITEM: Rule = Rule {
    id: "FC016",
    name: "nested-or-crossed",
    about: "a call opens before the one before it has closed",
    since: "0.1.0",
    severity: Severity::Error,
    manual: include_str!("nested_or_crossed.md"),
    check: Check::Message(check),
};

fn check(_: &View, message: &Message, found: &mut Found) {
    for call in message.text_calls() {
        if let Some(span) = call.nested.first() {
            let runtime = message.runtime_takes_call().then_some(Severity::Error);
            let text = format!("a second call opens inside the call of {}", quote(&call.name));
            found.add(
                At::message(message, Some(*span)),
                Weight { strict: Some(Severity::Error), runtime },
                text,
            );
        }
    }
}
