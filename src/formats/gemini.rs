//! `gemini`: requests of Gemini's API: `contents` of parts, with the system instruction and the tools beside them.
//!
//! Source of the shapes: the API reference of generateContent and the types of its Python client; keys are read in
//! both spellings (`functionCall`, `function_call`). Calls often have no id: then one is made, and a result belongs to
//! the first open call of its name.

mod write;

use super::chat::{self, Chat, Content, expected};
use super::fields::Fields;
use super::source::Refusal;
use super::{Format, Reader, Sniff, Source, Writer};
use crate::model::{
    Arguments, ContentPart, Message, Object, ObservationResult, Source as Role, Step, ToolCall, Trajectory,
    Usage,
};
use crate::util::json::View;
use serde_json::Value;

const NAME: &str = "gemini";

/// The key of a step's extra that holds thought parts which are more than text.
const THOUGHTS: &str = "thought_parts";

/// The key of a result's extra that says under which key of the response its text stood; null for an object that
/// is the content as a whole.
const ANSWER: &str = "response_key";

pub(super) static ITEM: Format = Format {
    name: NAME,
    about: "Gemini's API: contents of parts, system instruction, function declarations",
    sniff,
    marks: &[&[
        "contents",
        "contents[].role=user|model|function",
        "contents[].parts",
        "systemInstruction|system_instruction|generationConfig",
    ]],
    read: Reader::Records(convert),
    folder: None,
    write: Some(Writer::Lines(write::line)),
};

fn sniff(source: &Source<'_>) -> Sniff {
    let Some(record) = source.first().filter(|record| record.is_object()) else {
        return Sniff::new(0, "holds no JSON object");
    };
    let Some(contents) = record.get("contents") else { return Sniff::new(0, "has no \"contents\"") };
    let parts = contents.items().any(|content| content.get("parts").is_some_and(View::is_array));
    if parts {
        Sniff::new(92, "")
    } else if contents.is_array() && contents.items().next().is_none() {
        Sniff::new(60, "")
    } else {
        Sniff::new(0, "has \"contents\" without \"parts\"")
    }
}

/// A member in either spelling: takes the first one that fits.
fn either<'a>(
    fields: &mut Fields<'a>,
    keys: [&'static str; 2],
    fits: impl Fn(View<'a>) -> bool,
) -> Option<View<'a>> {
    keys.into_iter().find_map(|key| fields.take(key, &fits))
}

fn convert(record: View<'_>, _warnings: &mut Vec<Refusal>) -> Result<Trajectory, Refusal> {
    if !record.is_object() {
        return Err(expected(record, "a record", "an object with \"contents\""));
    }
    let mut fields = Fields::of(record);
    let Some(contents) = fields.list("contents") else {
        return Err(match record.get("contents") {
            Some(other) => expected(other, "\"contents\"", "a list"),
            None => (record.offset(), "has no \"contents\"".to_owned()),
        });
    };
    let mut chat = Chat::new();
    let system = ["systemInstruction", "system_instruction"];
    if let Some(system) = either(&mut fields, system, |system| system.is_object() || system.text().is_some())
    {
        if let Some(text) = system.text() {
            let message = Message::Text(text.into_owned());
            chat.push(Role::System, Content { message, place: Some(system.place()) });
        } else {
            let mut inner = Fields::of(system);
            let parts = inner.list("parts");
            inner.take("role", |role| role.text().is_some());
            chat.push(Role::System, pick(parts, |_| true)?).extra = inner.rest();
        }
    }
    for content in contents.items() {
        add(&mut chat, content)?;
    }
    let mut trajectory = Trajectory::default();
    if let Some(list) = fields.list("tools") {
        let (flat, whole) = declarations(list);
        (trajectory.agent.tools, trajectory.agent.raw_tools) = chat::tools_of(&flat);
        if let Some(whole) = whole {
            trajectory.agent.extra.insert("tools".to_owned(), whole);
        }
    }
    if let Some(usage) = either(&mut fields, ["usageMetadata", "usage_metadata"], View::is_object) {
        let (usage, rest) = read_usage(usage);
        if let Some(step) = chat.steps.iter_mut().rev().find(|step| step.source == Role::Agent) {
            (step.usage, step.metrics_extra) = (Some(usage), rest);
        }
    }
    trajectory.agent.model = fields.string("model");
    trajectory.id = fields.string("id");
    trajectory.extra = fields.rest();
    trajectory.steps = chat.steps;
    if trajectory.agent.tools.is_none() {
        trajectory.agent.tools = chat::tools_in_prompt(&trajectory.steps);
    }
    Ok(trajectory)
}

/// The declarations of all tools; the list itself, where it holds more than declarations.
fn declarations(list: View<'_>) -> (Vec<Value>, Option<Value>) {
    let keys = ["functionDeclarations", "function_declarations"];
    let inner = |tool: View<'_>| {
        keys.iter()
            .find_map(|key| tool.get(key))
            .map_or(Vec::new(), |list| list.items().map(View::value).collect())
    };
    let flat: Vec<Value> = list.items().flat_map(inner).collect();
    let plain = list.items().all(|tool| {
        let own =
            |(key, value): (std::borrow::Cow<'_, str>, View<'_>)| keys.contains(&&*key) && value.is_array();
        tool.is_object() && tool.members().all(own)
    });
    (flat, (!plain).then(|| list.value()))
}

fn read_usage(usage: View<'_>) -> (Usage, Object) {
    let mut fields = Fields::of(usage);
    let mut number = |keys| either(&mut fields, keys, |value| value.uint().is_some()).and_then(View::uint);
    let usage = Usage {
        prompt_tokens: number(["promptTokenCount", "prompt_token_count"]),
        completion_tokens: number(["candidatesTokenCount", "candidates_token_count"]),
        cached_tokens: number(["cachedContentTokenCount", "cached_content_token_count"]),
        cost_usd: None,
    };
    (usage, fields.rest())
}

/// What a part is.
#[derive(PartialEq, Eq, Clone, Copy)]
enum Kind {
    Call,
    Result,
    Thought,
    Other,
}

const CALL: [&str; 2] = ["functionCall", "function_call"];
const RESULT: [&str; 2] = ["functionResponse", "function_response"];

fn kind(part: View<'_>) -> Kind {
    let has = |keys: [&str; 2]| keys.iter().any(|key| part.get(key).is_some_and(View::is_object));
    if has(CALL) {
        Kind::Call
    } else if has(RESULT) {
        Kind::Result
    } else if part.get("thought").and_then(View::bool) == Some(true) && part.get("text").is_some() {
        Kind::Thought
    } else {
        Kind::Other
    }
}

/// Parts that `wanted` picks, read as a message's content.
fn pick(parts: Option<View<'_>>, wanted: impl Fn(View<'_>) -> bool) -> Result<Content, Refusal> {
    let (mut out, mut places) = (Vec::new(), Vec::new());
    for part in parts.into_iter().flat_map(View::items).filter(|part| wanted(*part)) {
        if !part.is_object() && part.text().is_none() {
            return Err(expected(part, "a part", "an object"));
        }
        let mut read = chat::part(part);
        if read.text.is_none() {
            let media = ["inlineData", "inline_data", "fileData", "file_data"]
                .iter()
                .any(|key| read.source.as_ref().is_some_and(|source| source.contains_key(*key)));
            if media { "image" } else { "part" }.clone_into(&mut read.kind);
        } else {
            places.extend(chat::part_text(part).map(View::place));
        }
        out.push(read);
    }
    let place = match (places.as_slice(), parts) {
        ([one], _) => Some(*one),
        ([_, ..], Some(parts)) => Some(parts.parts_place()),
        _ => None,
    };
    let message = match out.as_mut_slice() {
        [] => Message::Text(String::new()),
        [ContentPart { text: Some(text), source: None, .. }] => Message::Text(std::mem::take(text)),
        _ => Message::Parts(out),
    };
    Ok(Content { message, place })
}

/// Adds one content.
fn add(chat: &mut Chat, content: View<'_>) -> Result<(), Refusal> {
    if !content.is_object() {
        return Err(expected(content, "a content", "an object"));
    }
    let mut fields = Fields::of(content);
    let role = fields.must_text("role")?.unwrap_or_else(|| "user".to_owned());
    let parts = fields.list("parts");
    if let (None, Some(other)) = (parts, content.some("parts")) {
        return Err(expected(other, "\"parts\"", "a list"));
    }
    match role.as_str() {
        "model" => model(chat, fields, parts),
        "user" | "function" | "tool" => {
            let mut results = 0;
            for part in parts.into_iter().flat_map(View::items).filter(|part| kind(*part) == Kind::Result) {
                let result = read_result(&chat.steps, part)?;
                chat.attach(result);
                results += 1;
            }
            let said = |part: View<'_>| kind(part) != Kind::Result;
            let extra = fields.rest();
            if results == 0 || !extra.is_empty() || parts.is_some_and(|parts| parts.items().any(said)) {
                chat.told(pick(parts, said)?, extra);
            }
            Ok(())
        }
        "system" => {
            chat.push(Role::System, pick(parts, |_| true)?).extra = fields.rest();
            Ok(())
        }
        other => {
            let at = content.get("role").map_or(0, View::offset);
            Err((at, format!("the role '{other}' is none of user, model, function")))
        }
    }
}

fn model(chat: &mut Chat, fields: Fields<'_>, parts: Option<View<'_>>) -> Result<(), Refusal> {
    let (mut calls, mut thoughts, mut kept) = (Vec::new(), Vec::new(), Vec::new());
    let made = chat.steps.iter().map(|step| step.calls.len()).sum::<usize>();
    for part in parts.into_iter().flat_map(View::items) {
        match kind(part) {
            Kind::Call => calls.push(read_call(part, made + calls.len() + 1)?),
            Kind::Thought => {
                thoughts.extend(part.text_at("text"));
                kept.push(part.value());
            }
            Kind::Result => return Err((part.offset(), "a function response of the model".to_owned())),
            Kind::Other => {}
        }
    }
    let said = pick(parts, |part| kind(part) == Kind::Other)?;
    let mut extra = fields.rest();
    let reasoning = Some(thoughts.join("\n\n")).filter(|text| !text.is_empty());
    if reasoning.as_deref().map(|text| vec![plain_thought(text)]).unwrap_or_default() != kept {
        extra.insert(THOUGHTS.to_owned(), kept.into());
    }
    let step = chat.said(said, calls);
    step.extra = extra;
    step.reasoning = reasoning;
    Ok(())
}

/// A thought part that holds nothing but its text.
fn plain_thought(text: &str) -> Value {
    serde_json::json!({"text": text, "thought": true})
}

/// What stands beside the one object of a part, in front of what that object leaves over.
fn beside(part: View<'_>, keys: [&'static str; 2], inner: Object) -> Object {
    let mut outer = Fields::of(part);
    either(&mut outer, keys, View::is_object);
    let outer = outer.rest();
    let mut extra = inner;
    if !outer.is_empty() {
        extra.insert("part".to_owned(), outer.into());
    }
    extra
}

fn read_call(part: View<'_>, number: usize) -> Result<ToolCall, Refusal> {
    let call = CALL.iter().find_map(|key| part.get(key)).unwrap_or(part);
    let mut fields = Fields::of(call);
    let id = fields.must_text("id")?.unwrap_or_else(|| format!("call_{number:02}"));
    fields.mark("name");
    fields.mark("args");
    let arguments = match call.get("args") {
        Some(args) if !args.is_null() => chat::arguments(Some(args)),
        // No arguments are written as none.
        _ => Arguments::object(Object::new()),
    };
    let name = chat::call_name(call)?;
    Ok(ToolCall {
        id,
        name,
        arguments,
        extra: beside(part, CALL, fields.rest()),
        place: Some(call.value_place()),
    })
}

/// The first call of that name that has no result yet, in the latest step that has calls.
fn open_call(steps: &[Step], name: Option<&str>) -> Option<String> {
    let step = steps.iter().rev().take(64).find(|step| !step.calls.is_empty())?;
    let results = step.observation.iter().flat_map(|observation| &observation.results);
    let answered: Vec<&str> = results.filter_map(|result| result.call_id.as_deref()).collect();
    let mut open = step.calls.iter().filter(|call| !answered.contains(&call.id.as_str()));
    open.find(|call| name.is_none_or(|name| call.name == name)).map(|call| call.id.clone())
}

fn read_result(steps: &[Step], part: View<'_>) -> Result<ObservationResult, Refusal> {
    let result = RESULT.iter().find_map(|key| part.get(key)).unwrap_or(part);
    let mut fields = Fields::of(result);
    let name = fields.must_text("name")?;
    let call_id = fields.must_text("id")?.or_else(|| open_call(steps, name.as_deref()));
    fields.mark("response");
    let response = result.some("response");
    let single = response.filter(|response| response.is_object()).and_then(|response| {
        let mut members = response.members();
        let (key, value) = members.next()?;
        (members.next().is_none() && value.text().is_some()).then(|| (key.into_owned(), value))
    });
    let mut extra = fields.rest();
    let (content, place) = match (single, response) {
        (Some((key, value)), _) => {
            if key != "output" {
                extra.insert(ANSWER.to_owned(), key.into());
            }
            (Some(value.text().unwrap_or_default().into_owned()), Some(value.place()))
        }
        (None, Some(response)) => {
            extra.insert(ANSWER.to_owned(), Value::Null);
            (Some(response.value().to_string()), None)
        }
        (None, None) => (None, None),
    };
    let extra = beside(part, RESULT, extra);
    let content = content.map(Message::Text);
    Ok(ObservationResult { call_id, name, content, place, extra, ..ObservationResult::default() })
}
