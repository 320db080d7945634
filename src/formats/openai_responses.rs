//! `openai-responses`: items of OpenAI's Responses API: a request with `input`, a response with `output`, both, or
//! the list alone.
//!
//! Source of the shapes: the API reference and the types of its Python client. One turn of the model is several
//! items: they are one step up to the next result or message of somebody else, or to a second message of the model.

mod write;

use super::chat::{self, Chat, Content, content, expected};
use super::fields::Fields;
use super::openhands_completion_log::iso_time;
use super::source::Refusal;
use super::{Format, Reader, Sniff, Source, Writer};
use crate::model::{
    Arguments, ContentPart, Message, Object, ObservationResult, Source as Role, ToolCall, Trajectory, Usage,
};
use crate::util::json::View;
use serde_json::Value;

const NAME: &str = "openai-responses";

/// The key of a step's extra that holds reasoning items which are more than a summary.
const REASONING: &str = "reasoning_items";

pub(super) static ITEM: Format = Format {
    name: NAME,
    about: "OpenAI's Responses API: items of input and output",
    sniff,
    marks: &[&[
        "input|output|items",
        "input|output|items[].type=message|function_call|function_call_output|reasoning",
        "input|output|items[].role",
        "object=response",
        "instructions",
    ]],
    read: Reader::Records(convert),
    folder: None,
    write: Some(Writer::Lines(write::line)),
};

/// Items that only this API has.
fn own(item: View<'_>) -> bool {
    let kind = item.text_at("type").unwrap_or_default();
    let typed = matches!(
        &*kind,
        "function_call" | "function_call_output" | "custom_tool_call" | "custom_tool_call_output"
    );
    typed && item.get("call_id").is_some() || kind == "reasoning" && item.get("summary").is_some()
}

fn sniff(source: &Source<'_>) -> Sniff {
    let Some(record) = source.first() else { return Sniff::new(0, "holds no JSON object or list") };
    if record.is_array() {
        let items = record.items().any(own);
        return Sniff::new(if items { 85 } else { 0 }, "has no items of this API");
    }
    if record.get("messages").is_some() {
        return Sniff::new(0, "has \"messages\"");
    }
    let lists: Vec<View<'_>> = ["input", "output", "items"]
        .iter()
        .filter_map(|key| record.get(key))
        .filter(|list| list.is_array())
        .collect();
    let response = record.text_at("object").as_deref() == Some("response");
    let items = |list: &View<'_>| {
        list.items().any(|item| own(item) || item.get("role").is_some() && item.get("content").is_some())
    };
    if response || lists.iter().any(items) {
        Sniff::new(88, "")
    } else {
        Sniff::new(0, "has no list of items under \"input\" or \"output\"")
    }
}

/// Items of one model turn, until the step is made.
#[derive(Default)]
struct Turn<'a> {
    message: Option<Content>,
    calls: Vec<ToolCall>,
    thoughts: Vec<String>,
    reasoning: Vec<View<'a>>,
    others: Vec<ContentPart>,
    extra: Object,
}

impl Turn<'_> {
    fn is_empty(&self) -> bool {
        self.message.is_none() && self.calls.is_empty() && self.reasoning.is_empty() && self.others.is_empty()
    }

    /// Makes the step.
    fn end(&mut self, chat: &mut Chat) {
        if self.is_empty() {
            return;
        }
        let turn = std::mem::take(self);
        let mut said = turn.message.unwrap_or(Content { message: Message::Text(String::new()), place: None });
        if !turn.others.is_empty() {
            let mut parts = match said.message {
                Message::Text(text) if text.is_empty() => Vec::new(),
                Message::Text(text) => vec![chat::text_part(text)],
                Message::Parts(parts) => parts,
            };
            parts.extend(turn.others);
            said.message = Message::Parts(parts);
        }
        let text = Some(turn.thoughts.join("\n\n")).filter(|text| !text.is_empty());
        let mut extra = turn.extra;
        let plain = match (turn.reasoning.as_slice(), &text) {
            ([item], Some(text)) => {
                let id = item.text_at("id").unwrap_or_default();
                is_made_id(&id) && item.value() == reasoning_item(&id, text)
            }
            ([], _) => true,
            _ => false,
        };
        if !plain {
            let items: Vec<Value> = turn.reasoning.iter().map(|item| item.value()).collect();
            extra.insert(REASONING.to_owned(), items.into());
        }
        let step = chat.said(said, turn.calls);
        step.extra = extra;
        step.reasoning = text;
    }
}

/// Ids of reasoning items are needed and say nothing: those that we make are told by their shape.
fn is_made_id(id: &str) -> bool {
    id.strip_prefix("rs_")
        .is_some_and(|n| !n.is_empty() && n.len() < 9 && n.bytes().all(|b| b.is_ascii_digit()))
}

/// A reasoning item that holds nothing but its text.
fn reasoning_item(id: &str, text: &str) -> Value {
    serde_json::json!({"type": "reasoning", "id": id, "summary": [{"type": "summary_text", "text": text}]})
}

fn convert(record: View<'_>, _warnings: &mut Vec<Refusal>) -> Result<Trajectory, Refusal> {
    let mut trajectory = Trajectory::default();
    let mut chat = Chat::new();
    if record.is_array() {
        add_items(&mut chat, record)?;
    } else if record.is_object() {
        let mut fields = Fields::of(record);
        if let Some(text) = fields.take("instructions", |text| text.text().is_some()) {
            chat.push(Role::System, content(Some(text))?);
        }
        let input = fields.take("input", |input| input.is_array() || input.text().is_some());
        match input {
            Some(list) if list.is_array() => add_items(&mut chat, list)?,
            Some(text) => chat.told(content(Some(text))?, Object::new()),
            None => {}
        }
        let items = fields.list("items");
        if let Some(list) = items {
            add_items(&mut chat, list)?;
        }
        let output = fields.list("output");
        if let Some(list) = output {
            let before = chat.steps.len();
            add_items(&mut chat, list)?;
            told_of_response(&mut chat, before, &mut fields);
        }
        if input.is_none() && items.is_none() && output.is_none() {
            return Err((record.offset(), "has no list of items under \"input\" or \"output\"".to_owned()));
        }
        if let Some(list) = fields.list("tools") {
            (trajectory.agent.tools, trajectory.agent.raw_tools) = chat::tools(list);
        }
        trajectory.agent.model = fields.string("model");
        trajectory.id = fields.string("id");
        trajectory.extra = fields.rest();
    } else {
        return Err(expected(record, "a record", "an object or a list of items"));
    }
    trajectory.steps = chat.steps;
    if trajectory.agent.tools.is_none() {
        trajectory.agent.tools = chat::tools_in_prompt(&trajectory.steps);
    }
    Ok(trajectory)
}

/// Usage and time of a response belong to its step.
fn told_of_response(chat: &mut Chat, before: usize, fields: &mut Fields<'_>) {
    let Some(step) = chat.steps[before..].iter_mut().rev().find(|step| step.source == Role::Agent) else {
        return;
    };
    if let Some(usage) = fields.member("usage") {
        let (usage, rest) = read_usage(usage);
        (step.usage, step.metrics_extra) = (Some(usage), rest);
    }
    step.timestamp = fields
        .take("created_at", |time| time.float().and_then(iso_time).is_some())
        .and_then(View::float)
        .and_then(iso_time);
}

fn read_usage(usage: View<'_>) -> (Usage, Object) {
    let mut fields = Fields::of(usage);
    let mut number = |key| fields.take(key, |value| value.uint().is_some()).and_then(View::uint);
    let (input, output) = (number("input_tokens"), number("output_tokens"));
    let cached = usage.some("input_tokens_details").and_then(|details| details.get("cached_tokens")?.uint());
    let usage =
        Usage { prompt_tokens: input, completion_tokens: output, cached_tokens: cached, cost_usd: None };
    (usage, fields.rest())
}

fn add_items(chat: &mut Chat, list: View<'_>) -> Result<(), Refusal> {
    let mut turn = Turn::default();
    for item in list.items() {
        if !item.is_object() {
            return Err(expected(item, "an item", "an object"));
        }
        let mut fields = Fields::of(item);
        let kind = fields.must_text("type")?;
        match kind.as_deref() {
            None | Some("message") => message(chat, &mut turn, item, fields)?,
            Some("function_call" | "custom_tool_call") => {
                turn.calls.push(call(kind.as_deref().unwrap_or_default(), item, fields)?);
            }
            Some("function_call_output" | "custom_tool_call_output") => {
                turn.end(chat);
                let result = output(kind.as_deref().unwrap_or_default(), item, fields)?;
                chat.attach(result);
            }
            Some("reasoning") => {
                // Reasoning begins what follows it, unless only reasoning stands before it.
                if turn.message.is_some() || !turn.calls.is_empty() {
                    turn.end(chat);
                }
                turn.thoughts.extend(thought(item));
                turn.reasoning.push(item);
            }
            Some(kind) => turn.others.push(ContentPart {
                kind: kind.to_owned(),
                text: None,
                source: Some(item.object()),
            }),
        }
    }
    turn.end(chat);
    Ok(())
}

/// The text of a reasoning item: what the model thought where it is given, else the summary.
fn thought(item: View<'_>) -> Option<String> {
    let texts = |key: &str| -> Vec<String> {
        let parts = item.get(key).into_iter().flat_map(View::items);
        parts.filter_map(|part| part.text_at("text")).collect()
    };
    let content = texts("content");
    let texts = if content.is_empty() { texts("summary") } else { content };
    (!texts.is_empty()).then(|| texts.join("\n\n"))
}

fn message<'a>(
    chat: &mut Chat,
    turn: &mut Turn<'a>,
    item: View<'a>,
    mut fields: Fields<'a>,
) -> Result<(), Refusal> {
    let role = fields.must_text("role")?;
    let Some(role) = role else { return Err((item.offset(), "a message has no \"role\"".to_owned())) };
    fields.mark("content");
    let said = content(item.get("content"))?;
    let extra = fields.rest();
    match role.as_str() {
        "assistant" => {
            if turn.message.is_some() || !turn.calls.is_empty() {
                turn.end(chat);
            }
            turn.message = Some(said);
            turn.extra = extra;
        }
        "user" => {
            turn.end(chat);
            chat.told(said, extra);
        }
        "system" | "developer" => {
            turn.end(chat);
            let step = chat.push(Role::System, said);
            step.extra = extra;
            if role == "developer" {
                step.extra.insert("role".to_owned(), role.into());
            }
        }
        other => {
            let at = item.get("role").map_or(0, View::offset);
            return Err((at, format!("the role '{other}' is none of system, developer, user, assistant")));
        }
    }
    Ok(())
}

fn call(kind: &str, item: View<'_>, mut fields: Fields<'_>) -> Result<ToolCall, Refusal> {
    fields.mark("name");
    let id = fields.must_text("call_id")?;
    let function = kind == "function_call";
    let arguments = if function {
        fields.mark("arguments");
        chat::arguments(item.get("arguments"))
    } else {
        // Free text: no JSON, even where it looks like it.
        Arguments { raw: fields.must_text("input")?, parsed: None }
    };
    let mut extra = fields.rest();
    if !function {
        extra.insert("type".to_owned(), kind.into());
    }
    if let Some(own) = extra.shift_remove("id") {
        extra.insert("item_id".to_owned(), own);
    }
    let name = chat::call_name(item)?;
    Ok(ToolCall { id: id.unwrap_or_default(), name, arguments, extra, place: Some(item.value_place()) })
}

fn output(kind: &str, item: View<'_>, mut fields: Fields<'_>) -> Result<ObservationResult, Refusal> {
    let call_id = fields.must_text("call_id")?;
    fields.mark("output");
    let said = match item.get("output") {
        Some(object) if object.is_object() => {
            Content { message: Message::Text(object.value().to_string()), place: None }
        }
        other => content(other)?,
    };
    let mut extra = fields.rest();
    if kind != "function_call_output" {
        extra.insert("type".to_owned(), kind.into());
    }
    Ok(ObservationResult {
        call_id,
        content: Some(said.message),
        place: said.place,
        extra,
        ..ObservationResult::default()
    })
}
