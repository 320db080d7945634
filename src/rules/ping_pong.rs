//! TR002 ping-pong: two calls that take turns are a loop of two.

use super::turns::{Turn, beginning};
use super::{Check, Found, Rule, View, Weight};
use crate::model::Severity;

pub(super) static ITEM: Rule = Rule {
    id: "TR002",
    name: "ping-pong",
    about: "two calls take turns three times, each with the same result",
    since: "0.1.0",
    severity: Severity::Warning,
    manual: include_str!("ping_pong.md"),
    check: Check::Trajectory(check),
};

/// How many rounds of the two are a loop.
const ROUNDS: usize = 3;

fn check(view: &View, found: &mut Found) {
    let turns = view.turns();
    let like = |one: &Turn, two: &Turn| one.calls == two.calls && one.result == two.result;
    let mut at = 0;
    while at + 1 < turns.len() {
        let pair = turns[at].calls.is_some() && turns[at + 1].calls.is_some();
        if !pair || like(&turns[at], &turns[at + 1]) {
            at += 1;
            continue;
        }
        let mut end = at + 2;
        while end < turns.len() && like(&turns[end], &turns[end - 2]) {
            end += 1;
        }
        if end - at < 2 * ROUNDS {
            at += 1;
            continue;
        }
        let message = &view.messages[at + 2 * ROUNDS - 1];
        let text = format!("two calls took turns over {} messages, each with the same result", end - at);
        found.add(beginning(message), Weight::both(Severity::Warning), text);
        at = end;
    }
}
