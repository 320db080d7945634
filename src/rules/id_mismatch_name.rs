//! FC021 id-mismatch-name: one of the two was mixed up.

use super::{At, Check, Found, Rule, View, Weight, quote};
use crate::model::Severity;
use std::collections::HashMap;

pub(super) static ITEM: Rule = Rule {
    id: "FC021",
    name: "id-mismatch-name",
    about: "a result names another tool than its call",
    since: "0.1.0",
    severity: Severity::Warning,
    manual: include_str!("id_mismatch_name.md"),
    check: Check::Trajectory(check),
};

fn check(view: &View, found: &mut Found) {
    // The last call of an id before a result is the one that it answers: some agents use an id again.
    let mut calls = HashMap::new();
    let mut messages = view.messages.iter().peekable();
    for (position, step) in view.trajectory.steps.iter().enumerate() {
        while let Some(message) = messages.next_if(|message| message.position <= position) {
            for call in message.native_calls() {
                calls.insert(call.id.as_str(), (message, call.name.as_str()));
            }
        }
        for result in step.observation.iter().flat_map(|observation| &observation.results) {
            let (Some(id), Some(name)) = (&result.call_id, &result.name) else { continue };
            let Some((message, called)) = calls.get(id.as_str()).filter(|(_, called)| called != name) else {
                continue;
            };
            let at =
                At { step: Some(step.id), message: Some(message.index), span: None, place: result.place };
            let text = format!("a result of {} answers the call of {}", quote(name), quote(called));
            found.add(at, Weight::both(Severity::Warning), text);
        }
    }
}
