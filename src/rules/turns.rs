//! Turns as far as loops are concerned: digests of what was called, said and answered. Nothing is copied.

use super::At;
use super::view::{Message, View};
use crate::model::{Arguments, ObservationResult, Source, Span};
use serde_json::Value;
use std::hash::{DefaultHasher, Hash, Hasher};

/// One turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn {
    /// Digest of the calls; `None` without one.
    pub(super) calls: Option<u64>,
    /// Digest of what came back; `None` where nothing did.
    pub(super) result: Option<u64>,
    /// Digest of the message's text.
    pub(super) said: u64,
    /// Whether what came back is an error.
    pub(super) failed: bool,
}

/// The turns of a trajectory, one a judged message.
pub(super) fn turns(view: &View) -> Vec<Turn> {
    view.messages.iter().map(|message| turn(view, message)).collect()
}

fn turn(view: &View, message: &Message) -> Turn {
    let mut hasher = DefaultHasher::new();
    let mut count = 0;
    for call in message.text_calls() {
        count += 1;
        call.name.hash(&mut hasher);
        for param in &call.params {
            param.name.hash(&mut hasher);
            param.value.text(&message.text).hash(&mut hasher);
        }
        if let Some(arguments) = &call.arguments {
            hash_arguments(&arguments.value, &mut hasher);
        }
    }
    for call in message.native_calls() {
        count += 1;
        call.name.hash(&mut hasher);
        hash_arguments(&call.arguments, &mut hasher);
    }
    let calls = (count > 0).then(|| hasher.finish());
    let mut said = DefaultHasher::new();
    message.text.hash(&mut said);
    let mut results = DefaultHasher::new();
    let mut any = false;
    let mut failures = 0;
    let mut all = 0;
    for result in message.step.observation.iter().flat_map(|observation| &observation.results) {
        all += 1;
        let Some(content) = &result.content else { continue };
        let text = content.text();
        any |= !text.is_empty();
        text.hash(&mut results);
        failures += usize::from(is_failure(result, &text));
    }
    if !any && let Some(step) = view.next_step(message).filter(|step| step.source == Source::User) {
        // Logs without a place for results have them as the user's next words.
        let text = step.message.text();
        any = !text.is_empty();
        text.hash(&mut results);
        all = 1;
        failures = usize::from(is_error(&text));
    }
    Turn {
        calls,
        result: any.then(|| results.finish()),
        said: said.finish(),
        failed: all > 0 && failures == all,
    }
}

fn hash_arguments(arguments: &Arguments, hasher: &mut DefaultHasher) {
    match (&arguments.parsed, &arguments.raw) {
        (Some(object), _) => {
            for (name, value) in object {
                name.hash(hasher);
                hash_value(value, hasher);
            }
        }
        (None, raw) => raw.hash(hasher),
    }
}

fn hash_value(value: &Value, hasher: &mut DefaultHasher) {
    // A worklist: arguments may be nested deeper than a stack.
    let mut rest = vec![value];
    while let Some(value) = rest.pop() {
        std::mem::discriminant(value).hash(hasher);
        match value {
            Value::Null => {}
            Value::Bool(flag) => flag.hash(hasher),
            Value::Number(number) => number.hash(hasher),
            Value::String(text) => text.hash(hasher),
            Value::Array(items) => {
                items.len().hash(hasher);
                rest.extend(items);
            }
            Value::Object(object) => {
                object.len().hash(hasher);
                for (name, value) in object {
                    name.hash(hasher);
                    rest.push(value);
                }
            }
        }
    }
}

/// Whether a result says of itself that it is an error, or reads like one.
fn is_failure(result: &ObservationResult, text: &str) -> bool {
    let flag = |key: &str| match result.extra.get(key) {
        Some(Value::Bool(flag)) => *flag,
        Some(Value::Null) | None => false,
        Some(_) => key == "error",
    };
    flag("is_error") || flag("error") || is_error(text)
}

/// Bytes at the end of a text in which an exit code is looked for.
const TAIL: usize = 400;

/// Whether a text reads like an error: it begins as one, ends with an exit code other than 0, or holds a traceback.
pub(super) fn is_error(text: &str) -> bool {
    let start = text.trim_start();
    let start = start
        .strip_prefix("EXECUTION RESULT of [")
        .map_or(start, |rest| rest.split_once("]:").map_or(rest, |(_, rest)| rest.trim_start()));
    let heads =
        ["ERROR:", "Error:", "error:", "[Error", "Error ", "<error>", "Traceback (most recent call last)"];
    if heads.iter().any(|head| start.starts_with(head)) {
        return true;
    }
    let tail = &text[text.floor_char_boundary(text.len().saturating_sub(TAIL))..];
    let ways = ["exit code ", "exit code: ", "exit status ", "<returncode>", "Exit code: ", "Exit code "];
    let code = ways.iter().find_map(|way| tail.rfind(way).map(|at| &tail[at + way.len()..]));
    match code {
        Some(code) => !code.starts_with('0') && code.starts_with(|c: char| c.is_ascii_digit() || c == '-'),
        None => memchr::memmem::find(text.as_bytes(), b"\nTraceback (most recent call last)").is_some(),
    }
}

/// Where a finding about a turn stands: at its first call.
pub(super) fn beginning(message: &Message) -> At {
    match (opening(message), message.native_calls().first()) {
        (None, Some(call)) => At::call(message, call),
        (span, _) => At::message(message, span),
    }
}

/// What is underlined of a turn: the opening of its first text call.
pub(super) fn opening(message: &Message) -> Option<Span> {
    message.text_calls().next().map(|call| {
        let end = (call.name_span.end + 1).min(call.span.end);
        Span::new(call.span.start, end)
    })
}

#[cfg(test)]
mod tests {
    use super::is_error;

    #[test]
    fn errors_are_told_from_output() {
        for text in [
            "ERROR:\nno such file",
            "EXECUTION RESULT of [bash]:\nERROR: x",
            "sh: no\n[Command finished with exit code 127]",
            "x\nTraceback (most recent call last):\n  File",
            "<returncode>1</returncode>",
            "oops\n[The command completed with exit code -1.]",
        ] {
            assert!(is_error(text), "{text}");
        }
        for text in [
            "fine\n[Command finished with exit code 0]",
            "grep: 'Error: x' in log",
            "x\nTraceback (most recent call last):\n[Command finished with exit code 0]",
            "",
            "exit code of the script: unknown",
        ] {
            assert!(!is_error(text), "{text}");
        }
    }
}
