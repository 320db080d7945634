//! A walk over the bytes of a JSON line that builds nothing: it hops over strings and gives up at any doubt.
//!
//! Invariant: what is walked over without a doubt is what the exact scanner reads without a note.

use memchr::memchr;

/// Deepest nesting that is walked over; a deeper value is a doubt.
const DEPTH: usize = 48;
/// Most members of an object that are told apart; more are a doubt.
const MEMBERS: usize = 32;
/// Bytes of a string that are looked at one by one before it is searched.
const SHORT: usize = 12;

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Null,
    Bool,
    Integer,
    Number,
    Text,
    Array,
    Object,
}

impl Kind {
    /// The kind that a JSON Schema calls so.
    pub(crate) fn named(word: &str) -> Option<Self> {
        Some(match word {
            "string" => Kind::Text,
            "integer" => Kind::Integer,
            "number" => Kind::Number,
            "boolean" => Kind::Bool,
            "array" => Kind::Array,
            "object" => Kind::Object,
            "null" => Kind::Null,
            _ => return None,
        })
    }
}

/// Whether every byte may stand in a line whose strings have no raw control characters and which has no tabs
/// between values.
pub(crate) fn no_controls(line: &[u8]) -> bool {
    // A minimum over blocks becomes vector code.
    line.chunks(64).all(|chunk| chunk.iter().fold(u8::MAX, |least, &byte| least.min(byte)) >= 0x20)
}

/// Whether every escape is one of those behind which nothing hides: no ASCII letter, digit or mark written as
/// `\u…`, no half of a surrogate pair, no character of `watched`. `\/` is a doubt too.
pub(crate) fn plain_escapes(line: &[u8], watched: &[u32]) -> bool {
    // Backslashes are frequent: eight bytes at a time are looked at in a number, without a call for each of them.
    let (eights, rest) = line.as_chunks::<8>();
    let mut behind = 0;
    for (n, eight) in eights.iter().enumerate() {
        let mut slashes = zeros(u64::from_le_bytes(*eight) ^ SLASHES);
        while slashes != 0 {
            let at = n * 8 + slashes.trailing_zeros() as usize / 8;
            slashes &= slashes - 1;
            if at >= behind {
                let Some(end) = escape(line, at, watched) else { return false };
                behind = end;
            }
        }
    }
    for at in line.len() - rest.len()..line.len() {
        if line[at] == b'\\' && at >= behind {
            let Some(end) = escape(line, at, watched) else { return false };
            behind = end;
        }
    }
    true
}

/// Eight backslashes.
const SLASHES: u64 = 0x5c5c_5c5c_5c5c_5c5c;

/// The highest bit of each byte that is zero.
fn zeros(bytes: u64) -> u64 {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    !(((bytes & LOW) + LOW) | bytes | LOW)
}

/// Goes behind the escape at `at`; `None` if something may hide behind it.
#[inline]
fn escape(line: &[u8], at: usize, watched: &[u32]) -> Option<usize> {
    match line.get(at + 1)? {
        b'n' | b'"' | b'\\' | b't' | b'r' | b'b' | b'f' => Some(at + 2),
        b'u' => {
            let end = at + 6;
            match unit(line, at)? {
                // Colours of terminals are full of it.
                0x1b => Some(end),
                ..0x80 | 0xdc00..0xe000 => None,
                0xd800..0xdc00 => unit_of_pair(line, end).then_some(at + 12),
                unit => (!watched.contains(&unit)).then_some(end),
            }
        }
        _ => None,
    }
}

fn unit_of_pair(line: &[u8], at: usize) -> bool {
    line.get(at..at + 2) == Some(b"\\u") && unit(line, at).is_some_and(|low| (0xdc00..0xe000).contains(&low))
}

/// The code unit of the `\uXXXX` at `at`.
fn unit(line: &[u8], at: usize) -> Option<u32> {
    let digits = line.get(at + 2..at + 6)?;
    digits.iter().try_fold(0, |value, digit| Some(value * 16 + char::from(*digit).to_digit(16)?))
}

/// A place in a line. Every method goes on behind what it read, or gives `None`: a doubt.
pub(crate) struct Walk<'a> {
    line: &'a [u8],
    at: usize,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(line: &'a [u8]) -> Self {
        Self { line, at: 0 }
    }

    /// Bytes from here on.
    pub(crate) fn rest(&self) -> &'a [u8] {
        &self.line[self.at..]
    }

    /// Goes on `count` bytes.
    pub(crate) fn skip(&mut self, count: usize) {
        self.at += count;
    }

    /// Where the walk stands.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn blanks(&mut self) {
        while self.line.get(self.at) == Some(&b' ') {
            self.at += 1;
        }
    }

    /// The next byte that is no blank, which is not taken.
    pub(crate) fn peek(&mut self) -> Option<u8> {
        self.blanks();
        self.line.get(self.at).copied()
    }

    /// Takes the next byte that is no blank, if it is `byte`.
    pub(crate) fn take(&mut self, byte: u8) -> Option<()> {
        if self.peek()? == byte {
            self.at += 1;
            return Some(());
        }
        None
    }

    /// Nothing but blanks is left.
    pub(crate) fn end(&mut self) -> Option<()> {
        self.blanks();
        (self.at == self.line.len()).then_some(())
    }

    /// The inside of a string, as it is written.
    pub(crate) fn string(&mut self) -> Option<&'a [u8]> {
        self.take(b'"')?;
        let start = self.at;
        // Keys and names are short.
        let near = self.line.len().min(start + SHORT);
        if let Some(at) = self.line[start..near].iter().position(|byte| matches!(byte, b'"' | b'\\'))
            && self.line[start + at] == b'"'
        {
            self.at = start + at + 1;
            return Some(&self.line[start..start + at]);
        }
        let mut from = start;
        loop {
            let quote = from + memchr(b'"', &self.line[from..])?;
            let slashes = self.line[start..quote].iter().rev().take_while(|byte| **byte == b'\\').count();
            from = quote + 1;
            if slashes % 2 == 0 {
                self.at = from;
                return Some(&self.line[start..quote]);
            }
        }
    }

    /// A key that is written plainly, and its colon.
    pub(crate) fn key(&mut self) -> Option<&'a [u8]> {
        let key = self.string().filter(|key| !key.contains(&b'\\'))?;
        self.take(b':')?;
        self.blanks();
        Some(key)
    }

    /// Whether another member or element follows: takes the comma or the `close`.
    pub(crate) fn more(&mut self, close: u8) -> Option<bool> {
        let next = self.peek()?;
        self.at += 1;
        match next {
            b',' => Some(true),
            _ if next == close => Some(false),
            _ => None,
        }
    }

    /// Walks over an object that is not empty: `each` gets the walk where the value of that key begins, and goes behind it.
    pub(crate) fn object(
        &mut self,
        mut each: impl FnMut(&mut Self, &'a [u8]) -> Option<()>,
    ) -> Option<Keys<'a>> {
        let mut keys = Keys::default();
        self.take(b'{')?;
        loop {
            self.blanks();
            let key = self.key()?;
            keys.add(key)?;
            each(self, key)?;
            if !self.more(b'}')? {
                return Some(keys);
            }
        }
    }

    /// Walks over any value and gives its kind.
    pub(crate) fn value(&mut self) -> Option<Kind> {
        self.value_at(0)
    }

    /// Walks over any value and gives its bytes.
    pub(crate) fn raw(&mut self) -> Option<&'a [u8]> {
        self.peek()?;
        let from = self.at;
        self.value()?;
        Some(&self.line[from..self.at])
    }

    fn value_at(&mut self, depth: usize) -> Option<Kind> {
        if depth > DEPTH {
            return None;
        }
        match self.peek()? {
            b'"' => self.string().map(|_| Kind::Text),
            b'{' => {
                self.at += 1;
                let mut keys = Keys::default();
                if self.peek()? == b'}' {
                    self.at += 1;
                    return Some(Kind::Object);
                }
                loop {
                    keys.add(self.key()?)?;
                    self.value_at(depth + 1)?;
                    if !self.more(b'}')? {
                        return Some(Kind::Object);
                    }
                }
            }
            b'[' => {
                self.at += 1;
                if self.peek()? == b']' {
                    self.at += 1;
                    return Some(Kind::Array);
                }
                loop {
                    self.value_at(depth + 1)?;
                    if !self.more(b']')? {
                        return Some(Kind::Array);
                    }
                }
            }
            b't' => self.word(b"true", Kind::Bool),
            b'f' => self.word(b"false", Kind::Bool),
            b'n' => self.word(b"null", Kind::Null),
            _ => self.number(),
        }
    }

    fn word(&mut self, word: &[u8], kind: Kind) -> Option<Kind> {
        self.rest().starts_with(word).then(|| {
            self.at += word.len();
            kind
        })
    }

    /// A number of up to 15 characters without an exponent: such a one is exact in any reader.
    fn number(&mut self) -> Option<Kind> {
        let rest = self.rest();
        let length = rest.iter().take_while(|byte| matches!(byte, b'-' | b'.' | b'0'..=b'9')).count();
        if length > 15 || matches!(rest.get(length), Some(b'e' | b'E' | b'+')) {
            return None;
        }
        self.at += length;
        let text = &rest[..length];
        let text = text.strip_prefix(b"-").unwrap_or(text);
        let (whole, fraction) = match memchr(b'.', text) {
            Some(dot) => (&text[..dot], Some(&text[dot + 1..])),
            None => (text, None),
        };
        let digits = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
        let leading = whole.len() > 1 && whole[0] == b'0';
        if !digits(whole) || leading || !fraction.is_none_or(digits) {
            return None;
        }
        Some(if fraction.is_some() { Kind::Number } else { Kind::Integer })
    }
}

/// The keys of one object, to see that none stands twice.
pub(crate) struct Keys<'a> {
    known: [&'a [u8]; MEMBERS],
    count: usize,
}

impl Default for Keys<'_> {
    fn default() -> Self {
        Self { known: [b""; MEMBERS], count: 0 }
    }
}

impl<'a> Keys<'a> {
    /// Whether that key stood there.
    pub(crate) fn has(&self, key: &[u8]) -> bool {
        self.known[..self.count].contains(&key)
    }

    /// A key that did not stand there yet.
    pub(crate) fn add(&mut self, key: &'a [u8]) -> Option<()> {
        if self.count == MEMBERS || self.known[..self.count].contains(&key) {
            return None;
        }
        self.known[self.count] = key;
        self.count += 1;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::util::json;
    use proptest::prelude::*;

    fn walks(text: &str) -> bool {
        let mut walk = Walk::new(text.as_bytes());
        no_controls(text.as_bytes())
            && plain_escapes(text.as_bytes(), &[0xff5c])
            && walk.value().is_some()
            && walk.end().is_some()
    }

    fn clean(text: &str) -> bool {
        let mut notes = Vec::new();
        json::parse_at(text.as_bytes(), 0, &mut notes)
            .is_ok_and(|node| notes.is_empty() && text[node.end..].trim().is_empty())
    }

    #[test]
    fn plain_values_are_walked_over() {
        for text in [
            "{}",
            r#"{"a": [1, -2.5, true, false, null, "x\n\"y\\"], "b": {"c": {}}}"#,
            r#""\u001b[0m \u00e9 \ud83d\ude00""#,
            "0",
            " [ ] ",
        ] {
            assert!(walks(text), "{text}");
            assert!(clean(text), "{text}");
        }
    }

    #[test]
    fn doubts_are_left_to_others() {
        for text in [
            r#"{"a":1,"a":2}"#,
            r#"{"\u0061":1}"#,
            r#""\u003cfunction""#,
            r#""\uff5c""#,
            r#""\ud83d""#,
            r#""\/""#,
            r#""\x""#,
            "01",
            "-",
            "1.",
            "1e3",
            "NaN",
            "[1,]",
            "[1 2]",
            "{\"a\"}",
            "\"a",
            "[\t1]",
            "1 2",
            "12345678901234567",
        ] {
            assert!(!walks(text), "{text}");
        }
        assert!(!walks(&"[".repeat(100_000)));
    }

    proptest! {
        #[test]
        fn what_is_walked_over_is_clean(text in r#"[\[\]{}:,"\\a-fnrtu0-9.eE+\- ]{0,24}"#) {
            prop_assert!(!walks(&text) || clean(&text), "{}", text);
        }
    }
}
