//! Messages in the shape of OpenAI's chat API, as several formats hold them.
//!
//! Source of the shape: the chat completions API reference; traps in DESIGN's notes on containers
//! (content null, text or parts; arguments are text; legacy `function_call`; calls in plain text).

use super::source::Refusal;
use super::text_calls;
use crate::dialects::{self, Dialect, openhands_prompt};
use crate::model::{
    Arguments, ContentPart, Message, Object, Observation, ObservationResult, Place, Reply, Source, Step,
    ToolCall, ToolDef,
};
use crate::util::json::View;
use serde_json::Value;

/// Turns messages into steps; results go to the step of their call.
#[derive(Default)]
pub(super) struct Chat {
    /// Steps so far.
    pub(super) steps: Vec<Step>,
    next_id: u32,
    dialect: Option<&'static Dialect>,
}

/// Text or parts of a message, and where its text stands.
pub(super) struct Content {
    pub message: Message,
    pub place: Option<Place>,
}

impl Chat {
    /// An empty conversation.
    pub(super) fn new() -> Self {
        Self { steps: Vec::new(), next_id: 1, dialect: None }
    }

    /// An empty conversation whose text calls are in the dialect of that name, which no mark may tell. There a
    /// user message right behind a call is its result. A name without a parser here is no dialect.
    pub(super) fn in_dialect(name: Option<&str>) -> Self {
        Self { dialect: name.and_then(dialects::find), ..Self::new() }
    }

    /// Adds one message.
    pub(super) fn add(&mut self, message: View<'_>) -> Result<(), Refusal> {
        if !message.is_object() {
            return Err(expected(message, "a message", "an object"));
        }
        let role = match message.get("role") {
            Some(role) => role.text().ok_or_else(|| expected(role, "\"role\"", "a string"))?,
            None => return Err((message.offset(), "a message has no \"role\"".to_owned())),
        };
        match &*role {
            "system" | "developer" => self.plain(message, Source::System),
            "user" => self.user(message),
            "assistant" => self.assistant(message),
            "tool" | "function" => self.result(message),
            other => {
                let at = message.get("role").map_or(0, View::offset);
                Err((at, format!("the role '{other}' is none of system, developer, user, assistant, tool")))
            }
        }
    }

    /// Adds an assistant message of nothing but text.
    pub(super) fn say(&mut self, text: View<'_>) {
        let message = Message::Text(text.text().unwrap_or_default().into_owned());
        self.speak(Content { message, place: Some(text.place()) }, Vec::new(), Object::new(), None);
    }

    fn push(&mut self, source: Source, content: Content) -> &mut Step {
        let mut step = Step::new(self.steps.len() as u64 + 1, source, "");
        step.message = content.message;
        step.place = content.place;
        self.steps.push(step);
        let last = self.steps.len() - 1;
        &mut self.steps[last]
    }

    fn plain(&mut self, message: View<'_>, source: Source) -> Result<(), Refusal> {
        let content = content(message.get("content"))?;
        let extra = rest(message, &["role", "content"]);
        self.push(source, content).extra = extra;
        Ok(())
    }

    /// A user message; an observation in the text protocol goes to the step of its call.
    fn user(&mut self, message: View<'_>) -> Result<(), Refusal> {
        let content = content(message.get("content"))?;
        let text = content.message.text();
        let results = self.text_results(&text);
        if !results.is_empty() {
            let extra = rest(message, &["role", "content"]);
            for (n, (name, output)) in results.into_iter().enumerate() {
                let calls = self.steps.last().map_or(&[][..], |step| &step.calls);
                let result = ObservationResult {
                    call_id: calls.get(n).map(|call| call.id.clone()),
                    name,
                    content: Some(Message::Text(output)),
                    place: content.place,
                    extra: if n == 0 { extra.clone() } else { Object::new() },
                    ..ObservationResult::default()
                };
                self.attach(result);
            }
            return Ok(());
        }
        let extra = rest(message, &["role", "content"]);
        self.push(Source::User, content).extra = extra;
        Ok(())
    }

    /// The results of text calls that a user message holds: tool name and text of each.
    fn text_results(&self, text: &str) -> Vec<(Option<String>, String)> {
        let before = self.steps.last().filter(|step| step.source == Source::Agent && !step.calls.is_empty());
        let reply = before.and_then(|step| step.reply.as_ref()).filter(|reply| !reply.native);
        let dialect = reply.and_then(|reply| dialects::find(reply.dialect.as_deref()?));
        let results = dialect.map(|dialect| (dialect.read_observations)(text)).unwrap_or_default();
        if results.is_empty() && reply.is_some() && self.dialect.is_some() {
            return vec![(None, text.to_owned())];
        }
        results.into_iter().map(|result| (result.name, result.content.text(text).to_owned())).collect()
    }

    fn assistant(&mut self, message: View<'_>) -> Result<(), Refusal> {
        let content = content(message.get("content"))?;
        let calls = native_calls(message, self.next_id)?;
        let extra = rest(
            message,
            &["role", "content", "tool_calls", "function_call", "reasoning_content", "reasoning"],
        );
        let reasoning = ["reasoning_content", "reasoning"]
            .iter()
            .find_map(|key| message.some(key).and_then(View::text))
            .map(std::borrow::Cow::into_owned);
        self.speak(content, calls, extra, reasoning);
        Ok(())
    }

    /// Adds an agent step; without native calls its text is searched for calls.
    fn speak(&mut self, content: Content, calls: Vec<ToolCall>, extra: Object, reasoning: Option<String>) {
        let text = content.message.text().into_owned();
        let place = content.place;
        let native = !calls.is_empty();
        let mut next_id = self.next_id;
        let known = self.dialect;
        let step = self.push(Source::Agent, content);
        step.extra = extra;
        step.reasoning = reasoning;
        let mut dialect = native.then(|| "native".to_owned());
        if native {
            next_id += calls.len() as u32;
            step.calls = calls;
        } else {
            let found = match known {
                Some(dialect) => text_calls::read_as(dialect, &text, &mut next_id),
                None => text_calls::read(&text, &mut next_id),
            };
            dialect = found.dialect.map(str::to_owned);
            step.calls = found.calls;
            if !step.calls.is_empty() {
                step.message = Message::Text(found.content);
            }
        }
        step.reply = Some(Reply { text, finish_reason: None, dialect, native, place });
        self.next_id = next_id;
    }

    fn result(&mut self, message: View<'_>) -> Result<(), Refusal> {
        let content = content(message.get("content"))?;
        let name = optional_text(message, "name")?;
        let mut call_id = optional_text(message, "tool_call_id")?;
        let ids = message.some("tool_call_ids").filter(|_| call_id.is_none());
        if let Some(first) = ids.and_then(|ids| ids.items().next()) {
            // SWE-agent names the one call in a list.
            call_id = first.text().map(std::borrow::Cow::into_owned);
        }
        if call_id.is_none() && message.text_at("role").as_deref() == Some("function") {
            // The legacy form pairs by position.
            call_id = self.steps.last().and_then(|step| step.calls.last()).map(|call| call.id.clone());
        }
        let mut extra = rest(message, &["role", "content", "name", "tool_call_id"]);
        if ids.is_some_and(|ids| ids.items().count() == 1) && call_id.is_some() {
            extra.shift_remove("tool_call_ids");
        }
        self.attach(ObservationResult {
            call_id,
            name,
            content: Some(content.message),
            place: content.place,
            extra,
            ..ObservationResult::default()
        });
        Ok(())
    }

    /// Puts a result into the latest step that made its call, else into the latest agent step.
    fn attach(&mut self, result: ObservationResult) {
        let made = |step: &Step| step.calls.iter().any(|call| Some(&call.id) == result.call_id.as_ref());
        // Calls are answered soon: only the latest agent steps are looked at, so that a log of
        // nothing but orphans costs no more than its length.
        let near = self.steps.iter().rposition(|step| step.source == Source::Agent);
        let own = self.steps.iter().enumerate().rev().take(64).find(|(_, step)| made(step)).map(|(n, _)| n);
        let index = own.or(near).unwrap_or_else(|| {
            let content = Content { message: Message::Text(String::new()), place: None };
            self.push(Source::User, content);
            self.steps.len() - 1
        });
        self.steps[index].observation.get_or_insert_with(Observation::default).results.push(result);
    }
}

/// `what must be X, not Y`
pub(super) fn expected(found: View<'_>, what: &str, wanted: &str) -> Refusal {
    (found.offset(), format!("{what} must be {wanted}, not {}", found.type_name()))
}

fn optional_text(message: View<'_>, key: &str) -> Result<Option<String>, Refusal> {
    match message.some(key) {
        None => Ok(None),
        Some(value) => match value.text() {
            Some(text) => Ok(Some(text.into_owned())),
            None => Err(expected(value, &format!("\"{key}\""), "a string")),
        },
    }
}

/// Text, null or a list of parts.
pub(super) fn content(value: Option<View<'_>>) -> Result<Content, Refusal> {
    let Some(value) = value.filter(|value| !value.is_null()) else {
        return Ok(Content { message: Message::Text(String::new()), place: None });
    };
    if let Some(text) = value.text() {
        return Ok(Content { message: Message::Text(text.into_owned()), place: Some(value.place()) });
    }
    if !value.is_array() {
        return Err(expected(value, "\"content\"", "a string or a list of parts"));
    }
    let mut parts = Vec::new();
    for item in value.items() {
        if let Some(text) = item.text() {
            parts.push(text_part(text.into_owned()));
            continue;
        }
        if !item.is_object() {
            return Err(expected(item, "a part of \"content\"", "an object"));
        }
        match part_text(item) {
            Some(text) => parts.push(text_part(text.text().unwrap_or_default().into_owned())),
            None => {
                let kind = item.text_at("type").unwrap_or_default();
                let kind = kind.strip_suffix("_url").unwrap_or(&kind).to_owned();
                parts.push(ContentPart { kind, text: None, source: Some(item.object()) });
            }
        }
    }
    let place = parts_place(value);
    // One text part is text.
    let message = match parts.as_mut_slice() {
        [ContentPart { text: Some(text), .. }] => Message::Text(std::mem::take(text)),
        _ => Message::Parts(parts),
    };
    Ok(Content { message, place })
}

/// The text of a text part; a bare string is one.
pub(super) fn part_text(item: View<'_>) -> Option<View<'_>> {
    if item.text().is_some() {
        return Some(item);
    }
    let kind = item.text_at("type").unwrap_or_default();
    item.get("text").filter(|_| matches!(&*kind, "text" | "input_text" | "output_text" | ""))
}

/// Where the text of a list of parts stands: in its one text part, or spread over the list.
pub(super) fn parts_place(list: View<'_>) -> Option<Place> {
    let mut texts = list.items().filter_map(part_text).filter(|text| text.text().is_some());
    let first = texts.next()?;
    Some(if texts.next().is_some() { list.parts_place() } else { first.place() })
}

fn text_part(text: String) -> ContentPart {
    ContentPart { kind: "text".to_owned(), text: Some(text), source: None }
}

/// The members that have no place of their own.
fn rest(message: View<'_>, known: &[&str]) -> Object {
    let unknown = message.members().filter(|(key, _)| !known.contains(&&**key));
    unknown.map(|(key, value)| (key.into_owned(), value.value())).collect()
}

fn native_calls(message: View<'_>, next_id: u32) -> Result<Vec<ToolCall>, Refusal> {
    let mut calls = Vec::new();
    if let Some(list) = message.some("tool_calls") {
        if !list.is_array() {
            return Err(expected(list, "\"tool_calls\"", "a list"));
        }
        for item in list.items() {
            calls.push(native_call(item)?);
        }
    }
    if let Some(legacy) = message.some("function_call") {
        let mut extra = Object::new();
        extra.insert("legacy_function_call".to_owned(), Value::Bool(true));
        calls.push(ToolCall {
            id: format!("function_call_{next_id:02}"),
            name: call_name(legacy)?,
            arguments: arguments(legacy.get("arguments")),
            extra,
        });
    }
    Ok(calls)
}

fn native_call(item: View<'_>) -> Result<ToolCall, Refusal> {
    if !item.is_object() {
        return Err(expected(item, "a tool call", "an object"));
    }
    let function = item.some("function").filter(|function| function.is_object()).unwrap_or(item);
    Ok(ToolCall {
        id: optional_text(item, "id")?.unwrap_or_default(),
        name: call_name(function)?,
        arguments: arguments(function.get("arguments")),
        extra: rest(item, &["id", "function", "type", "name", "arguments"]),
    })
}

fn call_name(function: View<'_>) -> Result<String, Refusal> {
    match function.get("name") {
        Some(name) => {
            let text = name.text().ok_or_else(|| expected(name, "the name of a tool call", "a string"))?;
            Ok(text.into_owned())
        }
        None => Err((function.offset(), "a tool call has no name".to_owned())),
    }
}

/// Text is kept as written; an object (some writers) as it is.
fn arguments(value: Option<View<'_>>) -> Arguments {
    match value {
        Some(value) if value.is_object() => Arguments::object(value.object()),
        Some(value) => match value.text() {
            Some(text) => Arguments::text(text.into_owned()),
            None => Arguments { raw: Some(String::from_utf8_lossy(value.raw()).into_owned()), parsed: None },
        },
        None => Arguments { raw: None, parsed: None },
    }
}

/// Tool definitions: what could be read, and all of them as written if that is not the same.
pub(super) fn tools(list: View<'_>) -> (Option<Vec<ToolDef>>, Option<Vec<Value>>) {
    if !list.is_array() {
        return (None, None);
    }
    let raw: Vec<Value> = list.items().map(View::value).collect();
    let read: Vec<ToolDef> = raw.iter().filter_map(tool).collect();
    let same = raw.len() == read.len() && raw.iter().zip(&read).all(|(raw, read)| *raw == tool_value(read));
    (Some(read), (!same).then_some(raw))
}

/// Reads `{type: function, function: {name, …}}`, or the inner object alone.
fn tool(value: &Value) -> Option<ToolDef> {
    let function = value.get("function").unwrap_or(value);
    let parameters = function.get("parameters").or_else(|| function.get("input_schema"));
    Some(ToolDef {
        name: function.get("name")?.as_str()?.to_owned(),
        description: function.get("description").and_then(Value::as_str).unwrap_or_default().to_owned(),
        parameters: parameters.cloned().unwrap_or(Value::Null),
    })
}

/// Writes what [`tool`] reads.
pub(super) fn tool_value(tool: &ToolDef) -> Value {
    let mut function = Object::new();
    function.insert("name".to_owned(), tool.name.clone().into());
    if !tool.description.is_empty() {
        function.insert("description".to_owned(), tool.description.clone().into());
    }
    if !tool.parameters.is_null() {
        function.insert("parameters".to_owned(), tool.parameters.clone());
    }
    serde_json::json!({"type": "function", "function": function})
}

/// Tools out of the system prompt, for logs that keep none.
pub(super) fn tools_in_prompt(steps: &[Step]) -> Option<Vec<ToolDef>> {
    let prompts = steps.iter().filter(|step| step.source == Source::System);
    prompts.into_iter().find_map(|step| openhands_prompt::read_tools(&step.message.text()))
}
