//! `langchain`: messages of LangChain, as LangGraph keeps them in its state and LangSmith in its runs.
//!
//! A message has `type` in the place of a role, flat, under `data`, or in the constructor form (`lc`, `kwargs`). What
//! could not be parsed as a call stands in `invalid_tool_calls` and is a call all the same: the model made it. A
//! LangSmith run holds what went in and what came out; the answers among its inputs belong to other runs. Source:
//! langchain-core 1.x `messages/` and `load/dump.py`, langsmith `schemas.py`.

use super::chat::{self, expected};
use super::source::Refusal;
use super::turns::attach;
use super::{Format, Reader, Sniff, Source};
use crate::model::{
    Arguments, Object, ObservationResult, Reply, Source as Speaker, Step, ToolCall, Trajectory, Usage,
};
use crate::util::json::View;

pub(super) static ITEM: Format = Format {
    name: "langchain",
    about: "messages of LangChain: LangGraph states, LangSmith runs, constructor form",
    sniff,
    marks: &[
        &["messages", "messages[].type=human|ai|tool|system", "messages[].kwargs|data|additional_kwargs|id"],
        &["values.messages", "values.messages[].type=human|ai|tool|system"],
        &["run_type", "inputs", "outputs", "trace_id|dotted_order|start_time"],
    ],
    read: Reader::Records(convert),
    folder: None,
    write: None,
};

const TYPES: [&str; 8] = ["human", "ai", "tool", "system", "function", "chat", "remove", "developer"];

fn sniff(source: &Source<'_>) -> Sniff {
    let Some(record) = source.first() else { return Sniff::new(0, "holds no JSON value") };
    if record.get("run_type").is_some() && record.get("inputs").is_some() {
        return Sniff::new(90, "");
    }
    let list = messages_of(record).unwrap_or(record);
    let Some(first) = list.items().next() else { return Sniff::new(0, "has no list of messages") };
    // The file may be a list of records of which this is the first.
    if kind(first).is_some() || is_constructor(list) || record.is_object() && kind(record).is_some() {
        Sniff::new(90, "")
    } else {
        Sniff::new(0, "has no messages of the types human, ai, tool")
    }
}

fn messages_of(record: View<'_>) -> Option<View<'_>> {
    let values = record.some("values").filter(|values| values.is_object());
    record.some("messages").or_else(|| values?.some("messages")).filter(|list| list.is_array())
}

fn is_constructor(message: View<'_>) -> bool {
    message.get("lc").is_some() && message.get("kwargs").is_some_and(View::is_object)
}

/// The type of a message, whatever its form.
fn kind(message: View<'_>) -> Option<&'static str> {
    if is_constructor(message) {
        return known(&message.get("id")?.items().last()?.text()?);
    }
    let body = message.some("data").filter(|data| data.is_object()).unwrap_or(message);
    if body.get("role").is_some() {
        return None;
    }
    known(&message.get("type")?.text()?)
}

fn convert(record: View<'_>, warnings: &mut Vec<Refusal>) -> Result<Trajectory, Refusal> {
    let mut reading = Reading { steps: Vec::new(), warnings };
    let mut trajectory = Trajectory::default();
    if record.is_array() {
        reading.all(record)?;
    } else if !record.is_object() {
        return Err(expected(record, "a record", "an object or a list of messages"));
    } else if record.get("run_type").is_some() {
        run(record, &mut reading, &mut trajectory)?;
    } else if let Some(list) = messages_of(record) {
        reading.all(list)?;
        let inside = record.get("messages").is_none();
        let rest = record.members().filter(|(key, _)| inside || key != "messages");
        trajectory.extra = rest
            .map(|(key, value)| {
                let mut value = value.value();
                if inside
                    && key == "values"
                    && let Some(values) = value.as_object_mut()
                {
                    values.shift_remove("messages");
                }
                (key.into_owned(), value)
            })
            .collect();
    } else if kind(record).is_some() {
        reading.one(record)?;
    } else {
        return Err((record.offset(), "has no \"messages\"".to_owned()));
    }
    trajectory.steps = reading.steps;
    "langchain".clone_into(&mut trajectory.agent.name);
    Ok(trajectory)
}

/// A run of LangSmith.
fn run(record: View<'_>, reading: &mut Reading<'_>, trajectory: &mut Trajectory) -> Result<(), Refusal> {
    let inputs = record.some("inputs").and_then(messages_of);
    let outputs = record.some("outputs");
    let state = outputs.and_then(messages_of);
    let mut taken = Vec::new();
    // A graph's output is its whole state, the input included.
    let whole = match (inputs, state) {
        (Some(inputs), Some(state)) => state.items().count() > inputs.items().count(),
        (None, Some(_)) => true,
        _ => false,
    };
    if let Some(inputs) = inputs.filter(|_| !whole) {
        taken.push("inputs");
        for item in inputs.items() {
            // A chat model gets a list of prompts, each a list of messages.
            if item.is_array() { reading.all(item)? } else { reading.one(item)? }
        }
        for step in reading.steps.iter_mut().filter(|step| step.source == Speaker::Agent) {
            step.frame = true;
            step.copied = Some(true);
        }
    }
    if let Some(state) = state {
        taken.push("outputs");
        reading.all(state)?;
    } else if let Some(generations) = outputs.and_then(|outputs| outputs.some("generations")) {
        for generation in generations.items().flat_map(|item| {
            let inner: Vec<View<'_>> = if item.is_array() { item.items().collect() } else { vec![item] };
            inner
        }) {
            if let Some(message) = generation.some("message") {
                reading.one(message)?;
            }
        }
    }
    trajectory.id = record.text_at("id");
    trajectory.session_id = record.text_at("trace_id");
    let used = |key: &str| {
        key == "id" && trajectory.id.is_some() || key == "trace_id" && trajectory.session_id.is_some()
    };
    let mut extra: Object = record
        .members()
        .filter(|(key, _)| !used(key))
        .map(|(key, value)| (key.into_owned(), value.value()))
        .collect();
    for key in taken {
        if let Some(part) = extra.get_mut(key).and_then(serde_json::Value::as_object_mut) {
            part.shift_remove("messages");
        }
    }
    trajectory.extra = extra;
    Ok(())
}

struct Reading<'w> {
    steps: Vec<Step>,
    warnings: &'w mut Vec<Refusal>,
}

impl Reading<'_> {
    fn all(&mut self, list: View<'_>) -> Result<(), Refusal> {
        list.items().try_for_each(|message| self.one(message))
    }

    fn one(&mut self, message: View<'_>) -> Result<(), Refusal> {
        if !message.is_object() {
            return Err(expected(message, "a message", "an object"));
        }
        let constructor = is_constructor(message);
        let inner = if constructor {
            message.get("kwargs")
        } else {
            message.some("data").filter(|data| data.is_object())
        };
        let body = inner.unwrap_or(message);
        let Some(kind) = kind(message) else {
            let word = message.text_at("type").unwrap_or_default();
            return Err((message.offset(), format!("the type '{word}' is none of human, ai, tool, system")));
        };
        // The wrapper's own members come back with the message.
        let mut wrapper = Object::new();
        if inner.is_some() {
            let own = |key: &str| matches!(key, "kwargs" | "data") || !constructor && key == "type";
            let rest = message.members().filter(|(key, _)| !own(key));
            wrapper = rest.map(|(key, value)| (key.into_owned(), value.value())).collect();
        }
        let before = self.steps.len();
        match kind {
            "ai" => self.answer(body)?,
            "tool" | "function" => self.result(body)?,
            "system" | "developer" => self.plain(body, Speaker::System)?,
            _ => self.plain(body, Speaker::User)?,
        }
        if matches!(kind, "chat" | "remove" | "function" | "developer") {
            wrapper.insert("type".to_owned(), kind.into());
        }
        let step = if self.steps.len() > before { self.steps.get_mut(before) } else { self.steps.last_mut() };
        if let Some(step) = step.filter(|_| !wrapper.is_empty()) {
            step.extra.insert(format!("wrapper_{before}"), wrapper.into());
        }
        Ok(())
    }

    fn plain(&mut self, body: View<'_>, source: Speaker) -> Result<(), Refusal> {
        let content = chat::content(body.get("content"))?;
        let mut step = Step::new(self.steps.len() as u64 + 1, source, "");
        (step.message, step.place) = (content.message, content.place);
        step.extra = rest(body, |key, _| key == "content");
        self.steps.push(step);
        Ok(())
    }

    fn answer(&mut self, body: View<'_>) -> Result<(), Refusal> {
        let content = chat::content(body.get("content"))?;
        let mut step = Step::new(self.steps.len() as u64 + 1, Speaker::Agent, "");
        let text = content.message.text().into_owned();
        (step.message, step.place) = (content.message, content.place);
        for key in ["tool_calls", "invalid_tool_calls"] {
            let Some(list) = body.some(key) else { continue };
            if !list.is_array() {
                return Err(expected(list, &format!("\"{key}\""), "a list"));
            }
            for item in list.items() {
                step.calls.push(call(item, key)?);
            }
        }
        let about = body.some("response_metadata").filter(|about| about.is_object());
        step.reply = Some(Reply {
            text,
            finish_reason: about
                .and_then(|about| about.text_at("finish_reason").or_else(|| about.text_at("stop_reason"))),
            dialect: Some("native".to_owned()),
            native: true,
            place: step.place,
        });
        step.model = about.and_then(|about| about.text_at("model_name").or_else(|| about.text_at("model")));
        let tokens = body.some("usage_metadata").filter(|tokens| tokens.is_object());
        step.usage = tokens.map(usage);
        // Calls stand in `additional_kwargs` a second time, as the provider wrote them.
        step.extra = rest(body, |key, value| match key {
            "content" | "tool_calls" | "invalid_tool_calls" => true,
            "type" => is_type(value),
            _ => false,
        });
        self.steps.push(step);
        Ok(())
    }

    fn result(&mut self, body: View<'_>) -> Result<(), Refusal> {
        let content = chat::content(body.get("content"))?;
        let result = ObservationResult {
            call_id: body.text_at("tool_call_id"),
            name: body.text_at("name"),
            content: Some(content.message),
            place: content.place,
            extra: rest(body, |key, value| match key {
                "content" => true,
                "tool_call_id" | "name" => value.text().is_some(),
                "type" => is_type(value),
                _ => false,
            }),
            ..ObservationResult::default()
        };
        if attach(&mut self.steps, result) {
            self.warnings.push((body.offset(), "a tool message comes before any answer".to_owned()));
        }
        Ok(())
    }
}

/// Whether it is the name of a type, which the step tells already.
fn is_type(value: View<'_>) -> bool {
    value.text().is_some_and(|word| known(&word).is_some())
}

fn known(word: &str) -> Option<&'static str> {
    let word = word.strip_suffix("MessageChunk").or_else(|| word.strip_suffix("Message")).unwrap_or(word);
    TYPES.iter().copied().find(|kind| kind.eq_ignore_ascii_case(word))
}

fn rest(body: View<'_>, taken: impl Fn(&str, View<'_>) -> bool) -> Object {
    // The producer writes null for all that is not set.
    let members = body.members().filter(|(key, value)| !value.is_null() && !taken(key, *value));
    members.map(|(key, value)| (key.into_owned(), value.value())).collect()
}

fn call(item: View<'_>, list: &str) -> Result<ToolCall, Refusal> {
    if !item.is_object() {
        return Err(expected(item, "a tool call", "an object"));
    }
    let arguments = match item.some("args") {
        Some(value) if value.is_object() => Arguments::object(value.object()),
        Some(value) => match value.text() {
            Some(text) => Arguments::text(text.into_owned()),
            None => Arguments { raw: Some(String::from_utf8_lossy(value.raw()).into_owned()), parsed: None },
        },
        None => Arguments { raw: None, parsed: None },
    };
    let mut extra = rest(item, |key, value| match key {
        "args" => true,
        "name" | "id" => value.text().is_some(),
        "type" => value.text().is_some_and(|kind| kind == "tool_call" || kind == "invalid_tool_call"),
        _ => false,
    });
    if list == "invalid_tool_calls" {
        extra.insert("invalid".to_owned(), true.into());
    }
    Ok(ToolCall {
        id: item.text_at("id").unwrap_or_default(),
        name: item.text_at("name").unwrap_or_default(),
        arguments,
        extra,
        place: Some(item.value_place()),
    })
}

fn usage(tokens: View<'_>) -> Usage {
    let count = |key: &str| tokens.some(key).and_then(View::uint);
    let cached = tokens.some("input_token_details").and_then(|details| details.some("cache_read"));
    Usage {
        prompt_tokens: count("input_tokens"),
        completion_tokens: count("output_tokens"),
        cached_tokens: cached.and_then(View::uint),
        cost_usd: None,
    }
}
