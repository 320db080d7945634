//! FC012 malformed-tag: what one version repairs, another one refuses.

use super::{At, Check, Found, Message, Rule, View, Weight, first_line};
use crate::dialects::FlawKind;
use crate::model::{Severity, Span};

pub(super) static ITEM: Rule = Rule {
    id: "FC012",
    name: "malformed-tag",
    about: "markup deviates from the grammar in a way that a runtime repairs",
    since: "0.1.0",
    severity: Severity::Error,
    manual: include_str!("malformed_tag.md"),
    check: Check::Message(check),
};

fn check(_: &View, message: &Message, found: &mut Found) {
    for call in message.text_calls() {
        let nested = call.nested.first().map_or(usize::MAX, |span| span.start);
        for flaw in &call.flaws {
            if flaw.span.start >= nested {
                continue;
            }
            let text = match flaw.kind {
                FlawKind::EqualsForGreater => "the parameter tag has '=' in the place of '>'",
                FlawKind::NoNewlineAfterTag => "no newline follows the opening tag of the call",
                FlawKind::NameNotPlain => "the name holds blanks, quotes or markup",
                FlawKind::CarriageReturn => "the markup has CR and LF as its line ends",
                FlawKind::StrayText => "text inside the call belongs to no parameter",
                FlawKind::MissingWrapper => "the call stands without the tags that belong around it",
                FlawKind::UnclosedParameter => "a parameter has no closing tag",
                FlawKind::ListOfCalls => "several calls stand in a list where the grammar has one",
                FlawKind::OtherKey => "the arguments stand under another key than the grammar's",
                FlawKind::MissingArguments => "the call has no arguments, not even empty ones",
                FlawKind::RepeatedKey => "a key stands twice in the call, and the last one counts",
                FlawKind::BrokenObject => "the JSON of the call is broken around its arguments",
                FlawKind::PythonLiterals => "the call is written as a Python literal instead of JSON",
                FlawKind::BadCallId => "the id of the call is not of the kind that the grammar asks for",
                FlawKind::BadHeader => "the markup before a value is not that of the grammar",
                // An unfinished closing tag is FC004's.
                FlawKind::PartialClosingTag => continue,
            };
            let span = first_line(flaw.span.text(&message.text));
            let span = Span::new(flaw.span.start + span.start, flaw.span.start + span.end);
            let span = if span.is_empty() { flaw.span } else { span };
            let runtime = message.runtime_takes_call().then_some(Severity::Warning);
            found.add(
                At::message(message, Some(span)),
                Weight { strict: Some(Severity::Error), runtime },
                text,
            );
        }
    }
    if message.was_cut() {
        return;
    }
    for fragment in &message.markup.fragments {
        let text = "the markup of a call was begun and never became one";
        found.add(At::message(message, Some(*fragment)), Weight::strict(Severity::Warning), text);
    }
}
