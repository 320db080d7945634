//! SL011 no-cheats: the task has no cheats, so nobody knows what its scorers let pass.

use super::{Check, Found, Lint, Look};
use crate::model::Severity;

pub(super) static ITEM: Lint = Lint {
    id: "SL011",
    name: "no-cheats",
    about: "the task has no cheats, so nobody knows what its scorers let pass",
    since: "0.1.0",
    severity: Severity::Info,
    manual: include_str!("no_cheats.md"),
    check: Check::Suite(check),
};

fn check(look: &Look<'_>, found: &mut Found) {
    for task in look.suite.tasks.iter().filter(|task| task.cheats.is_empty()) {
        let text = match look.folder(&task.id) {
            Some(_) => "the task has no cheats/NAME.sh that could be proven to score 0",
            None => "the task has no cheats that could be proven to score 0",
        };
        found.add(Some(&task.id), look.home(task), text);
    }
}
