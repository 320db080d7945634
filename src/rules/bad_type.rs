//! FC009 bad-type: in text only integers and arrays are ever converted, so only they can be wrong there.

use super::schema::{Kind, report};
use super::{Check, Found, Message, Rule, View};
use crate::model::Severity;

pub(super) static ITEM: Rule = Rule {
    id: "FC009",
    name: "bad-type",
    about: "a value is not of its type",
    since: "0.1.0",
    severity: Severity::Error,
    manual: include_str!("bad_type.md"),
    check: Check::Message(check),
};

fn check(view: &View, message: &Message, found: &mut Found) {
    report(view, message, Kind::BadType, found);
}
