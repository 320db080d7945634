//! FC005 truncated-by-length: the back end's limit cut the reply, so that nothing else can be said of its format.

use super::{At, Check, Found, Message, Rule, View, Weight};
use crate::model::{Severity, Span};

pub(super) static ITEM: Rule = Rule {
    id: "FC005",
    name: "truncated-by-length",
    about: "the reply was cut by its length limit",
    since: "0.1.0",
    severity: Severity::Error,
    manual: include_str!("truncated_by_length.md"),
    check: Check::Message(check),
};

fn check(_: &View, message: &Message, found: &mut Found) {
    if message.was_cut() {
        let end = message.text.trim_end().len();
        let start = message.text[..end].rfind('\n').map_or(0, |at| at + 1);
        let word = message.finish.unwrap_or("length");
        let text = format!("the reply was cut by its length limit (finish reason '{word}')");
        found.add(At::message(message, Some(Span::new(start, end))), Weight::both(Severity::Error), text);
    }
}
