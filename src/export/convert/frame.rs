//! The frame of a prompt: the list of tools in text, worked examples.

use crate::dialects::openhands_prompt;
use crate::model::{Source, Step};
use std::borrow::Cow;

/// Where a list of tools starts in a system prompt: a protocol string.
const LIST: &str = "---- BEGIN FUNCTION #1:";

/// The text without the frame: owned if something was cut, `None` if nothing is left.
pub(super) fn without<'a>(step: &Step, text: Cow<'a, str>) -> Option<Cow<'a, str>> {
    if step.source == Source::System {
        let Some(list) = text.find(LIST) else { return Some(text) };
        // The paragraph that introduces the list goes with it.
        let before = text[..list].trim_end();
        let before = before.rfind("\n\n").map_or("", |at| before[..at].trim_end());
        return (!before.is_empty()).then(|| Cow::Owned(before.to_owned()));
    }
    match openhands_prompt::frame(&text) {
        Some(frame) => Some(Cow::Owned(frame.task.text(&text).to_owned())),
        None if step.frame => None,
        None => Some(text),
    }
}
