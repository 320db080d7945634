//! SL004 echo-scores: the prompt as an answer scores more than 0.

use super::{Check, Lint, Role};
use crate::model::Severity;

pub(super) static ITEM: Lint = Lint {
    id: "SL004",
    name: "echo-scores",
    about: "the prompt as an answer scores more than 0",
    since: "0.1.0",
    severity: Severity::Error,
    manual: include_str!("echo_scores.md"),
    check: Check::Proof(Role::Echo),
};
