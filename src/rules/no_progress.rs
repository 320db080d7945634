//! TR003 no-progress: calls that differ and lead nowhere are a loop all the same.

use super::turns::beginning;
use super::{Check, Found, Rule, View, Weight};
use crate::model::Severity;

pub(super) static ITEM: Rule = Rule {
    id: "TR003",
    name: "no-progress",
    about: "five turns in a row end in errors, or in one and the same result",
    since: "0.1.0",
    severity: Severity::Warning,
    manual: include_str!("no_progress.md"),
    check: Check::Trajectory(check),
};

/// How many turns in a row lead nowhere.
const LIMIT: usize = 5;

fn check(view: &View, found: &mut Found) {
    let turns = view.turns();
    let mut start = 0;
    while start < turns.len() {
        let first = &turns[start];
        let rest = turns[start..].iter();
        let failed = rest.clone().take_while(|turn| turn.failed).count();
        let equal = match first.result {
            Some(_) => rest.take_while(|turn| turn.calls.is_some() && turn.result == first.result).count(),
            None => 0,
        };
        // One call over and over is TR001's.
        let length = failed.max(equal);
        let varied = turns[start..start + length].iter().any(|turn| turn.calls != first.calls);
        if length < LIMIT || !varied {
            start += if length < LIMIT { 1 } else { length };
            continue;
        }
        let message = &view.messages[start + LIMIT - 1];
        let text = if failed >= equal {
            format!("{length} turns in a row ended in an error")
        } else {
            format!("{length} turns in a row gave the same result")
        };
        found.add(beginning(message), Weight::both(Severity::Warning), text);
        start += length;
    }
}
