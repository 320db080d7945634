//! RE006 reflection: how often a model stops and looks back, counted and not judged.

use super::think::{blocks, tags};
use super::{At, Check, Found, Message, Rule, View, Weight};
use crate::model::{Severity, Span};
use aho_corasick::{AhoCorasick, MatchKind};
use std::sync::LazyLock;

pub(super) static ITEM: Rule = Rule {
    id: "RE006",
    name: "reflection",
    about: "words of reflection in the reasoning are counted",
    since: "0.1.0",
    severity: Severity::Info,
    manual: include_str!("reflection.md"),
    check: Check::Trajectory(check),
};

/// Words of which the report on DeepSeek-R1 (Nature 2025, extended data, figure 1) and oat-zero count the frequency; the
/// Chinese ones are ours.
const WORDS: &[&str] = &[
    "wait",
    "mistake",
    "however",
    "but",
    "retry",
    "error",
    "verify",
    "wrong",
    "evaluate",
    "check",
    "recheck",
    "rethink",
    "reevaluate",
    "re-evaluate",
    "reevaluation",
    "re-examine",
    "reexamine",
    "try again",
    "check again",
    "think again",
    "go over the steps",
    "等等",
    "不对",
    "重新",
    "再检查",
    "反思",
    "验证",
];

static AUTOMATON: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .match_kind(MatchKind::LeftmostLongest)
        .build(WORDS)
        .ok()
});

fn check(view: &View, found: &mut Found) {
    let mut counts = [0_usize; WORDS.len()];
    let mut reasoned = 0;
    let mut reflective = 0;
    let mut first: Option<(&Message, Option<Span>)> = None;
    for message in &view.messages {
        let mut here = 0;
        let mut any = false;
        if let Some(text) = message.step.reasoning.as_deref().filter(|text| !text.is_empty()) {
            any = true;
            count(text, &mut counts, &mut |_| {
                here += 1;
                first.get_or_insert((message, None));
            });
        }
        for block in blocks(message, &tags(message)) {
            any = true;
            count(block.text(&message.text), &mut counts, &mut |span| {
                here += 1;
                let span = Span::new(block.start + span.start, block.start + span.end);
                first.get_or_insert((message, Some(span)));
            });
        }
        reasoned += usize::from(any);
        reflective += usize::from(here > 0);
    }
    let Some((message, span)) = first else { return };
    let total: usize = counts.iter().sum();
    let mut most: Vec<(usize, &str)> =
        counts.into_iter().zip(WORDS.iter().copied()).filter(|(n, _)| *n > 0).collect();
    most.sort_by_key(|(n, _)| std::cmp::Reverse(*n));
    let list: Vec<String> = most.iter().map(|(n, word)| format!("{word} {n}")).collect();
    let noun = if total == 1 { "word" } else { "words" };
    let text = format!(
        "{total} {noun} of reflection in {reflective} of {reasoned} messages with reasoning ({})",
        list.join(", ")
    );
    found.add(At::message(message, span), Weight::both(Severity::Info), text);
}

fn count(text: &str, counts: &mut [usize], tell: &mut dyn FnMut(Span)) {
    let Some(automaton) = AUTOMATON.as_ref() else { return };
    let bytes = text.as_bytes();
    for hit in automaton.find_iter(text) {
        let letter =
            |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_alphanumeric);
        let latin = bytes[hit.start()].is_ascii();
        if latin && (letter(hit.start().checked_sub(1)) || letter(Some(hit.end()))) {
            continue;
        }
        counts[hit.pattern().as_usize()] += 1;
        tell(Span::new(hit.start(), hit.end()));
    }
}
