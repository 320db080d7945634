//! FC006 unknown-function: names are compared exactly: case, blanks and quotes count.

use super::schema::{Kind, report};
use super::{Check, Found, Message, Rule, View};
use crate::model::Severity;

pub(super) static ITEM: Rule = Rule {
    id: "FC006",
    name: "unknown-function",
    about: "a call names a function that is not in the tool list",
    since: "0.1.0",
    severity: Severity::Error,
    manual: include_str!("unknown_function.md"),
    check: Check::Message(check),
};

fn check(view: &View, message: &Message, found: &mut Found) {
    report(view, message, Kind::UnknownFunction, found);
}
