//! FC019 unanswered-call: back ends refuse a conversation in which a call has no result.

use super::no_finish::FINISHERS;
use super::{At, Check, Found, Message, Rule, View, Weight, quote};
use crate::model::{Severity, ToolCall};
use std::collections::HashMap;

pub(super) static ITEM: Rule = Rule {
    id: "FC019",
    name: "unanswered-call",
    about: "a call has no result",
    since: "0.1.0",
    severity: Severity::Error,
    manual: include_str!("unanswered_call.md"),
    check: Check::Trajectory(check),
};

fn check(view: &View, found: &mut Found) {
    // A result answers the last call of its id before it: some agents use an id again.
    let mut open: HashMap<&str, (&Message, &ToolCall)> = HashMap::new();
    let mut unanswered = Vec::new();
    let mut messages = view.messages.iter().peekable();
    for (position, step) in view.trajectory.steps.iter().enumerate() {
        while let Some(message) = messages.next_if(|message| message.position <= position) {
            for call in message.native_calls() {
                unanswered.extend(open.insert(call.id.as_str(), (message, call)));
            }
        }
        for result in step.observation.iter().flat_map(|observation| &observation.results) {
            if let Some(id) = &result.call_id {
                open.remove(id.as_str());
            }
        }
    }
    let mut rest: Vec<(&Message, &ToolCall)> = open.into_values().collect();
    unanswered.append(&mut rest);
    unanswered.retain(|(_, call)| !FINISHERS.contains(&call.name.as_str()));
    unanswered.sort_by_key(|(message, call)| (message.index, call.id.as_str()));
    let last = view.messages.last().map(|message| message.index);
    for (message, call) in unanswered {
        // Where a run was cut, its last call never got an answer.
        let ends = Some(message.index) == last && view.next_step(message).is_none();
        let severity = if ends { Severity::Info } else { Severity::Error };
        let text = format!("the call of {} has no result", quote(&call.name));
        found.add(At::call(message, call), Weight::both(severity), text);
    }
}
