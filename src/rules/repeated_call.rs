//! TR001 repeated-call: an agent that repeats itself makes no progress.

use super::{At, Check, Found, Message, Rule, View, Weight};
use crate::model::{Message as Message_, Severity, Source, Span};

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
const LIMIT: usize = 3;

/// A turn as far as loops are concerned.
#[derive(PartialEq)]
struct Turn {
    calls: Vec<String>,
    result: String,
}

fn check(view: &View, found: &mut Found) {
    let mut before: Option<(Turn, usize, usize)> = None;
    for (index, message) in view.messages.iter().enumerate() {
        let turn = turn(view, message);
        let usable = !turn.calls.is_empty();
        match &mut before {
            Some((last, count, end)) if usable && *last == turn => {
                *count += 1;
                *end = index;
            }
            _ => {
                report(view, before.take(), found);
                before = usable.then_some((turn, 1, index));
            }
        }
    }
    report(view, before, found);
}

fn report(view: &View, streak: Option<(Turn, usize, usize)>, found: &mut Found) {
    let Some((_, count, end)) = streak.filter(|(_, count, _)| *count >= LIMIT) else { return };
    let message = &view.messages[end + LIMIT - count];
    let span = message.text_calls().next().map(|call| {
        let end = (call.name_span.end + 1).min(call.span.end);
        Span::new(call.span.start, end)
    });
    let text = format!("the same call gave the same result {count} times in a row");
    found.add(At::message(message, span), Weight::both(Severity::Warning), text);
}

fn turn(view: &View, message: &Message) -> Turn {
    let text = message.text_calls().map(|call| {
        let values =
            call.params.iter().map(|param| format!("{}\0{}\0", param.name, param.value.text(&message.text)));
        format!("{}\0{}", call.name, values.collect::<String>())
    });
    let native =
        message.native_calls().iter().map(|call| match (&call.arguments.parsed, &call.arguments.raw) {
            (Some(object), _) => format!("{}\0{}", call.name, serde_json::Value::Object(object.clone())),
            (None, raw) => format!("{}\0{}", call.name, raw.as_deref().unwrap_or("")),
        });
    let calls = text.chain(native).collect();
    let own = message.step.observation.iter().flat_map(|observation| &observation.results);
    let mut result: String = own.filter_map(|result| result.content.as_ref()).map(Message_::text).collect();
    if result.is_empty() {
        // Logs without a place for results have them as the user's next words.
        let next = view.next_step(message).filter(|step| step.source == Source::User);
        result = next.map(|step| step.message.text().into_owned()).unwrap_or_default();
    }
    Turn { calls, result }
}
