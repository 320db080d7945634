//! Calls that stand in the text of a message, as formats without call objects have them.

use crate::dialects::{self, Dialect, TextCall};
use crate::model::{Arguments, Object, ToolCall};
use serde_json::Value;

/// What a text message comes to.
pub(super) struct TextReading {
    /// Text before the first call, its blank end cut off; all of it without a call.
    pub content: String,
    /// Calls as the strict grammar sees them.
    pub calls: Vec<ToolCall>,
    /// Name of the dialect whose markup was found.
    pub dialect: Option<&'static str>,
}

/// Reads text calls in the dialect whose marks stand in the text. Ids count on from `next_id`, the way the
/// runtimes name them.
pub(super) fn read(text: &str, next_id: &mut u32) -> TextReading {
    match dialects::detect(text) {
        Some(dialect) => read_as(dialect, text, next_id),
        None => TextReading { content: text.to_owned(), calls: Vec::new(), dialect: None },
    }
}

/// Reads text calls in a dialect that is known.
pub(super) fn read_as(dialect: &'static Dialect, text: &str, next_id: &mut u32) -> TextReading {
    let markup = (dialect.parse)(text);
    if markup.calls.is_empty() && markup.fragments.is_empty() {
        return TextReading { content: text.to_owned(), calls: Vec::new(), dialect: None };
    }
    let calls = markup.calls.iter().map(|call| {
        let id = format!("toolu_{:02}", *next_id);
        *next_id += 1;
        ToolCall { id, name: call.name.clone(), arguments: arguments(call, text), extra: Object::new() }
    });
    let calls = calls.collect();
    let content = match markup.calls.first() {
        Some(call) => text[..call.span.start].trim_end(),
        None => text,
    };
    TextReading { content: content.to_owned(), calls, dialect: Some(dialect.name) }
}

/// The arguments of a text call: its one value, or its parameters as text.
fn arguments(call: &TextCall, text: &str) -> Arguments {
    if let Some(arguments) = &call.arguments {
        return arguments.value.clone();
    }
    let pairs = call.params.iter();
    Arguments::object(
        pairs.map(|param| (param.name.clone(), Value::String(param.value.text(text).to_owned()))).collect(),
    )
}
