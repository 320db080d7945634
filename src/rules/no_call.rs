//! FC001 no-call: a message that calls nothing ends or stalls an agent loop.

use super::{At, Check, Found, Message, Rule, View, Weight, first_line};
use crate::model::{CallPolicy, Severity, Source};

pub(super) static ITEM: Rule = Rule {
    id: "FC001",
    name: "no-call",
    about: "a message makes no call",
    since: "0.1.0",
    severity: Severity::Error,
    manual: include_str!("no_call.md"),
    check: Check::Message(check),
};

fn check(view: &View, message: &Message, found: &mut Found) {
    if matches!(view.policy.calls, CallPolicy::AtMostOne | CallPolicy::Any) || message.was_cut() {
        return;
    }
    // A call in another dialect or only in reasoning is told by FC015 and FC014.
    let elsewhere = !message.markup.foreign.is_empty()
        || message.hidden_calls().next().is_some()
        || message.call_in_separate_reasoning(view.dialect);
    let strict = message.strict_calls() == 0 && !elsewhere;
    let runtime = if view.native { strict } else { message.runtime_sees_no_call() };
    let next = view.next_step(message);
    let may_ask = view.policy.ask && next.is_none_or(|step| step.source == Source::User);
    let severity = if may_ask { Severity::Info } else { Severity::Error };
    let text = match (strict, may_ask) {
        (true, true) => "the message makes no call: it asks or answers the user",
        (true, false) => "the message makes no call",
        (false, _) => "the runtime sees no call in the message",
    };
    let span = Some(first_line(&message.text));
    let weight = Weight { strict: strict.then_some(severity), runtime: runtime.then_some(severity) };
    found.add(At::message(message, span), weight, text);
}
