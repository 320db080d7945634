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

/// How well a finding knows what it has: the best one names what overlaps.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Known,
    Shape,
    Context,
}

/// Secrets in order, without overlaps.
pub(super) fn scan<'a>(known: &'a Known, text: &str) -> Vec<Found<'a>> {
    let mut found: Vec<(Rank, Found<'a>)> = Vec::new();
    known.find(text, &mut |span, kind, name| {
        let secret = Found { kind: Cow::Borrowed(kind), span, placeholder: Cow::Borrowed(name) };
        found.push((Rank::Known, secret));
    });
    if let Some(automaton) = AUTOMATON.as_ref() {
        let mut covered = 0;
        for hit in automaton.find_overlapping_iter(text) {
            // Inside a key there is no other one.
            if hit.start() < covered {
                continue;
            }
            let shape = &SHAPES[KEYWORDS[hit.pattern().as_usize()].1];
            let Some(span) = (shape.find)(text, hit.start(), hit.end()) else { continue };
            if span.is_empty() || !text.is_char_boundary(span.start) || !text.is_char_boundary(span.end) {
                continue;
            }
            let rank = if shape.random { Rank::Shape } else { Rank::Context };
            if shape.random {
                covered = covered.max(span.end);
            }
            let name = placeholder(shape.kind, span.text(text), shape.random);
            found
                .push((rank, Found { kind: Cow::Borrowed(shape.kind), span, placeholder: Cow::Owned(name) }));
        }
    }
    found.sort_by_key(|(rank, secret)| (secret.span.start, *rank, std::cmp::Reverse(secret.span.end)));
    let mut merged: Vec<(Rank, Found<'a>)> = Vec::new();
    for (rank, secret) in found {
        match merged.last_mut() {
            Some((kept_rank, kept)) if secret.span.start < kept.span.end => {
                let whole = Span::new(kept.span.start, kept.span.end.max(secret.span.end));
                if rank < *kept_rank {
                    (*kept_rank, *kept) = (rank, secret);
                }
                kept.span = whole;
            }
            _ => merged.push((rank, secret)),
        }
    }
    merged.into_iter().map(|(_, secret)| secret).collect()
}
