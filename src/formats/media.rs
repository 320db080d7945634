//! Images and other media of messages in the shapes of the APIs.
//!
//! A part keeps the object that its source had. Shapes that hold the same bytes or the same address are turned into
//! each other; everything else stays as it is, and the loss report tells what the target could not read.

use crate::model::{ContentPart, Object};
use serde_json::{Value, json};

/// What an image comes to: its media type and its bytes in base64, or an address.
enum Image {
    Data(String, String),
    Address(String),
}

/// A part as OpenAI's chat API has it.
pub(super) fn openai(part: &ContentPart) -> Value {
    let source = part.source.clone().unwrap_or_default();
    if source.get("type").is_some_and(|kind| kind == "image_url" || kind == "input_audio" || kind == "file") {
        return source.into();
    }
    match image(&source) {
        Some(image) => json!({"type": "image_url", "image_url": {"url": address(image)}}),
        None => own(part, source),
    }
}

/// A part as Anthropic's Messages API has it.
pub(super) fn anthropic(part: &ContentPart) -> Value {
    let source = part.source.clone().unwrap_or_default();
    if source.get("type").is_some_and(|kind| kind == "image" || kind == "document")
        && source.contains_key("source")
    {
        return source.into();
    }
    match image(&source) {
        Some(Image::Data(kind, data)) => {
            json!({"type": "image", "source": {"type": "base64", "media_type": kind, "data": data}})
        }
        Some(Image::Address(url)) => json!({"type": "image", "source": {"type": "url", "url": url}}),
        None => own(part, source),
    }
}

/// A part as an input item of OpenAI's Responses API has it.
pub(super) fn responses(part: &ContentPart) -> Value {
    let source = part.source.clone().unwrap_or_default();
    if source.get("type").and_then(Value::as_str).is_some_and(|kind| kind.starts_with("input_")) {
        return source.into();
    }
    match image(&source) {
        Some(image) => json!({"type": "input_image", "image_url": address(image), "detail": "auto"}),
        None => own(part, source),
    }
}

/// A part as Gemini's contents have it.
pub(super) fn gemini(part: &ContentPart) -> Value {
    let source = part.source.clone().unwrap_or_default();
    if ["inlineData", "fileData"].iter().any(|key| source.contains_key(*key)) {
        return source.into();
    }
    match image(&source) {
        Some(Image::Data(kind, data)) => json!({"inlineData": {"mimeType": kind, "data": data}}),
        Some(Image::Address(url)) => json!({"fileData": {"fileUri": url}}),
        None => own(part, source),
    }
}

/// The object as its source had it, with its kind.
fn own(part: &ContentPart, mut source: Object) -> Value {
    if !source.contains_key("type") {
        source.insert("type".to_owned(), part.kind.clone().into());
    }
    source.into()
}

fn address(image: Image) -> String {
    match image {
        Image::Data(kind, data) => format!("data:{kind};base64,{data}"),
        Image::Address(url) => url,
    }
}

/// Reads the shapes of the four APIs and of ATIF.
fn image(source: &Object) -> Option<Image> {
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let url = |url: String| {
        let data = url.strip_prefix("data:").and_then(|rest| rest.split_once(";base64,"));
        match data {
            Some((kind, data)) => Image::Data(kind.to_owned(), data.to_owned()),
            None => Image::Address(url),
        }
    };
    if let Some(value) = source.get("image_url") {
        return value.as_str().map(str::to_owned).or_else(|| text(value, "url")).map(url);
    }
    if let Some(inner) = source.get("source") {
        return match inner.get("type").and_then(Value::as_str) {
            Some("base64") => Some(Image::Data(text(inner, "media_type")?, text(inner, "data")?)),
            Some("url") => text(inner, "url").map(url),
            _ => None,
        };
    }
    if let Some(inner) = source.get("inlineData") {
        return Some(Image::Data(text(inner, "mimeType")?, text(inner, "data")?));
    }
    if let Some(inner) = source.get("fileData") {
        return text(inner, "fileUri").map(Image::Address);
    }
    let path = source.get("path").and_then(Value::as_str)?;
    let image = source.get("media_type").and_then(Value::as_str)?.starts_with("image/");
    image.then(|| url(path.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_takes_the_shape_of_each_api_and_comes_back() {
        let part = |source: Value| ContentPart {
            kind: "image".to_owned(),
            text: None,
            source: source.as_object().cloned(),
        };
        for url in ["https://example.org/a.png", "data:image/png;base64,AAAA"] {
            let chat = json!({"type": "image_url", "image_url": {"url": url}});
            for shape in [anthropic, responses, gemini, openai] {
                let other = shape(&part(chat.clone()));
                assert_eq!(shape(&part(other.clone())), other);
                assert_eq!(openai(&part(other)), chat);
            }
        }
        let strange = json!({"type": "hologram", "x": 1});
        assert_eq!(anthropic(&part(strange.clone())), strange);
    }
}
