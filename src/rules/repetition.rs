//! RE005 repetition: text that goes round in circles is what a model writes when it is lost, or when its sampling is.

use super::prose::pieces;
use super::{At, Check, Found, Message, Rule, View, Weight};
use crate::model::{Severity, Span};

pub(super) static ITEM: Rule = Rule {
    id: "RE005",
    name: "repetition",
    about: "half of the four-word sequences of a stretch of text are repeated",
    since: "0.1.0",
    severity: Severity::Warning,
    manual: include_str!("repetition.md"),
    check: Check::Message(check),
};

/// Words of a sequence.
const N: usize = 4;
/// Sequences of which a stretch is made; a shorter text is one stretch.
const WINDOW: usize = 1024;
/// Fewer sequences than these say nothing.
const LEAST: usize = 60;
/// Share of repeated sequences, in percent.
const PERCENT: usize = 50;
/// Bytes of the last word of a stretch that count.
const LONGEST: usize = 64;
/// Bits in which sequences are counted roughly, before they are counted.
const BITS: usize = 8192;

fn check(_: &View, message: &Message, found: &mut Found) {
    let calls: Vec<Span> = message.markup.calls.iter().map(|call| call.span).collect();
    if let Some((percent, start)) = worst(&message.text, &calls) {
        let line = message.text[start..].lines().next().map_or(0, |line| line.trim_end().len());
        let span = Span::new(start, start + line);
        found.add(
            At::message(message, Some(span)),
            Weight::both(Severity::Warning),
            sentence("the text", percent),
        );
    }
    if let Some((percent, _)) = message.step.reasoning.as_deref().and_then(|text| worst(text, &[])) {
        found.add(
            At::message(message, None),
            Weight::both(Severity::Warning),
            sentence("the reasoning", percent),
        );
    }
}

fn sentence(what: &str, percent: usize) -> String {
    format!("{what} repeats itself: {percent} % of its four-word sequences stand in it before")
}

/// The first stretch that repeats itself: its share, and where it starts.
fn worst(text: &str, calls: &[Span]) -> Option<(usize, usize)> {
    // Five bytes a word and blank: shorter texts have too few sequences.
    if text.len() < LEAST * 2 {
        return None;
    }
    let mut counter = Counter::new();
    let mut found = None;
    pieces(text, calls, false, &mut |base, piece| {
        if found.is_some() {
            return;
        }
        words(piece, &mut |start, word| {
            if found.is_none() && counter.add(base + start, word) {
                found = counter.close(text, calls);
            }
        });
        counter.end_piece();
    });
    found.or_else(|| counter.close(text, calls))
}

/// Words divided by blanks; a Chinese, Japanese or Korean character is a word. Marks without a letter are none.
fn words(piece: &str, tell: &mut dyn FnMut(usize, u64)) {
    let mut hash = SEED;
    let mut start = 0;
    let mut letters = false;
    for (at, c) in piece.char_indices() {
        let wide = matches!(u32::from(c), 0x3041..=0x30ff | 0x3400..=0x9fff | 0xac00..=0xd7af);
        if c.is_ascii_whitespace() || wide {
            if letters {
                tell(start, hash);
            }
            (hash, letters) = (SEED, false);
            if wide {
                tell(at, mix(SEED, u64::from(u32::from(c))));
            }
            continue;
        }
        if !c.is_alphanumeric() {
            continue;
        }
        if !letters {
            (start, letters) = (at, true);
        }
        hash = mix(hash, u64::from(u32::from(c)));
    }
    if letters {
        tell(start, hash);
    }
}

const SEED: u64 = 0xcbf2_9ce4_8422_2325;

fn mix(hash: u64, value: u64) -> u64 {
    (hash ^ value).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(23).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Counts sequences; on the stack, as most texts repeat nothing.
struct Counter {
    last: [(usize, u64); N],
    have: usize,
    bits: [u64; BITS / 64],
    set: usize,
    count: usize,
    start: usize,
}

impl Counter {
    fn new() -> Self {
        Self { last: [(0, 0); N], have: 0, bits: [0; BITS / 64], set: 0, count: 0, start: 0 }
    }

    /// Adds a word; whether the stretch is full.
    fn add(&mut self, at: usize, word: u64) -> bool {
        self.last.rotate_left(1);
        self.last[N - 1] = (at, word);
        self.have += 1;
        if self.have < N {
            return false;
        }
        if self.count == 0 {
            self.start = self.last[0].0;
        }
        let hash = self.last.iter().fold(SEED, |hash, (_, word)| mix(hash, *word));
        let bit = hash as usize % BITS;
        let word = &mut self.bits[bit / 64];
        self.set += usize::from(*word & (1 << (bit % 64)) == 0);
        *word |= 1 << (bit % 64);
        self.count += 1;
        self.count >= WINDOW
    }

    /// A sequence does not reach over what was left out.
    fn end_piece(&mut self) {
        self.have = 0;
    }

    /// Ends the stretch: its share of repeated sequences and where it starts, if the share is large.
    fn close(&mut self, text: &str, calls: &[Span]) -> Option<(usize, usize)> {
        let (count, start, set) = (self.count, self.start, self.set);
        let end = self.last[N - 1].0;
        (self.count, self.set, self.bits) = (0, 0, [0; BITS / 64]);
        // Sequences that share a bit only make the rough share larger.
        if count < LEAST || (count - set) * 100 < PERCENT * count {
            return None;
        }
        let stop = text.floor_char_boundary(text.len().min(end + LONGEST));
        let inside = calls.iter().filter(|call| start <= call.start && call.end <= stop);
        let inside: Vec<Span> = inside.map(|call| Span::new(call.start - start, call.end - start)).collect();
        let percent = exact(text.get(start..stop)?, &inside, end - start, count);
        (percent >= PERCENT).then_some((percent, start))
    }
}

/// The share of repeated sequences among the first `count` ones of a text, counted one by one.
fn exact(text: &str, calls: &[Span], end: usize, count: usize) -> usize {
    let mut seen = std::collections::HashSet::new();
    let mut last: [u64; N] = [0; N];
    let mut have = 0;
    let mut total = 0;
    pieces(text, calls, false, &mut |base, piece| {
        have = 0;
        words(piece, &mut |at, word| {
            last.rotate_left(1);
            last[N - 1] = word;
            have += 1;
            if have >= N && base + at <= end && total < count {
                seen.insert(last);
                total += 1;
            }
        });
    });
    (total - seen.len()) * 100 / total.max(1)
}

#[cfg(test)]
mod tests {
    use super::worst;

    #[test]
    fn circles_are_found_and_prose_is_not() {
        let prose: String = (0..400).map(|n| format!("word{n} and then{} ", n * 7 % 401)).collect();
        assert_eq!(worst(&prose, &[]), None);
        let circle = "I should look at the file again. ".repeat(40);
        assert!(worst(&circle, &[]).is_some_and(|(percent, start)| percent > 90 && start == 0));
        let late = format!("{prose}{circle}{circle}{circle}{circle}{circle}");
        assert!(worst(&late, &[]).is_some());
        assert_eq!(worst(&format!("```\n{circle}```"), &[]), None);
        assert_eq!(worst("again ".repeat(30).as_str(), &[]), None);
        let chinese = "我们再看一遍这个文件。".repeat(40);
        assert!(worst(&chinese, &[]).is_some());
    }
}
