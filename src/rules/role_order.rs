//! FC022 role-order: two assistant turns in a row are one turn, or something between them was lost.

use super::{At, Check, Found, Rule, View, Weight, first_line};
use crate::model::{Severity, Source, Step};

pub(super) static ITEM: Rule = Rule {
    id: "FC022",
    name: "role-order",
    about: "turns come in an order that no conversation has",
    since: "0.1.0",
    severity: Severity::Warning,
    manual: include_str!("role_order.md"),
    check: Check::Trajectory(check),
};

fn check(view: &View, found: &mut Found) {
    let steps = &view.trajectory.steps;
    for message in &view.messages {
        let before = steps[..message.position].iter().rev().find(|step| !step.frame);
        let silent =
            |step: &Step| step.observation.as_ref().is_none_or(|observation| observation.results.is_empty());
        if before.is_some_and(|step| step.source == Source::Agent && silent(step)) {
            let span = Some(first_line(&message.text));
            let text = "an assistant message follows another one with nothing between them";
            found.add(At::message(message, span), Weight::both(Severity::Warning), text);
        }
    }
    // A result before any call, in a log whose steps hold both.
    for step in steps {
        if step.source == Source::Agent && !step.frame {
            break;
        }
        if !step.frame
            && let Some(result) =
                step.observation.as_ref().and_then(|observation| observation.results.first())
        {
            let at = At { step: Some(step.id), message: None, span: None, place: result.place };
            found.add(at, Weight::both(Severity::Warning), "a result comes before any call");
        }
    }
}
