//! Messages of chat formats, written and read back.

use super::dialogue::{Call, Role, Turn};
use super::reason::{Reason, Reject};
use crate::model::Object;
use serde_json::{Map, Value, json};

/// How a chat format has its messages.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    /// Arguments of calls are JSON text, not objects.
    pub(super) text_arguments: bool,
    /// Messages of the role tool say which tool they come from.
    pub(super) tool_names: bool,
    /// Turns that must not be learned have `weight` 0.
    pub(super) weights: bool,
}

/// Style of TRL: <https://huggingface.co/docs/trl/dataset_formats>.
pub(super) const TRL: Style = Style { text_arguments: false, tool_names: true, weights: false };

/// Style of OpenAI's fine-tuning files.
pub(super) const OPENAI: Style = Style { text_arguments: true, tool_names: false, weights: true };

/// The messages of turns.
pub(super) fn write(turns: &[Turn], style: Style) -> Value {
    turns.iter().map(|turn| message(turn, style)).collect()
}

fn message(turn: &Turn, style: Style) -> Value {
    let mut out = Map::new();
    out.insert("role".to_owned(), turn.role.as_str().into());
    if style.tool_names
        && let Some(name) = &turn.name
    {
        out.insert("name".to_owned(), name.as_str().into());
    }
    // Never null: templates raise on it.
    out.insert("content".to_owned(), turn.content.as_str().into());
    if let Some(reasoning) = &turn.reasoning {
        out.insert("reasoning_content".to_owned(), reasoning.as_str().into());
    }
    if !turn.calls.is_empty() {
        let calls = turn.calls.iter().map(|call| call_value(call, style)).collect();
        out.insert("tool_calls".to_owned(), calls);
    }
    if let Some(id) = &turn.call_id {
        out.insert("tool_call_id".to_owned(), id.as_str().into());
    }
    if style.weights && turn.role == Role::Assistant && !turn.train {
        out.insert("weight".to_owned(), 0.into());
    }
    Value::Object(out)
}

fn call_value(call: &Call, style: Style) -> Value {
    let arguments = if style.text_arguments {
        let text = || Value::Object(call.arguments.clone()).to_string();
        Value::String(call.raw.clone().unwrap_or_else(text))
    } else {
        Value::Object(call.arguments.clone())
    };
    json!({"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}})
}

/// Reads messages back.
pub(super) fn read(messages: Option<&Value>) -> Result<Vec<Turn>, String> {
    let list = messages.and_then(Value::as_array).ok_or("messages are no list")?;
    list.iter().map(read_message).collect()
}

fn read_message(value: &Value) -> Result<Turn, String> {
    let text = |key: &str| value.get(key).and_then(Value::as_str);
    let role = text("role").and_then(Role::parse).ok_or("a message has no known role")?;
    let mut turn = Turn::new(role, text("content").ok_or("a message has no text")?, 0);
    turn.reasoning = text("reasoning_content").map(str::to_owned);
    turn.call_id = text("tool_call_id").map(str::to_owned);
    turn.name = text("name").map(str::to_owned);
    turn.train = role == Role::Assistant && value.get("weight").and_then(Value::as_u64) != Some(0);
    for call in value.get("tool_calls").and_then(Value::as_array).into_iter().flatten() {
        let function = call.get("function").ok_or("a call has no function")?;
        let name = function.get("name").and_then(Value::as_str).ok_or("a call has no name")?;
        let id = call.get("id").and_then(Value::as_str).unwrap_or_default();
        let arguments = read_arguments(function.get("arguments"))?;
        turn.calls.push(Call { id: id.to_owned(), name: name.to_owned(), arguments, raw: None });
    }
    Ok(turn)
}

/// Arguments as an object, whether they are one or text of one.
pub(super) fn read_arguments(value: Option<&Value>) -> Result<Object, String> {
    let parsed = match value {
        Some(Value::Object(object)) => return Ok(object.clone()),
        Some(Value::String(text)) => serde_json::from_str(text).ok(),
        _ => None,
    };
    parsed.ok_or_else(|| "arguments are no JSON object".to_owned())
}

/// A turn that must not be learned stands in what a target learns whole.
pub(super) fn all_learned(turns: &[Turn]) -> Result<(), Reject> {
    let masked = turns.iter().find(|turn| turn.role == Role::Assistant && !turn.train);
    match masked {
        None => Ok(()),
        Some(turn) => {
            let text = format!(
                "step {}: copied context, a worked example or a masked message, and the target learns every turn",
                turn.step
            );
            Err(Reject::new(Reason::MaskedTurn, text))
        }
    }
}

/// Something is left to learn, and no turn to learn is empty.
pub(super) fn worth_learning(turns: &[Turn]) -> Result<(), Reject> {
    let learned: Vec<&Turn> =
        turns.iter().filter(|turn| turn.role == Role::Assistant && turn.train).collect();
    if learned.is_empty() {
        return Err(Reject::new(Reason::NothingToTrain, "every turn of the model is left out of training"));
    }
    match learned.iter().find(|turn| turn.content.is_empty() && turn.calls.is_empty()) {
        Some(turn) => {
            Err(Reject::new(Reason::EmptyTurn, format!("step {}: the model says nothing", turn.step)))
        }
        None => Ok(()),
    }
}

/// System messages stand first, if at all.
pub(super) fn system_first(turns: &[Turn]) -> Result<(), Reject> {
    match turns.iter().skip(1).find(|turn| turn.role == Role::System) {
        Some(turn) => Err(Reject::new(
            Reason::SystemNotFirst,
            format!("step {}: a system message that is not the first message", turn.step),
        )),
        None => Ok(()),
    }
}
