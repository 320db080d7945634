//! The most that a call can cost, before it is made.

use super::purse::Amount;
use super::{ChatMessage, chat};
use crate::model::{Object, Price, ToolDef, Usage};
use serde_json::Value;

/// Completion tokens of a request whose parameters set no bound. A model may write more; what it then costs is
/// counted all the same, but only afterwards.
pub const ASSUMED_OUTPUT: u64 = 8192;
/// Tokens that a server's template puts around a message or a tool.
const AROUND: u64 = 16;

/// The bound of a request. A token is at least one byte, so that the bytes of a prompt bound its tokens; without a
/// price the money is 0, and the caller has to know that.
pub(super) fn of(
    messages: &[ChatMessage],
    tools: Option<&[ToolDef]>,
    params: &Object,
    price: Option<&Price>,
) -> Amount {
    let prompt: u64 = messages.iter().map(message).sum::<u64>() + tools.map_or(0, defined);
    let output = ["max_completion_tokens", "max_tokens"]
        .iter()
        .find_map(|key| params.get(*key).and_then(Value::as_u64))
        .unwrap_or(ASSUMED_OUTPUT);
    let usage = Usage { prompt_tokens: Some(prompt), completion_tokens: Some(output), ..Usage::default() };
    let usd = price.and_then(|price| {
        // Some providers take more for what they put into their cache than for what they don't.
        let input = price.input.max(price.cached.unwrap_or(0.0));
        Price { input, cached: None, ..*price }.cost(&usage)
    });
    Amount { usd: usd.unwrap_or(0.0), tokens: prompt.saturating_add(output) }
}

fn message(message: &ChatMessage) -> u64 {
    let calls = message
        .calls
        .iter()
        .map(|call| AROUND + (call.id.len() + call.name.len() + chat::arguments(call).len()) as u64);
    let reasoning = message.reasoning.as_deref().unwrap_or_default();
    AROUND + (message.content.len() + reasoning.len()) as u64 + calls.sum::<u64>()
}

fn defined(tools: &[ToolDef]) -> u64 {
    let bytes = |tool: &ToolDef| tool.name.len() + tool.description.len() + tool.parameters.to_string().len();
    tools.iter().map(|tool| AROUND + bytes(tool) as u64).sum()
}
