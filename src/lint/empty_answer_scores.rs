//! SL003 empty-answer-scores: an empty answer scores more than 0.

use super::{Check, Lint, Role};
use crate::model::Severity;

pub(super) static ITEM: Lint = Lint {
    id: "SL003",
    name: "empty-answer-scores",
    about: "an empty answer scores more than 0",
    since: "0.1.0",
    severity: Severity::Error,
    manual: include_str!("empty_answer_scores.md"),
    check: Check::Proof(Role::Empty),
};
