//! Message content: text, or a list of parts.

use super::super::chat::{part_text, parts_place, text_part};
use super::super::fields::Fields;
use super::super::source::Refusal;
use super::members::insert;
use crate::model::{ContentPart, Message, Object, Place};
use crate::util::json::View;
use serde_json::{Value, json};

/// Reads a string or a list of parts; the second value is what no part could hold, each with the part's number.
pub(super) fn read(value: View<'_>) -> (Message, Vec<Value>) {
    if let Some(text) = value.text() {
        return (Message::Text(text.into_owned()), Vec::new());
    }
    let (mut parts, mut strange) = (Vec::new(), Vec::new());
    for (n, item) in value.items().enumerate() {
        let mut left = Object::from_iter([("part".to_owned(), n.into())]);
        if let Some(text) = item.text() {
            parts.push(text_part(text.into_owned()));
        } else if item.is_object() {
            let mut fields = Fields::of(item);
            parts.push(ContentPart {
                kind: fields.string("type").unwrap_or_default(),
                text: fields.string("text"),
                source: fields.member("source").map(View::object),
            });
            fields.left().for_each(|(key, value)| insert(&mut left, &key, value.value()));
        } else {
            left.insert("value".to_owned(), item.value());
        }
        if left.len() > 1 {
            strange.push(left.into());
        }
    }
    (Message::Parts(parts), strange)
}

/// Where the text of content stands; `None` where that could not be told by the list alone.
pub(super) fn place(value: View<'_>) -> Option<Place> {
    if value.text().is_some() {
        return Some(value.place());
    }
    let has_text = |part: View<'_>| part.get("text").and_then(View::text).is_some();
    let told = |part: View<'_>| part_text(part).and_then(View::text).is_some();
    value.items().all(|part| told(part) || !has_text(part)).then(|| parts_place(value))?
}

/// A remark about the first part that is no part of the format.
pub(super) fn unknown_kind(value: View<'_>) -> Option<Refusal> {
    let known = |part: &View<'_>| {
        let kind = part.get("type").and_then(View::text);
        matches!(kind.as_deref(), Some("text" | "image" | "audio"))
    };
    let odd = value.items().find(|part| !known(part))?;
    let what = match odd.text_at("type") {
        Some(kind) => format!("a content part of type '{kind}', which is none of text, image, audio"),
        None => "a content part without a type".to_owned(),
    };
    Some((odd.offset(), what))
}

/// Writes content; the second value holds all parts, if the format can't express some.
pub(super) fn write(message: &Message) -> (Value, Option<Value>) {
    let parts = match message {
        Message::Text(text) => return (Value::String(text.clone()), None),
        Message::Parts(parts) => parts,
    };
    let all = || Value::Array(parts.iter().map(plain).collect());
    if parts.iter().all(fits) {
        return (all(), None);
    }
    let fitting = parts.iter().filter_map(|part| match (&part.text, fits(part)) {
        (_, true) => Some(plain(part)),
        (Some(text), false) => Some(json!({"type": "text", "text": text})),
        (None, false) => None,
    });
    let fitting = fitting.collect();
    (Value::Array(fitting), Some(all()))
}

fn plain(part: &ContentPart) -> Value {
    let mut out = json!({"type": part.kind});
    if let Some(text) = &part.text {
        out["text"] = text.clone().into();
    }
    if let Some(source) = &part.source {
        out["source"] = source.clone().into();
    }
    out
}

/// Whether the validator takes the part.
fn fits(part: &ContentPart) -> bool {
    let source = |types: &[&str], keys: &[&str]| {
        part.text.is_none()
            && part.source.as_ref().is_some_and(|source| {
                let media = source.get("media_type").and_then(Value::as_str);
                media.is_some_and(|media| types.is_empty() || types.contains(&media))
                    && source.get("path").is_some_and(Value::is_string)
                    && source.get("duration_sec").is_none_or(Value::is_number)
                    && source.keys().all(|key| keys.contains(&key.as_str()))
            })
    };
    match part.kind.as_str() {
        "text" => part.text.is_some() && part.source.is_none(),
        "image" => source(&["image/jpeg", "image/png", "image/gif", "image/webp"], &["media_type", "path"]),
        "audio" => source(&[], &["media_type", "path", "duration_sec"]),
        _ => false,
    }
}
