//! FC011 duplicate-parameter: the last value wins, silently.

use super::{At, Check, Found, Message, Rule, View, Weight, quote};
use crate::model::Severity;
use crate::util::json::{self, NoteKind};
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
    for call in message.native_calls() {
        for name in call.arguments.raw.as_deref().map(repeated).unwrap_or_default() {
            let text = format!(
                "the arguments of {} give {} again; the last value wins",
                quote(&call.name),
                quote(&name)
            );
            found.add(At::call(message, call), Weight::both(Severity::Warning), text);
        }
    }
    for call in message.text_calls() {
        if let Some(arguments) = &call.arguments {
            for name in arguments.value.raw.as_deref().map(repeated).unwrap_or_default() {
                let text = format!("parameter {} is given again; the last value wins", quote(&name));
                found.add(At::message(message, Some(call.name_span)), Weight::both(Severity::Warning), text);
            }
        }
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

/// Keys of a JSON object that stand in it again, once for each time.
fn repeated(raw: &str) -> Vec<String> {
    let mut notes = Vec::new();
    let Ok(node) = json::parse_at(raw.as_bytes(), 0, &mut notes) else { return Vec::new() };
    if notes.iter().all(|note| note.kind != NoteKind::RepeatedKey) {
        return Vec::new();
    }
    let mut seen = HashSet::new();
    let keys = json::View::new(raw.as_bytes(), &node).members().map(|(key, _)| key.into_owned());
    keys.filter(|key| !seen.insert(key.clone())).collect()
}
