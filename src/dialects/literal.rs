//! Python literals as JSON values: what models write where a grammar asks for Python, or in the place of JSON.
//!
//! Read as `ast.literal_eval` has it: texts with their escapes and prefixes, numbers, `True`, `False`, `None`,
//! lists, tuples (read as lists) and dictionaries. Nesting is bounded, and no byte is looked at twice.

use super::python;
use crate::model::Object;
use crate::util::json::MAX_DEPTH;
use serde_json::{Number, Value};

/// Where a text is no literal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoLiteral {
    /// Byte offset.
    pub(super) offset: usize,
    /// Whether the text just ended too early.
    pub(super) torn: bool,
}

/// A reader of literals.
pub(super) struct Reader<'a> {
    text: &'a str,
    /// Byte that is read next.
    pub(super) at: usize,
    depth: usize,
}

/// `ast.literal_eval(text)`.
pub(super) fn eval(text: &str) -> Option<Value> {
    // Python looks past blanks before the literal, and takes no newline there.
    let text = text.trim_start_matches([' ', '\t']);
    let mut reader = Reader::new(text, 0);
    let value = reader.value().ok()?;
    (text[reader.at..].trim().is_empty()).then_some(value)
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str, at: usize) -> Self {
        Self { text, at, depth: 0 }
    }

    /// The next byte.
    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Goes past blanks and newlines, as inside brackets.
    pub(super) fn blanks(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t' | b'\x0c') = self.peek() {
            self.at += 1;
        }
    }

    /// Goes past that byte if it is next.
    pub(super) fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// That the text is no literal here.
    pub(super) fn fail<T>(&self) -> Result<T, NoLiteral> {
        Err(NoLiteral { offset: self.at, torn: self.at >= self.text.len() })
    }

    /// An identifier of ASCII letters, digits, underscores and dots.
    pub(super) fn identifier(&mut self) -> Result<&'a str, NoLiteral> {
        let rest = &self.text[self.at..];
        let len = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.'));
        let word = &rest[..len.unwrap_or(rest.len())];
        if word.is_empty() || word.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
            return self.fail();
        }
        self.at += word.len();
        Ok(word)
    }

    /// One literal.
    pub(super) fn value(&mut self) -> Result<Value, NoLiteral> {
        match self.peek() {
            Some(b'[') => self.list(b']').map(Value::Array),
            Some(b'(') => self.tuple(),
            Some(b'{') => self.dictionary(),
            Some(b'"' | b'\'') => self.texts(),
            Some(b'-' | b'+' | b'.' | b'0'..=b'9') => self.number(),
            Some(byte) if byte.is_ascii_alphabetic() => self.word(),
            _ => self.fail(),
        }
    }

    fn enter(&mut self) -> Result<(), NoLiteral> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(NoLiteral { offset: self.at, torn: false });
        }
        self.at += 1;
        self.blanks();
        Ok(())
    }

    fn list(&mut self, close: u8) -> Result<Vec<Value>, NoLiteral> {
        self.enter()?;
        let mut items = Vec::new();
        while !self.take(close) {
            items.push(self.value()?);
            self.blanks();
            if !self.take(b',') && self.peek() != Some(close) {
                return self.fail();
            }
            self.blanks();
        }
        self.depth -= 1;
        Ok(items)
    }

    /// A tuple, or a value in brackets.
    fn tuple(&mut self) -> Result<Value, NoLiteral> {
        let start = self.at;
        let mut items = self.list(b')')?;
        let inside = self.text[start + 1..self.at - 1].trim_end();
        if items.len() == 1 && !inside.ends_with(',') {
            return Ok(items.remove(0));
        }
        Ok(Value::Array(items))
    }

    fn dictionary(&mut self) -> Result<Value, NoLiteral> {
        self.enter()?;
        let mut object = Object::new();
        while !self.take(b'}') {
            // As `json.dumps` writes keys that are no text.
            let key = match self.value()? {
                Value::String(key) => key,
                Value::Array(_) | Value::Object(_) => return self.fail(),
                other => other.to_string(),
            };
            self.blanks();
            if !self.take(b':') {
                return self.fail();
            }
            self.blanks();
            let value = self.value()?;
            object.insert(key, value);
            self.blanks();
            if !self.take(b',') && self.peek() != Some(b'}') {
                return self.fail();
            }
            self.blanks();
        }
        self.depth -= 1;
        Ok(Value::Object(object))
    }

    fn word(&mut self) -> Result<Value, NoLiteral> {
        let start = self.at;
        let rest = &self.text[self.at..];
        let prefix = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        if rest[prefix..].starts_with(['"', '\'']) && matches!(&rest[..prefix], "r" | "R" | "u" | "U") {
            return self.texts();
        }
        let word = self.identifier()?;
        match word {
            "True" => Ok(Value::Bool(true)),
            "False" => Ok(Value::Bool(false)),
            "None" => Ok(Value::Null),
            _ => {
                let cut = self.at >= self.text.len();
                let torn = cut && ["True", "False", "None"].iter().any(|own| own.starts_with(word));
                Err(NoLiteral { offset: start, torn })
            }
        }
    }

    /// One text, or several that stand side by side and are one.
    fn texts(&mut self) -> Result<Value, NoLiteral> {
        let mut out = String::new();
        loop {
            let raw = matches!(self.peek(), Some(b'r' | b'R'));
            if matches!(self.peek(), Some(b'r' | b'R' | b'u' | b'U')) {
                self.at += 1;
            }
            self.one_text(raw, &mut out)?;
            let end = self.at;
            if self.depth > 0 {
                self.blanks();
            } else {
                while self.take(b' ') {}
            }
            if !matches!(self.peek(), Some(b'"' | b'\'')) {
                self.at = end;
                return Ok(Value::String(out));
            }
        }
    }

    fn one_text(&mut self, raw: bool, out: &mut String) -> Result<(), NoLiteral> {
        let Some(quote) = self.peek() else { return self.fail() };
        let rest = &self.text.as_bytes()[self.at..];
        let long = rest.len() >= 3 && rest[..3].iter().all(|byte| *byte == quote);
        let close = if long { 3 } else { 1 };
        self.at += close;
        loop {
            let rest = &self.text[self.at..];
            let plain = rest.bytes().position(|byte| byte == quote || byte == b'\\' || byte == b'\n');
            let Some(plain) = plain else {
                self.at = self.text.len();
                return self.fail();
            };
            out.push_str(&rest[..plain]);
            self.at += plain;
            match rest.as_bytes()[plain] {
                b'\\' if raw => {
                    out.push('\\');
                    self.at += 1;
                    if let Some(next) = self.text[self.at..].chars().next() {
                        out.push(next);
                        self.at += next.len_utf8();
                    }
                }
                b'\\' => self.escape(out)?,
                b'\n' if !long => return self.fail(),
                byte if byte == quote => {
                    let end = &rest.as_bytes()[plain..];
                    if end.len() >= close && end[..close].iter().all(|other| *other == quote) {
                        self.at += close;
                        return Ok(());
                    }
                    out.push(char::from(quote));
                    self.at += 1;
                }
                byte => {
                    out.push(char::from(byte));
                    self.at += 1;
                }
            }
        }
    }

    /// The escape at a backslash; an unknown one keeps its backslash, as in Python.
    fn escape(&mut self, out: &mut String) -> Result<(), NoLiteral> {
        self.at += 1;
        let Some(letter) = self.text[self.at..].chars().next() else { return self.fail() };
        self.at += letter.len_utf8();
        let plain = match letter {
            '\n' => return Ok(()),
            '\\' | '\'' | '"' => letter,
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            'a' => '\u{7}',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'v' => '\u{b}',
            'x' => self.code(2)?,
            'u' => self.code(4)?,
            'U' => self.code(8)?,
            '0'..='7' => {
                let rest = &self.text.as_bytes()[self.at - 1..];
                let len = rest.iter().take(3).take_while(|byte| matches!(byte, b'0'..=b'7')).count();
                let code = rest[..len].iter().fold(0, |code, byte| code * 8 + u32::from(byte - b'0'));
                self.at += len - 1;
                char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            other => {
                out.push('\\');
                other
            }
        };
        out.push(plain);
        Ok(())
    }

    /// A character by its number; half a surrogate pair is no character.
    fn code(&mut self, len: usize) -> Result<char, NoLiteral> {
        let digits =
            self.text.get(self.at..self.at + len).filter(|text| text.bytes().all(|b| b.is_ascii_hexdigit()));
        let Some(code) = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()) else {
            return Err(NoLiteral { offset: self.at, torn: self.text.len() < self.at + len });
        };
        self.at += len;
        Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn number(&mut self) -> Result<Value, NoLiteral> {
        let start = self.at;
        let rest = &self.text[start..];
        let body = rest.trim_start_matches(['+', '-']);
        let signs = rest.len() - body.len();
        let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_');
        let mut len = body.find(|c: char| !word(c)).unwrap_or(body.len());
        let hex = body.starts_with("0x") || body.starts_with("0X");
        if !hex && body[..len].ends_with(['e', 'E']) {
            // The sign of an exponent goes on.
            let more = body[len..]
                .strip_prefix(['+', '-'])
                .map(|more| 1 + more.find(|c: char| !(c.is_ascii_digit() || c == '_')).unwrap_or(more.len()));
            len += more.unwrap_or(0);
        }
        self.at = start + signs + len;
        let negative = rest[..signs].bytes().filter(|byte| *byte == b'-').count() % 2 == 1;
        match number(&body[..len], negative) {
            Some(value) => Ok(value),
            None => Err(NoLiteral { offset: start, torn: self.at >= self.text.len() }),
        }
    }
}

/// A number without its sign.
fn number(digits: &str, negative: bool) -> Option<Value> {
    let radix = |prefix: [&str; 2], radix: u32| {
        let digits = digits.strip_prefix(prefix[0]).or_else(|| digits.strip_prefix(prefix[1]))?;
        i128::from_str_radix(&digits.replace('_', ""), radix).ok()
    };
    let sign = if negative { "-" } else { "" };
    if let Some(value) =
        radix(["0x", "0X"], 16).or_else(|| radix(["0o", "0O"], 8)).or_else(|| radix(["0b", "0B"], 2))
    {
        return Some(python::int_value(format!("{sign}{value}")));
    }
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    if digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_') {
        // Python refuses zeros in front, but for nought itself.
        let zeros = digits.starts_with('0') && digits.bytes().any(|byte| matches!(byte, b'1'..=b'9'));
        return if zeros { None } else { python::int(&format!("{sign}{digits}")).map(python::int_value) };
    }
    let float: f64 = format!("{sign}{}", digits.replace('_', "")).parse().ok()?;
    Number::from_f64(float).map(Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn literals_are_read_as_python_reads_them() {
        let is = |text: &str, value: Value| assert_eq!(eval(text), Some(value), "{text}");
        is("'a\\n\\x41\\u00e9\\101\\q'", json!("a\nAéA\\q"));
        is("'a' 'b'", json!("ab"));
        is("['it\\'s' \" one\"]", json!(["it's one"]));
        is("'''a\n'b'''", json!("a\n'b"));
        is("r'\\d'", json!("\\d"));
        is(
            "[1, -2, +3, 0x1f, 1_000, 1.5e-3, .5, True, None,]",
            json!([1, -2, 3, 31, 1000, 0.0015, 0.5, true, null]),
        );
        is("(1)", json!(1));
        is("(1,)", json!([1]));
        is("()", json!([]));
        is("{'a': {1: 'b'}, \"c\": []}", json!({"a": {"1": "b"}, "c": []}));
        for bad in ["", "f()", "[1", "'a", "'a\nb'", "012", "1 2", "{'a'}", "true", "b'x'", "[1,,2]"] {
            assert_eq!(eval(bad), None, "{bad}");
        }
        assert_eq!(eval(&"[".repeat(100_000)), None);
    }
}
