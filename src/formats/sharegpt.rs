//! `sharegpt`: conversations of `{from, value}`, one record a conversation.
//!
//! Calls stand in the text of `gpt`, in any dialect, or as `function_call` items; what came back as `observation` or
//! `tool` items, or as text of `human`. Sources: the data formats of LLaMA-Factory (`function_call`, `observation`,
//! `tools` as text) and of the Agent Data Protocol's training data (`system` beside the conversation). The keys
//! `id`, `name`, `tool_call_id` and `reasoning_content` are our own: consumers pass them by.

mod read;
mod write;

use super::{Format, Reader, Sniff, Source, Writer};
use crate::util::json::View;

/// Words for the model; the first is the usual one, as below.
const MODEL: [&str; 6] = ["gpt", "assistant", "model", "chatgpt", "bing", "bard"];
/// Words for calls.
const CALL: [&str; 2] = ["function_call", "tool_call"];
/// Words for what came back.
const RESULT: [&str; 3] = ["observation", "tool", "function_response"];

pub(super) static ITEM: Format = Format {
    name: "sharegpt",
    about: "conversations of {from, value}: calls in text, or as function_call and observation items",
    sniff,
    marks: &[&[
        "conversations|conversation",
        "conversations|conversation[].from=human|gpt|system|tool|user|assistant|observation|function_call",
        "conversations|conversation[].value",
    ]],
    read: Reader::Records(read::convert),
    folder: None,
    write: Some(Writer::Lines(write::line)),
};

fn sniff(source: &Source<'_>) -> Sniff {
    let Some(record) = source.first().filter(|record| record.is_object()) else {
        return Sniff::new(0, "holds no JSON object");
    };
    let Some(list) = record.get("conversations").or_else(|| record.get("conversation")) else {
        return Sniff::new(0, "has no \"conversations\"");
    };
    if !list.is_array() {
        return Sniff::new(50, "has \"conversations\" that are no list");
    }
    let known = |item: &View<'_>| item.get("from").is_some() || item.get("value").is_some();
    match list.items().next() {
        None => Sniff::new(60, "has an empty list of \"conversations\""),
        Some(first) if known(&first) => Sniff::new(95, ""),
        Some(_) if list.items().any(|item| known(&item)) => {
            Sniff::new(60, "has a first message without \"from\"")
        }
        Some(_) => Sniff::new(0, "has \"conversations\" without \"from\" and \"value\""),
    }
}
