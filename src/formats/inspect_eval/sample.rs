//! One sample of a log.

use super::super::chat::{self, Content, expected};
use super::super::fields::{self, Fields};
use super::super::source::Refusal;
use super::super::text_calls;
use super::super::turns::Turns;
use super::LOG;
use crate::model::{
    Arguments, ContentPart, Message, Object, ObservationResult, Reply, Source, Step, ToolCall, Trajectory,
    Usage,
};
use crate::util::json::View;
use serde_json::Value;
use std::collections::HashMap;

/// How a text that stands among the attachments is referred to.
const ATTACHMENT: &str = "attachment://";

/// Longest value that every sample repeats of its log, in bytes.
const FEW: usize = 1024;

/// What every sample of a log gets from the log.
#[derive(Default)]
pub(super) struct Log {
    model: Option<String>,
    solver: Option<String>,
    version: String,
    /// The log in a few words.
    short: Object,
}

impl Log {
    /// Reads the log's header.
    pub(super) fn of(log: View<'_>) -> Self {
        let eval = log.get("eval");
        let plain = |value: View<'_>| !value.is_object() && !value.is_array() && value.raw().len() <= FEW;
        let members = |of: View<'_>| -> Object {
            let plain = of.members().filter(|(_, value)| plain(*value));
            plain.map(|(key, value)| (key.into_owned(), value.value())).collect()
        };
        let mut short = members(log);
        if let Some(eval) = eval.filter(|eval| eval.is_object()) {
            let mut few = members(eval);
            let packages = eval.get("packages").filter(|packages| packages.raw().len() <= FEW);
            few.extend(packages.map(|packages| ("packages".to_owned(), packages.value())));
            short.insert("eval".to_owned(), few.into());
        }
        let packages = eval.and_then(|eval| eval.get("packages"));
        Self {
            model: eval.and_then(|eval| eval.text_at("model")),
            solver: eval.and_then(|eval| eval.text_at("solver")),
            version: packages.and_then(|packages| packages.text_at("inspect_ai")).unwrap_or_default(),
            short,
        }
    }
}

/// What a model event says of the reply that it made.
struct Call<'a> {
    stop_reason: Option<String>,
    usage: Option<View<'a>>,
    timestamp: Option<String>,
}

/// Reads one sample.
pub(super) fn convert(
    log: &Log,
    sample: View<'_>,
    warnings: &mut Vec<Refusal>,
) -> Result<Trajectory, Refusal> {
    if !sample.is_object() {
        return Err(expected(sample, "a sample", "an object"));
    }
    let messages = sample.some("messages");
    if let Some(other) = messages.filter(|messages| !messages.is_array()) {
        return Err(expected(other, "\"messages\"", "a list"));
    }
    let mut reading = Reading {
        turns: Turns::default(),
        attachments: attachments(sample),
        calls: HashMap::new(),
        pending: Vec::new(),
        model: log.model.as_deref(),
        next_id: 1,
        warnings,
    };
    let mut trajectory = Trajectory::default();
    reading.events(sample, &mut trajectory);
    for message in messages.into_iter().flat_map(View::items) {
        reading.message(message)?;
    }
    if reading.turns.steps.is_empty() {
        reading.input(sample)?;
    }
    reading.last_output(sample);
    trajectory.steps = reading.turns.steps;
    let rest = sample.members().filter(|(key, _)| key != "messages");
    trajectory.extra = rest.map(|(key, value)| (key.into_owned(), value.value())).collect();
    if !log.short.is_empty() {
        trajectory.extra.insert(LOG.to_owned(), log.short.clone().into());
    }
    trajectory.id = sample.text_at("uuid").or_else(|| {
        let id = sample.get("id").map(View::value)?;
        let epoch = sample.get("epoch").map_or(Value::Null, View::value);
        Some(format!("{}_epoch_{epoch}", id.as_str().map_or_else(|| id.to_string(), str::to_owned)))
    });
    trajectory.agent.name = log.solver.clone().unwrap_or_else(|| "inspect_ai".to_owned());
    trajectory.agent.version.clone_from(&log.version);
    trajectory.agent.model.clone_from(&log.model);
    Ok(trajectory)
}

fn attachments(sample: View<'_>) -> HashMap<String, View<'_>> {
    let members = sample.some("attachments").into_iter().flat_map(View::members);
    members
        .filter(|(_, value)| value.text().is_some())
        .map(|(key, value)| (key.into_owned(), value))
        .collect()
}

/// Steps under construction.
struct Reading<'a, 'w> {
    turns: Turns,
    attachments: HashMap<String, View<'a>>,
    /// Model calls by the id of the message that they made.
    calls: HashMap<String, Call<'a>>,
    /// Steps that no model call is known of yet.
    pending: Vec<usize>,
    model: Option<&'a str>,
    next_id: u32,
    warnings: &'w mut Vec<Refusal>,
}

impl<'a> Reading<'a, '_> {
    /// Model calls and the tools that the first of them was told.
    fn events(&mut self, sample: View<'a>, trajectory: &mut Trajectory) {
        let events = sample.some("events").into_iter().flat_map(View::items);
        for event in events.filter(|event| event.text_at("event").as_deref() == Some("model")) {
            let tools = event.some("tools").filter(|tools| tools.items().next().is_some());
            if let Some(tools) = tools.filter(|_| trajectory.agent.tools.is_none()) {
                (trajectory.agent.tools, trajectory.agent.raw_tools) = chat::tools(tools);
            }
            let Some(output) = event.some("output") else { continue };
            self.output(output, event.text_at("timestamp"));
        }
    }

    /// What an output says of the message that it holds.
    fn output(&mut self, output: View<'a>, timestamp: Option<String>) {
        let Some(choice) = output.get("choices").and_then(|list| list.items().next()) else { return };
        let Some(id) = choice.get("message").and_then(|message| message.text_at("id")) else { return };
        let call =
            Call { stop_reason: choice.text_at("stop_reason"), usage: output.some("usage"), timestamp };
        self.calls.entry(id).or_insert(call);
    }

    /// Logs without events tell of the last reply alone; where messages have no ids, it is the last one.
    fn last_output(&mut self, sample: View<'a>) {
        let Some(output) = sample.some("output") else { return };
        let Some(choice) = output.get("choices").and_then(|list| list.items().next()) else { return };
        let Some(&last) = self.pending.last() else { return };
        let Some(message) = choice.get("message") else { return };
        let step = &self.turns.steps[last];
        let same = match message.text_at("id") {
            Some(id) => step.extra.get("id").and_then(Value::as_str) == Some(&*id),
            None => {
                !step.extra.contains_key("id")
                    && fields::content(message.get("content")).message == step.message
            }
        };
        if same {
            let call = Call {
                stop_reason: choice.text_at("stop_reason"),
                usage: output.some("usage"),
                timestamp: None,
            };
            told(&mut self.turns.steps[last], &call);
        }
    }

    /// What was asked, where a sample ended before anything was said.
    fn input(&mut self, sample: View<'a>) -> Result<(), Refusal> {
        let Some(input) = sample.some("input") else { return Ok(()) };
        if input.is_array() {
            return input.items().try_for_each(|message| self.message(message));
        }
        let content = self.content(Some(input));
        self.turns.push(Source::User, content).extra.insert("source".to_owned(), "input".into());
        Ok(())
    }

    fn message(&mut self, message: View<'a>) -> Result<(), Refusal> {
        if !message.is_object() {
            return Err(expected(message, "a message", "an object"));
        }
        let mut members = Fields::of(message);
        let content = self.content(members.any("content"));
        let role = members.string("role");
        match role.as_deref() {
            Some("assistant") => self.assistant(members, content),
            Some("tool") => self.result(members, content),
            Some("system") => self.turns.push(Source::System, content).extra = members.rest(),
            Some("user") => self.turns.push(Source::User, content).extra = members.rest(),
            other => {
                let what =
                    format!("the role of a message is '{}': it is kept as a user's", other.unwrap_or("none"));
                self.warnings.push((message.offset(), what));
                members.untake("role");
                self.turns.push(Source::User, content).extra = members.rest();
            }
        }
        Ok(())
    }

    /// Content with its attachments in their places.
    fn content(&mut self, value: Option<View<'a>>) -> Content {
        let mut content = fields::content(value);
        match &mut content.message {
            Message::Text(text) => {
                if let Some(found) = self.attached(text, value) {
                    *text = found.text().unwrap_or_default().into_owned();
                    content.place = Some(found.place());
                }
            }
            Message::Parts(parts) => {
                for part in parts {
                    if let Some(found) = part.text.as_ref().and_then(|text| self.attached(text, value)) {
                        part.text = found.text().map(std::borrow::Cow::into_owned);
                        // The list of parts no longer holds the text.
                        content.place = None;
                    }
                    for inner in part.source.iter_mut().flat_map(|source| source.values_mut()) {
                        self.resolve(inner, value);
                    }
                }
            }
        }
        content
    }

    /// The attachment that a text stands for.
    fn attached(&mut self, text: &str, at: Option<View<'a>>) -> Option<View<'a>> {
        let key = text.strip_prefix(ATTACHMENT)?;
        let found = self.attachments.get(key).copied();
        if found.is_none() {
            let offset = at.map_or(0, View::offset);
            self.warnings.push((offset, format!("the log does not hold the attachment '{key}'")));
        }
        found
    }

    /// Puts attachments into a value.
    fn resolve(&mut self, value: &mut Value, at: Option<View<'a>>) {
        match value {
            Value::String(text) => {
                if let Some(found) = self.attached(text, at) {
                    *text = found.text().unwrap_or_default().into_owned();
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.resolve(item, at)),
            Value::Object(members) => members.values_mut().for_each(|item| self.resolve(item, at)),
            _ => {}
        }
    }

    fn assistant(&mut self, mut members: Fields<'a>, mut content: Content) {
        let mut extra = Object::new();
        let mut reasoning = members.string("reasoning");
        let thoughts = take_reasoning(&mut content.message);
        if !thoughts.is_empty() {
            let texts = thoughts.iter().filter_map(|part| part.get("reasoning")?.as_str());
            reasoning = Some(texts.collect::<Vec<_>>().join("\n"));
            extra.insert("reasoning_parts".to_owned(), thoughts.into_iter().map(Value::Object).collect());
        }
        let list = members.list("tool_calls");
        let calls: Vec<ToolCall> =
            list.into_iter().flat_map(View::items).map(|item| self.call(item)).collect();
        let text = content.message.text().into_owned();
        let mut step = Step::new(0, Source::Agent, "");
        step.place = content.place;
        step.message = content.message;
        step.reasoning = reasoning;
        let native = !calls.is_empty();
        let mut dialect = native.then(|| "native".to_owned());
        step.calls = calls;
        if native {
            self.next_id += step.calls.len() as u32;
        } else {
            let found = text_calls::read(&text, &mut self.next_id);
            dialect = found.dialect.map(str::to_owned);
            step.calls = found.calls;
            if !step.calls.is_empty() {
                step.message = Message::Text(found.content.into_owned());
            }
        }
        step.reply = Some(Reply { text, finish_reason: None, dialect, native, place: step.place });
        let model = members.string("model");
        step.model = model.filter(|model| Some(model.as_str()) != self.model);
        extra.extend(members.rest());
        // Replies that the sample began with were not made by the model under test.
        let given = extra.get("source").and_then(Value::as_str) == Some("input");
        step.frame = given;
        step.copied = given.then_some(true);
        step.llm_calls = (!given).then_some(1);
        let call = extra.get("id").and_then(Value::as_str).and_then(|id| self.calls.remove(id));
        step.extra = extra;
        match &call {
            Some(call) => told(&mut step, call),
            None => self.pending.push(self.turns.steps.len()),
        }
        self.turns.add(step);
    }

    fn call(&mut self, item: View<'a>) -> ToolCall {
        let mut members = Fields::of(item);
        members.drop_if("type", |kind| kind.text().as_deref() == Some("function"));
        let id = members.string("id").unwrap_or_default();
        let name = members.string("function").unwrap_or_default();
        let mut arguments = chat::arguments(members.any("arguments"));
        if let Some(parsed) = &mut arguments.parsed {
            parsed.values_mut().for_each(|value| self.resolve(value, Some(item)));
        }
        let mut extra = Object::new();
        // What could not be parsed stands in the message about it.
        if let Some(raw) = item.text_at("parse_error").as_deref().and_then(unparsed) {
            let stand_in = std::mem::replace(&mut arguments, Arguments { raw: Some(raw), parsed: None });
            if let Some(parsed) = stand_in.parsed.filter(|parsed| !parsed.is_empty()) {
                extra.insert("arguments".to_owned(), parsed.into());
            }
        }
        extra.extend(members.rest());
        if !item.is_object() {
            extra.insert("value".to_owned(), item.value());
        }
        ToolCall { id, name, arguments, extra, place: Some(item.value_place()) }
    }

    fn result(&mut self, mut members: Fields<'a>, content: Content) {
        self.turns.attach(ObservationResult {
            call_id: members.string("tool_call_id"),
            name: members.string("function"),
            content: Some(content.message),
            place: content.place,
            extra: members.rest(),
            ..ObservationResult::default()
        });
    }
}

/// The arguments in the message that they can't be parsed, unless it shows them cut.
fn unparsed(message: &str) -> Option<String> {
    let (_, behind) = message.split_once("tool call arguments:\n\n")?;
    let (raw, _) = behind.rsplit_once("\n\nError details: ")?;
    (!raw.contains("(arguments middle-truncated")).then(|| raw.to_owned())
}

/// Takes the reasoning out of a message.
fn take_reasoning(message: &mut Message) -> Vec<Object> {
    let Message::Parts(parts) = message else { return Vec::new() };
    let mut thoughts = Vec::new();
    parts.retain_mut(|part| {
        let is_thought = part.kind == "reasoning" && part.text.is_none();
        if is_thought {
            thoughts.extend(part.source.take());
        }
        !is_thought
    });
    match parts.as_mut_slice() {
        [] => *message = Message::Text(String::new()),
        [ContentPart { text: Some(text), source: None, .. }] => {
            *message = Message::Text(std::mem::take(text));
        }
        _ => {}
    }
    thoughts
}

/// Usage, time and stop reason of a step.
fn told(step: &mut Step, call: &Call<'_>) {
    if let Some(reply) = &mut step.reply {
        reply.finish_reason.clone_from(&call.stop_reason);
    }
    step.timestamp.clone_from(&call.timestamp);
    let Some(tokens) = call.usage else { return };
    let mut members = Fields::of(tokens);
    let input = members.uint("input_tokens");
    let cached = members.uint("input_tokens_cache_read");
    let written = tokens.get("input_tokens_cache_write").and_then(View::uint).unwrap_or(0);
    step.usage = Some(Usage {
        // The log counts cached tokens apart.
        prompt_tokens: input.map(|input| input.saturating_add(cached.unwrap_or(0)).saturating_add(written)),
        completion_tokens: members.uint("output_tokens"),
        cached_tokens: cached,
        cost_usd: members.float("total_cost"),
    });
    step.metrics_extra.extend(fields::some_object("extra", members.rest()));
}
