//! The scanner: bytes to a tree of spans.

use super::{JsonError, Kind, MAX_DEPTH, Node, Note, NoteKind};
use std::collections::HashSet;

/// Reads the value that begins at or after `at`; blanks before it are skipped.
///
/// Offsets are those of `bytes`. Notes are added, at most one of a kind.
///
/// # Errors
/// The first place where the text is not JSON.
pub fn parse_at(bytes: &[u8], at: usize, notes: &mut Vec<Note>) -> Result<Node, JsonError> {
    let mut scanner = Scanner { bytes, at, depth: 0, notes };
    scanner.blanks();
    scanner.value()
}

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    depth: usize,
    notes: &'a mut Vec<Note>,
}

impl Scanner<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn fail<T>(&self, message: &'static str) -> Result<T, JsonError> {
        let torn = self.at >= self.bytes.len();
        let message = if torn { "the text ends too early" } else { message };
        Err(JsonError { offset: self.at.min(self.bytes.len()), message, torn })
    }

    fn note(&mut self, offset: usize, kind: NoteKind) {
        if !self.notes.iter().any(|note| note.kind == kind) {
            self.notes.push(Note { offset, kind });
        }
    }

    fn blanks(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    fn value(&mut self) -> Result<Node, JsonError> {
        let start = self.at;
        let kind = match self.peek() {
            Some(b'{') => self.object()?,
            Some(b'[') => self.array()?,
            Some(b'"') => Kind::Text(self.string()?),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b't') => self.word(b"true", Kind::Bool(true))?,
            Some(b'f') => self.word(b"false", Kind::Bool(false))?,
            Some(b'n') => self.word(b"null", Kind::Null)?,
            Some(b'N') => self.not_finite(b"NaN")?,
            Some(b'I') => self.not_finite(b"Infinity")?,
            _ => return self.fail("expected a value"),
        };
        Ok(Node { start, end: self.at, kind })
    }

    fn word(&mut self, word: &'static [u8], kind: Kind) -> Result<Kind, JsonError> {
        let rest = &self.bytes[self.at..];
        if rest.starts_with(word) {
            self.at += word.len();
            return Ok(kind);
        }
        if word.starts_with(rest) {
            self.at = self.bytes.len();
        }
        self.fail("expected a value")
    }

    fn not_finite(&mut self, word: &'static [u8]) -> Result<Kind, JsonError> {
        let offset = self.at;
        let kind = self.word(word, Kind::NotFinite)?;
        self.note(offset, NoteKind::NotFinite);
        Ok(kind)
    }

    fn enter(&mut self) -> Result<(), JsonError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(JsonError { offset: self.at, message: "nested deeper than 128 levels", torn: false });
        }
        self.at += 1;
        self.blanks();
        Ok(())
    }

    fn array(&mut self) -> Result<Kind, JsonError> {
        self.enter()?;
        let mut items = Vec::new();
        if self.peek() == Some(b']') {
            self.at += 1;
            self.depth -= 1;
            return Ok(Kind::Array(items));
        }
        loop {
            items.push(self.value()?);
            self.blanks();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => break,
                _ => return self.fail("expected ',' or ']'"),
            }
            self.blanks();
        }
        self.at += 1;
        self.depth -= 1;
        Ok(Kind::Array(items))
    }

    fn object(&mut self) -> Result<Kind, JsonError> {
        self.enter()?;
        let mut members: Vec<(Node, Node)> = Vec::new();
        if self.peek() == Some(b'}') {
            self.at += 1;
            self.depth -= 1;
            return Ok(Kind::Object(members));
        }
        loop {
            let start = self.at;
            if self.peek() != Some(b'"') {
                return self.fail("expected a key in double quotes");
            }
            let escaped = self.string()?;
            let key = Node { start, end: self.at, kind: Kind::Text(escaped) };
            self.blanks();
            if self.peek() != Some(b':') {
                return self.fail("expected ':' after the key");
            }
            self.at += 1;
            self.blanks();
            let value = self.value()?;
            members.push((key, value));
            self.blanks();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => break,
                _ => return self.fail("expected ',' or '}'"),
            }
            self.blanks();
        }
        self.at += 1;
        self.depth -= 1;
        if let Some(offset) = repeated(self.bytes, &members) {
            self.note(offset, NoteKind::RepeatedKey);
        }
        Ok(Kind::Object(members))
    }

    /// Goes behind the closing quote; tells whether there were escapes.
    fn string(&mut self) -> Result<bool, JsonError> {
        self.at += 1;
        let mut escaped = false;
        loop {
            let from = self.at;
            let Some(found) = memchr::memchr2(b'"', b'\\', &self.bytes[from..]) else {
                self.at = self.bytes.len();
                self.check_controls(from)?;
                return self.fail("");
            };
            self.at = from + found;
            self.check_controls(from)?;
            if self.bytes[self.at] == b'"' {
                self.at += 1;
                return Ok(escaped);
            }
            escaped = true;
            self.escape()?;
        }
    }

    /// Control characters have to be escaped.
    #[expect(clippy::needless_bitwise_bool, reason = "a lazy operator would branch")]
    fn check_controls(&mut self, from: usize) -> Result<(), JsonError> {
        let run = &self.bytes[from..self.at];
        // The fold is free of branches, so that it becomes vector code.
        if !run.iter().fold(false, |bad, &byte| bad | (byte < 0x20)) {
            return Ok(());
        }
        let found = run.iter().position(|&byte| byte < 0x20).unwrap_or(0);
        self.at = from + found;
        self.fail("a control character stands in a string")
    }

    fn escape(&mut self) -> Result<(), JsonError> {
        match self.bytes.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.at += 2;
                Ok(())
            }
            Some(b'u') => {
                let offset = self.at;
                let unit = self.unit()?;
                match unit {
                    0xd800..=0xdbff => {
                        // A pair counts as one; anything else behind it is looked at on its own.
                        let here = self.at;
                        let second = self.bytes[here..].starts_with(b"\\u").then(|| self.unit());
                        if !matches!(second, Some(Ok(0xdc00..=0xdfff))) {
                            self.at = here;
                            self.note(offset, NoteKind::LoneSurrogate);
                        }
                    }
                    0xdc00..=0xdfff => self.note(offset, NoteKind::LoneSurrogate),
                    _ => {}
                }
                Ok(())
            }
            None => {
                self.at = self.bytes.len();
                self.fail("")
            }
            Some(_) => self.fail("unknown escape in a string"),
        }
    }

    /// Reads `\uXXXX` and goes behind it.
    fn unit(&mut self) -> Result<u32, JsonError> {
        let mut unit = 0;
        for n in 2..6 {
            let Some(digit) = self.bytes.get(self.at + n) else {
                self.at = self.bytes.len();
                return self.fail("");
            };
            let Some(digit) = char::from(*digit).to_digit(16) else {
                return self.fail("expected four hexadecimal digits after \\u");
            };
            unit = unit * 16 + digit;
        }
        self.at += 6;
        Ok(unit)
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        if !matches!(self.peek(), Some(b'0'..=b'9')) {
            return self.fail("expected a digit");
        }
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        Ok(())
    }

    fn number(&mut self) -> Result<Kind, JsonError> {
        if self.peek() == Some(b'-') {
            self.at += 1;
            if self.peek() == Some(b'I') {
                return self.not_finite(b"Infinity");
            }
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(Kind::Number)
    }
}

/// Offset of the first key that stands twice.
fn repeated(bytes: &[u8], members: &[(Node, Node)]) -> Option<usize> {
    let text = |node: &Node| &bytes[node.start..node.end];
    if members.len() <= 12 {
        let again = |(n, (key, _)): (usize, &(Node, Node))| {
            members[..n].iter().any(|(other, _)| text(other) == text(key)).then_some(key.start)
        };
        return members.iter().enumerate().find_map(again);
    }
    let mut seen = HashSet::with_capacity(members.len());
    members.iter().find(|(key, _)| !seen.insert(text(key))).map(|(key, _)| key.start)
}
