//! SL006 not-proven: a proof was not made, as the task can't run here.

use super::{Check, Found, Lint, Look};
use crate::model::{Outcome, Severity};

pub(super) static ITEM: Lint = Lint {
    id: "SL006",
    name: "not-proven",
    about: "a proof was not made, as the task can't run here",
    since: "0.1.0",
    severity: Severity::Warning,
    manual: include_str!("not_proven.md"),
    check: Check::Proofs(check),
};

fn check(look: &Look<'_>, found: &mut Found) {
    for task in &look.suite.tasks {
        let mut skips = look.proofs.iter().filter(|proof| proof.record.id.task == task.id).filter_map(
            |proof| match &proof.record.outcome {
                Outcome::Skipped(reason) => Some(reason),
                _ => None,
            },
        );
        if let Some(reason) = skips.next() {
            found.add(Some(&task.id), look.home(task), format!("nothing is proven here: {reason}"));
        }
    }
}
