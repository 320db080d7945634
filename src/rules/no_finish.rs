//! FC023 no-finish: it was cut, or the agent believed to be done without saying so.

use super::{At, Check, Found, Rule, View, Weight};
use crate::model::Severity;

pub(super) static ITEM: Rule = Rule {
    id: "FC023",
    name: "no-finish",
    about: "the trajectory ends without a finish",
    since: "0.1.0",
    severity: Severity::Info,
    manual: include_str!("no_finish.md"),
    check: Check::Trajectory(check),
};

/// Names of tools that end a run.
pub(super) const FINISHERS: &[&str] = &[
    "finish",
    "submit",
    "exit",
    "final_answer",
    "attempt_completion",
    "mark_task_complete",
    "complete_task",
];

fn check(view: &View, found: &mut Found) {
    let Some(last) = view.messages.last() else { return };
    // Where no tool ends a run, a run can't end with one.
    let can_finish = match view.tools {
        Some(tools) => tools.iter().any(|tool| FINISHERS.contains(&tool.name.as_str())),
        None => !view.native,
    };
    let text_calls = last.text_calls().map(|call| call.name.as_str());
    let native_calls = last.native_calls().iter().map(|call| call.name.as_str());
    if can_finish && !text_calls.chain(native_calls).any(|name| FINISHERS.contains(&name)) {
        let text = "the trajectory ends without a call of finish";
        found.add(At::message(last, None), Weight::both(Severity::Info), text);
    }
}
