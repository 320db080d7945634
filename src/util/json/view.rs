//! Reading from a scanned tree.

use super::{Kind, Node, unescape};
use crate::model::{Object, Place};
use serde_json::{Number, Value};
use std::borrow::Cow;

/// A node together with the bytes that it points into.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    bytes: &'a [u8],
    node: &'a Node,
}

impl<'a> View<'a> {
    /// A view of `node`, which was scanned from `bytes`.
    pub fn new(bytes: &'a [u8], node: &'a Node) -> Self {
        Self { bytes, node }
    }

    /// Byte offset of the value.
    pub fn offset(self) -> usize {
        self.node.start
    }

    /// The text as it stands in the file.
    pub fn raw(self) -> &'a [u8] {
        &self.bytes[self.node.start..self.node.end]
    }

    /// Whether it is `null`.
    pub fn is_null(self) -> bool {
        self.node.kind == Kind::Null
    }

    /// Whether it is an object.
    pub fn is_object(self) -> bool {
        matches!(self.node.kind, Kind::Object(_))
    }

    /// Whether it is an array.
    pub fn is_array(self) -> bool {
        matches!(self.node.kind, Kind::Array(_))
    }

    /// What it is, in words.
    pub fn type_name(self) -> &'static str {
        match self.node.kind {
            Kind::Null => "null",
            Kind::Bool(_) => "a boolean",
            Kind::Number | Kind::NotFinite => "a number",
            Kind::Text(_) => "a string",
            Kind::Array(_) => "a list",
            Kind::Object(_) => "an object",
        }
    }

    /// The member of that name, the last one if it stands twice. Null counts as a member.
    pub fn get(self, key: &str) -> Option<View<'a>> {
        let Kind::Object(members) = &self.node.kind else { return None };
        let same = |node: &Node| match node.kind {
            Kind::Text(false) => &self.bytes[node.start + 1..node.end - 1] == key.as_bytes(),
            _ => View::new(self.bytes, node).text().as_deref() == Some(key),
        };
        members.iter().rev().find(|(name, _)| same(name)).map(|(_, value)| View::new(self.bytes, value))
    }

    /// The member of that name, unless it is null.
    pub fn some(self, key: &str) -> Option<View<'a>> {
        self.get(key).filter(|value| !value.is_null())
    }

    /// The decoded string.
    pub fn text(self) -> Option<Cow<'a, str>> {
        let Kind::Text(escaped) = self.node.kind else { return None };
        let raw = &self.bytes[self.node.start + 1..self.node.end - 1];
        // Records are checked before they are scanned; what slips through is replaced, not lost.
        let raw = match simdutf8::basic::from_utf8(raw) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => String::from_utf8_lossy(raw),
        };
        Some(if escaped { Cow::Owned(unescape(&raw)) } else { raw })
    }

    /// The member's decoded string.
    pub fn text_at(self, key: &str) -> Option<String> {
        self.get(key)?.text().map(Cow::into_owned)
    }

    /// Where the text of a string starts.
    pub fn place(self) -> Place {
        Place { offset: self.node.start as u64 + 1, json: true, ..Place::default() }
    }

    /// Where a list of content parts starts, whose texts are read as one.
    pub fn parts_place(self) -> Place {
        Place { offset: self.node.start as u64, json: true, parts: true, ..Place::default() }
    }

    /// Where the value as a whole stands.
    pub fn value_place(self) -> Place {
        Place { offset: self.node.start as u64, value: true, ..Place::default() }
    }

    /// The elements of an array; nothing for other kinds.
    pub fn items(self) -> impl Iterator<Item = View<'a>> {
        let items: &'a [Node] = match &self.node.kind {
            Kind::Array(items) => items,
            _ => &[],
        };
        items.iter().map(move |node| View::new(self.bytes, node))
    }

    /// The members of an object in order; nothing for other kinds.
    pub fn members(self) -> impl Iterator<Item = (Cow<'a, str>, View<'a>)> {
        let members: &'a [(Node, Node)] = match &self.node.kind {
            Kind::Object(members) => members,
            _ => &[],
        };
        members.iter().map(move |(key, value)| {
            (View::new(self.bytes, key).text().unwrap_or_default(), View::new(self.bytes, value))
        })
    }

    /// A whole number that is not negative.
    pub fn uint(self) -> Option<u64> {
        std::str::from_utf8(self.raw()).ok().filter(|_| self.node.kind == Kind::Number)?.parse().ok()
    }

    /// A number.
    pub fn float(self) -> Option<f64> {
        let text = std::str::from_utf8(self.raw()).ok().filter(|_| self.node.kind == Kind::Number)?;
        text.parse().ok().filter(|number: &f64| number.is_finite())
    }

    /// `true` or `false`.
    pub fn bool(self) -> Option<bool> {
        match self.node.kind {
            Kind::Bool(flag) => Some(flag),
            _ => None,
        }
    }

    /// The value for serde_json; what is not finite becomes null.
    pub fn value(self) -> Value {
        match &self.node.kind {
            Kind::Null | Kind::NotFinite => Value::Null,
            Kind::Bool(flag) => Value::Bool(*flag),
            Kind::Number => self.number().map_or(Value::Null, Value::Number),
            Kind::Text(_) => Value::String(self.text().unwrap_or_default().into_owned()),
            Kind::Array(_) => Value::Array(self.items().map(View::value).collect()),
            Kind::Object(_) => Value::Object(self.object()),
        }
    }

    /// The members as an object, the last of repeated keys; empty for other kinds.
    pub fn object(self) -> Object {
        self.members().map(|(key, value)| (key.into_owned(), value.value())).collect()
    }

    /// Exactly as written, however many digits.
    fn number(self) -> Option<Number> {
        std::str::from_utf8(self.raw()).ok()?.parse().ok()
    }
}
