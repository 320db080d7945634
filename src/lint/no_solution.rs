//! SL010 no-solution: the task has no solution, so nobody knows whether it can be solved.

use super::{Check, Found, Lint, Look};
use crate::model::Severity;

pub(super) static ITEM: Lint = Lint {
    id: "SL010",
    name: "no-solution",
    about: "the task has no solution, so nobody knows whether it can be solved",
    since: "0.1.0",
    severity: Severity::Warning,
    manual: include_str!("no_solution.md"),
    check: Check::Suite(check),
};

fn check(look: &Look<'_>, found: &mut Found) {
    for task in look.suite.tasks.iter().filter(|task| task.solution.is_none()) {
        found.add(
            Some(&task.id),
            look.home(task),
            "the task has no solution that could be proven to score 1",
        );
    }
}
