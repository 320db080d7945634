//! Calls that stand in the text of a message, as formats without call objects have them.

use crate::dialects::{self, Dialect, TextCall};
use crate::model::{Arguments, Message, Object, ObservationResult, Step, ToolCall};
use serde_json::Value;
use std::borrow::Cow;

/// What a text message comes to.
pub(super) struct TextReading<'t> {
    /// Text before the first call, its blank end cut off; all of it without a call.
    pub content: Cow<'t, str>,
    /// Calls as the strict grammar sees them.
    pub calls: Vec<ToolCall>,
    /// Name of the dialect whose markup was found.
    pub dialect: Option<&'static str>,
}

/// Reads text calls in the dialect whose marks stand in the text. Ids count on from `next_id`, the way the
/// runtimes name them.
pub(super) fn read<'t>(text: &'t str, next_id: &mut u32) -> TextReading<'t> {
    match dialects::detect(text) {
        Some(dialect) => read_as(dialect, text, next_id),
        None => TextReading { content: text.into(), calls: Vec::new(), dialect: None },
    }
}

/// Reads text calls in a dialect that is known.
pub(super) fn read_as<'t>(dialect: &'static Dialect, text: &'t str, next_id: &mut u32) -> TextReading<'t> {
    let markup = (dialect.parse)(text);
    if markup.calls.is_empty() && markup.fragments.is_empty() {
        return TextReading { content: text.into(), calls: Vec::new(), dialect: None };
    }
    let calls = markup.calls.iter().map(|call| {
        let id = format!("toolu_{:02}", *next_id);
        *next_id += 1;
        ToolCall {
            id,
            name: call.name.clone(),
            arguments: arguments(call, text),
            extra: Object::new(),
            place: None,
        }
    });
    let calls = calls.collect();
    let content = markup.calls.first().map_or(text, |call| text[..call.span.start].trim_end());
    TextReading { content: content.into(), calls, dialect: Some(dialect.name) }
}

/// The dialect of a step whose calls stand in its text; `None` where they are objects, or where there are none.
pub(super) fn dialect_of(step: &Step) -> Option<&'static Dialect> {
    let reply = step.reply.as_ref().filter(|reply| !reply.native && !step.calls.is_empty())?;
    dialects::find(reply.dialect.as_deref()?)
}

/// A result of a text call as the user message that holds it.
pub(super) fn observed(dialect: &Dialect, step: &Step, result: &ObservationResult) -> String {
    let content = result.content.as_ref().map(Message::text).unwrap_or_default();
    let own = || step.calls.iter().find(|call| Some(&call.id) == result.call_id.as_ref());
    match result.name.as_deref() {
        Some(name) => (dialect.observe)(name, &content),
        // A heading that was damaged is a part of the content.
        None if !(dialect.read_observations)(&content).is_empty() => content.into_owned(),
        None => (dialect.observe)(own().map_or("", |call| &call.name), &content),
    }
}

/// The arguments of a text call: its one value, or its parameters as text.
pub(super) fn arguments(call: &TextCall, text: &str) -> Arguments {
    if let Some(arguments) = &call.arguments {
        return arguments.value.clone();
    }
    let pairs = call.params.iter();
    Arguments::object(
        pairs.map(|param| (param.name.clone(), Value::String(param.value.text(text).to_owned()))).collect(),
    )
}
