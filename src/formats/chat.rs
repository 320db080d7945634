//! Messages in the shape of OpenAI's chat API, as several formats hold them.
//!
//! Source of the shape: the chat completions API reference; traps in DESIGN's notes on containers
//! (content null, text or parts; arguments are text; legacy `function_call`; calls in plain text).

use super::fields::Fields;
use super::source::Refusal;
use super::text_calls;
use super::turns::attach;
use crate::dialects::{self, Dialect, openhands_prompt};
use crate::model::{
    Arguments, ContentPart, Message, Object, Observation, ObservationResult, Place, Reply, Source, Step,
    ToolCall, ToolDef,
};
use crate::util::json::{self, View};
use serde_json::Value;

/// Turns messages into steps; results go to the step of their call.
#[derive(Default)]
pub(super) struct Chat {
    /// Steps so far.
    pub(super) steps: Vec<Step>,
    next_id: u32,
    dialect: Option<&'static Dialect>,
}

/// Keys under which back ends send reasoning; the first one that holds text counts.
const REASONING: [&str; 2] = ["reasoning_content", "reasoning"];

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
            "system" | "developer" => {
                self.plain(message, Source::System)?;
                if let Some(step) = self.steps.last_mut().filter(|_| role == "developer") {
                    step.extra.insert("role".to_owned(), "developer".into());
                }
                Ok(())
            }
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
        self.said(Content { message, place: Some(text.place()) }, Vec::new());
    }

    /// Adds a step.
    pub(super) fn push(&mut self, source: Source, content: Content) -> &mut Step {
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
        self.told(content, rest(message, &["role", "content"]));
        Ok(())
    }

    /// Adds what a user said, or the results of text calls that stand in it.
    pub(super) fn told(&mut self, content: Content, extra: Object) {
        let text = content.message.text();
        let results = self.text_results(&text);
        if results.is_empty() {
            drop(text);
            if self.answers_call() {
                let call_id =
                    self.steps.last().and_then(|step| step.calls.first()).map(|call| call.id.clone());
                let (content, place) = (Some(content.message), content.place);
                self.attach(ObservationResult {
                    call_id,
                    content,
                    place,
                    extra,
                    ..ObservationResult::default()
                });
            } else {
                self.push(Source::User, content).extra = extra;
            }
            return;
        }
        let mut extra = Some(extra);
        for (name, output) in results {
            // Results come in the order of their calls, in one message or in several.
            let step = self.steps.last();
            let before = step.and_then(|step| step.observation.as_ref()).map_or(0, |all| all.results.len());
            let result = ObservationResult {
                call_id: step.and_then(|step| step.calls.get(before)).map(|call| call.id.clone()),
                name,
                content: Some(Message::Text(output)),
                place: content.place,
                extra: extra.take().unwrap_or_default(),
                ..ObservationResult::default()
            };
            match self.steps.last_mut().filter(|_| result.call_id.is_none()) {
                // One result more than there are calls: it stays where it stood.
                Some(step) => {
                    step.observation.get_or_insert_with(Observation::default).results.push(result);
                }
                None => self.attach(result),
            }
        }
    }

    /// Whether a user message now is the result of a text call: so it is where the dialect is known by its name.
    fn answers_call(&self) -> bool {
        let before = self.steps.last().filter(|step| step.source == Source::Agent && !step.calls.is_empty());
        let reply = before.and_then(|step| step.reply.as_ref()).filter(|reply| !reply.native);
        self.dialect.is_some() && reply.is_some()
    }

    /// The results of text calls that a user message holds: tool name and text of each.
    fn text_results(&self, text: &str) -> Vec<(Option<String>, String)> {
        let before = self.steps.last().filter(|step| step.source == Source::Agent && !step.calls.is_empty());
        let reply = before.and_then(|step| step.reply.as_ref()).filter(|reply| !reply.native);
        let dialect = reply.and_then(|reply| dialects::find(reply.dialect.as_deref()?));
        let results = dialect.map(|dialect| (dialect.read_observations)(text)).unwrap_or_default();
        results.into_iter().map(|result| (result.name, result.content.text(text).to_owned())).collect()
    }

    fn assistant(&mut self, message: View<'_>) -> Result<(), Refusal> {
        let content = content(message.get("content"))?;
        let calls = native_calls(message, self.next_id)?;
        let mut known = vec!["role", "content", "tool_calls", "function_call"];
        let reasoning =
            REASONING.iter().find_map(|key| Some((*key, message.some(key)?.text()?.into_owned())));
        let reasoning = reasoning.map(|(key, text)| {
            known.push(key);
            text
        });
        let extra = rest(message, &known);
        let step = self.said(content, calls);
        step.extra = extra;
        step.reasoning = reasoning;
        Ok(())
    }

    /// Adds what the model said: with the calls that stand beside the text, else with those inside it.
    pub(super) fn said(&mut self, content: Content, calls: Vec<ToolCall>) -> &mut Step {
        let place = content.place;
        let native = !calls.is_empty();
        let mut next_id = self.next_id;
        let mut dialect = native.then(|| "native".to_owned());
        let mut message = content.message;
        let mut found = Vec::new();
        let text = if native {
            next_id += calls.len() as u32;
            message.text().into_owned()
        } else {
            let text = message.text();
            let reading = match self.dialect {
                Some(dialect) => text_calls::read_as(dialect, &text, &mut next_id),
                None => text_calls::read(&text, &mut next_id),
            };
            dialect = reading.dialect.map(str::to_owned);
            found = reading.calls;
            if found.is_empty() {
                text.into_owned()
            } else {
                let before = reading.content.into_owned();
                drop(text);
                // Parts that are no text stay beside the text before the calls.
                match std::mem::replace(&mut message, Message::Text(before)) {
                    Message::Text(text) => text,
                    Message::Parts(parts) => split(parts, &mut message),
                }
            }
        };
        let step = self.push(Source::Agent, Content { message, place });
        step.calls = if native { calls } else { found };
        step.reply = Some(Reply { text, finish_reason: None, dialect, native, place });
        self.next_id = next_id;
        let last = self.steps.len() - 1;
        &mut self.steps[last]
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
    pub(super) fn attach(&mut self, result: ObservationResult) {
        attach(&mut self.steps, result);
    }
}

/// The text of parts; what is no text goes behind the message.
fn split(parts: Vec<ContentPart>, message: &mut Message) -> String {
    let text = parts.iter().filter_map(|part| part.text.as_deref()).collect();
    let others: Vec<ContentPart> = parts
        .into_iter()
        .filter(|part| part.text.is_none() || part.source.is_some())
        .map(|part| ContentPart { text: None, ..part })
        .collect();
    if !others.is_empty() {
        let before = std::mem::replace(message, Message::Parts(Vec::new()));
        let first =
            Some(text_part(before.text().into_owned())).filter(|part| part.text.as_deref() != Some(""));
        *message = Message::Parts(first.into_iter().chain(others).collect());
    }
    text
}

/// `what must be X, not Y`
pub(super) fn expected(found: View<'_>, what: &str, wanted: &str) -> Refusal {
    (found.offset(), format!("{what} must be {wanted}, not {}", found.type_name()))
}

pub(super) fn optional_text(message: View<'_>, key: &str) -> Result<Option<String>, Refusal> {
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
        if item.text().is_none() && !item.is_object() {
            return Err(expected(item, "a part of \"content\"", "an object"));
        }
        parts.push(part(item));
    }
    let place = parts_place(value);
    // One text part is text.
    let message = match parts.as_mut_slice() {
        [ContentPart { text: Some(text), source: None, .. }] => Message::Text(std::mem::take(text)),
        _ => Message::Parts(parts),
    };
    Ok(Content { message, place })
}

/// One part: text with what stands beside it, or an object as it is.
pub(super) fn part(item: View<'_>) -> ContentPart {
    if let Some(text) = item.text() {
        return text_part(text.into_owned());
    }
    let Some(text) = part_text(item).and_then(View::text) else {
        let kind = item.text_at("type").unwrap_or_default();
        let kind = kind.strip_suffix("_url").unwrap_or(&kind).to_owned();
        return ContentPart { kind, text: None, source: Some(item.object()) };
    };
    let mut part = text_part(text.into_owned());
    let mut fields = Fields::of(item);
    fields.mark("text");
    fields.take("type", |kind| kind.text().is_some());
    for key in ["annotations", "logprobs"] {
        // Empty lists say nothing.
        fields.take(key, |list| list.is_array() && list.items().next().is_none());
    }
    let more = fields.rest();
    part.source = (!more.is_empty()).then_some(more);
    part
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

pub(super) fn text_part(text: String) -> ContentPart {
    ContentPart { kind: "text".to_owned(), text: Some(text), source: None }
}

/// The members that have no place of their own.
pub(super) fn rest(message: View<'_>, known: &[&str]) -> Object {
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
            calls.push(match item.text() {
                Some(text) => call_in_text(item, &text)?,
                None => native_call(item)?,
            });
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
            place: Some(legacy.value_place()),
        });
    }
    Ok(calls)
}

/// A call that stands as JSON inside a string, as verifiers writes it.
fn call_in_text(item: View<'_>, text: &str) -> Result<ToolCall, Refusal> {
    let unreadable = || (item.offset(), "a tool call is a string that holds no JSON object".to_owned());
    let node = json::parse_at(text.as_bytes(), 0, &mut Vec::new()).map_err(|_| unreadable())?;
    // Offsets inside the string would mislead.
    let call = native_call(View::new(text.as_bytes(), &node)).map_err(|(_, what)| (item.offset(), what))?;
    Ok(ToolCall { place: Some(item.value_place()), ..call })
}

fn native_call(item: View<'_>) -> Result<ToolCall, Refusal> {
    if !item.is_object() {
        return Err(expected(item, "a tool call", "an object"));
    }
    if let Some(custom) = item.some("custom").filter(|custom| custom.is_object()) {
        return custom_call(item, custom);
    }
    let inner = item.some("function").filter(|function| function.is_object());
    let mut extra = match inner {
        Some(_) => rest(item, &["id", "function"]),
        None => rest(item, &["id", "name", "arguments"]),
    };
    if extra.get("type").is_some_and(|kind| kind == "function") {
        extra.shift_remove("type");
    }
    let function = inner.unwrap_or(item);
    let more = inner.map(|inner| rest(inner, &["name", "arguments"])).unwrap_or_default();
    if !more.is_empty() {
        extra.insert("function".to_owned(), more.into());
    }
    Ok(ToolCall {
        id: optional_text(item, "id")?.unwrap_or_default(),
        name: call_name(function)?,
        arguments: arguments(function.get("arguments")),
        extra,
        place: Some(item.value_place()),
    })
}

/// A call with free text: no JSON, even where it looks like it.
fn custom_call(item: View<'_>, custom: View<'_>) -> Result<ToolCall, Refusal> {
    let mut fields = Fields::of(item);
    let id = fields.must_text("id")?.unwrap_or_default();
    fields.mark("custom");
    fields.take("type", |kind| kind.text().as_deref() == Some("custom"));
    let mut inner = Fields::of(custom);
    inner.mark("name");
    let raw = inner.must_text("input")?;
    let mut extra = fields.rest();
    let more = inner.rest();
    if !more.is_empty() {
        extra.insert("custom".to_owned(), more.into());
    }
    extra.entry("type").or_insert_with(|| CUSTOM.into());
    let (name, place) = (call_name(custom)?, Some(item.value_place()));
    Ok(ToolCall { id, name, arguments: Arguments { raw, parsed: None }, extra, place })
}

/// The type of a call with free text, as the Responses API names it.
pub(super) const CUSTOM: &str = "custom_tool_call";

/// Whether a call has free text in the place of arguments.
pub(super) fn is_custom(call: &ToolCall) -> bool {
    call.extra.get("type").is_some_and(|kind| kind == CUSTOM)
}

pub(super) fn call_name(function: View<'_>) -> Result<String, Refusal> {
    match function.get("name") {
        Some(name) => {
            let text = name.text().ok_or_else(|| expected(name, "the name of a tool call", "a string"))?;
            Ok(text.into_owned())
        }
        None => Err((function.offset(), "a tool call has no name".to_owned())),
    }
}

/// Arguments of a call: text is kept as written; an object (some writers) as it is.
pub(super) fn arguments(value: Option<View<'_>>) -> Arguments {
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
    tools_of(&raw)
}

/// The same of values.
pub(super) fn tools_of(raw: &[Value]) -> (Option<Vec<ToolDef>>, Option<Vec<Value>>) {
    let read: Vec<ToolDef> = raw.iter().filter_map(tool).collect();
    let same = raw.len() == read.len() && raw.iter().zip(&read).all(|(raw, read)| *raw == tool_value(read));
    (Some(read), (!same).then(|| raw.to_vec()))
}

/// Reads `{type: function, function: {name, …}}`, or the inner object alone.
pub(super) fn tool(value: &Value) -> Option<ToolDef> {
    tool_parts(value).map(|(tool, _)| tool)
}

/// A tool, and what its definition holds beside it.
pub(super) fn tool_parts(value: &Value) -> Option<(ToolDef, Object)> {
    let outer = value.as_object()?;
    let function = outer.get("function").and_then(Value::as_object);
    let inner = function.unwrap_or(outer);
    let schema = ["parameters", "input_schema", "parametersJsonSchema", "parameters_json_schema"];
    let schema = schema.into_iter().find(|key| inner.contains_key(*key));
    let mut more = Object::new();
    if function.is_some() {
        more.extend(outer.iter().filter(|(key, _)| *key != "function").map(|(k, v)| (k.clone(), v.clone())));
    }
    let described = inner.get("description").is_none_or(serde_json::Value::is_string);
    let own = |key: &str| key == "name" || Some(key) == schema || (described && key == "description");
    for (key, value) in inner.iter().filter(|(key, _)| !own(key)) {
        let key = if more.contains_key(key) { format!("function.{key}") } else { key.clone() };
        more.insert(key, value.clone());
    }
    // Anthropic calls the tools of its client custom ones.
    let client = |kind: &Value| kind == "function" || kind == "custom" && schema == Some("input_schema");
    if more.get("type").is_some_and(client) {
        more.shift_remove("type");
    }
    let tool = ToolDef {
        name: inner.get("name")?.as_str()?.to_owned(),
        description: inner.get("description").and_then(Value::as_str).unwrap_or_default().to_owned(),
        parameters: schema.and_then(|key| inner.get(key)).cloned().unwrap_or(Value::Null),
    };
    Some((tool, more))
}

/// The same of a tool that is a function; tools that an API runs by itself have a shape of their own.
pub(super) fn function_parts(value: &Value) -> Option<(ToolDef, Object)> {
    let keys = ["function", "parameters", "input_schema", "parametersJsonSchema", "parameters_json_schema"];
    let kind = value.get("type");
    let plain = kind.is_none_or(|kind| kind == "function") || keys.iter().any(|key| value.get(key).is_some());
    tool_parts(value).filter(|_| plain)
}

/// All tools of a trajectory as their definitions were written; those that were only read, in OpenAI's form.
pub(super) fn tool_list(agent: &crate::model::AgentInfo) -> Option<Vec<Value>> {
    match (&agent.raw_tools, &agent.tools) {
        (Some(raw), _) => Some(raw.clone()),
        (None, Some(tools)) => Some(tools.iter().map(tool_value).collect()),
        (None, None) => None,
    }
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
