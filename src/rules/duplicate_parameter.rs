//! FC011 duplicate-parameter: the last value wins, silently.

use super::{At, Check, Found, Message, Rule, View, Weight, quote};
use crate::model::Severity;
use std::collections::HashSet;

pub(super) static ITEM: Rule = Rule {
    id: "FC011",
    name: "duplicate-parameter",
    about: "a call gives a parameter twice",
    since: "0.1.0",
    severity: Severity::Warning,
    manual: include_str!("duplicate_parameter.md"),
    check: Check::Message(check),
};

fn check(_: &View, message: &Message, found: &mut Found) {
    for call in message.text_calls() {
        // What a nested call brings along is FC016's.
        let end = call.nested.first().map_or(usize::MAX, |span| span.start);
        let own = call.params.iter().filter(|param| param.name_span.start < end);
        let mut seen = HashSet::new();
        for param in own {
            if !seen.insert(param.name.as_str()) {
                let text = format!("parameter {} is given again; the last value wins", quote(&param.name));
                found.add(At::message(message, Some(param.name_span)), Weight::both(Severity::Warning), text);
            }
        }
    }
}
