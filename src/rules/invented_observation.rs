//! FC013 invented-observation: a model that goes on after its call invents what the tool would have said.

use super::{At, Check, Found, Message, Rule, View, Weight};
use crate::model::Severity;

pub(super) static ITEM: Rule = Rule {
    id: "FC013",
    name: "invented-observation",
    about: "a message contains the result of a call",
    since: "0.1.0",
    severity: Severity::Error,
    manual: include_str!("invented_observation.md"),
    check: Check::Message(check),
};

fn check(_: &View, message: &Message, found: &mut Found) {
    let Some(first) = message.markup.observations.first() else { return };
    let after_call = message.markup.calls.first().is_some_and(|call| call.span.end <= first.start);
    // What follows the call is dropped by the runtime together with the invention.
    let dropped = after_call && message.runtime_takes_call();
    let runtime = (!dropped).then_some(Severity::Error);
    let weight = Weight { strict: Some(Severity::Error), runtime };
    found.add(At::message(message, Some(*first)), weight, "the message invents the result of a call");
}
