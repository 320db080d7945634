//! Puts placeholders in the place of a probe's fresh key and nonce.

use crate::model::Object;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::HashSet;

/// Stands for the whole key.
pub const KEY: &str = "<key>";
/// Stands for a piece of the key of at least twelve bytes.
pub const KEY_PART: &str = "<key-part>";
/// Stands for the nonce.
pub const NONCE: &str = "<nonce>";

/// Bytes of the key in a row that count as telling it. Shorter pieces (`sk-a…9f`) are what careful
/// programs show on purpose.
pub(super) const PIECE: usize = 12;

/// Replaces one key and one nonce.
#[derive(Debug, Default)]
pub struct Seal {
    key: String,
    nonce: String,
    pieces: HashSet<Vec<u8>>,
}

impl Seal {
    /// A seal for `(key, nonce)`; without them it only marks literal placeholders.
    pub fn new(secrets: Option<(&str, &str)>) -> Self {
        let (key, nonce) = secrets.unwrap_or_default();
        let pieces = key.as_bytes().windows(PIECE).map(<[u8]>::to_vec).collect();
        Self { key: key.to_owned(), nonce: nonce.to_owned(), pieces }
    }

    /// `text` with placeholders. One that the text holds literally is broken by a zero-width space after
    /// its `<`, so that it can't be taken for a secret that was seen.
    pub fn text(&self, text: &str) -> String {
        let mut text = Cow::Borrowed(text);
        for placeholder in [KEY, KEY_PART, NONCE] {
            if text.contains(placeholder) {
                let marked = placeholder.replace('<', "<\u{200b}");
                text = text.replace(placeholder, &marked).into();
            }
        }
        for (value, placeholder) in [(&self.key, KEY), (&self.nonce, NONCE)] {
            if !value.is_empty() && text.contains(value.as_str()) {
                text = text.replace(value.as_str(), placeholder).into();
            }
        }
        self.without_pieces(&text)
    }

    /// All strings of an object, sealed.
    pub fn object(&self, object: Object) -> Object {
        object.into_iter().map(|(key, value)| (self.text(&key), self.value(value))).collect()
    }

    fn value(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(&text)),
            Value::Array(items) => Value::Array(items.into_iter().map(|item| self.value(item)).collect()),
            Value::Object(object) => Value::Object(self.object(object)),
            other => other,
        }
    }

    fn without_pieces(&self, text: &str) -> String {
        if self.pieces.is_empty() {
            return text.to_owned();
        }
        let bytes = text.as_bytes();
        let mut out = String::with_capacity(text.len());
        let (mut copied, mut at) = (0, 0);
        while at + PIECE <= bytes.len() {
            if !self.pieces.contains(&bytes[at..at + PIECE]) {
                at += 1;
                continue;
            }
            let mut end = at + PIECE;
            while end < bytes.len() && self.pieces.contains(&bytes[end + 1 - PIECE..=end]) {
                end += 1;
            }
            // Keys are ASCII, so a piece never cuts a character; `get` keeps that from being a panic.
            out.push_str(text.get(copied..at).unwrap_or(""));
            out.push_str(KEY_PART);
            (copied, at) = (end, end);
        }
        out.push_str(text.get(copied..).unwrap_or(""));
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of no service, and never whole in the source.
    const KEY: &str = concat!("sk-", "0123456789abcdef0123456789abcdef");

    fn seal() -> Seal {
        Seal::new(Some((KEY, "n-77")))
    }

    #[test]
    fn whole_key_nonce_and_pieces_are_replaced() {
        let seal = seal();
        assert_eq!(seal.text(&format!("k {KEY} n n-77.")), "k <key> n <nonce>.");
        assert_eq!(seal.text("ü 456789abcdef0123 ü"), "ü <key-part> ü");
        assert_eq!(seal.text("sk-01234…cdef"), "sk-01234…cdef");
    }

    #[test]
    fn a_literal_placeholder_is_not_a_secret() {
        assert_eq!(seal().text("<key> <nonce>"), "<\u{200b}key> <\u{200b}nonce>");
        assert_eq!(Seal::new(None).text("<nonce> n-77"), "<\u{200b}nonce> n-77");
    }
}
