//! FC019 unanswered-call: back ends refuse a conversation in which a call has no result.

use super::no_finish::FINISHERS;
use super::{At, Check, Found, Rule, View, Weight, quote};
use crate::model::Severity;
use std::collections::HashSet;

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
    let results = view.trajectory.steps.iter().filter_map(|step| step.observation.as_ref());
    let answered: HashSet<&str> = results
        .flat_map(|observation| &observation.results)
        .filter_map(|result| result.call_id.as_deref())
        .collect();
    let last = view.messages.last().map(|message| message.index);
    for message in &view.messages {
        for call in message.native_calls() {
            if answered.contains(call.id.as_str()) || FINISHERS.contains(&call.name.as_str()) {
                continue;
            }
            // Where a run was cut, its last call never got an answer.
            let ends = Some(message.index) == last && view.next_step(message).is_none();
            let severity = if ends { Severity::Info } else { Severity::Error };
            let text = format!("the call of {} has no result", quote(&call.name));
            found.add(At::message(message, None), Weight::both(severity), text);
        }
    }
}
