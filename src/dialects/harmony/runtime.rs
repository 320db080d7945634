//! What vLLM makes of a reply in harmony.

use super::super::RuntimeReading;
use super::super::reading::{self, Reading};
use super::super::tokens::load;
use super::{Met, Part, Parts, Token};
use crate::model::{Span, ToolDef};
use serde_json::Value;

/// Tools that the server runs itself.
const OWN_TOOLS: &[&str] = &["browser", "python", "container"];

/// Every message to a function is a call, however it ends; the tool list is not looked at. Messages on `final` and
/// preambles are content, line by line; reasoning goes elsewhere. A text that is no sequence of messages is content.
pub(super) fn read(text: &str, _: &[ToolDef], next_id: u32) -> RuntimeReading {
    let mut reading = Reading::new(next_id);
    let mut content: Vec<&str> = Vec::new();
    let mut at = 0;
    for met in Parts::new(text, 0) {
        let part = match met {
            Met::Part(part) => part,
            Met::Fragment(_) => return RuntimeReading::Message { content: text.to_owned() },
        };
        if !text[at..part.span.start].trim().is_empty() {
            return RuntimeReading::Message { content: text.to_owned() };
        }
        at = part.span.end;
        let said = part.content.text(text);
        if let Some(recipient) = part.tool(text) {
            let name = Part::name(recipient, text).text(text);
            if OWN_TOOLS.contains(&name.split('.').next().unwrap_or(name))
                && !recipient.text(text).starts_with("functions.")
            {
                reading.repair("dropped-call", part.span);
                continue;
            }
            note(&part, &mut reading);
            let Some(Value::Object(arguments)) = load(said) else {
                return reading::error(
                    "JSONDecodeError",
                    format!("the arguments of '{name}' are not an object"),
                );
            };
            if let Err(refused) = reading.call(name, Value::Object(arguments)) {
                return refused;
            }
        } else if !part.by_assistant(text) {
            reading.repair("dropped-message", part.span);
        } else if matches!(part.channel.text(text), "final" | "commentary") {
            content.push(said);
        }
    }
    if at == 0 {
        return RuntimeReading::Message { content: text.to_owned() };
    }
    reading.dropped(text, at, text.len());
    reading.finish(&content.join("\n"))
}

fn note(part: &Part, reading: &mut Reading) {
    let kind = match part.close {
        Some(Token::Call) => return,
        Some(_) => "accepted-other-end",
        None => "accepted-unclosed-call",
    };
    reading.repair(kind, Span::new(part.content.end, part.span.end));
}
