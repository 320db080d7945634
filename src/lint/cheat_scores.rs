//! SL005 cheat-scores: a cheat of the task scores more than 0.

use super::{Check, Lint, Role};
use crate::model::Severity;

pub(super) static ITEM: Lint = Lint {
    id: "SL005",
    name: "cheat-scores",
    about: "a cheat of the task scores more than 0",
    since: "0.1.0",
    severity: Severity::Error,
    manual: include_str!("cheat_scores.md"),
    check: Check::Proof(Role::Cheat),
};
