//! FC004 unterminated: most raw replies that stop at a stop word look like this; a cut value is another matter.

use super::{At, Check, Found, Message, Rule, View, Weight, quote};
use crate::model::{Severity, Span};

pub(super) static ITEM: Rule = Rule {
    id: "FC004",
    name: "unterminated",
    about: "a call is not closed",
    since: "0.1.0",
    severity: Severity::Error,
    manual: include_str!("unterminated.md"),
    check: Check::Message(check),
};

fn check(_: &View, message: &Message, found: &mut Found) {
    if message.was_cut() {
        return;
    }
    for call in message.text_calls().filter(|call| !call.closed) {
        let open = call.params.iter().find(|param| !param.closed);
        let broken = call.arguments.as_ref().filter(|arguments| arguments.value.parsed.is_none());
        let end = (call.name_span.end + 1).min(call.span.end);
        let (severity, span, text) = match (open, broken) {
            (Some(param), _) => {
                let text = format!("the call stops inside parameter {}", quote(&param.name));
                // In a code block the parameter has no name of its own.
                let span = if param.name_span.is_empty() { call.name_span } else { param.name_span };
                (Severity::Error, span, text)
            }
            (None, Some(arguments)) => {
                let line = super::first_line(arguments.span.text(&message.text));
                let span = Span::new(arguments.span.start + line.start, arguments.span.start + line.end);
                (Severity::Error, span, "the call stops inside its arguments".to_owned())
            }
            (None, None) => {
                (Severity::Info, Span::new(call.span.start, end), "the call has no closing tag".to_owned())
            }
        };
        // A repair leaves nothing to complain of but the repair.
        let runtime = message.runtime_takes_call().then_some(Severity::Info);
        found.add(At::message(message, Some(span)), Weight { strict: Some(severity), runtime }, text);
    }
}
