//! SL001 oracle-fails: the solution of the task does not score 1.

use super::{Check, Lint, Role};
use crate::model::Severity;

pub(super) static ITEM: Lint = Lint {
    id: "SL001",
    name: "oracle-fails",
    about: "the solution of the task does not score 1",
    since: "0.1.0",
    severity: Severity::Error,
    manual: include_str!("oracle_fails.md"),
    check: Check::Proof(Role::Oracle),
};
