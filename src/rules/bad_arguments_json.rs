//! FC017 bad-arguments-json: such a call can't be made.

use super::schema::encoded_twice;
use super::{At, Check, Found, Message, Rule, View, Weight, quote};
use crate::model::Severity;
use serde_json::Value;

pub(super) static ITEM: Rule = Rule {
    id: "FC017",
    name: "bad-arguments-json",
    about: "the arguments of a native call are not a JSON object",
    since: "0.1.0",
    severity: Severity::Error,
    manual: include_str!("bad_arguments_json.md"),
    check: Check::Message(check),
};

fn check(_: &View, message: &Message, found: &mut Found) {
    for call in message.native_calls() {
        if call.arguments.parsed.is_some() {
            continue;
        }
        let Some(raw) = &call.arguments.raw else { continue };
        let (severity, what) = match serde_json::from_str::<Value>(raw) {
            Ok(Value::Object(_)) => continue,
            Ok(Value::String(_)) if encoded_twice(raw).is_some() => {
                (Severity::Warning, "are a JSON object inside a JSON string".to_owned())
            }
            Ok(_) => (Severity::Error, "are JSON, and no object".to_owned()),
            Err(error) => {
                let column = error.column();
                (Severity::Error, format!("are not JSON (line {}, column {column})", error.line()))
            }
        };
        let text = format!("the arguments of {} {what}", quote(&call.name));
        found.add(At::message(message, None), Weight::both(severity), text);
    }
}
