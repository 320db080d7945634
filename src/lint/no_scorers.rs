//! SL010 no-scorers: nothing judges the task: every attempt passes.

use super::{Check, Found, Lint, Look};
use crate::model::Severity;

pub(super) static ITEM: Lint = Lint {
    id: "SL010",
    name: "no-scorers",
    about: "nothing judges the task: every attempt passes",
    since: "0.1.0",
    severity: Severity::Error,
    manual: include_str!("no_scorers.md"),
    check: Check::Suite(check),
};

fn check(look: &Look<'_>, found: &mut Found) {
    for task in look.suite.tasks.iter().filter(|task| task.score.is_empty()) {
        found.add(Some(&task.id), look.home(task), "the task has no scorer, so whatever ends passes");
    }
}
