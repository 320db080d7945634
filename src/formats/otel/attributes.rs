//! Attributes of a span: a list of `{key, value: {stringValue | intValue | …}}`.

use super::parsed;
use super::places::{self, Spot};
use crate::model::{Object, Place};
use crate::util::json::View;
use serde_json::Value;

/// The attributes of one span.
pub(super) struct Attributes<'a> {
    list: Option<View<'a>>,
}

impl<'a> Attributes<'a> {
    pub(super) fn of(list: Option<View<'a>>) -> Self {
        Self { list }
    }

    fn items(&self) -> impl Iterator<Item = (String, View<'a>)> {
        let items = self.list.into_iter().flat_map(View::items);
        items.filter_map(|item| Some((item.text_at("key")?, item.get("value")?)))
    }

    /// Whether a key begins like that.
    pub(super) fn any(&self, prefix: &str) -> bool {
        self.items().any(|(key, _)| key.starts_with(prefix))
    }

    /// The value of that key; JSON in a string is parsed.
    pub(super) fn value(&self, key: &str) -> Option<Value> {
        let (_, value) = self.items().find(|(name, _)| name == key)?;
        Some(match any_value(value, 0) {
            Value::String(text) => parsed(&text).unwrap_or(Value::String(text)),
            other => other,
        })
    }

    /// The value of that key, and where the items of its list stand.
    pub(super) fn listed(&self, key: &str) -> Option<(Value, Vec<Spot>)> {
        Some((self.value(key)?, self.spots(key)))
    }

    /// Where the items of that key's list stand.
    pub(super) fn spots(&self, key: &str) -> Vec<Spot> {
        let found = self.items().find(|(name, _)| name == key);
        found.map(|(_, value)| places::of(value)).unwrap_or_default()
    }

    /// Where the text of that key stands, if it is one and no JSON.
    pub(super) fn text_place(&self, key: &str) -> Option<Place> {
        let (_, value) = self.items().find(|(name, _)| name == key)?;
        let inner = value.get("stringValue")?;
        inner.text().filter(|text| parsed(text).is_none()).map(|_| inner.place())
    }

    /// The text of that key.
    pub(super) fn text(&self, key: &str) -> Option<String> {
        let (_, value) = self.items().find(|(name, _)| name == key)?;
        value.text_at("stringValue")
    }

    /// All attributes as an object; JSON in strings stays as it is.
    pub(super) fn object(&self) -> Object {
        self.items().map(|(key, value)| (key, any_value(value, 0))).collect()
    }

    /// What is no attribute of the usual form.
    pub(super) fn odd(&self) -> Option<Value> {
        let list = self.list?;
        if !list.is_array() {
            return Some(list.value());
        }
        let usual = |item: View<'_>| {
            item.text_at("key").is_some()
                && item
                    .get("value")
                    .is_some_and(|value| value.members().count() == 1 && kind(value).is_some())
                && item.members().count() == 2
        };
        let odd: Vec<Value> = list.items().filter(|item| !usual(*item)).map(View::value).collect();
        (!odd.is_empty()).then(|| odd.into())
    }
}

const KINDS: [&str; 7] =
    ["stringValue", "boolValue", "intValue", "doubleValue", "arrayValue", "kvlistValue", "bytesValue"];

pub(super) fn kind(value: View<'_>) -> Option<(&'static str, View<'_>)> {
    KINDS.iter().find_map(|kind| Some((*kind, value.get(kind)?)))
}

/// An `AnyValue` as JSON. 64-bit integers are strings in the JSON encoding.
fn any_value(value: View<'_>, depth: usize) -> Value {
    let Some((kind, inner)) = kind(value).filter(|_| depth < crate::util::json::MAX_DEPTH) else {
        return value.value();
    };
    match kind {
        "intValue" => match inner.text().and_then(|text| text.parse::<i64>().ok()) {
            Some(number) => number.into(),
            None => inner.value(),
        },
        "arrayValue" => match inner.get("values").filter(|values| values.is_array()) {
            Some(values) => Value::Array(values.items().map(|item| any_value(item, depth + 1)).collect()),
            None => inner.value(),
        },
        "kvlistValue" => match inner.get("values").filter(|values| values.is_array()) {
            Some(values) => {
                let pairs =
                    values.items().filter_map(|item| Some((item.text_at("key")?, item.get("value")?)));
                Value::Object(pairs.map(|(key, value)| (key, any_value(value, depth + 1))).collect())
            }
            None => inner.value(),
        },
        _ => inner.value(),
    }
}

/// Nanoseconds since 1970: a number, or a string of digits as the JSON encoding has it.
pub(super) fn nanoseconds(value: Option<View<'_>>) -> Option<u64> {
    let value = value?;
    value.uint().or_else(|| value.text()?.parse().ok())
}

/// ISO 8601.
pub(super) fn time(nanoseconds: u64) -> Option<String> {
    let at = jiff::Timestamp::from_nanosecond(i128::from(nanoseconds)).ok()?;
    (nanoseconds > 0).then(|| at.to_string())
}
