//! FC017 bad-arguments-json: such a call can't be made.

use super::schema::encoded_twice;
use super::{At, Check, Found, Message, Rule, View, Weight, first_line, quote};
use crate::model::{Arguments, Severity, Span};
use serde_json::Value;

pub(super) static ITEM: Rule = Rule {
    id: "FC017",
    name: "bad-arguments-json",
    about: "the arguments of a call are not a JSON object",
    since: "0.1.0",
    severity: Severity::Error,
    manual: include_str!("bad_arguments_json.md"),
    check: Check::Message(check),
};

fn check(_: &View, message: &Message, found: &mut Found) {
    for call in message.native_calls() {
        if let Some((severity, text)) = flaw(&call.name, &call.arguments) {
            found.add(At::call(message, call), Weight::both(severity), text);
        }
    }
    for call in message.text_calls() {
        let Some(arguments) = call.arguments.as_ref().filter(|_| call.closed) else { continue };
        if let Some((severity, text)) = flaw(&call.name, &arguments.value) {
            let line = first_line(arguments.span.text(&message.text));
            let start = arguments.span.start;
            let span = Span::new(start + line.start, start + line.end);
            // What the runtime made a call of, it has repaired.
            let runtime = if message.runtime_takes_call() { Severity::Warning } else { severity };
            let weight = Weight { strict: Some(severity), runtime: Some(runtime) };
            found.add(At::message(message, Some(span)), weight, text);
        }
    }
}

fn flaw(name: &str, arguments: &Arguments) -> Option<(Severity, String)> {
    if arguments.parsed.is_some() {
        return None;
    }
    let raw = arguments.raw.as_ref()?;
    let (severity, what) = match serde_json::from_str::<Value>(raw) {
        Ok(Value::Object(_)) => return None,
        Ok(Value::String(_)) if encoded_twice(raw).is_some() => {
            (Severity::Warning, "are a JSON object inside a JSON string".to_owned())
        }
        Ok(_) => (Severity::Error, "are JSON, and no object".to_owned()),
        Err(error) => {
            let column = error.column();
            (Severity::Error, format!("are not JSON (line {}, column {column})", error.line()))
        }
    };
    Some((severity, format!("the arguments of {} {what}", quote(name))))
}
