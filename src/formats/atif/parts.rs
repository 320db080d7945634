//! Message content: text, or a list of parts.

use super::super::chat::{expected, parts_place};
use super::super::source::Refusal;
use crate::model::{ContentPart, Message, Place};
use crate::util::json::View;
use serde_json::{Value, json};

/// Reads a string or a list of parts, and tells where its text starts.
pub(super) fn read(value: View<'_>, what: &str) -> Result<(Message, Option<Place>), Refusal> {
    if let Some(text) = value.text() {
        return Ok((Message::Text(text.into_owned()), Some(value.place())));
    }
    if !value.is_array() {
        return Err(expected(value, what, "a string or a list of parts"));
    }
    let mut parts = Vec::new();
    for item in value.items() {
        if !item.is_object() {
            return Err(expected(item, "a content part", "an object"));
        }
        let text = item.some("text");
        parts.push(ContentPart {
            kind: item.text_at("type").unwrap_or_default(),
            text: text.and_then(View::text).map(std::borrow::Cow::into_owned),
            source: item.some("source").map(View::object),
        });
    }
    Ok((Message::Parts(parts), parts_place(value)))
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
