//! An answer as server-sent events: role, pieces of text, end with usage, `[DONE]`.
//!
//! Usage comes with the last chunk, or in a chunk without choices where `include_usage` asks for it.

use super::chat::{CREATED, FINGERPRINT, Frame, Spoken};
use super::usage::Usage;
use serde_json::{Value, json};

/// Characters of a piece without a blank.
const PIECE: usize = 12;
/// Characters from which on a text is cut into equal pieces, whatever its words, and how many these are.
const LONG: usize = 4096;
const PIECES: usize = 500;

/// Events of a chat. `apart`: usage in an event of its own.
pub(super) fn chat(frame: &Frame<'_>, spoken: &Spoken, usage: Usage, apart: bool) -> Vec<String> {
    let mut deltas = Vec::new();
    if let Some(reasoning) = &spoken.reasoning {
        deltas.push(json!({"role": "assistant", "content": null, "reasoning_content": ""}));
        deltas.extend(pieces(reasoning).map(|piece| json!({"content": null, "reasoning_content": piece})));
        deltas.extend(
            pieces(&spoken.content).map(|piece| json!({"content": piece, "reasoning_content": null})),
        );
    } else {
        deltas.push(json!({"role": "assistant", "content": ""}));
        deltas.extend(pieces(&spoken.content).map(|piece| json!({"content": piece})));
    }
    if let Some(call) = &spoken.call {
        let mut first = frame.call(call);
        first["function"]["arguments"] = json!("");
        deltas.push(json!({"tool_calls": [first]}));
        deltas.extend(
            pieces(&call.arguments)
                .map(|piece| json!({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]})),
        );
    }
    let mut choices: Vec<Value> = deltas
        .into_iter()
        .map(|delta| json!({"index": 0, "delta": delta, "logprobs": null, "finish_reason": null}))
        .collect();
    choices.push(
        json!({"index": 0, "delta": {"content": ""}, "logprobs": null, "finish_reason": spoken.finish}),
    );
    events(frame, "chat.completion.chunk", choices, usage, apart)
}

/// Events of a completion in the middle of a text.
pub(super) fn fim(frame: &Frame<'_>, text: &str, finish: &str, usage: Usage, apart: bool) -> Vec<String> {
    let choice = |text: &str, finish: Option<&str>| json!({"text": text, "index": 0, "logprobs": null, "finish_reason": finish});
    let mut choices: Vec<Value> = pieces(text).map(|piece| choice(piece, None)).collect();
    choices.push(choice("", Some(finish)));
    events(frame, "text_completion", choices, usage, apart)
}

fn events(frame: &Frame<'_>, object: &str, choices: Vec<Value>, usage: Usage, apart: bool) -> Vec<String> {
    let chunk = |choices: Vec<Value>, usage: Option<Value>| {
        let mut chunk = json!({
            "id": frame.id, "object": object, "created": CREATED, "model": frame.model,
            "system_fingerprint": FINGERPRINT, "choices": choices,
        });
        if let Some(usage) = usage {
            chunk["usage"] = usage;
        }
        format!("data: {chunk}\n\n")
    };
    let last = choices.len() - 1;
    let mut events = Vec::with_capacity(choices.len() + 2);
    for (index, choice) in choices.into_iter().enumerate() {
        let told = match (apart, index == last) {
            (true, _) => Some(Value::Null),
            (false, true) => Some(usage.json()),
            (false, false) => None,
        };
        events.push(chunk(vec![choice], told));
    }
    if apart {
        events.push(chunk(Vec::new(), Some(usage.json())));
    }
    events.push("data: [DONE]\n\n".to_owned());
    events
}

/// The text in pieces: a word with the blank after it, long ones cut. A long text has no more pieces than others.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let length = text.chars().count();
    let long = length > LONG;
    let size = if long { length.div_ceil(PIECES) } else { PIECE };
    text.split_inclusive(move |c| c == ' ' && !long).flat_map(move |word| {
        let mut rest = word;
        std::iter::from_fn(move || {
            let at = rest.char_indices().nth(size).map_or(rest.len(), |(at, _)| at);
            let (piece, after) = rest.split_at(at);
            rest = after;
            (!piece.is_empty()).then_some(piece)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_the_whole_text_and_no_character_is_cut() {
        for text in ["", "a b  c ", "你好你好你好你好你好你好你好", "no-blank-in-this-long-word and more"]
        {
            assert_eq!(pieces(text).collect::<String>(), text);
            assert!(pieces(text).all(|piece| (1..=PIECE).contains(&piece.chars().count())));
        }
        for long in ["ü ".repeat(100_000), "\0".repeat(100_000)] {
            assert_eq!(pieces(&long).collect::<String>(), long);
            assert!(pieces(&long).count() <= PIECES);
        }
    }
}
