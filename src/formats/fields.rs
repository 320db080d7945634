//! Members of a JSON object that a reader takes one by one; what nobody took is left over and kept.
//!
//! Invariant: a member counts as taken only if it had the type that was asked for, or was null. So a value of a
//! strange type is never lost: it is in [`Fields::rest`], beside the keys that nobody knows.

use super::chat::{self, Content};
use super::openhands_completion_log;
use super::source::Refusal;
use crate::model::{ContentPart, Message, Object, ToolCall, Usage};
use crate::util::json::View;
use std::borrow::Cow;

/// An object and what was taken of it.
pub(super) struct Fields<'a> {
    view: View<'a>,
    taken: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    /// All members of the object, none taken; no members if it is none.
    pub(super) fn of(view: View<'a>) -> Self {
        Self { view, taken: Vec::new() }
    }

    /// The object itself.
    pub(super) fn view(&self) -> View<'a> {
        self.view
    }

    /// A member that `fits`; null is taken and is nothing.
    pub(super) fn take(&mut self, key: &'static str, fits: impl Fn(View<'a>) -> bool) -> Option<View<'a>> {
        let value = self.view.get(key)?;
        if value.is_null() {
            self.taken.push(key);
            return None;
        }
        fits(value).then(|| {
            self.taken.push(key);
            value
        })
    }

    /// Whatever stands there, unless it is null.
    pub(super) fn any(&mut self, key: &'static str) -> Option<View<'a>> {
        self.take(key, |_| true)
    }

    /// A string, with its place.
    pub(super) fn text(&mut self, key: &'static str) -> Option<View<'a>> {
        self.take(key, |value| value.text().is_some())
    }

    /// A string.
    pub(super) fn string(&mut self, key: &'static str) -> Option<String> {
        self.text(key)?.text().map(Cow::into_owned)
    }

    /// A string that must be one.
    pub(super) fn must_text(&mut self, key: &'static str) -> Result<Option<String>, Refusal> {
        match self.string(key) {
            None => match self.view.some(key) {
                Some(value) => Err(chat::expected(value, &format!("\"{key}\""), "a string")),
                None => Ok(None),
            },
            some => Ok(some),
        }
    }

    /// Marks a member as taken by other means.
    pub(super) fn mark(&mut self, key: &'static str) {
        self.taken.push(key);
    }

    /// An object, as it stands.
    pub(super) fn member(&mut self, key: &'static str) -> Option<View<'a>> {
        self.take(key, View::is_object)
    }

    /// An object.
    pub(super) fn object(&mut self, key: &'static str) -> Option<Fields<'a>> {
        self.take(key, View::is_object).map(Fields::of)
    }

    /// A list.
    pub(super) fn list(&mut self, key: &'static str) -> Option<View<'a>> {
        self.take(key, View::is_array)
    }

    /// A whole number that is not negative.
    pub(super) fn uint(&mut self, key: &'static str) -> Option<u64> {
        self.take(key, |value| value.uint().is_some())?.uint()
    }

    /// A number.
    pub(super) fn float(&mut self, key: &'static str) -> Option<f64> {
        self.take(key, |value| value.float().is_some())?.float()
    }

    /// Passes a member by if it has just this value, which says nothing.
    pub(super) fn drop_if(&mut self, key: &'static str, idle: impl Fn(View<'a>) -> bool) {
        self.take(key, idle);
    }

    /// Puts a member back, as if it had not been taken.
    pub(super) fn untake(&mut self, key: &str) {
        self.taken.retain(|taken| *taken != key);
    }

    /// The members that were not taken, in order.
    pub(super) fn left(&self) -> impl Iterator<Item = (Cow<'a, str>, View<'a>)> {
        self.view.members().filter(|(key, _)| !self.taken.contains(&&**key))
    }

    /// What was not taken, in order.
    pub(super) fn rest(&self) -> Object {
        self.left().map(|(key, value)| (key.into_owned(), value.value())).collect()
    }
}

/// Content of any kind: text, a list of parts, and what is neither as a part that holds it.
///
/// A text part keeps what else stands in it as its `source`.
pub(super) fn content(value: Option<View<'_>>) -> Content {
    let Some(value) = value.filter(|value| !value.is_null()) else {
        return Content { message: Message::Text(String::new()), place: None };
    };
    if let Some(text) = value.text() {
        return Content { message: Message::Text(text.into_owned()), place: Some(value.place()) };
    }
    if !value.is_array() {
        return Content { message: Message::Parts(vec![strange(value)]), place: None };
    }
    let mut parts: Vec<ContentPart> = value.items().map(part).collect();
    let place = chat::parts_place(value);
    let message = match parts.as_mut_slice() {
        [ContentPart { text: Some(text), source: None, .. }] => Message::Text(std::mem::take(text)),
        [] => Message::Text(String::new()),
        _ => Message::Parts(parts),
    };
    Content { message, place }
}

/// A content part; what is no text is kept as it is.
pub(super) fn part(item: View<'_>) -> ContentPart {
    let Some(text) = chat::part_text(item).and_then(View::text) else {
        if !item.is_object() {
            return strange(item);
        }
        let kind = item.text_at("type").unwrap_or_else(|| "unknown".to_owned());
        let kind = kind.strip_suffix("_url").unwrap_or(&kind).to_owned();
        return ContentPart { kind, text: None, source: Some(item.object()) };
    };
    let mut fields = Fields::of(item);
    fields.text("text");
    fields.text("type");
    fields.drop_if("cache_prompt", |value| value.bool() == Some(false));
    let rest = fields.rest();
    ContentPart {
        kind: "text".to_owned(),
        text: Some(text.into_owned()),
        source: (!rest.is_empty()).then_some(rest),
    }
}

/// A value that is no content.
fn strange(value: View<'_>) -> ContentPart {
    let source = Object::from_iter([("value".to_owned(), value.value())]);
    ContentPart { kind: "unknown".to_owned(), text: None, source: Some(source) }
}

/// A native call in the shape of OpenAI's chat API; what is missing is empty, what is strange is in its `extra`.
pub(super) fn native_call(item: View<'_>) -> ToolCall {
    let mut fields = Fields::of(item);
    fields.drop_if("type", |kind| kind.text().as_deref() == Some("function"));
    let id = fields.string("id").unwrap_or_default();
    let mut extra = Object::new();
    let (name, arguments) = match fields.object("function") {
        Some(mut function) => {
            let read = (function.string("name"), chat::arguments(function.any("arguments")));
            extra.extend(some_object("function", function.rest()));
            read
        }
        None => (fields.string("name"), chat::arguments(fields.any("arguments"))),
    };
    extra.extend(fields.rest());
    if !item.is_object() {
        extra.insert("value".to_owned(), item.value());
    }
    ToolCall { id, name: name.unwrap_or_default(), arguments, extra, place: Some(item.value_place()) }
}

/// An object under a key, unless it is empty.
pub(super) fn some_object(key: &str, object: Object) -> Option<(String, serde_json::Value)> {
    (!object.is_empty()).then(|| (key.to_owned(), object.into()))
}

/// Tokens of an OpenAI-like `usage`, and what else stands there as `metrics_extra` holds it.
pub(super) fn usage(mut fields: Fields<'_>) -> (Usage, Object) {
    let mut usage = openhands_completion_log::usage(fields.view());
    usage.prompt_tokens = fields.uint("prompt_tokens");
    usage.completion_tokens = fields.uint("completion_tokens");
    (usage, Object::from_iter(some_object("extra", fields.rest())))
}
