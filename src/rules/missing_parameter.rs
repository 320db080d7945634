//! FC008 missing-parameter: runtimes refuse the call.

use super::schema::{Kind, report};
use super::{Check, Found, Message, Rule, View};
use crate::model::Severity;

pub(super) static ITEM: Rule = Rule {
    id: "FC008",
    name: "missing-parameter",
    about: "a call leaves out a required parameter",
    since: "0.1.0",
    severity: Severity::Error,
    manual: include_str!("missing_parameter.md"),
    check: Check::Message(check),
};

fn check(view: &View, message: &Message, found: &mut Found) {
    report(view, message, Kind::MissingParameter, found);
}
