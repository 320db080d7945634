//! Where the keywords of shapes stand in a text: two bytes at a time are looked up in a table of pairs, and only
//! where a pair of a keyword stands is anything compared.
//!
//! Every keyword has three bytes in a row of which the first two or the last two begin at an even offset, wherever
//! it stands. So half of the pairs of a text are enough.

use super::shapes::{KEYWORDS, SHAPES};
use crate::model::Span;
use std::sync::LazyLock;

/// Bytes after which hits are handed on, so that a text of nothing but keywords is not collected.
const BLOCK: usize = 1 << 16;

struct Pairs {
    /// One bit a pair of bytes.
    bits: Box<[u64]>,
    /// For each pair, 1 and the index of its holders; 0 for a pair of no keyword.
    index: Box<[u16]>,
    /// Keywords that hold a pair, and where in them it stands.
    holders: Vec<Vec<(usize, usize)>>,
}

static PAIRS: LazyLock<Pairs> = LazyLock::new(|| {
    let mut pairs = Pairs {
        bits: vec![0; 1 << 10].into_boxed_slice(),
        index: vec![0; 1 << 16].into_boxed_slice(),
        holders: Vec::new(),
    };
    for (index, (word, shape)) in KEYWORDS.iter().enumerate() {
        let word = word.as_bytes();
        let exact = SHAPES[*shape].exact;
        let cost = |at: &usize| {
            weight(word[*at]) * weight(word[*at + 1]) + weight(word[*at + 1]) * weight(word[*at + 2])
        };
        let rarest = (0..word.len() - 2).min_by_key(cost).unwrap_or(0);
        for at in [rarest, rarest + 1] {
            for first in cases(word[at], exact) {
                for second in cases(word[at + 1], exact) {
                    let key = key(&[first, second]);
                    pairs.bits[key >> 6] |= 1 << (key & 63);
                    if pairs.index[key] == 0 {
                        pairs.holders.push(Vec::new());
                        pairs.index[key] = pairs.holders.len() as u16;
                    }
                    let holders = &mut pairs.holders[usize::from(pairs.index[key]) - 1];
                    if !holders.contains(&(index, at)) {
                        holders.push((index, at));
                    }
                }
            }
        }
    }
    pairs
});

/// The letter in both cases, if the case does not matter.
fn cases(byte: u8, exact: bool) -> [u8; 2] {
    if exact { [byte; 2] } else { [byte.to_ascii_lowercase(), byte.to_ascii_uppercase()] }
}

/// The number of the pair that `bytes` begin with.
fn key(bytes: &[u8]) -> usize {
    usize::from(u16::from_le_bytes([bytes[0], bytes[1]]))
}

/// How common a byte is in what agents read and write, roughly.
fn weight(byte: u8) -> u32 {
    match byte {
        b'e' | b't' | b'a' | b'o' | b'i' | b'n' | b's' | b'r' => 8,
        b'h' | b'l' | b'd' | b'c' | b'u' | b'm' | b'p' => 5,
        b'f' | b'g' | b'w' | b'y' | b'b' | b'v' | b'k' | b'_' | b'-' | b'/' => 3,
        _ => 1,
    }
}

/// Tells every place where a keyword stands, and its index: ordered by where they end, then by where they start.
pub(super) fn each(text: &[u8], tell: &mut dyn FnMut(Span, usize)) {
    let pairs = &*PAIRS;
    let mut hits: Vec<(usize, usize, usize)> = Vec::new();
    for (number, block) in text.chunks(BLOCK).enumerate() {
        let from = number * BLOCK;
        block_hits(pairs, text, block, from, &mut hits);
        // A hit that reaches into the next block may end behind one of there.
        let end = from + block.len();
        hits.sort_unstable();
        hits.dedup();
        let done = if end == text.len() { hits.len() } else { hits.partition_point(|hit| hit.0 <= end) };
        hits.drain(..done).for_each(|(end, start, index)| tell(Span::new(start, end), index));
    }
}

fn block_hits(pairs: &Pairs, text: &[u8], block: &[u8], from: usize, hits: &mut Vec<(usize, usize, usize)>) {
    let is_set = |pair: &[u8]| {
        let key = key(pair);
        pairs.bits[key >> 6] >> (key & 63) & 1
    };
    let eights = block.chunks_exact(8);
    let rest = eights.remainder();
    for (n, eight) in eights.enumerate() {
        if is_set(&eight[..2]) | is_set(&eight[2..4]) | is_set(&eight[4..6]) | is_set(&eight[6..]) == 0 {
            continue;
        }
        for (half, pair) in eight.chunks_exact(2).enumerate() {
            if is_set(pair) == 1 {
                compare(pairs, text, from + n * 8 + half * 2, hits);
            }
        }
    }
    for (half, pair) in rest.chunks_exact(2).enumerate() {
        if is_set(pair) == 1 {
            compare(pairs, text, from + block.len() - rest.len() + half * 2, hits);
        }
    }
}

/// Adds the keywords that hold the pair at `at`.
fn compare(pairs: &Pairs, text: &[u8], at: usize, hits: &mut Vec<(usize, usize, usize)>) {
    let Some(holder) = usize::from(pairs.index[key(&text[at..])]).checked_sub(1) else { return };
    for &(index, offset) in &pairs.holders[holder] {
        let (word, shape) = KEYWORDS[index];
        let Some(start) = at.checked_sub(offset) else { continue };
        let Some(here) = text.get(start..start + word.len()) else { continue };
        let same = if SHAPES[shape].exact {
            here == word.as_bytes()
        } else {
            here.eq_ignore_ascii_case(word.as_bytes())
        };
        if same {
            hits.push((start + word.len(), start, index));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aho_corasick::AhoCorasick;
    use proptest::prelude::*;

    fn found(text: &str) -> Vec<(Span, usize)> {
        let mut found = Vec::new();
        each(text.as_bytes(), &mut |span, index| found.push((span, index)));
        found
    }

    /// What an automaton finds, without the words whose case is wrong for their shape.
    fn wanted(text: &str) -> Vec<(Span, usize)> {
        let words = KEYWORDS.iter().map(|(word, _)| word);
        let automaton = AhoCorasick::builder().ascii_case_insensitive(true).build(words).expect("automaton");
        let hits = automaton
            .find_overlapping_iter(text)
            .map(|hit| (Span::new(hit.start(), hit.end()), hit.pattern().as_usize()));
        let exact = |(span, index): &(Span, usize)| {
            let (word, shape) = KEYWORDS[*index];
            !SHAPES[shape].exact || span.text(text) == word
        };
        hits.filter(exact).collect()
    }

    proptest! {
        #[test]
        fn keywords_are_found_as_an_automaton_finds_them(
            parts in prop::collection::vec((0..KEYWORDS.len(), any::<bool>(), 0..24_usize, "[ a-z_é-]{0,3}"), 0..12)
        ) {
            let mut text = String::new();
            for (index, lower, cut, between) in parts {
                let word = KEYWORDS[index].0;
                let word = &word[..word.len().saturating_sub(cut / 8)];
                text.push_str(&if lower { word.to_ascii_lowercase() } else { word.to_owned() });
                text.push_str(&between);
            }
            prop_assert_eq!(found(&text), wanted(&text), "{}", text);
        }
    }

    #[test]
    fn hits_keep_their_order_over_blocks() {
        for shift in 0..24 {
            let text = format!("{}{}", "x".repeat(BLOCK - shift), "_PASSWORD secret_access_key_KEY sk_live_");
            assert_eq!(found(&text), wanted(&text), "{shift}");
        }
        let many = "sk-".repeat(BLOCK);
        assert_eq!(found(&many).len(), BLOCK);
    }
}
