//! What the readings of servers' parsers have in common.
//!
//! Servers give random ids; ours count. Arguments that are no object are passed on by servers and refused by
//! whoever decodes them, which is told here as the refusal that it comes to.

use super::{RefusalKind, Repair, RuntimeCall, RuntimeReading};
use crate::model::{Object, Span, ToolDef};
use serde_json::Value;

/// Calls and repairs as they are found.
pub(super) struct Reading {
    next_id: u32,
    calls: Vec<RuntimeCall>,
    repairs: Vec<Repair>,
}

impl Reading {
    pub(super) fn new(next_id: u32) -> Self {
        Self { next_id, calls: Vec::new(), repairs: Vec::new() }
    }

    /// A call; the error is the reading of the whole message.
    pub(super) fn call(&mut self, name: &str, arguments: Value) -> Result<(), RuntimeReading> {
        let Value::Object(arguments) = arguments else {
            return Err(error("TypeError", format!("the arguments of '{name}' are not an object")));
        };
        let id = format!("call_{}", self.next_id);
        self.next_id += 1;
        self.calls.push(RuntimeCall { id, name: name.to_owned(), arguments });
        Ok(())
    }

    /// Whether no call was found so far.
    pub(super) fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    pub(super) fn repair(&mut self, kind: &'static str, span: Span) {
        self.repairs.push(Repair { kind, span });
    }

    /// A repair, if anything but blanks stands between the two places.
    pub(super) fn dropped(&mut self, text: &str, from: usize, to: usize) {
        let span = super::common::trimmed(text, Span::new(from, to.max(from)));
        if !span.is_empty() {
            self.repair("dropped-suffix", span);
        }
    }

    /// The reading: a plain message if no call was left.
    pub(super) fn finish(self, content: &str) -> RuntimeReading {
        let content = content.to_owned();
        if self.calls.is_empty() {
            return RuntimeReading::Message { content };
        }
        RuntimeReading::Calls { content, calls: self.calls, repairs: self.repairs }
    }

    /// [`Reading::finish`] with calls whose ids are their own.
    pub(super) fn finish_with(mut self, calls: Vec<super::RuntimeCall>, content: &str) -> RuntimeReading {
        self.calls = calls;
        self.finish(content)
    }

    /// SGLang's reading of a call object or a list of them: `parameters` unless they are empty, else
    /// `arguments`, else none; a function that is not in the tool list is dropped without a word.
    pub(super) fn sglang(
        &mut self,
        value: &Value,
        tools: &[ToolDef],
        span: Span,
    ) -> Result<(), RuntimeReading> {
        let list = match value {
            Value::Array(list) => list.as_slice(),
            one => std::slice::from_ref(one),
        };
        for item in list {
            let Value::Object(item) = item else {
                return Err(error("AttributeError", "a call is no object".to_owned()));
            };
            let name = item.get("name").and_then(Value::as_str).unwrap_or("");
            if !tools.iter().any(|tool| tool.name == name) {
                self.repair("dropped-unknown-function", span);
                continue;
            }
            let parameters = item.get("parameters").filter(|value| !is_falsy(value));
            let arguments = parameters.or(item.get("arguments")).cloned();
            self.call(name, arguments.unwrap_or_else(|| Value::Object(Object::new())))?;
        }
        Ok(())
    }
}

/// What Python takes for false.
fn is_falsy(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(object) => object.is_empty(),
    }
}

/// A refusal of the whole message.
pub(super) fn error(class: &'static str, message: String) -> RuntimeReading {
    RuntimeReading::Error { class, message, kind: RefusalKind::Other }
}

/// A refusal for the number of calls: none, or more than the one that the runtime wants.
pub(super) fn wrong_count(class: &'static str, message: impl Into<String>, count: usize) -> RuntimeReading {
    let kind = if count == 0 { RefusalKind::NoCall } else { RefusalKind::SeveralCalls };
    RuntimeReading::Error { class, message: message.into(), kind }
}

/// A reading with one call that has one text.
pub(super) fn one_text(name: &str, key: &str, value: &str, next_id: u32) -> Reading {
    let mut reading = Reading::new(next_id);
    // An object of one text is never refused.
    let _ = reading.call(name, serde_json::json!({ key: value }));
    reading
}
