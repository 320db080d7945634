//! One pass over a text: known values first, then shapes around their keywords.

use super::known::Known;
use super::shapes::{KEYWORDS, SHAPES};
use super::{Found, placeholder};
use crate::model::Span;
use aho_corasick::{AhoCorasick, AhoCorasickKind};
use std::borrow::Cow;
use std::sync::LazyLock;

static AUTOMATON: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    let words = KEYWORDS.iter().map(|(word, _)| word);
    AhoCorasick::builder().ascii_case_insensitive(true).kind(Some(AhoCorasickKind::DFA)).build(words).ok()
});

/// Secrets in order, without overlaps; of two that overlap, the known one names both.
pub(super) fn scan<'a>(known: &'a Known, text: &str) -> Vec<Found<'a>> {
    let mut found: Vec<(Span, bool, Found<'a>)> = Vec::new();
    known.find(text, &mut |span, kind, name| {
        let secret = Found { kind: Cow::Borrowed(kind), span, placeholder: Cow::Borrowed(name) };
        found.push((span, true, secret));
    });
    if let Some(automaton) = AUTOMATON.as_ref() {
        let mut covered = 0;
        for hit in automaton.find_overlapping_iter(text) {
            let shape = &SHAPES[KEYWORDS[hit.pattern().as_usize()].1];
            // Inside a secret that was found by the same kind of keyword there is nothing new.
            if hit.start() < covered {
                continue;
            }
            let Some(span) = (shape.find)(text, hit.start(), hit.end()) else { continue };
            if span.is_empty() || !text.is_char_boundary(span.start) || !text.is_char_boundary(span.end) {
                continue;
            }
            if shape.random {
                covered = covered.max(span.end);
            }
            let name = placeholder(shape.kind, span.text(text), shape.random);
            let secret = Found { kind: Cow::Borrowed(shape.kind), span, placeholder: Cow::Owned(name) };
            found.push((span, false, secret));
        }
    }
    found.sort_by_key(|(span, known, _)| (span.start, !known, std::cmp::Reverse(span.end)));
    let mut merged: Vec<(Span, bool, Found<'a>)> = Vec::new();
    for (span, known, secret) in found {
        match merged.last_mut() {
            Some((last, last_known, kept)) if span.start < last.end => {
                let whole = Span::new(last.start, last.end.max(span.end));
                if known && !*last_known {
                    *kept = secret;
                    *last_known = true;
                }
                *last = whole;
                kept.span = whole;
            }
            _ => merged.push((span, known, secret)),
        }
    }
    merged.into_iter().map(|(_, _, secret)| secret).collect()
}
