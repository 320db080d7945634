//! Calls that stand in the text of a message, as formats without call objects have them.

use crate::dialects;
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

/// Reads text calls. Ids count on from `next_id`, the way the runtimes name them.
pub(super) fn read(text: &str, next_id: &mut u32) -> TextReading {
    for dialect in dialects::ALL {
        let markup = (dialect.parse)(text);
        if markup.calls.is_empty() && markup.fragments.is_empty() {
            continue;
        }
        let calls = markup.calls.iter().map(|call| {
            let pairs = call.params.iter();
            let arguments: Object = pairs
                .map(|param| (param.name.clone(), Value::String(param.value.text(text).to_owned())))
                .collect();
            let id = format!("toolu_{:02}", *next_id);
            *next_id += 1;
            ToolCall {
                id,
                name: call.name.clone(),
                arguments: Arguments::object(arguments),
                extra: Object::new(),
            }
        });
        let calls = calls.collect();
        let content = match markup.calls.first() {
            Some(call) => text[..call.span.start].trim_end(),
            None => text,
        };
        return TextReading { content: content.to_owned(), calls, dialect: Some(dialect.name) };
    }
    TextReading { content: text.to_owned(), calls: Vec::new(), dialect: None }
}
