//! FC010 bad-enum: blanks around a listed value are forgiven by some runtimes and refused by others.

use super::schema::{Kind, report};
use super::{Check, Found, Message, Rule, View};
use crate::model::Severity;

pub(super) static ITEM: Rule = Rule {
    id: "FC010",
    name: "bad-enum",
    about: "a value is not in the parameter's list",
    since: "0.1.0",
    severity: Severity::Error,
    manual: include_str!("bad_enum.md"),
    check: Check::Message(check),
};

fn check(view: &View, message: &Message, found: &mut Found) {
    report(view, message, Kind::BadEnum, found);
}
