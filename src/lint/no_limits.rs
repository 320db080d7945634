//! SL013 no-limits: the task has no limit on its time or on its turns.

use super::{Check, Found, Lint, Look};
use crate::model::Severity;

pub(super) static ITEM: Lint = Lint {
    id: "SL013",
    name: "no-limits",
    about: "the task has no limit on its time or on its turns",
    since: "0.1.0",
    severity: Severity::Warning,
    manual: include_str!("no_limits.md"),
    check: Check::Suite(check),
};

fn check(look: &Look<'_>, found: &mut Found) {
    for task in &look.suite.tasks {
        let limits = &task.limits;
        let turns = limits.turns.is_some() || limits.tokens.is_some() || limits.usd.is_some();
        let missing = match (limits.wall.is_some(), turns) {
            (true, true) => continue,
            (false, true) => "of 'wall'",
            (true, false) => "of 'turns', 'tokens' or 'usd'",
            (false, false) => "of 'wall', nor one of 'turns', 'tokens' or 'usd'",
        };
        found.add(Some(&task.id), look.home(task), format!("the task has no limit {missing}"));
    }
}
