//! SE001 secret-leak: a trajectory is shown, stored and trained on; a key in it is lost.

use super::{At, Check, Found, Rule, View, Weight};
use crate::model::{Place, Severity};
use crate::util::redact::Redactor;
use serde_json::Value;

pub(super) static ITEM: Rule = Rule {
    id: "SE001",
    name: "secret-leak",
    about: "a text holds a secret",
    since: "0.1.0",
    severity: Severity::Warning,
    manual: include_str!("secret_leak.md"),
    check: Check::Trajectory(check),
};

fn check(view: &View, found: &mut Found) {
    let own = Redactor::default();
    let redactor = view.redactor.unwrap_or(&own);
    let allowed = |value: &str| view.allowed.is_some_and(|allowed| redactor.is_allowed(value, allowed));
    let mut messages = view.messages.iter().peekable();
    for (position, step) in view.trajectory.steps.iter().enumerate() {
        let message = messages.next_if(|message| message.position == position).map(|message| message.index);
        let at = |span, place| At { step: Some(step.id), message, span, place };
        let mut tell = |text: &str, place: Option<Place>, spans: bool| {
            for hit in redactor.scan(text) {
                if allowed(hit.span.text(text)) {
                    continue;
                }
                let span = spans.then_some(hit.span);
                found.add(at(span, place), Weight::both(Severity::Warning), sentence(&hit.kind));
            }
        };
        tell(&step.judged_text(), step.judged_place(), true);
        // Spans index the message alone: what stands elsewhere is told without one.
        if let Some(reasoning) = &step.reasoning {
            tell(reasoning, None, false);
        }
        if step.reply.as_ref().is_none_or(|reply| reply.native) {
            for call in &step.calls {
                match (&call.arguments.raw, &call.arguments.parsed) {
                    (Some(raw), _) => tell(raw, call.place, false),
                    (None, Some(object)) => {
                        strings(object.values(), &mut |text| tell(text, call.place, false));
                    }
                    (None, None) => {}
                }
            }
        }
        for result in step.observation.iter().flat_map(|observation| &observation.results) {
            if let Some(content) = &result.content {
                tell(&content.text(), result.place, result.place.is_some());
            }
        }
    }
}

fn strings<'a>(values: impl Iterator<Item = &'a Value>, tell: &mut dyn FnMut(&str)) {
    // A worklist: arguments may be nested deeper than a stack.
    let mut rest: Vec<&Value> = values.collect();
    while let Some(value) = rest.pop() {
        match value {
            Value::String(text) => tell(text),
            Value::Array(items) => rest.extend(items),
            Value::Object(object) => rest.extend(object.values()),
            _ => {}
        }
    }
}

/// What is said of a secret of that kind.
pub(super) fn sentence(kind: &str) -> String {
    format!("the text holds a secret ({kind})")
}
