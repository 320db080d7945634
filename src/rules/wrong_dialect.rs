//! FC015 wrong-dialect: a runtime reads one dialect; a call in another one is plain text to it.

use super::{At, Check, Found, Message, Rule, View, Weight, quote};
use crate::model::{Severity, Span};

pub(super) static ITEM: Rule = Rule {
    id: "FC015",
    name: "wrong-dialect",
    about: "a call is written in another dialect than expected",
    since: "0.1.0",
    severity: Severity::Error,
    manual: include_str!("wrong_dialect.md"),
    check: Check::Message(check),
};

fn check(view: &View, message: &Message, found: &mut Found) {
    if view.native {
        if let Some(call) = message.text_calls().next() {
            let span = Span::new(call.span.start, (call.name_span.end + 1).min(call.span.end));
            let text =
                format!("a call is written as text ({}), and native calls are expected", view.dialect.name);
            found.add(At::message(message, Some(span)), Weight::both(Severity::Error), text);
            return;
        }
    } else if let Some(call) = message.native_calls().first() {
        let expected = view.dialect.name;
        let text =
            format!("{} is called natively, and text calls ({expected}) are expected", quote(&call.name));
        found.add(At::call(message, call), Weight::strict(Severity::Error), text);
    }
    if let Some((dialect, span)) = message.markup.foreign.first() {
        let expected = if view.native { "native calls" } else { view.dialect.name };
        let text = format!("markup of dialect {dialect} where {expected} is expected");
        let text = if view.native { text.replace(" is expected", " are expected") } else { text };
        found.add(At::message(message, Some(*span)), Weight::strict(Severity::Error), text);
    }
}
