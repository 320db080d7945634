//! One pass over a text: known values first, then shapes around their keywords.

use super::keywords;
use super::known::Known;
use super::shapes::{KEYWORDS, SHAPES};
use super::{Found, placeholder};
use crate::model::Span;
use std::borrow::Cow;

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
    let mut covered = 0;
    keywords::each(text.as_bytes(), &mut |hit, index| {
        // Inside a key there is no other one.
        if hit.start < covered {
            return;
        }
        let shape = &SHAPES[KEYWORDS[index].1];
        let Some(span) = (shape.find)(text, hit.start, hit.end) else { return };
        if span.is_empty() || !text.is_char_boundary(span.start) || !text.is_char_boundary(span.end) {
            return;
        }
        let rank = if shape.random { Rank::Shape } else { Rank::Context };
        if shape.random {
            covered = covered.max(span.end);
        }
        let name = placeholder(shape.kind, span.text(text), shape.random);
        found.push((rank, Found { kind: Cow::Borrowed(shape.kind), span, placeholder: Cow::Owned(name) }));
    });
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
