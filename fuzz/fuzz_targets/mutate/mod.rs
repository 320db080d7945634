//! Mutations that know what the inputs are made of: marks of the dialects, and JSON as values. Bytes alone would
//! seldom come past the first brace.

#![allow(dead_code, reason = "each target uses a part")]

use crate::properties::pieces;
use libfuzzer_sys::fuzzer_mutate;
use rolltape::util::json::{Kind, Node, parse_at};

/// Numbers by chance, the same for the same seed.
struct Chance(u64);

impl Chance {
    fn new(seed: u32) -> Self {
        Self(u64::from(seed) << 1 | 1)
    }

    /// Below `end`, which is not 0.
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % end.max(1)
    }
}

/// Text with marks: bytes change, or a piece is put in.
pub(crate) fn text(data: &mut [u8], size: usize, max: usize, seed: u32) -> usize {
    let mut chance = Chance::new(seed);
    if chance.below(2) == 0 {
        fuzzer_mutate(data, size, max)
    } else {
        put_piece(data, size, max, &mut chance)
    }
}

/// JSON, one value or one a line: besides, values are exchanged, doubled, taken away.
pub(crate) fn json(data: &mut [u8], size: usize, max: usize, seed: u32) -> usize {
    let mut chance = Chance::new(seed);
    match chance.below(4) {
        0 => fuzzer_mutate(data, size, max),
        1 => put_piece(data, size, max, &mut chance),
        _ => match edit(&data[..size], &mut chance) {
            Some(bytes) => put(data, max, &bytes),
            None => fuzzer_mutate(data, size, max),
        },
    }
}

fn put(data: &mut [u8], max: usize, bytes: &[u8]) -> usize {
    let size = bytes.len().min(max);
    data[..size].copy_from_slice(&bytes[..size]);
    size
}

fn put_piece(data: &mut [u8], size: usize, max: usize, chance: &mut Chance) -> usize {
    let pieces = pieces();
    let piece = pieces[chance.below(pieces.len())];
    let at = chance.below(size + 1);
    let end = (at + chance.below(12)).min(size);
    let mut bytes = data[..size].to_vec();
    bytes.splice(at..end, piece.bytes());
    put(data, max, &bytes)
}

/// One value of one line changed.
fn edit(bytes: &[u8], chance: &mut Chance) -> Option<Vec<u8>> {
    let lines = bytes.split(|byte| *byte == b'\n').count();
    let line = if lines > 1 && chance.below(3) > 0 { chance.below(lines) } else { 0 };
    let start = bytes.split(|byte| *byte == b'\n').take(line).map(|line| line.len() + 1).sum::<usize>();
    // The readers' first byte may name a format.
    let start = start + bytes[start..].iter().position(|byte| b"{[".contains(byte))?;
    let root = parse_at(bytes, start, &mut Vec::new()).ok()?;
    let (mut values, mut members) = (Vec::new(), Vec::new());
    collect(&root, &mut values, &mut members);
    let (from, to) = values[chance.below(values.len())];
    let (other, end) = values[chance.below(values.len())];
    let mut out = bytes.to_vec();
    let scraps: [&[u8]; 11] = [
        b"null",
        b"true",
        b"-1",
        b"0.5",
        b"1e999",
        b"\"\"",
        b"\"x\"",
        b"[]",
        b"{}",
        b"[null]",
        b"\"2026-01-02T03:04:05Z\"",
    ];
    match chance.below(6) {
        0 | 1 => drop(out.splice(from..to, scraps[chance.below(scraps.len())].iter().copied())),
        2 => drop(out.splice(from..to, bytes[other..end].iter().copied())),
        3 => {
            // JSON that stands in a string, as arguments of calls do.
            let text = String::from_utf8_lossy(&bytes[other..end]);
            let text = serde_json::to_string(&text).ok()?;
            out.splice(from..to, text.bytes());
        }
        4 if !members.is_empty() => {
            let (from, to) = members[chance.below(members.len())];
            let (other, end) = members[chance.below(members.len())];
            let doubled = [&bytes[other..end], b","].concat();
            out.splice(from..if chance.below(2) == 0 { from } else { to }, doubled);
        }
        _ => {
            // The line once more, so that there is a second record.
            let line = [&bytes[root.start..root.end], b"\n"].concat();
            out.splice(root.start..root.start, line);
        }
    }
    Some(out)
}

fn collect(node: &Node, values: &mut Vec<(usize, usize)>, members: &mut Vec<(usize, usize)>) {
    values.push((node.start, node.end));
    match &node.kind {
        Kind::Array(items) => items.iter().for_each(|item| collect(item, values, members)),
        Kind::Object(all) => {
            for (key, value) in all {
                members.push((key.start, value.end));
                collect(value, values, members);
            }
        }
        _ => {}
    }
}
