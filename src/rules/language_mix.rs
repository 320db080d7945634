//! RE001 language-mix: a model that slips from one language into another has lost its reader.

use super::prose::pieces;
use super::script::{Counts, Mix};
use super::{At, Check, Found, Message, Rule, View, Weight};
use crate::model::{Severity, Span};

pub(super) static ITEM: Rule = Rule {
    id: "RE001",
    name: "language-mix",
    about: "a turn mixes two scripts, code and quotations left out",
    since: "0.1.0",
    severity: Severity::Warning,
    manual: include_str!("language_mix.md"),
    check: Check::Message(check),
};

fn check(_: &View, message: &Message, found: &mut Found) {
    if !message.text.is_ascii() {
        let calls: Vec<Span> = message.markup.calls.iter().map(|call| call.span).collect();
        if let Some(mix) = mix(&message.text, &calls) {
            let span = Span::new(mix.start, mix.end);
            found.add(
                At::message(message, Some(span)),
                Weight::both(Severity::Warning),
                sentence("the text", mix),
            );
        }
    }
    if let Some(reasoning) = message.step.reasoning.as_deref().filter(|text| !text.is_ascii())
        && let Some(mix) = mix(reasoning, &[])
    {
        found.add(
            At::message(message, None),
            Weight::both(Severity::Warning),
            sentence("the reasoning", mix),
        );
    }
}

fn mix(text: &str, calls: &[Span]) -> Option<Mix> {
    let mut counts = Counts::default();
    pieces(text, calls, true, &mut |at, piece| counts.add(at, piece));
    counts.mix()
}

fn sentence(what: &str, mix: Mix) -> String {
    let (large, small) = (mix.large.as_str(), mix.small.as_str());
    format!("{what} mixes scripts: {} % {small} among {large}", mix.percent)
}
