//! TR004 repeated-message: who says the same again and calls nothing waits for something that does not come.

use super::repeated_call::streaks;
use super::{At, Check, Found, Rule, View, Weight, first_line};
use crate::model::Severity;

pub(super) static ITEM: Rule = Rule {
    id: "TR004",
    name: "repeated-message",
    about: "the same message without a call comes three times in a row",
    since: "0.1.0",
    severity: Severity::Warning,
    manual: include_str!("repeated_message.md"),
    check: Check::Trajectory(check),
};

fn check(view: &View, found: &mut Found) {
    let turns = view.turns();
    for (start, count) in
        streaks(turns, |one, two| one.calls.is_none() && two.calls.is_none() && one.said == two.said)
    {
        let message = &view.messages[start + super::repeated_call::LIMIT - 1];
        // Silence, as in logs of speech, says nothing twice.
        if message.text.trim().is_empty() {
            continue;
        }
        let text = format!("the same message without a call came {count} times in a row");
        let span = Some(first_line(&message.text));
        found.add(At::message(message, span), Weight::both(Severity::Warning), text);
    }
}
