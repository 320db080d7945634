//! TR001 repeated-call: an agent that repeats itself makes no progress.

use super::turns::{Turn, beginning};
use super::{Check, Found, Rule, View, Weight};
use crate::model::Severity;

pub(super) static ITEM: Rule = Rule {
    id: "TR001",
    name: "repeated-call",
    about: "the same call gives the same result three times in a row",
    since: "0.1.0",
    severity: Severity::Warning,
    manual: include_str!("repeated_call.md"),
    check: Check::Trajectory(check),
};

/// How often in a row is a loop.
pub(super) const LIMIT: usize = 3;

fn check(view: &View, found: &mut Found) {
    let same =
        |one: &Turn, two: &Turn| one.calls.is_some() && one.calls == two.calls && one.result == two.result;
    for (start, count) in streaks(view.turns(), same) {
        let message = &view.messages[start + LIMIT - 1];
        let text = format!("the same call gave the same result {count} times in a row");
        found.add(beginning(message), Weight::both(Severity::Warning), text);
    }
}

/// Streaks of at least [`LIMIT`] turns of which each is like the one before: where each begins, and how long it is.
pub(super) fn streaks(turns: &[Turn], same: impl Fn(&Turn, &Turn) -> bool) -> Vec<(usize, usize)> {
    let mut out = Vec::new();
    let mut start = 0;
    for at in 1..=turns.len() {
        if turns.get(at).is_some_and(|turn| same(&turns[at - 1], turn)) {
            continue;
        }
        if at - start >= LIMIT {
            out.push((start, at - start));
        }
        start = at;
    }
    out
}
