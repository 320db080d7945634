//! FC007 unknown-parameter: runtimes refuse the whole call for one parameter too many.

use super::schema::{Kind, report};
use super::{Check, Found, Message, Rule, View};
use crate::model::Severity;

pub(super) static ITEM: Rule = Rule {
    id: "FC007",
    name: "unknown-parameter",
    about: "a call gives a parameter that the function does not have",
    since: "0.1.0",
    severity: Severity::Error,
    manual: include_str!("unknown_parameter.md"),
    check: Check::Message(check),
};

fn check(view: &View, message: &Message, found: &mut Found) {
    report(view, message, Kind::UnknownParameter, found);
}
