//! The members of an object of the format, and ours under its `extra.rolltape`.
//!
//! Invariant: nothing is lost without a word. What nobody took, be it unknown or of a strange type, is kept under
//! `extra.rolltape.unknown`, and the first of it is told.

use super::super::fields::Fields;
use super::super::source::Refusal;
use super::EXTRA;
use crate::model::Object;
use crate::util::json::{Kind, Node, View};
use serde_json::Value;

/// The key of ours under which everything is kept that the format has no place for.
const UNKNOWN: &str = "unknown";
/// What stands for an object that is not there.
static NOTHING: Node = Node { start: 0, end: 0, kind: Kind::Null };

/// What the format has in an object beside `extra`, and what we put into ours there.
pub(super) struct Keys {
    pub(super) own: &'static [&'static str],
    pub(super) ours: &'static [&'static str],
}

/// An object that is being read.
pub(super) struct Members<'a> {
    /// What stands in the object itself.
    pub(super) own: Fields<'a>,
    /// What stands in ours.
    pub(super) ours: Fields<'a>,
    keys: &'static Keys,
    extra: Option<View<'a>>,
    unknown: Object,
}

impl<'a> Members<'a> {
    /// All members of an object, none taken.
    pub(super) fn of(object: View<'a>, keys: &'static Keys) -> Self {
        let mut own = Fields::of(object);
        let extra = own.member("extra");
        let ours = extra.and_then(|extra| extra.some(EXTRA)).filter(|ours| ours.is_object());
        let ours = Fields::of(ours.unwrap_or_else(|| View::new(b"", &NOTHING)));
        Self { own, ours, keys, extra, unknown: Object::new() }
    }

    /// A string that stands in the object, else in ours.
    pub(super) fn either(&mut self, key: &'static str) -> Option<String> {
        self.own.string(key).or_else(|| self.ours.string(key))
    }

    /// Keeps what was left over inside a member, and tells of it.
    pub(super) fn keep(&mut self, key: &str, at: usize, left: impl Into<Value>, warnings: &mut Vec<Refusal>) {
        let left = left.into();
        let nothing = match &left {
            Value::Object(members) => members.is_empty(),
            Value::Array(items) => items.is_empty(),
            _ => false,
        };
        if !nothing {
            let what =
                format!("ATIF does not have all that stands in '{key}': kept under extra.rolltape.unknown");
            warnings.push((at, what));
            insert(&mut self.unknown, key, left);
        }
    }

    /// What is left: the free members of `extra`, and under ours what nobody took.
    pub(super) fn rest(self, warnings: &mut Vec<Refusal>) -> Object {
        let mut plain = Object::new();
        let mut ours = self.ours.rest();
        for (key, value) in self.extra.into_iter().flat_map(View::members) {
            if key != EXTRA {
                plain.insert(key.into_owned(), value.value());
            } else if !value.is_object() && !value.is_null() {
                ours.insert("value".to_owned(), value.value());
            }
        }
        let mut unknown = match ours.shift_remove(UNKNOWN) {
            Some(Value::Object(unknown)) => unknown,
            Some(other) => Object::from_iter([(UNKNOWN.to_owned(), other)]),
            None => Object::new(),
        };
        let mut told = false;
        // A writer puts values of its own under these keys.
        for key in self.keys.ours {
            if let (Some(value), Some(at)) = (ours.shift_remove(*key), self.ours.view().get(key)) {
                if !std::mem::replace(&mut told, true) {
                    warnings.push((at.offset(), misplaced(&format!("extra.rolltape.{key}"), at)));
                }
                insert(&mut unknown, key, value);
            }
        }
        let mut told = false;
        for (key, value) in self.own.left() {
            if !std::mem::replace(&mut told, true) {
                let what = if self.keys.own.contains(&&*key) || key == "extra" {
                    misplaced(&key, value)
                } else {
                    format!("ATIF has no key '{key}' here: kept under extra.rolltape.unknown")
                };
                warnings.push((value.offset(), what));
            }
            insert(&mut unknown, &key, value.value());
        }
        for (key, value) in self.unknown {
            insert(&mut unknown, &key, value);
        }
        if !unknown.is_empty() {
            ours.insert(UNKNOWN.to_owned(), unknown.into());
        }
        if !ours.is_empty() {
            plain.insert(EXTRA.to_owned(), ours.into());
        }
        plain
    }
}

fn misplaced(key: &str, value: View<'_>) -> String {
    let kind = value.type_name();
    format!("'{key}' is {kind} that ATIF does not have there: kept under extra.rolltape.unknown")
}

/// Inserts a value under a key, or under one like it where that is taken.
pub(super) fn insert(into: &mut Object, key: &str, value: Value) {
    let mut free = key.to_owned();
    while into.contains_key(&free) {
        free.push('_');
    }
    into.insert(free, value);
}
