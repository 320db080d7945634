//! SL002 nop-scores: doing nothing scores more than 0.

use super::{Check, Lint, Role};
use crate::model::Severity;

pub(super) static ITEM: Lint = Lint {
    id: "SL002",
    name: "nop-scores",
    about: "doing nothing scores more than 0",
    since: "0.1.0",
    severity: Severity::Error,
    manual: include_str!("nop_scores.md"),
    check: Check::Proof(Role::Nop),
};
