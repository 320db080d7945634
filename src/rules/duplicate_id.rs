//! FC020 duplicate-id: without an id of its own for every call, results can't be told apart.

use super::{At, Check, Found, Rule, View, Weight, quote};
use crate::model::Severity;
use std::collections::HashSet;

pub(super) static ITEM: Rule = Rule {
    id: "FC020",
    name: "duplicate-id",
    about: "two calls have the same id, or a call has none",
    since: "0.1.0",
    severity: Severity::Error,
    manual: include_str!("duplicate_id.md"),
    check: Check::Trajectory(check),
};

fn check(view: &View, found: &mut Found) {
    let mut seen = HashSet::new();
    for message in view.messages.iter().filter(|message| message.step.copied != Some(true)) {
        for call in message.native_calls() {
            if call.id.is_empty() {
                let text = format!("the call of {} has no id", quote(&call.name));
                found.add(At::call(message, call), Weight::both(Severity::Error), text);
            } else if !seen.insert(call.id.as_str()) {
                let text = format!("the id {} was used by an earlier call", quote(&call.id));
                found.add(At::call(message, call), Weight::both(Severity::Error), text);
            }
        }
    }
}
