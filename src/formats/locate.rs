//! From an offset in a decoded message to a line and a column of the decompressed file.

use super::chat::part_text;
use crate::model::{Location, Place};
use crate::util::json::{self, View, advance, advance_from};
use std::cell::{Cell, RefCell};

/// Finds lines and columns in one file. Remembers where it was: findings that come in file order
/// cost one pass over the file together.
pub struct Locator<'a> {
    bytes: &'a [u8],
    at: usize,
    line: u64,
    column: u64,
    /// The list of parts looked at last: where it starts; for each text the decoded bytes before it
    /// and where it stands. One list may hold many findings.
    parts: RefCell<Option<(usize, Vec<(usize, usize)>)>>,
    /// The JSON string walked over last: where it starts, and how many raw and decoded bytes lie behind. Many
    /// findings in one long string cost one walk.
    walked: Cell<(usize, (usize, usize))>,
    /// What the string around the nested one looked at last says from there on, and where that starts.
    outer: RefCell<Option<(usize, Vec<u8>)>>,
}

impl<'a> Locator<'a> {
    /// A locator for a decompressed file; a byte order mark takes no column.
    pub fn new(bytes: &'a [u8]) -> Self {
        let at = if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        Self {
            bytes,
            at,
            line: 1,
            column: 1,
            parts: RefCell::default(),
            walked: Cell::default(),
            outer: RefCell::default(),
        }
    }

    /// Line and column of byte `offset` of the decoded text that starts at `place`.
    pub fn locate(&mut self, place: Place, offset: usize) -> Location {
        let byte = self.byte(place, offset);
        self.position(byte)
    }

    /// The byte of the file behind byte `offset` of the decoded text.
    pub fn byte(&self, place: Place, offset: usize) -> usize {
        let start = usize::try_from(place.offset).unwrap_or(usize::MAX).min(self.bytes.len());
        let rest = &self.bytes[start..];
        if place.parts {
            return self.byte_in_parts(start, offset).unwrap_or(start);
        }
        if place.nested {
            return start + self.walk_nested(start, offset);
        }
        if place.json {
            return start + self.walk(start, offset);
        }
        if place.crlf {
            let mut done = 0;
            for (at, byte) in rest.iter().enumerate() {
                if done == offset {
                    return start + at;
                }
                done += usize::from(!(*byte == b'\r' && rest.get(at + 1) == Some(&b'\n')));
            }
            return self.bytes.len();
        }
        (start + offset).min(self.bytes.len())
    }

    /// The byte behind the last one of a span that ends at byte `end` of the decoded text, which is
    /// in the part that the span ends in, not where the next part starts.
    pub fn end_byte(&self, place: Place, end: usize) -> usize {
        match end.checked_sub(1).filter(|_| place.parts) {
            Some(last) => self.byte(place, last) + 1,
            None => self.byte(place, end),
        }
    }

    /// The byte behind the JSON value at `place`; `None` if a text is meant there, or no value stands there.
    pub fn value_end(&self, place: Place) -> Option<usize> {
        let start =
            usize::try_from(place.offset).ok().filter(|start| place.value && *start < self.bytes.len())?;
        json::parse_at(self.bytes, start, &mut Vec::new()).ok().map(|value| value.end)
    }

    /// The byte behind byte `offset` of the texts of the list of parts that starts at `start`.
    fn byte_in_parts(&self, start: usize, offset: usize) -> Option<usize> {
        let mut cache = self.parts.borrow_mut();
        if cache.as_ref().is_none_or(|(known, _)| *known != start) {
            let list = json::parse_at(self.bytes, start, &mut Vec::new()).ok()?;
            let mut texts = Vec::new();
            let mut before = 0;
            for part in View::new(self.bytes, &list).items().filter_map(part_text) {
                let length = part.text().map_or(0, |text| text.len());
                if length > 0 {
                    texts.push((before, part.offset() + 1));
                    before += length;
                }
            }
            *cache = Some((start, texts));
        }
        let (_, texts) = cache.as_ref()?;
        let (before, inside) = texts[..texts.partition_point(|(before, _)| *before <= offset)].last()?;
        Some(inside + self.walk(*inside, offset - before))
    }

    /// Raw bytes of the JSON string that starts at `start` up to byte `offset` of its decoded text.
    fn walk(&self, start: usize, offset: usize) -> usize {
        let (known, behind) = self.walked.get();
        // A step back, or another string, is walked from the start.
        let from = if known == start && behind.1 <= offset { behind } else { (0, 0) };
        let walked = advance_from(&self.bytes[start..], from, offset);
        self.walked.set((start, walked));
        walked.0
    }

    /// Like [`Self::walk`], through a string inside of a string: what the inner one has as its bytes is the outer one's
    /// text.
    fn walk_nested(&self, start: usize, offset: usize) -> usize {
        let mut known = self.outer.borrow_mut();
        if known.as_ref().is_none_or(|(at, _)| *at != start) {
            *known = Some((start, json::inside(&self.bytes[start..])));
        }
        let inner = known.as_ref().map_or(0, |(_, outer)| advance(outer, offset));
        self.walk(start, inner)
    }

    /// Line and column of a byte. Only `\n` ends a line; columns are characters.
    pub fn position(&mut self, byte: usize) -> Location {
        let byte = byte.min(self.bytes.len());
        if byte < self.at {
            self.step_back(byte);
        }
        let between = self.bytes.get(self.at..byte).unwrap_or(&[]);
        let newlines = memchr::memchr_iter(b'\n', between).count() as u64;
        let tail = match memchr::memrchr(b'\n', between) {
            Some(last) => {
                self.line += newlines;
                self.column = 1;
                &between[last + 1..]
            }
            None => between,
        };
        self.column += characters(tail);
        self.at = self.at.max(byte);
        Location { line: self.line, column: self.column }
    }

    /// Goes back to a byte: what lies between is counted off, so that a short step costs little in a long file.
    fn step_back(&mut self, byte: usize) {
        let first = Self::new(self.bytes).at;
        let byte = byte.max(first);
        let between = self.bytes.get(byte..self.at).unwrap_or(&[]);
        let newlines = memchr::memchr_iter(b'\n', between).count() as u64;
        if newlines == 0 {
            self.column -= characters(between);
        } else {
            let start = memchr::memrchr(b'\n', &self.bytes[..byte]).map_or(first, |at| at + 1);
            self.column = 1 + characters(&self.bytes[start..byte]);
        }
        self.line -= newlines;
        self.at = byte;
    }

    /// The line of the file that a byte stands in, without its end, decoded as well as can be.
    pub fn line_text(&self, byte: usize) -> std::borrow::Cow<'a, str> {
        let byte = byte.min(self.bytes.len());
        let start = memchr::memrchr(b'\n', &self.bytes[..byte]).map_or(0, |at| at + 1);
        let end = memchr::memchr(b'\n', &self.bytes[byte..]).map_or(self.bytes.len(), |at| byte + at);
        let line = &self.bytes[start..end];
        String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line))
    }
}

/// Characters of a text: bytes that go on with one are not counted.
fn characters(text: &[u8]) -> u64 {
    text.iter().filter(|&&byte| byte & 0xc0 != 0x80).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str, place: Place, offset: usize) -> (u64, u64) {
        let found = Locator::new(text.as_bytes()).locate(place, offset);
        (found.line, found.column)
    }

    #[test]
    fn plain_text_counts_characters_and_newlines() {
        let place = Place { offset: 2, ..Place::default() };
        assert_eq!(at("a\n\u{e9}\u{e9}x\nb", place, 0), (2, 1));
        assert_eq!(at("a\n\u{e9}\u{e9}x\nb", place, 4), (2, 3));
        assert_eq!(at("a\n\u{e9}\u{e9}x\nb", place, 6), (3, 1));
    }

    #[test]
    fn json_escapes_are_walked_over() {
        let file = "{\n \"k\": \"a\\n\\u00e9\\ud83d\\ude00\u{e9}<x\"}";
        let offset = file.find("a\\n").expect("text") as u64;
        let place = Place { offset, json: true, ..Place::default() };
        let decoded = "a\n\u{e9}\u{1f600}\u{e9}<x";
        let column = |wanted: &str| at(file, place, decoded.find(wanted).expect("part"));
        assert_eq!(column("a"), (2, 8));
        assert_eq!(column("\n"), (2, 9));
        assert_eq!(column("<"), (2, 30));
    }

    #[test]
    fn a_walk_goes_on_where_the_last_one_ended() {
        let file = "\"a\\u00e9b\\ud83d\\ude00c\\nd\"";
        let place = Place { offset: 1, json: true, ..Place::default() };
        let locator = Locator::new(file.as_bytes());
        let forward: Vec<usize> = (0..12).map(|offset| locator.byte(place, offset)).collect();
        let afresh: Vec<usize> =
            (0..12).map(|offset| Locator::new(file.as_bytes()).byte(place, offset)).collect();
        assert_eq!(forward, afresh);
        let back: Vec<usize> = (0..12).rev().map(|offset| locator.byte(place, offset)).collect();
        assert_eq!(back.into_iter().rev().collect::<Vec<_>>(), afresh);
    }

    #[test]
    fn crlf_files_keep_their_columns() {
        let place = Place { crlf: true, ..Place::default() };
        assert_eq!(at("ab\r\ncd\r\nef", place, "ab\ncd\ne".len()), (3, 2));
        assert_eq!(at("ab\r\ncd", place, 2), (1, 3));
    }

    #[test]
    fn steps_back_are_allowed() {
        let mut locator = Locator::new(b"a\nb\nc");
        assert_eq!(locator.position(4).line, 3);
        assert_eq!(locator.position(0), Location { line: 1, column: 1 });
        assert_eq!(locator.position(99).line, 3);
        assert_eq!(locator.line_text(2), "b");
        let text = "\u{feff}\u{e9}x\n\u{1f600}\u{e9}yz\n\nend";
        let fresh = |byte: usize| Locator::new(text.as_bytes()).position(byte);
        for from in (0..=text.len()).filter(|byte| text.is_char_boundary(*byte)) {
            for to in (0..=from).filter(|byte| text.is_char_boundary(*byte)) {
                let mut locator = Locator::new(text.as_bytes());
                locator.position(from);
                assert_eq!(locator.position(to), fresh(to), "from {from} to {to}");
                assert_eq!(locator.position(from), fresh(from), "from {to} to {from}");
            }
        }
    }

    #[test]
    fn a_value_has_an_end_and_a_text_has_none() {
        let file = br#"{"calls": [{"name": "f", "x": "}"}, 7]}"#;
        let locator = Locator::new(file);
        let place = |offset| Place { offset, value: true, ..Place::default() };
        assert_eq!(locator.value_end(place(11)), Some(34));
        assert_eq!(locator.value_end(Place { value: false, ..place(11) }), None);
        assert_eq!((locator.value_end(place(8)), locator.value_end(place(999))), (None, None));
    }
}
