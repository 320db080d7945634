//! Tools that a chat offers: whether one is called, which, and with what.
//!
//! Rules: a call is made when the last message is the user's, or when `tool_choice` demands one; never after a
//! result, so that a loop ends. The tool is the named one, else the one whose name and description share most
//! words with the last user message, else the first.

use super::answer::Answer;
use super::body::{Body, refused, wrong};
use super::messages::{Message, Role};
use super::schema;
use crate::model::Object;
use serde_json::Value;

const MAX_TOOLS: usize = 128;

/// A tool as it is offered.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tool {
    pub(super) name: String,
    description: String,
    parameters: Value,
}

/// What `tool_choice` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Choice {
    None,
    Auto,
    Required,
    Named(String),
}

/// A call that the server makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) name: String,
    pub(super) arguments: String,
}

/// The tools of a request and the choice among them.
pub(super) fn read(body: Body<'_>) -> Result<(Vec<Tool>, Choice), Answer> {
    let list = match body.given("tools") {
        None => &[][..],
        Some(Value::Array(list)) if list.len() <= MAX_TOOLS => list,
        Some(_) => {
            return Err(wrong(format!("The field 'tools' must be a list of at most {MAX_TOOLS} tools")));
        }
    };
    let mut tools: Vec<Tool> = Vec::new();
    for value in list {
        let tool = tool(value)?;
        if tools.iter().any(|other| other.name == tool.name) {
            return Err(refused(format!("The tool '{}' is offered twice", tool.name)));
        }
        tools.push(tool);
    }
    let choice = choice(body.given("tool_choice"), &tools)?;
    Ok((tools, choice))
}

fn tool(value: &Value) -> Result<Tool, Answer> {
    if value.get("type").and_then(Value::as_str) != Some("function") {
        return Err(wrong("Every one of 'tools' needs the 'type' function"));
    }
    let function = value.get("function").and_then(Value::as_object);
    let name = function.and_then(|function| function.get("name")).and_then(Value::as_str);
    let (Some(function), Some(name)) = (function, name) else {
        return Err(wrong("Every one of 'tools' needs a 'function' with a 'name'"));
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
        return Err(refused(format!(
            "Invalid function name '{name}': only letters, digits, underscores and dashes, at most 64"
        )));
    }
    let parameters = function.get("parameters").cloned().unwrap_or(Value::Null);
    let object = parameters.is_null()
        || parameters.is_object() && parameters.get("type").is_none_or(|kind| kind == "object");
    if !object {
        return Err(refused(format!("The parameters of '{name}' must be a JSON schema of type object")));
    }
    let description = function.get("description").and_then(Value::as_str).unwrap_or_default();
    Ok(Tool { name: name.to_owned(), description: description.to_owned(), parameters })
}

fn choice(value: Option<&Value>, tools: &[Tool]) -> Result<Choice, Answer> {
    let choice = match value {
        None if tools.is_empty() => Choice::None,
        None => Choice::Auto,
        Some(Value::String(word)) => match word.as_str() {
            "none" => Choice::None,
            "auto" => Choice::Auto,
            "required" => Choice::Required,
            _ => return Err(wrong("The field 'tool_choice' must be none, auto, required or a function")),
        },
        Some(value) => {
            let name = value.get("function").and_then(|function| function.get("name"));
            let name = name.and_then(Value::as_str);
            let name = name.ok_or_else(|| wrong("The field 'tool_choice' must name a function"))?;
            if !tools.iter().any(|tool| tool.name == name) {
                return Err(refused(format!("The function '{name}' of 'tool_choice' is not among 'tools'")));
            }
            Choice::Named(name.to_owned())
        }
    };
    if tools.is_empty() && choice == Choice::Required {
        return Err(refused("'tool_choice' is required, and there are no 'tools'"));
    }
    Ok(choice)
}

/// The call that a talk asks for, if it asks for one. `laid` is laid over its arguments.
pub(super) fn call(messages: &[Message], tools: &[Tool], choice: &Choice, laid: &Object) -> Option<Call> {
    let last = messages.last()?;
    let asked = messages.iter().rfind(|message| message.role == Role::User);
    let asked = asked.map_or("", |message| message.text.as_str());
    let tool = match choice {
        Choice::None => return None,
        _ if last.role == Role::Tool => return None,
        Choice::Auto if last.role != Role::User => return None,
        Choice::Auto | Choice::Required => fitting(tools, asked)?,
        Choice::Named(name) => tools.iter().find(|tool| tool.name == *name)?,
    };
    let mut arguments = schema::arguments(&tool.parameters, asked);
    let known = tool.parameters.get("properties").and_then(Value::as_object);
    for (name, value) in laid {
        if known.is_some_and(|known| known.contains_key(name)) {
            arguments.insert(name.clone(), value.clone());
        }
    }
    Some(Call { name: tool.name.clone(), arguments: Value::Object(arguments).to_string() })
}

fn fitting<'a>(tools: &'a [Tool], asked: &str) -> Option<&'a Tool> {
    let asked = words(asked);
    let shared = |text: &str| words(text).iter().filter(|word| asked.binary_search(word).is_ok()).count();
    let weight = |tool: &Tool| 2 * shared(&tool.name) + shared(&tool.description);
    // The first of equals: `max_by_key` would take the last.
    let mut best: Option<(usize, &Tool)> = None;
    for tool in tools {
        let weight = weight(tool);
        if best.is_none_or(|(most, _)| weight > most) {
            best = Some((weight, tool));
        }
    }
    best.map(|(_, tool)| tool)
}

/// Words of weight, each once, in order.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| word.chars().count() > 3)
        .map(str::to_lowercase)
        .collect();
    words.sort();
    words.dedup();
    words
}
