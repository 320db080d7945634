//! FC018 orphan-result: a conversation with it can't be sent to a back end again.

use super::{At, Check, Found, Rule, View, Weight, quote};
use crate::model::Severity;
use std::collections::HashSet;

pub(super) static ITEM: Rule = Rule {
    id: "FC018",
    name: "orphan-result",
    about: "a result answers no call",
    since: "0.1.0",
    severity: Severity::Error,
    manual: include_str!("orphan_result.md"),
    check: Check::Trajectory(check),
};

fn check(view: &View, found: &mut Found) {
    let mut known = HashSet::new();
    let mut messages = view.messages.iter().peekable();
    let mut last = None;
    for (position, step) in view.trajectory.steps.iter().enumerate() {
        while let Some(message) = messages.next_if(|message| message.position <= position) {
            last = Some(message);
        }
        known.extend(step.calls.iter().map(|call| call.id.as_str()));
        for result in step.observation.iter().flat_map(|observation| &observation.results) {
            let Some(id) = result.call_id.as_deref().filter(|id| !known.contains(id)) else { continue };
            let message = last.map(|message| message.index);
            let at = At { step: Some(step.id), message, span: None, place: result.place };
            found.add(
                at,
                Weight::both(Severity::Error),
                format!("no call has the id {} of this result", quote(id)),
            );
        }
    }
}
